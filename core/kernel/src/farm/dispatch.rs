//! Who gets what: sending segments.
//!
//! Layers that the same hosts can take form a *class*; classes with the fewest slots are served
//! first, or in turn where sends keep a distance. Within a class, shares are reckoned over everything that waits and over all slots of the
//! class, running ones included (they are ready when their segment is predicted to end), so that
//! an early finisher does not take more than its part. Each idle slot then takes its share of the
//! first layer that has something for it (see [`super::carve`]): a segment never spans layers.
//!
//! A slot that has to load for each segment gets its whole share in one. Where the renderer stays
//! loaded a segment costs next to nothing: a slot takes a little and comes again ([`super::stream`]),
//! or, where sends keep a distance, half its share at first and the next half of what is left then:
//! what is sent late is sized by what was learned.
//!
//! To weigh all slots of a class costs O(S log S) for S of them, whatever the number of tasks. On a
//! farm of more than [`MANY`] that is not done for every slot that falls idle, but a little later for
//! all that did, at the latest after [`LOOK_PART`] of a mean task.

use std::collections::BTreeSet;

use super::carve::{Amount, Part, Which};
use super::share::{Reach, level, whole_shares};
use super::slots::{Segment, Slot, Stage, Work};
use super::{Farm, Mode, Phase, Presence};
use crate::event::{Action, SendReason};
use crate::ids::{Attempt, HostId, LayerId, SegmentId, SlotId, TaskId};
use crate::policy::Policy;
use crate::time::{Span, Time};

/// A segment shall take at least this many times as long as it takes to send.
const SENDS: f64 = 50.0;
/// Shortest segment of a kept renderer, in seconds, while there is more to do.
const KEPT_MIN_S: f64 = 0.25;
/// And at least this many times as long as it takes to send to all slots in turn, or those that are
/// ready would wait for their next segment,
const TURNS: f64 = 10.0;
/// or this many times where costs are known and the dearest tasks go first.
const TURNS_KNOWN: f64 = 2.0;
/// More idle slots than this are not all looked at whenever something happens.
pub(super) const MANY: usize = 256;
/// While slots are idle, running segments are looked at again after this part of a mean task,
const LOOK_PART: f64 = 0.05;
/// but not sooner than this,
const LOOK_MIN_S: f64 = 0.01;
/// and not later than this.
const LOOK_MAX_S: f64 = 30.0;

/// When a class was last reckoned to be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Solved {
    /// When all of it ends together.
    pub ends: Time,
    /// When the last of what runs ends, if that is later.
    pub latest: Time,
    /// It holds until then.
    pub until: Time,
}

/// What waits for the slots of a class.
pub(super) struct Wanted {
    pub class: usize,
    /// How many tasks.
    pub count: u32,
    /// Mean seconds of one, at speed 1.
    pub each: f64,
    /// Seconds of the dearest one, where they are known one by one.
    pub dearest: Option<f64>,
}

/// Seconds at speed 1 for each slot: of whole tasks where all are taken to cost the same.
fn shares(wanted: &Wanted, reaches: &[Reach]) -> Vec<f64> {
    if wanted.dearest.is_none() {
        let shares = whole_shares(wanted.count, wanted.each, reaches);
        return shares
            .into_iter()
            .map(|share| f64::from(share) * wanted.each)
            .collect();
    }
    let level = level(f64::from(wanted.count) * wanted.each, reaches);
    let share = |reach: &Reach| ((level - reach.ready) * reach.speed).max(0.0);
    reaches.iter().map(share).collect()
}

/// Slots that fall idle together cannot be sent to together.
fn queue_up(busy: &mut [Reach], interval: f64) {
    if interval <= 0.0 {
        return;
    }
    busy.sort_by(|a, b| a.ready.total_cmp(&b.ready));
    let mut free = 0.0;
    for reach in busy {
        reach.ready = reach.ready.max(free);
        free = reach.ready + interval;
    }
}

impl Farm {
    pub(super) fn dispatch(&mut self) {
        if self.idle.is_empty() || self.now < self.licence.until || self.now < self.send_after {
            return;
        }
        for class in self.turns() {
            self.dispatch_class(class);
        }
        if self.job.policy().cuts() {
            self.cut_for_idle();
        }
    }

    /// The classes in the order in which they are served. Where sends keep a distance each gets its
    /// turn, or one whose tasks are short would take all sends.
    fn turns(&self) -> Vec<usize> {
        let mut turns: Vec<usize> = (0..self.classes.len()).collect();
        if self.job.pace().dispatch_interval > Span::ZERO {
            turns.sort_by_key(|class| self.classes[*class].sent);
        }
        turns
    }

    /// Whether a segment may be sent to this idle slot now.
    pub(super) fn may_send(&self, slot: SlotId) -> bool {
        let Slot {
            host, warm, closed, ..
        } = self.slots[slot.index()];
        let pace = self.job.pace();
        self.mode == Mode::Running
            && !closed
            && self.now >= self.licence.until
            && self.now >= self.send_after
            && self.hosts[host.index()].is_usable(self.now)
            && (warm || pace.loads_max.is_none_or(|most| self.loading < most.max(1)))
    }

    fn dispatch_class(&mut self, class: usize) {
        let layers = self.classes[class].layers.clone();
        let waits = |layer: &LayerId| !self.layers[layer.index()].queue.is_empty();
        if !layers.iter().any(waits) {
            return;
        }
        let mut idle = self.candidates(class);
        let (whole, divided): (Vec<LayerId>, Vec<LayerId>) = layers
            .into_iter()
            .filter(waits)
            .partition(|layer| self.layers[layer.index()].undivided);
        for layer in whole {
            self.send_undivided(layer, &mut idle);
        }
        if !divided.is_empty() && !idle.is_empty() {
            self.send_shares(class, &divided, &idle);
        }
    }

    /// Idle slots of a class that may be sent to: those ready soonest first, then the fastest.
    fn candidates(&self, class: usize) -> Vec<SlotId> {
        let class = &self.classes[class];
        let fits = |slot: &SlotId| class.has(self.slots[slot.index()].host) && self.may_send(*slot);
        let mut slots: Vec<SlotId> = if self.idle.len() > MANY && self.now < self.close_look_after {
            // Who was passed over a moment ago would be passed over again.
            let idle = |slot: &SlotId| matches!(self.slots[slot.index()].work, Work::Idle);
            let fallen = self.fallen.iter().copied().filter(idle).filter(fits);
            // One may have fallen idle twice.
            fallen.collect::<BTreeSet<SlotId>>().into_iter().collect()
        } else {
            self.idle.iter().copied().filter(fits).collect()
        };
        self.sort_soonest(&mut slots);
        slots
    }

    /// All of a layer to the slot that would end it soonest, once all of it can be sent.
    fn send_undivided(&mut self, layer: LayerId, idle: &mut Vec<SlotId>) {
        let state = &self.layers[layer.index()];
        if state.live > 0 || state.blocked > 0 {
            return;
        }
        let work = self.seconds(layer, state.queue.units);
        let range = self.job.layer(layer).range();
        let troubled: Vec<TaskId> = self
            .trouble
            .range(TaskId(range.start)..TaskId(range.end))
            .map(|(task, _)| *task)
            .collect();
        // Tasks that failed on different hosts may leave none that suits them all: then any will do.
        let suits = |host: HostId| troubled.iter().all(|task| self.may_go_to(*task, host));
        let usable = |host: &HostId| self.hosts[host.index()].is_usable(self.now);
        let hosts = &self.classes[state.class].hosts;
        let choosy = hosts.iter().any(|host| usable(host) && suits(*host));
        let end = |slot: &SlotId| self.load_ahead(*slot) + work / self.speed(*slot);
        let best = idle
            .iter()
            .copied()
            .filter(|slot| self.may_send(*slot))
            .filter(|slot| !choosy || suits(self.slots[slot.index()].host))
            .min_by(|a, b| end(a).total_cmp(&end(b)));
        let Some(slot) = best else {
            return;
        };
        let mut tasks = Vec::with_capacity(state.queue.count() as usize);
        let queue = &mut self.layers[layer.index()].queue;
        while let Some(task) = queue.bulk.take(0) {
            tasks.push(task);
        }
        queue.units = 0;
        idle.retain(|other| *other != slot);
        self.send(slot, tasks, SendReason::Undivided);
    }

    /// What waits in these layers; `None` where nothing does.
    fn wanted(&self, class: usize, layers: &[LayerId]) -> Option<Wanted> {
        let mut count = 0;
        let mut work = 0.0;
        for layer in layers {
            let queue = &self.layers[layer.index()].queue;
            count += queue.count();
            work += self.seconds(*layer, queue.units);
        }
        let each = work / f64::from(count);
        (count > 0).then(|| Wanted {
            class,
            count,
            each,
            dearest: self.dearest(layers),
        })
    }

    fn send_shares(&mut self, class: usize, layers: &[LayerId], idle: &[SlotId]) {
        let Some(mut wanted) = self.wanted(class, layers) else {
            return;
        };
        let mut idle = idle.to_vec();
        if self.streams(&wanted) {
            idle = self.stream(&wanted, layers, &idle);
            if idle.is_empty() {
                return;
            }
            match self.wanted(class, layers) {
                Some(left) => wanted = left,
                None => return,
            }
        }
        let idle = &idle;
        if !self.weighs() {
            let amounts = self.amounts(&wanted, &self.idle_reaches(idle));
            self.send_round(layers, idle, &amounts);
            return;
        }
        // On a large farm not everybody is weighed whenever something happens.
        let auto = self.job.policy() == Policy::Auto;
        let many = auto && self.slots.len() > MANY && !self.live.is_empty();
        if many && self.now < self.close_look_after {
            return;
        }
        let (mut reaches, latest) = self.reaches(class, idle);
        let sent = self.send_round(layers, idle, &self.amounts(&wanted, &reaches));
        if many && !(sent && self.job.pace().dispatch_interval > Span::ZERO) {
            self.close_look_after = self.next_look();
        }
        // Nobody is under way who could take what waits: then it is not worth waiting for hosts
        // that have not answered yet, nor for better ones.
        if !sent && latest.is_none() {
            reaches.truncate(idle.len());
            let amounts = self.amounts(&wanted, &reaches);
            if !self.send_round(layers, idle, &amounts) {
                for slot in idle {
                    if self
                        .send_share(layers, *slot, Amount::Tasks(1), 1)
                        .is_some()
                    {
                        break;
                    }
                }
            }
        }
    }

    /// Whether what a slot gets depends on the others.
    fn weighs(&self) -> bool {
        match self.job.policy() {
            Policy::Auto | Policy::RoyalRender { .. } => true,
            Policy::Even
            | Policy::Fixed(_)
            | Policy::Guided
            | Policy::Factoring
            | Policy::OpenJd { .. } => false,
        }
    }

    /// When each of these idle slots could render, if they are sent to in turn.
    fn idle_reaches(&self, idle: &[SlotId]) -> Vec<Reach> {
        let interval = self.job.pace().dispatch_interval.as_secs_f64();
        let reach = |(place, slot): (usize, &SlotId)| Reach {
            ready: self.load_ahead(*slot) + place as f64 * interval,
            speed: self.speed(*slot),
        };
        idle.iter().enumerate().map(reach).collect()
    }

    /// When each slot of a class could take more: the idle ones first, in their order. And in how
    /// many seconds the last of those ends that run something; `None` where none does.
    pub(super) fn reaches(&self, class: usize, idle: &[SlotId]) -> (Vec<Reach>, Option<f64>) {
        let interval = self.job.pace().dispatch_interval.as_secs_f64();
        let mut reaches = self.idle_reaches(idle);
        let mut latest: Option<f64> = None;
        for host in &self.classes[class].hosts {
            let state = &self.hosts[host.index()];
            let expected = state.presence == Presence::Expected;
            if !expected && !state.is_usable(self.now) {
                continue;
            }
            // A closed slot takes no more, whatever it is at.
            for slot in state.slots().filter(|slot| self.is_open(*slot)) {
                let busy = match self.slots[slot.index()].work {
                    Work::Busy(_) => true,
                    Work::Away if expected => false,
                    // Idle ones are counted above or cannot be sent to now; a thief has its work.
                    Work::Away | Work::Idle | Work::Thief { .. } => continue,
                };
                let remaining = self.remaining(slot);
                if busy {
                    latest = Some(latest.map_or(remaining, |latest| latest.max(remaining)));
                }
                reaches.push(Reach {
                    ready: remaining + self.load_behind(slot),
                    speed: self.speed(slot),
                });
            }
        }
        queue_up(&mut reaches[idle.len()..], interval);
        (reaches, latest)
    }

    /// Seconds at speed 1 of the dearest task that waits, where tasks are known one by one.
    fn dearest(&self, layers: &[LayerId]) -> Option<f64> {
        let dearest = |layer: &LayerId| {
            let known = self.layers[layer.index()].queue.known();
            let units = known.filter_map(|waiting| waiting.get(0));
            let units = units.map(|task| self.units(task)).max()?;
            Some(self.seconds(*layer, units))
        };
        layers.iter().filter_map(dearest).max_by(f64::total_cmp)
    }

    /// How much each slot shall get, by the policy.
    fn amounts(&self, wanted: &Wanted, reaches: &[Reach]) -> Vec<Amount> {
        let Wanted {
            class,
            count,
            each,
            dearest,
        } = *wanted;
        match self.job.policy() {
            Policy::Auto => {
                let shares = shares(wanted, reaches);
                let streams = self.streams(wanted);
                // While each of these is sent something, none of the others is.
                let served = shares.iter().filter(|share| **share > 0.0).count();
                let interval = self.job.pace().dispatch_interval.as_secs_f64();
                let turns = if dearest.is_some() {
                    TURNS_KNOWN
                } else {
                    TURNS
                };
                let turn_s = turns * served as f64 * interval;
                let end = |reach: &Reach| reach.ready + dearest.unwrap_or(0.0) / reach.speed;
                let soonest = reaches.iter().map(end).fold(f64::INFINITY, f64::min);
                let part = |(share, reach): (f64, &Reach)| {
                    let seconds = if streams {
                        self.chunk(each, reach.speed).min(share)
                    } else {
                        self.part_of_share(share, each, reach.speed, turn_s)
                    };
                    Amount::Part(Part {
                        seconds,
                        more: streams || seconds < share,
                        dearest: end(reach) <= soonest * (1.0 + 1e-9),
                    })
                };
                shares.into_iter().zip(reaches).map(part).collect()
            }
            Policy::Even
            | Policy::Fixed(_)
            | Policy::RoyalRender { .. }
            | Policy::Guided
            | Policy::Factoring
            | Policy::OpenJd { .. } => self.sizes(class, count, each, reaches),
        }
    }

    /// What of a share is sent now, if a task takes so long and a segment shall not be shorter
    /// than this.
    fn part_of_share(&self, share: f64, each: f64, speed: f64, turn_s: f64) -> f64 {
        if !self.job.is_kept() {
            return share;
        }
        let least = (self.shortest_s().max(turn_s) * speed / each).ceil() * each;
        let half = (share / each / 2.0).ceil() * each;
        half.max(least).min(share)
    }

    /// Seconds that a segment of a kept renderer takes at least, while there is more to do.
    pub(super) fn shortest_s(&self) -> f64 {
        (self.learned.turnaround() * SENDS).max(KEPT_MIN_S)
    }

    /// Sends to each idle slot in turn. Returns whether anything was sent.
    fn send_round(&mut self, layers: &[LayerId], idle: &[SlotId], amounts: &[Amount]) -> bool {
        let mut sent = false;
        // What earlier slots of this round got less than their share, because tasks are whole.
        let mut owed = 0.0;
        for (place, (slot, amount)) in idle.iter().zip(amounts).enumerate() {
            let amount = match *amount {
                Amount::Part(part) if part.seconds <= 0.0 => continue,
                Amount::Part(part) => Amount::Part(Part {
                    seconds: (part.seconds + owed).max(0.0),
                    ..part
                }),
                Amount::Tasks(_) | Amount::Stream { .. } => *amount,
            };
            if !self.may_send(*slot) {
                continue;
            }
            let Some(took) = self.send_share(layers, *slot, amount, idle.len() - place) else {
                continue;
            };
            sent = true;
            if let Amount::Part(part) = amount {
                owed = part.seconds - took;
            }
        }
        sent
    }

    /// Sends a slot about this much of the first layer that has something for it. Returns how
    /// many seconds at speed 1 that was. `others` slots share what the user wants first.
    pub(super) fn send_share(
        &mut self,
        layers: &[LayerId],
        slot: SlotId,
        amount: Amount,
        others: usize,
    ) -> Option<f64> {
        // What goes last does so among all layers. Where nothing does, one round tells.
        let last = |layer: &LayerId| self.layers[layer.index()].queue.last_count() > 0;
        let rounds: &[Which] = if layers.iter().any(last) {
            &[Which::First, Which::Last, Which::Any]
        } else {
            &[Which::Any]
        };
        for which in rounds {
            for layer in layers {
                let host = self.slots[slot.index()].host;
                let tasks = self.carve(*layer, host, amount, others, *which);
                if tasks.is_empty() {
                    continue;
                }
                let units = tasks.iter().map(|task| self.units(*task)).sum();
                self.send(slot, tasks, SendReason::Share);
                return Some(self.seconds(*layer, units));
            }
        }
        None
    }

    /// Leases tasks, which are in no queue, to an idle slot.
    pub(super) fn send(&mut self, slot: SlotId, tasks: Vec<TaskId>, reason: SendReason) {
        debug_assert!(!tasks.is_empty() && matches!(self.slots[slot.index()].work, Work::Idle));
        let id = self.next_segment;
        self.next_segment = SegmentId(id.0 + 1);
        let layer = self.job.layer_of(tasks[0]);
        let mut leases = Vec::with_capacity(tasks.len());
        let mut units = 0;
        for &task in &tasks {
            units += self.units(task);
            if !self.is_held(task) {
                self.set_phase(task, Phase::Leased);
            }
            self.grant(slot, task);
            let attempts = self.rows[task.index()].attempts;
            leases.push((task, Attempt(attempts.saturating_add(1))));
        }
        let cold = !self.slots[slot.index()].warm;
        self.loading += u32::from(cold);
        let state = &mut self.layers[layer.index()];
        state.live += 1;
        self.classes[state.class].sent = id;
        self.live.insert(id, slot);
        self.idle.remove(&slot);
        self.send_after = self.now + self.job.pace().dispatch_interval;
        self.slots[slot.index()].work = Work::Busy(Box::new(Segment {
            id,
            layer,
            next: 0,
            open: tasks.len(),
            tasks,
            units,
            sent: self.now,
            reason,
            stage: Stage::Sent { cold },
            cut: None,
            stopping: None,
            news: false,
            blamed: false,
        }));
        self.renew_deadline(slot);
        self.touch_end(slot);
        self.actions.push(Action::Send {
            segment: id,
            slot,
            leases,
            reason,
        });
    }

    /// When idle slots may get something though nothing happens. To be asked right after a round.
    pub(super) fn next_chance(&self) -> Option<Time> {
        if self.idle.is_empty() {
            return None;
        }
        let later = |time: Time| (time > self.now).then_some(time);
        // Of many idle slots those that were passed over are looked at again then.
        let look = (self.job.policy().cuts() && (!self.live.is_empty() || self.idle.len() > MANY))
            .then(|| self.next_look());
        let gates = [later(self.licence.until), later(self.send_after), look];
        let rests = self.resting.range((self.now, HostId(u32::MAX))..);
        let rest = rests.map(|(until, _)| *until).next();
        gates.into_iter().flatten().chain(rest).min()
    }

    pub(super) fn next_look(&self) -> Time {
        let part = self.mean_task() * LOOK_PART;
        self.now + Span::from_secs_f64(part.clamp(LOOK_MIN_S, LOOK_MAX_S))
    }
}
