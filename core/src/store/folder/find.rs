//! Finding the job that was meant: an id, its beginning, or a near miss with a word about it.

use std::io;
use std::path::PathBuf;

use super::JobFolder;
use crate::nearest::distance;
use crate::store::job_id::JobId;

/// How many near job ids a message names.
const NEAREST_MAX: usize = 3;

/// Why a job is not found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// There is none.
    #[error("there is no job `{typed}`{}", nearest_text(nearest))]
    Unknown {
        /// What was typed.
        typed: String,
        /// Ids much like it.
        nearest: Vec<JobId>,
    },
    /// There are several.
    #[error("`{typed}` may be any of {count} jobs: {}{}", joined(first), if *count > first.len() { ", …" } else { "" })]
    Ambiguous {
        /// What was typed.
        typed: String,
        /// How many fit.
        count: usize,
        /// The first of them.
        first: Vec<JobId>,
    },
    /// The state directory cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// Which folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// The job of this id, or of the only id that begins so.
pub(super) fn find<'a>(typed: &str, folders: &'a [JobFolder]) -> Result<&'a JobFolder, FindError> {
    if let Some(exact) = folders.iter().find(|folder| folder.id.as_str() == typed) {
        return Ok(exact);
    }
    let fitting: Vec<_> = folders
        .iter()
        .filter(|folder| !typed.is_empty() && folder.id.as_str().starts_with(typed))
        .collect();
    match fitting.as_slice() {
        [only] => Ok(only),
        [] => Err(FindError::Unknown {
            typed: typed.to_owned(),
            nearest: nearest(typed, folders),
        }),
        several => Err(FindError::Ambiguous {
            typed: typed.to_owned(),
            count: several.len(),
            first: several
                .iter()
                .take(NEAREST_MAX)
                .map(|folder| folder.id.clone())
                .collect(),
        }),
    }
}

fn joined(ids: &[JobId]) -> String {
    let ids: Vec<_> = ids.iter().map(JobId::as_str).collect();
    ids.join(", ")
}

fn nearest_text(nearest: &[JobId]) -> String {
    if nearest.is_empty() {
        return String::new();
    }
    format!("; nearest: {}", joined(nearest))
}

/// Ids within a third of their length of edits, nearest first.
fn nearest(typed: &str, folders: &[JobFolder]) -> Vec<JobId> {
    const TYPED_MAX: usize = 80;
    if typed.len() > TYPED_MAX {
        return Vec::new();
    }
    let mut near: Vec<_> = folders
        .iter()
        .map(|folder| {
            let id = folder.id.as_str();
            // Typing only the beginning is right, so a beginning of the id counts as the whole.
            let begin = id.get(..typed.len()).unwrap_or(id);
            (distance(typed, begin), &folder.id)
        })
        .filter(|(distance, _)| *distance <= typed.len() / 3 && *distance < typed.len())
        .collect();
    near.sort();
    let ids = near.into_iter().map(|(_, id)| id.clone());
    ids.take(NEAREST_MAX).collect()
}
