//! Scene files that somebody broke: no panic, no hang, bounded memory.
//!
//! `FRAMEWRIGHT_MUTATIONS` says how many, 500 by default; ten thousand are a soak.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{look, real_samples, sample};

/// No broken file takes near as long; a hang takes longer.
const LONGEST: Duration = Duration::from_secs(20);

/// What the whole test process may have used at most, its other tests included.
const MEMORY_KB_MAX: u64 = 200 * 1024;

/// Pieces that break a file in interesting ways.
const PIECES: [&[u8]; 18] = [
    b"{",
    b"}",
    b"\"",
    b"\\",
    b"#",
    b"\n",
    b"\0",
    b" 18446744073709551615 4000000000 UINT ",
    b" 99999999 99999999 b85VECTOR\n",
    b" 1 1 STRING \"",
    b" include \"city.ass\" ",
    b" include \"lights.ass\" include \"/dev/zero\" ",
    b" procedural { filename \"broken.ass\" } ",
    b" options { outputs \"RGBA RGBA f d\" xres 99999999999 frame 1e308 region_min_x -1 } ",
    b" declare a constant ARRAY ",
    b" texture_searchpath \"[HOME]/[PATH]:C:/;;:\" ",
    b" image { filename \"/<udim>/<udim>.<UDIM>\" } ",
    b"\xff\xfe\x80",
];

/// A small generator of numbers, the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or(0)
    }
}

fn broken(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        let length = random.below(200).min(bytes.len() - at);
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => {
                bytes.drain(at..at + length);
            }
            2 => {
                let piece = bytes[at..at + length].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            3 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut into = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    into.write_all(bytes).expect("memory");
    into.finish().expect("memory")
}

/// Most memory that this process ever had.
fn memory_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let words = line.expect("a line of it").split_whitespace().next();
    words.expect("a number").parse().expect("a number")
}

#[test]
#[expect(clippy::print_stderr, reason = "figures are for who runs it")]
fn broken_scenes_are_refused_or_read_and_nothing_else() {
    let count = std::env::var("FRAMEWRIGHT_MUTATIONS")
        .ok()
        .map_or(500, |text| {
            text.parse().expect("FRAMEWRIGHT_MUTATIONS is a number")
        });
    let own = [
        "still.ass",
        "aovs.ass",
        "city.ass",
        "lights.ass",
        "nodes.ass",
    ];
    let mut originals: Vec<PathBuf> = own.map(sample).to_vec();
    if let Some(folder) = real_samples() {
        let scenes = fs::read_dir(folder.join("ass")).expect("scenes");
        originals.extend(scenes.map(|scene| scene.expect("a scene").path()));
        originals.sort();
    }
    let originals: Vec<Vec<u8>> = originals
        .iter()
        .map(|path| fs::read(path).expect("a scene"))
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["city.ass", "lights.ass"] {
        fs::copy(sample(name), folder.path().join(name)).expect("a copy");
    }
    let path = folder.path().join("broken.ass");
    let (mut read, mut refused) = (0, 0);
    for number in 0..count {
        let mut random = Random(number);
        let original = originals[random.below(originals.len())].clone();
        let bytes = match random.below(8) {
            0 => broken(zipped(&original), &mut random),
            1 => zipped(&broken(original, &mut random)),
            _ => broken(original, &mut random),
        };
        fs::write(&path, &bytes).expect("a file");
        let begun = Instant::now();
        match look(&path) {
            Ok(scene) => {
                read += 1;
                let memo = scene.carry.to_string().len();
                assert!(memo <= crate::memo::BYTES_MAX, "mutation {number}: {memo}");
            }
            Err(why) => {
                refused += 1;
                assert!(
                    why.len() < 2000 && !why.is_empty(),
                    "mutation {number}: {why}"
                );
            }
        }
        let took = begun.elapsed();
        assert!(took < LONGEST, "mutation {number} took {took:?}");
    }
    assert!(
        read > count / 20 && refused > count / 20,
        "{read} read, {refused} refused"
    );
    let memory = memory_kb();
    assert!(memory < MEMORY_KB_MAX, "{memory} kB");
    eprintln!("{count} broken scenes: {read} read, {refused} refused, {memory} kB at most");
}
