//! Remembered costs where people choose by them: which hosts may load, what other policies and farms
//! would give, and what a simulation of the scene says.

mod support;

use serde_json::Value;
use support::{Desk, number};

/// Ten frames, and two hosts that say that they are alike, of which the first is ten times as slow.
/// It is rendered once, half on each.
fn rendered() -> Desk {
    let desk = Desk::new();
    desk.file(
        "x.stub.toml",
        "frames = \"1-10\"\nload = \"100ms\"\nframe = \"40ms\"\noutput = \"none\"\n\
         slow = { n1 = 10.0 }\n",
    );
    let host = |name: &str| format!("[[host]]\nname = \"{name}\"\nlink = \"local\"\nslots = 1\n");
    desk.file("farm.toml", ["n1", "n2"].map(host).concat());
    let arguments = ["render", "x.stub.toml", "--hosts", "farm.toml"];
    let policy = ["--policy", "fixed:5"];
    desk.run(arguments.into_iter().chain(policy)).expect_code(0);
    desk
}

#[track_caller]
fn answer(desk: &Desk, command: &str, more: &[&str]) -> Value {
    let words = [
        command,
        "x.stub.toml",
        "--hosts",
        "farm.toml",
        "--format",
        "json",
    ];
    desk.run([&words[..], more].concat()).expect_code(0).json()
}

fn hosts_of(plan: &Value) -> Vec<&str> {
    let segments = plan["segments"].as_array().expect("a list").iter();
    let mut hosts: Vec<&str> = segments
        .map(|segment| segment["host"].as_str().expect("a name"))
        .collect();
    hosts.dedup();
    hosts
}

#[test]
fn a_share_of_loading_leaves_the_hosts_that_are_remembered_to_load_quickly() {
    let desk = rendered();
    let limit = ["--max-load-share", "30%"];
    // As far as the scene says they are alike, and the first one is as good as any.
    let plain = answer(&desk, "plan", &[&limit[..], &["--no-history"]].concat());
    assert_eq!(hosts_of(&plain), ["n1"]);

    let plan = answer(&desk, "plan", &limit);
    assert_eq!(hosts_of(&plan), ["n2"], "{plan:#}");
    assert_eq!(plan["scene"]["basis"]["load_s"], "history");
    let told = plan["warnings"].as_array().expect("a list");
    let limits = told.iter().filter(|one| {
        one.as_str()
            .is_some_and(|one| one.contains("leaves 1 of 2"))
    });
    assert_eq!((told.len(), limits.count()), (1, 1), "{told:#?}");
    // What is left is at its own speed and load, not at those of the host that was in its place:
    // that one takes five seconds for the frames, and a second to load.
    let predicted = &plan["predicted"];
    assert!(number(&predicted["makespan_s"]) < 2.5, "{predicted:#}");
    assert!(number(&predicted["load_s"]) < 0.8, "{predicted:#}");

    // A render keeps to it.
    let words = [
        "render",
        "x.stub.toml",
        "--hosts",
        "farm.toml",
        "--format",
        "json",
    ];
    let report = desk
        .run([&words[..], &limit].concat())
        .expect_code(0)
        .json();
    let hosts = report["hosts"].as_array().expect("a list");
    assert_eq!(hosts.len(), 1, "{report:#}");
    assert_eq!(
        (&hosts[0]["name"], &hosts[0]["tasks"]),
        (&"n2".into(), &10.into())
    );
}

#[test]
fn other_policies_and_simulations_start_from_the_same_costs_as_a_plan() {
    let desk = rendered();
    let plan = answer(&desk, "plan", &["--compare"]);
    let makespan_s = number(&plan["predicted"]["makespan_s"]);
    let same = |row: &Value| {
        let other_s = number(&row["makespan_s"]);
        assert!(
            (other_s - makespan_s).abs() < 1e-4 * makespan_s,
            "{row:#}, {makespan_s}"
        );
    };
    same(&plan["compare"]["policies"][0]);
    let simulated = answer(&desk, "simulate", &[]);
    same(&simulated["results"][0]);
    assert_eq!(simulated["history"], plan["scene"]["history"]);
    assert_eq!(simulated["history"]["frames_known"], 10);
    assert_eq!(simulated["warnings"], plan["warnings"]);
    let text = desk.run(["simulate", "x.stub.toml", "--hosts", "farm.toml"]);
    let text = text.expect_code(0).stdout;
    assert!(
        text.contains("\ncosts from 10 frames rendered on 20"),
        "{text}"
    );

    // As if it had never been rendered.
    let plain = answer(&desk, "plan", &["--no-history"]);
    let simulated = answer(&desk, "simulate", &["--no-history"]);
    assert_eq!(simulated["history"], Value::Null);
    let plain_s = number(&plain["predicted"]["makespan_s"]);
    let simulated_s = number(&simulated["results"][0]["makespan_s"]);
    assert!(
        (plain_s - simulated_s).abs() < 1e-4,
        "{plain_s}, {simulated_s}"
    );
    assert!(
        (plain_s - makespan_s).abs() > 1e-3,
        "the history changes nothing"
    );
    let numbers = [
        "simulate",
        "--frames",
        "1-9",
        "--frame-cost",
        "1s",
        "--host-count",
        "2",
    ];
    desk.run([&numbers[..], &["--no-history"]].concat())
        .expect_code(2);
}
