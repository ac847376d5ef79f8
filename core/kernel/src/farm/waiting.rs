//! Which tasks of a layer wait, in one bit each, and the k-th of them in the logarithm of their
//! number.
//!
//! The tasks stand on an *axis*: by frame, or, where their costs are known one by one, the dearest
//! first. What is taken at even distances along the axis is a fair sample of what waits: of a shot
//! whose cost drifts from frame to frame in the one case, of dear and cheap tasks in the other.
//!
//! Invariant: `count` is the number of bits, and the tree holds the sums of the words.

use std::ops::Range;

use crate::ids::TaskId;

/// Bits of a word.
const BITS: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// Number of the layer's first task.
    first: u32,
    words: Vec<u64>,
    /// Sums of bits over the words, as a binary indexed tree; entry 0 is not used.
    tree: Vec<u32>,
    count: u32,
    /// `None` where the axis is the order of tasks.
    axis: Option<Axis>,
}

/// Another order than that of the tasks; both lists count from the layer's first task.
#[derive(Clone, Debug)]
struct Axis {
    /// Which task stands at a place.
    tasks: Vec<u32>,
    /// At which place a task stands.
    places: Vec<u32>,
}

impl Waiting {
    /// Nothing of a layer waits yet. Its axis is the order of its tasks.
    pub fn new(layer: Range<u32>) -> Waiting {
        let words = layer.len().div_ceil(BITS);
        Waiting {
            first: layer.start,
            words: vec![0; words],
            tree: vec![0; words + 1],
            count: 0,
            axis: None,
        }
    }

    /// As [`Waiting::new`], with the dearest tasks at the front of the axis, the earlier one first
    /// where two cost the same.
    pub fn dearest_first(layer: Range<u32>, units: impl Fn(u32) -> u64) -> Waiting {
        let first = layer.start;
        let mut tasks: Vec<u32> = (0..layer.len() as u32).collect();
        tasks.sort_by_key(|task| (std::cmp::Reverse(units(first + task)), *task));
        let mut places = vec![0; tasks.len()];
        for (place, task) in tasks.iter().enumerate() {
            places[*task as usize] = place as u32;
        }
        Waiting {
            axis: Some(Axis { tasks, places }),
            ..Waiting::new(layer)
        }
    }

    pub fn is_dearest_first(&self) -> bool {
        self.axis.is_some()
    }

    pub fn count(&self) -> u32 {
        self.count
    }

    fn place(&self, task: TaskId) -> usize {
        let offset = task.0 - self.first;
        let place = self
            .axis
            .as_ref()
            .map_or(offset, |axis| axis.places[offset as usize]);
        place as usize
    }

    fn task(&self, place: usize) -> TaskId {
        let offset = self
            .axis
            .as_ref()
            .map_or(place as u32, |axis| axis.tasks[place]);
        TaskId(self.first + offset)
    }

    fn has(&self, place: usize) -> bool {
        self.words[place / BITS] >> (place % BITS) & 1 == 1
    }

    /// All that waits, along the axis.
    pub fn iter(&self) -> impl Iterator<Item = TaskId> + '_ {
        (0..self.words.len() * BITS)
            .filter(|place| self.has(*place))
            .map(|place| self.task(place))
    }

    pub fn insert(&mut self, task: TaskId) {
        let place = self.place(task);
        debug_assert!(!self.has(place), "task {task} waits already");
        self.words[place / BITS] |= 1 << (place % BITS);
        self.count += 1;
        let mut node = place / BITS + 1;
        while node < self.tree.len() {
            self.tree[node] += 1;
            node += node & node.wrapping_neg();
        }
    }

    pub fn remove(&mut self, task: TaskId) -> bool {
        let place = self.place(task);
        let found = self.has(place);
        if found {
            self.clear(place);
        }
        found
    }

    fn clear(&mut self, place: usize) {
        self.words[place / BITS] &= !(1 << (place % BITS));
        self.count -= 1;
        let mut node = place / BITS + 1;
        while node < self.tree.len() {
            self.tree[node] -= 1;
            node += node & node.wrapping_neg();
        }
    }

    /// How many of the tasks before this one wait; where the axis is the order of tasks.
    pub fn rank(&self, task: TaskId) -> u32 {
        let place = (task.0 - self.first) as usize;
        let (mut node, mut sum) = (place / BITS, 0);
        let below = |word: &u64| (word & ((1 << (place % BITS)) - 1)).count_ones();
        sum += self.words.get(node).map_or(0, below);
        while node > 0 {
            sum += self.tree[node];
            node &= node - 1;
        }
        sum
    }

    /// The place of the waiting task before which so many others wait along the axis.
    fn find(&self, rank: u32) -> Option<usize> {
        if rank >= self.count {
            return None;
        }
        let (mut node, mut left) = (0, rank);
        let mut step = self.tree.len().next_power_of_two() / 2;
        while step > 0 {
            if let Some(sum) = self.tree.get(node + step)
                && *sum <= left
            {
                node += step;
                left -= sum;
            }
            step /= 2;
        }
        let mut word = self.words[node];
        for _ in 0..left {
            word &= word - 1;
        }
        Some(node * BITS + word.trailing_zeros() as usize)
    }

    /// The waiting task before which so many others wait along the axis.
    pub fn get(&self, rank: u32) -> Option<TaskId> {
        self.find(rank).map(|place| self.task(place))
    }

    /// Takes that task away.
    pub fn take(&mut self, rank: u32) -> Option<TaskId> {
        let place = self.find(rank)?;
        self.clear(place);
        Some(self.task(place))
    }

    /// Bytes that its lists hold.
    pub fn bytes(&self) -> usize {
        let axis = self.axis.as_ref().map_or(0, |axis| {
            (axis.tasks.capacity() + axis.places.capacity()) * size_of::<u32>()
        });
        self.words.capacity() * size_of::<u64>() + self.tree.capacity() * size_of::<u32>() + axis
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
        fn what_waits_is_a_set_with_ranks(
            steps in prop::collection::vec((0_u32..3, 0_u32..300), 0..200),
        ) {
            let mut waiting = Waiting::new(7..307);
            let mut plain = BTreeSet::new();
            for (step, number) in steps {
                let task = TaskId(7 + number);
                match step {
                    0 if plain.insert(task) => waiting.insert(task),
                    0 => {}
                    1 => prop_assert_eq!(waiting.remove(task), plain.remove(&task)),
                    _ => {
                        let expected = plain.iter().nth(number as usize).copied();
                        prop_assert_eq!(waiting.get(number), expected);
                        prop_assert_eq!(waiting.take(number), expected);
                        expected.inspect(|task| { plain.remove(task); });
                    }
                }
                let before = plain.iter().filter(|other| **other < task).count();
                prop_assert_eq!(waiting.rank(task) as usize, before);
                prop_assert_eq!(waiting.count() as usize, plain.len());
                prop_assert!(waiting.iter().eq(plain.iter().copied()));
            }
        }
    }

    #[test]
    fn the_dearest_stand_first_where_costs_are_known() {
        let costs = [3, 9, 1, 9, 4];
        let mut waiting = Waiting::dearest_first(10..15, |task| costs[task as usize - 10]);
        for task in 10..15 {
            waiting.insert(TaskId(task));
        }
        let order: Vec<u32> = waiting.iter().map(|task| task.0).collect();
        assert_eq!(order, [11, 13, 14, 10, 12]);
        assert!(waiting.remove(TaskId(13)) && !waiting.remove(TaskId(13)));
        assert_eq!(waiting.take(1), Some(TaskId(14)));
        assert_eq!(waiting.count(), 3);
    }
}
