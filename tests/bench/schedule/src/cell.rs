//! One place of the tables: worlds of one scenario, shape and pace, each with its own chance.
//!
//! True costs and speeds are the world's; the farm gets what its [`Knows`] says. Worlds of one seed
//! are the same under every way, so that ways can be compared cell by cell.

use framewright_kernel::Farm;
use framewright_kernel::bound::{Judged, lower_bound};
use framewright_kernel::event::Outcome;
use framewright_kernel::frames::Frame;
use framewright_kernel::hosts::{HostSpec, Speed};
use framewright_kernel::ids::{LayerId, SegmentId};
use framewright_kernel::job::{After, Costs, Job, JobSpec, LayerSpec, Scope, TaskSpec};
use framewright_kernel::policy::{Limits, Pace};
use framewright_kernel::sim::{Faults, Rng, World, misjudged, simulate};
use framewright_kernel::time::Span;

use crate::scenario::{PaceFile, Pattern, Scenario, Suite};
use crate::way::{Knows, Way};

/// Where a column and a row of a table meet.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    pub suite: &'a Suite,
    pub scenario: &'a Scenario,
    pub shape: &'a str,
    pub pattern: &'a Pattern,
    pub pace: &'a PaceFile,
    pub kept: bool,
    /// Whether a renderer that is not kept takes any frames, in any order, with one load.
    pub lists: bool,
}

/// What came of a cell's worlds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Mean of makespan ÷ bound, over worlds in which every frame was rendered.
    pub ratio: f64,
    /// Worlds in which the farm gave frames up. There was never a reason to.
    pub failed: u32,
    /// Loads, and slots that ever had a segment; summed over worlds.
    pub loads: f64,
    pub used: f64,
    /// Mean over worlds.
    pub cuts: f64,
    pub segments: f64,
}

fn seconds(seconds: f64) -> Span {
    Span::from_secs_f64(seconds)
}

impl Cell<'_> {
    /// `reloaded` or `kept`, and the pace.
    pub fn mode(&self) -> (bool, &str) {
        (self.kept, &self.pace.name)
    }

    /// Runs so many worlds; fewer where they would all be the same.
    pub fn run(&self, way: &Way, seeds: u64) -> Figures {
        let chance = self.pattern.knows_chance() || self.scenario.losses_per_hour > 0.0;
        let worlds = match way.knows {
            _ if chance => seeds,
            Knows::History => seeds,
            // One with the mean too high, one with it too low.
            Knows::Wrong => 2,
            Knows::Mean | Knows::All => 1,
        };
        let mut sum = Figures::default();
        for seed in 0..worlds {
            let world = self.world(way, seed);
            sum.failed += world.failed;
            if world.failed == 0 {
                sum.ratio += world.ratio;
            }
            sum.loads += world.loads;
            sum.used += world.used;
            sum.cuts += world.cuts / worlds as f64;
            sum.segments += world.segments / worlds as f64;
        }
        // None, which is no number, where no world came to its end.
        sum.ratio /= worlds as f64 - f64::from(sum.failed);
        sum
    }

    fn world(&self, way: &Way, seed: u64) -> Figures {
        let mut rng = Rng::new(seed);
        let frames = self.frames(&mut rng);
        let (job, costs) = self.job(way, &frames, seed, &mut rng);
        let Scenario {
            hosts,
            speeds: [slowest, fastest],
            ..
        } = *self.scenario;
        let place = |host: u32| f64::from(host) / f64::from(hosts);
        let speeds: Vec<f64> = (0..hosts)
            .map(|host| slowest * (fastest / slowest).powf(place(host)))
            .collect();
        let load = seconds(self.scenario.load_s);
        let loads = vec![load; speeds.len()];
        let told = |speed: f64| {
            if way.knows == Knows::Wrong {
                1.0
            } else {
                speed
            }
        };
        let host = |speed: &f64| HostSpec {
            speed: Speed::new(told(*speed)).expect("the file's speeds are speeds"),
            load: Some(load),
            ..HostSpec::default()
        };
        let specs: Vec<HostSpec> = speeds.iter().map(host).collect();
        let judged = Judged {
            costs: &costs,
            speeds: &speeds,
            loads: &loads,
        };
        let bound = lower_bound(&job, &specs, judged).expect("every task fits every host");
        let world = World {
            costs,
            speeds,
            loads,
            start_delay: seconds(self.pace.delay_s),
            faults: self.faults(seed),
        };
        let trace = simulate(world, Farm::new(job, specs)).expect("every job comes to its end");
        let ratio = trace.makespan.as_secs_f64() / bound.as_secs_f64();
        let failed = u32::from(trace.outcome != Outcome::Done);
        // A microsecond of rounding a task apart.
        assert!(
            failed > 0 || ratio > 1.0 - 1e-5,
            "{} {} ended before its bound: {ratio}",
            self.scenario.name,
            self.shape
        );
        Figures {
            ratio,
            failed,
            loads: f64::from(trace.loads),
            used: f64::from(trace.slots_used),
            cuts: f64::from(trace.cuts),
            segments: trace.segments.len() as f64,
        }
    }

    /// What each frame really costs, all layers together.
    fn frames(&self, rng: &mut Rng) -> Vec<f64> {
        let count = self.scenario.frames;
        let recorded = self.scenario.recorded();
        let around = recorded.iter().copied().cycle().take(count as usize);
        match self.pattern {
            Pattern::Shape(shape) => {
                let factors = shape.factors(count, rng);
                factors
                    .map(|factor| factor * self.scenario.mean_s())
                    .collect()
            }
            Pattern::Recorded => around.collect(),
            Pattern::Shuffled => {
                let mut costs: Vec<f64> = around.collect();
                for last in (1..costs.len()).rev() {
                    costs.swap(last, rng.below(last as u64 + 1) as usize);
                }
                costs
            }
        }
    }

    /// The job as the farm is told of it, and what its tasks really cost.
    fn job(&self, way: &Way, frames: &[f64], seed: u64, rng: &mut Rng) -> (Job, Vec<Span>) {
        let layers = &self.scenario.layers;
        let whole: f64 = layers.iter().map(|layer| layer.weight).sum();
        let shares: Vec<f64> = match layers.as_slice() {
            [] => vec![1.0],
            layers => layers.iter().map(|layer| layer.weight / whole).collect(),
        };
        let (mut costs, mut tasks) = (Vec::new(), Vec::new());
        for (layer, share) in shares.iter().enumerate() {
            for (frame, cost) in (1..).zip(frames) {
                let cost = seconds(cost * share);
                costs.push(cost);
                tasks.push(TaskSpec {
                    cost: match way.knows {
                        Knows::Mean | Knows::Wrong => None,
                        Knows::All => Some(cost),
                        Knows::History => {
                            let error = misjudged(self.suite.history_error, rng);
                            Some(seconds(cost.as_secs_f64() * error))
                        }
                    },
                    ..TaskSpec::new(LayerId(layer as u16), Frame(frame))
                });
            }
        }
        let off = match way.knows {
            Knows::Mean | Knows::History | Knows::All => 1.0,
            Knows::Wrong if seed.is_multiple_of(2) => self.suite.wrong_mean,
            Knows::Wrong => self.suite.wrong_mean.recip(),
        };
        let job = Job::new(JobSpec {
            layers: self.layers(),
            tasks,
            costs: Costs {
                load: seconds(self.scenario.load_s),
                call: Span::ZERO,
                frame: seconds(self.scenario.mean_s() * off),
            },
            kept: self.kept,
            policy: way.policy,
            limits: Limits::default(),
            pace: Pace {
                dispatch_interval: seconds(self.pace.interval_s),
                start_delay: seconds(self.pace.delay_s),
                loads_max: None,
            },
            first_segment: SegmentId(1),
        })
        .expect("the file's job is a job");
        let job = if self.lists { job.in_lists() } else { job };
        // How far what it is told is off is part of what it is told.
        let error = match way.knows {
            Knows::Mean | Knows::Wrong | Knows::History => self.suite.history_error,
            Knows::All => 0.0,
        };
        (job.known_to(error), costs)
    }

    fn layers(&self) -> Vec<LayerSpec> {
        let layers = &self.scenario.layers;
        if layers.is_empty() {
            return vec![LayerSpec::default()];
        }
        let number = |name: &String| layers.iter().position(|layer| layer.name == *name);
        let after = |name: &String| After {
            layer: LayerId(number(name).expect("named before, as was checked") as u16),
            scope: Scope::Frame,
        };
        layers
            .iter()
            .map(|layer| LayerSpec {
                weight: layer.weight,
                after: layer.after.iter().map(after).collect(),
                ..LayerSpec::default()
            })
            .collect()
    }

    /// A lost host is away for a quarter of an hour, half a minute of which passes before anybody
    /// notices.
    fn faults(&self, seed: u64) -> Faults {
        if self.scenario.losses_per_hour <= 0.0 {
            return Faults::default();
        }
        Faults {
            seed,
            host_losses_per_hour: self.scenario.losses_per_hour,
            host_notice: seconds(30.0),
            host_away: seconds(870.0),
            ..Faults::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{scenario, way};

    fn figures(name: &str, way: &str, kept: bool, seeds: u64) -> Figures {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (suite, scenarios) = scenario::suite(folder).unwrap();
        let scenario = scenarios
            .iter()
            .find(|scenario| scenario.name == name)
            .unwrap();
        let (shape, pattern) = scenario.patterns(&suite).unwrap().pop().unwrap();
        let ways = way::all(&suite).unwrap();
        let way = ways.iter().find(|other| other.name == way).unwrap();
        let cell = Cell {
            suite: &suite,
            scenario,
            shape: &shape,
            pattern: &pattern,
            pace: &suite.paces[0],
            kept,
            lists: true,
        };
        assert_eq!(
            cell.run(way, seeds),
            cell.run(way, seeds),
            "chance is the seed's"
        );
        cell.run(way, seeds)
    }

    #[test]
    fn a_segment_a_frame_loads_for_each_frame_unless_renderers_are_kept() {
        let reloaded = figures("T", "fixed:1", false, 2);
        assert_eq!((reloaded.loads, reloaded.segments), (200.0, 100.0));
        let kept = figures("T", "fixed:1", true, 2);
        assert_eq!(kept.loads, kept.used);
        assert!(kept.ratio < reloaded.ratio);
    }

    #[test]
    fn who_knows_all_costs_comes_nearer_to_the_bound_than_who_knows_the_mean() {
        let [unknown, history, known] =
            ["unknown", "history", "known"].map(|way| figures("T", way, false, 4).ratio);
        assert!(
            known < history && history < unknown,
            "{known} {history} {unknown}"
        );
    }

    #[test]
    fn a_recorded_day_is_one_world_and_a_shuffled_one_as_many_as_there_are_seeds() {
        let one = figures("trace", "fixed:20", true, 1);
        let three = figures("trace", "fixed:20", true, 3);
        assert_eq!(
            three.used,
            3.0 * one.used,
            "the last shape is the shuffled one"
        );
    }
}
