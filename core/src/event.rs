//! The one event stream.
//!
//! Everything that happens to a job is an [`Event`]. It is appended to the job's journal before it
//! is acted on; the state of a job is the fold of its events. Bars, plain lines, `--events`,
//! reports, `status` and `--resume` read this stream and nothing else.
//!
//! The JSON form is a promise to people who script against `--events`: it only grows.

mod made;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use made::{PictureName, ReelKind, Seam};

/// One line of the stream: when, and what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// RFC 3339, UTC.
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A controller took the job up, for the first time or by `--resume`.
    JobStarted {
        /// The job.
        job: String,
        /// Tasks in all.
        tasks: u32,
        /// Tasks whose committed file was found whole, and which are not rendered again.
        skipped: u32,
        /// Slots that the job may use.
        slots: u32,
        /// The controller's process id.
        pid: u32,
        /// Seconds until its end, as planned before it began by what was expected then; absent
        /// where planning would have cost more than a moment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        predicted_makespan_s: Option<f64>,
        /// What its costs stand on at first; absent where they are as declared.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        history: Option<CostsFrom>,
        /// Pictures that are put together from the tasks'; 0 where each task's picture is one.
        #[serde(default, skip_serializing_if = "is_0")]
        pictures: u32,
        /// How many of them were found whole, and are not put together again.
        #[serde(default, skip_serializing_if = "is_0")]
        pictures_skipped: u32,
    },
    /// A host's worker answered.
    HostUp {
        /// Host's name.
        host: String,
        /// Its slots.
        slots: u32,
    },
    /// A host's worker is gone.
    HostLost {
        /// Host's name.
        host: String,
        /// Why.
        why: String,
    },
    /// The connection to a host is lost and sought again; its worker goes on with what it has.
    HostSilent {
        /// Host's name.
        host: String,
        /// Why.
        why: String,
    },
    /// The connection to a silent host is there again, and nothing was lost.
    HostHeard {
        /// Host's name.
        host: String,
        /// How long it was silent.
        silent_s: f64,
    },
    /// A host takes no new segment for now; what it has goes on.
    HostClosed {
        /// Host's name.
        host: String,
        /// Why, as the rest of a sentence: `its disk is full`, `it is outside its hours`.
        why: String,
    },
    /// A host that was closed takes segments again.
    HostOpened {
        /// Host's name.
        host: String,
    },
    /// A slot waits until others give the machine's slot back; told again when who has it changes.
    SlotWaiting {
        /// Host's name.
        host: String,
        /// Slot on that host.
        slot: u32,
        /// Who has the machine's slots, each as `anna (job x)`.
        holders: Vec<String>,
    },
    /// A slot of a shared machine is this job's until it is given back.
    SlotLeased {
        /// Host's name.
        host: String,
        /// Slot on that host.
        slot: u32,
    },
    /// The scene and what it needs are on a host.
    Staged {
        /// Host's name.
        host: String,
        /// Files that the scene needs.
        files: u32,
        /// Their sizes together.
        bytes: u64,
        /// What was sent of that, as it went over the link; 0 = all was there.
        bytes_sent: u64,
        /// How long it took.
        #[serde(rename = "took_s")]
        seconds: f64,
    },
    /// A host was added to the job while it runs.
    HostJoined {
        /// Host's name.
        host: String,
        /// Its slots.
        slots: u32,
    },
    /// A host that was to be taken from the job has nothing of it any more.
    HostDrained {
        /// Host's name.
        host: String,
    },
    /// A segment was given to a slot.
    SegmentSent {
        /// Its number, which is also the fence: results under an older number are harmless.
        segment: u64,
        /// Host's name.
        host: String,
        /// Slot on that host.
        slot: u32,
        /// Names of its tasks, in order.
        tasks: Vec<String>,
        /// Why these tasks, and why there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<SentWhy>,
        /// How long its load was expected to take, until the renderer says that it has loaded; absent
        /// where the scene was loaded already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        load_s: Option<f64>,
        /// How long all of it was expected to take, its load included.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end_s: Option<f64>,
    },
    /// A renderer process was started.
    RunStarted {
        /// Host's name.
        host: String,
        /// Slot on that host.
        slot: u32,
        /// Process id there.
        pid: u32,
    },
    /// The slot's renderer has the scene in memory.
    Loaded {
        /// The segment it was loaded for.
        segment: u64,
        /// Host's name.
        host: String,
        /// Slot on that host.
        slot: u32,
        /// How long it took.
        load_s: f64,
    },
    /// A task is being rendered.
    TaskStarted {
        /// Its segment.
        segment: u64,
        /// Its name.
        task: String,
        /// Which try, from 1.
        attempt: u32,
        /// Host's name.
        host: String,
        /// Slot on that host.
        slot: u32,
    },
    /// How far a task is. Shown, never journalled.
    Progress {
        /// Its segment.
        segment: u64,
        /// Its name.
        task: String,
        /// Host's name.
        host: String,
        /// Slot on that host.
        slot: u32,
        /// 0 to 1.
        fraction: f32,
    },
    /// The renderer says the picture is written; the worker reads it now. Shown, never journalled.
    TaskVerifying {
        /// Its segment.
        segment: u64,
        /// Its name.
        task: String,
        /// Host's name.
        host: String,
        /// Slot on that host.
        slot: u32,
    },
    /// This attempt wins: its file is whole and is about to be renamed into place.
    TaskDone {
        /// Its segment.
        segment: u64,
        /// Its name.
        task: String,
        /// Which try it was.
        attempt: u32,
        /// Host's name.
        host: String,
        /// Slot on that host.
        slot: u32,
        /// How long it took to render, loading excluded.
        render_s: f64,
        /// How long it was expected to take on that host when it was begun.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        predicted_s: Option<f64>,
        /// The file, absent where the job writes none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<CommittedFile>,
    },
    /// An attempt failed.
    TaskFailed {
        /// Its segment.
        segment: u64,
        /// Its name.
        task: String,
        /// Which try it was.
        attempt: u32,
        /// Host's name.
        host: String,
        /// Slot on that host.
        slot: u32,
        /// The adapter's verdict, or `verify`, `time-limit`, `commit`, `host-lost`, `lost`, or
        /// `assembly` where the picture was fine by itself and does not fit the others.
        verdict: String,
        /// One sentence.
        why: String,
    },
    /// A task is given up: no further attempt will be made.
    TaskGivenUp {
        /// Its name.
        task: String,
        /// One sentence.
        why: String,
    },
    /// All pieces of a picture are there, and it is being put together. Shown, never journalled.
    Assembling {
        /// The picture.
        #[serde(flatten)]
        picture: PictureName,
        /// How many pieces.
        pieces: u32,
    },
    /// A picture is put together: its file is whole and is about to be renamed into place.
    Assembled {
        /// The picture.
        #[serde(flatten)]
        picture: PictureName,
        /// How many pieces.
        pieces: u32,
        /// How long it took.
        #[serde(rename = "took_s")]
        seconds: f64,
        /// The file.
        file: CommittedFile,
        /// Where tiles still differ although they were rendered twice.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        seams: Vec<Seam>,
    },
    /// A picture could not be put together, or its file did not get or keep its name.
    AssemblyFailed {
        /// The picture.
        #[serde(flatten)]
        picture: PictureName,
        /// The piece that is to blame, as a task; absent where none is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<String>,
        /// `piece`, `seam`, `assembly`, `commit` or `lost`.
        verdict: String,
        /// One sentence.
        why: String,
        /// Whether it is tried again.
        again: bool,
    },
    /// Two tiles differ where they overlap by more than they may.
    Seam {
        /// The picture.
        #[serde(flatten)]
        picture: PictureName,
        /// Where, and by how much.
        #[serde(flatten)]
        seam: Seam,
        /// Whether both are rendered once more.
        again: bool,
    },
    /// All frames are there, and a film or a contact sheet is being made of them. Shown, never
    /// journalled.
    ReelBegun {
        /// Which of them.
        kind: ReelKind,
        /// How many frames go into it.
        frames: u32,
    },
    /// The frames are one film, or one contact sheet: its file is whole and is about to be renamed
    /// into place.
    Reel {
        /// Which of them.
        kind: ReelKind,
        /// How many frames are in it.
        frames: u32,
        /// Frames a second, of a film.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fps: Option<f64>,
        /// How long it took.
        #[serde(rename = "took_s")]
        seconds: f64,
        /// The file.
        file: CommittedFile,
    },
    /// A film or a contact sheet was not made, or did not get or keep its name.
    ReelFailed {
        /// Which of them.
        kind: ReelKind,
        /// Where it was to be.
        path: String,
        /// As of `assembly-failed`.
        verdict: String,
        /// One sentence.
        why: String,
    },
    /// A segment is over and its slot is free.
    SegmentEnded {
        /// Its number.
        segment: u64,
        /// Host's name.
        host: String,
        /// Slot on that host.
        slot: u32,
    },
    /// Something people should know.
    Warning {
        /// The sentence.
        text: String,
    },
    /// The user asked to stop: running frames are finished, nothing new is begun.
    Stopping,
    /// The controller is done with the job, for now or for good.
    JobEnded {
        /// How.
        state: JobEnd,
        /// Tasks committed, skipped ones included.
        done: u32,
        /// Tasks given up.
        failed: u32,
        /// Seconds since this controller started the job.
        makespan_s: f64,
        /// Lower bound from measured costs; absent when nothing was measured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lower_bound_s: Option<f64>,
    },
}

/// Earlier renders of a scene, as far as a job's first costs stand on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostsFrom {
    /// When the newest of the costs was measured. RFC 3339, UTC.
    pub measured: Timestamp,
    /// Frames of this job of which a cost is known; 0 = only others', near them.
    pub frames_known: u32,
    /// Whether the scene's file was the same then.
    pub same_scene: bool,
    /// Whether settings, format and resolution were the same then.
    pub same_settings: bool,
}

/// Why a segment was sent where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SentWhy {
    /// The slot's part of what waited.
    Share,
    /// All of a layer that is not divided.
    Undivided,
    /// The tail that was cut off another segment.
    Tail {
        /// That segment.
        of: u64,
    },
    /// A second try at what another segment renders already, expected to end sooner.
    Copy {
        /// That segment.
        of: u64,
    },
    /// A reason of a later framewright.
    #[serde(other)]
    Other,
}

/// A file in its final place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedFile {
    /// Absolute path.
    pub path: String,
    /// Where it lay before, for a resume that finds the rename not done.
    pub from: String,
    /// Its size.
    pub bytes: u64,
    /// Its BLAKE3, in hex.
    pub hash: String,
}

/// Whether there is nothing to tell.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_0(count: &u32) -> bool {
    *count == 0
}

/// How a controller left a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobEnd {
    /// Every task is committed, and all that was to be made of them is.
    Done,
    /// Every task is committed or given up, and some are given up, or what was to be made of them could
    /// not be.
    Failed,
    /// Stopped by the user or a signal; can be resumed.
    Interrupted,
    /// Ended for good by the user.
    Cancelled,
}

impl Event {
    /// Whether it belongs in the journal; the others are only shown.
    #[must_use]
    pub fn is_journalled(&self) -> bool {
        !matches!(
            self,
            Event::Progress { .. }
                | Event::TaskVerifying { .. }
                | Event::Assembling { .. }
                | Event::ReelBegun { .. }
        )
    }
}
