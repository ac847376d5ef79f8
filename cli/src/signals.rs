//! Ctrl-C and SIGTERM during a render.
//!
//! The first Ctrl-C asks to finish what runs, the second to stop now, the third ends the program
//! on the spot (renderers end with it: their worker notices). SIGTERM and SIGHUP stop now at
//! once, because who sends them does not wait for a frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use tokio::sync::mpsc;

use crate::exit::Exit;
use crate::problem::Presentable;

/// What the user wants of a running job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Finish what runs, begin nothing new.
    Finish,
    /// End what runs.
    Stop,
}

/// Where the run loop hears orders: at most one of each.
pub(crate) type Orders = mpsc::Receiver<Order>;

/// Listens until dropped.
pub(crate) struct Listener {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
    terminated: Arc<AtomicBool>,
}

impl Listener {
    /// How a program that was interrupted ends.
    pub(crate) fn exit(&self) -> Exit {
        if self.terminated.load(Ordering::Relaxed) {
            Exit::Terminated
        } else {
            Exit::Interrupted
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Takes the signals over from their default, which is to die.
pub(crate) fn listen() -> Result<(Listener, Orders), Presentable> {
    let cannot =
        |error: std::io::Error| Presentable::fault(format!("cannot listen for signals: {error}"));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(cannot)?;
    let handle = signals.handle();
    let terminated = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&terminated);
    let (sender, orders) = mpsc::channel(2);
    let thread = std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let mut heard = Heard::default();
            for signal in &mut signals {
                if signal != SIGINT {
                    seen.store(true, Ordering::Relaxed);
                }
                match heard.next(signal == SIGINT) {
                    // Full or closed: the order was given already, or nobody works any more.
                    Reaction::Order(order) => drop(sender.try_send(order)),
                    Reaction::Nothing => {}
                    Reaction::Die => drop(signal_hook::low_level::emulate_default_handler(signal)),
                }
            }
        })
        .map_err(cannot)?;
    Ok((
        Listener {
            handle,
            thread: Some(thread),
            terminated,
        },
        orders,
    ))
}

/// A flag that the first Ctrl-C, SIGTERM or SIGHUP sets, for work that looks at it; the second ends the
/// program on the spot.
pub(crate) fn flag() -> Result<(Arc<AtomicBool>, Terminated), Presentable> {
    let cannot =
        |error: std::io::Error| Presentable::fault(format!("cannot listen for signals: {error}"));
    let stop = Arc::new(AtomicBool::new(false));
    let terminated = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        use signal_hook::flag::{register, register_conditional_default};
        // In this order: the first signal finds the flag not set yet.
        register_conditional_default(signal, Arc::clone(&stop)).map_err(cannot)?;
        register(signal, Arc::clone(&stop)).map_err(cannot)?;
        if signal != SIGINT {
            register(signal, Arc::clone(&terminated)).map_err(cannot)?;
        }
    }
    Ok((stop, Terminated(terminated)))
}

/// Whether it was not Ctrl-C.
pub(crate) struct Terminated(Arc<AtomicBool>);

impl Terminated {
    /// How a program that was interrupted ends.
    pub(crate) fn exit(&self) -> Exit {
        if self.0.load(Ordering::Relaxed) {
            Exit::Terminated
        } else {
            Exit::Interrupted
        }
    }
}

/// What was heard so far.
#[derive(Default)]
struct Heard {
    finish: bool,
    stop: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Reaction {
    Order(Order),
    Nothing,
    Die,
}

impl Heard {
    fn next(&mut self, polite: bool) -> Reaction {
        match (polite, self.finish, self.stop) {
            (true, false, false) => {
                self.finish = true;
                Reaction::Order(Order::Finish)
            }
            (true, true, false) | (false, _, false) => {
                self.stop = true;
                Reaction::Order(Order::Stop)
            }
            (true, _, true) => Reaction::Die,
            (false, _, true) => Reaction::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctrl_c_finishes_then_stops_then_dies() {
        let mut heard = Heard::default();
        assert_eq!(heard.next(true), Reaction::Order(Order::Finish));
        assert_eq!(heard.next(true), Reaction::Order(Order::Stop));
        assert_eq!(heard.next(true), Reaction::Die);
    }

    #[test]
    fn sigterm_stops_at_once_and_may_be_repeated() {
        let mut heard = Heard::default();
        assert_eq!(heard.next(false), Reaction::Order(Order::Stop));
        assert_eq!(heard.next(false), Reaction::Nothing);
        let mut heard = Heard::default();
        heard.next(true);
        assert_eq!(heard.next(false), Reaction::Order(Order::Stop));
    }
}
