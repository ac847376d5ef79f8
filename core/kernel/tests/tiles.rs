//! Jobs whose frames are in tiles: what tiles cost, in which order they go, and what may be said of
//! frames that are whole beside them.

use framewright_kernel::Farm;
use framewright_kernel::frames::Frame;
use framewright_kernel::hosts::{HostSpec, Speed};
use framewright_kernel::ids::{LayerId, SegmentId, TaskId, TileId};
use framewright_kernel::job::{Costs, Job, JobSpec, LayerSpec, TaskSpec};
use framewright_kernel::policy::{Limits, Pace, Policy};
use framewright_kernel::sim::{Rng, Trace, World, simulate, simulate_checked};
use framewright_kernel::time::Span;

const LAYER: LayerId = LayerId(0);

fn tiles(frame: i32, tiles: u16, last: bool) -> impl Iterator<Item = TaskSpec> {
    (0..tiles).map(move |tile| TaskSpec {
        tile: Some(TileId(tile)),
        last,
        ..TaskSpec::new(LAYER, Frame(frame))
    })
}

fn job(tasks: Vec<TaskSpec>, call_s: u64, kept: bool) -> Job {
    Job::new(JobSpec {
        layers: vec![LayerSpec::default()],
        tasks,
        costs: Costs {
            load: Span::from_secs(10),
            call: Span::from_secs(call_s),
            frame: Span::from_secs(100),
        },
        kept,
        policy: Policy::Auto,
        limits: Limits::default(),
        pace: Pace::default(),
        first_segment: SegmentId(1),
    })
    .expect("a job")
}

fn hosts(count: usize) -> Vec<HostSpec> {
    vec![HostSpec::default(); count]
}

fn run(job: &Job, hosts: &[HostSpec], world: World) -> Trace {
    let trace = simulate_checked(world, Farm::new(job.clone(), hosts.to_vec())).expect("it ends");
    assert_eq!(trace.committed, job.task_count());
    trace
}

fn planned(job: &Job, count: usize) -> Trace {
    let hosts = hosts(count);
    run(job, &hosts, World::predicted(job, &hosts))
}

#[test]
fn a_tile_costs_its_call_and_its_part_of_the_frame() {
    let seconds = |job: &Job| -> Vec<f64> {
        job.tasks()
            .map(|task| job.cost(task).as_secs_f64())
            .collect()
    };
    assert_eq!(
        seconds(&job(tiles(1, 4, false).collect(), 3, true)),
        [28.0; 4]
    );
    let shares = [0.5, 0.3, 0.15, 0.05];
    let uneven = tiles(1, 4, false)
        .zip(shares)
        .map(|(task, share)| TaskSpec {
            share: Some(share),
            ..task
        });
    assert_eq!(
        seconds(&job(uneven.collect(), 3, true)),
        [53.0, 33.0, 18.0, 8.0]
    );
    // What is no part is none: all alike.
    let absurd = tiles(1, 4, false).zip([f64::NAN, -1.0, 7.0, 0.25]);
    let absurd = absurd.map(|(task, share)| TaskSpec {
        share: Some(share),
        ..task
    });
    assert_eq!(seconds(&job(absurd.collect(), 3, true)), [28.0; 4]);
}

/// 40 frames, then five in tiles.
fn with_a_tail(kept: bool) -> Job {
    let whole = (1..=40).map(|frame| TaskSpec::new(LAYER, Frame(frame)));
    let tail = (41..=45).flat_map(|frame| tiles(frame, 20, true));
    job(whole.chain(tail).collect(), 1, kept)
}

#[test]
fn tiles_for_the_end_are_begun_when_no_frame_waits() {
    let job = with_a_tail(true);
    let trace = planned(&job, 20);
    let is_tile = |task: &TaskId| job.key(*task).tile.is_some();
    let segments = &trace.segments;
    let last_frame = segments
        .iter()
        .filter(|segment| !is_tile(&segment.tasks[0]));
    let last_frame = last_frame.map(|segment| segment.start).max().unwrap();
    let first_tile = segments.iter().filter(|segment| is_tile(&segment.tasks[0]));
    let first_tile = first_tile.map(|segment| segment.start).min().unwrap();
    assert!(first_tile >= last_frame, "{first_tile} {last_frame}");
}

#[test]
fn a_tail_in_tiles_fills_the_slots_to_the_end() {
    for kept in [true, false] {
        let whole: Vec<TaskSpec> = (1..=45)
            .map(|frame| TaskSpec::new(LAYER, Frame(frame)))
            .collect();
        let without = planned(&job(whole, 1, kept), 20).makespan.as_secs_f64();
        let with = planned(&with_a_tail(kept), 20).makespan.as_secs_f64();
        // Three rounds of frames against two and a quarter.
        assert!(with < 0.82 * without, "kept {kept}: {with} {without}");
    }
}

#[test]
fn a_slow_slot_with_no_time_for_a_frame_takes_tiles() {
    let job = with_a_tail(true);
    let mut hosts = hosts(20);
    for host in &mut hosts[..5] {
        host.speed = Speed::new(0.3).unwrap();
    }
    let trace = run(&job, &hosts, World::predicted(&job, &hosts));
    let bound = framewright_kernel::bound::predicted_bound(&job, &hosts).unwrap();
    let ratio = trace.makespan.as_secs_f64() / bound.as_secs_f64();
    assert!(ratio < 1.2, "{ratio}");
}

/// A world in which a tile costs what its frame and its place do, and the estimate knows neither.
fn uneven_world(job: &Job, hosts: &[HostSpec], tiles: u32, seed: u64) -> World {
    let mut rng = Rng::new(seed);
    let places: Vec<f64> = (0..tiles).map(|_| (rng.normal() * 0.9).exp()).collect();
    let costs = job.tasks().map(|task| {
        let key = job.key(task);
        let place = key.tile.map_or(1.0, |tile| places[usize::from(tile.0)]);
        let frame = 1.0 + 0.3 * (f64::from(key.frame.0) * 0.2).sin();
        Span::from_secs_f64(job.cost(task).as_secs_f64() * place * frame)
    });
    World {
        costs: costs.collect(),
        ..World::predicted(job, hosts)
    }
}

/// By true costs.
fn ratio(job: &Job, hosts: &[HostSpec], world: World) -> f64 {
    let judged = framewright_kernel::bound::Judged {
        costs: &world.costs,
        speeds: &world.speeds,
        loads: &world.loads,
    };
    let bound = framewright_kernel::bound::lower_bound(job, hosts, judged).expect("hosts for all");
    let trace = simulate(world, Farm::new(job.clone(), hosts.to_vec())).expect("it ends");
    trace.makespan.as_secs_f64() / bound.as_secs_f64()
}

#[test]
fn uneven_pictures_of_many_frames_end_near_the_bound() {
    let hosts = hosts(20);
    for (kept, most) in [(true, 1.05), (false, 1.18)] {
        // As many tiles as a sample at even distances would take for one place of all frames.
        let job = job(
            (1..=45).flat_map(|frame| tiles(frame, 20, false)).collect(),
            1,
            kept,
        );
        let job = job.in_lists();
        let ratios = (0..10).map(|seed| ratio(&job, &hosts, uneven_world(&job, &hosts, 20, seed)));
        let mean = ratios.sum::<f64>() / 10.0;
        assert!(mean < most, "kept {kept}: {mean}");
    }
}
