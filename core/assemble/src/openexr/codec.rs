//! Samples of a block to compressed bytes and back.
//!
//! A block's samples lie line by line, within a line channel by channel, little-endian, whether it is
//! a block of lines or a tile; so do they here. ZIP and ZIPS are done here with libdeflate, which takes
//! most of the time of any stitching; the rest is crate `exr`'s.
//!
//! Never answers samples of another number than were asked for, whatever the bytes are.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use exr::compression::Compression;
use exr::math::RoundingMode;
use exr::math::Vec2;
use exr::meta::attribute::{
    ChannelDescription, IntegerBounds, LevelMode, LineOrder, SampleType, Text, TileDescription,
};
use exr::meta::{BlockDescription, header::Header};
use libdeflater::{CompressionLvl, Compressor, Decompressor};

use super::header::{Channel, Sample};

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Method {
    None,
    Rle,
    Zips,
    Zip,
    Piz,
    Pxr24,
    B44,
    B44a,
    Dwaa,
    Dwab,
}

impl Method {
    const ALL: [Self; 10] = [
        Self::None,
        Self::Rle,
        Self::Zips,
        Self::Zip,
        Self::Piz,
        Self::Pxr24,
        Self::B44,
        Self::B44a,
        Self::Dwaa,
        Self::Dwab,
    ];

    /// As the attribute `compression` says.
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    /// As the attribute `compression` says.
    pub(crate) const fn byte(self) -> u8 {
        self as u8
    }

    /// How many lines a block has.
    pub(crate) const fn lines(self) -> u32 {
        match self {
            Self::None | Self::Rle | Self::Zips => 1,
            Self::Zip | Self::Pxr24 => 16,
            Self::Piz | Self::B44 | Self::B44a | Self::Dwaa => 32,
            Self::Dwab => 256,
        }
    }

    /// How what was read so is written: as it was where nothing is lost by it, by ZIP otherwise.
    pub(crate) const fn lossless(self) -> Self {
        match self {
            Self::None | Self::Rle | Self::Zips | Self::Zip | Self::Piz => self,
            Self::Pxr24 | Self::B44 | Self::B44a | Self::Dwaa | Self::Dwab => Self::Zip,
        }
    }

    const fn of_crate(self) -> Compression {
        match self {
            Self::None => Compression::Uncompressed,
            Self::Rle => Compression::RLE,
            Self::Zips => Compression::ZIP1,
            Self::Zip => Compression::ZIP16,
            Self::Piz => Compression::PIZ,
            Self::Pxr24 => Compression::PXR24,
            Self::B44 => Compression::B44,
            Self::B44a => Compression::B44A,
            Self::Dwaa => Compression::DWAA(None),
            Self::Dwab => Compression::DWAB(None),
        }
    }
}

/// Compresses and restores blocks of these channels.
pub(crate) struct Codec {
    channels: Vec<Channel>,
    pixel_bytes: usize,
    level: i32,
}

/// What a thread keeps between blocks.
struct Bench {
    compressor: Compressor,
    level: i32,
    decompressor: Decompressor,
    first: Vec<u8>,
    second: Vec<u8>,
}

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(Bench {
        compressor: Compressor::new(CompressionLvl::default()),
        level: CompressionLvl::default().into(),
        decompressor: Decompressor::new(),
        first: Vec::new(),
        second: Vec::new(),
    });
}

impl Codec {
    /// `level` of ZIP: 1, fast, to 12, small.
    pub(crate) fn new(channels: &[Channel], level: i32) -> Self {
        Self {
            channels: channels.to_vec(),
            pixel_bytes: channels.iter().map(|one| one.sample.bytes()).sum(),
            level,
        }
    }

    /// How many bytes a block of this size has.
    pub(crate) fn raw_bytes(&self, width: u32, height: u32) -> usize {
        width as usize * height as usize * self.pixel_bytes
    }

    /// The samples of a block of this size; the sentence's end says what is wrong with it.
    pub(crate) fn restore(
        &self,
        method: Method,
        (width, height): (u32, u32),
        packed: Vec<u8>,
    ) -> Result<Vec<u8>, String> {
        let raw_bytes = self.raw_bytes(width, height);
        // What would have grown is stored as it is.
        if packed.len() == raw_bytes {
            return Ok(packed);
        }
        match method {
            Method::None => Err("a block has another size than its samples".into()),
            Method::Zip | Method::Zips => unzip(&packed, raw_bytes),
            other => {
                if matches!(other, Method::Dwaa | Method::Dwab) {
                    self.check_dwa(width, height, &packed)?;
                }
                let header = self.header(other, width, height);
                let section = section(width, height);
                let restored = catch_unwind(AssertUnwindSafe(|| {
                    other
                        .of_crate()
                        .decompress_image_section_from_le(&header, packed, section, false)
                }));
                match restored {
                    Ok(Ok(raw)) if raw.len() == raw_bytes => Ok(raw),
                    Ok(_) => Err("a block cannot be decompressed".into()),
                    // Some assertions there are about the data.
                    Err(_) => Err("a block cannot be decompressed at all".into()),
                }
            }
        }
    }

    /// Compresses a block's samples onto the end of `packed`.
    pub(crate) fn pack(
        &self,
        method: Method,
        (width, height): (u32, u32),
        raw: &[u8],
        packed: &mut Vec<u8>,
    ) -> Result<(), String> {
        match method {
            Method::None => packed.extend(raw),
            Method::Zip | Method::Zips => zip(raw, self.level, packed),
            other => {
                let header = self.header(other, width, height);
                let small = other
                    .of_crate()
                    .compress_image_section_to_le(&header, raw.to_vec(), section(width, height))
                    .map_err(|error| format!("a block cannot be compressed: {error}"))?;
                packed.extend(small);
            }
        }
        Ok(())
    }

    /// Blocks of DWA begin with the sizes of their sections, which crate `exr` believes: it would ask
    /// for any amount of memory. None of them is larger than what the block's samples make.
    fn check_dwa(&self, width: u32, height: u32, packed: &[u8]) -> Result<(), String> {
        // Version, sizes of four sections packed and of two raw, counts of two, and a method.
        const COUNTERS: usize = 11;
        let (counters, _) = packed.as_chunks::<8>();
        let counters = counters.get(..COUNTERS).unwrap_or_default();
        // Blocks of 8 by 8 are filled up; a coefficient takes two bytes.
        let filled = width.next_multiple_of(8) as usize * height.next_multiple_of(8) as usize;
        let most = 4 * filled * self.channels.len() + 2 * self.raw_bytes(width, height) + 1024;
        let is_sound = counters
            .iter()
            .all(|counter| u64::from_le_bytes(*counter) <= most as u64);
        (is_sound && !counters.is_empty())
            .then_some(())
            .ok_or_else(|| "a block claims more than it can hold".into())
    }

    fn header(&self, method: Method, width: u32, height: u32) -> Header {
        let channels = self.channels.iter().map(|channel| ChannelDescription {
            name: Text::new_or_none(&channel.name).unwrap_or_default(),
            sample_type: match channel.sample {
                Sample::Uint => SampleType::U32,
                Sample::Half => SampleType::F16,
                Sample::Float => SampleType::F32,
            },
            quantize_linearly: channel.linear,
            sampling: Vec2(1, 1),
        });
        let size = Vec2(width as usize, height as usize);
        let whole = BlockDescription::Tiles(TileDescription {
            tile_size: size,
            level_mode: LevelMode::Singular,
            rounding_mode: RoundingMode::Down,
        });
        Header::new(Text::default(), size, channels.collect()).with_encoding(
            method.of_crate(),
            whole,
            LineOrder::Increasing,
        )
    }
}

fn section(width: u32, height: u32) -> IntegerBounds {
    IntegerBounds {
        position: Vec2(0, 0),
        size: Vec2(width as usize, height as usize),
    }
}

fn zip(raw: &[u8], level: i32, packed: &mut Vec<u8>) {
    BENCH.with_borrow_mut(|bench| {
        if bench.level != level {
            let level_known = CompressionLvl::new(level).unwrap_or_default();
            bench.compressor = Compressor::new(level_known);
            bench.level = level;
        }
        part_bytes(raw, &mut bench.first);
        to_differences(&bench.first, &mut bench.second);
        let start = packed.len();
        // It may take what storing takes, or storing is what is done.
        packed.resize(start + raw.len(), 0);
        match bench
            .compressor
            .zlib_compress(&bench.second, &mut packed[start..])
        {
            Ok(bytes) if bytes < raw.len() => packed.truncate(start + bytes),
            Ok(_) | Err(_) => packed[start..].copy_from_slice(raw),
        }
    });
}

fn unzip(packed: &[u8], raw_bytes: usize) -> Result<Vec<u8>, String> {
    BENCH.with_borrow_mut(|bench| {
        bench.first.resize(raw_bytes, 0);
        match bench
            .decompressor
            .zlib_decompress(packed, &mut bench.first[..raw_bytes])
        {
            Ok(bytes) if bytes == raw_bytes => {}
            Ok(_) => return Err("a block holds fewer samples than it should".into()),
            Err(_) => return Err("a block cannot be decompressed".into()),
        }
        from_differences(&mut bench.first[..raw_bytes]);
        let mut raw = vec![0; raw_bytes];
        join_bytes(&bench.first[..raw_bytes], &mut raw);
        Ok(raw)
    })
}

/// Every other byte into the first half, the rest into the second.
fn part_bytes(raw: &[u8], parted: &mut Vec<u8>) {
    parted.resize(raw.len(), 0);
    let (even, odd) = parted.split_at_mut(raw.len().div_ceil(2));
    let (pairs, rest) = raw.as_chunks::<2>();
    for ((even, odd), pair) in even.iter_mut().zip(odd).zip(pairs) {
        [*even, *odd] = *pair;
    }
    if let ([last], Some(even)) = (rest, even.last_mut()) {
        *even = *last;
    }
}

/// [`part_bytes`] undone.
fn join_bytes(parted: &[u8], raw: &mut [u8]) {
    let (even, odd) = parted.split_at(parted.len().div_ceil(2));
    let (pairs, rest) = raw.as_chunks_mut::<2>();
    for ((even, odd), pair) in even.iter().zip(odd).zip(pairs) {
        *pair = [*even, *odd];
    }
    if let ([last], Some(even)) = (rest, even.last()) {
        *last = *even;
    }
}

/// Each byte by its difference to the one before, and 128.
fn to_differences(bytes: &[u8], differences: &mut Vec<u8>) {
    differences.resize(bytes.len(), 0);
    let Some(first) = bytes.first() else {
        return;
    };
    differences[0] = *first;
    for (difference, pair) in differences[1..].iter_mut().zip(bytes.windows(2)) {
        *difference = pair[1].wrapping_sub(pair[0]).wrapping_add(128);
    }
}

/// [`to_differences`] undone: sums from the start, eight bytes at once in a word.
fn from_differences(bytes: &mut [u8]) {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Byte by byte, without carries between them.
    let add = |a: u64, b: u64| ((a & !HIGH) + (b & !HIGH)) ^ ((a ^ b) & HIGH);
    // The first byte is itself, without the 128 that is taken off all of them.
    let mut before = 128u8;
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        let mut sums = u64::from_le_bytes(*chunk) ^ HIGH;
        for step in [8, 16, 32] {
            sums = add(sums, sums << step);
        }
        sums = add(sums, u64::from(before) * ONES);
        *chunk = sums.to_le_bytes();
        before = chunk[7];
    }
    for byte in rest {
        before = byte.wrapping_sub(128).wrapping_add(before);
        *byte = before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(bytes: usize, mut seed: u32) -> Vec<u8> {
        (0..bytes)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            })
            .collect()
    }

    #[test]
    fn differences_and_halves_are_undone() {
        for bytes in [0, 1, 2, 15, 16, 17, 33, 1000, 1001] {
            let raw = noise(bytes, bytes as u32);
            let (mut parted, mut differences) = (Vec::new(), Vec::new());
            part_bytes(&raw, &mut parted);
            to_differences(&parted, &mut differences);
            if let [first, ..] = raw[..] {
                assert_eq!(differences[0], first, "the first byte is itself");
            }
            from_differences(&mut differences);
            assert_eq!(differences, parted, "{bytes}");
            let mut back = vec![0; bytes];
            join_bytes(&parted, &mut back);
            assert_eq!(back, raw, "{bytes}");
        }
    }

    /// What is packed here is what crate `exr` restores, and the other way round.
    #[test]
    fn zip_is_the_format_s() {
        let channels = [
            Channel {
                name: "A".into(),
                sample: Sample::Half,
                linear: false,
            },
            Channel {
                name: "Z".into(),
                sample: Sample::Float,
                linear: false,
            },
        ];
        let codec = Codec::new(&channels, 4);
        let smooth: Vec<u8> = (0..37 * 16 * 6u32).map(|i| (i / 97) as u8).collect();
        for raw in [smooth, noise(37 * 16 * 6, 5)] {
            let mut ours = Vec::new();
            codec.pack(Method::Zip, (37, 16), &raw, &mut ours).unwrap();
            let header = codec.header(Method::Zip, 37, 16);
            let zip = Compression::ZIP16;
            let theirs = zip
                .compress_image_section_to_le(&header, raw.clone(), section(37, 16))
                .unwrap();
            let restored = zip
                .decompress_image_section_from_le(&header, ours, section(37, 16), true)
                .unwrap();
            assert!(restored == raw);
            assert!(codec.restore(Method::Zip, (37, 16), theirs).unwrap() == raw);
        }
    }

    #[test]
    fn bytes_that_are_no_block_are_refused_by_every_method() {
        let channels = [Channel {
            name: "R".into(),
            sample: Sample::Half,
            linear: false,
        }];
        let codec = Codec::new(&channels, 4);
        for method in Method::ALL {
            for bytes in [0, 1, 7, 40, 300] {
                let refused = codec.restore(method, (33, 17), noise(bytes, 9));
                // Run lengths of noise may happen to fit; a wrong number of samples may not.
                assert!(
                    refused.is_err() || refused.is_ok_and(|raw| raw.len() == 33 * 17 * 2),
                    "{method:?} of {bytes} bytes"
                );
            }
        }
    }
}
