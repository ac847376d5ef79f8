//! Every reason why there is no picture: one sentence that names the tile, the tile to blame, and no
//! file left behind.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod kit;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use exr::prelude::Compression;
use framewright_assemble::stitch::{Canvas, Plan, StitchError, Tile, stitch};
use framewright_assemble::{Output, Rect};
use kit::pngs::Png;
use kit::{Kind, Names, Picture, RGBA, Style, even, run, sentence, write_exr, write_tiles};
use png::{BitDepth, ColorType};

/// Four tiles of a picture; the last one, `beauty:17:1,1`, is to be spoilt.
struct Desk {
    folder: tempfile::TempDir,
    plan: Plan,
    picture: Picture,
}

const ZIP: Style = Style::new(Compression::ZIP16);

impl Desk {
    fn new() -> Self {
        Self::with(4)
    }

    fn with(overlap: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let picture = Picture::new(1, 64, 48, &[(None, RGBA)]);
        let mut tiles = even(64, 48, 2, 2, overlap);
        write_tiles(folder.path(), &picture, &mut tiles, ZIP);
        Self {
            folder,
            plan: Plan::new(64, 48, tiles),
            picture,
        }
    }

    fn last(&self) -> &Tile {
        &self.plan.tiles[3]
    }

    fn rewrite(&self, picture: &Picture, style: Style) {
        write_exr(&self.last().path, picture, style);
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.last().path).unwrap()
    }

    /// The sentence; whoever is to blame must be the last tile, and nothing may be left.
    #[track_caller]
    fn refused(&self, said: &str) {
        self.refused_because_of(&["beauty:17:1,1"], said);
    }

    #[track_caller]
    fn refused_because_of(&self, blamed: &[&str], said: &str) {
        let error = self.run("out.exr").unwrap_err();
        assert_eq!(sentence(&error), said);
        assert_eq!(error.tiles(), blamed);
    }

    fn run(&self, name: &str) -> Result<(), StitchError> {
        let before = self.files();
        let done = run(&self.plan, &self.folder.path().join(name));
        if done.is_err() {
            assert_eq!(self.files(), before, "something was left");
        }
        done.map(drop)
    }

    fn files(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    }
}

#[test]
fn missing_tiles_are_named_all() {
    let desk = Desk::new();
    let path = desk.last().path.clone();
    std::fs::remove_file(&path).unwrap();
    desk.refused(&format!(
        "tile beauty:17:1,1 is missing: there is no file {}",
        path.display()
    ));
    let first = &desk.plan.tiles[0].path;
    std::fs::remove_file(first).unwrap();
    desk.refused_because_of(
        &["beauty:17:0,0", "beauty:17:1,1"],
        &format!(
            "tile beauty:17:0,0 is missing: there is no file {}; beauty:17:1,1 is missing as well",
            first.display()
        ),
    );
}

#[test]
fn truncated_tiles_are_broken_wherever_they_end() {
    let desk = Desk::new();
    let whole = desk.bytes();
    let path = desk.last().path.clone();
    let cut = |bytes: usize| std::fs::write(&path, &whole[..bytes]).unwrap();
    cut(0);
    desk.refused("tile beauty:17:1,1 is broken: it is empty");
    cut(7);
    desk.refused("tile beauty:17:1,1 is broken: it ends within its headers");
    cut(100);
    desk.refused("tile beauty:17:1,1 is broken: it ends within its headers");
    cut(whole.len() - 1);
    desk.refused("tile beauty:17:1,1 is broken: it ends within a block");
    cut(whole.len() / 2);
    desk.refused("tile beauty:17:1,1 is broken: it lacks blocks of its picture");
    for bytes in (0..whole.len()).step_by(13) {
        cut(bytes);
        let error = desk.run("out.exr").unwrap_err();
        assert!(
            matches!(error, StitchError::Broken { .. }),
            "{bytes}: {error}"
        );
    }
    std::fs::write(&path, "no picture at all").unwrap();
    desk.refused("tile beauty:17:1,1 is broken: it is neither an EXR nor a PNG");
}

#[test]
fn a_corrupt_block_is_broken_also_where_it_would_be_copied() {
    // One column of tiles whose blocks are the picture's.
    let folder = tempfile::tempdir().unwrap();
    let picture = Picture::new(2, 64, 64, &[(None, RGBA)]);
    let mut tiles = even(64, 64, 1, 2, 0);
    write_tiles(folder.path(), &picture, &mut tiles, ZIP);
    let mut bytes = std::fs::read(&tiles[1].path).unwrap();
    let last = bytes.len() - 9;
    bytes[last] ^= 0x55;
    std::fs::write(&tiles[1].path, bytes).unwrap();
    let mut plan = Plan::new(64, 64, tiles);
    let output = folder.path().join("out.exr");
    let error = run(&plan, &output).unwrap_err();
    assert_eq!(
        sentence(&error),
        "tile beauty:17:0,1 is broken: a block cannot be decompressed"
    );
    // Who has checked the tiles before is believed.
    plan.check_copied = false;
    assert_eq!(run(&plan, &output).unwrap().copied_blocks, 4);
}

#[test]
fn another_size_is_told_with_both() {
    let desk = Desk::new();
    let at = desk.last().at;
    let smaller = Rect {
        width: at.width - 1,
        ..at
    };
    desk.rewrite(&desk.picture.cut(smaller), ZIP);
    desk.refused("tile beauty:17:1,1 is 35x28 pixels large, expected 36x28");
}

#[test]
fn other_channels_and_types_are_unlike() {
    let desk = Desk::new();
    let at = desk.last().at;
    let of = |channels: Names<'_>| Picture::new(1, 64, 48, &[(None, channels)]).cut(at);
    desk.rewrite(&of(&RGBA[1..]), ZIP);
    desk.refused("tile beauty:17:1,1 is unlike the others: it has no channel A");
    let mut deeper = RGBA.to_vec();
    deeper[3].1 = Kind::Float;
    desk.rewrite(&of(&deeper), ZIP);
    desk.refused("tile beauty:17:1,1 is unlike the others: its channel R is float, theirs is half");
    deeper[3].1 = Kind::Half;
    deeper.push(("Z", Kind::Float));
    desk.rewrite(&of(&deeper), ZIP);
    desk.refused(
        "tile beauty:17:1,1 is unlike the others: it has a channel Z, which they have not",
    );
    let two = Picture::new(1, 64, 48, &[(Some("a"), RGBA), (Some("b"), RGBA)]);
    desk.rewrite(&two.cut(at), ZIP);
    desk.refused("tile beauty:17:1,1 is unlike the others: it has 2 parts, they have 1");
    Png::new(1, at.width, at.height, ColorType::Rgba, BitDepth::Eight).write(&desk.last().path);
    desk.refused("tile beauty:17:1,1 is unlike the others: it is PNG, they are EXR");
}

/// Whichever tile is the odd one, it is the one to blame: the first as well.
#[test]
fn the_first_tile_may_be_the_wrong_one() {
    let desk = Desk::new();
    let first = &desk.plan.tiles[0];
    let without = Picture::new(1, 64, 48, &[(None, &RGBA[1..])]);
    write_exr(&first.path, &without.cut(first.at), ZIP);
    desk.refused_because_of(
        &["beauty:17:0,0"],
        "tile beauty:17:0,0 is unlike the others: it has no channel A",
    );
}

#[test]
fn a_tile_of_another_frame_is_told_by_its_metadata() {
    let mut desk = Desk::new();
    let style = |frame| Style {
        frame: Some(frame),
        ..ZIP
    };
    let mut tiles = even(64, 48, 2, 2, 4);
    write_tiles(desk.folder.path(), &desk.picture, &mut tiles, style(17));
    desk.rewrite(&desk.picture.cut(desk.last().at), style(16));
    desk.refused("tile beauty:17:1,1 is of frame 16, expected 17");
    // Where it is known which frame it is, it is the others that are wrong.
    desk.plan.frame = Some(16);
    desk.refused_because_of(
        &["beauty:17:0,0"],
        "tile beauty:17:0,0 is of frame 17, expected 16",
    );
}

#[test]
fn tiles_that_are_elsewhere_are_told_by_their_windows() {
    let desk = Desk::with(0);
    let placed = |tile: &Tile, x: i32| Style {
        position: (tile.at.x as i32 + x, tile.at.y as i32),
        display: Some((0, 0, 64, 48)),
        ..ZIP
    };
    for (tile, x) in desk.plan.tiles.iter().zip([0, 0, 0, -1]) {
        write_exr(&tile.path, &desk.picture.cut(tile.at), placed(tile, x));
    }
    desk.refused(
        "tile beauty:17:1,1 is elsewhere: its data window begins at 31,24, expected 32,24",
    );
}

#[test]
fn a_full_canvas_without_the_tile_is_refused() {
    let mut desk = Desk::new();
    desk.plan.canvas = Canvas::Full;
    for tile in &desk.plan.tiles {
        let style = Style {
            position: (tile.at.x as i32, tile.at.y as i32),
            display: Some((0, 0, 64, 48)),
            ..ZIP
        };
        write_exr(&tile.path, &desk.picture.cut(tile.at), style);
    }
    desk.run("whole.exr").unwrap();
    let display = Style {
        position: (30, 20),
        display: Some((0, 0, 64, 48)),
        ..ZIP
    };
    let at = desk.last().at;
    desk.rewrite(&desk.picture.cut(at), display);
    desk.refused(
        "tile beauty:17:1,1 is elsewhere: its data window 36x28+30+20 does not hold 36x28+28+20",
    );
    desk.rewrite(&desk.picture.cut(at), ZIP);
    desk.refused("tile beauty:17:1,1 is 36x28 pixels large, expected 64x48");
}

#[test]
fn files_that_cannot_be_stitched_say_what_they_are() {
    let desk = Desk::new();
    let whole = desk.bytes();
    let path = desk.last().path.clone();
    // Single bits of the header: a deep file, and one of a method that is not known.
    let mut deep = whole.clone();
    deep[5] |= 0x08;
    std::fs::write(&path, deep).unwrap();
    desk.refused("tile beauty:17:1,1 holds deep samples, which cannot be stitched");
    let mut unknown = whole.clone();
    let name = b"compression\0compression\0\x01\0\0\0";
    let at = unknown.windows(name.len()).position(|w| w == name).unwrap() + name.len();
    unknown[at] = 11;
    std::fs::write(&path, unknown).unwrap();
    desk.refused("tile beauty:17:1,1 is compressed by method 11, which cannot be stitched");
}

#[test]
fn a_folder_or_a_pipe_cannot_be_read() {
    let desk = Desk::new();
    let path = desk.last().path.clone();
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let said = format!(
        "tile beauty:17:1,1 cannot be read from {}: it is no file",
        path.display()
    );
    desk.refused(&said);
    // Nobody writes to it, so whoever opened it would wait.
    std::fs::remove_dir(&path).unwrap();
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    desk.refused(&said);
}

#[test]
fn plans_that_leave_holes_are_refused_before_anything_is_read() {
    let mut desk = Desk::new();
    desk.plan.tiles.pop();
    desk.refused_because_of(&[], "no tile gives the pixels 32x24+32+24");
}

#[test]
fn the_output_keeps_its_place_and_its_format() {
    let desk = Desk::new();
    let out = desk.folder.path().join("there.exr");
    std::fs::write(&out, "mine").unwrap();
    let error = desk.run("there.exr").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} is there already", out.display())
    );
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
    let error = desk.run("out.png").unwrap_err();
    let png = desk.folder.path().join("out.png");
    assert_eq!(
        error.to_string(),
        format!("the tiles are EXR, which {} does not end as", png.display())
    );
    let error = desk.run("none/out.exr").unwrap_err();
    assert!(matches!(error, StitchError::Write(_)), "{error}");
    assert_eq!(error.tiles(), Vec::<&str>::new());
}

#[test]
fn a_cancelled_stitch_leaves_nothing() {
    let desk = Desk::new();
    let before = desk.files();
    let output = Output::new(desk.folder.path().join("out.exr"));
    let error = stitch(&desk.plan, &output, &AtomicBool::new(true)).unwrap_err();
    assert!(matches!(error, StitchError::Cancelled), "{error}");
    assert_eq!(desk.files(), before);
}

/// Four PNG tiles, the last of which is to be spoilt.
fn pngs(folder: &Path) -> (Plan, Png) {
    let picture = Png::new(1, 64, 48, ColorType::Rgb, BitDepth::Sixteen);
    let mut tiles = even(64, 48, 2, 2, 4);
    for tile in &mut tiles {
        tile.path = folder.join(format!("{}.png", tile.path.display()));
        picture.cut(tile.at).write(&tile.path);
    }
    (Plan::new(64, 48, tiles), picture)
}

#[test]
fn png_tiles_that_are_not_as_the_others_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, picture) = pngs(folder.path());
    let last = &plan.tiles[3];
    let output = folder.path().join("out.png");
    let refused = |said: &str| {
        let error = run(&plan, &output).unwrap_err();
        assert_eq!(sentence(&error), said);
        assert_eq!(error.tiles(), ["beauty:17:1,1"]);
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 4, "something was left");
    };
    let other = |color, depth| Png::new(1, 36, 28, color, depth).write(&last.path);
    other(ColorType::Rgb, BitDepth::Eight);
    refused("tile beauty:17:1,1 is unlike the others: it is RGB of 8 bits, they are RGB of 16");
    other(ColorType::Rgba, BitDepth::Sixteen);
    refused("tile beauty:17:1,1 is unlike the others: it is RGBA of 16 bits, they are RGB of 16");
    Png::new(1, 35, 28, ColorType::Rgb, BitDepth::Sixteen).write(&last.path);
    refused("tile beauty:17:1,1 is 35x28 pixels large, expected 36x28");
    let cut = picture.cut(last.at);
    cut.write(&last.path);
    let whole = std::fs::read(&last.path).unwrap();
    std::fs::write(&last.path, &whole[..whole.len() - 5]).unwrap();
    refused("tile beauty:17:1,1 is broken: it ends within its chunks");
    let mut corrupt = whole.clone();
    let middle = whole.len() / 2;
    corrupt[middle] ^= 1;
    std::fs::write(&last.path, corrupt).unwrap();
    let error = run(&plan, &output).unwrap_err();
    assert!(
        sentence(&error).starts_with("tile beauty:17:1,1 is broken: it cannot be decoded ("),
        "{error}"
    );
    let mut interlaced = whole;
    interlaced[28] = 1;
    std::fs::write(&last.path, interlaced).unwrap();
    refused("tile beauty:17:1,1 is interlaced, which cannot be stitched");
    for (tile, frame) in plan.tiles.iter().zip(["0017", "0017", "17", "0018"]) {
        picture.cut(tile.at).write_with(&tile.path, |encoder| {
            encoder
                .add_text_chunk("Frame".to_owned(), frame.to_owned())
                .unwrap();
        });
    }
    refused("tile beauty:17:1,1 is of frame 18, expected 17");
}
