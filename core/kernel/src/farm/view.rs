//! What readers may ask: bars, reports, `explain`. Nothing here changes anything.

use super::slots::{Presence, Stage, Work};
use super::tasks::Phase;
use super::{Farm, Mode};
use crate::event::Outcome;
use crate::hosts::HostSpec;
use crate::ids::{HostId, SegmentId, SlotId, TaskId};
use crate::job::Job;
use crate::time::{Span, Time};

/// How many tasks are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub total: u32,
    /// Waiting for other tasks.
    pub blocked: u32,
    /// Waiting for a slot.
    pub ready: u32,
    /// Given to a slot, not begun.
    pub leased: u32,
    /// Being rendered.
    pub rendering: u32,
    /// On the way to their final place.
    pub committing: u32,
    /// Committed, in this run or before.
    pub committed: u32,
    /// Given up.
    pub given_up: u32,
}

/// One task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskView {
    /// Where it stands.
    pub phase: Phase,
    /// Which segment has it, and on which slot.
    pub lease: Option<(SegmentId, SlotId)>,
    /// Attempts that began.
    pub attempts: u16,
    /// Attempts that failed and count.
    pub failures: u8,
}

/// One slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SlotView {
    /// Its host is not up.
    Away,
    /// Nothing to do.
    Idle {
        /// Whether the scene is loaded.
        warm: bool,
    },
    /// Its segment was sent, and nothing was heard yet.
    Loading {
        /// Its segment.
        segment: SegmentId,
        /// When it was sent.
        since: Time,
        /// When the segment is predicted to be over.
        ends: Time,
    },
    /// Its segment is under way.
    Rendering {
        /// Its segment.
        segment: SegmentId,
        /// The task; `None` between two.
        task: Option<TaskId>,
        /// Since when.
        since: Time,
        /// When the segment is predicted to be over.
        ends: Time,
    },
}

/// One host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HostView {
    /// Whether it can be reached.
    pub presence: Presence,
    /// Its speed, as learned.
    pub speed: f64,
    /// How long a load takes there, as learned.
    pub load: Span,
    /// It gets nothing new before this, because too much failed there.
    pub rest_until: Option<Time>,
}

impl Farm {
    /// The job.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// The latest time that was heard of.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// How the job ended, once it has.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self.mode {
            Mode::Finished { outcome } => Some(outcome),
            Mode::Running | Mode::Draining { .. } | Mode::Cancelling => None,
        }
    }

    /// Whether tasks are still sent: the job is neither over nor being stopped.
    #[must_use]
    pub fn takes_work(&self) -> bool {
        matches!(self.mode, Mode::Running)
    }

    /// How many tasks are where.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            total: self.job.task_count(),
            blocked: self.count(Phase::Blocked),
            ready: self.count(Phase::Ready),
            leased: self.count(Phase::Leased),
            rendering: self.count(Phase::Begun),
            committing: self.count(Phase::Committing),
            committed: self.count(Phase::Committed),
            given_up: self.count(Phase::GivenUp),
        }
    }

    /// One task.
    ///
    /// # Panics
    /// When the job has no such task.
    #[must_use]
    pub fn task(&self, task: TaskId) -> TaskView {
        let row = self.rows[task.index()];
        let segment = |slot: SlotId| Some((self.slots[slot.index()].segment()?.id, slot));
        TaskView {
            phase: row.phase,
            lease: row.lease().and_then(segment),
            attempts: row.attempts,
            failures: row.failures,
        }
    }

    /// Every host, in order.
    pub fn hosts(&self) -> impl Iterator<Item = HostId> + use<> {
        (0..self.hosts.len()).map(HostId::at)
    }

    /// Every slot, in order.
    pub fn slots(&self) -> impl Iterator<Item = SlotId> + use<> {
        (0..self.slots.len()).map(SlotId::at)
    }

    /// The slots of a host.
    ///
    /// # Panics
    /// When the farm has no such host.
    pub fn slots_of(&self, host: HostId) -> impl Iterator<Item = SlotId> + use<> {
        self.hosts[host.index()].slots()
    }

    /// The host of a slot.
    ///
    /// # Panics
    /// When the farm has no such slot.
    #[must_use]
    pub fn host_of(&self, slot: SlotId) -> HostId {
        self.slots[slot.index()].host
    }

    /// What a host was described as.
    ///
    /// # Panics
    /// When the farm has no such host.
    #[must_use]
    pub fn spec(&self, host: HostId) -> &HostSpec {
        &self.hosts[host.index()].spec
    }

    /// Whether a slot is not closed.
    ///
    /// # Panics
    /// When the farm has no such slot.
    #[must_use]
    pub fn is_open(&self, slot: SlotId) -> bool {
        !self.slots[slot.index()].closed
    }

    /// One slot.
    ///
    /// # Panics
    /// When the farm has no such slot.
    #[must_use]
    pub fn slot(&self, slot: SlotId) -> SlotView {
        let state = &self.slots[slot.index()];
        let segment = match &state.work {
            Work::Away => return SlotView::Away,
            Work::Idle | Work::Thief { .. } => return SlotView::Idle { warm: state.warm },
            Work::Busy(segment) => segment,
        };
        let ends = self.now + Span::from_secs_f64(self.remaining(slot));
        let (task, since) = match segment.stage {
            Stage::Sent { .. } => {
                return SlotView::Loading {
                    segment: segment.id,
                    since: segment.sent,
                    ends,
                };
            }
            Stage::Between { since } => (None, since),
            Stage::Rendering { task, since } => (Some(task), since),
        };
        SlotView::Rendering {
            segment: segment.id,
            task,
            since,
            ends,
        }
    }

    /// One host.
    ///
    /// # Panics
    /// When the farm has no such host.
    #[must_use]
    pub fn host(&self, host: HostId) -> HostView {
        let state = &self.hosts[host.index()];
        HostView {
            presence: state.presence,
            speed: self.learned.speed(host.index()),
            load: Span::from_secs_f64(self.learned.load(host.index())),
            rest_until: state.rest_until.filter(|until| *until > self.now),
        }
    }

    /// Bytes that the state holds, by the capacity of its lists and the size of its entries; what
    /// trees and the allocator add is not seen.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let rows = self.rows.capacity() * size_of::<super::Row>();
        let tasks = self.job.task_count() as usize * Job::bytes_per_task();
        let segments = self.slots.iter().filter_map(|slot| slot.segment());
        let leased: usize = segments
            .map(|segment| segment.tasks.capacity() * size_of::<TaskId>())
            .sum();
        let slots = self.slots.capacity() * size_of::<super::Slot>();
        let waiting: usize = self
            .layers
            .iter()
            .map(|layer| layer.queue.bulk.bytes())
            .sum();
        rows + tasks + leased + waiting + slots + self.hosts.capacity() * size_of::<super::Host>()
    }

    /// Until when nothing is sent because there was no licence.
    #[must_use]
    pub fn waits_for_licence(&self) -> Option<Time> {
        (self.licence.until > self.now).then_some(self.licence.until)
    }

    /// What a task is predicted to take on a host.
    ///
    /// # Panics
    /// When the job has no such task, or the farm no such host.
    #[must_use]
    pub fn predicted(&self, task: TaskId, host: HostId) -> Span {
        let seconds = self.seconds(self.job.layer_of(task), self.units(task));
        Span::from_secs_f64(seconds / self.learned.speed(host.index()))
    }

    /// When all is predicted to be done: everything that is not done, shared out over the slots
    /// that take work, or the latest end of a running segment if that is later. `None` when no slot
    /// does and something is left.
    #[must_use]
    pub fn predicted_end(&self) -> Option<Time> {
        let waiting = self.waiting_work();
        let mut reaches = Vec::new();
        let mut latest = 0.0_f64;
        for slot in self.slots() {
            let load = match self.slots[slot.index()].work {
                Work::Away => continue,
                Work::Idle | Work::Thief { .. } => self.load_ahead(slot),
                Work::Busy(_) => self.load_behind(slot),
            };
            let remaining = self.remaining(slot);
            latest = latest.max(remaining);
            if !self.takes(slot) {
                continue;
            }
            reaches.push(super::share::Reach {
                ready: remaining + load,
                speed: self.speed(slot),
            });
        }
        let seconds = if waiting > 0.0 {
            latest.max(super::share::level(waiting, &reaches))
        } else {
            latest
        };
        seconds
            .is_finite()
            .then(|| self.now + Span::from_secs_f64(seconds))
    }

    /// Seconds at speed 1 of all tasks that no slot has.
    fn waiting_work(&self) -> f64 {
        let mut work = 0.0;
        for (index, layer) in self.layers.iter().enumerate() {
            let id = super::layer_at(index);
            let mut units = layer.queue.units;
            if layer.blocked > 0 {
                let range = self.job.layer(id).range();
                let mean = self.job.units(range.clone()) / range.len() as u64;
                units += mean * u64::from(layer.blocked);
            }
            work += self.seconds(id, units);
        }
        work
    }
}
