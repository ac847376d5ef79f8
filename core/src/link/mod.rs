//! Links: how a host's worker is reached.
//!
//! A link is a command whose standard input and output speak to a `framewright worker`. The local
//! link is the plainest one: the command is our own executable. Every other launcher differs in
//! its argv and nothing else, so nothing above this module knows which kind it has.
//!
//! A link decides nothing. It opens (spawn, preamble, hello, all under one deadline), carries
//! messages both ways, and says once that it is lost and why. Exit codes of launchers are not
//! trusted: a worker that ends without `Bye` is lost.
//!
//! There are two kinds. A plain link is one connection: dropping its [`Link`] closes the pipe, and
//! the worker's own rules end what is behind it. A link whose worker has a grace time makes one
//! conversation of many connections: when one is lost it says [`LinkNews::Silent`] and finds the
//! worker again by itself, [`LinkNews::Heard`], with nothing lost and nothing double. Dropping its
//! [`Link`] says bye, also to a worker that has to be found again for it.

mod lasting;
mod launch;
mod open;
mod pump;
mod ssh;

pub use launch::{Errand, Launcher};
pub(crate) use launch::{Launched, launch};
pub use open::{LinkError, LinkSpec, open};
pub(crate) use pump::StderrTail;
pub use ssh::{Obstacle, SshHost};

use framewright_kernel::ids::HostId;
use framewright_worker::message::{FromWorker, ToWorker, WorkerHello};
use tokio::sync::mpsc;

/// Which life of a host's worker a message came from. A worker that is started again gets the
/// next number, so words of the one before are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkLife(pub u32);

/// What a link tells its controller.
#[derive(Debug)]
pub enum LinkNews {
    /// The worker answered the hello; or could not be reached.
    Opened(Result<Box<Link>, LinkError>),
    /// The worker said something.
    Said(FromWorker),
    /// The connection is lost; the link tries to find the worker again, which goes on meanwhile.
    Silent {
        /// One sentence.
        why: String,
    },
    /// The worker is found again. What it said meanwhile follows.
    Heard,
    /// The worker is gone, or given up. Nothing more comes from this life.
    Lost {
        /// One sentence.
        why: String,
    },
}

/// News with its sender.
#[derive(Debug)]
pub struct FromLink {
    /// Which host.
    pub host: HostId,
    /// Which life of its worker.
    pub life: LinkLife,
    /// What.
    pub news: LinkNews,
}

/// An open link. Dropping it ends the worker.
#[derive(Debug)]
pub struct Link {
    /// What the worker said of itself and its machine.
    pub hello: WorkerHello,
    /// Process id of the command on this machine: the first one's, where they come and go.
    pub command_pid: u32,
    way: Way,
}

/// How words get to the worker.
#[derive(Debug)]
enum Way {
    Plain(mpsc::UnboundedSender<ToWorker>),
    Lasting(lasting::Say),
}

impl Link {
    /// Queues a message. Control messages are small and bounded by the work in hand, so this
    /// never waits. A lost link swallows it: [`LinkNews::Lost`] tells.
    pub fn say(&self, message: ToWorker) {
        match &self.way {
            Way::Plain(outgoing) => {
                // A closed channel means that the pump has ended, which it reports itself.
                let _ = outgoing.send(message);
            }
            Way::Lasting(outgoing) => outgoing.say(&message),
        }
    }
}
