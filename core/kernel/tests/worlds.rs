//! Seeded worlds with faults: every task is committed once or given up with its reason, no slot is
//! lost, nothing starves, and every run comes to its end. Each failure names its seed.
//!
//! `FRAMEWRIGHT_SEED=n` runs that world alone, `FRAMEWRIGHT_WORLDS=n` so many from there on or from
//! the first; `tests/soak` runs twenty thousand. The seeds that ran are printed.

use std::io::Write as _;

use framewright_kernel::Farm;
use framewright_kernel::event::Outcome;
use framewright_kernel::frames::Frame;
use framewright_kernel::hosts::{Bytes, HostSpec, Speed, TagSet};
use framewright_kernel::ids::{LayerId, SegmentId, TileId};
use framewright_kernel::job::{After, Costs, Job, JobSpec, LayerSpec, Scope, TaskSpec};
use framewright_kernel::policy::{Limits, Pace, Policy};
use framewright_kernel::sim::{Faults, Rng, Trace, World, simulate_checked};
use framewright_kernel::time::Span;

/// Worlds in an ordinary test run; a few seconds without optimisation.
const WORLDS: u64 = 250;

#[expect(
    clippy::disallowed_methods,
    reason = "a test may be told which seed to run; the kernel may not"
)]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

struct Case {
    job: Job,
    hosts: Vec<HostSpec>,
    world: World,
}

fn case(seed: u64) -> Case {
    let mut rng = Rng::new(seed);
    let job = Job::new(spec(&mut rng)).expect("a generated job is a job");
    let hosts = hosts(&mut rng);
    let world = World {
        costs: job
            .tasks()
            .map(|task| {
                let dear = if rng.chance(0.1) { 8.0 } else { 1.0 };
                let factor = dear * rng.between(0.2, 3.0);
                Span::from_secs_f64(job.cost(task).as_secs_f64() * factor)
            })
            .collect(),
        speeds: hosts
            .iter()
            .map(|host| host.speed.as_f64() * rng.between(0.5, 2.0))
            .collect(),
        loads: hosts
            .iter()
            .map(|_| Span::from_secs_f64(rng.between(0.0, 40.0)))
            .collect(),
        start_delay: Span::from_secs_f64(rng.between(0.0, 2.0)),
        faults: faults(&mut rng, job.limits()),
    };
    Case { job, hosts, world }
}

fn faults(rng: &mut Rng, limits: Limits) -> Faults {
    let mut faults = Faults::swarm(rng.bits(), Span::from_secs(10));
    if limits.task_limit.is_none() {
        // Until five tasks have ended nobody can say what is too long.
        faults.hangs = 0.0;
    }
    faults
}

/// How the frames of a layer are split.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tiling {
    Whole,
    /// Each frame into so many.
    Even(u16),
    /// Whole frames beside frames of two tiles and more.
    Mixed,
    /// The last third, for the end of the job.
    Tail,
}

impl Tiling {
    fn draw(rng: &mut Rng) -> Tiling {
        match rng.below(10) {
            0 | 1 => Tiling::Even(2 + rng.below(8) as u16),
            2 => Tiling::Mixed,
            3 => Tiling::Tail,
            _ => Tiling::Whole,
        }
    }

    /// 0 where the frame stays whole.
    fn tiles(self, frame: i32, frames: i32) -> u16 {
        match self {
            Tiling::Whole => 0,
            Tiling::Even(tiles) => tiles,
            Tiling::Mixed if frame % 2 == 0 => 0,
            Tiling::Mixed => 2 + frame as u16,
            Tiling::Tail if frame * 3 < frames * 2 => 0,
            Tiling::Tail => 6,
        }
    }
}

fn spec(rng: &mut Rng) -> JobSpec {
    let layer_count = 1 + rng.below(4);
    let frames = 1 + rng.below(12) as i32;
    let mut layers: Vec<LayerSpec> = Vec::new();
    let mut tasks = Vec::new();
    for index in 0..layer_count {
        let layer = LayerId(index as u16);
        let mut after = Vec::new();
        for other in 0..index {
            if rng.chance(0.4) {
                let scope = if rng.chance(0.7) {
                    Scope::Frame
                } else {
                    Scope::Layer
                };
                let layer = LayerId(other as u16);
                after.push(After { layer, scope });
            }
        }
        layers.push(LayerSpec {
            weight: rng.between(0.1, 2.0),
            after,
            undivided: rng.chance(0.15),
            memory: Bytes(rng.below(3)),
            tags: TagSet(u64::from(rng.chance(0.2))),
        });
        let tiling = Tiling::draw(rng);
        for frame in (0..frames).filter(|_| rng.chance(0.9)).collect::<Vec<_>>() {
            let mut task = TaskSpec {
                priority: rng.chance(0.1),
                done: rng.chance(0.1),
                attempts: rng.below(3) as u16,
                cost: rng
                    .chance(0.3)
                    .then(|| Span::from_secs_f64(rng.between(1.0, 30.0))),
                ..TaskSpec::new(layer, Frame(frame))
            };
            let tiles = tiling.tiles(frame, frames);
            if tiles == 0 {
                tasks.push(task);
            }
            task.last = tiling == Tiling::Tail;
            let uneven = rng.chance(0.5);
            for tile in 0..tiles {
                task.tile = Some(TileId(tile));
                // 1, 2, 3 … parts of the frame.
                let parts = f64::from(tiles) * f64::from(tiles + 1) / 2.0;
                task.share = uneven.then(|| f64::from(tile + 1) / parts);
                tasks.push(task);
            }
        }
    }
    if tasks.is_empty() {
        tasks.push(TaskSpec::new(LayerId(0), Frame(1)));
    }
    JobSpec {
        layers,
        tasks,
        costs: Costs {
            load: Span::from_secs_f64(rng.between(0.0, 60.0)),
            call: Span::from_secs_f64(rng.between(0.0, 2.0)),
            frame: Span::from_secs_f64(rng.between(1.0, 30.0)),
        },
        kept: rng.chance(0.5),
        policy: match rng.below(11) {
            0 => Policy::Even,
            1 => Policy::Fixed(rng.below(4) as u32),
            2 => Policy::RoyalRender { min: 1, max: 5 },
            3 => Policy::Guided,
            4 => Policy::Factoring,
            5 => Policy::OpenJd {
                target: Span::from_secs_f64(rng.between(1.0, 120.0)),
            },
            _ => Policy::Auto,
        },
        limits: Limits {
            retries: rng.below(5) as u8,
            task_limit: rng.chance(0.3).then(|| Span::from_secs(100)),
            load_limit: None,
            keep_going: rng.chance(0.8),
        },
        pace: Pace {
            dispatch_interval: Span::from_secs_f64(if rng.chance(0.3) { 5.0 } else { 0.0 }),
            start_delay: Span::from_secs_f64(rng.between(0.0, 2.0)),
            loads_max: rng.chance(0.3).then(|| 1 + rng.below(3) as u32),
        },
        first_segment: SegmentId(rng.below(1000)),
    }
}

fn hosts(rng: &mut Rng) -> Vec<HostSpec> {
    (0..1 + rng.below(6))
        .map(|_| HostSpec {
            slots: rng.below(4) as u32,
            speed: Speed::new(rng.between(0.25, 4.0)).expect("within limits"),
            memory: rng.chance(0.7).then(|| Bytes(rng.below(4))),
            tags: TagSet(u64::from(rng.chance(0.5))),
            load: None,
        })
        .collect()
}

/// What must be true of every ended run. Everything else is checked after each event.
fn judge(case: &Case, trace: &Trace) -> Result<(), String> {
    let total = case.job.task_count();
    let ended = trace.committed + trace.given_up;
    let complete = match trace.outcome {
        Outcome::Done => trace.committed == total,
        Outcome::Failed => trace.given_up > 0 && (ended == total || !case.job.limits().keep_going),
        Outcome::Interrupted | Outcome::Cancelled | Outcome::DiskFull => ended < total,
    };
    let faults = case.world.faults;
    let asked = match trace.outcome {
        Outcome::Done | Outcome::Failed => true,
        Outcome::Interrupted => faults.drain_after_s > 0.0,
        Outcome::Cancelled => faults.cancel_after_s > 0.0,
        Outcome::DiskFull => faults.disk_full > 0.0,
    };
    if complete && asked {
        Ok(())
    } else {
        Err(format!("{trace:?}"))
    }
}

fn run(seed: u64) -> Result<Trace, String> {
    let case = case(seed);
    let farm = Farm::new(case.job.clone(), case.hosts.clone());
    let trace = simulate_checked(case.world.clone(), farm).map_err(|error| error.to_string())?;
    judge(&case, &trace)?;
    Ok(trace)
}

#[test]
fn every_world_comes_to_its_end_with_nothing_lost() {
    let (seed, worlds) = (number("FRAMEWRIGHT_SEED"), number("FRAMEWRIGHT_WORLDS"));
    let first = seed.unwrap_or(0);
    // A seed by itself is one world that somebody wants to look at.
    let worlds = worlds.unwrap_or(if seed.is_some() { 1 } else { WORLDS });
    let mut outcomes = [0_u32; 5];
    let mut policies = Vec::new();
    let (mut copies, mut cuts, mut reopened) = (0, 0, 0);
    // Closings, silences, joins, leaves.
    let mut unrest = [0_u32; 4];
    for seed in first..first + worlds {
        let trace = std::panic::catch_unwind(|| run(seed))
            .unwrap_or_else(|_| panic!("FRAMEWRIGHT_SEED={seed}: the kernel panicked"))
            .unwrap_or_else(|why| panic!("FRAMEWRIGHT_SEED={seed}: {why}"));
        outcomes[trace.outcome as usize] += 1;
        copies += trace.copies;
        cuts += trace.cuts;
        reopened += trace.reopened;
        let came = [trace.closings, trace.silences, trace.joins, trace.leaves];
        for (sum, count) in unrest.iter_mut().zip(came) {
            *sum += count;
        }
        let policy = std::mem::discriminant(&case(seed).job.policy());
        if !policies.contains(&policy) {
            policies.push(policy);
        }
    }
    // Past the test program's capture: the log of an ordinary run has them, too.
    let told = format!(
        "worlds {first} to {}: {outcomes:?}, {cuts} cuts, {copies} copies, {} closings, \
         {} silences, {} joins, {} leaves, {reopened} opened again\n",
        first + worlds - 1,
        unrest[0],
        unrest[1],
        unrest[2],
        unrest[3],
    );
    std::io::stderr()
        .write_all(told.as_bytes())
        .expect("stderr is there");
    if worlds < WORLDS {
        return;
    }
    // Worlds in which nothing but one thing ever happens would prove little.
    assert!(outcomes.iter().all(|count| *count > 0), "{outcomes:?}");
    assert_eq!(policies.len(), 7, "every policy is drawn");
    assert!(cuts > 0 && copies > 0, "{cuts} cuts, {copies} copies");
    assert!(reopened > 0);
    assert!(unrest.iter().all(|count| *count > 0), "{unrest:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..20 {
        let trace = || {
            let case = case(seed);
            simulate_checked(case.world, Farm::new(case.job, case.hosts))
        };
        assert_eq!(trace(), trace(), "FRAMEWRIGHT_SEED={seed}");
    }
}
