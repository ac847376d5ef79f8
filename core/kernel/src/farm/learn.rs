//! What things really cost.
//!
//! A task's estimate is given before the start, in seconds on a host of speed 1. Two factors are
//! learned from finished tasks, never from whole segments (those mix loading and rendering):
//!
//! * a layer's *scale* = Σ took · declared speed / Σ estimate. Until a task of a layer has ended,
//!   the job's own scale is taken, and before that 1. Where all estimates of a layer are equal,
//!   scale · estimate is the running mean.
//! * a host's *speed* = (scale · Σ estimate + declared · τ) / (Σ took + τ), where τ is the time of
//!   [`PRIOR_TASKS`] tasks of mean cost: the declared speed counts as so many tasks. Tasks of other
//!   layers count with their layers' relative scale.
//!
//! What is usual of a task, and how long the longest took, is counted apart for whole frames and for
//! tiles: where a job has both, the one says nothing about the other.
//!
//! The prediction of a task on a host, estimate · scale / speed, does not depend on how a common
//! factor is shared out between scale and speed, so the two cannot drift apart.

use super::beyond::Beyond;
use crate::hosts::Speed;
use crate::ids::TaskId;
use crate::job::Job;
use crate::time::Span;

/// How many tasks the declared speed is worth.
const PRIOR_TASKS: f64 = 4.0;
/// How many tasks must have ended before their median says anything.
const MEDIAN_FROM: u32 = 5;
/// Classes of the histogram in each doubling, as a power of two: the median is right to 1/8.
const CLASS_BITS: u32 = 3;
/// Doublings that the histogram covers, from a microsecond on: 2^40 µs are twelve days.
const DOUBLINGS: u32 = 40;
/// All of its classes.
pub(super) const CLASSES: usize = (DOUBLINGS as usize) << CLASS_BITS;

/// Sums over finished tasks.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    tasks: u32,
    /// Seconds on a host of speed 1 (by declared speed).
    took: f64,
    /// Seconds as estimated.
    estimated: f64,
}

impl Sums {
    fn add(&mut self, took: f64, estimated: f64) {
        self.tasks = self.tasks.saturating_add(1);
        self.took += took;
        self.estimated += estimated;
    }

    fn scale(&self) -> Option<f64> {
        (self.tasks > 0 && self.took > 0.0).then(|| self.took / self.estimated)
    }
}

/// Sums over what finished tasks took by what they were estimated at.
#[derive(Clone, Copy, Debug, Default)]
struct Ratios {
    count: u32,
    sum: f64,
    squares: f64,
}

impl Ratios {
    fn add(&mut self, ratio: f64) {
        if ratio.is_finite() {
            self.count = self.count.saturating_add(1);
            self.sum += ratio;
            self.squares += ratio * ratio;
        }
    }

    /// Their standard deviation as a part of their mean.
    fn spread(&self) -> Option<f64> {
        let count = f64::from(self.count);
        let mean = self.sum / count;
        let variance = (self.squares / count - mean * mean) * count / (count - 1.0);
        (self.count >= 2 && mean > 0.0).then(|| variance.max(0.0).sqrt() / mean)
    }
}

/// What finished tasks of one kind took.
#[derive(Clone, Debug, Default)]
struct Usual {
    tasks: u32,
    /// Finished tasks by the logarithm of what they took on a host of speed 1; empty until the
    /// first one.
    classes: Vec<u32>,
    /// Seconds of the longest of them.
    longest: f64,
    /// The class in which the middle one of them lies, and how many lie below it.
    middle: usize,
    below: u32,
}

/// Whether a task is a whole frame or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Frame,
    Tile,
}

impl Kind {
    pub fn of(job: &Job, task: TaskId) -> Kind {
        if job.is_tile(task) {
            Kind::Tile
        } else {
            Kind::Frame
        }
    }
}

#[derive(Clone, Debug, Default)]
struct LayerCosts {
    sums: Sums,
    ratios: Ratios,
    /// By [`Kind`].
    usual: [Usual; 2],
    /// What they took relative to their estimate.
    beyond: Beyond,
}

impl Usual {
    fn count(&mut self, took: Span) {
        self.tasks = self.tasks.saturating_add(1);
        self.longest = self.longest.max(took.as_secs_f64());
        if self.classes.is_empty() {
            self.classes.resize(CLASSES, 0);
        }
        let class = class(took);
        self.classes[class] += 1;
        self.below += u32::from(class < self.middle);
        let all = u64::from(self.tasks);
        while u64::from(self.below + self.classes[self.middle]) * 2 < all {
            self.below += self.classes[self.middle];
            self.middle += 1;
        }
        while u64::from(self.below) * 2 >= all {
            self.middle -= 1;
            self.below -= self.classes[self.middle];
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct HostCosts {
    declared: f64,
    /// Seconds that its tasks took.
    took: f64,
    /// Seconds that they were estimated at, times their layer's scale relative to the job's.
    estimated: f64,
    /// Seconds that a load is expected to take.
    load: f64,
    loads: u32,
}

impl HostCosts {
    fn new(speed: Speed, load: Span) -> HostCosts {
        HostCosts {
            declared: speed.as_f64(),
            took: 0.0,
            estimated: 0.0,
            load: load.as_secs_f64(),
            loads: 0,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Learned {
    job: Sums,
    /// Seconds that slots spent loading and rendering, as it was.
    spent: f64,
    layers: Vec<LayerCosts>,
    hosts: Vec<HostCosts>,
    /// Seconds from a send to the first task of a loaded renderer, and from the end of a last task
    /// to when that is known: running means.
    send_s: f64,
    tell_s: f64,
}

/// How much one observation counts in a running mean.
const NEW_PART: f64 = 0.1;

impl Learned {
    /// `hosts` gives declared speed and expected load of each; `delay` is what a send is expected
    /// to take.
    pub fn new(layers: usize, delay: Span, hosts: impl Iterator<Item = (Speed, Span)>) -> Learned {
        Learned {
            job: Sums::default(),
            spent: 0.0,
            send_s: delay.as_secs_f64(),
            tell_s: 0.0,
            layers: vec![LayerCosts::default(); layers],
            hosts: hosts
                .map(|(speed, load)| HostCosts::new(speed, load))
                .collect(),
        }
    }

    /// One more host, of which only this is known.
    pub fn join(&mut self, speed: Speed, load: Span) {
        self.hosts.push(HostCosts::new(speed, load));
    }

    pub fn rendered(&mut self, layer: usize, host: usize, kind: Kind, estimated: Span, took: Span) {
        let (estimated, took) = (estimated.as_secs_f64(), took.as_secs_f64());
        self.spent += took;
        let normal = took * self.hosts[host].declared;
        self.job.add(normal, estimated);
        self.layers[layer].sums.add(normal, estimated);
        let relative = self.scale(layer) / self.job_scale();
        let costs = &mut self.hosts[host];
        costs.took += took;
        costs.estimated += estimated * relative;
        // By the host's learned speed: a slow host is no spread of the costs.
        let ratio = took * self.speed(host) / estimated;
        let costs = &mut self.layers[layer];
        costs.usual[kind as usize].count(Span::from_secs_f64(normal));
        if estimated > 0.0 {
            costs.ratios.add(ratio);
            costs.beyond.add(ratio);
        }
    }

    /// Seconds on a host of speed 1 that are expected of a task estimated at so much, of which it
    /// is known that it takes longer than `age` seconds there.
    pub fn expected(&self, layer: usize, estimated: f64, age: f64) -> f64 {
        let scale = self.scale(layer);
        let relative = self.layers[layer].beyond.expected(age / estimated, scale);
        relative * estimated
    }

    pub fn loaded(&mut self, host: usize, took: Span) {
        self.spent += took.as_secs_f64();
        let costs = &mut self.hosts[host];
        costs.loads = costs.loads.saturating_add(1);
        // The first real load replaces the guess; later ones move a running mean.
        costs.load += (took.as_secs_f64() - costs.load) / f64::from(costs.loads);
    }

    /// So many seconds passed from a send to the first task of a loaded renderer.
    pub fn sent(&mut self, seconds: f64) {
        self.send_s += NEW_PART * (seconds - self.send_s);
    }

    /// So many seconds passed from the end of a segment's last task to when that was known.
    pub fn told(&mut self, seconds: f64) {
        self.tell_s += NEW_PART * (seconds - self.tell_s);
    }

    /// Seconds that a segment of a loaded renderer costs beside its tasks.
    pub fn turnaround(&self) -> f64 {
        self.send_s + self.tell_s
    }

    fn job_scale(&self) -> f64 {
        self.job.scale().unwrap_or(1.0)
    }

    /// Real seconds for an estimated second of this layer, on a host of speed 1.
    pub fn scale(&self, layer: usize) -> f64 {
        self.layers[layer]
            .sums
            .scale()
            .unwrap_or_else(|| self.job_scale())
    }

    pub fn speed(&self, host: usize) -> f64 {
        let HostCosts {
            declared,
            took,
            estimated,
            ..
        } = self.hosts[host];
        if self.job.tasks == 0 {
            return declared;
        }
        let mean = self.job.took / f64::from(self.job.tasks);
        let prior = PRIOR_TASKS * mean / declared;
        let speed = (self.job_scale() * estimated + declared * prior) / (took + prior);
        if speed.is_finite() {
            Speed::clamped(speed).as_f64()
        } else {
            declared
        }
    }

    /// Whether a task has ended on this host.
    pub fn has_ended(&self, host: usize) -> bool {
        self.hosts[host].took > 0.0
    }

    /// Seconds that a load on this host is expected to take.
    pub fn load(&self, host: usize) -> f64 {
        self.hosts[host].load
    }

    /// Mean seconds of a finished task, on a host of speed 1.
    pub fn mean(&self) -> Option<f64> {
        (self.job.tasks > 0).then(|| self.job.took / f64::from(self.job.tasks))
    }

    /// How many tasks ended, and the seconds that slots spent on each, loads included.
    pub fn spent(&self) -> Option<(u32, f64)> {
        let tasks = self.job.tasks;
        (tasks > 0).then(|| (tasks, self.spent / f64::from(tasks)))
    }

    /// How many tasks of a layer have ended.
    pub fn ended(&self, layer: usize) -> u32 {
        self.layers[layer].sums.tasks
    }

    /// How many tasks of the job have ended.
    pub fn ended_in_all(&self) -> u32 {
        self.job.tasks
    }

    /// How far finished tasks of a layer lie from what they were estimated at, one from another:
    /// the standard deviation of real by estimated seconds, as a part of its mean. `None` before
    /// two have ended.
    pub fn spread(&self, layer: usize) -> Option<f64> {
        self.layers[layer].ratios.spread()
    }

    /// Whether the median of a layer's tasks of this kind has just come to be known.
    pub fn median_is_new(&self, layer: usize, kind: Kind) -> bool {
        self.layers[layer].usual[kind as usize].tasks == MEDIAN_FROM
    }

    /// Seconds of a layer's longest finished task of this kind on a host of speed 1.
    pub fn longest(&self, layer: usize, kind: Kind) -> f64 {
        self.layers[layer].usual[kind as usize].longest
    }

    /// Median seconds of a layer's finished tasks of this kind on a host of speed 1, once there are
    /// enough.
    pub fn median(&self, layer: usize, kind: Kind) -> Option<f64> {
        let Usual { tasks, middle, .. } = self.layers[layer].usual[kind as usize];
        (tasks >= MEDIAN_FROM).then(|| class_end(middle).as_secs_f64())
    }
}

/// Whole numbers only, so that every machine finds the same class.
pub(super) fn class(took: Span) -> usize {
    let micros = took.as_micros().clamp(1, (1 << DOUBLINGS) - 1);
    let doublings = micros.ilog2();
    // The bits behind the leading one.
    let part = (micros << CLASS_BITS >> doublings) - (1 << CLASS_BITS);
    ((doublings << CLASS_BITS) + part as u32) as usize
}

/// The upper edge of a class: what is made of it is a limit, and errs on the generous side.
fn class_end(class: usize) -> Span {
    let doublings = class >> CLASS_BITS;
    let part = (class & ((1 << CLASS_BITS) - 1)) as u64 + 1;
    Span::from_micros((((1 << CLASS_BITS) + part) << doublings).div_ceil(1 << CLASS_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(speeds: &[f64]) -> Learned {
        let hosts = speeds
            .iter()
            .map(|speed| (Speed::new(*speed).unwrap(), Span::from_secs(60)));
        Learned::new(1, Span::ZERO, hosts)
    }

    #[test]
    fn before_anything_ended_what_was_declared_holds() {
        let costs = learned(&[2.0]);
        assert_eq!(costs.scale(0), 1.0);
        assert_eq!(costs.speed(0), 2.0);
        assert_eq!(costs.median(0, Kind::Frame), None);
        assert_eq!(costs.load(0), 60.0);
    }

    #[test]
    fn a_slow_host_is_found_out_and_predictions_fit_both() {
        let mut costs = learned(&[1.0, 1.0]);
        for _ in 0..200 {
            costs.rendered(0, 0, Kind::Frame, Span::from_secs(10), Span::from_secs(30));
            costs.rendered(0, 1, Kind::Frame, Span::from_secs(10), Span::from_secs(120));
        }
        let predicted = |host| 10.0 * costs.scale(0) / costs.speed(host);
        assert!((predicted(0) / 30.0 - 1.0).abs() < 0.05, "{}", predicted(0));
        assert!(
            (predicted(1) / 120.0 - 1.0).abs() < 0.05,
            "{}",
            predicted(1)
        );
    }

    #[test]
    fn the_spread_is_that_of_real_by_estimated() {
        let mut costs = learned(&[1.0]);
        costs.rendered(0, 0, Kind::Frame, Span::from_secs(10), Span::from_secs(10));
        assert_eq!(costs.spread(0), None);
        costs.rendered(0, 0, Kind::Frame, Span::from_secs(20), Span::from_secs(20));
        let spread = costs.spread(0).unwrap();
        assert!(
            spread < 1e-3,
            "twice the estimate, twice the time: {spread}"
        );
        let mut costs = learned(&[1.0]);
        for _ in 0..500 {
            costs.rendered(0, 0, Kind::Frame, Span::from_secs(10), Span::from_secs(10));
            costs.rendered(0, 0, Kind::Frame, Span::from_secs(10), Span::from_secs(30));
        }
        let spread = costs.spread(0).unwrap();
        assert!(
            (spread - 0.5).abs() < 0.02,
            "20 s, 10 s up or down: {spread}"
        );
    }

    #[test]
    fn the_median_is_not_moved_by_a_few_giants() {
        let mut costs = learned(&[1.0]);
        for seconds in [10, 10, 10, 10, 10, 10, 5_000, 5_000] {
            costs.rendered(
                0,
                0,
                Kind::Frame,
                Span::from_secs(10),
                Span::from_secs(seconds),
            );
        }
        let median = costs.median(0, Kind::Frame).unwrap();
        assert!((10.0..11.5).contains(&median), "{median}");
    }

    #[test]
    fn tiles_say_nothing_of_how_long_a_frame_may_take() {
        let mut costs = learned(&[1.0]);
        for _ in 0..9 {
            costs.rendered(
                0,
                0,
                Kind::Frame,
                Span::from_secs(100),
                Span::from_secs(100),
            );
        }
        for _ in 0..100 {
            costs.rendered(0, 0, Kind::Tile, Span::from_secs(1), Span::from_secs(1));
        }
        assert!(costs.median(0, Kind::Frame).unwrap() >= 100.0);
        assert!(costs.median(0, Kind::Tile).unwrap() < 1.2);
        assert_eq!(costs.longest(0, Kind::Tile), 1.0);
    }

    #[test]
    fn the_running_median_is_the_median() {
        let mut costs = learned(&[1.0]);
        let mut sorted = Vec::new();
        for number in 0_u64..300 {
            let micros = (number * 7_919) % 1_009 * (1 + number % 7) * 1_000 + 1;
            let took = Span::from_micros(micros);
            costs.rendered(0, 0, Kind::Frame, Span::from_secs(1), took);
            sorted.push(micros);
            sorted.sort_unstable();
            let middle = Span::from_micros(sorted[(sorted.len() - 1) / 2]);
            let expected = (sorted.len() >= 5).then(|| class_end(class(middle)).as_secs_f64());
            assert_eq!(
                costs.median(0, Kind::Frame),
                expected,
                "after {}",
                sorted.len()
            );
        }
    }

    #[test]
    fn every_time_lies_within_its_class() {
        for micros in (1..5_000).chain([999_999, 1 << 30, (1 << 40) - 1]) {
            let class = class(Span::from_micros(micros));
            assert!(micros <= class_end(class).as_micros());
            assert!(
                class == 0 || micros + 1 >= class_end(class - 1).as_micros(),
                "{micros}"
            );
        }
    }

    #[test]
    fn a_measured_load_replaces_the_guess() {
        let mut costs = learned(&[1.0]);
        costs.loaded(0, Span::from_secs(10));
        assert_eq!(costs.load(0), 10.0);
        costs.loaded(0, Span::from_secs(20));
        assert_eq!(costs.load(0), 15.0);
    }
}
