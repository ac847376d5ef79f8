//! Scenes read from their files, without Blender.
//!
//! A `.blend` is a row of blocks, each the image of structures in the memory of the Blender that
//! saved it, and a table of how those structures are laid out (`sdna`). So everything is found by the
//! names of fields, in files of any version, packed in any way (`source`). On top of that: what a
//! render would make of it (`shot`, `layers`, `nodes`, `simulated`), which files it needs (`assets`),
//! and the sentences that `scripts/fw_inspect.py` says of the same scene (`tell`).
//!
//! Where Blender runs, its word counts: it loads what is linked, runs what is animated and mends what
//! is old. Refuses meshes, animation and anything else that no fact needs: their blocks are skipped.
//! Invariant: memory and time have limits that no file can move, and no content makes it panic.

mod assets;
mod layers;
mod nodes;
mod order;
mod outside;
mod properties;
mod record;
mod sdna;
mod shot;
mod simulated;
mod source;
mod tell;
#[cfg(test)]
mod tests;
mod tiling;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use order::{HEADER, Header};
use record::Record;
use sdna::Sdna;
use source::Source;

pub(crate) use tell::tell;

/// Most blocks that are gone past, and most that are kept.
const BLOCKS_MAX: u32 = 1 << 24;
const KEPT_MAX: usize = 1 << 21;
/// Most bytes of one block that is kept with its content: larger ones are pixels and the like.
const BODY_MAX: u64 = 1 << 18;
/// Most bytes that are kept of a file.
const BODIES_MAX: usize = 1 << 27;
/// Most bytes of the table of structures; it has a hundred thousand.
const DNA_MAX: u64 = 1 << 23;
/// Most steps along lists and pointers in a file.
const STEPS_MAX: u64 = 1 << 25;
/// Longest time for going through a file: an adapter's call has ten seconds in all.
const TIME_MAX: Duration = Duration::from_secs(6);

/// Data-blocks whose blocks are kept: scenes, objects, collections, images, libraries, sounds, clips,
/// fonts, cache files, volumes, node trees and what holds some, particles, and placeholders for what
/// is in other files.
const KEPT: [&[u8; 2]; 16] = [
    b"SC", b"OB", b"GR", b"IM", b"LI", b"SO", b"MC", b"VF", b"CF", b"VO", b"NT", b"MA", b"WO",
    b"LA", b"PA", b"ID",
];

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The system does not let it be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Its content.
    #[error(transparent)]
    Content(#[from] Trouble),
}

/// What is wrong with a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// Something else.
    #[error("it is no Blender file")]
    NoScene,
    /// It ends too early.
    #[error("it is damaged: it ends in the middle")]
    Cut,
    /// It cannot be unpacked.
    #[error("it is damaged: it cannot be unpacked")]
    Packing,
    /// A block with an impossible size.
    #[error("it is damaged: a block has a size that cannot be")]
    Block,
    /// The table of structures is missing or wrong.
    #[error("it is damaged: its table of structures cannot be read")]
    Dna,
    /// No scene in it, as in asset libraries.
    #[error("there is no scene in it")]
    Empty,
    /// A header that no known version writes.
    #[error("it is laid out in a way that is not known here")]
    Layout,
    /// A limit.
    #[error("it holds more {0} than is read without Blender")]
    TooMuch(&'static str),
    /// The clock.
    #[error("reading it takes longer than {} s", TIME_MAX.as_secs())]
    Slow,
}

/// A block that is kept.
#[derive(Clone, Copy, Debug)]
struct Block {
    code: [u8; 4],
    /// The data-block that it belongs to: the block that began it.
    owner: u32,
    /// Its address in the Blender that saved it.
    address: u64,
    /// Which structure.
    structure: u32,
    /// Where its content is; empty where it is too large.
    start: usize,
    length: usize,
}

/// A file, read.
struct Blend {
    /// 0 is the scene; libraries follow.
    number: u32,
    header: Header,
    sdna: Sdna,
    blocks: Vec<Block>,
    bodies: Vec<u8>,
    /// Blocks by address.
    places: Vec<(u64, u32)>,
    steps: Cell<u64>,
}

/// What stands before a block's content.
struct Head {
    code: [u8; 4],
    length: u64,
    address: u64,
    structure: u32,
}

/// The version of the Blender that saved a file.
#[cfg(test)]
pub(crate) fn version(path: &str) -> Result<order::Version, ReadError> {
    let mut source = Source::open(path)?;
    Ok(header(&mut source)?.version)
}

fn header(source: &mut Source) -> Result<Header, ReadError> {
    let mut bytes = vec![0; HEADER];
    match source.read(&mut bytes) {
        Err(ReadError::Content(Trouble::Cut)) => return Err(Trouble::NoScene.into()),
        other => other?,
    }
    let first: &[u8; HEADER] = bytes.first_chunk().ok_or(Trouble::NoScene)?;
    let more = Header::more(first)?;
    bytes.resize(HEADER + more, 0);
    source.read(&mut bytes[HEADER..])?;
    Ok(Header::read(&bytes)?)
}

impl Blend {
    /// Goes through a file once, from front to end.
    fn read(path: &str, number: u32, limits: &mut Limits) -> Result<Self, ReadError> {
        let mut source = Source::open(path)?;
        let header = header(&mut source)?;
        let mut blend = Blend {
            number,
            header,
            sdna: Sdna::default(),
            blocks: Vec::new(),
            bodies: Vec::new(),
            places: Vec::new(),
            steps: Cell::new(0),
        };
        let mut dna = None;
        let mut owner = None;
        for number in 0..=BLOCKS_MAX {
            if number == BLOCKS_MAX {
                return Err(Trouble::TooMuch("blocks").into());
            }
            if number % 256 == 0 && Instant::now() > limits.until {
                return Err(Trouble::Slow.into());
            }
            let head = blend.head(&mut source)?;
            match &head.code {
                b"ENDB" => break,
                b"DNA1" => {
                    if head.length > DNA_MAX {
                        return Err(Trouble::Dna.into());
                    }
                    let mut bytes = vec![0; usize::try_from(head.length).unwrap_or(0)];
                    source.read(&mut bytes)?;
                    dna = Some(bytes);
                    continue;
                }
                b"DATA" => {}
                code => {
                    let is_kept = code == b"GLOB" || is_kept(*code);
                    owner = is_kept.then_some(u32::try_from(blend.blocks.len()).unwrap_or(0));
                }
            }
            match owner {
                Some(owner) => blend.keep(&mut source, &head, owner, limits)?,
                None => source.skip(head.length)?,
            }
        }
        let dna = dna.ok_or(Trouble::Dna)?;
        blend.sdna = Sdna::read(&dna, header.order)?;
        blend.places = (0..)
            .zip(&blend.blocks)
            .map(|(n, one)| (one.address, n))
            .collect();
        blend.places.sort_unstable();
        Ok(blend)
    }

    fn head(&self, source: &mut Source) -> Result<Head, ReadError> {
        let order = self.header.order;
        let mut bytes = [0; 32];
        let size = match (order.large_heads, order.short_pointers) {
            (true, _) => 32,
            (false, false) => 24,
            (false, true) => 20,
        };
        let bytes = &mut bytes[..size];
        source.read(bytes)?;
        let code = [bytes[0], bytes[1], bytes[2], bytes[3]];
        let (length, address, structure) = if order.large_heads {
            (&bytes[16..24], &bytes[8..16], &bytes[4..8])
        } else {
            let end = 8 + order.pointer_bytes();
            (&bytes[4..8], &bytes[8..end], &bytes[end..end + 4])
        };
        Ok(Head {
            code,
            length: u64::try_from(order.signed(length)).map_err(|_| Trouble::Block)?,
            address: order.unsigned(address),
            structure: u32::try_from(order.unsigned(structure)).unwrap_or(u32::MAX),
        })
    }

    fn keep(
        &mut self,
        source: &mut Source,
        head: &Head,
        owner: u32,
        limits: &mut Limits,
    ) -> Result<(), ReadError> {
        if self.blocks.len() == KEPT_MAX {
            return Err(Trouble::TooMuch("blocks").into());
        }
        let start = self.bodies.len();
        let length = match usize::try_from(head.length) {
            Ok(length) if head.length <= BODY_MAX => length,
            _ => 0,
        };
        let left = limits.bodies.checked_sub(length);
        limits.bodies = left.ok_or(Trouble::TooMuch("objects and nodes"))?;
        if length > 0 {
            self.bodies.resize(start + length, 0);
            source.read(&mut self.bodies[start..])?;
        } else {
            source.skip(head.length)?;
        }
        self.blocks.push(Block {
            code: head.code,
            owner,
            address: head.address,
            structure: head.structure,
            start,
            length,
        });
        Ok(())
    }

    /// All data-blocks of a kind, in the file's order.
    fn all<'a>(&'a self, code: &[u8; 2]) -> impl Iterator<Item = Record<'a>> {
        let code = [code[0], code[1], 0, 0];
        let blocks = (0_u32..).zip(&self.blocks);
        blocks
            .filter(move |(_, block)| block.code == code)
            .filter_map(|(number, _)| Record::of_block(self, number))
    }

    /// What `GLOB` says of the session in which the file was saved.
    fn global(&self) -> Option<Record<'_>> {
        let number = self
            .blocks
            .iter()
            .position(|block| &block.code == b"GLOB")?;
        Record::of_block(self, u32::try_from(number).ok()?)
    }

    /// Where an address leads, seen from a data-block: addresses of what belongs to one may be used
    /// again in another.
    fn place(&self, address: u64, owner: u32) -> Option<u32> {
        if address == 0 {
            return None;
        }
        let first = self.places.partition_point(|one| one.0 < address);
        let there = self.places[first..]
            .iter()
            .take_while(|one| one.0 == address);
        let mut best = None;
        for (_, number) in there.take(8) {
            let block = &self.blocks[*number as usize];
            if block.owner == owner {
                return Some(*number);
            }
            if best.is_none() || &block.code != b"DATA" {
                best = Some(*number);
            }
        }
        best
    }

    /// Counts a step; says whether there may be more.
    fn step(&self) -> bool {
        self.steps.set(self.steps.get() + 1);
        self.steps.get() <= STEPS_MAX
    }

    /// Fails where lists were left before their end.
    fn check_steps(&self) -> Result<(), Trouble> {
        match self.steps.get() <= STEPS_MAX {
            true => Ok(()),
            false => Err(Trouble::TooMuch("links between its parts")),
        }
    }
}

fn is_kept(code: [u8; 4]) -> bool {
    KEPT.iter().any(|kept| code == [kept[0], kept[1], 0, 0])
}

/// What was gone through already: the number of a file, and an address in it.
type Seen = BTreeSet<(u32, u64)>;

/// What all files of a scene may take together.
struct Limits {
    until: Instant,
    bodies: usize,
}

impl Limits {
    fn new() -> Self {
        Limits {
            until: Instant::now() + TIME_MAX,
            bodies: BODIES_MAX,
        }
    }
}
