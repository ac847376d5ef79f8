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
        expected: Expected,
        wrote: Option<String>,
    },
    /// Written; the worker reads it.
    Checking,
    /// Nothing more to come under this segment.
    Ended,
    /// Cut away.
    Cut,
}

/// How long a task was expected to take when it was begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// Wherever it stands.
    pub own: Span,
    /// On top of that, as the first after a load.
    pub warm_up: Span,
}

/// What a task took, beside what was expected when it was begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    pub real: Duration,
    pub expected: Expected,
}

impl Took {
    /// What was expected in all.
    pub(super) fn predicted(&self) -> Span {
        self.expected.own + self.expected.warm_up
    }

    /// What it took without warming up: what went beyond its own cost counts as that first, as much
    /// of it as is known of. A renderer that happens to be warm makes no task cheaper than expected.
    pub(super) fn without_warm_up(&self) -> Span {
        let real = self.real.as_secs_f64();
        let beyond = (real - self.expected.own.as_secs_f64()).max(0.0);
        Span::from_secs_f64(real - beyond.min(self.expected.warm_up.as_secs_f64()))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warming_up_is_taken_off_as_far_as_a_task_took_longer_than_itself() {
        let without = |real_s: u64, own_s: u64, warm_up_s: u64| {
            let took = Took {
                real: Duration::from_secs(real_s),
                expected: Expected {
                    own: Span::from_secs(own_s),
                    warm_up: Span::from_secs(warm_up_s),
                },
            };
            assert_eq!(took.predicted(), Span::from_secs(own_s + warm_up_s));
            took.without_warm_up()
        };
        assert_eq!(without(13, 10, 3), Span::from_secs(10));
        assert_eq!(without(20, 10, 3), Span::from_secs(17));
        assert_eq!(without(11, 10, 3), Span::from_secs(10));
        assert_eq!(without(4, 10, 3), Span::from_secs(4));
        assert_eq!(without(13, 10, 0), Span::from_secs(13));
    }
}
