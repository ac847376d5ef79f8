//! A film of a shot, by the program `ffmpeg`.
//!
//! Pictures are read here, shown through a view, and fed to it raw, sixteen bits a sample, one after
//! the other: so frames cannot get out of order, numbers need not be gapless, and of EXRs the film
//! shows what the view says and not what ffmpeg makes of them. The next picture is read while the
//! last one is encoded; no more wait.
//!
//! Refuses holes unless told what to do with them, and pictures that are not alike. Odd sides get
//! their last line twice where the codec takes even ones only.
//!
//! Invariant: the film has its name only when ffmpeg has ended well and every frame is in it; ffmpeg is
//! gone when this returns.

mod arguments;
mod check;
mod feed;
mod program;
mod rate;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

pub use rate::Rate;

use crate::sequence::{Alike, Cell, SequenceError, check_alike, frames_in_words, holes};
use crate::shown::PictureError;
use crate::view::View;
use crate::whole::{Output, Unfinished, WriteError};

/// What the film's stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// H.264 with 4:2:0, for looking at.
    H264,
    /// ProRes 422 HQ, for editing.
    ProRes422,
    /// ProRes 4444, with alpha.
    ProRes4444,
}

impl Codec {
    /// What a film of this name is: `.mp4` and `.mkv` are H.264, `.mov` is ProRes, with alpha where
    /// that is wanted. `None` for other names.
    #[must_use]
    pub fn of_name(path: &Path, alpha: bool) -> Option<Self> {
        match (Container::of_name(path)?, alpha) {
            (Container::QuickTime, true) => Some(Self::ProRes4444),
            (Container::QuickTime, false) => Some(Self::ProRes422),
            (Container::Mp4 | Container::Matroska, _) => Some(Self::H264),
        }
    }
}

/// What holds the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Mp4,
    QuickTime,
    Matroska,
}

impl Container {
    fn of_name(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "mp4" => Some(Self::Mp4),
            "mov" => Some(Self::QuickTime),
            "mkv" => Some(Self::Matroska),
            _ => None,
        }
    }

    /// For other names: what the codec is at home in.
    fn of_codec(codec: Codec) -> Self {
        match codec {
            Codec::H264 => Self::Mp4,
            Codec::ProRes422 | Codec::ProRes4444 => Self::QuickTime,
        }
    }
}

/// What becomes of frames without a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Holes {
    /// No film.
    #[default]
    Refuse,
    /// Their time is left out.
    Skip,
    /// The frame before stands longer; at the beginning, the first one.
    Repeat,
    /// Black, or nothing where there is alpha.
    Black,
}

/// Constant rate factor of H.264 when nothing is typed: hardly told from its source.
pub const CRF: u8 = 18;

/// What a film is made of.
#[derive(Clone, Debug)]
pub struct Film<'a> {
    /// Frames in the order of their numbers.
    pub cells: &'a [Cell],
    /// Frames a second.
    pub rate: Rate,
    /// What it is encoded with.
    pub codec: Codec,
    /// Constant rate factor, 0 to 51; H.264 only.
    pub crf: u8,
    /// What EXRs go through.
    pub view: &'a View,
    /// Which layer of EXRs, or which pass of a layer: `beauty.Combined`.
    pub layer: Option<&'a str>,
    /// What becomes of holes.
    pub holes: Holes,
    /// ffmpeg; a bare name is looked for on the PATH.
    pub program: &'a Path,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Frames of the film.
    pub frames: u64,
    /// Its width, after padding.
    pub width: usize,
    /// Its height, after padding.
    pub height: usize,
    /// Frames that had no picture.
    pub holes: Vec<i32>,
    /// Whether the pictures went through the view.
    pub is_light: bool,
    /// Its size.
    pub bytes: u64,
}

/// Why there is no film.
#[derive(Debug, thiserror::Error)]
pub enum FilmError {
    /// There are no pictures.
    #[error("there is no picture to make a film of")]
    Nothing,
    /// Some frames have no picture.
    #[error("{} no picture", frames_in_words(.0, "has", "have"))]
    Holes(Vec<i32>),
    /// The pictures do not belong together.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// A picture cannot be shown.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// ffmpeg is not there.
    #[error("cannot find `{}`, which makes films", .0.display())]
    NoProgram(PathBuf),
    /// It cannot be started.
    #[error("cannot start `{}`, which makes films", program.display())]
    Start {
        /// Which.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It failed.
    #[error("ffmpeg {how}{}", after_colon(said))]
    Failed {
        /// How it ended.
        how: String,
        /// The last it said.
        said: String,
    },
    /// Larger than the codec takes.
    #[error("{width}x{height} pixels are more than the film's codec takes, {most} a side")]
    TooLarge {
        /// The pictures'.
        width: usize,
        /// The pictures'.
        height: usize,
        /// The codec's.
        most: usize,
    },
    /// It was cancelled.
    #[error("the film was cancelled")]
    Cancelled,
}

impl FilmError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Holes(_) => Some(
                "render them, or make the film without them: --holes skip, repeat or black"
                    .to_owned(),
            ),
            Self::NoProgram(_) => Some(
                "install ffmpeg (Debian: apt install ffmpeg), or put it on the PATH".to_owned(),
            ),
            Self::TooLarge { .. } => {
                Some("a .mov takes larger pictures; or render smaller ones".to_owned())
            }
            Self::Sequence(error) => error.hint(),
            Self::Picture(error) => error.hint(),
            Self::Nothing => Some("choose frames that have pictures with -f".to_owned()),
            Self::Start { .. } => Some("install ffmpeg anew, or put another one first".to_owned()),
            Self::Failed { .. } => {
                Some("nothing was written; is there room, and is this ffmpeg whole?".to_owned())
            }
            Self::Write(_) | Self::Cancelled => None,
        }
    }
}

fn after_colon(said: &str) -> String {
    if said.is_empty() {
        String::new()
    } else {
        format!(": {said}")
    }
}

/// Makes a film. Blocks until it is whole; `progress` is told how many frames of how many have
/// gone to ffmpeg, and setting `cancel` from another thread ends it within a tenth of a second or
/// the reading of a picture.
pub fn encode(
    film: &Film<'_>,
    output: &Output,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Made, FilmError> {
    let missing = holes(film.cells);
    if film.holes == Holes::Refuse && !missing.is_empty() && missing.len() < film.cells.len() {
        return Err(FilmError::Holes(missing));
    }
    let alike = check_alike(film.cells)?.ok_or(FilmError::Nothing)?;
    let size = arguments::padded(film.codec, &alike)?;
    let unfinished = Unfinished::begin(output)?;
    let container =
        Container::of_name(&output.path).unwrap_or_else(|| Container::of_codec(film.codec));
    let arguments = arguments::of(film, container, size, unfinished.path());
    let plan = feed::plan(film);
    let mut ffmpeg = program::Ffmpeg::start(film.program, &arguments)?;
    let fed = feed::feed(film, &plan, size, &mut ffmpeg, cancel, progress);
    let said = ffmpeg.end(fed, cancel)?;
    let whole = match container {
        Container::Mp4 | Container::QuickTime => check::check(unfinished.file(), plan.len() as u64),
        // Not looked into, so any complaint of ffmpeg counts.
        Container::Matroska if said.is_empty() => Ok(()),
        Container::Matroska => Err("as it says".to_owned()),
    };
    whole.map_err(|why| FilmError::Failed {
        how: format!("left a film that is not whole, {why}"),
        said,
    })?;
    Ok(Made {
        frames: plan.len() as u64,
        width: size.0,
        height: size.1,
        holes: missing,
        is_light: alike.is_light,
        bytes: unfinished.finish()?,
    })
}

/// Whether pictures have an alpha that a film could keep.
#[must_use]
pub fn has_alpha(alike: &Alike) -> bool {
    let is_alpha = |channel: &String| {
        let name = channel.split(':').next().unwrap_or_default();
        name.rsplit('.').next() == Some("A")
    };
    alike.channels.iter().any(is_alpha)
}
