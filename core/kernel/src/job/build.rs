//! From what was asked to a checked job.

use thiserror::Error;

use super::{Job, JobSpec, Key, LAYERS_MAX, Layer, NO_TILE, TASKS_MAX, TaskSpec};
use crate::ids::{Attempt, LayerId, TaskId};

/// Why something is no job.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JobError {
    /// Nothing to render.
    #[error("a job has at least one task")]
    NoTasks,
    /// More than the kernel's numbers can name.
    #[error("a job has at most {TASKS_MAX} tasks, not {count}")]
    TooManyTasks {
        /// How many.
        count: usize,
    },
    /// More than the kernel's numbers can name.
    #[error("a job has at most {LAYERS_MAX} layers, not {count}")]
    TooManyLayers {
        /// How many.
        count: usize,
    },
    /// A task or an `after` names a layer that is not there.
    #[error("there is no layer {layer}; the job has {count}")]
    NoSuchLayer {
        /// Which.
        layer: LayerId,
        /// How many there are.
        count: usize,
    },
    /// The same task twice, or a frame both whole and in tiles.
    #[error("frame {frame} of layer {layer} is named twice, or whole and in tiles")]
    Twice {
        /// Its layer.
        layer: LayerId,
        /// Its frame.
        frame: i32,
    },
    /// Layers wait for each other.
    #[error("layer {layer} waits, by way of others, for itself")]
    Cycle {
        /// One of them.
        layer: LayerId,
    },
    /// A tile number that means "no tile".
    #[error("a frame has at most {NO_TILE} tiles")]
    TooManyTiles,
}

impl Job {
    /// Checks and sorts what was asked.
    pub fn new(spec: JobSpec) -> Result<Job, JobError> {
        counted(&spec)?;
        let weights = shares(&spec);
        let mut tasks = spec.tasks;
        tasks.sort_by_key(key);
        let keys: Vec<Key> = tasks.iter().map(key).collect();
        told_apart(&keys)?;
        let mut layers = layers(spec.layers, &keys);
        acyclic(&layers)?;
        name_waiting(&mut layers);
        let mut job = Job {
            sums: Vec::with_capacity(keys.len() + 1),
            keys,
            layers,
            costs: spec.costs,
            kept: spec.kept,
            lists: false,
            error: super::ERROR,
            policy: spec.policy,
            limits: spec.limits,
            pace: spec.pace,
            first_segment: spec.first_segment,
            priority: Vec::new(),
            last: Vec::new(),
            done: Vec::new(),
            attempts: Vec::new(),
        };
        job.add_costs(&tasks, &weights);
        job.add_history(&tasks);
        Ok(job)
    }

    fn add_costs(&mut self, tasks: &[TaskSpec], weights: &[f64]) {
        let call = self.costs.call.as_micros();
        let frame = self.costs.frame.as_micros() as f64;
        let mut sum = 0_u64;
        self.sums.push(sum);
        let mut index = 0;
        while index < tasks.len() {
            // All tiles of one frame share its cost.
            let Key {
                layer,
                frame: number,
                ..
            } = self.keys[index];
            let tiles = self.keys[index..]
                .iter()
                .take_while(|key| key.layer == layer && key.frame == number)
                .count();
            let frame = frame * weights[layer as usize];
            let alike = 1.0 / tiles as f64;
            for task in &tasks[index..index + tiles] {
                let part = task.share.filter(|part| (0.0..=1.0).contains(part));
                let share = || call + (frame * part.unwrap_or(alike)).round() as u64;
                let cost = task.cost.map_or_else(share, |cost| cost.as_micros());
                // No task is free: sums must grow. None is longer than a century, so that the
                // sum of the most tasks fits.
                sum += cost.clamp(1, COST_MAX);
                self.sums.push(sum);
            }
            index += tiles;
        }
    }

    fn add_history(&mut self, tasks: &[TaskSpec]) {
        for (index, task) in tasks.iter().enumerate() {
            let id = TaskId::at(index);
            if task.done {
                self.done.push(id);
            } else if task.priority {
                self.priority.push(id);
            }
            if task.last {
                self.last.resize(tasks.len().div_ceil(64), 0);
                self.last[index / 64] |= 1 << (index % 64);
            }
            if task.attempts > 0 {
                self.attempts.push((id, Attempt(task.attempts)));
            }
        }
    }
}

/// Longest estimated cost of one task, in microseconds: about eleven days.
const COST_MAX: u64 = 1_000_000_000_000;

fn key(task: &TaskSpec) -> Key {
    Key {
        layer: task.layer.0,
        frame: task.frame.0,
        tile: task.tile.map_or(NO_TILE, |tile| tile.0),
    }
}

fn counted(spec: &JobSpec) -> Result<(), JobError> {
    let count = spec.layers.len();
    if spec.tasks.is_empty() {
        return Err(JobError::NoTasks);
    }
    if spec.tasks.len() > TASKS_MAX {
        return Err(JobError::TooManyTasks {
            count: spec.tasks.len(),
        });
    }
    if count > LAYERS_MAX {
        return Err(JobError::TooManyLayers { count });
    }
    let named = spec.tasks.iter().map(|task| task.layer);
    let waited = spec.layers.iter().flat_map(|layer| &layer.after);
    for layer in named.chain(waited.map(|after| after.layer)) {
        if layer.index() >= count {
            return Err(JobError::NoSuchLayer { layer, count });
        }
    }
    if spec
        .tasks
        .iter()
        .any(|task| task.tile.is_some_and(|tile| tile.0 == NO_TILE))
    {
        return Err(JobError::TooManyTiles);
    }
    Ok(())
}

/// Each layer's share of a frame's cost.
fn shares(spec: &JobSpec) -> Vec<f64> {
    let weight = |given: f64| {
        if given > 0.0 && given.is_finite() {
            given
        } else {
            0.0
        }
    };
    let sum: f64 = spec.layers.iter().map(|layer| weight(layer.weight)).sum();
    let equal = 1.0 / spec.layers.len() as f64;
    spec.layers
        .iter()
        .map(|layer| {
            if sum > 0.0 {
                weight(layer.weight) / sum
            } else {
                equal
            }
        })
        .collect()
}

fn told_apart(keys: &[Key]) -> Result<(), JobError> {
    for pair in keys.windows(2) {
        let same_frame = pair[0].layer == pair[1].layer && pair[0].frame == pair[1].frame;
        if same_frame && (pair[0].tile == pair[1].tile || pair[1].tile == NO_TILE) {
            return Err(JobError::Twice {
                layer: LayerId(pair[0].layer),
                frame: pair[0].frame,
            });
        }
    }
    Ok(())
}

fn layers(specs: Vec<super::LayerSpec>, keys: &[Key]) -> Vec<Layer> {
    specs
        .into_iter()
        .enumerate()
        .map(|(index, spec)| {
            let first = keys.partition_point(|key| usize::from(key.layer) < index);
            let end = keys.partition_point(|key| usize::from(key.layer) <= index);
            Layer {
                first: first as u32,
                end: end as u32,
                after: spec.after,
                before: Vec::new(),
                undivided: spec.undivided,
                memory: spec.memory,
                tags: spec.tags,
            }
        })
        .collect()
}

/// Takes away layers that wait for nothing, again and again; what cannot be taken is a cycle.
fn acyclic(layers: &[Layer]) -> Result<(), JobError> {
    match order(layers) {
        Ok(_) => Ok(()),
        Err(layer) => Err(JobError::Cycle { layer }),
    }
}

/// The layers, each behind all that it waits for; or one that waits for itself.
pub(super) fn order(layers: &[Layer]) -> Result<Vec<LayerId>, LayerId> {
    let mut waits: Vec<usize> = layers.iter().map(|layer| layer.after.len()).collect();
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); layers.len()];
    for (index, layer) in layers.iter().enumerate() {
        for after in &layer.after {
            waiting[after.layer.index()].push(index);
        }
    }
    let mut order: Vec<LayerId> = (0..layers.len())
        .filter(|index| waits[*index] == 0)
        .map(LayerId::at)
        .collect();
    let mut done = 0;
    while done < order.len() {
        for &index in &waiting[order[done].index()] {
            waits[index] -= 1;
            if waits[index] == 0 {
                order.push(LayerId::at(index));
            }
        }
        done += 1;
    }
    match waits.iter().position(|left| *left > 0) {
        None => Ok(order),
        Some(index) => Err(LayerId::at(index)),
    }
}

fn name_waiting(layers: &mut [Layer]) {
    for index in 0..layers.len() {
        for after in layers[index].after.clone() {
            layers[after.layer.index()].before.push(super::After {
                layer: LayerId::at(index),
                scope: after.scope,
            });
        }
    }
}

impl Job {
    /// The layers, each behind all that it waits for.
    pub(crate) fn layers_in_order(&self) -> Vec<LayerId> {
        order(&self.layers).expect("checked by Job::new")
    }
}
