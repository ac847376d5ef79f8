//! The picture's attributes: the first tile's as they are, but for those that tell of its blocks, its
//! windows, or of that tile only.

use crate::openexr::{Attribute, Blocks, Method, Window};
use crate::stitch::look::is_of_one_tile;

/// What they follow from.
pub(super) struct Facts<'a> {
    pub(super) first: &'a [Attribute],
    pub(super) method: Method,
    pub(super) data_window: Window,
    pub(super) display_window: Window,
    pub(super) tiles: Option<(u32, u32)>,
    pub(super) blocks: Blocks,
    pub(super) multipart: bool,
}

/// Made anew or left out.
const OF_BLOCKS: [&str; 8] = [
    "compression",
    "dataWindow",
    "displayWindow",
    "lineOrder",
    "type",
    "tiles",
    "chunkCount",
    "dwaCompressionLevel",
];

pub(super) fn of_picture(facts: &Facts<'_>) -> Vec<Attribute> {
    let had = |name: &str| {
        let mut all = facts.first.iter();
        all.any(|attribute| attribute.name == name.as_bytes())
    };
    let mut attributes: Vec<Attribute> = facts
        .first
        .iter()
        .filter(|attribute| {
            let name = String::from_utf8_lossy(&attribute.name);
            !OF_BLOCKS.contains(&name.as_ref()) && !is_of_one_tile(&name)
        })
        .cloned()
        .collect();
    let mut add = |name: &str, kind: &str, value: Vec<u8>| {
        attributes.push(Attribute::new(name, kind, value));
    };
    add("compression", "compression", vec![facts.method.byte()]);
    add("dataWindow", "box2i", facts.data_window.bytes());
    add("displayWindow", "box2i", facts.display_window.bytes());
    // From top to bottom.
    add("lineOrder", "lineOrder", vec![0]);
    if let Some((width, height)) = facts.tiles {
        let mut value = [width.to_le_bytes(), height.to_le_bytes()].concat();
        // One level.
        value.push(0);
        add("tiles", "tiledesc", value);
    }
    if facts.multipart || had("type") {
        let kind = match facts.tiles {
            Some(_) => "tiledimage",
            None => "scanlineimage",
        };
        add("type", "string", kind.as_bytes().to_vec());
    }
    if facts.multipart || had("chunkCount") {
        let chunks = facts.blocks.columns() * facts.blocks.rows();
        add("chunkCount", "int", chunks.to_le_bytes().to_vec());
    }
    attributes
}
