//! How a job is cut into tasks: frames, tiles, layers, and what of these is best.
//!
//! Numbers in, numbers out: nothing here reads a file, asks a clock or starts anything, so the same
//! facts give the same answer everywhere.

mod candidate;
mod choose;
mod grid;
mod tiling;
mod uneven;

pub use candidate::{Candidate, Facts, Grid, Part, Tiled};
pub use choose::{Choice, Trial, choose};
pub use grid::{GridError, Rect, TILES_MAX, Tile, grid};
pub use tiling::{StoredTiling, Tiling};
pub use uneven::{Probe, Uneven, uneven};

#[cfg(test)]
mod tests;
