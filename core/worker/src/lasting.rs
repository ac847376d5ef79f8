//! What an outbox keeps when it outlives its connections.
//!
//! Counted messages are kept until they are confirmed. While nobody listens nothing holds a
//! renderer up: its lines are taken, and beyond [`LINE_BYTES_MAX`] the oldest are given up and
//! counted. While somebody listens but takes nothing, lines wait as they always do, at most for
//! the time that a stall may last; then they are taken as if nobody listened.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::codec::Encoder;
use crate::message::FromWorker;
use crate::outbox::BULK_BYTES_MAX;
use crate::tally::{Kept, Miscount, WINDOW_BYTES};

/// Lines take no more than this, however long nobody listens.
const LINE_BYTES_MAX: usize = 8 << 20;
/// What of them is left when they took more: giving up many at once costs less.
const LINE_BYTES_LEFT: usize = 6 << 20;
/// Uncounted messages that may wait; more are stale, and dropped.
const ASIDE_BYTES_MAX: usize = 64 << 10;
/// Bytes of one write, about.
const PIECE_BYTES: usize = 64 << 10;

/// A connection that came, told apart from those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn(u64);

#[derive(Debug)]
pub(crate) struct Lasting {
    kept: Kept,
    /// Encoded messages without a number, for this connection only; they go first.
    aside: Vec<u8>,
    ack: Option<u64>,
    socket: Option<Arc<UnixStream>>,
    turn: Turn,
    /// Bytes that the writer is writing.
    leaving: bool,
    /// Bytes that may be under way unconfirmed.
    window: usize,
    stall_max: Duration,
}

/// What the writer is to write, and where.
pub(crate) struct Piece {
    pub(crate) socket: Arc<UnixStream>,
    pub(crate) turn: Turn,
}

impl Lasting {
    pub(crate) fn new(stall_max: Duration) -> Self {
        Self {
            kept: Kept::default(),
            aside: Vec::new(),
            ack: None,
            socket: None,
            turn: Turn::default(),
            leaving: false,
            window: WINDOW_BYTES,
            stall_max,
        }
    }

    /// Takes a message that is no renderer's lines.
    pub(crate) fn add(&mut self, message: &FromWorker) {
        if message.is_counted() {
            self.kept.push(encoded(message));
        } else if self.socket.is_some() && self.aside.len() < ASIDE_BYTES_MAX {
            self.aside.extend(encoded(message));
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.kept.bytes()
    }

    /// Whether lines have to wait.
    pub(crate) fn is_full(&self, stalled: Duration) -> bool {
        self.socket.is_some()
            && self.kept.ahead_bytes() >= BULK_BYTES_MAX
            && stalled <= self.stall_max
    }

    pub(crate) fn add_lines(&mut self, message: &FromWorker) {
        self.kept.push_lines(message, encoded(message));
        if self.kept.line_bytes() > LINE_BYTES_MAX {
            self.kept.thin(LINE_BYTES_LEFT);
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.socket.is_none() || self.kept.ahead_bytes() < BULK_BYTES_MAX
    }

    /// Whether somebody listens and has not taken everything.
    pub(crate) fn is_waiting(&self) -> bool {
        self.socket.is_some() && (self.leaving || !self.kept.is_empty() || !self.aside.is_empty())
    }

    /// Confirms what came; the latest confirmation says it all.
    pub(crate) fn ack(&mut self, received: u64) {
        self.ack = Some(received);
    }

    pub(crate) fn confirm(&mut self, received: u64) -> Result<(), Miscount> {
        self.kept.confirm(received)
    }

    /// Whether somebody who has so many messages can be joined.
    pub(crate) fn check(&self, received: u64) -> Result<(), Miscount> {
        self.kept.check(received)
    }

    /// Somebody else listens from now on. Whoever did is cut off, a write to him included.
    pub(crate) fn join(
        &mut self,
        socket: Arc<UnixStream>,
        received: u64,
        hello: &FromWorker,
    ) -> Result<Turn, Miscount> {
        self.kept.rejoin(received)?;
        self.cut();
        self.turn.0 += 1;
        self.aside = encoded(hello);
        self.ack = None;
        self.socket = Some(socket);
        Ok(self.turn)
    }

    /// Nobody listens any more.
    pub(crate) fn cut(&mut self) {
        if let Some(socket) = self.socket.take() {
            // It can only fail when it is closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.aside.clear();
        self.leaving = false;
    }

    /// As `cut`, unless somebody else has come meanwhile.
    pub(crate) fn cut_turn(&mut self, turn: Turn) {
        if self.turn == turn {
            self.cut();
        }
    }

    /// What to write next, if anybody listens and there is anything.
    pub(crate) fn take(&mut self, bytes: &mut Vec<u8>) -> Option<Piece> {
        let socket = Arc::clone(self.socket.as_ref()?);
        bytes.append(&mut self.aside);
        if let Some(received) = self.ack.take() {
            bytes.extend(encoded(&FromWorker::Ack { received }));
        }
        self.kept.give(bytes, PIECE_BYTES, self.window);
        self.leaving = !bytes.is_empty();
        self.leaving.then_some(Piece {
            socket,
            turn: self.turn,
        })
    }

    /// The worker is ending and reads no confirmation any more: what is left goes without.
    pub(crate) fn hurry(&mut self) {
        self.window = usize::MAX;
    }

    /// A piece was written.
    pub(crate) fn written(&mut self, turn: Turn) {
        if self.turn == turn {
            self.leaving = false;
        }
    }

    /// Whether nothing more can be written until something happens.
    pub(crate) fn is_done(&self) -> bool {
        self.socket.is_none()
            || (!self.leaving && self.aside.is_empty() && self.kept.ahead_bytes() == 0)
    }
}

/// How long something that waits has not moved.
pub(crate) fn stalled(is_waiting: bool, progress: Instant, now: Instant) -> Duration {
    if is_waiting {
        now.saturating_duration_since(progress)
    } else {
        Duration::ZERO
    }
}

fn encoded(message: &FromWorker) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Nothing that this worker says comes near the limit of a message.
    if Encoder::encode(message, &mut bytes).is_err() {
        debug_assert!(false, "a message over the limit");
    }
    bytes
}
