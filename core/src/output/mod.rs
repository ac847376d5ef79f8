//! Where pictures go: `-o DIR/name.####.exr`.
//!
//! `pattern` reads what was typed and names files, without touching the disk; `place` makes the
//! folders and looks whether they can be written to and whether names are taken, all before the
//! first frame is rendered.
//!
//! Invariant: two tasks of a job never have one path, and no path has a name of more than
//! [`NAME_BYTES_MAX`] bytes.

mod pattern;
mod place;

use std::io;
use std::path::{Path, PathBuf};

pub(crate) use pattern::MERGED;
pub use pattern::{NAME_BYTES_MAX, OutputPattern, Wanted, layer_in_name, scene_stem};
pub use place::{remove_scratch, see_writable};

/// Why pictures cannot go where they should.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A path that adapters cannot be told.
    #[error("the path {} is not valid UTF-8, which renderers are spoken to in", .0.display())]
    NotUtf8(PathBuf),
    /// Nothing was typed.
    #[error("the output is empty")]
    Empty,
    /// Zero bytes.
    #[error("the output `{0}` has a zero byte in it")]
    ZeroByte(String),
    /// Two places for the frame.
    #[error("the output `{typed}` has `#` in {count} places, and the frame can stand in one only")]
    SeveralFrames {
        /// What was typed.
        typed: String,
        /// How many.
        count: usize,
    },
    /// No place for the frame.
    #[error("the output `{typed}` has no `####` for the frame, and {frames} frames are wanted")]
    NoFrame {
        /// What was typed.
        typed: String,
        /// How many frames.
        frames: usize,
        /// With the frame in.
        better: String,
    },
    /// No place for the layer.
    #[error("the output `{typed}` has no `{{layer}}`, and {layers} layers are rendered apart")]
    NoLayer {
        /// What was typed.
        typed: String,
        /// How many layers.
        layers: usize,
        /// With the layer in.
        better: String,
    },
    /// An unknown placeholder.
    #[error("the output `{typed}` has `{{{word}}}`, which is nothing known")]
    UnknownWord {
        /// What was typed.
        typed: String,
        /// What is between the braces.
        word: String,
    },
    /// An unknown extension.
    #[error("`.{extension}` is no picture format that can be written: use one of {}", .known.join(", "))]
    UnknownFormat {
        /// What was typed.
        extension: String,
        /// What could be.
        known: Vec<String>,
    },
    /// The adapter writes no pictures.
    #[error("this renderer writes no pictures")]
    NoFormat,
    /// A name that no file system takes.
    #[error("the file name `{0}` is longer than {NAME_BYTES_MAX} bytes")]
    NameTooLong(String),
    /// Layers that would be written to one file.
    #[error("the layers `{0}` and `{1}` would be written to the same file names")]
    LayersCollide(String, String),
    /// A folder cannot be made.
    #[error("cannot make the output folder {}", folder.display())]
    MakeFolder {
        /// Which.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A folder cannot be written to.
    #[error("cannot write into the output folder {}", folder.display())]
    NotWritable {
        /// Which.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A name cannot be looked at.
    #[error("cannot look whether {} exists", path.display())]
    Look {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Names that are taken.
    #[error("{} exists and is not this job's{}", first.display(), and_others(*count))]
    Exists {
        /// The first.
        first: PathBuf,
        /// How many in all.
        count: usize,
    },
    /// A folder has the name of a picture.
    #[error("{} is a folder", .0.display())]
    IsFolder(PathBuf),
}

impl OutputError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoFrame { better, .. } | Self::NoLayer { better, .. } => {
                Some(format!("write `{better}`"))
            }
            Self::SeveralFrames { .. } => {
                Some("keep one run of `#`; `{layer}` may stand anywhere".to_owned())
            }
            Self::UnknownWord { .. } => Some("`{layer}` and `####` are known".to_owned()),
            Self::Exists { .. } => {
                Some("choose another -o, or allow it with --overwrite".to_owned())
            }
            Self::IsFolder(path) => Some(format!(
                "write `{}/` to put pictures into it",
                path.display()
            )),
            Self::NotUtf8(_) => Some("rename it, or choose another -o".to_owned()),
            Self::MakeFolder { .. } | Self::NotWritable { .. } | Self::Look { .. } => {
                Some("choose another -o, or have the folder made writable for you".to_owned())
            }
            Self::UnknownFormat { known, .. } => known
                .first()
                .map(|extension| format!("write -o 'DIR/name.####.{extension}'")),
            Self::NameTooLong(_) => Some("choose a shorter name with -o".to_owned()),
            Self::Empty | Self::ZeroByte(_) => Some("write -o 'DIR/name.####.png'".to_owned()),
            Self::NoFormat | Self::LayersCollide(..) => None,
        }
    }
}

/// A path as the text that adapters are told.
pub fn utf8(path: &Path) -> Result<&str, OutputError> {
    path.to_str()
        .ok_or_else(|| OutputError::NotUtf8(path.to_owned()))
}

fn and_others(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        2 => ", and so is 1 other".to_owned(),
        more => format!(", and so are {} others", more - 1),
    }
}

#[cfg(test)]
mod tests;
