//! Pictures that are put together from those of tasks, and what all of them are made into.
//!
//! As with tasks, any event may come in any order: a failure takes back the making that it follows,
//! and what was not heard of was not made.

use super::{JobState, VERDICT_LOST};
use crate::event::{CommittedFile, Event, PictureName, ReelKind, Seam};

/// A picture of several tasks' pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PictureState {
    /// How it is.
    pub phase: PicturePhase,
    /// Where an earlier file of it had its final name: what is there now is this job's to replace.
    pub own_path: Option<String>,
    /// How often putting it together failed.
    pub failures: u32,
}

/// How a picture of several is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum PicturePhase {
    /// Pieces are missing, or it is to be tried again.
    #[default]
    Waiting,
    /// Put together, or about to get its name.
    Assembled {
        /// Its file.
        file: CommittedFile,
        /// Where its tiles still differ. With any it is kept, and no success.
        seams: Vec<Seam>,
    },
    /// No further try is made by this controller.
    Failed {
        /// One sentence.
        why: String,
    },
}

/// A film or a contact sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct ReelState {
    /// Which of them.
    pub kind: ReelKind,
    /// How it is.
    pub phase: ReelPhase,
    /// Whether an earlier one had the name: what is there now is this job's to replace.
    pub is_own: bool,
}

/// How a film or a contact sheet is.
#[derive(Clone, Debug, PartialEq)]
pub enum ReelPhase {
    /// Made, or about to get its name.
    Made {
        /// Its file.
        file: CommittedFile,
        /// How many frames are in it.
        frames: u32,
    },
    /// It was not made.
    Failed {
        /// One sentence.
        why: String,
    },
}

/// Pictures of several by how they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureCounts {
    /// All.
    pub total: u32,
    /// Put together, and nothing wrong with them.
    pub done: u32,
    /// Not put together, or with seams.
    pub failed: u32,
}

impl JobState {
    /// Every picture of several heard of, by name.
    #[must_use]
    pub fn pictures(&self) -> &std::collections::BTreeMap<PictureName, PictureState> {
        &self.pictures
    }

    /// Films and contact sheets heard of, by path.
    #[must_use]
    pub fn reels(&self) -> &std::collections::BTreeMap<String, ReelState> {
        &self.reels
    }

    /// Pictures of several by how they are.
    #[must_use]
    pub fn picture_counts(&self) -> PictureCounts {
        let known = u32::try_from(self.pictures.len()).unwrap_or(u32::MAX);
        let mut counts = PictureCounts {
            total: self.pictures_declared.max(known),
            ..PictureCounts::default()
        };
        for picture in self.pictures.values() {
            match &picture.phase {
                PicturePhase::Assembled { seams, .. } if seams.is_empty() => counts.done += 1,
                PicturePhase::Assembled { .. } | PicturePhase::Failed { .. } => counts.failed += 1,
                PicturePhase::Waiting => {}
            }
        }
        counts
    }

    /// What an event says of pictures and reels.
    pub(super) fn apply_to_pictures(&mut self, event: &Event) {
        match event {
            Event::Assembled {
                picture,
                file,
                seams,
                ..
            } => {
                self.picture(picture).phase = PicturePhase::Assembled {
                    file: file.clone(),
                    seams: seams.clone(),
                };
            }
            Event::AssemblyFailed {
                picture,
                verdict,
                why,
                again,
                ..
            } => {
                let picture = self.picture(picture);
                picture.failures = picture.failures.saturating_add(1);
                if let PicturePhase::Assembled { file, .. } = &picture.phase
                    && verdict == VERDICT_LOST
                {
                    picture.own_path = Some(file.path.clone());
                }
                picture.phase = match again {
                    true => PicturePhase::Waiting,
                    false => PicturePhase::Failed { why: why.clone() },
                };
            }
            Event::Reel {
                kind, frames, file, ..
            } => {
                let phase = ReelPhase::Made {
                    file: file.clone(),
                    frames: *frames,
                };
                self.set_reel(&file.path, *kind, phase, false);
            }
            Event::ReelFailed {
                kind,
                path,
                verdict,
                why,
            } => {
                let phase = ReelPhase::Failed { why: why.clone() };
                self.set_reel(path, *kind, phase, verdict == VERDICT_LOST);
            }
            _ => {}
        }
    }

    /// A controller takes the job up: what failed is tried anew.
    pub(super) fn begin_pictures(&mut self, declared: u32) {
        self.pictures_declared = declared;
        for picture in self.pictures.values_mut() {
            if matches!(picture.phase, PicturePhase::Failed { .. }) {
                picture.phase = PicturePhase::Waiting;
            }
        }
        // One that failed and had its name before still has it.
        let is_open = |reel: &ReelState| matches!(reel.phase, ReelPhase::Failed { .. });
        self.reels.retain(|_, reel| reel.is_own || !is_open(reel));
    }

    fn picture(&mut self, name: &PictureName) -> &mut PictureState {
        if !self.pictures.contains_key(name) {
            self.pictures.insert(name.clone(), PictureState::default());
        }
        self.pictures.get_mut(name).expect("it was just inserted")
    }

    fn set_reel(&mut self, path: &str, kind: ReelKind, phase: ReelPhase, is_lost: bool) {
        let before = self.reels.get(path);
        let was_made = before.is_some_and(|reel| matches!(reel.phase, ReelPhase::Made { .. }));
        let is_own = before.is_some_and(|reel| reel.is_own) || (is_lost && was_made);
        let reel = ReelState {
            kind,
            phase,
            is_own,
        };
        self.reels.insert(path.to_owned(), reel);
    }
}
