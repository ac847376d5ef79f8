//! Renderers that are started for each segment, and what they are given: samples of the shot where
//! they promise to take any frames in any order, runs of frames where not.

mod support;

use std::path::Path;

use serde_json::Value;
use support::pictures::Picture;
use support::{Desk, events, top};

const SCENE: &str = "frames = \"1-24\"\nwidth = 64\nheight = 36\nload = \"60ms\"\n\
                     frame = \"20ms\"\n";

/// Frames of each segment, in the order in which they were sent.
fn segments(desk: &Desk) -> Vec<Vec<i32>> {
    let frame = |task: &Value| {
        let name = task.as_str().expect("a name");
        name.rsplit(':').next().and_then(|text| text.parse().ok())
    };
    events(&desk.work().join("events.jsonl"))
        .iter()
        .filter(|event| event["event"] == "segment-sent")
        .map(|event| {
            let tasks = event["tasks"].as_array().expect("tasks");
            tasks
                .iter()
                .map(|task| frame(task).expect("a frame"))
                .collect()
        })
        .collect()
}

fn render(desk: &Desk, scene: &str, out: &str, more: &[&str]) -> Value {
    let output = format!("{out}/f.####.png");
    let mut arguments = vec!["render", scene, "--local", "2", "-o", &output];
    arguments.extend(["--format", "json", "--events", "events.jsonl"]);
    arguments.extend(more);
    desk.run(arguments).expect_code(0).json()
}

#[track_caller]
fn expect_same_pictures(desk: &Desk, one: &str, other: &str) {
    let picture = |out: &str, frame: i32| {
        let path = desk.work().join(out).join(format!("f.{frame:04}.png"));
        Picture::read(&path)
    };
    for frame in 1..=24 {
        let difference = picture(one, frame).difference(&picture(other, frame));
        assert_eq!(difference, None, "frame {frame}");
    }
    assert!(picture(one, 1).difference(&picture(one, 2)).is_some());
}

#[test]
fn a_renderer_that_takes_lists_loads_once_for_a_sample_of_the_shot() {
    let desk = Desk::new();
    desk.file("kept.stub.toml", SCENE);
    desk.file("reloaded.stub.toml", format!("{SCENE}sticky = false\n"));
    render(&desk, "kept.stub.toml", "kept", &[]);
    for (scene, more) in [
        ("reloaded.stub.toml", &[][..]),
        ("kept.stub.toml", &["--set", "sticky=false"][..]),
    ] {
        let report = render(&desk, scene, "lists", more);
        assert_eq!(report["loads"], report["segments"], "{report:#}");
        let sent = segments(&desk);
        assert!(
            sent.iter().any(|frames| !frames.is_sorted()),
            "samples are not in order: {sent:?}"
        );
        expect_same_pictures(&desk, "kept", "lists");
        std::fs::remove_dir_all(desk.work().join("lists")).expect("our own folder");
    }
}

#[test]
fn a_renderer_that_does_not_gets_runs() {
    let desk = Desk::new();
    let sample = top().join("tests/adapters/pystub");
    let read = |name: &str| std::fs::read_to_string(sample.join(name)).expect("ours");
    let script = read("pystub.py");
    for (line, other) in [
        ("\"frame-lists\": True", "\"frame-lists\": False"),
        ("\"sticky\": True", "\"sticky\": False"),
    ] {
        assert_eq!(script.matches(line).count(), 1, "{other}");
    }
    let script = script
        .replace("\"frame-lists\": True", "\"frame-lists\": False")
        .replace("\"sticky\": True", "\"sticky\": False");
    desk.file("ad/pystub.py", script);
    desk.file("ad/adapter.toml", read("adapter.toml"));
    desk.file("kept.stub.toml", SCENE);
    let more = ["--adapter-path", "ad", "--adapter", "pystub"];
    render(&desk, "kept.stub.toml", "runs", &more);
    let sent = segments(&desk);
    let is_run = |frames: &Vec<i32>| frames.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    assert!(!sent.is_empty() && sent.iter().all(is_run), "{sent:?}");
    assert!(Path::new(&desk.work().join("runs/f.0024.png")).exists());
}
