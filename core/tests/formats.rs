//! Every stored format that was ever released is read by today's code. A fixture is never changed;
//! a new format gets a new one beside it.

use std::path::Path;

use framewright_core::event::{CommittedFile, CostsFrom, Event, JobEnd, SentWhy, Stamped};
use framewright_core::explain::past::Past;
use framewright_core::explain::{Standing, TryEnd};
use framewright_core::history::{FILE_NAME, History, SceneKey};
use framewright_core::output::OutputPattern;
use framewright_core::store::journal;
use framewright_core::store::{Status, Store, TaskCounts, Tries, read_logs};

fn store_v1() -> Store {
    Store::at(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal-v1"))
}

/// One of each kind of event that is journalled, a microsecond apart.
fn events_v1() -> Vec<Stamped> {
    let host = || "node01".to_owned();
    let task = || "beauty:17:2,3".to_owned();
    let events = vec![
        Event::JobStarted {
            job: "shot-k3x9qa".to_owned(),
            tasks: 2,
            skipped: 0,
            slots: 2,
            pid: 4711,
            predicted_makespan_s: None,
            history: None,
            pictures: 0,
            pictures_skipped: 0,
        },
        Event::HostUp {
            host: host(),
            slots: 2,
        },
        Event::SegmentSent {
            segment: 1,
            host: host(),
            slot: 1,
            tasks: vec![task(), "beauty:18:2,3".to_owned()],
            why: None,
            load_s: None,
            end_s: None,
        },
        Event::RunStarted {
            host: host(),
            slot: 1,
            pid: 815,
        },
        Event::Loaded {
            segment: 1,
            host: host(),
            slot: 1,
            load_s: 1.5,
        },
        Event::TaskStarted {
            segment: 1,
            task: task(),
            attempt: 1,
            host: host(),
            slot: 1,
        },
        Event::TaskDone {
            segment: 1,
            task: task(),
            attempt: 1,
            host: host(),
            slot: 1,
            render_s: 2.25,
            predicted_s: None,
            file: Some(CommittedFile {
                path: "/o/a.0017.png".to_owned(),
                from: "/o/.framewright/shot-k3x9qa/1/a.png".to_owned(),
                bytes: 9,
                hash: "c0ffee".to_owned(),
            }),
        },
        Event::TaskFailed {
            segment: 1,
            task: "beauty:18:2,3".to_owned(),
            attempt: 1,
            host: host(),
            slot: 1,
            verdict: "unrenderable".to_owned(),
            why: "no camera\nin \"shot\"".to_owned(),
        },
        Event::TaskGivenUp {
            task: "beauty:18:2,3".to_owned(),
            why: "no camera".to_owned(),
        },
        Event::SegmentEnded {
            segment: 1,
            host: host(),
            slot: 1,
        },
        Event::HostLost {
            host: host(),
            why: "killed".to_owned(),
        },
        Event::Warning {
            text: "one warning".to_owned(),
        },
        Event::Stopping,
        Event::JobEnded {
            state: JobEnd::Failed,
            done: 1,
            failed: 1,
            makespan_s: 5.0,
            lower_bound_s: Some(4.0),
        },
    ];
    let at = |number: usize| {
        format!("2026-11-22T01:02:03.{number:06}Z")
            .parse()
            .expect("a time")
    };
    let stamped = |(number, event)| Stamped {
        time: at(number),
        event,
    };
    events.into_iter().enumerate().map(stamped).collect()
}

#[test]
fn journals_of_format_1_are_read() {
    let job = store_v1().find_job("shot").unwrap();
    let mut found = Vec::new();
    let report = journal::read(&job.journal_path(), |stamped| found.push(stamped)).unwrap();
    assert_eq!(found, events_v1());
    assert_eq!((report.skipped.count, report.torn_bytes), (0, 0));
}

#[test]
fn jobs_of_format_1_are_read() {
    let job = store_v1().find_job("shot-k3x9qa").unwrap();
    let (listed, _) = job.open().unwrap();
    assert_eq!(listed.status, Status::Failed);
    assert_eq!(
        listed.state.counts(),
        TaskCounts {
            total: 2,
            done: 1,
            failed: 1,
            skipped: 0
        }
    );
    assert_eq!(
        listed.record.created,
        "2026-11-22T01:02:03Z".parse().unwrap()
    );
    assert_eq!(
        listed.record.plan.request.note.as_deref(),
        Some("for dailies")
    );
    let output = listed.record.plan.settled.output.as_ref().unwrap();
    let pattern = OutputPattern::from_stored(output).unwrap();
    assert_eq!(pattern.path("", 17), Path::new("/o/a.0017.png"));
    let end = listed.state.end().unwrap();
    assert_eq!((end.makespan_s, end.lower_bound_s), (5.0, Some(4.0)));
}

#[test]
fn logs_of_format_1_are_read() {
    let job = store_v1().find_job("shot").unwrap();
    let (state, _) = job.state().unwrap();
    let mut texts = Vec::new();
    read_logs(&job, &state, Some("beauty:17:2,3"), Tries::Last, |text| {
        texts.push(text)
    })
    .unwrap();
    assert_eq!(texts.len(), 1);
    assert_eq!(
        texts[0].manifest.as_ref().unwrap().note.as_deref(),
        Some("for dailies")
    );
    assert_eq!(texts[0].lines.len(), 2);
    assert_eq!(texts[0].lines[1].text, "Fra:17 done");
}

/// What is told of hosts that fall silent, wait, close, join and go, as scripts read it.
#[test]
fn events_of_hosts_keep_their_words() {
    let lines = [
        r#"{"time":"2026-11-22T01:02:03Z","event":"host-silent","host":"a","why":"reset"}"#,
        r#"{"time":"2026-11-22T01:02:03Z","event":"host-heard","host":"a","silent_s":1.5}"#,
        r#"{"time":"2026-11-22T01:02:03Z","event":"host-closed","host":"a","why":"its disk is full"}"#,
        r#"{"time":"2026-11-22T01:02:03Z","event":"host-opened","host":"a"}"#,
        r#"{"time":"2026-11-22T01:02:03Z","event":"slot-waiting","host":"a","slot":1,"holders":["anna (job x)"]}"#,
        r#"{"time":"2026-11-22T01:02:03Z","event":"slot-leased","host":"a","slot":1}"#,
        r#"{"time":"2026-11-22T01:02:03Z","event":"staged","host":"a","files":2,"bytes":9,"bytes_sent":4,"took_s":0.5}"#,
        r#"{"time":"2026-11-22T01:02:03Z","event":"host-joined","host":"a","slots":2}"#,
        r#"{"time":"2026-11-22T01:02:03Z","event":"host-drained","host":"a"}"#,
    ];
    for line in lines {
        let read: Stamped = serde_json::from_str(line).unwrap();
        assert!(read.event.is_journalled());
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
    }
}

/// Why segments were sent, and what was expected: written since there is `explain`.
#[test]
fn journals_with_predictions_are_read() {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal-v1-predicted");
    let job = Store::at(store).find_job("shot").unwrap();
    let (mut whys, mut past) = (Vec::new(), Past::of("all:3"));
    let report = journal::read(&job.journal_path(), |stamped| {
        past.apply(&stamped);
        if let Event::SegmentSent {
            why, load_s, end_s, ..
        } = stamped.event
        {
            whys.push((why, load_s, end_s));
        }
    })
    .unwrap();
    assert_eq!((report.skipped.count, report.torn_bytes), (0, 0));
    assert_eq!(
        whys,
        [
            (Some(SentWhy::Share), Some(1.5), Some(7.5)),
            (Some(SentWhy::Tail { of: 1 }), Some(1.5), Some(3.5)),
            (Some(SentWhy::Other), None, Some(2.25)),
        ]
    );
    let tries = past.into_tries();
    assert_eq!(tries[0].end, TryEnd::CutAway { to: 2 });
    assert_eq!(tries[1].end, TryEnd::Open);
    let (state, _) = job.state().unwrap();
    assert_eq!(state.predicted_makespan_s(), Some(7.5));
    let host = &state.hosts()["node01"];
    assert_eq!((host.predicted_s, host.predicted_load_s), (2.0, 1.5));
    assert_eq!((host.render_s, host.load_s), (2.25, 1.75));
}

/// What a job's first costs stood on: written since there is a history.
#[test]
fn journals_with_a_history_are_read() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal-v1-history/journal");
    let mut found = Vec::new();
    let report = journal::read(&path, |stamped| found.push(stamped.event)).unwrap();
    assert_eq!((report.skipped.count, report.torn_bytes), (0, 0));
    let from = CostsFrom {
        measured: "2026-11-25T18:30:00Z".parse().unwrap(),
        frames_known: 2,
        same_scene: false,
        same_settings: true,
    };
    let [Event::JobStarted { history, .. }] = found.as_slice() else {
        panic!("{found:#?}");
    };
    assert_eq!(*history, Some(from));
}

/// Journals of format 1 tell what they can.
#[test]
fn tasks_of_old_journals_are_explained() {
    let job = store_v1().find_job("shot").unwrap();
    let mut past = Past::of("beauty:17:2,3");
    journal::read(&job.journal_path(), |stamped| past.apply(&stamped)).unwrap();
    assert_eq!(past.standing(), Standing::Done);
    let tries = past.into_tries();
    assert_eq!((tries[0].why, tries[0].attempt), (None, Some(1)));
    assert!(matches!(tries[0].end, TryEnd::Done { render_s, .. } if render_s == 2.25));
}

/// What is written today is of the newest format, byte for byte.
#[test]
fn today_writes_format_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (mut writer, _) = journal::JournalWriter::open(&path, |_| {}, |_| {}).unwrap();
    for stamped in events_v1() {
        writer.append(stamped).unwrap();
    }
    writer.close().unwrap();
    let lines = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap();
        // The header names the version that wrote it.
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let fixture = store_v1().find_job("shot").unwrap().journal_path();
    assert_eq!(lines(&path), lines(&fixture));
}

#[test]
fn a_history_of_version_1_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/history-v1");
    // SQLite may write beside a file that it reads; a fixture is never changed.
    let copy = tempfile::tempdir().expect("a temporary folder");
    std::fs::copy(folder.join(FILE_NAME), copy.path().join(FILE_NAME)).expect("a copy");
    let history = History::at(copy.path());
    let scenes = history.scenes().expect("it is read");
    let names: Vec<_> = scenes
        .iter()
        .map(|scene| (scene.path.as_str(), scene.renders))
        .collect();
    assert_eq!(names, [("/shots/b.stub.toml", 1), ("/shots/a.blend", 2)]);
    let key = SceneKey {
        path: "/shots/a.blend",
        adapter: "blender",
    };
    let scene = history.find(key).expect("it is read").expect("it is there");
    assert_eq!(scene.takes()[0].take.content, "beef");
    let recalled = scene.recall_all().expect("it is read");
    let frames: Vec<_> = recalled
        .costs
        .frames("beauty")
        .map(|(frame, known)| {
            let host = known.host.as_str();
            (frame, known.cost_s, host, known.first, known.take)
        })
        .collect();
    // The newer take cost twice as much in frame 1: the older one's frame 2 is told at that ratio.
    assert_eq!(
        frames,
        [(1, 5.0, "node02", true, 0), (2, 7.0, "node01", false, 1)]
    );
    let tiles: Vec<_> = recalled
        .costs
        .layers()
        .flat_map(|(_, known)| known.keys())
        .collect();
    assert!(tiles.contains(&&(17, "2,3".to_owned())), "{tiles:?}");
    let hosts: Vec<_> = recalled
        .hosts
        .iter()
        .map(|host| {
            (
                host.name.as_str(),
                host.slots,
                host.speed,
                host.tasks,
                host.load_s,
                host.loads,
            )
        })
        .collect();
    assert_eq!(
        hosts,
        [
            ("node02", 1, 0.5, 1, 9.0, 1),
            ("node01", 2, 1.25, 6, 4.0, 2)
        ]
    );
}
