//! The keys of a stub scene file, and their way into [`Scene`].

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::super::frames::{FrameRun, Frames};
use super::super::task::Rectangle;
use super::super::units::{Bytes, Span};
use super::shapes::{AfterFile, FrameCostFile};
use super::{Area, Fault, FaultKind, Layer, Output, Scene, Tiles};

/// Widest and highest picture.
const SIDE_MAX: u32 = 16_384;
/// Most layers in a scene.
const LAYERS_MAX: usize = 64;
/// Longest layer name in bytes.
const LAYER_NAME_MAX: usize = 64;
/// Most fault tables in a scene.
const FAULTS_MAX: usize = 4_096;
/// Most areas of the frame that cost something else.
const AREAS_MAX: usize = 1_024;

/// Most assets of a scene.
const ASSETS_MAX: usize = 10_000;

/// What is wrong with a scene's text.
pub struct Wrong {
    /// From 1.
    pub line: usize,
    /// A clause without full stop.
    pub what: String,
    /// What would be right; may be empty.
    pub hint: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SceneFile {
    frames: FrameRun,
    fps: Option<Spanned<f64>>,
    width: Option<Spanned<u32>>,
    height: Option<Spanned<u32>>,
    #[serde(default)]
    load: Span,
    declare_load: Option<Span>,
    #[serde(default)]
    frame: FrameCostFile,
    #[serde(default)]
    call: Span,
    layers: Option<Spanned<Vec<Spanned<LayerFile>>>>,
    #[serde(default)]
    slow: BTreeMap<String, Spanned<f64>>,
    #[serde(default)]
    output: Output,
    tiles: Option<TilesFile>,
    #[serde(default)]
    areas: Vec<Spanned<AreaFile>>,
    sticky: Option<bool>,
    memory: Option<Bytes>,
    #[serde(default)]
    assets: Vec<Spanned<String>>,
    #[serde(default)]
    fault: Vec<Spanned<FaultFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerFile {
    name: Spanned<String>,
    #[serde(default)]
    after: AfterFile,
    weight: Option<Spanned<f64>>,
    #[serde(default)]
    memory: Bytes,
    #[serde(default)]
    tags: Vec<String>,
    segment: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TilesFile {
    #[serde(default = "yes")]
    exact: bool,
    #[serde(default)]
    margin: u32,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct AreaFile {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    cost: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultFile {
    kind: FaultKind,
    frames: Frames,
    #[serde(default)]
    layers: Vec<Spanned<String>>,
    #[serde(default)]
    hosts: Vec<String>,
    times: Option<Spanned<u32>>,
    at: Option<[u32; 2]>,
}

fn yes() -> bool {
    true
}

/// Reads a scene's text.
pub fn parse(text: &str) -> Result<Scene, Wrong> {
    let file: SceneFile = toml::from_str(text).map_err(|error| {
        let (what, hint) = split_message(error.message());
        at(text, error.span().unwrap_or(0..0), what, hint)
    })?;
    settle(file).map_err(|(span, what, hint)| at(text, span, what, hint.to_owned()))
}

type Problem = (Range<usize>, String, &'static str);

/// What spans several keys, and what a type cannot say.
fn settle(file: SceneFile) -> Result<Scene, Problem> {
    let layers = match file.layers {
        Some(listed) => settle_layers(listed)?,
        None => vec![Layer {
            name: "beauty".to_owned(),
            after: Vec::new(),
            weight: 1.0,
            memory_bytes: 0,
            tags: Vec::new(),
            undivided: false,
        }],
    };
    if file.fault.len() > FAULTS_MAX {
        let span = file.fault[FAULTS_MAX].span();
        return Err((span, format!("more than {FAULTS_MAX} faults"), ""));
    }
    let faults = file
        .fault
        .into_iter()
        .map(|fault| settle_fault(fault.into_inner(), &layers))
        .collect::<Result<_, _>>()?;
    let slow = file
        .slow
        .into_iter()
        .map(|(host, factor)| {
            let factor = within(factor, 0.001, 1000.0, "slow")?;
            Ok((host, factor))
        })
        .collect::<Result<_, _>>()?;
    let width = side(file.width, 320, "width")?;
    let height = side(file.height, 180, "height")?;
    Ok(Scene {
        areas: settle_areas(file.areas, width, height)?,
        frames: file.frames,
        fps: file
            .fps
            .map_or(Ok(24.0), |fps| within(fps, 0.001, 10_000.0, "fps"))?,
        width,
        height,
        load: file.load.0,
        declared_load: file.declare_load.unwrap_or(file.load).0,
        frame_cost: file.frame.0,
        call: file.call.0,
        layers,
        slow,
        output: file.output,
        tiles: file.tiles.map_or(
            Tiles {
                exact: true,
                margin: 0,
            },
            |tiles| Tiles {
                exact: tiles.exact,
                margin: tiles.margin,
            },
        ),
        sticky: file.sticky.unwrap_or(true),
        memory_bytes: file.memory.map_or(64 << 20, |bytes| bytes.0),
        assets: settle_assets(file.assets)?,
        faults,
    })
}

fn settle_areas(
    listed: Vec<Spanned<AreaFile>>,
    width: u32,
    height: u32,
) -> Result<Vec<Area>, Problem> {
    if let Some(one_more) = listed.get(AREAS_MAX) {
        return Err((one_more.span(), format!("more than {AREAS_MAX} areas"), ""));
    }
    let settle = |listed: Spanned<AreaFile>| {
        let span = listed.span();
        let AreaFile {
            x,
            y,
            width: wide,
            height: high,
            cost,
        } = listed.into_inner();
        let part = Rectangle {
            x,
            y,
            width: wide,
            height: high,
        };
        if !part.fits(width, height) {
            let what = format!("the area {x},{y} {wide}x{high} does not lie in the frame");
            return Err((span, what, "areas are in pixels from the top left"));
        }
        if !(0.0..=1e6).contains(&cost) {
            let what = format!("an area's `cost` is {cost}, expected 0 to 1000000");
            return Err((span, what, ""));
        }
        Ok(Area { part, cost })
    };
    listed.into_iter().map(settle).collect()
}

fn side(given: Option<Spanned<u32>>, default: u32, key: &str) -> Result<u32, Problem> {
    let Some(given) = given else {
        return Ok(default);
    };
    if (1..=SIDE_MAX).contains(given.get_ref()) {
        return Ok(given.into_inner());
    }
    let what = format!("`{key}` is {}", given.get_ref());
    Err((given.span(), what, "pictures are 1 to 16384 pixels a side"))
}

fn within(given: Spanned<f64>, least: f64, most: f64, key: &str) -> Result<f64, Problem> {
    if (least..=most).contains(given.get_ref()) {
        return Ok(given.into_inner());
    }
    let what = format!("`{key}` is {}, expected {least} to {most}", given.get_ref());
    Err((given.span(), what, ""))
}

fn settle_layers(listed: Spanned<Vec<Spanned<LayerFile>>>) -> Result<Vec<Layer>, Problem> {
    let span = listed.span();
    let listed = listed.into_inner();
    if listed.is_empty() || listed.len() > LAYERS_MAX {
        let what = format!("`layers` has {} entries", listed.len());
        return Err((
            span,
            what,
            "a scene has 1 to 64 layers; leave the key out for one",
        ));
    }
    let mut layers: Vec<Layer> = Vec::with_capacity(listed.len());
    let mut waits: Vec<Spanned<AfterFile>> = Vec::with_capacity(listed.len());
    for entry in listed {
        let entry_span = entry.span();
        let entry = entry.into_inner();
        check_layer_name(&entry.name)?;
        let name = entry.name.into_inner();
        if layers.iter().any(|layer| layer.name == name) {
            let what = format!("two layers are named `{name}`");
            return Err((entry_span, what, "give each layer a name of its own"));
        }
        if let Some(segment) = entry.segment.as_ref().filter(|s| *s.get_ref() != 0) {
            let what = format!("`segment` is {}", segment.get_ref());
            return Err((
                segment.span(),
                what,
                "only `segment = 0` is known: all frames of the layer in one segment",
            ));
        }
        layers.push(Layer {
            name,
            after: entry.after.0.clone(),
            weight: entry
                .weight
                .map_or(Ok(1.0), |weight| within(weight, 1e-6, 1e6, "weight"))?,
            memory_bytes: entry.memory.0,
            tags: entry.tags,
            undivided: entry.segment.is_some(),
        });
        waits.push(Spanned::new(entry_span, entry.after));
    }
    check_waits(&layers, &waits)?;
    Ok(layers)
}

fn check_layer_name(name: &Spanned<String>) -> Result<(), Problem> {
    let text = name.get_ref();
    let forbidden = |c: char| c.is_control() || matches!(c, ':' | ',' | '/' | '\\' | '{' | '}');
    if text.is_empty() || text.len() > LAYER_NAME_MAX || text.contains(forbidden) || text == ".." {
        return Err((
            name.span(),
            format!("{text:?} is no layer name"),
            "a layer name has 1 to 64 bytes and none of : , / \\ { }",
        ));
    }
    Ok(())
}

/// Every layer waited for exists, and none waits for itself, straight or in a circle.
fn check_waits(layers: &[Layer], waits: &[Spanned<AfterFile>]) -> Result<(), Problem> {
    for (layer, wait) in layers.iter().zip(waits) {
        for after in &wait.get_ref().0 {
            if !layers.iter().any(|other| other.name == after.layer) {
                let what = format!(
                    "layer `{}` comes after `{}`, which is no layer of this scene",
                    layer.name, after.layer
                );
                return Err((wait.span(), what, "name one of the scene's layers"));
            }
        }
    }
    // Layers are settled as soon as all they wait for is; what is left over is a circle.
    let mut settled = vec![false; layers.len()];
    loop {
        let is_settled = |name: &str| {
            layers
                .iter()
                .position(|layer| layer.name == name)
                .is_some_and(|index| settled[index])
        };
        let next = (0..layers.len()).find(|&index| {
            !settled[index] && layers[index].after.iter().all(|a| is_settled(&a.layer))
        });
        match next {
            Some(index) => settled[index] = true,
            None => break,
        }
    }
    match settled.iter().position(|done| !done) {
        None => Ok(()),
        Some(index) => Err((
            waits[index].span(),
            format!(
                "layer `{}` comes after itself, by way of what it waits for",
                layers[index].name
            ),
            "take one `after` out of the circle",
        )),
    }
}

fn settle_assets(listed: Vec<Spanned<String>>) -> Result<Vec<String>, Problem> {
    if let Some(surplus) = listed.get(ASSETS_MAX) {
        let what = format!("more than {ASSETS_MAX} assets");
        return Err((surplus.span(), what, "name the folder that they are in"));
    }
    let name = |asset: Spanned<String>| {
        let text = asset.get_ref();
        if text.is_empty() || text.contains(char::is_control) {
            let what = format!("{text:?} is no asset");
            return Err((asset.span(), what, "name a file or a folder"));
        }
        Ok(asset.into_inner())
    };
    listed.into_iter().map(name).collect()
}

fn settle_fault(fault: FaultFile, layers: &[Layer]) -> Result<Fault, Problem> {
    for name in &fault.layers {
        if !layers.iter().any(|layer| &layer.name == name.get_ref()) {
            let what = format!("the fault names `{}`, which is no layer", name.get_ref());
            return Err((name.span(), what, "name one of the scene's layers"));
        }
    }
    if let Some(times) = fault.times.as_ref().filter(|times| *times.get_ref() == 0) {
        return Err((
            times.span(),
            "`times` is 0, so the fault never happens".to_owned(),
            "leave `times` out for always, or take the fault away",
        ));
    }
    Ok(Fault {
        kind: fault.kind,
        frames: fault.frames,
        layers: fault.layers.into_iter().map(Spanned::into_inner).collect(),
        hosts: fault.hosts,
        times: fault.times.map(Spanned::into_inner),
        at: fault.at,
    })
}

/// The reader's message is one line of what is wrong, sometimes with ", expected …" after it.
fn split_message(message: &str) -> (String, String) {
    let line = message.lines().next().unwrap_or("it is not TOML");
    match line.split_once(", expected ") {
        // What a word may be helps; what the grammar would have liked there does not.
        Some((what, expected)) if expected.contains('`') => {
            (what.to_owned(), format!("expected {expected}"))
        }
        Some((what, _)) => (what.to_owned(), String::new()),
        None => (line.to_owned(), String::new()),
    }
}

fn at(text: &str, span: Range<usize>, what: String, hint: String) -> Wrong {
    let before = text.get(..span.start.min(text.len())).unwrap_or("");
    Wrong {
        line: before.matches('\n').count() + 1,
        what,
        hint: if hint.is_empty() {
            "the keys of a stub scene are frames, fps, width, height, load, declare_load, frame, \
             call, layers, slow, output, tiles, areas, sticky, memory, assets and fault"
                .to_owned()
        } else {
            hint
        },
    }
}
