//! Sessions against the real POV-Ray: frames equal what it makes alone, each way in which it exits 0
//! without the right picture is refused, and each way to fail ends as the right verdict.
//!
//! A machine without POV-Ray says so aloud, and fails when `CI=true`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use framewright_plugin_api::data::{Effect, Input, Task, Tile, Verdict};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::bench::{Act, Bench};

/// Whether there is a POV-Ray to test with.
pub fn has_povray() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let found = *FOUND.get_or_init(|| Command::new("povray").arg("--version").output().is_ok());
    if !found {
        must_not_skip();
    }
    found
}

#[expect(
    clippy::print_stderr,
    reason = "a test that could not run must be seen"
)]
fn must_not_skip() {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no POV-Ray");
    eprintln!("SKIPPED: there is no POV-Ray here, so nothing was tried with the real one");
}

/// A moving ball over a mirror, with an include of its own.
pub const SHOT: &str = "\
#version 3.7;
#include \"ball.inc\"
global_settings { assumed_gamma 1 }
camera { location <0,1,-4> look_at 0 }
light_source { <4,6,-5> rgb 1 }
plane { y,-1 pigment { checker rgb <.2,.5,.7> rgb <.9,.8,.3> } finish { reflection .2 } }
sphere { <sin(clock*2),0,frame_number*0.01>,1 pigment { Ball } finish { phong .8 } }
";
pub const BALL: &str = "#declare Ball = pigment { wrinkles color_map { [0 rgb x] [1 rgb z] } };\n";

/// A folder with the shot, and its options.
pub fn shot(ini: &str) -> Bench {
    let bench = Bench::new();
    bench.file("my shot.pov", SHOT);
    bench.file("ball.inc", BALL);
    bench.file(
        "shot.ini",
        format!("Input_File_Name=\"my shot.pov\"\nWidth=64\nHeight=48\n{ini}"),
    );
    bench
}

/// POV-Ray by itself, in the folder of the shot.
#[track_caller]
pub fn alone(bench: &Bench, arguments: &[&str]) {
    let ended = Command::new("povray")
        .args(arguments)
        .arg("-D")
        .current_dir(bench.path())
        .output()
        .expect("POV-Ray starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
}

/// Width, height, bytes a pixel, and samples of a PNG.
#[track_caller]
pub fn pixels(path: &Path) -> (u32, u32, usize, Vec<u8>) {
    let file = fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut reader = png::Decoder::new(std::io::BufReader::new(file))
        .read_info()
        .expect("a PNG");
    let mut bytes = vec![0; reader.output_buffer_size().expect("its size is known")];
    let info = reader.next_frame(&mut bytes).expect("all of it");
    let pixel = info.line_size / info.width as usize;
    (info.width, info.height, pixel, bytes)
}

fn frame_alone(bench: &Bench, name: &str) -> PathBuf {
    bench.path().join(name)
}

fn nothing() -> Value {
    json!({})
}

// -- frames are POV-Ray's own ---------------------------------------------------------------------

#[test]
fn a_part_of_a_shot_equals_the_same_part_of_the_whole() {
    if !has_povray() {
        return;
    }
    for (ini, cyclic) in [("+A0.1\n", false), ("Cyclic_Animation=on\n", true)] {
        let bench = shot(&format!("Final_Frame=9\nFinal_Clock=2.5\n{ini}"));
        alone(&bench, &["shot.ini", "+Oalone.png"]);
        let ended = bench.render("shot.ini", &nothing(), &[4, 5, 6, 9]);
        ended.all(Verdict::Succeeded, "");
        // One process for what follows, one for the rest.
        assert_eq!(ended.runs.len(), 2, "{:#?}", ended.runs);
        for (task, frame) in [(1, 4), (2, 5), (3, 6), (4, 9)] {
            let digits = 1 + usize::from(cyclic);
            let name = format!("alone{frame:0digits$}.png");
            let whole = pixels(&frame_alone(&bench, &name));
            assert!(pixels(&ended.wrote[&task]) == whole, "frame {frame}");
            assert_ne!(whole, pixels(&ended.wrote[&(task % 4 + 1)]), "the control");
        }
    }
}

#[test]
fn frames_of_a_scene_without_any_run_from_clock_0_to_1() {
    if !has_povray() {
        return;
    }
    let bench = shot("");
    alone(
        &bench,
        &["shot.ini", "+Oalone.png", "+KFI3", "+KFF6", "+KI0", "+KF1"],
    );
    let ended = bench.render("shot.ini", &nothing(), &[3, 4, 5, 6]);
    ended.all(Verdict::Succeeded, "");
    assert_eq!(ended.runs.len(), 1);
    for (task, frame) in [(1, 3), (2, 4), (3, 5), (4, 6)] {
        let whole = pixels(&frame_alone(&bench, &format!("alone{frame}.png")));
        assert!(pixels(&ended.wrote[&task]) == whole, "frame {frame}");
    }
    // One frame alone is no animation, or the first frame of one: never a clock of 0 / 0.
    alone(&bench, &["shot.ini", "+Ostill.png"]);
    let still = bench.render("my shot.pov", &json!({"width": 64, "height": 48}), &[1]);
    still.all(Verdict::Succeeded, "");
    let whole = pixels(&frame_alone(&bench, "still.png"));
    assert!(pixels(&still.wrote[&1]) == whole);
    let fifth = bench.render("shot.ini", &nothing(), &[5]);
    fifth.all(Verdict::Succeeded, "");
    assert!(pixels(&fifth.wrote[&1]).3.iter().any(|byte| *byte != 0));
}

#[test]
fn bits_alpha_and_format_are_as_wanted() {
    if !has_povray() {
        return;
    }
    let bench = shot("Bits_Per_Color=16\n");
    alone(&bench, &["shot.ini", "+Oalone.png"]);
    let own = bench.render("shot.ini", &nothing(), &[1]);
    assert_eq!(pixels(&own.wrote[&1]).2, 6);
    assert!(pixels(&own.wrote[&1]) == pixels(&frame_alone(&bench, "alone.png")));
    let set = json!({"bits_per_color": "8", "output_alpha": true});
    assert_eq!(pixels(&bench.render("shot.ini", &set, &[1]).wrote[&1]).2, 4);

    let mut open = bench.open_render("shot.ini", &nothing(), (1, 1));
    open.output = "exr".to_owned();
    let ended = bench.session(open, bench.tasks(&[1], "exr"), |_| Act::Nothing);
    ended.all(Verdict::Succeeded, "");
    let bytes = fs::read(&ended.wrote[&1]).expect("the picture");
    assert_eq!(bytes[..4], [0x76, 0x2f, 0x31, 0x01], "it is an EXR");
}

#[test]
fn a_tile_is_where_it_is_in_the_whole_and_black_elsewhere() {
    if !has_povray() {
        return;
    }
    let bench = shot("");
    alone(&bench, &["shot.ini", "+Oalone.png"]);
    let whole = pixels(&frame_alone(&bench, "alone.png"));
    let tile = Tile {
        x: 11,
        y: 7,
        width: 30,
        height: 20,
    };
    let task = Task {
        tile: Some(tile),
        ..bench.tasks(&[1], "png").remove(0)
    };
    let beyond = Task {
        task: 2,
        tile: Some(Tile { x: 40, ..tile }),
        ..task.clone()
    };
    let smaller = Task {
        task: 3,
        tile: None,
        reduced: 5,
        ..task.clone()
    };
    let open = bench.open_render("shot.ini", &nothing(), (1, 1));
    let ended = bench.session(open, vec![task, beyond, smaller], |_| Act::Nothing);
    assert_eq!(ended.tasks[&1].0, Verdict::Succeeded);
    assert_eq!(ended.tasks[&2].0, Verdict::Unrenderable);
    assert!(ended.tasks[&2].1.contains("not within"));
    let part = pixels(&ended.wrote[&1]);
    assert_eq!((part.0, part.1), (64, 48), "the frame's size");
    let pixel = |picture: &[u8], x: u32, y: u32| {
        let at = (y * 64 + x) as usize * whole.2;
        picture[at..at + whole.2].to_vec()
    };
    for (x, y) in (0..48).flat_map(|y| (0..64).map(move |x| (x, y))) {
        let inside = (11..41).contains(&x) && (7..27).contains(&y);
        let expected = match inside {
            true => pixel(&whole.3, x, y),
            false => vec![0; whole.2],
        };
        assert_eq!(pixel(&part.3, x, y), expected, "{x}, {y}");
    }
    // Rounded up, as framewright counts.
    let small = pixels(&ended.wrote[&3]);
    assert_eq!((small.0, small.1), (13, 10));
}

// -- exit code 0 without the right picture ----------------------------------------------------------

#[test]
fn frames_that_are_not_in_the_shot_are_refused() {
    if !has_povray() {
        return;
    }
    let bench = shot("Initial_Frame=2\nFinal_Frame=4\n");
    let ended = bench.render("shot.ini", &nothing(), &[1, 2, 3, 4, 5, 9]);
    for task in [1, 5, 6] {
        let (verdict, why) = &ended.tasks[&task];
        assert_eq!(*verdict, Verdict::Unrenderable, "{why}");
        assert!(why.contains("not in the shot, which is 2 to 4"), "{why}");
    }
    for task in [2, 3, 4] {
        assert_eq!(ended.tasks[&task].0, Verdict::Succeeded);
    }
    let ended = shot("").render("shot.ini", &nothing(), &[-2, -1, 0]);
    ended.all(Verdict::Unrenderable, "counts frames from 0");
    assert!(ended.runs.is_empty(), "POV-Ray is not even started");
}

#[test]
fn options_of_the_ini_file_that_would_leave_no_picture_do_not_count() {
    if !has_povray() {
        return;
    }
    let bench =
        shot("Output_To_File=off\nVerbose=off\nFinal_Frame=6\nFrame_Step=3\nContinue_Trace=on\n");
    let ended = bench.render("shot.ini", &nothing(), &[2, 3]);
    ended.all(Verdict::Succeeded, "");
}

// -- what goes wrong -------------------------------------------------------------------------------

fn fails(text: &str, verdict: Verdict, part: &str) {
    if !has_povray() {
        return;
    }
    let bench = Bench::new();
    bench.file("a.pov", format!("#version 3.7;\n{text}\n"));
    let set = json!({"width": 32, "height": 24});
    let ended = bench.render("a.pov", &set, &[1]);
    ended.all(verdict, part);
}

#[test]
fn a_parse_error_names_its_place() {
    fails(
        "sphere { 0, 1 pigmint { rgb 1 } }",
        Verdict::Unrenderable,
        "File 'a.pov' line 2: No matching } in 'sphere', undeclared identifier 'pigmint' found instead",
    );
    fails(
        "#error \"this scene wants a clock that is larger than nothing at all\"",
        Verdict::Unrenderable,
        "wants a clock that is larger than nothing at all",
    );
}

#[test]
fn a_missing_file_is_named() {
    for (text, name) in [
        ("#include \"gone.inc\"", "gone.inc"),
        (
            "sphere { 0,1 pigment { image_map { png \"gone.png\" } } }",
            "gone.png",
        ),
        ("text { ttf \"gone.ttf\" \"A\" 1, 0 }", "gone.ttf"),
    ] {
        let part = format!("File 'a.pov' line 2: {name} is missing");
        fails(text, Verdict::Unrenderable, &part);
    }
}

#[test]
fn a_file_that_is_missing_on_one_host_only_is_that_hosts_fault() {
    if !has_povray() {
        return;
    }
    let bench = shot("");
    let open = bench.open_render("shot.ini", &nothing(), (1, 1));
    fs::remove_file(bench.path().join("ball.inc")).expect("it was there");
    let ended = bench.session(open, bench.tasks(&[1], "png"), |_| Act::Nothing);
    ended.all(Verdict::MachineFault, "ball.inc is missing");
}

#[test]
fn a_picture_that_cannot_be_written_is_the_machines_fault() {
    if !has_povray() {
        return;
    }
    let bench = shot("");
    let open = bench.open_render("shot.ini", &nothing(), (1, 1));
    fs::remove_dir(&open.scratch).expect("it was there");
    let ended = bench.session(open, bench.tasks(&[1], "png"), |_| Act::Nothing);
    ended.all(Verdict::MachineFault, "nothing can be written");
}

#[test]
fn an_option_that_povray_does_not_know_is_told() {
    if !has_povray() {
        return;
    }
    let ended = shot("Widht=20\n").render("shot.ini", &nothing(), &[1]);
    ended.all(Verdict::Unrenderable, "does not understand an option");
}

#[test]
fn a_signal_from_outside_fails_what_is_not_written() {
    if !has_povray() {
        return;
    }
    for (signal, verdict, part) in [
        (
            Signal::TERM,
            Verdict::MachineFault,
            "told from outside to stop",
        ),
        (Signal::KILL, Verdict::OutOfMemory, "killed from outside"),
        (Signal::ABORT, Verdict::MachineFault, "signal 6"),
    ] {
        let bench = shot("Final_Frame=3\nWidth=640\nHeight=480\n+A0.0 +R5\n");
        let open = bench.open_render("shot.ini", &nothing(), (1, 3));
        let mut frame = 0;
        let tasks = bench.tasks(&[1, 2, 3], "png");
        let ended = bench.session(open, tasks, |line| {
            if line.starts_with("Rendering frame ") {
                frame += 1;
            }
            match line.starts_with("Rendered ") && line.contains("(1%)") && frame > 2 {
                true => Act::Signal(signal),
                false => Act::Nothing,
            }
        });
        assert_eq!(ended.tasks[&1].0, Verdict::Succeeded, "{:?}", ended.tasks);
        let (found, why) = &ended.tasks[&3];
        assert_eq!(*found, verdict, "{why}");
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn a_cut_ends_the_run_behind_the_frame_that_was_begun() {
    if !has_povray() {
        return;
    }
    let bench = shot("Final_Frame=6\nWidth=320\nHeight=240\n+A0.0 +R4\n");
    let open = bench.open_render("shot.ini", &nothing(), (1, 6));
    let tasks = bench.tasks(&[1, 2, 3, 4, 5, 6], "png");
    let mut cut = Some(Input::Cut {
        segment: 1,
        keep: 1,
    });
    let ended = bench.session(open, tasks, |line| {
        // The first of the run is begun.
        match line.starts_with("Rendered ") {
            true => cut.take().map_or(Act::Nothing, Act::Tell),
            false => Act::Nothing,
        }
    });
    let kept = ended.effects.iter().find_map(|effect| match effect {
        Effect::Kept { keep, .. } => Some(*keep),
        _ => None,
    });
    let kept = kept.expect("the cut is answered");
    assert!(kept < 6, "{kept} are kept");
    assert_eq!(ended.tasks.len() as u32, kept);
    ended.all(Verdict::Succeeded, "");
}

#[test]
fn the_version_is_found() {
    if !has_povray() {
        return;
    }
    let found = Bench::new().probe();
    let version = found.iter().find_map(|effect| match effect {
        Effect::Found(found) => Some(found.version.clone()),
        _ => None,
    });
    let version = version.expect("a version");
    assert!(version.starts_with("3."), "{version}");
}
