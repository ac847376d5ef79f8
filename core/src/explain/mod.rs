//! Why a task is where it is, in names and seconds: the document that `explain` prints.
//!
//! While a job runs its controller fills the first part in, from the kernel ([`TaskReport`]); what
//! happened to the task before is read from the journal by whoever asks ([`past`]), so both are told
//! of a job that runs and the second of any job.
//!
//! Times are seconds from now, below 0 for what was; what is not known is absent. The JSON form is
//! a promise: it only grows. A reader must expect words that it does not know in `state`, `reason`,
//! `kind`, `end` and `basis`.

mod look;
pub mod past;

use serde::{Deserialize, Serialize};

use crate::event::SentWhy;
pub use look::{Explained, LookError, Reached, look};
pub use past::{Try, TryEnd};

/// Hosts told of one task; how many more there are is said.
pub const HOSTS_MAX: usize = 1000;

/// One task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskReport {
    /// Its name.
    pub task: String,
    /// Where it stands.
    #[serde(flatten)]
    pub standing: Standing,
    /// Another slot that has it too: of a late task's two tries the first picture wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<LeaseReport>,
    /// Attempts that began.
    pub attempts: u32,
    /// Attempts that failed and count, of this controller.
    pub failures: u32,
    /// What it is expected to cost; absent where nobody is there to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostReport>,
    /// Why it is not at work on each host, as long as it is not begun.
    #[serde(default)]
    pub hosts: Vec<HostReport>,
    /// Hosts that are not told because there are too many.
    #[serde(default)]
    pub hosts_left_out: u32,
    /// What happened to it so far, oldest first; from the journal.
    #[serde(default)]
    pub tries: Vec<Try>,
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Standing {
    /// It stands on tasks that are not done.
    Blocked {
        /// The first of those of its own frame.
        needs: Vec<String>,
        /// How many there are of its own frame.
        needs_count: u32,
        /// Layers of which all is needed.
        layers: Vec<LayerLeft>,
    },
    /// It waits for a slot.
    Waiting {
        /// What keeps all back that waits as it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hold: Option<Hold>,
        /// How many tasks of its layer wait, itself included.
        waiting: u32,
        /// When everything is predicted to be done; absent while no slot is up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        all_done_in_s: Option<f64>,
    },
    /// A slot has it and has not begun it.
    Given {
        /// Which, since when and why.
        lease: LeaseReport,
    },
    /// It is being rendered, or its picture is being read.
    Rendering {
        /// Where, since when and why.
        lease: LeaseReport,
    },
    /// Its picture is on the way to its final place.
    Committing {
        /// Whose picture.
        segment: u64,
    },
    /// Its picture is in its final place.
    Done,
    /// No further attempt is made.
    GivenUp {
        /// Why.
        why: String,
    },
    /// It is not done, and the job does not run.
    Left,
}

/// A layer of which all is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerLeft {
    /// Its name.
    pub layer: String,
    /// How many tasks of it are not done.
    pub left: u32,
}

/// What keeps tasks back though they wait for nothing but a slot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Hold {
    /// The user stops the job: what runs is finished.
    Stopping,
    /// The user stops the job at once.
    Cancelling,
    /// A task was given up, and the job was to stop at that.
    FailFast,
    /// The output disk is full.
    DiskFull,
    /// The job is over.
    Over,
    /// There was no licence.
    Licence {
        /// How long nothing is sent yet.
        for_s: f64,
    },
    /// A segment was sent a moment ago.
    Interval {
        /// How long nothing is sent yet.
        for_s: f64,
    },
    /// As many scenes are being loaded as may.
    Loads {
        /// How many.
        loading: u32,
    },
    /// Its layer goes to one slot, whole, and parts of it are not ready.
    Undivided {
        /// How many tasks of it wait for others.
        blocked: u32,
    },
    /// Its layer goes to one slot, whole, and another segment of it still runs.
    UndividedRuns,
    /// Every slot that may take it is closed for now.
    Closed,
    /// The connection to every host that may take it is lost for now, or its slots are closed.
    Silent,
}

/// A task in a slot's hands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeaseReport {
    /// The segment.
    pub segment: u64,
    /// The host.
    pub host: String,
    /// Which of its slots.
    pub slot: u32,
    /// Why the segment was sent there.
    pub why: SentWhy,
    /// When it was sent.
    pub sent_in_s: f64,
    /// The task's place in it, from 1.
    pub place: u32,
    /// How many tasks it has, those included that are done.
    pub of: u32,
    /// Whether the slot has begun the task.
    #[serde(default)]
    pub begun: bool,
    /// When the task was begun, or is predicted to be; absent while its picture is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins_in_s: Option<f64>,
    /// When it is predicted to be rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_in_s: Option<f64>,
    /// When the whole segment is.
    pub segment_ends_in_s: f64,
    /// What it is predicted to take there.
    pub takes_s: f64,
    /// The host's speed, as learned.
    pub speed: f64,
    /// The slot for which the segment's end is being cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_for: Option<String>,
    /// Whether the segment is being stopped.
    pub stopping: bool,
}

/// What a task is expected to cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostReport {
    /// On a host of speed 1, by all that is known now.
    pub seconds_s: f64,
    /// The same before the start.
    pub estimate_s: f64,
    /// What it is known by.
    pub basis: CostBasis,
    /// What the estimate was known by: the same, before tasks of this job had ended. Absent where
    /// an older framewright answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_basis: Option<CostBasis>,
    /// How many tasks ended of which it is known.
    pub ended: u32,
    /// How far tasks of its layer lie from what was estimated, one from another: a standard
    /// deviation, as a part of the mean. Absent before two have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
}

/// What a cost is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CostBasis {
    /// Nothing: a guess.
    Guess,
    /// The adapter reckoned it from what the scene holds.
    Estimated,
    /// The scene says so.
    Declared,
    /// It was timed before the start.
    Measured,
    /// What the task, or tasks near it, took in earlier renders of the scene.
    History,
    /// What tasks of its layer took.
    Layer,
    /// What tasks of other layers took.
    Job,
    /// Another way, of a later framewright.
    #[serde(other)]
    Other,
}

/// Why a task is not at work on a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostReport {
    /// The host.
    pub host: String,
    /// Its speed, as learned.
    pub speed: f64,
    /// What the task is predicted to take there, loading excluded.
    pub takes_s: f64,
    /// Why not.
    #[serde(flatten)]
    pub reason: HostReason,
}

/// Why a task is not at work on a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum HostReason {
    /// It has no slots.
    NoSlots,
    /// It has too little memory.
    LacksMemory {
        /// What the task needs.
        needs_bytes: u64,
        /// What the host has.
        has_bytes: u64,
    },
    /// Tags are missing.
    LacksTags {
        /// Which.
        tags: Vec<String>,
    },
    /// It has not answered yet.
    NotUp,
    /// The connection to it is lost for now; what it has it goes on with.
    Silent,
    /// All its slots are closed for now.
    Closed {
        /// Why, as one sentence without an end; may be empty.
        #[serde(default)]
        why: String,
    },
    /// It was lost, and may come back.
    Lost,
    /// It is lost for good.
    Gone,
    /// Too much failed there.
    Rests {
        /// For how long yet.
        for_s: f64,
    },
    /// The task failed there, and other hosts can take it.
    FailedThere,
    /// Memory was short elsewhere, and there are hosts with more than this one.
    MoreMemoryElsewhere,
    /// It has the task.
    HasIt,
    /// All its slots have other work.
    Busy {
        /// When the first of them is predicted to be free.
        free_in_s: f64,
    },
    /// It waits for the end of a segment that is being cut.
    Promised {
        /// Which segment.
        segment: u64,
    },
    /// It would have to load, and as many scenes are being loaded as may.
    LoadsFull {
        /// How many.
        loading: u32,
    },
    /// It is idle, but nothing would be over sooner with it.
    NotWorthIt {
        /// When it could render.
        ready_in_s: f64,
        /// When the rest is predicted to be over without it.
        over_in_s: f64,
    },
    /// It is idle, and next in turn.
    Idle {
        /// When it could render.
        ready_in_s: f64,
    },
}

impl TaskReport {
    /// A task of which only the journal tells.
    #[must_use]
    pub fn from_journal(task: &str, past: past::Past) -> Self {
        Self {
            task: task.to_owned(),
            standing: past.standing(),
            beside: None,
            attempts: past.attempts(),
            failures: past.failures(),
            cost: None,
            hosts: Vec::new(),
            hosts_left_out: 0,
            tries: past.into_tries(),
        }
    }
}
