//! The way from the controller: bytes into messages, beside signals and the loss of the way back.
//!
//! Only `listen` blocks, and never past its deadline.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::codec::{DecodeError, Decoder};
use crate::identity::build_id;
use crate::kin::timespec;
use crate::message::{ControllerHello, FromWorker, ToWorker};
use crate::outbox::Outbox;
use crate::serve::{Farewell, SLOTS_MAX};
use crate::wake::Waker;

/// Becomes readable when the worker is asked to end.
pub(crate) fn watch_signals() -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT] {
        signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
    }
    Ok(reader)
}

/// The way from the controller.
pub(crate) struct Link {
    stdin: OwnedFd,
    signals: UnixStream,
    alarm: Arc<Waker>,
    outbox: Arc<Outbox>,
    decoder: Decoder,
    buffer: Vec<u8>,
}

/// What ended a wait.
pub(crate) enum Heard {
    /// Bytes were pushed into the decoder.
    Something,
    Nothing,
    End(Farewell),
}

impl Link {
    pub(crate) fn new(
        stdin: OwnedFd,
        signals: UnixStream,
        alarm: Arc<Waker>,
        outbox: Arc<Outbox>,
    ) -> Self {
        const READ_BYTES: usize = 64 << 10;
        Self {
            stdin,
            signals,
            alarm,
            outbox,
            decoder: Decoder::new(),
            buffer: vec![0; READ_BYTES],
        }
    }

    /// The controller's end, and what was read from it that is no message yet.
    pub(crate) fn into_rest(self) -> (OwnedFd, Vec<u8>) {
        (self.stdin, self.decoder.into_rest())
    }

    /// The next message that has come whole.
    pub(crate) fn next(&mut self) -> Result<Option<ToWorker>, Farewell> {
        self.decoder
            .next()
            .map_err(|error| Farewell::Garbled { why: full(&error) })
    }

    /// Waits for the controller, a signal or the time.
    pub(crate) fn listen(&mut self, until: Instant) -> Heard {
        let left = until.saturating_duration_since(Instant::now());
        let mut fds = [
            PollFd::new(&self.stdin, PollFlags::IN),
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&*self.alarm, PollFlags::IN),
        ];
        if poll(&mut fds, Some(&timespec(left))).is_err() {
            // Interrupted: the caller comes again.
            return Heard::Nothing;
        }
        let [said, signalled, alarmed] = fds.map(|fd| !fd.revents().is_empty());
        if signalled {
            return Heard::End(Farewell::Signalled);
        }
        if alarmed && self.outbox.is_lost() {
            return Heard::End(Farewell::ControllerGone);
        }
        if said { self.read() } else { Heard::Nothing }
    }

    fn read(&mut self) -> Heard {
        match rustix::io::read(&self.stdin, &mut self.buffer) {
            Ok(0) => Heard::End(Farewell::ControllerGone),
            Ok(read) => {
                self.decoder.push(&self.buffer[..read]);
                Heard::Something
            }
            Err(Errno::INTR | Errno::AGAIN) => Heard::Nothing,
            Err(_) => Heard::End(Farewell::ControllerGone),
        }
    }

    /// Waits for a hello that this build can serve; refuses any other.
    pub(crate) fn await_hello(&mut self, until: Instant) -> Result<ControllerHello, Farewell> {
        loop {
            match self.decoder.next::<ToWorker>() {
                Ok(Some(ToWorker::Hello(hello))) => return self.check(hello),
                Ok(Some(ToWorker::Bye)) => return Err(Farewell::Bye),
                Ok(Some(_)) => return Err(self.refuse("the first message is no hello".to_owned())),
                // An older or newer controller's hello may not even be readable.
                Err(error) => {
                    let why = format!(
                        "the hello cannot be read by this build, {}: {}",
                        build_id(),
                        full(&error)
                    );
                    return Err(self.refuse(why));
                }
                Ok(None) => {}
            }
            if Instant::now() >= until {
                return Err(self.refuse("no hello came".to_owned()));
            }
            if let Heard::End(farewell) = self.listen(until) {
                return Err(farewell);
            }
        }
    }

    fn check(&self, hello: ControllerHello) -> Result<ControllerHello, Farewell> {
        match objection(&hello) {
            Some(why) => Err(self.refuse(why)),
            None => Ok(hello),
        }
    }

    fn refuse(&self, why: String) -> Farewell {
        self.outbox
            .control(&FromWorker::Refused { why: why.clone() });
        Farewell::Refused { why }
    }
}

/// Why this build cannot serve a hello.
pub(crate) fn objection(hello: &ControllerHello) -> Option<String> {
    if hello.build != build_id() {
        return Some(format!(
            "the controller is build {}, this worker is build {}",
            hello.build,
            build_id()
        ));
    }
    if !(1..=SLOTS_MAX).contains(&hello.slots) {
        return Some(format!(
            "{} slots are not between 1 and {SLOTS_MAX}",
            hello.slots
        ));
    }
    None
}

pub(crate) fn full(error: &DecodeError) -> String {
    match error {
        DecodeError::Payload { source, .. } => format!("{error}: {source}"),
        DecodeError::TooLong { .. } | DecodeError::NoNewline { .. } => error.to_string(),
    }
}
