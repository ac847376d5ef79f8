//! Taking a segment's tasks off a layer's queue.
//!
//! First what failed elsewhere, then the slot's part of what the user wants first, then the front
//! of the bulk, and last what failed on this very host before.

use super::Farm;
use crate::ids::{HostId, LayerId, TaskId};

/// How much a segment shall hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Amount {
    Tasks(u32),
    /// Seconds on a host of speed 1.
    Seconds(f64),
}

/// A segment being put together, and what it may still take.
struct Carved {
    tasks: Vec<TaskId>,
    room: usize,
    units: u64,
}

impl Farm {
    /// Takes about this much off the front of a layer's queue, for that host.
    pub(super) fn carve(
        &mut self,
        layer: LayerId,
        host: HostId,
        amount: Amount,
        others: usize,
    ) -> Vec<TaskId> {
        let (most, units) = match amount {
            Amount::Tasks(tasks) => (tasks as usize, u64::MAX),
            Amount::Seconds(seconds) => {
                let unit = self.seconds(layer, 1);
                (usize::MAX, (seconds / unit).round() as u64)
            }
        };
        let queue = &self.layers[layer.index()].queue;
        let urgent = queue.urgent.len().div_ceil(others.max(1));
        let (mut fresh, mut stale) = (Vec::new(), Vec::new());
        for task in &queue.retry {
            if self.has_failed_on(*task, host) {
                stale.push(*task);
            } else if self.may_go_to(*task, host) {
                fresh.push(*task);
            }
        }
        fresh.extend(queue.urgent.iter().take(urgent));
        stale.retain(|task| self.may_go_to(*task, host));
        let mut carved = Carved {
            tasks: Vec::new(),
            room: most,
            units,
        };
        self.carve_listed(fresh, &mut carved);
        self.carve_bulk(layer, &mut carved);
        // What failed here before comes last: until then either something else succeeds here, or
        // it is known that the host is to blame.
        self.carve_listed(stale, &mut carved);
        carved.tasks
    }

    fn carve_listed(&mut self, tasks: Vec<TaskId>, carved: &mut Carved) {
        for task in tasks {
            let cost = self.units(task);
            if carved.room == 0 || (carved.units < cost / 2 && !carved.tasks.is_empty()) {
                return;
            }
            self.dequeue(task);
            carved.room -= 1;
            carved.units = carved.units.saturating_sub(cost);
            carved.tasks.push(task);
        }
    }

    fn carve_bulk(&mut self, layer: LayerId, carved: &mut Carved) {
        let queue = &mut self.layers[layer.index()].queue;
        while let Some(run) = queue.bulk.first() {
            let mut count = self.job.nearest_count(run, carved.units);
            if carved.tasks.is_empty() {
                count = count.max(1);
            }
            let room = u32::try_from(carved.room).unwrap_or(u32::MAX);
            let taken = queue.bulk.take_front(count.min(room));
            if taken.is_empty() {
                return;
            }
            let units = self.job.units(taken.clone());
            queue.units -= units;
            carved.room -= taken.len();
            carved.units = carved.units.saturating_sub(units);
            carved.tasks.extend(taken.map(TaskId));
        }
    }
}
