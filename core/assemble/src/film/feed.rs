//! Frames on their way to ffmpeg.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use super::arguments::has_alpha;
use super::program::{Ffmpeg, Stop};
use super::{Codec, Film, FilmError, Holes};
use crate::shown::{self, PictureError, Showing, Shown};

/// What stands in a frame of the film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shot<'a> {
    Picture(&'a Path),
    /// The one before again.
    Again,
    Black,
}

/// The film frame by frame, holes filled as was asked for.
pub(super) fn plan<'a>(film: &Film<'a>) -> Vec<Shot<'a>> {
    let pictures = || film.cells.iter().map(|cell| cell.path.as_deref());
    let first = pictures().flatten().next();
    let mut plan = Vec::with_capacity(film.cells.len());
    for picture in pictures() {
        let shot = match (picture, film.holes) {
            (Some(path), _) => Shot::Picture(path),
            (None, Holes::Skip | Holes::Refuse) => continue,
            (None, Holes::Black) => Shot::Black,
            // Before the first picture there is no other to repeat.
            (None, Holes::Repeat) if plan.is_empty() => first.map_or(Shot::Black, Shot::Picture),
            (None, Holes::Repeat) => Shot::Again,
        };
        plan.push(shot);
    }
    plan
}

pub(super) fn feed(
    film: &Film<'_>,
    plan: &[Shot<'_>],
    size: (usize, usize),
    ffmpeg: &mut Ffmpeg,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), Stop> {
    let black = black(film.codec, size);
    std::thread::scope(|threads| {
        // One waits here, one is being read, one is being written.
        let (ready, frames) = sync_channel(0);
        threads.spawn(move || {
            for shot in plan {
                let Shot::Picture(path) = shot else { continue };
                let frame = frame(film, path, size);
                let failed = frame.is_err();
                if ready.send(frame).is_err() || failed {
                    return;
                }
            }
        });
        // Dropped with the closure: a reader that is not heard any more ends.
        ffmpeg.feed(cancel, move |stdin| {
            write(plan, &frames, &black, stdin, cancel, progress)
        })
    })
}

fn write(
    plan: &[Shot<'_>],
    frames: &Receiver<Result<Vec<u8>, PictureError>>,
    black: &[u8],
    stdin: &mut dyn Write,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), Stop> {
    let mut last = Vec::new();
    for (at, shot) in plan.iter().enumerate() {
        if cancel.load(Ordering::Acquire) {
            return Err(Stop::Error(FilmError::Cancelled));
        }
        let bytes = match shot {
            Shot::Picture(_) => {
                last = frames
                    .recv()
                    .map_err(|_| Stop::Closed)?
                    .map_err(|error| Stop::Error(error.into()))?;
                &last[..]
            }
            Shot::Again => &last[..],
            Shot::Black => black,
        };
        stdin.write_all(bytes).map_err(|_| Stop::Closed)?;
        progress(at as u64 + 1, plan.len() as u64);
    }
    Ok(())
}

fn black(codec: Codec, (width, height): (usize, usize)) -> Vec<u8> {
    // Alpha of nothing is zero too.
    vec![0; width * height * pixel_bytes(codec)]
}

fn pixel_bytes(codec: Codec) -> usize {
    if has_alpha(codec) { 8 } else { 6 }
}

/// A picture's bytes, as ffmpeg is told that they come.
fn frame(film: &Film<'_>, path: &Path, size: (usize, usize)) -> Result<Vec<u8>, PictureError> {
    let showing = Showing {
        layer: film.layer,
        alpha: has_alpha(film.codec),
    };
    let shown = shown::read(path, &showing, film.view)?;
    Ok(raw(&shown, film.codec, size))
}

/// Little-endian samples; the last column and row stand twice where the film is larger.
fn raw(shown: &Shown, codec: Codec, (width, height): (usize, usize)) -> Vec<u8> {
    let samples = pixel_bytes(codec) / 2;
    let row_bytes = width * samples * 2;
    let mut bytes = Vec::with_capacity(height * row_bytes);
    for row in shown.pixels.chunks_exact(shown.width) {
        let padding = std::iter::repeat_n(&row[row.len() - 1], width - shown.width);
        for pixel in row.iter().chain(padding) {
            for sample in &pixel[..samples] {
                bytes.extend_from_slice(&sample.to_le_bytes());
            }
        }
    }
    while bytes.len() < height * row_bytes {
        bytes.extend_from_within(bytes.len() - row_bytes..);
    }
    bytes
}
