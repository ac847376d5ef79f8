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
    /// `tasks`: layer and cost; frames count up within a layer. `hosts`: speed, load and memory.
    fn new(
        layers: Vec<LayerSpec>,
        tasks: &[(u16, u64)],
        hosts: &[(f64, u64, u64)],
        interval: u64,
    ) -> Case {
        Case::paced(layers, tasks, hosts, interval, None)
    }

    fn paced(
        layers: Vec<LayerSpec>,
        tasks: &[(u16, u64)],
        hosts: &[(f64, u64, u64)],
        interval: u64,
        loads_max: Option<u32>,
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
                loads_max,
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

    /// Tasks of one layer that stand on nothing.
    fn plain(costs: &[u64], hosts: &[(f64, u64)], interval: u64) -> Case {
        let tasks: Vec<_> = costs.iter().map(|cost| (0, *cost)).collect();
        let hosts: Vec<_> = hosts
            .iter()
            .map(|(speed, load)| (*speed, *load, 9))
            .collect();
        Case::new(vec![plain()], &tasks, &hosts, interval)
    }

    fn judged<T>(&self, look: impl Fn(&Job, &[HostSpec], Judged<'_>) -> T) -> T {
        let speeds: Vec<f64> = self.hosts.iter().map(|host| host.speed.as_f64()).collect();
        let judged = Judged {
            costs: &self.costs,
            speeds: &speeds,
            loads: &self.loads,
        };
        look(&self.job, &self.hosts, judged)
    }

    fn bound(&self) -> Option<f64> {
        self.judged(lower_bound).map(Span::as_secs_f64)
    }

    fn clauses(&self) -> Clauses {
        self.judged(Clauses::new).unwrap()
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

    /// When each slot is ready, sent to in this order.
    fn ready(&self, sends: &[usize]) -> Vec<f64> {
        let pace = self.job.pace();
        let mut ready = vec![0.0; self.hosts.len()];
        let mut loaded: Vec<f64> = Vec::new();
        let mut begin = 0.0_f64;
        for (turn, slot) in sends.iter().enumerate() {
            begin = begin.max(turn as f64 * pace.dispatch_interval.as_secs_f64());
            if let Some(most) = pace.loads_max {
                let mut loading: Vec<f64> =
                    loaded.iter().copied().filter(|end| *end > begin).collect();
                loading.sort_by(f64::total_cmp);
                if let Some(wait) = loading.len().checked_sub(most as usize) {
                    begin = loading[wait];
                }
            }
            let end = begin + self.loads[*slot].as_secs_f64();
            loaded.push(end);
            ready[*slot] = pace.start_delay.as_secs_f64() + end;
        }
        ready
    }

    /// The best end of tasks that stand on nothing: their order on a slot does not matter.
    fn best_apart(&self) -> f64 {
        let slots: Vec<usize> = (0..self.hosts.len()).collect();
        let ways = slots.len().pow(self.costs.len() as u32);
        let mut best = f64::INFINITY;
        for sends in orders(&slots) {
            for way in 0..ways {
                let mut work = vec![0.0; slots.len()];
                for (task, cost) in self.costs.iter().enumerate() {
                    let slot = way / slots.len().pow(task as u32) % slots.len();
                    work[slot] += cost.as_secs_f64() / self.hosts[slot].speed.as_f64();
                }
                let used: Vec<usize> = sends
                    .iter()
                    .copied()
                    .filter(|slot| work[*slot] > 0.0)
                    .collect();
                let ready = self.ready(&used);
                let ends = used.iter().map(|slot| ready[*slot] + work[*slot]);
                best = best.min(ends.fold(0.0, f64::max));
            }
        }
        best
    }

    fn end(&self, order: &[usize], sends: &[usize], way: usize) -> Option<f64> {
        let slots = self.hosts.len();
        let place = |task: usize| way / slots.pow(task as u32) % slots;
        // Only slots that get something need a send.
        let used: Vec<usize> = sends
            .iter()
            .copied()
            .filter(|slot| order.iter().any(|task| place(*task) == *slot))
            .collect();
        let mut free = self.ready(&used);
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
    assert_eq!(case.bound(), Some(2.0 + 20.0));
    assert_eq!(case.best(), case.bound());
}

#[test]
fn equal_tasks_on_slots_that_are_alike_are_counted_whole() {
    // Three tasks of 10 s on two slots, 5 s to load: one slot has to do two.
    for interval in [0, 8] {
        // A send each 8 s: the second slot is ready at 13 s and ends its task by 23 s.
        let case = Case::plain(&[10, 10, 10], &[(1.0, 5), (1.0, 5)], interval);
        assert_eq!(case.bound(), Some(27.0));
        assert_eq!(case.bound(), Some(case.best_apart()));
    }
}

/// What the parts of the bound say, to the millisecond.
fn parts(case: &Case) -> Clauses {
    let rounded = |part: f64| (part * 1e3).round() / 1e3;
    let Clauses {
        work,
        few,
        task,
        whole,
        path,
    } = case.clauses();
    Clauses {
        work: rounded(work),
        few: rounded(few),
        task: rounded(task),
        whole: rounded(whole),
        path: rounded(path),
    }
}

#[test]
fn work_against_capacity_binds_where_tasks_fill_their_slots() {
    // 30 s at speed 2 beside 15 s at speed 1, nobody waits.
    let case = Case::plain(&[15, 15, 5, 10], &[(2.0, 5), (1.0, 5)], 0);
    let parts = parts(&case);
    assert_eq!((parts.work, parts.whole), (20.0, 20.0));
    assert!(parts.few.max(parts.task).max(parts.path) < 19.0);
    assert_eq!(case.bound(), Some(case.best_apart()));
}

#[test]
fn the_longest_few_bind_where_the_slots_beyond_them_cannot_help() {
    // Three tasks are on three slots at most: 38 s over speeds 4, 2.5 and 0.5, not over all five.
    let hosts = [(4.0, 0), (2.5, 0), (0.5, 0), (0.5, 0), (0.5, 0)];
    let case = Case::plain(&[19, 10, 9], &hosts, 0);
    let parts = parts(&case);
    assert_eq!(parts.few, 5.429);
    assert!(parts.work.max(parts.task).max(parts.path) <= 4.75);
    assert_eq!(parts.whole, parts.few, "whole tasks say no more");
    assert_eq!(case.best_apart(), 2.0 + 7.0);
}

#[test]
fn the_longest_task_binds_on_the_slot_that_is_best_for_it() {
    // The fast slot loads long, the slow ones are not worth it for the long task.
    let case = Case::plain(&[100, 1, 1], &[(4.0, 20), (1.0, 0), (1.0, 0)], 0);
    let parts = parts(&case);
    assert_eq!((parts.task, parts.whole), (45.0, 45.0));
    assert!(parts.work.max(parts.few).max(parts.path) < 44.0);
    assert_eq!(case.bound(), Some(case.best_apart()));
}

#[test]
fn whole_tasks_bind_on_unlike_slots_that_wait_for_their_turn() {
    // Equal tasks, speeds 3, 2 and 1, a send each 4 s. Fastest first is not always the best order.
    let hosts = [(3.0, 6), (2.0, 6), (1.0, 0)];
    for count in 2..8 {
        let case = Case::plain(&vec![12; count], &hosts, 4);
        assert_eq!(case.bound(), Some(case.best_apart()), "{count} tasks");
        let parts = parts(&case);
        let others = parts.work.max(parts.few).max(parts.task).max(parts.path);
        assert!(parts.whole > others, "{count} tasks: {parts:?}");
    }
}

#[test]
fn the_dear_ones_among_many_cheap_ones_are_counted_whole() {
    // Three spikes on two slots: one holds two of them.
    let case = Case::plain(&[80, 80, 80, 5, 5, 5, 5], &[(1.0, 10), (1.0, 10)], 0);
    let parts = parts(&case);
    assert_eq!(parts.whole, 170.0);
    assert!(parts.work.max(parts.few).max(parts.task).max(parts.path) < 150.0);
    assert_eq!(case.bound(), Some(case.best_apart()));
}

#[test]
fn loads_that_wait_for_each_other_make_slots_wait() {
    let tasks = [(0, 10), (0, 10), (0, 10)];
    let hosts = [(1.0, 20, 9), (1.0, 20, 9), (1.0, 20, 9)];
    let case = |most| Case::paced(vec![plain()], &tasks, &hosts, 0, most);
    assert_eq!(case(None).bound(), Some(2.0 + 30.0));
    // Ready at 20, 40 and 60 s: the first slot does two, the second one.
    assert_eq!(case(Some(1)).bound(), Some(2.0 + 50.0));
    assert_eq!(case(Some(1)).best_apart(), 2.0 + 50.0);
    assert_eq!(case(Some(2)).bound(), Some(2.0 + 40.0));
    assert_eq!(case(Some(2)).best_apart(), 2.0 + 40.0);
}

#[test]
fn tasks_that_few_hosts_may_take_bind_by_themselves() {
    let heavy = LayerSpec {
        memory: Bytes(8),
        ..plain()
    };
    let tasks = [(0, 1), (0, 1), (1, 50), (1, 50)];
    let hosts = [(1.0, 5, 9), (1.0, 5, 1), (1.0, 5, 1)];
    let case = Case::new(vec![plain(), heavy], &tasks, &hosts, 0);
    assert_eq!(case.bound(), Some(2.0 + 5.0 + 100.0));
    assert_eq!(case.best(), case.bound());
}

#[test]
fn many_unlike_slots_with_turns_have_a_bound_too() {
    // More than can be assigned: it may not be less than with equal slots as good as the best,
    // nor than with nobody waiting.
    let speed = |slot: u32| 1.0 + f64::from(slot % 7) / 7.0;
    let hosts: Vec<_> = (0..100).map(|slot| (speed(slot), 30)).collect();
    let best: Vec<_> = (0..100).map(|_| (speed(6), 30)).collect();
    let costs = vec![20; 150];
    let bound =
        |hosts: &[(f64, u64)], interval| Case::plain(&costs, hosts, interval).bound().unwrap();
    let both = bound(&hosts, 1);
    assert!(both >= bound(&best, 1) && both >= bound(&hosts, 0));
    assert!(both > bound(&hosts, 0) + 5.0);
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
    #![proptest_config(ProptestConfig::with_cases(96))]

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

    #[test]
    fn nothing_ends_before_the_bound_on_up_to_eight_tasks(
        costs in prop::collection::vec(prop_oneof![1_u64..40, Just(7), Just(60)], 1..9),
        hosts in prop::collection::vec((1_u32..9, 0_u64..30), 1..4),
        interval in prop_oneof![Just(0), 0_u64..20],
        loads_max in prop::option::of(1_u32..3),
    ) {
        let hosts: Vec<_> = hosts
            .into_iter()
            .map(|(speed, load)| (f64::from(speed) / 2.0, load, 9))
            .collect();
        let tasks: Vec<_> = costs.iter().map(|cost| (0, *cost)).collect();
        let case = Case::paced(vec![plain()], &tasks, &hosts, interval, loads_max);
        let (bound, best) = (case.bound().unwrap(), case.best_apart());
        prop_assert!(bound <= best + 1e-5, "{bound} > {best}, {:?}", case.clauses());
        // It is worth something: no task is longer than the work that it leaves out.
        let longest = *costs.iter().max().unwrap() as f64;
        let slowest = hosts.iter().map(|host| host.0).fold(f64::INFINITY, f64::min);
        prop_assert!(best - bound <= longest / slowest + 60.0, "{bound} of {best}");
    }

    /// As near as a bound can be: equal tasks, unlike slots, turns.
    #[test]
    fn equal_tasks_end_at_the_bound(
        count in 1_usize..8,
        cost in 1_u64..40,
        hosts in prop::collection::vec((1_u32..9, 0_u64..30), 1..4),
        interval in prop_oneof![Just(0), 0_u64..20],
    ) {
        let hosts: Vec<_> = hosts
            .into_iter()
            .map(|(speed, load)| (f64::from(speed) / 2.0, load))
            .collect();
        let case = Case::plain(&vec![cost; count], &hosts, interval);
        let (bound, best) = (case.bound().unwrap(), case.best_apart());
        prop_assert!((bound - best).abs() < 1e-5, "{bound}, not {best}, {:?}", case.clauses());
    }
}
