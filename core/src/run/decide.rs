//! What the user leaves open of how a job is split, decided by the kernel.
//!
//! Each way of splitting that is worth a look is made a job like any other and rendered in virtual
//! time ([`crate::split::choose`]); nothing is estimated here. What was asked for is not touched, and a
//! job whose segments the user sizes in frames is split by frames.
//!
//! Invariant: a picture is the same however its job was split. So layers are only rendered apart unasked
//! where the scene's own picture holds them side by side, as the merged one does.

use framewright_kernel::frames::FrameSet;

use super::farm;
use super::glance::Glance;
use super::layout::{self, SplitError, Tiles, Wish};
use super::prepare::{PrepareError, Prepared, pattern};
use super::remembered::Remembered;
use super::tasks::TaskList;
use crate::policy::Policy;
use crate::split::{
    Candidate, Choice, Facts, Grid, Part, Probe, Tiled, Trial, Uneven, choose, uneven,
};

impl Prepared {
    /// Decides what is open. Says whether the job's tasks are others now.
    pub(super) fn decide(&mut self, glance: Option<&Glance>) -> Result<bool, PrepareError> {
        let scene = &self.inspection.scene;
        let wish = layout::wish(&self.request, scene, &self.inspection.description)?;
        let Some(facts) = self.facts(&wish) else {
            return Ok(false);
        };
        let Choice {
            split, sentence, ..
        } = {
            let mut make = |candidate| self.trial(&wish, candidate);
            choose(&facts, farm::FRAME_GUESS_S, &mut make)
        };
        self.why = sentence;
        if split == self.as_settled() {
            return Ok(false);
        }
        *self = Prepared {
            why: std::mem::take(&mut self.why),
            ..self.split_as(&wish, split)?
        };
        if let (Tiled::All(grid), Some(glance)) = (split.tiled, glance) {
            self.even_out(grid, glance)?;
        }
        Ok(true)
    }

    /// Cuts tiles of equal time, where a look at the frame says that those of equal size are not.
    fn even_out(&mut self, of: Grid, glance: &Glance) -> Result<(), PrepareError> {
        let scene = &self.inspection.scene;
        let probe = Probe {
            columns: glance.columns,
            rows: glance.rows,
            seconds: &glance.cells_s,
        };
        let edges = (layout::overlap(&self.request, scene), scene.tiles.align);
        let Uneven {
            tiles,
            shares,
            sentence,
            ..
        } = uneven((scene.width, scene.height), of, edges, probe).map_err(SplitError::from)?;
        self.why = format!("{}; {sentence}", self.why);
        if let Some(tiling) = self.tasks.tiling().cloned() {
            let tiling = tiling.in_tiles(tiles, shares);
            self.tasks = TaskList::tiled(&self.layers, &self.frames, Some(tiling));
        }
        Ok(())
    }

    /// What is asked of the kernel; nothing where nothing is open.
    fn facts(&self, wish: &Wish) -> Option<Facts> {
        let is_sized = self.request.policy != Policy::Auto || self.request.segment.is_some();
        let tiles = match wish.tiles {
            Tiles::Grid { .. } => return None,
            Tiles::Auto => Part::Always,
            Tiles::Whole if wish.is_open && !is_sized && self.may_tile() => Part::Open,
            Tiles::Whole => Part::Never,
        };
        let layers = match (wish.layers.is_empty(), wish.is_open) {
            (false, _) => Part::Always,
            (true, true) if !is_sized && self.may_part_layers() => Part::Open,
            (true, _) => Part::Never,
        };
        if tiles == Part::Never && layers != Part::Open {
            return None;
        }
        let scene = &self.inspection.scene;
        let hosts = farm::hosts(self).ok()?;
        let speeds = hosts.iter().flat_map(|host| {
            let slots = usize::try_from(host.slots).unwrap_or(usize::MAX);
            std::iter::repeat_n(host.speed.as_f64(), slots)
        });
        let costs = farm::costs(self);
        let remembered = self.remembered.as_ref().and_then(Remembered::frame_s);
        let frame_s = farm::is_known(scene.costs.frame_s).then(|| costs.frame.as_secs_f64());
        let layer_count = match wish.layers.len() {
            0 => layout::used_layers(scene).len(),
            some => some,
        };
        Some(Facts {
            frames: u32::try_from(self.frames.count()).unwrap_or(u32::MAX),
            width: scene.width,
            height: scene.height,
            speeds: speeds.collect(),
            layers,
            layer_count: u32::try_from(layer_count).unwrap_or(u32::MAX),
            tiles,
            overlap: layout::overlap(&self.request, scene),
            align: scene.tiles.align,
            call_s: farm::is_known(scene.costs.call_s).then(|| costs.call.as_secs_f64()),
            frame_s: remembered.or(frame_s),
        })
    }

    fn may_tile(&self) -> bool {
        let inspection = &self.inspection;
        self.output.is_some()
            && layout::tiles_fit(&inspection.scene, &inspection.description).is_ok()
    }

    /// Whether the scene's own picture is the one that its layers make, put together.
    fn may_part_layers(&self) -> bool {
        let inspection = &self.inspection;
        let layers = layout::used_layers(&inspection.scene);
        let is_ones = |channel: &String| {
            let mut layers = layers.iter();
            layers.any(|layer| {
                let rest = channel.strip_prefix(layer.as_str());
                rest.is_some_and(|rest| rest.starts_with('.'))
            })
        };
        let channels = &inspection.scene.channels;
        let merges = self
            .output
            .as_ref()
            .is_some_and(|output| output.format() == crate::output::MERGED && !output.has_layer());
        merges
            && !inspection.scene.layer_split.repeats
            && !channels.is_empty()
            && channels.iter().all(is_ones)
            && layout::layers_fit(&inspection.scene, &inspection.description).is_ok()
    }

    /// How the job is split before anything is decided.
    fn as_settled(&self) -> Candidate {
        Candidate {
            layers: !self.layers.is_empty(),
            tiled: Tiled::None,
        }
    }

    fn trial(&self, wish: &Wish, candidate: Candidate) -> Option<Trial> {
        let split = self.split_as(wish, candidate).ok()?;
        Some(Trial {
            farm: farm::farm(&split, None).ok()?,
            hosts: farm::hosts(&split).ok()?,
        })
    }

    /// The same job, split so.
    fn split_as(&self, wish: &Wish, candidate: Candidate) -> Result<Prepared, PrepareError> {
        let scene = &self.inspection.scene;
        let layers = match (candidate.layers, wish.layers.is_empty()) {
            (false, _) => Vec::new(),
            (true, false) => wish.layers.clone(),
            (true, true) => layout::used_layers(scene),
        };
        let of_grid = |grid: Grid| layout::tiling(&self.request, scene, grid.columns, grid.rows);
        let tiling = match candidate.tiled {
            Tiled::None => None,
            Tiled::All(grid) => Some(of_grid(grid)?),
            Tiled::Last { frames, grid } => Some(of_grid(grid)?.of_frames(self.last(frames))),
        };
        let output = match &self.output {
            None => None,
            Some(_) => Some(pattern(
                &self.request,
                &self.inspection.description,
                Some(&self.frames),
                &layers,
            )?),
        };
        // Costs that are remembered are those of layers, in their order.
        let remembered = match layers == self.layers {
            true => self.remembered.clone(),
            false => None,
        };
        Ok(Prepared {
            tasks: TaskList::tiled(&layers, &self.frames, tiling),
            layers,
            output,
            remembered,
            ..self.clone()
        })
    }

    fn last(&self, count: u32) -> FrameSet {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let frames: Vec<_> = self.frames.iter().collect();
        let from = frames.len().saturating_sub(count);
        FrameSet::from_frames(frames[from..].iter().copied()).unwrap_or_else(|| self.frames.clone())
    }
}
