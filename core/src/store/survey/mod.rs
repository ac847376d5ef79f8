//! What a resume finds: which committed files are still there, whole.
//!
//! A record of a commit may be ahead of its rename (the record is durable first), so a file that
//! is still in its scratch place is renamed now. A file that is gone or changed is reported as
//! lost, as the event to be journalled, and its task is rendered again.
//!
//! It never removes a file, and replaces one only where it is this job's own or overwriting is
//! allowed.

mod pictures;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::durable::sync_folder;
use super::journal::{Replace, place};
use super::record::hash_file;
use super::state::{JobState, TaskPhase, TaskState, VERDICT_COMMIT, VERDICT_LOST};
use crate::event::{CommittedFile, Event, PictureName};

/// Files are hashed by so many threads; more only makes a disk seek.
const THREADS_MAX: usize = 8;

/// What became of the committed tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// Tasks that need not be rendered again, by name.
    pub kept: Vec<Kept>,
    /// Tasks to be rendered again, by name.
    pub lost: Vec<Lost>,
    /// Pictures that need not be put together again, and their files.
    pub pictures: BTreeMap<PictureName, CommittedFile>,
    /// Pictures that are to be put together again, as the events to be journalled.
    pub unmade: Vec<Event>,
    /// Films and contact sheets that are whole, by path.
    pub reels: BTreeSet<String>,
    /// Where something lies that is of this job, or was.
    own: BTreeSet<PathBuf>,
}

/// A task whose file is whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The task.
    pub task: String,
    /// Its file, absent where the job writes none.
    pub file: Option<CommittedFile>,
    /// Whether its file was found in the scratch place and renamed only now.
    pub is_renamed_now: bool,
}

/// A task whose file is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Lost {
    /// The task.
    pub task: String,
    /// To be journalled before the task is given out again: it takes the commit back.
    pub event: Event,
    /// The path where its file had its final name, if it had.
    pub own_path: Option<String>,
}

/// Why the survey was given up.
#[derive(Debug, thiserror::Error)]
#[error("cannot check the finished file {}", path.display())]
pub struct SurveyError {
    path: PathBuf,
    source: io::Error,
}

impl Survey {
    /// Paths that this job may find taken, because it wrote what is there: those of kept files and
    /// of lost ones, of now or (by `state`) of an earlier resume.
    #[must_use]
    pub fn own_paths(&self, state: &JobState) -> BTreeSet<PathBuf> {
        let kept = self.kept.iter().filter_map(|kept| kept.file.as_ref());
        let lost = self.lost.iter().filter_map(|lost| lost.own_path.as_ref());
        let earlier = state
            .tasks()
            .values()
            .filter_map(|task| task.own_path.as_ref());
        let pictures = state.pictures().values();
        kept.map(|file| &file.path)
            .chain(lost)
            .chain(earlier)
            .chain(pictures.filter_map(|picture| picture.own_path.as_ref()))
            .map(PathBuf::from)
            .chain(self.own.iter().cloned())
            .collect()
    }

    /// Everything that is to be journalled before the job goes on.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        let lost = self.lost.iter().map(|lost| &lost.event);
        self.unmade.iter().chain(lost)
    }
}

/// Look at every committed file of a job, finish renames that were recorded and not done, and say
/// which tasks are to be rendered again. `replace` is the job's own permission to overwrite.
pub fn survey(state: &JobState, replace: Replace) -> Result<Survey, SurveyError> {
    let mut survey = Survey::default();
    pictures::look(state, replace, &mut survey)?;
    let mut tasks = Vec::new();
    for (name, task) in state.tasks() {
        let TaskPhase::Done { file, .. } = &task.phase else {
            continue;
        };
        match survey.is_in_a_picture(name) {
            true => survey.kept.push(Kept {
                task: name.clone(),
                file: file.clone(),
                is_renamed_now: false,
            }),
            false => tasks.push((name, task)),
        }
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(THREADS_MAX).min(tasks.len()).max(1);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        while let Some((name, task)) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            found.push(look(name, task, replace));
        }
        found
    };
    let found = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut found = work();
        for other in others {
            found.extend(
                other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            );
        }
        found
    });
    for result in found {
        match result? {
            Fate::Kept(kept) => survey.kept.push(kept),
            Fate::Lost(lost) => survey.lost.push(lost),
        }
    }
    survey.kept.sort_by(|a, b| a.task.cmp(&b.task));
    survey.lost.sort_by(|a, b| a.task.cmp(&b.task));
    sync_folders(&survey)?;
    pictures::look_at_reels(state, replace, &mut survey)?;
    Ok(survey)
}

fn sync_folders(survey: &Survey) -> Result<(), SurveyError> {
    let files = survey.kept.iter().filter(|kept| kept.is_renamed_now);
    sync_folders_of(files.filter_map(|kept| kept.file.as_ref()))
}

fn sync_folders_of<'a>(files: impl Iterator<Item = &'a CommittedFile>) -> Result<(), SurveyError> {
    let paths = files.map(|file| Path::new(&file.path));
    let folders: BTreeSet<_> = paths.filter_map(Path::parent).collect();
    for folder in folders {
        sync_folder(folder).map_err(|source| SurveyError {
            path: folder.to_owned(),
            source,
        })?;
    }
    Ok(())
}

/// What became of one committed task.
enum Fate {
    Kept(Kept),
    Lost(Lost),
}

fn look(name: &str, task: &TaskState, replace: Replace) -> Result<Fate, SurveyError> {
    let TaskPhase::Done {
        segment,
        attempt,
        host,
        file,
        ..
    } = &task.phase
    else {
        unreachable!("only done tasks are looked at");
    };
    let kept = |is_renamed_now| {
        Fate::Kept(Kept {
            task: name.to_owned(),
            file: file.clone(),
            is_renamed_now,
        })
    };
    let lost = |verdict: &str, why: String| {
        Fate::Lost(Lost {
            task: name.to_owned(),
            event: Event::TaskFailed {
                segment: *segment,
                task: name.to_owned(),
                attempt: *attempt,
                host: host.clone(),
                slot: 0,
                verdict: verdict.to_owned(),
                why,
            },
            own_path: file
                .as_ref()
                .filter(|_| verdict == VERDICT_LOST)
                .map(|file| file.path.clone()),
        })
    };
    let Some(file) = file else {
        return Ok(kept(false));
    };
    let replace = if task.own_path.as_ref() == Some(&file.path) {
        Replace::Allowed
    } else {
        replace
    };
    Ok(match whereabouts(file, replace)? {
        Whereabouts::InPlace { is_renamed_now } => kept(is_renamed_now),
        Whereabouts::Lost { why } => lost(VERDICT_LOST, why),
        Whereabouts::Elsewhere { why } => lost(VERDICT_COMMIT, why),
    })
}

/// What became of a file whose record is on the disk.
enum Whereabouts {
    /// It has its name and is whole.
    InPlace {
        /// Whether it got its name only now.
        is_renamed_now: bool,
    },
    /// It had its name.
    Lost {
        /// What is wrong.
        why: String,
    },
    /// It never got its name.
    Elsewhere {
        /// Why not.
        why: String,
    },
}

/// Looks where a recorded file is, and finishes its rename where that was not done.
fn whereabouts(file: &CommittedFile, replace: Replace) -> Result<Whereabouts, SurveyError> {
    let in_place = |is_renamed_now| Whereabouts::InPlace { is_renamed_now };
    let at_end = check(Path::new(&file.path), file)?;
    let at_start = match at_end {
        Found::Same => return Ok(in_place(false)),
        Found::Nothing | Found::Other => check(Path::new(&file.from), file)?,
    };
    Ok(match (at_end, at_start) {
        (Found::Same, _) => in_place(false),
        (_, Found::Same) => match place(file, replace) {
            Ok(()) => in_place(true),
            Err(error) => Whereabouts::Elsewhere {
                why: error.to_string(),
            },
        },
        // The scratch file is gone, so the rename was done and the name is this job's.
        (Found::Nothing, Found::Nothing) => Whereabouts::Lost {
            why: format!("{} is gone", file.path),
        },
        (Found::Other, Found::Nothing) => Whereabouts::Lost {
            why: format!("{} is not what was committed", file.path),
        },
        (Found::Nothing | Found::Other, Found::Other) => Whereabouts::Elsewhere {
            why: format!("{} is not what was verified", file.from),
        },
    })
}

/// What is at a path.
#[derive(Clone, Copy)]
enum Found {
    /// The recorded file.
    Same,
    /// Something else.
    Other,
    /// Nothing.
    Nothing,
}

fn check(path: &Path, wanted: &CommittedFile) -> Result<Found, SurveyError> {
    let found = fs::metadata(path).and_then(|about| {
        let fits = about.is_file() && about.len() == wanted.bytes;
        Ok(if fits && hash_file(path)? == wanted.hash {
            Found::Same
        } else {
            Found::Other
        })
    });
    match found {
        Err(error) if is_absent(&error) => Ok(Found::Nothing),
        other => other.map_err(|source| SurveyError {
            path: path.to_owned(),
            source,
        }),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests;
