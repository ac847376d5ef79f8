//! The field's example jobs, in figures, which are told on stderr.

use std::io::Write as _;

use framewright_kernel::Farm;
use framewright_kernel::bound::{Judged, lower_bound};
use framewright_kernel::frames::Frame;
use framewright_kernel::hosts::{HostSpec, Speed};
use framewright_kernel::ids::{LayerId, SegmentId, TaskId, TileId};
use framewright_kernel::job::{After, Costs, Job, JobSpec, LayerSpec, Scope, TaskSpec};
use framewright_kernel::policy::{Limits, Pace, Policy};
use framewright_kernel::sim::{Rng, Trace, World, simulate};
use framewright_kernel::time::Span;

struct Shot {
    layers: Vec<LayerSpec>,
    tasks: Vec<TaskSpec>,
    load_s: u64,
    frame_s: u64,
    kept: bool,
    speeds: Vec<f64>,
}

impl Shot {
    fn new(tasks: Vec<TaskSpec>, frame_s: u64, slots: usize) -> Shot {
        Shot {
            layers: vec![LayerSpec::default()],
            tasks,
            load_s: 30,
            frame_s,
            kept: true,
            speeds: vec![1.0; slots],
        }
    }

    fn job(&self, policy: Policy) -> Job {
        let job = Job::new(JobSpec {
            layers: self.layers.clone(),
            tasks: self.tasks.clone(),
            costs: Costs {
                load: Span::from_secs(self.load_s),
                call: Span::from_secs_f64(0.5),
                frame: Span::from_secs(self.frame_s),
            },
            kept: self.kept,
            policy,
            limits: Limits::default(),
            pace: Pace::default(),
            first_segment: SegmentId(1),
        });
        job.expect("a job").in_lists()
    }

    /// What comes of it where tasks cost so many times what is expected, and that divided by the bound.
    fn run(&self, name: &str, policy: Policy, times: impl Fn(&Job, TaskId) -> f64) -> (Trace, f64) {
        let job = self.job(policy);
        let host = |speed: &f64| HostSpec {
            speed: Speed::new(*speed).expect("a speed"),
            ..HostSpec::default()
        };
        let hosts: Vec<HostSpec> = self.speeds.iter().map(host).collect();
        let cost = |task| Span::from_secs_f64(job.cost(task).as_secs_f64() * times(&job, task));
        let world = World {
            costs: job.tasks().map(cost).collect(),
            ..World::predicted(&job, &hosts)
        };
        let judged = Judged {
            costs: &world.costs,
            speeds: &world.speeds,
            loads: &world.loads,
        };
        let bound = lower_bound(&job, &hosts, judged)
            .expect("hosts for all")
            .as_secs_f64();
        let farm = Farm::new(job, hosts);
        let trace = simulate(world, farm).expect("it ends");
        assert_eq!(trace.given_up, 0);
        let makespan = trace.makespan.as_secs_f64();
        let Trace {
            segments,
            loads,
            busy_mean,
            ..
        } = &trace;
        let ratio = makespan / bound;
        tell(&format!(
            "{name}: {makespan:.0} s, bound {bound:.0} s, {ratio:.3} times that; {} segments, {loads} loads, \
             {busy_mean:.1} slots busy",
            segments.len(),
        ));
        (trace, ratio)
    }
}

/// Past the test program's capture: the log of an ordinary run has it, too.
fn tell(line: &str) {
    let told = std::io::stderr().write_all(format!("{line}\n").as_bytes());
    told.expect("stderr is there");
}

fn frames(layer: u16, range: std::ops::RangeInclusive<i32>) -> impl Iterator<Item = TaskSpec> {
    range.map(move |frame| TaskSpec::new(LayerId(layer), Frame(frame)))
}

fn tiles(frame: i32, tiles: u16, last: bool) -> impl Iterator<Item = TaskSpec> {
    (0..tiles).map(move |tile| TaskSpec {
        tile: Some(TileId(tile)),
        last,
        ..TaskSpec::new(LayerId(0), Frame(frame))
    })
}

fn as_expected(_: &Job, _: TaskId) -> f64 {
    1.0
}

#[test]
fn three_hundred_frames_on_thirty_hosts() {
    let mut shot = Shot::new(frames(0, 1..=300).collect(), 60, 30);
    let alike = shot
        .run(
            "300 frames, 30 hosts alike, even",
            Policy::Even,
            as_expected,
        )
        .1;
    assert!(alike < 1.01, "ten each: {alike}");
    shot.run(
        "300 frames, 30 hosts alike, auto",
        Policy::Auto,
        as_expected,
    );
    // From half as fast to twice as fast.
    shot.speeds = (0..30)
        .map(|host| 0.5 * 4.0_f64.powf(f64::from(host) / 29.0))
        .collect();
    let even = shot
        .run(
            "300 frames, 30 hosts unlike, even",
            Policy::Even,
            as_expected,
        )
        .1;
    let auto = shot
        .run(
            "300 frames, 30 hosts unlike, auto",
            Policy::Auto,
            as_expected,
        )
        .1;
    assert!(even > 1.7 && auto < 1.05, "{even} {auto}");
}

#[test]
fn a_still_of_4k_in_a_hundred_tiles_on_twenty_hosts() {
    let shot = Shot::new(tiles(1, 100, false).collect(), 1_800, 20);
    let even = shot
        .run(
            "100 tiles, 20 hosts, even picture",
            Policy::Auto,
            as_expected,
        )
        .1;
    // Tiles around the middle of the picture cost more, up to four times what its corners do.
    let middle = |job: &Job, task: TaskId| {
        let tile = f64::from(job.key(task).tile.map_or(0, |tile| tile.0));
        let (x, y) = (
            (tile % 10.0 - 4.5) / 4.5,
            ((tile / 10.0).floor() - 4.5) / 4.5,
        );
        0.5 + 1.5 * (-(x * x + y * y) / 0.5).exp()
    };
    let uneven = shot
        .run(
            "100 tiles, 20 hosts, dear in the middle",
            Policy::Auto,
            middle,
        )
        .1;
    let by_count = shot
        .run(
            "100 tiles, 20 hosts, dear in the middle, even",
            Policy::Even,
            middle,
        )
        .1;
    assert!(
        even < 1.02 && uneven < 1.12 && by_count > uneven,
        "{even} {uneven} {by_count}"
    );
}

#[test]
fn an_animation_whose_last_round_of_frames_is_not_full() {
    let whole = Shot::new(frames(0, 1..=45).collect(), 300, 20);
    let (without, _) = whole.run("45 frames, 20 slots", Policy::Auto, as_expected);
    let tail = frames(0, 1..=40).chain((41..=45).flat_map(|frame| tiles(frame, 4, true)));
    let tail = Shot::new(tail.collect(), 300, 20);
    let (with, ratio) = tail.run(
        "45 frames, 20 slots, the last 5 in 4 tiles",
        Policy::Auto,
        as_expected,
    );
    let gain = with.makespan.as_secs_f64() / without.makespan.as_secs_f64();
    tell(&format!(
        "with a tail in tiles {gain:.3} of the time without"
    ));
    assert!(gain < 0.78 && ratio < 1.02, "{gain} {ratio}");
    // Frames that differ by themselves.
    let varied = |job: &Job, task: TaskId| {
        let frame = job.key(task).frame.0 as u64;
        (0.3 * Rng::new(frame).normal()).exp()
    };
    let (without, _) = whole.run("45 frames that differ, 20 slots", Policy::Auto, varied);
    let (with, _) = tail.run(
        "45 frames that differ, the last 5 in 4 tiles",
        Policy::Auto,
        varied,
    );
    assert!(with.makespan < without.makespan);
}

/// Beauty, a shadow that stands on it frame by frame, and two that stand on nothing.
#[test]
fn three_hundred_frames_of_four_layers_with_a_shadow_after_beauty() {
    let layer = |weight: f64, after: Option<Scope>| LayerSpec {
        weight,
        after: after
            .map(|scope| After {
                layer: LayerId(0),
                scope,
            })
            .into_iter()
            .collect(),
        ..LayerSpec::default()
    };
    for (scope, name) in [(Scope::Frame, "frame"), (Scope::Layer, "layer")] {
        let mut shot = Shot::new(
            (0..4).flat_map(|layer| frames(layer, 1..=300)).collect(),
            40,
            20,
        );
        shot.layers = vec![
            layer(0.5, None),
            layer(0.2, Some(scope)),
            layer(0.2, None),
            layer(0.1, None),
        ];
        let name = format!("300 frames of 4 layers, shadow after beauty's {name}, 20 slots");
        let (trace, ratio) = shot.run(&name, Policy::Auto, as_expected);
        assert!(ratio < 1.03, "{ratio}");
        // Segments are begun in order: each shadow behind what it stands on.
        let job = shot.job(Policy::Auto);
        let of = |layer: u16| {
            let own = |task: &TaskId| job.key(*task).layer == LayerId(layer);
            let segments = trace.segments.iter();
            let own: Vec<_> = segments
                .filter(|segment| segment.tasks.iter().any(own))
                .collect();
            own
        };
        let (beauty, shadow) = (of(0), of(1));
        let first_shadow = shadow
            .iter()
            .map(|segment| segment.start)
            .min()
            .expect("it was rendered");
        let first_beauty = beauty
            .iter()
            .map(|segment| segment.end)
            .min()
            .expect("it was rendered");
        let last_beauty = beauty
            .iter()
            .map(|segment| segment.end)
            .max()
            .expect("it was rendered");
        match scope {
            Scope::Frame => assert!(first_shadow >= first_beauty),
            Scope::Layer => assert!(first_shadow >= last_beauty),
        }
    }
}
