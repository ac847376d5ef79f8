//! Jobs that start from the costs of an earlier render: their shape holds, and how much all of them
//! are off is learned from the first tasks that end.

use framewright_kernel::Farm;
use framewright_kernel::bound::{Judged, lower_bound};
use framewright_kernel::event::{Action, Event};
use framewright_kernel::frames::Frame;
use framewright_kernel::hosts::{HostSpec, Speed};
use framewright_kernel::ids::{HostId, LayerId, SegmentId, TaskId};
use framewright_kernel::job::{Costs, Job, JobSpec, LayerSpec, TaskSpec};
use framewright_kernel::policy::{Limits, Pace, Policy};
use framewright_kernel::sim::{Faults, World, simulate};
use framewright_kernel::time::{Span, Time};

const FRAMES: i32 = 120;

/// What a frame cost when it was rendered before: the end of the shot is six times as dear.
fn before_s(frame: i32) -> f64 {
    10.0 + 50.0 * f64::from(frame) / f64::from(FRAMES)
}

fn job() -> Job {
    let task = |frame: i32| TaskSpec {
        cost: Some(Span::from_secs_f64(before_s(frame))),
        ..TaskSpec::new(LayerId(0), Frame(frame))
    };
    Job::new(JobSpec {
        layers: vec![LayerSpec::default()],
        tasks: (1..=FRAMES).map(task).collect(),
        costs: Costs {
            load: Span::from_secs(30),
            call: Span::ZERO,
            frame: Span::from_secs(10),
        },
        kept: true,
        policy: Policy::Auto,
        limits: Limits::default(),
        pace: Pace::default(),
        first_segment: SegmentId(1),
    })
    .expect("a job")
}

#[test]
fn a_scene_that_costs_three_times_as_much_is_foreseen_after_a_few_frames() {
    let mut farm = Farm::new(job(), vec![HostSpec::default()]);
    let foreseen = |farm: &Farm, task: u32| farm.predicted(TaskId(task), HostId(0)).as_secs_f64();
    for task in [0, 60, 119] {
        let before = before_s(task as i32 + 1);
        assert!((foreseen(&farm, task) / before - 1.0).abs() < 1e-6);
    }
    farm.handle(Time::ZERO, &Event::HostUp { host: HostId(0) });
    let sent = farm.drain();
    let Some(Action::Send {
        segment, leases, ..
    }) = sent.first()
    else {
        panic!("nothing was sent: {sent:?}");
    };
    let mut now = Time::ZERO;
    let five: Vec<TaskId> = leases.iter().take(5).map(|(task, _)| *task).collect();
    for task in five.iter().copied() {
        let took = Span::from_secs_f64(3.0 * before_s(task.0 as i32 + 1));
        let segment = *segment;
        farm.handle(now, &Event::TaskBegun { segment, task });
        now = now + took;
        farm.handle(
            now,
            &Event::Rendered {
                segment,
                task,
                took,
            },
        );
    }
    for task in (0..FRAMES as u32).filter(|task| !five.contains(&TaskId(*task))) {
        let truth = 3.0 * before_s(task as i32 + 1);
        let ratio = foreseen(&farm, task) / truth;
        assert!((ratio - 1.0).abs() < 0.02, "task {task}: {ratio}");
    }
}

/// Makespan by bound where all really costs `factor` times what it cost before.
fn ratio(factor: f64) -> f64 {
    let speeds = [0.5, 1.0, 1.0, 2.0];
    let hosts: Vec<HostSpec> = speeds
        .iter()
        .map(|speed| HostSpec {
            speed: Speed::new(*speed).expect("a speed"),
            load: Some(Span::from_secs(30)),
            ..HostSpec::default()
        })
        .collect();
    let costs: Vec<Span> = (1..=FRAMES)
        .map(|frame| Span::from_secs_f64(factor * before_s(frame)))
        .collect();
    let loads = vec![Span::from_secs(30); hosts.len()];
    let job = job();
    let judged = Judged {
        costs: &costs,
        speeds: &speeds,
        loads: &loads,
    };
    let bound = lower_bound(&job, &hosts, judged).expect("every task fits");
    let world = World {
        costs: costs.clone(),
        speeds: speeds.to_vec(),
        loads: loads.clone(),
        start_delay: Span::ZERO,
        faults: Faults::default(),
    };
    let trace = simulate(world, Farm::new(job, hosts)).expect("no faults");
    trace.makespan.as_secs_f64() / bound.as_secs_f64()
}

#[test]
fn a_common_factor_costs_next_to_nothing() {
    let same = ratio(1.0);
    for factor in [1.0 / 3.0, 3.0] {
        let off = ratio(factor);
        assert!(off < same + 0.02, "{off} instead of {same} at {factor}");
    }
    assert!(same < 1.02, "{same}");
}
