//! The stub renderer's own document about a scene, as the document that framewright plans from.

use std::path::Path;

use serde::Deserialize;

use framewright_plugin_api::data::{
    After, Asset, Basis, Cost, Costs, Layer, LayerSplit, Scene, Scope, Tiling,
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

/// What it prints before, once for each asset.
#[derive(Debug, Deserialize)]
pub struct AssetFacts {
    path: String,
    bytes: u64,
    missing: bool,
    absolute: bool,
}

impl AssetFacts {
    /// The same for framewright.
    pub fn into_asset(self) -> Asset {
        Asset {
            path: self.path,
            bytes: self.bytes,
            missing: self.missing,
            kind: "asset".to_owned(),
            absolute: self.absolute,
        }
    }
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
    /// The same for framewright. `path` gives the scene its name; with `layer_names`, channels
    /// carry the layer's name. Assets were told before.
    pub fn into_scene(self, path: &str, layer_names: bool, assets: Vec<Asset>) -> Scene {
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
            channels: channels(layer_names),
            reloaded: !self.sticky,
            // A picture is a function of its frame and nothing else.
            frame_lists: true,
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
                ..Tiling::default()
            },
            layer_split: LayerSplit {
                exact: true,
                ..LayerSplit::default()
            },
            assets,
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
            passes: channels(false),
            used: true,
        }
    }
}

/// What every picture has. Which layers are in it, and so which names, is a task's business.
fn channels(layer_names: bool) -> Vec<String> {
    match layer_names {
        true => Vec::new(),
        false => ["R", "G", "B", "A"].map(str::to_owned).to_vec(),
    }
}

fn scene_name(path: &str) -> String {
    let name = Path::new(path)
        .file_name()
        .map(|name| name.to_string_lossy());
    let name = name.as_deref().unwrap_or(path);
    name.strip_suffix(".stub.toml").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(sticky: bool, layer_names: bool) -> Scene {
        let text = format!(
            r#"{{"first":1,"last":2,"step":1,"fps":24.0,"width":4,"height":4,"layers":[],
                "load_s":1.0,"call_s":0.0,"frame_s":1.0,"memory_bytes":0,"output":"",
                "tiles":{{"exact":true,"margin":0}},"sticky":{sticky},"warnings":[]}}"#
        );
        let inspection: Inspection = serde_json::from_str(&text).expect("an inspection");
        inspection.into_scene("/scenes/shot.stub.toml", layer_names, Vec::new())
    }

    #[test]
    fn a_scene_that_is_not_sticky_is_loaded_for_each_segment() {
        assert!(!scene(true, false).reloaded);
        let reloaded = scene(false, false);
        assert!(reloaded.reloaded);
        assert!(reloaded.warnings[0].contains("sticky = false"));
    }

    #[test]
    fn channels_are_promised_where_their_names_are_known() {
        assert_eq!(scene(true, false).channels, ["R", "G", "B", "A"]);
        assert_eq!(scene(true, true).channels, [""; 0]);
    }
}
