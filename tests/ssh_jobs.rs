//! Whole jobs on hosts that are reached by ssh and share no disk with us.
//!
//! What a job hands back is compared with what the same renderer makes here without a host; the
//! pictures of the stub depend on the content of every file that its scene needs, so a file that
//! did not arrive, or another one, shows.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::pictures::Picture;
use support::sshd::{Farm, Setup};
use support::{Desk, Ended};

const SCENE: &str = r#"
frames = "1-12"
width = 160
height = 90
load = "100ms"
frame = "60ms"
assets = ["tex/wood.bin", "tex/deep/stone.bin"]
"#;

fn scene(desk: &Desk) {
    desk.file("shot/shot.stub.toml", SCENE);
    let bytes = |seed: u8, count: usize| -> Vec<u8> {
        let next = |at: usize| (at as u8).wrapping_mul(31).wrapping_add(seed) ^ (at >> 8) as u8;
        (0..count).map(next).collect()
    };
    desk.file("shot/tex/wood.bin", bytes(3, 700_000));
    desk.file("shot/tex/deep/stone.bin", bytes(7, 5));
}

fn render(desk: &Desk, output: &str, more: &[&str]) -> Ended {
    let pattern = format!("{output}/####.png");
    let mut words = vec![
        "render",
        "shot/shot.stub.toml",
        "-o",
        &pattern,
        "--format",
        "json",
    ];
    words.extend(["--events", "events.jsonl", "--no-history"]);
    words.extend(more);
    desk.run(&words)
}

fn events(desk: &Desk, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(desk.work().join("events.jsonl")).unwrap();
    let all = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|event| event["event"] == kind).collect()
}

fn pictures(folder: &Path) -> Vec<Vec<u8>> {
    (1..=12)
        .map(|frame| fs::read(folder.join(format!("{frame:04}.png"))).unwrap())
        .collect()
}

#[test]
fn a_staged_job_makes_the_pictures_that_a_local_one_makes() {
    let Some(farm) = Farm::with(2, &Setup::default()) else {
        return;
    };
    let desk = Desk::new();
    scene(&desk);
    render(&desk, "here", &["--local", "2"]).expect_code(0);
    let reference = pictures(&desk.work().join("here"));
    let file = farm.toml(&desk, 2, "");
    let first = render(&desk, "there", &["--hosts", &file]).expect_code(0);
    assert_eq!(first.json()["tasks"]["done"], 12);
    assert_eq!(pictures(&desk.work().join("there")), reference);
    let staged = events(&desk, "staged");
    assert_eq!(staged.len(), 2, "{first:#?}");
    for staged in &staged {
        assert_eq!(staged["files"], 3);
        assert!(staged["bytes_sent"].as_u64().unwrap() > 0, "{staged}");
    }
    // Nothing of the job stays there but what the next one will need.
    for host in farm.hosts() {
        let left = fs::read_dir(host.cache_root().join("jobs"));
        let left: Vec<_> = left.into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    let second = render(&desk, "again", &["--hosts", &file]).expect_code(0);
    assert_eq!(pictures(&desk.work().join("again")), reference);
    for staged in events(&desk, "staged") {
        assert_eq!(staged["bytes_sent"], 0, "{second:#?}");
    }

    // The pictures are of these files: with another one they differ.
    desk.file("shot/tex/deep/stone.bin", [9, 9, 9, 9, 9]);
    render(&desk, "other", &["--hosts", &file]).expect_code(0);
    assert_ne!(pictures(&desk.work().join("other")), reference);
}

const LAYERED: &str = r#"
frames = "1-6"
width = 160
height = 90
load = "100ms"
frame = "900ms"
layers = [
    { name = "beauty" },
    { name = "shadow", after = ["beauty"] },
    { name = "grade", after = [{ layer = "shadow", scope = "layer" }], weight = 0.2 },
]
"#;

/// The stub renderer opens each picture that a layer stands on before it renders the layer, so a job
/// that ends well had them on its hosts.
#[test]
fn what_a_layer_stands_on_reaches_the_host_that_renders_it() {
    let Some(farm) = Farm::with(2, &Setup::default()) else {
        return;
    };
    let desk = Desk::new();
    desk.file("shot/shot.stub.toml", LAYERED);
    let render = |output: &str, more: &[&str]| {
        let pattern = format!("{output}/####.exr");
        let mut words = vec!["render", "shot/shot.stub.toml", "-o", &pattern];
        words.extend(["--split", "layers", "--format", "json", "--no-history"]);
        words.extend(["--events", "events.jsonl"]);
        words.extend(more);
        desk.run(&words)
    };
    let read = |output: &str, frame: i32| {
        Picture::read(&desk.work().join(output).join(format!("{frame:04}.exr")))
    };
    render("here", &["--local", "2"]).expect_code(0);
    let file = farm.toml(&desk, 2, "");
    for (output, more) in [("whole", &[][..]), ("tiles", &["--tiles", "2x2"][..])] {
        let more = [&["--hosts", file.as_str()][..], more].concat();
        let report = render(output, &more).expect_code(0).json();
        assert_eq!(report["assembled"]["done"], 6, "{report:#}");
        assert_eq!(events(&desk, "task-failed"), [Value::Null; 0]);
        for frame in 1..=6 {
            let (there, here) = (read(output, frame), read("here", frame));
            assert!(here.colours() > 1000);
            assert_eq!(there.difference(&here), None, "{output}, frame {frame}");
            assert!(there.difference(&read("here", 7 - frame)).is_some());
        }
        // Both hosts had part in it, so frames of one were needed on the other: the job is long enough for
        // the second to be reached.
        let hosts = report["hosts"].as_array().unwrap();
        assert!(
            hosts.iter().all(|host| host["tasks"].as_u64().unwrap() > 0),
            "{report:#}"
        );
    }
}
