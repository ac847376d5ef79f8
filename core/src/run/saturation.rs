//! What segments of a size do to a farm: how long they last, how much of that is loading, and how
//! many slots the farm's limits can feed with them.
//!
//! Little's law: with one send each d seconds and segments of s seconds, s/d slots are busy on
//! average; with M loads at once of L seconds each, M·s/L. With s = L + k·f for k tasks of f
//! seconds, P slots are fed from k ≥ (P·d − L)/f on. The advice on lengths (2 to 3 minutes at
//! least, 3 hours at most) is that of Royal Render's page on its "sequence divide".
//!
//! It looks at a segment as it was planned, so what it says is what the dispatcher does.

use framewright_kernel::job::Job;
use framewright_kernel::sim::{Trace, World};

use crate::policy::Policy;
use crate::quantity::short_time;
use crate::request::SegmentSize;

/// A segment that lasts less gets a warning,
const SHORT_S: f64 = 120.0;
/// and advice that makes it last at least so long
const ADVISED_S: f64 = 180.0;
/// and load for no more than this part of it.
const ADVISED_LOAD_SHARE: f64 = 0.25;
/// A segment that lasts more gets a warning.
const LONG_S: f64 = 3.0 * 3600.0;
/// A difference of slots that is not worth a word.
const SLOTS_ALIKE: f64 = 0.5;

/// A segment like most of a plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TypicalSegment {
    /// Its tasks.
    pub tasks: u32,
    /// How long a slot has it.
    pub seconds: f64,
    /// How much of that is rendering.
    pub render_s: f64,
}

impl TypicalSegment {
    /// The segments of middle length of a plan; absent where it has none.
    pub(super) fn of(trace: &Trace, job: &Job, world: &PlannedWorld) -> Option<TypicalSegment> {
        let mut sizes: Vec<usize> = trace.segments.iter().map(|s| s.tasks.len()).collect();
        sizes.retain(|size| *size > 0);
        sizes.sort_unstable();
        let middle = *sizes.get(sizes.len() / 2)?;
        let (mut count, mut seconds, mut render_s) = (0.0, 0.0, 0.0);
        for segment in trace.segments.iter().filter(|s| s.tasks.len() == middle) {
            let speed = world.slot_speeds[segment.slot.0 as usize];
            let costs = segment.tasks.iter().map(|task| job.cost(*task));
            count += 1.0;
            seconds += segment.end.since(segment.start).as_secs_f64();
            render_s += costs.map(|cost| cost.as_secs_f64()).sum::<f64>() / speed;
        }
        Some(TypicalSegment {
            tasks: middle as u32,
            seconds: seconds / count,
            render_s: render_s / count,
        })
    }

    /// What of it is not rendering.
    fn load_s(&self) -> f64 {
        (self.seconds - self.render_s).max(0.0)
    }

    fn task_s(&self) -> f64 {
        self.render_s / f64::from(self.tasks.max(1))
    }

    /// The part that is loading, from 0 to 1.
    #[must_use]
    pub fn load_share(&self) -> f64 {
        if self.seconds > 0.0 {
            self.load_s() / self.seconds
        } else {
            0.0
        }
    }

    /// The same segment with another number of tasks.
    fn with(&self, tasks: u32) -> TypicalSegment {
        let render_s = self.task_s() * f64::from(tasks);
        TypicalSegment {
            tasks,
            seconds: self.load_s() + render_s,
            render_s,
        }
    }
}

/// Speed of each slot in the world that a plan believes in.
#[derive(Clone, Debug)]
pub(super) struct PlannedWorld {
    slot_speeds: Vec<f64>,
}

impl PlannedWorld {
    pub fn of(world: &World, slots: impl Iterator<Item = u32>) -> PlannedWorld {
        let each = world.speeds.iter().zip(slots);
        PlannedWorld {
            slot_speeds: each
                .flat_map(|(speed, slots)| (0..slots).map(|_| *speed))
                .collect(),
        }
    }
}

/// What limits a farm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FarmBounds {
    pub interval_s: f64,
    pub loads_max: Option<u32>,
    pub slots: u32,
    pub tasks: u32,
}

impl FarmBounds {
    /// How many slots a stream of such segments keeps busy, however many there are.
    fn fed(&self, segment: &TypicalSegment) -> f64 {
        let by_sends = if self.interval_s > 0.0 {
            segment.seconds / self.interval_s
        } else {
            f64::INFINITY
        };
        let by_loads = match self.loads_max {
            Some(most) if segment.load_s() > 0.0 => {
                f64::from(most) * segment.seconds / segment.load_s()
            }
            Some(_) | None => f64::INFINITY,
        };
        by_sends.min(by_loads)
    }

    /// The same, when the job has no more segments than it has.
    fn used(&self, segment: &TypicalSegment) -> f64 {
        let segments = f64::from(self.tasks.div_ceil(segment.tasks.max(1)));
        self.fed(segment).min(segments).min(f64::from(self.slots))
    }

    /// The fewest tasks a segment with which most slots are busy.
    fn best(&self, segment: &TypicalSegment) -> TypicalSegment {
        let mut best = segment.with(1);
        for tasks in 2..=self.tasks {
            let other = segment.with(tasks);
            if self.used(&other) > self.used(&best) + 1e-9 {
                best = other;
            }
            if self.fed(&best) >= f64::from(self.slots) {
                break;
            }
        }
        best
    }

    /// `one send in 5.0s`, `8 loads at once`.
    fn in_words(&self) -> String {
        let mut words = Vec::new();
        if self.interval_s > 0.0 {
            words.push(format!("one send in {}", short_time(self.interval_s)));
        }
        if let Some(most) = self.loads_max {
            words.push(format!(
                "{most} {} at once",
                if most == 1 { "load" } else { "loads" }
            ));
        }
        words.join(" and ")
    }
}

/// How many slots a farm's limits can feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Saturation {
    /// Seconds between two sends.
    pub interval_s: f64,
    /// Scenes being loaded at once.
    pub loads_max: Option<u32>,
    /// A segment like most.
    pub segment: TypicalSegment,
    /// So many slots can be kept busy by such segments, were there ever so many.
    pub slots_fed: f64,
    /// So many there are.
    pub slots: u32,
    /// A sentence, where sizes were chosen that leave slots idle.
    pub advice: Option<String>,
}

/// Absent where the farm has no limits.
pub(super) fn saturation(
    bounds: FarmBounds,
    segment: TypicalSegment,
    policy: Policy,
) -> Option<Saturation> {
    let fed = bounds.fed(&segment);
    if !fed.is_finite() {
        return None;
    }
    Some(Saturation {
        interval_s: bounds.interval_s,
        loads_max: bounds.loads_max,
        segment,
        slots_fed: fed,
        slots: bounds.slots,
        advice: policy
            .is_sized()
            .then(|| hunger(bounds, &segment, policy))
            .flatten(),
    })
}

/// What leaves slots idle, and what would not.
fn hunger(bounds: FarmBounds, segment: &TypicalSegment, policy: Policy) -> Option<String> {
    let slots = f64::from(bounds.slots);
    if bounds.fed(segment) >= slots {
        return None;
    }
    let mut text = format!(
        "at {} these segments ({}, {}) keep {} of {} slots busy",
        bounds.in_words(),
        frames(segment.tasks),
        short_time(segment.seconds),
        whole_slots(bounds.used(segment)),
        bounds.slots,
    );
    let best = bounds.best(segment);
    let gain = bounds.used(&best) - bounds.used(segment);
    if gain > SLOTS_ALIKE {
        text.push_str(&format!(
            "; `{}` would keep {}",
            setting(policy, best.tasks),
            whole_slots(bounds.used(&best))
        ));
    }
    if bounds.used(&best) < slots {
        text.push_str(&format!(
            "; {} are too few to feed them all",
            frames(bounds.tasks)
        ));
    }
    Some(text)
}

/// What Royal Render's page advises about the length of segments whose sizes were chosen.
pub(super) fn length_advice(
    bounds: FarmBounds,
    segment: &TypicalSegment,
    policy: Policy,
) -> Option<String> {
    if !policy.is_sized() {
        return None;
    }
    if segment.seconds > LONG_S {
        return Some(too_long(segment, policy));
    }
    if segment.seconds >= SHORT_S || segment.tasks >= bounds.tasks {
        return None;
    }
    let mut text = format!(
        "segments of {} last {}",
        frames(segment.tasks),
        short_time(segment.seconds)
    );
    let loads = segment.load_share() >= 0.005;
    if loads {
        text.push_str(&format!(", of which {} is loading", percent(segment)));
    }
    // Longer ones would leave slots without any.
    let share = bounds.tasks.div_ceil(bounds.slots.max(1));
    let better = segment.with(advised(segment).min(share));
    if better.tasks > segment.tasks {
        text.push_str(&format!(
            "; `{}` would last {}",
            setting(policy, better.tasks),
            short_time(better.seconds)
        ));
        if loads {
            text.push_str(&format!(" with {} of loading", percent(&better)));
        }
    }
    Some(text)
}

fn too_long(segment: &TypicalSegment, policy: Policy) -> String {
    let text = format!(
        "segments of {} last {}, for which nobody else gets these slots",
        frames(segment.tasks),
        short_time(segment.seconds)
    );
    let fits = ((LONG_S - segment.load_s()) / segment.task_s()).floor();
    if fits >= 1.0 && fits < f64::from(segment.tasks) {
        let fits = fits as u32;
        format!(
            "{text}; `{}` would last less than 3 hours",
            setting(policy, fits)
        )
    } else {
        text
    }
}

/// Tasks of a segment that is long enough and loads little of its time. A number above five is
/// rounded up to the next that people would choose.
fn advised(segment: &TypicalSegment) -> u32 {
    let task_s = segment.task_s().max(1e-6);
    let load_s = segment.load_s();
    let long = (ADVISED_S - load_s) / task_s;
    let light = load_s * (1.0 - ADVISED_LOAD_SHARE) / ADVISED_LOAD_SHARE / task_s;
    let tasks = (long.max(light) - 1e-9).ceil().max(1.0) as u32;
    if tasks > 5 {
        tasks.div_ceil(5).saturating_mul(5)
    } else {
        tasks
    }
}

/// The option that asks for segments of this size, as the user would write it.
fn setting(policy: Policy, tasks: u32) -> String {
    match policy {
        Policy::Fixed(_) => format!("--policy fixed:{tasks}"),
        Policy::RoyalRender(SegmentSize { .. })
        | Policy::Auto
        | Policy::Even
        | Policy::Guided
        | Policy::Factoring
        | Policy::OpenJd { .. } => format!("--segment {tasks}..{tasks}"),
    }
}

fn frames(count: u32) -> String {
    format!("{count} {}", if count == 1 { "frame" } else { "frames" })
}

/// Slots busy on average, as whole ones.
fn whole_slots(slots: f64) -> u32 {
    (slots + 1e-9).floor() as u32
}

fn percent(segment: &TypicalSegment) -> String {
    format!("{:.0} %", segment.load_share() * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(tasks: u32, load_s: f64, task_s: f64) -> TypicalSegment {
        let render_s = f64::from(tasks) * task_s;
        TypicalSegment {
            tasks,
            seconds: load_s + render_s,
            render_s,
        }
    }

    fn bounds(interval_s: f64, loads_max: Option<u32>, slots: u32, tasks: u32) -> FarmBounds {
        FarmBounds {
            interval_s,
            loads_max,
            slots,
            tasks,
        }
    }

    const SIZED: Policy = Policy::RoyalRender(SegmentSize { min: 2, max: 2 });

    #[test]
    fn royal_render_s_own_examples_are_told_in_its_figures() {
        // 60 s of load, 20 s a frame: 2 frames last 100 s, 10 last 260 s.
        let farm = bounds(0.0, None, 20, 200);
        assert_eq!(
            length_advice(farm, &segment(2, 60.0, 20.0), SIZED).unwrap(),
            "segments of 2 frames last 1m40s, of which 60 % is loading; `--segment 10..10` would last 4m20s with 23 % of loading"
        );
        assert_eq!(length_advice(farm, &segment(10, 60.0, 20.0), SIZED), None);
        assert_eq!(
            length_advice(farm, &segment(2, 60.0, 20.0), Policy::Auto),
            None
        );
        // 36 s until the first frame and a send each 5 s: 15 and 47 clients.
        let farm = bounds(5.0, None, 40, 4_000);
        let two = saturation(farm, segment(2, 36.0, 20.0), SIZED).unwrap();
        assert_eq!(two.slots_fed, 15.2);
        assert_eq!(
            two.advice.unwrap(),
            "at one send in 5.0s these segments (2 frames, 1m16s) keep 15 of 40 slots busy; `--segment 9..9` would keep 40"
        );
        let ten = saturation(farm, segment(10, 36.0, 20.0), SIZED).unwrap();
        assert_eq!((ten.slots_fed, ten.advice), (47.2, None));
    }

    #[test]
    fn a_job_of_too_few_frames_is_told_so() {
        // 10 frames each are 20 segments: whatever the rate, 47 slots are not fed.
        let farm = bounds(5.0, None, 47, 200);
        let advice = saturation(farm, segment(2, 36.0, 20.0), SIZED)
            .unwrap()
            .advice
            .unwrap();
        assert_eq!(
            advice,
            "at one send in 5.0s these segments (2 frames, 1m16s) keep 15 of 47 slots busy; `--segment 6..6` would keep 31; 200 frames are too few to feed them all"
        );
        assert_eq!(
            length_advice(farm, &segment(2, 60.0, 20.0), SIZED).unwrap(),
            "segments of 2 frames last 1m40s, of which 60 % is loading; `--segment 5..5` would last 2m40s with 38 % of loading"
        );
    }

    #[test]
    fn the_best_size_is_the_general_rule_s() {
        // k >= (P d - L) / f, with 100 slots: (500 - 30) / 20 = 23.5.
        let farm = bounds(5.0, None, 100, 1_000_000);
        assert_eq!(farm.best(&segment(2, 30.0, 20.0)).tasks, 24);
    }

    #[test]
    fn loads_at_once_feed_slots_too() {
        let farm = bounds(0.0, Some(2), 20, 4_000);
        let told = saturation(farm, segment(2, 60.0, 20.0), Policy::Fixed(2)).unwrap();
        assert!((told.slots_fed - 2.0 * 100.0 / 60.0).abs() < 1e-9);
        assert_eq!(
            told.advice.unwrap(),
            "at 2 loads at once these segments (2 frames, 1m40s) keep 3 of 20 slots busy; `--policy fixed:27` would keep 20"
        );
        // A kept scene is not loaded in between.
        assert_eq!(
            saturation(farm, segment(2, 0.0, 20.0), Policy::Fixed(2)),
            None
        );
        assert_eq!(
            saturation(bounds(0.0, None, 20, 10), segment(1, 1.0, 1.0), SIZED),
            None
        );
    }

    #[test]
    fn hours_for_a_segment_are_too_long() {
        let farm = bounds(0.0, None, 4, 4_000);
        assert_eq!(
            length_advice(farm, &segment(600, 60.0, 20.0), SIZED).unwrap(),
            "segments of 600 frames last 3h21m, for which nobody else gets these slots; `--segment 537..537` would last less than 3 hours"
        );
        // A frame that takes longer by itself cannot be helped by sizes.
        assert_eq!(
            length_advice(farm, &segment(1, 60.0, 14_400.0), SIZED).unwrap(),
            "segments of 1 frame last 4h01m, for which nobody else gets these slots"
        );
    }

    #[test]
    fn what_cannot_be_longer_is_not_called_short() {
        let farm = bounds(0.0, None, 4, 2);
        assert_eq!(length_advice(farm, &segment(2, 1.0, 1.0), SIZED), None);
    }
}
