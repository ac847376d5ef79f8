//! Stitches a grid of equal tiles, for tests/bench/stitch and as an example of the call.
//!
//! `stitch auto|scanline|tiled check|trust LEVEL COLUMNS OUTPUT WIDTH HEIGHT TILE...`: each tile is
//! WIDTH x HEIGHT pixels large, in the order of rows.
#![allow(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use framewright_assemble::stitch::{Layout, Plan, Tile, stitch};
use framewright_assemble::{Output, Rect};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [
        layout,
        check,
        level,
        columns,
        output,
        width,
        height,
        files @ ..,
    ] = &words[..]
    else {
        return Err("stitch LAYOUT check|trust LEVEL COLUMNS OUTPUT WIDTH HEIGHT TILE...".into());
    };
    let (columns, width, height): (u32, u32, u32) =
        (columns.parse()?, width.parse()?, height.parse()?);
    let tiles = (0u32..).zip(files).map(|(index, file)| {
        let at = Rect {
            x: index % columns * width,
            y: index / columns * height,
            width,
            height,
        };
        Tile {
            name: file.clone(),
            path: PathBuf::from(file),
            at,
            keep: at,
        }
    });
    let tiles: Vec<Tile> = tiles.collect();
    let rows = tiles.len() as u32 / columns;
    let mut plan = Plan::new(columns * width, rows * height, tiles);
    plan.layout = match layout.as_str() {
        "auto" => Layout::Auto,
        "scanline" => Layout::Scanline,
        "tiled" => Layout::Tiled,
        other => return Err(format!("there is no layout {other}").into()),
    };
    plan.check_copied = check == "check";
    plan.zip_level = level.parse()?;
    let output = Output {
        path: output.into(),
        overwrite: true,
    };
    let stitched = stitch(&plan, &output, &AtomicBool::new(false))?;
    println!(
        "{} copied, {} encoded, {} bytes, {} seams",
        stitched.copied_blocks,
        stitched.encoded_blocks,
        stitched.bytes,
        stitched.seams.len()
    );
    Ok(())
}
