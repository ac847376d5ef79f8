//! The documents that cross the adapter boundary, as Rust types.
//!
//! Both carriers (the C ABI and JSON lines over a child's stdio) carry exactly these documents,
//! so an adapter in any language can be written from this page. Unknown *fields* are ignored by
//! both sides, so a document can grow; an unknown *effect* or *input* is an error, because an
//! order that is not understood must not be dropped in silence.
//!
//! Units: seconds in `*_s`, bytes in `*_bytes`, pixels where nothing is said. Paths are absolute
//! and UTF-8. Frame numbers may be negative.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of every document on this page. A reader refuses a larger one.
pub const FORMAT: u32 = 1;

// ---------------------------------------------------------------------------------------------
// describe

/// Who an adapter is and what its renderer can do. The answer to `describe`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// [`FORMAT`].
    pub format: u32,
    /// Short name, as in `--adapter ID`: lower-case letters, digits and `-`.
    pub id: String,
    /// The adapter's own version.
    pub version: String,
    /// The renderer's name as people write it, e.g. `Blender`.
    pub renderer: String,
    /// What a scene file's name ends with, without the leading dot, longest first: `stub.toml`.
    pub extensions: Vec<String>,
    /// Names of the renderer's executable, best first; the worker looks them up on its host.
    /// `framewright` means the worker's own executable.
    pub programs: Vec<String>,
    /// What the renderer can do.
    pub can: Abilities,
    /// Picture formats it writes, the default first.
    pub outputs: Vec<OutputFormat>,
    /// What `--set key=value` may say.
    #[serde(default)]
    pub settings: Vec<Setting>,
}

/// What a renderer can do; the core splits and dispatches accordingly.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Abilities {
    /// The scene stays loaded between segments of one session.
    pub sticky: bool,
    /// How it renders a part of a frame.
    pub tiles: TileAbility,
    /// Layers can be rendered one by one.
    pub layers: bool,
    /// A segment may hold any frames in any order. That is a promise: one load serves them all,
    /// whether the scene stays loaded afterwards or not, and each picture is the one that the frame
    /// has when it is rendered alone. Who has it gets segments that are samples of the shot, such as
    /// 40, 8, 72, 24; who has it not gets runs of frames, rising, whenever the renderer does not
    /// stay loaded. Layers that need their frames one after the other are to be `undivided`.
    pub frame_lists: bool,
    /// It says when each frame is written, so frames are committed one by one and a running
    /// segment can be cut.
    pub reports_frames: bool,
    /// It renders pictures at a part of their size ([`Task::reduced`]), so that a cheap look tells
    /// where in the frame the time goes.
    pub reduced: bool,
    /// The adapter reads scenes by itself: `inspect` is opened with an empty [`Open::program`] where
    /// the renderer is not installed, and is answered without a process.
    pub reads_scenes: bool,
    /// Each task is a process of its own, which loads the scene anew: [`Costs::load_s`] is paid by
    /// each of them, and is part of what a task is seen to take.
    pub loads_per_task: bool,
}

/// How a renderer renders a part of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TileAbility {
    /// It cannot.
    #[default]
    None,
    /// The file has the tile's size.
    Crop,
    /// The file has the frame's size and is empty outside the tile.
    FullCanvas,
}

/// A picture format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFormat {
    /// `png`, `exr`, or `none` where nothing is written.
    pub id: String,
    /// What the file name ends with, without the dot.
    pub extension: String,
}

/// One key that `--set key=value` takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// The key.
    pub key: String,
    /// What its value may be.
    #[serde(flatten)]
    pub kind: SettingKind,
    /// One sentence for people.
    pub help: String,
    /// The value when nothing is said; absent means the scene's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<serde_json::Value>,
}

/// The kinds of a setting's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SettingKind {
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds.
    Integer {
        /// Smallest value allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<i64>,
        /// Largest value allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<i64>,
    },
    /// Any number.
    Number,
    /// Any text.
    Text,
    /// One of these words.
    Choice {
        /// The words.
        choices: Vec<String>,
    },
}

// ---------------------------------------------------------------------------------------------
// open

/// What a session is opened for, and what is true on its host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// [`FORMAT`].
    pub format: u32,
    /// What the session is for.
    pub activity: Activity,
    /// The renderer's executable on that host.
    pub program: String,
    /// The scene on that host. Absent for `probe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<String>,
    /// A folder of this session's own on that host: exists, is empty, is removed afterwards.
    pub scratch: String,
    /// The host's name in the farm.
    pub host: String,
    /// The slot's number on that host, from 0.
    pub slot: u32,
    /// Threads that the renderer should use; 0 = as many as it likes.
    pub threads: u32,
    /// Memory that it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Settings, checked against the schema, defaults not filled in.
    #[serde(default)]
    pub settings: BTreeMap<String, serde_json::Value>,
    /// Format of the pictures wanted: an [`OutputFormat::id`]. Empty = the scene's own.
    #[serde(default)]
    pub output: String,
    /// First and last frame of the whole job, for renderers whose result depends on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shot: Option<Shot>,
    /// Where this host has files that the scene names by absolute paths. Which pair holds for a path,
    /// [`crate::paths::on_host`] tells. Empty: they are where the scene says. The paths in this document and
    /// in tasks are this host's own already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathPair>,
    /// What the adapter's own inspection of the scene gave it to take along ([`Scene::carry`]). Only
    /// told to `render` sessions.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub carry: serde_json::Value,
}

/// Files that the scene names below `from` are below `to` on this host.
///
/// Prefixes are whole names: `/mnt/a` is no prefix of `/mnt/ab`. Of several that fit, the longest
/// counts, and only that one. A renderer shall read the file below `to` where there is one, and else
/// the file that the scene names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathPair {
    /// An absolute folder, as the scene has it; `/` is every absolute path.
    pub from: String,
    /// An absolute folder of this host.
    pub to: String,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activity {
    /// Is the renderer here, and which version? Ends with `found` or `failed`.
    Probe,
    /// What is in this scene? Ends with `scene` or `failed`.
    Inspect,
    /// Render segments until cancelled.
    Render,
}

/// The frames of the whole job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shot {
    /// Its first frame.
    pub first: i32,
    /// Its last frame.
    pub last: i32,
}

// ---------------------------------------------------------------------------------------------
// step

/// What one `step` call carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Seconds since the session was opened, the only clock an adapter has. Replay gives the
    /// same value again.
    pub at_s: f64,
    /// In the order in which they happened. Never empty.
    pub inputs: Vec<Input>,
}

/// What an adapter is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "kebab-case")]
pub enum Input {
    /// Render these tasks, in this order. A session may be given the next segment while it
    /// still works on one; it does them in order.
    Segment {
        /// The segment's number, unique within the job.
        segment: u64,
        /// Its tasks.
        tasks: Vec<Task>,
    },
    /// Render only the first `keep` tasks of that segment. Answered by [`Effect::Kept`], whose
    /// number may be larger where more was already begun.
    Cut {
        /// Which segment.
        segment: u64,
        /// How many of its tasks are still wanted, from the front.
        keep: u32,
    },
    /// A process that was asked for runs.
    Started {
        /// Its number, from [`Effect::Run`].
        run: u32,
        /// Its process id on its host.
        pid: u32,
    },
    /// A process that was asked for could not be started.
    NotStarted {
        /// Its number.
        run: u32,
        /// The system's reason.
        why: String,
    },
    /// A process printed a line. Split at `\n` and at `\r`; the end of line is not included;
    /// bytes that are not UTF-8 are replaced; overlong lines are cut.
    Line {
        /// Which process.
        run: u32,
        /// Where it printed.
        stream: Stream,
        /// The line.
        text: String,
    },
    /// A process ended. Every line it printed came before.
    Exited {
        /// Which process.
        run: u32,
        /// Exit code, when it exited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
        /// Signal number, when a signal ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// Whether framewright ended it (time limit, cancel, [`Effect::Kill`]).
        #[serde(default)]
        killed: bool,
    },
    /// Stop everything; no more tasks are wanted. Processes that still run afterwards are ended
    /// by the worker.
    Cancel,
}

/// One task, as an adapter sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its number, unique within the job.
    pub task: u32,
    /// Which layer; empty = the scene as it is, all layers together.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub layer: String,
    /// Which frame.
    pub frame: i32,
    /// Which part of the frame; absent = all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile: Option<Tile>,
    /// The picture is wanted at one in so many of its width and height, rounded up; 0 and 1 = as it
    /// is. `tile` counts in pixels of the smaller picture. Only told where the adapter says
    /// [`Abilities::reduced`].
    #[serde(default, skip_serializing_if = "is_whole")]
    pub reduced: u32,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// Where the picture goes: an absolute path with extension, in a folder that exists. Empty
    /// where the job writes nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// Committed files of other layers that this task stands on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
}

/// Whether a reduction leaves a picture as it is.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_whole(reduced: &u32) -> bool {
    *reduced <= 1
}

/// A rectangle of the frame; `x`, `y` count from the top left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tile {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// A file of another layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// The layer it belongs to.
    pub layer: String,
    /// Its frame.
    pub frame: i32,
    /// Which part of the frame the file holds, overlap included; absent = all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile: Option<Tile>,
    /// The file on this host.
    pub path: String,
}

/// Where a line was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a `step` (and `open`) answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// In the order in which they shall be done. May be empty.
    #[serde(default)]
    pub effects: Vec<Effect>,
}

/// What an adapter wants done, or has found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum Effect {
    /// Start a process on the slot. Runs of one session are a queue: each starts when the one
    /// before has ended, so an adapter may ask for the next before it is needed.
    Run(Run),
    /// Write this text to a process's standard input.
    Write {
        /// Which process.
        run: u32,
        /// What to write, as it is: the adapter adds its own line ends.
        text: String,
    },
    /// Close a process's standard input.
    Close {
        /// Which process.
        run: u32,
    },
    /// End a process: politely, then surely. A run that still waits in the queue is dropped and
    /// answered by `exited` with `killed`.
    Kill {
        /// Which process.
        run: u32,
    },
    /// The scene is loaded; what comes now is rendering.
    Loaded,
    /// A task is being worked on. The first one for a task also says that it has begun.
    Progress {
        /// Its segment.
        segment: u64,
        /// The task.
        task: u32,
        /// How much is done, 0 to 1.
        fraction: f32,
    },
    /// A task's picture is complete at this path; the worker will decode and check it.
    Wrote {
        /// Its segment.
        segment: u64,
        /// The task.
        task: u32,
        /// Where it is.
        path: String,
    },
    /// A task has ended, one way or the other. The adapter says this once for each task that it
    /// was given and that was not cut away.
    TaskDone {
        /// Its segment.
        segment: u64,
        /// The task.
        task: u32,
        /// How it ended.
        verdict: Verdict,
        /// One sentence for people; empty when it succeeded.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
    },
    /// Answer to [`Input::Cut`]: this many tasks, from the front, are or will be rendered.
    Kept {
        /// Which segment.
        segment: u64,
        /// How many.
        keep: u32,
    },
    /// The renderer is no longer loaded (it ended, or will be started anew for the next segment).
    Cooled,
    /// Conclusion of `inspect`.
    Scene(Scene),
    /// Conclusion of `probe`.
    Found(Found),
    /// Conclusion of `probe` or `inspect` when there is nothing to tell. In `render`: every task
    /// not yet done fails with this verdict.
    Failed {
        /// Why, as a class.
        verdict: Verdict,
        /// Why, as a sentence.
        why: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        hint: String,
    },
    /// Something people should know, which is no failure.
    Note {
        /// The sentence.
        text: String,
    },
}

/// A process to start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Chosen by the adapter, counted up from 1 within the session.
    pub run: u32,
    /// Program and arguments. No shell is involved.
    pub argv: Vec<String>,
    /// Environment variables set for it, on top of the worker's small fixed set (`PATH`, `HOME`,
    /// `USER`, `LANG`, `TMPDIR` inside the scratch folder). Nothing else is inherited.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Names of variables to inherit from the worker, e.g. a licence server; a trailing `*`
    /// matches a prefix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inherit: Vec<String>,
    /// Working folder; empty = the scratch folder.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cwd: String,
    /// Files to write before it starts, below the scratch folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<TextFile>,
    /// Whether its standard input is a pipe for [`Effect::Write`]; otherwise it is empty.
    #[serde(default)]
    pub stdin: bool,
}

/// A small file that a run needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextFile {
    /// Where: absolute, below the session's scratch folder.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// How a task, a probe or an inspection ended. The class decides the retry; nobody else parses
/// renderer text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The picture is complete.
    Succeeded,
    /// The scene is wrong: no host will ever render it.
    Unrenderable,
    /// This host or this process failed: try elsewhere.
    MachineFault,
    /// Not enough memory here: try elsewhere, bigger.
    OutOfMemory,
    /// No licence at the moment: try later; no failure is counted.
    NoLicence,
    /// The adapter or its contract is broken.
    AdapterFault,
}

/// A call that could not be answered: the adapter or its contract is broken, or the host asked
/// for something that it cannot do. A renderer that fails is no `Failure`, but a [`Verdict`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A short word for programs: `panic`, `bad-document`, `unsupported`, …
    pub code: String,
    /// One sentence for people.
    pub message: String,
    /// Where in the adapter, as `file:line`; empty where nobody knows.
    #[serde(default, rename = "where", skip_serializing_if = "String::is_empty")]
    pub place: String,
}

impl Failure {
    /// A failure that needs no place.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Failure {
            code: code.into(),
            message: message.into(),
            place: String::new(),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        if !self.place.is_empty() {
            write!(f, " ({})", self.place)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

// ---------------------------------------------------------------------------------------------
// found, scene

/// A renderer that `probe` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The renderer's version, as it prints it.
    pub version: String,
    /// Anything else worth showing, e.g. missing features.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What is in a scene, and what it costs to render it. This is where an adapter declares load
/// cost and pass structure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scene {
    /// First frame.
    pub first: i32,
    /// Last frame.
    pub last: i32,
    /// Every how many frames.
    pub step: u32,
    /// Frames a second.
    pub fps: f64,
    /// Width of the picture that a render writes now (percentage and settings applied).
    pub width: u32,
    /// Height of it.
    pub height: u32,
    /// The active camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// All cameras.
    pub cameras: Vec<String>,
    /// The scene's name within the file, where a file holds several; and all of them.
    pub scenes: Vec<String>,
    /// The renderer's engine, where it has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// Parts that can be rendered by themselves, in the scene's order.
    pub layers: Vec<Layer>,
    /// What it costs.
    pub costs: Costs,
    /// Memory that one renderer needs; 0 = not known.
    pub memory_bytes: u64,
    /// Format of the pictures that the scene itself asks for: an [`OutputFormat::id`], e.g.
    /// `none`. Empty = the description's first.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// Names of the channels that a picture of the asked-for format has at least, as they are in
    /// the file: `R`, `G`, `B`, `A`, `Y`, or `beauty.R`. What lacks one is no good picture. Empty =
    /// not known.
    pub channels: Vec<String>,
    /// The scene is loaded again for each segment, whatever the renderer can.
    pub reloaded: bool,
    /// Of a scene that is `reloaded`: within a segment its frames may come in any order all the
    /// same, as the adapter's `frame-lists` promises of others. Without it such a scene gets runs of
    /// frames, because what must be loaded anew may also depend on the frame before.
    pub frame_lists: bool,
    /// Files that the scene needs, itself excluded.
    pub assets: Vec<Asset>,
    /// Whether frames may be tiled.
    pub tiles: Tiling,
    /// Whether layers may be rendered apart.
    pub layer_split: LayerSplit,
    /// The oldest version of the renderer that can load it, as dotted numbers: `4.2`. Hosts with an
    /// older one are not asked to. Empty = not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version_min: String,
    /// What people should know before they render it.
    pub warnings: Vec<String>,
    /// What `render` sessions are to be told of this, as [`Open::carry`]; nobody else reads it. A
    /// render session may not read files, and the scene may not even be on its machine: what its
    /// command lines depend on travels here. Kept with the job; it shall be small.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub carry: serde_json::Value,
}

/// A part of a frame that is rendered by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Layers that must exist before.
    pub after: Vec<After>,
    /// Cost relative to the others; the cost of a frame is shared out by it.
    pub weight: f64,
    /// Memory that it needs, where it differs from the scene's; 0 = as the scene.
    pub memory_bytes: u64,
    /// What a host must have to render it.
    pub tags: Vec<String>,
    /// All its frames go to one slot in one segment (a simulation, a cache).
    pub undivided: bool,
    /// Channels or passes that it writes.
    pub passes: Vec<String>,
    /// Whether the scene itself renders it.
    pub used: bool,
}

/// What a layer waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The layer that must exist before.
    pub layer: String,
    /// How much of it.
    #[serde(default)]
    pub scope: Scope,
}

/// How much of another layer must exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The same frame of it.
    #[default]
    Frame,
    /// All of it.
    Layer,
}

/// What a scene costs on a host of speed 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Costs {
    /// Starting the renderer and loading the scene, once a process.
    pub load_s: Cost,
    /// Paid at every render call: per frame × layer × tile.
    pub call_s: Cost,
    /// Per frame, falls with the tile's area.
    pub frame_s: Cost,
}

/// A cost and where it comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Seconds.
    pub seconds: f64,
    /// How much to believe it.
    pub basis: Basis,
}

/// Where a cost comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Nobody knows; the number means nothing.
    #[default]
    Unknown,
    /// Reckoned from what the scene holds.
    Estimated,
    /// The scene says so.
    Declared,
    /// It was done, and timed.
    Measured,
}

/// A file that a scene needs, or a folder of which it needs everything below.
///
/// Who has these under other paths, with the scene beside what it names relatively and a
/// [`PathPair`] for what it names absolutely, can render it. So sequences are listed file by file; a
/// folder is listed as such where its files are the renderer's own business, as in caches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asset {
    /// Absolute path, without `.` and `..`.
    pub path: String,
    /// Its size, a folder's with everything below; 0 where it is missing.
    pub bytes: u64,
    /// Whether it is not there.
    pub missing: bool,
    /// `library`, `image`, … for people.
    pub kind: String,
    /// Whether the scene, or a file that it links, names it by an absolute path: then it is only
    /// found under another path by whoever was told of [`Open::paths`].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub absolute: bool,
}

/// Whether frames may be rendered in tiles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tiling {
    /// Whether stitched tiles equal the whole frame, given the margin.
    pub exact: bool,
    /// Overlap in pixels that makes it exact.
    pub margin: u32,
    /// Tiles, overlap included, begin at multiples of so many pixels from the top left, and end there
    /// or at the frame's edge: where it is only exact then, or where the renderer would waste parts of
    /// its buckets otherwise. 0 and 1 = anywhere.
    pub align: u32,
    /// Why not, where not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Whether layers may be rendered apart and merged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LayerSplit {
    /// Whether merged layers equal the whole frame.
    pub exact: bool,
    /// Whether each layer alone costs as much as all of them together, because the renderer makes them
    /// with the same rays: then nobody is served by splitting who only wants it done sooner.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repeats: bool,
    /// Why not, where not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

// ---------------------------------------------------------------------------------------------
// small constructors

impl Description {
    /// A description with the smallest set of facts: no abilities, no settings, pictures as PNG.
    #[must_use]
    pub fn new(id: &str, version: &str, renderer: &str) -> Self {
        Description {
            format: FORMAT,
            id: id.to_owned(),
            version: version.to_owned(),
            renderer: renderer.to_owned(),
            extensions: Vec::new(),
            programs: Vec::new(),
            can: Abilities::default(),
            outputs: vec![OutputFormat::png()],
            settings: Vec::new(),
        }
    }
}

impl OutputFormat {
    /// PNG.
    #[must_use]
    pub fn png() -> Self {
        OutputFormat {
            id: "png".to_owned(),
            extension: "png".to_owned(),
        }
    }

    /// OpenEXR.
    #[must_use]
    pub fn exr() -> Self {
        OutputFormat {
            id: "exr".to_owned(),
            extension: "exr".to_owned(),
        }
    }
}

impl Open {
    /// A session for `activity` with `program`, everything else empty. The host fills in the
    /// rest; tests use it as it is.
    #[must_use]
    pub fn new(activity: Activity, program: &str) -> Self {
        Open {
            format: FORMAT,
            activity,
            program: program.to_owned(),
            scene: None,
            scratch: String::new(),
            host: String::new(),
            slot: 0,
            threads: 0,
            memory_bytes: None,
            settings: BTreeMap::new(),
            output: String::new(),
            shot: None,
            paths: Vec::new(),
            carry: serde_json::Value::Null,
        }
    }
}

impl Task {
    /// A whole frame of the scene as it is, first attempt, written to `output`.
    #[must_use]
    pub fn frame(task: u32, frame: i32, output: &str) -> Self {
        Task {
            task,
            layer: String::new(),
            frame,
            tile: None,
            reduced: 0,
            attempt: 1,
            output: output.to_owned(),
            needs: Vec::new(),
        }
    }
}

impl Run {
    /// A process with nothing but a number and a command line.
    #[must_use]
    pub fn new(run: u32, argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Run {
            run,
            argv: argv.into_iter().map(Into::into).collect(),
            ..Run::default()
        }
    }
}

impl Input {
    /// A line that a process printed on its standard output.
    #[must_use]
    pub fn stdout(run: u32, text: &str) -> Self {
        Input::Line {
            run,
            stream: Stream::Stdout,
            text: text.to_owned(),
        }
    }

    /// A process that exited by itself with `code`.
    #[must_use]
    pub fn exited(run: u32, code: i32) -> Self {
        Input::Exited {
            run,
            code: Some(code),
            signal: None,
            killed: false,
        }
    }
}

impl Cost {
    /// A cost of `seconds`.
    #[must_use]
    pub fn new(seconds: f64, basis: Basis) -> Self {
        Cost { seconds, basis }
    }
}
