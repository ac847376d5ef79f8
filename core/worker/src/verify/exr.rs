//! EXR: every chunk of every part, found by the table of chunks, decoded one at a time in this
//! thread: the other cores belong to the renderers.

use std::collections::BTreeSet;
use std::io::{BufRead, Seek};

use exr::block::UncompressedBlock;
use exr::block::chunk::{Chunk, CompressedBlock, CompressedScanLineBlock, CompressedTileBlock};
use exr::block::reader::ChunksReader;
use exr::compression::Compression;
use exr::error::Error;
use exr::meta::attribute::SampleType;
use exr::meta::header::Header;

use super::exr_outline::{self, Naming};
use super::{Flaw, Found, check_claim};

pub(super) fn decode<R: BufRead + Seek>(mut file: R, file_bytes: u64) -> Result<Found, Flaw> {
    match decode_all(&mut file, file_bytes) {
        Ok(found) => Ok(found),
        Err(Trouble::Flaw(flaw)) => Err(flaw),
        Err(Trouble::Unsupported) => exr_outline::check(file, file_bytes),
    }
}

/// Why no samples can be vouched for.
enum Trouble {
    Flaw(Flaw),
    /// The decoder's limits, not the picture's fault.
    Unsupported,
}

impl From<Flaw> for Trouble {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let flaw = match error {
            Error::NotSupported(_) => return Self::Unsupported,
            // What the decoder says for an early end of the file.
            Error::Invalid(what) if what == "reference to missing bytes" => {
                Flaw::truncated("ends before its picture does, expected a whole EXR")
            }
            Error::Invalid(what) => Flaw::new(format!("is not a whole EXR: invalid {what}")),
            Error::Io(error) => super::unreadable(error),
            Error::Aborted => Flaw::new("was not read to its end"),
        };
        Self::Flaw(flaw)
    }
}

fn decode_all<R: BufRead + Seek>(file: R, file_bytes: u64) -> Result<Found, Trouble> {
    let reader = exr::block::read(file, false)?;
    let headers = reader.headers();
    for header in headers {
        check_header(header)?;
    }
    check_table(headers, file_bytes)?;
    let naming = Naming::of(headers.len());
    let found = Found {
        sizes: sizes(headers),
        channels: headers
            .iter()
            .flat_map(|header| {
                header.channels.list.iter().map(|channel| {
                    let kind = kind(channel.sample_type);
                    format!(
                        "{}:{kind}",
                        full_name(naming, header, &channel.name.to_string())
                    )
                })
            })
            .collect(),
    };
    let mut chunks = reader.filter_chunks(false, |_, _, _| true)?;
    let mut seen = BTreeSet::new();
    while let Some(chunk) = chunks.read_next_chunk() {
        let chunk = chunk?;
        check_claims(&chunk, chunks.headers())?;
        let block = decompress(chunk, &chunks)?;
        let index = block.index;
        let header = &chunks.headers()[index.layer];
        let level = (index.level.x(), index.level.y());
        let place = (index.pixel_position.x(), index.pixel_position.y());
        if !seen.insert((index.layer, level, place)) {
            return Err(Flaw::new("holds one block of its picture twice and lacks another").into());
        }
        check_numbers(&block, header, naming)?;
    }
    Ok(found)
}

fn decompress<R: ChunksReader>(chunk: Chunk, chunks: &R) -> Result<UncompressedBlock, Trouble> {
    Ok(UncompressedBlock::decompress_chunk(
        chunk,
        chunks.meta_data(),
        false,
    )?)
}

/// Blocks of DWA begin with the sizes of their sections, which the decoder believes: it would ask for any
/// amount of memory, and where there is none the process ends. None of them is larger than what the
/// block's samples make.
fn check_claims(chunk: &Chunk, headers: &[Header]) -> Result<(), Trouble> {
    // Version, sizes of four sections packed and of two raw, counts of two, and a method.
    const COUNTERS: usize = 11;
    let Some(header) = headers.get(chunk.layer_index) else {
        return Ok(());
    };
    if !matches!(
        header.compression,
        Compression::DWAA(_) | Compression::DWAB(_)
    ) {
        return Ok(());
    }
    let (CompressedBlock::ScanLine(CompressedScanLineBlock {
        compressed_pixels_le: packed,
        ..
    })
    | CompressedBlock::Tile(CompressedTileBlock {
        compressed_pixels_le: packed,
        ..
    })) = &chunk.compressed_block
    else {
        return Ok(());
    };
    let place = header.get_block_data_indices(&chunk.compressed_block)?;
    let block = header.get_absolute_block_pixel_coordinates(place)?.size;
    let (width, height) = (block.width(), block.height());
    let pixels = |width: usize, height: usize| (width as u64).saturating_mul(height as u64);
    let raw = pixels(width, height).saturating_mul(header.channels.bytes_per_pixel as u64);
    // A block that would not get smaller is stored as it is.
    if packed.len() as u64 == raw {
        return Ok(());
    }
    // Blocks of 8 by 8 are filled up; a coefficient takes two bytes.
    let filled = pixels(width.next_multiple_of(8), height.next_multiple_of(8));
    let most = filled
        .saturating_mul(4 * header.channels.list.len() as u64)
        .saturating_add(raw.saturating_mul(2))
        .saturating_add(1024);
    let (counters, _) = packed.as_chunks::<8>();
    let counters = counters.get(..COUNTERS).unwrap_or_default();
    let fits = |counter: &[u8; 8]| u64::from_le_bytes(*counter) <= most;
    match counters.iter().all(fits) {
        true => Ok(()),
        false => Err(Flaw::new("holds a block that claims more than it can hold").into()),
    }
}

fn check_header(header: &Header) -> Result<(), Flaw> {
    let (width, height) = (header.layer_size.width(), header.layer_size.height());
    let block = header.max_block_pixel_size();
    let block_pixels =
        (block.width().min(width) as u64).saturating_mul(block.height().min(height) as u64);
    let block_bytes = block_pixels.saturating_mul(header.channels.bytes_per_pixel as u64);
    check_claim(width as u64, height as u64, block_bytes)
}

/// The table of chunks is read whole, and every entry stands for a chunk of at least as many
/// bytes; a file that cannot hold both ends too early.
fn check_table(headers: &[Header], file_bytes: u64) -> Result<(), Flaw> {
    const ENTRY_AND_CHUNK_BYTES_MIN: u64 = 8 + 8;
    let chunks = headers.iter().fold(0_u64, |sum, header| {
        sum.saturating_add(header.chunk_count as u64)
    });
    if chunks.saturating_mul(ENTRY_AND_CHUNK_BYTES_MIN) > file_bytes {
        return Err(Flaw::truncated(format!(
            "has {file_bytes} bytes, too few for the {chunks} blocks of its picture"
        )));
    }
    Ok(())
}

fn sizes(headers: &[Header]) -> Vec<(u32, u32)> {
    let size = |size: exr::math::Vec2<usize>| {
        // Both are below PIXELS_MAX or come from an i32 window.
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        (side(size.width()), side(size.height()))
    };
    let mut sizes = Vec::new();
    if let Some(first) = headers.first() {
        sizes.push(size(first.shared_attributes.display_window.size));
        if headers
            .iter()
            .all(|header| header.layer_size == first.layer_size)
        {
            sizes.push(size(first.layer_size));
        }
    }
    sizes
}

fn kind(sample: SampleType) -> &'static str {
    match sample {
        SampleType::F16 => "half",
        SampleType::F32 => "float",
        SampleType::U32 => "uint",
    }
}

fn full_name(naming: Naming, header: &Header, channel: &str) -> String {
    let part = header.own_attributes.layer_name.as_ref();
    naming.channel(part.map(ToString::to_string).as_deref(), channel)
}

/// Looks for NaN. In a block the rows of all channels follow one another, row by row.
fn check_numbers(block: &UncompressedBlock, header: &Header, naming: Naming) -> Result<(), Flaw> {
    let width = block.index.pixel_size.width();
    let mut rest = &block.data[..];
    for row in 0..block.index.pixel_size.height() {
        for channel in &header.channels.list {
            let bytes = width * channel.sample_type.bytes_per_sample();
            let Some((samples, after)) = rest.split_at_checked(bytes) else {
                return Err(Flaw::new("holds a block that is too short"));
            };
            rest = after;
            let nan = match channel.sample_type {
                SampleType::F16 => position_of_nan_half(samples),
                SampleType::F32 => position_of_nan_float(samples),
                SampleType::U32 => None,
            };
            if let Some(column) = nan {
                let origin = header.own_attributes.layer_position;
                let x = origin.x() as i64 + (block.index.pixel_position.x() + column) as i64;
                let y = origin.y() as i64 + (block.index.pixel_position.y() + row) as i64;
                let name = full_name(naming, header, &channel.name.to_string());
                return Err(Flaw::new(format!(
                    "has a NaN in channel {name} at x {x}, y {y}"
                )));
            }
        }
    }
    Ok(())
}

fn position_of_nan_half(samples: &[u8]) -> Option<usize> {
    const INFINITY: u16 = 0x7c00;
    let (samples, _) = samples.as_chunks::<2>();
    let is_nan = |sample: &[u8; 2]| u16::from_ne_bytes(*sample) & 0x7fff > INFINITY;
    // The fold is what a compiler turns into vector code; the search runs on a hit only.
    samples
        .iter()
        .fold(false, |any, sample| any | is_nan(sample))
        .then(|| samples.iter().position(is_nan))?
}

fn position_of_nan_float(samples: &[u8]) -> Option<usize> {
    const INFINITY: u32 = 0x7f80_0000;
    let (samples, _) = samples.as_chunks::<4>();
    let is_nan = |sample: &[u8; 4]| u32::from_ne_bytes(*sample) & 0x7fff_ffff > INFINITY;
    samples
        .iter()
        .fold(false, |any, sample| any | is_nan(sample))
        .then(|| samples.iter().position(is_nan))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_found_and_infinity_is_not() {
        let floats = |values: &[f32]| {
            values
                .iter()
                .flat_map(|v| v.to_ne_bytes())
                .collect::<Vec<u8>>()
        };
        let fine = floats(&[0.0, -1.5, f32::INFINITY, f32::NEG_INFINITY, f32::MAX]);
        assert_eq!(position_of_nan_float(&fine), None);
        assert_eq!(position_of_nan_float(&floats(&[1.0, -f32::NAN])), Some(1));
        let halves = |values: &[u16]| {
            values
                .iter()
                .flat_map(|v| v.to_ne_bytes())
                .collect::<Vec<u8>>()
        };
        assert_eq!(
            position_of_nan_half(&halves(&[0x3c00, 0x7c00, 0xfc00])),
            None
        );
        assert_eq!(
            position_of_nan_half(&halves(&[0x3c00, 0x3c00, 0xfe01])),
            Some(2)
        );
    }
}
