use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::event::{Event, Stamped};
use crate::store::folder::{JobFolder, Store};
use crate::store::state::JobState;
use crate::store::test_plan::plan;

fn manifest(segment: u64, tasks: &[&str]) -> LogManifest {
    LogManifest {
        job: "shot-1".to_owned(),
        segment,
        host: "local".to_owned(),
        slot: 0,
        scene: "/s.blend".to_owned(),
        scene_hash: "00".to_owned(),
        tasks: tasks.iter().map(|&task| task.to_owned()).collect(),
        settings: BTreeMap::new(),
        note: Some("for \"dailies\"\n".to_owned()),
    }
}

fn job() -> (tempfile::TempDir, JobFolder) {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(Path::new("/s.blend"));
    let store = Store::at(folder.path());
    let (job, _) = store
        .create_job(OsStr::new("s"), Timestamp::UNIX_EPOCH, plan)
        .unwrap();
    (folder, job)
}

fn sent(state: &mut JobState, segment: u64, tasks: &[&str]) {
    state.apply(&Stamped {
        time: Timestamp::UNIX_EPOCH,
        event: Event::SegmentSent {
            segment,
            host: "local".to_owned(),
            slot: 0,
            tasks: tasks.iter().map(|&task| task.to_owned()).collect(),
            why: None,
            load_s: None,
            end_s: None,
        },
    });
}

/// Every line as `segment kind text`.
fn lines(job: &JobFolder, state: &JobState, task: Option<&str>, tries: Tries) -> Vec<String> {
    let mut lines = Vec::new();
    read_logs(job, state, task, tries, |text| {
        for line in text.lines {
            lines.push(format!(
                "{} {} {}",
                text.segment,
                line.kind.as_str(),
                line.text
            ));
        }
    })
    .unwrap();
    lines
}

#[test]
fn logs_are_read_by_job_by_task_and_by_last_try() {
    let (_folder, job) = job();
    let mut state = JobState::default();
    let second = Duration::from_secs(1);
    for segment in 1..=2 {
        let tasks = ["all:1", "all\n:2"];
        sent(&mut state, segment, &tasks);
        let mut log = SegmentLog::create(&job, &manifest(segment, &tasks)).unwrap();
        log.line(second, false, "loading");
        for task in tasks {
            log.task_begins(second, task, segment as u32);
            log.line(second, true, "a\nb\rc");
        }
        log.finish().unwrap();
    }
    sent(&mut state, 3, &["all:1"]);
    assert_eq!(lines(&job, &state, None, Tries::All).len(), 10);
    assert_eq!(lines(&job, &state, Some("all:1"), Tries::All).len(), 10);
    assert_eq!(
        lines(&job, &state, Some("all:1"), Tries::Last),
        [r#"2 task {"task":"all:1","attempt":2}"#, r"2 err a\nb\rc"]
    );
    assert_eq!(lines(&job, &state, Some("all\n:2"), Tries::Last).len(), 2);
    let refused = read_logs(&job, &state, Some("all:9"), Tries::All, |_| {}).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("no task `all:9` was ever given out in job {}", job.id())
    );
}

#[test]
fn the_manifest_is_read_back() {
    let (_folder, job) = job();
    let manifest = manifest(12, &["all:1"]);
    SegmentLog::create(&job, &manifest)
        .unwrap()
        .finish()
        .unwrap();
    let mut found = None;
    read_logs(&job, &JobState::default(), None, Tries::All, |text| {
        found = text.manifest
    })
    .unwrap();
    assert_eq!(found, Some(manifest));
    assert!(job.logs_path().join("seg-000012.log").exists());
}

#[test]
fn a_log_keeps_its_head_and_its_tail() {
    let (_folder, job) = job();
    let logs = job.logs_path();
    let all: Vec<_> = (0..1000)
        .map(|number| format!("line {number:04}"))
        .collect();
    let mut log = SegmentLog::create_in(&logs, &manifest(1, &[]), 200, 100).unwrap();
    for text in &all {
        log.line(Duration::ZERO, false, text);
    }
    log.flush();
    let texts = || {
        let lines = lines(&job, &JobState::default(), None, Tries::All);
        let text = |line: &String| line.splitn(3, ' ').nth(2).unwrap().to_owned();
        lines.iter().map(text).collect::<Vec<_>>()
    };
    // As a killed controller leaves it, and as it ends.
    let killed = texts();
    log.finish().unwrap();
    assert_eq!(texts(), killed);
    assert_eq!(fs::read_dir(&logs).unwrap().count(), 1);
    let gap = killed
        .iter()
        .position(|text| text.contains("dropped"))
        .unwrap();
    let kept = killed.len() - 1;
    assert_eq!(killed[gap], format!("… {} lines dropped", 1000 - kept));
    assert_eq!(killed[..gap], all[..gap]);
    assert_eq!(killed[gap + 1..], all[1000 - (kept - gap)..]);
    assert!(gap >= 9 && kept - gap >= 4, "{killed:?}");
    let bytes = fs::metadata(logs.join("seg-000001.log")).unwrap().len();
    assert!(bytes < 800, "{bytes}");
}

#[test]
fn nothing_is_said_to_be_dropped_when_nothing_is() {
    let (_folder, job) = job();
    let mut log = SegmentLog::create_in(&job.logs_path(), &manifest(1, &[]), 100, 100).unwrap();
    for _ in 0..15 {
        log.line(Duration::ZERO, false, "a");
    }
    log.finish().unwrap();
    assert_eq!(
        lines(&job, &JobState::default(), None, Tries::All),
        vec!["1 out a"; 15]
    );
}

#[test]
fn an_overlong_line_is_cut_between_characters() {
    let (_folder, job) = job();
    let mut log = SegmentLog::create(&job, &manifest(1, &[])).unwrap();
    log.line(
        Duration::ZERO,
        false,
        &("x".to_owned() + &"ü".repeat(LINE_BYTES_MAX)),
    );
    log.finish().unwrap();
    let line = lines(&job, &JobState::default(), None, Tries::All).remove(0);
    assert!(line.ends_with("ü…"));
    assert!(line.len() < LINE_BYTES_MAX + 20);
}

#[test]
fn a_log_that_cannot_be_written_costs_the_log_only() {
    let (_folder, job) = job();
    let mut log = SegmentLog::create_in(&job.logs_path(), &manifest(1, &[]), 10, 10).unwrap();
    fs::remove_dir_all(job.logs_path()).unwrap();
    for _ in 0..10 {
        log.line(Duration::ZERO, false, "a line");
    }
    log.flush();
    let error = log.finish().unwrap_err().to_string();
    assert!(error.starts_with("cannot write the log "), "{error}");
}
