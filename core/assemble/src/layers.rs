//! Layers into one file: the EXRs of a frame's layers become one EXR with all their channels side by
//! side, as Blender's own multilayer files have them.
//!
//! A channel that is called `LAYER.…` already stays; any other gets `LAYER.` in front. Samples keep
//! their types and their bits. Attributes are those of the first file, and those that others have
//! alone, such as the manifests of cryptomattes. What Blender's compositor made of a single layer
//! (`Composite.…`) is left out, and said so: it is not the composite of all, and would be there once
//! for each layer.
//!
//! Refuses pictures that do not belong together: other windows, another frame, a name twice. A few
//! blocks of each file are in memory at a time, whatever the picture's size.

mod input;
mod names;
mod parts;
mod rows;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::openexr::{Attribute, ChunkWriter, Flaw, NewPart};
use crate::whole::{Output, Unfinished, WriteError};

use input::{Input, open_all};
use names::{Arranged, arrange};

/// A layer and the file that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFile {
    /// The layer's name.
    pub layer: String,
    /// An EXR with this layer's channels.
    pub path: PathBuf,
}

/// How layers are merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergeOptions {
    /// A part for each layer instead of all channels in one. Blocks are copied as they are, and
    /// channels keep their names. Blender reads one part only.
    pub parts: bool,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// `name:type`, in the order of the file.
    pub channels: Vec<String>,
    /// Channels that were left out.
    pub left_out: Vec<String>,
    /// The file's size.
    pub bytes: u64,
}

/// Why layers are not merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// No files.
    #[error("there are no layers to merge")]
    Nothing,
    /// A name that channels cannot have.
    #[error("`{0}` is no name of a layer")]
    BadName(String),
    /// A layer twice.
    #[error("the layer `{0}` is given twice")]
    LayerTwice(String),
    /// A PNG.
    #[error("{} is a PNG, which holds one layer only: layers are merged from EXR files", .0.display())]
    Png(PathBuf),
    /// A file that cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file that is no whole picture, or of a kind that is not merged.
    #[error("{} {why}", path.display())]
    Broken {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Pictures that do not lie on one another.
    #[error("{} has {what} {value}, and {} has {other}", path.display(), first.display())]
    Differs {
        /// The file.
        path: PathBuf,
        /// `the size`, `the display window`, …
        what: &'static str,
        /// The file's.
        value: String,
        /// The first file.
        first: PathBuf,
        /// The first file's.
        other: String,
    },
    /// A channel twice.
    #[error("{} and {} both have the channel `{name}`", first.display(), second.display())]
    ChannelTwice {
        /// Its name in the merged file.
        name: String,
        /// One file.
        first: PathBuf,
        /// The other, or the same.
        second: PathBuf,
    },
    /// A name that the format does not take.
    #[error("the channel `{0}` would have a name longer than 255 bytes")]
    NameTooLong(String),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It was cancelled.
    #[error("the merge was cancelled")]
    Cancelled,
}

impl MergeError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Png(_) => Some(
                "render to .exr, or keep a file a layer: put `{layer}` into the output's name"
                    .to_owned(),
            ),
            Self::Differs { .. } => {
                Some("give the layers of one frame, rendered at one size".to_owned())
            }
            Self::ChannelTwice { .. } => {
                Some("each file is given with the name of its own layer: LAYER=FILE".to_owned())
            }
            Self::Broken { .. } => Some("render it again".to_owned()),
            Self::Nothing | Self::BadName(_) | Self::LayerTwice(_) => {
                Some("write each layer's name and its file once: beauty=b.0017.exr".to_owned())
            }
            Self::Read { .. } => Some("check the path and its permissions".to_owned()),
            Self::NameTooLong(_) => Some("give the layer a shorter name".to_owned()),
            Self::Write(_) | Self::Cancelled => None,
        }
    }

    fn of(flaw: Flaw, path: &Path) -> Self {
        let path = path.to_owned();
        match flaw {
            Flaw::Io(source) => Self::Read { path, source },
            Flaw::Broken(why) => Self::Broken {
                path,
                why: format!("is not a whole EXR: {why}"),
            },
            Flaw::Unsupported(why) => Self::Broken { path, why },
        }
    }
}

/// Merges layers. Blocks until the file is whole.
pub fn merge(
    layers: &[LayerFile],
    output: &Output,
    options: &MergeOptions,
) -> Result<Merged, MergeError> {
    merge_unless(layers, output, options, &AtomicBool::new(false))
}

/// The same; setting `cancel` from another thread ends it after the blocks at hand.
pub fn merge_unless(
    layers: &[LayerFile],
    output: &Output,
    options: &MergeOptions,
    cancel: &AtomicBool,
) -> Result<Merged, MergeError> {
    check_names(layers)?;
    let inputs = open_all(layers, options.parts)?;
    let unfinished = Unfinished::begin(output)?;
    let failed = |error| MergeError::Write(unfinished.failed(error));
    let (channels, left_out) = if options.parts {
        (
            parts::copy(&inputs, unfinished.file(), &failed, cancel)?,
            Vec::new(),
        )
    } else {
        let arranged = arrange(&inputs, layers.len() > 1)?;
        write_one_part(&inputs, &arranged, unfinished.file(), &failed, cancel)?;
        (arranged.described(), arranged.left_out)
    };
    let (width, height) = inputs[0].part.size();
    Ok(Merged {
        width,
        height,
        channels,
        left_out,
        bytes: unfinished.finish()?,
    })
}

fn check(cancel: &AtomicBool) -> Result<(), MergeError> {
    if cancel.load(Ordering::Acquire) {
        return Err(MergeError::Cancelled);
    }
    Ok(())
}

fn check_names(layers: &[LayerFile]) -> Result<(), MergeError> {
    if layers.is_empty() {
        return Err(MergeError::Nothing);
    }
    let mut seen = BTreeSet::new();
    for LayerFile { layer, .. } in layers {
        if layer.is_empty() || layer.contains('\0') || layer.len() > names::NAME_BYTES_MAX {
            return Err(MergeError::BadName(layer.clone()));
        }
        if !seen.insert(layer) {
            return Err(MergeError::LayerTwice(layer.clone()));
        }
    }
    Ok(())
}

fn write_one_part(
    inputs: &[Input],
    arranged: &Arranged,
    file: &std::fs::File,
    failed: &dyn Fn(io::Error) -> MergeError,
    cancel: &AtomicBool,
) -> Result<(), MergeError> {
    let first = &inputs[0].part;
    let method = first.method.lossless();
    let (width, height) = first.size();
    let blocks = crate::openexr::Blocks {
        width,
        height,
        block_width: width,
        block_height: method.lines(),
    };
    let mut attributes = vec![
        arranged.attribute(),
        Attribute::new("compression", "compression", vec![method.byte()]),
        Attribute::new("dataWindow", "box2i", first.data_window.bytes()),
        Attribute::new("displayWindow", "box2i", first.display_window.bytes()),
        Attribute::new("lineOrder", "lineOrder", vec![0]),
    ];
    attributes.extend(described_by(inputs));
    let part = NewPart {
        attributes,
        blocks,
        is_tiled: false,
        data_window: first.data_window,
    };
    let mut writer = ChunkWriter::begin(file, vec![part], false).map_err(failed)?;
    rows::merge(inputs, arranged, method, &blocks, &mut |row, packed| {
        check(cancel)?;
        writer.write(0, (0, row), packed).map_err(failed)
    })?;
    writer.finish().map_err(failed)
}

/// What tells of a file's blocks, and is said anew.
const STRUCTURE: [&str; 9] = [
    "channels",
    "chunkCount",
    "compression",
    "dataWindow",
    "displayWindow",
    "lineOrder",
    "name",
    "tiles",
    "type",
];

/// The attributes of the first file, and those that others have alone.
fn described_by(inputs: &[Input]) -> Vec<Attribute> {
    let mut attributes: Vec<Attribute> = Vec::new();
    let mut seen: BTreeSet<&[u8]> = STRUCTURE.iter().map(|name| name.as_bytes()).collect();
    for input in inputs {
        for attribute in &input.part.attributes {
            if seen.insert(&attribute.name) {
                attributes.push(attribute.clone());
            }
        }
    }
    attributes
}
