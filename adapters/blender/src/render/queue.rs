//! Segments and their tasks, in the order in which they came.
//!
//! Invariant: a task is handed out once, unless it is given back; given-back tasks come first.

use std::collections::{BTreeMap, VecDeque};

use framewright_plugin_api::data::Task;

/// A task and the segment that it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// Its segment.
    pub segment: u64,
    /// Its place in the segment, from 0.
    pub place: u32,
    /// The task.
    pub task: Task,
}

/// What is still to be rendered.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<Given>,
    /// How many tasks of each segment were ever handed out, from the front.
    begun: BTreeMap<u64, u32>,
}

impl Queue {
    /// A segment more.
    pub fn add(&mut self, segment: u64, tasks: Vec<Task>) {
        self.begun.insert(segment, 0);
        let places = (0..).zip(tasks);
        self.waiting.extend(places.map(|(place, task)| Given {
            segment,
            place,
            task,
        }));
    }

    /// Forgets the tasks of a segment behind the first `keep`; how many stay, which is more where
    /// more were begun.
    pub fn cut(&mut self, segment: u64, keep: u32) -> u32 {
        let keep = keep.max(self.begun.get(&segment).copied().unwrap_or(0));
        self.waiting
            .retain(|one| one.segment != segment || one.place < keep);
        keep
    }

    /// The next task, which now begins.
    pub fn take(&mut self) -> Option<Given> {
        let given = self.reserve()?;
        self.begin(&given);
        Some(given)
    }

    /// The next task, which may still be cut away.
    pub fn reserve(&mut self) -> Option<Given> {
        self.waiting.pop_front()
    }

    /// A task that was reserved begins.
    pub fn begin(&mut self, given: &Given) {
        let begun = self.begun.entry(given.segment).or_default();
        *begun = (*begun).max(given.place + 1);
    }

    /// Looks at the next task.
    pub fn peek(&self) -> Option<&Given> {
        self.waiting.front()
    }

    /// A task that was not begun after all.
    pub fn give_back(&mut self, given: Given) {
        self.waiting.push_front(given);
    }

    /// Everything that is left.
    pub fn drain(&mut self) -> Vec<Given> {
        self.waiting.drain(..).collect()
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(count: u32) -> Vec<Task> {
        (0..count)
            .map(|n| Task::frame(n, n as i32, "/o.png"))
            .collect()
    }

    #[test]
    fn a_cut_keeps_what_was_begun() {
        let mut queue = Queue::default();
        queue.add(7, tasks(5));
        queue.add(8, tasks(1));
        queue.take();
        queue.take();
        assert_eq!(queue.cut(7, 1), 2);
        assert_eq!(queue.take().map(|one| one.segment), Some(8));
        assert_eq!(queue.cut(8, 0), 1);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_task_given_back_is_still_begun_and_comes_first() {
        let mut queue = Queue::default();
        queue.add(1, tasks(3));
        let first = queue.take().expect("three tasks");
        queue.give_back(first.clone());
        assert_eq!(queue.cut(1, 0), 1);
        assert_eq!(queue.take(), Some(first));
        assert!(queue.is_empty());
    }
}
