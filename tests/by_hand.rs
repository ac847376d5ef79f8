//! `assemble layers`, `video` and `sheet`, end to end: what they print, what they leave, and what
//! they refuse. What is in the pictures is looked at in `core/assemble/tests`.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use exr::prelude::{AnyChannel, AnyChannels, FlatSamples, Image};
use exr::prelude::{ReadChannels as _, ReadLayers as _, WritableImage as _};
use serde_json::{Value, json};
use support::Desk;

const SIZE: (usize, usize) = (64, 36);

/// A picture of each frame, one frame left out.
fn shot(desk: &Desk, extension: &str, hole: i32) {
    for frame in (1..=6).filter(|frame| *frame != hole) {
        let path = desk.file(format!("shot/a.{frame:04}.{extension}"), "");
        match extension {
            "exr" => write_exr(&path, frame as f32, &["R", "G", "B"]),
            _ => write_png(&path, frame as u8),
        }
    }
}

fn write_exr(path: &Path, value: f32, names: &[&str]) {
    let samples = (0..SIZE.0 * SIZE.1).map(|at| value + at as f32 / 1000.0);
    let plane = FlatSamples::F32(samples.collect());
    let list = names
        .iter()
        .map(|name| AnyChannel::new(*name, plane.clone()));
    let image = Image::from_channels(SIZE, AnyChannels::sort(list.collect()));
    image.write().to_file(path).expect("a picture");
}

fn write_png(path: &Path, value: u8) {
    let file = std::fs::File::create(path).expect("a file");
    let mut encoder = png::Encoder::new(file, SIZE.0 as u32, SIZE.1 as u32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    let bytes = vec![value * 40; SIZE.0 * SIZE.1 * 3];
    writer.write_image_data(&bytes).expect("a picture");
}

/// Runs `assemble` for a program; its document.
fn document(desk: &Desk, typed: &[&str]) -> Value {
    let line = [&["assemble"], typed, &["--format", "json"]].concat();
    desk.run(line).expect_code(0).json()
}

/// Refused, in these words for people and programs.
#[track_caller]
fn refused(desk: &Desk, typed: &[&str], code: i32, says: &str) {
    let line = [&["assemble"], typed].concat();
    let ended = desk.run(&line).expect_code(code);
    let told = ended
        .stderr
        .replace(&format!("{}/", desk.work().display()), "");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], format!("framewright: {says}"), "{told}");
    assert!(lines.len() == 2 && lines[1].starts_with("hint: "), "{told}");
    assert_eq!(ended.stdout, "");
    let ended = desk.run([&line[..], &["--format", "json"]].concat());
    let error = &ended.expect_code(code).json()["error"];
    assert_eq!(error["code"], code);
}

fn there_is_ffmpeg() -> bool {
    let is_here = Command::new("ffmpeg").arg("-version").output().is_ok();
    assert!(
        is_here || std::env::var("CI").as_deref() != Ok("true"),
        "there is no ffmpeg here"
    );
    is_here
}

#[test]
fn layers_become_one_file() {
    let desk = Desk::new();
    let paths = ["b.exr", "s.exr"].map(|name| desk.file(name, ""));
    write_exr(&paths[0], 1.0, &["R", "G", "B", "A"]);
    write_exr(&paths[1], 2.0, &["shadow.Combined.R", "Z"]);
    let typed = ["layers", "beauty=b.exr", "shadow=s.exr", "-o", "out.exr"];
    let told = document(&desk, &typed);
    let channels = [
        "beauty.A",
        "beauty.B",
        "beauty.G",
        "beauty.R",
        "shadow.Combined.R",
        "shadow.Z",
    ]
    .map(|name| format!("{name}:float"));
    let bytes = std::fs::metadata(desk.work().join("out.exr"))
        .expect("the file")
        .len();
    assert_eq!(
        told,
        json!({
            "format": 1, "output": "out.exr", "width": 64, "height": 36, "layers": 2,
            "channels": channels, "left_out": [], "bytes": bytes
        })
    );
    let image = exr::prelude::read()
        .no_deep_data()
        .largest_resolution_level()
        .all_channels()
        .first_valid_layer()
        .all_attributes()
        .from_file(desk.work().join("out.exr"))
        .expect("an EXR");
    assert_eq!(image.layer_data.channel_data.list.len(), 6);
    refused(&desk, &typed, 2, "out.exr is there already");
    document(&desk, &[&typed[..], &["--overwrite"]].concat());
    let said = desk.run([&["assemble"], &typed[..], &["--overwrite"]].concat());
    let said = said.expect_code(0).stdout;
    assert!(
        said.starts_with("out.exr: 64x36, 6 channels from 2 layers, "),
        "{said}"
    );
}

#[test]
fn a_film_and_a_sheet_of_a_shot() {
    if !there_is_ffmpeg() {
        return;
    }
    let desk = Desk::new();
    shot(&desk, "exr", 0);
    let told = document(
        &desk,
        &["video", "shot/a.####.exr", "-o", "f.mov", "--fps", "23.976"],
    );
    let bytes = |name: &str| {
        std::fs::metadata(desk.work().join(name))
            .expect("the file")
            .len()
    };
    assert_eq!(
        told,
        json!({
            "format": 1, "output": "f.mov", "width": 64, "height": 36, "frames": 6,
            "fps": 24000.0 / 1001.0, "codec": "ProRes 422 HQ", "holes": [], "bytes": bytes("f.mov")
        })
    );
    let said = desk.run(["assemble", "video", "shot", "-o", "f.mp4", "-f", "1-5x2"]);
    let said = said.expect_code(0).stdout;
    let start = "f.mp4: H.264, 64x36, 3 frames at 24 a second (--fps sets another rate), ";
    assert!(said.starts_with(start), "{said}");
    let told = document(&desk, &["video", "shot", "-o", "f.mkv", "--crf", "30"]);
    assert_eq!(
        (&told["codec"], &told["frames"]),
        (&json!("H.264"), &json!(6))
    );
    let told = document(
        &desk,
        &["sheet", "shot/a.*.exr", "-o", "s.png", "--width", "64"],
    );
    assert_eq!(
        told,
        json!({
            "format": 1, "output": "s.png", "width": told["width"], "height": told["height"],
            "columns": 3, "rows": 2, "frames": 6, "holes": [], "bytes": bytes("s.png")
        })
    );
}

#[test]
fn holes_are_named_and_shown() {
    let desk = Desk::new();
    shot(&desk, "png", 4);
    refused(
        &desk,
        &["video", "shot", "-o", "f.mp4"],
        2,
        "frame 4 has no picture",
    );
    let told = document(&desk, &["sheet", "shot", "-o", "s.png"]);
    assert_eq!((&told["frames"], &told["holes"]), (&json!(5), &json!([4])));
    let said = desk.run(["assemble", "sheet", "shot", "-f", "3-9", "-o", "t.png"]);
    let said = said.expect_code(0).stdout;
    assert!(said.ends_with(", frames 4, 7-9 are missing\n"), "{said}");
    if there_is_ffmpeg() {
        let typed = [
            "assemble", "video", "shot", "-o", "f.mp4", "--holes", "repeat",
        ];
        let ended = desk.run([&typed[..], &["--exposure", "-1"]].concat());
        let ended = ended.expect_code(0);
        assert!(
            ended.stdout.contains(" 6 frames at 24 "),
            "{}",
            ended.stdout
        );
        let vain = "warning: --exposure does nothing: PNGs are shown as they are\n";
        assert_eq!(ended.stderr, vain);
    }
}

#[test]
fn no_ffmpeg_is_an_exit_code_of_its_own() {
    let desk = Desk::new();
    shot(&desk, "png", 0);
    let empty = desk.work().join("empty");
    std::fs::create_dir(&empty).expect("a folder");
    let mut command = desk.framewright(["assemble", "video", "shot", "-o", "f.mp4"]);
    command.env("PATH", &empty);
    let ended = support::finish(command, support::LONG).expect_code(3);
    assert_eq!(
        ended.stderr,
        "framewright: cannot find `ffmpeg`, which makes films\n\
         hint: install ffmpeg (Debian: apt install ffmpeg), or put it on the PATH\n"
    );
    assert!(!desk.work().join("f.mp4").exists());
}

#[test]
fn what_cannot_be_assembled_is_one_sentence() {
    let desk = Desk::new();
    shot(&desk, "exr", 0);
    let png: PathBuf = desk.file("p.png", "");
    write_png(&png, 1);
    write_exr(&desk.file("b.exr", ""), 1.0, &["R"]);
    for (typed, says) in [
        (
            &["layers", "beauty", "-o", "o.exr"][..],
            "`beauty` is no LAYER=FILE",
        ),
        (
            &["layers", "a=b.exr", "b=p.png", "-o", "o.exr"],
            "p.png is a PNG, which holds one layer only: layers are merged from EXR files",
        ),
        (
            &["layers", "a=b.exr", "a=b.exr", "-o", "o.exr"],
            "the layer `a` is given twice",
        ),
        (
            &["layers", "a=none.exr", "-o", "o.exr"],
            "cannot read none.exr: No such file or directory (os error 2)",
        ),
        (
            &["video", "shot", "-o", "f.avi"],
            "f.avi is no name of a film",
        ),
        (
            &["video", "shot", "-o", "f.mp4", "--alpha"],
            "f.mp4 would be H.264, which has no alpha",
        ),
        (
            &["video", "shot", "-o", "f.mp4", "--fps", "0"],
            "--fps: `0` is no frame rate: write 24, 23.976 or 24000/1001",
        ),
        (
            &["video", "shot", "-o", "f.mp4", "--view", "aces"],
            "`aces` is no view: use srgb, rec709, raw or a .cube file",
        ),
        (
            &["video", "shot", "-o", "f.mp4", "--layer", "fx"],
            "shot/a.0001.exr has no layer `fx`: it has none",
        ),
        (
            &["video", "shot/a.0001.exr", "-o", "f.mp4"],
            "`shot/a.0001.exr` has no `####` for the frame",
        ),
        (
            &["sheet", "none/a.####.exr", "-o", "s.png"],
            "cannot list the folder none: No such file or directory (os error 2)",
        ),
        (
            &["sheet", "shot", "-o", "s.jpg"],
            "s.jpg is no name of a contact sheet",
        ),
        (
            &["sheet", "shot", "-o", "s.png", "--columns", "0"],
            "0 columns are not between 1 and 10000",
        ),
        (
            &["sheet", "shot", "-o", "s.png", "-f", "7-8"],
            "there is no picture to put on a sheet",
        ),
    ] {
        refused(&desk, typed, 2, says);
    }
    let left: Vec<_> = std::fs::read_dir(desk.work())
        .expect("the folder")
        .collect();
    assert_eq!(left.len(), 3, "{left:?}");
}
