//! How the frames of a job are cut into tiles: settled once, and stored with the job.

use framewright_kernel::frames::{Frame, FrameSet, FrameSetError};
use serde::{Deserialize, Serialize};

use super::Tile;

/// Tiles of a frame, and the frames that are in tiles.
#[derive(Clone, Debug, PartialEq)]
pub struct Tiling {
    tiles: Vec<Tile>,
    /// Absent: all of them.
    frames: Option<FrameSet>,
    /// Layers whose frames stay whole.
    whole: Vec<String>,
    /// What part of a frame's time each tile takes; empty = as much as of its area.
    shares: Vec<f64>,
}

/// A tiling as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredTiling {
    /// Tiles, row by row.
    pub tiles: Vec<Tile>,
    /// Frame set of those in tiles; absent = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<String>,
    /// Layers whose frames stay whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub whole: Vec<String>,
    /// What part of a frame's time each tile takes; none = as much as of its area.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<f64>,
}

impl Tiling {
    /// These tiles, row by row, of these frames (absent: of all).
    #[must_use]
    pub fn new(tiles: Vec<Tile>, frames: Option<FrameSet>) -> Self {
        Self {
            tiles,
            frames,
            whole: Vec::new(),
            shares: Vec::new(),
        }
    }

    /// The same, where these layers stay whole.
    #[must_use]
    pub fn but_for(self, whole: Vec<String>) -> Self {
        Self { whole, ..self }
    }

    /// The same, of these frames only.
    #[must_use]
    pub fn of_frames(self, frames: FrameSet) -> Self {
        Self {
            frames: Some(frames),
            ..self
        }
    }

    /// The same frames and layers in other tiles, which take these parts of a frame's time.
    #[must_use]
    pub fn in_tiles(self, tiles: Vec<Tile>, shares: Vec<f64>) -> Self {
        Self {
            tiles,
            shares,
            ..self
        }
    }

    /// What part of a frame's time a tile takes, where that was measured.
    #[must_use]
    pub fn share(&self, tile_index: usize) -> Option<f64> {
        self.shares.get(tile_index).copied()
    }

    /// Whether a layer has frames in tiles.
    #[must_use]
    pub fn has_layer(&self, layer: &str) -> bool {
        !self.whole.iter().any(|whole| whole == layer)
    }

    /// Tiles, row by row.
    #[must_use]
    pub fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// Whether a frame is in tiles.
    #[must_use]
    pub fn has(&self, frame: i32) -> bool {
        let frames = self.frames.as_ref();
        frames.is_none_or(|frames| frames.contains(Frame(frame)))
    }

    /// Frames that are in tiles, where that is not all of them.
    #[must_use]
    pub fn frames(&self) -> Option<&FrameSet> {
        self.frames.as_ref()
    }

    /// Columns and rows.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        let places = || self.tiles.iter().map(|tile| tile.place);
        let columns = places().map(|place| place.column + 1).max();
        let rows = places().map(|place| place.row + 1).max();
        (columns.unwrap_or(0), rows.unwrap_or(0))
    }

    /// As it is stored.
    #[must_use]
    pub fn to_stored(&self) -> StoredTiling {
        StoredTiling {
            tiles: self.tiles.clone(),
            frames: self.frames.as_ref().map(ToString::to_string),
            whole: self.whole.clone(),
            shares: self.shares.clone(),
        }
    }

    /// Of a stored job.
    pub fn from_stored(stored: StoredTiling) -> Result<Self, FrameSetError> {
        let frames = stored.frames.map(|frames| frames.parse()).transpose()?;
        let tiling = Self::new(stored.tiles, frames).but_for(stored.whole);
        Ok(Self {
            shares: stored.shares,
            ..tiling
        })
    }
}
