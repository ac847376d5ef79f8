//! How a job is cut into tasks: frames, tiles, layers, and what of these is best.
//!
//! Numbers in, numbers out: nothing here reads a file, asks a clock or starts anything, so the same
//! facts give the same answer everywhere.

mod grid;
mod tiling;

pub use grid::{GridError, Rect, TILES_MAX, Tile, grid};
pub use tiling::{StoredTiling, Tiling};
