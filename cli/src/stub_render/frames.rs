//! Frame sets in a stub scene and on the renderer's command line.
//!
//! `1-10`, `1-100x2`, `1,5,9-20`, `1-100,!50`, negatives as `-10..-1`.

use serde::de::{Deserialize, Deserializer};

use super::units::Text;

/// Most frames that one set may hold.
const FRAMES_MAX: u64 = 1_000_000;

/// Frames in rising order, each once. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameSet(Vec<i32>);

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

impl FrameSet {
    /// Reads a frame set.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse(text).map(Self)
    }

    /// Whether a frame is in it.
    pub fn contains(&self, frame: i32) -> bool {
        self.0.binary_search(&frame).is_ok()
    }

    /// Its frames, rising.
    pub fn iter(&self) -> impl Iterator<Item = i32> + '_ {
        self.0.iter().copied()
    }
}

impl FrameRun {
    /// Reads a frame set that is one run with one step.
    pub fn parse(text: &str) -> Result<Self, String> {
        let frames = parse(text)?;
        let (first, last) = (frames[0], frames[frames.len() - 1]);
        let step = match frames.as_slice() {
            [a, b, ..] => b.abs_diff(*a),
            _ => 1,
        };
        if frames
            .windows(2)
            .any(|pair| pair[1].abs_diff(pair[0]) != step)
        {
            return Err(format!(
                "the scene's frames `{text}` have more than one step, \
                 expected one run such as `1-100x2`; choose single frames with --frames"
            ));
        }
        Ok(Self { first, last, step })
    }

    /// The same frames as a set.
    pub fn to_set(self) -> FrameSet {
        let steps =
            (0..self.count()).map(|n| i64::from(self.first) + n as i64 * i64::from(self.step));
        // Between two i32, so an i32.
        FrameSet(steps.map(|frame| frame as i32).collect())
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

impl<'de> Deserialize<'de> for FrameSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("a frame set such as \"1-10\"", Self::parse))
    }
}

impl<'de> Deserialize<'de> for FrameRun {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("a frame set such as \"1-10\"", Self::parse))
    }
}

/// The only place that knows how a frame set is written.
fn parse(text: &str) -> Result<Vec<i32>, String> {
    let wrong = |part: &str| format!("`{part}` is not a frame set, expected one such as `1-100x2`");
    let mut frames = std::collections::BTreeSet::new();
    for part in text.split(',') {
        let part = part.trim();
        let (drop, run) = match part.strip_prefix('!') {
            Some(run) => (true, run),
            None => (false, part),
        };
        let (range, step) = match run.split_once('x') {
            Some((range, step)) => (range, step.parse::<u32>().map_err(|_| wrong(part))?),
            None => (run, 1),
        };
        // The first character may be a sign, so a `-` that separates comes later.
        let dash = range.char_indices().skip(1).find(|(_, c)| *c == '-');
        let (first, last) = match (range.split_once(".."), dash) {
            (Some(ends), _) => ends,
            (None, Some((at, _))) => (&range[..at], &range[at + 1..]),
            (None, None) => (range, range),
        };
        let first = first.parse::<i32>().map_err(|_| wrong(part))?;
        let last = last.parse::<i32>().map_err(|_| wrong(part))?;
        if first > last {
            return Err(format!("the frame set `{part}` runs backwards"));
        }
        if step == 0 || u64::from(last.abs_diff(first) / step) >= FRAMES_MAX {
            return Err(format!(
                "the frame set `{part}` is absurd, expected a step of at least 1 and at most {FRAMES_MAX} frames"
            ));
        }
        let mut frame = i64::from(first);
        while frame <= i64::from(last) {
            // Between two i32, so an i32.
            let number = frame as i32;
            if drop {
                frames.remove(&number);
            } else {
                frames.insert(number);
            }
            frame += i64::from(step);
        }
        if frames.len() as u64 > FRAMES_MAX {
            return Err(format!(
                "the frame set `{text}` has more than {FRAMES_MAX} frames"
            ));
        }
    }
    if frames.is_empty() {
        return Err(format!("the frame set `{text}` is empty"));
    }
    Ok(frames.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_as_users_write_them() {
        for (text, frames) in [
            ("1-3", vec![1, 2, 3]),
            ("1..3", vec![1, 2, 3]),
            ("1-7x3", vec![1, 4, 7]),
            ("5,1-2", vec![1, 2, 5]),
            ("1-4,!2", vec![1, 3, 4]),
            ("-2..1", vec![-2, -1, 0, 1]),
            ("-2-1", vec![-2, -1, 0, 1]),
        ] {
            assert_eq!(FrameSet::parse(text), Ok(FrameSet(frames)), "{text}");
        }
    }

    #[test]
    fn absurd_sets_are_refused() {
        for text in [
            "",
            "a",
            "3-1",
            "1-",
            "1-99999999999",
            "1-5x0",
            "1,!1",
            "1-2000000",
            "1,,2",
        ] {
            assert!(FrameSet::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_run_has_one_step() {
        let run = FrameRun::parse("10-20x5").expect("a run");
        assert_eq!((run.first, run.last, run.step, run.count()), (10, 20, 5, 3));
        assert_eq!(run.index(15), 1);
        assert_eq!(run.index(5), -1);
        assert_eq!(FrameRun::parse("10-22x5").expect("a run").last, 20);
        assert!(FrameRun::parse("1,2,9").is_err());
    }
}
