//! Hosts and slots as they are now, and the segments that run on them.

use crate::event::{SendReason, StopReason};
use crate::hosts::HostSpec;
use crate::ids::{HostId, LayerId, SegmentId, SlotId, TaskId};
use crate::time::Time;

/// Whether a host can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nothing was heard of it yet.
    Expected,
    /// Its worker answers.
    Up,
    /// The connection to it is lost for now; its worker goes on by itself.
    Silent,
    /// It was lost and may come back.
    Lost,
    /// It will not come back.
    Gone,
}

#[derive(Clone, Debug)]
pub(super) struct Host {
    pub spec: HostSpec,
    pub first_slot: u32,
    pub presence: Presence,
    /// Slots of it that are not closed.
    pub open: u32,
    /// When the last silence began.
    pub silent_since: Time,
    /// When the last silence ended.
    pub heard_at: Option<Time>,
    /// Failures of different tasks since its last success.
    pub streak: u8,
    /// The task that failed on it last; a second failure of the same one is not the host's.
    pub last_failed: Option<TaskId>,
    /// Gets nothing new until then.
    pub rest_until: Option<Time>,
    /// How often it was sent to rest since its last success.
    pub rests: u8,
}

impl Host {
    pub fn slots(&self) -> impl Iterator<Item = SlotId> + use<> {
        (self.first_slot..self.first_slot + self.spec.slots).map(SlotId)
    }

    /// Whether it takes new segments.
    pub fn is_usable(&self, now: Time) -> bool {
        self.presence == Presence::Up
            && self.open > 0
            && self.rest_until.is_none_or(|until| until <= now)
    }

    /// Whether its slots have what they were given, as far as is known.
    pub fn is_there(&self) -> bool {
        matches!(self.presence, Presence::Up | Presence::Silent)
    }

    /// Until when it is known what its slots do.
    pub fn known_until(&self, now: Time) -> Time {
        match self.presence {
            Presence::Silent => self.silent_since,
            Presence::Expected | Presence::Up | Presence::Lost | Presence::Gone => now,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub host: HostId,
    /// Whether it takes no new segments.
    pub closed: bool,
    /// Whether the scene is in its renderer's memory.
    pub warm: bool,
    pub work: Work,
    /// The entry in the farm's list of deadlines; not later than the one that holds.
    pub deadline: Option<Time>,
}

#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Its host is not up.
    Away,
    /// Nothing to do. It takes segments unless it is closed or its host is silent.
    Idle,
    /// Nothing to do until that segment answers the cut that was made for this slot.
    Thief { victim: SegmentId },
    /// A segment runs.
    Busy(Box<Segment>),
}

#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub id: SegmentId,
    pub layer: LayerId,
    pub tasks: Vec<TaskId>,
    /// How many of them, from the front, were begun.
    pub next: usize,
    /// How many of them are still leased to its slot.
    pub open: usize,
    /// Estimated cost of what was not begun.
    pub units: u64,
    pub sent: Time,
    /// Why these tasks, and why here.
    pub reason: SendReason,
    pub stage: Stage,
    pub cut: Option<Cutting>,
    pub stopping: Option<StopReason>,
    /// Whether a task of it ended in any way.
    pub news: bool,
    /// Whether a failure of a task of it was counted.
    pub blamed: bool,
}

/// What a segment's renderer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It was sent, and nothing was heard since.
    Sent { cold: bool },
    /// It is between two tasks.
    Between { since: Time },
    /// It renders.
    Rendering { task: TaskId, since: Time },
}

/// A cut that was asked for and not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cutting {
    /// Who waits for the tail; nobody when the job is being stopped, or the slot was closed.
    pub thief: Option<SlotId>,
    /// Answers that are still to come: a cut may be asked for again, deeper.
    pub answers: u32,
}

impl Segment {
    /// What can still be taken from it: tasks not begun.
    pub fn untouched(&self) -> usize {
        self.tasks.len() - self.next
    }
}

impl Slot {
    pub fn segment(&self) -> Option<&Segment> {
        match &self.work {
            Work::Busy(segment) => Some(segment),
            Work::Away | Work::Idle | Work::Thief { .. } => None,
        }
    }

    pub fn segment_mut(&mut self) -> Option<&mut Segment> {
        match &mut self.work {
            Work::Busy(segment) => Some(segment),
            Work::Away | Work::Idle | Work::Thief { .. } => None,
        }
    }
}
