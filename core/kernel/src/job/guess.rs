//! Given costs err; what is done about it before any schedule is made of them.
//!
//! Who sorts tasks by costs that are off sorts them by their errors, too: what looks dearest is
//! mostly what was overestimated most. So a cost is drawn towards the mean of its neighbours on the
//! frame axis, the more the less costs vary from frame to frame beyond what their error explains
//! (James and Stein's shrinkage, its weight estimated from the layer as a whole): of a shot whose
//! costs change slowly hardly anything is left of the error, and single dear frames stay dear. And
//! where all of a layer costs the same but for the error, it is taken to.
//!
//! Whole frames are compared with whole frames only, and tiles with tiles of frames that are in as many.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Job, NO_TILE};

/// Neighbours on each side.
const NEAR: usize = 6;
/// Costs that deviate by up to this many times their error are taken as equal.
const ALIKE: f64 = 1.25;

impl Job {
    /// Replaces given costs by what is to be expected of their tasks.
    pub(crate) fn correct_costs(&mut self) {
        let before = std::mem::take(&mut self.sums);
        let (mut sum, mut sums) = (0, Vec::with_capacity(before.len()));
        sums.push(0);
        for layer in &self.layers {
            let range = layer.first as usize..layer.end as usize;
            let costs = before[range.start..=range.end].windows(2);
            let mut costs: Vec<f64> = costs.map(|pair| (pair[1] - pair[0]) as f64).collect();
            if self.keys[range.clone()]
                .iter()
                .all(|key| key.tile == NO_TILE)
            {
                draw_near(&mut costs, self.error);
                level_alike(&mut costs, self.error);
            } else {
                self.correct_by_size(range, &mut costs);
            }
            sums.extend(costs.into_iter().map(|cost| {
                sum += (cost.round() as u64).max(1);
                sum
            }));
        }
        self.sums = sums;
    }

    /// The same, for what is of one size each time. Tiles of one frame are no neighbours in time.
    fn correct_by_size(&self, range: Range<usize>, costs: &mut [f64]) {
        let keys = &self.keys[range];
        let mut sizes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut first = 0;
        for frame in keys.chunk_by(|a, b| a.frame == b.frame) {
            let tiles = if frame[0].tile == NO_TILE {
                0
            } else {
                frame.len()
            };
            let places = first..first + frame.len();
            sizes.entry(tiles).or_default().extend(places);
            first += frame.len();
        }
        for (tiles, places) in sizes {
            let mut own: Vec<f64> = places.iter().map(|place| costs[*place]).collect();
            if tiles == 0 {
                draw_near(&mut own, self.error);
            }
            level_alike(&mut own, self.error);
            for (place, cost) in places.into_iter().zip(own) {
                costs[place] = cost;
            }
        }
    }
}

/// The part of costs' variation from frame to frame that is not explained by their error.
fn real_part(costs: &[f64], near: &[f64], error: f64) -> f64 {
    let pairs = costs.iter().zip(near);
    let squares = pairs.map(|(cost, near)| (cost / near - 1.0).powi(2));
    let variance = squares.sum::<f64>() / costs.len() as f64;
    // The mean of the neighbours errs as well.
    let explained = error * error * (1.0 + 1.0 / (2 * NEAR + 1) as f64);
    if variance > explained {
        1.0 - explained / variance
    } else {
        0.0
    }
}

fn draw_near(costs: &mut [f64], error: f64) {
    if costs.len() <= 2 * NEAR || costs.iter().any(|cost| *cost <= 0.0) {
        return;
    }
    let near: Vec<f64> = (0..costs.len())
        .map(|place| {
            // As many on either side, or a slope would be bent at its ends.
            let reach = NEAR.min(place).min(costs.len() - 1 - place);
            let window = &costs[place - reach..=place + reach];
            window.iter().sum::<f64>() / window.len() as f64
        })
        .collect();
    let part = real_part(costs, &near, error);
    for (cost, near) in costs.iter_mut().zip(near) {
        *cost = near + part * (*cost - near);
    }
}

fn level_alike(costs: &mut [f64], error: f64) {
    let mean = costs.iter().sum::<f64>() / costs.len() as f64;
    let squares = costs.iter().map(|cost| (cost / mean - 1.0).powi(2));
    let variance = squares.sum::<f64>() / costs.len() as f64;
    if variance.sqrt() < ALIKE * error {
        costs.fill(mean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Rng;

    /// Mean square error of what is made of true costs that are told wrongly, relative to the cost.
    fn off(truth: impl Fn(usize, &mut Rng) -> f64, corrected: bool) -> f64 {
        let mut rng = Rng::new(7);
        let costs: Vec<f64> = (0..400).map(|place| truth(place, &mut rng)).collect();
        let mut told: Vec<f64> = costs
            .iter()
            .map(|cost| cost * (1.0 + 0.2 * rng.normal()).max(0.1))
            .collect();
        if corrected {
            draw_near(&mut told, 0.2);
        }
        let squares = costs
            .iter()
            .zip(&told)
            .map(|(cost, told)| (told / cost - 1.0).powi(2));
        (squares.sum::<f64>() / 400.0).sqrt()
    }

    #[test]
    fn of_a_slow_change_hardly_any_error_is_left() {
        let ramp = |place: usize, _: &mut Rng| 100.0 + place as f64;
        assert!(
            off(ramp, true) < 0.5 * off(ramp, false),
            "{}",
            off(ramp, true)
        );
    }

    #[test]
    fn what_varies_by_itself_stays() {
        let spiky = |_: usize, rng: &mut Rng| if rng.chance(0.05) { 800.0 } else { 100.0 };
        assert!(
            off(spiky, true) < 1.5 * off(spiky, false),
            "{}",
            off(spiky, true)
        );
        let wild = |_: usize, rng: &mut Rng| 100.0 * (0.6 * rng.normal()).exp();
        assert!(
            off(wild, true) < 1.1 * off(wild, false),
            "{}",
            off(wild, true)
        );
    }

    #[test]
    fn costs_without_error_are_left_as_they_are() {
        let mut costs: Vec<f64> = (0..50).map(|place| 10.0 + f64::from(place % 7)).collect();
        let before = costs.clone();
        draw_near(&mut costs, 0.0);
        level_alike(&mut costs, 0.0);
        for (cost, before) in costs.iter().zip(before) {
            assert!((cost - before).abs() < 1e-9);
        }
    }

    #[test]
    fn what_differs_by_its_error_alone_is_equal() {
        let mut rng = Rng::new(3);
        let mut costs: Vec<f64> = (0..300)
            .map(|_| 100.0 * (1.0 + 0.2 * rng.normal()))
            .collect();
        level_alike(&mut costs, 0.2);
        assert!(costs.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
