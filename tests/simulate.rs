//! `simulate`, `plan --compare` and what a plan says of sizes and hosts, through the real program.
//!
//! Royal Render's users' page gives worked examples; they are reproduced here from numbers alone.
//! Ratios to the lower bound are held against those of another simulator, written before this one
//! and without it, whose farm follows the documentation of the field's policies: two programs that
//! agree on these cells speak of the same thing.

#[path = "simulate/cells.rs"]
mod cells;
#[path = "simulate/plans.rs"]
mod plans;
#[path = "simulate/refusals.rs"]
mod refusals;
mod support;

use serde_json::Value;
use support::Desk;

/// A job on a farm, in numbers.
struct Cell {
    frames: &'static str,
    frame: &'static str,
    load: &'static str,
    hosts: &'static str,
}

const A: Cell = cell("1-200", "20s", "60s", "20");

const fn cell(
    frames: &'static str,
    frame: &'static str,
    load: &'static str,
    hosts: &'static str,
) -> Cell {
    Cell {
        frames,
        frame,
        load,
        hosts,
    }
}

/// A send each 5 s that takes 6 s to arrive, and an agent that is told at once.
const SLOW: [&str; 4] = ["--dispatch-interval", "5s", "--start-delay", "6s"];
const FAST: [&str; 4] = ["--dispatch-interval", "20ms", "--start-delay", "100ms"];

impl Cell {
    fn arguments<'a>(&self, more: &[&'a str]) -> Vec<&'a str> {
        let mut words = vec!["simulate", "--format", "json"];
        words.extend(["--frames", self.frames, "--frame-cost", self.frame]);
        words.extend(["--load", self.load, "--host-count", self.hosts]);
        words.extend(more);
        words
    }

    fn run(&self, more: &[&str]) -> Value {
        Desk::new().run(self.arguments(more)).expect_code(0).json()
    }
}

fn number(value: &Value, key: &str) -> f64 {
    value[key]
        .as_f64()
        .unwrap_or_else(|| panic!("no number `{key}` in {value}"))
}

#[test]
fn royal_render_s_own_arithmetic_comes_out() {
    let one = cell("1-200", "20s", "60s", "1");
    for (size, makespan, load_s) in [
        ("royal-render:2..2", 10_000.0, 6_000.0),
        ("royal-render:10..10", 5_200.0, 1_200.0),
    ] {
        let answer = one.run(&["--reload", "--policy", size]);
        let row = &answer["results"][0];
        assert_eq!(row["policy"], size);
        assert!((number(row, "makespan_s") - makespan).abs() < 1e-3, "{row}");
        assert!((number(row, "load_s") - load_s).abs() < 1e-3, "{row}");
        assert!((number(row, "render_s") - 4_000.0).abs() < 1e-3, "{row}");
        // 60 % and 23.1 % of the time go into loading.
        let share = load_s / makespan;
        assert!((number(row, "load_hours") / number(row, "busy_hours") - share).abs() < 1e-9);
    }
}

/// 30 s of load, 6 s to start, a send each 5 s: 76 s and 236 s a segment keep 15.2 and 47.2
/// clients busy. The page cuts that to 15 and 47, and calls the 16th client one that never gets a
/// job; it gets one, 1 s before the first is free again.
#[test]
fn a_server_that_sends_each_5_s_feeds_15_and_47_clients() {
    for (frames, size, segment_s, clients) in [
        ("1-8000", "royal-render:2..2", 76.0, 16.0),
        ("1-40000", "royal-render:10..10", 236.0, 48.0),
    ] {
        // So many frames that beginning and end do not count.
        let farm = cell(frames, "20s", "30s", "200");
        let arguments = [&SLOW[..], &["--reload", "--policy", size]].concat();
        let row = farm.run(&arguments)["results"][0].clone();
        let fed = segment_s / 5.0;
        let busy = number(&row, "slots_busy_mean");
        assert!((busy / fed - 1.0).abs() < 0.015, "{busy} instead of {fed}");
        assert_eq!(number(&row, "slots_used"), clients);
    }
    // The page's first example has 200 frames: at 10/10 these are 20 segments, for 20 clients.
    let farm = cell("1-200", "20s", "30s", "200");
    let arguments = [&SLOW[..], &["--reload", "--policy", "royal-render:10..10"]].concat();
    let row = farm.run(&arguments)["results"][0].clone();
    assert_eq!(number(&row, "segments"), 20.0);
    assert_eq!(number(&row, "slots_used"), 20.0);
}

#[test]
fn the_document_has_every_key_that_is_promised() {
    let answer = A.run(&["--policy", "auto", "--policy", "fixed:10"]);
    let keys = |value: &Value| -> Vec<String> {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    assert_eq!(
        keys(&answer),
        [
            "format", "history", "hosts", "results", "slots", "tasks", "warnings"
        ]
    );
    assert_eq!(
        keys(&answer["results"][0]),
        [
            "busy_hours",
            "busy_share",
            "cost",
            "failed",
            "load_hours",
            "load_s",
            "loads",
            "lower_bound_s",
            "makespan_s",
            "policy",
            "ratio",
            "ratio_max",
            "render_s",
            "seeds",
            "segments",
            "slots_busy_mean",
            "slots_used",
        ]
    );
    assert_eq!(answer["format"], 1);
    assert_eq!(
        (answer["tasks"].as_u64(), answer["slots"].as_u64()),
        (Some(200), Some(20))
    );
    // Nothing is left to chance here, so one world says it all.
    assert_eq!(answer["results"][0]["seeds"], 1);
    assert_eq!(answer["results"][0]["cost"], Value::Null);
}

#[test]
fn the_same_seeds_give_the_same_answer_and_others_another() {
    let faults = [
        "--cost",
        "lognormal:0.6",
        "--host-loss",
        "2/h",
        "--stragglers",
        "0.05x4",
        "--flaky",
        "0.02",
        "--history-error",
        "0.2",
        "--unknown-speeds",
        "--seeds",
        "6",
    ];
    let with = |more: &[&str]| A.run(&[&faults[..], more].concat());
    let policies = [
        "--policy",
        "auto",
        "--policy",
        "openjd:5m",
        "--policy",
        "even",
    ];
    let first = with(&policies);
    assert_eq!(first, with(&policies));
    assert_ne!(first, with(&[&policies[..], &["--seed", "77"]].concat()));
    // Each policy meets the same worlds, alone or in company.
    let alone = with(&["--policy", "even"]);
    assert_eq!(alone["results"][0], first["results"][2]);
    for row in first["results"].as_array().unwrap() {
        assert_eq!(row["seeds"], 6);
        assert!(number(row, "ratio") >= 1.0 && number(row, "ratio_max") > number(row, "ratio"));
    }
    // What breaks costs time.
    let calm = A.run(&["--cost", "lognormal:0.6", "--seeds", "6"]);
    let (calm, rough) = (&calm["results"][0], &first["results"][0]);
    assert!(number(rough, "render_s") > number(calm, "render_s") * 1.02);
}

/// A scene that takes what it declares: then a simulation without unknowns is the plan.
const SCENE: &str =
    "frames = '1-200'\nload = '60s'\nframe = '20s'\noutput = 'none'\nsticky = false\n";

/// Twenty slots on ten hosts at 0.80 an hour.
fn farm(limits: &str) -> String {
    let host = |index| {
        format!("[[host]]\nname = 'n{index}'\nlink = 'local'\nslots = 2\ncost_per_hour = 0.8\n")
    };
    let hosts: String = (0..10).map(host).collect();
    format!("{limits}\n{hosts}")
}

fn desk(limits: &str) -> Desk {
    let desk = Desk::new();
    desk.file("shot.stub.toml", SCENE);
    desk.file("farm.toml", farm(limits));
    desk
}

#[test]
fn a_scene_simulated_without_unknowns_is_its_plan() {
    let desk = desk("");
    let json = ["--format", "json"];
    let plan = desk
        .run([&["plan", "shot.stub.toml"][..], &json].concat())
        .expect_code(0)
        .json();
    let simulated = desk
        .run([&["simulate", "shot.stub.toml"][..], &json].concat())
        .expect_code(0)
        .json();
    let row = &simulated["results"][0];
    for key in ["makespan_s", "lower_bound_s", "load_s"] {
        assert_eq!(row[key], plan["predicted"][key], "{key}");
    }
    // 20 slots load for a minute and render ten frames: 20 × 260 s at 0.40 an hour each.
    let cost = number(row, "cost");
    assert!((cost - 20.0 * 260.0 / 3600.0 * 0.4).abs() < 1e-6, "{cost}");
}

#[test]
fn a_farm_for_simulation_need_not_be_reachable() {
    let desk = Desk::new();
    desk.file(
        "far.toml",
        "[[host]]\nname = 'far'\nlink = 'ssh'\nslots = 4\nspeed = 2.0\n",
    );
    let answer = desk
        .run([
            "simulate",
            "--hosts",
            "far.toml",
            "--frames",
            "1-8",
            "--frame-cost",
            "10s",
            "--format",
            "json",
        ])
        .expect_code(0)
        .json();
    assert_eq!(answer["slots"], 4);
    assert_eq!(number(&answer["results"][0], "makespan_s"), 10.0);
}

#[test]
fn people_get_a_table() {
    let desk = Desk::new();
    let text = desk
        .run([
            "simulate",
            "--frames",
            "1-200",
            "--frame-cost",
            "20s",
            "--load",
            "60s",
            "--host-count",
            "20",
            "--reload",
            "--policy",
            "auto",
            "--policy",
            "fixed:1",
        ])
        .expect_code(0)
        .stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "200 tasks on 20 slots of 20 hosts");
    assert!(lines[2].starts_with("POLICY "), "{text}");
    assert!(lines[3].starts_with("auto "), "{text}");
    assert!(lines[4].starts_with("fixed:1 "), "{text}");
    assert_eq!(lines.len(), 5);
}
