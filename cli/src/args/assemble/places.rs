//! `assemble stitch`: where tiles belong, from what was typed and what their files are called.

use std::path::Path;

use framewright_assemble::Rect;
use framewright_assemble::stitch::grid::{self, Cell};
use framewright_assemble::stitch::{Canvas, Plan, Tile, picture_size};

use super::StitchArgs;
use crate::printable::{printable, shown};
use crate::problem::Presentable;

const AT_HINT: &str = "a rectangle is written WxH+X+Y, such as 1920x540+0+540";
const SIZE_HINT: &str = "columns and rows are written 10x10, a size 3840x2160";

/// The plan: its size, its tiles and what their files show.
pub(super) fn plan(args: &StitchArgs) -> Result<Plan, Presentable> {
    if args.at.is_empty() {
        in_a_grid(args)
    } else {
        given_places(args)
    }
}

fn in_a_grid(args: &StitchArgs) -> Result<Plan, Presentable> {
    let named: Option<Vec<(u32, u32)>> = args.tiles.iter().map(place_of).collect();
    let typed = args.grid.as_deref().map(|text| pair("--grid", text));
    let typed = typed.transpose()?;
    let count = args.tiles.len();
    let (grid, places) = match (typed, named) {
        (Some(grid), Some(places)) => (grid, places),
        (None, Some(places)) => {
            let columns = places.iter().map(|place| place.0).max();
            let rows = places.iter().map(|place| place.1).max();
            let size = |last: Option<u32>| last.unwrap_or_default().saturating_add(1);
            ((size(columns), size(rows)), places)
        }
        (Some((columns, rows)), None) => {
            let wanted = u64::from(columns) * u64::from(rows);
            if wanted != count as u64 {
                return Err(Presentable::usage(format!(
                    "--grid {columns}x{rows} has {wanted} tiles, {count} are given"
                ))
                .hint("tiles are given row by row, all of them"));
            }
            let places = (0..count as u32).map(|index| (index % columns, index / columns));
            ((columns, rows), places.collect())
        }
        (None, None) if count == 1 => ((1, 1), vec![(0, 0)]),
        (None, None) => {
            let nameless = args.tiles.iter().find(|path| place_of(path).is_none());
            let nameless = nameless.map(|path| shown(path)).unwrap_or_default();
            return Err(Presentable::usage(format!(
                "the name of {nameless} does not say where the tile belongs"
            ))
            .hint("give --grid COLSxROWS and the tiles row by row, or --at for each"));
        }
    };
    let mut cells = Vec::with_capacity(count);
    for (path, (column, row)) in args.tiles.iter().zip(places) {
        let name = name(path);
        cells.push(Cell {
            size: picture_size(&name, path)?,
            name,
            path: path.clone(),
            column,
            row,
        });
    }
    grid::plan(grid, args.overlap, &cells).map_err(|error| {
        Presentable::usage(error.to_string()).hint(match error {
            grid::GridError::Missing { .. } => "give all tiles; columns and rows count from 0",
            grid::GridError::Twice { .. } => "give each tile once",
            grid::GridError::Beside { .. } => "columns and rows count from 0; correct --grid",
            grid::GridError::Narrow { .. } => "say where the tiles are by --at",
        })
    })
}

fn given_places(args: &StitchArgs) -> Result<Plan, Presentable> {
    if args.at.len() != args.tiles.len() {
        return Err(Presentable::usage(format!(
            "--at is given {} times, for {} tiles",
            args.at.len(),
            args.tiles.len()
        ))
        .hint("give it once for each tile, in their order"));
    }
    let places: Vec<Rect> = args
        .at
        .iter()
        .map(|text| rectangle(text))
        .collect::<Result<_, _>>()?;
    let furthest = |edge: fn(&Rect) -> u64| {
        let last = places.iter().map(edge).max().unwrap_or_default();
        u32::try_from(last).unwrap_or(u32::MAX)
    };
    let (width, height) = match &args.size {
        Some(text) => pair("--size", text)?,
        None => (furthest(Rect::right), furthest(Rect::bottom)),
    };
    let mut tiles = Vec::with_capacity(places.len());
    for (path, at) in args.tiles.iter().zip(places) {
        let keep = at.without_overlap(args.overlap, width, height);
        let keep = keep.ok_or_else(|| {
            Presentable::usage(format!(
                "nothing is left of {} ({at}) without its overlap",
                shown(path)
            ))
            .hint("--at is what a tile's file covers, overlap included")
        })?;
        tiles.push(Tile {
            name: name(path),
            path: path.clone(),
            at,
            keep,
        });
    }
    let mut plan = Plan::new(width, height, tiles);
    if args.full_canvas {
        plan.canvas = Canvas::Full;
    }
    Ok(plan)
}

/// A tile is called by its file.
fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Column and row from a name that ends in `COLUMN,ROW`, before its extension.
fn place_of(path: impl AsRef<Path>) -> Option<(u32, u32)> {
    let stem = path.as_ref().file_stem()?.to_str()?;
    let (before, row) = stem.rsplit_once(',')?;
    let digits = before.bytes().rev().take_while(u8::is_ascii_digit).count();
    let column = &before[before.len() - digits..];
    // `u32` takes a plus sign, names do not mean one.
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    (is_number(column) && is_number(row)).then_some(())?;
    Some((column.parse().ok()?, row.parse().ok()?))
}

/// Two numbers from 1 on.
fn pair(option: &str, text: &str) -> Result<(u32, u32), Presentable> {
    size(text).ok_or_else(|| {
        Presentable::usage(format!(
            "{option} {}: these are not two numbers",
            printable(text)
        ))
        .hint(SIZE_HINT)
    })
}

fn size(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once(['x', 'X'])?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
    number(width).zip(number(height))
}

fn rectangle(text: &str) -> Result<Rect, Presentable> {
    let read = || {
        let (wide, place) = text.split_once('+')?;
        let (x, y) = place.split_once('+')?;
        let (width, height) = size(wide)?;
        Some(Rect {
            x: x.parse().ok()?,
            y: y.parse().ok()?,
            width,
            height,
        })
    };
    read().ok_or_else(|| {
        Presentable::usage(format!("--at {}: this is no rectangle", printable(text))).hint(AT_HINT)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_where_its_tile_belongs() {
        let place = |name: &str| place_of(name);
        assert_eq!(place("out/beauty.0017.2,3.exr"), Some((2, 3)));
        assert_eq!(place("10,0.png"), Some((10, 0)));
        for name in [
            "a.exr",
            ",.exr",
            "1,.exr",
            ",1.exr",
            "1,2,x.exr",
            "1,+2.exr",
            "1,99999999999.exr",
        ] {
            assert_eq!(place(name), None, "{name}");
        }
    }

    #[test]
    fn rectangles_are_read() {
        assert_eq!(rectangle("10x20+3+4").unwrap().to_string(), "10x20+3+4");
        for text in ["", "10x20", "10x20+3", "0x5+1+1", "1x1+-1+0", "1x1+1+1+1"] {
            assert!(rectangle(text).is_err(), "{text}");
        }
    }
}
