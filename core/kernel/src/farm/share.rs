//! Who gets how much: the load-aware, speed-weighted share.
//!
//! With slot i ready at rᵢ (busy until then, loading until then) and of speed sᵢ, everything ends
//! together at T*, the smallest T with Σ sᵢ·max(0, T − rᵢ) ≥ work. A slot with rᵢ ≥ T* is not worth
//! starting. Tasks are whole: each slot first gets what it surely ends by T*, and the tasks left
//! over go, one by one, to the slot that would end them soonest.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A slot as a share sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reach {
    /// Seconds from now until it could render.
    pub ready: f64,
    /// How fast it is then.
    pub speed: f64,
}

/// T*, in seconds from now, for work in seconds at speed 1. Infinite without slots.
pub(super) fn level(work: f64, slots: &[Reach]) -> f64 {
    let mut sorted: Vec<Reach> = slots.to_vec();
    sorted.sort_by(|a, b| a.ready.total_cmp(&b.ready));
    let (mut speed, mut offset) = (0.0, work);
    let mut level = f64::INFINITY;
    for slot in &sorted {
        if slot.ready >= level {
            break;
        }
        // speed · T − Σ sᵢ·rᵢ = work
        speed += slot.speed;
        offset += slot.speed * slot.ready;
        level = offset / speed;
    }
    level
}

/// How many of `count` tasks of `each` seconds (at speed 1) go to each slot; they all go somewhere
/// when there is a slot.
pub(super) fn whole_shares(count: u32, each: f64, slots: &[Reach]) -> Vec<u32> {
    let mut shares = vec![0_u32; slots.len()];
    if slots.is_empty() || count == 0 {
        return shares;
    }
    let level = level(f64::from(count) * each, slots);
    let mut left = count;
    for (share, slot) in shares.iter_mut().zip(slots) {
        let fits = (level - slot.ready) * slot.speed / each;
        // A hair's breadth below a whole number is that number.
        *share = ((fits + 1e-6).max(0.0) as u32).min(left);
        left -= *share;
    }
    let ends = |share: u32, slot: &Reach| slot.ready + f64::from(share + 1) * each / slot.speed;
    let mut next: BinaryHeap<Reverse<(Order, usize)>> = BinaryHeap::new();
    if left > 0 {
        next = slots
            .iter()
            .enumerate()
            .map(|(index, slot)| Reverse((Order(ends(shares[index], slot)), index)))
            .collect();
    }
    while left > 0
        && let Some(Reverse((_, index))) = next.pop()
    {
        shares[index] += 1;
        left -= 1;
        next.push(Reverse((Order(ends(shares[index], &slots[index])), index)));
    }
    shares
}

/// Numbers in their total order.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Order(pub f64);

impl Eq for Order {}

impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Order) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Order {
    fn cmp(&self, other: &Order) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reach(ready: f64, speed: f64) -> Reach {
        Reach { ready, speed }
    }

    #[test]
    fn a_slot_that_is_ready_too_late_is_not_started() {
        let slots = [reach(0.0, 1.0), reach(0.0, 1.0), reach(100.0, 4.0)];
        assert_eq!(level(100.0, &slots), 50.0);
        assert_eq!(whole_shares(10, 10.0, &slots), [5, 5, 0]);
    }

    #[test]
    fn speed_and_load_decide_together() {
        let slots = [reach(60.0, 2.0), reach(60.0, 1.0), reach(0.0, 1.0)];
        // 4 T − 180 = 300
        assert_eq!(level(300.0, &slots), 120.0);
        assert_eq!(whole_shares(30, 10.0, &slots), [12, 6, 12]);
    }

    #[test]
    fn fewer_tasks_than_slots_go_to_the_fastest() {
        let slots = [reach(0.0, 0.5), reach(0.0, 4.0), reach(0.0, 1.0)];
        assert_eq!(whole_shares(1, 60.0, &slots), [0, 1, 0]);
        assert_eq!(whole_shares(3, 60.0, &slots), [0, 3, 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// No other way to share whole equal tasks ends sooner.
        #[test]
        fn whole_shares_are_the_best_there_are(
            slots in prop::collection::vec((0_u32..20, 1_u32..6), 1..4),
            count in 1_u32..9,
        ) {
            let slots: Vec<Reach> = slots
                .iter()
                .map(|(ready, speed)| reach(f64::from(*ready), f64::from(*speed)))
                .collect();
            let shares = whole_shares(count, 7.0, &slots);
            prop_assert_eq!(shares.iter().sum::<u32>(), count);
            let end = |shares: &[u32]| {
                shares
                    .iter()
                    .zip(&slots)
                    .filter(|(share, _)| **share > 0)
                    .map(|(share, slot)| slot.ready + f64::from(*share) * 7.0 / slot.speed)
                    .fold(0.0, f64::max)
            };
            let mut best = f64::INFINITY;
            let mut tried = vec![0; slots.len()];
            each_way(count, 0, &mut tried, &mut |way| best = best.min(end(way)));
            prop_assert!(end(&shares) <= best + 1e-3, "{} > {best}", end(&shares));
        }
    }

    fn each_way(left: u32, slot: usize, way: &mut Vec<u32>, seen: &mut impl FnMut(&[u32])) {
        if slot + 1 == way.len() {
            way[slot] = left;
            return seen(way);
        }
        for share in 0..=left {
            way[slot] = share;
            each_way(left - share, slot + 1, way, seen);
        }
    }
}
