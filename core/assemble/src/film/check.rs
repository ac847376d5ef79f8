//! Is the film whole? ffmpeg ends with exit code 0 when the disk is full at the end of a file, so
//! its boxes are looked at: they must fill the file, and the index must have every frame.
//!
//! Follows ISO/IEC 14496-12 and Apple's "QuickTime File Format", which agree on what is read here.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// Indices of films are a few bytes a frame.
const INDEX_BYTES_MAX: u64 = 256 << 20;

/// What is wrong, as the end of a sentence about the film.
pub(super) fn check(file: &File, frames: u64) -> Result<(), String> {
    match look(file, frames) {
        Ok(found) => found,
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
}

fn look(mut file: &File, frames: u64) -> io::Result<Result<(), String>> {
    let bytes = file.metadata()?.len();
    let mut at = 0;
    let mut media_bytes = 0;
    let mut index = None;
    while at < bytes {
        file.seek(SeekFrom::Start(at))?;
        let Some((kind, size, head)) = box_at(file, bytes - at)? else {
            return Ok(Err("it ends too early".to_owned()));
        };
        match &kind {
            b"mdat" => media_bytes += size - head,
            b"moov" if size <= INDEX_BYTES_MAX => {
                let mut moov = Vec::new();
                file.take(size - head).read_to_end(&mut moov)?;
                index = Some(moov);
            }
            _ => {}
        }
        at += size;
    }
    let Some(index) = index else {
        return Ok(Err("it has no index".to_owned()));
    };
    let sizes = [b"trak", b"mdia", b"minf", b"stbl", b"stsz"]
        .iter()
        .try_fold(index.as_slice(), |inside, kind| within(inside, kind));
    let Some((count, sum)) = sizes.and_then(samples) else {
        return Ok(Err("its index is broken".to_owned()));
    };
    if count != frames {
        return Ok(Err(format!("it has {count} of {frames} frames")));
    }
    if sum > media_bytes {
        return Ok(Err("it lacks some of its frames".to_owned()));
    }
    Ok(Ok(()))
}

/// The box that begins here: its kind, its size, and how much of that is its head. `None` where it is
/// longer than what is left.
fn box_at(mut file: impl Read, left: u64) -> io::Result<Option<([u8; 4], u64, u64)>> {
    if left < 8 {
        return Ok(None);
    }
    let (mut size, mut kind) = ([0; 4], [0; 4]);
    file.read_exact(&mut size)?;
    file.read_exact(&mut kind)?;
    let (size, head) = match u32::from_be_bytes(size) {
        // To the end of the file.
        0 => (left, 8),
        1 if left >= 16 => {
            let mut size = [0; 8];
            file.read_exact(&mut size)?;
            (u64::from_be_bytes(size), 16)
        }
        size => (u64::from(size), 8),
    };
    Ok((head..=left).contains(&size).then_some((kind, size, head)))
}

/// What the first box of this kind holds.
fn within<'a>(mut boxes: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    loop {
        let (kind, size, head) = box_at(boxes, boxes.len() as u64).ok()??;
        let (this, after) = boxes.split_at(usize::try_from(size).ok()?);
        if kind == *wanted {
            return this.get(usize::try_from(head).ok()?..);
        }
        boxes = after;
    }
}

/// How many frames there are, and their bytes.
fn samples(stsz: &[u8]) -> Option<(u64, u64)> {
    let (numbers, _) = stsz.as_chunks::<4>();
    let mut numbers = numbers.iter().map(|n| u64::from(u32::from_be_bytes(*n)));
    let _version = numbers.next()?;
    let (each, count) = (numbers.next()?, numbers.next()?);
    if each > 0 {
        return Some((count, each.saturating_mul(count)));
    }
    let sizes: Vec<u64> = numbers.collect();
    (sizes.len() as u64 == count).then(|| (count, sizes.iter().sum()))
}
