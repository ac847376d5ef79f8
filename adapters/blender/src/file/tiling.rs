//! Whether tiles and layers put together are the picture: the rules of `fw_inspect.py`, in its words.

use framewright_plugin_api::data::{LayerSplit, Tiling};
use serde_json::Value;

use super::nodes::{self, Node};
use super::shot::Shot;

/// Compositor nodes that make each pixel from that pixel alone.
const POINTWISE: [&str; 29] = [
    "NodeReroute",
    "NodeGroupInput",
    "NodeGroupOutput",
    "NodeFrame",
    "CompositorNodeGroup",
    "CompositorNodeRLayers",
    "CompositorNodeComposite",
    "CompositorNodeViewer",
    "CompositorNodeBrightContrast",
    "CompositorNodeGamma",
    "CompositorNodeExposure",
    "CompositorNodeCurveRGB",
    "CompositorNodeHueSat",
    "CompositorNodeMixRGB",
    "CompositorNodeMath",
    "CompositorNodeInvert",
    "CompositorNodeAlphaOver",
    "CompositorNodeSetAlpha",
    "CompositorNodeRGB",
    "CompositorNodeValue",
    "CompositorNodeValToRGB",
    "CompositorNodeColorBalance",
    "CompositorNodeRGBToBW",
    "CompositorNodeSepRGBA",
    "CompositorNodeCombRGBA",
    "CompositorNodeSeparateColor",
    "CompositorNodeCombineColor",
    "CompositorNodePremulKey",
    "CompositorNodeOutputFile",
];
/// How far adaptive sampling looks; three pixels were the farthest ever seen.
const ADAPTIVE_MARGIN: u32 = 8;
/// Compositors from here on were not tried.
const BLUR_TRIED_BELOW: (u32, u32) = (4, 2);
/// `R_FILTER_FAST_GAUSS` of `NodeBlurData.filtertype`.
const FAST_GAUSS: i64 = 7;
/// Bits of a blur's `custom1`: a size that varies, a canvas that grows.
const VARIABLE_SIZE: u32 = 0;
const EXTENDED: u32 = 1;
/// `SOCK_IS_LINKED` is not stored, but the link is.
const LINK: &str = "link";

/// How a frame may be rendered in tiles.
pub(super) fn tiling(shot: &Shot<'_>, wanted: &str) -> Tiling {
    match margin(shot, wanted) {
        Ok(margin) => Tiling {
            exact: true,
            margin,
            ..Tiling::default()
        },
        Err(why) => Tiling {
            why,
            ..Tiling::default()
        },
    }
}

fn margin(shot: &Shot<'_>, wanted: &str) -> Result<u32, String> {
    let is = |what: bool, why: &str| if what { Err(why.to_owned()) } else { Ok(()) };
    let engine = shot.engine();
    is(
        engine != "CYCLES",
        &format!("{engine} shades edges of a tile differently"),
    )?;
    is(shot.views() > 1, "the scene renders several views")?;
    is(shot.has_border(), "the scene renders a border region")?;
    is(shot.has_strips(), "the sequencer changes the picture")?;
    is(shot.denoises(), "denoising looks at the whole frame")?;
    is(
        shot.time_limit_s() > 0.0,
        "a time limit stops sampling wherever it is",
    )?;
    is(
        shot.has_freestyle(),
        "Freestyle draws lines over the whole frame",
    )?;
    is(
        shot.has_stamp(),
        "burnt-in metadata would be drawn on every tile",
    )?;
    let composited = composited(shot)?;
    let own = if shot.own_format().contains("EXR") {
        "exr"
    } else {
        "png"
    };
    let format = if wanted.is_empty() { own } else { wanted };
    is(
        format != "exr" && shot.dither() > 0.0,
        "dithering starts anew at each tile's corner (set Dither to 0, or use exr)",
    )?;
    let sampled = if shot.is_adaptive() {
        ADAPTIVE_MARGIN
    } else {
        0
    };
    Ok(sampled + composited)
}

/// How many pixels around a pixel the compositor reads.
fn composited(shot: &Shot<'_>) -> Result<u32, String> {
    let keeps = shot.settings.get("file_outputs").and_then(Value::as_str) == Some("keep");
    let nodes = nodes::below(nodes::compositor(&shot.scene));
    let nodes: Vec<_> = nodes.into_iter().filter(|node| !node.is_muted()).collect();
    let of = |kind: &str| {
        nodes
            .iter()
            .filter(|node| node.kind() == kind)
            .collect::<Vec<_>>()
    };
    if keeps && !of("CompositorNodeOutputFile").is_empty() {
        return Err("File Output nodes would write a file for every tile".to_owned());
    }
    for node in of("CompositorNodeRLayers") {
        if let Some(other) = node.id()
            && other.address() != shot.scene.address()
        {
            return Err(format!("the compositor renders scene {} too", other.name()));
        }
    }
    let reaches = nodes.iter().map(|node| (node, reach(shot, node)));
    let (mut sum, mut endless) = (0, Vec::new());
    for (node, reach) in reaches {
        match reach {
            Some(reach) => sum += reach,
            None => endless.push(short(&node.kind()).to_owned()),
        }
    }
    endless.sort();
    endless.dedup();
    match endless.is_empty() {
        true => Ok(sum),
        false => Err(format!(
            "the compositor reads neighbouring pixels: {}",
            endless.join(", ")
        )),
    }
}

/// `CompositorNodeBlur` is Blur.
fn short(kind: &str) -> &str {
    kind.strip_prefix("CompositorNode").unwrap_or(kind)
}

/// How many pixels around a pixel a node reads; none where there is no bound.
fn reach(shot: &Shot<'_>, node: &Node<'_>) -> Option<u32> {
    let kind = node.kind();
    if POINTWISE.contains(&kind.as_str()) {
        return Some(0);
    }
    // A group may be there several times, one behind the other.
    if node.is_inner || shot.version >= BLUR_TRIED_BELOW {
        return None;
    }
    match kind.as_str() {
        "CompositorNodeFilter" => Some(1),
        "CompositorNodeBlur" => blur(node),
        _ => None,
    }
}

fn blur(node: &Node<'_>) -> Option<u32> {
    let about = node.record.follow("storage")?;
    let varies = node.record.has("custom1", VARIABLE_SIZE) || node.record.has("custom1", EXTENDED);
    let size = node.input("Size")?;
    let part = size.follow("default_value")?.real("value")?;
    let is_bounded = about.int("filtertype")? != FAST_GAUSS
        && about.int("relative")? == 0
        && !varies
        && size.pointer(LINK).is_none()
        && (0.0..=1.0).contains(&part);
    let sizes = [about.int("sizex")?, about.int("sizey")?];
    let size = u32::try_from(sizes.into_iter().max()?).ok()?;
    is_bounded.then_some(size)
}

/// Whether view layers may be rendered apart.
pub(super) fn layer_split(shot: &Shot<'_>) -> LayerSplit {
    let not = |why: String| LayerSplit {
        why,
        ..LayerSplit::default()
    };
    if nodes::compositor(&shot.scene).is_some() {
        return not("the compositor makes the picture from all layers".to_owned());
    }
    if shot.has_strips() {
        return not("the sequencer makes the picture".to_owned());
    }
    let used: Vec<_> = shot
        .layers()
        .into_iter()
        .filter(|layer| layer.is_used)
        .collect();
    match used.first() {
        Some(first) if used.len() > 1 && shot.own_format() != "OPEN_EXR_MULTILAYER" => {
            not(format!(
                "the picture holds only the first view layer, {}",
                first.name
            ))
        }
        _ => LayerSplit {
            exact: true,
            ..LayerSplit::default()
        },
    }
}
