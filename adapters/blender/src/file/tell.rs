//! What is said of a scene: the messages of `scripts/fw_inspect.py`, from the file alone.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::lines::{Facts, Message};

use super::outside::Files;
use super::shot::{Refusal, Shot};
use super::{ReadError, assets, nodes, simulated, tiling};

/// Most warnings that are told one by one.
const WARNINGS_MAX: usize = 100;

/// Reads a scene, with the user's settings, for pictures of a format.
pub(crate) fn tell(
    path: &str,
    settings: &BTreeMap<String, Value>,
    output: &str,
) -> Result<Vec<Message>, ReadError> {
    let files = Files::read(path)?;
    let shot = match Shot::choose(&files, settings) {
        Ok(shot) => shot,
        Err(Refusal::Trouble(trouble)) => return Err(trouble.into()),
        Err(Refusal::Sentence(why)) => return Ok(vec![refused(why)]),
    };
    if !matches!(output, "" | "png" | "exr") {
        return Ok(vec![refused(format!(
            "pictures can be written as png or exr, not as {output}"
        ))]);
    }
    let (major, minor) = shot.version;
    let mut messages = vec![
        Message::Preflight {
            kind: "blend".to_owned(),
            memory_limit_bytes: None,
            written_by: format!("{major}.{minor}"),
        },
        Message::Scene(Box::new(facts(&shot, output))),
    ];
    messages.extend(shot.layers().iter().map(super::layers::Layer::message));
    let (assets, more) = assets::assets(&files);
    messages.extend(assets);
    let mut told = warnings(&shot);
    if more > 0 {
        told.push(format!("{more} more assets are not listed"));
    }
    told.truncate(WARNINGS_MAX);
    messages.extend(told.into_iter().map(|text| Message::Warning { text }));
    messages.push(Message::End);
    for (blend, _) in files.all() {
        blend.check_steps()?;
    }
    Ok(messages)
}

fn refused(why: String) -> Message {
    Message::Refused {
        reason: "scene".to_owned(),
        why,
    }
}

fn facts(shot: &Shot<'_>, output: &str) -> Facts {
    let (first, last, step) = shot.frames();
    let (width, height) = shot.size();
    Facts {
        load_s: None,
        memory_bytes: None,
        scene: shot.scene.name(),
        scenes: shot.scenes(),
        first,
        last,
        step,
        fps: shot.fps(),
        width,
        height,
        camera: shot.camera(),
        cameras: shot.cameras(),
        engine: shot.engine(),
        undivided: !simulated::unbaked(shot).is_empty(),
        channels: channels(shot, output),
        tiles: tiling::tiling(shot, output),
        layer_split: tiling::layer_split(shot),
    }
}

/// Channels that the written file has at least; none where that cannot be told.
fn channels(shot: &Shot<'_>, output: &str) -> Vec<String> {
    let own = shot.own_format();
    let format = match (output, own) {
        ("exr", "OPEN_EXR_MULTILAYER") | ("", _) => own,
        ("exr", _) => "OPEN_EXR",
        _ => "PNG",
    };
    let names: &[&str] = match (format, shot.color_mode()) {
        ("OPEN_EXR_MULTILAYER", _) | ("OPEN_EXR", "BW") => &[],
        (_, "BW") => &["Y"],
        (_, "RGB") => &["R", "G", "B"],
        _ => &["R", "G", "B", "A"],
    };
    names.iter().map(|&name| name.to_owned()).collect()
}

fn warnings(shot: &Shot<'_>) -> Vec<String> {
    let mut told = Vec::new();
    if shot.camera().is_none() && !shot.has_strips() {
        told.push(format!("scene {} has no camera", shot.scene.name()));
    }
    match shot.own_format() {
        own @ ("AVI_RAW" | "AVI_JPEG" | "FFMPEG") => told.push(format!(
            "the scene writes a movie ({own}); pictures are written instead"
        )),
        "PNG" | "OPEN_EXR" | "OPEN_EXR_MULTILAYER" => {}
        own => told.push(format!(
            "the scene writes {own}; png or exr is written instead"
        )),
    }
    let outputs = nodes::file_outputs(&shot.scene);
    if !outputs.is_empty() {
        let keeps = shot.settings.get("file_outputs").and_then(Value::as_str) == Some("keep");
        let what = if keeps { "are kept" } else { "are muted" };
        let names: Vec<String> = outputs.iter().map(nodes::Node::name).collect();
        told.push(format!(
            "the compositor writes files of its own ({}); they {what}",
            names.join(", ")
        ));
    }
    if nodes::compositor(&shot.scene).is_some() {
        told.push("the compositor makes the picture".to_owned());
    }
    if shot.has_strips() {
        told.push("the sequencer makes the picture".to_owned());
    }
    if shot.views() > 1 {
        told.push(format!("the scene renders {} views", shot.views()));
    }
    if !shot.overwrites() {
        told.push(
            "the scene says not to overwrite files; framewright decides that by itself".to_owned(),
        );
    }
    told.extend(simulated::unbaked(shot).into_iter().map(|name| {
        format!("{name}: simulated and not baked, so frames depend on the frames before")
    }));
    told
}
