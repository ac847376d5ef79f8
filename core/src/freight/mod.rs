//! Freight: what travels to hosts that do not share our files, and what comes home from them.
//!
//! A [`Package`] is all that a scene needs, each file with its hash. A [`Freight`] is the way to
//! one host: a connection to a *depot* (`framewright freight`, reached like the worker but apart
//! from it, so that no byte of an image waits before a cancel). It brings a package there, of
//! which only what the host does not have is sent, and fetches results, verified by their hashes.
//!
//! A lost connection is no failure. The depot knows nothing but its disk, so the freight connects
//! again, with growing pauses, for as long as its owner keeps it, asks what is there and goes on
//! from there; only who drops it ends that.
//!
//! **Why hosts do not fetch from each other.** It would take load off the controller's link. But
//! hosts need not reach each other, and where they do, need not trust each other's keys: what the
//! user gave us is a way from here to each of them. A peer-to-peer transport would need ports,
//! keys and an authority of its own, on machines where we install nothing; the link of one
//! controller carries what its cipher carries, and a blob goes over it once a host and not once a
//! job.
//!
//! Refuses: deciding which host needs what, or when; writing under a final name (the store does);
//! touching assets.

mod client;
mod connect;
mod fetching;
pub mod hashes;
mod load;
mod measure;
mod pace;
pub mod package;
mod session;
mod squeeze;
mod staging;
pub mod throughput;
mod unload;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use framewright_kernel::ids::HostId;
use tokio::sync::mpsc;

use crate::link::Launcher;

pub use framewright_worker::freight::message::Blob;
pub use hashes::HashCache;
pub use measure::{Throughput, measure};
pub use package::{Gathered, Package, PackageError, Packed, Wishes, check_pattern, glob_escaped};

/// How a host's depot is reached.
#[derive(Clone, Debug)]
pub struct FreightSpec {
    /// The host.
    pub host: HostId,
    /// Its name in the farm.
    pub name: String,
    /// How it is reached.
    pub launcher: Launcher,
    /// The job.
    pub job: String,
    /// framewright's cache folder there; empty = the user's.
    pub cache_root: String,
    /// Most room for blobs there; absent = a part of its disk.
    pub cache_bytes: Option<u64>,
    /// How often each side says something.
    pub heartbeat: Duration,
    /// Longest time until the depot has answered the hello.
    pub deadline: Duration,
}

/// Which fetch, numbered by whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FetchToken(pub u64);

/// A file to bring home.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Its number.
    pub token: FetchToken,
    /// Absolute path on the host.
    pub from: String,
    /// Where it goes: written beside it under a temporary name, verified, then renamed. The
    /// folder must be there; what is there under this name is replaced.
    pub to: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// BLAKE3, 64 hex digits.
    pub hash: String,
}

/// What a freight tells.
#[derive(Clone, Debug, PartialEq)]
pub enum FreightNews {
    /// The depot answers, for the first time or again.
    Reached {
        /// framewright's cache folder there.
        cache_root: String,
    },
    /// The depot cannot be reached now, or no more; it is tried again.
    Away {
        /// One sentence.
        why: String,
    },
    /// The depot cannot be used, and trying again would not help (another build, a command that
    /// does not exist). Nothing more comes.
    Unusable {
        /// One sentence.
        why: String,
    },
    /// A part of the package is there. Said a few times a second at most.
    Progress {
        /// Bytes of it there now.
        bytes: u64,
        /// Bytes of it in all.
        bytes_total: u64,
    },
    /// The package is laid out.
    Staged {
        /// The tree's folder on the host: see [`Package::path_on`].
        tree: String,
        /// Bytes that were sent, as they were sent: compressed, and again after a cut.
        bytes_sent: u64,
        /// Bytes of the package.
        bytes_total: u64,
        /// Files of the package.
        files: usize,
        /// Since it was asked for.
        seconds: f64,
    },
    /// The package cannot be brought there.
    StageFailed {
        /// One sentence.
        why: String,
        /// Whether the host has no room.
        disk_full: bool,
    },
    /// A file is here, verified.
    Fetched {
        /// Which.
        token: FetchToken,
    },
    /// A file cannot be brought here. A lost connection is no reason.
    FetchFailed {
        /// Which.
        token: FetchToken,
        /// One sentence.
        why: String,
        /// What kind.
        kind: FetchFault,
    },
    /// A job's tree is gone from the host.
    Removed {
        /// Whose.
        job: String,
        /// Why not, where not.
        fault: Option<String>,
    },
}

/// Why a file cannot be brought here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FetchFault {
    /// It is not there.
    Gone,
    /// It is not the file that was verified there.
    Differs,
    /// It cannot be read there.
    Unreadable,
    /// No room here.
    LocalDiskFull,
    /// It cannot be written here.
    Local,
}

/// News with their sender.
#[derive(Clone, Debug)]
pub struct FromFreight {
    /// Which host.
    pub host: HostId,
    /// What.
    pub news: FreightNews,
}

/// The way of files to one host and home from it. Dropping it ends the connection; what is on
/// the host stays there.
#[derive(Debug)]
pub struct Freight {
    orders: mpsc::UnboundedSender<client::Order>,
}

impl Freight {
    /// Connects in the background, on a thread of its own; everything that follows arrives on
    /// `news`.
    #[must_use]
    pub fn open(spec: FreightSpec, news: mpsc::Sender<FromFreight>) -> Self {
        let (orders, queue) = mpsc::unbounded_channel();
        client::start(spec, queue, news);
        Self { orders }
    }

    /// Brings a package to the host and lays it out as the job's tree: `Progress`, then `Staged`
    /// or `StageFailed`. One at a time; a second one follows the first.
    pub fn stage(&self, package: Arc<Package>, job: impl Into<String>) {
        let job = job.into();
        self.say(client::Order::Stage { package, job });
    }

    /// Brings a file home: `Fetched` or `FetchFailed`. Any number at a time, in order.
    pub fn fetch(&self, fetch: Fetch) {
        self.say(client::Order::Fetch(fetch));
    }

    /// A file is not wanted any more; nothing is answered, and nothing of it is left here.
    pub fn forget(&self, token: FetchToken) {
        self.say(client::Order::Forget(token));
    }

    /// Removes a job's tree from the host: `Removed`. Its blobs stay, for the next job.
    pub fn remove(&self, job: impl Into<String>) {
        self.say(client::Order::Remove { job: job.into() });
    }

    fn say(&self, order: client::Order) {
        // Only after `Unusable` nobody listens.
        let _ = self.orders.send(order);
    }
}
