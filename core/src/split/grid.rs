//! A picture cut into columns and rows of tiles.
//!
//! Refuses grids of more tiles than there are pixels. What a tile keeps and what is rendered for it
//! are two rectangles: the second is larger by the overlap, and ends where the renderer wants it to.
//!
//! Invariant: what tiles keep is a partition of the picture, and each tile is rendered with the whole
//! overlap around what it keeps, as far as the picture reaches.

use serde::{Deserialize, Serialize};

use crate::data;
use crate::names::TilePlace;

/// Most tiles of one frame: what the kernel's numbers can name.
pub const TILES_MAX: u64 = 65_535;

/// Rows of a block in the files that renderers write (EXR's ZIP). Tiles that end where blocks end are
/// put together without unpacking them.
pub(super) const BLOCK_ROWS: u32 = 16;

/// A rectangle of the picture, in pixels from its top left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rect {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl Rect {
    /// The first column to the right of it.
    #[must_use]
    pub fn right(self) -> u32 {
        self.x + self.width
    }

    /// The first row below it.
    #[must_use]
    pub fn bottom(self) -> u32 {
        self.y + self.height
    }

    /// How many pixels it has.
    #[must_use]
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Whether `other` lies within it.
    #[must_use]
    pub fn contains(self, other: Rect) -> bool {
        self.x <= other.x
            && self.y <= other.y
            && other.right() <= self.right()
            && other.bottom() <= self.bottom()
    }
}

impl From<Rect> for data::Tile {
    fn from(rect: Rect) -> Self {
        let Rect {
            x,
            y,
            width,
            height,
        } = rect;
        data::Tile {
            x,
            y,
            width,
            height,
        }
    }
}

/// A tile of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tile {
    /// Its column and row.
    pub place: TilePlace,
    /// What of the picture comes from it.
    pub keep: Rect,
    /// What is rendered for it: `keep` with the overlap around it, edges where the renderer wants them.
    pub at: Rect,
}

/// Why a picture cannot be cut so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GridError {
    /// No columns, or no rows.
    #[error("{columns}x{rows} tiles are none: a grid has at least one column and one row")]
    NoTiles {
        /// Columns asked for.
        columns: u32,
        /// Rows asked for.
        rows: u32,
    },
    /// More tiles across than pixels.
    #[error(
        "{columns}x{rows} tiles are more than a picture of {width}x{height} pixels can be cut into"
    )]
    MoreThanPixels {
        /// Columns asked for.
        columns: u32,
        /// Rows asked for.
        rows: u32,
        /// The picture's width.
        width: u32,
        /// The picture's height.
        height: u32,
    },
    /// More than can be named.
    #[error("{columns}x{rows} are {count} tiles; a frame is cut into {TILES_MAX} at most")]
    TooMany {
        /// Columns asked for.
        columns: u32,
        /// Rows asked for.
        rows: u32,
        /// How many that are.
        count: u64,
    },
}

/// Cuts a picture into `columns` × `rows` tiles, row by row, that overlap their neighbours by `overlap`
/// pixels. With `align` (0 and 1 = anywhere), what is rendered begins at multiples of it, and ends at
/// one or at the picture's edge.
///
/// Columns are of one width, the last may be less, wherever that makes as many; heights are as equal as
/// multiples of `align` and of 16 allow. Where the picture is too small for that they end
/// anywhere.
pub fn grid(
    width: u32,
    height: u32,
    columns: u32,
    rows: u32,
    overlap: u32,
    align: u32,
) -> Result<Vec<Tile>, GridError> {
    if columns == 0 || rows == 0 {
        return Err(GridError::NoTiles { columns, rows });
    }
    if columns > width || rows > height {
        return Err(GridError::MoreThanPixels {
            columns,
            rows,
            width,
            height,
        });
    }
    let count = u64::from(columns) * u64::from(rows);
    if count > TILES_MAX {
        return Err(GridError::TooMany {
            columns,
            rows,
            count,
        });
    }
    let frame = Frame {
        width,
        height,
        overlap,
        align,
    };
    let across = equal_widths(width, columns, align);
    let down = equal_heights(height, rows, align);
    let mut tiles = Vec::with_capacity(count as usize);
    for (row, y) in down.windows(2).enumerate() {
        for (column, x) in across.windows(2).enumerate() {
            let place = TilePlace {
                column: column as u32,
                row: row as u32,
            };
            tiles.push(frame.tile(place, between(x, y)));
        }
    }
    Ok(tiles)
}

/// The picture, and what is to be around each of its tiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) overlap: u32,
    pub(super) align: u32,
}

impl Frame {
    /// The tile that keeps this.
    pub(super) fn tile(self, place: TilePlace, keep: Rect) -> Tile {
        let (left, right) = self.around(keep.x, keep.right(), self.width);
        let (top, bottom) = self.around(keep.y, keep.bottom(), self.height);
        let at = between(&[left, right], &[top, bottom]);
        Tile { place, keep, at }
    }

    /// The stretch with its overlap, its ends moved outward to where they may be.
    fn around(self, from: u32, to: u32, length: u32) -> (u32, u32) {
        let align = self.align.max(1);
        let from = from.saturating_sub(self.overlap) / align * align;
        let to = to.saturating_add(self.overlap).min(length);
        let to = to.checked_next_multiple_of(align).unwrap_or(length);
        (from, to.min(length))
    }
}

pub(super) fn between(x: &[u32], y: &[u32]) -> Rect {
    Rect {
        x: x[0],
        y: y[0],
        width: x[1] - x[0],
        height: y[1] - y[0],
    }
}

/// Where columns begin and end. Files of tiles have tiles of one width, so columns have, too.
fn equal_widths(width: u32, columns: u32, align: u32) -> Vec<u32> {
    let step = steps(align, 1, width, columns);
    let units = width.div_ceil(step);
    let each = units.div_ceil(columns);
    if u64::from(each) * u64::from(columns - 1) < u64::from(units) {
        let edge = |column| (u64::from(column) * u64::from(each) * u64::from(step)) as u32;
        return (0..columns).map(edge).chain([width]).collect();
    }
    spread(width, columns, step)
}

/// Where rows begin and end.
fn equal_heights(height: u32, rows: u32, align: u32) -> Vec<u32> {
    spread(height, rows, steps(align, BLOCK_ROWS, height, rows))
}

/// What edges should be multiples of: of both, else of `align`, as far as there is one for each part.
pub(super) fn steps(align: u32, block: u32, length: u32, parts: u32) -> u32 {
    let align = align.max(1);
    let both = both(align, block);
    [both, align]
        .into_iter()
        .find(|step| length.div_ceil(*step) >= parts)
        .unwrap_or(1)
}

/// The least common multiple; `align` alone where there is none that counts.
fn both(align: u32, block: u32) -> u32 {
    let (mut a, mut b) = (align, block);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    (align / a).checked_mul(block).unwrap_or(align)
}

/// Edges at multiples of `step`, parts as equal as these allow. There is a multiple for each part.
fn spread(length: u32, parts: u32, step: u32) -> Vec<u32> {
    let units = u64::from(length.div_ceil(step));
    let edge = |part| (u64::from(part) * units / u64::from(parts) * u64::from(step)) as u32;
    (0..parts).map(edge).chain([length]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keeps(width: u32, height: u32, columns: u32, rows: u32, align: u32) -> Vec<Rect> {
        let tiles = grid(width, height, columns, rows, 0, align).unwrap();
        tiles.into_iter().map(|tile| tile.keep).collect()
    }

    #[test]
    fn a_large_still_has_columns_of_one_width_and_rows_of_whole_blocks() {
        let keeps = keeps(4096, 2160, 10, 10, 0);
        assert_eq!(keeps.len(), 100);
        let widths: Vec<u32> = keeps[..10].iter().map(|keep| keep.width).collect();
        assert_eq!(widths, [410, 410, 410, 410, 410, 410, 410, 410, 410, 406]);
        for keep in &keeps {
            assert_eq!(keep.y % 16, 0);
            assert!((208..=224).contains(&keep.height), "{keep:?}");
        }
    }

    #[test]
    fn tiles_are_rendered_with_their_overlap_up_to_the_pictures_edges() {
        let tiles = grid(100, 64, 2, 2, 8, 0).unwrap();
        let at: Vec<Rect> = tiles.iter().map(|tile| tile.at).collect();
        let rect = |x, y, width, height| Rect {
            x,
            y,
            width,
            height,
        };
        assert_eq!(
            at,
            [
                rect(0, 0, 58, 40),
                rect(42, 0, 58, 40),
                rect(0, 24, 58, 40),
                rect(42, 24, 58, 40)
            ]
        );
        assert_eq!(tiles[1].keep, rect(50, 0, 50, 32));
        assert_eq!(tiles[2].place, TilePlace { column: 0, row: 1 });
    }

    #[test]
    fn an_alignment_moves_edges_outward() {
        let tiles = grid(320, 200, 3, 2, 8, 32).unwrap();
        assert_eq!(tiles[0].keep, between(&[0, 128], &[0, 96]));
        assert_eq!(tiles[0].at, between(&[0, 160], &[0, 128]));
        assert_eq!(tiles[4].at, between(&[96, 288], &[64, 200]));
        let small = grid(50, 50, 5, 5, 0, 32).unwrap();
        assert_eq!(small[6].keep, between(&[10, 20], &[10, 20]));
        assert_eq!(small[6].at, between(&[0, 32], &[0, 32]));
    }

    #[test]
    fn what_is_no_grid_is_refused_in_one_sentence() {
        for (asked, sentence) in [
            (
                (64, 64, 0, 2),
                "0x2 tiles are none: a grid has at least one column and one row",
            ),
            (
                (64, 32, 65, 1),
                "65x1 tiles are more than a picture of 64x32 pixels can be cut into",
            ),
            (
                (4000, 4000, 300, 300),
                "300x300 are 90000 tiles; a frame is cut into 65535 at most",
            ),
        ] {
            let (width, height, columns, rows) = asked;
            let error = grid(width, height, columns, rows, 0, 0).unwrap_err();
            assert_eq!(error.to_string(), sentence);
        }
    }

    proptest! {
        #[test]
        fn what_tiles_keep_is_the_picture(
            width in 1..3000_u32,
            height in 1..3000_u32,
            columns in 1..40_u32,
            rows in 1..40_u32,
            overlap in 0..70_u32,
            align in prop_oneof![Just(0_u32), Just(1), Just(2), Just(24), Just(32), 1..80_u32],
        ) {
            let (columns, rows) = (columns.min(width), rows.min(height));
            let tiles = grid(width, height, columns, rows, overlap, align).unwrap();
            prop_assert_eq!(tiles.len() as u32, columns * rows);
            let picture = between(&[0, width], &[0, height]);
            let pixels: u64 = tiles.iter().map(|tile| tile.keep.pixels()).sum();
            prop_assert_eq!(pixels, picture.pixels());
            for tile in &tiles {
                // Neighbours meet, so equal sums of pixels leave neither a hole nor a double.
                let TilePlace { column, row } = tile.place;
                prop_assert!(tile.keep.width > 0 && tile.keep.height > 0);
                let at = |column, row| &tiles[(row * columns + column) as usize].keep;
                prop_assert_eq!(tile.keep.x, if column == 0 { 0 } else { at(column - 1, row).right() });
                prop_assert_eq!(tile.keep.y, if row == 0 { 0 } else { at(column, row - 1).bottom() });
                if columns > 1 && column < columns - 1 && align <= 1 && width / columns > 40 {
                    prop_assert_eq!(tile.keep.width, width.div_ceil(columns));
                }
                prop_assert!(picture.contains(tile.at));
                let wanted = between(
                    &[tile.keep.x.saturating_sub(overlap), (tile.keep.right() + overlap).min(width)],
                    &[tile.keep.y.saturating_sub(overlap), (tile.keep.bottom() + overlap).min(height)],
                );
                prop_assert!(tile.at.contains(wanted));
                let align = align.max(1);
                prop_assert!(tile.at.x % align == 0 && tile.at.y % align == 0);
                prop_assert!(tile.at.right() % align == 0 || tile.at.right() == width);
                prop_assert!(tile.at.bottom() % align == 0 || tile.at.bottom() == height);
                prop_assert!(tile.at.x + overlap + align > tile.keep.x.min(overlap + align - 1));
            }
        }

        #[test]
        fn rows_of_a_picture_that_is_large_enough_end_with_blocks(
            height in 700..9000_u32, rows in 1..40_u32, align in prop_oneof![Just(0_u32), Just(8), Just(16)],
        ) {
            let keeps = keeps(64, height, 1, rows, align);
            let tallest = keeps.iter().map(|keep| keep.height).max().unwrap();
            prop_assert!(keeps.iter().all(|keep| keep.y % 16 == 0));
            prop_assert!(tallest < height / rows + 32);
        }
    }
}
