//! Is this file the picture that was wanted?
//!
//! A picture is read to its last byte: every chunk is decoded, checksums are compared, floats are
//! searched for NaN (infinities are allowed: highlights and depth have them). It is synced to
//! disk before it is called good. Rows and blocks are decoded one at a time, so memory does not
//! grow with the picture, and what a header claims is checked before anything is allocated for it.
//!
//! What the decoder does not support (deep data, subsampled channels, codecs of later OpenEXR
//! versions) is no fault of the picture: its headers, its table of chunks and its length are
//! checked then, and the types of its channels get a `?` to say that no sample was looked at.

pub(crate) mod disk;
mod exr;
mod exr_outline;
mod png;

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use crate::message::{Checked, Expect, Picture};

/// A header that claims more pixels is not believed.
const PIXELS_MAX: u64 = 1 << 30;

/// The same for what must be decoded in one piece: a block of an EXR, a row of a PNG.
const PIECE_BYTES_MAX: u64 = 1 << 30;

/// What is wrong with a picture, as the end of a sentence that begins with its path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    what: String,
    /// The file ends before the picture does.
    truncated: bool,
}

impl Flaw {
    fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            truncated: false,
        }
    }

    fn truncated(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            truncated: true,
        }
    }
}

/// What a decoder found in a whole picture.
#[derive(Debug)]
struct Found {
    /// The sizes that the picture may be said to have, the most telling first.
    sizes: Vec<(u32, u32)>,
    /// `name:type`.
    channels: Vec<String>,
}

/// Decodes a picture and says whether it is what was wanted. Blocks for as long as reading,
/// decoding and syncing take.
///
/// An EXR has the size of its display window; where the whole data window of every part has the
/// wanted size instead, as that of a tile can, that is accepted too.
#[must_use]
pub fn verify(path: &Path, expect: &Expect) -> Checked {
    // A decoder that panics has met a broken picture; it must not take its thread along.
    let checked = std::panic::catch_unwind(|| check(path, expect))
        .unwrap_or_else(|_| Err(Flaw::new("brings the decoder to its knees")));
    match checked {
        Ok(picture) => Checked::Good(picture),
        Err(flaw) => Checked::Bad {
            why: format!("{} {}", path.display(), flaw.what),
            disk_full: disk::is_full(path, flaw.truncated),
        },
    }
}

fn check(path: &Path, expect: &Expect) -> Result<Picture, Flaw> {
    let decode = match expect.format.as_str() {
        "png" => png::decode,
        "exr" => exr::decode,
        other => {
            return Err(Flaw::new(format!(
                "has a format that cannot be verified: {other:?}"
            )));
        }
    };
    let mut file = open(path)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    check_kind(&mut file, &expect.format)?;
    let hash = hash(&mut file)?;
    let mut reader = BufReader::with_capacity(256 << 10, &file);
    reader.rewind().map_err(unreadable)?;
    let found = decode(reader, bytes)?;
    let (width, height) = check_size(&found.sizes, expect)?;
    check_channels(&found.channels, &expect.channels)?;
    if file.metadata().map_err(unreadable)?.len() != bytes {
        return Err(Flaw::new("is still being written"));
    }
    file.sync_data()
        .map_err(|reason| Flaw::new(format!("cannot be brought to disk: {reason}")))?;
    Ok(Picture {
        width,
        height,
        channels: found.channels,
        bytes,
        hash,
    })
}

fn unreadable(reason: std::io::Error) -> Flaw {
    Flaw::new(format!("cannot be read: {reason}"))
}

/// Opens a regular file; anything else could block for ever.
fn open(path: &Path) -> Result<File, Flaw> {
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Flaw::new("was not written"));
        }
        Err(error) => return Err(unreadable(error)),
    };
    if metadata.is_dir() {
        return Err(Flaw::new("is a folder, not a picture"));
    }
    if !metadata.is_file() {
        return Err(Flaw::new("is not a regular file"));
    }
    if metadata.len() == 0 {
        return Err(Flaw::truncated("is empty"));
    }
    File::open(path).map_err(unreadable)
}

/// Compares the first bytes with those of the wanted format.
fn check_kind(file: &mut File, wanted: &str) -> Result<(), Flaw> {
    const KINDS: [(&str, &[u8]); 4] = [
        ("png", &[0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a]),
        ("exr", &[0x76, 0x2f, 0x31, 0x01]),
        ("jpeg", &[0xff, 0xd8, 0xff]),
        ("tiff", b"II*\0"),
    ];
    let mut start = Vec::new();
    file.take(8).read_to_end(&mut start).map_err(unreadable)?;
    match KINDS.iter().find(|(_, magic)| start.starts_with(magic)) {
        Some((kind, _)) if *kind == wanted => Ok(()),
        Some((kind, _)) => Err(Flaw::new(format!("is {kind}, expected {wanted}"))),
        None => {
            let cut = KINDS
                .iter()
                .any(|(kind, magic)| *kind == wanted && magic.starts_with(&start));
            Err(Flaw {
                what: format!("does not begin like a picture, expected {wanted}"),
                truncated: cut,
            })
        }
    }
}

fn hash(file: &mut File) -> Result<String, Flaw> {
    file.rewind().map_err(unreadable)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(unreadable)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// The size the picture has: one that was wanted, if it has it.
fn check_size(sizes: &[(u32, u32)], expect: &Expect) -> Result<(u32, u32), Flaw> {
    let fits = |wanted: u32, got: u32| wanted == 0 || wanted == got;
    let as_wanted = sizes
        .iter()
        .find(|(width, height)| fits(expect.width, *width) && fits(expect.height, *height));
    match (as_wanted, sizes.first()) {
        (Some(size), _) => Ok(*size),
        (None, Some((width, height))) => {
            let wanted = |wanted: u32| match wanted {
                0 => "any".to_owned(),
                wanted => wanted.to_string(),
            };
            Err(Flaw::new(format!(
                "has {width}x{height} pixels, expected {}x{}",
                wanted(expect.width),
                wanted(expect.height)
            )))
        }
        (None, None) => Err(Flaw::new("has no size")),
    }
}

fn check_channels(found: &[String], wanted: &[String]) -> Result<(), Flaw> {
    let name = |channel: &String| channel.rsplit_once(':').map(|(name, _)| name.to_owned());
    let names: Vec<String> = found.iter().filter_map(name).collect();
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|wanted| !names.contains(wanted))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Flaw::new(format!(
        "lacks {}, it has {}",
        shown(&missing),
        shown(&names)
    )))
}

/// A list that stays a sentence.
fn shown<T: AsRef<str>>(names: &[T]) -> String {
    const SHOWN_MAX: usize = 12;
    let mut text = names
        .iter()
        .take(SHOWN_MAX)
        .map(AsRef::as_ref)
        .collect::<Vec<&str>>()
        .join(", ");
    if names.len() > SHOWN_MAX {
        text.push_str(&format!(" and {} more", names.len() - SHOWN_MAX));
    }
    if names.is_empty() {
        text.push_str("no channels");
    }
    text
}

/// Refuses what no renderer makes, before anything is allocated for it.
fn check_claim(width: u64, height: u64, piece_bytes: u64) -> Result<(), Flaw> {
    if width.saturating_mul(height) > PIXELS_MAX || piece_bytes > PIECE_BYTES_MAX {
        return Err(Flaw::new(format!(
            "claims an absurd size of {width}x{height} pixels"
        )));
    }
    if width == 0 || height == 0 {
        return Err(Flaw::new("has no pixels"));
    }
    Ok(())
}
