//! The real Blender on hosts that are reached by ssh and see none of our files.
//!
//! The shot names its files in all the ways that a scene does: a texture beside it and a linked
//! library by relative paths, the library's own texture by a path relative to the library, and a
//! sequence of pictures elsewhere by absolute ones. What comes back is compared, in every decoded
//! channel, with what Blender alone makes here.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::blender::{Reference, has_blender, run_script, text, without_blender};
use support::pictures::Picture;
use support::sshd::{Farm, Setup};
use support::{Desk, events, expect_nothing_left};

const HOSTS: usize = 4;
/// The scene, a texture, a library, ten pictures of a sequence.
const FILES: u64 = 13;

/// A finished render on the farm.
struct Rendered {
    report: Value,
    events: Vec<Value>,
}

impl Rendered {
    #[track_caller]
    fn of(desk: &Desk, scene: &Path, hosts: &str, output: &str, more: &[&str]) -> Self {
        let pattern = format!("{output}/f.####.exr");
        let file = format!("{output}.jsonl");
        let mut words = vec!["render", text(scene), "--hosts", hosts, "-o", &pattern];
        words.extend(["--format", "json", "--no-history", "--events", &file]);
        words.extend(more);
        let report = desk.run(words).expect_code(0).json();
        expect_nothing_left(report["job"].as_str().unwrap());
        let events = events(&desk.work().join(&file));
        Self { report, events }
    }

    fn files(&self) -> Vec<PathBuf> {
        let outputs = self.report["outputs"].as_array().unwrap().iter();
        outputs.map(|path| path.as_str().unwrap().into()).collect()
    }

    fn told(&self, event: &str) -> Vec<&Value> {
        let all = self.events.iter();
        all.filter(|one| one["event"] == event).collect()
    }

    /// Bytes that each host was sent; all must have got all files. A host that is ready only when
    /// nothing is left to do is sent nothing.
    #[track_caller]
    fn sent(&self) -> BTreeMap<&str, u64> {
        let told = self.told("staged").into_iter();
        let sent = told.map(|event| {
            assert_eq!(event["files"], FILES, "{event:#}");
            let host = event["host"].as_str().unwrap();
            (host, event["bytes_sent"].as_u64().unwrap())
        });
        sent.collect()
    }
}

#[test]
fn a_staged_shot_on_four_hosts_equals_blenders_own() {
    if !has_blender() {
        return;
    }
    let Some(farm) = Farm::with(HOSTS, &Setup::default()) else {
        return;
    };
    let desk = Desk::new();
    let (shot, elsewhere) = (
        desk.work().join("shot"),
        desk.work().join("elsewhere/floor"),
    );
    fs::create_dir(&shot).unwrap();
    run_script(
        "make_shot.py",
        &shot,
        &["--library", "--sequence", text(&elsewhere)],
    );
    let scene = shot.join("shot.blend");
    let reference = Reference::render(&scene, "exr", (1, 10), "");
    if farm.is_isolated_or_say() {
        for host in farm.hosts() {
            let seen = host.run(&format!("test ! -e '{}'", desk.work().display()));
            assert_eq!(seen.code(), 0, "{} sees our files", host.name());
        }
    }
    let hosts = farm.toml(&desk, 1, "");

    let first = Rendered::of(&desk, &scene, &hosts, "first", &[]);
    let files = first.files();
    reference.expect_equal(&files, 1..=10);
    assert_eq!(first.report["tasks"]["done"], 10);
    let sent = first.sent();
    assert!(sent.len() > 1, "{sent:?}");
    assert!(sent.values().all(|bytes| *bytes > 10_000), "{sent:?}");

    // The comparison can fail: there is detail, and a frame in another's place shows.
    let colours = Picture::read(&files[0]).colours();
    assert!(colours > 1000, "{colours} colours");
    let fails = |files: &[PathBuf], frames| {
        catch_unwind(AssertUnwindSafe(|| reference.expect_equal(files, frames))).is_err()
    };
    let mut swapped = files.clone();
    swapped.swap(2, 8);
    assert!(fails(&swapped, 1..=10));

    let second = Rendered::of(&desk, &scene, &hosts, "second", &[]);
    reference.expect_equal(&second.files(), 1..=10);
    for (host, bytes) in second.sent() {
        assert!(bytes == 0 || !sent.contains_key(host), "{bytes} to {host}");
    }

    // None of this needs a Blender here.
    let words = [
        "render",
        text(&scene),
        "--hosts",
        &hosts,
        "-o",
        "third/f.####.exr",
    ];
    if let Some(ended) = without_blender(&desk, words) {
        ended.expect_code(0);
        let files: Vec<PathBuf> = (1..=10)
            .map(|frame| desk.work().join(format!("third/f.{frame:04}.exr")))
            .collect();
        reference.expect_equal(&files, 1..=10);
    }

    // The files are needed for that: without one the same frame differs, though the hosts
    // have had it once.
    let one = farm_of_one(&farm, &desk);
    for (number, left_out) in [
        shot.join("lib/prop.blend"),
        elsewhere.join("floor.0005.png"),
    ]
    .iter()
    .enumerate()
    {
        let away = left_out.with_extension("away");
        fs::rename(left_out, &away).unwrap();
        let output = format!("without-{number}");
        let more = ["-f", "5", "--set", "missing=warn"];
        let without = Rendered::of(&desk, &scene, &one, &output, &more);
        assert!(fails(&without.files(), 5..=5), "{}", left_out.display());
        fs::rename(&away, left_out).unwrap();
    }
}

/// The first host alone.
fn farm_of_one(farm: &Farm, desk: &Desk) -> String {
    farm.toml(desk, 1, "");
    let all = fs::read_to_string(desk.work().join("farm.toml")).unwrap();
    let second = all.rfind("[[host]]\nname = \"fw2\"").unwrap();
    desk.file("one.toml", &all[..second]);
    "one.toml".to_owned()
}
