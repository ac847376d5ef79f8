//! Pictures on their way to their final place.
//!
//! Commits end in the order in which they began, nearly always, so the one that is asked for is
//! found at the front, and coming and going costs no memory.

use std::collections::VecDeque;

use crate::ids::{SegmentId, TaskId};

/// Tasks whose picture is on its way, each with the segment whose picture it is; oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Committing(VecDeque<(TaskId, SegmentId)>);

impl Committing {
    pub fn begin(&mut self, task: TaskId, segment: SegmentId) {
        debug_assert!(self.tasks().all(|other| other != task), "task {task} twice");
        self.0.push_back((task, segment));
    }

    /// Ends it; false where this segment's picture of the task is not on its way.
    pub fn end(&mut self, task: TaskId, segment: SegmentId) -> bool {
        let place = self.0.iter().position(|entry| *entry == (task, segment));
        place.and_then(|place| self.0.remove(place)).is_some()
    }

    /// The segment whose picture of a task is on its way.
    pub fn get(&self, task: &TaskId) -> Option<&SegmentId> {
        let entry = self.0.iter().find(|(other, _)| other == task);
        entry.map(|(_, segment)| segment)
    }

    pub fn tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.0.iter().map(|(task, _)| *task)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_picture_that_is_on_its_way_ends() {
        let mut committing = Committing::default();
        committing.begin(TaskId(1), SegmentId(7));
        committing.begin(TaskId(2), SegmentId(7));
        assert!(!committing.end(TaskId(1), SegmentId(8)));
        assert!(committing.end(TaskId(2), SegmentId(7)));
        assert!(!committing.end(TaskId(2), SegmentId(7)));
        assert_eq!(committing.tasks().collect::<Vec<_>>(), [TaskId(1)]);
    }
}
