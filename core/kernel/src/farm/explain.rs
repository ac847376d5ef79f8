//! Why a task is where it is, or why it is not running.
//!
//! Answers are read off the state that decides, with the predictions that it decides by; nothing is
//! kept for them except why segments were sent and tasks given up. Nothing here changes anything,
//! and nothing here knows names: whoever asks makes sentences of it.
//!
//! Invariant: every task has an [`Explanation`], and one that is not under way yet has one reason
//! for every host. An answer costs a walk over the hosts and over the task's own segment.

mod answer;

use super::share::{Reach, level, whole_shares};
use super::slots::{Presence, Segment, Stage, Work};
use super::{Farm, Mode, Phase};
use crate::hosts::TagSet;
use crate::ids::{HostId, SegmentId, SlotId, TaskId};
use crate::job::Scope;
use crate::time::{Span, Time};

pub use answer::{
    Cost, CostBasis, Elsewhere, Explanation, Hold, HostReason, Lease, NEEDS_MAX, Needs, Sent,
    Standing,
};

impl Farm {
    /// Why a task is where it is.
    ///
    /// # Panics
    /// When the job has no such task.
    #[must_use]
    pub fn explain(&self, task: TaskId) -> Explanation {
        let row = self.rows[task.index()];
        let lease = row.lease().and_then(|slot| self.explain_lease(task, slot));
        let copy = self.copies.get(&task);
        let copy = copy.and_then(|slot| self.explain_lease(task, *slot));
        let hosts = match row.phase {
            Phase::Blocked | Phase::Ready => self.explain_hosts(task, None),
            Phase::Leased => self.explain_hosts(task, lease),
            Phase::Begun | Phase::Committing | Phase::Committed | Phase::GivenUp => Vec::new(),
        };
        let standing = match row.phase {
            Phase::Blocked => Standing::Blocked(self.needs(task)),
            Phase::Ready => Standing::Ready {
                hold: self.hold(task, &hosts),
                waiting: self.layers[self.job.layer_of(task).index()].queue.count(),
            },
            Phase::Leased | Phase::Begun => match lease {
                Some(lease) => Standing::Leased(lease),
                // By the invariants there is one.
                None => Standing::Ready {
                    hold: None,
                    waiting: 0,
                },
            },
            Phase::Committing => match self.committing.get(&task) {
                Some(segment) => Standing::Committing { segment: *segment },
                None => Standing::Committed,
            },
            Phase::Committed => Standing::Committed,
            Phase::GivenUp => Standing::GivenUp {
                reason: self.lost.get(&task).copied(),
            },
        };
        Explanation {
            task,
            attempts: row.attempts,
            failures: row.failures,
            cost: self.cost(task),
            beside: match standing {
                // One has won; the other goes on until that one's picture is in its place.
                Standing::Committing { .. } => lease,
                Standing::Leased(_) => copy,
                Standing::Blocked(_)
                | Standing::Ready { .. }
                | Standing::Committed
                | Standing::GivenUp { .. } => None,
            },
            standing,
            hosts,
        }
    }

    /// What a task is expected to cost.
    ///
    /// # Panics
    /// When the job has no such task.
    #[must_use]
    pub fn cost(&self, task: TaskId) -> Cost {
        let layer = self.job.layer_of(task);
        let ended = self.learned.ended(layer.index());
        let ended_in_all = self.learned.ended_in_all();
        let basis = match (ended, ended_in_all) {
            (0, 0) => CostBasis::Before,
            (0, ended) => CostBasis::Job { ended },
            (ended, _) => CostBasis::Layer { ended },
        };
        Cost {
            seconds: Span::from_secs_f64(self.seconds(layer, self.units(task))),
            estimate: self.job.cost(task),
            basis,
            spread: self.learned.spread(layer.index()),
        }
    }

    /// What is expected of a segment that is not over.
    #[must_use]
    pub fn sent(&self, segment: SegmentId) -> Option<Sent> {
        let slot = self.live.get(segment)?;
        let state = self.slots[slot.index()].segment()?;
        let load = match state.stage {
            Stage::Sent { cold: true } => self.learned.load(self.host_of(slot).index()),
            Stage::Sent { cold: false } | Stage::Between { .. } | Stage::Rendering { .. } => 0.0,
        };
        Some(Sent {
            load: Span::from_secs_f64(load),
            ends: self.in_seconds(self.remaining(slot)),
        })
    }

    fn in_seconds(&self, seconds: f64) -> Time {
        self.now + Span::from_secs_f64(seconds)
    }

    fn needs(&self, task: TaskId) -> Needs {
        let key = self.job.key(task);
        let mut needs = Needs::default();
        for after in self.job.layer(key.layer).after() {
            match after.scope {
                Scope::Layer => {
                    let left = self.layers[after.layer.index()].left;
                    if left > 0 {
                        needs.layers.push((after.layer, left));
                    }
                }
                Scope::Frame => {
                    let missing = self
                        .job
                        .frame_tasks(after.layer, key.frame)
                        .map(TaskId)
                        .filter(|need| self.rows[need.index()].phase != Phase::Committed);
                    for need in missing {
                        needs.count += 1;
                        if needs.tasks.len() < NEEDS_MAX {
                            needs.tasks.push(need);
                        }
                    }
                }
            }
        }
        needs
    }

    fn hold(&self, task: TaskId, hosts: &[Elsewhere]) -> Option<Hold> {
        match self.mode {
            Mode::Draining { outcome } => return Some(Hold::Draining { outcome }),
            Mode::Cancelling => return Some(Hold::Cancelling),
            Mode::Finished { outcome } => return Some(Hold::Over { outcome }),
            Mode::Running => {}
        }
        if self.licence.until > self.now {
            return Some(Hold::Licence {
                until: self.licence.until,
            });
        }
        let layer = &self.layers[self.job.layer_of(task).index()];
        if layer.undivided && layer.live > 0 {
            return Some(Hold::UndividedRuns);
        }
        if layer.undivided && layer.blocked > 0 {
            return Some(Hold::Undivided {
                blocked: layer.blocked,
            });
        }
        let waits_for =
            |wanted: fn(&HostReason) -> bool| hosts.iter().any(|host| wanted(&host.reason));
        let able = |host: &&Elsewhere| is_able(&host.reason);
        let is = |wanted: &[HostReason]| {
            hosts
                .iter()
                .filter(able)
                .all(|host| wanted.contains(&host.reason))
        };
        if hosts.iter().any(|host| is_able(&host.reason)) {
            if is(&[HostReason::Closed]) {
                return Some(Hold::Closed);
            }
            if is(&[HostReason::Closed, HostReason::Silent]) {
                return Some(Hold::Silent);
            }
        }
        let idle = waits_for(|reason| matches!(reason, HostReason::Idle { .. }));
        if self.send_after > self.now && idle {
            return Some(Hold::Interval {
                until: self.send_after,
            });
        }
        if !idle && waits_for(|reason| matches!(reason, HostReason::LoadsFull { .. })) {
            return Some(Hold::Loads {
                loading: self.loading,
            });
        }
        None
    }

    fn explain_lease(&self, task: TaskId, slot: SlotId) -> Option<Lease> {
        let state = &self.slots[slot.index()];
        let segment = state.segment()?;
        let place = segment.tasks.iter().position(|other| *other == task)?;
        let (begins, ends) = self.lease_times(task, slot, segment, place);
        let host = state.host;
        Some(Lease {
            segment: segment.id,
            slot,
            host,
            reason: segment.reason,
            sent: segment.sent,
            place: place as u32,
            of: segment.tasks.len() as u32,
            begun: place < segment.next,
            begins,
            ends,
            segment_ends: self.in_seconds(self.remaining(slot)),
            takes: self.predicted(task, host),
            speed: self.learned.speed(host.index()),
            thief: segment.cut.and_then(|cut| cut.thief),
            stopping: segment.stopping.is_some(),
        })
    }

    /// When a task of a segment begins and ends, as known or predicted.
    fn lease_times(
        &self,
        task: TaskId,
        slot: SlotId,
        segment: &Segment,
        place: usize,
    ) -> (Option<Time>, Option<Time>) {
        let seconds = |units: u64| self.seconds(segment.layer, units) / self.speed(slot);
        let stage = self.remaining(slot) - seconds(segment.units);
        match segment.stage {
            Stage::Rendering { task: at, since } if at == task => {
                (Some(since), Some(self.in_seconds(stage)))
            }
            Stage::Sent { .. } | Stage::Between { .. } | Stage::Rendering { .. } => {
                if place < segment.next {
                    return (None, None);
                }
                let before = &segment.tasks[segment.next..place];
                let ahead: u64 = before.iter().map(|task| self.units(*task)).sum();
                let begins = stage + seconds(ahead);
                let ends = begins + seconds(self.units(task));
                (Some(self.in_seconds(begins)), Some(self.in_seconds(ends)))
            }
        }
    }

    fn explain_hosts(&self, task: TaskId, lease: Option<Lease>) -> Vec<Elsewhere> {
        let rest = self.rest(task, lease);
        self.hosts()
            .map(|host| Elsewhere {
                host,
                speed: self.learned.speed(host.index()),
                takes: self.predicted(task, host),
                reason: self.host_reason(task, host, lease, &rest),
            })
            .collect()
    }

    fn host_reason(
        &self,
        task: TaskId,
        host: HostId,
        lease: Option<Lease>,
        rest: &Rest,
    ) -> HostReason {
        if lease.is_some_and(|lease| lease.host == host) {
            return HostReason::HasIt;
        }
        self.unfit(task, host)
            .or_else(|| self.absent(host))
            .or_else(|| self.avoided(task, host))
            .unwrap_or_else(|| self.occupied(task, host, rest))
    }

    /// What the host has not and the task needs.
    fn unfit(&self, task: TaskId, host: HostId) -> Option<HostReason> {
        let spec = &self.hosts[host.index()].spec;
        let layer = self.job.layer(self.job.layer_of(task));
        if spec.slots == 0 {
            return Some(HostReason::NoSlots);
        }
        if !spec.tags.has_all(layer.tags()) {
            let missing = TagSet(layer.tags().0 & !spec.tags.0);
            return Some(HostReason::LacksTags { missing });
        }
        let has = spec.memory.filter(|has| *has < layer.memory())?;
        Some(HostReason::LacksMemory {
            needs: layer.memory(),
            has,
        })
    }

    fn absent(&self, host: HostId) -> Option<HostReason> {
        match self.hosts[host.index()].presence {
            Presence::Expected => Some(HostReason::NotUp),
            Presence::Lost => Some(HostReason::Lost),
            Presence::Gone => Some(HostReason::Gone),
            Presence::Silent => Some(HostReason::Silent),
            Presence::Up => {
                let closed = self.hosts[host.index()].open == 0;
                closed.then_some(HostReason::Closed)
            }
        }
    }

    /// Whether the host rests, or better ones are there.
    fn avoided(&self, task: TaskId, host: HostId) -> Option<HostReason> {
        let rest = self.hosts[host.index()].rest_until;
        if let Some(until) = rest.filter(|until| *until > self.now) {
            return Some(HostReason::Rests { until });
        }
        if self.may_go_to(task, host) {
            return None;
        }
        Some(if self.has_failed_on(task, host) {
            HostReason::FailedThere
        } else {
            HostReason::MoreMemoryElsewhere
        })
    }

    /// What the slots of a host that may take the task are doing.
    fn occupied(&self, task: TaskId, host: HostId, rest: &Rest) -> HostReason {
        let open = |slot: &SlotId| self.is_open(*slot);
        let slots = || self.hosts[host.index()].slots().filter(open);
        let order = |a: &SlotId, b: &SlotId| {
            let ready = |slot: &SlotId| self.load_ahead(*slot);
            ready(a).total_cmp(&ready(b))
        };
        let idle = slots()
            .filter(|slot| matches!(self.slots[slot.index()].work, Work::Idle))
            .min_by(order);
        let Some(slot) = idle else {
            let promised = slots().find_map(|slot| match self.slots[slot.index()].work {
                Work::Thief { victim } => Some(victim),
                Work::Away | Work::Idle | Work::Busy(_) => None,
            });
            return match promised {
                Some(victim) => HostReason::Promised { victim },
                None => HostReason::Busy {
                    free: self.in_seconds(
                        slots()
                            .map(|slot| self.remaining(slot))
                            .min_by(f64::total_cmp)
                            .unwrap_or(0.0),
                    ),
                },
            };
        };
        let ahead = self.load_ahead(slot);
        let ready = self.in_seconds(ahead);
        let loads_max = self.job.pace().loads_max;
        let full = loads_max.is_some_and(|most| self.loading >= most.max(1));
        if !self.slots[slot.index()].warm && full {
            return HostReason::LoadsFull {
                loading: self.loading,
            };
        }
        let takes = self.predicted(task, host).as_secs_f64();
        if rest.is_over_without(slot, ahead, ahead + takes) {
            let over = self.in_seconds(rest.over);
            return HostReason::NotWorthIt { ready, over };
        }
        HostReason::Idle { ready }
    }

    /// When the work is predicted to be over that this task is a part of.
    fn rest(&self, task: TaskId, lease: Option<Lease>) -> Rest {
        if let Some(lease) = lease {
            return Rest {
                over: lease.segment_ends.since(self.now).as_secs_f64(),
                served: None,
            };
        }
        let class = &self.classes[self.layers[self.job.layer_of(task).index()].class];
        let (mut count, mut work) = (0, 0.0);
        for layer in &class.layers {
            let queue = &self.layers[layer.index()].queue;
            count += queue.count();
            work += self.seconds(*layer, queue.units);
        }
        let (mut slots, mut reaches) = (Vec::new(), Vec::new());
        for host in &class.hosts {
            let state = &self.hosts[host.index()];
            if !state.is_usable(self.now) {
                continue;
            }
            for slot in state.slots().filter(|slot| self.is_open(*slot)) {
                let ready = match self.slots[slot.index()].work {
                    Work::Idle => self.load_ahead(slot),
                    Work::Busy(_) => self.remaining(slot) + self.load_behind(slot),
                    Work::Away | Work::Thief { .. } => continue,
                };
                let speed = self.speed(slot);
                slots.push(slot);
                reaches.push(Reach { ready, speed });
            }
        }
        if count == 0 || reaches.is_empty() {
            return Rest {
                over: f64::INFINITY,
                served: None,
            };
        }
        let shares = whole_shares(count, work / f64::from(count), &reaches);
        let served = slots
            .into_iter()
            .zip(shares)
            .filter(|(_, share)| *share > 0)
            .map(|(slot, _)| slot)
            .collect();
        Rest {
            over: level(work, &reaches),
            served: Some(served),
        }
    }
}

/// Whether a host might ever take the task, as far as this says.
fn is_able(reason: &HostReason) -> bool {
    !matches!(
        reason,
        HostReason::NoSlots
            | HostReason::LacksMemory { .. }
            | HostReason::LacksTags { .. }
            | HostReason::Gone
    )
}

/// When the rest of some work is over, in seconds from now.
struct Rest {
    over: f64,
    /// Slots that get something of what waits, ascending; `None` where nothing is shared out.
    served: Option<Vec<SlotId>>,
}

impl Rest {
    /// Whether all is done no later without this slot, that could render from `ready` on and would
    /// have the task done at `done`.
    fn is_over_without(&self, slot: SlotId, ready: f64, done: f64) -> bool {
        match &self.served {
            Some(served) => ready >= self.over || served.binary_search(&slot).is_err(),
            None => done >= self.over,
        }
    }
}
