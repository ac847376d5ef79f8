//! A job as the kernel sees it: layers, tasks in one fixed order, costs.
//!
//! Tasks are stored as columns (key, running sum of costs), so that the cost of any run of tasks
//! is one subtraction. Names, paths and pictures are not known here.
//!
//! Invariant: tasks are sorted by (layer, frame, tile) without doubles, so a layer, and a frame of
//! a layer, is a range of task numbers; `after` has no cycle.

mod build;
mod guess;

use std::ops::Range;

pub use build::JobError;

use crate::frames::Frame;
use crate::hosts::{Bytes, TagSet};
use crate::ids::{Attempt, LayerId, SegmentId, TaskId, TileId};
use crate::policy::{Limits, Pace, Policy};
use crate::time::Span;

/// Most tasks of a job.
pub const TASKS_MAX: usize = 16_000_000;
/// Most layers of a job.
pub const LAYERS_MAX: usize = 4096;

/// Everything that makes a job, for [`Job::new`].
#[derive(Clone, Debug)]
pub struct JobSpec {
    /// Its layers; [`LayerId`] is the place in this list.
    pub layers: Vec<LayerSpec>,
    /// Its tasks, in any order. [`TaskId`] is the place in (layer, frame, tile) order.
    pub tasks: Vec<TaskSpec>,
    /// What things cost on a host of speed 1, as far as known.
    pub costs: Costs,
    /// Whether the renderer stays loaded between segments of one slot.
    pub kept: bool,
    /// How tasks are distributed.
    pub policy: Policy,
    /// When to stop trying.
    pub limits: Limits,
    /// How fast segments can be sent.
    pub pace: Pace,
    /// Number of the first segment: above all that were used before in this job.
    pub first_segment: SegmentId,
}

/// Costs on a host of speed 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// Starting the renderer and loading the scene, once a process.
    pub load: Span,
    /// Paid at every render call, i.e. once a task.
    pub call: Span,
    /// A whole frame with all its layers, calls excluded.
    pub frame: Span,
}

/// A layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerSpec {
    /// Cost relative to the other layers; 0 or less is taken as 1 if all are, else as nothing.
    pub weight: f64,
    /// Which layers must exist before.
    pub after: Vec<After>,
    /// Whether all its tasks go to one slot in one segment.
    pub undivided: bool,
    /// Memory that a task of it needs.
    pub memory: Bytes,
    /// What a host must have to render it.
    pub tags: TagSet,
}

/// What a layer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// The layer that must exist before.
    pub layer: LayerId,
    /// How much of it.
    pub scope: Scope,
}

/// How much of another layer must exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The same frame of it, all tiles.
    Frame,
    /// All of it.
    Layer,
}

/// A task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskSpec {
    /// Its layer.
    pub layer: LayerId,
    /// Its frame.
    pub frame: Frame,
    /// Its tile; `None` = the whole frame.
    pub tile: Option<TileId>,
    /// What part of its layer's frame it is, from 0 to 1; `None` = all tiles of the frame are alike.
    pub share: Option<f64>,
    /// What it costs on a host of speed 1; `None` = call + its share of a frame.
    pub cost: Option<Span>,
    /// Whether the user wants it first.
    pub priority: bool,
    /// Whether it goes after all others that the same hosts may take: a tile of a frame that is in
    /// tiles only so that all slots have work up to the end.
    pub last: bool,
    /// Whether an earlier run committed it.
    pub done: bool,
    /// How many attempts at it were begun by earlier runs.
    pub attempts: u16,
}

impl TaskSpec {
    /// A whole frame of a layer, not yet tried.
    #[must_use]
    pub fn new(layer: LayerId, frame: Frame) -> TaskSpec {
        TaskSpec {
            layer,
            frame,
            tile: None,
            share: None,
            cost: None,
            priority: false,
            last: false,
            done: false,
            attempts: 0,
        }
    }
}

/// A task's place in the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskKey {
    /// Its layer.
    pub layer: LayerId,
    /// Its frame.
    pub frame: Frame,
    /// Its tile.
    pub tile: Option<TileId>,
}

/// A job, checked.
#[derive(Clone, Debug)]
pub struct Job {
    keys: Vec<Key>,
    /// `sums[i]` = costs of all tasks before `i`, in microseconds; one longer than `keys`.
    sums: Vec<u64>,
    layers: Vec<Layer>,
    costs: Costs,
    kept: bool,
    lists: bool,
    error: f64,
    policy: Policy,
    limits: Limits,
    pace: Pace,
    first_segment: SegmentId,
    /// Tasks wanted first, ascending.
    priority: Vec<TaskId>,
    /// One bit a task that goes after all others; empty where none does.
    last: Vec<u64>,
    /// Tasks that earlier runs committed, ascending.
    done: Vec<TaskId>,
    /// Attempts that earlier runs began, where there were any, ascending by task.
    attempts: Vec<(TaskId, Attempt)>,
}

/// Eight bytes a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    layer: u16,
    frame: i32,
    /// `NO_TILE` sorts behind every tile; a frame is either whole or in tiles.
    tile: u16,
}

const NO_TILE: u16 = u16::MAX;

/// How far given costs are off, where nobody says: those of a scene that was changed since.
const ERROR: f64 = 0.2;

/// A layer of a checked job.
#[derive(Clone, Debug)]
pub struct Layer {
    first: u32,
    end: u32,
    after: Vec<After>,
    /// Layers that wait for this one, with how much of it they need.
    before: Vec<After>,
    undivided: bool,
    memory: Bytes,
    tags: TagSet,
}

impl Layer {
    /// What it waits for.
    #[must_use]
    pub fn after(&self) -> &[After] {
        &self.after
    }

    /// Which layers wait for it, and for how much of it.
    #[must_use]
    pub fn before(&self) -> &[After] {
        &self.before
    }

    /// Whether all its tasks go to one slot in one segment.
    #[must_use]
    pub fn is_undivided(&self) -> bool {
        self.undivided
    }

    /// Memory that a task of it needs.
    #[must_use]
    pub fn memory(&self) -> Bytes {
        self.memory
    }

    /// What a host must have to render it.
    #[must_use]
    pub fn tags(&self) -> TagSet {
        self.tags
    }

    pub(crate) fn range(&self) -> Range<u32> {
        self.first..self.end
    }
}

impl Job {
    /// Number of tasks.
    #[must_use]
    pub fn task_count(&self) -> u32 {
        self.keys.len() as u32
    }

    /// Every task, in order.
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> + use<> {
        (0..self.task_count()).map(TaskId)
    }

    /// Where a task belongs.
    ///
    /// # Panics
    /// When the job has no such task.
    #[must_use]
    pub fn key(&self, task: TaskId) -> TaskKey {
        let key = self.keys[task.index()];
        TaskKey {
            layer: LayerId(key.layer),
            frame: Frame(key.frame),
            tile: (key.tile != NO_TILE).then_some(TileId(key.tile)),
        }
    }

    /// The task with this key.
    #[must_use]
    pub fn find(&self, key: TaskKey) -> Option<TaskId> {
        let layer = self.layers.get(key.layer.index())?;
        let tile = key.tile.map_or(NO_TILE, |tile| tile.0);
        let range = layer.first as usize..layer.end as usize;
        self.keys[range.clone()]
            .binary_search_by(|other| (other.frame, other.tile).cmp(&(key.frame.0, tile)))
            .ok()
            .map(|index| TaskId::at(range.start + index))
    }

    /// What a task costs on a host of speed 1, as estimated before the start.
    #[must_use]
    pub fn cost(&self, task: TaskId) -> Span {
        Span::from_micros(self.units(task.0..task.0 + 1))
    }

    /// The layers; [`LayerId`] is the place in this list.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Costs as estimated before the start.
    #[must_use]
    pub fn costs(&self) -> Costs {
        self.costs
    }

    /// Whether the renderer stays loaded between segments.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// The same job, whose renderer renders a segment of any tasks in any order with one load,
    /// though it ends with its segment. Where it stays loaded that is taken for granted; else a
    /// segment holds runs of frames as long as this is not said.
    #[must_use]
    pub fn in_lists(self) -> Job {
        Job {
            lists: true,
            ..self
        }
    }

    /// The same job, whose tasks' costs, where they are given one by one, err by about this part of
    /// themselves (standard deviation). As long as this is not said, by a fifth.
    #[must_use]
    pub fn known_to(self, error: f64) -> Job {
        let error = if error.is_finite() {
            error.clamp(0.0, 1.0)
        } else {
            ERROR
        };
        Job { error, ..self }
    }

    /// Whether a segment may hold any tasks in any order.
    #[must_use]
    pub fn takes_lists(&self) -> bool {
        self.kept || self.lists
    }

    /// How tasks are distributed.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// When to stop trying.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// How fast segments can be sent.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Tasks that earlier runs committed.
    #[must_use]
    pub fn done(&self) -> &[TaskId] {
        &self.done
    }

    pub(crate) fn priority(&self) -> &[TaskId] {
        &self.priority
    }

    /// Whether a task goes after all others.
    pub(crate) fn is_last(&self, task: TaskId) -> bool {
        let (word, bit) = (task.index() / 64, task.index() % 64);
        self.last.get(word).is_some_and(|word| word >> bit & 1 == 1)
    }

    /// Whether any task goes after all others.
    pub(crate) fn has_last(&self) -> bool {
        !self.last.is_empty()
    }

    /// Whether a task is a part of a frame.
    pub(crate) fn is_tile(&self, task: TaskId) -> bool {
        self.keys[task.index()].tile != NO_TILE
    }

    pub(crate) fn attempts(&self) -> &[(TaskId, Attempt)] {
        &self.attempts
    }

    pub(crate) fn first_segment(&self) -> SegmentId {
        self.first_segment
    }

    pub(crate) fn layer(&self, layer: LayerId) -> &Layer {
        &self.layers[layer.index()]
    }

    pub(crate) fn layer_of(&self, task: TaskId) -> LayerId {
        LayerId(self.keys[task.index()].layer)
    }

    /// Estimated cost of a run of tasks, in microseconds on a host of speed 1.
    pub(crate) fn units(&self, tasks: Range<u32>) -> u64 {
        self.sums[tasks.end as usize] - self.sums[tasks.start as usize]
    }

    /// The tasks of one frame of a layer; empty where the layer lacks that frame.
    pub(crate) fn frame_tasks(&self, layer: LayerId, frame: Frame) -> Range<u32> {
        let Layer { first, end, .. } = *self.layer(layer);
        let keys = &self.keys[first as usize..end as usize];
        let from = keys.partition_point(|key| key.frame < frame.0);
        let to = from + keys[from..].partition_point(|key| key.frame == frame.0);
        first + from as u32..first + to as u32
    }

    /// Into how many tiles each frame of a layer is split, where all are into as many.
    pub(crate) fn tiles_alike(&self, layer: &Layer) -> Option<u32> {
        let keys = &self.keys[layer.first as usize..layer.end as usize];
        let first = keys.first().filter(|key| key.tile != NO_TILE)?;
        let tiles = keys
            .iter()
            .take_while(|key| key.frame == first.frame)
            .count();
        let alike = |frame: &[Key]| {
            frame.len() == tiles && frame.iter().all(|key| key.frame == frame[0].frame)
        };
        (tiles > 1 && keys.chunks(tiles).all(alike)).then_some(tiles as u32)
    }

    /// The task in the middle of a task's frame: itself, where the frame is not in tiles.
    pub(crate) fn middle_of_frame(&self, task: TaskId) -> TaskId {
        let key = self.key(task);
        let range = self.frame_tasks(key.layer, key.frame);
        TaskId(range.start + (range.end - range.start) / 2)
    }

    /// Bytes held for each task, for the benchmark's table.
    #[must_use]
    pub fn bytes_per_task() -> usize {
        size_of::<Key>() + size_of::<u64>()
    }
}
