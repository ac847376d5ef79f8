//! The documents that `render`, `jobs` and `status` print with `--format json`.
//!
//! People script against them, so they only grow. They are made from what is stored and from
//! nothing else: the report of a job can be had again as long as its folder exists.
//!
//! Units: seconds in `*_s`. A number that is not known is `null`, never absent.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::names::TaskName;
use crate::store::{HostState, JobRecord, JobState, Listed, Status, TaskCounts, TaskPhase};

/// Version of every document here.
pub const FORMAT: u32 = 1;

/// `render --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RenderReport {
    /// [`FORMAT`].
    pub format: u32,
    /// The job's id.
    pub job: String,
    /// How it ended.
    pub state: Status,
    /// Tasks by how they are.
    pub tasks: TaskCounts,
    /// Segments sent, over all controllers of the job.
    pub segments: u64,
    /// Scenes loaded, over all controllers of the job.
    pub loads: u64,
    /// Seconds that the last controller worked on it.
    pub makespan_s: f64,
    /// No schedule could have ended before this; from measured costs.
    pub lower_bound_s: Option<f64>,
    /// `makespan_s / lower_bound_s`.
    pub ratio: Option<f64>,
    /// Seconds of loading, summed over slots.
    pub load_s: f64,
    /// Seconds of rendering, summed over slots.
    pub render_s: f64,
    /// Committed files, by layer, frame and tile.
    pub outputs: Vec<String>,
    /// Hosts that took part, by name.
    pub hosts: Vec<HostReport>,
    /// Tasks that were given up.
    pub failures: Vec<FailureReport>,
}

/// One host's part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostReport {
    /// Its name.
    pub name: String,
    /// Tasks whose committed file it rendered.
    pub tasks: u32,
    /// Seconds in which its slots had a segment, summed over them.
    pub busy_s: f64,
    /// Seconds of loading, summed over its slots.
    pub load_s: f64,
    /// Its speed, 1 being the mean of the hosts that took part.
    pub speed: Option<f64>,
}

/// A task that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureReport {
    /// Its name.
    pub task: String,
    /// How often it was tried.
    pub attempts: u32,
    /// One sentence.
    pub why: String,
}

/// `jobs --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobsReport {
    /// [`FORMAT`].
    pub format: u32,
    /// Oldest first.
    pub jobs: Vec<JobEntry>,
}

/// A job in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobEntry {
    /// Its id.
    pub job: String,
    /// How it is.
    pub state: Status,
    /// Its scene.
    pub scene: String,
    /// Tasks by how they are.
    pub tasks: TaskCounts,
    /// When it was first started; when it was made, where it never was.
    pub started: Timestamp,
}

/// `status JOB --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusReport {
    /// [`FORMAT`].
    pub format: u32,
    /// As in the list.
    #[serde(flatten)]
    pub entry: JobEntry,
    /// Hosts that took part, by name.
    pub hosts: Vec<HostReport>,
    /// Tasks that were given up.
    pub failures: Vec<FailureReport>,
    /// Seconds to the end at the present rate, while it runs.
    pub eta_s: Option<f64>,
}

impl RenderReport {
    /// The report of a job. `speeds` are what the scheduler learned of the hosts, by name; a host
    /// that it does not name gets the ratio of mean rendering times.
    #[must_use]
    pub fn of(
        record: &JobRecord,
        state: &JobState,
        status: Status,
        speeds: &BTreeMap<String, f64>,
    ) -> Self {
        let makespan_s = state.makespan_s();
        let lower_bound_s = state.end().and_then(|end| end.lower_bound_s);
        let sum = |part: fn(&HostState) -> f64| state.hosts().values().map(part).sum();
        Self {
            format: FORMAT,
            job: record.job.to_string(),
            state: status,
            tasks: state.counts(),
            segments: state.segments(),
            loads: state
                .hosts()
                .values()
                .map(|host| u64::from(host.loads))
                .sum(),
            makespan_s,
            lower_bound_s,
            ratio: lower_bound_s
                .map(|bound| makespan_s / bound)
                .filter(|ratio| ratio.is_finite()),
            load_s: sum(|host| host.load_s),
            render_s: sum(|host| host.render_s),
            outputs: outputs(state),
            hosts: hosts(state, speeds, state.last()),
            failures: failures(state),
        }
    }
}

impl JobsReport {
    /// The list of these jobs, in their order.
    #[must_use]
    pub fn of(jobs: &[Listed]) -> Self {
        Self {
            format: FORMAT,
            jobs: jobs.iter().map(JobEntry::of).collect(),
        }
    }
}

impl JobEntry {
    /// The entry of a job.
    #[must_use]
    pub fn of(job: &Listed) -> Self {
        Self {
            job: job.record.job.to_string(),
            state: job.status,
            scene: job.record.plan.scene.path.to_string_lossy().into_owned(),
            tasks: job.state.counts(),
            started: job.state.started().unwrap_or(job.record.created),
        }
    }
}

impl StatusReport {
    /// How a job is at this time.
    #[must_use]
    pub fn of(job: &Listed, now: Timestamp) -> Self {
        let is_running = job.status == Status::Running;
        let until = if is_running {
            Some(now)
        } else {
            job.state.last()
        };
        Self {
            format: FORMAT,
            entry: JobEntry::of(job),
            hosts: hosts(&job.state, &BTreeMap::new(), until),
            failures: failures(&job.state),
            eta_s: is_running.then(|| job.state.eta_s(now)).flatten(),
        }
    }
}

fn outputs(state: &JobState) -> Vec<String> {
    let mut outputs: Vec<_> = in_order(state)
        .filter_map(|(_, task)| match &task.phase {
            TaskPhase::Done { file, .. } => Some(file.as_ref()?.path.clone()),
            TaskPhase::Pending | TaskPhase::Running { .. } | TaskPhase::GivenUp { .. } => None,
        })
        .collect();
    outputs.dedup();
    outputs
}

fn failures(state: &JobState) -> Vec<FailureReport> {
    in_order(state)
        .filter_map(|(name, task)| match &task.phase {
            TaskPhase::GivenUp { why } => Some(FailureReport {
                task: name.clone(),
                attempts: task.attempts,
                why: why.clone(),
            }),
            TaskPhase::Pending | TaskPhase::Running { .. } | TaskPhase::Done { .. } => None,
        })
        .collect()
}

/// Tasks as a person counts them, frame 9 before frame 10.
fn in_order(state: &JobState) -> impl Iterator<Item = (&String, &crate::store::TaskState)> {
    let mut tasks: Vec<_> = state.tasks().iter().collect();
    tasks.sort_by_cached_key(|(name, _)| name.parse::<TaskName>().ok());
    tasks.into_iter()
}

fn hosts(
    state: &JobState,
    speeds: &BTreeMap<String, f64>,
    until: Option<Timestamp>,
) -> Vec<HostReport> {
    let mean = |render_s: f64, renders: u32| {
        (renders > 0 && render_s > 0.0).then(|| render_s / f64::from(renders))
    };
    let all = state.hosts().values();
    let (render_s, renders) = all.fold((0.0, 0), |(seconds, count), host| {
        (seconds + host.render_s, count + host.renders)
    });
    let mean_all = mean(render_s, renders);
    let report = |(name, host): (&String, &HostState)| HostReport {
        name: name.clone(),
        tasks: host.tasks,
        busy_s: until.map_or(host.busy_s, |until| state.busy_s(name, until)),
        load_s: host.load_s,
        speed: speeds
            .get(name)
            .copied()
            .or_else(|| Some(mean_all? / mean(host.render_s, host.renders)?))
            .filter(|speed| speed.is_finite()),
    };
    state.hosts().iter().map(report).collect()
}

#[cfg(test)]
mod tests;
