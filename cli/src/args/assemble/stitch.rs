//! `assemble stitch`: what is typed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use framewright_assemble::stitch::{Layout, Plan};

use super::places;
use crate::problem::Presentable;

#[derive(Clone, Debug, Args)]
pub(crate) struct StitchArgs {
    /// The tiles' files.
    #[arg(value_name = "TILE", required = true)]
    pub(crate) tiles: Vec<PathBuf>,
    /// Write the picture here. Its name ends as the tiles' do.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// There are so many columns and rows of tiles. By default what the tiles' names say.
    #[arg(
        long,
        value_name = "COLSxROWS",
        conflicts_with = "at",
        help_heading = "Places"
    )]
    pub(crate) grid: Option<String>,
    /// Each tile was rendered so much larger on every side that has a neighbour; it is compared with
    /// the neighbour there, and cropped.
    #[arg(
        long,
        value_name = "PIXELS",
        default_value_t = 0,
        help_heading = "Places"
    )]
    pub(crate) overlap: u32,
    /// A tile covers this rectangle of the picture, overlap included; given once for each tile, in
    /// their order.
    #[arg(long, value_name = "WxH+X+Y", help_heading = "Places")]
    pub(crate) at: Vec<String>,
    /// The picture has this size. By default as far as the tiles reach.
    #[arg(long, value_name = "WxH", requires = "at", help_heading = "Places")]
    pub(crate) size: Option<String>,
    /// Each tile's file has the picture's size and counts only within its rectangle, which --at
    /// gives.
    #[arg(long, requires = "at", help_heading = "Places")]
    pub(crate) full_canvas: bool,
    /// Values that overlapping tiles both hold may differ by so much: in an EXR's own values, in steps
    /// of a PNG. By default not at all.
    #[arg(
        long,
        value_name = "DIFFERENCE",
        allow_negative_numbers = true,
        default_value_t = 0.0,
        help_heading = "Picture"
    )]
    pub(crate) tolerance: f64,
    /// Write an EXR in scan lines or in tiles. `auto` is as the tiles' files are, for most renderers
    /// scan lines. `tiled` lets compressed blocks of a grid be copied as they are where no overlap
    /// is cropped and heights are multiples of 16, which takes a thirtieth of the time.
    #[arg(
        long,
        value_enum,
        value_name = "LAYOUT",
        default_value_t,
        help_heading = "Picture"
    )]
    pub(crate) layout: LayoutWord,
    /// Do not decode compressed blocks that are copied as they are; for tiles that were checked
    /// before.
    #[arg(long, help_heading = "Picture")]
    pub(crate) trust: bool,
    /// Replace FILE if it is there.
    #[arg(long, help_heading = "Picture")]
    pub(crate) overwrite: bool,
}

/// How an EXR is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LayoutWord {
    /// As the tiles' files.
    #[default]
    Auto,
    /// Whole lines.
    Scanline,
    /// Tiles, one level.
    Tiled,
}

impl StitchArgs {
    /// What is meant. Reads the tiles' headers: in a grid their sizes say where they are.
    pub(crate) fn plan(&self) -> Result<Plan, Presentable> {
        let mut plan = places::plan(self)?;
        plan.tolerance = self.tolerance;
        plan.layout = match self.layout {
            LayoutWord::Auto => Layout::Auto,
            LayoutWord::Scanline => Layout::Scanline,
            LayoutWord::Tiled => Layout::Tiled,
        };
        plan.check_copied = !self.trust;
        Ok(plan)
    }
}
