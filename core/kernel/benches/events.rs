//! Events per second and bytes per task of the farm alone: no simulated world, no renderer. Every
//! slot works through its segments in step with the others; every event is drained by itself, and
//! the alarm asked for, as a real controller would do.
//!
//! `cargo bench -p framewright-kernel --bench events`
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark looks at the clock; the kernel does not"
)]

use std::collections::VecDeque;
use std::time::Instant;

use framewright_kernel::Farm;
use framewright_kernel::event::{Action, Event};
use framewright_kernel::frames::{Frame, FrameSet};
use framewright_kernel::hosts::{HostSpec, Speed};
use framewright_kernel::ids::{HostId, LayerId, SegmentId, SlotId, TaskId};
use framewright_kernel::job::{Costs, Job, JobSpec, LayerSpec, TaskSpec};
use framewright_kernel::policy::{Limits, Pace, Policy};
use framewright_kernel::sim::{World, simulate};
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

fn job(tasks: u32, layers: u16, kept: bool, policy: Policy) -> Job {
    let frames = (tasks / u32::from(layers)) as i32;
    let set = FrameSet::range(Frame(1), Frame(frames)).expect("a range");
    let layer = |layer: u16| {
        set.iter()
            .map(move |frame| TaskSpec::new(LayerId(layer), frame))
    };
    Job::new(JobSpec {
        layers: vec![LayerSpec::default(); usize::from(layers)],
        tasks: (0..layers).flat_map(layer).collect(),
        costs: Costs {
            load: Span::from_secs(60),
            call: Span::ZERO,
            frame: Span::from_secs(20),
        },
        kept,
        policy,
        limits: Limits::default(),
        pace: Pace::default(),
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

fn events(tasks: u32, slots: u32) {
    let farm = Farm::new(job(tasks, 1, true, Policy::Auto), hosts(slots));
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
    println!(
        "{tasks:>9} {slots:>6} {:>10} {:>12.0} {:>9.0} {:>8.1}",
        bench.events,
        bench.events as f64 / seconds,
        seconds * 1e9 / bench.events as f64,
        bytes.max(most),
    );
}

fn plan(tasks: u32, slots: u32, kept: bool) {
    let (job, hosts) = (job(tasks, 1, kept, Policy::Auto), hosts(slots));
    let began = Instant::now();
    let world = World::predicted(&job, &hosts);
    let trace = simulate(world, Farm::new(job, hosts)).expect("a world without faults");
    println!(
        "{tasks:>9} {slots:>6} {:>10} {:>9.3} {:>9} {:>9}",
        if kept { "kept" } else { "reloaded" },
        began.elapsed().as_secs_f64(),
        trace.segments.len(),
        trace.cuts,
    );
}

fn main() {
    println!("the farm alone");
    println!("    tasks  slots     events     events/s  ns/event  B/task");
    for (tasks, slots) in [
        (10_000, 500),
        (100_000, 500),
        (1_000_000, 500),
        // Few slots: long segments.
        (100_000, 2),
    ] {
        events(tasks, slots);
    }
    println!("\nplan: the farm and its simulated world");
    println!("    tasks  slots       mode   seconds  segments      cuts");
    for (tasks, slots) in [
        (10_000, 100),
        (100_000, 500),
        (1_000_000, 2_000),
        (1_000_000, 10_000),
    ] {
        plan(tasks, slots, true);
        plan(tasks, slots, false);
    }
}
