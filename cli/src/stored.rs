//! Stored jobs as documents: the list, one job, its logs.

use framewright_core::event::ReelKind;
use framewright_core::store::{
    HostState, JobFolder, JobState, Listed, LogLine, PicturePhase, ReelPhase, SegmentText,
    Standing, Status, Store, TaskPhase, Tries, read_logs,
};
use jiff::Timestamp;

use crate::display::standings::held_by;
use crate::documents::{
    Failure, HostReport, JobReport, JobsReport, LineReport, LogReport, LogsReport, StatusHost,
    StatusReport, TaskCounts,
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
        hosts: hosts(&listed, running),
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
        assembled: listed.state.picture_counts().into(),
    }
}

fn hosts(listed: &Listed, running: bool) -> Vec<StatusHost> {
    let first_guess = |name: &str| {
        let hosts = &listed.record.plan.request.hosts;
        hosts
            .iter()
            .find(|host| host.name == name)
            .map_or(1.0, |host| host.speed)
    };
    let standing = |name: &str| listed.state.standing(name).filter(|_| running);
    let hosts = listed.state.hosts().iter().map(|(name, host)| StatusHost {
        state: standing(name).map(Standing::as_str),
        why: standing(name).and_then(|at| why(host, at)),
        staged_bytes: host.staged_bytes,
        staged_s: host.staged_s,
        host: HostReport {
            name: name.clone(),
            tasks: host.tasks,
            busy_s: host.busy_s,
            load_s: host.load_s,
            speed: first_guess(name),
            speed_declared: first_guess(name),
            predicted_s: (host.predicted > 0).then_some(host.predicted_s + host.predicted_load_s),
            predicted_load_s: (host.predicted > 0).then_some(host.predicted_load_s),
        },
    });
    hosts.collect()
}

/// Why a host waits or takes nothing new.
fn why(host: &HostState, standing: Standing) -> Option<String> {
    match standing {
        Standing::Closed => host.closed().map(str::to_owned),
        Standing::Waiting => {
            let mut holders: Vec<String> = host.waiting().values().flatten().cloned().collect();
            holders.sort();
            holders.dedup();
            Some(held_by(&holders))
        }
        Standing::Starting
        | Standing::Up
        | Standing::Silent
        | Standing::Lost
        | Standing::Drained => None,
    }
}

fn failures(state: &JobState) -> Vec<Failure> {
    let unmade = state
        .pictures()
        .iter()
        .filter_map(|(name, picture)| match &picture.phase {
            PicturePhase::Waiting => None,
            PicturePhase::Failed { why } => Some((name, picture.failures, why.clone())),
            PicturePhase::Assembled { seams, .. } => {
                let seam = seams.first()?;
                Some((name, picture.failures.saturating_add(1), seam.to_string()))
            }
        })
        .map(|(name, attempts, why)| Failure {
            task: name.to_string(),
            attempts,
            why,
        });
    let reels = state.reels().values().filter_map(|reel| match &reel.phase {
        ReelPhase::Failed { why } => Some(reel_failure(reel.kind, why.clone())),
        ReelPhase::Made { .. } => None,
    });
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
    given_up.chain(unmade).chain(reels).collect()
}

/// A film or a sheet that was not made, among tasks that failed.
pub(crate) fn reel_failure(kind: ReelKind, why: String) -> Failure {
    let task = match kind {
        ReelKind::Film => "film",
        ReelKind::ContactSheet => "contact-sheet",
    };
    Failure {
        task: task.to_owned(),
        attempts: 1,
        why,
    }
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

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;
    use std::time::Duration;

    use framewright_core::event::{Event, Stamped};
    use framewright_core::store::journal::JournalWriter;
    use framewright_core::store::{
        AdapterIdentity, JobPlan, LogManifest, SceneIdentity, SegmentLog, Settled,
    };

    use super::*;
    use crate::args::low::JobArgs;
    use crate::args::settle::settle;
    use crate::display::script::{
        at, begun, closed, ended, failed, given_up, sent, slot_waiting, staged, started, up,
    };
    use crate::surroundings::Surroundings;

    /// A store with one job whose controller died after these events.
    fn store_with(folder: &Path, events: Vec<Stamped>) -> (Store, JobFolder) {
        let scene = folder.join("shot.blend");
        std::fs::write(&scene, "x").unwrap();
        let around = Surroundings {
            working_folder: folder.to_owned(),
            state_dir: folder.join("state"),
            user_farm: None,
            executable: "/bin/true".into(),
            adapters: Default::default(),
            cores: 1,
            terminal_moves: false,
        };
        let args = JobArgs {
            scene: Some(scene.clone()),
            ..JobArgs::default()
        };
        let plan = JobPlan {
            request: settle(&args, &[], &around).unwrap().request,
            adapter: AdapterIdentity {
                id: "stub".into(),
                version: "1".into(),
                manifest: "/m".into(),
            },
            scene: SceneIdentity::read(&scene, serde_json::Value::Null).unwrap(),
            settled: Settled {
                tiling: None,
                frames: "1-3".into(),
                layers: vec![],
                output: None,
            },
        };
        let store = Store::at(&around.state_dir);
        let (job, _) = store
            .create_job(OsStr::new("shot"), Timestamp::UNIX_EPOCH, plan)
            .unwrap();
        let (mut journal, _) = JournalWriter::open(&job.journal_path(), |_| {}, |_| {}).unwrap();
        for event in events {
            journal.append(event).unwrap();
        }
        journal.close().unwrap();
        (store, job)
    }

    fn half_a_job() -> Vec<Stamped> {
        vec![
            at(0, started(3)),
            at(0, up("n1", 1)),
            at(0, sent(1, "n1", 0, &["all:1", "all:2", "all:-3"])),
            at(2, begun(1, "all:1", "n1", 0)),
            at(3, failed(1, "all:1", 1, "n1", 0)),
            at(3, given_up("all:1")),
            at(
                4,
                Event::TaskDone {
                    segment: 1,
                    task: "all:2".into(),
                    attempt: 1,
                    host: "n1".into(),
                    slot: 0,
                    render_s: 1.0,
                    predicted_s: Some(1.5),
                    file: None,
                },
            ),
            at(5, ended(1, "n1", 0)),
        ]
    }

    #[test]
    fn a_job_whose_controller_died_is_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let (store, job) = store_with(folder.path(), half_a_job());
        let (report, warnings) = jobs(&store).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(report.jobs[0].state, Status::Interrupted);
        let status = status(&store, &job.id().as_str()[..6], Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(
            status.job.tasks,
            TaskCounts {
                total: 3,
                done: 1,
                failed: 1,
                skipped: 0
            }
        );
        assert_eq!(status.eta_s, None);
        assert_eq!(status.hosts[0].host.tasks, 1);
        assert_eq!(status.hosts[0].state, None);
        assert_eq!(
            status.failures,
            [Failure {
                task: "all:1".into(),
                attempts: 1,
                why: "no picture".into()
            }]
        );
    }

    #[test]
    fn a_job_that_runs_says_how_its_hosts_stand() {
        let folder = tempfile::tempdir().unwrap();
        let events = vec![
            at(0, started(3)),
            at(0, up("n1", 2)),
            at(0, up("n2", 1)),
            at(0, up("n3", 1)),
            at(1, slot_waiting("n1", 0, &["anna (job x)"])),
            at(1, slot_waiting("n1", 1, &["anna (job x)", "ben (job y)"])),
            at(1, closed("n2", "its disk is full")),
            at(1, staged("n3", 40, 0.5)),
        ];
        let (store, job) = store_with(folder.path(), events);
        let (listed, _) = job.open().unwrap();
        let told: Vec<_> = hosts(&listed, true)
            .into_iter()
            .map(|host| (host.state.unwrap(), host.why, host.staged_bytes))
            .collect();
        let why = |text: &str| Some(text.to_owned());
        assert_eq!(
            told,
            [
                ("waiting", why("held by anna (job x), ben (job y)"), 0),
                ("closed", why("its disk is full"), 0),
                ("up", None, 40),
            ]
        );
        // Nobody holds its lock: it does not run.
        let status = status(&store, job.id().as_str(), Timestamp::UNIX_EPOCH).unwrap();
        assert!(status.hosts.iter().all(|host| host.state.is_none()));
    }

    #[test]
    fn logs_are_found_by_task_and_by_frame() {
        let folder = tempfile::tempdir().unwrap();
        let (store, job) = store_with(folder.path(), half_a_job());
        let manifest = LogManifest {
            job: job.id().to_string(),
            segment: 1,
            host: "n1".into(),
            slot: 0,
            scene: "/shot.blend".into(),
            scene_hash: String::new(),
            tasks: vec!["all:1".into(), "all:2".into(), "all:-3".into()],
            settings: Default::default(),
            note: None,
        };
        let mut log = SegmentLog::create(&job, &manifest).unwrap();
        log.task_begins(Duration::from_secs(1), "all:1", 1);
        log.line(Duration::from_secs(2), true, "it broke");
        log.finish().unwrap();

        let wanted = |task| LogsWanted {
            job: job.id().as_str(),
            task,
            all_tries: true,
        };
        let list = logs(&store, &wanted(None)).unwrap();
        assert_eq!((list.logs.len(), list.logs[0].lines.is_none()), (1, true));
        for task in ["all:1", "1"] {
            let report = logs(&store, &wanted(Some(task))).unwrap();
            let lines = report.logs[0].lines.as_deref().unwrap();
            assert!(
                lines
                    .iter()
                    .any(|line| line.kind == "err" && line.text == "it broke"),
                "{lines:?}"
            );
        }
        assert_eq!(logs(&store, &wanted(Some("-3"))).unwrap().logs.len(), 1);
        let problem = logs(&store, &wanted(Some("99"))).unwrap_err();
        assert_eq!(problem.exit, crate::exit::Exit::Usage);
        assert!(
            problem
                .message
                .starts_with("no task 99 was given out in job "),
            "{problem:?}"
        );
    }
}
