//! Who knocks at a worker's socket: connections that have not said their hello yet.
//!
//! They are strangers until they have: each is of this user, has a bounded time and size for one
//! message, and there are few of them. Nothing that they do touches the conversation under way.

use std::io::Read as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use rustix::net::sockopt::socket_peercred;
use rustix::net::{SendFlags, send};

use crate::codec::{Decoder, Encoder};
use crate::message::{ControllerHello, FromWorker, ToWorker};

/// Strangers at a time; the oldest makes room for one more.
const CALLERS_MAX: usize = 8;
/// How long one may take to say hello.
const HELLO_MAX: Duration = Duration::from_secs(10);
/// How long a hello may be.
const HELLO_BYTES_MAX: usize = 64 << 10;

pub(crate) struct Caller {
    pub(crate) socket: UnixStream,
    decoder: Decoder,
    bytes: usize,
    until: Instant,
}

/// One that has said a hello.
pub(crate) struct Announced {
    pub(crate) socket: UnixStream,
    /// Holds what came behind the hello.
    pub(crate) decoder: Decoder,
    pub(crate) hello: ControllerHello,
}

impl Announced {
    /// Says why not, and closes.
    pub(crate) fn refuse(self, why: String) {
        let mut bytes = Vec::new();
        if Encoder::encode(&FromWorker::Refused { why }, &mut bytes).is_ok() {
            // Nothing was written to it yet, so there is room; or nobody wants to know.
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let _ = send(&self.socket, &bytes, flags);
        }
    }
}

#[derive(Default)]
pub(crate) struct Callers(Vec<Caller>);

impl AsFd for Caller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Callers {
    /// Lets one in, unless it is another user's.
    pub(crate) fn admit(&mut self, listener: &UnixListener, now: Instant) {
        // Gone already, or out of descriptors: whoever wants to come comes again.
        let Ok((socket, _)) = listener.accept() else {
            return;
        };
        let ours = rustix::process::geteuid();
        if !socket_peercred(&socket).is_ok_and(|peer| peer.uid == ours) {
            return;
        }
        if self.0.len() == CALLERS_MAX {
            self.0.remove(0);
        }
        self.0.push(Caller {
            socket,
            decoder: Decoder::new(),
            bytes: 0,
            until: now + HELLO_MAX,
        });
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Caller> {
        self.0.iter()
    }

    /// Reads from those at these places, in rising order; gives those who have said hello.
    /// Drops who is late, talks of something else, or is gone.
    pub(crate) fn hear(&mut self, ready: &[bool], now: Instant) -> Vec<Announced> {
        let mut announced = Vec::new();
        let mut staying = Vec::new();
        for (at, mut caller) in self.0.drain(..).enumerate() {
            let stays = !ready.get(at).copied().unwrap_or(false) || caller.read();
            if !stays {
                continue;
            }
            match caller.decoder.next::<ToWorker>() {
                Ok(None) if now < caller.until => staying.push(caller),
                Ok(Some(ToWorker::Hello(hello))) => announced.push(Announced {
                    socket: caller.socket,
                    decoder: caller.decoder,
                    hello,
                }),
                Ok(_) | Err(_) => {}
            }
        }
        self.0 = staying;
        announced
    }

    /// When the next of them is late.
    pub(crate) fn next_late(&self) -> Option<Instant> {
        self.0.iter().map(|caller| caller.until).min()
    }
}

impl Caller {
    /// Reads what is there; false when it is to go.
    fn read(&mut self) -> bool {
        let mut piece = [0; 4096];
        match self.socket.read(&mut piece) {
            Ok(0) => false,
            Ok(read) => {
                self.bytes += read;
                self.decoder.push(&piece[..read]);
                self.bytes <= HELLO_BYTES_MAX
            }
            Err(error) => error.kind() == std::io::ErrorKind::Interrupted,
        }
    }
}
