//! How fast a journal is: `cargo bench -p framewright-core --bench journal [-- FOLDER]`.
//!
//! Small records are appended as fast as the writer takes them, every one is synced before the
//! clock stops, and the file is then read and folded. Goal: 100,000 records a second with group
//! sync. The folder decides a lot: give one on the disk in question; default is the target folder.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use framewright_core::event::{Event, Stamped};
use framewright_core::store::JobState;
use framewright_core::store::journal::{Done, JournalWriter, read};
use jiff::Timestamp;

const RECORDS: u32 = 500_000;
const ROUNDS: u32 = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let folder = folder.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let folder = tempfile::tempdir_in(folder)?;
    let mut out = std::io::stdout();
    for round in 0..ROUNDS {
        let path = folder.path().join(format!("journal-{round}"));
        let begin = Instant::now();
        let (report, reports) = std::sync::mpsc::channel();
        let (mut writer, _) = JournalWriter::open(
            &path,
            |_| {},
            move |done| {
                let _ = report.send(done);
            },
        )?;
        for number in 0..RECORDS {
            writer.append(record(number))?;
        }
        writer.close()?;
        let write_s = begin.elapsed().as_secs_f64();
        let mut groups = 0;
        for done in reports.try_iter() {
            match done {
                Done::Synced(_) => groups += 1,
                other => return Err(format!("{other:?}").into()),
            }
        }
        let begin = Instant::now();
        let mut state = JobState::default();
        let report = read(&path, |stamped| state.apply(&stamped))?;
        let read_s = begin.elapsed().as_secs_f64();
        assert_eq!(report.records, u64::from(RECORDS));
        assert_eq!(state.counts().done, RECORDS);
        let rate = |seconds: f64| f64::from(RECORDS) / seconds;
        writeln!(
            out,
            "append and sync {:.0} records/s in {groups} groups of {:.0}; read and fold {:.0} records/s; {:.0} bytes each",
            rate(write_s),
            f64::from(RECORDS) / f64::from(groups),
            rate(read_s),
            report.whole_bytes as f64 / f64::from(RECORDS),
        )?;
    }
    Ok(())
}

fn record(number: u32) -> Stamped {
    Stamped {
        time: Timestamp::from_nanosecond(1_700_000_000_123_456_789 + i128::from(number) * 1000)
            .unwrap_or_default(),
        event: Event::TaskDone {
            segment: u64::from(number / 10),
            task: format!("all:{number}"),
            attempt: 1,
            host: "local".to_owned(),
            slot: number % 2,
            render_s: 0.000_25,
            predicted_s: Some(0.000_25),
            file: None,
        },
    }
}
