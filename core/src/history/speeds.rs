//! How fast hosts were, from all that a run measured.
//!
//! While a job runs its kernel has to act on few tasks, and holds to the speeds that it was told
//! until many speak against them. A wrong guess, kept for later renders, would make the same frames
//! dear on one host and cheap on another. When a run is over all of it is there to be looked at:
//! frames near each other cost alike, so the speeds sought are those at which they do, wherever
//! they were rendered.
//!
//! Each task is compared with the nearest ones of other hosts before and behind it. A host's speed
//! is the median of what its tasks say, found in rounds, because each host's depends on the others';
//! the median does not heed a few dear frames. The fewer its tasks, and the less tasks agree at all,
//! the more the kernel's speed counts. What all speeds have in common is left as the kernel has it.

/// Rounds until speeds agree; each halves what is left.
const ROUNDS: usize = 24;
/// Tasks that are looked at: an even sample of more.
const TASKS_MAX: usize = 20_000;
/// Standard deviation of the logarithm of a guessed speed: most are right within a factor of two.
const GUESS_OFF: f64 = 0.7;
/// From the median deviation to the standard deviation, for a normal distribution.
const DEVIATION: f64 = 1.4826;

/// A task that was rendered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rendered {
    /// Its layer, by any number.
    pub layer: usize,
    /// Its frame.
    pub frame: i32,
    /// Which host rendered it.
    pub host: usize,
    /// Seconds that it took there.
    pub took_s: f64,
}

/// Speeds at which costs agree, for tasks in the order of layers and frames. `guessed` are those
/// that the kernel came to, host by host; where there is nothing to compare they stand.
#[must_use]
pub fn agreeing_speeds(tasks: &[Rendered], guessed: &[f64]) -> Vec<f64> {
    let sound = |task: &&Rendered| task.took_s.is_finite() && task.took_s > 0.0;
    let stride = tasks.len().div_ceil(TASKS_MAX).max(1);
    let tasks: Vec<Rendered> = tasks
        .iter()
        .step_by(stride)
        .filter(sound)
        .copied()
        .collect();
    let compared = others_near(&tasks);
    let mut speeds = guessed.to_vec();
    let mut said = ratios(&tasks, &compared, &speeds, guessed.len());
    if said.iter().all(Vec::is_empty) {
        return speeds;
    }
    for _ in 0..ROUNDS {
        for (speed, said) in speeds.iter_mut().zip(&mut said) {
            if let Some(more) = median(said) {
                // Half of the way, since the others go as well.
                *speed *= (0.5 * more).exp();
            }
        }
        said = ratios(&tasks, &compared, &speeds, guessed.len());
    }
    hold_to(guessed, &mut speeds, &mut said);
    level(&tasks, guessed, &mut speeds);
    speeds
}

/// The nearest tasks of other hosts before and behind each task, in the same layer.
fn others_near(tasks: &[Rendered]) -> Vec<[Option<usize>; 2]> {
    let is_other = |one: usize, other: usize| {
        tasks[one].layer == tasks[other].layer && tasks[one].host != tasks[other].host
    };
    let is_same = |one: usize, other: usize| {
        tasks[one].layer == tasks[other].layer && tasks[one].host == tasks[other].host
    };
    let mut near = vec![[None; 2]; tasks.len()];
    for at in 1..tasks.len() {
        near[at][0] = if is_other(at, at - 1) {
            Some(at - 1)
        } else {
            near[at - 1][0].filter(|_| is_same(at, at - 1))
        };
    }
    for at in (0..tasks.len().saturating_sub(1)).rev() {
        near[at][1] = if is_other(at, at + 1) {
            Some(at + 1)
        } else {
            near[at + 1][1].filter(|_| is_same(at, at + 1))
        };
    }
    near
}

/// For each host what each of its tasks says: the logarithm of the factor by which its speed would
/// have to be larger for the task to cost what those near it cost.
fn ratios(
    tasks: &[Rendered],
    compared: &[[Option<usize>; 2]],
    speeds: &[f64],
    hosts: usize,
) -> Vec<Vec<f64>> {
    let cost = |task: &Rendered| task.took_s * speeds[task.host];
    let mut said = vec![Vec::new(); hosts];
    for (task, near) in tasks.iter().zip(compared) {
        let (mut sum, mut weights) = (0.0, 0.0);
        for other in near.iter().flatten().map(|at| &tasks[*at]) {
            let weight = 1.0 / f64::from(other.frame.abs_diff(task.frame).max(1));
            sum += weight * cost(other).ln();
            weights += weight;
        }
        if weights > 0.0 {
            said[task.host].push(sum / weights - cost(task).ln());
        }
    }
    said
}

/// Draws speeds of few tasks, where tasks do not agree, back to the guess.
fn hold_to(guessed: &[f64], speeds: &mut [f64], said: &mut [Vec<f64>]) {
    let mut off: Vec<f64> = said.iter().flatten().map(|ratio| ratio.abs()).collect();
    let spread = DEVIATION * median(&mut off).unwrap_or(0.0);
    for ((speed, said), guess) in speeds.iter_mut().zip(said).zip(guessed) {
        let doubt = spread * spread / said.len().max(1) as f64;
        let trust = GUESS_OFF * GUESS_OFF / (GUESS_OFF * GUESS_OFF + doubt);
        *speed = guess * (*speed / guess).powf(trust);
    }
}

/// Keeps what all tasks cost together.
fn level(tasks: &[Rendered], guessed: &[f64], speeds: &mut [f64]) {
    let sum = |speeds: &[f64]| -> f64 {
        let costs = tasks.iter().map(|task| task.took_s * speeds[task.host]);
        costs.sum()
    };
    let factor = sum(guessed) / sum(speeds);
    if factor.is_finite() && factor > 0.0 {
        for speed in speeds {
            *speed *= factor;
        }
    }
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some((values[last / 2] + values[last.div_ceil(2)]) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames that cost `cost`, rendered by hosts of these speeds, shared out by `host`.
    fn run(
        frames: i32,
        speeds: &[f64],
        host: impl Fn(i32) -> usize,
        cost: impl Fn(i32) -> f64,
    ) -> Vec<Rendered> {
        (0..frames)
            .map(|frame| Rendered {
                layer: 0,
                frame,
                host: host(frame),
                took_s: cost(frame) / speeds[host(frame)],
            })
            .collect()
    }

    /// How far the ratios of two lists of speeds are apart, as a factor.
    fn apart(one: &[f64], other: &[f64]) -> f64 {
        let ratios: Vec<f64> = one
            .iter()
            .zip(other)
            .map(|(one, other)| one / other)
            .collect();
        let most = ratios.iter().copied().fold(0.0, f64::max);
        most / ratios.iter().copied().fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn a_wrong_guess_does_not_make_equal_frames_unlike() {
        let tasks = run(
            40,
            &[1.0, 0.25],
            |frame| usize::from(frame % 5 == 2),
            |_| 0.04,
        );
        let speeds = agreeing_speeds(&tasks, &[2.95, 1.34]);
        assert!(apart(&speeds, &[1.0, 0.25]) < 1.001, "{speeds:?}");
        let sum = |speeds: &[f64]| -> f64 { tasks.iter().map(|t| t.took_s * speeds[t.host]).sum() };
        assert!((sum(&speeds) / sum(&[2.95, 1.34]) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn speeds_are_found_whether_frames_are_mixed_or_in_runs() {
        let truth = [0.5, 1.0, 2.0, 4.0];
        let ramp = |frame: i32| 10.0 + f64::from(frame) / 20.0;
        let mixed = run(400, &truth, |frame| (frame * 7 % 11) as usize % 4, ramp);
        let speeds = agreeing_speeds(&mixed, &[1.0; 4]);
        assert!(apart(&speeds, &truth) < 1.05, "{speeds:?}");
        let runs = run(400, &truth, |frame| (frame / 25) as usize % 4, ramp);
        let speeds = agreeing_speeds(&runs, &[1.0; 4]);
        assert!(apart(&speeds, &truth) < 1.2, "{speeds:?}");
    }

    #[test]
    fn a_few_dear_frames_are_not_held_against_their_host() {
        let dear = |frame: i32| if frame % 20 == 2 { 80.0 } else { 10.0 };
        let tasks = run(200, &[1.0, 1.0], |frame| usize::from(frame % 4 == 2), dear);
        let speeds = agreeing_speeds(&tasks, &[1.0, 1.0]);
        assert!(apart(&speeds, &[1.0, 1.0]) < 1.05, "{speeds:?}");
    }

    #[test]
    fn what_cannot_be_compared_is_left_as_it_was() {
        assert_eq!(agreeing_speeds(&[], &[1.0, 3.0]), [1.0, 3.0]);
        let alone = run(9, &[1.0, 1.0], |_| 0, |_| 5.0);
        assert_eq!(agreeing_speeds(&alone, &[2.0, 3.0]), [2.0, 3.0]);
        let mut nonsense = alone.clone();
        nonsense[3].took_s = f64::NAN;
        nonsense[4].took_s = 0.0;
        assert_eq!(agreeing_speeds(&nonsense, &[2.0, 3.0]), [2.0, 3.0]);
        // Two layers, each on a host of its own, say nothing of each other.
        let mut layers = run(8, &[1.0, 1.0], |frame| usize::from(frame >= 4), |_| 5.0);
        for task in &mut layers[4..] {
            (task.layer, task.took_s) = (1, 50.0);
        }
        assert_eq!(agreeing_speeds(&layers, &[2.0, 3.0]), [2.0, 3.0]);
    }

    #[test]
    fn one_frame_of_a_wild_scene_does_not_make_a_speed() {
        let wild = |frame: i32| [3.0, 40.0, 9.0, 1.0, 22.0, 5.0, 60.0][(frame * 5 % 7) as usize];
        let tasks = run(60, &[1.0, 1.0], |frame| usize::from(frame == 30), wild);
        let speeds = agreeing_speeds(&tasks, &[1.0, 1.0]);
        let plain = {
            let near = (wild(29).ln() + wild(31).ln()) / 2.0;
            (near - wild(30).ln()).exp()
        };
        let off = speeds[1] / speeds[0];
        assert!(
            (off.ln() / plain.ln()).abs() < 0.6,
            "{off} where one frame says {plain}"
        );
    }
}
