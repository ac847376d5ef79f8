//! Tiles become a picture.
//!
//! EXR (half, float, uint; all channels, layers and parts) and PNG (8 and 16 bits). Tiles are streamed
//! from top to bottom, so memory follows the width of the picture, not its area. Blocks of an EXR
//! that are the same in a tile and in the picture are copied as they are. What overlapping tiles both
//! hold is compared.
//!
//! Refuses to guess: a tile that is missing, broken, of another size, kind or frame is an error that
//! names it, and there is no picture then. Invariant: a picture under its final name is whole, and
//! each of its pixels comes from the one tile whose `keep` has it.

mod cover;
mod error;
mod exr;
pub mod grid;
mod look;
mod png;
mod seams;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

pub use error::{PlanError, StitchError};
pub use look::picture_size;

use crate::rect::Rect;
use crate::whole::Output;
use look::Kind;

/// Most tiles of a picture.
pub const TILES_MAX: usize = 65_536;

/// A tile of the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// What errors and seams call it.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// What the file covers of the picture, overlap included.
    pub at: Rect,
    /// What it gives to the picture: within `at`. All tiles' together are the picture, each pixel once.
    pub keep: Rect,
}

/// What tiles' files show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Canvas {
    /// The tile: they have its size.
    #[default]
    Crop,
    /// The picture, of which only the tile counts: they have the picture's size.
    Full,
}

/// How an EXR is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// As the tiles' own files.
    #[default]
    Auto,
    /// Blocks of lines. Tiles that are as wide as the picture are copied as they are where their
    /// heights are multiples of a block's.
    Scanline,
    /// Tiles of one level. Where all tiles of a column are equally wide and no overlap is cropped at
    /// their sides, an EXR tile is as wide as they are and as high as a block of lines, so that
    /// grids are copied as they are.
    Tiled,
}

/// How PNG is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PngLevel {
    /// About twelve times as fast as `Balanced`, and an eighth larger.
    #[default]
    Fast,
    /// As most programs do.
    Balanced,
}

/// What is to be stitched, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The picture's width.
    pub width: u32,
    /// The picture's height.
    pub height: u32,
    /// Its tiles, in any order; the first one's metadata is kept, but for what is true of that tile only.
    pub tiles: Vec<Tile>,
    /// What their files show.
    pub canvas: Canvas,
    /// Pixels nearer than this to an edge of a tile, where that is none of the picture's, are not what
    /// the whole picture has, so they are not compared with a neighbour's.
    pub margin: u32,
    /// By how much values may differ that two tiles both hold: an EXR's own values, or steps of a PNG.
    pub tolerance: f64,
    /// Which frame it is, where that is known; tiles whose metadata says otherwise are refused. If it
    /// is not known, they must agree.
    pub frame: Option<i32>,
    /// How an EXR is laid out.
    pub layout: Layout,
    /// Level of ZIP in an EXR: 1, fast, to 12, small.
    pub zip_level: u8,
    /// How PNG is compressed.
    pub png_level: PngLevel,
    /// Decode blocks that are copied as they are, so that a corrupt one is found. Only for tiles that
    /// were not decoded before.
    pub check_copied: bool,
}

impl Plan {
    /// A plan with everything else as by default.
    pub fn new(width: u32, height: u32, tiles: Vec<Tile>) -> Self {
        Self {
            width,
            height,
            tiles,
            canvas: Canvas::Crop,
            margin: 0,
            tolerance: 0.0,
            frame: None,
            layout: Layout::Auto,
            zip_level: 4,
            png_level: PngLevel::Fast,
            check_copied: true,
        }
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Stitched {
    /// Blocks of an EXR that were copied as they were.
    pub copied_blocks: u64,
    /// Blocks of an EXR that were made anew; 0 for PNG, which has none.
    pub encoded_blocks: u64,
    /// The file's size.
    pub bytes: u64,
    /// Pairs of tiles that differ beyond the tolerance where they overlap, in the tiles' order.
    pub seams: Vec<Seam>,
}

/// Two tiles that differ where they overlap.
#[derive(Clone, Debug, PartialEq)]
pub struct Seam {
    /// Their names.
    pub between: (String, String),
    /// The pixel of the picture where they differ most.
    pub place: (u32, u32),
    /// By how much; infinite where one has a number and the other has none.
    pub difference: f64,
    /// In which channel, with its part's name where there are several.
    pub channel: String,
}

/// Stitches; `cancelled` ends it early, without a picture.
pub fn stitch(
    plan: &Plan,
    output: &Output,
    cancelled: &AtomicBool,
) -> Result<Stitched, StitchError> {
    cover::check(plan)?;
    let looks = look::at_all(plan, cancelled)?;
    let kind = look::agree(plan, &looks)?;
    let extension = output.path.extension().and_then(|end| end.to_str());
    if !extension.is_some_and(|end| end.eq_ignore_ascii_case(kind.extension())) {
        return Err(StitchError::OtherFormat {
            path: output.path.clone(),
            tiles: kind.name(),
        });
    }
    match kind {
        Kind::Exr => exr::stitch(plan, looks, output, cancelled),
        Kind::Png => png::stitch(plan, looks, output, cancelled),
    }
}

fn go_on(cancelled: &AtomicBool) -> Result<(), StitchError> {
    if cancelled.load(Ordering::Relaxed) {
        return Err(StitchError::Cancelled);
    }
    Ok(())
}
