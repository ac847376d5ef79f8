//! A job's name: `STEM-xxxxxx`, the scene's stem and six random characters.
//!
//! It is also a folder's name and is typed into shells, so whatever a scene is called, an id holds
//! only ASCII letters, digits, `_`, `.` and `-`, begins with a letter or digit, and is short.

use std::ffi::OsStr;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use serde::{Deserialize, Serialize};

/// Longest stem kept, in characters.
const STEM_MAX: usize = 40;
/// Random characters after the stem.
const TAIL: usize = 6;
/// No `l`, `o`, `0`, `1`: ids are read aloud.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A job's id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(String);

impl JobId {
    /// A new id for a scene of this stem. Unlikely to be taken; `mkdir` is the judge of that.
    pub(super) fn fresh(stem: &OsStr) -> Self {
        // The standard library's keyed hasher is seeded from the system's random source.
        let mut random = RandomState::new().hash_one(stem);
        let mut id = sanitised(stem);
        id.push('-');
        for _ in 0..TAIL {
            id.push(char::from(ALPHABET[(random % 32) as usize]));
            random /= 32;
        }
        Self(id)
    }

    /// An id as it was found as a folder's name; `None` where no job can be called so.
    pub(super) fn from_folder_name(name: &OsStr) -> Option<Self> {
        let name = name.to_str()?;
        let first_good = name.bytes().next()?.is_ascii_alphanumeric();
        (first_good && name.chars().all(is_kept)).then(|| Self(name.to_owned()))
    }

    /// An id that a test knows.
    #[cfg(test)]
    pub(crate) fn for_tests(id: &str) -> Self {
        Self(id.to_owned())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_kept(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// The stem with everything unfit replaced by single `_`.
fn sanitised(stem: &OsStr) -> String {
    let mut clean = String::new();
    for c in stem.to_string_lossy().chars() {
        let c = if is_kept(c) { c } else { '_' };
        if !(c == '_' && clean.ends_with('_')) {
            clean.push(c);
        }
        if clean.len() >= STEM_MAX {
            break;
        }
    }
    let clean = clean.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let clean = if clean.is_empty() { "job" } else { clean };
    clean.to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_scene_names_make_plain_ids() {
        for (stem, wanted) in [
            (&b"shot010"[..], "shot010"),
            (b"my shot (final) v2", "my_shot_final_v2"),
            (b"$(rm -rf ~)", "rm_-rf"),
            (b"--resume", "resume"),
            (b"a\nb'c\"d", "a_b_c_d"),
            (b"../../etc/passwd", "etc_passwd"),
            (b"\xff\xfe", "job"),
            (b"", "job"),
            ("übung".as_bytes(), "bung"),
        ] {
            let id = JobId::fresh(OsStr::from_bytes(stem));
            let (stem, tail) = id.as_str().rsplit_once('-').unwrap();
            assert_eq!(stem, wanted);
            assert_eq!(tail.len(), TAIL);
        }
    }

    #[test]
    fn two_ids_of_one_scene_differ() {
        assert_ne!(JobId::fresh(OsStr::new("s")), JobId::fresh(OsStr::new("s")));
    }

    proptest! {
        #[test]
        fn any_bytes_make_an_id_that_is_read_back(stem: Vec<u8>) {
            let id = JobId::fresh(OsStr::from_bytes(&stem));
            prop_assert!(id.as_str().len() <= STEM_MAX + 1 + TAIL);
            prop_assert_eq!(JobId::from_folder_name(OsStr::new(id.as_str())), Some(id));
        }
    }
}
