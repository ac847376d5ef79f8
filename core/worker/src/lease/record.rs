//! What is written into a lock's file: who has it, for people and for other workers.
//!
//! It says nothing about whether it is true still; the lock does. Whoever can write the file can
//! write anything, so what is read is short, plain text, and believed only to show it and to share
//! fairly.

use std::fmt::Write as _;
use std::os::fd::AsFd;

use crate::message::Holder;

/// Longest that is read.
const BYTES_MAX: usize = 2048;
/// Longest name that is believed.
const NAME_CHARS_MAX: usize = 128;

/// A holder, and how many slots it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) holder: Holder,
    pub(super) wants: u32,
}

impl Record {
    fn text(&self) -> String {
        let Holder {
            user,
            job,
            pid,
            since_ms,
        } = &self.holder;
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "user {}\njob {}", plain(user), plain(job));
        let _ = writeln!(text, "pid {pid}\nsince_ms {since_ms}\nwants {}", self.wants);
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            text.lines().find_map(|line| {
                let rest = line.strip_prefix(name)?;
                rest.strip_prefix(' ')
            })
        };
        Some(Self {
            holder: Holder {
                user: plain(field("user")?),
                job: plain(field("job")?),
                pid: field("pid")?.parse().ok()?,
                since_ms: field("since_ms")?.parse().ok()?,
            },
            wants: field("wants")?.parse().ok()?,
        })
    }

    /// Replaces what a file holds. A file that may only be read stays as it is.
    pub(super) fn write(&self, file: impl AsFd) {
        let text = self.text();
        // In one piece, and the rest cut off afterwards: who reads in between reads a whole record.
        if rustix::io::pwrite(&file, text.as_bytes(), 0) == Ok(text.len()) {
            let _ = rustix::fs::ftruncate(&file, text.len() as u64);
        }
    }

    /// What a file holds, if that is a record.
    pub(super) fn read(file: impl AsFd) -> Option<Self> {
        let mut bytes = [0_u8; BYTES_MAX];
        let read = rustix::io::pread(&file, &mut bytes, 0).ok()?;
        Self::parse(std::str::from_utf8(&bytes[..read]).ok()?)
    }
}

/// A name as it may be shown: one line, not endless.
fn plain(name: &str) -> String {
    name.chars()
        .take(NAME_CHARS_MAX)
        .map(|char| if char.is_control() { '?' } else { char })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(job: &str) -> Record {
        Record {
            holder: Holder {
                user: "anna".to_owned(),
                job: job.to_owned(),
                pid: 42,
                since_ms: 1_700_000_000_000,
            },
            wants: 3,
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let file = tempfile::tempfile().unwrap();
        record(&"long ".repeat(20)).write(&file);
        record("shot 010").write(&file);
        assert_eq!(Record::read(&file), Some(record("shot 010")));
    }

    #[test]
    fn a_name_does_not_become_a_line() {
        let file = tempfile::tempfile().unwrap();
        record("a\npid 1\u{1b}[2J").write(&file);
        let read = Record::read(&file).unwrap();
        assert_eq!(read.holder.pid, 42);
        assert_eq!(read.holder.job, "a?pid 1?[2J");
        record(&"x".repeat(5000)).write(&file);
        assert!(Record::read(&file).unwrap().holder.job.len() <= NAME_CHARS_MAX);
    }

    #[test]
    fn what_is_no_record_is_none() {
        for text in ["", "user a", "user a\njob b\npid x\nsince_ms 1\nwants 0\n"] {
            assert_eq!(Record::parse(text), None, "{text:?}");
        }
        let file = tempfile::tempfile().unwrap();
        rustix::io::pwrite(&file, &[0xff; 4096], 0).unwrap();
        assert_eq!(Record::read(&file), None);
    }
}
