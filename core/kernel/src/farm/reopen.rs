//! Pictures that turn out bad when they are put together: a seam between tiles, a piece that cannot be
//! read. Their tasks are rendered once more.
//!
//! Nobody is to blame for it, as far as the farm knows: no attempt counts as failed, and no host rests.
//! What stands on the task and is with a slot goes on; what waits for one waits for the new picture. How
//! often a task is opened again is for those to decide who look at pictures.
//!
//! As long as pictures are being put together a job is not over, though every task is committed. A
//! job that is over is opened again with its task: so far from its end nothing was forgotten, since
//! a farm that is through with its tasks goes on hearing what becomes of its slots.
//!
//! Invariant: a picture that was made before its task was opened again, and is not being made still, does
//! not win.

use super::{Farm, Mode, Phase};
use crate::event::{Action, Event, GiveUpReason, Outcome};
use crate::ids::{SegmentId, TaskId};
use crate::job::Scope;

impl Farm {
    /// A committed task is to be rendered once more. Of any other task it changes nothing.
    pub(super) fn reopen(&mut self, task: TaskId) {
        let known = task.0 < self.job.task_count();
        if !known || self.rows[task.index()].phase != Phase::Committed {
            return;
        }
        self.reopened.insert(task, self.next_segment);
        self.layers[self.job.layer_of(task).index()].left += 1;
        match self.rows[task.index()].lease() {
            // Another attempt is under way; it goes on as if the lost one had never been.
            Some(slot) => {
                let phase = self.phase_at(slot, task);
                self.set_phase(task, phase);
            }
            None => {
                self.set_phase(task, Phase::Blocked);
                self.enqueue(task);
            }
        }
        self.hold_back_standing_on(task);
        if let Mode::Finished { outcome } = self.mode {
            let goes_on = match outcome {
                Outcome::Done => true,
                Outcome::Failed => self.job.limits().keep_going,
                Outcome::Interrupted | Outcome::Cancelled | Outcome::DiskFull => false,
            };
            if !goes_on {
                return;
            }
            self.mode = Mode::Running;
            self.stirred = true;
        }
        // Every host that could take it may have gone meanwhile.
        self.give_up_hopeless();
    }

    /// What stands on a task and waits for a slot waits for the task again.
    fn hold_back_standing_on(&mut self, need: TaskId) {
        let key = self.job.key(need);
        for index in 0..self.job.layer(key.layer).before().len() {
            let before = self.job.layer(key.layer).before()[index];
            let tasks = match before.scope {
                Scope::Frame => self.job.frame_tasks(before.layer, key.frame),
                Scope::Layer => self.job.layer(before.layer).range(),
            };
            for task in tasks.map(TaskId) {
                if self.rows[task.index()].phase == Phase::Ready {
                    self.dequeue(task);
                    self.set_phase(task, Phase::Blocked);
                }
            }
        }
    }

    /// Whether a task that wants to wait for a slot has to wait for another task first, because that
    /// was opened again after this one had begun. If so, that is seen to.
    pub(super) fn stands_back(&mut self, task: TaskId) -> bool {
        if self.reopened.is_empty() || self.needs_met(task) {
            return false;
        }
        match self.lost_need(task) {
            Some(need) => self.give_up(task, GiveUpReason::Need { need }),
            None => self.set_phase(task, Phase::Blocked),
        }
        true
    }

    /// A task that was given up and that this one stands on.
    fn lost_need(&self, task: TaskId) -> Option<TaskId> {
        let key = self.job.key(task);
        let after = self.job.layer(key.layer).after().iter();
        let mut needs = after.flat_map(|after| match after.scope {
            Scope::Frame => self.job.frame_tasks(after.layer, key.frame),
            Scope::Layer => self.job.layer(after.layer).range(),
        });
        let lost = |need: &u32| self.rows[*need as usize].phase == Phase::GivenUp;
        needs.find(lost).map(TaskId)
    }

    /// Whether a picture was made before its task was opened again.
    pub(super) fn is_outdated(&self, segment: SegmentId, task: TaskId) -> bool {
        let fence = self.reopened.get(&task);
        fence.is_some_and(|fence| segment < *fence)
    }

    /// Whether something that is told of a job that is over has to be known, should a task be opened
    /// again.
    pub(super) fn hears_after_the_end(&self, event: &Event) -> bool {
        match event {
            Event::Reopened { .. } => true,
            Event::Drain | Event::Cancel => false,
            _ => self.is_through(),
        }
    }

    /// Whether every task is committed or given up.
    pub(super) fn is_through(&self) -> bool {
        self.count(Phase::Committed) + self.count(Phase::GivenUp) == self.job.task_count()
    }

    /// Of a job that is over nothing is wanted any more.
    pub(super) fn hush(&mut self) {
        let thrown_away = |action: &Action| matches!(action, Action::Discard { .. });
        self.actions.retain(thrown_away);
    }

    /// Pictures are being put together, or are no longer.
    pub(super) fn assemble(&mut self, begins: bool) {
        self.assembling = if begins {
            self.assembling.saturating_add(1)
        } else {
            self.assembling.saturating_sub(1)
        };
    }
}
