#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs
)]
use framewright_kernel::Farm;
use framewright_kernel::bound::predicted_bound;
use framewright_kernel::frames::Frame;
use framewright_kernel::hosts::{HostSpec, Speed};
use framewright_kernel::ids::{LayerId, SegmentId};
use framewright_kernel::job::{Costs, Job, JobSpec, LayerSpec, TaskSpec};
use framewright_kernel::policy::{Limits, Pace, Policy};
use framewright_kernel::sim::{Faults, Rng, World, simulate, simulate_checked};
use framewright_kernel::time::Span;
use std::time::Instant;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let tasks: i32 = args[0].parse().unwrap();
    let hosts: usize = args[1].parse().unwrap();
    let kind = args[2].as_str(); // plan | sim | hist
    let kept = args.get(3).is_none_or(|a| a != "reloaded");
    let t0 = Instant::now();
    let mut rng = Rng::new(1);
    let costs: Vec<f64> = (0..tasks)
        .map(|_| 60.0 * (0.6 * rng.normal() - 0.18).exp())
        .collect();
    let spec = JobSpec {
        layers: vec![LayerSpec::default()],
        tasks: (0..tasks)
            .map(|f| TaskSpec {
                cost: (kind == "hist")
                    .then(|| Span::from_secs_f64(costs[f as usize] * (0.2 * rng.normal()).exp())),
                ..TaskSpec::new(LayerId(0), Frame(f))
            })
            .collect(),
        costs: Costs {
            load: Span::from_secs(60),
            call: Span::ZERO,
            frame: Span::from_secs(60),
        },
        kept,
        policy: Policy::Auto,
        limits: Limits::default(),
        pace: Pace {
            dispatch_interval: Span::ZERO,
            start_delay: Span::from_secs_f64(0.01),
            loads_max: None,
        },
        first_segment: SegmentId(1),
    };
    let speeds: Vec<f64> = (0..hosts)
        .map(|h| 0.5 * 8f64.powf(h as f64 / hosts as f64))
        .collect();
    let specs: Vec<HostSpec> = speeds
        .iter()
        .map(|s| HostSpec {
            speed: Speed::new(*s).unwrap(),
            ..HostSpec::default()
        })
        .collect();
    let t1 = Instant::now();
    let job = Job::new(spec).unwrap().in_lists();
    let t2 = Instant::now();
    let bound = predicted_bound(&job, &specs).unwrap();
    let t3 = Instant::now();
    let mut world = World::predicted(&job, &specs);
    if kind != "plan" {
        world.costs = costs.iter().map(|c| Span::from_secs_f64(*c)).collect();
        world.faults = Faults {
            host_losses_per_hour: 0.02,
            host_notice: Span::from_secs(30),
            host_away: Span::from_secs(870),
            ..Faults::default()
        };
    }
    let farm = Farm::new(job, specs);
    let bytes = farm.bytes();
    let t4 = Instant::now();
    let trace = if std::env::var("CHECK").is_ok() {
        simulate_checked(world, farm)
    } else {
        simulate(world, farm)
    }
    .unwrap();
    let t5 = Instant::now();
    println!(
        "{tasks} x {hosts} {kind} kept={kept}: spec {:.2} job {:.2} bound {:.2} farm {:.2} sim {:.2} s; events {} ({:.0}/s), segs {}, loads {}, used {}, cuts {}, ratio {:.4}, {:.1} B/task",
        (t1 - t0).as_secs_f64(),
        (t2 - t1).as_secs_f64(),
        (t3 - t2).as_secs_f64(),
        (t4 - t3).as_secs_f64(),
        (t5 - t4).as_secs_f64(),
        trace.events,
        trace.events as f64 / (t5 - t4).as_secs_f64(),
        trace.segments.len(),
        trace.loads,
        trace.slots_used,
        trace.cuts,
        trace.makespan.as_secs_f64() / bound.as_secs_f64(),
        bytes as f64 / tasks as f64
    );
}
