//! An output pattern: what was typed, read once, and the file names that it gives.
//!
//! `####` in the file name is the frame, with at least so many digits; `{layer}`, anywhere in what
//! was typed, is the layer. All else is literal, as is the working folder.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use framewright_plugin_api::data::OutputFormat;

use super::{OutputError, utf8};
use crate::names::WHOLE;
use crate::store::StoredOutput;

/// What file systems take.
pub const NAME_BYTES_MAX: usize = 255;
/// Digits of the frame when nothing is typed.
const DIGITS: usize = 4;
const LAYER: &str = "{layer}";

/// What an output pattern is settled from.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// `-o`; absent = beside the working folder, named after the scene.
    pub typed: Option<&'a Path>,
    /// What relative paths are taken from: absolute.
    pub working_folder: &'a Path,
    /// The scene's file name without its extension: [`scene_stem`].
    pub stem: &'a OsStr,
    /// The adapter's formats, the default first.
    pub formats: &'a [OutputFormat],
    /// How many frames.
    pub frames: usize,
    /// Layers that are rendered apart; empty = the scene is rendered as it is.
    pub layers: &'a [String],
}

/// Where pictures go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPattern {
    /// Literal and absolute.
    base: PathBuf,
    /// Below the base, as typed, the extension added.
    tail: String,
    /// The tail, read.
    pieces: Vec<Piece>,
    /// [`OutputFormat::id`].
    format: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Frame { digits: usize },
    Layer,
}

/// The scene's file name without the adapter's extension (`shot.stub.toml` → `shot`), or without
/// its own where none fits.
#[must_use]
pub fn scene_stem<'a>(scene: &'a Path, extensions: &[String]) -> &'a OsStr {
    let known = scene.file_name().and_then(OsStr::to_str).and_then(|name| {
        let stems = extensions.iter().filter_map(|extension| {
            let stem = name.strip_suffix(extension.as_str())?.strip_suffix('.')?;
            (!stem.is_empty()).then_some(stem)
        });
        stems.min_by_key(|stem| stem.len())
    });
    known.map_or_else(|| scene.file_stem().unwrap_or_default(), OsStr::new)
}

impl OutputPattern {
    /// Settle where pictures go. Looks at no disk.
    pub fn settle(wanted: &Wanted<'_>) -> Result<Self, OutputError> {
        let formats: Vec<_> = wanted.formats.iter().filter(|f| f.id != "none").collect();
        let default = formats.first().ok_or(OutputError::NoFormat)?;
        let (base, mut tail) = match wanted.typed {
            None => {
                let folder = format!("{}/", literal(wanted.stem));
                (utf8(wanted.working_folder)?, folder)
            }
            Some(typed) => split_typed(wanted.working_folder, typed)?,
        };
        if matches!(file_name(&tail), "" | "." | "..") {
            if !(tail.is_empty() || tail.ends_with('/')) {
                tail.push('/');
            }
            tail.push_str(&literal(wanted.stem));
            if wanted.layers.len() > 1 && !holds_layers(default) {
                tail.push_str(".{layer}");
            }
            let _ = write!(tail, ".{:#>DIGITS$}.{}", "", default.extension);
        }
        let format = match extension(&tail) {
            None => {
                let _ = write!(tail, ".{}", default.extension);
                default
            }
            Some(typed) => formats
                .iter()
                .find(|format| format.extension.eq_ignore_ascii_case(typed))
                .ok_or_else(|| OutputError::UnknownFormat {
                    extension: typed.to_owned(),
                    known: formats.iter().map(|f| f.extension.clone()).collect(),
                })?,
        };
        let pattern = Self {
            base: PathBuf::from(base),
            pieces: pieces(&tail)?,
            tail,
            format: format.id.clone(),
        };
        pattern.check(wanted)?;
        Ok(pattern)
    }

    /// The pattern of a stored job.
    pub fn from_stored(stored: &StoredOutput) -> Result<Self, OutputError> {
        Ok(Self {
            base: stored.folder.clone(),
            pieces: pieces(&stored.pattern)?,
            tail: stored.pattern.clone(),
            format: stored.format.clone(),
        })
    }

    /// The pattern as it is stored with a job.
    #[must_use]
    pub fn to_stored(&self) -> StoredOutput {
        StoredOutput {
            folder: self.base.clone(),
            pattern: self.tail.clone(),
            format: self.format.clone(),
        }
    }

    /// The picture's format: an `OutputFormat::id`.
    #[must_use]
    pub fn format(&self) -> &str {
        &self.format
    }

    /// What the names of pictures end with, without the dot.
    #[must_use]
    pub fn extension(&self) -> &str {
        extension(&self.tail).unwrap_or(&self.format)
    }

    /// Whether the names of pictures tell layers apart.
    #[must_use]
    pub fn has_layer(&self) -> bool {
        self.count(|piece| matches!(piece, Piece::Layer)) > 0
    }

    /// For people: the absolute path with its placeholders.
    #[must_use]
    pub fn display(&self) -> PathBuf {
        self.base.join(&self.tail)
    }

    /// The file of a frame, and of a layer where layers are split (empty where not).
    #[must_use]
    pub fn path(&self, layer: &str, frame: i32) -> PathBuf {
        self.base.join(fill(&self.pieces, layer, frame))
    }

    /// The folder of a layer's files.
    #[must_use]
    pub fn folder(&self, layer: &str) -> PathBuf {
        let mut path = self.path(layer, 0);
        path.pop();
        path
    }

    /// The folder that all files are below: the last that has no placeholder in it.
    #[must_use]
    pub fn common_folder(&self) -> PathBuf {
        let fixed = match self.pieces.first() {
            Some(Piece::Text(text)) => text.rsplit_once('/').map_or("", |(folder, _)| folder),
            Some(Piece::Frame { .. } | Piece::Layer) | None => "",
        };
        self.base.join(fixed)
    }

    /// What is below the common folder, equal for patterns that can name the same file whatever
    /// their number of `#`.
    pub(super) fn key_below_common(&self) -> String {
        let mut key = String::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Text(text) if at == 0 => key.push_str(file_name(text)),
                Piece::Text(text) => key.push_str(text),
                Piece::Frame { .. } => key.push('#'),
                Piece::Layer => key.push_str(LAYER),
            }
        }
        key
    }

    fn check(&self, wanted: &Wanted<'_>) -> Result<(), OutputError> {
        // Whoever typed an absolute path is shown one.
        let root = if self.base == Path::new("/") { "/" } else { "" };
        let tail = format!("{root}{}", self.tail);
        let typed = || tail.clone();
        let places = self.count(|piece| matches!(piece, Piece::Frame { .. }));
        if places > 1 {
            return Err(OutputError::SeveralFrames {
                typed: typed(),
                count: places,
            });
        }
        let (stem, extension) = tail.rsplit_once('.').unwrap_or((&tail, ""));
        if wanted.frames > 1 && places == 0 {
            return Err(OutputError::NoFrame {
                typed: typed(),
                frames: wanted.frames,
                better: format!("{stem}.####.{extension}"),
            });
        }
        if wanted.layers.len() > 1 && !self.has_layer() && self.format != MERGED {
            let stem = stem.trim_end_matches('#').trim_end_matches('.');
            let frame = if places > 0 { ".####" } else { "" };
            return Err(OutputError::NoLayer {
                typed: typed(),
                layers: wanted.layers.len(),
                better: format!("{stem}.{LAYER}{frame}.{extension}"),
            });
        }
        self.check_layers(wanted.layers)
    }

    fn check_layers(&self, layers: &[String]) -> Result<(), OutputError> {
        let mut seen = std::collections::BTreeMap::new();
        for layer in layers {
            if let Some(other) = seen.insert(as_file_name(layer), layer) {
                return Err(OutputError::LayersCollide(other.clone(), layer.clone()));
            }
        }
        let whole = [String::new()];
        for layer in if layers.is_empty() { &whole } else { layers } {
            // No frame number is printed longer than the smallest.
            let path = fill(&self.pieces, layer, i32::MIN);
            if let Some(long) = path.split('/').find(|name| name.len() > NAME_BYTES_MAX) {
                return Err(OutputError::NameTooLong(long.to_owned()));
            }
        }
        Ok(())
    }

    fn count(&self, is_it: impl Fn(&Piece) -> bool) -> usize {
        self.pieces.iter().filter(|piece| is_it(piece)).count()
    }
}

/// The format whose files hold several layers: what is rendered apart is put together in it.
pub(crate) const MERGED: &str = "exr";

fn holds_layers(format: &OutputFormat) -> bool {
    format.id == MERGED
}

/// The literal folder that a typed path begins in, and the rest.
fn split_typed<'a>(
    working_folder: &'a Path,
    typed: &'a Path,
) -> Result<(&'a str, String), OutputError> {
    let text = utf8(typed)?;
    if text.is_empty() {
        return Err(OutputError::Empty);
    }
    if text.contains('\0') {
        return Err(OutputError::ZeroByte(text.to_owned()));
    }
    if let Some(rest) = text.strip_prefix('/') {
        return Ok(("/", rest.trim_start_matches('/').to_owned()));
    }
    Ok((utf8(working_folder)?, text.to_owned()))
}

/// A scene's stem, which nobody typed as a pattern: what would be a placeholder becomes `_`.
fn literal(stem: &OsStr) -> String {
    let text = stem
        .to_string_lossy()
        .replace(['#', '{', '}', '/', '\u{fffd}'], "_");
    as_file_name(if text.is_empty() { "scene" } else { &text })
}

/// What stands for `{layer}` in the name of a file; an empty layer is the scene as a whole.
#[must_use]
pub fn layer_in_name(layer: &str) -> String {
    as_file_name(if layer.is_empty() { WHOLE } else { layer })
}

/// A layer's name as (a part of) a file's.
fn as_file_name(layer: &str) -> String {
    let name = layer.replace(['/', '\0'], "_");
    if matches!(name.as_str(), "." | "..") {
        return name.replace('.', "_");
    }
    name
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What follows the last dot of the file name, unless that is a placeholder.
fn extension(path: &str) -> Option<&str> {
    let (_, extension) = file_name(path).rsplit_once('.')?;
    (!extension.is_empty() && !extension.contains(['#', '{', '}'])).then_some(extension)
}

fn pieces(tail: &str) -> Result<Vec<Piece>, OutputError> {
    let name_at = tail.len() - file_name(tail).len();
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = tail;
    while let Some(c) = rest.chars().next() {
        let in_name = tail.len() - rest.len() >= name_at;
        let (piece, length) = if rest.starts_with(LAYER) {
            (Some(Piece::Layer), LAYER.len())
        } else if c == '#' && in_name {
            let digits = rest.len() - rest.trim_start_matches('#').len();
            (Some(Piece::Frame { digits }), digits)
        } else if c == '{' && in_name {
            let word = rest[1..].split('}').next().unwrap_or_default();
            return Err(OutputError::UnknownWord {
                typed: tail.to_owned(),
                word: word.to_owned(),
            });
        } else {
            text.push(c);
            (None, c.len_utf8())
        };
        if let Some(piece) = piece {
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(piece);
        }
        rest = &rest[length..];
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

fn fill(pieces: &[Piece], layer: &str, frame: i32) -> String {
    let mut path = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => path.push_str(text),
            Piece::Layer => path.push_str(&layer_in_name(layer)),
            Piece::Frame { digits } => {
                // The sign stands before the digits and is none of them.
                let sign = if frame < 0 { "-" } else { "" };
                let number = frame.unsigned_abs();
                let _ = write!(path, "{sign}{number:0>digits$}");
            }
        }
    }
    path
}
