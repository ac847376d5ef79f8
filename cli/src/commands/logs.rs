//! `logs`: the list, or what the renderer printed for one task.

use std::fs::File;
use std::io::{self, Read, Write};

use super::answer;
use crate::args::low::{Format, LogsArgs};
use crate::documents::LogReport;
use crate::engine;
use crate::exit::Exit;
use crate::printable::printable;
use crate::problem::Presentable;
use crate::surroundings::Surroundings;
use crate::tables;

/// Bytes copied at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// Lists the logs, or prints those of a task, oldest first.
pub(crate) fn run(
    args: &LogsArgs,
    format: Format,
    around: &Surroundings,
) -> Result<Exit, Presentable> {
    let report = engine::logs(around, &args.job, args.task.as_deref())?;
    if format == Format::Json || args.task.is_none() {
        return answer(format, report, |report| {
            tables::logs::list(report, tables::stdout_width())
        });
    }
    if report.logs.is_empty() {
        let task = args.task.as_deref().unwrap_or_default();
        return Err(Presentable::usage(format!(
            "job {} has no log of task {}",
            report.job,
            printable(task)
        ))
        .hint("framewright logs JOB lists the logs and their tasks"));
    }
    for log in &report.logs {
        copy(log)?;
    }
    Ok(Exit::Done)
}

/// Copies a log to stdout as it is: people pipe it.
fn copy(log: &LogReport) -> Result<(), Presentable> {
    let cannot = |error: io::Error| {
        Presentable::fault(format!("cannot read log {}: {error}", printable(&log.path)))
    };
    let _ = writeln!(
        anstream::stderr(),
        "-- segment {} on {}",
        log.segment,
        printable(&log.host)
    );
    let mut file = File::open(&log.path).map_err(cannot)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk).map_err(cannot)? {
            0 => return Ok(()),
            length => super::print(&chunk[..length])?,
        }
    }
}
