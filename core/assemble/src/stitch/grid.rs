//! Where tiles belong that lie in a grid: columns and rows from the tiles' own sizes.
//!
//! Columns and rows need not be equally large. The size of most tiles of a column is its width, so that
//! one of another size is found out when it is read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::look::odd_one;
use super::{Plan, Tile};
use crate::rect::Rect;

/// A tile of which is known where in a grid it is.
#[derive(Clone, Debug)]
pub struct Cell {
    /// What errors and seams call it.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// Its column, from 0.
    pub column: u32,
    /// Its row, from 0.
    pub row: u32,
    /// Its file's size, overlap included.
    pub size: (u32, u32),
}

/// Why tiles are no grid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GridError {
    /// A place without a tile.
    #[error("tile {column},{row} of the {columns}x{rows} grid is missing{}", and_more(*more))]
    Missing {
        /// Its column.
        column: u32,
        /// Its row.
        row: u32,
        /// Of the grid.
        columns: u32,
        /// Of the grid.
        rows: u32,
        /// How many more are missing.
        more: u64,
    },
    /// A place with two tiles.
    #[error("{} and {} are both tile {column},{row}", between.0, between.1)]
    Twice {
        /// Their names.
        between: (String, String),
        /// Their column.
        column: u32,
        /// Their row.
        row: u32,
    },
    /// A tile beside the grid.
    #[error("{name} is tile {column},{row}, which a {columns}x{rows} grid has not")]
    Beside {
        /// Its name.
        name: String,
        /// Its column.
        column: u32,
        /// Its row.
        row: u32,
        /// Of the grid.
        columns: u32,
        /// Of the grid.
        rows: u32,
    },
    /// What is left of tiles without their overlap is less than the overlap, so how far they reach
    /// into their neighbours' neighbours cannot be told.
    #[error("the tiles of {what} {number} are too small for an overlap of {overlap}")]
    Narrow {
        /// "column" or "row".
        what: &'static str,
        /// Which.
        number: u32,
        /// The overlap.
        overlap: u32,
    },
}

fn and_more(more: u64) -> String {
    match more {
        0 => String::new(),
        more => format!(", and {more} more"),
    }
}

/// The plan of a whole grid; each tile was rendered `overlap` pixels larger on every side that has a
/// neighbour.
pub fn plan((columns, rows): (u32, u32), overlap: u32, cells: &[Cell]) -> Result<Plan, GridError> {
    let mut places: BTreeMap<(u32, u32), &Cell> = BTreeMap::new();
    for cell in cells {
        let (column, row) = (cell.column, cell.row);
        if column >= columns || row >= rows {
            return Err(GridError::Beside {
                name: cell.name.clone(),
                column,
                row,
                columns,
                rows,
            });
        }
        if let Some(other) = places.insert((row, column), cell) {
            return Err(GridError::Twice {
                between: (other.name.clone(), cell.name.clone()),
                column,
                row,
            });
        }
    }
    check_all_there((columns, rows), &places)?;
    let mut sizes: [BTreeMap<u32, Vec<u32>>; 2] = Default::default();
    for cell in cells {
        sizes[0].entry(cell.column).or_default().push(cell.size.0);
        sizes[1].entry(cell.row).or_default().push(cell.size.1);
    }
    let across = edges("column", &sizes[0], overlap)?;
    let down = edges("row", &sizes[1], overlap)?;
    let (width, height) = (across[columns as usize], down[rows as usize]);
    let tiles = places.values().map(|cell| {
        let (x, right) = (
            across[cell.column as usize],
            across[cell.column as usize + 1],
        );
        let (y, bottom) = (down[cell.row as usize], down[cell.row as usize + 1]);
        let keep = between((x, y), (right, bottom));
        let larger = |to: u32, edge: u32| to.saturating_add(overlap).min(edge);
        let from = (x.saturating_sub(overlap), y.saturating_sub(overlap));
        Tile {
            name: cell.name.clone(),
            path: cell.path.clone(),
            at: between(from, (larger(right, width), larger(bottom, height))),
            keep,
        }
    });
    Ok(Plan::new(width, height, tiles.collect()))
}

fn check_all_there(
    (columns, rows): (u32, u32),
    places: &BTreeMap<(u32, u32), &Cell>,
) -> Result<(), GridError> {
    let missing = (u64::from(columns) * u64::from(rows)).saturating_sub(places.len() as u64);
    if missing == 0 {
        return Ok(());
    }
    // As many places are looked at as there are tiles, and one.
    let all = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let mut gaps = all.filter(|place| !places.contains_key(place));
    let (row, column) = gaps.next().unwrap_or_default();
    Err(GridError::Missing {
        column,
        row,
        columns,
        rows,
        more: missing - 1,
    })
}

fn between((x, y): (u32, u32), (right, bottom): (u32, u32)) -> Rect {
    Rect {
        x,
        y,
        width: right - x,
        height: bottom - y,
    }
}

/// Where columns, or rows, begin, and the last one's end.
fn edges(
    what: &'static str,
    sizes: &BTreeMap<u32, Vec<u32>>,
    overlap: u32,
) -> Result<Vec<u32>, GridError> {
    let count = sizes.len();
    let mut edges = vec![0u32];
    let mut end = 0u32;
    for (number, sizes) in sizes {
        let number = *number;
        let all: Vec<Option<&u32>> = sizes.iter().map(Some).collect();
        let size =
            odd_one(&all).map_or_else(|| sizes.first().copied(), |(_, _, usual)| Some(*usual));
        let neighbours = u32::from(number > 0) + u32::from(edges.len() < count);
        let shared = neighbours.saturating_mul(overlap);
        let kept = size.unwrap_or_default().saturating_sub(shared);
        let reaches_further = neighbours > 0 && kept < overlap;
        let next = end
            .checked_add(kept)
            .filter(|_| kept > 0 && !reaches_further);
        end = next.ok_or(GridError::Narrow {
            what,
            number,
            overlap,
        })?;
        edges.push(end);
    }
    Ok(edges)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(column: u32, row: u32, size: (u32, u32)) -> Cell {
        Cell {
            name: format!("{column},{row}.exr"),
            path: "none".into(),
            column,
            row,
            size,
        }
    }

    #[test]
    fn places_follow_from_sizes() {
        // 100 + 60 + 40 columns and 30 + 20 rows, overlap 8.
        let widths = [108, 76, 48];
        let heights = [38, 28];
        let cells: Vec<Cell> = (0..6)
            .rev()
            .map(|i| (i % 3, i / 3))
            .map(|(c, r)| cell(c, r, (widths[c as usize], heights[r as usize])))
            .collect();
        let plan = plan((3, 2), 8, &cells).unwrap();
        assert_eq!((plan.width, plan.height), (200, 50));
        let shown: Vec<String> = plan
            .tiles
            .iter()
            .map(|tile| format!("{} {} {}", tile.name, tile.at, tile.keep))
            .collect();
        assert_eq!(shown[0], "0,0.exr 108x38+0+0 100x30+0+0");
        assert_eq!(shown[4], "1,1.exr 76x28+92+22 60x20+100+30");
        assert_eq!(super::super::cover::check(&plan), Ok(()));
    }

    #[test]
    fn what_is_no_grid_is_named() {
        let said =
            |grid, overlap, cells: &[Cell]| plan(grid, overlap, cells).unwrap_err().to_string();
        let size = (10, 10);
        let two = [cell(0, 0, size), cell(1, 1, size)];
        assert_eq!(
            said((2, 2), 0, &two),
            "tile 1,0 of the 2x2 grid is missing, and 1 more"
        );
        assert_eq!(
            said((u32::MAX, u32::MAX), 0, &two[..1]),
            "tile 1,0 of the 4294967295x4294967295 grid is missing, and 18446744065119617023 more"
        );
        assert_eq!(
            said((1, 1), 0, &two),
            "1,1.exr is tile 1,1, which a 1x1 grid has not"
        );
        let twice = [cell(0, 0, size), cell(0, 0, size)];
        assert_eq!(
            said((1, 1), 0, &twice),
            "0,0.exr and 0,0.exr are both tile 0,0"
        );
        let narrow = [cell(0, 0, size), cell(1, 0, size)];
        assert_eq!(
            said((2, 1), 6, &narrow),
            "the tiles of column 0 are too small for an overlap of 6"
        );
    }
}
