//! What a resume finds: which committed files are still there, whole.
//!
//! A record of a commit may be ahead of its rename (the record is durable first), so a file that
//! is still in its scratch place is renamed now. A file that is gone or changed is reported as
//! lost, as the event to be journalled, and its task is rendered again.
//!
//! It never removes a file, and replaces one only where it is this job's own or overwriting is
//! allowed.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::durable::sync_folder;
use super::journal::{Replace, place};
use super::record::hash_file;
use super::state::{JobState, TaskPhase, TaskState, VERDICT_COMMIT, VERDICT_LOST};
use crate::event::{CommittedFile, Event};

/// Files are hashed by so many threads; more only makes a disk seek.
const THREADS_MAX: usize = 8;

/// What became of the committed tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// Tasks that need not be rendered again, by name.
    pub kept: Vec<Kept>,
    /// Tasks to be rendered again, by name.
    pub lost: Vec<Lost>,
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
        kept.map(|file| &file.path)
            .chain(lost)
            .chain(earlier)
            .map(PathBuf::from)
            .collect()
    }
}

/// Look at every committed file of a job, finish renames that were recorded and not done, and say
/// which tasks are to be rendered again. `replace` is the job's own permission to overwrite.
pub fn survey(state: &JobState, replace: Replace) -> Result<Survey, SurveyError> {
    let tasks: Vec<_> = state
        .tasks()
        .iter()
        .filter(|(_, task)| matches!(task.phase, TaskPhase::Done { .. }))
        .collect();
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
    let mut survey = Survey::default();
    for result in found {
        match result? {
            Fate::Kept(kept) => survey.kept.push(kept),
            Fate::Lost(lost) => survey.lost.push(lost),
        }
    }
    survey.kept.sort_by(|a, b| a.task.cmp(&b.task));
    survey.lost.sort_by(|a, b| a.task.cmp(&b.task));
    sync_folders(&survey)?;
    Ok(survey)
}

fn sync_folders(survey: &Survey) -> Result<(), SurveyError> {
    let files = survey.kept.iter().filter(|kept| kept.is_renamed_now);
    let paths = files
        .filter_map(|kept| kept.file.as_ref())
        .map(|file| Path::new(&file.path));
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
    let at_end = check(Path::new(&file.path), file)?;
    let at_start = match at_end {
        Found::Same => return Ok(kept(false)),
        Found::Nothing | Found::Other => check(Path::new(&file.from), file)?,
    };
    let replace = if task.own_path.as_ref() == Some(&file.path) {
        Replace::Allowed
    } else {
        replace
    };
    Ok(match (at_end, at_start) {
        (Found::Same, _) => kept(false),
        (_, Found::Same) => match place(file, replace) {
            Ok(()) => kept(true),
            Err(error) => lost(VERDICT_COMMIT, error.to_string()),
        },
        // The scratch file is gone, so the rename was done and the name is this job's.
        (Found::Nothing, Found::Nothing) => lost(VERDICT_LOST, format!("{} is gone", file.path)),
        (Found::Other, Found::Nothing) => lost(
            VERDICT_LOST,
            format!("{} is not what was committed", file.path),
        ),
        (Found::Nothing | Found::Other, Found::Other) => lost(
            VERDICT_COMMIT,
            format!("{} is not what was verified", file.from),
        ),
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
