//! From tiles and layers to frames, and from frames to a film and a contact sheet: the whole way
//! through the program, on the stub renderer.
//!
//! Every equality is with what the renderer makes by itself, in every decoded sample, and the same
//! comparison is seen to fail for a picture that is a pixel off and for another frame.

#![expect(
    clippy::print_stderr,
    reason = "seeds, kills and skips are said where whoever runs the tests sees them"
)]

mod support;

#[path = "assembly/shot.rs"]
mod shot;

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};
use shot::{Shot, failures, files};
use support::pictures::Picture;
use support::{LONG, events, expect_nothing_left, finish, poll, wait_for_event};

// -- what is put together is what the renderer makes ---------------------------------------------

#[track_caller]
fn tiles_become_the_frame(extension: &str, lines: &str, options: &[&str]) {
    let shot = Shot::new("1-3", lines);
    let reference = shot.reference(extension, &[]);
    let ended = shot.render("tiled", extension, options).expect_code(0);
    shot.expect_equal("tiled", extension, &reference);
    let report = ended.json();
    assert_eq!(
        report["assembled"],
        json!({"total": 3, "done": 3, "failed": 0})
    );
    let outputs: Vec<PathBuf> = report["outputs"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|path| PathBuf::from(path.as_str().expect("a path")))
        .collect();
    assert_eq!(outputs, files(&shot.folder("tiled")));
    let told = shot.told("tiled", "assembled");
    assert_eq!(told.len(), 3);
    for event in &told {
        let path = event["file"]["path"].as_str().expect("a path");
        let bytes = fs::read(path).expect("it is there");
        assert_eq!(
            event["file"]["hash"],
            blake3::hash(&bytes).to_hex().as_str()
        );
    }
    assert!(shot.told("tiled", "seam").is_empty());
}

#[test]
fn tiles_of_png_become_the_frame() {
    tiles_become_the_frame("png", "", &["--tiles", "2x2"]);
}

#[test]
fn tiles_of_exr_with_overlap_become_the_frame() {
    tiles_become_the_frame("exr", "", &["--tiles", "3x2", "--overlap", "16"]);
}

#[test]
fn tiles_that_are_exact_at_a_margin_become_the_frame() {
    let lines = "tiles = { exact = true, margin = 8 }\n";
    tiles_become_the_frame("exr", lines, &["--tiles", "2x3"]);
}

const LAYERS: &str = "layers = [{ name = \"beauty\" }, \
    { name = \"shadow one\", after = [\"beauty\"], weight = 0.3 }]\n";

#[test]
fn layers_become_one_file_a_frame_whole_or_in_tiles() {
    let shot = Shot::new("1-3", LAYERS);
    let reference = shot.reference("exr", &["--set", "channels=layer"]);
    let layers = ["--split", "layers", "--set", "channels=layer"];
    for (name, more) in [("whole", &[][..]), ("tiled", &["--tiles", "2x2"])] {
        let options = [&layers[..], more].concat();
        let report = shot.render(name, "exr", &options).expect_code(0).json();
        assert_eq!(report["assembled"]["done"], 3);
        shot.expect_equal(name, "exr", &reference);
    }
    // Another layer's channels are not the same.
    let picture = Picture::read(&shot.picture("whole", "exr", 1));
    assert_ne!(
        picture.channels["beauty.R"],
        picture.channels["shadow one.R"]
    );
}

#[test]
fn layers_that_have_files_of_their_own_are_put_together_tile_by_tile_only() {
    let shot = Shot::new("1-2", LAYERS);
    let reference = shot.reference("png", &["--layer", "beauty"]);
    let pattern = shot.folder("apart").join("{layer}/f.####.png");
    let mut command = shot.desk.framewright(["render", "--local", "2"]);
    command.args(["--format", "json", "--split", "layers", "--tiles", "2x2"]);
    command.arg("shot.stub.toml").arg("-o").arg(pattern);
    let report = finish(command, LONG).expect_code(0).json();
    assert_eq!(report["assembled"]["total"], 4);
    shot.expect_equal("apart/beauty", "png", &reference);
    let other = Picture::read(&shot.folder("apart").join("shadow one/f.0001.png"));
    assert!(other.difference(&reference[&1]).is_some());
}

// -- pieces that are not what they should be -----------------------------------------------------

/// The file of a task, once it is committed.
fn piece_of(shot: &Shot, name: &str, task: &str) -> PathBuf {
    let done = wait_for_event(&shot.events_path(name), task, |event| {
        event["event"] == "task-done" && event["task"] == task
    });
    PathBuf::from(done["file"]["path"].as_str().expect("a path"))
}

#[test]
fn a_piece_that_a_hand_cut_off_is_rendered_again() {
    // One tile takes long enough for the other to be spoiled before they are put together.
    let slow = "[[fault]]\nkind = \"slow\"\nframes = \"2\"\nat = [90, 70]\n";
    let shot = Shot::new("1-2", slow);
    let reference = shot.reference("exr", &[]);
    let running = shot.start("cut", "exr", &["--tiles", "2x1"]);
    let piece = piece_of(&shot, "cut", "all:2:0,0");
    let half = fs::metadata(&piece).expect("it is there").len() / 2;
    let file = fs::File::options().write(true).open(&piece).expect("ours");
    file.set_len(half).expect("a shorter file");
    running.end(LONG).expect_code(0);
    shot.expect_equal("cut", "exr", &reference);
    let told = shot.told("cut", "assembly-failed");
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(
        (&told[0]["task"], &told[0]["again"], &told[0]["frame"]),
        (&json!("all:2:0,0"), &json!(true), &json!(2))
    );
    let why = told[0]["why"].as_str().expect("a sentence");
    assert!(why.ends_with("is not what was committed"), "{why}");
}

fn wrong_pixels(times: &str) -> String {
    format!("[[fault]]\nkind = \"wrong-pixels\"\nframes = \"2\"\nat = [90, 70]\n{times}\n")
}

#[test]
fn tiles_that_differ_are_rendered_once_more() {
    let shot = Shot::new("1-2", &wrong_pixels("times = 1"));
    let healthy = Shot::new("1-2", "");
    let reference = healthy.reference("png", &[]);
    let options = ["--tiles", "2x1", "--overlap", "8"];
    shot.render("seam", "png", &options).expect_code(0);
    shot.expect_equal("seam", "png", &reference);
    let seams = shot.told("seam", "seam");
    assert_eq!(seams.len(), 1, "{seams:#?}");
    assert_eq!(seams[0]["tiles"], json!(["all:2:0,0", "all:2:1,0"]));
    assert_eq!(seams[0]["again"], true);
    // The place is one that both tiles hold.
    let x = seams[0]["x"].as_u64().expect("a pixel");
    assert!((40..56).contains(&x), "{x}");
    let done = shot.told("seam", "task-done");
    let of = |task: &str| done.iter().filter(|event| event["task"] == task).count();
    assert_eq!(
        (of("all:2:0,0"), of("all:2:1,0"), of("all:1:0,0")),
        (2, 2, 1)
    );
}

#[test]
fn a_seam_that_stays_is_a_failure_that_names_its_place_and_a_resume_mends_it() {
    let shot = Shot::new("1-2", &wrong_pixels(""));
    let healthy = Shot::new("1-2", "");
    let reference = healthy.reference("png", &[]);
    let sheet = shot.desk.work().join("sheet.png");
    let sheet = sheet.to_str().expect("text");
    let options = ["--tiles", "2x1", "--overlap", "8", "--contact-sheet", sheet];
    let report = shot.render("seam", "png", &options).expect_code(1).json();
    assert_eq!(report["state"], "failed");
    assert_eq!(
        report["assembled"],
        json!({"total": 2, "done": 1, "failed": 1})
    );
    let failed = failures(&report);
    let names: Vec<&str> = failed.iter().map(|(task, _)| task.as_str()).collect();
    assert_eq!(names, ["all:2", "contact-sheet"]);
    assert!(
        failed[0]
            .1
            .starts_with("all:2:0,0 and all:2:1,0 differ by "),
        "{failed:?}"
    );
    assert_eq!(failed[1].1, "frame 2 has no picture that is right");
    assert!(!Path::new(sheet).exists());
    // It is kept, and can be looked at.
    let kept = Picture::read(&shot.picture("seam", "png", 2));
    assert!(kept.difference(&reference[&2]).is_some());
    assert_eq!(report["outputs"].as_array().map(Vec::len), Some(2));

    shot.rewrite("1-2", "");
    let report = shot.resume("seam").end(LONG).expect_code(0).json();
    assert_eq!(report["assembled"]["done"], 2);
    shot.expect_equal("seam", "png", &reference);
    assert!(Path::new(sheet).is_file());
    // Frame 1 stayed as it was.
    let again = shot.told("seam-again", "assembled");
    assert_eq!(again.len(), 1);
}

#[test]
fn a_tile_that_is_given_up_fails_its_frame_only_and_a_resume_renders_no_more_than_it() {
    let fault = "[[fault]]\nkind = \"exit\"\nframes = \"2\"\nat = [90, 70]\n";
    let shot = Shot::new("1-3", fault);
    let healthy = Shot::new("1-3", "");
    let reference = healthy.reference("png", &[]);
    let film = shot.desk.work().join("film.mp4");
    let options = [
        "--tiles",
        "2x2",
        "--retries",
        "0",
        "--contact-sheet",
        "s.png",
    ];
    let report = shot.render("gap", "png", &options).expect_code(1).json();
    let failed = failures(&report);
    assert_eq!(failed.len(), 3, "{failed:?}");
    assert_eq!(failed[0].0, "all:2:1,1");
    assert_eq!(
        failed[1],
        (
            "all:2".to_owned(),
            "its piece all:2:1,1 was given up".to_owned()
        )
    );
    assert_eq!(
        failed[2],
        (
            "contact-sheet".to_owned(),
            "frame 2 has no picture that is right".to_owned()
        )
    );
    assert!(!film.exists());
    assert!(!shot.picture("gap", "png", 2).exists());
    for frame in [1, 3] {
        let picture = Picture::read(&shot.picture("gap", "png", frame));
        assert_eq!(picture.difference(&reference[&frame]), None);
    }
    // `status` says the same.
    let status = shot
        .desk
        .run(["status", &shot.job("gap"), "--format", "json"]);
    let status = status.expect_code(0).json();
    assert_eq!(status["assembled"], report["assembled"]);
    assert_eq!(failures(&status).len(), 3);

    shot.rewrite("1-3", "");
    shot.resume("gap").end(LONG).expect_code(0);
    shot.expect_equal("gap", "png", &reference);
    let done = shot.told("gap-again", "task-done");
    let tasks: Vec<&str> = done
        .iter()
        .filter_map(|event| event["task"].as_str())
        .collect();
    assert_eq!(tasks, ["all:2:1,1"]);
    let sheet = shot.desk.work().join("s.png");
    assert!(sheet.is_file());
}

// -- ends at any moment --------------------------------------------------------------------------

/// Kills the controller as soon as its events fit, and resumes.
#[track_caller]
fn killed_and_resumed(shot: &Shot, name: &str, options: &[&str], fits: impl Fn(&[Value]) -> bool) {
    let mut running = shot.start(name, "exr", options);
    let path = shot.events_path(name);
    let hit = poll(LONG, || {
        (fits(&events(&path)) || !running.is_running()).then(|| running.is_running())
    });
    running.signal(Signal::KILL);
    let _ = running.end(LONG);
    let job = shot.job(name);
    expect_nothing_left(&job);
    let before = events(&path);
    eprintln!(
        "{name}: killed after {} events, alive: {hit:?}",
        before.len()
    );
    let report = shot.resume(name).end(LONG).expect_code(0).json();
    assert_eq!(report["state"], "done");
    // What was recorded as assembled is not assembled again.
    let assembled = |name: &str| -> Vec<Value> {
        let told = shot.told(name, "assembled");
        told.iter().map(|event| event["frame"].clone()).collect()
    };
    let (first, then) = (assembled(name), assembled(&format!("{name}-again")));
    assert!(
        first.iter().all(|frame| !then.contains(frame)),
        "{first:?} {then:?}"
    );
    // And no tile of such a frame is rendered again.
    let again = shot.told(&format!("{name}-again"), "task-done");
    for event in &again {
        let task = event["task"].as_str().expect("a name");
        let frame = task.split(':').nth(1).expect("LAYER:FRAME:TILE");
        let frame: i64 = frame.parse().expect("a number");
        assert!(!first.contains(&json!(frame)), "{task}");
    }
}

#[test]
fn a_job_that_is_killed_while_it_assembles_loses_nothing() {
    let shot = Shot::new("1-4", "");
    let reference = shot.reference("exr", &[]);
    let options = ["--tiles", "3x3", "--contact-sheet"];
    let count = |events: &[Value], kind: &str| {
        let of_kind = events.iter().filter(|event| event["event"] == kind);
        of_kind.count()
    };
    for (name, kind, nth) in [
        ("begun", "assembling", 1),
        ("later", "assembling", 3),
        ("named", "assembled", 1),
        ("last", "assembled", 4),
        ("sheet", "reel-begun", 1),
    ] {
        let sheet = format!("{name}.png");
        let options = [&options[..], &[sheet.as_str()]].concat();
        killed_and_resumed(&shot, name, &options, |events| count(events, kind) >= nth);
        shot.expect_equal(name, "exr", &reference);
        let sheet = Picture::read(&shot.desk.work().join(sheet));
        assert!(sheet.colours() > 1000);
    }
}

#[test]
fn an_interrupted_job_keeps_its_pieces() {
    let shot = Shot::new("1-6", "");
    let reference = shot.reference("png", &[]);
    let running = shot.start("stopped", "png", &["--tiles", "2x2"]);
    wait_for_event(&shot.events_path("stopped"), "picture", |event| {
        event["event"] == "assembled"
    });
    running.signal(Signal::INT);
    let report = running.end(LONG).expect_code(130).json();
    assert_eq!(report["state"], "interrupted");
    let done = report["tasks"]["done"].as_u64().expect("a count");
    let report = shot.resume("stopped").end(LONG).expect_code(0).json();
    assert_eq!(report["tasks"]["skipped"], done);
    shot.expect_equal("stopped", "png", &reference);
}

#[test]
fn a_job_of_others_files_stops_before_it_begins() {
    let shot = Shot::new("1-2", "");
    let path = shot.picture("taken", "png", 2);
    fs::create_dir_all(shot.folder("taken")).expect("ours");
    fs::write(&path, "mine").expect("ours");
    let ended = shot.render("taken", "png", &["--tiles", "2x2"]);
    let error = ended.expect_code(2).json();
    let message = error["error"]["message"].as_str().expect("a sentence");
    assert!(
        message.ends_with("exists and is not this job's"),
        "{message}"
    );
    let sheet = shot.desk.file("s.png", "mine");
    let ended = shot.render("sheet", "png", &["--contact-sheet", "s.png"]);
    ended.expect_code(2);
    assert_eq!(fs::read(path).expect("it is there"), b"mine");
    assert_eq!(fs::read(sheet).expect("it is there"), b"mine");
}
