//! A segment at work, as the controller keeps it: how far each of its tasks is.
//!
//! Invariant: `open` is the number of tasks from which something is still to come.

use std::time::{Duration, Instant};

use framewright_kernel::ids::{Attempt, SlotId, TaskId};
use framewright_kernel::time::Span;

use crate::store::{LogError, SegmentLog};

/// A task within a segment.
#[derive(Debug)]
pub(super) struct SegmentTask {
    pub task: TaskId,
    pub attempt: Attempt,
    pub phase: Phase,
}

/// How far a task of a segment is.
#[derive(Debug)]
pub(super) enum Phase {
    /// Not begun.
    Waiting,
    /// Being rendered.
    Rendering {
        since: Instant,
        /// How long it was expected to take then.
        predicted: Span,
        wrote: Option<String>,
    },
    /// Written; the worker reads it.
    Checking,
    /// Nothing more to come under this segment.
    Ended,
    /// Cut away.
    Cut,
}

/// What a task took, beside what was expected when it was begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    pub real: Duration,
    pub predicted: Span,
}

impl Phase {
    fn is_open(&self) -> bool {
        match self {
            Phase::Waiting | Phase::Rendering { .. } | Phase::Checking => true,
            Phase::Ended | Phase::Cut => false,
        }
    }

    fn is_unconcluded(&self) -> bool {
        matches!(self, Phase::Waiting | Phase::Rendering { .. })
    }
}

/// A segment at work. Its tasks are concluded in order, nearly always, so the one that is asked
/// for is looked for from the last one found: a segment of 100,000 tasks costs no more per task
/// than one of ten.
#[derive(Debug)]
pub(super) struct Segment {
    pub slot: SlotId,
    pub tasks: Vec<SegmentTask>,
    cursor: usize,
    open: usize,
    pub log: Log,
    /// When its renderer was last ready for the next task: loaded, or done with the one before.
    pub ready_since: Instant,
}

impl Segment {
    pub(super) fn new(slot: SlotId, leases: &[(TaskId, Attempt)], log: Log) -> Self {
        let tasks: Vec<_> = leases
            .iter()
            .map(|&(task, attempt)| SegmentTask {
                task,
                attempt,
                phase: Phase::Waiting,
            })
            .collect();
        let open = tasks.len();
        Self {
            slot,
            tasks,
            cursor: 0,
            open,
            log,
            ready_since: Instant::now(),
        }
    }

    pub(super) fn find(&mut self, task: TaskId) -> Option<&mut SegmentTask> {
        let (before, after) = self.tasks.split_at(self.cursor);
        let found = after
            .iter()
            .position(|at| at.task == task)
            .map(|index| index + self.cursor)
            .or_else(|| before.iter().position(|at| at.task == task))?;
        self.cursor = found;
        Some(&mut self.tasks[found])
    }

    /// Sets a task's phase and gives the one before; `None` for a task that it does not have.
    pub(super) fn set_phase(&mut self, task: TaskId, phase: Phase) -> Option<Phase> {
        let at = self.find(task)?;
        let opened = usize::from(phase.is_open());
        let closed = usize::from(at.phase.is_open());
        let before = std::mem::replace(&mut at.phase, phase);
        self.open = self.open + opened - closed;
        Some(before)
    }

    pub(super) fn attempt(&mut self, task: TaskId) -> Option<Attempt> {
        self.find(task).map(|at| at.attempt)
    }

    pub(super) fn is_over(&self) -> bool {
        self.open == 0
    }

    /// Tasks that were neither concluded nor cut away, in order.
    pub(super) fn unconcluded(&self) -> Vec<TaskId> {
        self.tasks
            .iter()
            .filter(|at| at.phase.is_unconcluded())
            .map(|at| at.task)
            .collect()
    }

    /// Cuts away what has not begun from `keep` on.
    pub(super) fn cut_from(&mut self, keep: u32) {
        for at in self.tasks.iter_mut().skip(keep as usize) {
            if matches!(at.phase, Phase::Waiting) {
                at.phase = Phase::Cut;
                self.open -= 1;
            }
        }
    }
}

/// A segment's log, with its clock; nothing where it could not be opened.
#[derive(Debug)]
pub(super) struct Log {
    pub file: Option<SegmentLog>,
    pub since: Instant,
}

impl Log {
    pub(super) fn line(&mut self, is_stderr: bool, text: &str) {
        if let Some(file) = &mut self.file {
            file.line(self.since.elapsed(), is_stderr, text);
        }
    }

    pub(super) fn note(&mut self, text: &str) {
        if let Some(file) = &mut self.file {
            file.note(self.since.elapsed(), text);
        }
    }

    pub(super) fn task_begins(&mut self, task: &str, attempt: u32) {
        if let Some(file) = &mut self.file {
            file.task_begins(self.since.elapsed(), task, attempt);
        }
    }

    pub(super) fn flush(&mut self) {
        if let Some(file) = &mut self.file {
            file.flush();
        }
    }

    pub(super) fn finish(self) -> Result<(), LogError> {
        self.file.map_or(Ok(()), SegmentLog::finish)
    }
}
