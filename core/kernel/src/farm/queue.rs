//! What waits for a slot, layer by layer.
//!
//! Tasks that failed before and tasks the user wants first are few, and kept apart from the bulk.

use std::collections::BTreeSet;

use super::waiting::Waiting;
use crate::ids::TaskId;

/// All that waits, of one layer.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    /// What was never in trouble.
    pub bulk: Waiting,
    /// What the user wants first.
    pub urgent: BTreeSet<TaskId>,
    /// What failed before, and may not go everywhere.
    pub retry: BTreeSet<TaskId>,
    /// Estimated cost of all of them.
    pub units: u64,
}

impl Queue {
    pub fn new(bulk: Waiting) -> Queue {
        Queue {
            bulk,
            urgent: BTreeSet::new(),
            retry: BTreeSet::new(),
            units: 0,
        }
    }

    pub fn count(&self) -> u32 {
        self.bulk.count() + self.urgent.len() as u32 + self.retry.len() as u32
    }

    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    pub fn remove(&mut self, task: TaskId, units: u64) -> bool {
        let found = self.retry.remove(&task) || self.urgent.remove(&task) || self.bulk.remove(task);
        if found {
            self.units -= units;
        }
        found
    }
}
