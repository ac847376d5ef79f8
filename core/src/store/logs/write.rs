//! Writing a segment's log.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::{
    FORMAT, HEAD_BYTES_MAX, LINE_BYTES_MAX, LogError, LogKind, LogManifest, Paths, TAIL_BYTES_MAX,
    TaskMark,
};
use crate::store::folder::JobFolder;

/// A segment's log, open for writing.
///
/// What it is given is kept back until [`SegmentLog::flush`], so that short tasks do not cost a
/// write each. After the first error it drops what it is given; [`SegmentLog::finish`] tells.
#[derive(Debug)]
pub struct SegmentLog {
    paths: Paths,
    out: BufWriter<File>,
    head_max: u64,
    tail_max: u64,
    /// Bytes in the file that is being written.
    bytes: u64,
    /// Lines given so far, the manifest not counted.
    lines: u64,
    /// Lines in the head; set when the head is full.
    head_lines: Option<u64>,
    error: Option<LogError>,
}

impl SegmentLog {
    /// Begin the log of a segment. An older one of the same number is replaced.
    pub fn create(job: &JobFolder, manifest: &LogManifest) -> Result<Self, LogError> {
        Self::create_in(&job.logs_path(), manifest, HEAD_BYTES_MAX, TAIL_BYTES_MAX)
    }

    pub(super) fn create_in(
        logs: &Path,
        manifest: &LogManifest,
        head_max: u64,
        tail_max: u64,
    ) -> Result<Self, LogError> {
        #[derive(Serialize)]
        struct Versioned<'a> {
            format: u32,
            #[serde(flatten)]
            manifest: &'a LogManifest,
        }
        let paths = Paths::of(logs, manifest.segment);
        let begin = || {
            fs::create_dir_all(logs)?;
            for tail in [&paths.older, &paths.newer] {
                remove_if_there(tail)?;
            }
            let mut out = BufWriter::new(File::create(&paths.head)?);
            let manifest = Versioned {
                format: FORMAT,
                manifest,
            };
            serde_json::to_writer(&mut out, &manifest)?;
            out.write_all(b"\n")?;
            out.flush()?;
            Ok(out)
        };
        let out = begin().map_err(|source| write_error(&paths.head, source))?;
        Ok(Self {
            paths,
            out,
            head_max,
            tail_max,
            bytes: 0,
            lines: 0,
            head_lines: None,
            error: None,
        })
    }

    /// A line that the renderer printed.
    pub fn line(&mut self, at: Duration, is_stderr: bool, text: &str) {
        let kind = if is_stderr {
            LogKind::Err
        } else {
            LogKind::Out
        };
        self.push(kind, at, text);
    }

    /// From here on this task is rendered.
    pub fn task_begins(&mut self, at: Duration, task: &str, attempt: u32) {
        let mark = TaskMark {
            task: task.to_owned(),
            attempt,
        };
        match serde_json::to_string(&mark) {
            Ok(mark) => self.push(LogKind::Task, at, &mark),
            Err(error) => self.keep_error(error.into()),
        }
    }

    /// A word of framewright's.
    pub fn note(&mut self, at: Duration, text: &str) {
        self.push(LogKind::Note, at, text);
    }

    /// Hand what was given so far to the system.
    pub fn flush(&mut self) {
        if self.error.is_none()
            && let Err(error) = self.out.flush()
        {
            self.keep_error(error);
        }
    }

    /// End the log: one file remains. The error is the first that there was.
    pub fn finish(mut self) -> Result<(), LogError> {
        self.flush();
        if self.error.is_none()
            && let Some(head_lines) = self.head_lines
            && let Err(error) = join(&self.paths, head_lines)
        {
            self.keep_error(error);
        }
        self.error.map_or(Ok(()), Err)
    }

    fn push(&mut self, kind: LogKind, at: Duration, text: &str) {
        if self.error.is_some() {
            return;
        }
        let mut line = format!("{} {:.3} ", kind.as_str(), at.as_secs_f64());
        push_one_line(&mut line, text);
        if let Err(error) = self.write(line.as_bytes()) {
            self.keep_error(error);
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let max = match self.head_lines {
            None => self.head_max,
            Some(_) => self.tail_max,
        };
        if self.bytes + line.len() as u64 > max {
            self.turn()?;
        }
        self.out.write_all(line)?;
        self.bytes += line.len() as u64;
        self.lines += 1;
        Ok(())
    }

    /// The file is full: go on in the next, which begins with the number of its first line.
    fn turn(&mut self) -> io::Result<()> {
        self.out.flush()?;
        match self.head_lines {
            None => self.head_lines = Some(self.lines),
            Some(_) => fs::rename(&self.paths.newer, &self.paths.older)?,
        }
        self.out = BufWriter::new(File::create(&self.paths.newer)?);
        writeln!(self.out, "{}", self.lines)?;
        self.out.flush()?;
        self.bytes = 0;
        Ok(())
    }

    fn keep_error(&mut self, error: io::Error) {
        let error = write_error(&self.paths.head, error);
        self.error.get_or_insert(error);
    }
}

fn write_error(path: &Path, source: io::Error) -> LogError {
    LogError::Io {
        doing: "write",
        path: path.to_owned(),
        source,
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Append a text as the rest of one line: inner ends of lines are shown, too long ones are cut.
fn push_one_line(line: &mut String, text: &str) {
    let mut end = text.len().min(LINE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    for c in text[..end].chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            c => line.push(c),
        }
    }
    if end < text.len() {
        line.push('…');
    }
    line.push('\n');
}

/// Append the last parts to the head, with a word about what is missing between them.
fn join(paths: &Paths, head_lines: u64) -> io::Result<()> {
    let mut head = File::options().append(true).open(&paths.head)?;
    let mut is_first = true;
    for path in [&paths.older, &paths.newer] {
        let mut tail = match File::open(path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let begins = super::read::first_line_number(&mut tail)?;
        if is_first && begins > head_lines {
            writeln!(head, "note 0.000 {}", dropped_text(begins - head_lines))?;
        }
        is_first = false;
        io::copy(&mut tail.by_ref(), &mut head)?;
    }
    head.flush()?;
    remove_if_there(&paths.older)?;
    remove_if_there(&paths.newer)
}

/// What stands in the place of lines that were not kept.
pub(super) fn dropped_text(count: u64) -> String {
    format!("… {count} lines dropped")
}
