//! What renderers printed: one file a segment, bounded, readable by `less` and `grep`.
//!
//! ```text
//! {"format":1,"job":"shot010-k3x9qa","segment":12,…,"note":"for dailies"}
//! out 0.214 Read blend: /proj/shot010.blend
//! task 2.981 {"task":"beauty:17","attempt":1}
//! out 3.004 Fra:17 Mem:12.5M …
//! note 9.310 … 41233 lines dropped
//! ```
//!
//! The first line is the segment's manifest; then kind, seconds since the segment was sent, text.
//! Of a segment that prints more than [`HEAD_BYTES_MAX`] the first and the last part are kept:
//! the last in two files of [`TAIL_BYTES_MAX`] that take turns, so that a killed controller leaves
//! a log that can be read.
//!
//! Invariant: a log that cannot be written costs the log and never the frame.

mod read;
mod write;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use read::{SegmentText, Tries, read_logs};
pub use write::SegmentLog;

/// Version of a log.
pub(super) const FORMAT: u32 = 1;
/// Bytes kept from the beginning of a segment.
pub const HEAD_BYTES_MAX: u64 = 4 << 20;
/// Bytes of each of the two files that take turns at the end of a segment.
pub const TAIL_BYTES_MAX: u64 = 2 << 20;
/// Longest line kept whole.
pub const LINE_BYTES_MAX: usize = 16 << 10;

/// What a segment was: the first line of its log, and what travels with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogManifest {
    /// The job.
    pub job: String,
    /// The segment's number.
    pub segment: u64,
    /// Host's name.
    pub host: String,
    /// Slot on that host.
    pub slot: u32,
    /// The scene.
    pub scene: String,
    /// Its BLAKE3, in hex.
    pub scene_hash: String,
    /// Names of its tasks, in order.
    pub tasks: Vec<String>,
    /// Settings for the renderer.
    pub settings: BTreeMap<String, String>,
    /// The user's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// Who says it.
    pub kind: LogKind,
    /// Seconds since the segment was sent.
    pub at_s: f64,
    /// What.
    pub text: String,
}

/// Who says a line of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// The renderer, on standard output.
    Out,
    /// The renderer, on standard error.
    Err,
    /// framewright: from here on a task is rendered; the text is JSON, `task`
    /// and `attempt`.
    Task,
    /// framewright.
    Note,
}

impl LogKind {
    /// The word that a line begins with.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            LogKind::Out => "out",
            LogKind::Err => "err",
            LogKind::Task => "task",
            LogKind::Note => "note",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Self::Out, Self::Err, Self::Task, Self::Note]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// From here on a task is rendered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskMark {
    /// Its name.
    pub task: String,
    /// Which try.
    pub attempt: u32,
}

/// Why a log cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file cannot be used.
    #[error("cannot {doing} the log {}", path.display())]
    Io {
        /// `write` or `read`.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The task is not one of the job's.
    #[error("no task `{task}` was ever given out in job {job}")]
    UnknownTask {
        /// What was asked for.
        task: String,
        /// The job.
        job: String,
    },
}

/// The files of a segment's log.
#[derive(Clone, Debug)]
struct Paths {
    head: PathBuf,
    /// The older of the last two parts.
    older: PathBuf,
    /// The newer, being written.
    newer: PathBuf,
}

impl Paths {
    fn of(logs: &std::path::Path, segment: u64) -> Self {
        let path = |ending| logs.join(format!("seg-{segment:06}.{ending}"));
        Self {
            head: path("log"),
            older: path("tail-1"),
            newer: path("tail-2"),
        }
    }
}

#[cfg(test)]
mod tests;
