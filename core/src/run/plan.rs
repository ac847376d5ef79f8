//! `plan`: the same kernel as in a render, driven through virtual time by what is expected.
//!
//! There is no estimate here that the dispatcher does not make itself: what is shown is what the
//! kernel did in a world where every declared cost is true and nothing fails.

use std::collections::BTreeSet;

use framewright_kernel::bound::predicted_bound;
use framewright_kernel::farm::Farm;
use framewright_kernel::ids::TaskId;
use framewright_kernel::sim::{SimError, World, simulate};
use thiserror::Error;

use super::farm;
use super::prepare::Prepared;
use super::saturation::{
    FarmBounds, PlannedWorld, Saturation, TypicalSegment, length_advice, saturation,
};
use super::tasks::TaskList;
use crate::names::TaskName;

/// A job of more tasks than this is not planned when it is rendered: nobody shall wait for a number
/// that only says afterwards how good the plan was.
const AT_START_TASKS_MAX: u32 = 20_000;
/// The same for slots.
const AT_START_SLOTS_MAX: usize = 1_000;

/// Why there is no plan.
#[derive(Debug, Error)]
pub enum PlanError {
    /// The job does not fit the kernel, or the farm.
    #[error("{0}")]
    Job(String),
    /// No host may take it.
    #[error("no host of the farm has the memory and the tags that this job needs")]
    NoHost,
    /// The simulation found a fault of the kernel.
    #[error("the plan failed: {0}")]
    Sim(#[from] SimError),
}

/// What a render is expected to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Segments in the order in which they are sent.
    pub segments: Vec<PlannedSegment>,
    /// Sums.
    pub predicted: Predicted,
    /// How many slots the farm's limits can feed; absent where it has none.
    pub saturation: Option<Saturation>,
    /// What is to be said about the sizes that were chosen.
    pub warnings: Vec<String>,
}

/// A segment as it is expected.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedSegment {
    /// Its number.
    pub segment: u64,
    /// Host's name.
    pub host: String,
    /// Slot on that host.
    pub slot: u32,
    /// Its layer; empty where the scene is rendered as it is.
    pub layer: String,
    /// Its frames, in the order in which they are sent; each once, however many tiles of it there are.
    pub frames: Vec<i32>,
    /// Its tasks, where frames are in tiles.
    pub tiles: Vec<TaskName>,
    /// When it is sent, in seconds from the start.
    pub start_s: f64,
    /// When its slot is free again.
    pub end_s: f64,
}

/// What a render is expected to take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Predicted {
    /// From the start to the last frame.
    pub makespan_s: f64,
    /// No schedule could end sooner.
    pub lower_bound_s: f64,
    /// Loading, summed over slots.
    pub load_s: f64,
    /// How often a scene is loaded.
    pub loads: u32,
    /// Most slots that are busy at once.
    pub slots_busy_max: u32,
}

/// Seconds that a render from here on is expected to take, by what is known before it begins.
/// `None` where finding out would take more than a moment, or there is no plan.
pub(super) fn predicted_makespan(prepared: &Prepared, farm: &Farm) -> Option<f64> {
    let is_small =
        farm.job().task_count() <= AT_START_TASKS_MAX && farm.slots().count() <= AT_START_SLOTS_MAX;
    if !is_small {
        return None;
    }
    let hosts = farm::hosts(prepared).ok()?;
    let world = World::predicted(farm.job(), &hosts);
    // What is wrong with it the run itself will find out.
    let trace = simulate(world, farm.clone()).ok()?;
    (trace.committed > 0).then(|| trace.makespan.as_secs_f64())
}

/// Plans a settled request.
pub fn plan(prepared: &Prepared) -> Result<Plan, PlanError> {
    let hosts = farm::hosts(prepared).map_err(PlanError::Job)?;
    let farm = farm::farm(prepared, None).map_err(PlanError::Job)?;
    let bound = predicted_bound(farm.job(), &hosts).ok_or(PlanError::NoHost)?;
    let world = World::predicted(farm.job(), &hosts);
    let planned = PlannedWorld::of(&world, hosts.iter().map(|host| host.slots));
    let job = farm.job().clone();
    let trace = simulate(world, farm)?;
    let typical = TypicalSegment::of(&trace, &job, &planned);
    let slots: Vec<(&str, u32)> = prepared
        .request
        .hosts
        .iter()
        .flat_map(|host| (0..host.slots).map(|slot| (host.name.as_str(), slot)))
        .collect();
    let segments = trace
        .segments
        .iter()
        .filter(|segment| !segment.tasks.is_empty())
        .map(|segment| {
            let (host, slot) = slots[segment.slot.0 as usize];
            let first = prepared.tasks.facts(segment.tasks[0]);
            PlannedSegment {
                segment: segment.segment.0,
                host: host.to_owned(),
                slot,
                layer: first.layer.to_owned(),
                frames: frames_of(&prepared.tasks, &segment.tasks),
                tiles: segment
                    .tasks
                    .iter()
                    .map(|task| prepared.tasks.name(*task))
                    .filter(|name| name.tile().is_some())
                    .collect(),
                start_s: segment.start.as_secs_f64(),
                end_s: segment.end.as_secs_f64(),
            }
        })
        .collect();
    let limits = prepared.request.limits;
    let bounds = FarmBounds {
        interval_s: limits.dispatch_interval_s,
        loads_max: limits.loads_max,
        slots: hosts.iter().map(|host| host.slots).sum(),
        tasks: job.task_count(),
    };
    let policy = farm::policy(&prepared.request);
    let saturation = typical.and_then(|typical| saturation(bounds, typical, policy));
    let length = typical.and_then(|typical| length_advice(bounds, &typical, policy));
    let hunger = saturation.as_ref().and_then(|told| told.advice.clone());
    Ok(Plan {
        warnings: length.into_iter().chain(hunger).collect(),
        saturation,
        segments,
        predicted: Predicted {
            makespan_s: trace.makespan.as_secs_f64(),
            lower_bound_s: bound.as_secs_f64(),
            load_s: trace.load_time.as_secs_f64(),
            loads: trace.loads,
            slots_busy_max: trace.busy_max,
        },
    })
}

/// The frames of these tasks, each once.
fn frames_of(list: &TaskList, tasks: &[TaskId]) -> Vec<i32> {
    let mut frames = Vec::with_capacity(tasks.len());
    let mut seen = BTreeSet::new();
    for task in tasks {
        let frame = list.facts(*task).frame;
        if seen.insert(frame) {
            frames.push(frame);
        }
    }
    frames
}
