//! A picture as a screen shows it: sixteen bits, red, green, blue and alpha, a whole frame.
//!
//! PNG is taken as it is; EXR through a [`View`]. An EXR shows its display window: what its data
//! window lacks of it is black. One picture is in memory at a time, and blocks are decoded on all
//! threads of rayon's pool.
//!
//! Alpha is straight when it is kept. When it is not, the picture lies on black.

mod exr;
mod pick;
mod png;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use crate::view::View;

/// A header that claims more pixels is not believed.
const PIXELS_MAX: u64 = 1 << 29;

/// Why a picture is not shown.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is no whole picture.
    #[error("{} {why}", path.display())]
    Broken {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It has not the layer that was asked for.
    #[error("{} has no layer `{layer}`: it has {known}", path.display())]
    NoLayer {
        /// Which.
        path: PathBuf,
        /// What was asked for.
        layer: String,
        /// What there is.
        known: String,
    },
}

impl PictureError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoLayer { .. } => {
                Some("--layer takes a layer, or a layer's pass: `beauty.Combined`".to_owned())
            }
            Self::Broken { .. } => Some("render it again".to_owned()),
            Self::Read { .. } => Some("check the path and its permissions".to_owned()),
        }
    }
}

/// What is wrong with a picture, as the end of a sentence that begins with its path.
#[derive(Debug)]
enum Flaw {
    Io(io::Error),
    Broken(String),
    NoLayer { layer: String, known: String },
}

impl Flaw {
    fn broken(why: impl Into<String>) -> Self {
        Self::Broken(why.into())
    }

    fn of(self, path: &Path) -> PictureError {
        let path = path.to_owned();
        match self {
            Self::Io(source) => PictureError::Read { path, source },
            Self::Broken(why) => PictureError::Broken { path, why },
            Self::NoLayer { layer, known } => PictureError::NoLayer { path, layer, known },
        }
    }
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::broken("ends before its picture does"),
            _ => Self::Io(error),
        }
    }
}

/// What is shown of pictures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Showing<'a> {
    /// A layer of EXRs, or a layer's pass; absent = [`pick`] decides.
    pub(crate) layer: Option<&'a str>,
    /// Keep alpha.
    pub(crate) alpha: bool,
}

/// What a header tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// `name:type`, as the worker's verification has them.
    pub(crate) channels: Vec<String>,
    /// Whether a view applies.
    pub(crate) is_light: bool,
}

/// A picture.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Row by row.
    pub(crate) pixels: Vec<[u16; 4]>,
}

/// What kind of file a name promises.
enum Kind {
    Exr,
    Png,
}

fn kind(path: &Path) -> Result<Kind, Flaw> {
    let extension = path.extension().unwrap_or_default();
    if extension.eq_ignore_ascii_case("exr") {
        Ok(Kind::Exr)
    } else if extension.eq_ignore_ascii_case("png") {
        Ok(Kind::Png)
    } else {
        Err(Flaw::broken("is neither .exr nor .png"))
    }
}

/// Reads a picture's header.
pub(crate) fn outline(path: &Path) -> Result<Outline, PictureError> {
    let outline = || match kind(path)? {
        Kind::Exr => exr::outline(path),
        Kind::Png => png::outline(path),
    };
    unharmed(outline).map_err(|flaw| flaw.of(path))
}

/// Reads a picture.
pub(crate) fn read(path: &Path, showing: &Showing<'_>, view: &View) -> Result<Shown, PictureError> {
    let read = || match kind(path)? {
        Kind::Exr => exr::read(path, showing, view),
        Kind::Png => png::read(path, showing.alpha),
    };
    unharmed(read).map_err(|flaw| flaw.of(path))
}

/// A decoder that panics has met a broken picture; it must not take the program along.
fn unharmed<T>(read: impl FnOnce() -> Result<T, Flaw>) -> Result<T, Flaw> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(Flaw::broken("cannot be decoded at all")))
}

fn check_claim(width: usize, height: usize) -> Result<(), Flaw> {
    if width == 0 || height == 0 || (width as u64).saturating_mul(height as u64) > PIXELS_MAX {
        return Err(Flaw::broken(format!(
            "claims {width}x{height} pixels, which no picture has"
        )));
    }
    Ok(())
}
