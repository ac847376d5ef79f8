//! A contact sheet: the whole shot in one PNG, a thumbnail a frame, with its number.
//!
//! Holes are empty cells in a frame, so that they are seen. Pictures are scaled by averaging areas,
//! in light and not in code values: what is bright and thin stays bright. Pictures of other sizes
//! than the first are shown within the same cell; on a sheet a mistake should be seen.
//!
//! One picture and one row of the sheet are in memory at a time.

mod cell;
mod digits;
mod grid;
#[cfg(test)]
mod tests;

use std::io::{self, BufWriter, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sequence::{Cell, holes};
use crate::shown::{self, PictureError, Showing};
use crate::view::View;
use crate::whole::{Output, Unfinished, WriteError};

pub use grid::{CELLS_MAX, SIDE_MAX, THUMB_WIDTH_MIN};

use cell::Painter;
use grid::Grid;

/// What a sheet shows.
#[derive(Clone, Debug)]
pub struct Sheet<'a> {
    /// Frames in the order of their numbers.
    pub cells: &'a [Cell],
    /// Cells side by side; absent = so many that the sheet is about 16:9.
    pub columns: Option<usize>,
    /// Pixels across a thumbnail; absent = 320, or less where there are many.
    pub thumb_width: Option<usize>,
    /// What EXRs go through.
    pub view: &'a View,
    /// Which layer of EXRs, or which pass of a layer.
    pub layer: Option<&'a str>,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Cells side by side.
    pub columns: usize,
    /// Rows of cells.
    pub rows: usize,
    /// Pixels across the sheet.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Frames without a picture.
    pub holes: Vec<i32>,
    /// The sheet's size.
    pub bytes: u64,
}

/// Why there is no sheet.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// There are no pictures.
    #[error("there is no picture to put on a sheet")]
    Nothing,
    /// More than one can look at.
    #[error("{0} frames are more than a sheet has cells, {CELLS_MAX}")]
    TooMany(usize),
    /// More columns than there can be.
    #[error("{0} columns are not between 1 and {CELLS_MAX}")]
    Columns(usize),
    /// Thumbnails that are no thumbnails.
    #[error("thumbnails {0} pixels wide are not between {THUMB_WIDTH_MIN} and {SIDE_MAX}")]
    ThumbWidth(usize),
    /// A sheet that no program opens.
    #[error("the sheet would have {width}x{height} pixels, more than {SIDE_MAX} a side")]
    TooLarge {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
    },
    /// A picture cannot be shown.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It was cancelled.
    #[error("the contact sheet was cancelled")]
    Cancelled,
}

impl SheetError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TooMany(count) => Some(format!(
                "choose frames with -f: every {}th will do",
                count.div_ceil(CELLS_MAX)
            )),
            Self::TooLarge { .. } => Some("take a smaller --width, or other --columns".to_owned()),
            Self::Picture(error) => error.hint(),
            Self::Nothing => Some("choose frames that have pictures with -f".to_owned()),
            Self::Columns(_) => Some("leave --columns out for a sheet of about 16:9".to_owned()),
            Self::ThumbWidth(_) => Some("--width 320 is what there is room for".to_owned()),
            Self::Write(_) | Self::Cancelled => None,
        }
    }
}

/// Makes a sheet. Blocks until it is whole; `progress` is told how many cells of how many are done,
/// and setting `cancel` from another thread ends it after the picture at hand.
pub fn make(
    sheet: &Sheet<'_>,
    output: &Output,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Made, SheetError> {
    let first = sheet.cells.iter().find_map(|cell| cell.path.as_deref());
    let first = shown::outline(first.ok_or(SheetError::Nothing)?)?;
    let grid = Grid::new(sheet, (first.width, first.height))?;
    let unfinished = Unfinished::begin(output)?;
    let failed = |error: png::EncodingError| unfinished.failed(io_error(error));
    let (width, height) = grid.size();
    let mut file = BufWriter::new(unfinished.file());
    let mut encoder = png::Encoder::new(&mut file, as_u32(width), as_u32(height));
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    let mut writer = encoder.write_header().map_err(failed)?;
    let mut stream = writer.stream_writer().map_err(failed)?;
    let write_failed = |error| unfinished.failed(error);
    let mut painter = Painter::new(&grid);
    let showing = Showing {
        layer: sheet.layer,
        alpha: false,
    };
    stream.write_all(&grid.margin()).map_err(write_failed)?;
    let mut done = 0;
    for row in sheet.cells.chunks(grid.columns) {
        painter.begin_row();
        for (column, cell) in row.iter().enumerate() {
            if cancel.load(Ordering::Acquire) {
                return Err(SheetError::Cancelled);
            }
            match &cell.path {
                Some(path) => painter.picture(column, &shown::read(path, &showing, sheet.view)?),
                None => painter.hole(column),
            }
            painter.number(column, cell.frame, cell.path.is_some());
            done += 1;
            progress(done, sheet.cells.len() as u64);
        }
        stream.write_all(painter.row()).map_err(write_failed)?;
    }
    stream.finish().map_err(failed)?;
    writer.finish().map_err(failed)?;
    file.flush().map_err(write_failed)?;
    drop(file);
    Ok(Made {
        columns: grid.columns,
        rows: grid.rows,
        width,
        height,
        holes: holes(sheet.cells),
        bytes: unfinished.finish()?,
    })
}

/// The sides are below [`SIDE_MAX`].
fn as_u32(side: usize) -> u32 {
    u32::try_from(side).unwrap_or(u32::MAX)
}

fn io_error(error: png::EncodingError) -> io::Error {
    match error {
        png::EncodingError::IoError(error) => error,
        other => io::Error::other(other),
    }
}
