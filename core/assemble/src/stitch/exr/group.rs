//! The work, group by group: a few rows of the picture's blocks, made from what tiles have of them.
//!
//! A block that a tile has exactly so is copied. For the others, what is needed of the tiles is
//! restored, every block of theirs once, on all threads; then blocks are put together and compressed,
//! again on all threads. Nothing is kept from one group to the next, so a tile's block that lies across
//! their border is restored twice; that costs less than it would to keep order.
//!
//! Invariant: the answer does not depend on how many threads there are.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::atomic::AtomicBool;

use rayon::iter::{IntoParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _};

use super::samples::{Samples, Spans};
use super::{PartLook, in_source};
use crate::openexr::{Blocks, Codec, Method};
use crate::rect::Rect;
use crate::stitch::look::{Identity, broken, flawed, open};
use crate::stitch::seams::{Pair, Worst};
use crate::stitch::{Plan, StitchError, go_on};

/// A group has rows until its samples take so much.
const GROUP_BYTES: usize = 4 << 20;
/// A group has as many rows as there are threads, unless its samples then take more than so much.
const GROUP_BYTES_MAX: usize = 64 << 20;

/// A block of the picture, ready to be written.
pub(super) struct Packed {
    /// Its column and row.
    pub(super) place: (u32, u32),
    pub(super) bytes: Vec<u8>,
    pub(super) is_copied: bool,
}

/// A block of a tile: the tile, and the block's column and row.
type Source = (usize, u32, u32);

/// What a block of the picture is made from.
enum Made {
    Copied(Source),
    Encoded,
}

/// One part of the picture.
pub(super) struct Work<'a> {
    plan: &'a Plan,
    identities: &'a [Identity],
    tiles: Vec<&'a PartLook>,
    codecs: Vec<Codec>,
    spans: Spans,
    blocks: Blocks,
    method: Method,
    pairs: &'a [Pair],
    /// Channels of the parts before.
    channels_before: usize,
    /// Open while rows are made that they have something of.
    files: Vec<Option<File>>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        identities: &'a [Identity],
        tiles: Vec<&'a PartLook>,
        blocks: Blocks,
        pairs: &'a [Pair],
        channels_before: usize,
    ) -> Self {
        let level = i32::from(plan.zip_level);
        let codecs = tiles.iter().map(|tile| Codec::new(&tile.channels, level));
        Self {
            plan,
            identities,
            codecs: codecs.collect(),
            spans: Spans::of(&tiles[0].channels),
            method: tiles[0].method.lossless(),
            files: tiles.iter().map(|_| None).collect(),
            tiles,
            blocks,
            pairs,
            channels_before,
        }
    }

    /// The next rows, from `row` on, which is moved behind them; `None` at the end.
    pub(super) fn next_group(
        &mut self,
        row: &mut u32,
        worst: &mut [Option<Worst>],
        cancelled: &AtomicBool,
    ) -> Result<Option<Vec<Packed>>, StitchError> {
        if *row >= self.blocks.rows() {
            return Ok(None);
        }
        let rows = *row..self.blocks.rows().min(*row + self.group_rows());
        *row = rows.end;
        let top = rows.start * self.blocks.block_height;
        let bottom = (rows.end * self.blocks.block_height).min(self.plan.height);
        let band = Rect {
            x: 0,
            y: top,
            width: self.plan.width,
            height: bottom - top,
        };
        let here = self.open_files(&band)?;
        let columns = self.blocks.columns();
        let places = rows.flat_map(|row| (0..columns).map(move |column| (column, row)));
        let made: Vec<((u32, u32), Made)> = places
            .map(|place| (place, self.made(&self.blocks.rect(place.0, place.1), &here)))
            .collect();
        let pairs: Vec<(usize, Pair)> = self.pairs_of(&band).collect();
        let needed = self.needed(&made, &pairs, &here);
        go_on(cancelled)?;
        let restored = first_failure(needed.par_iter().map(|source| self.restore(*source)))?;
        let restored = Restored { needed, restored };
        let found: Vec<Option<Worst>> = pairs
            .par_iter()
            .map(|(_, pair)| self.compare(pair, &restored))
            .collect();
        for ((index, _), found) in pairs.iter().zip(found) {
            if let Some(found) = found {
                Worst::take(&mut worst[*index], found);
            }
        }
        go_on(cancelled)?;
        let packed = first_failure(
            made.into_par_iter()
                .map(|(place, made)| self.pack(place, &made, &here, &restored)),
        )?;
        Ok(Some(packed))
    }

    fn group_rows(&self) -> u32 {
        let row_bytes =
            self.plan.width as usize * self.blocks.block_height as usize * self.spans.pixel_bytes();
        let threads = rayon::current_num_threads().min(GROUP_BYTES_MAX / row_bytes.max(1));
        u32::try_from((GROUP_BYTES / row_bytes.max(1)).max(threads).max(1)).unwrap_or(1)
    }

    /// The tiles that have something of a band, with their files open and all others closed.
    fn open_files(&mut self, band: &Rect) -> Result<Vec<usize>, StitchError> {
        let mut here = Vec::new();
        for (index, tile) in self.plan.tiles.iter().enumerate() {
            if tile.at.intersection(band).is_none() {
                self.files[index] = None;
                continue;
            }
            here.push(index);
            if self.files[index].is_none() {
                let (file, _) = open(tile, Some(self.identities[index]))?;
                self.files[index] = Some(file);
            }
        }
        Ok(here)
    }

    fn made(&self, rect: &Rect, here: &[usize]) -> Made {
        here.iter()
            .find(|index| self.plan.tiles[**index].keep.contains(rect))
            .and_then(|index| {
                let tile = self.tiles[*index];
                let is_alike =
                    tile.method == self.method && tile.channels == self.tiles[0].channels;
                let (column, row) = tile.table.blocks.equal_to(&in_source(rect, tile.origin))?;
                is_alike.then_some(Made::Copied((*index, column, row)))
            })
            .unwrap_or(Made::Encoded)
    }

    /// Pairs of tiles that share pixels of a band, and only these pixels.
    fn pairs_of(&self, band: &Rect) -> impl Iterator<Item = (usize, Pair)> {
        let pairs = self.pairs.iter().enumerate();
        pairs.filter_map(|(index, pair)| {
            let shared = pair.shared.intersection(band)?;
            Some((index, Pair { shared, ..*pair }))
        })
    }

    /// The blocks of tiles that are needed as samples, in order.
    fn needed(
        &self,
        made: &[((u32, u32), Made)],
        pairs: &[(usize, Pair)],
        here: &[usize],
    ) -> Vec<Source> {
        let mut needed = BTreeSet::new();
        for (place, made) in made {
            if matches!(made, Made::Copied(_)) {
                continue;
            }
            let rect = self.blocks.rect(place.0, place.1);
            for index in here {
                if let Some(shared) = self.plan.tiles[*index].keep.intersection(&rect) {
                    needed.extend(self.sources(*index, &shared));
                }
            }
        }
        for (_, pair) in pairs {
            needed.extend(self.sources(pair.one, &pair.shared));
            needed.extend(self.sources(pair.other, &pair.shared));
        }
        needed.into_iter().collect()
    }

    /// A tile's blocks that have pixels of a rectangle.
    fn sources(&self, index: usize, rect: &Rect) -> impl Iterator<Item = Source> + use<> {
        let tile = self.tiles[index];
        let touching = tile.table.blocks.touching(&in_source(rect, tile.origin));
        touching.map(move |(column, row)| (index, column, row))
    }

    fn read(&self, (index, column, row): Source) -> Result<Vec<u8>, StitchError> {
        let tile = &self.plan.tiles[index];
        let file = self.files[index].as_ref();
        let file = file.ok_or_else(|| broken(tile, "it was closed while it was read"))?;
        let table = &self.tiles[index].table;
        table
            .read(file, column, row)
            .map_err(|flaw| flawed(tile, flaw))
    }

    fn unpack(&self, source: Source, packed: Vec<u8>) -> Result<Vec<u8>, StitchError> {
        let (index, column, row) = source;
        let tile = self.tiles[index];
        let rect = tile.table.blocks.rect(column, row);
        self.codecs[index]
            .restore(tile.method, (rect.width, rect.height), packed)
            .map_err(|why| broken(&self.plan.tiles[index], why))
    }

    /// A tile's block as samples, no more of it than the tile covers.
    fn restore(&self, source: Source) -> Result<Samples, StitchError> {
        let (index, column, row) = source;
        let (tile, at) = (self.tiles[index], self.plan.tiles[index].at);
        let bytes = self.unpack(source, self.read(source)?)?;
        let rect = tile.table.blocks.rect(column, row);
        let covered = in_source(&at, tile.origin);
        let kept = rect.intersection(&covered).unwrap_or(rect);
        let samples = self.spans.cut(Samples { rect, bytes }, &kept);
        Ok(Samples {
            rect: kept.counted_from(covered.x, covered.y).moved(at.x, at.y),
            ..samples
        })
    }

    fn compare(&self, pair: &Pair, restored: &Restored) -> Option<Worst> {
        let mut worst = None;
        for one in self.sources(pair.one, &pair.shared) {
            for other in self.sources(pair.other, &pair.shared) {
                let (one, other) = (restored.get(one)?, restored.get(other)?);
                let shared = one.rect.intersection(&other.rect);
                if let Some(shared) = shared.and_then(|rect| rect.intersection(&pair.shared)) {
                    let before = self.channels_before;
                    self.spans.compare(one, other, &shared, before, &mut worst);
                }
            }
        }
        worst
    }

    fn pack(
        &self,
        place: (u32, u32),
        made: &Made,
        here: &[usize],
        restored: &Restored,
    ) -> Result<Packed, StitchError> {
        if let Made::Copied(source) = made {
            let bytes = self.read(*source)?;
            if self.plan.check_copied && !restored.has(*source) {
                self.unpack(*source, bytes.clone())?;
            }
            return Ok(Packed {
                place,
                bytes,
                is_copied: true,
            });
        }
        let rect = self.blocks.rect(place.0, place.1);
        let mut raw = vec![0; rect.area() as usize * self.spans.pixel_bytes()];
        for index in here {
            let Some(shared) = self.plan.tiles[*index].keep.intersection(&rect) else {
                continue;
            };
            for source in self.sources(*index, &shared) {
                if let Some(from) = restored.get(source)
                    && let Some(shared) = from.rect.intersection(&shared)
                {
                    self.spans.copy(from, &shared, (&rect, &mut raw));
                }
            }
        }
        let mut bytes = Vec::new();
        self.codecs[0]
            .pack(self.method, (rect.width, rect.height), &raw, &mut bytes)
            .map_err(|why| StitchError::Encode { why })?;
        Ok(Packed {
            place,
            bytes,
            is_copied: false,
        })
    }
}

/// Restored blocks, found by what they are.
struct Restored {
    needed: Vec<Source>,
    restored: Vec<Samples>,
}

impl Restored {
    fn get(&self, source: Source) -> Option<&Samples> {
        let index = self.needed.binary_search(&source).ok()?;
        self.restored.get(index)
    }

    fn has(&self, source: Source) -> bool {
        self.needed.binary_search(&source).is_ok()
    }
}

/// All answers, or of the failures the first in order, whichever thread came upon its own first.
fn first_failure<T: Send>(
    all: impl rayon::iter::IndexedParallelIterator<Item = Result<T, StitchError>>,
) -> Result<Vec<T>, StitchError> {
    let mut answers = Vec::new();
    all.collect_into_vec(&mut answers);
    answers.into_iter().collect()
}
