//! What waits to be written to the controller.
//!
//! One queue in order, so that a process's end can never overtake its lines. Control messages
//! are always taken; lines only while less than [`BULK_BYTES_MAX`] bytes wait, so that a control
//! message never queues behind more than that. Nobody who puts something in is ever blocked: the
//! only thread that writes (and may hang in it for as long as a cut network likes) is the
//! outbox's own.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::codec::Encoder;
use crate::message::FromWorker;
use crate::wake::Waker;

/// Lines are held back while this many bytes wait.
pub(crate) const BULK_BYTES_MAX: usize = 256 << 10;

/// With this many bytes waiting the controller counts as lost. Only control messages get there,
/// and every one of them answers something that the controller sent.
const CONTROL_BYTES_MAX: usize = 64 << 20;

/// Bytes of one write.
const PIECE_BYTES: usize = 64 << 10;

/// How long news that may wait for company waits while more news keeps coming.
const COMPANY_MAX: Duration = Duration::from_millis(2);

pub(crate) struct Outbox {
    state: Mutex<State>,
    /// For the writer: there is more to write, or nothing more will come.
    more: Condvar,
    /// For who closes: everything is written, or nothing can be.
    over: Condvar,
    /// Told when the controller is lost.
    alarm: Arc<Waker>,
}

struct State {
    waiting: Vec<u8>,
    /// Taken by the writer, not yet written.
    leaving_bytes: usize,
    /// When the writer last got rid of something, or had nothing to get rid of.
    progress: Instant,
    /// Since when something waits that nobody was woken for.
    quiet_since: Option<Instant>,
    /// A heartbeat is among what waits.
    heartbeat: bool,
    /// Threads that wait for room.
    hungry: Vec<Arc<Waker>>,
    lost: bool,
    closing: bool,
    drained: bool,
}

/// Whether lines were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// They were.
    Taken,
    /// They were not: wait for the waker.
    Full,
}

impl Outbox {
    pub(crate) fn new(alarm: Arc<Waker>) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: Vec::new(),
                leaving_bytes: 0,
                progress: Instant::now(),
                quiet_since: None,
                heartbeat: false,
                hungry: Vec::new(),
                lost: false,
                closing: false,
                drained: false,
            }),
            more: Condvar::new(),
            over: Condvar::new(),
            alarm,
        }
    }

    /// Puts bytes in as they are: the preamble.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        let mut state = self.lock();
        state.waiting.extend_from_slice(bytes);
        self.more.notify_one();
    }

    /// Puts a control message in.
    pub(crate) fn control(&self, message: &FromWorker) {
        let mut state = self.lock();
        self.add(&mut state, message);
        self.more.notify_one();
    }

    /// Puts a control message in that may wait for the next one, or for `flush`: waking the
    /// writer and the controller for each costs more than a short process does.
    pub(crate) fn later(&self, message: &FromWorker) {
        let mut state = self.lock();
        self.add(&mut state, message);
        let now = Instant::now();
        if now.duration_since(*state.quiet_since.get_or_insert(now)) >= COMPANY_MAX {
            self.more.notify_one();
        }
    }

    /// Sends what was left for later.
    pub(crate) fn flush(&self) {
        self.more.notify_one();
    }

    fn add(&self, state: &mut State, message: &FromWorker) {
        if state.lost {
            return;
        }
        // Nothing that this worker says comes near the limit of a message.
        if Encoder::encode(message, &mut state.waiting).is_err() {
            debug_assert!(false, "a control message over the limit");
        }
        if state.waiting.len() > CONTROL_BYTES_MAX {
            self.lose(state);
        }
    }

    /// Puts a heartbeat in, unless one still waits.
    pub(crate) fn heartbeat(&self) {
        let mut state = self.lock();
        if state.heartbeat || state.lost {
            return;
        }
        state.heartbeat = true;
        drop(state);
        self.control(&FromWorker::Pong { number: 0 });
    }

    /// Puts lines in if there is room. When there is none, `waker` is woken as soon as there is.
    pub(crate) fn lines(&self, message: &FromWorker, waker: &Arc<Waker>) -> Room {
        let mut state = self.lock();
        if state.lost {
            return Room::Taken;
        }
        if state.waiting.len() + state.leaving_bytes >= BULK_BYTES_MAX {
            if !state.hungry.iter().any(|other| Arc::ptr_eq(other, waker)) {
                state.hungry.push(Arc::clone(waker));
            }
            return Room::Full;
        }
        if Encoder::encode(message, &mut state.waiting).is_err() {
            debug_assert!(false, "lines over the limit");
        }
        self.more.notify_one();
        Room::Taken
    }

    /// How long the controller has taken nothing although something waits.
    pub(crate) fn stalled_for(&self, now: Instant) -> Duration {
        let state = self.lock();
        if state.waiting.is_empty() && state.leaving_bytes == 0 {
            return Duration::ZERO;
        }
        now.saturating_duration_since(state.progress)
    }

    /// Whether nothing can be sent any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.lock().lost
    }

    /// Waits until everything is written, at most until `deadline`; afterwards the writer ends.
    pub(crate) fn close(&self, deadline: Instant) {
        let mut state = self.lock();
        state.closing = true;
        self.more.notify_all();
        while !state.drained && !state.lost {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = match self.over.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// The writer thread: ends when the outbox is closed and empty, or the controller is lost.
    pub(crate) fn write_to(&self, stdout: &OwnedFd) {
        let mut leaving = Vec::new();
        loop {
            leaving.clear();
            if !self.take(&mut leaving) {
                return;
            }
            for piece in leaving.chunks(PIECE_BYTES) {
                if write_all(stdout, piece).is_err() {
                    self.lose(&mut self.lock());
                    return;
                }
                let mut state = self.lock();
                state.leaving_bytes -= piece.len();
                state.progress = Instant::now();
                if state.waiting.len() + state.leaving_bytes < BULK_BYTES_MAX {
                    state.hungry.drain(..).for_each(|waker| waker.wake());
                }
            }
        }
    }

    /// Waits for something to write and takes it; false at the end.
    fn take(&self, leaving: &mut Vec<u8>) -> bool {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.lost || state.closing {
                state.drained = true;
                self.over.notify_all();
                return false;
            }
            state = match self.more.wait(state) {
                Ok(state) => state,
                Err(poisoned) => poisoned.into_inner(),
            };
        }
        std::mem::swap(&mut state.waiting, leaving);
        state.leaving_bytes = leaving.len();
        state.heartbeat = false;
        state.quiet_since = None;
        state.progress = Instant::now();
        true
    }

    fn lose(&self, state: &mut State) {
        state.lost = true;
        state.waiting = Vec::new();
        state.hungry.drain(..).for_each(|waker| waker.wake());
        self.alarm.wake();
        self.more.notify_all();
        self.over.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if it did, the bytes are still whole messages.
        match self.state.lock() {
            Ok(state) => state,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// Writes everything, also to a descriptor that a launcher has made non-blocking.
fn write_all(to: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                match poll(&mut [PollFd::new(to, PollFlags::OUT)], None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
