//! Where cells stand.
//!
//! A cell is a thumbnail with its number below; between cells, and around all, is a gap.

use super::{Sheet, SheetError};

/// Most cells: more are too small to be seen.
pub const CELLS_MAX: usize = 10_000;
/// Most pixels a side: what viewers open.
pub const SIDE_MAX: usize = 32_767;
/// Narrower thumbnails have no room for their numbers.
pub const THUMB_WIDTH_MIN: usize = 48;

/// Pixels across a thumbnail where there is room.
const THUMB_WIDTH: usize = 320;
/// What a sheet is not made wider than unless asked for.
const WIDTH_WANTED: usize = 7680;
/// As films are.
const SHAPE_WANTED: f64 = 16.0 / 9.0;
/// Taller pictures are made smaller, so that a long strip does not make a sheet of strips.
const THUMB_SHAPE_MAX: usize = 4;

/// The grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) thumb_width: usize,
    pub(super) thumb_height: usize,
    /// Pixels of a dot of a digit.
    pub(super) dot: usize,
    pub(super) gap: usize,
}

impl Grid {
    pub(super) fn new(sheet: &Sheet<'_>, picture: (usize, usize)) -> Result<Self, SheetError> {
        let count = sheet.cells.len();
        if count > CELLS_MAX {
            return Err(SheetError::TooMany(count));
        }
        if let Some(columns) = sheet.columns
            && !(1..=CELLS_MAX).contains(&columns)
        {
            return Err(SheetError::Columns(columns));
        }
        if let Some(width) = sheet.thumb_width
            && !(THUMB_WIDTH_MIN..=SIDE_MAX).contains(&width)
        {
            return Err(SheetError::ThumbWidth(width));
        }
        let of = |columns: usize, thumb_width: usize| {
            let most = thumb_width * THUMB_SHAPE_MAX;
            let height = (thumb_width * picture.1).div_ceil(picture.0).clamp(1, most);
            Self {
                columns,
                rows: count.div_ceil(columns),
                thumb_width,
                thumb_height: height,
                dot: (thumb_width / 160).max(1),
                gap: (thumb_width / 40).max(2),
            }
        };
        let wide = sheet.thumb_width.unwrap_or(THUMB_WIDTH);
        let columns = match sheet.columns {
            Some(columns) => columns.min(count),
            None => (1..=count)
                .min_by(|a, b| of(*a, wide).misshape().total_cmp(&of(*b, wide).misshape()))
                .unwrap_or(1),
        };
        let width = sheet
            .thumb_width
            .unwrap_or_else(|| (WIDTH_WANTED / columns).clamp(THUMB_WIDTH_MIN, THUMB_WIDTH));
        let grid = of(columns, width);
        let (width, height) = grid.size();
        if width.max(height) > SIDE_MAX {
            return Err(SheetError::TooLarge { width, height });
        }
        Ok(grid)
    }

    /// How far from the wanted shape: equally for too wide and too tall.
    fn misshape(&self) -> f64 {
        let (width, height) = self.size();
        (width as f64 / height as f64 / SHAPE_WANTED).ln().abs()
    }

    /// Pixels from one cell to the next, across and down.
    pub(super) fn pitch(&self) -> (usize, usize) {
        (
            self.thumb_width + self.gap,
            self.thumb_height + self.number_height() + self.gap,
        )
    }

    /// What a number takes below its thumbnail.
    pub(super) fn number_height(&self) -> usize {
        super::digits::HEIGHT * self.dot + 4 * self.dot
    }

    /// Pixels of the sheet.
    pub(super) fn size(&self) -> (usize, usize) {
        let (across, down) = self.pitch();
        (
            self.columns * across + self.gap,
            self.rows * down + self.gap,
        )
    }

    /// The empty lines above all.
    pub(super) fn margin(&self) -> Vec<u8> {
        super::cell::GROUND.repeat(self.size().0 * self.gap)
    }
}
