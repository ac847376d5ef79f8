//! What waits to be written to a process's standard input.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ChildStdin;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

/// A process that leaves more than this unread is given up.
pub(crate) const FEED_BYTES_MAX: usize = 16 << 20;

/// The process does not read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not read its standard input: more than {FEED_BYTES_MAX} bytes wait for it")]
pub(crate) struct FeedOverflow;

/// Text for a process that may not have started yet. Never blocks.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    waiting: VecDeque<u8>,
    close: bool,
    pipe: Pipe,
}

#[derive(Debug, Default)]
enum Pipe {
    /// The process has not started.
    #[default]
    Awaited,
    Open(ChildStdin),
    /// Nobody will read.
    Gone,
}

impl Feed {
    /// The process has started, with or without a pipe.
    pub(crate) fn open(&mut self, pipe: Option<ChildStdin>) {
        let Some(pipe) = pipe else {
            self.drop_rest();
            return;
        };
        if let Ok(flags) = fcntl_getfl(&pipe) {
            // Cannot fail on a pipe that was just made.
            let _ = fcntl_setfl(&pipe, flags | OFlags::NONBLOCK);
        }
        self.pipe = Pipe::Open(pipe);
        self.pump();
    }

    /// Adds text; `pump` sends it on its way.
    pub(crate) fn write(&mut self, text: &str) -> Result<(), FeedOverflow> {
        if self.close || matches!(self.pipe, Pipe::Gone) {
            return Ok(());
        }
        if self.waiting.len() + text.len() > FEED_BYTES_MAX {
            return Err(FeedOverflow);
        }
        self.waiting.extend(text.as_bytes());
        Ok(())
    }

    /// Lets `pump` close the pipe once everything is written.
    pub(crate) fn close(&mut self) {
        self.close = true;
    }

    /// The descriptor to wait for, while something waits.
    pub(crate) fn wants(&self) -> Option<BorrowedFd<'_>> {
        match &self.pipe {
            Pipe::Open(pipe) if !self.waiting.is_empty() => Some(pipe.as_fd()),
            Pipe::Open(_) | Pipe::Awaited | Pipe::Gone => None,
        }
    }

    /// Writes what the process takes now.
    pub(crate) fn pump(&mut self) {
        while let Pipe::Open(pipe) = &self.pipe {
            let (piece, _) = self.waiting.as_slices();
            if piece.is_empty() {
                if self.close {
                    self.pipe = Pipe::Gone;
                }
                return;
            }
            match rustix::io::write(pipe, piece) {
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // It has closed its input or is gone.
                Err(_) => self.drop_rest(),
            }
        }
    }

    fn drop_rest(&mut self) {
        self.pipe = Pipe::Gone;
        self.waiting = VecDeque::new();
    }
}
