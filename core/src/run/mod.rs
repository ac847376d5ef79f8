//! Looking into scenes, planning and rendering them.
//!
//! [`prepare`](prepare()) settles a request (adapter, scene, frames, files) and refuses what is
//! wrong before anything starts. [`render`] and [`resume`] run the controller over the result;
//! [`plan()`] runs the same kernel in virtual time. What drives the kernel differs, the kernel
//! does not.

mod activity;
mod assembly;
mod checks;
mod closed;
mod compare;
mod controller;
mod decide;
mod effects;
mod explain;
pub(crate) mod farm;
mod glance;
mod ground;
mod hosts;
pub mod hours;
mod job;
mod layout;
mod leases;
mod left;
mod load_share;
mod measured;
mod membership;
mod needs;
mod open_files;
pub mod paths;
pub mod pieces;
mod plan;
mod prepare;
mod remembered;
mod saturation;
mod segment;
mod session;
mod slots;
mod start;
mod tasks;
mod transfer;
mod versions;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use framewright_kernel::ids::HostId;
use thiserror::Error;

pub use activity::{ActivityError, Concluded, Question, inspect, probe};
pub use assembly::reels::{Reel, ReelError};
pub use compare::{CompareHosts, Comparison, compare};
pub use layout::SplitError;
pub use plan::{Plan, PlanError, PlannedSegment, Predicted, plan};
pub use prepare::{Inspection, PrepareError, Prepared, inspect_scene, prepare};
pub use remembered::Remembered;
pub use saturation::{Saturation, TypicalSegment};
pub use start::{RenderError, render, resume};
pub use tasks::{TaskFacts, TaskList};

use crate::adapters::SearchPlan;
use crate::event::JobEnd;
use crate::freight::FreightSpec;
use crate::link::{Errand, Launcher, LinkSpec};
use crate::request::HostEntry;
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
    /// Final pictures that are there, in the order of their tasks; pieces are none.
    pub outputs: Vec<String>,
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

/// How a host's worker is reached; what the job says of it is left to fill in.
pub(crate) fn link_spec(around: &Surroundings, host: &HostEntry, scratch_root: String) -> LinkSpec {
    LinkSpec {
        host: HostId(0),
        name: host.name.clone(),
        launcher: Launcher::new(host, &around.executable, Errand::Worker),
        job: String::new(),
        slots: host.slots,
        scratch_root,
        grace: Duration::from_secs_f64(host.grace_s),
        lost_after: Duration::from_secs_f64(host.lost_after_s),
        fence: 0,
        leased: host.leased,
        vitals: host.grace_s > 0.0
            || host.leased
            || host.available.is_some()
            || host.load_max.is_some(),
        heartbeat: heartbeat(around, host),
        deadline: around.link_deadline,
    }
}

/// How often both ends say something. Six beats of silence are a lost connection, on either side,
/// so a host that is to be given up soon is listened to closely: a cut of its net is noticed within
/// a quarter of the time after which it is lost, and its worker's grace begins no later.
fn heartbeat(around: &Surroundings, host: &HostEntry) -> Duration {
    /// Beats in the time after which a host is lost.
    const BEATS: u32 = 24;
    /// Closer than this a busy machine is taken for a cut net.
    const SHORTEST: Duration = Duration::from_millis(100);
    if host.grace_s <= 0.0 || host.lost_after_s <= 0.0 {
        return around.heartbeat;
    }
    let close = Duration::from_secs_f64(host.lost_after_s) / BEATS;
    around.heartbeat.min(close.max(SHORTEST))
}

/// How a host's files are reached.
pub(crate) fn freight_spec(
    around: &Surroundings,
    id: HostId,
    host: &HostEntry,
    job: &str,
) -> FreightSpec {
    FreightSpec {
        host: id,
        name: host.name.clone(),
        launcher: Launcher::new(host, &around.executable, Errand::Freight),
        job: job.to_owned(),
        cache_root: String::new(),
        cache_bytes: host.cache_bytes,
        heartbeat: heartbeat(around, host),
        deadline: around.link_deadline,
    }
}
