//! What is simulated and not baked: its frames depend on the frames before (`fw_simulation.py`).

use super::record::Record;
use super::shot::Shot;
use super::{Blend, nodes};

/// `eModifierMode_Render`.
const SHOWN: u32 = 1;
/// `PTCACHE_BAKED`.
const BAKED: u32 = 0;
/// `RBW_FLAG_MUTED`.
const MUTED: u32 = 0;
/// `MOD_DPAINT_ACTIVE` of a surface.
const ACTIVE: u32 = 0;
/// `PART_EMITTER` and `PART_PHYS_NO` of `ParticleSettings`, `PSYS_HAIR_DYNAMICS` of a system.
const EMITTER: i64 = 0;
const NO_PHYSICS: i64 = 0;
const HAIR_DYNAMICS: u32 = 15;

/// Names of such simulations, for people.
pub(super) fn unbaked(shot: &Shot<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(world) = shot.scene.follow("rigidbody_world") {
        let shared = world.follow("shared").unwrap_or(world);
        if !world.has("flag", MUTED) && !is_baked(shared.follow("pointcache")) {
            found.push("rigid bodies".to_owned());
        }
    }
    for thing in &shot.objects {
        for modifier in thing.list("modifiers") {
            if modifier.has("modifier.mode", SHOWN)
                && let Some(what) = moving(shot, thing, &modifier)
            {
                found.push(format!("{what} of {}", thing.name()));
            }
        }
    }
    found
}

/// The caches of everything in a file that is simulated with one.
pub(super) fn point_caches<'a>(blend: &'a Blend) -> Vec<Record<'a>> {
    let mut found = Vec::new();
    for scene in blend.all(b"SC") {
        let world = scene.follow("rigidbody_world");
        let holder = world.map(|world| world.follow("shared").unwrap_or(world));
        found.extend(holder.and_then(|holder| holder.follow("pointcache")));
    }
    for thing in blend.all(b"OB") {
        for modifier in thing.list("modifiers") {
            found.extend(caches(&thing, &modifier));
        }
    }
    found
}

fn caches<'a>(thing: &Record<'a>, modifier: &Record<'a>) -> Vec<Record<'a>> {
    let one = match modifier.kind() {
        "ClothModifierData" => modifier.follow("point_cache"),
        "SoftbodyModifierData" => soft_body(thing),
        "ParticleSystemModifierData" => modifier
            .follow("psys")
            .and_then(|system| system.follow("pointcache")),
        "DynamicPaintModifierData" => {
            let surfaces = modifier
                .follow("canvas")
                .map(|canvas| canvas.list("surfaces"));
            let surfaces = surfaces.unwrap_or_default().into_iter();
            return surfaces
                .filter_map(|one| one.follow("pointcache"))
                .collect();
        }
        _ => None,
    };
    one.into_iter().collect()
}

fn soft_body<'a>(thing: &Record<'a>) -> Option<Record<'a>> {
    let soft = thing.follow("soft")?;
    soft.follow("shared").unwrap_or(soft).follow("pointcache")
}

fn is_baked(cache: Option<Record<'_>>) -> bool {
    cache.is_some_and(|cache| cache.has("flag", BAKED))
}

/// What a modifier simulates.
fn moving(shot: &Shot<'_>, thing: &Record<'_>, modifier: &Record<'_>) -> Option<&'static str> {
    match modifier.kind() {
        "ClothModifierData" => (!is_baked(modifier.follow("point_cache"))).then_some("cloth"),
        "SoftbodyModifierData" => (!is_baked(soft_body(thing))).then_some("soft body"),
        "DynamicPaintModifierData" => {
            let surfaces = modifier.follow("canvas")?.list("surfaces");
            let moves =
                |one: &Record<'_>| one.has("flags", ACTIVE) && !is_baked(one.follow("pointcache"));
            surfaces.iter().any(moves).then_some("dynamic paint")
        }
        "ParticleSystemModifierData" => {
            let system = modifier.follow("psys")?;
            let settings = system
                .follow("part")
                .and_then(|part| shot.files.real(&part))?;
            let moves = settings.int("type") == Some(EMITTER) || system.has("flag", HAIR_DYNAMICS);
            let has_physics = settings.int("phystype") != Some(NO_PHYSICS);
            let is_baked = is_baked(system.follow("pointcache"));
            (moves && has_physics && !is_baked).then_some("particle system")
        }
        "NodesModifierData" => {
            let tree = modifier
                .follow("node_group")
                .and_then(|tree| shot.files.real(&tree));
            let nodes = nodes::below(tree);
            let simulates = |node: &nodes::Node<'_>| node.kind() == "GeometryNodeSimulationOutput";
            nodes.iter().any(simulates).then_some("nodes")
        }
        _ => None,
    }
}
