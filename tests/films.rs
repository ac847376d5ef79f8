//! `--video` and `--contact-sheet`: what they are made of, when they are refused, and that they end
//! with their job.

#![expect(
    clippy::print_stderr,
    reason = "skips are said where whoever runs the tests sees them"
)]

mod support;

#[path = "assembly/shot.rs"]
mod shot;

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};
use shot::{Shot, failures};
use support::pictures::Picture;
use support::{LONG, PROGRAM, finish, poll, processes_with, wait_for_event};

/// Says so where films cannot be made, and panics under `CI=true`.
fn has_ffmpeg() -> bool {
    let runs = |program: &str| {
        let ended = Command::new(program).arg("-version").output();
        ended.is_ok_and(|ended| ended.status.success())
    };
    let has = runs("ffmpeg") && runs("ffprobe");
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(
        has || !is_ci,
        "ffmpeg is not installed, and CI=true allows no skip"
    );
    if !has {
        eprintln!("SKIPPED: ffmpeg is not installed");
    }
    has
}

/// What ffprobe says of the film's stream.
fn probed(film: &Path) -> Value {
    let mut command = Command::new("ffprobe");
    command.args([
        "-v",
        "error",
        "-count_frames",
        "-show_streams",
        "-of",
        "json",
    ]);
    let ended = finish(
        {
            command.arg(film);
            command
        },
        LONG,
    );
    ended.expect_code(0).json()["streams"][0].clone()
}

/// Frames of a film as ffmpeg decodes them, as 8-bit grey of 12x9 pixels: enough to tell frames apart.
fn thumbnails(film: &Path) -> Vec<Vec<u8>> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(film);
    command.args([
        "-vf",
        "scale=12:9:flags=area",
        "-pix_fmt",
        "gray",
        "-f",
        "rawvideo",
        "-",
    ]);
    let ended = command.output().expect("ffmpeg");
    assert!(ended.status.success(), "{ended:?}");
    ended.stdout.chunks(12 * 9).map(<[u8]>::to_vec).collect()
}

#[test]
fn a_job_ends_with_a_film_and_a_sheet_of_its_assembled_frames() {
    if !has_ffmpeg() {
        return;
    }
    let shot = Shot::new("1-12", "fps = 30.0\n");
    let options = [
        "--tiles",
        "2x2",
        "--video",
        "out/a.mp4",
        "--contact-sheet",
        "out/a.png",
    ];
    let report = shot.render("tiled", "png", &options).expect_code(0).json();
    let film = shot.desk.work().join("out/a.mp4");
    let sheet = shot.desk.work().join("out/a.png");
    assert_eq!(report["films"], json!([film]));
    assert_eq!(report["contact_sheets"], json!([sheet]));
    let stream = probed(&film);
    assert_eq!(stream["nb_read_frames"], "12");
    assert_eq!(stream["r_frame_rate"], "30/1");
    assert_eq!(
        (&stream["width"], &stream["height"]),
        (&json!(96), &json!(72))
    );
    assert!(Picture::read(&sheet).colours() > 1000);
    let told = shot.told("tiled", "reel");
    let kinds: Vec<&Value> = told.iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, [&json!("film"), &json!("contact-sheet")]);
    for event in &told {
        let path = event["file"]["path"].as_str().expect("a path");
        let bytes = fs::read(path).expect("it is there");
        let hash = blake3::hash(&bytes).to_hex();
        assert_eq!(event["file"]["hash"], hash.as_str());
        assert_eq!(event["frames"], 12);
    }

    // The film of whole frames is the same film; one whose frames are in another order is not.
    let options = ["--video", "out/b.mp4"];
    shot.render("whole", "png", &options).expect_code(0);
    let (tiled, whole) = (thumbnails(&film), thumbnails(&film.with_file_name("b.mp4")));
    assert_eq!(tiled.len(), 12);
    assert_eq!(tiled, whole);
    let mut swapped = whole;
    swapped.swap(2, 9);
    assert_ne!(tiled, swapped);
}

#[test]
fn layers_of_their_own_have_films_of_their_own() {
    if !has_ffmpeg() {
        return;
    }
    let shot = Shot::new("1-3", "layers = [{ name = \"a\" }, { name = \"b\" }]\n");
    let output = shot.folder("apart").join("{layer}.####.png");
    let render = |film: &str| {
        let mut command = shot
            .desk
            .framewright(["render", "--local", "2", "--format", "json"]);
        command.args(["--split", "layers", "--video", film, "shot.stub.toml", "-o"]);
        command.arg(&output);
        finish(command, LONG)
    };
    let refused = render("film.mov").expect_code(2).json();
    let error = &refused["error"];
    let message = error["message"].as_str().expect("a sentence");
    assert!(
        message.contains("each of 2 layers has pictures of its own"),
        "{message}"
    );
    let hint = error["hint"].as_str().expect("a hint");
    assert!(hint.contains("film.{layer}.mov"), "{hint}");
    assert!(!shot.folder("apart").exists());

    let report = render("film.{layer}.mov").expect_code(0).json();
    let films: Vec<_> = ["film.a.mov", "film.b.mov"]
        .map(|name| shot.desk.work().join(name))
        .into();
    assert_eq!(report["films"], json!(films));
    for film in &films {
        assert_eq!(probed(film)["nb_read_frames"], "3");
    }
    assert_ne!(thumbnails(&films[0]), thumbnails(&films[1]));
}

#[test]
fn what_could_not_be_made_in_the_end_is_refused_before_the_scene_is_read() {
    let shot = Shot::new("1-2", "");
    fs::create_dir(shot.desk.work().join("nothing")).expect("ours");
    let refused = |options: &[&str], path: Option<&str>, code: i32| {
        let mut command = shot
            .desk
            .framewright(["render", "--local", "1", "--format", "json"]);
        command
            .args(["shot.stub.toml", "-o", "no/f.####.png"])
            .args(options);
        if let Some(path) = path {
            command.env("PATH", shot.desk.work().join(path));
        }
        let error = finish(command, LONG).expect_code(code).json();
        assert!(!shot.folder("no").exists());
        error["error"]["message"]
            .as_str()
            .expect("a sentence")
            .to_owned()
    };
    let said = refused(&["--video", "a.avi"], None, 2);
    assert!(
        said.ends_with("a.avi is no name of a film: it ends in .mp4, .mkv or .mov"),
        "{said}"
    );
    let said = refused(&["--contact-sheet", "a.jpg"], None, 2);
    assert!(
        said.ends_with("is no name of a contact sheet: it ends in .png"),
        "{said}"
    );
    let said = refused(&["--contact-sheet", "a.png", "--view", "aces"], None, 2);
    assert!(said.starts_with("`aces` is no view"), "{said}");
    let said = refused(&["--view", "srgb"], None, 2);
    assert!(
        said.contains("neither a film nor a contact sheet"),
        "{said}"
    );
    let said = refused(&["--video", "a.mp4"], Some("nothing"), 3);
    assert!(
        said.starts_with("ffmpeg, which makes films, cannot be started"),
        "{said}"
    );
    let said = refused(&["--contact-sheet", "shot.stub.toml/a.png"], None, 2);
    assert!(
        said.starts_with("cannot write a contact sheet into"),
        "{said}"
    );
}

#[test]
fn ctrl_c_ends_a_film_at_once_and_a_resume_makes_it() {
    if !has_ffmpeg() {
        return;
    }
    // An ffmpeg that never ends, but for its version.
    let shot = Shot::new("1-3", "");
    let script = "#!/bin/sh\ncase \"$1\" in -version) exit 0;; esac\nexec sleep 600\n";
    let stuck = shot.desk.file("bin/ffmpeg", script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&stuck, mode).expect("ours");
    let path = std::env::var("PATH").expect("a PATH");
    let first = format!("{}:{path}", shot.desk.work().join("bin").display());
    let events = shot.events_path("stuck");
    let mut command = shot
        .desk
        .framewright(["render", "--local", "2", "--format", "json"]);
    command.args([
        "shot.stub.toml",
        "-o",
        "stuck/f.####.png",
        "--video",
        "a.mp4",
        "--events",
    ]);
    command.arg(&events).env("PATH", first);
    let running = support::Running::start(command);
    wait_for_event(&events, "film that is begun", |event| {
        event["event"] == "reel-begun"
    });
    let home = shot.desk.work().parent().expect("a desk").join("home");
    let home = home.to_str().expect("text").to_owned();
    let encoders = || {
        let mut all = processes_with("HOME", &home);
        all.retain(|_, line| line.starts_with("sleep 600"));
        all.len()
    };
    poll(LONG, || (encoders() == 1).then_some(())).expect("an encoder");
    running.signal(Signal::INT);
    let report = running.end(LONG).expect_code(130).json();
    assert_eq!(report["state"], "interrupted");
    assert_eq!(report["tasks"]["done"], 3);
    assert_eq!(encoders(), 0);
    assert!(!shot.desk.work().join("a.mp4").exists());

    let report = shot.resume("stuck").end(LONG).expect_code(0).json();
    assert_eq!(report["tasks"]["skipped"], 3);
    let film = shot.desk.work().join("a.mp4");
    assert_eq!(report["films"], json!([film]));
    assert_eq!(probed(&film)["nb_read_frames"], "3");
    // A third time there is nothing left to make, and the film stays.
    let before = fs::metadata(&film)
        .expect("it is there")
        .modified()
        .expect("a time");
    shot.resume("stuck").end(LONG).expect_code(0);
    let after = fs::metadata(&film)
        .expect("it is there")
        .modified()
        .expect("a time");
    assert_eq!(before, after);
}

#[test]
fn an_encoder_that_fails_fails_the_job_and_keeps_its_frames() {
    let shot = Shot::new("1-2", "");
    let script =
        "#!/bin/sh\ncase \"$1\" in -version) exit 0;; esac\necho 'no such encoder' >&2\nexit 1\n";
    let broken = shot.desk.file("bin/ffmpeg", script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&broken, mode).expect("ours");
    let path = std::env::var("PATH").expect("a PATH");
    let mut command = shot
        .desk
        .framewright(["render", "--local", "2", "--format", "json"]);
    command.args(["shot.stub.toml", "-o", "out/f.####.png", "--video", "a.mp4"]);
    command.env(
        "PATH",
        format!("{}:{path}", shot.desk.work().join("bin").display()),
    );
    let report = finish(command, LONG).expect_code(1).json();
    assert_eq!(report["state"], "failed");
    let why = "ffmpeg failed with exit code 1: no such encoder".to_owned();
    assert_eq!(failures(&report), [("film".to_owned(), why)]);
    assert_eq!(report["outputs"].as_array().map(Vec::len), Some(2));
    assert_eq!(report["films"], json!([]));
}

/// Tiles are rendered into a small disk until it is full; then there is room, and the job goes on.
const FULL_DISK: &str = r#"
mount -t tmpfs -o size=420k none disk || exit 99
"$1" render shot.stub.toml --local 2 --no-history --tiles 2x2 -o 'disk/f.####.png' --contact-sheet disk/sheet.png
echo "full $?"
ls disk > kept
mount -o remount,size=40m disk || exit 98
"$1" render --resume shot-
echo "resumed $?"
ls -A disk > all
for frame in disk/f.*; do cp "$frame" .; done
"#;

#[test]
fn a_disk_that_fills_while_frames_are_assembled_loses_none() {
    let shot = Shot::new("1-30", "");
    let reference = shot.reference("png", &[]);
    fs::create_dir(shot.desk.work().join("disk")).expect("ours");
    let options: &[&str] = match rustix::process::geteuid().is_root() {
        true => &["-m"],
        false => &["-r", "-m"],
    };
    let mut command = shot.desk.command("unshare");
    command
        .args(options)
        .args(["sh", "-c", FULL_DISK, "sh", PROGRAM]);
    let ended = finish(command, LONG);
    if ended.code() != 0 {
        let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!is_ci, "CI=true allows no skip: {ended:#?}");
        eprintln!(
            "SKIPPED: a small disk cannot be mounted here: {}",
            ended.stderr
        );
        return;
    }
    assert_eq!(ended.stdout, "full 1\nresumed 0\n", "{ended:#?}");
    let list = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(shot.desk.work().join(name)).expect("a list");
        text.lines().map(str::to_owned).collect()
    };
    let mut wanted: Vec<String> = (1..=30).map(|frame| format!("f.{frame:04}.png")).collect();
    wanted.push("sheet.png".to_owned());
    assert_eq!(list("all"), wanted);
    let kept = list("kept");
    assert!(!kept.is_empty() && kept.len() < 30, "{kept:?}");
    for (frame, wanted) in &reference {
        let picture = Picture::read(&shot.desk.work().join(format!("f.{frame:04}.png")));
        assert_eq!(picture.difference(wanted), None, "frame {frame}");
        let other = reference
            .keys()
            .find(|other| *other != frame)
            .expect("another");
        assert!(picture.difference(&reference[other]).is_some());
    }
}
