//! What is made of a job's layers before anything is known: their queues, and which of their tasks go
//! ahead.

use super::LayerState;
use super::curve::Curve;
use super::learn::Kind;
use super::queue::Queue;
use super::waiting::Waiting;
use crate::ids::TaskId;
use crate::job::{Job, Layer};
use crate::policy::Policy;
use crate::time::Span;

/// Layers of fewer tasks are not scouted: all of it is under way at once.
const SCOUTED: usize = 12;

pub(super) fn layer_states(job: &Job, class_of: &[usize]) -> Vec<LayerState> {
    job.layers()
        .iter()
        .zip(class_of)
        .map(|(layer, class)| LayerState {
            queue: Queue::new(waiting(job, layer), waiting_last(job, layer)),
            curve: Curve::new(layer.range(), job.tiles_alike(layer)),
            picks: 0,
            means: means(job, layer),
            class: *class,
            undivided: layer.is_undivided() || job.policy().is_undivided(),
            left: layer.range().len() as u32,
            blocked: layer.range().len() as u32,
            live: 0,
            doomed: false,
        })
        .collect()
}

/// Mean estimate of whole frames and of tiles.
fn means(job: &Job, layer: &Layer) -> [f64; 2] {
    let (mut units, mut counts) = ([0_u64; 2], [0_u64; 2]);
    for task in layer.range() {
        let kind = Kind::of(job, TaskId(task)) as usize;
        units[kind] += job.units(task..task + 1);
        counts[kind] += 1;
    }
    [0, 1].map(|kind| units[kind] as f64 / counts[kind].max(1) as f64)
}

/// Where costs are known task by task, and the renderer takes tasks in any order, the dearest
/// stand first.
fn waiting(job: &Job, layer: &Layer) -> Waiting {
    let range = layer.range();
    let units = |task: u32| job.units(task..task + 1);
    let chosen = job.policy() == Policy::Auto && !layer.is_undivided() && job.takes_lists();
    let mut plain = range.clone().filter(|task| !job.is_last(TaskId(*task)));
    let first = plain.next().map(units);
    if chosen && plain.any(|task| Some(units(task)) != first) {
        Waiting::dearest_first(range, units)
    } else {
        Waiting::new(range)
    }
}

/// The dearest first where the renderer takes tasks in any order.
fn waiting_last(job: &Job, layer: &Layer) -> Option<Waiting> {
    let range = layer.range();
    let is_last = |task: u32| job.is_last(TaskId(task));
    if !job.has_last() || layer.is_undivided() || !range.clone().any(is_last) {
        return None;
    }
    let units = |task: u32| job.units(task..task + 1);
    Some(if job.policy() == Policy::Auto && job.takes_lists() {
        Waiting::dearest_first(range, units)
    } else {
        Waiting::new(range)
    })
}

/// Tasks that tell early what all the others will cost: the ends and the middle of each layer whose
/// costs are all the same guess. Where the user wants some first, those tell it. Only where a slot
/// takes a little at a time: a whole share is a sample of the layer anyway and begins in the middle
/// of each stretch, and a scout in it would only make it unlike the others.
pub(super) fn scouts(job: &Job) -> Vec<TaskId> {
    let rare = job.pace().dispatch_interval > Span::ZERO;
    if job.policy() != Policy::Auto || !job.is_kept() || rare {
        return Vec::new();
    }
    let mut scouts = Vec::new();
    for layer in job.layers() {
        let range = layer.range();
        let wanted = job.priority().iter().any(|task| range.contains(&task.0));
        let tasks = || range.clone().filter(|task| !job.is_last(TaskId(*task)));
        let mut units = tasks().map(|task| job.units(task..task + 1));
        let first = units.next();
        let count = tasks().count();
        if count < SCOUTED || layer.is_undivided() || wanted || units.any(|u| Some(u) != first) {
            continue;
        }
        let mut found: Vec<TaskId> = [0, count / 2, count - 1]
            .into_iter()
            .filter_map(|place| tasks().nth(place))
            // The corner of a frame says little of it.
            .map(|task| job.middle_of_frame(TaskId(task)))
            .collect();
        found.dedup();
        scouts.append(&mut found);
    }
    scouts
}
