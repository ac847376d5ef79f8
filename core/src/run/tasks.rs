//! The tasks of a job, in their order, numbered.
//!
//! A job is split by frames, by layers where these are rendered apart, and by tiles where frames are
//! too large for one slot. The order is layer by layer, frames rising, tiles row by row, and the
//! number of a task follows from it: so a resumed job numbers its tasks as before, and a million of
//! them take next to no memory here.

use framewright_kernel::frames::FrameSet;
use framewright_kernel::ids::TaskId;

use crate::names::TaskName;
use crate::split::{Tile, Tiling};

/// Tasks of a job.
#[derive(Clone, Debug)]
pub struct TaskList {
    layers: Vec<Listed>,
    frames: Vec<i32>,
    tiling: Option<Tiling>,
    /// Where each frame's tasks begin within a tiled layer, and where the last one's end; empty
    /// without tiles.
    starts: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Listed {
    name: String,
    /// Number of its first task.
    first: u32,
    is_tiled: bool,
}

/// What a task is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskFacts<'a> {
    /// Its layer; empty where the scene is rendered as it is.
    pub layer: &'a str,
    /// Which layer that is, from 0.
    pub layer_index: usize,
    /// Its frame.
    pub frame: i32,
    /// Which frame of the job that is, from 0.
    pub frame_index: usize,
    /// Its part of the frame; absent = all of it.
    pub tile: Option<&'a Tile>,
    /// Which tile of the frame that is, from 0.
    pub tile_index: usize,
    /// What part of the frame's time it takes, where that was measured.
    pub share: Option<f64>,
}

impl TaskFacts<'_> {
    /// What part of the time it takes that a frame of so many pixels takes: as measured, or as much
    /// as of its area, overlap included.
    pub(super) fn part_of(&self, pixels: u64) -> f64 {
        self.share.unwrap_or_else(|| match self.tile {
            Some(tile) => tile.at.pixels() as f64 / pixels as f64,
            None => 1.0,
        })
    }
}

impl TaskList {
    /// The tasks of these layers (none: the scene as it is) and frames, each a whole frame.
    #[must_use]
    pub fn new(layers: &[String], frames: &FrameSet) -> Self {
        Self::tiled(layers, frames, None)
    }

    /// The same, where the tiling's frames are in tiles.
    #[must_use]
    pub fn tiled(layers: &[String], frames: &FrameSet, tiling: Option<Tiling>) -> Self {
        let unnamed = [String::new()];
        let layers = if layers.is_empty() { &unnamed } else { layers };
        let frames: Vec<i32> = frames.iter().map(|frame| frame.0).collect();
        let starts = tiling
            .as_ref()
            .map_or_else(Vec::new, |tiling| starts(tiling, &frames));
        let in_tiles = starts.last().copied().unwrap_or(0);
        let in_frames = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        let mut first = 0_u32;
        let layers = layers
            .iter()
            .map(|name| {
                let listed = Listed {
                    name: name.clone(),
                    first,
                    is_tiled: tiling.as_ref().is_some_and(|tiling| tiling.has_layer(name)),
                };
                let more = if listed.is_tiled { in_tiles } else { in_frames };
                first = first.saturating_add(more);
                listed
            })
            .collect();
        Self {
            layers,
            frames,
            tiling,
            starts,
        }
    }

    /// How many. The kernel refuses more than it can number.
    #[must_use]
    pub fn len(&self) -> u32 {
        let Some(last) = self.layers.last() else {
            return 0;
        };
        last.first.saturating_add(self.in_layer(last))
    }

    fn in_layer(&self, layer: &Listed) -> u32 {
        match layer.is_tiled {
            true => self.starts.last().copied().unwrap_or(0),
            false => u32::try_from(self.frames.len()).unwrap_or(u32::MAX),
        }
    }

    /// Whether there are none, which no settled job has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// All of them, in order.
    pub fn ids(&self) -> impl Iterator<Item = TaskId> + use<> {
        (0..self.len()).map(TaskId)
    }

    /// What a task is.
    ///
    /// # Panics
    /// When the job has no such task.
    #[must_use]
    pub fn facts(&self, task: TaskId) -> TaskFacts<'_> {
        let layer_index = self
            .layers
            .partition_point(|layer| layer.first <= task.0)
            .saturating_sub(1);
        let layer = &self.layers[layer_index];
        let within = task.0 - layer.first;
        let (frame_index, tile_index) = if layer.is_tiled {
            let after = self.starts.partition_point(|start| *start <= within);
            let frame = after - 1;
            (frame, (within - self.starts[frame]) as usize)
        } else {
            (within as usize, 0)
        };
        let is_whole = !layer.is_tiled || !self.is_tiled_frame(frame_index);
        let tiling = self.tiling.as_ref().filter(|_| !is_whole);
        TaskFacts {
            layer: &layer.name,
            layer_index,
            frame: self.frames[frame_index],
            frame_index,
            tile: tiling.map(|tiling| &tiling.tiles()[tile_index]),
            tile_index,
            share: tiling.and_then(|tiling| tiling.share(tile_index)),
        }
    }

    fn is_tiled_frame(&self, frame_index: usize) -> bool {
        let tiling = self.tiling.as_ref();
        tiling.is_some_and(|tiling| tiling.has(self.frames[frame_index]))
    }

    /// A task's name.
    #[must_use]
    pub fn name(&self, task: TaskId) -> TaskName {
        let facts = self.facts(task);
        TaskName::new(facts.layer, facts.frame, facts.tile.map(|tile| tile.place))
    }

    /// The task with this name.
    #[must_use]
    pub fn find(&self, name: &TaskName) -> Option<TaskId> {
        let layer = self
            .layers
            .iter()
            .position(|layer| TaskName::new(&layer.name, 0, None).layer() == name.layer())?;
        let frame = self.frames.binary_search(&name.frame()).ok()?;
        let mut tasks = self.of_frame(layer, frame);
        tasks.find(|task| self.name(*task) == *name)
    }

    /// The tasks of one frame of a layer, both by their places in the job.
    pub fn of_frame(
        &self,
        layer_index: usize,
        frame_index: usize,
    ) -> impl Iterator<Item = TaskId> + use<> {
        let layer = &self.layers[layer_index];
        let within = if layer.is_tiled {
            self.starts[frame_index]..self.starts[frame_index + 1]
        } else {
            let index = u32::try_from(frame_index).unwrap_or(u32::MAX);
            index..index + 1
        };
        (layer.first + within.start..layer.first + within.end).map(TaskId)
    }

    /// Names of the layers; one that is empty where the scene is rendered as it is.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = &str> {
        self.layers.iter().map(|layer| layer.name.as_str())
    }

    /// Whether some frames of a layer are in tiles.
    #[must_use]
    pub fn is_tiled(&self, layer_index: usize) -> bool {
        self.layers[layer_index].is_tiled
    }

    /// Frames, rising.
    #[must_use]
    pub fn frames(&self) -> &[i32] {
        &self.frames
    }

    /// How frames are tiled, where any is.
    #[must_use]
    pub fn tiling(&self) -> Option<&Tiling> {
        self.tiling.as_ref()
    }
}

fn starts(tiling: &Tiling, frames: &[i32]) -> Vec<u32> {
    let tiles = u32::try_from(tiling.tiles().len()).unwrap_or(u32::MAX);
    let mut at = 0_u32;
    let mut starts = vec![0];
    for frame in frames {
        let count = if tiling.has(*frame) { tiles } else { 1 };
        at = at.saturating_add(count);
        starts.push(at);
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::grid;

    fn tiling(frames: Option<&str>) -> Tiling {
        let tiles = grid(320, 180, 3, 2, 4, 1).unwrap();
        Tiling::new(tiles, frames.map(|frames| frames.parse().unwrap()))
            .but_for(vec!["sim".to_owned()])
    }

    #[test]
    fn a_task_is_found_by_the_name_it_prints() {
        let names = ["beauty".to_owned(), "a:1".to_owned(), "sim".to_owned()];
        let frames: FrameSet = "-3-4,9".parse().unwrap();
        for tiling in [None, Some(tiling(None)), Some(tiling(Some("4,9")))] {
            for layers in [&[][..], &names[..1], &names[..]] {
                let tasks = TaskList::tiled(layers, &frames, tiling.clone());
                let in_tiles = match &tiling {
                    None => 9,
                    Some(tiling) if tiling.has(-3) => 9 * 6,
                    Some(_) => 7 + 2 * 6,
                };
                let sims = layers.iter().filter(|layer| *layer == "sim").count();
                let tiled = layers.len().max(1) - sims;
                assert_eq!(tasks.len() as usize, in_tiles * tiled + 9 * sims);
                let mut last = None;
                for id in tasks.ids() {
                    let name = tasks.name(id);
                    assert_eq!(tasks.find(&name), Some(id), "{name}");
                    let typed = name.to_string().parse().unwrap();
                    assert_eq!(tasks.find(&typed), Some(id), "{name}");
                    let facts = tasks.facts(id);
                    let mut frame = tasks.of_frame(facts.layer_index, facts.frame_index);
                    assert_eq!(frame.nth(facts.tile_index), Some(id), "{name}");
                    let place = (facts.layer_index, facts.frame, facts.tile_index);
                    assert!(last < Some(place), "{name}");
                    last = Some(place);
                }
            }
        }
    }

    #[test]
    fn what_is_no_task_is_not_found() {
        let layers = ["beauty".to_owned()];
        let frames = "1-4".parse().unwrap();
        let tasks = TaskList::new(&layers, &frames);
        for typed in ["beauty:5", "shadow:1", "beauty:1:0,0"] {
            assert_eq!(tasks.find(&typed.parse().unwrap()), None, "{typed}");
        }
        let tasks = TaskList::tiled(&layers, &frames, Some(tiling(Some("4"))));
        for typed in ["beauty:4", "beauty:1:0,0", "beauty:4:3,0", "beauty:4:0,2"] {
            assert_eq!(tasks.find(&typed.parse().unwrap()), None, "{typed}");
        }
        assert_eq!(
            tasks.find(&"beauty:4:2,1".parse().unwrap()),
            Some(TaskId(8))
        );
    }
}
