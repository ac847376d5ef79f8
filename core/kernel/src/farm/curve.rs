//! How costs run along a layer, as what has ended shows.
//!
//! The layer is divided into at most [`BINS_MAX`] stretches. The relative cost of a stretch (real by
//! estimated) is the mean over the nearest [`NEAREST`] stretches of which something has ended, each
//! weighed by the inverse of its distance, with a part of [`WHOLE`] of the mean of all: frames near
//! each other cost alike, and single ones deceive.
//!
//! Memory does not grow with tasks. The curve is reckoned anew when what has ended has grown by a
//! sixteenth, so an event costs a constant on average.

use std::ops::Range;

use super::waiting::Waiting;
use crate::ids::TaskId;

/// Most stretches of a layer.
const BINS_MAX: usize = 256;
/// How many stretches make the cost of one.
const NEAREST: usize = 12;
/// How much the mean of the layer counts.
const WHOLE: f64 = 0.15;
/// How many tasks must have ended before there is a curve.
const FROM: u32 = 8;
/// It is reckoned anew after this part of what had ended before.
const GROWTH: u32 = 16;

#[derive(Clone, Debug)]
pub(super) struct Curve {
    range: Range<u32>,
    /// Real and estimated seconds of what ended, stretch by stretch; empty before the first.
    ended: Vec<(f64, f64)>,
    count: u32,
    /// The count at which it is reckoned anew.
    next: u32,
    /// Stretches, the dearest first; empty as long as there is no curve.
    dearest: Vec<u16>,
    /// Those of them before this one had nothing left that waits.
    cursor: usize,
    /// Relative cost of each stretch, summed up from the first; empty as long as there is no curve.
    sums: Vec<f64>,
}

impl Curve {
    pub fn new(range: Range<u32>) -> Curve {
        Curve {
            range,
            ended: Vec::new(),
            count: 0,
            next: FROM,
            dearest: Vec::new(),
            cursor: 0,
            sums: Vec::new(),
        }
    }

    fn bins(&self) -> usize {
        self.range.len().clamp(1, BINS_MAX)
    }

    /// A task ended that was estimated at so many seconds and really took so many.
    pub fn add(&mut self, task: TaskId, took: f64, estimated: f64) {
        let bins = self.bins();
        if self.ended.is_empty() {
            self.ended.resize(bins, (0.0, 0.0));
        }
        let place = u64::from(task.0 - self.range.start) * bins as u64 / self.range.len() as u64;
        let bin = &mut self.ended[place as usize];
        bin.0 += took;
        bin.1 += estimated;
        self.count += 1;
        if self.count >= self.next {
            self.next = self.count + (self.count / GROWTH).max(1);
            self.reckon();
        }
    }

    fn reckon(&mut self) {
        let known: Vec<(usize, f64)> = self
            .ended
            .iter()
            .enumerate()
            .filter(|(_, (_, estimated))| *estimated > 0.0)
            .map(|(bin, (took, estimated))| (bin, took / estimated))
            .collect();
        let whole = known.iter().map(|(_, cost)| cost).sum::<f64>() / known.len() as f64;
        let costs: Vec<f64> = (0..self.bins())
            .map(|bin| WHOLE * whole + (1.0 - WHOLE) * near(&known, bin))
            .collect();
        let mut sum = 0.0;
        self.sums = std::iter::once(0.0)
            .chain(costs.iter().map(|cost| {
                sum += cost;
                sum
            }))
            .collect();
        self.cursor = 0;
        self.dearest = (0..costs.len() as u16).collect();
        self.dearest.sort_by(|a, b| {
            let (a, b) = (costs[usize::from(*a)], costs[usize::from(*b)]);
            b.total_cmp(&a)
        });
    }

    /// Mean cost of a run of tasks, relative to their estimate; `None` as long as nobody knows.
    pub fn mean(&self, first: TaskId, last: TaskId) -> Option<f64> {
        let (bins, len) = (self.bins() as f64, self.range.len() as f64);
        let place = |task: u32| f64::from(task - self.range.start) * bins / len;
        let up_to = |place: f64| {
            let bin = (place as usize).min(self.sums.len() - 2);
            let part = place - bin as f64;
            self.sums[bin] + part * (self.sums[bin + 1] - self.sums[bin])
        };
        if self.sums.is_empty() {
            return None;
        }
        let (from, to) = (place(first.0), place(last.0 + 1));
        Some((up_to(to) - up_to(from)) / (to - from))
    }

    /// A task waits again, somewhere.
    pub fn look_again(&mut self) {
        self.cursor = 0;
    }

    /// The rank of a task that waits, in the middle of the dearest stretch that has one; none as
    /// long as nobody knows.
    pub fn dearest_waiting(&mut self, waiting: &Waiting) -> Option<u32> {
        loop {
            let bin = *self.dearest.get(self.cursor)?;
            let range = self.stretch(bin);
            let from = waiting.rank(TaskId(range.start));
            let to = waiting.rank(TaskId(range.end));
            if from < to {
                return Some(from + (to - from) / 2);
            }
            self.cursor += 1;
        }
    }

    /// The tasks of a stretch. Its first one is the first that `add` puts there.
    fn stretch(&self, bin: u16) -> Range<u32> {
        let (bins, len) = (self.bins() as u64, self.range.len() as u64);
        let edge = |bin: u64| self.range.start + (bin * len).div_ceil(bins) as u32;
        edge(u64::from(bin))..edge(u64::from(bin) + 1)
    }

    /// The stretches of tasks, the dearest first; none as long as nobody knows.
    #[cfg(test)]
    fn dearest(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        self.dearest.iter().map(|bin| self.stretch(*bin))
    }
}

/// The cost at a place, from those nearest to it.
fn near(known: &[(usize, f64)], bin: usize) -> f64 {
    let (mut right, mut sum, mut weights) = (known.partition_point(|(at, _)| *at < bin), 0.0, 0.0);
    let mut left = right;
    for _ in 0..NEAREST.min(known.len()) {
        let before = left.checked_sub(1).map(|place| known[place]);
        let behind = known.get(right).copied();
        let distance = |(at, _): (usize, f64)| at.abs_diff(bin);
        let takes_before = match (before, behind) {
            (Some(before), Some(behind)) => distance(before) < distance(behind),
            (before, _) => before.is_some(),
        };
        let next = if takes_before { before } else { behind };
        if takes_before {
            left -= 1;
        } else {
            right += 1;
        }
        if let Some(one) = next {
            let weight = 1.0 / (distance(one) as f64 + 0.5);
            sum += weight * one.1;
            weights += weight;
        }
    }
    sum / weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_anything_is_known_there_is_no_curve() {
        let mut curve = Curve::new(10..110);
        curve.add(TaskId(10), 1.0, 1.0);
        assert_eq!(curve.dearest().count(), 0);
    }

    #[test]
    fn a_run_costs_what_its_stretches_cost() {
        let mut curve = Curve::new(100..1100);
        assert_eq!(curve.mean(TaskId(100), TaskId(1099)), None);
        for place in 0..1000 {
            let cost = if place < 500 { 1.0 } else { 3.0 };
            curve.add(TaskId(100 + place), cost, 1.0);
        }
        let mean = |first, last| curve.mean(TaskId(first), TaskId(last)).unwrap();
        assert!((mean(100, 1099) - 2.0).abs() < 0.1);
        assert!((mean(150, 450) - 1.15).abs() < 0.05, "{}", mean(150, 450));
        assert!(
            (mean(1099, 1099) - 2.85).abs() < 0.05,
            "{}",
            mean(1099, 1099)
        );
    }

    #[test]
    fn stretches_cover_the_layer_once_and_the_dear_end_comes_first() {
        for len in [9_u32, 100, 256, 1_000] {
            let mut curve = Curve::new(10..10 + len);
            for place in 0..9 {
                let task = TaskId(10 + place * (len - 1) / 8);
                curve.add(task, f64::from(task.0), 1.0);
            }
            let mut order: Vec<Range<u32>> = curve.dearest().collect();
            assert!(order[0].start > order[order.len() - 1].start, "{len}");
            order.sort_by_key(|range| range.start);
            assert_eq!(order[0].start, 10);
            assert_eq!(order[order.len() - 1].end, 10 + len);
            assert!(order.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
    }
}
