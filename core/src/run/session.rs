//! One adapter session at work: the go-between of an adapter and the worker that runs what the
//! adapter asks for.
//!
//! The adapter lives in its own child process and answers in its own time, so each session has a
//! task of its own; the controller never waits for one. This module translates and numbers. It
//! decides nothing, and it knows no renderer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use framewright_plugin_api::data::{Effect, Input, Open, Run, Stream};
use framewright_worker::message::{FromWorker, RunId, RunOrder, SlotId, ToWorker};
use tokio::sync::mpsc;

use crate::adapters::{AdapterFault, Loaded};

/// Inputs handed to an adapter in one step, at most.
const STEP_INPUTS_MAX: usize = 512;
/// Lines that may wait for an adapter; more are dropped and counted.
const WAITING_LINES_MAX: u64 = 100_000;

/// A session, unique for the life of the controller. Runs carry it, so a word from a process of
/// an earlier session is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SessionNumber(pub u32);

impl SessionNumber {
    /// The worker's name for a run of this session.
    pub(crate) fn run_id(self, run: u32) -> RunId {
        RunId(u64::from(self.0) << 32 | u64::from(run))
    }

    /// Whose run it is, and the adapter's number for it.
    pub(crate) fn of(run: RunId) -> (Self, u32) {
        let session = u32::try_from(run.0 >> 32).expect("a u64 shifted by 32 fits");
        let run = u32::try_from(run.0 & u64::from(u32::MAX)).expect("masked to 32 bits");
        (Self(session), run)
    }
}

/// What a session tells its controller.
#[derive(Debug)]
pub(crate) struct FromSession {
    pub session: SessionNumber,
    pub news: Result<Vec<Effect>, AdapterFault>,
}

/// The controller's end of a session. Dropping it closes the session.
#[derive(Debug)]
pub(crate) struct SessionHandle {
    pub number: SessionNumber,
    inputs: mpsc::UnboundedSender<Input>,
    waiting_lines: Arc<AtomicU64>,
}

impl SessionHandle {
    /// Starts the session's task, which opens the session first. What `open` answers arrives as
    /// the first news, even when it asks for nothing.
    pub(crate) fn start(
        number: SessionNumber,
        adapter: &Arc<Loaded>,
        open: Open,
        news: mpsc::Sender<FromSession>,
    ) -> Self {
        let (inputs, queue) = mpsc::unbounded_channel();
        let waiting_lines = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&waiting_lines);
        tokio::spawn(work(
            number,
            Arc::clone(adapter),
            open,
            queue,
            counter,
            news,
        ));
        Self {
            number,
            inputs,
            waiting_lines,
        }
    }

    /// Tells the adapter something. It will be told after everything told before.
    pub(crate) fn tell(&mut self, input: Input) {
        if matches!(input, Input::Line { .. }) {
            if self.waiting_lines.load(Ordering::Relaxed) >= WAITING_LINES_MAX {
                // The log has them; an adapter that is so far behind must not fill the memory.
                return;
            }
            self.waiting_lines.fetch_add(1, Ordering::Relaxed);
        }
        // A session that ended has said so; what it is told afterwards is of no use to it.
        let _ = self.inputs.send(input);
    }

    /// Passes on what the worker said of one of this session's runs.
    pub(crate) fn tell_from_worker(&mut self, message: FromWorker) {
        match message {
            FromWorker::Started { run, pid } => {
                let (_, run) = SessionNumber::of(run);
                self.tell(Input::Started { run, pid });
            }
            FromWorker::NotStarted { run, why, .. } => {
                let (_, run) = SessionNumber::of(run);
                self.tell(Input::NotStarted { run, why });
            }
            FromWorker::Lines {
                run, stderr, lines, ..
            } => {
                let (_, run) = SessionNumber::of(run);
                let stream = if stderr {
                    Stream::Stderr
                } else {
                    Stream::Stdout
                };
                for text in lines {
                    self.tell(Input::Line { run, stream, text });
                }
            }
            FromWorker::Exited {
                run,
                code,
                signal,
                killed,
                ..
            } => {
                let (_, run) = SessionNumber::of(run);
                self.tell(Input::Exited {
                    run,
                    code,
                    signal,
                    killed,
                });
            }
            FromWorker::Hello(_)
            | FromWorker::Refused { .. }
            | FromWorker::Verified { .. }
            | FromWorker::Program { .. }
            | FromWorker::Made { .. }
            | FromWorker::Leased { .. }
            | FromWorker::LeaseWaits { .. }
            | FromWorker::LeaseWanted { .. }
            | FromWorker::Vitals(_)
            | FromWorker::Ack { .. }
            | FromWorker::Pong { .. }
            | FromWorker::Bye => {}
        }
    }
}

async fn work(
    number: SessionNumber,
    adapter: Arc<Loaded>,
    open: Open,
    mut queue: mpsc::UnboundedReceiver<Input>,
    waiting_lines: Arc<AtomicU64>,
    news: mpsc::Sender<FromSession>,
) {
    let opened = Instant::now();
    let (mut session, effects) = match adapter.open(open).await {
        Ok(opened) => opened,
        Err(error) => {
            // Nobody listens only when the controller is gone, and then nothing is owed.
            let _ = news
                .send(FromSession {
                    session: number,
                    news: Err(error),
                })
                .await;
            return;
        }
    };
    if news
        .send(FromSession {
            session: number,
            news: Ok(effects),
        })
        .await
        .is_err()
    {
        return;
    }
    loop {
        let mut inputs = Vec::with_capacity(16);
        if queue.recv_many(&mut inputs, STEP_INPUTS_MAX).await == 0 {
            return;
        }
        let lines = inputs
            .iter()
            .filter(|input| matches!(input, Input::Line { .. }))
            .count();
        waiting_lines.fetch_sub(lines as u64, Ordering::Relaxed);
        let result = session.step(opened.elapsed().as_secs_f64(), &inputs).await;
        let failed = result.is_err();
        if matches!(&result, Ok(effects) if effects.is_empty()) {
            continue;
        }
        if news
            .send(FromSession {
                session: number,
                news: result,
            })
            .await
            .is_err()
            || failed
        {
            return;
        }
    }
}

/// Where a session's processes run.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub session: SessionNumber,
    pub slot: SlotId,
    pub scratch: String,
}

impl Place {
    /// The worker's order for a process that an adapter wants.
    pub(crate) fn order(&self, run: Run) -> ToWorker {
        let cwd = if run.cwd.is_empty() {
            self.scratch.clone()
        } else {
            run.cwd
        };
        ToWorker::Run(RunOrder {
            run: self.session.run_id(run.run),
            slot: self.slot,
            argv: run.argv,
            env: run.env,
            inherit: run.inherit,
            cwd,
            scratch: self.scratch.clone(),
            files: run
                .files
                .into_iter()
                .map(|file| (file.path, file.text))
                .collect(),
            stdin: run.stdin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_gives_back_its_session_and_run() {
        for (session, run) in [(0, 0), (1, 7), (u32::MAX, u32::MAX)] {
            let session = SessionNumber(session);
            assert_eq!(SessionNumber::of(session.run_id(run)), (session, run));
        }
    }
}
