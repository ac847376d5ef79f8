//! Reading a journal: never stopped by damage, never silent about it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::line::{self, Damaged, Header, LINE_BYTES_MAX};
use crate::event::Stamped;
use crate::store::record::FORMAT;

/// How many skipped lines are named one by one.
const NAMED_MAX: usize = 8;

/// Why a journal cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read the journal {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It was written by a later framewright.
    #[error("the journal {} has format {format}, and this framewright reads up to {FORMAT}: use a newer framewright", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
}

/// How reading went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadReport {
    /// The file that was read.
    pub path: PathBuf,
    /// Events read.
    pub records: u64,
    /// Lines in the middle that were damaged or not understood, and are left out.
    pub skipped: Skipped,
    /// Bytes at the end that were never written whole. Nothing was acted on for them, so they are
    /// nobody's loss; the next writer cuts them off.
    pub torn_bytes: u64,
    /// Bytes before those.
    pub whole_bytes: u64,
}

impl ReadReport {
    /// What people should know about it: at most one sentence.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let Skipped { count, first } = &self.skipped;
        if *count == 0 {
            return Vec::new();
        }
        let lines: Vec<_> = first.iter().map(u64::to_string).collect();
        vec![format!(
            "{}: {count} damaged or unknown record{} left out (line {}{})",
            self.path.display(),
            if *count == 1 { " is" } else { "s are" },
            lines.join(", "),
            if *count > lines.len() as u64 {
                ", …"
            } else {
                ""
            },
        )]
    }
}

/// Lines left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How many.
    pub count: u64,
    /// The first of them, by line number from 1.
    pub first: Vec<u64>,
}

impl Skipped {
    fn add(&mut self, line: u64) {
        self.count += 1;
        if self.first.len() < NAMED_MAX {
            self.first.push(line);
        }
    }

    fn take_over(&mut self, other: &mut Self) {
        let room = NAMED_MAX - self.first.len();
        self.count += other.count;
        self.first.extend(other.first.drain(..).take(room));
        other.count = 0;
    }
}

/// Read a journal from its beginning and hand over each event. A missing file is an empty journal.
pub fn read(path: &Path, mut take: impl FnMut(Stamped)) -> Result<ReadReport, ReadError> {
    let fail = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let mut report = ReadReport {
        path: path.to_owned(),
        ..ReadReport::default()
    };
    let mut lines = match File::open(path) {
        Ok(file) => Lines::new(BufReader::with_capacity(1 << 16, file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(report),
        Err(error) => return Err(fail(error)),
    };
    // Damaged lines since the last good one: in the middle if a good one follows, else torn.
    let mut damaged = Skipped::default();
    while let Some(text) = lines.next_line().map_err(fail)? {
        let Numbered { number, text } = text;
        match text.ok_or(Damaged).and_then(line::checked) {
            Ok(json) => {
                report.skipped.take_over(&mut damaged);
                take_record(json, number, &mut report, &mut take)?;
                report.whole_bytes = lines.bytes;
            }
            Err(_) => damaged.add(number),
        }
    }
    report.torn_bytes = lines.bytes - report.whole_bytes;
    Ok(report)
}

/// A record whose checksum is right.
fn take_record(
    json: &[u8],
    number: u64,
    report: &mut ReadReport,
    take: &mut impl FnMut(Stamped),
) -> Result<(), ReadError> {
    if number == 1
        && let Ok(header) = serde_json::from_slice::<Header>(json)
    {
        if header.format > FORMAT {
            return Err(ReadError::Newer {
                path: report.path.clone(),
                format: header.format,
            });
        }
        return Ok(());
    }
    match serde_json::from_slice::<Stamped>(json) {
        Ok(stamped) => {
            report.records += 1;
            take(stamped);
        }
        Err(_) => report.skipped.add(number),
    }
    Ok(())
}

/// Lines of bounded length, with a count of bytes.
struct Lines<R> {
    from: R,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
}

/// A line and its number from 1.
struct Numbered<'a> {
    number: u64,
    /// Without its end; `None` where it is too long or has no end.
    text: Option<&'a [u8]>,
}

impl<R: BufRead> Lines<R> {
    fn new(from: R) -> Self {
        Self {
            from,
            line: Vec::new(),
            number: 0,
            bytes: 0,
        }
    }

    fn next_line(&mut self) -> io::Result<Option<Numbered<'_>>> {
        let is_whole = match self.next_piece()? {
            Piece::Nothing => return Ok(None),
            Piece::Whole => true,
            Piece::Part => false,
        };
        self.number += 1;
        if !is_whole {
            // Too long to be a record, or the torn end: pass over the rest of it.
            while let Piece::Part = self.next_piece()? {}
        }
        Ok(Some(Numbered {
            number: self.number,
            text: is_whole.then(|| &self.line[..self.line.len() - 1]),
        }))
    }

    /// Up to the end of the line, but not more than a record can have.
    fn next_piece(&mut self) -> io::Result<Piece> {
        self.line.clear();
        let mut limited = self.from.by_ref().take(LINE_BYTES_MAX as u64);
        let got = limited.read_until(b'\n', &mut self.line)?;
        self.bytes += got as u64;
        Ok(match self.line.last() {
            None => Piece::Nothing,
            Some(b'\n') => Piece::Whole,
            Some(_) => Piece::Part,
        })
    }
}

enum Piece {
    Nothing,
    Whole,
    Part,
}
