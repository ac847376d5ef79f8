//! What the kernel is told and what it wants done.
//!
//! # The caller's side of the contract
//! * An [`Action::Send`] is answered by the segment's own events, and at the very end by exactly
//!   one [`Event::SegmentOver`], unless its host is lost first. In between: `Loaded` when a load
//!   took place, then for each task `TaskBegun` and one of `Rendered` or `TaskFailed`.
//! * Each [`Action::Commit`] is answered by `Committed` or `CommitFailed`.
//! * [`Action::Cut`] is answered by `Kept`, or by the segment's end if that came first.
//! * After [`Action::Stop`] the renderer is ended. When its reason is a time limit the task that
//!   ran is reported as `TaskFailed` first; then `SegmentOver`.
//!
//! What breaks these rules, names unknown things or comes late is harmless: see the fence in
//! [`crate::farm`].

use std::fmt;

use crate::ids::{Attempt, HostId, SegmentId, SlotId, TaskId};
use crate::time::Span;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A host's worker answered, for the first time or again, and has nothing to do. Its slots are
    /// free and cold; those that were closed stay so.
    HostUp {
        /// Which host.
        host: HostId,
    },
    /// A host cannot be reached. What it was given goes to others.
    HostLost {
        /// Which host.
        host: HostId,
        /// Whether it will not come back in this run. May be said later, of a host that is
        /// already lost. A job whose hosts are all gone for good ends.
        for_good: bool,
    },
    /// The connection to a host is lost for now, and its worker is taken to go on by itself. What
    /// the host has stays its own, its limits wait, and nothing new is sent there. Whoever says
    /// this says [`Event::HostHeard`], [`Event::HostUp`] or [`Event::HostLost`] some day.
    HostSilent {
        /// Which host.
        host: HostId,
    },
    /// A silent host is heard again, and its worker is the same as before. To be said before what
    /// the worker tells of the time of silence.
    HostHeard {
        /// Which host.
        host: HostId,
    },
    /// A slot takes no new segment from now on, whatever becomes of its host. What runs there is
    /// cut to what it has begun. Saying it again changes nothing.
    SlotClosed {
        /// Which slot.
        slot: SlotId,
    },
    /// A closed slot takes segments again.
    SlotOpened {
        /// Which slot.
        slot: SlotId,
    },
    /// The renderer on a slot ended, so the next segment there has to load.
    SlotCooled {
        /// Which slot.
        slot: SlotId,
    },
    /// The scene is in memory; what comes now is rendering.
    Loaded {
        /// The segment it was loaded for.
        segment: SegmentId,
        /// How long it took.
        took: Span,
    },
    /// A task is being rendered: an attempt really began.
    TaskBegun {
        /// Its segment.
        segment: SegmentId,
        /// The task.
        task: TaskId,
    },
    /// A picture is written, and was read back and found whole.
    Rendered {
        /// Its segment.
        segment: SegmentId,
        /// The task.
        task: TaskId,
        /// How long rendering took, loading excluded.
        took: Span,
    },
    /// The file of a task is in its final place.
    Committed {
        /// The segment whose result it is.
        segment: SegmentId,
        /// The task.
        task: TaskId,
    },
    /// The file of a task could not be brought to its final place.
    CommitFailed {
        /// The segment whose result it was.
        segment: SegmentId,
        /// The task.
        task: TaskId,
        /// Whether the output disk is full: then no further try makes sense.
        disk_full: bool,
    },
    /// A committed picture turned out bad when it was put together with others: its task is to be
    /// rendered once more. May be said of a job that is over; unless that was stopped, it goes on.
    Reopened {
        /// The task.
        task: TaskId,
    },
    /// Committed pictures are being put together. As long as that is so the job is not over, though
    /// every task may be committed; only [`Event::Cancel`] does not wait for it.
    AssemblyBegun,
    /// One such is done or has failed. [`Event::Reopened`], if it comes of that, is to be said before.
    AssemblyOver,
    /// An attempt failed.
    TaskFailed {
        /// Its segment.
        segment: SegmentId,
        /// The task.
        task: TaskId,
        /// Why.
        fault: Fault,
    },
    /// Answer to [`Action::Cut`]: this many tasks, from the front, are or will be rendered.
    Kept {
        /// Which segment.
        segment: SegmentId,
        /// How many.
        keep: u32,
    },
    /// A segment is over and its slot is free.
    SegmentOver {
        /// Which segment.
        segment: SegmentId,
    },
    /// The user wants to stop: tasks that run are finished, nothing new is begun.
    Drain,
    /// The user wants to stop now.
    Cancel,
    /// Time went on. Needed when [`crate::Farm::next_alarm`] is due; harmless otherwise.
    Tick,
}

/// Why an attempt failed, as a class; the class decides what is tried next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The scene is wrong: no host will ever render it. No further attempt.
    Unrenderable,
    /// This host or this process failed: elsewhere.
    MachineFault,
    /// Not enough memory here: elsewhere, bigger.
    OutOfMemory,
    /// No licence at the moment: later. Counts nothing.
    NoLicence,
    /// The adapter or its contract is broken.
    AdapterFault,
    /// The picture was not what was wanted.
    Verify,
    /// It took too long.
    TimeLimit,
    /// Its host was lost while it was rendered.
    HostLost,
    /// The finished file could not be brought to its place. Never reported by
    /// [`Event::TaskFailed`]; made from [`Event::CommitFailed`].
    Commit,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Unrenderable => "the scene cannot be rendered",
            Fault::MachineFault => "the renderer or its host failed",
            Fault::OutOfMemory => "there was not enough memory",
            Fault::NoLicence => "there was no licence",
            Fault::AdapterFault => "the adapter failed",
            Fault::Verify => "the picture was not what was wanted",
            Fault::TimeLimit => "it took too long",
            Fault::HostLost => "its host was lost",
            Fault::Commit => "the finished file could not be put in its place",
        })
    }
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Give these tasks to that slot, in this order.
    Send {
        /// The new segment.
        segment: SegmentId,
        /// Where to.
        slot: SlotId,
        /// Its tasks, all of one layer, each with the number of this try.
        leases: Vec<(TaskId, Attempt)>,
        /// Why these, and why there.
        reason: SendReason,
    },
    /// Render only the first `keep` tasks of that segment.
    Cut {
        /// Which segment.
        segment: SegmentId,
        /// How many are still wanted, from the front. What is begun is always among them.
        keep: u32,
    },
    /// End a segment's renderer.
    Stop {
        /// Which segment.
        segment: SegmentId,
        /// Why.
        reason: StopReason,
    },
    /// This attempt's picture wins: bring it to its final place.
    Commit {
        /// The segment whose result it is.
        segment: SegmentId,
        /// The task.
        task: TaskId,
    },
    /// This picture is late or double; throw it away.
    Discard {
        /// The segment whose result it is.
        segment: SegmentId,
        /// The task.
        task: TaskId,
    },
    /// No further attempt is made at a task.
    GiveUp {
        /// The task.
        task: TaskId,
        /// Why.
        reason: GiveUpReason,
    },
    /// There is nothing left to do. Said exactly once, as the last action; and once more after each
    /// [`Event::Reopened`] that opens the job again.
    Finished {
        /// How it ended.
        outcome: Outcome,
    },
}

/// Why a segment is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// This task has taken too long.
    TaskLimit {
        /// The task.
        task: TaskId,
    },
    /// Neither the load nor anything else was heard of for too long.
    LoadLimit,
    /// All that is left of it was rendered by others.
    LostRace,
    /// The job is being stopped, and it has not begun a task yet.
    Drain,
    /// Its slot was closed while it still loaded.
    Closed,
    /// The job is being stopped now.
    Cancel,
}

/// Why a segment is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendReason {
    /// The slot's part of what waits.
    Share,
    /// All of a layer that is not divided.
    Undivided,
    /// The tail that was cut off another segment.
    Tail {
        /// The segment that was cut.
        victim: SegmentId,
    },
    /// A second try at a task that another slot renders already, expected to end sooner.
    Copy {
        /// The segment that has the first try.
        of: SegmentId,
    },
}

/// Why a task is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUpReason {
    /// Its attempts are used up, or its first failure was one that no further try can mend.
    Failed {
        /// The last failure.
        fault: Fault,
        /// How many attempts failed.
        failures: u8,
    },
    /// It stands on a task that was given up.
    Need {
        /// That task.
        need: TaskId,
    },
    /// No host of the farm has the memory for it.
    NoHostMemory,
    /// No host of the farm has the tags for it.
    NoHostTags,
    /// Every host that could take it is gone for good.
    HostsGone,
}

impl fmt::Display for GiveUpReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GiveUpReason::Failed { fault, failures: 1 } => write!(f, "{fault}"),
            GiveUpReason::Failed { fault, failures } => {
                write!(f, "{failures} attempts failed, the last because {fault}")
            }
            GiveUpReason::Need { need } => {
                write!(f, "it stands on task {need}, which was given up")
            }
            GiveUpReason::NoHostMemory => f.write_str("no host has the memory for it"),
            GiveUpReason::NoHostTags => f.write_str("no host has the tags for it"),
            GiveUpReason::HostsGone => f.write_str("every host that could take it is gone"),
        }
    }
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every task is committed.
    Done,
    /// Tasks were given up; with `keep_going` off, others may be left undone.
    Failed,
    /// Stopped by [`Event::Drain`] with tasks left.
    Interrupted,
    /// Stopped by [`Event::Cancel`] with tasks left.
    Cancelled,
    /// The output disk is full; tasks are left.
    DiskFull,
}
