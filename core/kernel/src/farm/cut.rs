//! Predictions, and what follows from them: cutting running segments.
//!
//! When a slot falls idle and nothing waits for it, the segment with the latest predicted end is
//! cut where its slot and the idle one end together, the idle one's load counted. A cut that gains
//! less than it costs is not made. A cut is a question: the tail belongs to the victim until it
//! answers how much it keeps.

use super::Farm;
use super::slots::{Cutting, Segment, Stage, Work};
use crate::event::Action;
use crate::ids::{LayerId, SlotId};

/// A cut must end the work earlier by this part of the time that it takes the thief.
const GAIN_PART: f64 = 0.05;
/// A stage that takes longer than predicted is taken to need this part of its age still.
const OVERDUE_PART: f64 = 0.25;

/// With more running segments than this, a walk over them that found nothing to cut is not
/// repeated before the next look is due.
const WALKS_MAX: usize = 256;

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
        let untouched = self.seconds(segment.layer, segment.units) / speed;
        untouched + self.stage_remaining(slot, segment, speed)
    }

    fn stage_remaining(&self, slot: SlotId, segment: &Segment, speed: f64) -> f64 {
        let (expected, since) = match segment.stage {
            Stage::Between { .. } => return 0.0,
            Stage::Sent { cold } => {
                let load = if cold { self.load(slot) } else { 0.0 };
                let delay = self.job.pace().start_delay.as_secs_f64();
                (load + delay, segment.sent)
            }
            Stage::Rendering { task, since } => {
                let cost = self.seconds(segment.layer, self.units(task));
                (cost / speed, since)
            }
        };
        let age = self.now.since(since).as_secs_f64();
        if age < expected {
            expected - age
        } else {
            age * OVERDUE_PART
        }
    }

    /// Finds work for slots that have none.
    pub(super) fn cut_for_idle(&mut self) {
        if self.live.len() > WALKS_MAX && self.now < self.look_after {
            return;
        }
        let mut idle: Vec<SlotId> = self.idle.iter().copied().collect();
        idle.retain(|slot| self.may_send(*slot) && !self.bulk_waits_for(*slot));
        // Whoever could start soonest goes first, or else the fastest.
        let order = |slot: &SlotId| (self.load_ahead(*slot), -self.speed(*slot));
        idle.sort_by(|a, b| {
            let (a, b) = (order(a), order(b));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        for thief in idle {
            let Some((victim, keep)) = self.best_cut(thief) else {
                // Slots that come later are no better off; new looks follow soon.
                self.look_after = self.next_look();
                break;
            };
            self.cut(victim, keep, thief);
        }
    }

    fn bulk_waits_for(&self, slot: SlotId) -> bool {
        let host = self.slots[slot.index()].host;
        self.layers.iter().any(|layer| {
            !layer.undivided && layer.queue.bulk.count() > 0 && self.classes[layer.class].has(host)
        })
    }

    /// The cut that helps most: of the segment that would end last. A walk over what runs, for
    /// each cut that is made and otherwise at most once a look.
    fn best_cut(&self, thief: SlotId) -> Option<(SlotId, usize)> {
        let host = self.slots[thief.index()].host;
        let (_, victim) = self
            .live
            .values()
            .filter_map(|slot| {
                let segment = self.slots[slot.index()].segment()?;
                let layer = &self.layers[segment.layer.index()];
                let open = segment.cut.is_none()
                    && segment.stopping.is_none()
                    && segment.untouched() > usize::from(segment.next == 0)
                    && !layer.undivided
                    && self.classes[layer.class].has(host);
                open.then(|| (self.remaining(*slot), *slot))
            })
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))?;
        let split = self.split(victim, thief)?;
        let pace = self.job.pace();
        let cost = pace.dispatch_interval.as_secs_f64() / 2.0 + GAIN_PART * split.thief_s;
        (split.gain > cost).then_some((victim, split.keep))
    }

    /// Where victim and thief end together, in whole tasks.
    fn split(&self, victim: SlotId, thief: SlotId) -> Option<Split> {
        let segment = self.slots[victim.index()].segment()?;
        let host = self.slots[thief.index()].host;
        let before = self.remaining(victim);
        let start = self.load_ahead(thief);
        let unit = self.seconds(segment.layer, 1);
        let (slow, fast) = (unit / self.speed(victim), unit / self.speed(thief));
        let mut best: Option<Split> = None;
        let mut moved = 0;
        // What the victim has begun it keeps, and one task at least, or there was no use in
        // sending it.
        let first = segment.next.max(1);
        for keep in (first..segment.tasks.len()).rev() {
            let task = segment.tasks[keep];
            if !self.may_go_to(task, host) {
                break;
            }
            moved += self.units(task);
            let thief_s = start + moved as f64 * fast;
            let end = thief_s.max(before - moved as f64 * slow);
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

    fn cut(&mut self, victim: SlotId, keep: usize, thief: SlotId) {
        let Some(segment) = self.slots[victim.index()].segment_mut() else {
            return;
        };
        segment.cut = Some(Cutting { thief: Some(thief) });
        let segment = segment.id;
        self.idle.remove(&thief);
        self.slots[thief.index()].work = Work::Thief { victim: segment };
        let keep = u32::try_from(keep).expect("a segment holds at most all tasks of a job");
        self.actions.push(Action::Cut { segment, keep });
    }
}
