//! One of a process's two output streams, on its way to the controller.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;

use crate::lines::LineSplitter;
use crate::message::{FromWorker, RunId};
use crate::outbox::{Outbox, Room};
use crate::wake::Waker;

/// Lines are sent when they are this many bytes, or when the process pauses.
const BATCH_BYTES: usize = 64 << 10;

/// Room in a batch for one line beyond its characters.
const LINE_OVERHEAD_BYTES: usize = 8;

pub(crate) struct Stream {
    pipe: Option<OwnedFd>,
    stderr: bool,
    splitter: LineSplitter,
    lines: Vec<String>,
    bytes: usize,
    dropped: u64,
}

impl Stream {
    pub(crate) fn new(pipe: Option<OwnedFd>, stderr: bool) -> Self {
        Self {
            pipe,
            stderr,
            splitter: LineSplitter::default(),
            lines: Vec::new(),
            bytes: 0,
            dropped: 0,
        }
    }

    /// The descriptor to wait for, until the stream has ended.
    pub(crate) fn wants(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.pipe.is_none()
    }

    pub(crate) fn has_lines(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Whether to send before reading on.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES
    }

    /// Reads once. To be called when the descriptor is ready: then it does not block.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) {
        let Some(pipe) = &self.pipe else {
            return;
        };
        match rustix::io::read(pipe, &mut *buffer) {
            Ok(0) => self.end(),
            Ok(read) => {
                let (lines, bytes) = (&mut self.lines, &mut self.bytes);
                self.splitter.push(&buffer[..read], |line| {
                    *bytes += line.len() + LINE_OVERHEAD_BYTES;
                    lines.push(line);
                });
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.end(),
        }
    }

    /// Closes the stream; what it last said without a line end is a line.
    pub(crate) fn end(&mut self) {
        self.pipe = None;
        let lines = &mut self.lines;
        self.splitter.finish(|line| lines.push(line));
    }

    /// Sends what was collected, if there is room.
    pub(crate) fn send(&mut self, run: RunId, outbox: &Outbox, waker: &Arc<Waker>) -> Room {
        if self.lines.is_empty() {
            return Room::Taken;
        }
        let message = FromWorker::Lines {
            run,
            stderr: self.stderr,
            lines: std::mem::take(&mut self.lines),
            dropped: self.dropped,
        };
        let room = outbox.lines(&message, waker);
        match (room, message) {
            (Room::Full, FromWorker::Lines { lines, .. }) => self.lines = lines,
            _ => {
                self.bytes = 0;
                self.dropped = 0;
            }
        }
        room
    }

    /// Gives up what was collected.
    pub(crate) fn drop_lines(&mut self) {
        self.dropped += self.lines.len() as u64;
        self.lines.clear();
        self.bytes = 0;
    }

    /// Tells how many lines were given up since the last that were sent, if any were.
    pub(crate) fn tell_dropped(&mut self, run: RunId, outbox: &Outbox) {
        if self.dropped > 0 {
            outbox.control(&FromWorker::Lines {
                run,
                stderr: self.stderr,
                lines: Vec::new(),
                dropped: self.dropped,
            });
            self.dropped = 0;
        }
    }
}
