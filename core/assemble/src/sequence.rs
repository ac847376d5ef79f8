//! The pictures of a shot on disk: found by a pattern, a folder or a wildcard, in the order of
//! their frames, with the holes between them.
//!
//! Refuses to guess: two sequences that fit are an error that names both. A frame that should be
//! there and is not is a hole, also where every second frame is missing: who rendered in steps says
//! so.
//!
//! Invariant: cells are in ascending order of frames, and no frame stands twice.

mod alike;
mod listing;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

pub use alike::{Alike, check_alike};

use crate::shown::PictureError;

/// Most frames from the first to the last: what has more between its numbers is no shot.
pub const FRAMES_MAX: usize = 1_000_000;

/// A frame's place in a shot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The frame's number.
    pub frame: i32,
    /// Its picture; absent = a hole.
    pub path: Option<PathBuf>,
}

/// Why the pictures of a shot are not known.
#[derive(Debug, thiserror::Error)]
pub enum SequenceError {
    /// A folder that cannot be listed.
    #[error("cannot list the folder {}", folder.display())]
    List {
        /// Which.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// What was typed has no place for the frame.
    #[error("`{0}` has no `####` for the frame")]
    NoFrame(String),
    /// What was typed has several.
    #[error("`{0}` has `#` in several places, and the frame can stand in one only")]
    SeveralFrames(String),
    /// Not text.
    #[error("the path {} is not valid UTF-8", .0.display())]
    NotUtf8(PathBuf),
    /// Nothing fits.
    #[error("no picture fits `{0}`")]
    Nothing(String),
    /// Several sequences fit.
    #[error("`{typed}` is {} sequences: {}", patterns.len(), listed(patterns))]
    Several {
        /// What was typed.
        typed: String,
        /// What fits, as patterns.
        patterns: Vec<String>,
    },
    /// A frame has two files.
    #[error("frame {frame} is both {} and {}", first.display(), second.display())]
    Twice {
        /// Which.
        frame: i32,
        /// One.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Frame numbers that are too far apart.
    #[error("the frames of `{typed}` go from {first} to {last}, more than {FRAMES_MAX}")]
    TooMany {
        /// What was typed.
        typed: String,
        /// The lowest.
        first: i32,
        /// The highest.
        last: i32,
    },
    /// Pictures of other sizes than most.
    #[error(
        "{} {} pixels, the others {}x{}: {}",
        frames_in_words(frames, "has", "have"), format_args!("{}x{}", size.0, size.1), others.0, others.1,
        example.display()
    )]
    OtherSize {
        /// Which frames.
        frames: Vec<i32>,
        /// Their (first one's) width and height.
        size: (usize, usize),
        /// Those of the others.
        others: (usize, usize),
        /// The first one's file.
        example: PathBuf,
    },
    /// Pictures of other channels than most.
    #[error(
        "{} the channels {channels}, the others {others}: {}",
        frames_in_words(frames, "has", "have"), example.display()
    )]
    OtherChannels {
        /// Which frames.
        frames: Vec<i32>,
        /// Their (first one's) channels.
        channels: String,
        /// Those of the others.
        others: String,
        /// The first one's file.
        example: PathBuf,
    },
    /// A picture that is none.
    #[error(transparent)]
    Picture(#[from] PictureError),
}

impl SequenceError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoFrame(_) => Some(
                "write the frame's digits as `#`: `shot.####.exr`; a folder or `shot.*.exr` will do"
                    .to_owned(),
            ),
            Self::Several { patterns, .. } => {
                patterns.first().map(|first| format!("name one of them: `{first}`"))
            }
            Self::OtherSize { .. } | Self::OtherChannels { .. } => {
                Some("render them again, or choose the others with -f".to_owned())
            }
            Self::Nothing(_) => Some(
                "pictures are .exr or .png files, with as many digits as there are `#`".to_owned(),
            ),
            Self::TooMany { .. } => Some("choose frames with -f".to_owned()),
            Self::Picture(error) => error.hint(),
            Self::List { .. } => {
                Some("check the path; it counts from the current folder".to_owned())
            }
            Self::SeveralFrames(_) => Some("keep one run of `#`".to_owned()),
            Self::NotUtf8(_) => Some("rename it, or make a link with another name".to_owned()),
            Self::Twice { .. } => Some("write the digits as `#`: `shot.####.exr`".to_owned()),
        }
    }
}

/// The pictures that fit what was typed, in the order of their frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    typed: String,
    stills: Vec<(i32, PathBuf)>,
}

impl Sequence {
    /// Looks for the pictures of `shot.####.exr`, `shot.%04d.exr`, `shot.*.exr`, or of a folder.
    pub fn find(typed: &Path) -> Result<Self, SequenceError> {
        let text = typed
            .to_str()
            .ok_or_else(|| SequenceError::NotUtf8(typed.to_owned()))?;
        let stills = listing::find(text)?;
        if stills.is_empty() {
            return Err(SequenceError::Nothing(text.to_owned()));
        }
        Ok(Self {
            typed: text.to_owned(),
            stills,
        })
    }

    /// Every frame from the first picture to the last; holes have no picture.
    pub fn cells(&self) -> Result<Vec<Cell>, SequenceError> {
        let (first, last) = match (self.stills.first(), self.stills.last()) {
            (Some((first, _)), Some((last, _))) => (*first, *last),
            _ => return Err(SequenceError::Nothing(self.typed.clone())),
        };
        if i64::from(last) - i64::from(first) >= FRAMES_MAX as i64 {
            return Err(SequenceError::TooMany {
                typed: self.typed.clone(),
                first,
                last,
            });
        }
        Ok(self.chosen(first..=last))
    }

    /// These frames, which must be ascending; those without a picture are holes.
    #[must_use]
    pub fn chosen(&self, frames: impl IntoIterator<Item = i32>) -> Vec<Cell> {
        let cell = |frame| Cell {
            frame,
            path: self
                .stills
                .binary_search_by_key(&frame, |(frame, _)| *frame)
                .ok()
                .map(|at| self.stills[at].1.clone()),
        };
        frames.into_iter().map(cell).collect()
    }
}

/// The frames that have no picture.
#[must_use]
pub fn holes(cells: &[Cell]) -> Vec<i32> {
    let hole = |cell: &Cell| cell.path.is_none().then_some(cell.frame);
    cells.iter().filter_map(hole).collect()
}

/// Ascending frames as people write them: `3, 7-9`; `1-99x2` where three or more keep a distance.
#[must_use]
pub fn frame_set(frames: &[i32]) -> String {
    let mut text = String::new();
    let mut rest = frames;
    while let [first, after @ ..] = rest {
        let step = after.first().map_or(1, |next| next.wrapping_sub(*first));
        let run = 1 + rest
            .windows(2)
            .take_while(|pair| pair[1].wrapping_sub(pair[0]) == step)
            .count();
        let run = if step == 1 || run > 2 { run } else { 1 };
        if !text.is_empty() {
            text.push_str(", ");
        }
        // A set that begins with a sign needs the dots.
        let to = if rest[..run].iter().any(|frame| *frame < 0) {
            ".."
        } else {
            "-"
        };
        let _ = match (run, step) {
            (1, _) => write!(text, "{first}"),
            (_, 1) => write!(text, "{first}{to}{}", rest[run - 1]),
            _ => write!(text, "{first}{to}{}x{step}", rest[run - 1]),
        };
        rest = &rest[run..];
    }
    text
}

/// `frame 3 has`, `frames 3, 7-9 have`; long lists are cut.
pub(crate) fn frames_in_words(frames: &[i32], one: &str, several: &str) -> String {
    const CHARS_MAX: usize = 120;
    match frames {
        [frame] => format!("frame {frame} {one}"),
        _ => {
            let mut set = frame_set(frames);
            if set.len() > CHARS_MAX {
                let end = set[..CHARS_MAX].rfind(", ").unwrap_or(CHARS_MAX);
                set.truncate(end);
                let _ = write!(set, ", … ({} in all)", frames.len());
            }
            format!("frames {set} {several}")
        }
    }
}

fn listed(patterns: &[String]) -> String {
    const SHOWN_MAX: usize = 4;
    let mut text = patterns
        .iter()
        .take(SHOWN_MAX)
        .map(|pattern| format!("`{pattern}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if patterns.len() > SHOWN_MAX {
        text.push_str(", …");
    }
    text
}
