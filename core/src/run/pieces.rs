//! Where the pieces of a picture lie until it is put together: its tiles, and its layers where one
//! file holds them all.
//!
//! A piece is a task's picture, verified and committed like any other, but to a hidden folder of
//! its job beside the pictures, on their file system:
//!
//! ```text
//! OUTPUT/.framewright-JOB/LAYER/FRAME/FRAME.COLUMN,ROW.exr     a tile
//!                                    /FRAME.exr                a whole layer
//! ```
//!
//! Nothing here looks at a disk. Invariant: two tasks of a job never have one path, whatever their
//! layers are called, and no name has more than [`NAME_BYTES_MAX`] bytes. The file's own name differs
//! between any two pieces of a layer, so attempts of one segment may lie in one folder.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::names::{TilePlace, WHOLE};
use crate::output::{NAME_BYTES_MAX, OutputPattern};
use crate::store::JobId;

/// Digits of a frame, at least, so that a folder lists them in order.
const DIGITS: usize = 4;

/// The folder of all pieces of a job.
#[must_use]
pub fn pieces_folder(output: &OutputPattern, job: &JobId) -> PathBuf {
    output.common_folder().join(format!(".framewright-{job}"))
}

/// Whether the pictures of tasks are pieces of others: those of tiles always, those of whole frames
/// where several layers go into one file.
#[must_use]
pub fn is_piece(output: &OutputPattern, layers: &[String], tile: Option<TilePlace>) -> bool {
    tile.is_some() || merges_layers(output, layers)
}

/// Whether several layers go into one file: they are rendered apart, and the names of the pictures
/// do not tell them apart.
#[must_use]
pub fn merges_layers(output: &OutputPattern, layers: &[String]) -> bool {
    layers.len() > 1 && !output.has_layer()
}

/// Where a piece lies. An empty layer is the scene as a whole.
#[must_use]
pub fn piece_path(
    output: &OutputPattern,
    job: &JobId,
    layer: &str,
    frame: i32,
    tile: Option<TilePlace>,
) -> PathBuf {
    let frame = frame_text(frame);
    let mut name = frame.clone();
    if let Some(TilePlace { column, row }) = tile {
        // Writing into a string cannot fail.
        let _ = write!(name, ".{column},{row}");
    }
    let _ = write!(name, ".{}", output.extension());
    let mut path = pieces_folder(output, job);
    path.push(layer_folder(layer));
    path.push(frame);
    path.push(name);
    path
}

/// The sign stands before the digits and is none of them, as in the names of pictures.
fn frame_text(frame: i32) -> String {
    let sign = if frame < 0 { "-" } else { "" };
    format!("{sign}{:0>DIGITS$}", frame.unsigned_abs())
}

/// A layer's name as a folder's: what no folder can be called is written as `%2F`, and a name that is
/// too long is told by its hash.
fn layer_folder(layer: &str) -> String {
    let layer = if layer.is_empty() { WHOLE } else { layer };
    let mut name = String::new();
    for c in layer.chars() {
        match c {
            '/' => name.push_str("%2F"),
            '\0' => name.push_str("%00"),
            '%' => name.push_str("%25"),
            other => name.push(other),
        }
    }
    if matches!(name.as_str(), "." | "..") {
        return name.replace('.', "%2E");
    }
    if name.len() > NAME_BYTES_MAX {
        // No other name has a percent sign before anything but two digits.
        return format!("%~{}", blake3::hash(layer.as_bytes()).to_hex());
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ffi::OsStr;
    use std::path::{Component, Path};

    use framewright_plugin_api::data::OutputFormat;
    use proptest::prelude::*;

    use super::*;
    use crate::output::Wanted;

    fn output(typed: &str) -> OutputPattern {
        let formats = ["exr", "png"].map(|id| OutputFormat {
            id: id.to_owned(),
            extension: id.to_owned(),
        });
        OutputPattern::settle(&Wanted {
            typed: Some(Path::new(typed)),
            working_folder: Path::new("/work"),
            stem: OsStr::new("shot"),
            formats: &formats,
            frames: 2,
            layers: &[],
        })
        .unwrap()
    }

    fn job() -> JobId {
        JobId::for_tests("shot-k3x9qa")
    }

    fn at(column: u32, row: u32) -> Option<TilePlace> {
        Some(TilePlace { column, row })
    }

    #[test]
    fn pieces_have_a_place_of_their_own() {
        let output = output("/o/{layer}/a.####.exr");
        let path = |layer, frame, tile| {
            let path = piece_path(&output, &job(), layer, frame, tile);
            path.to_str().unwrap().to_owned()
        };
        let below = |rest: &str| format!("/o/.framewright-shot-k3x9qa/{rest}");
        assert_eq!(path("", 17, at(2, 3)), below("all/0017/0017.2,3.exr"));
        assert_eq!(path("beauty", -4, None), below("beauty/-0004/-0004.exr"));
        assert_eq!(path("a/b%", 12345, None), below("a%2Fb%25/12345/12345.exr"));
        assert_eq!(path("..", 1, None), below("%2E%2E/0001/0001.exr"));
    }

    #[test]
    fn what_the_names_tell_apart_is_not_merged() {
        let layers = ["a".to_owned(), "b".to_owned()];
        let (one, each) = (output("/o/a.####.exr"), output("/o/{layer}.####.exr"));
        assert!(is_piece(&one, &layers, None));
        assert!(!is_piece(&each, &layers, None));
        assert!(!is_piece(&one, &layers[..1], None));
        assert!(!is_piece(&one, &[], None));
        assert!(is_piece(&each, &[], at(0, 0)));
    }

    proptest! {
        /// Whatever layers are called, their pieces lie apart, below the job's own folder, under names
        /// that a file system takes.
        #[test]
        fn two_layers_never_share_a_piece(
            names in prop::collection::btree_set("[a%/.\0]{1,4}|%2F|%~[a-f0-9]{2}|\\PC{200,300}", 2..8),
            frame: i32,
        ) {
            let output = output("/o/a.####.png");
            let folder = pieces_folder(&output, &job());
            let mut paths = BTreeSet::new();
            for name in &names {
                let path = piece_path(&output, &job(), name, frame, at(0, 1));
                let below = path.strip_prefix(&folder).unwrap();
                prop_assert_eq!(below.components().count(), 3);
                for part in below.components() {
                    let Component::Normal(part) = part else {
                        panic!("{below:?} leaves the folder");
                    };
                    prop_assert!(part.len() <= NAME_BYTES_MAX);
                    prop_assert!(!part.to_str().unwrap().contains('\0'));
                }
                paths.insert(path);
            }
            prop_assert_eq!(paths.len(), names.len());
        }
    }
}
