//! Why there is no picture, in one sentence that names the tile.

use std::io;
use std::path::PathBuf;

use crate::rect::Rect;
use crate::whole::WriteError;

/// Why tiles were not stitched.
#[derive(Debug, thiserror::Error)]
pub enum StitchError {
    /// The plan itself cannot be meant.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Files are not there.
    #[error("tile {name} is missing: there is no file {}{}", path.display(), and_more(more))]
    Missing {
        /// The first of them.
        name: String,
        /// Where it should be.
        path: PathBuf,
        /// The names of the others.
        more: Vec<String>,
    },
    /// The file cannot be read for a reason outside it.
    #[error("tile {name} cannot be read from {}", path.display())]
    Unreadable {
        /// The tile.
        name: String,
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Truncated or corrupt.
    #[error("tile {name} is broken: {why}")]
    Broken {
        /// The tile.
        name: String,
        /// A clause, such as "it ends within a block".
        why: String,
    },
    /// A whole file of a kind that cannot be stitched.
    #[error("tile {name} {why}, which cannot be stitched")]
    Unsupported {
        /// The tile.
        name: String,
        /// A clause, such as "holds deep samples".
        why: String,
    },
    /// Another size than the plan says.
    #[error(
        "tile {name} is {}x{} pixels large, expected {}x{}",
        found.0, found.1, expected.0, expected.1
    )]
    Size {
        /// The tile.
        name: String,
        /// Its size.
        found: (u32, u32),
        /// What the plan says.
        expected: (u32, u32),
    },
    /// Its windows put it elsewhere than the plan.
    #[error("tile {name} is elsewhere: {why}")]
    Elsewhere {
        /// The tile.
        name: String,
        /// A clause.
        why: String,
    },
    /// Other channels, sample types or bit depth than most tiles, or another format.
    #[error("tile {name} is unlike the others: {why}")]
    Unlike {
        /// The tile.
        name: String,
        /// A clause, such as "it has no channel Z".
        why: String,
    },
    /// Its metadata name another frame, or layer.
    #[error("tile {name} is of {what} {found}, expected {expected}")]
    OtherFrame {
        /// The tile.
        name: String,
        /// "frame" or "layer".
        what: &'static str,
        /// What its metadata say.
        found: String,
        /// What was wanted, or what the other tiles say.
        expected: String,
    },
    /// The output's name ends otherwise than what the tiles are.
    #[error("the tiles are {tiles}, which {} does not end as", path.display())]
    OtherFormat {
        /// The output.
        path: PathBuf,
        /// What the tiles are.
        tiles: &'static str,
    },
    /// Samples that cannot be compressed, which no tile is to blame for.
    #[error("the picture cannot be encoded: {why}")]
    Encode {
        /// A clause.
        why: String,
    },
    /// The result.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It was told to end.
    #[error("stitching was cancelled")]
    Cancelled,
}

impl StitchError {
    /// The tiles that are to blame, and are to be rendered again.
    pub fn tiles(&self) -> Vec<&str> {
        match self {
            Self::Missing { name, more, .. } => std::iter::once(name.as_str())
                .chain(more.iter().map(String::as_str))
                .collect(),
            Self::Unreadable { name, .. }
            | Self::Broken { name, .. }
            | Self::Unsupported { name, .. }
            | Self::Size { name, .. }
            | Self::Elsewhere { name, .. }
            | Self::Unlike { name, .. }
            | Self::OtherFrame { name, .. } => vec![name],
            Self::Plan(_)
            | Self::OtherFormat { .. }
            | Self::Encode { .. }
            | Self::Write(_)
            | Self::Cancelled => Vec::new(),
        }
    }
}

fn and_more(more: &[String]) -> String {
    match more {
        [] => String::new(),
        [one] => format!("; {one} is missing as well"),
        [one, rest @ ..] => format!("; {one} and {} more are missing as well", rest.len()),
    }
}

/// Why a plan cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No tiles.
    #[error("there are no tiles to stitch")]
    NoTiles,
    /// Too many.
    #[error(
        "{tiles} tiles are too many to stitch, the most is {}",
        super::TILES_MAX
    )]
    TooManyTiles {
        /// How many.
        tiles: usize,
    },
    /// A size that is nothing, or absurd.
    #[error("a picture of {width}x{height} pixels cannot be stitched")]
    Size {
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
    /// Not within the picture, or empty, or nothing of it is kept.
    #[error("tile {name} covers {at} and gives {keep}, which is not within it or the picture")]
    Outside {
        /// The tile.
        name: String,
        /// What it covers.
        at: Rect,
        /// What it gives.
        keep: Rect,
    },
    /// Pixels that no tile gives.
    #[error("no tile gives the pixels {hole}")]
    Hole {
        /// Some of them, the uppermost.
        hole: Rect,
    },
    /// Pixels that two tiles give.
    #[error("tiles {} and {} both give the pixels {shared}", between.0, between.1)]
    Twice {
        /// The tiles.
        between: (String, String),
        /// The pixels.
        shared: Rect,
    },
    /// More tiles lie on each other than can be compared.
    #[error("too many tiles lie on each other to compare them")]
    TooManyOverlaps,
    /// A tolerance that is no number, or a level that there is not.
    #[error("{what} cannot be {value}")]
    Setting {
        /// Which.
        what: &'static str,
        /// What it is.
        value: String,
    },
}
