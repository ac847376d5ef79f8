//! What waits to be written to the controller.
//!
//! One queue in order, so that a process's end can never overtake its lines. Control messages
//! are always taken; lines only while less than [`BULK_BYTES_MAX`] bytes wait, so that a control
//! message never queues behind more than that. Nobody who puts something in is ever blocked: the
//! only thread that writes (and may hang in it for as long as a cut network likes) is the
//! outbox's own.
//!
//! An outbox writes to one descriptor until that breaks; or, made by [`Outbox::lasting`], to one
//! connection after another, and keeps what nobody has confirmed (see `lasting`).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::codec::Encoder;
use crate::lasting::{Lasting, Turn, stalled};
use crate::message::FromWorker;
use crate::tally::Miscount;
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
    /// Set where connections come and go.
    lasting: Option<Lasting>,
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
        Self::with(alarm, None)
    }

    /// One that outlives its connections; there is none yet. Lines wait for a connection that
    /// takes nothing for as long as `stall_max`.
    pub(crate) fn lasting(alarm: Arc<Waker>, stall_max: Duration) -> Self {
        Self::with(alarm, Some(Lasting::new(stall_max)))
    }

    fn with(alarm: Arc<Waker>, lasting: Option<Lasting>) -> Self {
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
                lasting,
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
        if let Some(lasting) = &mut state.lasting {
            lasting.add(message);
            if lasting.bytes() > CONTROL_BYTES_MAX {
                self.lose(state);
            }
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
        let progress = state.progress;
        if let Some(lasting) = &mut state.lasting {
            if !lasting.is_full(stalled(lasting.is_waiting(), progress, Instant::now())) {
                lasting.add_lines(message);
                self.more.notify_one();
                return Room::Taken;
            }
            state.want_room(waker);
            return Room::Full;
        }
        if state.waiting.len() + state.leaving_bytes >= BULK_BYTES_MAX {
            state.want_room(waker);
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
        let is_waiting = match &state.lasting {
            Some(lasting) => lasting.is_waiting(),
            None => !state.waiting.is_empty() || state.leaving_bytes > 0,
        };
        stalled(is_waiting, state.progress, now)
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

    /// Changes what a lasting outbox keeps; the writer and whoever waits for room look again.
    fn change<T>(&self, change: impl FnOnce(&mut Lasting) -> T) -> Option<T> {
        let mut state = self.lock();
        let changed = change(state.lasting.as_mut()?);
        state.progress = Instant::now();
        state.feed_hungry();
        self.more.notify_all();
        Some(changed)
    }

    /// Whether somebody who has so many messages can be joined.
    pub(crate) fn check(&self, received: u64) -> Result<(), Miscount> {
        let state = self.lock();
        let lasting = state.lasting.as_ref();
        lasting.map_or(Ok(()), |lasting| lasting.check(received))
    }

    /// Writes to this connection from now on: the hello, then what its other end, who has so
    /// many messages, lacks. Whoever listened before is cut off.
    pub(crate) fn join(
        &self,
        socket: Arc<UnixStream>,
        received: u64,
        hello: &FromWorker,
    ) -> Result<(), Miscount> {
        self.lock().heartbeat = false;
        let joined = self.change(|lasting| lasting.join(socket, received, hello));
        joined.map_or(Ok(()), |joined| joined.map(|_| ()))
    }

    /// Nobody listens any more.
    pub(crate) fn cut(&self) {
        self.lock().heartbeat = false;
        self.change(Lasting::cut);
    }

    /// The other end confirms so many messages.
    pub(crate) fn confirm(&self, received: u64) -> Result<(), Miscount> {
        self.change(|lasting| lasting.confirm(received))
            .unwrap_or(Ok(()))
    }

    /// No confirmation will be heeded any more: what is left goes without.
    pub(crate) fn hurry(&self) {
        self.change(Lasting::hurry);
    }

    /// Confirms so many of the other end's messages.
    pub(crate) fn ack(&self, received: u64) {
        if let Some(lasting) = &mut self.lock().lasting {
            lasting.ack(received);
        }
        self.more.notify_one();
    }

    /// The writer thread of a lasting outbox: ends when it is closed and nothing more can be
    /// written, or the controller is lost.
    pub(crate) fn write_in_turn(&self) {
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let Some((socket, turn)) = self.take_turn(&mut bytes) else {
                return;
            };
            let written = write_all(&*socket, &bytes);
            let mut state = self.lock();
            let Some(lasting) = &mut state.lasting else {
                return;
            };
            match written {
                Ok(()) => {
                    lasting.written(turn);
                    state.progress = Instant::now();
                }
                Err(_) => lasting.cut_turn(turn),
            }
            state.feed_hungry();
        }
    }

    /// Waits for something to write and for somebody to write it to; `None` at the end.
    fn take_turn(&self, bytes: &mut Vec<u8>) -> Option<(Arc<UnixStream>, Turn)> {
        let mut state = self.lock();
        loop {
            let (lost, closing) = (state.lost, state.closing);
            let lasting = state.lasting.as_mut()?;
            if let Some(piece) = lasting.take(bytes) {
                state.heartbeat = false;
                state.quiet_since = None;
                state.progress = Instant::now();
                state.feed_hungry();
                return Some((piece.socket, piece.turn));
            }
            if lost || (closing && lasting.is_done()) {
                state.drained = true;
                self.over.notify_all();
                return None;
            }
            state = match self.more.wait(state) {
                Ok(state) => state,
                Err(poisoned) => poisoned.into_inner(),
            };
        }
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

impl State {
    fn want_room(&mut self, waker: &Arc<Waker>) {
        if !self.hungry.iter().any(|other| Arc::ptr_eq(other, waker)) {
            self.hungry.push(Arc::clone(waker));
        }
    }

    /// Wakes who waits for room in a lasting outbox, when there is some.
    fn feed_hungry(&mut self) {
        if self.lasting.as_ref().is_some_and(Lasting::has_room) {
            self.hungry.drain(..).for_each(|waker| waker.wake());
        }
    }
}

/// Writes everything, also to a descriptor that a launcher has made non-blocking.
pub(crate) fn write_all(to: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&to, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                match poll(&mut [PollFd::new(&to, PollFlags::OUT)], None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
