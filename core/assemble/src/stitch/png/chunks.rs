//! A PNG's chunks but its samples: size, colours, metadata, and whether the file has its end.
//!
//! Follows "Portable Network Graphics (PNG) Specification (Third Edition)" of the W3C.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use png::ColorType;

use super::{Pixels, SIGNATURE};
use crate::openexr::SIDE_MAX;
use crate::stitch::look::{broken, is_of_one_tile, unreadable, unsupported};
use crate::stitch::{StitchError, Tile};

/// Metadata of a picture are a few kilobytes, colour profiles some megabytes.
const METADATA_BYTES_MAX: u64 = 64 << 20;
const CHUNKS_MAX: usize = 1 << 20;

/// A chunk of metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) kind: [u8; 4],
    pub(super) data: Vec<u8>,
}

impl Chunk {
    /// A text's keyword.
    fn keyword(&self) -> Option<&[u8]> {
        matches!(&self.kind, b"tEXt" | b"zTXt" | b"iTXt")
            .then(|| self.data.split(|byte| *byte == 0).next())
            .flatten()
    }

    /// A plain text of this keyword.
    fn text(&self, keyword: &str) -> Option<String> {
        let is_it = &self.kind == b"tEXt" && self.keyword() == Some(keyword.as_bytes());
        let text = self.data.get(keyword.len() + 1..)?;
        // Latin-1.
        is_it.then(|| text.iter().map(|byte| char::from(*byte)).collect())
    }
}

/// What a file's chunks tell.
pub(super) struct Outline {
    pub(super) size: (u32, u32),
    pub(super) pixels: Pixels,
    is_expanded: bool,
    metadata: Vec<Chunk>,
}

/// What describes the whole picture and is kept.
const KEPT: [[u8; 4]; 12] = [
    *b"gAMA", *b"cHRM", *b"sRGB", *b"iCCP", *b"cICP", *b"mDCV", *b"cLLI", *b"pHYs", *b"eXIf",
    *b"tEXt", *b"zTXt", *b"iTXt",
];
/// What is kept where pixels are as they were.
const KEPT_UNEXPANDED: [[u8; 4]; 2] = [*b"sBIT", *b"bKGD"];

impl Outline {
    pub(super) fn read(tile: &Tile, file: &File) -> Result<Self, StitchError> {
        let truncated = || broken(tile, "it ends within its chunks");
        let read = |bytes: &mut [u8], at: u64| {
            file.read_exact_at(bytes, at)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => truncated(),
                    _ => unreadable(tile, error),
                })
        };
        let file_bytes = file
            .metadata()
            .map_err(|error| unreadable(tile, error))?
            .len();
        let mut at = SIGNATURE.len() as u64;
        let mut header = None;
        let mut metadata = Vec::new();
        let mut metadata_bytes = 0;
        let (mut has_samples, mut is_transparent) = (false, false);
        for _ in 0..CHUNKS_MAX {
            let mut head = [0; 8];
            read(&mut head, at)?;
            let [a, b, c, d, kind @ ..] = head;
            let bytes = u64::from(u32::from_be_bytes([a, b, c, d]));
            let next = at + 12 + bytes;
            if next > file_bytes {
                return Err(truncated());
            }
            match &kind {
                b"IHDR" if header.is_none() && bytes == 13 => {
                    let mut data = [0; 13];
                    read(&mut data, at + 8)?;
                    header = Some(data);
                }
                b"IDAT" => has_samples = true,
                b"tRNS" => is_transparent = true,
                b"acTL" => return Err(unsupported(tile, "is animated")),
                b"IEND" => {
                    let header = header.filter(|_| has_samples);
                    let header = header.ok_or_else(|| broken(tile, "it holds no picture"))?;
                    let (size, pixels, is_expanded) = understand(tile, header, is_transparent)?;
                    return Ok(Self {
                        size,
                        pixels,
                        is_expanded,
                        metadata,
                    });
                }
                _ if KEPT.contains(&kind) || KEPT_UNEXPANDED.contains(&kind) => {
                    metadata_bytes += bytes;
                    if metadata_bytes > METADATA_BYTES_MAX {
                        return Err(unsupported(tile, "has more than 64 MiB of metadata"));
                    }
                    let mut data = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
                    read(&mut data, at + 8)?;
                    metadata.push(Chunk { kind, data });
                }
                _ => {}
            }
            at = next;
        }
        Err(broken(tile, "it has more chunks than any picture"))
    }

    /// The text of the first of these keywords that is there.
    pub(super) fn text_of(&self, keys: &[&str]) -> Option<String> {
        let mut keys = keys.iter();
        keys.find_map(|key| self.metadata.iter().find_map(|chunk| chunk.text(key)))
    }

    /// What is true of the whole picture.
    pub(super) fn kept(self) -> Vec<Chunk> {
        let mut metadata = self.metadata;
        metadata.retain(|chunk| {
            let is_as_it_was = KEPT.contains(&chunk.kind) || !self.is_expanded;
            let keyword = chunk.keyword().map(String::from_utf8_lossy);
            is_as_it_was && !keyword.is_some_and(|keyword| is_of_one_tile(&keyword))
        });
        metadata
    }
}

/// Size, pixels once they are expanded, and whether they are.
fn understand(
    tile: &Tile,
    header: [u8; 13],
    is_transparent: bool,
) -> Result<((u32, u32), Pixels, bool), StitchError> {
    let [
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        bits,
        color,
        _method,
        _filter,
        interlace,
    ] = header;
    let size = (
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    );
    if !(1..=SIDE_MAX).contains(&size.0) || !(1..=SIDE_MAX).contains(&size.1) {
        return Err(broken(tile, "it claims an absurd size"));
    }
    if interlace != 0 {
        return Err(unsupported(tile, "is interlaced"));
    }
    let color = match (color, bits, is_transparent) {
        (0, 1 | 2 | 4 | 8 | 16, false) => ColorType::Grayscale,
        (0, 1 | 2 | 4 | 8 | 16, true) => ColorType::GrayscaleAlpha,
        (2, 8 | 16, false) | (3, 1 | 2 | 4 | 8, false) => ColorType::Rgb,
        (2, 8 | 16, true) | (3, 1 | 2 | 4 | 8, true) => ColorType::Rgba,
        (4, 8 | 16, _) => ColorType::GrayscaleAlpha,
        (6, 8 | 16, _) => ColorType::Rgba,
        _ => return Err(broken(tile, "it claims colours that there are not")),
    };
    let is_expanded = header[9] == 3 || bits < 8 || is_transparent;
    let bits = if bits == 16 { 16 } else { 8 };
    Ok((size, Pixels { color, bits }, is_expanded))
}
