//! The rules of the game, kept by somebody who is not playing.
//!
//! The auditor sees what the farm is told and what it wants, and knows nothing of its reasons. It
//! is used by every simulation, and can watch a real run as well.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::event::{Action, Event, SendReason, StopReason};
use crate::ids::{SegmentId, SlotId, TaskId};

/// A rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Violation {
    /// A slot was given a segment while it had one.
    #[error("slot {slot} got segment {second} while segment {first} runs there")]
    SlotTaken {
        /// The slot.
        slot: SlotId,
        /// What runs there.
        first: SegmentId,
        /// What was sent.
        second: SegmentId,
    },
    /// A slot was given a segment while it was closed.
    #[error("slot {slot} got segment {segment} and is closed")]
    SlotClosed {
        /// The slot.
        slot: SlotId,
        /// What was sent.
        segment: SegmentId,
    },
    /// A slot was given a segment while its host was silent.
    #[error("slot {slot} got segment {segment}, and its host is silent")]
    HostSilent {
        /// The slot.
        slot: SlotId,
        /// What was sent.
        segment: SegmentId,
    },
    /// A segment was stopped for taking too long while nobody could tell how far it is.
    #[error("segment {segment} was stopped as overdue, and its host is silent")]
    LimitInSilence {
        /// The segment.
        segment: SegmentId,
    },
    /// A segment's number does not grow.
    #[error("segment {segment} came after a higher number")]
    NumberUsed {
        /// The number.
        segment: SegmentId,
    },
    /// A task was leased while another live segment has it.
    #[error("task {task} was given to segment {second} while segment {first} has it")]
    LeasedTwice {
        /// The task.
        task: TaskId,
        /// Who has it.
        first: SegmentId,
        /// Who got it.
        second: SegmentId,
    },
    /// A task was leased or committed after it had come to its end.
    #[error("task {task} is finished, and was touched again")]
    FinishedTask {
        /// The task.
        task: TaskId,
    },
    /// A task was committed although a commit of it is under way or done.
    #[error("task {task} was committed twice")]
    CommittedTwice {
        /// The task.
        task: TaskId,
    },
    /// A task was committed of which there is no picture.
    #[error("task {task} was committed for segment {segment}, which has no picture of it")]
    NoPicture {
        /// The task.
        task: TaskId,
        /// The segment.
        segment: SegmentId,
    },
    /// A cut or stop names a segment that does not run.
    #[error("segment {segment} was cut or stopped, but does not run")]
    NotRunning {
        /// The segment.
        segment: SegmentId,
    },
    /// Something was wanted after the end, or the end was said twice.
    #[error("something was wanted after the job was finished")]
    AfterTheEnd,
    /// The job ended as done or failed, but this task is in neither state.
    #[error("the job is finished, and task {task} is neither committed nor given up")]
    LostTask {
        /// The task.
        task: TaskId,
    },
}

/// Watches what goes in and out of a farm.
#[derive(Clone, Debug)]
pub struct Auditor {
    tasks: Vec<TaskState>,
    /// Running segments with their slot and the tasks they have.
    running: BTreeMap<SegmentId, (SlotId, BTreeSet<TaskId>)>,
    slots: BTreeMap<SlotId, SegmentId>,
    /// Slots that are closed.
    closed: BTreeSet<SlotId>,
    /// Slots of hosts that are silent.
    silent: BTreeSet<SlotId>,
    /// Segments that were sent as copies: their task may run once more elsewhere.
    copies: BTreeSet<SegmentId>,
    /// Pictures that were offered and not yet used.
    pictures: BTreeSet<(TaskId, SegmentId)>,
    last: Option<SegmentId>,
    finished: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TaskState {
    Open,
    Committing,
    Committed,
    GivenUp,
}

impl Auditor {
    /// For a job of so many tasks, of which these are done.
    #[must_use]
    pub fn new(tasks: u32, done: &[TaskId]) -> Auditor {
        let mut states = vec![TaskState::Open; tasks as usize];
        for task in done {
            states[task.index()] = TaskState::Committed;
        }
        Auditor {
            tasks: states,
            running: BTreeMap::new(),
            slots: BTreeMap::new(),
            closed: BTreeSet::new(),
            silent: BTreeSet::new(),
            copies: BTreeSet::new(),
            pictures: BTreeSet::new(),
            last: None,
            finished: false,
        }
    }

    /// The farm was told something. `of_host` are the slots of the host that it is told of, if the
    /// event names one.
    pub fn told(&mut self, event: &Event, of_host: impl Iterator<Item = SlotId>) {
        match *event {
            Event::HostUp { .. } | Event::HostLost { .. } => {
                for slot in of_host {
                    self.silent.remove(&slot);
                    if let Some(segment) = self.slots.remove(&slot) {
                        self.running.remove(&segment);
                    }
                }
            }
            Event::HostSilent { .. } => self.silent.extend(of_host),
            Event::HostHeard { .. } => of_host.for_each(|slot| {
                self.silent.remove(&slot);
            }),
            Event::SlotClosed { slot } => {
                self.closed.insert(slot);
            }
            Event::SlotOpened { slot } => {
                self.closed.remove(&slot);
            }
            Event::Rendered { segment, task, .. } => {
                self.pictures.insert((task, segment));
                self.release(segment, task);
            }
            Event::TaskFailed { segment, task, .. } => self.release(segment, task),
            Event::Committed { task, .. } => self.tasks[task.index()] = TaskState::Committed,
            Event::CommitFailed { task, .. } => self.tasks[task.index()] = TaskState::Open,
            Event::Reopened { task } => {
                if let Some(state @ TaskState::Committed) = self.tasks.get_mut(task.index()) {
                    *state = TaskState::Open;
                    self.finished = false;
                }
            }
            Event::SegmentOver { segment } => {
                if let Some((slot, _)) = self.running.remove(&segment) {
                    self.slots.remove(&slot);
                }
            }
            Event::SlotCooled { .. }
            | Event::Loaded { .. }
            | Event::TaskBegun { .. }
            | Event::Kept { .. }
            | Event::AssemblyBegun
            | Event::AssemblyOver
            | Event::Drain
            | Event::Cancel
            | Event::Tick => {}
        }
    }

    /// A renderer said that it keeps only these of its tasks.
    pub fn kept(&mut self, segment: SegmentId, given_back: &[TaskId]) {
        for task in given_back {
            self.release(segment, *task);
        }
    }

    fn release(&mut self, segment: SegmentId, task: TaskId) {
        if let Some((_, tasks)) = self.running.get_mut(&segment) {
            tasks.remove(&task);
        }
    }

    /// The farm wants something.
    pub fn wanted(&mut self, action: &Action) -> Result<(), Violation> {
        if self.finished && !matches!(action, Action::Discard { .. }) {
            return Err(Violation::AfterTheEnd);
        }
        match action {
            Action::Send {
                segment,
                slot,
                leases,
                reason,
            } => {
                if let SendReason::Copy { .. } = reason {
                    self.copies.insert(*segment);
                }
                let tasks = leases.iter().map(|(task, _)| *task).collect();
                self.sent(*segment, *slot, tasks)
            }
            Action::Cut { segment, .. } => self.slot_of(*segment).map(|_| ()),
            Action::Stop { segment, reason } => {
                let slot = self.slot_of(*segment)?;
                let overdue =
                    matches!(reason, StopReason::TaskLimit { .. } | StopReason::LoadLimit);
                if overdue && self.silent.contains(&slot) {
                    return Err(Violation::LimitInSilence { segment: *segment });
                }
                Ok(())
            }
            Action::Commit { segment, task } => self.commit(*segment, *task),
            Action::Discard { segment, task } => {
                self.pictures.remove(&(*task, *segment));
                Ok(())
            }
            Action::GiveUp { task, .. } => match self.tasks[task.index()] {
                TaskState::Open => {
                    self.tasks[task.index()] = TaskState::GivenUp;
                    Ok(())
                }
                TaskState::Committing | TaskState::Committed | TaskState::GivenUp => {
                    Err(Violation::FinishedTask { task: *task })
                }
            },
            Action::Finished { outcome } => {
                self.finished = true;
                self.complete(*outcome)
            }
        }
    }

    fn slot_of(&self, segment: SegmentId) -> Result<SlotId, Violation> {
        let running = self.running.get(&segment);
        running
            .map(|(slot, _)| *slot)
            .ok_or(Violation::NotRunning { segment })
    }

    fn sent(
        &mut self,
        segment: SegmentId,
        slot: SlotId,
        tasks: BTreeSet<TaskId>,
    ) -> Result<(), Violation> {
        if self.last.is_some_and(|last| segment <= last) {
            return Err(Violation::NumberUsed { segment });
        }
        self.last = Some(segment);
        if self.closed.contains(&slot) {
            return Err(Violation::SlotClosed { slot, segment });
        }
        if self.silent.contains(&slot) {
            return Err(Violation::HostSilent { slot, segment });
        }
        if let Some(first) = self.slots.insert(slot, segment) {
            return Err(Violation::SlotTaken {
                slot,
                first,
                second: segment,
            });
        }
        for task in &tasks {
            if matches!(
                self.tasks[task.index()],
                TaskState::Committed | TaskState::GivenUp
            ) {
                return Err(Violation::FinishedTask { task: *task });
            }
        }
        self.running.insert(segment, (slot, tasks));
        Ok(())
    }

    /// Checks that no two running segments have a task, but for one copy of it. O(leased tasks).
    pub fn check_leases(&self) -> Result<(), Violation> {
        // One map for first tries and one for copies.
        let mut holders = [BTreeMap::new(), BTreeMap::new()];
        for (segment, (_, tasks)) in &self.running {
            let copy = usize::from(self.copies.contains(segment));
            for task in tasks {
                if let Some(first) = holders[copy].insert(*task, *segment) {
                    return Err(Violation::LeasedTwice {
                        task: *task,
                        first,
                        second: *segment,
                    });
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self, segment: SegmentId, task: TaskId) -> Result<(), Violation> {
        if !self.pictures.remove(&(task, segment)) {
            return Err(Violation::NoPicture { task, segment });
        }
        match self.tasks[task.index()] {
            TaskState::Open => {
                self.tasks[task.index()] = TaskState::Committing;
                Ok(())
            }
            TaskState::Committing | TaskState::Committed => Err(Violation::CommittedTwice { task }),
            TaskState::GivenUp => Err(Violation::FinishedTask { task }),
        }
    }

    fn complete(&self, outcome: crate::event::Outcome) -> Result<(), Violation> {
        use crate::event::Outcome;
        // A failed job may leave tasks only when it is told to stop at the first failure; who
        // watches such a job looks at the count of open tasks instead.
        let must = match outcome {
            Outcome::Done => true,
            Outcome::Failed | Outcome::Interrupted | Outcome::Cancelled | Outcome::DiskFull => {
                false
            }
        };
        let open = |state: &TaskState| *state != TaskState::Committed;
        match self.tasks.iter().position(open) {
            Some(index) if must => Err(Violation::LostTask {
                task: TaskId::at(index),
            }),
            _ => Ok(()),
        }
    }

    /// Tasks neither committed nor given up.
    #[must_use]
    pub fn open(&self) -> usize {
        let open = |state: &&TaskState| matches!(state, TaskState::Open | TaskState::Committing);
        self.tasks.iter().filter(open).count()
    }

    /// Whether the end was said.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Outcome;
    use crate::ids::{Attempt, HostId};
    use crate::time::Span;

    const ONE: SegmentId = SegmentId(1);
    const TASK: TaskId = TaskId(0);

    fn rendered(auditor: &mut Auditor, segment: SegmentId) {
        let took = Span::ZERO;
        let task = TASK;
        auditor.told(
            &Event::Rendered {
                segment,
                task,
                took,
            },
            std::iter::empty(),
        );
    }

    fn send(segment: SegmentId, slot: u32) -> Action {
        Action::Send {
            segment,
            slot: SlotId(slot),
            leases: vec![(TASK, Attempt(1))],
            reason: SendReason::Share,
        }
    }

    fn commit(segment: SegmentId) -> Action {
        Action::Commit {
            segment,
            task: TASK,
        }
    }

    #[test]
    fn a_double_commit_is_seen() {
        let mut auditor = Auditor::new(1, &[]);
        auditor.wanted(&send(ONE, 0)).unwrap();
        rendered(&mut auditor, ONE);
        auditor.wanted(&commit(ONE)).unwrap();
        rendered(&mut auditor, ONE);
        assert_eq!(
            auditor.wanted(&commit(ONE)),
            Err(Violation::CommittedTwice { task: TASK })
        );
    }

    #[test]
    fn a_commit_without_a_picture_is_seen() {
        let mut auditor = Auditor::new(1, &[]);
        auditor.wanted(&send(ONE, 0)).unwrap();
        assert!(matches!(
            auditor.wanted(&commit(ONE)),
            Err(Violation::NoPicture { .. })
        ));
    }

    #[test]
    fn two_segments_on_a_slot_are_seen() {
        let mut auditor = Auditor::new(1, &[]);
        auditor.wanted(&send(ONE, 0)).unwrap();
        assert!(matches!(
            auditor.wanted(&send(SegmentId(2), 0)),
            Err(Violation::SlotTaken { .. })
        ));
    }

    #[test]
    fn a_segment_for_a_closed_or_silent_slot_is_seen() {
        let mut auditor = Auditor::new(1, &[]);
        let slot = SlotId(0);
        auditor.told(&Event::SlotClosed { slot }, std::iter::empty());
        assert!(matches!(
            auditor.wanted(&send(ONE, 0)),
            Err(Violation::SlotClosed { .. })
        ));
        auditor.told(&Event::SlotOpened { slot }, std::iter::empty());
        let host = HostId(0);
        auditor.told(&Event::HostSilent { host }, std::iter::once(slot));
        assert!(matches!(
            auditor.wanted(&send(SegmentId(2), 0)),
            Err(Violation::HostSilent { .. })
        ));
        auditor.told(&Event::HostHeard { host }, std::iter::once(slot));
        auditor.wanted(&send(SegmentId(3), 0)).unwrap();
    }

    #[test]
    fn a_limit_that_runs_in_silence_is_seen() {
        let mut auditor = Auditor::new(1, &[]);
        auditor.wanted(&send(ONE, 0)).unwrap();
        let host = HostId(0);
        auditor.told(&Event::HostSilent { host }, std::iter::once(SlotId(0)));
        let stop = |reason| Action::Stop {
            segment: ONE,
            reason,
        };
        assert_eq!(
            auditor.wanted(&stop(StopReason::LoadLimit)),
            Err(Violation::LimitInSilence { segment: ONE })
        );
        auditor.wanted(&stop(StopReason::Cancel)).unwrap();
    }

    #[test]
    fn a_task_with_two_holders_is_seen() {
        let mut auditor = Auditor::new(1, &[]);
        auditor.wanted(&send(ONE, 0)).unwrap();
        auditor.check_leases().unwrap();
        auditor.wanted(&send(SegmentId(2), 1)).unwrap();
        assert!(matches!(
            auditor.check_leases(),
            Err(Violation::LeasedTwice { .. })
        ));
    }

    #[test]
    fn a_number_used_again_is_seen() {
        let mut auditor = Auditor::new(1, &[]);
        auditor.wanted(&send(ONE, 0)).unwrap();
        assert_eq!(
            auditor.wanted(&send(ONE, 1)),
            Err(Violation::NumberUsed { segment: ONE })
        );
    }

    #[test]
    fn a_lost_task_and_a_second_end_are_seen() {
        let mut auditor = Auditor::new(1, &[]);
        let done = Action::Finished {
            outcome: Outcome::Done,
        };
        assert_eq!(
            auditor.wanted(&done),
            Err(Violation::LostTask { task: TASK })
        );
        assert_eq!(auditor.wanted(&done), Err(Violation::AfterTheEnd));
    }
}
