//! What each tile is, by its headers alone, and whether all are of one picture.
//!
//! Where tiles disagree the few are to blame, so that the right one is rendered again; where they are
//! as many, those that come later.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::exr::ExrLook;
use super::png::PngLook;
use super::{Plan, StitchError, Tile, go_on};
use crate::openexr::{Flaw, MAGIC, Sample};
use crate::rect::Rect;

/// The formats that are stitched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Exr,
    Png,
}

impl Kind {
    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Exr => "exr",
            Self::Png => "png",
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Exr => "EXR",
            Self::Png => "PNG",
        }
    }
}

/// A tile's file as its headers tell.
pub(super) struct Look {
    pub(super) content: Content,
    pub(super) form: Form,
    /// The frame's number and the layer's name where they are told.
    pub(super) frame: Option<String>,
    pub(super) layer: Option<String>,
    pub(super) identity: Identity,
}

/// What is needed to read it.
pub(super) enum Content {
    Exr(ExrLook),
    Png(PngLook),
}

/// A part's name, and its channels.
type PartForm = (Option<String>, Vec<(String, Sample)>);

/// What all tiles of a picture have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    Exr(Vec<PartForm>),
    /// Colours, such as "RGB", and bits.
    Png(&'static str, u8),
}

impl Form {
    const fn kind(&self) -> Kind {
        match self {
            Self::Exr(_) => Kind::Exr,
            Self::Png(..) => Kind::Png,
        }
    }
}

/// What tells that a file is still the one that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    file: (u64, u64),
    bytes: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// Opens a tile's file; `known` is what it was before.
pub(super) fn open(tile: &Tile, known: Option<Identity>) -> Result<(File, Identity), StitchError> {
    let failed = |source| unreadable(tile, source);
    // Before it is opened: a pipe without a writer would be waited for.
    if !tile.path.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is no file")));
    }
    let file = File::open(&tile.path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let identity = Identity::of(&metadata);
    if known.is_some_and(|known| known != identity) {
        return Err(broken(tile, "it changed while it was read"));
    }
    Ok((file, identity))
}

pub(super) fn broken(tile: &Tile, why: impl Into<String>) -> StitchError {
    StitchError::Broken {
        name: tile.name.clone(),
        why: why.into(),
    }
}

pub(super) fn unreadable(tile: &Tile, source: io::Error) -> StitchError {
    StitchError::Unreadable {
        name: tile.name.clone(),
        path: tile.path.clone(),
        source,
    }
}

pub(super) fn unsupported(tile: &Tile, why: impl Into<String>) -> StitchError {
    StitchError::Unsupported {
        name: tile.name.clone(),
        why: why.into(),
    }
}

/// A flaw, told of its tile.
pub(super) fn flawed(tile: &Tile, flaw: Flaw) -> StitchError {
    match flaw {
        Flaw::Broken(why) => broken(tile, why),
        Flaw::Unsupported(why) => unsupported(tile, why),
        Flaw::Io(source) => unreadable(tile, source),
    }
}

/// Looks at every tile. Those that are missing are told all at once.
pub(super) fn at_all(plan: &Plan, cancelled: &AtomicBool) -> Result<Vec<Look>, StitchError> {
    check_there(&plan.tiles)?;
    let mut looks = Vec::with_capacity(plan.tiles.len());
    for (index, tile) in plan.tiles.iter().enumerate() {
        go_on(cancelled)?;
        looks.push(at_one(plan, tile, index == 0)?);
    }
    Ok(looks)
}

fn check_there(tiles: &[Tile]) -> Result<(), StitchError> {
    let is_missing = |path: &Path| {
        path.metadata()
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let mut missing = tiles.iter().filter(|tile| is_missing(&tile.path));
    match missing.next() {
        None => Ok(()),
        Some(first) => Err(StitchError::Missing {
            name: first.name.clone(),
            path: first.path.clone(),
            more: missing.map(|tile| tile.name.clone()).collect(),
        }),
    }
}

fn at_one(plan: &Plan, tile: &Tile, is_first: bool) -> Result<Look, StitchError> {
    let (file, identity) = open(tile, None)?;
    match kind(tile, &file)? {
        Kind::Exr => ExrLook::take(plan, tile, &file, is_first, identity),
        Kind::Png => PngLook::take(plan, tile, &file, is_first, identity),
    }
}

/// What a file is by its first bytes.
fn kind(tile: &Tile, file: &File) -> Result<Kind, StitchError> {
    let mut first = Vec::new();
    let mut from_start = file;
    from_start
        .by_ref()
        .take(8)
        .read_to_end(&mut first)
        .and_then(|_| from_start.rewind())
        .map_err(|error| unreadable(tile, error))?;
    if first.is_empty() {
        Err(broken(tile, "it is empty"))
    } else if first.starts_with(&MAGIC) {
        Ok(Kind::Exr)
    } else if first == super::png::SIGNATURE {
        Ok(Kind::Png)
    } else {
        Err(broken(tile, "it is neither an EXR nor a PNG"))
    }
}

/// The size of a tile's picture, overlap included: an EXR's data window.
pub fn picture_size(name: &str, path: &Path) -> Result<(u32, u32), StitchError> {
    let tile = Tile {
        name: name.to_owned(),
        path: path.to_owned(),
        at: Rect::of_size(0, 0),
        keep: Rect::of_size(0, 0),
    };
    check_there(std::slice::from_ref(&tile))?;
    let (file, _) = open(&tile, None)?;
    match kind(&tile, &file)? {
        Kind::Exr => super::exr::size(&tile, &file),
        Kind::Png => super::png::size(&tile, &file),
    }
}

/// Whether all are of one picture; answers what they are.
pub(super) fn agree(plan: &Plan, looks: &[Look]) -> Result<Kind, StitchError> {
    let forms: Vec<Option<&Form>> = looks.iter().map(|look| Some(&look.form)).collect();
    if let Some((odd, found, usual)) = odd_one(&forms) {
        return Err(StitchError::Unlike {
            name: plan.tiles[odd].name.clone(),
            why: unlike(found, usual),
        });
    }
    let wanted = plan.frame.map(|frame| frame.to_string());
    let frames: Vec<Option<&String>> = looks.iter().map(|look| look.frame.as_ref()).collect();
    let odd = match &wanted {
        Some(wanted) => frames.iter().enumerate().find_map(|(index, frame)| {
            frame
                .filter(|frame| *frame != wanted)
                .map(|frame| (index, frame, wanted))
        }),
        None => odd_one(&frames),
    };
    let layers: Vec<Option<&String>> = looks.iter().map(|look| look.layer.as_ref()).collect();
    let odd = odd
        .map(|odd| ("frame", odd))
        .or_else(|| odd_one(&layers).map(|odd| ("layer", odd)));
    if let Some((what, (index, found, expected))) = odd {
        return Err(StitchError::OtherFrame {
            name: plan.tiles[index].name.clone(),
            what,
            found: found.clone(),
            expected: expected.clone(),
        });
    }
    Ok(looks[0].form.kind())
}

/// The first that is not as most are: its place, what it is, what most are. `None` is as any.
pub(super) fn odd_one<'a, T: Ord>(all: &[Option<&'a T>]) -> Option<(usize, &'a T, &'a T)> {
    // How many there are of each, and where the first is.
    let mut kinds: BTreeMap<&T, (usize, usize)> = BTreeMap::new();
    for (index, one) in all.iter().enumerate() {
        if let Some(one) = *one {
            kinds.entry(one).or_insert((0, index)).0 += 1;
        }
    }
    let (usual, _) = kinds
        .into_iter()
        .max_by_key(|(_, (count, first))| (*count, usize::MAX - first))?;
    let mut told = all.iter().enumerate();
    told.find_map(|(index, one)| {
        one.filter(|one| *one != usual)
            .map(|one| (index, one, usual))
    })
}

fn unlike(found: &Form, usual: &Form) -> String {
    match (found, usual) {
        (Form::Exr(found), Form::Exr(usual)) => unlike_parts(found, usual),
        (Form::Png(colours, bits), Form::Png(usual, usual_bits)) => {
            format!("it is {colours} of {bits} bits, they are {usual} of {usual_bits}")
        }
        (found, usual) => format!(
            "it is {}, they are {}",
            found.kind().name(),
            usual.kind().name()
        ),
    }
}

fn unlike_parts(found: &[PartForm], usual: &[PartForm]) -> String {
    if found.len() != usual.len() {
        return format!("it has {} parts, they have {}", found.len(), usual.len());
    }
    for ((name, found), (usual_name, usual)) in found.iter().zip(usual) {
        if name != usual_name {
            let shown = |name: &Option<String>| name.clone().unwrap_or_default();
            return format!(
                "it has a part \"{}\" where they have \"{}\"",
                shown(name),
                shown(usual_name)
            );
        }
        if let Some(why) = unlike_channels(found, usual) {
            return why;
        }
    }
    "its channels are in another order".to_owned()
}

fn unlike_channels(found: &[(String, Sample)], usual: &[(String, Sample)]) -> Option<String> {
    let of = |channels: &[(String, Sample)], name: &str| {
        let mut channels = channels.iter();
        channels
            .find(|(other, _)| other == name)
            .map(|(_, sample)| *sample)
    };
    for (name, sample) in usual {
        match of(found, name) {
            None => return Some(format!("it has no channel {name}")),
            Some(other) if other != *sample => {
                let (other, sample) = (other.name(), sample.name());
                return Some(format!("its channel {name} is {other}, theirs is {sample}"));
            }
            Some(_) => {}
        }
    }
    found
        .iter()
        .find(|(name, _)| of(usual, name).is_none())
        .map(|(name, _)| format!("it has a channel {name}, which they have not"))
}

/// Names of metadata that tell the frame's number.
pub(super) const FRAME_KEYS: [&str; 3] = ["Frame", "framenumber", "frame"];
/// Names of metadata that tell the layer's name.
pub(super) const LAYER_KEYS: [&str; 3] = ["Layer", "RenderLayer", "ViewLayer"];

/// A frame's number as it is compared: `0017` is 17.
pub(super) fn frame_number(text: &str) -> String {
    let text = text.trim_matches(['\0', ' ']);
    match text.parse::<i64>() {
        Ok(number) => number.to_string(),
        Err(_) => text.to_owned(),
    }
}

/// Whether metadata are true of one tile only and not of the picture: what rendering it took, and
/// sums of its pixels.
pub(super) fn is_of_one_tile(name: &str) -> bool {
    const NAMES: [&str; 6] = [
        "rendertime",
        "memory",
        "oiio:sha-1",
        "oiio:constantcolor",
        "oiio:averagecolor",
        "preview",
    ];
    const ENDS: [&str; 3] = [".render_time", ".total_time", ".synchronization_time"];
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_str()) || ENDS.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_few_are_to_blame() {
        let odd = |all: &[Option<i32>]| {
            let all: Vec<Option<&i32>> = all.iter().map(Option::as_ref).collect();
            odd_one(&all).map(|(index, found, usual)| (index, *found, *usual))
        };
        assert_eq!(odd(&[Some(2), Some(1), None, Some(1)]), Some((0, 2, 1)));
        assert_eq!(odd(&[Some(2), Some(1)]), Some((1, 1, 2)));
        assert_eq!(odd(&[None, Some(1), None]), None);
        assert_eq!(odd(&[]), None);
    }

    #[test]
    fn what_is_unlike_is_said() {
        let exr = |channels: &[(&str, Sample)]| {
            let channels = channels
                .iter()
                .map(|(name, sample)| ((*name).to_owned(), *sample));
            Form::Exr(vec![(None, channels.collect())])
        };
        let usual = exr(&[("R", Sample::Half), ("Z", Sample::Float)]);
        let cases = [
            (exr(&[("R", Sample::Half)]), "it has no channel Z"),
            (
                exr(&[("R", Sample::Float), ("Z", Sample::Float)]),
                "its channel R is float, theirs is half",
            ),
            (
                exr(&[
                    ("A", Sample::Half),
                    ("R", Sample::Half),
                    ("Z", Sample::Float),
                ]),
                "it has a channel A, which they have not",
            ),
            (Form::Png("RGB", 8), "it is PNG, they are EXR"),
        ];
        for (found, said) in cases {
            assert_eq!(unlike(&found, &usual), said);
        }
    }
}
