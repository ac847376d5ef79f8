//! What the farm costs, in Markdown for docs/performance.md: seconds, events a second and bytes a
//! task, at ten thousand, a hundred thousand and a million tasks on 500 and 10,000 slots. A cost per
//! event that grows by more than a logarithm is a fault, and shows here.
//!
//! * the farm alone: no simulated world, no renderer. Every slot works through its segments in step
//!   with the others; every event is drained by itself, and the alarm asked for, as a real
//!   controller would do;
//! * `plan`: the farm in a world in which all that is expected is true;
//! * `simulate`: costs that the farm does not know (lognormal), hosts of speeds 0.5 to 4 that it
//!   takes for equal, host losses;
//! * the lower bound of the same jobs.
//!
//! `cargo bench -p framewright-kernel --bench events [-- WORD..]` where the words choose: `alone`
//! `plan` `simulate` `bound`, and `small` leaves out what has a million tasks or 10,000 slots.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark looks at the clock; the kernel does not"
)]

use std::collections::VecDeque;
use std::time::Instant;

use framewright_kernel::Farm;
use framewright_kernel::bound::{Judged, lower_bound};
use framewright_kernel::event::{Action, Event};
use framewright_kernel::frames::{Frame, FrameSet};
use framewright_kernel::hosts::{HostSpec, Speed};
use framewright_kernel::ids::{HostId, LayerId, SegmentId, SlotId, TaskId};
use framewright_kernel::job::{Costs, Job, JobSpec, LayerSpec, TaskSpec};
use framewright_kernel::policy::{Limits, Pace, Policy};
use framewright_kernel::sim::{Faults, Rng, Shape, Trace, World, simulate};
use framewright_kernel::time::{Span, Time};

/// What one slot of the benchmark has to do.
#[derive(Default)]
struct Work {
    segment: Option<SegmentId>,
    tasks: VecDeque<TaskId>,
    begun: usize,
}

struct Bench {
    farm: Farm,
    slots: Vec<Work>,
    now: Time,
    events: u64,
    actions: Vec<Action>,
}

fn job(tasks: u32, kept: bool, interval: Span) -> Job {
    let set = FrameSet::range(Frame(1), Frame(tasks as i32)).expect("a range");
    let task = |frame| TaskSpec::new(LayerId(0), frame);
    Job::new(JobSpec {
        layers: vec![LayerSpec::default()],
        tasks: set.iter().map(task).collect(),
        costs: Costs {
            load: Span::from_secs(60),
            call: Span::ZERO,
            frame: Span::from_secs(20),
        },
        kept,
        policy: Policy::Auto,
        limits: Limits::default(),
        pace: Pace {
            dispatch_interval: interval,
            ..Pace::default()
        },
        first_segment: SegmentId(1),
    })
    .expect("a job")
}

fn hosts(slots: u32) -> Vec<HostSpec> {
    let speed = |slot: u32| Speed::new(0.5 + f64::from(slot % 8) / 2.0).expect("a speed");
    let host = |slot| HostSpec {
        speed: speed(slot),
        ..HostSpec::default()
    };
    (0..slots).map(host).collect()
}

impl Bench {
    fn tell(&mut self, event: Event) {
        self.events += 1;
        self.farm.handle(self.now, &event);
        let mut actions = std::mem::take(&mut self.actions);
        self.farm.drain_into(&mut actions);
        std::hint::black_box(self.farm.next_alarm());
        for action in actions.drain(..) {
            self.perform(action);
        }
        self.actions = actions;
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Send {
                segment,
                slot,
                leases,
                ..
            } => {
                let work = &mut self.slots[slot.0 as usize];
                work.segment = Some(segment);
                work.begun = 0;
                work.tasks = leases.into_iter().map(|(task, _)| task).collect();
            }
            Action::Commit { segment, task } => self.tell(Event::Committed { segment, task }),
            Action::Cut { segment, keep } => {
                let work = self
                    .slots
                    .iter_mut()
                    .find(|work| work.segment == Some(segment));
                let Some(work) = work else { return };
                work.tasks
                    .truncate((keep as usize).saturating_sub(work.begun));
                let keep = (work.begun + work.tasks.len()) as u32;
                self.tell(Event::Kept { segment, keep });
            }
            Action::Stop { .. }
            | Action::Discard { .. }
            | Action::GiveUp { .. }
            | Action::Finished { .. } => {}
        }
    }

    fn step(&mut self, slot: SlotId) {
        let work = &mut self.slots[slot.0 as usize];
        let Some(segment) = work.segment else { return };
        match work.tasks.pop_front() {
            None => {
                work.segment = None;
                self.tell(Event::SegmentOver { segment });
            }
            Some(task) => {
                work.begun += 1;
                let took = Span::from_secs(20);
                self.tell(Event::TaskBegun { segment, task });
                self.now = self.now + Span::from_micros(1);
                self.tell(Event::Rendered {
                    segment,
                    task,
                    took,
                });
            }
        }
    }
}

fn events(tasks: u32, slots: u32) -> Row {
    let farm = Farm::new(job(tasks, true, Span::ZERO), hosts(slots));
    let bytes = farm.bytes() as f64 / f64::from(tasks);
    let mut bench = Bench {
        farm,
        slots: (0..slots).map(|_| Work::default()).collect(),
        now: Time::ZERO,
        events: 0,
        actions: Vec::new(),
    };
    let began = Instant::now();
    for host in 0..slots {
        bench
            .farm
            .handle(Time::ZERO, &Event::HostUp { host: HostId(host) });
    }
    bench.tell(Event::Tick);
    while bench.farm.outcome().is_none() {
        for slot in 0..slots {
            bench.step(SlotId(slot));
        }
        bench.now = bench.now + Span::from_secs(20);
        bench.tell(Event::Tick);
    }
    let seconds = began.elapsed().as_secs_f64();
    let most = bench.farm.bytes() as f64 / f64::from(tasks);
    Row {
        tasks,
        slots,
        kind: "farm alone, kept",
        seconds,
        events: bench.events,
        bytes: bytes.max(most),
        note: String::new(),
    }
}

/// One line of the table.
struct Row {
    tasks: u32,
    slots: u32,
    kind: &'static str,
    seconds: f64,
    events: u64,
    /// Of the farm's own state, a task.
    bytes: f64,
    note: String,
}

impl Row {
    fn print(&self) {
        let Row {
            tasks,
            slots,
            kind,
            seconds,
            events,
            bytes,
            note,
        } = self;
        let rate = *events as f64 / seconds;
        let each = seconds * 1e6 / *events as f64;
        println!(
            "| {kind} | {tasks} | {slots} | {seconds:.3} | {events} | {rate:.0} | {each:.2} | {bytes:.1} | {note} |"
        );
    }
}

/// What became of a simulated run.
fn note(trace: &Trace) -> String {
    let Trace {
        segments,
        cuts,
        loads,
        ..
    } = trace;
    format!("{} segments, {cuts} cuts, {loads} loads", segments.len())
}

fn plan(tasks: u32, slots: u32, kept: bool) -> Row {
    let (job, hosts) = (job(tasks, kept, Span::ZERO), hosts(slots));
    let began = Instant::now();
    let world = World::predicted(&job, &hosts);
    let farm = Farm::new(job, hosts);
    let bytes = farm.bytes() as f64 / f64::from(tasks);
    let trace = simulate(world, farm).expect("a world without faults");
    Row {
        tasks,
        slots,
        kind: if kept { "plan, kept" } else { "plan, reloaded" },
        seconds: began.elapsed().as_secs_f64(),
        events: trace.events,
        bytes,
        note: note(&trace),
    }
}

/// The same farm, which knows the mean cost and nothing of speeds.
fn unknown(tasks: u32, slots: u32, kept: bool) -> Row {
    let job = job(tasks, kept, Span::ZERO);
    let mut rng = Rng::new(1);
    let shape = Shape::Lognormal { deviation: 0.6 };
    let mean = job.costs().frame.as_secs_f64();
    let factors = shape.factors(tasks, &mut rng);
    let costs = factors.map(|factor| Span::from_secs_f64(mean * factor));
    let world = World {
        costs: costs.collect(),
        speeds: (0..slots).map(|_| rng.between(0.5, 4.0)).collect(),
        loads: vec![job.costs().load; slots as usize],
        start_delay: Span::ZERO,
        faults: Faults {
            seed: 1,
            host_losses_per_hour: 0.02,
            host_notice: Span::from_secs(30),
            host_away: Span::from_secs(870),
            ..Faults::default()
        },
    };
    let equal = vec![HostSpec::default(); slots as usize];
    let began = Instant::now();
    let farm = Farm::new(job, equal);
    let bytes = farm.bytes() as f64 / f64::from(tasks);
    let trace = simulate(world, farm).expect("a world whose hosts come back");
    Row {
        tasks,
        slots,
        kind: if kept {
            "simulate, kept"
        } else {
            "simulate, reloaded"
        },
        seconds: began.elapsed().as_secs_f64(),
        events: trace.events,
        bytes,
        note: note(&trace),
    }
}

/// The lower bound, of equal costs and of lognormal ones, on hosts of eight speeds.
fn bound(tasks: u32, slots: u32, interval: Span) {
    let job = job(tasks, true, interval);
    let hosts = hosts(slots);
    let mut rng = Rng::new(1);
    let lognormal = Shape::Lognormal { deviation: 0.6 }.factors(tasks, &mut rng);
    let lognormal: Vec<Span> = lognormal.map(|f| Span::from_secs_f64(20.0 * f)).collect();
    let equal = vec![Span::from_secs(20); tasks as usize];
    let speeds: Vec<f64> = hosts.iter().map(|host| host.speed.as_f64()).collect();
    let loads = vec![Span::from_secs(60); hosts.len()];
    let seconds = |costs: &[Span]| {
        let judged = Judged {
            costs,
            speeds: &speeds,
            loads: &loads,
        };
        let began = Instant::now();
        std::hint::black_box(lower_bound(&job, &hosts, judged).expect("all tasks fit"));
        began.elapsed().as_secs_f64()
    };
    println!(
        "| {tasks} | {slots} | {} | {:.4} | {:.4} |",
        interval.as_secs_f64(),
        seconds(&equal),
        seconds(&lognormal)
    );
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let named = |word: &str| words.iter().any(|given| given == word);
    let kinds = ["alone", "plan", "simulate", "bound"];
    let wanted = |word: &str| named(word) || !kinds.iter().any(|kind| named(kind));
    let sizes = [10_000, 100_000, 1_000_000];
    let mut places: Vec<(u32, u32)> = [500, 10_000]
        .into_iter()
        .flat_map(|slots| sizes.map(|tasks| (tasks, slots)))
        .collect();
    places.retain(|(tasks, slots)| !named("small") || (*tasks < 1_000_000 && *slots < 10_000));
    if kinds[..3].iter().any(|kind| wanted(kind)) {
        println!(
            "| what | tasks | slots | seconds | events | events/s | µs an event | bytes a task | |"
        );
        println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |");
    }
    if wanted("alone") {
        // Few slots: long segments.
        let few = [(100_000, 2)];
        for (tasks, slots) in places.iter().copied().chain(few) {
            events(tasks, slots).print();
        }
    }
    for (word, run) in [
        ("plan", plan as fn(u32, u32, bool) -> Row),
        ("simulate", unknown),
    ] {
        for kept in [true, false] {
            for (tasks, slots) in places.iter().copied().filter(|_| wanted(word)) {
                run(tasks, slots, kept).print();
            }
        }
    }
    if wanted("bound") {
        println!("\n| lower bound: tasks | slots | send each, s | equal costs, s | lognormal, s |");
        println!("| ---: | ---: | ---: | ---: | ---: |");
        for (tasks, slots) in places {
            for interval in [Span::ZERO, Span::from_secs(5)] {
                bound(tasks, slots, interval);
            }
        }
    }
}
