//! The worker at the far end of a link.
//!
//! A worker is a process that a launcher (a plain spawn, ssh, srun) starts on a host. It speaks
//! [`message`]s over its standard input and output in the framing of [`codec`], runs processes
//! for its controller, tells what they print and how they end, and checks the pictures they
//! wrote. It knows no renderer, decides nothing, keeps nothing on disk, and outlives nothing:
//! whatever it started is gone before it ends, and when it is killed itself, its watch
//! ([`watch_main`]) or the controller ([`sweep_tagged`]) finds what is left.
//!
//! Threads and blocking calls only: starting a process costs least from a plain thread, and
//! there are few of them.

pub mod codec;
mod errand;
mod feed;
mod identity;
mod kin;
mod launch;
mod lease;
mod lines;
mod link;
pub mod message;
mod outbox;
mod run;
mod serve;
mod slot;
mod stdio;
mod stream;
mod verify;
mod vitals;
mod wait;
mod wake;
mod watch;

pub use identity::{PROTOCOL, build_id};
pub use kin::{sweep_job, sweep_tagged};
pub use serve::{Farewell, SLOTS_MAX, WorkerError, WorkerOptions, worker_main};
pub use stdio::claim_stdio;
pub use verify::verify;
pub use watch::watch_main;

/// Whether the file system that a folder is on has no room left.
#[must_use]
pub fn disk_is_full(folder: &std::path::Path) -> bool {
    verify::disk::is_full(&folder.join("file"), false)
}
