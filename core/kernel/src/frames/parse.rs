//! Reading a frame set.

use std::str::FromStr;

use thiserror::Error;

use super::{FRAMES_MAX, FrameSet, Run, canonical};

/// Why a text is no frame set. Positions count characters from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameSetError {
    /// Nothing, or nothing between two commas.
    #[error("a frame set names at least one frame, but there is nothing at position {position}")]
    Empty {
        /// Where a frame was expected.
        position: usize,
    },
    /// The end lies before the beginning.
    #[error("frames {first} to {last} run backwards; write {last}{}{first}", if *last < 0 || *first < 0 { ".." } else { "-" })]
    Reversed {
        /// What was given as first.
        first: i32,
        /// What was given as last.
        last: i32,
    },
    /// More frames than anyone renders in one job.
    #[error("the set names {count} frames, more than the {limit} that one job may have")]
    TooMany {
        /// How many.
        count: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// A number that is no frame number.
    #[error(
        "`{number}` is no frame number; frames go from {} to {}",
        i32::MIN,
        i32::MAX
    )]
    OutOfRange {
        /// The number as typed, cut where it is very long.
        number: String,
    },
    /// Every 0th frame.
    #[error("a step counts from 1: `x0` at position {position} would never get anywhere")]
    ZeroStep {
        /// Where it stands.
        position: usize,
    },
    /// Something that does not belong there.
    #[error("`{found}` at position {position} does not belong in a frame set; expected {expected}")]
    Junk {
        /// The character.
        found: char,
        /// Where it stands.
        position: usize,
        /// What would have been right.
        expected: &'static str,
    },
    /// Everything that is named is taken away again.
    #[error("every frame of the set is excluded again")]
    AllExcluded,
}

impl FromStr for FrameSet {
    type Err = FrameSetError;

    fn from_str(text: &str) -> Result<FrameSet, FrameSetError> {
        let (wanted, unwanted) = parts(text)?;
        let mut frames: Vec<i32> = wanted.iter().flat_map(|run| run.iter()).collect();
        frames.sort_unstable();
        frames.dedup();
        frames.retain(|frame| !unwanted.iter().any(|run| run.contains(*frame)));
        if frames.is_empty() {
            return Err(FrameSetError::AllExcluded);
        }
        Ok(FrameSet {
            runs: canonical(frames.into_iter()),
        })
    }
}

/// A run, if it goes forwards and is small enough.
pub(super) fn bounded(first: i32, last: i32, step: u32) -> Result<Run, FrameSetError> {
    let run = forwards(first, last, step)?;
    limited(run.count())?;
    Ok(run)
}

fn forwards(first: i32, last: i32, step: u32) -> Result<Run, FrameSetError> {
    if last < first {
        return Err(FrameSetError::Reversed { first, last });
    }
    if step == 0 {
        return Err(FrameSetError::ZeroStep { position: 1 });
    }
    Ok(Run { first, last, step })
}

fn limited(count: u64) -> Result<(), FrameSetError> {
    if count > FRAMES_MAX {
        return Err(FrameSetError::TooMany {
            count,
            limit: FRAMES_MAX,
        });
    }
    Ok(())
}

/// What is named and what is taken away, neither expanded; what is named is within the limit.
fn parts(text: &str) -> Result<(Vec<Run>, Vec<Run>), FrameSetError> {
    let mut reader = Reader {
        rest: text,
        position: 1,
    };
    let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
    loop {
        reader.blanks();
        if reader.take('!') {
            unwanted.push(reader.run()?);
        } else {
            wanted.push(reader.run()?);
        }
        reader.blanks();
        match reader.rest.chars().next() {
            None => break,
            Some(',') => reader.skip(1),
            Some(_) => return Err(reader.junk("a comma or the end")),
        }
    }
    limited(wanted.iter().map(|run| run.count()).sum())?;
    Ok((wanted, unwanted))
}

struct Reader<'a> {
    rest: &'a str,
    position: usize,
}

impl Reader<'_> {
    /// Goes on by this many ASCII characters.
    fn skip(&mut self, characters: usize) {
        self.rest = &self.rest[characters..];
        self.position += characters;
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.rest.starts_with(wanted);
        if found {
            self.skip(1);
        }
        found
    }

    fn blanks(&mut self) {
        while self.take(' ') || self.take('\t') {}
    }

    fn junk(&self, expected: &'static str) -> FrameSetError {
        match self.rest.chars().next() {
            None => FrameSetError::Empty {
                position: self.position,
            },
            Some(',') => FrameSetError::Empty {
                position: self.position,
            },
            Some(found) => FrameSetError::Junk {
                found,
                position: self.position,
                expected,
            },
        }
    }

    fn run(&mut self) -> Result<Run, FrameSetError> {
        let first = self.frame()?;
        if self.rest.starts_with("..") {
            self.skip(2);
        } else if !self.take('-') {
            return forwards(first, first, 1);
        }
        let last = self.frame()?;
        let position = self.position;
        let step = if self.take('x') { self.step()? } else { 1 };
        match forwards(first, last, step) {
            Err(FrameSetError::ZeroStep { .. }) => Err(FrameSetError::ZeroStep { position }),
            run => run,
        }
    }

    fn frame(&mut self) -> Result<i32, FrameSetError> {
        let negative = self.rest.starts_with('-');
        self.number(usize::from(negative), "a frame number")
    }

    fn step(&mut self) -> Result<u32, FrameSetError> {
        self.number(0, "a step")
    }

    fn number<T: FromStr>(
        &mut self,
        sign: usize,
        expected: &'static str,
    ) -> Result<T, FrameSetError> {
        let digits = self.rest[sign..]
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        if digits == 0 {
            self.skip(sign);
            return Err(self.junk(expected));
        }
        let text = &self.rest[..sign + digits];
        let number = text.parse().map_err(|_| FrameSetError::OutOfRange {
            number: shortened(text),
        })?;
        self.skip(sign + digits);
        Ok(number)
    }
}

/// Keeps an error sentence a sentence, whatever was pasted.
fn shortened(number: &str) -> String {
    const SHOWN_MAX: usize = 24;
    if number.len() <= SHOWN_MAX {
        number.to_owned()
    } else {
        format!("{}…", &number[..SHOWN_MAX])
    }
}
