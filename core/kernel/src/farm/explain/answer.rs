//! What an explanation is made of: ids, times and reasons.

use crate::event::{GiveUpReason, Outcome, SendReason};
use crate::hosts::{Bytes, TagSet};
use crate::ids::{HostId, LayerId, SegmentId, SlotId, TaskId};
use crate::time::{Span, Time};

/// Tasks that are named of those that a task stands on.
pub const NEEDS_MAX: usize = 8;

/// Why a task is where it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The task.
    pub task: TaskId,
    /// Where it stands.
    pub standing: Standing,
    /// Another slot that has it too: of a late task's two tries the first picture wins.
    pub beside: Option<Lease>,
    /// Attempts that began.
    pub attempts: u16,
    /// Attempts that failed and count.
    pub failures: u8,
    /// What it is expected to cost.
    pub cost: Cost,
    /// Why it is not at work on each host, in their order; empty once it is begun.
    pub hosts: Vec<Elsewhere>,
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It stands on tasks that are not committed.
    Blocked(Needs),
    /// It waits for a slot.
    Ready {
        /// What keeps everything back that waits as it does.
        hold: Option<Hold>,
        /// How many tasks of its layer wait, itself included.
        waiting: u32,
    },
    /// A slot has it.
    Leased(Lease),
    /// A picture of it is on its way to its final place.
    Committing {
        /// Whose picture.
        segment: SegmentId,
    },
    /// Its picture is in its final place.
    Committed,
    /// No further attempt is made.
    GivenUp {
        /// Why.
        reason: Option<GiveUpReason>,
    },
}

/// What a task stands on and has not got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Tasks of the same frame, at most [`NEEDS_MAX`].
    pub tasks: Vec<TaskId>,
    /// How many of those there are.
    pub count: u32,
    /// Layers of which all is needed, each with how many tasks are left of it.
    pub layers: Vec<(LayerId, u32)>,
}

/// What keeps tasks back though they wait for nothing but a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// What runs is finished, nothing new is begun.
    Draining {
        /// How the job will have ended: stopped by the user, failed with `keep_going` off, or the
        /// disk is full.
        outcome: Outcome,
    },
    /// Everything is being stopped.
    Cancelling,
    /// The job is over, without this task.
    Over {
        /// How it ended.
        outcome: Outcome,
    },
    /// There was no licence.
    Licence {
        /// Nothing is sent before.
        until: Time,
    },
    /// Something was sent a moment ago.
    Interval {
        /// Nothing is sent before.
        until: Time,
    },
    /// Idle slots would have to load, and as many load as may.
    Loads {
        /// How many do.
        loading: u32,
    },
    /// Its layer is sent whole, and parts of it are not ready.
    Undivided {
        /// How many tasks of the layer stand on others.
        blocked: u32,
    },
    /// Its layer is sent whole, and another segment of it is not over.
    UndividedRuns,
    /// Every slot that may take it is closed.
    Closed,
    /// Every slot that may take it is closed or on a host that is silent, at least one the latter.
    Silent,
}

/// A task in a slot's hands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lease {
    /// The segment.
    pub segment: SegmentId,
    /// On which slot.
    pub slot: SlotId,
    /// On which host.
    pub host: HostId,
    /// Why the segment was sent there.
    pub reason: SendReason,
    /// When that was.
    pub sent: Time,
    /// The task's place in the segment, from 0.
    pub place: u32,
    /// How many tasks the segment has, those included that are done.
    pub of: u32,
    /// Whether the slot has begun it.
    pub begun: bool,
    /// When it was begun, or is predicted to be; `None` where its picture is being read already.
    pub begins: Option<Time>,
    /// When it is predicted to be rendered; `None` as before.
    pub ends: Option<Time>,
    /// When all of the segment is.
    pub segment_ends: Time,
    /// What it is predicted to take on this host.
    pub takes: Span,
    /// The host's speed, as learned.
    pub speed: f64,
    /// For which slot the segment's end is being cut off; whether this task goes with it depends on
    /// how far its renderer is by then.
    pub thief: Option<SlotId>,
    /// Whether the segment is being stopped.
    pub stopping: bool,
}

/// What a task is expected to cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// On a host of speed 1, by all that is known now.
    pub seconds: Span,
    /// The same as estimated before the start.
    pub estimate: Span,
    /// What it is known by.
    pub basis: CostBasis,
    /// How far tasks of its layer lie from this, one from another: a standard deviation, as a part
    /// of the mean. `None` before two have ended.
    pub spread: Option<f64>,
}

/// What a cost is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostBasis {
    /// What was known before the start: declared, or of earlier renders.
    Before,
    /// That, corrected by what tasks of its own layer took.
    Layer {
        /// How many.
        ended: u32,
    },
    /// That, corrected by what tasks of other layers took.
    Job {
        /// How many.
        ended: u32,
    },
}

/// One host, and why the task is not at work there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elsewhere {
    /// The host.
    pub host: HostId,
    /// Its speed, as learned.
    pub speed: f64,
    /// What the task is predicted to take there, loading excluded.
    pub takes: Span,
    /// Why not.
    pub reason: HostReason,
}

/// Why a task is not at work on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostReason {
    /// It has no slots.
    NoSlots,
    /// It has not the memory.
    LacksMemory {
        /// What the task needs.
        needs: Bytes,
        /// What the host has.
        has: Bytes,
    },
    /// It has not the tags.
    LacksTags {
        /// Those that it lacks.
        missing: TagSet,
    },
    /// It has not answered yet.
    NotUp,
    /// The connection to it is lost for now; what it has it goes on with.
    Silent,
    /// It was lost, and may come back.
    Lost,
    /// It is lost for good.
    Gone,
    /// All its slots are closed.
    Closed,
    /// Too much failed there.
    Rests {
        /// It gets nothing before.
        until: Time,
    },
    /// The task failed there, and there are hosts where it did not.
    FailedThere,
    /// The task ran out of memory elsewhere, and there are hosts with more than this one.
    MoreMemoryElsewhere,
    /// It has the task.
    HasIt,
    /// All its slots have other work.
    Busy {
        /// When the first of them is predicted to be free.
        free: Time,
    },
    /// A slot of it waits for the tail of this segment.
    Promised {
        /// The segment that is being cut.
        victim: SegmentId,
    },
    /// It would have to load, and as many load as may.
    LoadsFull {
        /// How many do.
        loading: u32,
    },
    /// It is idle, but done sooner without it.
    NotWorthIt {
        /// When it could render.
        ready: Time,
        /// When the rest of the work is predicted to be over.
        over: Time,
    },
    /// It is idle, and next in turn.
    Idle {
        /// When it could render.
        ready: Time,
    },
}

/// A segment as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What its load is expected to take; none where the renderer is loaded.
    pub load: Span,
    /// When it is predicted to be over.
    pub ends: Time,
}
