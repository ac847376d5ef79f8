//! Putting one picture together, on a thread of its own.
//!
//! Each piece is read first and held against the hash that it was committed with, so that what a disk
//! or a hand did to it since blames that piece and nothing else. Everything is written below the
//! job's scratch folder; giving a name to the result is the store's.
//!
//! Refuses: picking pieces, or trying again, which [`super::pictures`] and the controller decide.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use framewright_assemble::layers::{self, LayerFile, MergeError, MergeOptions};
use framewright_assemble::stitch::{self, Canvas, Plan, StitchError};
use framewright_assemble::{Output, Rect, WriteError};
use framewright_kernel::ids::TaskId;

use super::pictures::PictureId;
use crate::event::{CommittedFile, Seam};
use crate::split;
use crate::store::{VERDICT_ASSEMBLY, VERDICT_LOST, is_disk_full};

/// A picture to be put together.
#[derive(Debug)]
pub(super) struct Order {
    pub id: PictureId,
    pub frame: i32,
    pub width: u32,
    pub height: u32,
    pub canvas: Canvas,
    /// So near to their edges, tiles are not what the picture is.
    pub margin: u32,
    /// Its layers; several are merged.
    pub parts: Vec<Layer>,
    /// A folder for this order alone; not made yet.
    pub folder: PathBuf,
    /// The result's file name.
    pub file_name: String,
    pub cancelled: Arc<AtomicBool>,
}

/// What comes from one layer.
#[derive(Debug)]
pub(super) struct Layer {
    /// Empty = the scene as it is.
    pub name: String,
    pub pieces: Vec<Piece>,
}

/// The picture of a task.
#[derive(Debug)]
pub(super) struct Piece {
    pub task: TaskId,
    pub name: String,
    pub file: CommittedFile,
    /// Absent = the whole frame.
    pub tile: Option<split::Tile>,
}

/// What came of it.
#[derive(Debug)]
pub(in crate::run) enum Ending {
    /// It is there, below the scratch folder.
    Made(Made),
    /// These pieces are to blame.
    Blamed {
        tasks: Vec<TaskId>,
        /// As of the `TaskFailed` that takes them back.
        verdict: &'static str,
        why: String,
    },
    /// It was no longer wanted.
    Cancelled,
    /// No room was left.
    DiskFull,
    /// Nobody is to blame that could do better.
    Failed { why: String },
}

/// A picture that was put together.
#[derive(Debug)]
pub(in crate::run) struct Made {
    pub from: PathBuf,
    pub bytes: u64,
    pub hash: String,
    pub seconds: f64,
    pub seams: Vec<(Seam, [TaskId; 2])>,
}

/// Does it. Blocks.
pub(super) fn put_together(order: &Order) -> Ending {
    let since = Instant::now();
    match make(order) {
        Ok((from, seams)) => match sealed(&from) {
            Ok((bytes, hash)) => Ending::Made(Made {
                from,
                bytes,
                hash,
                seconds: since.elapsed().as_secs_f64(),
                seams,
            }),
            Err(error) => unwritten(&from, &error),
        },
        Err(ending) => ending,
    }
}

type Seams = Vec<(Seam, [TaskId; 2])>;

fn make(order: &Order) -> Result<(PathBuf, Seams), Ending> {
    for piece in order.parts.iter().flat_map(|layer| &layer.pieces) {
        check(piece, &order.cancelled)?;
    }
    fs::create_dir_all(&order.folder).map_err(|error| unwritten(&order.folder, &error))?;
    let to = order.folder.join(&order.file_name);
    let mut seams = Vec::new();
    let [layer] = order.parts.as_slice() else {
        let mut files = Vec::new();
        for (index, layer) in order.parts.iter().enumerate() {
            let file = match layer.pieces.as_slice() {
                [
                    Piece {
                        tile: None, file, ..
                    },
                ] => PathBuf::from(&file.path),
                _ => {
                    let file = order.folder.join(format!("{index}-{}", order.file_name));
                    seams.extend(stitch(order, layer, &file)?);
                    file
                }
            };
            files.push((layer, file));
        }
        merge(&files, &to, &order.cancelled)?;
        return Ok((to, seams));
    };
    seams.extend(stitch(order, layer, &to)?);
    Ok((to, seams))
}

/// Whether a piece is what was committed.
fn check(piece: &Piece, cancelled: &AtomicBool) -> Result<(), Ending> {
    let lost = |why: String| Ending::Blamed {
        tasks: vec![piece.task],
        verdict: VERDICT_LOST,
        why,
    };
    let path = Path::new(&piece.file.path);
    match hash(path, cancelled) {
        Ok((bytes, hash)) if (bytes, hash.as_str()) == (piece.file.bytes, &piece.file.hash) => {
            Ok(())
        }
        Ok(_) => Err(lost(format!(
            "{} is not what was committed",
            path.display()
        ))),
        Err(_) if cancelled.load(Ordering::Relaxed) => Err(Ending::Cancelled),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(lost(format!("{} is gone", path.display())))
        }
        Err(error) => Err(lost(format!("cannot read {}: {error}", path.display()))),
    }
}

/// Size and BLAKE3 of a file, as long as they are wanted.
fn hash(path: &Path, cancelled: &AtomicBool) -> io::Result<(u64, String)> {
    let mut hasher = blake3::Hasher::new();
    let file = File::open(path)?;
    hasher.update_reader(Wanted { file, cancelled })?;
    let hash = hasher.finalize().to_hex().to_string();
    Ok((hasher.count(), hash))
}

/// A file that is read as long as it is wanted.
struct Wanted<'a> {
    file: File,
    cancelled: &'a AtomicBool,
}

impl io::Read for Wanted<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(io::Error::other("it is not wanted any more"));
        }
        self.file.read(into)
    }
}

/// A result's size and BLAKE3.
pub(super) fn sealed(path: &Path) -> io::Result<(u64, String)> {
    hash(path, &AtomicBool::new(false))
}

fn stitch(order: &Order, layer: &Layer, to: &Path) -> Result<Seams, Ending> {
    let by_name: BTreeMap<&str, TaskId> = layer
        .pieces
        .iter()
        .map(|piece| (piece.name.as_str(), piece.task))
        .collect();
    let whole = Rect::of_size(order.width, order.height);
    let tiles = layer.pieces.iter().map(|piece| stitch::Tile {
        name: piece.name.clone(),
        path: PathBuf::from(&piece.file.path),
        at: piece.tile.map_or(whole, |tile| rect(tile.at)),
        keep: piece.tile.map_or(whole, |tile| rect(tile.keep)),
    });
    let plan = Plan {
        canvas: order.canvas,
        margin: order.margin,
        frame: Some(order.frame),
        // They were decoded when they were committed, and are the same since.
        check_copied: false,
        ..Plan::new(order.width, order.height, tiles.collect())
    };
    let stitched = stitch::stitch(&plan, &Output::new(to), &order.cancelled)
        .map_err(|error| not_stitched(&error, &by_name))?;
    let task = |name: &str| by_name.get(name).copied();
    let seams = stitched.seams.into_iter().filter_map(|seam| {
        let (one, other) = seam.between;
        let tasks = [task(&one)?, task(&other)?];
        let seam = Seam {
            tiles: [one, other],
            x: seam.place.0,
            y: seam.place.1,
            channel: seam.channel,
            difference: seam.difference,
            tolerance: plan.tolerance,
        };
        Some((seam, tasks))
    });
    Ok(seams.collect())
}

fn rect(rect: split::Rect) -> Rect {
    Rect {
        x: rect.x,
        y: rect.y,
        width: rect.width,
        height: rect.height,
    }
}

fn not_stitched(error: &StitchError, by_name: &BTreeMap<&str, TaskId>) -> Ending {
    let blamed = error.tiles();
    let tasks: Vec<TaskId> = blamed
        .iter()
        .filter_map(|name| by_name.get(name).copied())
        .collect();
    match error {
        StitchError::Cancelled => Ending::Cancelled,
        StitchError::Write(WriteError::Io { source, .. }) if is_disk_full(source) => {
            Ending::DiskFull
        }
        _ if !tasks.is_empty() => Ending::Blamed {
            tasks,
            verdict: VERDICT_ASSEMBLY,
            why: with_causes(error),
        },
        _ => Ending::Failed {
            why: with_causes(error),
        },
    }
}

/// Layers into one file. The blame for a file that is none falls on the task whose it is; what was
/// stitched here is nobody's.
fn merge(files: &[(&Layer, PathBuf)], to: &Path, cancelled: &AtomicBool) -> Result<(), Ending> {
    let layers: Vec<LayerFile> = files
        .iter()
        .map(|(layer, path)| LayerFile {
            layer: layer.name.clone(),
            path: path.clone(),
        })
        .collect();
    let options = MergeOptions::default();
    let merged = layers::merge_unless(&layers, &Output::new(to), &options, cancelled);
    merged.map(drop).map_err(|error| {
        let blamed = match &error {
            MergeError::Cancelled => return Ending::Cancelled,
            MergeError::Write(WriteError::Io { source, .. }) if is_disk_full(source) => {
                return Ending::DiskFull;
            }
            MergeError::Read { path, .. }
            | MergeError::Broken { path, .. }
            | MergeError::Differs { path, .. } => whole(files, path),
            _ => None,
        };
        let why = with_causes(&error);
        match blamed {
            Some(piece) => Ending::Blamed {
                tasks: vec![piece.task],
                verdict: VERDICT_ASSEMBLY,
                // A hidden file says little to people.
                why: format!("{}: {why}", piece.name),
            },
            None => Ending::Failed { why },
        }
    })
}

/// The piece that is a whole layer and has this file.
fn whole<'a>(files: &[(&'a Layer, PathBuf)], path: &Path) -> Option<&'a Piece> {
    let pieces = files.iter().flat_map(|(layer, _)| &layer.pieces);
    pieces
        .filter(|piece| piece.tile.is_none())
        .find(|piece| Path::new(&piece.file.path) == path)
}

/// What it means that something could not be written.
pub(super) fn unwritten(path: &Path, error: &io::Error) -> Ending {
    match is_disk_full(error) {
        true => Ending::DiskFull,
        false => Ending::Failed {
            why: format!("cannot write {}: {error}", path.display()),
        },
    }
}

/// An error with what caused it, as one sentence.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
