//! Against the field's own programs: pictures that oiiotool, POV-Ray and Blender make or read alone.
//!
//! Each equality has a control that must fail: tiles swapped, or another picture.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod kit;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use framewright_assemble::Rect;
use framewright_assemble::stitch::{Canvas, Layout, Plan, Tile};
use kit::{even, grid, run};

/// Whether a program is here to test with.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "CI has no {program}"
        );
        say_skip(program);
    }
    found
}

#[expect(
    clippy::print_stderr,
    reason = "a test that could not run must be seen"
)]
fn say_skip(program: &str) {
    eprintln!("SKIPPED: there is no {program} here, so nothing was tried with it");
}

fn ended(program: &str, folder: &Path, words: &[&str]) -> Output {
    Command::new(program)
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap()
}

#[track_caller]
fn done(program: &str, folder: &Path, words: &[&str]) -> String {
    let output = ended(program, folder, words);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {words:?}: {output:?}");
    said
}

/// Whether oiiotool finds every pixel equal.
fn equal(folder: &Path, one: &str, other: &str) -> bool {
    let words = ["--fail", "0", "--hardfail", "0", "-a", one, other, "--diff"];
    ended("oiiotool", folder, &words).status.success()
}

/// A picture of more than a thousand colours, made by oiiotool.
fn picture(folder: &Path, name: &str, channels: &str, rest: &[&str]) {
    let count = channels.split(',').count().to_string();
    let size = "320x180";
    let mut words = vec![
        "--pattern",
        "fill:topleft=0.1,0.2,0.3,1,5:bottomright=0.9,0.1,0.5,1,9",
        size,
        &count,
        "--pattern",
        "noise:type=gaussian:mean=0:stddev=0.02:seed=7",
        size,
        &count,
        "--add",
        "--chnames",
        channels,
    ];
    words.extend(rest);
    words.extend(["-o", name]);
    done("oiiotool", folder, &words);
}

/// Cuts tiles of a picture by oiiotool, each with a window of its own.
fn cut(folder: &Path, picture: &str, tiles: &mut [Tile], how: &[&str]) {
    let extension = picture.rsplit('.').next().unwrap();
    let names: Vec<(String, String)> = tiles
        .iter()
        .map(|tile| {
            let Rect {
                x,
                y,
                width,
                height,
            } = tile.at;
            let name = format!("{}.{extension}", tile.path.display());
            (name, format!("{width}x{height}+{x}+{y}"))
        })
        .collect();
    let mut words = vec![picture];
    for (name, at) in &names {
        words.extend(["--dup", "--cut", at]);
        words.extend(how);
        words.extend(["-o", name, "--pop"]);
    }
    done("oiiotool", folder, &words);
    for (tile, (name, _)) in tiles.iter_mut().zip(&names) {
        tile.path = folder.join(name);
    }
}

fn swapped(plan: &Plan) -> Plan {
    let mut swapped = plan.clone();
    let (one, other) = (plan.tiles[1].path.clone(), plan.tiles[2].path.clone());
    swapped.tiles[1].path = other;
    swapped.tiles[2].path = one;
    swapped
}

#[test]
fn oiiotool_finds_every_pixel_equal() {
    if !has("oiiotool") {
        return;
    }
    let cases = [
        ("zip", Layout::Scanline, 0),
        ("zip", Layout::Tiled, 0),
        ("zip", Layout::Scanline, 16),
        ("piz", Layout::Tiled, 0),
        ("zips", Layout::Tiled, 0),
        ("rle", Layout::Scanline, 16),
        ("none", Layout::Scanline, 0),
    ];
    for (compression, layout, overlap) in cases {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let how = ["-d", "half", "--compression", compression];
        picture(folder, "whole.exr", "R,G,B,A,Z", &how);
        let mut tiles = grid(320, 180, &[80, 160, 240], &[64, 128], overlap);
        cut(folder, "whole.exr", &mut tiles, &how);
        let mut plan = Plan::new(320, 180, tiles);
        plan.layout = layout;
        let stitched = run(&plan, &folder.join("ours.exr")).unwrap();
        let case = format!("{compression} {layout:?}");
        assert!(stitched.seams.is_empty(), "{case}");
        assert!(equal(folder, "whole.exr", "ours.exr"), "{case}");
        let told = done("oiiotool", folder, &["--info", "-v", "ours.exr"]);
        let is_tiled = told.contains("tile size: 80 x ");
        assert_eq!(is_tiled, layout == Layout::Tiled, "{told}");
        let told_compression = format!("compression: \"{compression}\"");
        assert!(told.contains(&told_compression), "{told}");
        if overlap == 0 {
            run(&swapped(&plan), &folder.join("swapped.exr")).unwrap();
            assert!(!equal(folder, "whole.exr", "swapped.exr"), "no control");
        }
    }
}

/// What is lost is lost in the tiles: the reference is oiiotool's own mosaic of them.
#[test]
fn tiles_that_lost_something_lose_no_more() {
    if !has("oiiotool") {
        return;
    }
    for compression in ["pxr24", "b44", "b44a", "dwaa", "dwab"] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        picture(folder, "whole.exr", "R,G,B,A", &["-d", "half"]);
        let mut tiles = even(320, 180, 4, 3, 0);
        let how = ["-d", "half", "--compression", compression];
        cut(folder, "whole.exr", &mut tiles, &how);
        let names: Vec<String> = tiles
            .iter()
            .map(|tile| tile.path.display().to_string())
            .collect();
        let mut words: Vec<&str> = names.iter().map(String::as_str).collect();
        words.extend(["--mosaic", "4x3", "-d", "half", "--compression", "zip"]);
        words.extend(["-o", "mosaic.exr"]);
        done("oiiotool", folder, &words);
        let plan = Plan::new(320, 180, tiles);
        run(&plan, &folder.join("ours.exr")).unwrap();
        assert!(equal(folder, "mosaic.exr", "ours.exr"), "{compression}");
        let told = done("oiiotool", folder, &["--info", "-v", "ours.exr"]);
        assert!(told.contains("compression: \"zip\""), "{told}");
        run(&swapped(&plan), &folder.join("swapped.exr")).unwrap();
        assert!(!equal(folder, "mosaic.exr", "swapped.exr"), "no control");
    }
}

#[test]
fn tiles_in_tiles_with_windows_and_in_parts_are_read() {
    if !has("oiiotool") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    picture(folder, "beauty.exr", "R,G,B,A", &["-d", "half"]);
    picture(folder, "depth.exr", "Z", &["-d", "float"]);
    let whole = ["beauty.exr", "depth.exr", "--siappend", "-o", "whole.exr"];
    done("oiiotool", folder, &whole);
    let mut tiles = even(320, 180, 3, 3, 8);
    // --crop leaves the display window alone, as a region of a renderer does.
    for tile in &mut tiles {
        let at = tile.at.to_string();
        let name = format!("{}.exr", tile.path.display());
        let words = [
            "beauty.exr",
            "--crop",
            &at,
            "depth.exr",
            "--crop",
            &at,
            "--siappend",
            "--tile",
            "32",
            "16",
            "-o",
            &name,
        ];
        done("oiiotool", folder, &words);
        tile.path = folder.join(name);
    }
    let mut plan = Plan::new(320, 180, tiles);
    for layout in [Layout::Auto, Layout::Scanline] {
        plan.layout = layout;
        let name = format!("{layout:?}.exr");
        let stitched = run(&plan, &folder.join(&name)).unwrap();
        assert!(stitched.seams.is_empty());
        assert!(equal(folder, "whole.exr", &name), "{layout:?}");
        let told = done("oiiotool", folder, &["--info", "-v", "-a", &name]);
        assert!(told.contains("320 x  180, 4 channel, float"), "{told}");
        assert!(told.contains("320 x  180, 1 channel, float"), "{told}");
        assert!(!told.contains("full/display"), "{told}");
        assert_eq!(told.contains("tile size: 32 x 16"), layout == Layout::Auto);
    }
}

#[test]
fn overscan_is_kept() {
    if !has("oiiotool") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    picture(folder, "small.exr", "R,G,B", &["-d", "half"]);
    // A display window within the data window.
    let full = [
        "small.exr",
        "--fullsize",
        "300x160+10+10",
        "-o",
        "whole.exr",
    ];
    done("oiiotool", folder, &full);
    let mut tiles = even(320, 180, 2, 2, 0);
    for tile in &mut tiles {
        let name = format!("{}.exr", tile.path.display());
        let at = tile.at.to_string();
        done(
            "oiiotool",
            folder,
            &["whole.exr", "--crop", &at, "-o", &name],
        );
        tile.path = folder.join(name);
    }
    run(&Plan::new(320, 180, tiles), &folder.join("ours.exr")).unwrap();
    assert!(equal(folder, "whole.exr", "ours.exr"));
    let windows = |name: &str| {
        let told = done("oiiotool", folder, &["--info", "-v", name]);
        let of = |key: &str| {
            let line = told.lines().find(|line| line.contains(key));
            line.map(str::to_owned)
        };
        (of("pixel data origin"), of("full/display"))
    };
    assert_eq!(windows("whole.exr"), windows("ours.exr"));
    assert!(windows("ours.exr").1.is_some());
}

#[test]
fn oiiotool_finds_every_pixel_of_a_png_equal() {
    if !has("oiiotool") {
        return;
    }
    for bits in ["uint8", "uint16"] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        picture(folder, "whole.png", "R,G,B", &["-d", bits]);
        let mut tiles = even(320, 180, 4, 3, 8);
        cut(folder, "whole.png", &mut tiles, &["-d", bits]);
        let plan = Plan::new(320, 180, tiles);
        assert!(
            run(&plan, &folder.join("ours.png"))
                .unwrap()
                .seams
                .is_empty()
        );
        assert!(equal(folder, "whole.png", "ours.png"), "{bits}");
        let other = &plan.tiles[6].path;
        std::fs::copy(&plan.tiles[5].path, other).unwrap();
        let seams = run(&plan, &folder.join("swapped.png")).unwrap().seams;
        assert!(!seams.is_empty());
        assert!(!equal(folder, "whole.png", "swapped.png"), "no control");
    }
}

const SCENE: &str = "#version 3.7;
global_settings { assumed_gamma 1 }
camera { location <0,2,-5> look_at 0 }
light_source { <5,8,-6> rgb 1 }
plane { y, -1 pigment { checker rgb <.2,.5,.9> rgb <.9,.8,.3> } }
sphere { 0, 1 pigment { granite scale .3 } finish { reflection .3 phong .6 } }
";

/// POV-Ray writes a picture of full size for each tile, black outside of it.
#[test]
fn tiles_of_pov_ray_are_its_picture() {
    if !has("povray") || !has("oiiotool") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("a.pov"), SCENE).unwrap();
    let render = |output: &str, bits: &str, region: &[String]| {
        let output = format!("+O{output}");
        let bits = format!("+FN{bits}");
        let mut words = vec!["+Ia.pov", "+W160", "+H120", "-D", "-GA", &output, &bits];
        words.extend(region.iter().map(String::as_str));
        done("povray", folder, &words);
    };
    for bits in ["8", "16"] {
        render("whole.png", bits, &[]);
        let mut tiles = grid(160, 120, &[55, 110], &[50], 4);
        for tile in &mut tiles {
            let name = format!("{}.png", tile.path.display());
            let at = tile.at;
            let region = [
                format!("+SC{}", at.x + 1),
                format!("+EC{}", at.right()),
                format!("+SR{}", at.y + 1),
                format!("+ER{}", at.bottom()),
            ];
            render(&name, bits, &region);
            tile.path = folder.join(name);
        }
        let mut plan = Plan::new(160, 120, tiles);
        plan.canvas = Canvas::Full;
        let ours = format!("ours{bits}.png");
        let stitched = run(&plan, &folder.join(&ours)).unwrap();
        assert!(stitched.seams.is_empty(), "{:?}", stitched.seams);
        assert!(equal(folder, "whole.png", &ours), "{bits} bits");
        // A rectangle that is larger than what was rendered is black at its edge, and that is seen.
        plan.tiles[0].at.width += 1;
        let name = format!("wrong{bits}.png");
        let seams = run(&plan, &folder.join(name)).unwrap().seams;
        assert!(!seams.is_empty(), "no control");
    }
}

/// What Blender sees of an EXR: its size, channels, and the hash of all pixels.
fn blender_sees(folder: &Path, names: &[&str]) -> Vec<String> {
    let script = "
import bpy, sys, hashlib, array
for name in sys.argv[sys.argv.index('--') + 1:]:
    image = bpy.data.images.load(name)
    image.colorspace_settings.name = 'Non-Color'
    pixels = array.array('f', image.pixels[:])
    colours = len(set(zip(*[iter(pixels)] * 4)))
    print('@@', image.size[0], image.size[1], image.channels, colours > 1000,
          hashlib.sha256(pixels.tobytes()).hexdigest())
";
    let paths: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    let mut words = vec!["-b", "--factory-startup", "--python-exit-code", "3"];
    words.extend(["--python-expr", script, "--"]);
    words.extend(paths.iter().map(|path| path.to_str().unwrap()));
    let said = done("blender", folder, &words);
    let seen = said.lines().filter_map(|line| line.strip_prefix("@@ "));
    seen.map(str::to_owned).collect()
}

#[test]
fn blender_reads_both_layouts() {
    if !has("oiiotool") || !has("blender") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let how = ["-d", "half", "--compression", "zip"];
    picture(folder, "whole.exr", "R,G,B,A", &how);
    let mut tiles = grid(320, 180, &[80, 160, 240], &[64, 128], 0);
    cut(folder, "whole.exr", &mut tiles, &how);
    let mut plan = Plan::new(320, 180, tiles);
    for (layout, name) in [
        (Layout::Scanline, "lines.exr"),
        (Layout::Tiled, "tiled.exr"),
    ] {
        plan.layout = layout;
        run(&plan, &folder.join(name)).unwrap();
    }
    run(&swapped(&plan), &folder.join("swapped.exr")).unwrap();
    let names = ["whole.exr", "lines.exr", "tiled.exr", "swapped.exr"];
    let seen = blender_sees(folder, &names);
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(seen[0].starts_with("320 180 4 True "), "{seen:?}");
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    assert_ne!(seen[0], seen[3], "no control");
}
