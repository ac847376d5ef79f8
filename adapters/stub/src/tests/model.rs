//! A small renderer that obeys its orders, dies and is cut at any moment, and the laws that must
//! hold whatever happens:
//!
//! * each task that was kept ends exactly once, in order; none that was cut away does;
//! * each cut is answered exactly once, and never with less than was asked for;
//! * nothing is left over when the renderer is left in peace.

use std::collections::{BTreeMap, VecDeque};

use framewright_plugin_api::data::{Activity, Effect, Input, Open, Run, Task, Verdict};
use framewright_plugin_api::{Adapter, Effects, Session};
use proptest::prelude::*;
use serde_json::Value;

use crate::Stub;

#[derive(Clone, Debug)]
enum Move {
    Give(u8),
    Cut { segment: u8, keep: u8 },
    Work,
    Deliver,
    Die,
}

/// The renderer process.
struct Process {
    run: u32,
    once: bool,
    loaded: bool,
    queue: VecDeque<(u64, u64)>,
    current: Option<(u64, u64)>,
    begun: BTreeMap<u64, u64>,
    printed: VecDeque<String>,
    dying: bool,
}

struct World {
    session: Box<dyn Session>,
    sticky_scene: bool,
    process: Option<Process>,
    lengths: BTreeMap<u64, u32>,
    kept: BTreeMap<u64, u32>,
    asked: BTreeMap<u64, VecDeque<u32>>,
    ended: BTreeMap<u64, Vec<u32>>,
    next_task: u32,
}

impl World {
    fn new(sticky_scene: bool) -> Self {
        let open = Open {
            scene: Some("/p/x.stub.toml".to_owned()),
            scratch: "/s".to_owned(),
            ..Open::new(Activity::Render, "fw")
        };
        let session = Stub.open(open, &mut Effects::new()).expect("opened");
        Self {
            session,
            sticky_scene,
            process: None,
            lengths: BTreeMap::new(),
            kept: BTreeMap::new(),
            asked: BTreeMap::new(),
            ended: BTreeMap::new(),
            next_task: 0,
        }
    }

    fn tell(&mut self, input: Input) {
        let mut out = Effects::new();
        self.session.step(0.0, vec![input], &mut out);
        for effect in out.take() {
            self.effect(effect);
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Run(run) => self.start(&run),
            Effect::Write { run, text } => {
                let process = self.process.as_mut().expect("written to a process");
                assert_eq!(process.run, run);
                text.lines().for_each(|line| process.order(line));
            }
            Effect::Kill { run } => {
                let process = self.process.as_mut().expect("a process is ended");
                assert_eq!(process.run, run);
                process.dying = true;
            }
            Effect::TaskDone {
                segment,
                task,
                verdict,
                ..
            } => {
                assert!(matches!(
                    verdict,
                    Verdict::Succeeded | Verdict::MachineFault
                ));
                self.ended.entry(segment).or_default().push(task);
            }
            Effect::Kept { segment, keep } => {
                let asked = self.asked.entry(segment).or_default().pop_front();
                let asked = asked.expect("an answer to a cut");
                let length = self.kept[&segment];
                assert!(
                    keep >= asked.min(length),
                    "kept {keep}, asked {asked} of {length}"
                );
                self.kept.insert(segment, keep.min(length));
            }
            Effect::Loaded | Effect::Progress { .. } | Effect::Cooled | Effect::Wrote { .. } => {}
            other => panic!("unexpected {other:?}"),
        }
    }

    fn start(&mut self, run: &Run) {
        assert!(self.process.is_none(), "one renderer at a time");
        let once = run.argv.iter().any(|arg| arg == "--tasks");
        let mut process = Process {
            run: run.run,
            once,
            loaded: false,
            queue: VecDeque::new(),
            current: None,
            begun: BTreeMap::new(),
            printed: VecDeque::new(),
            dying: false,
        };
        for file in &run.files {
            file.text.lines().for_each(|line| process.order(line));
        }
        if !once && !self.sticky_scene {
            process.printed.push_back("@@FW not-sticky".to_owned());
            process.dying = true;
        }
        self.process = Some(process);
    }

    fn deliver(&mut self) {
        let Some(process) = self.process.as_mut() else {
            return;
        };
        let run = process.run;
        if let Some(line) = process.printed.pop_front() {
            self.tell(Input::stdout(run, &line));
        }
    }

    fn work(&mut self) {
        let Some(process) = self.process.as_mut() else {
            return;
        };
        if process.dying || process.once && process.is_idle() {
            self.die();
        } else {
            process.work();
        }
    }

    fn die(&mut self) {
        while self.process.as_ref().is_some_and(|p| !p.printed.is_empty()) {
            self.deliver();
        }
        let Some(process) = self.process.take() else {
            return;
        };
        let unharmed = process.once && process.is_idle();
        self.tell(Input::Exited {
            run: process.run,
            code: unharmed.then_some(0),
            signal: (!unharmed).then_some(9),
            killed: process.dying,
        });
    }

    fn apply(&mut self, step: &Move) {
        match *step {
            Move::Give(count) => {
                let segment = self.lengths.len() as u64 + 1;
                let first = self.next_task;
                self.next_task += u32::from(count);
                self.lengths.insert(segment, u32::from(count));
                self.kept.insert(segment, u32::from(count));
                let tasks = (first..self.next_task).map(|n| Task::frame(n, n as i32, ""));
                self.tell(Input::Segment {
                    segment,
                    tasks: tasks.collect(),
                });
            }
            Move::Cut { segment, keep } => {
                let segment = u64::from(segment);
                if self.lengths.contains_key(&segment) {
                    let keep = u32::from(keep);
                    self.asked.entry(segment).or_default().push_back(keep);
                    self.tell(Input::Cut { segment, keep });
                }
            }
            Move::Work => self.work(),
            Move::Deliver => self.deliver(),
            Move::Die => self.die(),
        }
    }

    fn is_quiet(&self) -> bool {
        self.process
            .as_ref()
            .is_none_or(|p| p.loaded && p.is_idle() && p.printed.is_empty() && !p.dying && !p.once)
    }
}

impl Process {
    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.current.is_none()
    }

    fn order(&mut self, line: &str) {
        let order: Value = serde_json::from_str(line).expect("an order");
        if let Some(task) = order.get("task") {
            let number = |key: &str| task[key].as_u64().expect("a number");
            self.queue.push_back((number("segment"), number("task")));
            return;
        }
        let segment = order["cut"]["segment"].as_u64().expect("a segment");
        let keep = order["cut"]["keep"].as_u64().expect("a count");
        let mut kept = self.begun.get(&segment).copied().unwrap_or(0);
        let wanted = keep.max(kept);
        self.queue.retain(|(of, _)| {
            let keep = *of != segment || kept < wanted;
            kept += u64::from(keep && *of == segment);
            keep
        });
        self.printed
            .push_back(format!("@@FW kept {segment} {kept}"));
    }

    fn work(&mut self) {
        let line = if !self.loaded {
            self.loaded = true;
            "@@FW loaded".to_owned()
        } else if let Some((segment, task)) = self.current.take() {
            format!("@@FW done {segment} {task}")
        } else if let Some((segment, task)) = self.queue.pop_front() {
            *self.begun.entry(segment).or_default() += 1;
            self.current = Some((segment, task));
            format!("@@FW begun {segment} {task}")
        } else {
            return;
        };
        self.printed.push_back(line);
    }
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let step = prop_oneof![
        2 => (0_u8..6).prop_map(Move::Give),
        2 => (1_u8..6, 0_u8..6).prop_map(|(segment, keep)| Move::Cut { segment, keep }),
        8 => Just(Move::Work),
        8 => Just(Move::Deliver),
        1 => Just(Move::Die),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_kept_task_ends_once_whatever_happens(moves in moves(), sticky in any::<bool>()) {
        let mut world = World::new(sticky);
        for step in &moves {
            world.apply(step);
        }
        // In peace, everything comes to its end.
        for _ in 0..10_000 {
            if world.is_quiet() {
                break;
            }
            world.work();
            world.deliver();
        }
        prop_assert!(world.is_quiet());
        let mut first = 0;
        for (segment, length) in &world.lengths {
            let kept = world.kept[segment];
            let ended = world.ended.remove(segment).unwrap_or_default();
            prop_assert_eq!(ended, (first..first + kept).collect::<Vec<_>>(), "segment {}", segment);
            prop_assert!(world.asked.get(segment).is_none_or(VecDeque::is_empty));
            first += length;
        }
    }
}
