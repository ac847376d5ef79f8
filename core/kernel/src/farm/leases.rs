//! Who has a task: one slot, or two towards the end, when a copy of a late task is tried elsewhere
//! ([`super::copy`]).
//!
//! Invariant: a second holder is there only beside a first one; each holder's segment lists the task.

use super::{Farm, Phase};
use crate::ids::{SlotId, TaskId};

impl Farm {
    /// Whether this slot has the task.
    pub(super) fn holds(&self, slot: SlotId, task: TaskId) -> bool {
        self.rows[task.index()].lease() == Some(slot) || self.copies.get(&task) == Some(&slot)
    }

    /// Whether any slot has the task.
    pub(super) fn is_held(&self, task: TaskId) -> bool {
        self.rows[task.index()].lease().is_some()
    }

    /// Gives a task to one more slot.
    pub(super) fn grant(&mut self, slot: SlotId, task: TaskId) {
        let row = &mut self.rows[task.index()];
        if row.lease().is_none() {
            row.set_lease(Some(slot));
        } else {
            let third = self.copies.insert(task, slot);
            debug_assert!(third.is_none(), "task {task} is tried in three places");
        }
    }

    /// Ends this slot's hold of a task. Another holder stays, and the task's phase then tells how
    /// far that one is.
    pub(super) fn release(&mut self, slot: SlotId, task: TaskId) {
        if self.rows[task.index()].lease() != Some(slot) {
            if self.copies.get(&task) == Some(&slot) {
                self.copies.remove(&task);
            }
            return;
        }
        let other = self.copies.remove(&task);
        self.rows[task.index()].set_lease(other);
        if let Some(other) = other
            && self.rows[task.index()].is_out()
        {
            let phase = self.phase_at(other, task);
            self.set_phase(task, phase);
        }
    }

    /// How far a slot is with a task that it has.
    pub(super) fn phase_at(&self, slot: SlotId, task: TaskId) -> Phase {
        let untouched = self.slots[slot.index()]
            .segment()
            .is_some_and(|segment| segment.tasks[segment.next..].contains(&task));
        if untouched {
            Phase::Leased
        } else {
            Phase::Begun
        }
    }
}
