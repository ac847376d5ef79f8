//! Frame sets in a stub scene and on the renderer's command line, read as everywhere else in
//! framewright.

use framewright_core::frames::{Frame, FrameSet};
use serde::de::{Deserialize, Deserializer};

use super::units::Text;

/// Frames of a fault or a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames(FrameSet);

/// One run of frames with one step. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRun {
    /// First frame.
    pub first: i32,
    /// Last frame, which is in the run.
    pub last: i32,
    /// At least 1.
    pub step: u32,
}

impl Frames {
    /// Reads a frame set.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error| format!("{error}"))
    }

    /// Whether a frame is in it.
    pub fn contains(&self, frame: i32) -> bool {
        self.0.contains(Frame(frame))
    }

    /// Its frames, rising.
    pub fn iter(&self) -> impl Iterator<Item = i32> + '_ {
        self.0.iter().map(|Frame(frame)| frame)
    }
}

impl FrameRun {
    /// Reads a frame set that is one run with one step.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Frames(set) = Frames::parse(text)?;
        let (Frame(first), Frame(last)) = (set.first(), set.last());
        let step = match set.iter().nth(1) {
            Some(Frame(second)) => second.abs_diff(first),
            None => 1,
        };
        if FrameSet::stepped(set.first(), set.last(), step).as_ref() != Ok(&set) {
            return Err(format!(
                "the scene's frames `{text}` have more than one step, \
                 expected one run such as `1-100x2`; choose single frames with --frames"
            ));
        }
        Ok(Self { first, last, step })
    }

    /// The same frames, one by one.
    pub fn iter(&self) -> impl Iterator<Item = i32> {
        let first = i64::from(self.first);
        // Between two i32, so an i32.
        (first..=i64::from(self.last))
            .step_by(self.step as usize)
            .map(|frame| frame as i32)
    }

    /// How many frames.
    pub fn count(&self) -> u64 {
        u64::from(self.last.abs_diff(self.first) / self.step) + 1
    }

    /// The place of a frame in the run, from 0; negative before it, past the end behind it.
    pub fn index(&self, frame: i32) -> i64 {
        (i64::from(frame) - i64::from(self.first)).div_euclid(i64::from(self.step))
    }
}

impl<'de> Deserialize<'de> for Frames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("a frame set such as \"1-10\"", Self::parse))
    }
}

impl<'de> Deserialize<'de> for FrameRun {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("a frame set such as \"1-10\"", Self::parse))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_step() {
        let run = FrameRun::parse("10-20x5").expect("a run");
        assert_eq!((run.first, run.last, run.step, run.count()), (10, 20, 5, 3));
        assert_eq!(run.iter().collect::<Vec<_>>(), [10, 15, 20]);
        assert_eq!(run.index(15), 1);
        assert_eq!(run.index(5), -1);
        assert_eq!(FrameRun::parse("10-22x5").expect("a run").last, 20);
        assert_eq!(FrameRun::parse("7").expect("a run").step, 1);
        assert_eq!(FrameRun::parse("1,3").expect("a run").step, 2);
        assert!(FrameRun::parse("1,2,9").is_err());
    }

    #[test]
    fn what_is_not_a_frame_set_is_refused_with_a_reason() {
        for text in ["", "a", "3-1", "1-99999999999", "1,!1"] {
            let why = Frames::parse(text).expect_err(text);
            assert!(!why.is_empty() && !why.contains('\n'), "{why}");
        }
    }
}
