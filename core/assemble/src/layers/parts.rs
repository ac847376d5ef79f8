//! A part for each layer: headers with the layer's name, blocks as they are.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::atomic::AtomicBool;

use super::MergeError;
use super::input::Input;
use crate::openexr::{Attribute, ChunkWriter, NewPart};

/// Copies all blocks; the channels of the result.
pub(super) fn copy(
    inputs: &[Input],
    file: &File,
    failed: &dyn Fn(io::Error) -> MergeError,
    cancel: &AtomicBool,
) -> Result<Vec<String>, MergeError> {
    let mut names = BTreeSet::new();
    let mut parts = Vec::with_capacity(inputs.len());
    let mut channels = Vec::new();
    for input in inputs {
        let name = name(input);
        if !names.insert(name.clone()) {
            return Err(MergeError::LayerTwice(name));
        }
        channels.extend(input.part.channels.iter().map(|channel| {
            let prefix = format!("{name}.");
            let own = channel.name.strip_prefix(&prefix).unwrap_or(&channel.name);
            format!("{prefix}{own}:{}", channel.sample.name())
        }));
        parts.push(part(input, &name, &inputs[0]));
    }
    let mut writer = ChunkWriter::begin(file, parts, true).map_err(failed)?;
    for (number, input) in inputs.iter().enumerate() {
        let blocks = &input.table.blocks;
        for row in 0..blocks.rows() {
            super::check(cancel)?;
            for column in 0..blocks.columns() {
                let packed = input
                    .table
                    .read(&input.file, column, row)
                    .map_err(|flaw| MergeError::of(flaw, &input.path))?;
                writer
                    .write(number, (column, row), &packed)
                    .map_err(failed)?;
            }
        }
    }
    writer.finish().map_err(failed)?;
    Ok(channels)
}

/// The layer's, and its own where its file has several parts.
fn name(input: &Input) -> String {
    match &input.part.name {
        Some(own) if input.is_one_of_several && *own != input.layer => {
            format!("{}.{own}", input.layer)
        }
        _ => input.layer.clone(),
    }
}

/// The header of a part: what was said of it, and what parts must say.
fn part(input: &Input, name: &str, first: &Input) -> NewPart {
    /// What all parts of a file must have alike.
    const SHARED: [&[u8]; 3] = [b"pixelAspectRatio", b"timeCode", b"chromaticities"];
    let blocks = input.table.blocks;
    let is_tiled = input.part.tiles.is_some();
    let kind: &[u8] = if is_tiled {
        b"tiledimage"
    } else {
        b"scanlineimage"
    };
    let chunks = blocks.columns() * blocks.rows();
    let mut said = vec![
        Attribute::new("name", "string", name.as_bytes().to_vec()),
        Attribute::new("type", "string", kind.to_vec()),
        Attribute::new("chunkCount", "int", chunks.to_le_bytes().to_vec()),
        Attribute::new("lineOrder", "lineOrder", vec![0]),
    ];
    if is_tiled {
        // The finest level is all that is copied.
        let sides = [blocks.block_width, blocks.block_height].map(u32::to_le_bytes);
        let value = [sides.concat(), vec![0]].concat();
        said.push(Attribute::new("tiles", "tiledesc", value));
    }
    let shared = first.part.attributes.iter();
    said.extend(
        shared
            .filter(|attribute| SHARED.contains(&attribute.name.as_slice()))
            .cloned(),
    );
    let own = input.part.attributes.iter().filter(|attribute| {
        let is_said = said.iter().any(|other| other.name == attribute.name);
        !is_said && !SHARED.contains(&attribute.name.as_slice())
    });
    let mut attributes: Vec<Attribute> = own.cloned().collect();
    attributes.append(&mut said);
    NewPart {
        attributes,
        blocks,
        is_tiled,
        data_window: input.part.data_window,
    }
}
