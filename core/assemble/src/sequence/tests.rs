use std::path::Path;

use super::*;

fn touch(folder: &Path, names: &[&str]) {
    for name in names {
        std::fs::write(folder.join(name), b"").expect("a file");
    }
}

fn frames(typed: &Path) -> Result<Vec<i32>, String> {
    let found = Sequence::find(typed).map_err(|error| error.to_string())?;
    let cells = found.cells().map_err(|error| error.to_string())?;
    Ok(cells
        .iter()
        .filter(|cell| cell.path.is_some())
        .map(|cell| cell.frame)
        .collect())
}

#[test]
fn a_pattern_finds_its_frames_and_no_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let top = folder.path();
    touch(
        top,
        &[
            "a.0001.exr",
            "a.0003.exr",
            "a.00004.exr",
            "a.10000.exr",
            "a.-0002.exr",
            "a.0005.png",
            "b.0006.exr",
            "a.beauty.0007.exr",
            ".a.0008.exr",
        ],
    );
    let typed = top.join("a.####.exr");
    assert_eq!(frames(&typed), Ok(vec![-2, 1, 3, 10000]));
    assert_eq!(frames(&top.join("a.%04d.exr")), Ok(vec![-2, 1, 3, 10000]));
    let found = Sequence::find(&typed).expect("frames");
    let chosen = found.chosen(1..=5);
    assert_eq!(holes(&chosen), [2, 4, 5]);
    assert_eq!(
        chosen[2].path.as_deref(),
        Some(top.join("a.0003.exr").as_path())
    );
    assert_eq!(holes(&found.cells().expect("cells")).len(), 9999);
}

#[test]
fn a_folder_is_one_sequence_or_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let top = folder.path();
    touch(
        top,
        &["a.0001.png", "a.0002.png", "sheet.png", "log.0001.txt"],
    );
    assert_eq!(frames(top), Ok(vec![1, 2]));
    touch(top, &["b.0001.exr"]);
    let refused = frames(top).expect_err("two sequences");
    let [a, b] = ["a.####.png", "b.####.exr"].map(|name| top.join(name).display().to_string());
    let expected = format!("`{}` is 2 sequences: `{a}`, `{b}`", top.display());
    assert_eq!(refused, expected);
    assert_eq!(frames(&top.join("a.*.png")), Ok(vec![1, 2]));
    touch(top, &["a.002.png"]);
    let refused = frames(&top.join("a.*")).expect_err("a frame twice");
    assert!(refused.starts_with("frame 2 is both "), "{refused}");
}

#[test]
fn what_names_no_frames_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let say = |name: &str| frames(&folder.path().join(name)).expect_err(name);
    assert!(say("a.0001.exr").ends_with("has no `####` for the frame"));
    assert!(say("a.##.##.exr").contains("in several places"));
    assert!(say("a.####.exr").starts_with("no picture fits"));
    assert!(say("none/a.####.exr").starts_with("cannot list the folder"));
    touch(folder.path(), &["d.1.png", "d.20260101.png"]);
    assert!(say("d.#.png").contains("go from 1 to 20260101, more than"));
}

#[test]
fn frames_are_told_as_sets() {
    for (frames, set) in [
        (&[3, 7, 8, 9][..], "3, 7-9"),
        (&[1, 3, 5, 7, 8], "1-7x2, 8"),
        (&[1, 3, 8], "1, 3, 8"),
        (&[-3, -2, -1, 0, 1], "-3..1"),
        (&[5, 6], "5-6"),
        (&[], ""),
    ] {
        assert_eq!(frame_set(frames), set);
    }
    assert_eq!(frames_in_words(&[4], "is", "are"), "frame 4 is");
    assert_eq!(frames_in_words(&[4, 5], "is", "are"), "frames 4-5 are");
    let many: Vec<i32> = (0..200).map(|n| n * n).collect();
    let words = frames_in_words(&many, "is", "are");
    assert!(
        words.len() < 170 && words.ends_with("… (200 in all) are"),
        "{words}"
    );
}

fn png(path: &Path, width: u32, color: png::ColorType) {
    let file = std::fs::File::create(path).expect("a file");
    let mut encoder = png::Encoder::new(file, width, 2);
    encoder.set_color(color);
    let data = vec![7; width as usize * 2 * color.samples()];
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&data).expect("a picture");
}

#[test]
fn pictures_that_differ_from_most_are_named() {
    use png::ColorType::{Rgb, Rgba};
    let folder = tempfile::tempdir().expect("a folder");
    let path = |frame: i32| folder.path().join(format!("a.{frame:04}.png"));
    for frame in 1..=6 {
        png(&path(frame), 4, Rgb);
    }
    let cells = || {
        let found = Sequence::find(&folder.path().join("a.####.png")).expect("frames");
        found.cells().expect("cells")
    };
    let alike = check_alike(&cells()).expect("alike").expect("pictures");
    assert_eq!((alike.width, alike.height, alike.is_light), (4, 2, false));
    assert_eq!(alike.channels, ["R:u8", "G:u8", "B:u8"]);
    png(&path(4), 4, Rgba);
    let said = check_alike(&cells()).expect_err("alpha").to_string();
    let first = path(4).display().to_string();
    assert_eq!(
        said,
        format!("frame 4 has the channels R:u8 G:u8 B:u8 A:u8, the others R:u8 G:u8 B:u8: {first}")
    );
    png(&path(4), 3, Rgb);
    png(&path(5), 3, Rgb);
    let said = check_alike(&cells()).expect_err("sizes").to_string();
    assert_eq!(
        said,
        format!("frames 4-5 have 3x2 pixels, the others 4x2: {first}")
    );
    std::fs::write(path(2), b"no picture").expect("a file");
    let said = check_alike(&cells()).expect_err("broken").to_string();
    assert!(said.contains("a.0002.png is not a whole PNG"), "{said}");
}
