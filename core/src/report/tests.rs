use std::ffi::OsStr;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::event::{CommittedFile, Event, JobEnd, Stamped};
use crate::store::journal::JournalWriter;
use crate::store::test_plan::plan;
use crate::store::{JobFolder, Store};

fn at(second: i64, event: Event) -> Stamped {
    let time = Timestamp::from_second(second).unwrap();
    Stamped { time, event }
}

fn done(frame: i32, host: &str, render_s: f64) -> Event {
    Event::TaskDone {
        segment: 1,
        task: format!("all:{frame}"),
        attempt: 1,
        host: host.to_owned(),
        slot: 0,
        render_s,
        file: Some(CommittedFile {
            path: format!("/o/a.{frame:04}.png"),
            from: "/s".to_owned(),
            bytes: 1,
            hash: String::new(),
        }),
    }
}

fn events() -> Vec<Stamped> {
    let sent = |segment, host: &str| Event::SegmentSent {
        segment,
        host: host.to_owned(),
        slot: 0,
        tasks: Vec::new(),
    };
    let loaded = |segment, host: &str| Event::Loaded {
        segment,
        host: host.to_owned(),
        slot: 0,
        load_s: 1.5,
    };
    vec![
        at(
            100,
            Event::JobStarted {
                job: "s".to_owned(),
                tasks: 4,
                skipped: 1,
                slots: 2,
                pid: 1,
            },
        ),
        at(100, done(1, "fast", 1.0)),
        at(101, sent(1, "fast")),
        at(101, sent(2, "slow")),
        at(103, loaded(1, "fast")),
        at(103, loaded(2, "slow")),
        at(104, done(10, "fast", 1.0)),
        at(107, done(9, "slow", 4.0)),
    ]
}

fn ending() -> Vec<Stamped> {
    vec![
        at(
            108,
            Event::TaskGivenUp {
                task: "all:2".to_owned(),
                why: "it is black".to_owned(),
            },
        ),
        at(
            110,
            Event::JobEnded {
                state: JobEnd::Failed,
                done: 3,
                failed: 1,
                makespan_s: 10.0,
                lower_bound_s: Some(8.0),
            },
        ),
    ]
}

fn job(events: Vec<Stamped>) -> (tempfile::TempDir, JobFolder) {
    let folder = tempfile::tempdir().unwrap();
    let created = Timestamp::from_second(50).unwrap();
    let store = Store::at(folder.path());
    let plan = plan(Path::new("/proj/shot.stub.toml"));
    let (job, _) = store.create_job(OsStr::new("shot"), created, plan).unwrap();
    let (mut writer, _) = JournalWriter::open(&job.journal_path(), |_| {}, |_| {}).unwrap();
    for event in events {
        writer.append(event).unwrap();
    }
    writer.close().unwrap();
    (folder, job)
}

#[test]
fn a_render_is_reported_as_promised() {
    let (_folder, job) = job([events(), ending()].concat());
    let (listed, _) = job.open().unwrap();
    let speeds = BTreeMap::from([("fast".to_owned(), 1.75)]);
    let report = RenderReport::of(&listed.record, &listed.state, listed.status, &speeds);
    assert_eq!(
        serde_json::to_value(report).unwrap(),
        json!({
            "format": 1,
            "job": job.id(),
            "state": "failed",
            "tasks": {"total": 4, "done": 3, "failed": 1, "skipped": 1},
            "segments": 2,
            "loads": 2,
            "makespan_s": 10.0,
            "lower_bound_s": 8.0,
            "ratio": 1.25,
            "load_s": 3.0,
            "render_s": 6.0,
            "outputs": ["/o/a.0001.png", "/o/a.0009.png", "/o/a.0010.png"],
            "hosts": [
                {"name": "fast", "tasks": 2, "busy_s": 9.0, "load_s": 1.5, "speed": 1.75},
                {"name": "slow", "tasks": 1, "busy_s": 9.0, "load_s": 1.5, "speed": 0.5},
            ],
            "failures": [{"task": "all:2", "attempts": 0, "why": "it is black"}],
        })
    );
}

#[test]
fn a_running_job_has_an_eta_and_is_listed() {
    let (_folder, job) = job(events());
    let lock = job.lock().unwrap();
    let (listed, _) = job.open().unwrap();
    let entry = json!({
        "job": job.id(),
        "state": "running",
        "scene": "/proj/shot.stub.toml",
        "tasks": {"total": 4, "done": 3, "failed": 0, "skipped": 1},
        "started": "1970-01-01T00:01:40Z",
    });
    let list = JobsReport::of(std::slice::from_ref(&listed));
    assert_eq!(
        serde_json::to_value(list).unwrap(),
        json!({"format": 1, "jobs": [entry]})
    );
    let now = Timestamp::from_second(109).unwrap();
    let mut wanted = entry;
    wanted["format"] = json!(1);
    wanted["failures"] = json!([]);
    wanted["eta_s"] = json!(3.0);
    wanted["hosts"] = json!([
        {"name": "fast", "tasks": 2, "busy_s": 8.0, "load_s": 1.5, "speed": 2.0},
        {"name": "slow", "tasks": 1, "busy_s": 8.0, "load_s": 1.5, "speed": 0.5},
    ]);
    assert_eq!(
        serde_json::to_value(StatusReport::of(&listed, now)).unwrap(),
        wanted
    );
    drop(lock);
    let (listed, _) = job.open().unwrap();
    let status = StatusReport::of(&listed, now);
    assert_eq!(
        (status.entry.state, status.eta_s),
        (Status::Interrupted, None)
    );
}

#[test]
fn a_job_that_never_began_has_nulls_and_no_nonsense() {
    let (_folder, job) = job(Vec::new());
    let (listed, _) = job.open().unwrap();
    let report = RenderReport::of(
        &listed.record,
        &listed.state,
        listed.status,
        &BTreeMap::new(),
    );
    let report = serde_json::to_value(report).unwrap();
    assert_eq!(report["state"], "interrupted");
    assert_eq!(
        (&report["ratio"], &report["lower_bound_s"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(
        JobEntry::of(&listed).started,
        Timestamp::from_second(50).unwrap()
    );
}
