//! Tiles and layers of real Blender scenes, through the whole program: what is put together is what
//! Blender makes alone, in every bit of every channel.
//!
//! References are Blender's own, and framewright has no part in them. Each comparison is seen to fail
//! for a picture that is off by a pixel. `FRAMEWRIGHT_4K=1` renders the still at 3840x2160, as
//! `tests/soak` does. A machine without Blender says so aloud, and fails when `CI=true`.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use support::blender::{Reference, blender, has_blender, made_by, text};
use support::pictures::Picture;
use support::{Desk, expect_nothing_left};
use tempfile::TempDir;

/// One of the scenes that differ in what is done to the same still.
fn scene(name: &str) -> PathBuf {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    made_by("make_tiles.py", &MADE).join(format!("{name}.blend"))
}

/// Renders to the end; the report, and the one picture.
#[track_caller]
fn rendered(desk: &Desk, scene: &Path, name: &str, more: &[&str]) -> (Value, PathBuf) {
    let output = format!("{name}/f.####.exr");
    let mut arguments = vec!["render", text(scene), "--local", "4", "-o", &output];
    arguments.extend(["--format", "json"]);
    arguments.extend(more);
    let report = desk.run(arguments).expect_code(0).json();
    expect_nothing_left(report["job"].as_str().expect("a report names its job"));
    let outputs = report["outputs"].as_array().expect("outputs are a list");
    assert_eq!(outputs.len(), 1, "{report}");
    let path = PathBuf::from(outputs[0].as_str().expect("a path"));
    let beside: Vec<_> = std::fs::read_dir(path.parent().expect("a folder"))
        .expect("it can be listed")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert_eq!(beside, std::slice::from_ref(&path), "pieces are gone");
    (report, path)
}

#[track_caller]
fn expect_equal(found: &Path, alone: &Picture) {
    let found = Picture::read(found);
    assert_eq!(found.difference(alone), None);
    assert!(found.shifted().difference(alone).is_some());
    assert!(alone.colours() > 1000, "{} colours", alone.colours());
}

#[test]
fn a_still_in_a_hundred_tiles_is_the_picture_that_blender_makes_alone() {
    if !has_blender() {
        return;
    }
    let (python, settings): (&str, &[&str]) = match std::env::var_os("FRAMEWRIGHT_4K") {
        None => ("", &[]),
        Some(_) => (
            "scene.render.resolution_x, scene.render.resolution_y = 3840, 2160",
            &["--set", "resolution_x=3840", "--set", "resolution_y=2160"],
        ),
    };
    let scene = scene("plain");
    let alone = Reference::render(&scene, "exr", (1, 1), python).frame(1);
    let desk = Desk::new();
    for overlap in ["0", "16"] {
        let tiles = ["--tiles", "10x10", "--overlap", overlap];
        let options = [&tiles[..], settings].concat();
        let (report, path) = rendered(&desk, &scene, overlap, &options);
        assert_eq!(report["tasks"]["total"], 100, "{report}");
        assert_eq!(
            report["assembled"],
            json!({"total": 1, "done": 1, "failed": 0})
        );
        expect_equal(&path, &alone);
    }
}

#[test]
fn tiles_overlap_by_what_the_scene_needs_when_nothing_is_said() {
    if !has_blender() {
        return;
    }
    let desk = Desk::new();
    for name in ["adaptive", "blur"] {
        let scene = scene(name);
        let alone = Reference::render(&scene, "exr", (1, 1), "").frame(1);
        let (_, path) = rendered(&desk, &scene, name, &["--tiles", "3x2"]);
        expect_equal(&path, &alone);
    }
    // Less than that is a word against the scene's, and not followed.
    let blur = scene("blur");
    let less = [
        "render",
        text(&blur),
        "-o",
        "less/f.####.exr",
        "--tiles",
        "3x2",
        "--overlap",
        "5",
    ];
    let ended = desk.run(less).expect_code(2);
    assert!(ended.stderr.contains("12"), "{ended:#?}");
}

#[test]
fn tiles_that_would_change_the_picture_are_refused_with_the_reason() {
    if !has_blender() {
        return;
    }
    let desk = Desk::new();
    for (name, extension, why) in [
        ("glare", "exr", "Glare"),
        ("denoised", "exr", "denoising"),
        ("cross", "exr", "scene Other"),
        ("dithered", "png", "dithering"),
        ("workbench", "exr", "BLENDER_WORKBENCH"),
    ] {
        let output = format!("{name}/f.####.{extension}");
        let scene = scene(name);
        let ended = desk
            .run(["render", text(&scene), "-o", &output, "--tiles", "2x2"])
            .expect_code(2);
        assert!(ended.stderr.contains(why), "{name}: {}", ended.stderr);
        assert!(!desk.work().join(name).exists(), "{name}");
    }
}

#[test]
fn layers_rendered_apart_are_the_multilayer_file_that_blender_makes_alone() {
    if !has_blender() {
        return;
    }
    let scene = scene("three");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pattern = folder.path().join("alone_####");
    blender([text(&scene), "-o", text(&pattern), "-x", "1", "-f", "1"]);
    let alone = Picture::read(&folder.path().join("alone_0001.exr"));
    let names: Vec<&str> = alone.channels.keys().map(String::as_str).collect();
    for channel in ["beauty.Combined.R", "chars.far 2.Normal.X", "fx.Depth.Z"] {
        assert!(names.contains(&channel), "{channel} in {names:?}");
    }
    assert!(names.iter().all(|name| !name.starts_with("unused")));
    let desk = Desk::new();
    for (name, tasks, more) in [
        ("whole", 3, &["--split", "layers"][..]),
        ("tiled", 18, &["--split", "layers", "--tiles", "3x2"]),
    ] {
        let (report, path) = rendered(&desk, &scene, name, more);
        assert_eq!(report["tasks"]["total"], tasks, "{report}");
        expect_equal(&path, &alone);
        // Another layer's picture in one's place is seen.
        let mut swapped = Picture::read(&path);
        let other = swapped.channels["fx.Combined.R"].clone();
        swapped
            .channels
            .insert("beauty.Combined.R".to_owned(), other);
        assert!(swapped.difference(&alone).is_some());
        if let Ok(told) = Command::new("oiiotool")
            .args(["--info", "-v"])
            .arg(&path)
            .output()
        {
            let told = String::from_utf8_lossy(&told.stdout).into_owned();
            let count = format!("{} channel", alone.channels.len());
            assert!(
                told.contains(&count) && told.contains("chars.far 2.Normal.X"),
                "{told}"
            );
        } else {
            assert_ne!(
                std::env::var("CI").as_deref(),
                Ok("true"),
                "there is no oiiotool"
            );
        }
    }
}
