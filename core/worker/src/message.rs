//! What a controller and a worker say to each other.
//!
//! A message is MessagePack with field names, so that a captured stream can be read without this
//! file. Controller and worker are always the same build (the hello says which), so messages need
//! no compatibility rules; they only have to be refused cleanly when the builds differ.
//! Framing, limits and the preamble are in `codec`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A process on a worker, numbered by the controller, unique for the life of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub u64);

/// A question whose answer carries the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// A slot of this worker, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SlotId(pub u32);

/// Controller to worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub enum ToWorker {
    /// First message.
    Hello(ControllerHello),
    /// Start a process when the slot's earlier runs have ended. Runs of one slot are a queue.
    Run(RunOrder),
    /// Write to a process's standard input. Also allowed while the run still waits in the queue.
    Write {
        /// Which process.
        run: RunId,
        /// What.
        text: String,
    },
    /// Close a process's standard input.
    CloseStdin {
        /// Which process.
        run: RunId,
    },
    /// End a process group: SIGTERM, wait `polite_ms`, SIGKILL, then sweep what it left. A run
    /// that still waits is dropped and answered by `Exited { killed: true }`.
    Kill {
        /// Which process.
        run: RunId,
        /// How long it may take to end by itself.
        polite_ms: u32,
    },
    /// Decode a picture and say whether it is what was wanted.
    Verify {
        /// Number of the question.
        request: RequestId,
        /// Where it is.
        path: String,
        /// What was wanted.
        expect: Expect,
    },
    /// Find executables: the first of `names` that exists on PATH (or is an absolute path to an
    /// executable). `framewright` is the worker's own executable.
    Which {
        /// Number of the question.
        request: RequestId,
        /// Names, best first.
        names: Vec<String>,
    },
    /// Make a folder and its parents.
    MakeDir {
        /// Number of the question.
        request: RequestId,
        /// Which.
        path: String,
    },
    /// Remove a file or folder tree below the scratch root; nothing is answered.
    Remove {
        /// Which.
        path: String,
    },
    /// A slot is wanted: take the machine's lease of it, or wait for one. Answered by `Leased`,
    /// after any number of `LeaseWaits`. Only where the hello says that slots are leased.
    Lease {
        /// Which slot of this worker.
        slot: SlotId,
    },
    /// A slot is not wanted any more: give its lease back, or stop waiting. To be said when its
    /// runs have ended; nothing is answered.
    Release {
        /// Which slot of this worker.
        slot: SlotId,
    },
    /// So many counted messages have come: the worker need not keep them. Not counted itself.
    Ack {
        /// Since the session began.
        received: u64,
    },
    /// Are you there?
    Ping {
        /// Repeated in the answer.
        number: u64,
    },
    /// End everything and exit. Answered by `Bye`.
    Bye,
}

/// What a controller says first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ControllerHello {
    /// The controller's build; the worker refuses any other.
    pub build: String,
    /// The job, for tags and messages.
    pub job: String,
    /// The host's name in the farm.
    pub host: String,
    /// How many slots this worker serves.
    pub slots: u32,
    /// The folder below which every scratch folder of this job lies on this host; empty = one of
    /// the worker's own, below the user's cache folder there, which it removes at its end.
    pub scratch_root: String,
    /// How long the worker goes on without its controller; 0: it ends with the connection, and
    /// messages are not counted.
    pub grace_ms: u64,
    /// Which worker of this job on this host is meant. Who connects with the number of a worker
    /// that lives is joined to it again; with another, that job's worker is ended and a new one
    /// begins.
    pub fence: u64,
    /// Counted messages of this worker that have come so far; 0 on the first connection.
    pub received: u64,
    /// Whether the slots are shared with other jobs, and leased from the machine.
    pub leased: bool,
    /// Whether the worker says how its machine is (`Vitals`).
    pub vitals: bool,
    /// How often each side says something, at least.
    pub heartbeat_ms: u64,
}

/// A process to start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunOrder {
    /// Its number.
    pub run: RunId,
    /// Which slot's queue it joins.
    pub slot: SlotId,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Environment on top of the worker's fixed set.
    pub env: BTreeMap<String, String>,
    /// Variables passed through from the worker's own environment; a trailing `*` is a prefix.
    pub inherit: Vec<String>,
    /// Working folder.
    pub cwd: String,
    /// `TMPDIR` for it; made if missing.
    pub scratch: String,
    /// Files to write first: path, content.
    pub files: Vec<(String, String)>,
    /// Whether standard input is a pipe.
    pub stdin: bool,
}

/// What a picture must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// `png` or `exr`.
    pub format: String,
    /// Width in pixels; 0 = any.
    pub width: u32,
    /// Height in pixels; 0 = any.
    pub height: u32,
    /// Names of channels that must be there (others may be too); empty = any.
    pub channels: Vec<String>,
}

/// Worker to controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub enum FromWorker {
    /// First message.
    Hello(WorkerHello),
    /// The hello was not accepted; the worker exits.
    Refused {
        /// Why.
        why: String,
    },
    /// A process runs.
    Started {
        /// Which.
        run: RunId,
        /// Its process id.
        pid: u32,
    },
    /// A process could not be started. No `Exited` follows.
    NotStarted {
        /// Which.
        run: RunId,
        /// The system's reason.
        why: String,
        /// Whether the program does not exist or may not be executed.
        missing: bool,
    },
    /// A process printed lines.
    Lines {
        /// Which.
        run: RunId,
        /// True for standard error.
        stderr: bool,
        /// The lines, without line ends.
        lines: Vec<String>,
        /// Lines dropped just before these because the controller did not keep up.
        dropped: u64,
    },
    /// A process ended, its whole group is gone, and all its lines were sent.
    Exited {
        /// Which.
        run: RunId,
        /// Exit code.
        code: Option<i32>,
        /// Signal.
        signal: Option<i32>,
        /// Whether the worker ended it.
        killed: bool,
        /// CPU seconds, user and system, of it and its reaped children.
        cpu_s: f64,
        /// Largest resident set in bytes.
        rss_bytes: u64,
    },
    /// Answer to `Verify`.
    Verified {
        /// Number of the question.
        request: RequestId,
        /// What was found.
        outcome: Checked,
    },
    /// Answer to `Which`.
    Program {
        /// Number of the question.
        request: RequestId,
        /// Absolute path; absent when none exists.
        path: Option<String>,
    },
    /// Answer to `MakeDir`.
    Made {
        /// Number of the question.
        request: RequestId,
        /// Why not, where not.
        error: Option<String>,
    },
    /// The slot is this worker's until it is released.
    Leased {
        /// Which slot of this worker.
        slot: SlotId,
    },
    /// The slot waits for a lease; said again when that changes.
    LeaseWaits {
        /// Which slot of this worker.
        slot: SlotId,
        /// Who has the machine's slots.
        holders: Vec<Holder>,
    },
    /// Others wait for slots of this machine: so many of this worker's leases should be released
    /// as soon as what runs there is done. Said again when that changes; 0 = keep what is held.
    LeaseWanted {
        /// How many.
        give: u32,
        /// Who waits.
        waiting: Vec<Holder>,
    },
    /// How the machine is; sent unasked about every two seconds. Not counted.
    Vitals(Vitals),
    /// So many counted messages have come: the controller need not keep them. Not counted itself.
    Ack {
        /// Since the session began.
        received: u64,
    },
    /// Answer to `Ping`, and sent unasked every heartbeat with number 0.
    Pong {
        /// From the question.
        number: u64,
    },
    /// Last message; everything is ended.
    Bye,
}

/// What a worker says first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerHello {
    /// The worker's build.
    pub build: String,
    /// Its process id.
    pub pid: u32,
    /// The machine's own name.
    pub hostname: String,
    /// Path of the worker's executable.
    pub executable: String,
    /// Processor cores.
    pub cores: u32,
    /// Memory of the machine.
    pub memory_bytes: u64,
    /// The user whom it runs as.
    pub user: String,
    /// The folder below which scratch folders are made: the hello's, or the worker's own.
    pub scratch_root: String,
    /// framewright's folder below the user's cache folder there.
    pub cache_root: String,
    /// The machine's clock, in milliseconds since 1970.
    pub clock_ms: i64,
    /// Counted messages of the controller that came before this connection; 0 on the first.
    pub received: u64,
}

/// Who holds a slot of a machine, or waits for one. With process id 0 it is nobody: then `job` is a
/// sentence that says why a slot cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Holder {
    /// The user.
    pub user: String,
    /// The job.
    pub job: String,
    /// The worker's process id there.
    pub pid: u32,
    /// Since when, in milliseconds since 1970.
    pub since_ms: i64,
}

/// How a machine is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vitals {
    /// Cores kept busy by others than this worker's own runs, on average of the last interval.
    pub load: f64,
    /// Memory that programs may still take; 0 where the system does not tell.
    pub memory_bytes: u64,
    /// Room on the disk of the scratch folder, for this user.
    pub disk_bytes: u64,
    /// Minutes since midnight, by the machine's clock and time zone.
    pub minute: u16,
    /// The machine's clock, in milliseconds since 1970.
    pub clock_ms: i64,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Checked {
    /// The picture is whole and is what was wanted.
    Good(Picture),
    /// It is not.
    Bad {
        /// One sentence naming what is wrong.
        why: String,
        /// Whether the disk it lies on has no room left, the usual cause.
        disk_full: bool,
    },
}

/// A whole picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `name:type` of each channel, in the file's order, e.g. `beauty.R:half`, `R:u8`. A type
    /// that ends in `?` (`Z:float?`) says that the decoder does not support how the samples are
    /// stored: headers, table of chunks and length were checked, the samples were not.
    pub channels: Vec<String>,
    /// Size of the file.
    pub bytes: u64,
    /// BLAKE3 of the file, 64 hex digits.
    pub hash: String,
}
