//! The controller's side of films and contact sheets, which end a job.

use std::collections::BTreeSet;

use framewright_assemble::sequence::frame_set;
use framewright_kernel::event::Outcome;

use super::reel_work::{self, ReelOrder};
use super::work::Ending;
use super::{FromAssembly, Recorded, ReelState, done_file};
use crate::event::{Event, ReelKind};
use crate::run::controller::Controller;
use crate::store::VERDICT_ASSEMBLY;

impl Controller<'_> {
    /// When nothing more will come, films and sheets are made of what there is, one after the other,
    /// or not at all where a frame is missing.
    pub(in crate::run) fn begin_reels(&mut self) {
        let is_over = matches!(self.finished(), Some(Outcome::Done | Outcome::Failed));
        let reels = &self.assembly.reels;
        let is_busy = reels.iter().any(|(_, at)| *at == ReelState::UnderWay)
            || !self.assembly.pictures.is_idle()
            || !self.commits.is_empty()
            || !self.fetches.is_empty();
        if !is_over || is_busy || self.assembly.is_stopped() {
            return;
        }
        let Some(index) = reels.iter().position(|(_, at)| *at == ReelState::Waiting) else {
            return;
        };
        let holes = self.frames_without_picture();
        if !holes.is_empty() {
            let have = if holes.len() == 1 { "frame" } else { "frames" };
            let has = if holes.len() == 1 { "has" } else { "have" };
            let why = format!(
                "{have} {} {has} no picture that is right",
                frame_set(&holes)
            );
            for index in index..self.assembly.reels.len() {
                if self.assembly.reels[index].1 == ReelState::Waiting {
                    self.reel_failed(index, VERDICT_ASSEMBLY, why.clone());
                }
            }
            return;
        }
        let folder = self.order_folder();
        let reel = &self.assembly.reels[index].0;
        let order = ReelOrder::new(self.job, reel, folder, &self.assembly.cancelled);
        *self.assembly.reel_mut(index) = ReelState::UnderWay;
        self.emit(Event::ReelBegun {
            kind: order.kind(),
            frames: order.frames(),
        });
        self.begin_thread(
            move || order.make(),
            move |ending| FromAssembly::Reel(index, ending),
        );
    }

    /// Frames of which something is missing, rising.
    fn frames_without_picture(&self) -> Vec<i32> {
        let mut holes = BTreeSet::new();
        for task in self.job.tasks().ids() {
            if done_file(&self.state, &self.job.task_name(task)).is_none() {
                holes.insert(self.job.tasks().facts(task).frame);
            }
        }
        holes.extend(self.assembly.pictures.frames_not_done());
        holes.into_iter().collect()
    }

    pub(super) fn on_reel(&mut self, index: usize, ending: Ending) {
        match ending {
            Ending::Made(made) => {
                let reel = &self.assembly.reels[index].0;
                let (kind, path) = (reel.kind, reel.path.clone());
                let frames = self.job.tasks().frames().len();
                let event = Event::Reel {
                    kind,
                    frames: u32::try_from(frames).unwrap_or(u32::MAX),
                    fps: (kind == ReelKind::Film).then(|| reel_work::rate(self.job).as_f64()),
                    seconds: made.seconds,
                    file: made.file(&path),
                };
                self.record(Recorded::Reel(index), event, made.file(&path));
            }
            Ending::Cancelled => *self.assembly.reel_mut(index) = ReelState::Waiting,
            Ending::DiskFull => {
                *self.assembly.reel_mut(index) = ReelState::Waiting;
                self.on_disk_full();
            }
            Ending::Failed { why } | Ending::Blamed { why, .. } => {
                self.reel_failed(index, VERDICT_ASSEMBLY, why);
            }
        }
    }

    pub(super) fn reel_failed(&mut self, index: usize, verdict: &str, why: String) {
        let (reel, at) = &mut self.assembly.reels[index];
        *at = ReelState::Failed;
        let event = Event::ReelFailed {
            kind: reel.kind,
            path: reel.path.display().to_string(),
            verdict: verdict.to_owned(),
            why,
        };
        self.emit(event);
    }
}
