//! What is in a scene: the document from the adapter's answer, and the same for people.

use framewright_core::quantity::Bytes;

use super::{cell, known_time, table, text as table_text};
use crate::display::words::count;
use crate::documents::{AssetReport, InspectReport, LayerReport};
use crate::printable::printable;

/// Assets listed for people; the document has all of them.
const ASSETS_SHOWN_MAX: usize = 20;

/// For people.
pub(crate) fn text(report: &InspectReport, width: Option<u16>) -> String {
    let scene = &report.scene;
    let mut lines = Vec::new();
    let mut fact = |name: &str, value: String| lines.push(format!("{name:<11}{value}"));
    fact("adapter", report.adapter.clone());
    fact(
        "frames",
        format!("{} at {} a second", scene.frames, scene.fps),
    );
    fact(
        "picture",
        format!("{} x {} pixels", scene.width, scene.height),
    );
    if let Some(engine) = &scene.engine {
        fact("engine", cell(engine));
    }
    if let Some(camera) = &scene.camera {
        let others = scene.cameras.len().saturating_sub(1);
        let others = if others > 0 {
            format!(" (and {})", count(others as u64, "other", "others"))
        } else {
            String::new()
        };
        fact("camera", format!("{}{others}", printable(camera)));
    }
    let cost = |seconds, basis: &str| match seconds {
        Some(_) => format!("{} ({basis})", known_time(seconds)),
        None => known_time(None),
    };
    fact("load", cost(scene.load_s, scene.basis.load_s));
    fact("call", cost(scene.call_s, scene.basis.call_s));
    fact("frame", cost(scene.frame_s, scene.basis.frame_s));
    fact(
        "memory",
        scene
            .memory_bytes
            .map_or_else(|| "unknown".to_owned(), |bytes| Bytes(bytes).to_string()),
    );
    fact(
        "tiles",
        match (scene.tiles.exact, scene.tiles.margin) {
            (true, 0) => "exact".to_owned(),
            (true, margin) => format!("exact with {margin} pixels of overlap"),
            (false, _) if scene.tiles.why.is_empty() => "not exact".to_owned(),
            (false, _) => format!("not exact: {}", printable(&scene.tiles.why)),
        },
    );
    let mut text = lines.join("\n");
    text.push('\n');
    if !scene.layers.is_empty() {
        text.push('\n');
        text.push_str(&layers(&scene.layers, width));
    }
    if !scene.assets.is_empty() {
        text.push('\n');
        text.push_str(&assets(&scene.assets, width));
    }
    for warning in &scene.warnings {
        text.push_str(&format!("\nwarning: {}\n", printable(warning)));
    }
    text
}

/// The layers' table.
pub(crate) fn layers(layers: &[LayerReport], width: Option<u16>) -> String {
    let mut rows = table(&["layer", "weight", "after", "passes"], width);
    for layer in layers {
        let after: Vec<String> = layer
            .after
            .iter()
            .map(|after| match after.scope {
                "layer" => format!("all of {}", printable(&after.layer)),
                _ => cell(&after.layer),
            })
            .collect();
        let passes = layer.passes.as_deref().unwrap_or_default().join(", ");
        rows.add_row([
            cell(&layer.name),
            format!("{:.2}", layer.weight),
            after.join(", "),
            cell(&passes),
        ]);
    }
    table_text(rows, &[1])
}

fn assets(assets: &[AssetReport], width: Option<u16>) -> String {
    let mut rows = table(&["asset", "size"], width);
    // What is missing has to be seen, however many there are.
    let (missing, there): (Vec<_>, Vec<_>) = assets.iter().partition(|asset| asset.missing);
    for asset in &missing {
        rows.add_row([cell(&asset.path), "missing".to_owned()]);
    }
    for asset in there.iter().take(ASSETS_SHOWN_MAX) {
        rows.add_row([cell(&asset.path), Bytes(asset.bytes).to_string()]);
    }
    let mut text = table_text(rows, &[1]);
    if let Some(more) = there
        .len()
        .checked_sub(ASSETS_SHOWN_MAX)
        .filter(|more| *more > 0)
    {
        text.push_str(&format!("and {more} more\n"));
    }
    text
}
