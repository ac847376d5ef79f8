//! Reading logs, also of a segment that still runs or whose controller was killed.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::write::dropped_text;
use super::{LogError, LogKind, LogLine, LogManifest, Paths, TaskMark};
use crate::store::folder::JobFolder;
use crate::store::state::JobState;

/// Which tries of a task are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tries {
    /// Every segment that held it, whole: what came before it matters too.
    All,
    /// Only the last try that was begun, from its first line to the next task's.
    Last,
}

/// The log of one segment.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentText {
    /// Its number.
    pub segment: u64,
    /// What it was; absent where that line is damaged.
    pub manifest: Option<LogManifest>,
    /// Its lines.
    pub lines: Vec<LogLine>,
}

/// Hand over the logs of a job, or of one of its tasks, segment by segment, oldest first.
/// Segments without a log are passed over.
pub fn read_logs(
    job: &JobFolder,
    state: &JobState,
    task: Option<&str>,
    tries: Tries,
    mut take: impl FnMut(SegmentText),
) -> Result<(), LogError> {
    let logs = job.logs_path();
    let Some(task) = task else {
        for segment in segments(&logs)? {
            read_segment(&logs, segment)?
                .into_iter()
                .for_each(&mut take);
        }
        return Ok(());
    };
    let Some(held) = state.tasks().get(task) else {
        return Err(LogError::UnknownTask {
            task: task.to_owned(),
            job: job.id().to_string(),
        });
    };
    match tries {
        Tries::All => {
            for segment in &held.segments {
                read_segment(&logs, *segment)?
                    .into_iter()
                    .for_each(&mut take);
            }
        }
        Tries::Last => {
            for segment in held.segments.iter().rev() {
                let text = read_segment(&logs, *segment)?;
                if let Some(text) = text.and_then(|text| last_try(text, task)) {
                    take(text);
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Numbers of the segments that have a log, ascending.
fn segments(logs: &Path) -> Result<Vec<u64>, LogError> {
    let fail = |source| read_error(logs, source);
    let entries = match fs::read_dir(logs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(fail)?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix("seg-")?.strip_suffix(".log"))
            .and_then(|number| number.parse::<u64>().ok());
        found.extend(number);
    }
    found.sort_unstable();
    Ok(found)
}

fn read_segment(logs: &Path, segment: u64) -> Result<Option<SegmentText>, LogError> {
    let paths = Paths::of(logs, segment);
    let mut head = match File::open(&paths.head) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read_error(&paths.head, error)),
    };
    let fail = |source| read_error(&paths.head, source);
    let mut first = Vec::new();
    head.read_until(b'\n', &mut first).map_err(fail)?;
    let mut text = SegmentText {
        segment,
        manifest: serde_json::from_slice(&first).ok(),
        lines: Vec::new(),
    };
    read_lines(head, &mut text.lines).map_err(fail)?;
    let head_lines = text.lines.len() as u64;
    let mut is_first = true;
    for path in [&paths.older, &paths.newer] {
        let mut tail = match File::open(path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(read_error(path, error)),
        };
        let fail = |source| read_error(path, source);
        let begins = first_line_number(&mut tail).map_err(fail)?;
        if is_first && begins > head_lines {
            text.lines.push(LogLine {
                kind: LogKind::Note,
                at_s: 0.0,
                text: dropped_text(begins - head_lines),
            });
        }
        is_first = false;
        read_lines(tail, &mut text.lines).map_err(fail)?;
    }
    Ok(Some(text))
}

/// The number that a last part begins with; 0 where it was never written.
pub(super) fn first_line_number(tail: &mut impl BufRead) -> io::Result<u64> {
    let mut line = Vec::new();
    tail.read_until(b'\n', &mut line)?;
    let text = String::from_utf8_lossy(&line);
    Ok(text.trim().parse().unwrap_or(0))
}

fn read_lines(mut from: impl BufRead, into: &mut Vec<LogLine>) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        into.push(parse(text.trim_end_matches('\n')));
    }
}

/// A line; one that is torn or was edited is kept as a note.
fn parse(line: &str) -> LogLine {
    let parts = line.split_once(' ').and_then(|(kind, rest)| {
        let (at_s, text) = rest.split_once(' ')?;
        Some(LogLine {
            kind: LogKind::of(kind)?,
            at_s: at_s.parse().ok()?,
            text: text.to_owned(),
        })
    });
    parts.unwrap_or_else(|| LogLine {
        kind: LogKind::Note,
        at_s: 0.0,
        text: line.to_owned(),
    })
}

/// Only the last try of a task, if it was begun in this segment.
fn last_try(mut text: SegmentText, task: &str) -> Option<SegmentText> {
    let mark = |line: &LogLine| match line.kind {
        LogKind::Task => serde_json::from_str::<TaskMark>(&line.text).ok(),
        LogKind::Out | LogKind::Err | LogKind::Note => None,
    };
    let begin = text
        .lines
        .iter()
        .rposition(|line| mark(line).is_some_and(|mark| mark.task == task))?;
    let mut lines = text.lines.split_off(begin);
    let next = lines[1..]
        .iter()
        .position(|line| line.kind == LogKind::Task);
    lines.truncate(next.map_or(lines.len(), |next| next + 1));
    text.lines = lines;
    Some(text)
}

fn read_error(path: &Path, source: io::Error) -> LogError {
    LogError::Io {
        doing: "read",
        path: path.to_owned(),
        source,
    }
}
