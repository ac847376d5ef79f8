//! Pictures that were put together, and what was made of all of them: are they there, whole?

use std::path::PathBuf;

use super::{Survey, SurveyError, Whereabouts, sync_folders_of, whereabouts};
use crate::event::{Event, PictureName};
use crate::names::TaskName;
use crate::store::journal::Replace;
use crate::store::state::{JobState, PicturePhase, ReelPhase, VERDICT_COMMIT, VERDICT_LOST};

impl Survey {
    /// Whether a task's picture is a piece of one that is whole.
    pub(super) fn is_in_a_picture(&self, task: &str) -> bool {
        if self.pictures.is_empty() {
            return false;
        }
        let Ok(task) = task.parse::<TaskName>() else {
            return false;
        };
        let (frame, layer) = (task.frame(), task.layer().to_owned());
        [None, Some(layer)].into_iter().any(|layer| {
            let picture = PictureName { frame, layer };
            self.pictures.contains_key(&picture)
        })
    }
}

/// Looks at every picture that was put together.
pub(super) fn look(
    state: &JobState,
    replace: Replace,
    survey: &mut Survey,
) -> Result<(), SurveyError> {
    let mut renamed = Vec::new();
    for (name, picture) in state.pictures() {
        let PicturePhase::Assembled { file, seams } = &picture.phase else {
            continue;
        };
        let replace = match picture.own_path.as_ref() == Some(&file.path) {
            true => Replace::Allowed,
            false => replace,
        };
        let found = whereabouts(file, replace)?;
        if !matches!(found, Whereabouts::Elsewhere { .. }) {
            survey.own.insert(PathBuf::from(&file.path));
        }
        if let Whereabouts::InPlace {
            is_renamed_now: true,
        } = found
        {
            renamed.push(file);
        }
        let (verdict, why) = match found {
            Whereabouts::InPlace { .. } if seams.is_empty() => {
                survey.pictures.insert(name.clone(), file.clone());
                continue;
            }
            Whereabouts::InPlace { .. } => {
                let why = format!("{} has seams", file.path);
                (VERDICT_LOST, why)
            }
            Whereabouts::Lost { why } => (VERDICT_LOST, why),
            Whereabouts::Elsewhere { why } => (VERDICT_COMMIT, why),
        };
        survey.unmade.push(Event::AssemblyFailed {
            picture: name.clone(),
            task: None,
            verdict: verdict.to_owned(),
            why,
            again: true,
        });
    }
    sync_folders_of(renamed.into_iter())
}

/// Looks at films and contact sheets. They hold every frame, so where one is lost they are made
/// again.
pub(super) fn look_at_reels(
    state: &JobState,
    replace: Replace,
    survey: &mut Survey,
) -> Result<(), SurveyError> {
    let mut renamed = Vec::new();
    for (path, reel) in state.reels() {
        if reel.is_own {
            survey.own.insert(PathBuf::from(path));
        }
        let ReelPhase::Made { file, .. } = &reel.phase else {
            continue;
        };
        let replace = match reel.is_own {
            true => Replace::Allowed,
            false => replace,
        };
        let found = whereabouts(file, replace)?;
        if !matches!(found, Whereabouts::Elsewhere { .. }) {
            survey.own.insert(PathBuf::from(path));
        }
        if let Whereabouts::InPlace {
            is_renamed_now: true,
        } = found
        {
            renamed.push(file);
        }
        let (verdict, why) = match found {
            Whereabouts::InPlace { .. } if survey.lost.is_empty() && survey.unmade.is_empty() => {
                survey.reels.insert(path.clone());
                continue;
            }
            Whereabouts::InPlace { .. } => {
                (VERDICT_LOST, format!("{path} has frames that are lost"))
            }
            Whereabouts::Lost { why } => (VERDICT_LOST, why),
            Whereabouts::Elsewhere { why } => (VERDICT_COMMIT, why),
        };
        survey.unmade.push(Event::ReelFailed {
            kind: reel.kind,
            path: path.clone(),
            verdict: verdict.to_owned(),
            why,
        });
    }
    sync_folders_of(renamed.into_iter())
}
