//! The worker at the far end of a link.
//!
//! A worker is a process that a launcher (a plain spawn, ssh, srun) starts on a host. It speaks
//! [`message`]s over its standard input and output in the framing of [`codec`], runs processes
//! for its controller, tells what they print and how they end, and checks the pictures they
//! wrote. It knows no renderer, decides nothing and keeps nothing: whatever it started is gone
//! before it ends, and when it is killed itself, its watch ([`watch_main`]) or the controller
//! ([`sweep_tagged`]) finds what is left.
//!
//! It ends with its connection, unless the controller grants it a grace time: then the process
//! that the launcher started is only a door to a worker ([`detached_main`]) in a session of its
//! own, which goes on through cuts for that long, and [`tally`] makes one conversation of the
//! connections that come and go.
//!
//! Threads and blocking calls only: starting a process costs least from a plain thread, and
//! there are few of them.

mod callers;
pub mod codec;
mod detached;
mod door;
mod errand;
mod feed;
pub mod freight;
mod home;
mod identity;
mod kin;
mod lasting;
mod launch;
mod lease;
mod lines;
mod link;
pub mod message;
mod outbox;
mod place;
mod run;
mod serve;
mod slot;
mod stdio;
mod stream;
pub mod tally;
mod verify;
mod vitals;
mod wait;
mod wake;
mod watch;

pub use detached::detached_main;
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
