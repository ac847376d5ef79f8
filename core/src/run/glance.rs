//! A cheap look at where in the frame the time goes, before it is cut into tiles.
//!
//! One frame is rendered small, in a grid of cells, one after the other on one machine, and each is
//! timed. A tiny cell tells what a call costs by itself. That is told where nobody knew what a frame
//! costs, and tiles are then cut so that they take equal time, not equal area.
//!
//! It is left out where the renderer has no small pictures, where there are many frames, of which one
//! tells little, and where a frame is so cheap that a look would cost what it saves. A look that fails
//! is no failure of the job: its tiles are of equal size then.

use framewright_plugin_api::data::{Basis, Cost, Scene, Task, Tile};

use super::activity::{self, Question, Timed};
use super::farm;
use super::layout::{self, Tiles, Wish};
use super::prepare::{PrepareError, Prepared, who_looks};
use super::{Surroundings, layout::tiles_fit};

/// One frame stands for so many.
const FRAMES_MAX: u64 = 8;
/// Cells in the longer direction.
const CELLS: u32 = 8;
/// Pixels of a cell in each direction, in the small picture.
const CELL_PIXELS: u32 = 24;
/// Most times that the picture is made smaller in each direction.
const REDUCED_MAX: u32 = 16;
/// Side of the cell that tells of calls.
const TINY: u32 = 4;
/// A frame that is known to cost less is not looked at.
const FRAME_MIN_S: f64 = 10.0;
/// And one whose tiles nobody asked for, where it is known to cost less.
const FRAME_MIN_UNASKED_S: f64 = 60.0;

/// Where the time goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Glance {
    pub columns: u32,
    pub rows: u32,
    /// Row by row: seconds that a cell of the picture as it is would take, calls excluded.
    pub cells_s: Vec<f64>,
    /// What a call takes.
    pub call_s: f64,
}

impl Glance {
    /// Seconds of a whole frame, its call excluded.
    fn frame_s(&self) -> f64 {
        self.cells_s.iter().sum()
    }
}

/// What is rendered for a look.
#[derive(Clone, Debug, PartialEq)]
struct Cells {
    reduced: u32,
    columns: u32,
    rows: u32,
    /// The tiny one, then row by row.
    tiles: Vec<Tile>,
}

impl Prepared {
    /// Looks, where that pays. What is found of costs that nobody knew is in the scene's then.
    pub(super) async fn glance(
        &mut self,
        around: &Surroundings,
    ) -> Result<Option<Glance>, PrepareError> {
        let inspection = &self.inspection;
        let wish = layout::wish(&self.request, &inspection.scene, &inspection.description)?;
        if !self.is_worth_a_look(&wish) {
            return Ok(None);
        }
        let Some(cells) = cells(&inspection.scene) else {
            return Ok(None);
        };
        let glance = match self.time(around, &cells).await {
            Ok(timed) => of(&cells, &timed),
            Err(error) => {
                self.warnings.push(format!(
                    "where in the frame the time goes is not known, a small picture of it failed: {error}"
                ));
                return Ok(None);
            }
        };
        let costs = &mut self.inspection.scene.costs;
        for (cost, seconds) in [
            (&mut costs.call_s, glance.call_s),
            (&mut costs.frame_s, glance.frame_s()),
        ] {
            if !farm::is_known(*cost) {
                *cost = Cost::new(seconds, Basis::Estimated);
            }
        }
        Ok(Some(glance))
    }

    fn is_worth_a_look(&self, wish: &Wish) -> bool {
        let inspection = &self.inspection;
        let frames = self.frames.count();
        let slots: u64 = self
            .request
            .hosts
            .iter()
            .map(|host| u64::from(host.slots))
            .sum();
        let scene = &inspection.scene;
        let remembered = self.remembered.as_ref().and_then(|known| known.frame_s());
        let declared = scene.costs.frame_s;
        let known = remembered.or(farm::is_known(declared).then_some(declared.seconds));
        let least = match wish.tiles {
            Tiles::Grid { .. } => return false,
            Tiles::Auto => FRAME_MIN_S,
            Tiles::Whole if wish.is_open && frames < slots && known.is_some() => {
                FRAME_MIN_UNASKED_S
            }
            Tiles::Whole => return false,
        };
        inspection.description.can.reduced
            && self.output.is_some()
            && frames <= FRAMES_MAX
            && tiles_fit(scene, &inspection.description).is_ok()
            && known.is_none_or(|known| known >= least)
    }

    async fn time(
        &self,
        around: &Surroundings,
        cells: &Cells,
    ) -> Result<Timed, activity::ActivityError> {
        let inspection = &self.inspection;
        let frames: Vec<i32> = self.frames.iter().map(|frame| frame.0).collect();
        let frame = frames[frames.len() / 2];
        let format = &self.format;
        // The first pays for what the renderer only does once.
        let tiles = cells.tiles.iter().take(1).chain(&cells.tiles);
        let tasks = tiles.enumerate().map(|(index, tile)| Task {
            tile: Some(*tile),
            reduced: cells.reduced,
            ..Task::frame(
                u32::try_from(index).unwrap_or(u32::MAX),
                frame,
                &format!("glance-{index}.{format}"),
            )
        });
        let tasks: Vec<Task> = tasks.collect();
        let mut last = None;
        for host in who_looks(&self.request.hosts) {
            let question = Question {
                adapter: &inspection.adapter,
                host: &host,
                settings: &inspection.settings,
                output: format,
            };
            let scene = (&inspection.scene, inspection.scene_path.as_str());
            match activity::time(around, &question, scene.0, scene.1, tasks.clone()).await {
                Ok(timed) => return Ok(timed),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or(activity::ActivityError::Lost(
            "the farm has no host".to_owned(),
        )))
    }
}

/// How small, and in how many cells; nothing where the picture is too small for any.
fn cells(scene: &Scene) -> Option<Cells> {
    let (width, height) = (scene.width, scene.height);
    let reduced = (width.max(height) / (CELLS * CELL_PIXELS)).clamp(1, REDUCED_MAX);
    if reduced < 2 {
        return None;
    }
    let (wide, high) = (width.div_ceil(reduced), height.div_ceil(reduced));
    let count = |length: u32| (length / CELL_PIXELS.max(wide.max(high) / CELLS)).clamp(1, CELLS);
    let (columns, rows) = (count(wide), count(high));
    let edge = |length: u32, count: u32, at: u32| {
        u32::try_from(u64::from(length) * u64::from(at) / u64::from(count)).unwrap_or(length)
    };
    let tiny = Tile {
        x: 0,
        y: 0,
        width: TINY.min(wide),
        height: TINY.min(high),
    };
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
    let tiles = places.map(|(column, row)| {
        let (x, y) = (edge(wide, columns, column), edge(high, rows, row));
        Tile {
            x,
            y,
            width: edge(wide, columns, column + 1) - x,
            height: edge(high, rows, row + 1) - y,
        }
    });
    Some(Cells {
        reduced,
        columns,
        rows,
        tiles: std::iter::once(tiny).chain(tiles).collect(),
    })
}

/// What was seen. The tiny cell, which costs next to nothing but its call, tells what a call is, or
/// whichever took less.
fn of(cells: &Cells, timed: &Timed) -> Glance {
    let (_, seen) = timed
        .tasks_s
        .split_at(timed.tasks_s.len() - cells.tiles.len());
    let call_s = seen.iter().copied().fold(f64::INFINITY, f64::min);
    let larger = f64::from(cells.reduced) * f64::from(cells.reduced);
    Glance {
        columns: cells.columns,
        rows: cells.rows,
        cells_s: seen[1..]
            .iter()
            .map(|cell_s| (cell_s - call_s) * larger)
            .collect(),
        call_s,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(width: u32, height: u32) -> Scene {
        Scene {
            width,
            height,
            ..Scene::default()
        }
    }

    #[test]
    fn cells_are_a_partition_of_the_small_picture() {
        for (width, height) in [(3840, 2160), (1001, 4001), (16_384, 100), (385, 384)] {
            let cells = cells(&scene(width, height)).unwrap();
            let (wide, high) = (
                width.div_ceil(cells.reduced),
                height.div_ceil(cells.reduced),
            );
            let grid = &cells.tiles[1..];
            let pixels: u64 = grid
                .iter()
                .map(|tile| u64::from(tile.width) * u64::from(tile.height))
                .sum();
            assert_eq!(
                pixels,
                u64::from(wide) * u64::from(high),
                "{width}x{height}"
            );
            assert_eq!(grid.len(), (cells.columns * cells.rows) as usize);
            assert!(
                grid.iter()
                    .all(|tile| tile.x + tile.width <= wide && tile.y + tile.height <= high)
            );
        }
        assert_eq!(cells(&scene(320, 180)), None);
    }

    #[test]
    fn a_call_is_what_the_tiny_cell_takes() {
        let cells = cells(&scene(3840, 2160)).unwrap();
        let mut tasks_s = vec![5.0, 0.25];
        tasks_s.extend((1..cells.tiles.len()).map(|_| 0.75));
        let glance = of(
            &cells,
            &Timed {
                load_s: None,
                tasks_s,
            },
        );
        let larger = f64::from(cells.reduced * cells.reduced);
        assert_eq!(glance.call_s, 0.25);
        assert!(
            glance
                .cells_s
                .iter()
                .all(|cell| (cell - 0.5 * larger).abs() < 1e-9)
        );
    }
}
