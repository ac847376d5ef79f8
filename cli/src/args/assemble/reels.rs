//! `assemble video` and `assemble sheet`: what is typed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use framewright_assemble::film::{CRF, Holes};
use framewright_assemble::sequence::{Cell, Sequence, SequenceError};
use framewright_assemble::view::{View, ViewError};
use framewright_core::frames::FrameSet;

use crate::args::settle;
use crate::problem::{Presentable, with_causes};

/// Which pictures, and how they are shown.
#[derive(Clone, Debug, Args)]
pub(crate) struct ShownArgs {
    /// The pictures, .exr or .png: a name with `####` for the frame, a folder, or a name with `*`.
    #[arg(value_name = "PATTERN")]
    pub(crate) pattern: PathBuf,
    /// Show these frames. By default every frame from the first picture to the last.
    #[arg(short, long, value_name = "SET", allow_hyphen_values = true)]
    pub(crate) frames: Option<String>,
    /// Show EXRs through this view: srgb, rec709, raw, or a .cube file.
    #[arg(
        long,
        value_name = "VIEW",
        default_value = "srgb",
        help_heading = "EXR"
    )]
    pub(crate) view: String,
    /// Make EXRs brighter, or darker, by so many stops before the view.
    #[arg(
        long,
        value_name = "STOPS",
        default_value_t = 0.0,
        allow_hyphen_values = true,
        help_heading = "EXR"
    )]
    pub(crate) exposure: f32,
    /// Show this layer of EXRs, or this pass of a layer (beauty.Combined). By default
    /// Composite.Combined, else R, G and B, else the first layer.
    #[arg(long, value_name = "LAYER", help_heading = "EXR")]
    pub(crate) layer: Option<String>,
    /// Replace FILE if it is there.
    #[arg(long)]
    pub(crate) overwrite: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct VideoArgs {
    #[command(flatten)]
    pub(crate) shown: ShownArgs,
    /// Write the film here: .mp4 and .mkv are H.264, .mov is ProRes 422 HQ.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Frames a second, such as 25, 23.976 or 24000/1001. By default 24.
    #[arg(long, value_name = "RATE", help_heading = "Film")]
    pub(crate) fps: Option<String>,
    /// Keep alpha: a .mov becomes ProRes 4444.
    #[arg(long, help_heading = "Film")]
    pub(crate) alpha: bool,
    /// Quality of H.264, from 0, the best, to 51.
    #[arg(
        long,
        value_name = "CRF",
        default_value_t = CRF,
        value_parser = clap::value_parser!(u8).range(0..=51),
        help_heading = "Film"
    )]
    pub(crate) crf: u8,
    /// What becomes of frames that are missing: make no film, leave their time out, show the frame
    /// before again, or black.
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        default_value_t,
        help_heading = "Film"
    )]
    pub(crate) holes: HolesWord,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SheetArgs {
    #[command(flatten)]
    pub(crate) shown: ShownArgs,
    /// Write the sheet here: a .png.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Cells side by side. By default so many that the sheet is about 16:9.
    #[arg(long, value_name = "N", help_heading = "Sheet")]
    pub(crate) columns: Option<usize>,
    /// Pixels across a thumbnail. By default 320, less where there are many.
    #[arg(long, value_name = "PIXELS", help_heading = "Sheet")]
    pub(crate) width: Option<usize>,
}

/// What becomes of frames that are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum HolesWord {
    /// No film is made.
    #[default]
    Refuse,
    /// Their time is left out.
    Skip,
    /// The frame before stands longer.
    Repeat,
    /// They are black.
    Black,
}

impl HolesWord {
    /// What is meant.
    pub(crate) fn meant(self) -> Holes {
        match self {
            Self::Refuse => Holes::Refuse,
            Self::Skip => Holes::Skip,
            Self::Repeat => Holes::Repeat,
            Self::Black => Holes::Black,
        }
    }
}

impl ShownArgs {
    /// The frames with their pictures.
    pub(crate) fn cells(&self) -> Result<Vec<Cell>, Presentable> {
        let chosen = match &self.frames {
            None => None,
            Some(typed) => {
                settle::frame_set("--frames", typed)?;
                let set: FrameSet = typed
                    .parse()
                    .map_err(|error| Presentable::usage(format!("--frames: {error}")))?;
                Some(set)
            }
        };
        let found = Sequence::find(&self.pattern)?;
        Ok(match chosen {
            Some(set) => found.chosen(set.iter().map(|frame| frame.0)),
            None => found.cells()?,
        })
    }

    /// How EXRs are shown. A `.cube` is read.
    pub(crate) fn view(&self) -> Result<View, Presentable> {
        Ok(View::named(&self.view, self.exposure)?)
    }

    /// What was typed about EXRs, where the pictures are none.
    pub(crate) fn in_vain(&self) -> Vec<String> {
        let typed = [
            ("--view", self.view != "srgb"),
            ("--exposure", self.exposure != 0.0),
            ("--layer", self.layer.is_some()),
        ];
        typed
            .into_iter()
            .filter(|(_, is_typed)| *is_typed)
            .map(|(option, _)| format!("{option} does nothing: PNGs are shown as they are"))
            .collect()
    }
}

impl From<SequenceError> for Presentable {
    fn from(error: SequenceError) -> Self {
        Self {
            hint: error.hint(),
            ..Self::usage(with_causes(&error))
        }
    }
}

impl From<ViewError> for Presentable {
    fn from(error: ViewError) -> Self {
        let problem = Self::usage(with_causes(&error));
        match error {
            ViewError::Unknown(_) => problem.hint("--view srgb is what screens show"),
            ViewError::Exposure(_) => problem.hint("--exposure 1 is twice the light"),
            ViewError::Cube(_) => problem.hint("name a .cube file with LUT_3D_SIZE and its table"),
        }
    }
}
