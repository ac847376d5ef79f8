//! What the renderer says about a scene to whoever plans its rendering.
//!
//! Declared costs only: what a scene truly costs shows when it is rendered, and a test that
//! declares less than it takes wants the planner to be surprised.

use serde::Serialize;

use super::cost;
use super::scene::{Output, Scene, Scope};

/// Longest document: whoever reads lines of a renderer cuts overlong ones.
const DOCUMENT_BYTES_MAX: usize = 12 * 1024;

/// Version of the document.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Inspection<'a> {
    format: u32,
    first: i32,
    last: i32,
    step: u32,
    fps: f64,
    width: u32,
    height: u32,
    layers: Vec<LayerFacts<'a>>,
    load_s: f64,
    call_s: f64,
    frame_s: f64,
    memory_bytes: u64,
    output: Output,
    tiles: TileFacts,
    sticky: bool,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct LayerFacts<'a> {
    name: &'a str,
    after: Vec<AfterFacts<'a>>,
    weight: f64,
    memory_bytes: u64,
    tags: &'a [String],
    undivided: bool,
}

#[derive(Serialize)]
struct AfterFacts<'a> {
    layer: &'a str,
    scope: Scope,
}

#[derive(Serialize)]
struct TileFacts {
    exact: bool,
    margin: u32,
}

/// The document, on one line.
pub fn document(scene: &Scene) -> Result<String, String> {
    let layers = scene.layers.iter().map(|layer| LayerFacts {
        name: &layer.name,
        after: layer
            .after
            .iter()
            .map(|after| AfterFacts {
                layer: &after.layer,
                scope: after.scope,
            })
            .collect(),
        weight: layer.weight,
        memory_bytes: layer.memory_bytes,
        tags: &layer.tags,
        undivided: layer.undivided,
    });
    let document = serde_json::to_string(&Inspection {
        format: FORMAT,
        first: scene.frames.first,
        last: scene.frames.last,
        step: scene.frames.step,
        fps: scene.fps,
        width: scene.width,
        height: scene.height,
        layers: layers.collect(),
        load_s: scene.declared_load.as_secs_f64(),
        call_s: scene.call.as_secs_f64(),
        frame_s: cost::frame_mean(scene).as_secs_f64(),
        memory_bytes: scene.memory_bytes,
        output: scene.output,
        tiles: TileFacts {
            exact: scene.tiles.exact,
            margin: scene.tiles.margin,
        },
        sticky: scene.sticky,
        warnings: warnings(scene),
    })
    .map_err(|error| format!("cannot describe the scene: {error}"))?;
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(format!(
            "the scene's layers take {} bytes to describe, more than {DOCUMENT_BYTES_MAX}",
            document.len()
        ));
    }
    Ok(document)
}

fn warnings(scene: &Scene) -> Vec<String> {
    match scene.faults.len() {
        0 => Vec::new(),
        1 => vec!["the scene asks for 1 fault, so rendering it goes wrong on purpose".to_owned()],
        count => vec![format!(
            "the scene asks for {count} faults, so rendering it goes wrong on purpose"
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_document_tells_declared_costs_and_everything_else() {
        let scene = Scene::parse(
            "frames = \"1-9x2\"\nload = \"2s\"\ndeclare_load = \"500ms\"\nframe = [\"1s\", \"3s\"]\n\
             layers = [{ name = \"a\" }, { name = \"b\", after = [\"a\"], segment = 0 }]",
            Path::new("t.stub.toml"),
        )
        .expect("a right scene");
        let document: serde_json::Value =
            serde_json::from_str(&document(&scene).expect("a document")).expect("JSON");
        assert_eq!(document["load_s"], 0.5);
        assert_eq!(document["frame_s"], 1.8);
        assert_eq!(document["step"], 2);
        assert_eq!(
            document["layers"][1]["after"],
            serde_json::json!([{ "layer": "a", "scope": "frame" }])
        );
        assert_eq!(document["layers"][1]["undivided"], true);
        assert_eq!(document["warnings"], serde_json::json!([]));
    }
}
