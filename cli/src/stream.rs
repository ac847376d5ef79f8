//! The way from the run loop to the displays.
//!
//! The run loop is never held up by a display: events that must not be lost wait without limit
//! (a job makes a bounded number of them), those that are only shown are dropped once the
//! display is behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use framewright_core::event::Stamped;

/// Waiting events above which those that are only shown are dropped.
const BEHIND_MAX: usize = 4096;

/// The run loop's end.
#[derive(Clone)]
pub(crate) struct EventSink {
    sender: mpsc::Sender<Stamped>,
    waiting: Arc<AtomicUsize>,
}

/// The display's end.
pub(crate) struct EventSource {
    receiver: mpsc::Receiver<Stamped>,
    waiting: Arc<AtomicUsize>,
}

/// What came of waiting for an event.
pub(crate) enum Next {
    /// An event.
    Event(Stamped),
    /// Nothing in that time.
    Quiet,
    /// No more will come.
    Over,
}

/// A new way.
pub(crate) fn channel() -> (EventSink, EventSource) {
    let (sender, receiver) = mpsc::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (
        EventSink {
            sender,
            waiting: Arc::clone(&waiting),
        },
        EventSource { receiver, waiting },
    )
}

impl EventSink {
    /// Tells the displays. Where none listens any more, nobody is told.
    pub(crate) fn send(&self, event: Stamped) {
        if !event.event.is_journalled() && self.waiting.load(Ordering::Relaxed) >= BEHIND_MAX {
            return;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.sender.send(event).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl EventSource {
    /// Waits for the next event.
    pub(crate) fn next(&self, patience: std::time::Duration) -> Next {
        match self.receiver.recv_timeout(patience) {
            Ok(event) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                Next::Event(event)
            }
            Err(mpsc::RecvTimeoutError::Timeout) => Next::Quiet,
            Err(mpsc::RecvTimeoutError::Disconnected) => Next::Over,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use framewright_core::event::Event;
    use std::time::Duration;

    fn stamped(event: Event) -> Stamped {
        Stamped {
            time: jiff::Timestamp::UNIX_EPOCH,
            event,
        }
    }

    #[test]
    fn a_display_that_is_behind_loses_progress_but_nothing_else() {
        let (sink, source) = channel();
        let progress = Event::Progress {
            segment: 1,
            task: "a:1".into(),
            host: "h".into(),
            slot: 0,
            fraction: 0.5,
        };
        for _ in 0..BEHIND_MAX + 100 {
            sink.send(stamped(progress.clone()));
        }
        for _ in 0..100 {
            sink.send(stamped(Event::Stopping));
        }
        drop(sink);
        let (mut shown_only, mut kept) = (0, 0);
        loop {
            match source.next(Duration::from_secs(5)) {
                Next::Event(event) if event.event.is_journalled() => kept += 1,
                Next::Event(_) => shown_only += 1,
                Next::Quiet => panic!("nothing came"),
                Next::Over => break,
            }
        }
        assert_eq!((shown_only, kept), (BEHIND_MAX, 100));
    }
}
