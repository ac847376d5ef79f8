//! What is said of costs that are remembered: by a render as it begins and when it is over, and by
//! `explain` while it runs.

mod support;

use std::fs;

use serde_json::Value;
use support::{Desk, Ended, LONG, number, small_scene, wait_for_event};

/// How much longer a frame may seem to take on a busy machine.
const BUSY_S: f64 = 0.25;

/// Four frames that take longer than any test.
const ENDLESS: &str = "frames = \"1-4\"\nframe = [\"10m\", \"10m\", \"10m\", \"10m\"]\n";
/// The same, but for the first.
const ENDLESS_AFTER_ONE: &str = "frames = \"1-4\"\nframe = [\"60ms\", \"10m\", \"10m\", \"10m\"]\n";

/// What `explain` says a waiting frame costs once this has happened; of a render of this scene that
/// is then stopped. With what the render said.
#[track_caller]
fn cost_while_it_runs(desk: &Desk, lines: &str, event: &str, more: &[&str]) -> (Value, Ended) {
    let scene = small_scene(desk, "a", lines);
    let log = desk.work().join("events.jsonl");
    // What an earlier render wrote is not to be waited for.
    let _ = fs::remove_file(&log);
    let mut arguments = vec!["render", &scene, "--overwrite", "--local", "1"];
    arguments.extend(["--priority", "1", "--events", "events.jsonl"]);
    arguments.extend(more);
    let running = desk.start(arguments);
    let started = wait_for_event(&log, "start", |one| one["event"] == "job-started");
    let job = started["job"].as_str().expect("an id");
    wait_for_event(&log, event, |one| one["event"] == event);
    let told = desk.run(["explain", job, "all:3", "--format", "json"]);
    let cost = told.expect_code(0).json()["tasks"][0]["cost"].clone();
    running.signal(rustix::process::Signal::INT);
    wait_for_event(&log, "stop", |one| one["event"] == "stopping");
    running.signal(rustix::process::Signal::INT);
    (cost, running.end(LONG).expect_code(130))
}

#[test]
fn a_render_and_explain_say_that_costs_come_from_history() {
    let desk = Desk::new();
    let quick = small_scene(&desk, "a", "frames = \"1-4\"\nframe = \"60ms\"\n");
    let first = desk.run(["render", &quick, "--local", "2"]).expect_code(0);
    assert!(!first.stderr.contains("costs from"), "{}", first.stderr);

    // The scene was changed, and the first frame does not end: nothing but history is known.
    let (cost, ended) = cost_while_it_runs(&desk, ENDLESS, "task-started", &[]);
    assert_eq!(
        (&cost["basis"], &cost["estimate_basis"]),
        (&"history".into(), &"history".into())
    );
    let seconds = number(&cost["seconds_s"]);
    assert!((0.05..0.06 + BUSY_S).contains(&seconds), "{cost:#}");
    let mut lines = ended.stderr.lines();
    let (job, costs) = (lines.next().expect("a line"), lines.next().expect("a line"));
    assert!(job.starts_with("job a-"), "{}", ended.stderr);
    assert!(
        costs.starts_with("costs from 4 frames rendered on 20")
            && costs.ends_with(" (the scene has changed since)"),
        "{}",
        ended.stderr
    );

    // One frame ended, and corrects what is remembered.
    let (cost, _) = cost_while_it_runs(&desk, ENDLESS_AFTER_ONE, "task-done", &[]);
    assert_eq!(
        (&cost["basis"], &cost["estimate_basis"]),
        (&"layer".into(), &"history".into())
    );

    // As if it had never been rendered.
    let (cost, ended) = cost_while_it_runs(&desk, ENDLESS, "task-started", &["--no-history"]);
    assert_eq!(
        (&cost["basis"], &cost["seconds_s"]),
        (&"declared".into(), &600.0.into())
    );
    assert!(!ended.stderr.contains("costs from"), "{}", ended.stderr);
}

#[test]
fn what_the_first_frame_takes_longer_is_predicted_of_it_and_not_of_the_load() {
    let desk = Desk::new();
    // Whatever is the first frame, it takes ten times as long.
    let scene = small_scene(
        &desk,
        "a",
        "frames = \"1-8\"\nframe = \"150ms\"\n[[fault]]\nframes = \"1\"\nkind = \"slow\"\n",
    );
    let arguments = |events| {
        let first = ["render", &scene, "--overwrite", "--local", "1"];
        let more = ["--priority", "1", "--format", "json", "--events", events];
        first.into_iter().chain(more)
    };
    let warms_up_s = 1.35;
    desk.run(arguments("first.jsonl")).expect_code(0);
    let planned = [
        "plan",
        &scene,
        "--local",
        "1",
        "--priority",
        "1",
        "--format",
        "json",
    ];
    let planned = desk.run(planned).expect_code(0).json();
    let warm_up_s = number(&planned["scene"]["history"]["warm_up_s"]);
    assert!(
        (warms_up_s - BUSY_S..warms_up_s + BUSY_S).contains(&warm_up_s),
        "{planned:#}"
    );
    // What a load keeps others waiting for, and so what a plan counts of it.
    assert!(
        number(&planned["scene"]["load_s"]) > warm_up_s,
        "{planned:#}"
    );

    let report = desk.run(arguments("second.jsonl")).expect_code(0).json();
    let host = &report["hosts"][0];
    let (load_s, predicted_load_s) = (number(&host["load_s"]), number(&host["predicted_load_s"]));
    assert!(predicted_load_s > 0.04, "{host:#}");
    assert!((predicted_load_s - load_s).abs() < BUSY_S, "{host:#}");
    let (busy_s, predicted_s) = (number(&host["busy_s"]), number(&host["predicted_s"]));
    assert!(predicted_s > warm_up_s + 8.0 * 0.15, "{host:#}");
    assert!((0.75..1.33).contains(&(busy_s / predicted_s)), "{host:#}");
    // Nothing is predicted of the second frame but what it costs.
    let events = support::events(&desk.work().join("second.jsonl"));
    let done = events.iter().filter(|event| event["event"] == "task-done");
    let predicted: Vec<f64> = done.map(|event| number(&event["predicted_s"])).collect();
    assert_eq!(predicted.len(), 8);
    assert!(predicted[0] > warm_up_s, "{predicted:?}");
}
