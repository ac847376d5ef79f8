//! What waits for a slot, layer by layer.
//!
//! Tasks that failed before and tasks the user wants first are few, and kept apart from the bulk; so
//! are those that go last, or whoever takes a fair sample of what waits would take of them, too.

use std::collections::BTreeSet;

use super::waiting::Waiting;
use crate::ids::TaskId;

/// All that waits, of one layer.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    /// What was never in trouble.
    pub bulk: Waiting,
    /// What goes after all others; `None` where the layer has no such tasks.
    pub last: Option<Waiting>,
    /// What the user wants first.
    pub urgent: BTreeSet<TaskId>,
    /// What failed before, and may not go everywhere.
    pub retry: BTreeSet<TaskId>,
    /// Estimated cost of all of them.
    pub units: u64,
    /// And of those of them that go last.
    pub last_units: u64,
}

impl Queue {
    pub fn new(bulk: Waiting, last: Option<Waiting>) -> Queue {
        Queue {
            bulk,
            last,
            urgent: BTreeSet::new(),
            retry: BTreeSet::new(),
            units: 0,
            last_units: 0,
        }
    }

    pub fn count(&self) -> u32 {
        self.first_count() + self.last_count()
    }

    /// Without those that go last.
    pub fn first_count(&self) -> u32 {
        self.bulk.count() + self.urgent.len() as u32 + self.retry.len() as u32
    }

    /// Those that go last.
    pub fn last_count(&self) -> u32 {
        self.last.as_ref().map_or(0, Waiting::count)
    }

    /// Everything that anybody may take without regard to where it failed or who wants it.
    pub fn plain_count(&self) -> u32 {
        self.bulk.count() + self.last_count()
    }

    /// Where tasks stand whose costs are known one by one, the dearest first: the bulk, and those that
    /// go last.
    pub fn known(&self) -> impl Iterator<Item = &Waiting> {
        let all = std::iter::once(&self.bulk).chain(&self.last);
        // Of those that go last it is known what size they are, beside the others.
        all.filter(|waiting| waiting.is_dearest_first() || self.last_count() > 0)
    }

    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    pub fn remove(&mut self, task: TaskId, units: u64) -> bool {
        let first = self.retry.remove(&task) || self.urgent.remove(&task) || self.bulk.remove(task);
        let last = !first && self.last.as_mut().is_some_and(|last| last.remove(task));
        if first || last {
            self.units -= units;
        }
        if last {
            self.last_units -= units;
        }
        first || last
    }
}
