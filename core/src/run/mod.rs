//! Looking into scenes, planning and rendering them.
//!
//! [`prepare`](prepare()) settles a request (adapter, scene, frames, files) and refuses what is
//! wrong before anything starts. [`render`] and [`resume`] run the controller over the result;
//! [`plan()`] runs the same kernel in virtual time. What drives the kernel differs, the kernel
//! does not.

mod activity;
mod checks;
mod compare;
mod controller;
mod effects;
mod explain;
pub(crate) mod farm;
mod hosts;
pub mod hours;
mod job;
mod left;
mod load_share;
mod measured;
pub mod paths;
mod plan;
mod prepare;
mod remembered;
mod saturation;
mod segment;
mod session;
mod slots;
mod start;
mod tasks;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

pub use activity::{ActivityError, Concluded, Question, inspect, probe};
pub use compare::{CompareHosts, Comparison, compare};
pub use plan::{Plan, PlanError, PlannedSegment, Predicted, plan};
pub use prepare::{Inspection, PrepareError, Prepared, inspect_scene, prepare};
pub use remembered::Remembered;
pub use saturation::{Saturation, TypicalSegment};
pub use start::{RenderError, render, resume};
pub use tasks::{TaskFacts, TaskList};

use crate::adapters::SearchPlan;
use crate::event::JobEnd;
use crate::request::{HostEntry, LinkKind};
use crate::store::JobState;

/// What the library is told of the world around it; it asks the environment nothing.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Our own executable: the local link's command and the adapters' host.
    pub executable: PathBuf,
    /// Where jobs are kept.
    pub state_dir: PathBuf,
    /// Where adapters are looked for.
    pub adapters: SearchPlan,
    /// How often both ends of a link say something.
    pub heartbeat: Duration,
    /// How long a link may take to open.
    pub link_deadline: Duration,
}

/// What a user may want of a running job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Finish what is being rendered, begin nothing new.
    Finish,
    /// End what is being rendered.
    Now,
}

/// How a controller left its job.
#[derive(Debug)]
pub struct RunEnd {
    /// The job's id.
    pub job: String,
    /// How it was left.
    pub state: JobEnd,
    /// What is known of it.
    pub job_state: JobState,
    /// Speed of each host as learned, by name.
    pub speeds: BTreeMap<String, f64>,
    /// The same as declared.
    pub speeds_declared: BTreeMap<String, f64>,
    /// Broken contracts of the adapter, one sentence each.
    pub adapter_faults: Vec<String>,
    /// The output disk is full: one sentence.
    pub disk_full: Option<String>,
}

/// Why a job could not go on. What was committed before stays.
#[derive(Debug, Error)]
pub enum RunError {
    /// No host can render it.
    #[error("no host can render this job: {why}")]
    NoHost {
        /// The last host's reason.
        why: String,
    },
    /// The journal cannot be written.
    #[error("{why}")]
    Journal {
        /// One sentence.
        why: String,
    },
}

/// The command behind which a host's worker is.
pub(crate) fn link_argv(around: &Surroundings, host: &HostEntry) -> Vec<String> {
    match &host.link {
        LinkKind::Local => vec![around.executable.display().to_string(), "worker".to_owned()],
        LinkKind::Command(argv) => argv.clone(),
        LinkKind::Ssh { .. } => unreachable!("refused when the farm is read"),
    }
}
