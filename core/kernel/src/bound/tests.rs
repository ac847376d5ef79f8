//! Against every schedule there is, on cases small enough to try them all.

use proptest::prelude::*;

use super::*;
use crate::frames::Frame;
use crate::hosts::{Bytes, Speed};
use crate::ids::{LayerId, SegmentId};
use crate::job::{After, Costs, JobSpec, LayerSpec, TaskSpec};
use crate::policy::{Limits, Pace, Policy};

struct Case {
    job: Job,
    hosts: Vec<HostSpec>,
    costs: Vec<Span>,
    loads: Vec<Span>,
}

impl Case {
    /// `tasks`: layer and cost; frames count up within a layer.
    fn new(
        layers: Vec<LayerSpec>,
        tasks: &[(u16, u64)],
        hosts: &[(f64, u64, u64)],
        interval: u64,
    ) -> Case {
        let mut frames = vec![0; layers.len()];
        let mut next = |layer: u16| {
            let frame: &mut i32 = &mut frames[usize::from(layer)];
            *frame += 1;
            Frame(*frame)
        };
        let mut specs: Vec<TaskSpec> = tasks
            .iter()
            .map(|(layer, cost)| TaskSpec {
                cost: Some(Span::from_secs(*cost)),
                ..TaskSpec::new(LayerId(*layer), next(*layer))
            })
            .collect();
        specs.sort_by_key(|task| (task.layer, task.frame));
        let job = Job::new(JobSpec {
            layers,
            tasks: specs.clone(),
            costs: Costs {
                load: Span::ZERO,
                call: Span::ZERO,
                frame: Span::ZERO,
            },
            kept: true,
            policy: Policy::Auto,
            limits: Limits::default(),
            pace: Pace {
                dispatch_interval: Span::from_secs(interval),
                start_delay: Span::from_secs(2),
                loads_max: None,
            },
            first_segment: SegmentId(1),
        })
        .unwrap();
        Case {
            job,
            hosts: hosts
                .iter()
                .map(|(speed, _, memory)| HostSpec {
                    speed: Speed::new(*speed).unwrap(),
                    memory: Some(Bytes(*memory)),
                    ..HostSpec::default()
                })
                .collect(),
            costs: specs.iter().map(|task| task.cost.unwrap()).collect(),
            loads: hosts
                .iter()
                .map(|(_, load, _)| Span::from_secs(*load))
                .collect(),
        }
    }

    fn bound(&self) -> Option<f64> {
        let speeds: Vec<f64> = self.hosts.iter().map(|host| host.speed.as_f64()).collect();
        let judged = Judged {
            costs: &self.costs,
            speeds: &speeds,
            loads: &self.loads,
        };
        lower_bound(&self.job, &self.hosts, judged).map(Span::as_secs_f64)
    }

    /// The best end over every order of tasks, every way to place them, and every order in which
    /// slots are sent to.
    fn best(&self) -> Option<f64> {
        let tasks: Vec<usize> = (0..self.costs.len()).collect();
        let slots: Vec<usize> = (0..self.hosts.len()).collect();
        let mut best: Option<f64> = None;
        for order in orders(&tasks) {
            for sends in orders(&slots) {
                let ways = slots.len().pow(tasks.len() as u32);
                for way in 0..ways {
                    if let Some(end) = self.end(&order, &sends, way) {
                        best = Some(best.map_or(end, |best| best.min(end)));
                    }
                }
            }
        }
        best
    }

    fn end(&self, order: &[usize], sends: &[usize], way: usize) -> Option<f64> {
        let pace = self.job.pace();
        let slots = self.hosts.len();
        let place = |task: usize| way / slots.pow(task as u32) % slots;
        // Only slots that get something need a send.
        let used: Vec<usize> = sends
            .iter()
            .copied()
            .filter(|slot| order.iter().any(|task| place(*task) == *slot))
            .collect();
        let mut free = vec![0.0; slots];
        for (turn, slot) in used.iter().enumerate() {
            free[*slot] = turn as f64 * pace.dispatch_interval.as_secs_f64()
                + pace.start_delay.as_secs_f64()
                + self.loads[*slot].as_secs_f64();
        }
        let mut ends = vec![f64::NAN; order.len()];
        for &task in order {
            let key = self.job.key(TaskId::at(task));
            let layer = &self.job.layers()[key.layer.index()];
            let host = &self.hosts[place(task)];
            if !host.can_take(layer.memory(), layer.tags()) {
                return None;
            }
            let mut begin: f64 = free[place(task)];
            for after in layer.after() {
                for need in self.job.tasks() {
                    let other = self.job.key(need);
                    let same = after.scope == Scope::Layer || other.frame == key.frame;
                    if other.layer == after.layer && same {
                        let end = ends[need.index()];
                        if end.is_nan() {
                            return None;
                        }
                        begin = begin.max(end);
                    }
                }
            }
            ends[task] = begin + self.costs[task].as_secs_f64() / host.speed.as_f64();
            free[place(task)] = ends[task];
        }
        Some(ends.into_iter().fold(0.0, f64::max))
    }
}

fn orders(items: &[usize]) -> Vec<Vec<usize>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (index, first) in items.iter().enumerate() {
        let mut rest = items.to_vec();
        rest.remove(index);
        for mut order in orders(&rest) {
            order.insert(0, *first);
            all.push(order);
        }
    }
    all
}

fn plain() -> LayerSpec {
    LayerSpec::default()
}

#[test]
fn one_slot_needs_exactly_its_load_and_all_tasks() {
    let case = Case::new(vec![plain()], &[(0, 10), (0, 20)], &[(2.0, 5, 9)], 3);
    assert_eq!(case.bound(), Some(2.0 + 5.0 + 15.0));
    assert_eq!(case.best(), case.bound());
}

#[test]
fn a_host_that_loads_too_long_is_not_counted() {
    let case = Case::new(
        vec![plain()],
        &[(0, 10), (0, 10)],
        &[(1.0, 0, 9), (4.0, 1_000, 9)],
        0,
    );
    // Independently sorted, the fast speed is granted the short load: 20 s of work at speed 4.
    assert_eq!(case.bound(), Some(2.0 + 10.0));
    let equal = Case::new(
        vec![plain()],
        &[(0, 10), (0, 10)],
        &[(1.0, 0, 9), (1.0, 1_000, 9)],
        0,
    );
    assert_eq!(equal.bound(), Some(22.0));
}

#[test]
fn whole_tasks_on_slots_that_are_alike_are_counted_whole() {
    // Three tasks of 10 s on two slots, 5 s to load: one slot has to do two.
    let tasks = [(0, 10), (0, 10), (0, 10)];
    let case = Case::new(vec![plain()], &tasks, &[(1.0, 5, 0), (1.0, 5, 0)], 0);
    let bound = case.bound().unwrap();
    assert!((bound - 27.0).abs() < 1e-3, "{bound}");
    // A send each 8 s: the second slot is ready at 13 s, and ends its task by 25 s, all 2 s later.
    let case = Case::new(vec![plain()], &tasks, &[(1.0, 5, 0), (1.0, 5, 0)], 8);
    let bound = case.bound().unwrap();
    assert!((bound - 27.0).abs() < 1e-3, "{bound}");
}

#[test]
fn a_task_that_fits_nowhere_has_no_bound() {
    let layer = LayerSpec {
        memory: Bytes(10),
        ..plain()
    };
    let case = Case::new(vec![layer], &[(0, 10)], &[(1.0, 0, 9)], 0);
    assert_eq!(case.bound(), None);
    assert_eq!(case.best(), None);
}

#[test]
fn a_chain_of_layers_is_its_length() {
    let behind = LayerSpec {
        after: vec![After {
            layer: LayerId(0),
            scope: Scope::Frame,
        }],
        ..plain()
    };
    let hosts = [(1.0, 5, 9), (1.0, 5, 9), (1.0, 5, 9)];
    let case = Case::new(vec![plain(), behind], &[(0, 10), (1, 30)], &hosts, 0);
    assert_eq!(case.bound(), Some(2.0 + 5.0 + 40.0));
    assert_eq!(case.best(), case.bound());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_ends_before_the_bound(
        tasks in prop::collection::vec((0_u16..2, 1_u64..40), 1..5),
        hosts in prop::collection::vec((1_u32..9, 0_u64..30, 1_u64..4), 1..4),
        interval in 0_u64..12,
        after in prop::option::of(any::<bool>()),
        memory in 0_u64..3,
    ) {
        let second = LayerSpec {
            after: after.into_iter().map(|whole| After {
                layer: LayerId(0),
                scope: if whole { Scope::Layer } else { Scope::Frame },
            }).collect(),
            memory: Bytes(memory),
            ..plain()
        };
        let hosts: Vec<_> = hosts
            .into_iter()
            .map(|(speed, load, memory)| (f64::from(speed) / 2.0, load, memory))
            .collect();
        let case = Case::new(vec![plain(), second], &tasks, &hosts, interval);
        match (case.bound(), case.best()) {
            (Some(bound), Some(best)) => prop_assert!(bound <= best + 1e-5, "{bound} > {best}"),
            (None, None) => {}
            (bound, best) => prop_assert!(false, "bound {bound:?}, best {best:?}"),
        }
    }

    /// A bound that is always zero would pass the test above.
    #[test]
    fn equal_tasks_on_equal_slots_come_within_a_task_of_the_bound(
        count in 1_usize..6, slots in 1_usize..4, load in 0_u64..30,
    ) {
        let case = Case::new(vec![plain()], &vec![(0, 10); count], &vec![(1.0, load, 9); slots], 0);
        let (bound, best) = (case.bound().unwrap(), case.best().unwrap());
        prop_assert!(best - bound < 10.0 && bound >= (2 + load + 10) as f64);
    }
}
