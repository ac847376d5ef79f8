//! What the first task after a load costs more than it will cost later.
//!
//! A renderer that has loaded a scene is not done yet: textures come in, and what all frames share
//! is built, while its first frame is already under way. Whoever took that for the frame's own cost
//! would hold whichever frames happened to be first for the dearest, and send them first again.

/// Frames that were not the first, from which on the others are judged by them.
const WARM_MIN: usize = 3;

/// A measured frame of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Its number.
    pub frame: i32,
    /// What it cost.
    pub cost_s: f64,
    /// Whether it was the first task after a load.
    pub first: bool,
}

/// The frames (rising) without their renderers' warming up, and how long that takes: the lower
/// median of what first frames cost more than frames near them that were not. A first frame that
/// is dear beyond that stays dear. Where fewer than three frames were not first, nothing is known
/// of it, and costs stay as they are.
#[must_use]
pub fn without_warm_up(frames: &[Frame]) -> (Vec<(i32, f64)>, f64) {
    let warm: Vec<(i32, f64)> = frames
        .iter()
        .filter(|frame| !frame.first)
        .map(|frame| (frame.frame, frame.cost_s))
        .collect();
    let first: Vec<&Frame> = frames.iter().filter(|frame| frame.first).collect();
    let as_they_are = || {
        frames
            .iter()
            .map(|frame| (frame.frame, frame.cost_s))
            .collect()
    };
    if warm.len() < WARM_MIN || first.is_empty() {
        return (as_they_are(), 0.0);
    }
    let places: Vec<i32> = first.iter().map(|frame| frame.frame).collect();
    let Some(expected) = super::along(&warm, &places) else {
        return (as_they_are(), 0.0);
    };
    let mut more: Vec<f64> = first
        .iter()
        .zip(&expected)
        .map(|(frame, expected)| frame.cost_s - expected)
        .collect();
    more.sort_by(f64::total_cmp);
    let warm_up = more[(more.len() - 1) / 2].max(0.0);
    let least = warm
        .iter()
        .map(|(_, cost)| *cost)
        .fold(f64::INFINITY, f64::min);
    let costs = frames
        .iter()
        .map(|frame| {
            let cost = if frame.first {
                (frame.cost_s - warm_up).max(least.min(frame.cost_s))
            } else {
                frame.cost_s
            };
            (frame.frame, cost)
        })
        .collect();
    (costs, warm_up)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(costs: &[f64], first: &[usize]) -> Vec<Frame> {
        let frame = |(at, cost_s): (usize, &f64)| Frame {
            frame: at as i32 + 1,
            cost_s: *cost_s,
            first: first.contains(&at),
        };
        costs.iter().enumerate().map(frame).collect()
    }

    #[test]
    fn first_frames_are_not_dearer_than_others() {
        let (costs, warm_up) = without_warm_up(&frames(&[1.0, 1.0, 4.0, 1.0, 1.0, 5.0], &[2, 5]));
        assert_eq!(warm_up, 3.0);
        assert_eq!(costs[2], (3, 1.0));
        assert_eq!(costs[5], (6, 2.0));
    }

    #[test]
    fn a_dear_frame_that_happened_to_be_first_stays_dear() {
        let (costs, warm_up) = without_warm_up(&frames(&[1.0, 9.0, 1.0, 1.0, 1.0, 1.0], &[1, 4]));
        assert_eq!((costs[1], warm_up), ((2, 9.0), 0.0));
    }

    #[test]
    fn where_all_frames_are_first_ones_nothing_can_be_told() {
        let all = frames(&[4.0, 5.0, 4.0], &[0, 1]);
        assert_eq!(
            without_warm_up(&all),
            (vec![(1, 4.0), (2, 5.0), (3, 4.0)], 0.0)
        );
        assert_eq!(without_warm_up(&[]), (vec![], 0.0));
    }

    #[test]
    fn no_cost_falls_below_the_cheapest_that_was_measured() {
        let ramp = frames(&[1.0, 2.0, 9.0, 9.0, 9.0, 3.0], &[0, 5, 3]);
        let (costs, _) = without_warm_up(&ramp);
        assert!(costs.iter().all(|(_, cost)| *cost >= 1.0), "{costs:?}");
    }
}
