//! What a user asked for, settled: names resolved, numbers parsed, nothing left to guess.
//!
//! The command line, `--job FILE` and a stored job all become a [`Request`]; what runs it sees
//! nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use crate::policy::Policy;

/// A render job as asked for. Stored whole with the job, so that `--resume` needs no options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Absolute path of the scene.
    pub scene: PathBuf,
    /// Adapter, when named; otherwise found by the scene's extension.
    pub adapter: Option<String>,
    /// More folders to search for adapters, first.
    pub adapter_path: Vec<PathBuf>,
    /// Frame set as typed; absent = the scene's own.
    pub frames: Option<String>,
    /// Layers wanted; empty = all that the scene uses.
    pub layers: Vec<String>,
    /// How to split.
    pub split: Split,
    /// How many tiles; absent = as `split` says.
    #[serde(default)]
    pub tiles: Option<TilesWish>,
    /// Overlap of tiles in pixels; absent = what makes them exact.
    #[serde(default)]
    pub overlap: Option<u32>,
    /// How to distribute.
    pub policy: Policy,
    /// Segment sizes in frames; absent = decided by cost.
    pub segment: Option<SegmentSize>,
    /// Tasks wanted first: a frame set.
    pub priority: Option<String>,
    /// Where pictures go: absolute, with `####` and `{layer}`; absent = beside the working folder.
    pub output: Option<PathBuf>,
    /// The folder that relative defaults are taken from.
    pub working_folder: PathBuf,
    /// Where a film of all frames goes: absolute, with `{layer}` where each layer has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<PathBuf>,
    /// Where a contact sheet of all frames goes, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_sheet: Option<PathBuf>,
    /// What EXRs go through to be seen there: a name, or an absolute path of a `.cube`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// Whether files that this job did not write may be overwritten.
    pub overwrite: bool,
    /// Further files that staged hosts need: absolute paths, folders and patterns.
    #[serde(default)]
    pub assets: Vec<String>,
    /// Tags that a host must have.
    pub tags: Vec<String>,
    /// Memory that a host must have.
    pub memory_bytes: Option<u64>,
    /// The farm.
    pub hosts: Vec<HostEntry>,
    /// Limits of the farm.
    #[serde(default)]
    pub limits: FarmLimits,
    /// Most of the farm's time that may go into loading, from 0 to 1; absent = no limit.
    #[serde(default)]
    pub max_load_share: Option<f64>,
    /// Settings for the renderer, as typed.
    pub settings: BTreeMap<String, String>,
    /// How many further attempts a task gets.
    pub retries: u32,
    /// Longest time for one task, in seconds; absent = from the running median.
    pub task_limit_s: Option<f64>,
    /// Whether to go on after a task was given up.
    pub keep_going: bool,
    /// A word from the user, which travels with every segment.
    pub note: Option<String>,
    /// Whether the job starts from what earlier renders of the scene cost, and leaves what it cost.
    #[serde(default = "with_history")]
    pub history: bool,
}

/// Jobs stored before there was a choice.
fn with_history() -> bool {
    true
}

/// What protects the file server of a farm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FarmLimits {
    /// Seconds between two segment sends.
    pub dispatch_interval_s: f64,
    /// Scenes being loaded at once; absent = no limit.
    pub loads_max: Option<u32>,
}

/// How a job is split into tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Decided from costs and hosts.
    #[default]
    Auto,
    /// One task a frame.
    Frames,
    /// Tiles of each frame.
    Tiles,
    /// One task a layer and frame.
    Layers,
}

/// How many tiles a frame is cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TilesWish {
    /// Decided from costs and hosts.
    Auto,
    /// So many.
    Grid {
        /// Side by side.
        columns: u32,
        /// One above the other.
        rows: u32,
    },
}

/// Segment sizes in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentSize {
    /// Smallest; 0 = undivided.
    pub min: u32,
    /// Largest.
    pub max: u32,
}

/// A host of the farm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostEntry {
    /// Its name.
    pub name: String,
    /// How it is reached.
    pub link: LinkKind,
    /// Its slots.
    pub slots: u32,
    /// Its memory; absent = ask it.
    pub memory_bytes: Option<u64>,
    /// What it has.
    pub tags: Vec<String>,
    /// First guess of its speed.
    pub speed: f64,
    /// Where renderers are on it, by adapter id.
    pub programs: BTreeMap<String, String>,
    /// What an hour of it costs, all its slots together; absent = not known.
    #[serde(default)]
    pub cost_per_hour: Option<f64>,
    /// Where its files are.
    #[serde(default)]
    pub storage: Storage,
    /// Seconds that its worker goes on without a connection; 0 = it ends with it.
    #[serde(default)]
    pub grace_s: f64,
    /// Seconds without a connection after which what it has is done elsewhere.
    #[serde(default)]
    pub lost_after_s: f64,
    /// Whether its slots are shared with other jobs, and leased on it.
    #[serde(default)]
    pub leased: bool,
    /// Hours in which it takes new segments, as `HH:MM-HH:MM` of its own clock; absent = always.
    #[serde(default)]
    pub available: Option<String>,
    /// Cores that others may keep busy on it before it takes no new segment; absent = any.
    #[serde(default)]
    pub load_max: Option<f64>,
    /// Path prefixes here, and what they are there.
    #[serde(default)]
    pub paths: BTreeMap<String, String>,
    /// Most room that staged files may take on it; absent = a part of its disk.
    #[serde(default)]
    pub cache_bytes: Option<u64>,
    /// A framewright that is installed on it, to be used instead of one that is put there.
    #[serde(default)]
    pub worker: Option<String>,
}

/// Where a host's files are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// Under the same paths as here, or under mapped prefixes.
    #[default]
    Shared,
    /// They travel.
    Staged,
}

impl HostEntry {
    /// A host of which nothing is known but how to reach it.
    #[must_use]
    pub fn new(name: impl Into<String>, link: LinkKind, slots: u32) -> Self {
        Self {
            name: name.into(),
            link,
            slots,
            memory_bytes: None,
            tags: Vec::new(),
            speed: 1.0,
            programs: BTreeMap::new(),
            cost_per_hour: None,
            storage: Storage::Shared,
            grace_s: 0.0,
            lost_after_s: 0.0,
            leased: false,
            available: None,
            load_max: None,
            paths: BTreeMap::new(),
            cache_bytes: None,
            worker: None,
        }
    }
}

/// How a host's worker is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// A child process on this machine.
    Local,
    /// Any command whose stdin and stdout reach a worker.
    Command(Vec<String>),
    /// The user's own ssh.
    Ssh {
        /// Whatever ssh understands.
        address: String,
        /// Put before the address.
        options: Vec<String>,
    },
}
