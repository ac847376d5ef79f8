//! Taking a segment's tasks off a layer's queue.
//!
//! First what failed elsewhere, then the slot's part of what the user wants first, then bulk, and
//! last what failed on this very host before. Where the renderer takes any list of tasks, the bulk
//! is a sample of all that waits: each slot gets its part of every stretch of the shot, dear and
//! cheap alike, so that segments of one size take one time although nobody knows what frames
//! cost; and what is rendered first tells about all the rest. Elsewhere it is the front. What goes last
//! is taken when nothing else waits for the slot, or nothing that it could end in time.

use std::cmp::Reverse;

use super::sample::{dearest_place, even, jittered, scattered, spread};
use super::waiting::Waiting;
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

/// What of a layer a slot may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// What does not go last; of a little at a time only what fits.
    First,
    /// What goes last.
    Last,
    /// Anything.
    Any,
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
        which: Which,
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
        let mut carved = Carved {
            tasks: Vec::new(),
            room,
            units,
        };
        if which == Which::Last {
            self.carve_last(layer, amount, &mut carved);
            return carved.tasks;
        }
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
        self.carve_listed(fresh, &mut carved);
        match amount {
            Amount::Part(part) if self.job.takes_lists() => {
                if !self.layers[layer.index()].queue.bulk.is_dearest_first() {
                    if self.job.is_kept() && self.mean_count(layer, carved.units) <= FEW {
                        self.carve_some(layer, None, which, &mut carved);
                    }
                    self.carve_evenly(layer, &mut carved);
                } else if part.more {
                    self.carve_front(layer, &mut carved);
                } else {
                    self.carve_fairly(layer, part.dearest, &mut carved);
                }
            }
            Amount::Stream { room, .. } => self.carve_stream(layer, room, which, &mut carved),
            Amount::Tasks(_) | Amount::Part(_) => self.carve_front(layer, &mut carved),
        }
        // Who gets its whole share in one segment gets its part of what goes last in it.
        if which == Which::Any || matches!(amount, Amount::Part(part) if !part.more) {
            self.carve_last(layer, amount, &mut carved);
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

    /// Of what goes last, the dearest that fits, as long as any is wanted.
    fn carve_last(&mut self, layer: LayerId, amount: Amount, carved: &mut Carved) {
        let room = match amount {
            Amount::Stream { room, .. } => room * (1.0 + OVER_PART) / self.seconds(layer, 1),
            Amount::Tasks(_) | Amount::Part(_) => f64::INFINITY,
        };
        while let Some(last) = &self.layers[layer.index()].queue.last
            && let Some(count) = last.count().checked_sub(1)
        {
            let fits = carved.units.max(1).min(room.round() as u64);
            let rank = if last.is_dearest_first() {
                self.rank_below(last, fits).min(count)
            } else {
                0
            };
            let Some(task) = last.get(rank) else {
                return;
            };
            let cost = self.units(task);
            if !carved.wants(cost) {
                return;
            }
            self.dequeue(task);
            carved.add(task, cost);
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
        let units_waiting = queue.units - queue.last_units;
        let mean = (units_waiting / u64::from(queue.first_count().max(1))).max(1);
        u32::try_from(units.saturating_add(mean / 2) / mean).unwrap_or(u32::MAX)
    }

    /// What costs most, as far as is known and as long as it fits, so that what is left to the end
    /// is small. Before anything is known, tasks from all along the layer in turn.
    fn carve_stream(&mut self, layer: LayerId, room: f64, which: Which, carved: &mut Carved) {
        let fits = (room * (1.0 + OVER_PART) / self.seconds(layer, 1)).round() as u64;
        while (carved.tasks.is_empty() || carved.units > 0)
            && self.carve_some(layer, Some(fits), which, carved)
        {}
    }

    /// Some such tasks, as many as lie together. Returns whether there were any that are wanted.
    /// `fits` is the most that one may cost, as far as there is a choice.
    fn carve_some(
        &mut self,
        layer: LayerId,
        fits: Option<u64>,
        which: Which,
        carved: &mut Carved,
    ) -> bool {
        let fits = fits.unwrap_or(u64::MAX);
        let wanted = self.mean_count(layer, carved.units).max(1);
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
        let ranks = if queue.bulk.is_dearest_first() {
            let bulk = &self.layers[layer.index()].queue.bulk;
            let rank = self.rank_below(bulk, fits).min(count - 1);
            rank..rank + 1
        } else if let Some(stretch) = curve.dearest_waiting(&queue.bulk) {
            if curve.is_tiled() {
                let rank = dearest_place(curve, &queue.bulk, stretch);
                return self.carve_one(layer, rank, fits, which, carved);
            }
            // From its middle.
            let most = wanted.min(stretch.len() as u32);
            let from = stretch.start + (stretch.len() as u32 - most) / 2;
            from..from + most
        } else {
            *picks = picks.wrapping_add(1);
            let rank = spread(*picks, count);
            rank..rank + 1
        };
        let before = carved.tasks.len();
        for _ in ranks.clone() {
            // What comes behind a task that was taken moves up to its rank.
            if !self.carve_one(layer, ranks.start, fits, which, carved) {
                break;
            }
        }
        carved.tasks.len() > before
    }

    /// The task of that rank, if it is wanted.
    fn carve_one(
        &mut self,
        layer: LayerId,
        rank: u32,
        fits: u64,
        which: Which,
        carved: &mut Carved,
    ) -> bool {
        let task = self.layers[layer.index()].queue.bulk.get(rank);
        let wants = task
            .map(|task| self.units(task))
            .is_some_and(|cost| carved.wants(cost) && (which != Which::First || cost <= fits));
        if wants {
            self.carve_at(layer, rank, carved);
        }
        wants
    }

    /// At even distances along the layer.
    fn carve_evenly(&mut self, layer: LayerId, carved: &mut Carved) {
        let waiting = self.layers[layer.index()].queue.bulk.count();
        let wanted = self.mean_count(layer, carved.units);
        let count = wanted.max(u32::from(carved.tasks.is_empty())).min(waiting);
        let before = carved.tasks.len();
        let state = &mut self.layers[layer.index()];
        let tiled = state.curve.is_tiled();
        if tiled {
            state.picks = state.picks.wrapping_add(1);
        }
        let salt = state.picks;
        for pick in 0..count {
            // Tiles at even distances would be the same place in each frame.
            let rank = if tiled {
                jittered(pick, count, waiting, salt)
            } else {
                even(pick, count, waiting)
            };
            self.carve_at(layer, rank - pick, carved);
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
            let bulk = &self.layers[layer.index()].queue.bulk;
            self.rank_below(bulk, carved.units)
        };
        self.carve_at(layer, first, carved);
        for _ in 0..PASSES {
            // The last ones are chosen to fit.
            let count = self.mean_count(layer, carved.units).saturating_sub(1);
            let bulk = &self.layers[layer.index()].queue.bulk;
            let from = self.rank_below(bulk, carved.units);
            let waiting = bulk.count() - from;
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
        let bulk = &self.layers[layer.index()].queue.bulk;
        let below = self.rank_below(bulk, carved.units);
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
    fn rank_below(&self, waiting: &Waiting, units: u64) -> u32 {
        // Mostly the very first one fits.
        if waiting.get(0).is_some_and(|task| self.units(task) <= units) {
            return 0;
        }
        let (mut low, mut high) = (0, waiting.count());
        while low < high {
            let middle = low + (high - low) / 2;
            let dear = waiting
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
