//! The stub renderer's scene: a TOML file that says what rendering would cost.
//!
//! For whom: everyone who tests scheduling without a renderer. Parsing is strict: an unknown key,
//! a wrong unit or a layer that waits for itself is an error with its line, because a typing
//! error that is passed over makes a test measure something else. What comes out cannot be
//! wrong any more; nobody checks it twice.
//!
//! The file's keys are `file::SceneFile`; this module holds what they mean.

mod file;
mod shapes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::frames::{FrameRun, Frames};
use super::task::Rectangle;

/// A scene that was read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Its own frames: one run with one step.
    pub frames: FrameRun,
    /// Frames a second.
    pub fps: f64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// What loading takes on a host of normal speed.
    pub load: Duration,
    /// What it says loading takes.
    pub declared_load: Duration,
    /// What a whole frame takes, all layers together.
    pub frame_cost: FrameCost,
    /// What every render call takes on top.
    pub call: Duration,
    /// At least one.
    pub layers: Vec<Layer>,
    /// How many times slower than normal a host is, by its name.
    pub slow: BTreeMap<String, f64>,
    /// Whether pictures are drawn.
    pub output: Output,
    /// What it says about tiles.
    pub tiles: Tiles,
    /// Where in the frame the time goes, where it is not the same everywhere.
    pub areas: Vec<Area>,
    /// Whether it may stay loaded between segments.
    pub sticky: bool,
    /// Memory that rendering it needs; 0 = not known.
    pub memory_bytes: u64,
    /// Files and folders that it needs, as they are named: absolutely, or from the scene's folder.
    pub assets: Vec<String>,
    /// What goes wrong, first match wins.
    pub faults: Vec<Fault>,
}

/// A part of a frame that is rendered by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// What must exist before.
    pub after: Vec<After>,
    /// Its share of the frame's cost, relative to the others.
    pub weight: f64,
    /// Memory, where it differs from the scene's; 0 = as the scene.
    pub memory_bytes: u64,
    /// What a host must have.
    pub tags: Vec<String>,
    /// Whether all its frames belong to one segment (`segment = 0`).
    pub undivided: bool,
}

/// What a layer waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// Another layer.
    pub layer: String,
    /// How much of it.
    pub scope: Scope,
}

/// How much of another layer must exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The same frame of it.
    #[default]
    Frame,
    /// All of it.
    Layer,
}

/// What frames cost; see [`super::cost`].
#[derive(Clone, Debug, PartialEq)]
pub enum FrameCost {
    /// All the same.
    Constant(Duration),
    /// One for each frame in the scene's order, from the start again when the list is used up.
    /// Never empty.
    List(Vec<Duration>),
    /// Log-normal, drawn per frame from the seed.
    Random {
        /// The mean.
        mean: Duration,
        /// Standard deviation over mean.
        cv: f64,
        /// Another seed, other frames are heavy.
        seed: u64,
    },
}

/// Whether pictures are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// Yes.
    #[default]
    Image,
    /// No: time passes, nothing is written.
    None,
}

/// What the scene says about tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Whether stitched tiles equal the whole frame.
    pub exact: bool,
    /// Overlap that makes it so: nearer to the edges of a tile its pixels are others.
    pub margin: u32,
}

/// A rectangle of the frame whose pixels are dearer, or cheaper, than others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Where.
    pub part: Rectangle,
    /// How many times as much a pixel costs. Where areas overlap, what each adds is added up.
    pub cost: f64,
}

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// In which frames.
    pub frames: Frames,
    /// In which layers; empty = all.
    pub layers: Vec<String>,
    /// On which hosts; empty = all.
    pub hosts: Vec<String>,
    /// How often before it works; absent = always.
    pub times: Option<u32>,
    /// Only where this pixel is rendered.
    pub at: Option<[u32; 2]>,
}

/// What goes wrong; what each looks like from outside is in [`super::fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A segmentation fault in mid-frame.
    Crash,
    /// Blocks for ever in mid-frame.
    Hang,
    /// Ends with exit code 3 in mid-frame.
    Exit,
    /// The picture is cut off, and reported as written.
    CorruptOutput,
    /// No picture, but reported as written.
    NoOutput,
    /// Another frame's picture.
    WrongPixels,
    /// Ten times the cost.
    Slow,
    /// No licence.
    Licence,
    /// Out of memory, and killed.
    Oom,
}

/// Why a scene could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// The file could not be read.
    #[error("cannot read stub scene {}: {why}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The file says something wrong.
    #[error("stub scene {} is wrong in line {line}: {what}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
        /// What would be right; may be empty.
        hint: String,
    },
}

impl SceneError {
    /// What to do about it.
    pub fn hint(&self) -> &str {
        match self {
            Self::Read { .. } => "name a file that this user may read",
            Self::Wrong { hint, .. } => hint,
        }
    }
}

/// Largest scene file that is read.
const SCENE_BYTES_MAX: u64 = 4 << 20;

impl Scene {
    /// Reads and checks a scene file.
    pub fn read(path: &Path) -> Result<Self, SceneError> {
        let unreadable = |why: String| SceneError::Read {
            path: path.to_owned(),
            why,
        };
        let facts = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()))?;
        if !facts.is_file() {
            return Err(unreadable("it is not a regular file".to_owned()));
        }
        if facts.len() > SCENE_BYTES_MAX {
            return Err(unreadable(format!(
                "it is larger than {SCENE_BYTES_MAX} bytes"
            )));
        }
        let bytes = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
        let text =
            String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8".to_owned()))?;
        Self::parse(&text, path)
    }

    /// Checks the text of a scene file; `path` is for messages only.
    pub fn parse(text: &str, path: &Path) -> Result<Self, SceneError> {
        file::parse(text).map_err(|wrong| SceneError::Wrong {
            path: path.to_owned(),
            line: wrong.line,
            what: wrong.what,
            hint: wrong.hint,
        })
    }

    /// A layer by its name; the empty name is the scene as it is.
    pub fn layer(&self, name: &str) -> Option<LayerChoice<'_>> {
        match (name, self.layers.as_slice()) {
            ("", [only]) => Some(LayerChoice::One(only)),
            ("", _) => Some(LayerChoice::All),
            (name, layers) => layers
                .iter()
                .find(|layer| layer.name == name)
                .map(LayerChoice::One),
        }
    }

    /// How many times slower than normal a host is.
    pub fn slowness(&self, host: &str) -> f64 {
        self.slow.get(host).copied().unwrap_or(1.0)
    }
}

/// Which part of a frame a task renders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LayerChoice<'a> {
    /// One layer. In a scene with only one layer this is also what "all" means, so that a frame
    /// has the same pixels however it was asked for.
    One(&'a Layer),
    /// All layers together.
    All,
}

impl LayerChoice<'_> {
    /// The name that is drawn and that decides the pixels.
    pub fn name(&self) -> &str {
        match self {
            Self::One(layer) => &layer.name,
            Self::All => "",
        }
    }
}

#[cfg(test)]
mod tests;
