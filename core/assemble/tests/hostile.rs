//! Files that are not what they claim: no panic, no hang, no more memory than the picture needs.
//!
//! Each case is made from a seed that is printed when it fails.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod kit;

use std::alloc::{GlobalAlloc, Layout as Room, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use exr::prelude::Compression;
use framewright_assemble::stitch::{Layout, Plan, StitchError, picture_size};
use kit::pngs::Png;
use kit::{Kind, Picture, RGBA, Style, even, mixed, run, write_tiles};
use png::{BitDepth, ColorType};

/// Counts what is allocated at once.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator as it came; only sizes are counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, room: Room) -> *mut u8 {
        let now = NOW.fetch_add(room.size(), Ordering::Relaxed) + room.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(room) }
    }

    unsafe fn dealloc(&self, place: *mut u8, room: Room) {
        NOW.fetch_sub(room.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(place, room) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A picture of a few kilobytes takes no more, whatever its files claim.
const BYTES_MAX: usize = 96 << 20;
const MUTATIONS: u64 = 400;

/// Bytes changed at random: single ones, whole numbers, pieces moved, the end cut off.
fn spoilt(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut spoilt = bytes.to_vec();
    let pick = |step: u64, below: usize| (mixed(seed ^ mixed(step)) % below as u64) as usize;
    // Headers and tables are a small part of a file, and most of what can be wrong.
    let reach = if seed.is_multiple_of(3) {
        bytes.len()
    } else {
        bytes.len().min(900)
    };
    for change in 0..1 + pick(1, 4) as u64 {
        let at = pick(10 + change, reach.min(spoilt.len()).max(1));
        let Some(rest) = spoilt.get_mut(at..).filter(|rest| rest.len() >= 8) else {
            continue;
        };
        match pick(20 + change, 6) {
            0 => rest[0] ^= 1 << pick(30, 8),
            1 => rest[0] = [0, 1, 0x7f, 0x80, 0xff][pick(31, 5)],
            2 => rest[..4].copy_from_slice(&(mixed(seed) as u32).to_le_bytes()),
            3 => rest[..4].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]),
            4 => rest[..8].copy_from_slice(&mixed(seed).to_le_bytes()),
            _ => {
                let length = at + pick(32, rest.len());
                spoilt.truncate(length);
            }
        }
    }
    spoilt
}

/// Stitches with one spoilt tile after the other.
fn withstands(folder: &Path, plan: &Plan, extension: &str) {
    let path = plan.tiles[1].path.clone();
    let whole = std::fs::read(&path).unwrap();
    let output = folder.join(format!("out.{extension}"));
    let (mut refused, mut stitched) = (0, 0);
    for seed in 0..MUTATIONS {
        let bytes = spoilt(&whole, seed);
        std::fs::write(&path, &bytes).unwrap();
        MOST.store(NOW.load(Ordering::Relaxed), Ordering::Relaxed);
        let before = NOW.load(Ordering::Relaxed);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let _ = picture_size("tile", &path);
            run(plan, &output)
        }));
        let took = MOST.load(Ordering::Relaxed).saturating_sub(before);
        assert!(took < BYTES_MAX, "seed {seed}: {took} bytes at once");
        match ended {
            Ok(Ok(_)) => {
                stitched += 1;
                std::fs::remove_file(&output).unwrap();
            }
            Ok(Err(error)) => {
                refused += 1;
                let blamed = error.tiles();
                // Where metadata contradict each other, either tile of two may be blamed.
                assert!(
                    blamed == ["beauty:17:1,0"] || blamed == ["beauty:17:0,0"],
                    "seed {seed}: {error}"
                );
                assert!(
                    !matches!(error, StitchError::Unreadable { .. }),
                    "seed {seed}: {error}"
                );
            }
            Err(_) => panic!("seed {seed}: a panic"),
        }
    }
    // The control: changes are found, and some are of no consequence.
    assert!(refused > MUTATIONS / 2, "{refused} refused");
    assert!(stitched > 0, "{stitched} stitched");
}

/// One test, since what is allocated is counted for the whole process.
#[test]
fn spoilt_tiles_are_refused_within_bounds() {
    let methods = [
        Compression::Uncompressed,
        Compression::RLE,
        Compression::ZIP16,
        Compression::PIZ,
        Compression::PXR24,
        Compression::B44A,
        Compression::DWAA(None),
    ];
    let channels = &[RGBA, &[("Z", Kind::Float), ("id", Kind::Uint)]].concat()[..];
    for (number, method) in methods.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let two = number % 2 == 1;
        let parts = [(two.then_some("a"), channels), (Some("b"), RGBA)];
        let picture = Picture::new(7, 48, 40, &parts[..if two { 2 } else { 1 }]);
        let mut tiles = even(48, 40, 3, 1, 2);
        let style = Style {
            tiles: (number % 3 == 1).then_some((10, 9)),
            frame: Some(17),
            ..Style::new(method)
        };
        write_tiles(folder.path(), &picture, &mut tiles, style);
        let mut plan = Plan::new(48, 40, tiles);
        plan.layout = [Layout::Auto, Layout::Tiled][number % 2];
        withstands(folder.path(), &plan, "exr");
    }
    let folder = tempfile::tempdir().unwrap();
    let picture = Png::new(7, 48, 40, ColorType::Rgb, BitDepth::Sixteen);
    let mut tiles = even(48, 40, 3, 1, 2);
    for tile in &mut tiles {
        tile.path = folder.path().join(format!("{}.png", tile.path.display()));
        picture.cut(tile.at).write_with(&tile.path, |encoder| {
            encoder
                .add_text_chunk("Frame".to_owned(), "17".to_owned())
                .unwrap();
        });
    }
    withstands(folder.path(), &Plan::new(48, 40, tiles), "png");
}
