//! What waits for a slot, layer by layer.
//!
//! The bulk is kept as runs of task numbers, so that a million waiting tasks are one entry, and a
//! share is cut off the front in the logarithm of the number of runs. Tasks that failed before and
//! tasks the user wants first are few, and kept apart.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::ids::TaskId;

/// Disjoint, unconnected runs of task numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs {
    /// First number of a run, and the one behind its last.
    runs: BTreeMap<u32, u32>,
    count: u32,
}

impl Runs {
    pub fn count(&self) -> u32 {
        self.count
    }

    pub fn contains(&self, task: u32) -> bool {
        let before = self.runs.range(..=task).next_back();
        before.is_some_and(|(_, end)| task < *end)
    }

    pub fn first(&self) -> Option<Range<u32>> {
        self.runs.first_key_value().map(|(start, end)| *start..*end)
    }

    pub fn iter(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        self.runs.iter().map(|(start, end)| *start..*end)
    }

    pub fn insert(&mut self, task: u32) {
        debug_assert!(!self.contains(task), "task {task} waits already");
        let (mut start, mut end) = (task, task + 1);
        if let Some((&before, &before_end)) = self.runs.range(..task).next_back()
            && before_end == task
        {
            start = before;
        }
        if let Some(&behind_end) = self.runs.get(&end) {
            self.runs.remove(&end);
            end = behind_end;
        }
        self.runs.insert(start, end);
        self.count += 1;
    }

    pub fn remove(&mut self, task: u32) -> bool {
        let Some((&start, &end)) = self.runs.range(..=task).next_back() else {
            return false;
        };
        if task >= end {
            return false;
        }
        self.runs.remove(&start);
        if start < task {
            self.runs.insert(start, task);
        }
        if task + 1 < end {
            self.runs.insert(task + 1, end);
        }
        self.count -= 1;
        true
    }

    /// Takes this many from the front of the first run, at most all of it.
    pub fn take_front(&mut self, count: u32) -> Range<u32> {
        let Some((start, end)) = self.runs.pop_first() else {
            return 0..0;
        };
        let taken = count.min(end - start);
        if start + taken < end {
            self.runs.insert(start + taken, end);
        }
        self.count -= taken;
        start..start + taken
    }
}

/// All that waits, of one layer.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    /// What was never in trouble.
    pub bulk: Runs,
    /// What the user wants first.
    pub urgent: BTreeSet<TaskId>,
    /// What failed before, and may not go everywhere.
    pub retry: BTreeSet<TaskId>,
    /// Estimated cost of all of them.
    pub units: u64,
}

impl Queue {
    pub fn count(&self) -> u32 {
        self.bulk.count() + self.urgent.len() as u32 + self.retry.len() as u32
    }

    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    pub fn remove(&mut self, task: TaskId, units: u64) -> bool {
        let found =
            self.retry.remove(&task) || self.urgent.remove(&task) || self.bulk.remove(task.0);
        if found {
            self.units -= units;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn runs_are_a_set(steps in prop::collection::vec((0_u32..3, 0_u32..40), 0..120)) {
            let mut runs = Runs::default();
            let mut plain = BTreeSet::new();
            for (step, number) in steps {
                match step {
                    0 if plain.insert(number) => runs.insert(number),
                    0 => {}
                    1 => prop_assert_eq!(runs.remove(number), plain.remove(&number)),
                    _ => for taken in runs.take_front(number) {
                        prop_assert_eq!(plain.pop_first(), Some(taken));
                    },
                }
                prop_assert_eq!(runs.count() as usize, plain.len());
                prop_assert_eq!(runs.iter().flatten().collect::<Vec<_>>(),
                    plain.iter().copied().collect::<Vec<_>>());
                // No two runs touch, or a million tasks would not be one entry.
                let ends: Vec<_> = runs.iter().collect();
                prop_assert!(ends.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
        }
    }
}
