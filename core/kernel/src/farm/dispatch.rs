//! Who gets what: sending segments.
//!
//! Layers that the same hosts can take form a *class*; classes with the fewest slots are served
//! first. Within a class, shares are reckoned over everything that waits and over all slots of the
//! class, running ones included (they are ready when their segment is predicted to end), so that
//! an early finisher does not take more than its part. Each idle slot then takes its share of the
//! first layer that has something for it (see [`super::carve`]): a segment never spans layers.
//!
//! A slot that has to load for each segment gets its whole share in one. Where the renderer stays
//! loaded a segment costs next to nothing, so a slot gets half its share at first and the next half
//! of what is left then: what is sent late is sized by what was learned.
//!
//! One round costs O(S log S) for S slots of the class, whatever the number of tasks; in the middle
//! of a large job with a kept renderer its result is used for many rounds.

use super::carve::{Amount, Part};
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
/// A solved share holds for this part of what is left of the time,
const SOLVED_PART: f64 = 0.01;
/// and for so many sends as this part of the slots,
const SOLVED_SENDS: u32 = 16;
/// as long as so many tasks wait for each slot: towards the end every task counts.
const SOLVED_TASKS: u32 = 8;
/// While slots are idle, running segments are looked at again after this part of a mean task,
const LOOK_PART: f64 = 0.05;
/// but not sooner than this,
const LOOK_MIN_S: f64 = 0.01;
/// and not later than this.
const LOOK_MAX_S: f64 = 30.0;

/// When all of a class was last reckoned to end together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Solved {
    ends: Time,
    /// It holds until then,
    until: Time,
    /// or for so many sends.
    sends: u32,
    slots: u32,
}

/// What waits for the slots of a class.
struct Wanted {
    class: usize,
    /// How many tasks.
    count: u32,
    /// Mean seconds of one, at speed 1.
    each: f64,
    /// Seconds of the dearest one, where they are known one by one.
    dearest: Option<f64>,
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

impl Farm {
    pub(super) fn dispatch(&mut self) {
        for class in 0..self.classes.len() {
            self.dispatch_class(class);
        }
        if self.job.policy().cuts() {
            self.cut_for_idle();
        }
    }

    /// Whether a segment may be sent to this idle slot now.
    pub(super) fn may_send(&self, slot: SlotId) -> bool {
        let Slot { host, warm, .. } = self.slots[slot.index()];
        let pace = self.job.pace();
        self.mode == Mode::Running
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
        let mut slots: Vec<SlotId> = self
            .idle
            .iter()
            .copied()
            .filter(|slot| class.has(self.slots[slot.index()].host) && self.may_send(*slot))
            .collect();
        let order = |slot: &SlotId| (self.load_ahead(*slot), -self.speed(*slot));
        slots.sort_by(|a, b| {
            let (a, b) = (order(a), order(b));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
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

    fn send_shares(&mut self, class: usize, layers: &[LayerId], idle: &[SlotId]) {
        let mut count = 0;
        let mut work = 0.0;
        for layer in layers {
            let queue = &self.layers[layer.index()].queue;
            count += queue.count();
            work += self.seconds(*layer, queue.units);
        }
        let each = work / f64::from(count);
        let wanted = Wanted {
            class,
            count,
            each,
            dearest: self.dearest(layers),
        };
        if self.send_as_solved(&wanted, layers, idle) {
            return;
        }
        let (mut reaches, others_busy) = self.reaches(class, idle);
        self.note_solved(&wanted, &reaches, idle.len());
        let sent = self.send_round(layers, idle, &self.amounts(&wanted, &reaches));
        // Nobody is under way who could take what waits: then it is not worth waiting for hosts
        // that have not answered yet, nor for better ones.
        if !sent && !others_busy {
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

    /// Sends to idle slots by the share that was solved last, where little can have changed since:
    /// in the middle of a large job a slot that falls idle costs no look at all the others.
    fn send_as_solved(&mut self, wanted: &Wanted, layers: &[LayerId], idle: &[SlotId]) -> bool {
        let Some(solved) = self.solved[wanted.class] else {
            return false;
        };
        let idle_count = idle.len() as u32;
        let enough = wanted.count / SOLVED_TASKS >= solved.slots;
        if !enough || self.now >= solved.until || solved.sends < idle_count {
            return false;
        }
        let left = solved.ends.since(self.now).as_secs_f64();
        let amount = |slot: &SlotId| {
            let speed = self.speed(*slot);
            let share = ((left - self.load_ahead(*slot)) * speed).max(0.0);
            let seconds = self.part_of_share(share, wanted.each, speed, 0.0);
            Amount::Part(Part {
                seconds,
                more: seconds < share,
                dearest: true,
            })
        };
        let amounts: Vec<Amount> = idle.iter().map(amount).collect();
        let sent = self.send_round(layers, idle, &amounts);
        if let Some(solved) = &mut self.solved[wanted.class] {
            solved.sends -= idle_count;
        }
        sent
    }

    /// Keeps what was solved where segments are many and sends take no time.
    fn note_solved(&mut self, wanted: &Wanted, reaches: &[Reach], idle: usize) {
        let slots = reaches.len() as u32;
        let fits = self.job.is_kept()
            && self.job.policy() == Policy::Auto
            && self.job.pace().dispatch_interval == Span::ZERO
            && wanted.count / SOLVED_TASKS >= slots
            && idle * 2 < reaches.len();
        self.solved[wanted.class] = fits.then(|| {
            let left = level(f64::from(wanted.count) * wanted.each, reaches);
            Solved {
                ends: self.now + Span::from_secs_f64(left),
                until: self.now + Span::from_secs_f64(left * SOLVED_PART),
                sends: slots / SOLVED_SENDS,
                slots,
            }
        });
    }

    /// When each slot of a class could take more: the idle ones first, in their order. And whether
    /// there are others that run something.
    fn reaches(&self, class: usize, idle: &[SlotId]) -> (Vec<Reach>, bool) {
        let interval = self.job.pace().dispatch_interval.as_secs_f64();
        let mut reaches: Vec<Reach> = idle
            .iter()
            .enumerate()
            .map(|(place, slot)| Reach {
                ready: self.load_ahead(*slot) + place as f64 * interval,
                speed: self.speed(*slot),
            })
            .collect();
        let mut others_busy = false;
        for host in &self.classes[class].hosts {
            let state = &self.hosts[host.index()];
            let expected = state.presence == Presence::Expected;
            if !expected && !state.is_usable(self.now) {
                continue;
            }
            for slot in state.slots() {
                let busy = match self.slots[slot.index()].work {
                    Work::Busy(_) => true,
                    Work::Away if expected => false,
                    // Idle ones are counted above or cannot be sent to now; a thief has its work.
                    Work::Away | Work::Idle | Work::Thief { .. } => continue,
                };
                others_busy |= busy;
                reaches.push(Reach {
                    ready: self.remaining(slot) + self.load_behind(slot),
                    speed: self.speed(slot),
                });
            }
        }
        (reaches, others_busy)
    }

    /// Seconds at speed 1 of the dearest task that waits, where tasks are known one by one.
    fn dearest(&self, layers: &[LayerId]) -> Option<f64> {
        let dearest = |layer: &LayerId| {
            let bulk = &self.layers[layer.index()].queue.bulk;
            let task = bulk.get(0).filter(|_| bulk.is_dearest_first())?;
            Some(self.seconds(*layer, self.units(task)))
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
                    let seconds = self.part_of_share(share, each, reach.speed, turn_s);
                    Amount::Part(Part {
                        seconds,
                        more: seconds < share,
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
        let sends = self.job.pace().start_delay.as_secs_f64() * SENDS;
        let shortest = sends.max(KEPT_MIN_S).max(turn_s);
        let least = (shortest * speed / each).ceil() * each;
        let half = (share / each / 2.0).ceil() * each;
        half.max(least).min(share)
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
                Amount::Tasks(tasks) => Amount::Tasks(tasks),
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
    fn send_share(
        &mut self,
        layers: &[LayerId],
        slot: SlotId,
        amount: Amount,
        others: usize,
    ) -> Option<f64> {
        for layer in layers {
            let tasks = self.carve(*layer, self.slots[slot.index()].host, amount, others);
            if tasks.is_empty() {
                continue;
            }
            let units = tasks.iter().map(|task| self.units(*task)).sum();
            self.send(slot, tasks, SendReason::Share);
            return Some(self.seconds(*layer, units));
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
            self.set_phase(task, Phase::Leased);
            let row = &mut self.rows[task.index()];
            row.set_lease(Some(slot));
            leases.push((task, Attempt(row.attempts.saturating_add(1))));
        }
        let cold = !self.slots[slot.index()].warm;
        self.loading += u32::from(cold);
        self.layers[layer.index()].live += 1;
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
            stage: Stage::Sent { cold },
            cut: None,
            stopping: None,
            news: false,
            blamed: false,
            deadline: None,
        }));
        self.renew_deadline(slot);
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
        let look = (!self.live.is_empty() && self.job.policy().cuts()).then(|| self.next_look());
        let gates = [later(self.licence.until), later(self.send_after), look];
        let rests = self
            .hosts
            .iter()
            .filter_map(|host| host.rest_until.and_then(later));
        gates.into_iter().flatten().chain(rests).min()
    }

    pub(super) fn next_look(&self) -> Time {
        let part = self.mean_task() * LOOK_PART;
        self.now + Span::from_secs_f64(part.clamp(LOOK_MIN_S, LOOK_MAX_S))
    }
}
