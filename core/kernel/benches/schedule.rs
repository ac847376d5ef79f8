//! How far from the lower bound the farm's schedules are, in simulated worlds whose costs it does
//! not know. Prints mean makespan / bound for each scenario, shape of costs and way to send.
//!
//! `cargo bench -p framewright-kernel --bench schedule [-- SEEDS]`
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads its arguments; the kernel reads nothing"
)]

use framewright_kernel::Farm;
use framewright_kernel::bound::{Judged, lower_bound};
use framewright_kernel::frames::{Frame, FrameSet};
use framewright_kernel::hosts::{HostSpec, Speed};
use framewright_kernel::ids::{LayerId, SegmentId};
use framewright_kernel::job::{Costs, Job, JobSpec, LayerSpec, TaskSpec};
use framewright_kernel::policy::{Limits, Pace, Policy};
use framewright_kernel::sim::{Faults, Rng, Trace, World, simulate};
use framewright_kernel::time::Span;

/// Name, frames, seconds a frame, seconds a load, hosts, slowest and fastest host.
type Scenario = (&'static str, i32, f64, f64, u32, f64, f64);

const SCENARIOS: [Scenario; 8] = [
    ("A  200f x 20s L60 W20", 200, 20.0, 60.0, 20, 1.0, 1.0),
    ("A' 200f x 20s L60 W50", 200, 20.0, 60.0, 50, 1.0, 1.0),
    ("B  300f x120s L60 W30", 300, 120.0, 60.0, 30, 1.0, 1.0),
    ("T  100f x 30s L45 W20", 100, 30.0, 45.0, 20, 1.0, 1.0),
    ("H 1000f x 60s L60 W40 .5-4", 1000, 60.0, 60.0, 40, 0.5, 4.0),
    ("G 2000f x 60s L60 W500", 2000, 60.0, 60.0, 500, 1.0, 1.0),
    ("L 2000f x  5s L600 W50", 2000, 5.0, 600.0, 50, 1.0, 1.0),
    ("Q 5000f x 60s L30 W20", 5000, 60.0, 30.0, 20, 1.0, 1.0),
];

const SHAPES: [&str; 5] = ["const", "ramp", "smooth", "lognormal", "spiky"];

fn factor(shape: &str, frame: i32, frames: i32, smooth: &mut f64, rng: &mut Rng) -> f64 {
    match shape {
        "const" => 1.0,
        "ramp" => (1.0 + 9.0 * f64::from(frame) / f64::from(frames)) / 5.5,
        "lognormal" => (0.6 * rng.normal() - 0.18).exp(),
        "smooth" => {
            *smooth = 0.97 * *smooth + 0.6 * (1.0_f64 - 0.97 * 0.97).sqrt() * rng.normal();
            (*smooth - 0.18).exp()
        }
        _ => {
            let spike = if rng.chance(0.05) { 8.0 } else { 1.0 };
            spike / 1.35
        }
    }
}

struct Way {
    kept: bool,
    interval: f64,
    delay: f64,
    known: bool,
    policy: Policy,
}

fn run(scenario: Scenario, shape: &str, way: &Way, seed: u64) -> (f64, Trace) {
    let (_, frames, frame_s, load_s, hosts, slowest, fastest) = scenario;
    let mut rng = Rng::new(seed);
    let set = FrameSet::range(Frame(1), Frame(frames)).expect("a range");
    let mut smooth = 0.6 * rng.normal();
    let costs: Vec<Span> = (0..frames)
        .map(|frame| frame_s * factor(shape, frame, frames, &mut smooth, &mut rng))
        .map(Span::from_secs_f64)
        .collect();
    let spread = |host: u32| slowest * (fastest / slowest).powf(f64::from(host) / f64::from(hosts));
    let speeds: Vec<f64> = (0..hosts).map(spread).collect();
    let guess = |index: usize, rng: &mut Rng| {
        way.known
            .then(|| Span::from_secs_f64(costs[index].as_secs_f64() * (0.2 * rng.normal()).exp()))
    };
    let job = Job::new(JobSpec {
        layers: vec![LayerSpec::default()],
        tasks: set
            .iter()
            .enumerate()
            .map(|(index, frame)| TaskSpec {
                cost: guess(index, &mut rng),
                ..TaskSpec::new(LayerId(0), frame)
            })
            .collect(),
        costs: Costs {
            load: Span::from_secs_f64(load_s),
            call: Span::ZERO,
            frame: Span::from_secs_f64(frame_s),
        },
        kept: way.kept,
        policy: way.policy,
        limits: Limits::default(),
        pace: Pace {
            dispatch_interval: Span::from_secs_f64(way.interval),
            start_delay: Span::from_secs_f64(way.delay),
            loads_max: None,
        },
        first_segment: SegmentId(1),
    })
    .expect("a job");
    let loads = vec![Span::from_secs_f64(load_s); speeds.len()];
    let specs: Vec<HostSpec> = speeds
        .iter()
        .map(|speed| HostSpec {
            speed: Speed::new(*speed).expect("a speed"),
            load: Some(Span::from_secs_f64(load_s)),
            ..HostSpec::default()
        })
        .collect();
    let judged = Judged {
        costs: &costs,
        speeds: &speeds,
        loads: &loads,
    };
    let bound = lower_bound(&job, &specs, judged).expect("every task fits");
    let world = World {
        costs: costs.clone(),
        speeds,
        loads: loads.clone(),
        start_delay: Span::from_secs_f64(way.delay),
        faults: Faults::default(),
    };
    let trace = simulate(world, Farm::new(job, specs)).expect("a world without faults");
    let ratio = trace.makespan.as_secs_f64() / bound.as_secs_f64();
    (ratio, trace)
}

fn main() {
    let seeds = std::env::args().filter_map(|word| word.parse().ok()).next();
    let seeds: u64 = seeds.unwrap_or(5);
    for (kept, known, policy) in [
        (false, false, Policy::Auto),
        (true, false, Policy::Auto),
        (false, true, Policy::Auto),
        (true, true, Policy::Auto),
        (false, false, Policy::Fixed(10)),
        (true, false, Policy::Fixed(10)),
        (true, false, Policy::Fixed(1)),
    ] {
        for (interval, delay) in [(5.0, 6.0), (0.02, 0.1)] {
            let way = Way {
                kept,
                interval,
                delay,
                known,
                policy,
            };
            let state = if kept { "kept" } else { "reloaded" };
            let costs = if known { "known to 20 %" } else { "unknown" };
            println!(
                "\n{policy:?}, {state}, a send each {interval} s, costs {costs}: makespan / bound"
            );
            table(&way, seeds);
        }
    }
}

fn table(way: &Way, seeds: u64) {
    print!("{:28}", "");
    for shape in SHAPES {
        print!("{shape:>10}");
    }
    println!("{:>10}{:>10}", "loads", "cuts");
    let mut all = Vec::new();
    for scenario in SCENARIOS {
        print!("{:28}", scenario.0);
        let (mut loads, mut cuts, mut used, mut runs) = (0, 0, 0, 0);
        for shape in SHAPES {
            let mut sum = 0.0;
            for seed in 0..seeds {
                let (ratio, trace) = run(scenario, shape, way, seed);
                sum += ratio;
                loads += trace.loads;
                cuts += trace.cuts;
                used += trace.slots_used;
                runs += 1;
            }
            let mean = sum / seeds as f64;
            all.push(mean);
            print!("{mean:>10.3}");
        }
        let each = |sum: u32| f64::from(sum) / f64::from(used.max(1));
        println!(
            "{:>10.2}{:>10.2}",
            each(loads),
            f64::from(cuts) / f64::from(runs)
        );
    }
    println!("mean {:.3}", all.iter().sum::<f64>() / all.len() as f64);
}
