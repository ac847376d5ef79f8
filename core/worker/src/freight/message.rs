//! What a controller and a depot say to each other.
//!
//! Like the worker's messages they are MessagePack with field names, between two ends of exactly
//! the same build. Unlike those their enums are not tagged inside: bytes then go from the buffer
//! to the file without passing through a copy that serde makes to look for the tag.
//!
//! What the controller says is answered in order, but for reads, which have an order of their own:
//! so pictures come home while assets still go out.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;

/// Most bytes of a file in one message, before they are compressed.
pub const PIECE_BYTES_MAX: usize = 256 << 10;
/// Most blobs or files in one message.
pub const BATCH_MAX: usize = 1000;
/// Most reads that may wait at a depot.
pub const READS_MAX: usize = 64;

/// BLAKE3 of a file's content. On the wire and in names 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob(pub [u8; 32]);

/// Text that is no 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 64 lower-case hex digits")]
pub struct NoHash;

impl fmt::Display for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Blob {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        // One spelling only: it is a file's name.
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(NoHash);
        }
        let hash = blake3::Hash::from_hex(text).map_err(|_| NoHash)?;
        Ok(Self(*hash.as_bytes()))
    }
}

impl From<blake3::Hash> for Blob {
    fn from(hash: blake3::Hash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A question whose answer carries the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AskId(pub u64);

/// A blob on its way to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PutId(pub u64);

/// A file on its way from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReadId(pub u64);

/// Controller to depot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToDepot {
    /// First message.
    Hello(DepotHello),
    /// Which of these blobs are there? Answered by `Had`. They count as used from now.
    Have {
        /// Number of the question.
        ask: AskId,
        /// At most [`BATCH_MAX`].
        blobs: Vec<BlobFact>,
    },
    /// Make room for so many more bytes of blobs under the cap: what was used longest ago goes
    /// first, what a job's tree holds stays. Answered by `Roomy`.
    Room {
        /// Number of the question.
        ask: AskId,
        /// Bytes that are to come.
        bytes: u64,
    },
    /// A blob comes, from this offset on; its pieces follow in order. Answered by `Stored`.
    Put {
        /// Its number.
        put: PutId,
        /// Which.
        blob: BlobFact,
        /// Bytes of it that `Had` told of.
        from: u64,
    },
    /// The next bytes of a blob.
    Piece {
        /// Which.
        put: PutId,
        /// Whether they are a zstd frame.
        zstd: bool,
        /// At most [`PIECE_BYTES_MAX`], also when unpacked.
        data: ByteBuf,
    },
    /// Lay files out in a job's tree. Answered by `Laid`.
    Lay {
        /// Number of the question.
        ask: AskId,
        /// Whose tree.
        job: String,
        /// At most [`BATCH_MAX`].
        files: Vec<Place>,
    },
    /// Remove a job's tree. Answered by `Removed`.
    Remove {
        /// Number of the question.
        ask: AskId,
        /// Whose tree.
        job: String,
    },
    /// Send a file, from this offset on: `Data`, then `End`. At most [`READS_MAX`] at a time.
    Read {
        /// Its number.
        read: ReadId,
        /// Absolute path there.
        path: String,
        /// Where to begin.
        from: u64,
        /// The size that it must have.
        bytes: u64,
    },
    /// A file is not wanted any more. Pieces that are on their way still come.
    Unread {
        /// Which.
        read: ReadId,
    },
    /// So many bytes of `Data` were taken since the connection began; this many more than that
    /// may be on their way.
    Ack {
        /// Taken in all.
        taken: u64,
        /// Most on their way.
        window: u64,
    },
    /// Bytes to be thrown away, for measuring. Acknowledged like pieces.
    Sink {
        /// At most [`PIECE_BYTES_MAX`].
        data: ByteBuf,
    },
    /// Send so many bytes that mean nothing: `Data`, then `End`.
    Source {
        /// Their number.
        read: ReadId,
        /// How many.
        bytes: u64,
    },
    /// Are you there? Answered by `Pong` at once.
    Ping {
        /// Repeated in the answer; 0 is a heartbeat and not answered.
        number: u64,
    },
    /// The end: answered by `Bye` when all before it was answered.
    Bye,
}

/// What a controller says first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DepotHello {
    /// The controller's build; any other is refused.
    pub build: String,
    /// The job. A depot of the same job and host that still runs, behind a connection that is
    /// lost, is ended first.
    pub job: String,
    /// The host's name in the farm.
    pub host: String,
    /// framewright's cache folder there; empty = the user's.
    pub cache_root: String,
    /// Most room for blobs; absent = a part of the disk.
    pub cache_bytes: Option<u64>,
    /// Most bytes of `Data` on their way, until an `Ack` says otherwise.
    pub window: u64,
    /// How often each side says something, at least.
    pub heartbeat_ms: u64,
}

/// A blob, and what its file must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobFact {
    /// Its hash.
    pub blob: Blob,
    /// Its size.
    pub bytes: u64,
    /// The file's time of modification, in nanoseconds since 1970. A blob that has another one
    /// there was not written by a depot, or for another file: it is hashed before it is believed.
    pub mtime_ns: i64,
}

/// A file of a job's tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its absolute path at the controller: the path below the tree.
    pub path: String,
    /// Its content.
    pub fact: BlobFact,
}

/// Depot to controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromDepot {
    /// First message.
    Hello(DepotWelcome),
    /// The hello was not accepted; the depot exits.
    Refused {
        /// Why.
        why: String,
        /// What kind of fault, where the disk is to blame.
        fault: Option<Fault>,
    },
    /// Answer to `Have`, blob by blob.
    Had {
        /// Number of the question.
        ask: AskId,
        /// In the order of the question.
        blobs: Vec<Presence>,
    },
    /// Answer to `Room`.
    Roomy {
        /// Number of the question.
        ask: AskId,
        /// Bytes of blobs now.
        bytes: u64,
        /// The cap.
        cap_bytes: u64,
        /// Blobs that went.
        evicted: u64,
    },
    /// A blob is there, whole and verified.
    Stored {
        /// Which.
        put: PutId,
    },
    /// A blob is not there. Its further pieces are thrown away.
    NotStored {
        /// Which.
        put: PutId,
        /// Why.
        fault: Fault,
    },
    /// Answer to `Lay`.
    Laid {
        /// Number of the question.
        ask: AskId,
        /// Indices of files whose blobs are not there (any more): to be sent and laid again.
        missing: Vec<u32>,
        /// What else went wrong; the rest of the batch was not laid then.
        fault: Option<Fault>,
    },
    /// Answer to `Remove`.
    Removed {
        /// Number of the question.
        ask: AskId,
        /// Why not, where not.
        fault: Option<Fault>,
    },
    /// The next bytes of a file.
    Data {
        /// Which.
        read: ReadId,
        /// At most [`PIECE_BYTES_MAX`].
        data: ByteBuf,
    },
    /// A file was sent to its end.
    End {
        /// Which.
        read: ReadId,
    },
    /// A file cannot be sent, or not to its end.
    NotRead {
        /// Which.
        read: ReadId,
        /// Why.
        fault: Fault,
    },
    /// So many bytes of pieces were taken since the connection began.
    Ack {
        /// Taken in all.
        taken: u64,
    },
    /// Answer to `Ping`, and sent unasked every heartbeat with number 0.
    Pong {
        /// From the question.
        number: u64,
    },
    /// Last message.
    Bye,
}

/// What a depot says first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DepotWelcome {
    /// Its build.
    pub build: String,
    /// Its process id.
    pub pid: u32,
    /// The machine's own name.
    pub hostname: String,
    /// framewright's cache folder there.
    pub cache_root: String,
    /// Room on its disk, for this user.
    pub disk_bytes: u64,
}

/// What there is of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// All of it.
    Whole,
    /// Its beginning, so many bytes; 0 = nothing.
    Part(u64),
}

/// Why something could not be done, told apart as far as anybody acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The disk is full.
    DiskFull,
    /// The user's quota is used up.
    Quota,
    /// The file system is mounted read-only.
    ReadOnly,
    /// The system's limit on a file's size is reached.
    TooLarge,
    /// Not allowed.
    Denied,
    /// Not there.
    Missing,
    /// What came is not what its hash says, or a file is not the one that was asked for.
    Differs,
    /// A name that is refused.
    BadName,
    /// The other end broke the rules of the protocol.
    Protocol,
    /// Anything else.
    Other,
}

/// Something that could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{why}")]
pub struct Fault {
    /// What kind.
    pub kind: FaultKind,
    /// One sentence without its end: operation, subject, cause.
    pub why: String,
}

impl Fault {
    /// Whether there was no room: the host may be of use again when somebody has tidied up.
    #[must_use]
    pub fn no_room(&self) -> bool {
        matches!(self.kind, FaultKind::DiskFull | FaultKind::Quota)
    }
}
