//! `--events FILE`: every event as one JSON object a line, as it happens.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use framewright_core::event::Stamped;

use crate::args::low::Format;
use crate::printable::shown;
use crate::problem::Presentable;

/// Where events are written.
pub(crate) struct EventsFile {
    out: Box<dyn Write + Send>,
    name: String,
    broken: bool,
}

impl EventsFile {
    /// Opens it, before anything starts. A file that is there is begun anew.
    pub(crate) fn open(path: &Path, format: Format) -> Result<Self, Presentable> {
        if path.as_os_str() == "-" {
            if format == Format::Json {
                return Err(
                    Presentable::usage("--events - and --format json both want stdout")
                        .hint("write the events to a file: --events FILE"),
                );
            }
            return Ok(Self::new(Box::new(io::stdout()), "stdout".to_owned()));
        }
        let file = File::create(path).map_err(|error| {
            Presentable::usage(format!("cannot write events to {}: {error}", shown(path)))
        })?;
        Ok(Self::new(Box::new(file), shown(path)))
    }

    fn new(out: Box<dyn Write + Send>, name: String) -> Self {
        Self {
            out,
            name,
            broken: false,
        }
    }

    /// Writes one. A line is written whole and at once. When writing fails, it is said once (in
    /// the answer) and not tried again: the render goes on.
    pub(crate) fn write(&mut self, event: &Stamped) -> Option<String> {
        if self.broken {
            return None;
        }
        let line = serde_json::to_vec(event)
            .map_err(io::Error::other)
            .and_then(|mut line| {
                line.push(b'\n');
                self.out.write_all(&line)?;
                self.out.flush()
            });
        match line {
            Ok(()) => None,
            Err(error) => {
                self.broken = true;
                // Who closed the pipe knows.
                let known = error.kind() == io::ErrorKind::BrokenPipe;
                (!known).then(|| format!("cannot write events to {} any more: {error}", self.name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::*;
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut file = EventsFile::open(&path, Format::Json).unwrap();
        assert_eq!(file.write(&at(1, started(3))), None);
        // Read while it is open: nothing waits in a buffer.
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "{\"time\":\"1970-01-01T00:00:01Z\",\"event\":\"job-started\",\"job\":\"0198c0de\",\"tasks\":3,\"skipped\":0,\"slots\":2,\"pid\":1}\n"
        );
    }

    #[test]
    fn stdout_cannot_be_shared_with_the_json_document() {
        assert!(EventsFile::open(Path::new("-"), Format::Json).is_err());
        assert!(EventsFile::open(Path::new("-"), Format::Human).is_ok());
    }

    #[test]
    fn a_full_disk_is_said_once() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut file = EventsFile::new(Box::new(Full), "e".into());
        assert!(file.write(&at(1, started(3))).is_some());
        assert_eq!(file.write(&at(1, started(3))), None);
    }
}
