//! A job in the kernel's words.
//!
//! The kernel knows numbers only: this is where names, strings and documents become them.

use std::borrow::Cow;

use framewright_kernel::farm::Farm;
use framewright_kernel::frames::Frame;
use framewright_kernel::hosts::{Bytes, HostSpec, Speed, TagSet};
use framewright_kernel::ids::{LayerId, SegmentId, TileId};
use framewright_kernel::job::{
    After, Costs, Job as KernelJob, JobSpec, LayerSpec, Scope, TaskSpec,
};
use framewright_kernel::policy::{Limits, Pace};
use framewright_kernel::time::Span;
use framewright_plugin_api::data::{self, Abilities, Basis, Cost, Scene};

use super::job::Job;
use super::prepare::{Prepared, priority};
use super::remembered::RememberedHost;
use crate::request::{HostEntry, Policy, Request};
use crate::store::JobState;

/// Cost of a frame of which nothing is known. It only has to be a cost: the first frames correct
/// it, and equal guesses for all frames share them out evenly.
pub(super) const FRAME_GUESS_S: f64 = 10.0;
/// Different tags that a job may need.
const TAGS_MAX: usize = 64;

/// What earlier controllers left of a job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past<'a> {
    /// Whether a task is committed, by number.
    pub done: &'a [bool],
    /// Everything else.
    pub state: &'a JobState,
}

/// The kernel for a job, where earlier controllers left it.
pub(super) fn make(job: &Job, state: &JobState, done: &[bool]) -> Result<Farm, String> {
    farm(&job.prepared, Some(Past { done, state }))
}

/// The kernel for a settled request.
pub(super) fn farm(prepared: &Prepared, past: Option<Past<'_>>) -> Result<Farm, String> {
    let tags = Tags::of(prepared)?;
    let job = KernelJob::new(spec(prepared, &tags, past)?).map_err(|error| error.to_string())?;
    let job = if in_lists(prepared) {
        job.in_lists()
    } else {
        job
    };
    let job = job.known_to(cost_error(prepared));
    Ok(Farm::new(job, hosts(prepared)?))
}

/// How far remembered costs are off, as a part of themselves: another render of the same scene with
/// the same settings repeats them but for what its hosts are busy with besides; who changed a scene
/// mostly changed a part of it.
pub(crate) fn cost_error(prepared: &Prepared) -> f64 {
    match &prepared.remembered {
        Some(remembered) if remembered.same_scene && remembered.same_settings => 0.1,
        Some(_) | None => 0.2,
    }
}

/// The job of a settled request, as before its start.
pub(crate) fn job_spec(prepared: &Prepared) -> Result<JobSpec, String> {
    spec(prepared, &Tags::of(prepared)?, None)
}

/// The hosts of a settled request.
pub(crate) fn hosts(prepared: &Prepared) -> Result<Vec<HostSpec>, String> {
    specs(prepared, prepared.request.hosts.iter())
}

/// These hosts, which are the request's and after them those that joined the job.
pub(super) fn specs<'a>(
    prepared: &Prepared,
    hosts: impl Iterator<Item = &'a HostEntry>,
) -> Result<Vec<HostSpec>, String> {
    let tags = Tags::of(prepared)?;
    let specs = hosts.enumerate().map(|(index, host)| {
        let remembered = prepared.remembered.as_ref();
        let known = remembered.map_or_else(Default::default, |known| known.host(index));
        host_spec(host, known, &tags)
    });
    Ok(specs.collect())
}

fn spec(prepared: &Prepared, tags: &Tags, past: Option<Past<'_>>) -> Result<JobSpec, String> {
    let request = &prepared.request;
    let scene = &prepared.inspection.scene;
    let remembered = prepared.remembered.as_ref();
    let call = costs(prepared).call;
    let area = scene_area(scene);
    // Frames that are in tiles where others are whole are so for the end of the job.
    let tiling = prepared.tasks.tiling();
    let is_tail = tiling.is_some_and(|tiling| tiling.frames().is_some());
    let wanted_first = priority(request, &prepared.tasks).map_err(|error| error.to_string())?;
    let mut tasks: Vec<TaskSpec> = prepared
        .tasks
        .ids()
        .map(|task| {
            let facts = prepared.tasks.facts(task);
            let layer = LayerId(u16::try_from(facts.layer_index).unwrap_or(u16::MAX));
            let mut spec = TaskSpec::new(layer, Frame(facts.frame));
            if facts.tile.is_some() {
                spec.tile = Some(tile_id(facts.tile_index));
                spec.share = Some(facts.part_of(area));
                spec.last = is_tail;
            }
            spec.cost = remembered.and_then(|known| known.task_cost(&facts, call, area));
            if let Some(past) = past {
                spec.done = past.done[task.0 as usize];
                let name = prepared.tasks.name(task).to_string();
                let begun = past.state.attempt_next(&name).saturating_sub(1);
                spec.attempts = u16::try_from(begun).unwrap_or(u16::MAX);
            }
            spec
        })
        .collect();
    for task in wanted_first {
        tasks[task.0 as usize].priority = true;
    }
    let first_segment = past.map_or(1, |past| past.state.segment_next().max(1));
    Ok(JobSpec {
        layers: layers(prepared, tags),
        tasks,
        costs: costs(prepared),
        kept: is_kept(prepared),
        policy: policy(request).into(),
        limits: Limits {
            retries: u8::try_from(request.retries).unwrap_or(u8::MAX),
            task_limit: request.task_limit_s.map(Span::from_secs_f64),
            load_limit: None,
            keep_going: request.keep_going,
        },
        pace: Pace {
            dispatch_interval: Span::from_secs_f64(request.limits.dispatch_interval_s),
            start_delay: Span::ZERO,
            loads_max: request.limits.loads_max,
        },
        first_segment: SegmentId(first_segment),
    })
}

/// The layers that are rendered apart. The scene as it is is one layer to the kernel; its needs are
/// the largest of its layers'.
fn layers(prepared: &Prepared, tags: &Tags) -> Vec<LayerSpec> {
    if prepared.layers.is_empty() {
        return vec![whole_scene(prepared, tags)];
    }
    let request = &prepared.request;
    let scene = &prepared.inspection.scene;
    let memory = scene.memory_bytes.max(request.memory_bytes.unwrap_or(0));
    let place = |name: &str| prepared.layers.iter().position(|layer| layer == name);
    rendered_layers(prepared)
        .map(|layer| LayerSpec {
            weight: layer.weight,
            after: layer
                .after
                .iter()
                .filter_map(|after| {
                    Some(After {
                        layer: LayerId(u16::try_from(place(&after.layer)?).ok()?),
                        scope: match after.scope {
                            data::Scope::Frame => Scope::Frame,
                            data::Scope::Layer => Scope::Layer,
                        },
                    })
                })
                .collect(),
            undivided: layer.undivided || is_undivided(request),
            memory: Bytes(match layer.memory_bytes {
                0 => memory,
                own => own.max(request.memory_bytes.unwrap_or(0)),
            }),
            tags: tags.set(layer.tags.iter().chain(&request.tags)),
        })
        .collect()
}

/// The layers that are rendered apart, as the scene describes them.
fn rendered_layers(prepared: &Prepared) -> impl Iterator<Item = Cow<'_, data::Layer>> {
    let known = &prepared.inspection.scene.layers;
    // Who is not there any more, in a scene that was changed before a resume, is a layer like others.
    let unknown = || Cow::Owned(data::Layer::default());
    prepared.layers.iter().map(move |name| {
        let layer = known.iter().find(|layer| layer.name == *name);
        layer.map_or_else(unknown, Cow::Borrowed)
    })
}

fn is_undivided(request: &Request) -> bool {
    request.segment.is_some_and(|size| size.min == 0)
}

fn whole_scene(prepared: &Prepared, tags: &Tags) -> LayerSpec {
    let request = &prepared.request;
    let scene = &prepared.inspection.scene;
    let used: Vec<_> = scene.layers.iter().filter(|layer| layer.used).collect();
    let largest = used
        .iter()
        .map(|layer| layer.memory_bytes)
        .max()
        .unwrap_or(0);
    let memory = scene
        .memory_bytes
        .max(largest)
        .max(request.memory_bytes.unwrap_or(0));
    LayerSpec {
        weight: 1.0,
        after: Vec::new(),
        undivided: is_undivided(request) || used.iter().any(|layer| layer.undivided),
        memory: Bytes(memory),
        tags: tags.set(needed_tags(prepared)),
    }
}

/// What some host must have, by name: all of it for the scene as a whole, a layer's own for a layer.
fn needed_tags(prepared: &Prepared) -> impl Iterator<Item = &String> {
    let apart = &prepared.layers;
    let layers = &prepared.inspection.scene.layers;
    let is_rendered = |layer: &&data::Layer| match apart.is_empty() {
        true => layer.used,
        false => apart.contains(&layer.name),
    };
    let rendered = layers.iter().filter(is_rendered);
    rendered
        .flat_map(|layer| &layer.tags)
        .chain(&prepared.request.tags)
}

/// Whether the renderer stays loaded between segments: it can, and neither the scene nor the user
/// forbids it.
fn is_kept(prepared: &Prepared) -> bool {
    let forbidden = prepared
        .inspection
        .settings
        .get("sticky")
        .is_some_and(|value| value == &serde_json::Value::Bool(false));
    let inspection = &prepared.inspection;
    inspection.description.can.sticky && !inspection.scene.reloaded && !forbidden
}

/// Whether the job's segments may be lists, where its renderer ends with each of them.
pub(crate) fn in_lists(prepared: &Prepared) -> bool {
    let inspection = &prepared.inspection;
    takes_lists(&inspection.description.can, &inspection.scene)
}

/// Whether a segment of a renderer that ends with it may hold any frames in any order: the adapter
/// promises so, and the scene, where it has to be loaded for each segment, does not need its frames
/// one after the other.
fn takes_lists(can: &Abilities, scene: &Scene) -> bool {
    can.frame_lists && (!scene.reloaded || scene.frame_lists)
}

/// Whether anybody knows a cost.
pub(super) fn is_known(cost: Cost) -> bool {
    cost.basis != Basis::Unknown
}

/// A tile's number within its frame, which a grid's limit keeps below the kernel's.
fn tile_id(index: usize) -> TileId {
    TileId(u16::try_from(index).unwrap_or(u16::MAX))
}

/// How many pixels a frame has.
pub(super) fn scene_area(scene: &Scene) -> u64 {
    u64::from(scene.width.max(1)) * u64::from(scene.height.max(1))
}

/// How much of a frame with all that the scene uses the layers are that are rendered: so many frames
/// where each layer alone costs one.
fn part_rendered(prepared: &Prepared) -> f64 {
    if prepared.layers.is_empty() {
        return 1.0;
    }
    if prepared.inspection.scene.layer_split.repeats {
        return prepared.layers.len() as f64;
    }
    let weight = |layer: &data::Layer| layer.weight.max(0.0);
    let known = &prepared.inspection.scene.layers;
    let all: f64 = known.iter().filter(|layer| layer.used).map(weight).sum();
    let rendered: f64 = rendered_layers(prepared).map(|layer| weight(&layer)).sum();
    match all > 0.0 && rendered > 0.0 {
        true => rendered / all,
        false => 1.0,
    }
}

/// What a segment pays once, and what each call pays.
fn paid(can: &Abilities, load: Span, call: Span) -> (Span, Span) {
    match can.loads_per_task {
        true => (Span::ZERO, call + load),
        false => (load, call),
    }
}

/// What a scene costs: what was measured before what is declared, and a guess for what nobody
/// knows. Where each task loads the scene, that is no cost of a segment, but of every call.
pub(super) fn costs(prepared: &Prepared) -> Costs {
    let scene = &prepared.inspection.scene;
    let remembered = prepared.remembered.as_ref();
    let known = |cost: Cost, guess: f64| match cost.basis {
        Basis::Unknown => Span::from_secs_f64(guess),
        Basis::Estimated | Basis::Declared | Basis::Measured => Span::from_secs_f64(cost.seconds),
    };
    let measured = remembered.and_then(|known| known.load_s);
    let load = measured.map(Span::from_secs_f64);
    let load = load.unwrap_or_else(|| known(scene.costs.load_s, 0.0));
    let call = known(scene.costs.call_s, 0.0);
    let (load, call) = paid(&prepared.inspection.description.can, load, call);
    Costs {
        load,
        call,
        frame: Span::from_secs_f64(
            known(scene.costs.frame_s, FRAME_GUESS_S).as_secs_f64() * part_rendered(prepared),
        ),
    }
}

/// How a request's segments are sized: `--segment` is Royal Render's rule.
pub(crate) fn policy(request: &Request) -> Policy {
    match (request.policy, request.segment) {
        (Policy::Auto, Some(size)) => Policy::RoyalRender(size),
        (policy, _) => policy,
    }
}

fn host_spec(host: &HostEntry, known: RememberedHost, tags: &Tags) -> HostSpec {
    HostSpec {
        slots: host.slots,
        speed: Speed::new(known.speed.unwrap_or(host.speed)).unwrap_or(Speed::ONE),
        memory: host.memory_bytes.map(Bytes),
        tags: tags.set(&host.tags),
        load: known.load_s.map(Span::from_secs_f64),
    }
}

/// Names of the tags in a set that a job needs.
pub(super) fn tag_names(prepared: &Prepared, set: TagSet) -> Vec<String> {
    let Ok(tags) = Tags::of(prepared) else {
        return Vec::new();
    };
    let mut names: Vec<String> = needed_tags(prepared)
        .filter(|name| {
            let wanted = tags.set([*name]);
            set.0 & wanted.0 != 0
        })
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Tags that a job needs, each with its bit. What hosts have besides makes no difference to it,
/// so hosts with further tags may join at any time.
#[derive(Debug)]
struct Tags(Vec<String>);

impl Tags {
    fn of(prepared: &Prepared) -> Result<Self, String> {
        let mut names: Vec<String> = needed_tags(prepared).cloned().collect();
        names.sort();
        names.dedup();
        if names.len() > TAGS_MAX {
            return Err(format!(
                "the job needs {} different tags; {TAGS_MAX} is the most",
                names.len()
            ));
        }
        Ok(Self(names))
    }

    fn set<'a>(&self, tags: impl IntoIterator<Item = &'a String>) -> TagSet {
        let mut bits = 0_u64;
        for name in tags {
            if let Ok(bit) = self.0.binary_search(name) {
                bits |= 1 << bit;
            }
        }
        TagSet(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_task_loads_is_paid_at_each_call() {
        let (load, call) = (Span::from_secs(30), Span::from_secs(2));
        let can = |loads_per_task| Abilities {
            loads_per_task,
            ..Abilities::default()
        };
        assert_eq!(paid(&can(false), load, call), (load, call));
        assert_eq!(
            paid(&can(true), load, call),
            (Span::ZERO, Span::from_secs(32))
        );
    }

    #[test]
    fn lists_are_for_those_who_promise_them() {
        let can = |frame_lists| Abilities {
            frame_lists,
            ..Abilities::default()
        };
        let scene = |reloaded, frame_lists| Scene {
            reloaded,
            frame_lists,
            ..Scene::default()
        };
        assert!(takes_lists(&can(true), &scene(false, false)));
        assert!(takes_lists(&can(true), &scene(true, true)));
        // What has to be loaded anew may need its frames one after the other.
        assert!(!takes_lists(&can(true), &scene(true, false)));
        assert!(!takes_lists(&can(false), &scene(true, true)));
        assert!(!takes_lists(&can(false), &scene(false, false)));
    }
}
