//! Frame sets: what a user types after `--frames`.
//!
//! ```text
//! set  = part { "," part }            blanks around parts are fine
//! part = [ "!" ] frame [ ( "-" | ".." ) frame [ "x" step ] ]
//! ```
//!
//! `!` takes frames away from all others, wherever it stands. Refused: what is empty, reversed,
//! absurdly large, or not understood to the end. Nothing is allocated for a set before it is known
//! to be small enough.
//!
//! Invariant: runs are sorted, do not overlap, are not empty, and two sets of the same frames have
//! the same runs; so equality is that of the frames.

mod parse;

use std::fmt;

pub use parse::FrameSetError;

/// Most frames that a set may name, counting each part by itself.
pub const FRAMES_MAX: u64 = 1_000_000;

/// A frame's number. May be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame(pub i32);

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of frames, never empty, in ascending order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FrameSet {
    runs: Vec<Run>,
}

/// Frames `first`, `first + step`, … up to and with `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Run {
    first: i32,
    last: i32,
    step: u32,
}

impl Run {
    fn count(self) -> u64 {
        (i64::from(self.last) - i64::from(self.first)) as u64 / u64::from(self.step) + 1
    }

    fn iter(self) -> impl Iterator<Item = i32> {
        (i64::from(self.first)..=i64::from(self.last))
            .step_by(self.step as usize)
            .map(|frame| frame as i32)
    }

    fn contains(self, frame: i32) -> bool {
        (self.first..=self.last).contains(&frame)
            && (i64::from(frame) - i64::from(self.first)) % i64::from(self.step) == 0
    }
}

impl FrameSet {
    /// Every frame from `first` to `last`, both included; [`FrameSetError`] where that is reversed
    /// or too many.
    pub fn range(first: Frame, last: Frame) -> Result<FrameSet, FrameSetError> {
        FrameSet::stepped(first, last, 1)
    }

    /// Every `step`-th frame from `first` on, up to `last`.
    pub fn stepped(first: Frame, last: Frame, step: u32) -> Result<FrameSet, FrameSetError> {
        parse::bounded(first.0, last.0, step).map(|run| FrameSet {
            runs: canonical(run.iter()),
        })
    }

    /// From frames in any order, doubles allowed; `None` when there are none.
    #[must_use]
    pub fn from_frames(frames: impl IntoIterator<Item = Frame>) -> Option<FrameSet> {
        let mut frames: Vec<i32> = frames.into_iter().map(|frame| frame.0).collect();
        frames.sort_unstable();
        frames.dedup();
        let runs = canonical(frames.into_iter());
        (!runs.is_empty()).then_some(FrameSet { runs })
    }

    /// How many frames, without walking over them.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.runs.iter().map(|run| run.count()).sum()
    }

    /// The first frame.
    #[must_use]
    pub fn first(&self) -> Frame {
        Frame(self.runs[0].first)
    }

    /// The last frame.
    #[must_use]
    pub fn last(&self) -> Frame {
        Frame(self.runs[self.runs.len() - 1].last)
    }

    /// Whether it names this frame.
    #[must_use]
    pub fn contains(&self, frame: Frame) -> bool {
        let after = self.runs.partition_point(|run| run.first <= frame.0);
        after > 0 && self.runs[after - 1].contains(frame.0)
    }

    /// All frames, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Frame> + '_ {
        self.runs.iter().flat_map(|run| run.iter()).map(Frame)
    }
}

/// Groups ascending frames into runs: neighbours with step 1 from two on, other steps from three
/// on, so that what is printed is what people would write.
fn canonical(frames: impl Iterator<Item = i32>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for frame in frames {
        extend(&mut runs, frame);
    }
    runs
}

fn extend(runs: &mut Vec<Run>, frame: i32) {
    let single = |frame| Run {
        first: frame,
        last: frame,
        step: 1,
    };
    let gap = |run: &Run| i64::from(frame) - i64::from(run.last);
    let is_single = |run: &Run| run.first == run.last;
    match runs.as_mut_slice() {
        [.., last] if gap(last) == i64::from(last.step) => last.last = frame,
        // The third of three at one distance makes a stepped run out of two single frames.
        [.., before, last]
            if is_single(before)
                && is_single(last)
                && gap(last) == i64::from(last.first) - i64::from(before.last) =>
        {
            let step = gap(last) as u32;
            *before = Run {
                first: before.first,
                last: frame,
                step,
            };
            runs.pop();
        }
        _ => runs.push(single(frame)),
    }
}

impl fmt::Display for FrameSet {
    /// The shortest usual form; parsing it gives the same set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, run) in self.runs.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            run.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { first, last, step } = *self;
        if first == last {
            return write!(f, "{first}");
        }
        // `-10..-1` reads better than `-10--1`.
        let dash = if first < 0 || last < 0 { ".." } else { "-" };
        write!(f, "{first}{dash}{last}")?;
        if step > 1 {
            write!(f, "x{step}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
