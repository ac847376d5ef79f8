//! EXR: looking at tiles, and what the picture's headers say. [`group`] does the work.

mod attributes;
mod group;
mod samples;
mod windows;

use std::fs::File;
use std::io::BufReader;
use std::sync::atomic::AtomicBool;

use super::look::{
    Content, FRAME_KEYS, Form, Identity, LAYER_KEYS, Look, flawed, frame_number, unsupported,
};
use super::seams::{self, Worst};
use super::{Layout, Plan, StitchError, Stitched, Tile};
use crate::openexr::{
    Attribute, Blocks, Channel, ChunkWriter, Header, Method, NewPart, Part, Table, Window,
    read_tables,
};
use crate::rect::Rect;
use crate::whole::{Output, Unfinished};
use group::Work;

/// Largest block, as samples: all channels of 256 lines of a very wide picture.
const BLOCK_BYTES_MAX: usize = 1 << 30;
/// Size of an EXR's tiles where nothing suggests another.
const TILE_SIDE: u32 = 64;
/// Height of an EXR's tiles where blocks are single lines.
const TILE_LINES: u32 = 16;

/// A tile's EXR as its headers tell.
pub(in crate::stitch) struct ExrLook {
    parts: Vec<PartLook>,
    multipart: bool,
}

/// One part of it.
struct PartLook {
    name: Option<String>,
    /// Only of the first tile.
    attributes: Vec<Attribute>,
    channels: Vec<Channel>,
    method: Method,
    /// Size of its own tiles, if it is not in lines.
    tiles: Option<(u32, u32)>,
    data_window: Window,
    display_window: Window,
    /// Where the data window's top left is in the picture.
    origin: (i64, i64),
    /// Its blocks within what the tile covers.
    table: Table,
}

impl ExrLook {
    /// Reads headers and tables.
    pub(in crate::stitch) fn take(
        plan: &Plan,
        tile: &Tile,
        file: &File,
        is_first: bool,
        identity: Identity,
    ) -> Result<Look, StitchError> {
        let header = header(tile, file)?;
        let mut origins = Vec::with_capacity(header.parts.len());
        for part in &header.parts {
            if part
                .block_bytes_max()
                .is_none_or(|bytes| bytes > BLOCK_BYTES_MAX)
            {
                return Err(unsupported(tile, "has blocks of more than a gigabyte"));
            }
            origins.push(windows::origin(plan, tile, part)?);
        }
        let wanted = origins.iter().map(|origin| in_source(&tile.at, *origin));
        let wanted: Vec<Rect> = wanted.collect();
        let tables = read_tables(file, &header, &wanted).map_err(|flaw| flawed(tile, flaw))?;
        let form = header.parts.iter().map(|part| {
            let channels = part.channels.iter();
            let channels = channels.map(|one| (one.name.clone(), one.sample));
            (part.name.clone(), channels.collect())
        });
        let form = Form::Exr(form.collect());
        let frame = told(&header.parts, &FRAME_KEYS).map(|text| frame_number(&text));
        let layer = told(&header.parts, &LAYER_KEYS);
        let multipart = header.multipart;
        let parts = header.parts.into_iter().zip(tables).zip(origins);
        let parts = parts.map(|((part, table), origin)| PartLook {
            name: part.name,
            attributes: if is_first {
                part.attributes
            } else {
                Vec::new()
            },
            channels: part.channels,
            method: part.method,
            tiles: part.tiles,
            data_window: part.data_window,
            display_window: part.display_window,
            origin,
            table,
        });
        Ok(Look {
            content: Content::Exr(ExrLook {
                parts: parts.collect(),
                multipart,
            }),
            form,
            frame,
            layer,
            identity,
        })
    }
}

fn header(tile: &Tile, file: &File) -> Result<Header, StitchError> {
    Header::read(BufReader::new(file)).map_err(|flaw| flawed(tile, flaw))
}

/// The size of a tile's picture.
pub(in crate::stitch) fn size(tile: &Tile, file: &File) -> Result<(u32, u32), StitchError> {
    Ok(header(tile, file)?.parts[0].size())
}

/// A rectangle of the picture as it lies in a data window there; it must lie within.
fn in_source(rect: &Rect, (x, y): (i64, i64)) -> Rect {
    let from = |at: u32, origin: i64| u32::try_from(i64::from(at) - origin).unwrap_or_default();
    Rect {
        x: from(rect.x, x),
        y: from(rect.y, y),
        ..*rect
    }
}

/// The value of the first of these attributes that is there.
fn told(parts: &[Part], keys: &[&str]) -> Option<String> {
    let mut keys = keys.iter();
    keys.find_map(|key| parts.iter().find_map(|part| text(part.attribute(key)?)))
}

fn text(attribute: &Attribute) -> Option<String> {
    match (attribute.kind.as_slice(), attribute.value.as_slice()) {
        (b"string", value) => Some(String::from_utf8_lossy(value).into_owned()),
        (b"int", [a, b, c, d]) => Some(i32::from_le_bytes([*a, *b, *c, *d]).to_string()),
        (b"float", [a, b, c, d]) => Some(f32::from_le_bytes([*a, *b, *c, *d]).to_string()),
        _ => None,
    }
}

/// Stitches tiles that are of one picture.
pub(in crate::stitch) fn stitch(
    plan: &Plan,
    looks: Vec<Look>,
    output: &Output,
    cancelled: &AtomicBool,
) -> Result<Stitched, StitchError> {
    let identities: Vec<Identity> = looks.iter().map(|look| look.identity).collect();
    let looks: Vec<ExrLook> = looks
        .into_iter()
        .filter_map(|look| match look.content {
            Content::Exr(exr) => Some(exr),
            Content::Png(_) => None,
        })
        .collect();
    let first = &looks[0];
    let pairs = seams::pairs(plan)?;
    let mut parts = Vec::with_capacity(first.parts.len());
    for (number, part) in first.parts.iter().enumerate() {
        let of_tiles: Vec<&PartLook> = looks.iter().map(|look| &look.parts[number]).collect();
        let windows = windows::of_picture(plan, &of_tiles)?;
        parts.push(new_part(plan, part, windows, first.multipart));
    }
    let blocks: Vec<Blocks> = parts.iter().map(|part| part.blocks).collect();
    let file = Unfinished::begin(output)?;
    let written = |error| StitchError::Write(file.failed(error));
    let mut writer = ChunkWriter::begin(file.file(), parts, first.multipart).map_err(written)?;
    let mut worst: Vec<Option<Worst>> = vec![None; pairs.len()];
    let mut stitched = Stitched {
        copied_blocks: 0,
        encoded_blocks: 0,
        bytes: 0,
        seams: Vec::new(),
    };
    let mut channels_before = 0;
    for (number, blocks) in blocks.into_iter().enumerate() {
        let of_tiles = looks.iter().map(|look| &look.parts[number]).collect();
        let mut work = Work::new(plan, &identities, of_tiles, blocks, &pairs, channels_before);
        let mut row = 0;
        while let Some(packed) = work.next_group(&mut row, &mut worst, cancelled)? {
            for block in packed {
                writer
                    .write(number, block.place, &block.bytes)
                    .map_err(written)?;
                if block.is_copied {
                    stitched.copied_blocks += 1;
                } else {
                    stitched.encoded_blocks += 1;
                }
            }
        }
        channels_before += first.parts[number].channels.len();
    }
    writer.finish().map_err(written)?;
    stitched.seams = seams::beyond(plan, &pairs, &worst, |channel| channel_name(first, channel));
    stitched.bytes = file.finish()?;
    Ok(stitched)
}

/// A channel counted over all parts, by its name.
fn channel_name(look: &ExrLook, channel: usize) -> String {
    let mut all = look.parts.iter().flat_map(|part| {
        part.channels.iter().map(|channel| match &part.name {
            Some(part) if look.multipart => format!("{part}.{}", channel.name),
            _ => channel.name.clone(),
        })
    });
    all.nth(channel).unwrap_or_default()
}

/// How the picture's part is laid out, and its attributes.
fn new_part(
    plan: &Plan,
    first: &PartLook,
    (data_window, display_window): (Window, Window),
    multipart: bool,
) -> NewPart {
    let method = first.method.lossless();
    let tiles = match plan.layout {
        Layout::Scanline => None,
        Layout::Auto => first.tiles,
        Layout::Tiled => Some(first.tiles.unwrap_or_else(|| tile_size(plan, method))),
    };
    let blocks = Blocks {
        width: plan.width,
        height: plan.height,
        block_width: tiles.map_or(plan.width, |(width, _)| width),
        block_height: tiles.map_or(method.lines(), |(_, height)| height),
    };
    NewPart {
        attributes: attributes::of_picture(&attributes::Facts {
            first: &first.attributes,
            method,
            data_window,
            display_window,
            tiles,
            blocks,
            multipart,
        }),
        blocks,
        is_tiled: tiles.is_some(),
        data_window,
    }
}

/// The size of EXR tiles by which blocks of lines can be copied: as wide as the columns of a grid, the
/// last of which may be narrower.
fn tile_size(plan: &Plan, method: Method) -> (u32, u32) {
    let width = plan
        .tiles
        .iter()
        .find(|tile| tile.keep.x == 0)
        .map_or(plan.width, |tile| tile.keep.width);
    let in_columns = plan.tiles.iter().all(|tile| {
        let keep = tile.keep;
        let is_last = keep.right() == plan.width.into();
        keep.x % width == 0 && (keep.width == width || (is_last && keep.width < width))
    });
    if in_columns {
        (width, method.lines().max(TILE_LINES))
    } else {
        (TILE_SIDE, TILE_SIDE)
    }
}
