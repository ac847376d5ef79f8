//! What waits to be written to the controller.
//!
//! Answers are always taken: they are small, and each answers something the controller said.
//! File data is taken while the controller's window has room, so that answers never queue behind
//! more than that. The writer alone may hang in a write; it also says the heartbeats.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::message::{FromDepot, ReadId};
use crate::codec::Encoder;

/// With this many bytes waiting the controller counts as lost.
const WAITING_BYTES_MAX: usize = 64 << 20;

pub(super) struct Post {
    state: Mutex<State>,
    /// For the writer.
    more: Condvar,
    /// For who sends data.
    room: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Bytes of pieces taken, and whether the controller was told.
    acked: u64,
    ack_due: bool,
    /// Bytes of data sent and taken by the controller, and how far apart they may be.
    sent: u64,
    taken: u64,
    window: u64,
    /// Reads that are not wanted any more.
    unwanted: BTreeSet<ReadId>,
    heartbeat: Option<Duration>,
    lost: bool,
    closing: bool,
}

impl Post {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State::default()),
            more: Condvar::new(),
            room: Condvar::new(),
        }
    }

    pub(super) fn raw(&self, bytes: &[u8]) {
        self.lock().waiting.extend_from_slice(bytes);
        self.more.notify_one();
    }

    pub(super) fn say(&self, message: &FromDepot) {
        let mut state = self.lock();
        if state.lost {
            return;
        }
        // Nothing that a depot says comes near the limit of a message.
        if Encoder::encode(message, &mut state.waiting).is_err() {
            debug_assert!(false, "an answer over the limit");
        }
        if state.waiting.len() > WAITING_BYTES_MAX {
            self.lose(&mut state);
        }
        self.more.notify_one();
    }

    /// From now on heartbeats are said, and so much data may be on its way.
    pub(super) fn begin(&self, heartbeat: Duration, window: u64) {
        let mut state = self.lock();
        state.heartbeat = Some(heartbeat);
        state.window = window;
    }

    /// More bytes of pieces were taken.
    pub(super) fn acknowledge(&self, bytes: usize) {
        let mut state = self.lock();
        state.acked += bytes as u64;
        state.ack_due = true;
        self.more.notify_one();
    }

    /// The controller took data.
    pub(super) fn acknowledged(&self, taken: u64, window: u64) {
        let mut state = self.lock();
        state.taken = taken.min(state.sent);
        state.window = window;
        self.room.notify_all();
    }

    /// A read is not wanted any more.
    pub(super) fn forget(&self, read: ReadId) {
        let mut state = self.lock();
        state.unwanted.insert(read);
        self.room.notify_all();
    }

    /// A read is over: nobody will ask again whether it is wanted.
    pub(super) fn over(&self, read: ReadId) {
        self.lock().unwanted.remove(&read);
    }

    /// Sends a piece of a file when the window has room. False when nobody wants it.
    pub(super) fn data(&self, read: ReadId, message: &FromDepot, bytes: usize) -> bool {
        let mut state = self.lock();
        loop {
            if state.lost || state.unwanted.contains(&read) {
                return false;
            }
            let on_its_way = state.sent - state.taken;
            // One piece may always be on its way, however narrow the window.
            if on_its_way == 0 || on_its_way + bytes as u64 <= state.window {
                break;
            }
            state = self
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.sent += bytes as u64;
        if Encoder::encode(message, &mut state.waiting).is_err() {
            debug_assert!(false, "a piece over the limit");
        }
        self.more.notify_one();
        true
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lock().lost
    }

    /// Lets the writer end once everything is written.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.more.notify_one();
    }

    /// Nothing can be sent any more; who waits for room need not.
    pub(super) fn give_up(&self) {
        self.lose(&mut self.lock());
    }

    fn lose(&self, state: &mut State) {
        state.lost = true;
        state.waiting = Vec::new();
        self.room.notify_all();
        self.more.notify_all();
    }

    /// The writer thread.
    pub(super) fn write_to(&self, stdout: &OwnedFd) {
        let mut leaving = Vec::new();
        while self.take(&mut leaving) {
            if write_all(stdout, &leaving).is_err() {
                self.give_up();
                return;
            }
            leaving.clear();
        }
    }

    fn take(&self, leaving: &mut Vec<u8>) -> bool {
        let mut state = self.lock();
        loop {
            if state.lost {
                return false;
            }
            if state.ack_due {
                state.ack_due = false;
                let taken = state.acked;
                let said = Encoder::encode(&FromDepot::Ack { taken }, &mut state.waiting);
                debug_assert!(said.is_ok(), "an ack over the limit");
            }
            if !state.waiting.is_empty() {
                std::mem::swap(&mut state.waiting, leaving);
                return true;
            }
            if state.closing {
                return false;
            }
            state = match state.heartbeat {
                None => self
                    .more
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(heartbeat) => {
                    let (mut state, waited) = self
                        .more
                        .wait_timeout(state, heartbeat)
                        .unwrap_or_else(PoisonError::into_inner);
                    if waited.timed_out() {
                        let beat = FromDepot::Pong { number: 0 };
                        let said = Encoder::encode(&beat, &mut state.waiting);
                        debug_assert!(said.is_ok(), "a heartbeat over the limit");
                    }
                    state
                }
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes everything, also to a descriptor that a launcher has made non-blocking.
fn write_all(to: &OwnedFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(0) => return Err(Errno::PIPE),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(to, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
