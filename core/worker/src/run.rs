//! One process from its start to the moment when nothing of it is left.
//!
//! Phases: it runs; it has ended and others still hold its output (a short while); what it left
//! behind is ended; what was still in the pipes is read; then, after its last line, its end is
//! told. The thread sleeps in `poll` only, and every wait in a phase has a deadline, except for
//! the process itself.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};

use crate::feed::Feed;
use crate::kin::{Family, timespec};
use crate::message::{FromWorker, RunId};
use crate::outbox::Room;
use crate::slot::{Concern, Shop, Slot, Waiting};
use crate::stream::Stream;
use crate::wait::{Ended, try_wait};

/// What a process does in its first moments is looked at together, at their end or its own: then
/// the start, the output and the end of a short one cost one wake-up of everybody concerned.
const FIRST_MOMENTS: Duration = Duration::from_millis(5);

/// How long others may hold a process's output after its end.
const LEFTOVER_MAX: Duration = Duration::from_millis(250);

/// How long emptying the pipes may take after the sure end of everybody who held them.
const DRAIN_MAX: Duration = Duration::from_millis(250);

/// The same, the time included in which there is no room for the lines.
const DRAIN_HELD_MAX: Duration = Duration::from_secs(10);

/// How long lines are kept for a controller that takes nothing, once the worker is ending.
const STALL_AT_END_MAX: Duration = Duration::from_millis(200);

struct Running {
    run: RunId,
    pid: Pid,
    pidfd: OwnedFd,
    out: Stream,
    err: Stream,
    feed: Feed,
    phase: Phase,
    ending: Option<Ending>,
    ended: Ended,
    /// There was no room for its lines.
    held: bool,
    /// Its first moments are over.
    settled: bool,
}

enum Phase {
    Runs,
    /// It was waited for; others hold its output.
    Leftover {
        until: Instant,
    },
    /// What it left was ended. `until` moves while lines are held, at most to `at_last`.
    Drain {
        until: Instant,
        at_last: Instant,
    },
}

/// The worker is ending it.
struct Ending {
    /// When SIGKILL is sent; `None` when it was.
    sure_at: Option<Instant>,
    family: Family,
}

/// What `poll` saw.
#[derive(Default)]
struct Ready {
    woken: bool,
    ended: bool,
    out: bool,
    err: bool,
    feed: bool,
}

impl Ready {
    fn nothing(&self) -> bool {
        !(self.woken || self.ended || self.out || self.err || self.feed)
    }
}

/// Starts the process and stays with it until nothing of it is left.
pub(crate) fn run_to_end(slot: &mut Slot, waiting: Waiting) {
    let shop = Arc::clone(&slot.shop);
    let run = waiting.order.run;
    shop.kin.expect(run);
    let mut running = match start(&shop, waiting) {
        Ok(running) => running,
        Err((why, missing)) => {
            shop.kin.forget(run);
            shop.say_not_started(run, why, missing);
            return;
        }
    };
    while !running.is_over() {
        let ready = running.wait(slot);
        running.handle(slot, &ready);
    }
    running.out.tell_dropped(run, &shop.outbox);
    running.err.tell_dropped(run, &shop.outbox);
    // Others of its kind follow at once; what took its time is told at once.
    let is_short = !running.settled && slot.has_waiting();
    shop.say_exited(run, running.ended, running.ending.is_some(), is_short);
}

fn start(shop: &Shop, waiting: Waiting) -> Result<Running, (String, bool)> {
    let Waiting { order, mut feed } = waiting;
    let mut child = shop
        .launcher
        .launch(&order)
        .map_err(|error| (error.to_string(), error.is_missing()))?;
    let pid = Pid::from_child(&child);
    shop.kin.started(order.run, pid);
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(error) => {
            // Out of descriptors. Without one its end could not be waited for together with
            // its output, so it is not kept.
            let _ = kill_process_group(pid, Signal::KILL);
            drop(child.wait());
            shop.kin.clear(order.run, pid, &Family::default());
            return Err((
                format!("cannot watch process {}: {error}", child.id()),
                false,
            ));
        }
    };
    shop.outbox.later(&FromWorker::Started {
        run: order.run,
        pid: child.id(),
    });
    feed.open(child.stdin.take());
    Ok(Running {
        run: order.run,
        pid,
        pidfd,
        out: Stream::new(child.stdout.take().map(OwnedFd::from), false),
        err: Stream::new(child.stderr.take().map(OwnedFd::from), true),
        feed,
        phase: Phase::Runs,
        ending: None,
        ended: Ended::NEVER_STARTED,
        held: false,
        settled: false,
    })
}

impl Running {
    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Drain { .. }) && self.is_silent() && !self.has_lines()
    }

    /// Nobody holds its output any more, or nobody reads it.
    fn is_silent(&self) -> bool {
        self.out.has_ended() && self.err.has_ended()
    }

    fn has_lines(&self) -> bool {
        self.out.has_lines() || self.err.has_lines()
    }

    fn wait(&self, slot: &Slot) -> Ready {
        const SOURCES: usize = 5;
        let timeout = self.timeout(slot, Instant::now()).map(timespec);
        let runs = matches!(self.phase, Phase::Runs);
        // Whatever it prints at once fits into the pipes, or waits.
        let listens = !self.held && (self.settled || !runs);
        let sources: [Option<(BorrowedFd<'_>, PollFlags)>; SOURCES] = [
            Some((slot.seat.waker().as_fd(), PollFlags::IN)),
            runs.then(|| (self.pidfd.as_fd(), PollFlags::IN)),
            self.out
                .wants()
                .filter(|_| listens)
                .map(|fd| (fd, PollFlags::IN)),
            self.err
                .wants()
                .filter(|_| listens)
                .map(|fd| (fd, PollFlags::IN)),
            self.feed.wants().map(|fd| (fd, PollFlags::OUT)),
        ];
        let mut fds: Vec<PollFd<'_>> = sources
            .iter()
            .flatten()
            .map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags))
            .collect();
        if poll(&mut fds, timeout.as_ref()).is_err() {
            // Interrupted: look again.
            return Ready {
                woken: true,
                ..Ready::default()
            };
        }
        let mut seen = fds.iter().map(|fd| !fd.revents().is_empty());
        let [woken, ended, out, err, feed] =
            sources.map(|source| source.is_some() && seen.next().unwrap_or(false));
        Ready {
            woken,
            ended,
            out,
            err,
            feed,
        }
    }

    /// How long nothing has to happen.
    fn timeout(&self, slot: &Slot, now: Instant) -> Option<Duration> {
        if self.has_lines() && !self.held {
            return Some(Duration::ZERO);
        }
        let until = match self.phase {
            Phase::Drain { .. } if self.is_silent() => None,
            Phase::Runs => None,
            Phase::Leftover { until } | Phase::Drain { until, .. } => Some(until),
        };
        let sure_at = self.ending.as_ref().and_then(|ending| ending.sure_at);
        let left = |at: Instant| at.saturating_duration_since(now);
        let stall = self.held.then(|| {
            let stalled = slot.shop.outbox.stalled_for(now);
            // A moment later, so that the look finds it over and not just before.
            stall_max(slot).saturating_sub(stalled) + Duration::from_millis(1)
        });
        let moments = (!self.settled).then_some(FIRST_MOMENTS);
        [until.map(left), sure_at.map(left), stall, moments]
            .into_iter()
            .flatten()
            .min()
    }

    fn handle(&mut self, slot: &mut Slot, ready: &Ready) {
        if ready.woken {
            self.held = false;
            slot.seat.waker().clear();
            let run = self.run;
            let mut concerns = Vec::new();
            slot.take_messages(Some(run), |concern| concerns.push(concern));
            for concern in concerns {
                self.heed(&slot.shop, concern);
            }
        }
        if ready.feed || ready.woken {
            self.feed.pump();
        }
        if ready.out {
            self.out.read(&mut slot.buffer);
        }
        if ready.err {
            self.err.read(&mut slot.buffer);
        }
        if ready.nothing() && !self.settled {
            slot.shop.outbox.flush();
            self.settled = true;
        }
        if ready.ended {
            self.take_end();
        }
        if ready.nothing() || self.out.is_full() || self.err.is_full() {
            self.send_lines(slot);
        }
        self.keep_deadlines(&slot.shop);
    }

    fn heed(&mut self, shop: &Shop, concern: Concern) {
        match concern {
            Concern::Write(text) => {
                if let Err(overflow) = self.feed.write(&text) {
                    shop.outbox.control(&FromWorker::Lines {
                        run: self.run,
                        stderr: true,
                        lines: vec![format!("framewright: the process is ended: {overflow}")],
                        dropped: 0,
                    });
                    self.end(shop, Duration::ZERO);
                }
            }
            Concern::CloseStdin => self.feed.close(),
            Concern::End(polite) => self.end(shop, polite),
        }
    }

    /// Asks it to end, and sets the time when it is made to.
    fn end(&mut self, shop: &Shop, polite: Duration) {
        if !matches!(self.phase, Phase::Runs) {
            return;
        }
        let sure_at = Instant::now() + polite;
        match &mut self.ending {
            Some(ending) => ending.sure_at = ending.sure_at.map(|before| before.min(sure_at)),
            None => {
                // Taken now: orphans of what ends politely may carry no mark.
                let family = shop.kin.family(self.pid);
                if !polite.is_zero() {
                    let _ = kill_process_group(self.pid, Signal::TERM);
                }
                self.ending = Some(Ending {
                    sure_at: Some(sure_at),
                    family,
                });
            }
        }
    }

    fn take_end(&mut self) {
        match try_wait(self.pid) {
            Ok(None) => return,
            Ok(Some(ended)) => self.ended = ended,
            // Somebody else in this process has waited for it: how it ended is not known.
            Err(_) => self.ended = Ended::NEVER_STARTED,
        }
        self.phase = Phase::Leftover {
            until: Instant::now() + LEFTOVER_MAX,
        };
    }

    fn send_lines(&mut self, slot: &Slot) {
        self.held = false;
        let outbox = &slot.shop.outbox;
        for stream in [&mut self.out, &mut self.err] {
            if stream.send(self.run, outbox, slot.seat.waker()) == Room::Full {
                if outbox.stalled_for(Instant::now()) > stall_max(slot) {
                    stream.drop_lines();
                } else {
                    self.held = true;
                }
            }
        }
    }

    fn keep_deadlines(&mut self, shop: &Shop) {
        if let Some(ending) = &mut self.ending
            && matches!(self.phase, Phase::Runs)
            && ending.sure_at.is_some_and(|at| Instant::now() >= at)
        {
            ending.sure_at = None;
            // It may have left its own group; either fails only when nobody is there.
            let _ = kill_process_group(self.pid, Signal::KILL);
            let _ = kill_process(self.pid, Signal::KILL);
        }
        if let Phase::Leftover { until } = self.phase
            && (self.is_silent() || Instant::now() >= until)
        {
            let nobody = Family::default();
            let family = self
                .ending
                .as_ref()
                .map_or(&nobody, |ending| &ending.family);
            shop.kin.clear(self.run, self.pid, family);
            let now = Instant::now();
            self.phase = Phase::Drain {
                until: now + DRAIN_MAX,
                at_last: now + DRAIN_HELD_MAX,
            };
        }
        if let Phase::Drain { until, at_last } = &mut self.phase {
            let now = Instant::now();
            if self.held {
                *until = (now + DRAIN_MAX).min(*at_last);
            }
            if now >= *until {
                self.out.end();
                self.err.end();
            }
        }
    }
}

fn stall_max(slot: &Slot) -> Duration {
    if slot.is_closing() {
        STALL_AT_END_MAX.min(slot.shop.stall_max)
    } else {
        slot.shop.stall_max
    }
}
