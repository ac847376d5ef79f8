//! What ffmpeg does when it fails, by programs that fail in its place, and by itself.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use framewright_assemble::Output;
use framewright_assemble::film::{Codec, Film, FilmError, encode};
use framewright_assemble::view::View;
use support::is_here;
use support::shots::{Shot, encoded, film, write_png};

fn shot(frames: i32) -> Shot {
    let name = |frame| format!("a.{frame:04}.png");
    Shot::make(1..=frames, name, |path, frame| {
        write_png(path, frame, 64, 36)
    })
}

/// A program in ffmpeg's place.
fn stand_in(shot: &Shot, script: &str) -> PathBuf {
    let path = shot.out("ffmpeg-in-place");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a file");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, executable).expect("a program");
    path
}

/// What is said, and that nothing is left beside the pictures.
fn said(shot: &Shot, program: &Path) -> FilmError {
    let view = View::default();
    let before = std::fs::read_dir(shot.folder.path())
        .expect("a folder")
        .count();
    let film = Film {
        program,
        ..film(&shot.cells, Codec::H264, &view)
    };
    let error = encoded(&film, &shot.out("film.mp4")).expect_err("no film");
    let after = std::fs::read_dir(shot.folder.path())
        .expect("a folder")
        .count();
    assert_eq!(before, after, "something was left behind");
    error
}

#[test]
fn a_failing_ffmpeg_is_one_sentence_with_what_it_said_last() {
    let shot = shot(3);
    let program = stand_in(
        &shot,
        "cat > /dev/null; echo 'first' >&2; echo 'av_write: No space left on device' >&2; \
         echo 'Conversion failed!' >&2; exit 228",
    );
    assert_eq!(
        said(&shot, &program).to_string(),
        "ffmpeg failed with exit code 228: av_write: No space left on device"
    );
    // One that does not take its frames, which are more than a pipe holds.
    let program = stand_in(&shot, "echo \"Unknown encoder 'libx264'\" >&2; exit 1");
    let error = said(&shot, &program).to_string();
    assert_eq!(
        error,
        "ffmpeg failed with exit code 1: Unknown encoder 'libx264'"
    );
    let program = stand_in(&shot, "head -c 1000 > /dev/null; kill -9 $$");
    assert_eq!(
        said(&shot, &program).to_string(),
        "ffmpeg was ended by signal 9"
    );
    let long = self::shot(40);
    let program = stand_in(&long, "exec 0<&-; exit 0");
    let error = said(&long, &program).to_string();
    assert_eq!(error, "ffmpeg ended before it had all frames");
    // Talk without end neither fills memory nor stops it.
    let program = stand_in(
        &shot,
        "cat > /dev/null; i=0; while [ $i -lt 3000 ]; do echo \"line $i of many\" >&2; \
         i=$((i+1)); done; exit 9",
    );
    let error = said(&shot, &program).to_string();
    assert_eq!(error, "ffmpeg failed with exit code 9: line 2999 of many");
}

#[test]
fn no_ffmpeg_is_said_with_what_to_do() {
    let shot = shot(1);
    let error = said(&shot, Path::new("no-such-ffmpeg"));
    assert_eq!(
        error.to_string(),
        "cannot find `no-such-ffmpeg`, which makes films"
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("install ffmpeg"))
    );
    assert!(matches!(error, FilmError::NoProgram(_)));
    let no_program = shot.out("a.0001.png");
    let error = said(&shot, &no_program).to_string();
    assert!(error.starts_with("cannot start `"), "{error}");
}

#[test]
fn ffmpeg_s_own_last_word_is_told() {
    if !is_here("ffmpeg") {
        return;
    }
    let shot = shot(3);
    // Files may not grow beyond a block: what a full disk is like.
    let program = stand_in(&shot, "ulimit -f 1; trap '' XFSZ; exec ffmpeg \"$@\"");
    let error = said(&shot, &program).to_string();
    // It exits with 0 in this case.
    assert!(error.starts_with("ffmpeg "), "{error}");
    assert!(error.ends_with(": File too large"), "{error}");
    let program = stand_in(
        &shot,
        "for word; do shift; [ \"$word\" = libx264 ] && word=no-such-one; \
         set -- \"$@\" \"$word\"; done; exec ffmpeg \"$@\"",
    );
    let error = said(&shot, &program).to_string();
    assert_eq!(
        error,
        "ffmpeg failed with exit code 1: Unknown encoder 'no-such-one'"
    );
}

#[test]
fn a_broken_picture_ends_the_film() {
    if !is_here("ffmpeg") {
        return;
    }
    let shot = shot(40);
    let bad = shot.cells[29].path.clone().expect("a picture");
    let bytes = std::fs::read(&bad).expect("a file");
    std::fs::write(&bad, &bytes[..bytes.len() / 2]).expect("a file");
    let error = said(&shot, Path::new("ffmpeg")).to_string();
    assert_eq!(
        error,
        format!("{} ends before its picture does", bad.display())
    );
}

#[test]
fn a_film_can_be_cancelled_while_ffmpeg_takes_nothing() {
    let shot = shot(300);
    // It writes down who it is, reads nothing, and does not want to go.
    let mark = shot.out("pid");
    let script = format!(
        "trap '' TERM; sleep 600 & echo $$ $! > '{0}.new'; mv '{0}.new' '{0}'; wait",
        mark.display()
    );
    let program = stand_in(&shot, &script);
    let view = View::default();
    let film = Film {
        program: &program,
        ..film(&shot.cells, Codec::H264, &view)
    };
    let cancel = AtomicBool::new(false);
    let begun = Instant::now();
    let error = std::thread::scope(|threads| {
        threads.spawn(|| {
            while !mark.exists() && begun.elapsed() < Duration::from_secs(60) {
                std::thread::yield_now();
            }
            cancel.store(true, Ordering::Release);
        });
        let output = Output::new(shot.out("film.mp4"));
        encode(&film, &output, &cancel, &mut |_, _| {}).expect_err("cancelled")
    });
    assert!(matches!(error, FilmError::Cancelled), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert!(!shot.out("film.mp4").exists());
    // Neither it nor what it started is there any more.
    let pids = std::fs::read_to_string(&mark).expect("numbers");
    for pid in pids.split_whitespace() {
        let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Whom nobody waits for stays as a zombie for a moment.
        let is_gone = || stat().is_empty() || stat().contains(") Z ");
        while !is_gone() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", stat());
            std::thread::yield_now();
        }
    }
    assert_eq!(pids.split_whitespace().count(), 2);
}

#[test]
fn a_film_that_is_there_is_not_replaced() {
    let shot = shot(2);
    std::fs::write(shot.out("film.mp4"), b"another").expect("a file");
    let view = View::default();
    let film = film(&shot.cells, Codec::H264, &view);
    let error = encoded(&film, &shot.out("film.mp4")).expect_err("it is there");
    assert!(
        error.to_string().ends_with("film.mp4 is there already"),
        "{error}"
    );
}
