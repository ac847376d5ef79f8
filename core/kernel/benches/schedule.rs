//! How far from the lower bound the farm's schedules are, in simulated worlds whose costs it does
//! not know or knows to 20 %: nine scenarios, five shapes of costs, a slow and a fast dispatcher,
//! renderers that are kept and that are loaded anew for each segment. Next to it what segments of
//! fixed size would do, the best size chosen in hindsight for each cell.
//!
//! `cargo bench -p framewright-kernel --bench schedule [-- SEEDS] [WORD..]` where the words choose:
//! `unknown` `history` `fixed`, `kept` `reloaded`, `slow` `fast`, or the letter of a scenario.
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

#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    frames: i32,
    frame_s: f64,
    load_s: f64,
    hosts: u32,
    /// Slowest and fastest host, the others in between on a logarithmic scale.
    speeds: (f64, f64),
    /// Each host is lost so often an hour, for a quarter of one, half a minute of which passes
    /// before anybody notices.
    losses: f64,
}

const fn scenario(
    name: &'static str,
    frames: i32,
    frame_s: f64,
    load_s: f64,
    hosts: u32,
) -> Scenario {
    Scenario {
        name,
        frames,
        frame_s,
        load_s,
        hosts,
        speeds: (1.0, 1.0),
        losses: 0.0,
    }
}

const SCENARIOS: [Scenario; 9] = [
    scenario("A", 200, 20.0, 60.0, 20),
    scenario("A'", 200, 20.0, 60.0, 50),
    scenario("B", 300, 120.0, 60.0, 30),
    scenario("T", 100, 30.0, 45.0, 20),
    Scenario {
        speeds: (0.5, 4.0),
        ..scenario("H", 1000, 60.0, 60.0, 40)
    },
    scenario("G", 2000, 60.0, 60.0, 500),
    scenario("L", 2000, 5.0, 600.0, 50),
    Scenario {
        losses: 0.02,
        ..scenario("F", 2000, 300.0, 120.0, 100)
    },
    scenario("Q", 5000, 60.0, 30.0, 20),
];

const SHAPES: [&str; 5] = ["const", "ramp", "smooth", "lognormal", "spiky"];
/// Sizes from which the best is chosen afterwards.
const SIZES: [u32; 6] = [1, 2, 5, 10, 20, 50];
/// Error of what history says, as the deviation of its logarithm.
const HISTORY_ERROR: f64 = 0.2;

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

#[derive(Clone, Copy)]
struct Way {
    kept: bool,
    /// A send each so many seconds, which takes effect after so many.
    pace: (f64, f64),
    known: bool,
    policy: Policy,
}

fn seconds(seconds: f64) -> Span {
    Span::from_secs_f64(seconds)
}

/// What each frame really costs, and what the farm is told.
fn costs(
    scenario: Scenario,
    shape: &str,
    known: bool,
    rng: &mut Rng,
) -> (Vec<Span>, Vec<TaskSpec>) {
    let Scenario {
        frames, frame_s, ..
    } = scenario;
    let mut smooth = 0.6 * rng.normal();
    let costs: Vec<Span> = (0..frames)
        .map(|frame| seconds(frame_s * factor(shape, frame, frames, &mut smooth, rng)))
        .collect();
    let set = FrameSet::range(Frame(1), Frame(frames)).expect("a range");
    let task = |(frame, cost): (Frame, &Span)| TaskSpec {
        cost: known.then(|| seconds(cost.as_secs_f64() * (HISTORY_ERROR * rng.normal()).exp())),
        ..TaskSpec::new(LayerId(0), frame)
    };
    let tasks = set.iter().zip(&costs).map(task).collect();
    (costs, tasks)
}

fn run(scenario: Scenario, shape: &str, way: &Way, seed: u64) -> (f64, Trace) {
    let mut rng = Rng::new(seed);
    let (costs, tasks) = costs(scenario, shape, way.known, &mut rng);
    let load = seconds(scenario.load_s);
    let (interval, delay) = way.pace;
    let job = Job::new(JobSpec {
        layers: vec![LayerSpec::default()],
        tasks,
        costs: Costs {
            load,
            call: Span::ZERO,
            frame: seconds(scenario.frame_s),
        },
        kept: way.kept,
        policy: way.policy,
        limits: Limits::default(),
        pace: Pace {
            dispatch_interval: seconds(interval),
            start_delay: seconds(delay),
            loads_max: None,
        },
        first_segment: SegmentId(1),
    })
    .expect("a job")
    .in_lists();
    let (slowest, fastest) = scenario.speeds;
    let spread = |host: u32| {
        let place = f64::from(host) / f64::from(scenario.hosts);
        slowest * (fastest / slowest).powf(place)
    };
    let speeds: Vec<f64> = (0..scenario.hosts).map(spread).collect();
    let loads = vec![load; speeds.len()];
    let host = |speed: &f64| HostSpec {
        speed: Speed::new(*speed).expect("a speed"),
        load: Some(load),
        ..HostSpec::default()
    };
    let specs: Vec<HostSpec> = speeds.iter().map(host).collect();
    let judged = Judged {
        costs: &costs,
        speeds: &speeds,
        loads: &loads,
    };
    let bound = lower_bound(&job, &specs, judged).expect("every task fits");
    let faults = if scenario.losses > 0.0 {
        Faults {
            seed,
            host_losses_per_hour: scenario.losses,
            host_notice: seconds(30.0),
            host_away: seconds(870.0),
            ..Faults::default()
        }
    } else {
        Faults::default()
    };
    let world = World {
        costs,
        speeds,
        loads,
        start_delay: seconds(delay),
        faults,
    };
    let trace = simulate(world, Farm::new(job, specs)).expect("every job comes to its end");
    (trace.makespan.as_secs_f64() / bound.as_secs_f64(), trace)
}

/// Sums over the runs of one scenario.
#[derive(Default)]
struct Counts {
    loads: u32,
    cuts: u32,
    used: u32,
    runs: u32,
}

/// Mean makespan / bound of a cell.
fn cell(scenario: Scenario, shape: &str, way: &Way, seeds: u64, counts: &mut Counts) -> f64 {
    // The first shapes know no chance.
    let chance = !matches!(shape, "const" | "ramp") || way.known || scenario.losses > 0.0;
    let seeds = if chance { seeds } else { 1 };
    let mut sum = 0.0;
    for seed in 0..seeds {
        let (ratio, trace) = run(scenario, shape, way, seed);
        sum += ratio;
        counts.loads += trace.loads;
        counts.cuts += trace.cuts;
        counts.used += trace.slots_used;
        counts.runs += 1;
    }
    sum / seeds as f64
}

fn mean(cells: &[f64]) -> f64 {
    cells.iter().sum::<f64>() / cells.len() as f64
}

fn head() {
    print!("{:4}", "");
    for shape in SHAPES {
        print!("{shape:>10}");
    }
}

/// One row a scenario, one column a shape. Returns the cells.
fn table(scenarios: &[Scenario], way: &Way, seeds: u64) -> Vec<f64> {
    head();
    println!("{:>10}{:>10}{:>10}", "mean", "loads", "cuts");
    let mut all = Vec::new();
    for &scenario in scenarios {
        print!("{:4}", scenario.name);
        let mut counts = Counts::default();
        let row = SHAPES.map(|shape| cell(scenario, shape, way, seeds, &mut counts));
        for cell in row {
            print!("{cell:>10.3}");
        }
        println!(
            "{:>10.3}{:>10.2}{:>10.1}",
            mean(&row),
            f64::from(counts.loads) / f64::from(counts.used.max(1)),
            f64::from(counts.cuts) / f64::from(counts.runs),
        );
        all.extend(row);
    }
    print!("mean");
    for shape in 0..SHAPES.len() {
        let column: Vec<f64> = all
            .iter()
            .skip(shape)
            .step_by(SHAPES.len())
            .copied()
            .collect();
        print!("{:>10.3}", mean(&column));
    }
    println!("{:>10.3}", mean(&all));
    all
}

/// The best of all sizes in each cell, and which one it is.
fn fixed(scenarios: &[Scenario], way: &Way, seeds: u64) -> Vec<f64> {
    head();
    println!("{:>10}", "mean");
    let mut all = Vec::new();
    for &scenario in scenarios {
        print!("{:4}", scenario.name);
        let best = |shape: &str| {
            let with = |size: &u32| {
                let policy = Policy::Fixed(*size);
                let way = Way { policy, ..*way };
                let counts = &mut Counts::default();
                (cell(scenario, shape, &way, seeds, counts), *size)
            };
            let sizes = SIZES.iter().map(with);
            sizes
                .min_by(|a, b| a.0.total_cmp(&b.0))
                .expect("there are sizes")
        };
        let row = SHAPES.map(best);
        for (cell, size) in row {
            print!("{cell:>7.3}:{size:<2}");
        }
        let row = row.map(|(cell, _)| cell);
        println!("{:>10.3}", mean(&row));
        all.extend(row);
    }
    println!("mean {:.3}", mean(&all));
    all
}

/// Where fixed sizes, the best chosen afterwards, did better than the farm, in hundredths.
fn worst(auto: &[f64], fixed: &[f64]) -> f64 {
    let excess = auto
        .iter()
        .zip(fixed)
        .map(|(auto, fixed)| auto / fixed - 1.0);
    excess.fold(f64::NEG_INFINITY, f64::max) * 100.0
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let seeds = words.iter().find_map(|word| word.parse().ok()).unwrap_or(3);
    // Words of one group choose within it; a group of which none is named is taken whole.
    let wanted = |group: &[&str], word: &str| {
        let named = |word: &str| words.iter().any(|given| given == word);
        named(word) || !group.iter().any(|other| named(other))
    };
    let names = SCENARIOS.map(|scenario| scenario.name);
    let scenarios: Vec<Scenario> = SCENARIOS
        .into_iter()
        .filter(|scenario| wanted(&names, scenario.name))
        .collect();
    for (state, kept) in [("reloaded", false), ("kept", true)] {
        for (pace, interval, delay) in [("slow", 5.0, 6.0), ("fast", 0.02, 0.1)] {
            if !wanted(&["reloaded", "kept"], state) || !wanted(&["slow", "fast"], pace) {
                continue;
            }
            let mut tables = Vec::new();
            for kind in ["unknown", "history", "fixed"] {
                if !wanted(&["unknown", "history", "fixed"], kind) {
                    continue;
                }
                println!("\n{state}, a send each {interval} s, {kind}: makespan / bound");
                let way = Way {
                    kept,
                    pace: (interval, delay),
                    known: kind == "history",
                    policy: Policy::Auto,
                };
                tables.push(match kind {
                    "fixed" => fixed(&scenarios, &way, seeds),
                    _ => table(&scenarios, &way, seeds),
                });
            }
            if let [unknown, history, fixed] = tables.as_slice() {
                println!(
                    "at worst {:+.1} % (unknown), {:+.1} % (history) beside the best fixed size",
                    worst(unknown, fixed),
                    worst(history, fixed)
                );
            }
        }
    }
}
