//! A stub scene, what the stub renderer alone makes of it, and jobs of it.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::support::pictures::Picture;
use super::support::{Desk, Ended, LONG, PROGRAM, Running, events, finish};

/// A scene on a desk of its own.
pub struct Shot {
    pub desk: Desk,
    scene: PathBuf,
    frames: Vec<i32>,
}

impl Shot {
    /// A picture of more than a thousand colours; `lines` say the rest.
    pub fn new(frames: &str, lines: &str) -> Self {
        let desk = Desk::new();
        let scene = desk.file("shot.stub.toml", text(frames, lines));
        let (first, last) = frames.split_once('-').expect("FIRST-LAST");
        let number = |text: &str| text.parse::<i32>().expect("a frame");
        Self {
            desk,
            scene,
            frames: (number(first)..=number(last)).collect(),
        }
    }

    /// The same scene with other lines.
    pub fn rewrite(&self, frames: &str, lines: &str) {
        std::fs::write(&self.scene, text(frames, lines)).expect("our own file");
    }

    /// What the renderer alone makes of it, by frame.
    pub fn reference(&self, extension: &str, more: &[&str]) -> BTreeMap<i32, Picture> {
        let folder = self.desk.work().join("reference");
        std::fs::create_dir_all(&folder).expect("our own folder");
        let pattern = folder.join(format!("r.####.{extension}"));
        let mut command = self.desk.command(PROGRAM);
        command.arg("stub-render").arg(&self.scene).args(more);
        command.arg("--output").arg(pattern);
        finish(command, LONG).expect_code(0);
        let read = |frame: &i32| {
            let path = folder.join(format!("r.{frame:04}.{extension}"));
            let picture = Picture::read(&path);
            assert!(picture.colours() > 1000, "{} colours", picture.colours());
            (*frame, picture)
        };
        self.frames.iter().map(read).collect()
    }

    /// Where a job of this name puts its frames.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.desk.work().join(name)
    }

    pub fn picture(&self, name: &str, extension: &str, frame: i32) -> PathBuf {
        self.folder(name).join(format!("f.{frame:04}.{extension}"))
    }

    pub fn events_path(&self, name: &str) -> PathBuf {
        self.desk.work().join(format!("{name}.events"))
    }

    /// Starts a job of two slots.
    pub fn start(&self, name: &str, extension: &str, more: &[&str]) -> Running {
        let pattern = self.folder(name).join(format!("f.####.{extension}"));
        let mut command = self.desk.framewright(["render", "--local", "2"]);
        command.args(["--no-history", "--format", "json"]);
        command.arg(&self.scene).arg("-o").arg(pattern);
        command.arg("--events").arg(self.events_path(name));
        command.args(more);
        Running::start(command)
    }

    pub fn render(&self, name: &str, extension: &str, more: &[&str]) -> Ended {
        self.start(name, extension, more).end(LONG)
    }

    /// Takes up the job of that name; its events go to `NAME-again`.
    pub fn resume(&self, name: &str) -> Running {
        let job = self.job(name);
        let mut command = self.desk.framewright(["render", "--resume", &job]);
        command.args(["--format", "json", "--events"]);
        command.arg(self.events_path(&format!("{name}-again")));
        Running::start(command)
    }

    /// The job's id.
    pub fn job(&self, name: &str) -> String {
        let started = self.told(name, "job-started");
        started[0]["job"].as_str().expect("an id").to_owned()
    }

    /// The events of one kind that a job told.
    pub fn told(&self, name: &str, kind: &str) -> Vec<Value> {
        let mut told = events(&self.events_path(name));
        told.retain(|event| event["event"] == kind);
        told
    }

    /// Fails unless a job's frames equal the reference in every decoded sample, and nothing else is in
    /// its folder.
    #[track_caller]
    pub fn expect_equal(&self, name: &str, extension: &str, reference: &BTreeMap<i32, Picture>) {
        let wanted: Vec<PathBuf> = reference
            .keys()
            .map(|frame| self.picture(name, extension, *frame))
            .collect();
        assert_eq!(files(&self.folder(name)), wanted);
        for (frame, wanted) in reference {
            let picture = Picture::read(&self.picture(name, extension, *frame));
            assert_eq!(picture.difference(wanted), None, "frame {frame}");
            // The comparison can fail: for a picture a pixel off, and for another frame's.
            assert!(picture.shifted().difference(wanted).is_some());
            for other in reference.keys().filter(|other| *other != frame) {
                assert!(picture.difference(&reference[other]).is_some());
            }
        }
    }
}

fn text(frames: &str, lines: &str) -> String {
    format!(
        "frames = \"{frames}\"\nwidth = 96\nheight = 72\nload = \"50ms\"\nframe = \"80ms\"\n{lines}"
    )
}

/// Everything in a folder, hidden things too, by name.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    found.sort();
    found
}

/// The failed tasks, pictures and films of a result.
pub fn failures(report: &Value) -> Vec<(String, String)> {
    let failures = report["failures"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    failures
        .iter()
        .map(|failure| (text(&failure["task"]), text(&failure["why"])))
        .collect()
}
