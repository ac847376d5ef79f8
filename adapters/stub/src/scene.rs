//! The stub renderer's own document about a scene, as the document that framewright plans from.

use std::path::Path;

use serde::Deserialize;

use framewright_plugin_api::data::{
    After, Basis, Cost, Costs, Layer, LayerSplit, Scene, Scope, Tiling,
};

/// What `framewright stub-render --inspect` prints.
#[derive(Debug, Deserialize)]
pub struct Inspection {
    first: i32,
    last: i32,
    step: u32,
    fps: f64,
    width: u32,
    height: u32,
    layers: Vec<LayerFacts>,
    load_s: f64,
    call_s: f64,
    frame_s: f64,
    memory_bytes: u64,
    output: String,
    tiles: TileFacts,
    sticky: bool,
    warnings: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct LayerFacts {
    name: String,
    after: Vec<AfterFacts>,
    weight: f64,
    memory_bytes: u64,
    tags: Vec<String>,
    undivided: bool,
}

#[derive(Debug, Deserialize)]
struct AfterFacts {
    layer: String,
    scope: Scope,
}

#[derive(Debug, Deserialize)]
struct TileFacts {
    exact: bool,
    margin: u32,
}

impl Inspection {
    /// The same for framewright. `path` gives the scene its name.
    pub fn into_scene(self, path: &str) -> Scene {
        let declared = |seconds| Cost::new(seconds, Basis::Declared);
        let mut warnings = self.warnings;
        if !self.sticky {
            warnings.push(
                "the scene is loaded again for each segment, because it says `sticky = false`"
                    .to_owned(),
            );
        }
        Scene {
            first: self.first,
            last: self.last,
            step: self.step,
            fps: self.fps,
            width: self.width,
            height: self.height,
            scenes: vec![scene_name(path)],
            layers: self
                .layers
                .into_iter()
                .map(LayerFacts::into_layer)
                .collect(),
            costs: Costs {
                load_s: declared(self.load_s),
                call_s: declared(self.call_s),
                frame_s: declared(self.frame_s),
            },
            memory_bytes: self.memory_bytes,
            output: if self.output == "none" {
                "none".to_owned()
            } else {
                String::new()
            },
            tiles: Tiling {
                exact: self.tiles.exact,
                margin: self.tiles.margin,
                why: if self.tiles.exact {
                    String::new()
                } else {
                    "the scene says `tiles.exact = false`".to_owned()
                },
            },
            layer_split: LayerSplit {
                exact: true,
                why: String::new(),
            },
            warnings,
            ..Scene::default()
        }
    }
}

impl LayerFacts {
    fn into_layer(self) -> Layer {
        Layer {
            name: self.name,
            after: self
                .after
                .into_iter()
                .map(|after| After {
                    layer: after.layer,
                    scope: after.scope,
                })
                .collect(),
            weight: self.weight,
            memory_bytes: self.memory_bytes,
            tags: self.tags,
            undivided: self.undivided,
            passes: ["R", "G", "B", "A"].map(str::to_owned).to_vec(),
            used: true,
        }
    }
}

fn scene_name(path: &str) -> String {
    let name = Path::new(path)
        .file_name()
        .map(|name| name.to_string_lossy());
    let name = name.as_deref().unwrap_or(path);
    name.strip_suffix(".stub.toml").unwrap_or(name).to_owned()
}
