//! Samples of all files, row by row, side by side.
//!
//! Blocks of the files and of the result need not agree: of each file those bands are kept that the
//! rows at hand need. Reading, decoding and encoding go on all threads; writing keeps the order.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::MergeError;
use super::input::Input;
use super::names::Arranged;
use crate::openexr::{Blocks, Codec, Flaw, Method};

/// OpenEXR's own level: more costs more than it saves.
const LEVEL: i32 = 4;
/// So much of the result is made at a time, unless a block alone is more.
const BATCH_BYTES: usize = 16 << 20;

/// A row of blocks of a file, decoded.
struct Band {
    top: u32,
    rows: u32,
    /// From the left: where it begins, its width, its samples.
    blocks: Vec<(u32, u32, Vec<u8>)>,
}

/// Takes the next block of the result: its row, its bytes.
pub(super) type Write<'a> = dyn FnMut(u32, &[u8]) -> Result<(), MergeError> + 'a;

/// Hands on the blocks of the result in their order.
pub(super) fn merge(
    inputs: &[Input],
    arranged: &Arranged,
    method: Method,
    blocks: &Blocks,
    write: &mut Write<'_>,
) -> Result<(), MergeError> {
    let codec = Codec::new(&arranged.channels(), LEVEL);
    let block_bytes = codec.raw_bytes(blocks.width, blocks.block_height);
    let at_a_time = (BATCH_BYTES / block_bytes.max(1)).max(rayon::current_num_threads());
    let mut kept: Vec<VecDeque<Band>> = inputs.iter().map(|_| VecDeque::new()).collect();
    let rows: Vec<u32> = (0..blocks.rows()).collect();
    for batch in rows.chunks(at_a_time) {
        let (top, bottom) = (
            batch[0] * blocks.block_height,
            blocks
                .height
                .min((batch[batch.len() - 1] + 1) * blocks.block_height),
        );
        fetch(inputs, &mut kept, top, bottom)?;
        let packed: Vec<Vec<u8>> = batch
            .par_iter()
            .map(|row| {
                let rect = blocks.rect(0, *row);
                let mut raw = vec![0; codec.raw_bytes(rect.width, rect.height)];
                fill(&mut raw, rect.y, rect.width as usize, arranged, &kept);
                let mut packed = Vec::new();
                codec
                    .pack(method, (rect.width, rect.height), &raw, &mut packed)
                    .map(|()| packed)
            })
            .collect::<Result<_, String>>()
            .map_err(|why| MergeError::of(Flaw::Broken(why), &inputs[0].path))?;
        for (row, packed) in batch.iter().zip(&packed) {
            write(*row, packed)?;
        }
    }
    Ok(())
}

/// Drops the bands above these rows, and decodes those that are not there yet.
fn fetch(
    inputs: &[Input],
    kept: &mut [VecDeque<Band>],
    top: u32,
    bottom: u32,
) -> Result<(), MergeError> {
    let mut wanted = Vec::new();
    for (number, (input, kept)) in inputs.iter().zip(kept.iter_mut()).enumerate() {
        while kept.front().is_some_and(|band| band.top + band.rows <= top) {
            kept.pop_front();
        }
        let height = input.table.blocks.block_height;
        let begin = kept
            .back()
            .map_or(top / height, |band| band.top / height + 1);
        wanted.extend((begin..bottom.div_ceil(height)).map(|row| (number, row)));
    }
    let bands: Vec<(usize, Band)> = wanted
        .into_par_iter()
        .map(|(number, row)| {
            let input = &inputs[number];
            decode(input, row)
                .map(|band| (number, band))
                .map_err(|flaw| MergeError::of(flaw, &input.path))
        })
        .collect::<Result<_, _>>()?;
    for (number, band) in bands {
        kept[number].push_back(band);
    }
    Ok(())
}

fn decode(input: &Input, row: u32) -> Result<Band, Flaw> {
    let blocks = &input.table.blocks;
    let mut band = Band {
        top: row * blocks.block_height,
        rows: blocks.rect(0, row).height,
        blocks: Vec::with_capacity(blocks.columns() as usize),
    };
    for column in 0..blocks.columns() {
        let rect = blocks.rect(column, row);
        let packed = input.table.read(&input.file, column, row)?;
        let size = (rect.width, rect.height);
        let raw = input
            .codec
            .restore(input.part.method, size, packed)
            .map_err(Flaw::Broken)?;
        band.blocks.push((rect.x, rect.width, raw));
    }
    Ok(band)
}

/// Brings a block's rows together, from row `top` of the picture on.
fn fill(raw: &mut [u8], top: u32, width: usize, arranged: &Arranged, kept: &[VecDeque<Band>]) {
    let pixel_bytes: usize = arranged
        .sources
        .iter()
        .map(|source| source.channel.sample.bytes())
        .sum();
    for (line, y) in raw.chunks_exact_mut(width * pixel_bytes).zip(top..) {
        let mut rest = line;
        for source in &arranged.sources {
            let bytes = source.channel.sample.bytes();
            let (into, after) = rest.split_at_mut(width * bytes);
            rest = after;
            let bands = &kept[source.input];
            let Some(band) = bands
                .iter()
                .find(|band| (band.top..band.top + band.rows).contains(&y))
            else {
                continue;
            };
            for (left, width, samples) in &band.blocks {
                let (left, width) = (*left as usize, *width as usize);
                let line_bytes = samples.len() / band.rows as usize;
                let from = (y - band.top) as usize * line_bytes + source.offset * width;
                into[left * bytes..][..width * bytes]
                    .copy_from_slice(&samples[from..][..width * bytes]);
            }
        }
    }
}
