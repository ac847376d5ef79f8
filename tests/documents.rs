//! What people script against: the JSON documents, the event stream, and the frames themselves.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{Desk, Ended, events, top};

fn quick(desk: &Desk) -> String {
    let scene = desk.file(
        "quick.stub.toml",
        "frames = \"1-12\"\nwidth = 160\nheight = 90\nload = \"50ms\"\nframe = \"20ms\"\n",
    );
    scene.to_str().expect("a plain path").to_owned()
}

#[track_caller]
fn keys(value: &Value, wanted: &[&str]) {
    let has: BTreeSet<&str> = value
        .as_object()
        .unwrap_or_else(|| panic!("no object: {value}"))
        .keys()
        .map(String::as_str)
        .collect();
    for key in wanted {
        assert!(has.contains(key), "{key} is missing in {value:#}");
    }
}

fn render(desk: &Desk, scene: &str, more: &[&str]) -> Ended {
    let mut arguments = vec!["render", scene, "--local", "2", "--format", "json"];
    arguments.extend(more);
    desk.run(arguments)
}

#[test]
fn render_prints_the_promised_document() {
    let desk = Desk::new();
    let scene = quick(&desk);
    let ended = render(&desk, &scene, &["--note", "for dailies"]).expect_code(0);
    let document = ended.json();
    keys(
        &document,
        &[
            "format",
            "job",
            "state",
            "tasks",
            "segments",
            "loads",
            "makespan_s",
            "lower_bound_s",
            "ratio",
            "predicted_makespan_s",
            "load_s",
            "render_s",
            "outputs",
            "hosts",
            "failures",
        ],
    );
    assert_eq!(document["format"], 1);
    assert_eq!(document["state"], "done");
    keys(&document["tasks"], &["total", "done", "failed", "skipped"]);
    assert_eq!(document["tasks"]["done"], 12);
    assert_eq!(document["loads"], 2, "one load a slot");
    assert_eq!(document["outputs"].as_array().map(Vec::len), Some(12));
    assert!(
        document["ratio"].as_f64().expect("a number") >= 1.0,
        "{document:#}"
    );
    keys(
        &document["hosts"][0],
        &[
            "name",
            "tasks",
            "busy_s",
            "load_s",
            "speed",
            "speed_declared",
            "predicted_s",
            "predicted_load_s",
        ],
    );
    assert!(
        ended.stderr.is_empty(),
        "JSON for stdout, nothing else: {}",
        ended.stderr
    );

    let job = document["job"].as_str().expect("an id");
    let status = desk
        .run(["status", job, "--format", "json"])
        .expect_code(0)
        .json();
    keys(
        &status,
        &[
            "format", "job", "state", "scene", "tasks", "started", "hosts", "failures", "eta_s",
        ],
    );
    let jobs = desk.run(["jobs", "--format", "json"]).expect_code(0).json();
    keys(
        &jobs["jobs"][0],
        &["job", "state", "scene", "tasks", "started"],
    );
    assert_eq!(jobs["jobs"][0]["job"], job);

    let log = fs::read_dir(desk.state().join("framewright/jobs").join(job).join("logs"))
        .expect("a folder of logs")
        .flatten()
        .next()
        .expect("a log");
    let log = fs::read_to_string(log.path()).expect("a text");
    assert!(
        log.contains("for dailies"),
        "the note travels with every segment: {log}"
    );
}

#[test]
fn plan_prints_the_promised_document_and_starts_nothing() {
    let desk = Desk::new();
    let scene = quick(&desk);
    let plan = desk
        .run(["plan", &scene, "--local", "2", "--format", "json"])
        .expect_code(0)
        .json();
    keys(
        &plan,
        &[
            "format",
            "adapter",
            "scene",
            "split",
            "tasks",
            "segments",
            "predicted",
            "warnings",
        ],
    );
    keys(
        &plan["scene"],
        &[
            "frames",
            "fps",
            "width",
            "height",
            "layers",
            "load_s",
            "frame_s",
            "memory_bytes",
            "assets",
            "basis",
            "history",
        ],
    );
    keys(&plan["scene"]["basis"], &["load_s", "frame_s"]);
    keys(
        &plan["segments"][0],
        &["id", "host", "layer", "frames", "tile", "start_s", "end_s"],
    );
    keys(
        &plan["predicted"],
        &[
            "makespan_s",
            "lower_bound_s",
            "ratio",
            "load_s",
            "loads",
            "hosts_busy_max",
            "saturation",
        ],
    );
    assert_eq!(plan["tasks"], 12);
    // 12 frames of 20 ms on two slots behind 50 ms of loading: 170 ms, and the kernel reaches it.
    let makespan = plan["predicted"]["makespan_s"].as_f64().expect("a number");
    let bound = plan["predicted"]["lower_bound_s"]
        .as_f64()
        .expect("a number");
    assert!((bound - 0.17).abs() < 1e-6, "{bound}");
    assert!((0.17..0.20).contains(&makespan), "{makespan}");
    assert!(
        !desk.state().join("framewright/jobs").exists(),
        "a plan makes no job"
    );
    assert!(
        !desk.work().join("quick").exists(),
        "a plan makes no folder"
    );
}

#[test]
fn inspect_prints_the_promised_document() {
    let desk = Desk::new();
    let scene = quick(&desk);
    let found = desk
        .run(["inspect", &scene, "--format", "json"])
        .expect_code(0)
        .json();
    keys(&found, &["format", "adapter", "scene"]);
    keys(
        &found["scene"],
        &[
            "frames",
            "step",
            "fps",
            "width",
            "height",
            "camera",
            "cameras",
            "engine",
            "layers",
            "load_s",
            "call_s",
            "frame_s",
            "memory_bytes",
            "basis",
            "assets",
            "tiles",
            "warnings",
        ],
    );
    keys(
        &found["scene"]["layers"][0],
        &["name", "after", "weight", "passes"],
    );
    keys(&found["scene"]["tiles"], &["exact", "margin", "why"]);
    assert_eq!(found["scene"]["load_s"], 0.05);
}

#[test]
fn events_tell_the_whole_story_in_order() {
    let desk = Desk::new();
    let scene = quick(&desk);
    let file = desk.work().join("events.jsonl");
    render(&desk, &scene, &["--events", "events.jsonl"]).expect_code(0);
    let events = events(&file);
    let kind = |event: &Value| {
        event["event"]
            .as_str()
            .expect("an event has a kind")
            .to_owned()
    };
    assert_eq!(events.first().map(kind).as_deref(), Some("job-started"));
    assert_eq!(events.last().map(kind).as_deref(), Some("job-ended"));
    let count = |wanted: &str| events.iter().filter(|event| kind(event) == wanted).count();
    assert_eq!(count("task-done"), 12);
    assert_eq!(count("task-started"), 12);
    assert_eq!(count("loaded"), 2);
    assert_eq!(count("segment-sent"), count("segment-ended"));
    let times: Vec<&str> = events
        .iter()
        .filter_map(|event| event["time"].as_str())
        .collect();
    assert_eq!(times.len(), events.len(), "every event has its time");
    assert!(times.iter().all(|time| time.ends_with('Z')), "{times:?}");
}

/// Pixels of a PNG, with its size.
fn pixels(path: &Path) -> (u32, u32, Vec<u8>) {
    let file = std::io::BufReader::new(fs::File::open(path).expect("the frame is there"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut bytes = vec![0; reader.output_buffer_size().expect("a small picture")];
    let info = reader.next_frame(&mut bytes).expect("a whole PNG");
    bytes.truncate(info.buffer_size());
    (info.width, info.height, bytes)
}

#[test]
fn frames_are_the_ones_that_the_renderer_alone_writes() {
    let desk = Desk::new();
    let scene = quick(&desk);
    render(&desk, &scene, &["-o", "out/f.####.png"]).expect_code(0);
    // The reference: the renderer by hand, in one process, without the rest of the program.
    desk.run([
        "stub-render",
        &scene,
        "--frames",
        "1-12",
        "--output",
        "ref/f.####.png",
    ])
    .expect_code(0);
    let frame = |folder: &str, number: u32| {
        pixels(&desk.work().join(folder).join(format!("f.{number:04}.png")))
    };
    for number in 1..=12 {
        assert_eq!(frame("out", number), frame("ref", number), "frame {number}");
    }
    let (_, _, bytes) = frame("ref", 1);
    let colours: BTreeSet<&[u8]> = bytes.chunks_exact(4).collect();
    assert!(
        colours.len() > 1_000,
        "a picture that shows mistakes: {}",
        colours.len()
    );
    // The control: the same comparison sees a swapped frame.
    assert_ne!(frame("out", 1), frame("ref", 2));
    let left: Vec<_> = fs::read_dir(desk.work().join("out"))
        .expect("the folder")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with('.'))
        .collect();
    assert!(left.is_empty(), "nothing but frames is left: {left:?}");
}

#[test]
fn a_job_file_says_what_options_say_and_flags_win() {
    let desk = Desk::new();
    quick(&desk);
    desk.file(
        "shot.toml",
        "scene = \"quick.stub.toml\"\nframes = \"1-6\"\noutput = \"a/x.####.png\"\nlocal = 1\n",
    );
    let document = desk
        .run([
            "render",
            "--job",
            "shot.toml",
            "-f",
            "1-2",
            "--format",
            "json",
        ])
        .expect_code(0)
        .json();
    assert_eq!(document["tasks"]["total"], 2);
    assert!(desk.work().join("a/x.0002.png").exists());
}

#[test]
fn the_examples_are_what_they_say() {
    let desk = Desk::new();
    for name in ["quickstart", "faulty", "layers"] {
        let scene = top().join(format!("examples/{name}.stub.toml"));
        let scene = scene.to_str().expect("a plain path");
        let plan = desk
            .run(["plan", scene, "--format", "json"])
            .expect_code(0)
            .json();
        assert!(
            plan["tasks"].as_u64().expect("a number") > 0,
            "{name}: {plan:#}"
        );
    }
}
