//! Stored jobs as documents: the list, one job, its logs.

use framewright_core::store::{
    JobFolder, JobState, Listed, LogLine, SegmentText, Status, Store, TaskPhase, Tries, read_logs,
};
use jiff::Timestamp;

use crate::documents::{
    Failure, HostReport, JobReport, JobsReport, LineReport, LogReport, LogsReport, StatusReport,
    TaskCounts,
};
use crate::printable::{printable, shown};
use crate::problem::Presentable;

/// Which log is wanted.
pub(crate) struct LogsWanted<'a> {
    /// The job: its id, or enough of its beginning.
    pub(crate) job: &'a str,
    /// A task, or a frame alone.
    pub(crate) task: Option<&'a str>,
    /// Every try, not only the last.
    pub(crate) all_tries: bool,
}

/// The list, oldest first, and a sentence for each job that cannot be read.
pub(crate) fn jobs(store: &Store) -> Result<(JobsReport, Vec<String>), Presentable> {
    let listing = store.list_jobs()?;
    let jobs = listing.jobs.iter().map(job).collect();
    Ok((JobsReport { jobs }, listing.warnings))
}

/// One job.
pub(crate) fn status(
    store: &Store,
    typed: &str,
    now: Timestamp,
) -> Result<StatusReport, Presentable> {
    let (listed, _) = store.find_job(typed)?.open()?;
    let state = &listed.state;
    let running = listed.status == Status::Running;
    Ok(StatusReport {
        hosts: hosts(&listed),
        failures: failures(state),
        eta_s: if running { state.eta_s(now) } else { None },
        job: job(&listed),
    })
}

/// The logs of a job, or of one task of it.
pub(crate) fn logs(store: &Store, wanted: &LogsWanted<'_>) -> Result<LogsReport, Presentable> {
    let folder = store.find_job(wanted.job)?;
    let (state, _) = folder.state()?;
    let tries = if wanted.all_tries {
        Tries::All
    } else {
        Tries::Last
    };
    let mut logs = Vec::new();
    match wanted.task {
        None => read_logs(&folder, &state, None, tries, |text| {
            logs.push(log(text, false))
        })?,
        Some(typed) => {
            for task in tasks_meant(&folder, &state, typed)? {
                read_logs(&folder, &state, Some(&task), tries, |text| {
                    logs.push(log(text, true))
                })?;
            }
        }
    }
    Ok(LogsReport {
        job: folder.id().to_string(),
        logs,
    })
}

/// The task of that name; a frame alone means the tasks of that frame, whatever their layer.
fn tasks_meant(
    folder: &JobFolder,
    state: &JobState,
    typed: &str,
) -> Result<Vec<String>, Presentable> {
    let of_frame = |name: &&String| {
        name.parse::<framewright_core::names::TaskName>()
            .is_ok_and(|name| typed.parse() == Ok(name.frame()))
    };
    let meant: Vec<String> = if typed.contains(':') {
        state
            .tasks()
            .keys()
            .filter(|name| *name == typed)
            .cloned()
            .collect()
    } else {
        state.tasks().keys().filter(of_frame).cloned().collect()
    };
    if meant.is_empty() {
        return Err(Presentable::usage(format!(
            "no task {} was given out in job {}",
            printable(typed),
            folder.id()
        ))
        .hint(format!(
            "framewright logs {} lists the logs and their tasks",
            folder.id()
        )));
    }
    Ok(meant)
}

fn job(listed: &Listed) -> JobReport {
    let counts = listed.state.counts();
    JobReport {
        job: listed.record.job.to_string(),
        state: listed.status,
        scene: shown(&listed.record.plan.request.scene),
        tasks: TaskCounts {
            total: counts.total,
            done: counts.done,
            failed: counts.failed,
            skipped: counts.skipped,
        },
        started: listed.state.started().unwrap_or(listed.record.created),
    }
}

fn hosts(listed: &Listed) -> Vec<HostReport> {
    let first_guess = |name: &str| {
        let hosts = &listed.record.plan.request.hosts;
        hosts
            .iter()
            .find(|host| host.name == name)
            .map_or(1.0, |host| host.speed)
    };
    let hosts = listed.state.hosts().iter().map(|(name, host)| HostReport {
        name: name.clone(),
        tasks: host.tasks,
        busy_s: host.busy_s,
        load_s: host.load_s,
        speed: first_guess(name),
    });
    hosts.collect()
}

fn failures(state: &JobState) -> Vec<Failure> {
    let given_up = state
        .tasks()
        .iter()
        .filter_map(|(name, task)| match &task.phase {
            TaskPhase::GivenUp { why } => Some(Failure {
                task: name.clone(),
                attempts: task.attempts,
                why: why.clone(),
            }),
            TaskPhase::Pending | TaskPhase::Running { .. } | TaskPhase::Done { .. } => None,
        });
    given_up.collect()
}

fn log(text: SegmentText, with_lines: bool) -> LogReport {
    let line = |line: LogLine| LineReport {
        kind: line.kind.as_str(),
        at_s: line.at_s,
        text: line.text,
    };
    let lines_count = text.lines.len() as u64;
    let manifest = text.manifest;
    LogReport {
        segment: text.segment,
        host: manifest.as_ref().map(|manifest| manifest.host.clone()),
        slot: manifest.as_ref().map(|manifest| manifest.slot),
        note: manifest.as_ref().and_then(|manifest| manifest.note.clone()),
        tasks: manifest.map(|manifest| manifest.tasks).unwrap_or_default(),
        lines_count,
        lines: with_lines.then(|| text.lines.into_iter().map(line).collect()),
    }
}
