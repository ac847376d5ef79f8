//! Explaining the tasks of a job, whether it runs or not: its controller is asked where there is
//! one, and its journal is read in any case.

use serde::{Serialize, Serializer};

use super::TaskReport;
use super::past::Past;
use crate::control::{self, Answer, Request};
use crate::frames::FrameSet;
use crate::names::TaskName;
use crate::run::TaskList;
use crate::split::Tiling;
use crate::store::{JobFolder, JobFolderError, JobRecord, JobState, Status, journal};

/// Most tasks told at once, where a frame stands for the tasks of all layers.
const TASKS_MAX: usize = 100;

/// Tasks of a job, explained.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// The job.
    pub job: String,
    /// How it is.
    #[serde(rename = "job_state")]
    pub status: Status,
    /// Whether its controller was asked, and answered.
    #[serde(serialize_with = "as_word")]
    pub controller: Reached,
    /// The tasks that were meant, layer by layer.
    pub tasks: Vec<TaskReport>,
}

/// Whether a controller answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// It did.
    Answered,
    /// There is one, and it did not.
    Silent {
        /// One sentence.
        why: String,
    },
    /// The job does not run.
    None,
}

fn as_word<S: Serializer>(reached: &Reached, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(match reached {
        Reached::Answered => "answered",
        Reached::Silent { .. } => "silent",
        Reached::None => "none",
    })
}

/// Why nothing is explained.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The job's folder cannot be understood.
    #[error(transparent)]
    Folder(#[from] JobFolderError),
    /// The job has no such task.
    #[error("there is no task {typed} in job {job}")]
    UnknownTask {
        /// What was typed.
        typed: String,
        /// The job.
        job: String,
        /// Its frames, as a set.
        frames: String,
        /// The layers that its tasks are named after.
        layers: Vec<String>,
    },
    /// The job's record is of no use.
    #[error("job {job} cannot be read: {why}")]
    Record {
        /// The job.
        job: String,
        /// Why not.
        why: String,
    },
}

/// Explains a task, or all tasks of a frame.
pub async fn look(folder: &JobFolder, typed: &str) -> Result<Explained, LookError> {
    let names = tasks_meant(folder, &folder.record()?, typed)?;
    // The lock is looked at first: a controller that ends in between has then written its end.
    let is_held = folder.holder()?.is_some();
    let mut controller = Reached::None;
    let mut live = Vec::new();
    if is_held {
        match ask_all(folder, &names).await {
            Ok(reports) => {
                controller = Reached::Answered;
                live = reports;
            }
            Err(why) => controller = Reached::Silent { why },
        }
    }
    let mut pasts: Vec<Past> = names.iter().map(|name| Past::of(name)).collect();
    let mut state = JobState::default();
    let read = journal::read(&folder.journal_path(), |stamped| {
        state.apply(&stamped);
        for past in &mut pasts {
            past.apply(&stamped);
        }
    });
    read.map_err(JobFolderError::from)?;
    if !is_held {
        pasts.iter_mut().for_each(Past::abandon);
    }
    let mut live = live.into_iter();
    let tasks = names
        .iter()
        .zip(pasts)
        .map(|(name, past)| match live.next() {
            Some(report) => TaskReport {
                tries: past.into_tries(),
                ..report
            },
            None => TaskReport::from_journal(name, past),
        })
        .collect();
    Ok(Explained {
        job: folder.id().to_string(),
        status: state.status(is_held),
        controller,
        tasks,
    })
}

/// One answer for each task, or why there are none.
async fn ask_all(folder: &JobFolder, names: &[String]) -> Result<Vec<TaskReport>, String> {
    let mut reports = Vec::with_capacity(names.len());
    for name in names {
        let request = Request::Explain { task: name.clone() };
        let answer = control::ask(folder.path(), &request).await;
        match answer.map_err(|error| error.to_string())? {
            Answer::Explained(report) => reports.push(*report),
            Answer::Refused { why } => return Err(format!("the controller refuses: {why}")),
            Answer::Done { .. } => return Err("the controller answers something else".to_owned()),
        }
    }
    Ok(reports)
}

/// The task of that name; a frame alone means the tasks of that frame, whatever their layer.
fn tasks_meant(
    folder: &JobFolder,
    record: &JobRecord,
    typed: &str,
) -> Result<Vec<String>, LookError> {
    let settled = &record.plan.settled;
    let unreadable = |error| LookError::Record {
        job: folder.id().to_string(),
        why: format!("its record of the frames is unreadable: {error}"),
    };
    let frames: FrameSet = settled.frames.parse().map_err(unreadable)?;
    let tiling = settled.tiling.clone().map(Tiling::from_stored).transpose();
    let tasks = TaskList::tiled(&settled.layers, &frames, tiling.map_err(unreadable)?);
    let meant: Vec<String> = match (typed.parse::<TaskName>(), typed.parse::<i32>()) {
        (Ok(name), _) => tasks
            .find(&name)
            .map(|_| typed.to_owned())
            .into_iter()
            .collect(),
        (Err(_), Ok(frame)) => match tasks.frames().binary_search(&frame) {
            Ok(index) => (0..tasks.layers().len())
                .flat_map(|layer| tasks.of_frame(layer, index))
                .map(|task| tasks.name(task).to_string())
                .take(TASKS_MAX)
                .collect(),
            Err(_) => Vec::new(),
        },
        (Err(_), Err(_)) => Vec::new(),
    };
    if meant.is_empty() {
        return Err(LookError::UnknownTask {
            typed: typed.to_owned(),
            job: folder.id().to_string(),
            frames: settled.frames.clone(),
            layers: layers_of(&settled.layers)
                .map(|layer| TaskName::new(layer, 0, None).layer().to_owned())
                .collect(),
        });
    }
    Ok(meant)
}

/// Layers that tasks are named after; the scene as it is has one without a name.
fn layers_of(layers: &[String]) -> impl Iterator<Item = &str> {
    let whole = layers.is_empty().then_some("");
    whole.into_iter().chain(layers.iter().map(String::as_str))
}
