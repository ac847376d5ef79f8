//! Tiles of equal time instead of equal size, where a cheap look shows an uneven picture.
//!
//! A probe is a small picture of the frame, rendered in cells that were timed. What a cell took is taken
//! to be spread evenly over its part of the picture, a tenth of all over the whole picture: a small
//! picture does not show everything. Rows are cut first, for all columns, then each row into columns of
//! its own; so tiles have names as in any grid, and rows meet all along the picture.
//!
//! Invariant: what tiles keep is a partition of the picture, and the dearest of them is no dearer than
//! that of the grid of equal sizes, or that grid is what is answered.

use super::grid::{BLOCK_ROWS, Frame, between, steps};
use super::{Grid, GridError, Rect, Tile, grid};
use crate::names::TilePlace;

/// Pixels that a tile keeps at least, in each direction, where the picture is large enough.
const SIDE_MIN: u32 = 32;
/// What of all time is taken to be everywhere the same.
const EVERYWHERE: f64 = 0.1;
/// It is done where the dearest of equal tiles takes so many times as long as the mean,
const UNEVEN_FROM: f64 = 1.5;
/// and the dearest of these at most this part of that.
const GAIN: f64 = 0.9;

/// What the parts of a frame took in a small picture of it, their calls not counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe<'a> {
    /// Cells side by side, of one width.
    pub columns: u32,
    /// Cells one above the other, of one height.
    pub rows: u32,
    /// Seconds of each, row by row.
    pub seconds: &'a [f64],
}

/// How a picture is cut by what its parts cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Uneven {
    /// Tiles, row by row: of equal time, or of equal size where that is as good.
    pub tiles: Vec<Tile>,
    /// What part of the frame's time each takes, overlap included: their sum is 1 where nothing overlaps.
    pub shares: Vec<f64>,
    /// Whether they are of equal time.
    pub by_time: bool,
    /// Why, in a sentence with numbers.
    pub sentence: String,
}

/// Cuts a picture of this size into so many tiles that take equally long by the probe; as
/// [`grid`] does, where the picture is not that uneven or the probe says nothing.
pub fn uneven(
    (width, height): (u32, u32),
    of: Grid,
    (overlap, align): (u32, u32),
    probe: Probe<'_>,
) -> Result<Uneven, GridError> {
    let equal = grid(width, height, of.columns, of.rows, overlap, align)?;
    let frame = Frame {
        width,
        height,
        overlap,
        align,
    };
    let Some(map) = Map::new(frame, probe) else {
        let shares = shares_by_size(&equal, frame);
        return Ok(Uneven {
            tiles: equal,
            shares,
            by_time: false,
            sentence: "tiles of equal size: the look at a small picture told nothing".to_owned(),
        });
    };
    let cut = map.cut(of);
    let (equal_off, cut_off) = (map.dearest(&equal), map.dearest(&cut));
    let by_time = equal_off > UNEVEN_FROM && cut_off <= equal_off * GAIN;
    let sentence = if by_time {
        format!(
            "tiles of equal time: of equal sizes the dearest would take {equal_off:.1} times as long as \
             the mean, of these {cut_off:.1} times, by a small picture"
        )
    } else {
        format!(
            "tiles of equal size: the dearest takes {equal_off:.1} times as long as the mean, by a \
             small picture"
        )
    };
    let tiles = if by_time { cut } else { equal };
    Ok(Uneven {
        shares: tiles.iter().map(|tile| map.share(tile.at)).collect(),
        tiles,
        by_time,
        sentence,
    })
}

fn shares_by_size(tiles: &[Tile], frame: Frame) -> Vec<f64> {
    let all = f64::from(frame.width) * f64::from(frame.height);
    tiles
        .iter()
        .map(|tile| tile.at.pixels() as f64 / all)
        .collect()
}

/// What each part of a picture takes, as a part of the whole.
struct Map<'a> {
    frame: Frame,
    probe: Probe<'a>,
    /// Seconds of all cells.
    all: f64,
}

impl<'a> Map<'a> {
    /// `None` where the probe says nothing.
    fn new(frame: Frame, probe: Probe<'a>) -> Option<Map<'a>> {
        let cells = probe.columns as usize * probe.rows as usize;
        let all = probe
            .seconds
            .iter()
            .map(|seconds| known(*seconds))
            .sum::<f64>();
        let says = cells > 0 && probe.seconds.len() == cells && all > 0.0 && all.is_finite();
        says.then_some(Map { frame, probe, all })
    }

    /// What a part of the picture takes, given in parts of its width and height.
    fn part(&self, (left, right): (f64, f64), (top, bottom): (f64, f64)) -> f64 {
        let Probe {
            columns,
            rows,
            seconds,
        } = self.probe;
        let mut cells = 0.0;
        for (row, down) in covered(top, bottom, rows) {
            for (column, across) in covered(left, right, columns) {
                let cell = row as usize * columns as usize + column as usize;
                cells += known(seconds[cell]) * across * down;
            }
        }
        let area = (right - left) * (bottom - top);
        (1.0 - EVERYWHERE) * cells / self.all + EVERYWHERE * area
    }

    fn share(&self, rect: Rect) -> f64 {
        let across = |x: u32| f64::from(x) / f64::from(self.frame.width);
        let down = |y: u32| f64::from(y) / f64::from(self.frame.height);
        self.part(
            (across(rect.x), across(rect.right())),
            (down(rect.y), down(rect.bottom())),
        )
    }

    /// What the dearest tile takes, relative to their mean.
    fn dearest(&self, tiles: &[Tile]) -> f64 {
        let shares: Vec<f64> = tiles.iter().map(|tile| self.share(tile.at)).collect();
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        shares.into_iter().fold(0.0, f64::max) / mean
    }

    fn cut(&self, of: Grid) -> Vec<Tile> {
        let Frame {
            width,
            height,
            align,
            ..
        } = self.frame;
        let down = |y: u32| f64::from(y) / f64::from(height);
        let across = |x: u32| f64::from(x) / f64::from(width);
        let rows = Line {
            length: height,
            parts: of.rows,
            step: steps(align, BLOCK_ROWS, height, of.rows),
        };
        let ys = rows.cut(&|y| self.part((0.0, 1.0), (0.0, down(y))));
        let columns = Line {
            length: width,
            parts: of.columns,
            step: steps(align, 1, width, of.columns),
        };
        let mut tiles = Vec::with_capacity(of.tiles() as usize);
        for (row, y) in ys.windows(2).enumerate() {
            let band = (down(y[0]), down(y[1]));
            let xs = columns.cut(&|x| self.part((0.0, across(x)), band));
            for (column, x) in xs.windows(2).enumerate() {
                let place = TilePlace {
                    column: column as u32,
                    row: row as u32,
                };
                tiles.push(self.frame.tile(place, between(x, y)));
            }
        }
        tiles
    }
}

/// Clocks are coarse, and what a call takes may be more than a cell took.
fn known(seconds: f64) -> f64 {
    if seconds.is_finite() {
        seconds.max(0.0)
    } else {
        0.0
    }
}

/// The cells of so many that a stretch covers, and which part of each.
fn covered(from: f64, to: f64, cells: u32) -> impl Iterator<Item = (u32, f64)> {
    let (from, to) = (from * f64::from(cells), to * f64::from(cells));
    let last = (to.ceil() as u32).min(cells);
    (from.floor() as u32..last).filter_map(move |cell| {
        let covered = to.min(f64::from(cell) + 1.0) - from.max(f64::from(cell));
        (covered > 0.0).then_some((cell, covered))
    })
}

/// A side that is cut into parts, at multiples of `step`, of which there is one for each part at least.
struct Line {
    length: u32,
    parts: u32,
    step: u32,
}

impl Line {
    /// Edges between which `up_to` grows by equal parts, as far as steps and the least size allow.
    /// `up_to` never falls.
    fn cut(&self, up_to: &dyn Fn(u32) -> f64) -> Vec<u32> {
        let Line {
            length,
            parts,
            step,
        } = *self;
        let units = length.div_ceil(step);
        let least = SIDE_MIN.div_ceil(step).min(units / parts).max(1);
        let whole = up_to(length);
        let mut edges = Vec::with_capacity(parts as usize + 1);
        edges.push(0);
        let mut before = 0;
        for part in 1..parts {
            let wanted = whole * f64::from(part) / f64::from(parts);
            // What is left has to be enough for the parts behind.
            let (low, high) = (before + least, units - least * (parts - part));
            before = self.nearest(low, high, wanted, up_to);
            edges.push(before * step);
        }
        edges.push(length);
        edges
    }

    /// The unit, from `low` to `high`, at whose edge `up_to` is nearest to what is wanted.
    fn nearest(&self, low: u32, high: u32, wanted: f64, up_to: &dyn Fn(u32) -> f64) -> u32 {
        let at = |unit: u32| up_to(unit.saturating_mul(self.step).min(self.length));
        let (mut from, mut to) = (low, high);
        while from < to {
            let middle = from + (to - from) / 2;
            if at(middle) < wanted {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        let below = from.saturating_sub(1).max(low);
        if (wanted - at(below)).abs() < (at(from) - wanted).abs() {
            below
        } else {
            from
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(columns: u32, rows: u32) -> Grid {
        Grid { columns, rows }
    }

    /// A dear spot in the middle of the lower half of 8 × 6 cells.
    fn spot() -> Vec<f64> {
        let dear = |cell: usize| (3..5).contains(&(cell % 8)) && cell / 8 >= 3;
        (0..48)
            .map(|cell| if dear(cell) { 10.0 } else { 1.0 })
            .collect()
    }

    #[test]
    fn a_dear_spot_gets_small_tiles() {
        let seconds = spot();
        let probe = Probe {
            columns: 8,
            rows: 6,
            seconds: &seconds,
        };
        let cut = uneven((1920, 1080), of(4, 4), (0, 0), probe).unwrap();
        assert!(cut.by_time);
        assert_eq!(
            cut.sentence,
            "tiles of equal time: of equal sizes the dearest would take 2.4 times as long as the \
             mean, of these 1.0 times, by a small picture"
        );
        let pixels = |tile: &Tile| tile.keep.pixels();
        let least = cut.tiles.iter().map(pixels).min().unwrap();
        let most = cut.tiles.iter().map(pixels).max().unwrap();
        assert!(least * 4 < most, "{least} {most}");
        assert!(cut.shares.iter().all(|share| (0.055..0.07).contains(share)));
    }

    #[test]
    fn an_even_picture_is_cut_into_equal_sizes() {
        for seconds in [
            vec![2.0; 48],
            vec![0.0; 48],
            vec![f64::NAN; 48],
            vec![1.0; 3],
        ] {
            let probe = Probe {
                columns: 8,
                rows: 6,
                seconds: &seconds,
            };
            let cut = uneven((1920, 1080), of(5, 4), (8, 0), probe).unwrap();
            assert!(!cut.by_time);
            assert_eq!(cut.tiles, grid(1920, 1080, 5, 4, 8, 0).unwrap());
            assert_eq!(cut.shares.len(), 20);
        }
    }

    proptest! {
        #[test]
        fn tiles_of_equal_time_are_a_partition_and_no_dearer_than_equal_ones(
            width in 40..3000_u32,
            height in 40..3000_u32,
            columns in 1..12_u32,
            rows in 1..12_u32,
            overlap in 0..20_u32,
            align in prop_oneof![Just(0_u32), Just(8), Just(32)],
            across in 1..10_u32,
            down in 1..10_u32,
            cells in prop::collection::vec(0.0..1.0_f64, 100),
        ) {
            let seconds: Vec<f64> = cells[..(across * down) as usize]
                .iter()
                // A few are very dear.
                .map(|cell| cell.powi(8))
                .collect();
            let probe = Probe { columns: across, rows: down, seconds: &seconds };
            let cut = uneven((width, height), of(columns, rows), (overlap, align), probe).unwrap();
            prop_assert_eq!(cut.tiles.len() as u32, columns * rows);
            prop_assert_eq!(cut.tiles.len(), cut.shares.len());
            let pixels: u64 = cut.tiles.iter().map(|tile| tile.keep.pixels()).sum();
            prop_assert_eq!(pixels, u64::from(width) * u64::from(height));
            for tile in &cut.tiles {
                let TilePlace { column, row } = tile.place;
                let at = |column: u32, row: u32| cut.tiles[(row * columns + column) as usize].keep;
                prop_assert!(tile.keep.width > 0 && tile.keep.height > 0);
                prop_assert_eq!(tile.keep.x, if column == 0 { 0 } else { at(column - 1, row).right() });
                prop_assert_eq!(tile.keep.y, if row == 0 { 0 } else { at(0, row - 1).bottom() });
                prop_assert_eq!(tile.keep.height, at(0, row).height);
                prop_assert!(column + 1 < columns || tile.keep.right() == width);
                prop_assert!(row + 1 < rows || tile.keep.bottom() == height);
                prop_assert!(tile.at.contains(tile.keep));
                prop_assert!(tile.at.right() <= width && tile.at.bottom() <= height);
                prop_assert!(tile.at.x.is_multiple_of(align.max(1)));
            }
            if let Some(map) = Map::new(Frame { width, height, overlap, align }, probe) {
                let equal = grid(width, height, columns, rows, overlap, align).unwrap();
                prop_assert!(map.dearest(&cut.tiles) <= map.dearest(&equal) + 1e-9);
                if overlap == 0 && align == 0 {
                    let sum: f64 = cut.shares.iter().sum();
                    prop_assert!((sum - 1.0).abs() < 1e-6, "{}", sum);
                }
            }
        }
    }
}
