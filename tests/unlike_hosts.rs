//! Hosts of unlike speed, in real time: what must be true of such a render however busy the machine
//! is. How near it comes to the bound is measured by `tests/bench/realtime`.

mod support;

use std::collections::BTreeMap;

use serde_json::Value;
use support::{Desk, events};

const FRAMES: u64 = 40;

/// Renders on three hosts, half, once and four times as fast as the scene says, which the farm file
/// does not know.
fn render(kept: bool, policy: &str) -> (Value, Vec<Value>) {
    let desk = Desk::new();
    desk.file(
        "x.stub.toml",
        format!(
            "frames = \"1-{FRAMES}\"\nload = \"60ms\"\nframe = \"100ms\"\noutput = \"none\"\n\
             sticky = {kept}\nslow = {{ slow = 2.0, plain = 1.0, quick = 0.25 }}\n"
        ),
    );
    let host = |name: &str| format!("[[host]]\nname = \"{name}\"\nlink = \"local\"\nspeed = 1.0\n");
    desk.file("farm.toml", ["slow", "plain", "quick"].map(host).concat());
    let arguments = [
        "render",
        "x.stub.toml",
        "--hosts",
        "farm.toml",
        "--policy",
        policy,
        "--format",
        "json",
        "--events",
        "events.jsonl",
    ];
    let report = desk.run(arguments).expect_code(0).json();
    (report, events(&desk.work().join("events.jsonl")))
}

/// What is true under every policy.
fn check(report: &Value, events: &[Value]) {
    assert_eq!(report["tasks"]["done"], FRAMES, "{report:#}");
    let mut done: BTreeMap<&str, u32> = BTreeMap::new();
    for event in events.iter().filter(|event| event["event"] == "task-done") {
        *done
            .entry(
                event["task"]
                    .as_str()
                    .expect("the report and its events have it"),
            )
            .or_default() += 1;
    }
    assert_eq!(done.len() as u64, FRAMES);
    assert!(done.values().all(|times| *times == 1), "{done:?}");
    let number = |key: &str| {
        report[key]
            .as_f64()
            .expect("the report and its events have it")
    };
    let ratio = number("makespan_s") / number("lower_bound_s");
    assert!((number("ratio") - ratio).abs() < 1e-9, "{report:#}");
    assert!(ratio >= 0.99, "nothing ends before its bound: {report:#}");
    let loaded = events.iter().filter(|event| event["event"] == "loaded");
    assert_eq!(
        loaded.count() as u64,
        report["loads"]
            .as_u64()
            .expect("the report and its events have it")
    );
}

/// A host's entry of the report.
fn host<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut hosts = report["hosts"]
        .as_array()
        .expect("the report and its events have it")
        .iter();
    hosts
        .find(|host| host["name"] == name)
        .expect("the report and its events have it")
}

#[test]
fn a_kept_renderer_loads_once_a_slot_and_speeds_are_learned() {
    let (report, events) = render(true, "auto");
    check(&report, &events);
    assert!(
        report["loads"]
            .as_u64()
            .expect("the report and its events have it")
            <= 3,
        "{report:#}"
    );
    let speed = |name| {
        host(&report, name)["speed"]
            .as_f64()
            .expect("the report and its events have it")
    };
    let tasks = |name| {
        host(&report, name)["tasks"]
            .as_u64()
            .expect("the report and its events have it")
    };
    assert!(tasks("quick") > 0, "{report:#}");
    // A host that was given nothing taught nothing.
    if tasks("slow") > 0 {
        assert!(speed("quick") > speed("slow"), "{report:#}");
    }
}

#[test]
fn a_reloaded_renderer_loads_once_a_segment() {
    let (report, events) = render(false, "fixed:10");
    check(&report, &events);
    assert_eq!(report["segments"], FRAMES / 10, "{report:#}");
    assert_eq!(report["loads"], report["segments"], "{report:#}");
}
