//! Taking a segment's tasks off a layer's queue.
//!
//! First what failed elsewhere, then the slot's part of what the user wants first, then bulk, and
//! last what failed on this very host before. Where the renderer takes any list of tasks, the bulk
//! is a sample of all that waits: each slot gets its part of every stretch of the shot, dear and
//! cheap alike, so that segments of one size take one time although nobody knows what frames
//! cost; and what is rendered first tells about all the rest. Elsewhere it is the front.

use std::cmp::Reverse;
use std::collections::VecDeque;

use super::{Farm, LayerState};
use crate::ids::{HostId, LayerId, TaskId};

/// Passes over what waits in which a sample comes close to its amount.
const PASSES: u32 = 3;
/// Tasks that are chosen afterwards to fill up what is left.
const FITTED: u32 = 2;

/// A task that takes longer than there is room for by this part of it is taken all the same: the
/// dearest ones would wait for nothing else.
const OVER_PART: f64 = 0.02;
/// Segments of so many tasks are made of what costs most, as far as is known.
const FEW: u32 = 2;

/// How much a segment shall hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Amount {
    Tasks(u32),
    Part(Part),
    /// A little at a time.
    Stream {
        /// Seconds on a host of speed 1.
        seconds: f64,
        /// No task that takes longer than this.
        room: f64,
    },
}

/// A slot's part of what waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Seconds on a host of speed 1.
    pub seconds: f64,
    /// Whether the slot is meant to get more later.
    pub more: bool,
    /// Whether the dearest task ends nowhere sooner than here, though it be more than the part.
    pub dearest: bool,
}

/// A segment being put together, and what it may still take.
struct Carved {
    tasks: Vec<TaskId>,
    room: usize,
    units: u64,
}

impl Carved {
    /// Whether a task of this cost brings it nearer to what it shall hold.
    fn wants(&self, cost: u64) -> bool {
        self.room > 0 && (self.tasks.is_empty() || cost / 2 < self.units)
    }

    fn add(&mut self, task: TaskId, cost: u64) {
        self.room -= 1;
        self.units = self.units.saturating_sub(cost);
        self.tasks.push(task);
    }

    /// Adds tasks in an order of which every beginning is a fair sample of them.
    fn scatter(&mut self, picked: Vec<TaskId>) {
        let order = scattered(picked.len());
        self.tasks
            .extend(order.into_iter().map(|place| picked[place]));
    }
}

impl Farm {
    /// Takes about this much off a layer's queue, for that host.
    pub(super) fn carve(
        &mut self,
        layer: LayerId,
        host: HostId,
        amount: Amount,
        others: usize,
    ) -> Vec<TaskId> {
        let (room, units) = match amount {
            Amount::Tasks(tasks) => (tasks as usize, u64::MAX),
            Amount::Part(part) => {
                let unit = self.seconds(layer, 1);
                (usize::MAX, (part.seconds / unit).round() as u64)
            }
            Amount::Stream { seconds, .. } => {
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
        let tasks = Vec::new();
        let mut carved = Carved { tasks, room, units };
        self.carve_listed(fresh, &mut carved);
        match amount {
            Amount::Part(part) if self.job.takes_lists() => {
                if !self.layers[layer.index()].queue.bulk.is_dearest_first() {
                    if self.job.is_kept() && self.mean_count(layer, carved.units) <= FEW {
                        self.carve_one(layer, f64::INFINITY, &mut carved);
                    }
                    self.carve_evenly(layer, &mut carved);
                } else if part.more {
                    self.carve_front(layer, &mut carved);
                } else {
                    self.carve_fairly(layer, part.dearest, &mut carved);
                }
            }
            Amount::Stream { room, .. } => self.carve_stream(layer, room, &mut carved),
            Amount::Tasks(_) | Amount::Part(_) => self.carve_front(layer, &mut carved),
        }
        // What failed here before comes last: until then either something else succeeds here, or
        // it is known that the host is to blame.
        self.carve_listed(stale, &mut carved);
        carved.tasks
    }

    fn carve_listed(&mut self, tasks: Vec<TaskId>, carved: &mut Carved) {
        for task in tasks {
            let cost = self.units(task);
            if !carved.wants(cost) {
                return;
            }
            self.dequeue(task);
            carved.add(task, cost);
        }
    }

    fn carve_front(&mut self, layer: LayerId, carved: &mut Carved) {
        while let Some(task) = self.layers[layer.index()].queue.bulk.get(0)
            && carved.wants(self.units(task))
        {
            self.carve_at(layer, 0, carved);
        }
    }

    /// Takes the task of that rank.
    fn carve_at(&mut self, layer: LayerId, rank: u32, carved: &mut Carved) {
        let queue = &mut self.layers[layer.index()].queue;
        if let Some(task) = queue.bulk.take(rank) {
            let cost = self.job.units(task.0..task.0 + 1);
            queue.units -= cost;
            carved.add(task, cost);
        }
    }

    /// How many tasks of mean cost make up so much.
    fn mean_count(&self, layer: LayerId, units: u64) -> u32 {
        let queue = &self.layers[layer.index()].queue;
        let mean = (queue.units / u64::from(queue.count().max(1))).max(1);
        u32::try_from(units.saturating_add(mean / 2) / mean).unwrap_or(u32::MAX)
    }

    /// What costs most, as far as is known and as long as it fits, so that what is left to the end
    /// is small. Before anything is known, tasks from all along the layer in turn.
    fn carve_stream(&mut self, layer: LayerId, room: f64, carved: &mut Carved) {
        while (carved.tasks.is_empty() || carved.units > 0) && self.carve_one(layer, room, carved) {
        }
    }

    /// One such task. Returns whether there was one that is wanted.
    fn carve_one(&mut self, layer: LayerId, room: f64, carved: &mut Carved) -> bool {
        let LayerState {
            queue,
            curve,
            picks,
            ..
        } = &mut self.layers[layer.index()];
        let count = queue.bulk.count();
        if count == 0 {
            return false;
        }
        let rank = if queue.bulk.is_dearest_first() {
            let fits = (room * (1.0 + OVER_PART) / self.seconds(layer, 1)).round() as u64;
            self.rank_below(layer, fits).min(count - 1)
        } else if let Some(rank) = curve.dearest_waiting(&queue.bulk) {
            rank
        } else {
            *picks = picks.wrapping_add(1);
            spread(*picks, count)
        };
        let task = self.layers[layer.index()].queue.bulk.get(rank);
        let wanted = task.is_some_and(|task| carved.wants(self.units(task)));
        if wanted {
            self.carve_at(layer, rank, carved);
        }
        wanted
    }

    /// At even distances along the layer.
    fn carve_evenly(&mut self, layer: LayerId, carved: &mut Carved) {
        let waiting = self.layers[layer.index()].queue.bulk.count();
        let wanted = self.mean_count(layer, carved.units);
        let count = wanted.max(u32::from(carved.tasks.is_empty())).min(waiting);
        let before = carved.tasks.len();
        for pick in 0..count {
            self.carve_at(layer, even(pick, count, waiting) - pick, carved);
        }
        let picked = carved.tasks.split_off(before);
        carved.scatter(picked);
    }

    /// The dearest task, then a fair sample of dear and cheap ones, then what fits best.
    fn carve_fairly(&mut self, layer: LayerId, dearest: bool, carved: &mut Carved) {
        let before = carved.tasks.len();
        let first = if dearest && before == 0 {
            0
        } else {
            self.rank_below(layer, carved.units)
        };
        self.carve_at(layer, first, carved);
        for _ in 0..PASSES {
            // The last ones are chosen to fit.
            let count = self.mean_count(layer, carved.units).saturating_sub(1);
            let from = self.rank_below(layer, carved.units);
            let waiting = self.layers[layer.index()].queue.bulk.count() - from;
            let count = count.min(waiting);
            if count == 0 {
                break;
            }
            for pick in 0..count {
                let rank = from + even(pick, count, waiting) - pick;
                let task = self.layers[layer.index()].queue.bulk.get(rank);
                if task.is_some_and(|task| self.units(task) <= carved.units) {
                    self.carve_at(layer, rank, carved);
                } else {
                    break;
                }
            }
        }
        for _ in 0..FITTED {
            self.carve_fitting(layer, carved);
        }
        let mut picked = carved.tasks.split_off(before);
        picked.sort_by_key(|task| (Reverse(self.units(*task)), *task));
        carved.scatter(picked);
        // The cheapest last: what is cut off at the end shall be small.
        let half = before + (carved.tasks.len() - before) / 2;
        carved.tasks[half..].sort_by_key(|task| (Reverse(self.units(*task)), *task));
    }

    /// The task whose cost is nearest to what is still wanted, if it brings it nearer.
    fn carve_fitting(&mut self, layer: LayerId, carved: &mut Carved) {
        let below = self.rank_below(layer, carved.units);
        let bulk = &self.layers[layer.index()].queue.bulk;
        let cost = |rank: u32| bulk.get(rank).map(|task| self.units(task));
        let off = |rank: u32| cost(rank).map_or(u64::MAX, |cost| cost.abs_diff(carved.units));
        let above = below.saturating_sub(1);
        let rank = if off(above) < off(below) {
            above
        } else {
            below
        };
        if cost(rank).is_some_and(|cost| cost / 2 < carved.units) {
            self.carve_at(layer, rank, carved);
        }
    }

    /// The rank of the dearest waiting task that costs no more than this.
    fn rank_below(&self, layer: LayerId, units: u64) -> u32 {
        let bulk = &self.layers[layer.index()].queue.bulk;
        // Mostly the very first one fits.
        if bulk.get(0).is_some_and(|task| self.units(task) <= units) {
            return 0;
        }
        let (mut low, mut high) = (0, bulk.count());
        while low < high {
            let middle = low + (high - low) / 2;
            let dear = bulk
                .get(middle)
                .is_some_and(|task| self.units(task) > units);
            if dear {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// Where the `pick`th of `count` samples of `all` lies: in the middle of its part.
fn even(pick: u32, count: u32, all: u32) -> u32 {
    let place = (2 * u64::from(pick) + 1) * u64::from(all) / (2 * u64::from(count));
    place as u32
}

/// Numbers below `all` of which any few that follow one another lie far apart: multiples of the
/// golden section.
fn spread(pick: u32, all: u32) -> u32 {
    let part = pick.wrapping_mul(2_654_435_769);
    ((u64::from(part) * u64::from(all)) >> 32) as u32
}

/// The numbers below `count`: the middle one, then the middle of each half, and so on, so that any
/// number of the first ones is a fair sample of all.
fn scattered(count: usize) -> Vec<usize> {
    let mut order = Vec::with_capacity(count);
    let mut parts = VecDeque::new();
    parts.push_back(0..count);
    while let Some(part) = parts.pop_front() {
        if !part.is_empty() {
            let middle = part.start + part.len() / 2;
            order.push(middle);
            parts.extend([part.start..middle, middle + 1..part.end]);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_lie_evenly_and_each_apart() {
        let picks: Vec<u32> = (0..4).map(|pick| even(pick, 4, 40)).collect();
        assert_eq!(picks, [5, 15, 25, 35]);
        for count in 1..20 {
            let picks: Vec<u32> = (0..count).map(|pick| even(pick, count, 20)).collect();
            assert!(picks.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(picks.iter().all(|pick| *pick < 20));
        }
    }

    #[test]
    fn the_scattered_order_has_each_number_once() {
        assert_eq!(scattered(7), [3, 1, 5, 0, 2, 4, 6]);
        for count in 0..20 {
            let mut order = scattered(count);
            order.sort_unstable();
            assert!(order.into_iter().eq(0..count));
        }
    }
}
