//! Whatever is in a file, reading it ends soon, with facts or with a sentence.
//!
//! `FRAMEWRIGHT_MUTANTS=10000` for that many; `FRAMEWRIGHT_SEED` for those of an earlier run.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{told, vendored};
use crate::file::{ReadError, Trouble};

/// Longest time for one small file, on a machine with much else to do.
const LONG: Duration = Duration::from_secs(8);

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).expect("below a usize")
    }
}

fn number(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(default, |set| set.parse().expect("a number"))
}

/// Files as they are on disk, and unpacked.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for name in [
        "base_scene",
        "36_viewport_material_export",
        "34_animation_pointer_extras",
    ] {
        let packed = fs::read(vendored().join(format!("{name}.blend"))).expect("a sample");
        seeds.push(unpacked(&packed));
        seeds.push(packed);
    }
    seeds
}

pub(super) fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    if packed.starts_with(&[0x1f, 0x8b]) {
        let mut reader = flate2::read::GzDecoder::new(packed);
        reader.read_to_end(&mut bytes).expect("gzip");
    } else {
        bytes = zstd::stream::decode_all(packed).expect("zstd");
    }
    bytes
}

/// Where blocks begin, and the table of structures: where a change does the most.
fn places(bytes: &[u8]) -> Vec<usize> {
    let codes: [&[u8]; 9] = [
        b"DNA1", b"STRC", b"TLEN", b"GLOB", b"SC\0\0", b"LI\0\0", b"IM\0\0", b"NT\0\0", b"DATA",
    ];
    let found = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, four)| codes.contains(four));
    found.map(|(at, _)| at).collect()
}

fn mutated(seed: &[u8], places: &[usize], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    let odd: [u64; 8] = [
        0,
        1,
        0xff,
        0x7fff,
        0xffff,
        0x7fff_ffff,
        0xffff_ffff,
        u64::MAX,
    ];
    for _ in 0..=chance.below(6) {
        let near = match chance.below(3) {
            0 if !places.is_empty() => places[chance.below(places.len())] + chance.below(64),
            _ => chance.below(bytes.len()),
        };
        let at = near.min(bytes.len().saturating_sub(1));
        match chance.below(8) {
            0 => bytes.truncate(at.max(1)),
            1 => {
                let end = (at + chance.below(4096)).min(bytes.len());
                bytes.drain(at..end.min(bytes.len() - 1).max(at));
            }
            2 => {
                let end = (at + chance.below(4096)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            3 | 4 => bytes[at] ^= 1 << chance.below(8),
            _ => {
                let value = match chance.below(3) {
                    0 => chance.next(),
                    _ => odd[chance.below(odd.len())],
                };
                let size = [1, 2, 4, 8][chance.below(4)].min(bytes.len() - at);
                bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
            }
        }
    }
    bytes
}

#[test]
fn mutated_files_are_read_or_refused() {
    let count = number("FRAMEWRIGHT_MUTANTS", 300);
    let seed = number("FRAMEWRIGHT_SEED", 1);
    let seeds: Vec<_> = seeds()
        .into_iter()
        .map(|seed| (places(&seed), seed))
        .collect();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut read, mut refused) = (0, BTreeMap::<String, u32>::new());
    for turn in 0..count {
        let mut chance = Chance((seed + turn).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (places, bytes) = &seeds[chance.below(seeds.len())];
        let path = dir.path().join("mutant.blend");
        fs::write(&path, mutated(bytes, places, &mut chance)).expect("a file");
        let begun = Instant::now();
        match told(&path) {
            Ok(_) => read += 1,
            Err(error) => *refused.entry(error.to_string()).or_default() += 1,
        }
        let took = begun.elapsed();
        assert!(
            took < LONG,
            "FRAMEWRIGHT_SEED={} takes {took:?}",
            seed + turn
        );
    }
    // Changes that do nothing, or all to the same end, would show nothing.
    assert!(
        read > count / 20,
        "{read} of {count} were read; others: {refused:#?}"
    );
    assert!(
        refused.values().sum::<u32>() > u32::try_from(count / 20).expect("few"),
        "{refused:#?}"
    );
    assert!(refused.len() > 2, "{refused:#?}");
}

#[track_caller]
fn is_refused(path: &Path, trouble: Trouble) {
    match told(path) {
        Err(ReadError::Content(found)) => assert_eq!(found, trouble, "{}", path.display()),
        other => panic!("{}: {other:?}", path.display()),
    }
}

#[test]
fn a_small_file_that_claims_to_hold_much_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let head = |length: i32| {
        let mut bytes = b"BLENDER-v304DATA".to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend([0; 16]);
        bytes
    };
    // Two gigabytes of nothing, packed to a few thousand bytes.
    let path = dir.path().join("bomb.blend");
    let mut packer =
        zstd::stream::Encoder::new(fs::File::create(&path).expect("a file"), 19).expect("zstd");
    packer.write_all(&head(i32::MAX)).expect("written");
    let zeros = vec![0; 1 << 20];
    for _ in 0..1100 {
        packer.write_all(&zeros).expect("written");
    }
    packer.finish().expect("written");
    assert!(fs::metadata(&path).expect("a file").len() < 1 << 20);
    is_refused(&path, Trouble::TooMuch("packed data"));

    // A table that says the same.
    let path = dir.path().join("table.blend");
    let mut bytes = zstd::bulk::compress(&head(-1), 3).expect("zstd");
    let packed = u32::try_from(bytes.len()).expect("small");
    bytes.extend(0x184d_2a5e_u32.to_le_bytes());
    bytes.extend(17_u32.to_le_bytes());
    bytes.extend(packed.to_le_bytes());
    bytes.extend(u32::MAX.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.push(0);
    bytes.extend(0x8f92_eab1_u32.to_le_bytes());
    fs::write(&path, &bytes).expect("a file");
    is_refused(&path, Trouble::TooMuch("a zstd frame"));

    for (name, bytes, trouble) in [
        ("negative", head(-5), Trouble::Block),
        ("cut", head(1000), Trouble::Cut),
        ("header", b"BLENDER".to_vec(), Trouble::NoScene),
        ("empty", Vec::new(), Trouble::NoScene),
        ("garbage", vec![7; 4000], Trouble::NoScene),
        ("future", b"BLENDER31-01v0900".to_vec(), Trouble::Layout),
        (
            "gzip",
            vec![0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9],
            Trouble::Packing,
        ),
    ] {
        let path = dir.path().join(format!("{name}.blend"));
        fs::write(&path, bytes).expect("a file");
        is_refused(&path, trouble);
    }
    is_refused(dir.path(), Trouble::NoScene);
    let gone = told(&dir.path().join("gone.blend")).expect_err("there is none");
    assert!(gone.to_string().contains("No such file"), "{gone}");
}

#[test]
fn a_list_that_ends_where_it_began_is_left() {
    // Each address of a list's next element is made the first one's.
    let bytes = unpacked(&fs::read(vendored().join("2_90.blend")).expect("a sample"));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut loops = bytes;
    let mut at = 12;
    let mut address = None;
    while let Some(head) = loops
        .get(at..at + 24)
        .filter(|head| !head.starts_with(b"ENDB"))
    {
        let length = u32::from_le_bytes(head[4..8].try_into().expect("four")) as usize;
        let here: [u8; 8] = head[8..16].try_into().expect("eight");
        if head.starts_with(b"DATA") && length >= 16 {
            let first = *address.get_or_insert(here);
            loops[at + 24..at + 32].copy_from_slice(&first);
        }
        at += 24 + length;
    }
    let path = dir.path().join("loops.blend");
    fs::write(&path, loops).expect("a file");
    let begun = Instant::now();
    let _ = told(&path);
    assert!(begun.elapsed() < LONG);
}
