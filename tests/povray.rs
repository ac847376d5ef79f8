//! The real POV-Ray, end to end: a `.pov` or `.ini` goes in, verified frames come out, equal in every
//! decoded channel to what POV-Ray alone writes; and what is wrong is said in a sentence, with its exit
//! code.
//!
//! A machine without POV-Ray says so aloud, and fails when `CI=true`.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;
use support::blender::text;
use support::pictures::Picture;
use support::povray::{Alone, has_povray, scene};
use support::{Desk, Ended, LONG, events, expect_nothing_left, finish};

/// Renders to the end; pictures go to `out/` on the desk. The report, and the files.
#[track_caller]
fn rendered(desk: &Desk, scene: &Path, extension: &str, more: &[&str]) -> (Value, Vec<PathBuf>) {
    let output = format!("out/f.####.{extension}");
    let mut arguments = vec!["render", text(scene), "--local", "2", "-o", &output];
    arguments.extend(["--format", "json", "--events", "events.jsonl"]);
    arguments.extend(more);
    let report = desk.run(arguments).expect_code(0).json();
    expect_nothing_left(report["job"].as_str().expect("a report names its job"));
    let outputs = report["outputs"].as_array().expect("outputs are a list");
    let files = outputs
        .iter()
        .map(|path| PathBuf::from(path.as_str().expect("a path")))
        .collect();
    (report, files)
}

// -- the picture is what POV-Ray alone writes -------------------------------------------------------

/// Fails unless the files are these frames, in this order.
#[track_caller]
fn expect_frames(files: &[PathBuf], alone: &Alone) {
    assert_eq!(files.len(), 12, "{files:#?}");
    for (file, frame) in files.iter().zip(1..) {
        let reference = alone.picture(&format!("{frame:02}"));
        if let Some(difference) = Picture::read(file).difference(&reference) {
            panic!("{} is not frame {frame}: {difference}", file.display());
        }
    }
}

#[track_caller]
fn the_animation_is_povrays_own(extension: &'static str, bits: Option<&str>) {
    if !has_povray() {
        return;
    }
    let desk = Desk::new();
    let option = bits.map(|bits| format!("Bits_Per_Color={bits}"));
    let alone = Alone::render(&scene("shot.ini"), extension, option.as_deref().as_slice());
    let setting = bits.map(|bits| format!("bits_per_color={bits}"));
    let set = setting.as_deref().map_or(vec![], |set| vec!["--set", set]);
    let (report, files) = rendered(&desk, &scene("shot.ini"), extension, &set);
    expect_frames(&files, &alone);

    // The comparison can fail: not for want of detail, and neither for another frame nor for a
    // picture that is a pixel off.
    let first = Picture::read(&files[0]);
    assert!(first.colours() > 1000, "{} colours", first.colours());
    assert!(first.shifted().difference(&alone.picture("01")).is_some());
    let mut swapped = files.clone();
    swapped.swap(3, 7);
    assert!(std::panic::catch_unwind(|| expect_frames(&swapped, &alone)).is_err());
    if bits == Some("16") {
        let fine = |picture: &Picture| picture.channels.values().flatten().any(|one| *one > 255);
        assert!(fine(&first));
    }

    // Frames that follow one another share a process.
    let runs = events(&desk.work().join("events.jsonl"));
    let runs = runs
        .iter()
        .filter(|one| one["event"] == "run-started")
        .count();
    assert!((2..=8).contains(&runs), "{runs} processes: {report:#}");
    assert_eq!(report["tasks"]["done"], 12);
}

#[test]
fn an_animation_in_png_equals_povrays_own() {
    the_animation_is_povrays_own("png", None);
}

#[test]
fn an_animation_in_png_of_16_bits_equals_povrays_own() {
    the_animation_is_povrays_own("png", Some("16"));
}

#[test]
fn an_animation_in_exr_equals_povrays_own() {
    the_animation_is_povrays_own("exr", None);
}

#[test]
fn a_section_a_part_of_the_shot_and_the_scene_itself_are_rendered_as_asked() {
    if !has_povray() {
        return;
    }
    let alone = Alone::render(&scene("shot.ini[small]"), "png", &[]);
    // By the scene's own name: the .ini beside it counts.
    for name in ["shot.ini", "shot.pov"] {
        let desk = Desk::new();
        let more = ["--set", "section=small", "-f", "4,9-11"];
        let (_, files) = rendered(&desk, &scene(name), "png", &more);
        assert_eq!(files.len(), 4);
        for (file, frame) in files.iter().zip(["04", "09", "10", "11"]) {
            let difference = Picture::read(file).difference(&alone.picture(frame));
            assert_eq!(difference, None, "frame {frame} of {name}");
        }
    }
}

#[test]
fn a_scene_without_frames_of_its_own_is_animated_by_those_asked_for() {
    if !has_povray() {
        return;
    }
    let size = ["+W80", "+H45", "+KFI3", "+KFF6", "+KI0", "+KF1"];
    let alone = Alone::render(&scene("shot.pov"), "png", &size);
    let desk = Desk::new();
    let mut more = vec!["-f", "3-6", "--set", "ini=false"];
    more.extend(["--set", "width=80", "--set", "height=45"]);
    let (_, files) = rendered(&desk, &scene("shot.pov"), "png", &more);
    for (file, frame) in files.iter().zip(3..) {
        let difference = Picture::read(file).difference(&alone.picture(&frame.to_string()));
        assert_eq!(difference, None, "frame {frame}");
    }
}

// -- a large picture in tiles -------------------------------------------------------------------------

/// Width and height of the still: small, unless `FRAMEWRIGHT_POVRAY_SIZE` says 7680x4320.
fn still_size() -> (usize, usize) {
    let said = std::env::var("FRAMEWRIGHT_POVRAY_SIZE");
    let said = said.unwrap_or_else(|_| "1000x563".to_owned());
    let (width, height) = said.split_once('x').expect("WIDTHxHEIGHT");
    let number = |text: &str| text.parse().expect("a number of pixels");
    (number(width), number(height))
}

/// Whether there are more than a thousand; of a large picture, all of them would fill the memory.
fn has_many_colours(picture: &Picture) -> bool {
    let pixel = |at: usize| -> Vec<u32> { picture.channels.values().map(|all| all[at]).collect() };
    let mut seen = BTreeSet::new();
    (0..picture.width * picture.height).any(|at| seen.insert(pixel(at)) && seen.len() > 1000)
}

/// The same picture with a rectangle in it moved by one pixel to the right.
fn with_a_tile_moved(picture: &Picture) -> Picture {
    let mut moved = picture.clone();
    let (x, y) = (picture.width / 4, picture.height / 4);
    for samples in moved.channels.values_mut() {
        for row in samples.chunks_mut(picture.width).skip(y).take(y) {
            row[x..2 * x].rotate_right(1);
        }
    }
    moved
}

#[track_caller]
#[expect(clippy::print_stdout, reason = "a long run tells its figures")]
fn the_still_in_tiles_is_povrays_own(
    extension: &'static str,
    options: &[&str],
    settings: &[&str],
    split: &[&str],
) {
    if !has_povray() {
        return;
    }
    let (width, height) = still_size();
    let size = [
        format!("+W{width}"),
        format!("+H{height}"),
        "+MI4000".to_owned(),
    ];
    let options: Vec<&str> = size
        .iter()
        .map(String::as_str)
        .chain(options.iter().copied())
        .collect();
    let begun = Instant::now();
    let alone = Alone::render(&scene("still.pov"), extension, &options).picture("");
    let alone_s = begun.elapsed().as_secs_f64();

    let desk = Desk::new();
    let size = [format!("width={width}"), format!("height={height}")];
    let still = scene("still.pov");
    let output = format!("out/still.{extension}");
    let mut words = vec!["render", text(&still), "--local", "2", "-o", &output];
    words.extend(["--format", "json"]);
    let settings = size
        .iter()
        .map(String::as_str)
        .chain(settings.iter().copied());
    words.extend(settings.flat_map(|setting| ["--set", setting]));
    words.extend(split);
    let report = finish(desk.framewright(&words), LONG * 10)
        .expect_code(0)
        .json();
    let stitched = Picture::read(&desk.work().join(&output));
    println!(
        "{width}x{height} {extension} {split:?}: {alone_s:.1} s alone, {} s in {} tiles on 2 slots",
        report["makespan_s"], report["tasks"]["done"]
    );

    assert_eq!((stitched.width, stitched.height), (width, height));
    assert_eq!(stitched.difference(&alone), None);
    assert!(has_many_colours(&alone));
    assert!(with_a_tile_moved(&stitched).difference(&alone).is_some());
}

#[test]
fn a_still_in_tiles_equals_povrays_own() {
    let split = ["--tiles", "5x4", "--overlap", "0"];
    the_still_in_tiles_is_povrays_own("png", &["+FN16"], &["bits_per_color=16"], &split);
}

#[test]
fn a_still_in_tiles_that_overlap_equals_povrays_own() {
    let split = ["--tiles", "4x3", "--overlap", "16"];
    the_still_in_tiles_is_povrays_own("exr", &[], &[], &split);
}

#[test]
fn a_smoothed_still_is_cut_where_povray_allows_it() {
    for (overlap, method) in [("0", "1"), ("16", "2")] {
        let split = ["--tiles", "3x2", "--overlap", overlap];
        let options = ["+A0.1".to_owned(), format!("+AM{method}")];
        let method = format!("sampling_method={method}");
        the_still_in_tiles_is_povrays_own(
            "png",
            &options.each_ref().map(String::as_str),
            &["antialias=true", "antialias_threshold=0.1", &method],
            &split,
        );
    }
}

#[test]
fn what_would_not_be_equal_in_tiles_is_refused_with_the_reason() {
    let desk = Desk::new();
    desk.file(
        "soft.pov",
        "#version 3.7;\nlight_source { y*9 rgb 1 area_light x, y, 3, 3 }\nplane { y, -1 pigment { rgb 1 } }\n",
    );
    let reason = "shadows of area lights keep traces of what was rendered just before";
    says(
        &desk,
        "soft.pov",
        &["--tiles", "2x2"],
        2,
        &[reason, "hint: "],
    );
    assert!(!desk.work().join("out").exists());
}

// -- what is wrong is said --------------------------------------------------------------------------

/// A render that must end with this code and say this.
#[track_caller]
fn says(desk: &Desk, scene: &str, more: &[&str], code: i32, sentences: &[&str]) -> Ended {
    let mut arguments = vec!["render", scene, "--local", "1", "--overwrite"];
    arguments.extend(["-o", "out/f.####.png", "--retries", "1"]);
    arguments.extend(more);
    let ended = desk.run(arguments).expect_code(code);
    for sentence in sentences {
        assert!(
            ended.stderr.contains(sentence),
            "no {sentence:?} in {ended:#?}"
        );
    }
    ended
}

#[test]
fn a_scene_that_cannot_be_rendered_fails_with_its_reason() {
    if !has_povray() {
        return;
    }
    let desk = Desk::new();
    desk.file(
        "bad.pov",
        "#version 3.7;\nsphere { 0, 1 pigmint { rgb 1 } }\n",
    );
    let bad = "File 'bad.pov' line 2: No matching } in 'sphere', undeclared identifier 'pigmint' found instead";
    says(&desk, "bad.pov", &[], 1, &[bad, "0 of 1 frame"]);

    desk.file("lacks.pov", "#version 3.7;\n\n#include \"gone.inc\"\n");
    let lacks = "File 'lacks.pov' line 3: gone.inc is missing";
    let warned = "warning: include is missing: ";
    says(&desk, "lacks.pov", &[], 1, &[lacks, warned]);
    let inspected = desk.run(["inspect", "lacks.pov"]).expect_code(0);
    assert!((inspected.stdout + &inspected.stderr).contains("gone.inc"));
}

#[test]
fn frames_that_povray_would_replace_by_others_are_refused() {
    if !has_povray() {
        return;
    }
    let desk = Desk::new();
    let shot = scene("shot.ini");
    let beyond = "all:14: given up: the frame is not in the shot, which is 1 to 12";
    says(
        &desk,
        text(&shot),
        &["-f", "13-14"],
        1,
        &[beyond, "final_frame"],
    );
    let negative = "all:-2: given up: POV-Ray counts frames from 0";
    says(&desk, text(&shot), &["-f=-3..-2"], 1, &[negative]);
    assert!(!desk.work().join("out/f.-002.png").exists());
    // Those that are in it are rendered all the same.
    let some = ["-f", "12-13", "--set", "section=small"];
    says(&desk, text(&shot), &some, 1, &["1 of 2 frames"]);
}

#[test]
fn what_names_no_scene_is_refused_before_anything_starts() {
    let desk = Desk::new();
    desk.file("other.ini", "[general]\nlanguage=de\n");
    let hint = "hint: an .ini file names it by Input_File_Name";
    says(&desk, "other.ini", &[], 2, &["names no scene", hint]);
    desk.file("lost.ini", "Input_File_Name=lost.pov\n");
    says(
        &desk,
        "lost.ini",
        &[],
        2,
        &["the scene lost.pov is missing"],
    );
    says(&desk, "lost.ini", &["--set", "quality=99"], 2, &["quality"]);
    let jobs = desk.run(["jobs", "--format", "json"]).expect_code(0).json();
    assert_eq!(jobs["jobs"].as_array().map(Vec::len), Some(0), "{jobs:#}");
}

#[test]
fn a_machine_without_povray_says_so() {
    let desk = Desk::new();
    let farm = "[[host]]\nname = 'here'\nlink = 'local'\nprograms = { povray = '/no/povray' }\n";
    desk.file("farm.toml", farm);
    let shot = scene("shot.ini");
    let ended = desk
        .run(["render", text(&shot), "--hosts", "farm.toml"])
        .expect_code(3);
    assert!(ended.stderr.contains("/no/povray"), "{ended:#?}");
    // What is in a scene, and what rendering it would take, is known without POV-Ray.
    let planned = desk.run(["plan", text(&shot), "--hosts", "farm.toml"]);
    let planned = planned.expect_code(0);
    assert!(
        planned.stdout.contains("frames 1-12, 160 x 90 pixels"),
        "{planned:#?}"
    );
}
