//! A scene with a texture on a desk, its frames as a local render makes them, and a render on hosts
//! that is watched by its events.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::pictures::compare;
use super::support::sshd::{Farm, Host};
use super::support::{Desk, LONG, PROGRAM, Running, events, poll};

pub struct Stage {
    pub desk: Desk,
    frames: usize,
}

impl Stage {
    /// Renders it here, too: on many slots, since its frames take time and not work.
    pub fn new(lines: &str, frames: usize) -> Self {
        let desk = Desk::new();
        let head = "width = 32\nheight = 18\nassets = ['tex/wood.bin']\n";
        desk.file("shot/shot.stub.toml", format!("{head}{lines}"));
        desk.file("shot/tex/wood.bin", vec![7; 300_000]);
        let stage = Self { desk, frames };
        let mut words = vec!["render", "shot/shot.stub.toml", "-o", "here/f.####.exr"];
        words.extend(["--local", "24", "--no-history"]);
        stage.desk.run(words).expect_code(0);
        stage
    }

    pub fn frames(&self) -> usize {
        self.frames
    }

    pub fn start(&self, hosts: &str, more: &[&str]) -> Running {
        let mut words = vec!["render", "shot/shot.stub.toml", "-o", "there/f.####.exr"];
        words.extend(["--hosts", hosts, "--events", "events.jsonl", "--no-history"]);
        words.extend(more);
        self.desk.start(words)
    }

    fn events_path(&self) -> PathBuf {
        self.desk.work().join("events.jsonl")
    }

    pub fn events(&self) -> Vec<Value> {
        events(&self.events_path())
    }

    #[track_caller]
    pub fn job(&self) -> String {
        text(&self.events()[0], "job").to_owned()
    }

    /// Waits until a host has begun so many tasks, and a little longer.
    #[track_caller]
    pub fn wait_in_mid_frame(&self, host: &str, begun: usize, later: Duration) {
        self.wait_for_count("task-started", host, begun);
        let until = Instant::now() + later;
        poll(later * 2, || (Instant::now() >= until).then_some(()));
    }

    #[track_caller]
    pub fn wait_for_count(&self, kind: &str, host: &str, count: usize) {
        let seen = poll(LONG, || {
            let events = self.events();
            let fits = |event: &&Value| is(event, kind) && event["host"] == host;
            (events.iter().filter(fits).count() >= count).then_some(())
        });
        assert!(
            seen.is_some(),
            "{count} {kind} of {host} in {:#?}",
            self.events()
        );
    }

    /// Every frame is there, and what the local render made.
    #[track_caller]
    pub fn expect_frames(&self) {
        let folder = |name: &str| self.desk.work().join(name);
        assert_eq!(
            compare(&folder("here"), &folder("there")),
            Ok(self.frames),
            "{:#?}",
            self.events()
        );
    }
}

pub fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_default()
}

pub fn is(event: &Value, kind: &str) -> bool {
    text(event, "event") == kind
}

/// Negative for an event from before.
#[track_caller]
pub fn seconds_between(from: Timestamp, event: &Value) -> f64 {
    let at: Timestamp = text(event, "time").parse().expect("a time in each event");
    at.duration_since(from).as_secs_f64()
}

/// Commits by task; more than one of a task is a fault.
#[track_caller]
pub fn ends_of(events: &[Value]) -> BTreeMap<String, Value> {
    let mut ends = BTreeMap::new();
    for event in events.iter().filter(|event| is(event, "task-done")) {
        let before = ends.insert(text(event, "task").to_owned(), event.clone());
        assert_eq!(before, None, "committed twice: {event}");
    }
    ends
}

/// Hashes of the pictures in a host's scratch folders that were written since.
pub fn made_since(host: &Host, since: Timestamp) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(
        &host.cache_root().join("jobs"),
        since.as_millisecond(),
        &mut found,
    );
    found
}

fn walk(folder: &Path, since_ms: i64, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, since_ms, found);
        } else if path.extension().is_some_and(|ext| ext == "exr")
            && let Ok(written) = entry.metadata().and_then(|about| about.modified())
            && let Ok(age) = written.duration_since(std::time::UNIX_EPOCH)
            && i64::try_from(age.as_millis()).is_ok_and(|written| written > since_ms)
            && let Ok(bytes) = fs::read(&path)
        {
            found.insert(blake3::hash(&bytes).to_hex().to_string());
        }
    }
}

/// A stub renderer that ignores SIGTERM and leaves a process behind that left its session, its
/// tags and its group. Where the hosts see it.
#[track_caller]
pub fn unruly_renderer(farm: &Farm, mark: (&str, &str)) -> String {
    let folder = farm.ssh_config();
    let path = folder.parent().expect("a folder").join("unruly");
    let (variable, value) = mark;
    let text = format!(
        "#!/bin/sh\ntrap '' TERM HUP\nenv -i {variable}={value} PATH=/usr/bin:/bin setsid \
         sh -c 'sleep 1000; :' </dev/null >/dev/null 2>&1 &\nexec {PROGRAM} \"$@\"\n"
    );
    fs::write(&path, text).expect("the farm's folder");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own file");
    path.display().to_string()
}
