//! How costs run along a layer, as what has ended shows.
//!
//! The layer is divided into at most [`BINS_MAX`] stretches. The relative cost of a stretch (real by
//! estimated) is the mean over the nearest [`NEAREST`] stretches of which something has ended, each
//! weighed by the inverse of its distance, with a part of [`WHOLE`] of the mean of all: frames near
//! each other cost alike, and single ones deceive.
//!
//! Where all frames of a layer are in as many tiles, the curve is one along frames, and beside it
//! stands what each place of the picture costs relative to the others, from the same place in all frames: a
//! tile costs what its frame costs by what its place does. Of layers with other tiles it is a curve along
//! tasks, like any.
//!
//! Memory does not grow with frames. The curve is reckoned anew when what has ended has grown by a
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
/// Fewer frames than this tell nothing of places: then it is a curve along tasks.
const FRAMES_FROM: u32 = 3;
/// Of a run of more tiles than this it does not matter where in the picture they are.
const RUN_MAX: u32 = 64;

#[derive(Clone, Debug)]
pub(super) struct Curve {
    range: Range<u32>,
    /// How many tasks stand at one place of it: the tiles of a frame, or one.
    tiles: u32,
    /// Real and estimated seconds of what ended, by its place in the picture; empty where there are
    /// none, or before the first.
    places: Vec<(f64, f64)>,
    /// The sums of these, and how many.
    all: (f64, f64),
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
    /// Of these tasks. `tiles` of them make a frame, if that is so for all frames.
    pub fn new(range: Range<u32>, tiles: Option<u32>) -> Curve {
        let enough = |tiles: &u32| range.len() as u32 / tiles >= FRAMES_FROM;
        Curve {
            tiles: tiles.filter(enough).unwrap_or(1),
            places: Vec::new(),
            all: (0.0, 0.0),
            range,
            ended: Vec::new(),
            count: 0,
            next: FROM,
            dearest: Vec::new(),
            cursor: 0,
            sums: Vec::new(),
        }
    }

    /// How many places it has: frames, or tasks.
    fn len(&self) -> usize {
        self.range.len() / self.tiles as usize
    }

    fn bins(&self) -> usize {
        self.len().clamp(1, BINS_MAX)
    }

    /// Whether it knows of places in the picture.
    pub fn is_tiled(&self) -> bool {
        self.tiles > 1
    }

    /// What a tile costs for its place in the picture, relative to the mean of all places. What is
    /// known of a place counts as one tile more of mean cost.
    pub fn place_cost(&self, task: TaskId) -> f64 {
        let place = (task.0 - self.range.start) % self.tiles;
        let known = self.places.get(place as usize);
        let Some((took, estimated)) = known.filter(|_| self.all.0 > 0.0) else {
            return 1.0;
        };
        let whole = self.all.0 / self.all.1;
        let one = self.all.1 / f64::from(self.count.max(1));
        (took / whole + one) / (estimated + one)
    }

    fn learn_place(&mut self, task: TaskId, took: f64, estimated: f64) {
        if !self.is_tiled() {
            return;
        }
        let place = (task.0 - self.range.start) % self.tiles;
        self.places.resize(self.tiles as usize, (0.0, 0.0));
        let sums = &mut self.places[place as usize];
        *sums = (sums.0 + took, sums.1 + estimated);
        self.all = (self.all.0 + took, self.all.1 + estimated);
    }

    /// A task ended that was estimated at so many seconds and really took so many.
    pub fn add(&mut self, task: TaskId, took: f64, estimated: f64) {
        let bins = self.bins();
        if self.ended.is_empty() {
            self.ended.resize(bins, (0.0, 0.0));
        }
        let at = u64::from((task.0 - self.range.start) / self.tiles);
        let bin = at * bins as u64 / self.len() as u64;
        // What is due to its place is not its frame's.
        let due = self.place_cost(task);
        let bin = &mut self.ended[bin as usize];
        bin.0 += took;
        bin.1 += estimated * due;
        self.count += 1;
        self.learn_place(task, took, estimated);
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
        let (bins, len) = (self.bins() as f64, self.len() as f64);
        let tiles = f64::from(self.tiles);
        let place = |task: u32| f64::from(task - self.range.start) * bins / (len * tiles);
        let up_to = |place: f64| {
            let bin = (place as usize).min(self.sums.len() - 2);
            let part = place - bin as f64;
            self.sums[bin] + part * (self.sums[bin + 1] - self.sums[bin])
        };
        if self.sums.is_empty() {
            return None;
        }
        let (from, to) = (place(first.0), place(last.0 + 1));
        let frames = (up_to(to) - up_to(from)) / (to - from);
        Some(frames * self.places_cost(first.0..last.0 + 1))
    }

    /// Mean of what the places of a run of tiles cost.
    fn places_cost(&self, run: Range<u32>) -> f64 {
        let count = run.len();
        if !self.is_tiled() || count > RUN_MAX as usize {
            return 1.0;
        }
        let sum: f64 = run.map(|task| self.place_cost(TaskId(task))).sum();
        sum / count as f64
    }

    /// A task waits again, somewhere.
    pub fn look_again(&mut self) {
        self.cursor = 0;
    }

    /// The ranks of what waits of the dearest stretch of which something does; none as long as
    /// nobody knows.
    pub fn dearest_waiting(&mut self, waiting: &Waiting) -> Option<Range<u32>> {
        loop {
            let bin = *self.dearest.get(self.cursor)?;
            let range = self.stretch(bin);
            let from = waiting.rank(TaskId(range.start));
            let to = waiting.rank(TaskId(range.end));
            if from < to {
                return Some(from..to);
            }
            self.cursor += 1;
        }
    }

    /// The tasks of a stretch. Its first one is the first that `add` puts there.
    fn stretch(&self, bin: u16) -> Range<u32> {
        let (bins, len) = (self.bins() as u64, self.len() as u64);
        let edge = |bin: u64| self.range.start + (bin * len).div_ceil(bins) as u32 * self.tiles;
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
        let mut curve = Curve::new(10..110, None);
        curve.add(TaskId(10), 1.0, 1.0);
        assert_eq!(curve.dearest().count(), 0);
    }

    #[test]
    fn a_run_costs_what_its_stretches_cost() {
        let mut curve = Curve::new(100..1100, None);
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

    /// Ten frames of a hundred tiles: frames rise from 1 to 1.9, and in each the last ten tiles
    /// cost ten times what the others do.
    #[test]
    fn a_tile_costs_what_its_frame_does_by_what_its_place_does() {
        let truth = |task: u32| {
            let frame = 1.0 + f64::from(task / 100) * 0.1;
            frame * if task % 100 >= 90 { 10.0 } else { 1.0 }
        };
        let mut curve = Curve::new(0..1000, Some(100));
        // A third of all, from everywhere.
        for task in (0..1000).step_by(3) {
            curve.add(TaskId(task), truth(task), 1.0);
        }
        let mean = |task: u32| curve.mean(TaskId(task), TaskId(task)).unwrap();
        for (cheap, dear) in [(100, 195), (502, 597), (905, 998)] {
            let (told, real) = (mean(dear) / mean(cheap), truth(dear) / truth(cheap));
            assert!(told > 0.5 * real && told < 1.5 * real, "{told} for {real}");
        }
        let rises = mean(905) / mean(10);
        assert!((1.2..1.9).contains(&rises), "{rises}");
        // Along tasks alone neighbours in a row would be taken for alike.
        let mut rows = Curve::new(0..1000, None);
        for task in (0..1000).step_by(3) {
            rows.add(TaskId(task), truth(task), 1.0);
        }
        let off = |curve: &Curve| -> f64 {
            let told = |task: u32| curve.mean(TaskId(task), TaskId(task)).unwrap();
            (1..1000)
                .step_by(3)
                .map(|task| (told(task) / truth(task)).ln().powi(2))
                .sum()
        };
        assert!(
            off(&curve) < 0.5 * off(&rows),
            "{} {}",
            off(&curve),
            off(&rows)
        );
    }

    #[test]
    fn stretches_cover_the_layer_once_and_the_dear_end_comes_first() {
        for len in [9_u32, 100, 256, 1_000] {
            let mut curve = Curve::new(10..10 + len, None);
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
