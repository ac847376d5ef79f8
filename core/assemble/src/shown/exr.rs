//! EXR: the shown channels of the finest picture, through a view.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use exr::block::UncompressedBlock;
use exr::block::chunk::Chunk;
use exr::block::reader::ChunksReader;
use exr::error::Error;
use exr::math::Vec2;
use exr::meta::MetaData;
use exr::meta::attribute::SampleType;
use exr::meta::header::Header;
use half::f16;
use rayon::prelude::*;

use super::pick::{Picked, pick};
use super::{Flaw, Outline, Showing, Shown, check_claim};
use crate::view::View;

/// Blocks are decoded so many at a time, which bounds what is in memory besides the picture.
const BLOCKS_AT_A_TIME: usize = 32;
/// What a block may hold.
const BLOCK_BYTES_MAX: u64 = 1 << 30;

impl From<Error> for Flaw {
    fn from(error: Error) -> Self {
        match error {
            // What the decoder says for an early end of the file.
            Error::Invalid(what) if what == "reference to missing bytes" => {
                Self::broken("ends before its picture does")
            }
            Error::Invalid(what) => Self::broken(format!("is not a whole EXR: invalid {what}")),
            Error::NotSupported(what) => Self::broken(format!("cannot be read: {what}")),
            Error::Io(error) => error.into(),
            Error::Aborted => Self::broken("was not read to its end"),
        }
    }
}

pub(super) fn outline(path: &Path) -> Result<Outline, Flaw> {
    let meta = MetaData::read_from_buffered(BufReader::new(File::open(path)?), false)?;
    let (names, _) = names(&meta.headers);
    let window = meta.headers[0].shared_attributes.display_window;
    let (width, height) = (window.size.width(), window.size.height());
    check_claim(width, height)?;
    let kinds = meta.headers.iter().flat_map(|header| {
        header
            .channels
            .list
            .iter()
            .map(|channel| channel.sample_type)
    });
    Ok(Outline {
        width,
        height,
        channels: names
            .iter()
            .zip(kinds)
            .map(|(name, kind)| format!("{name}:{}", kind_name(kind)))
            .collect(),
        is_light: true,
    })
}

fn kind_name(kind: SampleType) -> &'static str {
    match kind {
        SampleType::F16 => "half",
        SampleType::F32 => "float",
        SampleType::U32 => "uint",
    }
}

/// Full names of all channels, and of each its part and its place there.
fn names(headers: &[Header]) -> (Vec<String>, Vec<(usize, usize)>) {
    let mut names = Vec::new();
    let mut places = Vec::new();
    for (part, header) in headers.iter().enumerate() {
        let prefix = match &header.own_attributes.layer_name {
            Some(name) if headers.len() > 1 => text(name.as_slice()) + ".",
            _ => String::new(),
        };
        for (place, channel) in header.channels.list.iter().enumerate() {
            let name = text(channel.name.as_slice());
            let has_prefix = name.starts_with(&prefix);
            names.push(if has_prefix {
                name
            } else {
                prefix.clone() + &name
            });
            places.push((part, place));
        }
    }
    (names, places)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Where the shown samples of a part are.
struct Shot<'a> {
    picked: Picked,
    alpha: bool,
    view: &'a View,
    gain: f32,
}

pub(super) fn read(path: &Path, showing: &Showing<'_>, view: &View) -> Result<Shown, Flaw> {
    let reader = exr::block::read(BufReader::new(File::open(path)?), false)?;
    let (names, places) = names(reader.headers());
    let picked = pick(&names, showing.layer)?;
    let part = places[picked.colour[0]].0;
    let within = |at: usize| (places[at].0 == part).then_some(places[at].1);
    let shot = Shot {
        picked: Picked {
            colour: [
                within(picked.colour[0]).unwrap_or_default(),
                within(picked.colour[1]).unwrap_or_default(),
                within(picked.colour[2]).unwrap_or_default(),
            ],
            alpha: picked.alpha.and_then(within),
        },
        alpha: showing.alpha,
        view,
        gain: view.gain(),
    };
    let header = &reader.headers()[part];
    check_header(header)?;
    let window = header.shared_attributes.display_window;
    let (width, height) = (window.size.width(), window.size.height());
    check_claim(width, height)?;
    let nothing = if showing.alpha { 0 } else { u16::MAX };
    let mut shown = Shown {
        width,
        height,
        pixels: vec![[0, 0, 0, nothing]; width * height],
    };
    let offset = header.own_attributes.layer_position - window.position;
    let mut chunks = reader.filter_chunks(false, |_, tile, block| {
        block.layer == part && tile.is_largest_resolution_level()
    })?;
    loop {
        let batch: Vec<Chunk> = chunks
            .by_ref()
            .take(BLOCKS_AT_A_TIME)
            .collect::<Result<_, _>>()?;
        if batch.is_empty() {
            return Ok(shown);
        }
        let meta = chunks.meta_data();
        let blocks: Vec<Block> = batch
            .into_par_iter()
            .map(|chunk| decode(chunk, meta, part, &shot))
            .collect::<Result<_, Flaw>>()?;
        for block in blocks {
            block.put(offset, &mut shown);
        }
    }
}

fn check_header(header: &Header) -> Result<(), Flaw> {
    let subsampled = header
        .channels
        .list
        .iter()
        .any(|channel| channel.sampling != Vec2(1, 1));
    if subsampled {
        return Err(Flaw::broken(
            "holds subsampled channels, which are not supported",
        ));
    }
    let size = header.layer_size;
    let block = header.max_block_pixel_size();
    let pixels = (block.width().min(size.width()) as u64)
        .saturating_mul(block.height().min(size.height()) as u64);
    if pixels.saturating_mul(header.channels.bytes_per_pixel as u64) > BLOCK_BYTES_MAX {
        return Err(Flaw::broken("has blocks that are too large to be read"));
    }
    Ok(())
}

/// Pixels of a block, ready to be shown.
struct Block {
    left: usize,
    top: usize,
    width: usize,
    pixels: Vec<[u16; 4]>,
}

impl Block {
    /// Copies what lies in the display window; `offset` is the data window's place in it.
    fn put(&self, offset: Vec2<i32>, shown: &mut Shown) {
        let left = self.left as i64 + i64::from(offset.x());
        let from = left.clamp(0, shown.width as i64);
        let to = (left + self.width as i64).clamp(from, shown.width as i64);
        for (row, pixels) in self.pixels.chunks_exact(self.width).enumerate() {
            let y = (self.top + row) as i64 + i64::from(offset.y());
            if y < 0 || y >= shown.height as i64 || from == to {
                continue;
            }
            let begin = y as usize * shown.width;
            let visible = &pixels[(from - left) as usize..(to - left) as usize];
            shown.pixels[begin + from as usize..begin + to as usize].copy_from_slice(visible);
        }
    }
}

fn decode(chunk: Chunk, meta: &MetaData, part: usize, shot: &Shot<'_>) -> Result<Block, Flaw> {
    let block = UncompressedBlock::decompress_chunk(chunk, meta, false)?;
    let header = &meta.headers[part];
    let (position, size) = (block.index.pixel_position, block.index.pixel_size);
    let (width, height) = (size.width(), size.height());
    let row_bytes = width * header.channels.bytes_per_pixel;
    if block.index.layer != part || width == 0 || block.data.len() != height * row_bytes {
        return Err(Flaw::broken(
            "is not a whole EXR: a block is not where it should be",
        ));
    }
    let mut pixels = vec![[0; 4]; width * height];
    let rows = block
        .data
        .chunks_exact(row_bytes)
        .zip(pixels.chunks_exact_mut(width));
    let [red, green, blue] = shot.picked.colour;
    let mut planes = vec![0.0_f32; width * 4];
    for (row, into) in rows {
        let (colour, opacity) = planes.split_at_mut(width * 3);
        for (plane, channel) in colour.chunks_exact_mut(width).zip([red, green, blue]) {
            samples(row, header, width, channel, plane);
        }
        match shot.picked.alpha {
            Some(channel) => samples(row, header, width, channel, opacity),
            None => opacity.fill(1.0),
        }
        for (at, pixel) in into.iter_mut().enumerate() {
            let light = [colour[at], colour[width + at], colour[2 * width + at]];
            *pixel = shot.pixel(light, opacity[at]);
        }
    }
    Ok(Block {
        left: position.x(),
        top: position.y(),
        width,
        pixels,
    })
}

impl Shot<'_> {
    /// Colours of an EXR have their alpha in them.
    fn pixel(&self, light: [f32; 3], opacity: f32) -> [u16; 4] {
        let opacity = if self.alpha {
            opacity.clamp(0.0, 1.0)
        } else {
            1.0
        };
        let gain = if opacity > 0.0 {
            self.gain / opacity
        } else {
            self.gain
        };
        let [red, green, blue] = self.view.show(light.map(|value| value * gain));
        [red, green, blue, (opacity * 65535.0 + 0.5) as u16]
    }
}

/// A channel's samples of a row.
fn samples(row: &[u8], header: &Header, width: usize, channel: usize, into: &mut [f32]) {
    let before: usize = header.channels.list[..channel]
        .iter()
        .map(|channel| channel.sample_type.bytes_per_sample())
        .sum();
    let bytes = &row[before * width..];
    match header.channels.list[channel].sample_type {
        SampleType::F16 => {
            for (into, sample) in into.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *into = f16::from_ne_bytes(*sample).to_f32();
            }
        }
        SampleType::F32 => {
            for (into, sample) in into.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *into = f32::from_ne_bytes(*sample);
            }
        }
        SampleType::U32 => {
            for (into, sample) in into.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *into = u32::from_ne_bytes(*sample) as f32;
            }
        }
    }
}
