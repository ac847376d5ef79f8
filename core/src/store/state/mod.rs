//! A job's state: the fold of its events, and nothing else.
//!
//! [`JobState::apply`] takes any event in any order and never fails, because journals are read
//! back torn and with holes. Invariant, held after every event and proved by property: the counts
//! are those of the tasks, and no number is negative or not finite.

mod fold;
mod pictures;
mod standing;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::pictures::{PictureCounts, PicturePhase, PictureState, ReelPhase, ReelState};
pub use self::standing::Standing;
use self::standing::{Held, Presence};
use crate::event::{CommittedFile, JobEnd, PictureName, Stamped};

/// Verdict of a `TaskFailed` that takes a `TaskDone` back: the file never got its final name.
pub const VERDICT_COMMIT: &str = "commit";
/// Verdict of a `TaskFailed` that takes a `TaskDone` back: the file had its final name and is
/// gone, or is no longer what was committed.
pub const VERDICT_LOST: &str = "lost";
/// Verdict of a `TaskFailed` that takes a `TaskDone` back: the file is whole and what was committed,
/// and does not fit the others that it is to be put together with.
pub const VERDICT_ASSEMBLY: &str = "assembly";

/// Whether a `TaskFailed` of this verdict takes a `TaskDone` back.
#[must_use]
pub fn takes_back(verdict: &str) -> bool {
    matches!(verdict, VERDICT_COMMIT | VERDICT_LOST | VERDICT_ASSEMBLY)
}

/// How many of the last warnings are kept.
const WARNINGS_MAX: usize = 100;

/// How a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// A live controller works on it.
    Running,
    /// Held back by the user.
    Paused,
    /// Its controller stopped or died; it can be resumed.
    Interrupted,
    /// Every task is committed.
    Done,
    /// Finished, some tasks given up.
    Failed,
    /// Ended for good by the user.
    Cancelled,
}

impl Status {
    /// The word people script against.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Interrupted => "interrupted",
            Status::Done => "done",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        }
    }
}

/// Tasks by how they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCounts {
    /// All.
    pub total: u32,
    /// Committed, skipped ones included.
    pub done: u32,
    /// Given up.
    pub failed: u32,
    /// Found whole when the last controller began, and not rendered again.
    pub skipped: u32,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct End {
    /// How.
    pub state: JobEnd,
    /// When.
    pub at: Timestamp,
    /// Seconds that its last controller worked on it.
    pub makespan_s: f64,
    /// Lower bound from measured costs.
    pub lower_bound_s: Option<f64>,
}

/// One task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskState {
    /// How it is.
    pub phase: TaskPhase,
    /// Largest number of an attempt so far; the next one is larger.
    pub attempts: u32,
    /// The failure of the last attempt that failed.
    pub last_failure: Option<Failure>,
    /// Segments that held it, in the order in which they were sent.
    pub segments: Vec<u64>,
    /// Where an earlier file of this task had its final name: what is there now is this job's to
    /// replace.
    pub own_path: Option<String>,
}

/// How a task is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum TaskPhase {
    /// Not begun, or to be tried again.
    #[default]
    Pending,
    /// Being rendered.
    Running {
        /// Which segment holds it.
        segment: u64,
        /// Where.
        host: String,
        /// Which slot there.
        slot: u32,
        /// Since when.
        since: Timestamp,
    },
    /// Committed, or about to be.
    Done {
        /// Which segment it was.
        segment: u64,
        /// Which attempt it was.
        attempt: u32,
        /// Where.
        host: String,
        /// Seconds of rendering.
        render_s: f64,
        /// The file, absent where the job writes none.
        file: Option<CommittedFile>,
    },
    /// No further attempt is made by this controller.
    GivenUp {
        /// One sentence.
        why: String,
    },
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which attempt.
    pub attempt: u32,
    /// Where.
    pub host: String,
    /// As a class.
    pub verdict: String,
    /// As a sentence.
    pub why: String,
}

/// One host, summed over its slots.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostState {
    /// Its slots, as its worker last said.
    pub slots: u32,
    /// Tasks whose committed file it rendered.
    pub tasks: u32,
    /// Seconds in which its slots had a segment, those that still have one not counted: see
    /// [`JobState::busy_s`].
    pub busy_s: f64,
    /// Seconds of loading.
    pub load_s: f64,
    /// How often it loaded.
    pub loads: u32,
    /// Seconds of rendering tasks that were done.
    pub render_s: f64,
    /// Renderings that were done: more than `tasks` where a committed file was lost.
    pub renders: u32,
    /// Seconds that those renderings were expected to take when they were begun, as far as that is
    /// recorded.
    pub predicted_s: f64,
    /// Of how many it is.
    pub predicted: u32,
    /// Seconds that its loads were expected to take, those that nobody expected not counted.
    pub predicted_load_s: f64,
    /// How often the scene and what it needs were brought to it.
    pub stagings: u32,
    /// Bytes that were sent for that.
    pub staged_bytes: u64,
    /// Seconds that it took.
    pub staged_s: f64,
    presence: Presence,
    held: Held,
}

/// What is going on in a slot.
#[derive(Clone, Debug, PartialEq)]
struct SlotState {
    segments: u32,
    since: Timestamp,
    task: Option<String>,
    /// What the load is expected to take that was not heard of yet.
    expected_load_s: Option<f64>,
}

/// A job's state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobState {
    declared: u32,
    skipped: u32,
    done: u32,
    given_up: u32,
    done_now: u32,
    slots: u32,
    started: Option<Timestamp>,
    taken_up: Option<Timestamp>,
    last: Option<Timestamp>,
    end: Option<End>,
    predicted_makespan_s: Option<f64>,
    is_stopping: bool,
    segments: u64,
    segment_next: u64,
    tasks: BTreeMap<String, TaskState>,
    hosts: BTreeMap<String, HostState>,
    busy: BTreeMap<(String, u32), SlotState>,
    /// Of tasks that two slots try at once, the try that began first, as the phase that it would be
    /// if it were alone.
    beside: BTreeMap<String, TaskPhase>,
    warnings: Vec<String>,
    warnings_count: u64,
    pictures_declared: u32,
    pictures: BTreeMap<PictureName, PictureState>,
    reels: BTreeMap<String, ReelState>,
}

impl JobState {
    /// The state after these events.
    #[must_use]
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Stamped>) -> Self {
        let mut state = Self::default();
        for stamped in events {
            state.apply(stamped);
        }
        state
    }

    /// How the job is, given whether a live controller holds its lock.
    #[must_use]
    pub fn status(&self, is_held: bool) -> Status {
        match self.end {
            Some(End { state, .. }) => match state {
                JobEnd::Done => Status::Done,
                JobEnd::Failed => Status::Failed,
                JobEnd::Interrupted => Status::Interrupted,
                JobEnd::Cancelled => Status::Cancelled,
            },
            None if is_held => Status::Running,
            None => Status::Interrupted,
        }
    }

    /// Tasks by how they are.
    #[must_use]
    pub fn counts(&self) -> TaskCounts {
        let known = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX);
        TaskCounts {
            // A task can be heard of without the record that declared how many there are.
            total: self.declared.max(known),
            done: self.done,
            failed: self.given_up,
            skipped: self.skipped.min(self.done),
        }
    }

    /// Every task heard of, by name.
    #[must_use]
    pub fn tasks(&self) -> &BTreeMap<String, TaskState> {
        &self.tasks
    }

    /// Every host heard of, by name.
    #[must_use]
    pub fn hosts(&self) -> &BTreeMap<String, HostState> {
        &self.hosts
    }

    /// Slots that the job may use.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// Segments sent so far, over all controllers.
    #[must_use]
    pub fn segments(&self) -> u64 {
        self.segments
    }

    /// The number that the next segment must have at least, so that late results stay harmless.
    #[must_use]
    pub fn segment_next(&self) -> u64 {
        self.segment_next.max(1)
    }

    /// Whether a commit of this task to this path may replace what is there, because it was this
    /// job's.
    #[must_use]
    pub fn is_own_path(&self, task: &str, path: &str) -> bool {
        let task = self.tasks.get(task);
        task.is_some_and(|task| task.own_path.as_deref() == Some(path))
    }

    /// The number of a task's next attempt.
    #[must_use]
    pub fn attempt_next(&self, task: &str) -> u32 {
        let so_far = self.tasks.get(task).map_or(0, |task| task.attempts);
        so_far.saturating_add(1)
    }

    /// When the job was first started.
    #[must_use]
    pub fn started(&self) -> Option<Timestamp> {
        self.started
    }

    /// When something last happened.
    #[must_use]
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Seconds in which a host's slots had a segment, summed over them, those that have one now
    /// counted up to `now`.
    #[must_use]
    pub fn busy_s(&self, host: &str, now: Timestamp) -> f64 {
        let slots = self.busy.iter().filter(|((name, _), _)| name == host);
        let open: f64 = slots.map(|(_, slot)| seconds(slot.since, now)).sum();
        open + self.hosts.get(host).map_or(0.0, |host| host.busy_s)
    }

    /// How and when the job ended, unless it runs or its controller died.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Seconds that the last controller expected to work on the job, before it began.
    #[must_use]
    pub fn predicted_makespan_s(&self) -> Option<f64> {
        self.predicted_makespan_s
    }

    /// Whether the user asked to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// The last hundred warnings.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// How many warnings there were.
    #[must_use]
    pub fn warnings_count(&self) -> u64 {
        self.warnings_count
    }

    /// Seconds that the last controller worked on the job, up to its last event.
    #[must_use]
    pub fn makespan_s(&self) -> f64 {
        match (&self.end, self.taken_up, self.last) {
            (Some(end), ..) => end.makespan_s,
            (None, Some(from), Some(to)) => seconds(from, to),
            (None, ..) => 0.0,
        }
    }

    /// Seconds to the end, at the rate of the last controller so far; `None` when nothing was
    /// done yet or nothing is left.
    #[must_use]
    pub fn eta_s(&self, now: Timestamp) -> Option<f64> {
        let TaskCounts {
            total,
            done,
            failed,
            ..
        } = self.counts();
        let left = total.saturating_sub(done + failed);
        let from = self.taken_up?;
        (left > 0 && self.done_now > 0 && self.end.is_none())
            .then(|| f64::from(left) * seconds(from, now) / f64::from(self.done_now))
    }
}

/// From one time to another; 0 where a clock was set back.
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

#[cfg(test)]
mod tests;
