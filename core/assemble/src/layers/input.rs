//! The files of layers, opened and compared.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{LayerFile, MergeError};
use crate::openexr::{Codec, Flaw, Header, Part, Table, Window, read_tables};
use crate::rect::Rect;

/// What is decoded in one piece is not larger.
const BLOCK_BYTES_MAX: usize = 2 << 30;
const PNG: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// A part of a layer's file.
pub(super) struct Input {
    pub(super) layer: String,
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) part: Part,
    /// Whether the file has other parts.
    pub(super) is_one_of_several: bool,
    pub(super) table: Table,
    pub(super) codec: Codec,
}

/// Opens all files and compares them with the first. Data windows may differ where each picture
/// keeps its own (`may_lie_apart`).
pub(super) fn open_all(
    layers: &[LayerFile],
    may_lie_apart: bool,
) -> Result<Vec<Input>, MergeError> {
    let mut inputs: Vec<Input> = Vec::new();
    for layer in layers {
        let opened = open(layer)?;
        for input in opened {
            if let Some(first) = inputs.first() {
                compare(&input, first, may_lie_apart)?;
            }
            inputs.push(input);
        }
    }
    Ok(inputs)
}

fn open(layer: &LayerFile) -> Result<Vec<Input>, MergeError> {
    let path = &layer.path;
    if is_png(path) {
        return Err(MergeError::Png(path.clone()));
    }
    read(path, &layer.layer).map_err(|flaw| MergeError::of(flaw, path))
}

fn is_png(path: &Path) -> bool {
    let mut head = [0; PNG.len()];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut head).is_ok() && head == PNG)
}

fn read(path: &Path, layer: &str) -> Result<Vec<Input>, Flaw> {
    /// Zlib's level does not matter to decoding.
    const LEVEL: i32 = 4;
    let file = File::open(path)?;
    let header = Header::read(std::io::BufReader::new(&file))?;
    for part in &header.parts {
        let bytes = part.block_bytes_max();
        if bytes.is_none_or(|bytes| bytes > BLOCK_BYTES_MAX) {
            return Err(Flaw::Unsupported("has blocks that are too large".into()));
        }
    }
    let whole = header.parts.iter().map(|part| {
        let (width, height) = part.size();
        Rect::of_size(width, height)
    });
    let tables = read_tables(&file, &header, &whole.collect::<Vec<_>>())?;
    let is_one_of_several = header.parts.len() > 1;
    let parts = header.parts.into_iter().zip(tables);
    parts
        .map(|(part, table)| {
            Ok(Input {
                layer: layer.to_owned(),
                path: path.to_owned(),
                file: file.try_clone()?,
                codec: Codec::new(&part.channels, LEVEL),
                part,
                is_one_of_several,
                table,
            })
        })
        .collect()
}

fn compare(input: &Input, first: &Input, may_lie_apart: bool) -> Result<(), MergeError> {
    let differs = |what, value: String, other: String| {
        Err(MergeError::Differs {
            path: input.path.clone(),
            what,
            value,
            first: first.path.clone(),
            other,
        })
    };
    let (this, that) = (input.part.display_window, first.part.display_window);
    if this.size() != that.size() {
        return differs("the size", size(&this), size(&that));
    }
    if this != that {
        return differs("the display window", place(&this), place(&that));
    }
    let (this, that) = (input.part.data_window, first.part.data_window);
    if this != that && !may_lie_apart {
        return differs("the data window", place(&this), place(&that));
    }
    if let (Some(this), Some(that)) = (frame(&input.part), frame(&first.part))
        && this != that
    {
        return differs("the frame", this, that);
    }
    Ok(())
}

fn size(window: &Window) -> String {
    let (width, height) = window.size().unwrap_or_default();
    format!("{width}x{height}")
}

fn place(window: &Window) -> String {
    format!("{}{:+}{:+}", size(window), window.left, window.top)
}

/// The frame that Blender writes into its files (`007`).
fn frame(part: &Part) -> Option<String> {
    let attribute = part.attribute("Frame")?;
    let text = String::from_utf8_lossy(&attribute.value);
    let text = text.trim();
    let number = text.parse::<i64>().map(|number| number.to_string());
    (attribute.kind == b"string").then(|| number.unwrap_or_else(|_| text.to_owned()))
}
