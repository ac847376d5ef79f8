//! Scenes of which each frame is a file: `shot.0001.ass`, `shot.0002.ass`, …
//!
//! Such a scene is given by naming one of its files. That a file is one of a sequence shows where the
//! number in its name is the frame that it holds; where it does not say its frame, a number set off by a
//! dot is believed. Numbered scenes that have nothing to do with each other (`test_0004.ass`, frame 1)
//! stay scenes of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Files of a folder that are looked at.
const ENTRIES_MAX: usize = 500_000;
/// Frames of a sequence.
const FRAMES_MAX: usize = 100_000;

/// What a scene file's name ends with.
const EXTENSIONS: [&str; 2] = [".ass.gz", ".ass"];

/// How the names of a sequence are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Naming {
    /// Before the number.
    pub before: String,
    /// Digits of the number; more where it needs them.
    pub digits: usize,
    /// After it.
    pub after: String,
}

impl Naming {
    /// Of a name with a number at the end of its stem; and that number.
    pub fn of(name: &str) -> Option<(Naming, i32)> {
        let lower = name.to_ascii_lowercase();
        let extension = EXTENSIONS.iter().find(|end| lower.ends_with(*end))?;
        let (stem, after) = name.split_at(name.len() - extension.len());
        let head = stem.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = stem.len() - head.len();
        // A minus is part of the number only where it cannot be part of the name.
        let (before, sign) = match head.strip_suffix('-') {
            Some(rest) if rest.ends_with('.') => (rest, -1),
            _ => (head, 1),
        };
        let number: i32 = stem[head.len()..].parse().ok()?;
        let naming = Naming {
            before: before.to_owned(),
            digits,
            after: after.to_owned(),
        };
        Some((naming, sign * number))
    }

    /// The file name of a frame.
    pub fn name(&self, frame: i32) -> String {
        let sign = if frame < 0 { "-" } else { "" };
        let (before, digits, after) = (&self.before, self.digits, &self.after);
        format!("{before}{sign}{:0digits$}{after}", frame.unsigned_abs())
    }
}

/// Frames that exist, first to last, every so many.
pub type Run = (i32, i32, u32);

/// A scene that is a file a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    pub naming: Naming,
    /// Frames and their files, rising.
    pub files: BTreeMap<i32, PathBuf>,
}

impl Sequence {
    /// The sequence that a scene file is one of: at least two files of one naming.
    ///
    /// `frame` is what the file says of itself; `wanted` what the user says of it.
    pub fn around(scene: &Path, frame: Option<f64>, wanted: Option<bool>) -> Option<Sequence> {
        let name = scene.file_name()?.to_str()?;
        let (naming, number) = Naming::of(name)?;
        let is_one = wanted.unwrap_or(match frame {
            Some(frame) => frame == f64::from(number),
            None => naming.before.ends_with('.'),
        });
        if !is_one {
            return None;
        }
        let folder = scene.parent()?;
        let mut files = BTreeMap::new();
        for entry in folder.read_dir().ok()?.flatten().take(ENTRIES_MAX) {
            let file = entry.file_name();
            let Some(name) = file.to_str() else { continue };
            // Ten-digit names and others of the same number are not what `name` would call it.
            if let Some((other, number)) = Naming::of(name)
                && (&other.before, &other.after) == (&naming.before, &naming.after)
                && naming.name(number) == name
                && files.len() < FRAMES_MAX
            {
                files.insert(number, folder.join(name));
            }
        }
        (files.len() > 1).then_some(Sequence { naming, files })
    }

    /// Its frames in runs of one step each.
    pub fn runs(&self) -> Vec<Run> {
        runs(&self.files.keys().copied().collect::<Vec<i32>>())
    }

    /// First frame, last frame, step. A sequence with holes has step 1.
    pub fn range(&self) -> Run {
        let all = self.runs();
        match all.as_slice() {
            [one] => *one,
            [first, .., last] => (first.0, last.1, 1),
            [] => (1, 1, 1),
        }
    }

    /// Frames between its first and its last for which there is no file, as people write them.
    pub fn holes(&self) -> Vec<String> {
        let (first, last, step) = self.range();
        let frames: Vec<i32> = self.files.keys().copied().collect();
        if step > 1 || frames.is_empty() {
            return Vec::new();
        }
        let pairs = frames.iter().zip(frames.iter().skip(1));
        debug_assert!(first <= last);
        pairs
            .filter(|(one, two)| **two - **one > 1)
            .map(|(one, two)| match *two - *one {
                2 => (one + 1).to_string(),
                _ => format!("{}-{}", one + 1, two - 1),
            })
            .collect()
    }
}

/// Rising frames in runs of one step each.
pub fn runs(frames: &[i32]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for &frame in frames {
        match runs.last_mut() {
            // Two frames may be the begin of a run of any step.
            Some((first, last, step)) if first == last => {
                *step = frame.abs_diff(*first);
                *last = frame;
            }
            Some((_, last, step)) if frame.abs_diff(*last) == *step => *last = frame,
            _ => runs.push((frame, frame, 1)),
        }
    }
    runs
}

/// Whether a frame is in one of the runs.
pub fn has(runs: &[Run], frame: i32) -> bool {
    runs.iter().any(|&(first, last, step)| {
        (first..=last).contains(&frame) && frame.abs_diff(first) % step.max(1) == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn numbers_of_names_are_read_and_written() {
        for (name, number) in [
            ("shot.0001.ass", 1),
            ("shot.0012.ass.gz", 12),
            ("shot_7.ass", 7),
            ("a-0003.ass", 3),
            ("shot.-0003.ass", -3),
            ("shot.123456.ASS", 123_456),
        ] {
            let (naming, found) = Naming::of(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((found, naming.name(found)), (number, name.to_owned()));
        }
        for name in ["shot.ass", "shot.0001.usd", "0001", "shot.99999999999.ass"] {
            assert_eq!(Naming::of(name), None, "{name}");
        }
    }

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for name in names {
            fs::write(folder.path().join(name), "").expect("a file");
        }
        folder
    }

    #[test]
    fn holes_are_found_and_other_names_left_alone() {
        let folder = folder(&[
            "shot.0001.ass",
            "shot.0002.ass",
            "shot.0004.ass",
            "shot.0008.ass",
            "shot.00002.ass",
            "shot.0003.ass.gz",
            "shot.0005.ass~",
            "shots.0006.ass",
        ]);
        let one = folder.path().join("shot.0002.ass");
        let found = Sequence::around(&one, Some(2.0), None).expect("a sequence");
        assert_eq!(
            found.files.keys().copied().collect::<Vec<_>>(),
            [1, 2, 4, 8]
        );
        assert_eq!(found.range(), (1, 8, 1));
        assert_eq!(found.holes(), ["3", "5-7"]);
        let runs = found.runs();
        let on_disk: Vec<i32> = (0..12).filter(|&frame| has(&runs, frame)).collect();
        assert_eq!(on_disk, [1, 2, 4, 8]);
    }

    #[test]
    fn every_second_frame_is_a_step_and_no_hole() {
        let folder = folder(&["s.0010.ass", "s.0012.ass", "s.0014.ass"]);
        let one = folder.path().join("s.0010.ass");
        let found = Sequence::around(&one, None, None).expect("a sequence");
        assert_eq!((found.range(), found.holes()), ((10, 14, 2), Vec::new()));
    }

    #[test]
    fn scenes_that_are_only_numbered_are_scenes_of_their_own() {
        let folder = folder(&["test_0004.ass", "test_0008.ass"]);
        let one = folder.path().join("test_0004.ass");
        assert_eq!(Sequence::around(&one, Some(1.0), None), None);
        assert_eq!(Sequence::around(&one, None, None), None);
        assert!(Sequence::around(&one, Some(1.0), Some(true)).is_some());
        assert!(Sequence::around(&one, Some(4.0), None).is_some());
        assert_eq!(Sequence::around(&one, Some(4.0), Some(false)), None);
    }
}
