//! In how many ways a job could be split, so far as it is worth a look.
//!
//! What cannot win is left out by rules of thumb, which err on the side of looking: tiles so small that
//! their calls cost as much as their pixels, more tasks than the slots could use, a tail of more frames
//! than there are slots.
//!
//! Invariant: each candidate is what was asked for, and a picture that is only exact without tiles or as
//! a whole is offered in no other way.

use std::fmt;

/// Pixels that a tile measures at least, in each direction.
const SIDE_MIN: u32 = 64;
/// And times the overlap on one side of it.
const OVERLAPS_MIN: u32 = 4;
/// The pixels of a tile take at least so many times as long as the call that it is.
const CALLS_MIN: f64 = 4.0;
/// Shortest tile; what it takes to send it and to put it back in its place is to be small beside it.
const TILE_MIN_S: f64 = 0.5;
/// How many tasks each slot might get.
const ROUNDS: [u32; 3] = [1, 2, 4];
/// Tasks of a candidate that is still looked at.
pub(super) const TASKS_MAX: u64 = 10_000;

/// Columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grid {
    /// From left to right.
    pub columns: u32,
    /// From top to bottom.
    pub rows: u32,
}

impl Grid {
    /// How many tiles.
    #[must_use]
    pub fn tiles(self) -> u32 {
        self.columns.saturating_mul(self.rows)
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.columns, self.rows)
    }
}

/// Which frames are in tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tiled {
    /// None.
    None,
    /// So many at the end of the job, so that all slots have work to its end.
    Last {
        /// How many.
        frames: u32,
        /// Into how many tiles each.
        grid: Grid,
    },
    /// All of them.
    All(Grid),
}

/// A way to split a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// Whether its layers are rendered apart.
    pub layers: bool,
    /// Which frames are in tiles.
    pub tiled: Tiled,
}

impl Candidate {
    /// Frames as they are.
    pub const FRAMES: Candidate = Candidate {
        layers: false,
        tiled: Tiled::None,
    };

    /// Frames that are split into tiles, of so many.
    fn tiled_frames(self, frames: u32) -> u32 {
        match self.tiled {
            Tiled::None => 0,
            Tiled::Last { frames: last, .. } => last.min(frames),
            Tiled::All(_) => frames,
        }
    }

    /// How frames that are in tiles are split.
    #[must_use]
    pub fn grid(self) -> Option<Grid> {
        match self.tiled {
            Tiled::None => None,
            Tiled::Last { grid, .. } | Tiled::All(grid) => Some(grid),
        }
    }

    /// Tiles of a frame that is in tiles; 1 where none is.
    #[must_use]
    pub fn tiles(self) -> u32 {
        self.grid().map_or(1, Grid::tiles)
    }

    /// How many tasks that makes.
    pub(super) fn tasks(self, facts: &Facts) -> u64 {
        let tiled = u64::from(self.tiled_frames(facts.frames));
        let whole = u64::from(facts.frames) - tiled;
        let layers = u64::from(facts.layer_count.max(1));
        let layers = if self.layers { layers } else { 1 };
        (whole + tiled * u64::from(self.tiles())) * layers
    }
}

impl fmt::Display for Candidate {
    /// `frames`, `tiles 10x10`, `layers, the last 5 frames in tiles 4x2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.layers, self.tiled) {
            (false, Tiled::None) => write!(f, "frames"),
            (true, Tiled::None) => write!(f, "layers"),
            (false, Tiled::All(grid)) => write!(f, "tiles {grid}"),
            (true, Tiled::All(grid)) => write!(f, "layers in tiles {grid}"),
            (layers, Tiled::Last { frames, grid }) => {
                let what = if layers { "layers" } else { "frames" };
                match frames {
                    1 => write!(f, "{what}, the last frame in tiles {grid}"),
                    _ => write!(f, "{what}, the last {frames} frames in tiles {grid}"),
                }
            }
        }
    }
}

/// Whether something is to be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is not, or cannot be.
    Never,
    /// If that is better.
    Open,
    /// The user wants it.
    Always,
}

/// What is known of a job before it is split.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// How many frames.
    pub frames: u32,
    /// Of a picture, in pixels.
    pub width: u32,
    /// Of a picture, in pixels.
    pub height: u32,
    /// The speed of each slot that may take the job.
    pub speeds: Vec<f64>,
    /// Whether layers are to be rendered apart.
    pub layers: Part,
    /// How many there are.
    pub layer_count: u32,
    /// Whether frames are to be in tiles.
    pub tiles: Part,
    /// How far tiles are to overlap, in pixels.
    pub overlap: u32,
    /// What tiles' edges are to be multiples of; 0 and 1 = anything.
    pub align: u32,
    /// Seconds of a render call; `None` where nobody knows.
    pub call_s: Option<f64>,
    /// Seconds of a frame, its call not counted; `None` where nobody knows.
    pub frame_s: Option<f64>,
}

impl Facts {
    fn slots(&self) -> u32 {
        u32::try_from(self.speeds.len()).unwrap_or(u32::MAX)
    }

    /// What one frame gives the slots to do.
    fn pieces(&self, layers: bool) -> u32 {
        if layers { self.layer_count.max(1) } else { 1 }
    }

    /// Most tiles of a frame that are worth their calls; `frame_guess_s` where nobody knows.
    fn tiles_max(&self, layers: bool, frame_guess_s: f64) -> u32 {
        let frame_s = self.frame_s.unwrap_or(frame_guess_s) / f64::from(self.pieces(layers));
        let least = (self.call_s.unwrap_or(0.0) * CALLS_MIN).max(TILE_MIN_S);
        (frame_s / least).min(super::TILES_MAX as f64) as u32
    }

    /// Most columns or rows of a side of so many pixels.
    fn parts_max(&self, length: u32) -> u32 {
        let side = SIDE_MIN
            .max(self.align)
            .max(self.overlap.saturating_mul(OVERLAPS_MIN));
        (length / side).max(1)
    }

    /// The grid of at least so many tiles that are as square as can be; `None` where that makes no
    /// tiles.
    fn grid_of(&self, tiles: u32) -> Option<Grid> {
        let (most_columns, most_rows) = (self.parts_max(self.width), self.parts_max(self.height));
        let shape = |rows: u32| {
            let columns = tiles.div_ceil(rows).min(most_columns);
            Grid { columns, rows }
        };
        let cost = |grid: &Grid| {
            let width = f64::from(self.width) / f64::from(grid.columns);
            let height = f64::from(self.height) / f64::from(grid.rows);
            // More than asked for, or less, counts as much as a longish shape.
            let off = f64::from(grid.tiles()) / f64::from(tiles);
            (width / height).ln().abs() + 2.0 * off.ln().abs()
        };
        let grids = (1..=tiles.min(most_rows)).map(shape);
        let best = grids.min_by(|a, b| cost(a).total_cmp(&cost(b)));
        best.filter(|grid| grid.tiles() > 1)
    }

    /// Numbers of tiles that make so many frames enough for all slots once, twice and more.
    fn tile_counts(&self, frames: u32, layers: bool, frame_guess_s: f64) -> Vec<Grid> {
        let pieces = u64::from(frames) * u64::from(self.pieces(layers));
        let most = self.tiles_max(layers, frame_guess_s);
        let mut grids: Vec<Grid> = Vec::new();
        for rounds in ROUNDS {
            // Of calls nobody knows of there shall not be many.
            if rounds > 1 && self.call_s.is_none() {
                break;
            }
            let wanted = u64::from(self.slots()) * u64::from(rounds);
            let tiles = wanted.div_ceil(pieces.max(1)).min(u64::from(most));
            if tiles < 2 {
                continue;
            }
            grids.extend(self.grid_of(tiles as u32));
        }
        grids.sort_by_key(|grid| (grid.tiles(), *grid));
        grids.dedup();
        grids
    }

    fn all_in_tiles(&self, layers: bool, frame_guess_s: f64) -> Vec<Tiled> {
        let unknown = self.call_s.is_none() && self.frames >= self.slots();
        if self.tiles == Part::Open && unknown {
            return Vec::new();
        }
        let mut grids = self.tile_counts(self.frames, layers, frame_guess_s);
        if grids.is_empty() && self.tiles == Part::Always {
            grids.extend([2, 4].into_iter().filter_map(|tiles| self.grid_of(tiles)));
            grids.dedup();
        }
        grids.into_iter().map(Tiled::All).collect()
    }

    /// Tails for the end of the job: what is left over when all slots have had as many frames, or a
    /// part of the frames that all slots have last.
    fn tails(&self, layers: bool, frame_guess_s: f64) -> Vec<Tiled> {
        let known = self.call_s.is_some() && self.frame_s.is_some();
        let slots = self.slots();
        if self.tiles != Part::Open || !known || slots < 2 {
            return Vec::new();
        }
        let at_once = (slots / self.pieces(layers)).max(1);
        let left_over = self.frames % at_once;
        let mut lengths = vec![left_over, at_once.div_ceil(4), at_once.div_ceil(2), at_once];
        lengths.extend([
            left_over + at_once.div_ceil(4),
            left_over + at_once.div_ceil(2),
        ]);
        lengths.retain(|frames| (1..self.frames).contains(frames));
        lengths.sort_unstable();
        lengths.dedup();
        let tails = lengths.into_iter().flat_map(|frames| {
            let grids = self.tile_counts(frames, layers, frame_guess_s);
            let last = move |grid| Tiled::Last { frames, grid };
            grids.into_iter().map(last)
        });
        tails.collect()
    }

    /// All that is worth a look, what is simplest first. The first is what a job is that nobody wants
    /// split, as far as the user leaves that open.
    #[must_use]
    pub fn candidates(&self, frame_guess_s: f64) -> Vec<Candidate> {
        let layers: &[bool] = match self.layers {
            Part::Always => &[true],
            Part::Open if self.layer_count > 1 => &[false, true],
            Part::Open | Part::Never => &[false],
        };
        let mut candidates = Vec::new();
        for &layers in layers {
            let mut tiled = Vec::new();
            if self.tiles != Part::Always {
                tiled.push(Tiled::None);
            }
            if self.tiles != Part::Never {
                tiled.extend(self.tails(layers, frame_guess_s));
                tiled.extend(self.all_in_tiles(layers, frame_guess_s));
            }
            let candidate = |tiled| Candidate { layers, tiled };
            candidates.extend(tiled.into_iter().map(candidate));
        }
        candidates.sort_by_key(|candidate| candidate.effort());
        let first = candidates.first().copied();
        candidates
            .retain(|candidate| Some(*candidate) == first || candidate.tasks(self) <= TASKS_MAX);
        candidates
    }
}

impl Candidate {
    /// What it takes to put its frames together: less is better, where it is equally quick.
    fn effort(self) -> (u32, u32, Candidate) {
        let kind = match self.tiled {
            Tiled::None => 0,
            Tiled::Last { .. } => 2,
            Tiled::All(_) => 3,
        };
        (kind + u32::from(self.layers), self.tiles(), self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn still() -> Facts {
        Facts {
            frames: 1,
            width: 3840,
            height: 2160,
            speeds: vec![1.0; 20],
            layers: Part::Open,
            layer_count: 1,
            tiles: Part::Open,
            overlap: 0,
            align: 0,
            call_s: Some(1.0),
            frame_s: Some(600.0),
        }
    }

    #[test]
    fn a_still_is_offered_in_as_many_tiles_as_slots_and_more() {
        let told: Vec<String> = still()
            .candidates(10.0)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(told, ["frames", "tiles 5x4", "tiles 8x5", "tiles 12x7"]);
    }

    #[test]
    fn tiles_are_large_enough_for_their_calls_and_their_overlap() {
        let dear = Facts {
            call_s: Some(20.0),
            ..still()
        };
        let tiles = |facts: &Facts| {
            let candidates = facts.candidates(10.0);
            candidates.iter().map(|c| c.tiles()).max().unwrap_or(0)
        };
        // 80 s of pixels at least.
        assert!(tiles(&dear) <= 8, "{}", tiles(&dear));
        let overlapping = Facts {
            width: 640,
            height: 360,
            overlap: 40,
            ..still()
        };
        assert!(tiles(&overlapping) <= 8, "{}", tiles(&overlapping));
        // Where nobody knows what a call costs, a tile for each slot has to do.
        let unknown = Facts {
            call_s: None,
            ..still()
        };
        assert_eq!(tiles(&unknown), 20);
    }

    #[test]
    fn what_is_never_wanted_is_never_offered() {
        for frames in [1, 5, 45, 300] {
            for (layers, tiles) in [
                (Part::Never, Part::Open),
                (Part::Open, Part::Never),
                (Part::Always, Part::Always),
                (Part::Never, Part::Never),
            ] {
                let facts = Facts {
                    frames,
                    layers,
                    tiles,
                    layer_count: 3,
                    ..still()
                };
                let candidates = facts.candidates(10.0);
                assert!(!candidates.is_empty());
                for candidate in candidates {
                    assert!(layers != Part::Never || !candidate.layers);
                    assert!(layers != Part::Always || candidate.layers);
                    assert!(tiles != Part::Never || candidate.tiled == Tiled::None);
                    assert!(tiles != Part::Always || matches!(candidate.tiled, Tiled::All(_)));
                }
            }
        }
    }

    #[test]
    fn many_frames_of_unknown_calls_stay_whole() {
        let facts = Facts {
            frames: 45,
            call_s: None,
            ..still()
        };
        assert_eq!(facts.candidates(10.0), [Candidate::FRAMES]);
        let million = Facts {
            frames: 1_000_000,
            ..still()
        };
        assert_eq!(million.candidates(10.0), [Candidate::FRAMES]);
    }
}
