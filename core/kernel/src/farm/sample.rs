//! Which of many that stand in a row make a fair sample of them.

use std::collections::VecDeque;
use std::ops::Range;

use super::curve::Curve;
use super::waiting::Waiting;

/// Tiles of a stretch that are looked at for the dearest.
const LOOKS: u32 = 64;

/// Where the `pick`th of `count` samples of `all` lies: in the middle of its part.
pub(super) fn even(pick: u32, count: u32, all: u32) -> u32 {
    let place = (2 * u64::from(pick) + 1) * u64::from(all) / (2 * u64::from(count));
    place as u32
}

/// Where the `pick`th of `count` samples of `all` lies: anywhere in its part, and elsewhere in each.
pub(super) fn jittered(pick: u32, count: u32, all: u32, salt: u32) -> u32 {
    let edge = |pick: u32| (u64::from(pick) * u64::from(all) / u64::from(count)) as u32;
    let (from, to) = (edge(pick), edge(pick + 1));
    from + spread(pick.wrapping_add(salt.wrapping_mul(97)), to - from)
}

/// The rank, of those in a stretch, of the tile whose place in the picture costs most. Of a long
/// stretch some are looked at.
pub(super) fn dearest_place(curve: &Curve, waiting: &Waiting, stretch: Range<u32>) -> u32 {
    let count = stretch.len() as u32;
    let looks = count.min(LOOKS);
    let ranks = (0..looks).map(|look| stretch.start + even(look, looks, count));
    let cost = |rank: &u32| {
        let task = waiting.get(*rank);
        task.map_or(0.0, |task| curve.place_cost(task))
    };
    let dearest = ranks.max_by(|a, b| cost(a).total_cmp(&cost(b)));
    dearest.unwrap_or(stretch.start)
}

/// Numbers below `all` of which any few that follow one another lie far apart: multiples of the
/// golden section.
pub(super) fn spread(pick: u32, all: u32) -> u32 {
    let part = pick.wrapping_mul(2_654_435_769);
    ((u64::from(part) * u64::from(all)) >> 32) as u32
}

/// The numbers below `count`: the middle one, then the middle of each half, and so on, so that any
/// number of the first ones is a fair sample of all.
pub(super) fn scattered(count: usize) -> Vec<usize> {
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
    fn jittered_samples_lie_each_in_its_part_and_not_in_step() {
        // 45 frames of 20 tiles, on 20 slots: each gets the tiles of one frame, not one tile of all.
        let picks: Vec<u32> = (0..45).map(|pick| jittered(pick, 45, 900, 1)).collect();
        for (pick, rank) in picks.iter().enumerate() {
            assert_eq!(*rank as usize / 20, pick);
        }
        let mut places: Vec<u32> = picks.iter().map(|rank| rank % 20).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 20);
        for all in 1..40 {
            for count in 1..=all {
                let ranks: Vec<u32> = (0..count).map(|p| jittered(p, count, all, 3)).collect();
                assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]));
                assert!(ranks.iter().all(|rank| *rank < all));
            }
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
