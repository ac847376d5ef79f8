//! Asking a controller that runs: a socket in the job's folder.
//!
//! `JOB/control.sock` is a Unix stream socket of mode 0600 that lives as long as the controller; one
//! that a killed controller left is replaced by the next. Only processes of the same user (and
//! root) are answered. A path that is too long for a socket's address (107 bytes) is reached through
//! the folder's descriptor, `/proc/self/fd/N/control.sock`, so jobs may lie as deep as files may.
//!
//! Both sides speak lines of JSON, each with `"format": 1`; an answer comes for every request, in
//! order. The controller's loop is handed whole requests only, through a bounded door, and answers
//! each at once from what it has in memory; reading, waiting and writing is done beside it. What
//! may be sent, how many may ask at once and how long anything may take has a limit (`Limits`), so
//! no client can hold a render up.
//!
//! Questions change nothing. The orders are to take a host into the job and to let one go; what a
//! controller cannot do it refuses in a sentence, and the job goes on as before.

mod client;
mod server;
mod socket;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::explain::TaskReport;
use crate::request::HostEntry;

pub use client::{ANSWER_MAX, AskError, ask};
pub use server::ControlError;
pub(crate) use server::{Asked, Control};

/// Version of what both sides say.
pub const FORMAT: u32 = 1;
/// Requests that may wait for the controller's loop.
pub(crate) const WAITING_MAX: usize = 16;

/// What a controller is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Request {
    /// Why a task is where it is.
    Explain {
        /// Its name.
        task: String,
    },
    /// Take a host into the job.
    HostAdd {
        /// The host, as the farm's reader made it.
        entry: Box<HostEntry>,
    },
    /// Send a host nothing new, and let it go when what it has is done.
    HostDrain {
        /// Its name.
        host: String,
    },
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// Why the task is where it is; `tries` is left to the journal.
    Explained(Box<TaskReport>),
    /// What was ordered is done, or will be.
    Done {
        /// One sentence.
        text: String,
    },
    /// It does not do that.
    Refused {
        /// One sentence.
        why: String,
    },
}

/// A line: the version, and what is said.
#[derive(Debug, Serialize, Deserialize)]
struct Line<T> {
    format: u32,
    #[serde(flatten)]
    body: T,
}

impl Answer {
    fn refused(why: impl Into<String>) -> Self {
        Answer::Refused { why: why.into() }
    }
}

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Longest request.
    pub line_bytes_max: usize,
    /// Clients at once; further ones wait until one is done.
    pub clients_max: usize,
    /// Requests of one client.
    pub requests_max: u32,
    /// How long a client may take for a request, for reading its answer, and the loop for giving it.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes_max: 16 * 1024,
            clients_max: 16,
            requests_max: 10_000,
            patience: Duration::from_secs(1),
        }
    }
}
