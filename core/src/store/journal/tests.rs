use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::event::{CommittedFile, Event, JobEnd, Stamped};

/// Far longer than any sync takes.
const DEADLINE: Duration = Duration::from_secs(60);

fn warning(number: usize) -> Stamped {
    Stamped {
        time: Timestamp::from_second(1_700_000_000 + number as i64).unwrap(),
        event: Event::Warning {
            text: format!("line\n{number} »…«"),
        },
    }
}

fn done(file: &CommittedFile) -> Stamped {
    Stamped {
        time: Timestamp::UNIX_EPOCH,
        event: Event::TaskDone {
            segment: 1,
            task: "all:1".to_owned(),
            attempt: 1,
            host: "local".to_owned(),
            slot: 0,
            render_s: 0.25,
            predicted_s: None,
            file: Some(file.clone()),
        },
    }
}

fn open(path: &Path) -> (JournalWriter, Receiver<Done>) {
    let (report, reports) = channel();
    let (writer, _) = JournalWriter::open(
        path,
        |_| {},
        move |done| {
            let _ = report.send(done);
        },
    )
    .unwrap();
    (writer, reports)
}

fn write(path: &Path, events: impl IntoIterator<Item = Stamped>) {
    let (mut writer, _reports) = open(path);
    for event in events {
        writer.append(event).unwrap();
    }
    writer.close().unwrap();
}

fn read_all(path: &Path) -> (Vec<Stamped>, ReadReport) {
    let mut events = Vec::new();
    let report = read(path, |stamped| events.push(stamped)).unwrap();
    (events, report)
}

fn journal() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    (folder, path)
}

#[test]
fn what_is_written_is_read_back_in_order() {
    let (_folder, path) = journal();
    assert_eq!(read_all(&path).0, []);
    let events: Vec<_> = (0..5000).map(warning).collect();
    write(&path, events[..3000].to_vec());
    write(&path, events[3000..].to_vec());
    let (found, report) = read_all(&path);
    assert_eq!(found, events);
    assert_eq!((report.records, report.torn_bytes), (5000, 0));
    assert_eq!(report.warnings(), Vec::<String>::new());
}

#[test]
fn the_last_record_is_reported_synced() {
    let (_folder, path) = journal();
    let (mut writer, reports) = open(&path);
    for number in 0..100 {
        writer.append(warning(number)).unwrap();
    }
    let mut last = Seq(0);
    while last < Seq(100) {
        match reports.recv_timeout(DEADLINE).unwrap() {
            Done::Synced(seq) => {
                assert!(seq > last);
                last = seq;
            }
            other => panic!("{other:?}"),
        }
        // What is reported is there for anybody to read.
        assert!(read_all(&path).1.records >= last.0);
    }
    assert_eq!(writer.given(), last);
}

#[test]
fn a_torn_end_is_cut_and_writing_goes_on() {
    let (_folder, path) = journal();
    write(&path, (0..10).map(warning));
    let whole = fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1]
        .iter()
        .rposition(|b| *b == b'\n')
        .unwrap()
        + 1;
    for keep in last..whole.len() {
        fs::write(&path, &whole[..keep]).unwrap();
        let (found, report) = read_all(&path);
        assert_eq!(found.len(), 9);
        assert_eq!(report.torn_bytes, (keep - last) as u64);
        assert_eq!(report.warnings(), Vec::<String>::new());
        write(&path, [warning(9)]);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn a_torn_end_of_zeros_and_ends_of_line_is_cut() {
    let (_folder, path) = journal();
    write(&path, (0..3).map(warning));
    let whole = fs::read(&path).unwrap();
    for tail in [&b"\0\0\0\0"[..], b"\n\n", b"00000000 {}\n", b"abc\n\0\0\n"] {
        fs::write(&path, [&whole, tail].concat()).unwrap();
        assert_eq!(read_all(&path).0.len(), 3);
        write(&path, []);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn a_damaged_record_in_the_middle_costs_itself_only() {
    let (_folder, path) = journal();
    write(&path, (0..20).map(warning));
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[3] = lines[3].replace("warning", "wArning");
    lines[7] = "\0\0".to_owned();
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let (found, report) = read_all(&path);
    assert_eq!(found.len(), 18);
    assert_eq!(
        report.warnings(),
        [format!(
            "{}: 2 damaged or unknown records are left out (line 4, 8)",
            path.display()
        )]
    );
    // Even the header.
    lines[0].replace_range(0..1, "x");
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let (found, report) = read_all(&path);
    assert_eq!(found.len(), 18);
    assert_eq!(
        report.skipped,
        Skipped {
            count: 3,
            first: vec![1, 4, 8]
        }
    );
}

#[test]
fn an_event_of_a_later_version_is_kept_in_the_file() {
    let (_folder, path) = journal();
    write(&path, [warning(0)]);
    let mut line = Vec::new();
    let later = serde_json::json!({"time": "2030-01-01T00:00:00Z", "event": "moon-landing"});
    line::encode(&later, &mut line).unwrap();
    fs::File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(&line)
        .unwrap();
    let (found, report) = read_all(&path);
    assert_eq!(found.len(), 1);
    assert_eq!((report.skipped.count, report.torn_bytes), (1, 0));
    write(&path, [warning(1)]);
    assert!(fs::read_to_string(&path).unwrap().contains("moon-landing"));
}

#[test]
fn a_journal_of_a_later_format_is_refused() {
    let (_folder, path) = journal();
    let mut line = Vec::new();
    let header = serde_json::json!({"format": 2, "framewright": "9.0.0"});
    line::encode(&header, &mut line).unwrap();
    fs::write(&path, line).unwrap();
    let refused = read(&path, |_| {}).unwrap_err().to_string();
    assert_eq!(
        refused,
        format!(
            "the journal {} has format 2, and this framewright reads up to 1: use a newer framewright",
            path.display()
        )
    );
}

#[test]
fn a_number_that_json_cannot_hold_does_not_lose_the_record() {
    let (_folder, path) = journal();
    let end = |makespan_s| Stamped {
        time: Timestamp::UNIX_EPOCH,
        event: Event::JobEnded {
            state: JobEnd::Done,
            done: 1,
            failed: 0,
            makespan_s,
            lower_bound_s: None,
        },
    };
    write(&path, [end(f64::NAN)]);
    assert_eq!(read_all(&path).0, [end(0.0)]);
}

fn finished_file(folder: &Path, name: &str) -> CommittedFile {
    let from = folder.join(format!("{name}.scratch"));
    fs::write(&from, name).unwrap();
    CommittedFile {
        path: folder.join(name).to_str().unwrap().to_owned(),
        from: from.to_str().unwrap().to_owned(),
        bytes: name.len() as u64,
        hash: blake3::hash(name.as_bytes()).to_hex().to_string(),
    }
}

#[test]
fn a_file_has_its_name_only_after_its_record_is_written() {
    let (folder, path) = journal();
    let (report, reports) = channel();
    let journal_path = path.clone();
    let (mut writer, _) = JournalWriter::open(
        &path,
        |_| {},
        move |done| {
            let records = read_all(&journal_path).1.records;
            let _ = report.send((done, records));
        },
    )
    .unwrap();
    for number in 0..200 {
        let file = finished_file(folder.path(), &format!("{number}.png"));
        let commit = Commit {
            token: Token(number),
            file: file.clone(),
            replace: Replace::Never,
        };
        writer.append_commit(done(&file), commit).unwrap();
    }
    writer.close().unwrap();
    let (mut synced, mut committed) = (0, 0);
    for (done, records) in reports.try_iter() {
        match done {
            Done::Synced(Seq(seq)) => synced = seq,
            Done::Committed { token } => {
                assert_eq!(token, Token(committed));
                committed += 1;
                assert!(committed <= synced && synced <= records);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((synced, committed), (200, 200));
    for number in 0..200 {
        let name = format!("{number}.png");
        assert_eq!(fs::read_to_string(folder.path().join(&name)).unwrap(), name);
    }
}

#[test]
fn a_taken_name_fails_its_own_commit_only() {
    let (folder, path) = journal();
    let (mut writer, reports) = open(&path);
    let [taken, free] = ["taken", "free"].map(|name| finished_file(folder.path(), name));
    fs::write(&taken.path, "somebody's").unwrap();
    for (number, file) in [(1, &taken), (2, &free)] {
        let commit = Commit {
            token: Token(number),
            file: file.clone(),
            replace: Replace::Never,
        };
        writer.append_commit(done(file), commit).unwrap();
    }
    writer.close().unwrap();
    let reports: Vec<_> = reports
        .try_iter()
        .filter(|done| !matches!(done, Done::Synced(_)))
        .collect();
    assert_eq!(
        reports,
        [
            Done::CommitFailed {
                token: Token(1),
                why: format!("{} exists and is not this job's", taken.path),
                disk_full: false,
                exists: true,
            },
            Done::Committed { token: Token(2) },
        ]
    );
    assert_eq!(fs::read_to_string(&taken.path).unwrap(), "somebody's");
}

#[test]
fn a_full_disk_is_reported_and_nothing_is_renamed_without_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let (report, reports) = channel();
    let file = finished_file(folder.path(), "frame");
    // The device that is always full stands for the state directory's disk.
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut writer = JournalWriter::on_file(full, Path::new("/dev/full"), move |done| {
        let _ = report.send(done);
    })
    .unwrap();
    let commit = Commit {
        token: Token(1),
        file: file.clone(),
        replace: Replace::Never,
    };
    writer.append_commit(done(&file), commit).unwrap();
    match reports.recv_timeout(DEADLINE).unwrap() {
        Done::Broken { why, disk_full } => {
            assert!(
                why.starts_with("cannot write the journal /dev/full: No space left"),
                "{why}"
            );
            assert!(disk_full);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        reports.recv_timeout(DEADLINE).unwrap(),
        Done::CommitFailed {
            token: Token(1),
            ..
        }
    ));
    writer.append(warning(1)).unwrap();
    writer.close().unwrap();
    assert_eq!(reports.try_iter().next(), None);
    assert!(Path::new(&file.from).exists());
    assert!(!Path::new(&file.path).exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_damage_stops_a_reader_or_the_next_writer(
        at in any::<prop::sample::Index>(),
        junk in prop::collection::vec(any::<u8>(), 0..20),
        cut: bool,
    ) {
        let (_folder, path) = journal();
        write(&path, (0..10).map(warning));
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        let end = if cut { bytes.len() } else { at };
        bytes.splice(at..end, junk);
        fs::write(&path, &bytes).unwrap();
        let (before, _) = read_all(&path);
        write(&path, [warning(99)]);
        let (after, report) = read_all(&path);
        prop_assert_eq!(&after[..after.len() - 1], &before[..]);
        prop_assert_eq!(after.last(), Some(&warning(99)));
        prop_assert_eq!(report.torn_bytes, 0);
    }
}
