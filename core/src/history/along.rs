//! Costs of frames that nobody rendered, from those near them on the frame axis.

/// How many known frames make the cost of one that is not known.
const NEAREST: usize = 12;
/// How much the mean of all known frames counts: single frames deceive.
const WHOLE: f64 = 0.15;

/// The costs of `frames` (rising) where `known` (rising) tells some: a known frame costs what it
/// cost; any other the mean of the twelve nearest known ones, each weighed by the inverse of its
/// distance, with 15 % of the mean of all. Nothing where nothing is known.
#[must_use]
pub fn along(known: &[(i32, f64)], frames: &[i32]) -> Option<Vec<f64>> {
    if known.is_empty() {
        return None;
    }
    let mean = known.iter().map(|(_, cost)| cost).sum::<f64>() / known.len() as f64;
    let cost = |frame: &i32| match known.binary_search_by_key(frame, |(frame, _)| *frame) {
        Ok(at) => known[at].1,
        Err(at) => WHOLE * mean + (1.0 - WHOLE) * near(known, at, *frame),
    };
    Some(frames.iter().map(cost).collect())
}

/// The cost of a frame that is not known and would stand at `at`.
fn near(known: &[(i32, f64)], at: usize, frame: i32) -> f64 {
    let (mut left, mut right) = (at, at);
    let (mut sum, mut weights) = (0.0, 0.0);
    let distance = |at: usize| f64::from(known[at].0.abs_diff(frame));
    for _ in 0..NEAREST.min(known.len()) {
        let before = left.checked_sub(1);
        let behind = (right < known.len()).then_some(right);
        let takes_before = match (before, behind) {
            (Some(before), Some(behind)) => distance(before) < distance(behind),
            (before, _) => before.is_some(),
        };
        let next = if takes_before {
            left -= 1;
            left
        } else {
            right += 1;
            right - 1
        };
        let weight = 1.0 / distance(next);
        sum += weight * known[next].1;
        weights += weight;
    }
    sum / weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_between_two_costs_what_lies_between_them() {
        let costs = along(&[(1, 10.0), (3, 20.0)], &[1, 2, 3]).unwrap();
        assert_eq!(costs, [10.0, 15.0, 20.0]);
        assert_eq!(along(&[], &[1]), None);
        assert_eq!(along(&[(7, 4.0)], &[-100, 7, 100]).unwrap(), [4.0; 3]);
    }

    #[test]
    fn what_is_near_counts_more_than_what_is_far() {
        let known: Vec<(i32, f64)> = (0..50).map(|at| (at * 4, f64::from(at))).collect();
        let costs = along(&known, &(0..200).collect::<Vec<_>>()).unwrap();
        let near = (costs[82] - 20.5).abs();
        assert!(near < 2.0, "{near}");
        // Beyond the end, the end's own cost leads.
        assert!(costs[199] > 35.0, "{}", costs[199]);
    }

    proptest! {
        #[test]
        fn no_guess_leaves_what_was_measured(
            known in proptest::collection::btree_map(-500_i32..500, 0.01_f64..1e6, 1..60),
            frames in proptest::collection::btree_set(i32::MIN..i32::MAX, 1..60),
        ) {
            let known: Vec<(i32, f64)> = known.into_iter().collect();
            let frames: Vec<i32> = frames.into_iter().collect();
            let low = known.iter().map(|(_, cost)| *cost).fold(f64::INFINITY, f64::min);
            let high = known.iter().map(|(_, cost)| *cost).fold(0.0, f64::max);
            for cost in along(&known, &frames).unwrap() {
                prop_assert!(cost >= low * 0.999_999 && cost <= high * 1.000_001);
            }
        }
    }
}
