//! Predictions, and what follows from them: cutting running segments.
//!
//! When a slot falls idle and nothing waits for it, the segment with the latest predicted end is
//! cut where its slot and the idle one end together, the idle one's load counted. A cut that gains
//! less than it costs is not made. A cut is a question: the tail belongs to the victim until it
//! answers how much it keeps.

use super::dispatch::MANY;
use super::share::Order;
use super::slots::{Cutting, Segment, Stage, Work};
use super::{Farm, LayerState, ends};
use crate::event::Action;
use crate::ids::{LayerId, SlotId, TaskId};
use crate::time::Time;

/// A cut must end the work earlier by this part of the time that it takes the thief.
const GAIN_PART: f64 = 0.05;
/// And by this part of the load that the thief has to do.
const LOAD_PRICE: f64 = 0.5;
/// And by this part of all the time of the job, at the thief's end.
const WHOLE_PRICE: f64 = 0.015;
/// What of these two is asked for where costs are known, and of runs of frames.
const KNOWN_PART: f64 = 0.2;
/// A stage that takes longer than predicted is taken to need this part of its age still.
const OVERDUE_PART: f64 = 0.25;

/// Segments that are passed over, because the idle slot may not take their tasks.
const VICTIMS_MAX: u32 = 64;

/// Where to cut.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Split {
    keep: usize,
    /// Seconds by which all of it ends sooner.
    gain: f64,
    /// Seconds that the thief is at it, load included.
    thief_s: f64,
}

impl Farm {
    /// Seconds at speed 1 that so much estimated cost of a layer really takes.
    pub(super) fn seconds(&self, layer: LayerId, units: u64) -> f64 {
        units as f64 * 1e-6 * self.learned.scale(layer.index())
    }

    pub(super) fn speed(&self, slot: SlotId) -> f64 {
        self.learned.speed(self.slots[slot.index()].host.index())
    }

    fn load(&self, slot: SlotId) -> f64 {
        self.learned.load(self.slots[slot.index()].host.index())
    }

    /// Seconds from a send to this idle slot until it renders.
    pub(super) fn load_ahead(&self, slot: SlotId) -> f64 {
        let warm = self.slots[slot.index()].warm;
        let load = if warm { 0.0 } else { self.load(slot) };
        load + self.job.pace().start_delay.as_secs_f64()
    }

    /// Seconds between a slot's present segment and the first picture of its next.
    pub(super) fn load_behind(&self, slot: SlotId) -> f64 {
        let warm = self.job.is_kept() && self.slots[slot.index()].segment().is_some();
        let load = if warm { 0.0 } else { self.load(slot) };
        load + self.job.pace().start_delay.as_secs_f64()
    }

    /// Mean seconds of a task on a host of speed 1, as far as known.
    pub(super) fn mean_task(&self) -> f64 {
        let tasks = self.job.task_count();
        self.learned
            .mean()
            .unwrap_or_else(|| self.job.units(0..tasks) as f64 * 1e-6 / f64::from(tasks))
    }

    /// Seconds until what runs on this slot is over, as predicted.
    pub(super) fn remaining(&self, slot: SlotId) -> f64 {
        let Some(segment) = self.slots[slot.index()].segment() else {
            return 0.0;
        };
        let speed = self.speed(slot);
        let untouched = segment.units as f64 * 1e-6 * self.relative(segment) / speed;
        untouched + self.stage_remaining(slot, segment, speed)
    }

    /// What the untouched tasks of a segment cost, relative to their estimates: of a run of tasks
    /// what the curve says of that stretch, of a sample what the layer costs in general.
    fn relative(&self, segment: &Segment) -> f64 {
        let LayerState { curve, .. } = &self.layers[segment.layer.index()];
        let run = match &segment.tasks[segment.next..] {
            [first, .., last] if self.is_run(segment) => curve.mean(*first, *last),
            _ => None,
        };
        run.unwrap_or_else(|| self.learned.scale(segment.layer.index()))
    }

    /// Whether what is untouched of a segment are tasks that follow one another.
    fn is_run(&self, segment: &Segment) -> bool {
        match &segment.tasks[segment.next..] {
            [first, rest @ .., last] => last.0.wrapping_sub(first.0) as usize == rest.len() + 1,
            _ => false,
        }
    }

    fn stage_remaining(&self, slot: SlotId, segment: &Segment, speed: f64) -> f64 {
        let (expected, since) = self.stage_expected(slot, segment);
        let age = self.known_at(slot).since(since).as_secs_f64();
        if let Stage::Rendering { task, .. } = segment.stage {
            return self.expected_at(segment.layer, task, age * speed) / speed - age;
        }
        if age < expected {
            expected - age
        } else {
            age * OVERDUE_PART
        }
    }

    /// Seconds at speed 1 that are expected of a task which takes longer than `age` there.
    pub(super) fn expected_at(&self, layer: LayerId, task: TaskId, age: f64) -> f64 {
        let estimate = self.units(task) as f64 * 1e-6;
        self.learned.expected(layer.index(), estimate, age)
    }

    /// Seconds that were expected of what a segment's renderer is doing, and since when it does.
    pub(super) fn stage_expected(&self, slot: SlotId, segment: &Segment) -> (f64, Time) {
        match segment.stage {
            Stage::Between { since } => (0.0, since),
            Stage::Sent { cold } => {
                let load = if cold { self.load(slot) } else { 0.0 };
                let delay = self.job.pace().start_delay.as_secs_f64();
                (load + delay, segment.sent)
            }
            Stage::Rendering { task, since } => {
                let cost = self.seconds(segment.layer, self.units(task));
                (cost / self.speed(slot), since)
            }
        }
    }

    /// Finds work for slots that have none: the tail of what would end last, or else a copy of a
    /// late task.
    pub(super) fn cut_for_idle(&mut self) {
        let many = self.live.len() > MANY || self.idle.len() > MANY;
        if self.live.is_empty() || (many && self.now < self.look_after) {
            return;
        }
        // What waits goes to slots by share; those that may take it are not thieves.
        let waiting: Vec<usize> = self
            .layers
            .iter()
            .filter(|layer| !layer.undivided && layer.queue.plain_count() > 0)
            .map(|layer| layer.class)
            .collect();
        let served = |slot: &SlotId| {
            let host = self.slots[slot.index()].host;
            waiting.iter().any(|class| self.classes[*class].has(host))
        };
        let thieves = self.idle.iter().copied();
        let mut idle: Vec<SlotId> = thieves
            .filter(|slot| !served(slot) && self.may_send(*slot))
            .collect();
        if idle.is_empty() {
            self.look_after = self.next_look();
            return;
        }
        // Whoever could start soonest goes first, or else the fastest.
        self.sort_soonest(&mut idle);
        for thief in idle {
            if let Some((victim, keep)) = self.best_cut(thief) {
                self.cut(victim, keep, thief);
            } else if !self.copy_for(thief) {
                // Slots that come later are no better off; new looks follow soon.
                self.look_after = self.next_look();
                break;
            }
        }
    }

    /// Slots that could begin soonest first, then the fastest.
    pub(super) fn sort_soonest(&self, slots: &mut [SlotId]) {
        slots.sort_by_cached_key(|slot| {
            let order = (self.load_ahead(*slot), -self.speed(*slot));
            (Order(order.0), Order(order.1))
        });
    }

    /// The cut that helps most: of the segment that would end last.
    fn best_cut(&mut self, thief: SlotId) -> Option<(SlotId, usize)> {
        let host = self.slots[thief.index()].host;
        let mut below = None;
        for _ in 0..VICTIMS_MAX {
            let entry = self.latest_end(ends::Order::Open, below)?;
            let victim = entry.1;
            below = Some(entry);
            let layer = self.slots[victim.index()].segment()?.layer;
            let class = self.layers[layer.index()].class;
            if !self.classes[class].has(host) {
                continue;
            }
            let split = self.split(victim, thief)?;
            let cost = self.price(layer, thief, split.thief_s);
            return (split.gain > cost).then_some((victim, split.keep));
        }
        None
    }

    /// Seconds by which a cut must let the work end sooner. A thief that has to load pays for that
    /// in machine time: what a guess promises must be worth it, in relation to the load and to all
    /// of the job; of known costs a fifth of that is enough.
    fn price(&self, layer: LayerId, thief: SlotId, thief_s: f64) -> f64 {
        let pace = self.job.pace();
        let send = pace.dispatch_interval.as_secs_f64() / 2.0 + GAIN_PART * thief_s;
        let load = self.load_ahead(thief) - pace.start_delay.as_secs_f64();
        if load <= 0.0 {
            return send;
        }
        let known = self.layers[layer.index()].queue.bulk.is_dearest_first();
        // A run of frames is no sample: that slots come out uneven is to be expected.
        let sure = known || !self.job.takes_lists();
        let whole = self.now.as_secs_f64() + thief_s;
        let loaded = LOAD_PRICE * load + WHOLE_PRICE * whole;
        send + if sure { loaded * KNOWN_PART } else { loaded }
    }

    /// Where victim and thief end together, in whole tasks.
    fn split(&self, victim: SlotId, thief: SlotId) -> Option<Split> {
        let segment = self.slots[victim.index()].segment()?;
        let host = self.slots[thief.index()].host;
        let before = self.remaining(victim);
        let start = self.load_ahead(thief);
        let run = self.is_run(segment);
        let unit = self.relative(segment) * 1e-6;
        let (slow, fast) = (1.0 / self.speed(victim), 1.0 / self.speed(thief));
        let mut best: Option<Split> = None;
        let mut moved = 0.0;
        let LayerState { curve, .. } = &self.layers[segment.layer.index()];
        // What the victim has begun it keeps, and one task at least, or there was no use in
        // sending it.
        let first = segment.next.max(1);
        for keep in (first..segment.tasks.len()).rev() {
            let task = segment.tasks[keep];
            if !self.may_go_to(task, host) {
                break;
            }
            // At the end of a run tasks may cost other than the run does in the mean.
            let own = run.then(|| curve.mean(task, task)).flatten();
            moved += self.units(task) as f64 * own.map_or(unit, |own| own * 1e-6);
            let thief_s = start + moved * fast;
            let end = thief_s.max(before - moved * slow);
            let gain = before - end;
            if best.is_some_and(|best| gain <= best.gain) {
                break;
            }
            best = Some(Split {
                keep,
                gain,
                thief_s,
            });
        }
        best
    }

    /// Asks a segment to keep only so many of its tasks; the others are for that idle slot.
    fn cut(&mut self, victim: SlotId, keep: usize, thief: SlotId) {
        let Some(segment) = self.slots[victim.index()].segment_mut() else {
            return;
        };
        segment.cut = Some(Cutting {
            thief: Some(thief),
            answers: 1,
        });
        let segment = segment.id;
        self.touch_end(victim);
        self.idle.remove(&thief);
        self.slots[thief.index()].work = Work::Thief { victim: segment };
        let keep = u32::try_from(keep).expect("a segment holds at most all tasks of a job");
        self.actions.push(Action::Cut { segment, keep });
    }
}
