//! The way from the run loop to the displays.
//!
//! The run loop is never held up by a display: events that must not be lost wait without limit
//! (a job makes a bounded number of them), those that are only shown are dropped once the
//! display is behind. The display is woken for many events at once: what is shown a few
//! milliseconds later is seen no later, and a short task must not cost a wake-up.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use framewright_core::event::Stamped;

/// Waiting events above which those that are only shown are dropped.
const BEHIND_MAX: usize = 4096;
/// Events are handed over no sooner after one another than this, the last ones excepted.
const GATHER: Duration = Duration::from_millis(5);

/// The run loop's end.
#[derive(Clone)]
pub(crate) struct EventSink {
    end: Arc<SendingEnd>,
}

/// The display's end.
pub(crate) struct EventSource {
    way: Arc<Way>,
    /// Handed over, and not yet asked for.
    taken: VecDeque<Stamped>,
    gather_until: Instant,
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

#[derive(Default)]
struct Way {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Stamped>,
    /// The display sleeps until something comes.
    asleep: bool,
    /// No more will be sent.
    sent_all: bool,
    /// Nobody listens any more.
    unheard: bool,
}

impl Way {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole whoever panicked.
        match self.state.lock() {
            Ok(state) => state,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// Shared by all sinks; with the last one it goes, and the display hears of it.
struct SendingEnd {
    way: Arc<Way>,
}

impl Drop for SendingEnd {
    fn drop(&mut self) {
        self.way.lock().sent_all = true;
        self.way.news.notify_one();
    }
}

/// A new way.
pub(crate) fn channel() -> (EventSink, EventSource) {
    let way = Arc::new(Way::default());
    let end = Arc::new(SendingEnd {
        way: Arc::clone(&way),
    });
    let source = EventSource {
        way,
        taken: VecDeque::new(),
        gather_until: Instant::now(),
    };
    (EventSink { end }, source)
}

impl EventSink {
    /// Tells the displays. Where none listens any more, nobody is told.
    pub(crate) fn send(&self, event: Stamped) {
        let way = &self.end.way;
        let mut state = way.lock();
        let is_dropped = !event.event.is_journalled() && state.waiting.len() >= BEHIND_MAX;
        if is_dropped || state.unheard {
            return;
        }
        state.waiting.push_back(event);
        if std::mem::take(&mut state.asleep) {
            drop(state);
            way.news.notify_one();
        }
    }
}

impl EventSource {
    /// Waits for the next event.
    pub(crate) fn next(&mut self, patience: Duration) -> Next {
        if let Some(event) = self.taken.pop_front() {
            return Next::Event(event);
        }
        let mut now = Instant::now();
        let until = now + patience;
        let mut state = self.way.lock();
        loop {
            let may_take = state.sent_all || now >= self.gather_until;
            if may_take && !state.waiting.is_empty() {
                std::mem::swap(&mut self.taken, &mut state.waiting);
                drop(state);
                self.gather_until = now + GATHER;
                return self.taken.pop_front().map_or(Next::Quiet, Next::Event);
            }
            if state.sent_all && state.waiting.is_empty() {
                return Next::Over;
            }
            if now >= until {
                return Next::Quiet;
            }
            state.asleep = may_take;
            let wake = if may_take {
                until
            } else {
                until.min(self.gather_until)
            };
            state = match self.way.news.wait_timeout(state, wake - now) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
            state.asleep = false;
            now = Instant::now();
        }
    }
}

impl Drop for EventSource {
    fn drop(&mut self) {
        let mut state = self.way.lock();
        state.unheard = true;
        state.waiting = VecDeque::new();
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
        let (sink, mut source) = channel();
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
    #[test]
    fn events_come_in_order_however_they_are_handed_over() {
        const EVENTS: u32 = 2000;
        let (sink, mut source) = channel();
        let sender = std::thread::spawn(move || {
            for pid in 0..EVENTS {
                sink.send(stamped(Event::RunStarted {
                    host: "h".into(),
                    slot: 0,
                    pid,
                }));
                if pid % 7 == 0 {
                    std::thread::yield_now();
                }
            }
        });
        let mut next = 0;
        loop {
            match source.next(Duration::from_secs(5)) {
                Next::Event(event) => {
                    let pid = next;
                    assert!(
                        matches!(event.event, Event::RunStarted { pid: at, .. } if at == pid),
                        "{event:?} instead of {next}"
                    );
                    next += 1;
                }
                Next::Quiet => panic!("nothing came"),
                Next::Over => break,
            }
        }
        sender.join().unwrap();
        assert_eq!(next, EVENTS);
    }

    #[test]
    fn a_display_is_told_that_nothing_came() {
        let (sink, mut source) = channel();
        assert!(matches!(source.next(Duration::from_millis(1)), Next::Quiet));
        sink.send(stamped(Event::Stopping));
        assert!(matches!(
            source.next(Duration::from_secs(5)),
            Next::Event(_)
        ));
        drop(source);
        sink.send(stamped(Event::Stopping));
        assert!(sink.end.way.lock().waiting.is_empty());
    }
}
