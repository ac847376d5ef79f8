//! How near to the lower bound schedules come, in worlds whose costs the farm must find out.

use framewright_kernel::Farm;
use framewright_kernel::bound::{Judged, lower_bound, predicted_bound};
use framewright_kernel::frames::{Frame, FrameSet};
use framewright_kernel::hosts::{HostSpec, Speed};
use framewright_kernel::ids::{LayerId, SegmentId, TaskId};
use framewright_kernel::job::{After, Costs, Job, JobSpec, LayerSpec, Scope, TaskSpec};
use framewright_kernel::policy::{Limits, Pace, Policy};
use framewright_kernel::sim::{Faults, Rng, Trace, World, simulate, simulate_checked};
use framewright_kernel::time::{Span, Time};

#[derive(Clone)]
struct Setting {
    frames: i32,
    frame_s: f64,
    /// What the farm is told that a frame costs.
    told_s: f64,
    load_s: f64,
    /// True speeds; the farm is told what `told_speed` says.
    speeds: Vec<f64>,
    speeds_told: bool,
    kept: bool,
    interval_s: f64,
    policy: Policy,
}

impl Setting {
    fn new(frames: i32, frame_s: f64, load_s: f64, hosts: usize) -> Setting {
        Setting {
            frames,
            frame_s,
            told_s: frame_s,
            load_s,
            speeds: vec![1.0; hosts],
            speeds_told: true,
            kept: false,
            interval_s: 0.0,
            policy: Policy::Auto,
        }
    }

    fn job(&self) -> Job {
        let set = FrameSet::range(Frame(1), Frame(self.frames)).expect("a range");
        Job::new(JobSpec {
            layers: vec![LayerSpec::default()],
            tasks: set
                .iter()
                .map(|frame| TaskSpec::new(LayerId(0), frame))
                .collect(),
            costs: Costs {
                load: Span::from_secs_f64(self.load_s),
                call: Span::ZERO,
                frame: Span::from_secs_f64(self.told_s),
            },
            kept: self.kept,
            policy: self.policy,
            limits: Limits::default(),
            pace: Pace {
                dispatch_interval: Span::from_secs_f64(self.interval_s),
                start_delay: Span::ZERO,
                loads_max: None,
            },
            first_segment: SegmentId(1),
        })
        .expect("a job")
    }

    fn hosts(&self) -> Vec<HostSpec> {
        let told = |speed: &f64| if self.speeds_told { *speed } else { 1.0 };
        let host = |speed| HostSpec {
            speed: Speed::new(told(speed)).expect("a speed"),
            load: Some(Span::from_secs_f64(self.load_s)),
            ..HostSpec::default()
        };
        self.speeds.iter().map(host).collect()
    }

    /// Makespan / bound, and what happened.
    fn run(&self, factor: impl Fn(i32) -> f64) -> (f64, Trace) {
        let (job, hosts) = (self.job(), self.hosts());
        let costs: Vec<Span> = (0..self.frames)
            .map(|frame| Span::from_secs_f64(self.frame_s * factor(frame)))
            .collect();
        let loads = vec![Span::from_secs_f64(self.load_s); hosts.len()];
        let judged = Judged {
            costs: &costs,
            speeds: &self.speeds,
            loads: &loads,
        };
        let bound = lower_bound(&job, &hosts, judged).expect("every task fits");
        let world = World {
            costs: costs.clone(),
            speeds: self.speeds.clone(),
            loads: loads.clone(),
            start_delay: Span::ZERO,
            faults: Faults::default(),
        };
        let trace = simulate(world, Farm::new(job, hosts)).expect("no faults");
        (trace.makespan.as_secs_f64() / bound.as_secs_f64(), trace)
    }
}

#[test]
fn equal_frames_on_equal_hosts_end_at_the_bound_with_one_load_a_host() {
    for (frames, frame_s, load_s, hosts) in [
        (200, 20.0, 60.0, 20),
        (200, 20.0, 60.0, 50),
        (300, 120.0, 60.0, 30),
        (100, 30.0, 45.0, 20),
        (2000, 60.0, 60.0, 500),
        (2000, 5.0, 600.0, 50),
        (5000, 60.0, 30.0, 20),
    ] {
        for kept in [false, true] {
            let mut setting = Setting::new(frames, frame_s, load_s, hosts);
            setting.kept = kept;
            let (ratio, trace) = setting.run(|_| 1.0);
            assert!(
                ratio < 1.01,
                "{frames} x {frame_s} s on {hosts}, kept {kept}: {ratio}"
            );
            assert_eq!(trace.loads as usize, hosts, "kept {kept}");
        }
    }
}

#[test]
fn hosts_of_unlike_speed_end_together() {
    for kept in [false, true] {
        let mut setting = Setting::new(1000, 60.0, 60.0, 40);
        setting.speeds = (0..40).map(|host| 0.5 * 1.053_f64.powi(host)).collect();
        setting.kept = kept;
        let (ratio, _) = setting.run(|_| 1.0);
        assert!(ratio < 1.03, "kept {kept}: {ratio}");
    }
}

#[test]
fn unknown_costs_and_speeds_are_made_good_by_cutting() {
    for kept in [false, true] {
        let mut setting = Setting::new(1000, 60.0, 60.0, 40);
        setting.speeds = (0..40).map(|host| 0.5 * 1.053_f64.powi(host)).collect();
        setting.speeds_told = false;
        setting.told_s = 20.0;
        setting.kept = kept;
        let (ratio, trace) = setting.run(|_| 1.0);
        assert!(ratio < 1.25, "kept {kept}: {ratio}, {} cuts", trace.cuts);
        // The same without cutting: the difference is what is tested here.
        setting.policy = Policy::Even;
        let (even, _) = setting.run(|_| 1.0);
        assert!(even > 1.5 * ratio, "kept {kept}: {even} against {ratio}");
    }
}

#[test]
fn costs_that_rise_along_the_shot_are_made_good_by_cutting() {
    let ramp = |frame: i32| (1.0 + 9.0 * f64::from(frame) / 2000.0) / 5.5;
    for kept in [false, true] {
        let mut setting = Setting::new(2000, 60.0, 60.0, 20);
        setting.kept = kept;
        let (ratio, trace) = setting.run(ramp);
        assert!(ratio < 1.05, "kept {kept}: {ratio}, {} cuts", trace.cuts);
        assert!(
            !kept || trace.loads == 20,
            "a kept scene is loaded once a slot"
        );
    }
}

#[test]
fn a_slow_dispatcher_is_not_saturated_by_small_segments() {
    // 4,000 frames on 200 hosts with a send each 5 s: frame by frame takes ten times as long.
    for kept in [false, true] {
        let mut setting = Setting::new(4000, 20.0, 60.0, 200);
        setting.interval_s = 5.0;
        setting.kept = kept;
        let (ratio, _) = setting.run(|_| 1.0);
        assert!(ratio < 1.02, "kept {kept}: {ratio}");
        setting.policy = Policy::Fixed(1);
        let (single, _) = setting.run(|_| 1.0);
        assert!(single > 5.0, "kept {kept}: {single}");
    }
}

#[test]
fn fixed_sizes_take_what_arithmetic_says() {
    // One host, reloaded: 200 frames of 20 s in segments of 2 with a load of 60 s each.
    for (size, seconds) in [(2, 10_000.0), (10, 5_200.0)] {
        let mut setting = Setting::new(200, 20.0, 60.0, 1);
        setting.policy = Policy::Fixed(size);
        let (_, trace) = setting.run(|_| 1.0);
        assert_eq!(trace.makespan.as_secs_f64(), seconds);
        assert_eq!(trace.segments.len() as u32, 200 / size);
    }
}

#[test]
fn nothing_ever_ends_before_the_bound() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let hosts = 1 + rng.below(12) as usize;
        let frames = 1 + rng.below(80) as i32;
        let mut setting = Setting::new(frames, 30.0, rng.between(0.0, 90.0), hosts);
        setting.speeds = (0..hosts).map(|_| rng.between(0.5, 4.0)).collect();
        setting.speeds_told = rng.chance(0.5);
        setting.kept = rng.chance(0.5);
        setting.interval_s = if rng.chance(0.5) { 5.0 } else { 0.0 };
        let factors: Vec<f64> = (0..frames).map(|_| rng.between(0.1, 4.0)).collect();
        let (ratio, _) = setting.run(|frame| factors[frame as usize]);
        // Times are whole microseconds.
        assert!(ratio >= 1.0 - 1e-6, "seed {seed}: {ratio}");
    }
}

#[test]
fn a_plan_is_what_happens_when_everything_is_as_expected() {
    let setting = Setting::new(300, 20.0, 60.0, 8);
    let (job, hosts) = (setting.job(), setting.hosts());
    let bound = predicted_bound(&job, &hosts).unwrap();
    let world = World::predicted(&job, &hosts);
    let trace = simulate_checked(world, Farm::new(job, hosts)).unwrap();
    assert!(trace.makespan.as_secs_f64() < 1.02 * bound.as_secs_f64());
    let mut tasks: Vec<TaskId> = trace
        .segments
        .iter()
        .flat_map(|s| s.tasks.clone())
        .collect();
    tasks.sort_unstable();
    assert_eq!(tasks, (0..300).map(TaskId).collect::<Vec<_>>());
    for segment in &trace.segments {
        assert!(segment.start < segment.end && segment.end <= Time::ZERO + trace.makespan);
    }
    assert_eq!(trace.loads, 8);
    assert_eq!(trace.load_time, Span::from_secs(8 * 60));
    assert_eq!(trace.render_time, Span::from_secs(300 * 20));
    assert_eq!((trace.busy_max, trace.slots_used), (8, 8));
}

#[test]
fn layers_that_wait_for_each_other_keep_the_farm_busy() {
    let frames = FrameSet::range(Frame(1), Frame(120)).unwrap();
    let behind = LayerSpec {
        weight: 1.0,
        after: vec![After {
            layer: LayerId(0),
            scope: Scope::Frame,
        }],
        ..LayerSpec::default()
    };
    let layer = |layer| {
        frames
            .iter()
            .map(move |frame| TaskSpec::new(LayerId(layer), frame))
    };
    let job = Job::new(JobSpec {
        layers: vec![
            LayerSpec {
                weight: 1.0,
                ..LayerSpec::default()
            },
            behind,
        ],
        tasks: layer(0).chain(layer(1)).collect(),
        costs: Costs {
            load: Span::from_secs(30),
            call: Span::from_secs(1),
            frame: Span::from_secs(40),
        },
        kept: true,
        policy: Policy::Auto,
        limits: Limits::default(),
        pace: Pace::default(),
        first_segment: SegmentId(1),
    })
    .unwrap();
    let hosts = vec![HostSpec::default(); 10];
    let bound = predicted_bound(&job, &hosts).unwrap();
    let world = World::predicted(&job, &hosts);
    let trace = simulate_checked(world, Farm::new(job, hosts)).unwrap();
    let ratio = trace.makespan.as_secs_f64() / bound.as_secs_f64();
    assert!(ratio < 1.05, "{ratio}");
}
