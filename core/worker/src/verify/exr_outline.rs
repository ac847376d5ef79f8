//! What can be said of an EXR whose samples the decoder does not support: its headers, its table
//! of chunks, and whether the file is long enough for them.
//!
//! Follows "Technical Introduction to OpenEXR" and "OpenEXR File Layout" of the format's authors.

use std::io::{BufRead, Read, Seek};

use super::{Flaw, Found, check_claim};

/// Headers of real pictures are a few kilobytes; previews and metadata make some larger.
const HEADERS_BYTES_MAX: u64 = 64 << 20;
const NAME_BYTES_MAX: usize = 255;
const PARTS_MAX: usize = 4096;

const FLAG_TILED: u32 = 0x200;
const FLAG_DEEP: u32 = 0x800;
const FLAG_MULTIPART: u32 = 0x1000;

/// How the channels of a file are told: with the name of their part where there are several.
#[derive(Clone, Copy, Debug)]
pub(super) struct Naming {
    with_part: bool,
}

impl Naming {
    pub(super) fn of(parts: usize) -> Self {
        Self {
            with_part: parts > 1,
        }
    }

    /// `R` of part `beauty` is `beauty.R`; a name that already begins so stays.
    pub(super) fn channel(self, part: Option<&str>, channel: &str) -> String {
        match part {
            Some(part) if self.with_part && !part.is_empty() => {
                let prefix = format!("{part}.");
                if channel.starts_with(&prefix) {
                    channel.to_owned()
                } else {
                    prefix + channel
                }
            }
            _ => channel.to_owned(),
        }
    }
}

/// One part's header, as far as it matters here.
#[derive(Debug, Default)]
struct Part {
    name: Option<String>,
    channels: Vec<(String, &'static str)>,
    data_window: Option<[i32; 4]>,
    display_window: Option<[i32; 4]>,
    chunks: Option<u64>,
    tiled: bool,
    deep: bool,
}

/// Headers of all parts, and where the table of chunks begins.
struct Outline {
    parts: Vec<Part>,
    multipart: bool,
    table_at: u64,
}

pub(super) fn check<R: BufRead + Seek>(mut file: R, file_bytes: u64) -> Result<Found, Flaw> {
    file.rewind().map_err(super::unreadable)?;
    let outline = read_headers(&mut file)?;
    let parts = &outline.parts;
    let naming = Naming::of(parts.len());
    let mut sizes = Vec::new();
    for part in parts {
        let window = part.data_window.ok_or_else(|| lacks("data window"))?;
        let (width, height) = size(window)?;
        check_claim(width.into(), height.into(), 0)?;
        if sizes.is_empty() {
            sizes.push(size(
                part.display_window.ok_or_else(|| lacks("display window"))?,
            )?);
            sizes.push((width, height));
        } else if sizes[1..] != [(width, height)] {
            sizes.truncate(1);
        }
    }
    let last = check_table(&mut file, &outline, file_bytes)?;
    check_last_chunk(&mut file, &outline, last, file_bytes)?;
    let channels = parts
        .iter()
        .flat_map(|part| {
            part.channels.iter().map(|(channel, kind)| {
                format!("{}:{kind}?", naming.channel(part.name.as_deref(), channel))
            })
        })
        .collect();
    Ok(Found { sizes, channels })
}

fn lacks(what: &str) -> Flaw {
    Flaw::new(format!("is not a whole EXR: it has no {what}"))
}

fn size([left, top, right, bottom]: [i32; 4]) -> Result<(u32, u32), Flaw> {
    let side = |from: i32, to: i32| u32::try_from(i64::from(to) - i64::from(from) + 1).ok();
    match (side(left, right), side(top, bottom)) {
        (Some(width), Some(height)) => Ok((width, height)),
        _ => Err(Flaw::new("is not a whole EXR: a window is upside down")),
    }
}

fn read_headers<R: BufRead>(file: &mut R) -> Result<Outline, Flaw> {
    let mut reader = Cursor {
        file: file.take(HEADERS_BYTES_MAX),
        at: 0,
    };
    let [_magic, version] = [reader.number()?, reader.number()?];
    let multipart = version & FLAG_MULTIPART != 0;
    let mut parts: Vec<Part> = Vec::new();
    while let Some(mut part) = read_header(&mut reader)? {
        part.tiled |= version & FLAG_TILED != 0;
        part.deep |= version & FLAG_DEEP != 0 && !multipart;
        parts.push(part);
        if !multipart {
            break;
        }
        if parts.len() > PARTS_MAX {
            return Err(Flaw::new(format!("claims more than {PARTS_MAX} parts")));
        }
    }
    if parts.is_empty() {
        return Err(lacks("header"));
    }
    Ok(Outline {
        parts,
        multipart,
        table_at: reader.at,
    })
}

/// The attributes up to an empty name; `None` when there are none.
fn read_header<R: Read>(reader: &mut Cursor<R>) -> Result<Option<Part>, Flaw> {
    let mut part = Part::default();
    let mut empty = true;
    loop {
        let name = reader.text()?;
        if name.is_empty() {
            return Ok((!empty).then_some(part));
        }
        empty = false;
        let kind = reader.text()?;
        let bytes = reader.number()?;
        let value = reader.take(bytes.into())?;
        match (name.as_str(), kind.as_str()) {
            ("name", "string") => part.name = Some(String::from_utf8_lossy(&value).into_owned()),
            ("type", "string") => {
                part.tiled = value.ends_with(b"tile") || value.starts_with(b"tile");
                part.deep = value.starts_with(b"deep");
            }
            ("dataWindow", "box2i") => part.data_window = window(&value),
            ("displayWindow", "box2i") => part.display_window = window(&value),
            ("chunkCount", "int") => {
                part.chunks = value.first_chunk().map(|n| u32::from_le_bytes(*n).into());
            }
            ("channels", "chlist") => part.channels = channels(&value)?,
            _ => {}
        }
    }
}

fn window(value: &[u8]) -> Option<[i32; 4]> {
    let (numbers, _) = value.as_chunks::<4>();
    let numbers: Vec<i32> = numbers.iter().map(|n| i32::from_le_bytes(*n)).collect();
    numbers.try_into().ok()
}

fn channels(value: &[u8]) -> Result<Vec<(String, &'static str)>, Flaw> {
    let mut reader = Cursor { file: value, at: 0 };
    let mut channels = Vec::new();
    loop {
        let name = reader.text()?;
        if name.is_empty() {
            return Ok(channels);
        }
        let kind = match reader.number()? {
            0 => "uint",
            1 => "half",
            2 => "float",
            other => return Err(Flaw::new(format!("has a channel of unknown type {other}"))),
        };
        // Linearity, three reserved bytes, two samplings.
        reader.take(12)?;
        channels.push((name, kind));
    }
}

/// Every entry must point behind the table and into the file; gives the entry furthest behind.
fn check_table<R: BufRead + Seek>(
    file: &mut R,
    outline: &Outline,
    file_bytes: u64,
) -> Result<u64, Flaw> {
    let mut reader = cursor_at(file, outline.table_at)?;
    let claimed: Option<u64> = outline.parts.iter().map(|part| part.chunks).sum();
    let first = reader.offset()?;
    // The first chunk follows the table in every file that is written front to back.
    let entries = claimed.unwrap_or(first.saturating_sub(outline.table_at) / 8);
    let table_end = outline.table_at.saturating_add(entries.saturating_mul(8));
    let (mut offset, mut last) = (first, first);
    for entry in 0..entries {
        if entry > 0 {
            offset = reader.offset()?;
        }
        if offset < table_end || offset >= file_bytes {
            return Err(Flaw::truncated(
                "lacks blocks of its picture, expected a whole EXR",
            ));
        }
        last = last.max(offset);
    }
    if entries == 0 {
        return Err(Flaw::truncated("holds no blocks, expected a whole EXR"));
    }
    Ok(last)
}

/// The chunk furthest behind must end within the file.
fn check_last_chunk<R: BufRead + Seek>(
    file: &mut R,
    outline: &Outline,
    at: u64,
    file_bytes: u64,
) -> Result<(), Flaw> {
    let mut reader = cursor_at(file, at)?;
    let number = if outline.multipart {
        reader.number()?
    } else {
        0
    };
    let part = outline
        .parts
        .get(number as usize)
        .ok_or_else(|| Flaw::new(format!("is not a whole EXR: it has no part {number}")))?;
    let place_bytes = if part.tiled { 16 } else { 4 };
    reader.take(place_bytes)?;
    let bytes = if part.deep {
        let [table, packed, _unpacked] = [reader.offset()?, reader.offset()?, reader.offset()?];
        table.saturating_add(packed)
    } else {
        reader.number()?.into()
    };
    if at.saturating_add(reader.at).saturating_add(bytes) > file_bytes {
        return Err(Flaw::truncated(
            "ends within its last block, expected a whole EXR",
        ));
    }
    Ok(())
}

fn cursor_at<R: BufRead + Seek>(
    file: &mut R,
    at: u64,
) -> Result<Cursor<std::io::Take<&mut R>>, Flaw> {
    file.seek(std::io::SeekFrom::Start(at))
        .map_err(super::unreadable)?;
    Ok(Cursor {
        file: file.take(HEADERS_BYTES_MAX),
        at: 0,
    })
}

/// Reads numbers and names, and counts.
struct Cursor<R> {
    file: R,
    at: u64,
}

impl<R: Read> Cursor<R> {
    fn take(&mut self, bytes: u64) -> Result<Vec<u8>, Flaw> {
        let mut value = Vec::new();
        let read = (&mut self.file)
            .take(bytes)
            .read_to_end(&mut value)
            .map_err(super::unreadable)? as u64;
        self.at += read;
        if read < bytes {
            return Err(Flaw::truncated(
                "ends within its headers, expected a whole EXR",
            ));
        }
        Ok(value)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let value = self.take(N as u64)?;
        value
            .try_into()
            .map_err(|_| Flaw::truncated("ends within its headers"))
    }

    fn number(&mut self) -> Result<u32, Flaw> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn offset(&mut self) -> Result<u64, Flaw> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<String, Flaw> {
        let mut text = Vec::new();
        loop {
            let [byte] = self.array()?;
            if byte == 0 {
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
            if text.len() == NAME_BYTES_MAX {
                return Err(Flaw::new("is not a whole EXR: a name is too long"));
            }
            text.push(byte);
        }
    }
}
