//! `simulate`, `plan --compare` and what a plan says of sizes and hosts, through the real program.
//!
//! Royal Render's users' page gives worked examples; they are reproduced here from numbers alone.
//! Ratios to the lower bound are held against those of another simulator, written before this one
//! and without it, whose farm follows the documentation of the field's policies: two programs that
//! agree on these cells speak of the same thing.

mod support;

use serde_json::Value;
use support::Desk;

/// Two simulators agree within this.
const AGREE: f64 = 0.05;

/// A job on a farm, in numbers.
struct Cell {
    frames: &'static str,
    frame: &'static str,
    load: &'static str,
    hosts: &'static str,
}

const A: Cell = cell("1-200", "20s", "60s", "20");
const A50: Cell = cell("1-200", "20s", "60s", "50");
const B: Cell = cell("1-300", "120s", "60s", "30");
const T: Cell = cell("1-100", "30s", "45s", "20");
const G: Cell = cell("1-2000", "60s", "60s", "500");
const L: Cell = cell("1-2000", "5s", "600s", "50");
const Q: Cell = cell("1-5000", "60s", "30s", "20");
const H: Cell = cell("1-1000", "60s", "60s", "40");

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

/// Whether two figures differ by no more than two simulators may.
fn agrees(ours: f64, theirs: f64) -> bool {
    (ours / theirs - 1.0).abs() <= AGREE
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

/// Makespan ÷ lower bound of the other simulator, two digits behind the point.
#[test]
fn ratios_to_the_bound_are_those_of_another_simulator() {
    type Case = (
        Cell,
        [&'static str; 4],
        &'static str,
        &'static [(&'static str, f64)],
    );
    let cases: [Case; 21] = [
        (
            A,
            SLOW,
            "const",
            &[("fixed:10", 1.12), ("royal-render:2..10", 1.12)],
        ),
        (
            A,
            FAST,
            "const",
            &[("fixed:10", 1.00), ("royal-render:2..10", 1.00)],
        ),
        (
            A,
            SLOW,
            "ramp:10",
            &[("fixed:10", 1.65), ("royal-render:2..10", 1.65)],
        ),
        (
            A,
            FAST,
            "ramp:10",
            &[("fixed:10", 1.60), ("royal-render:2..10", 1.60)],
        ),
        (
            A50,
            SLOW,
            "const",
            &[("fixed:5", 1.33), ("royal-render:10..10", 1.33)],
        ),
        (
            A50,
            FAST,
            "const",
            &[("fixed:5", 1.14), ("royal-render:2..10", 1.00)],
        ),
        (
            A50,
            SLOW,
            "ramp:10",
            &[("fixed:5", 1.67), ("royal-render:10..10", 1.96)],
        ),
        (
            B,
            SLOW,
            "const",
            &[
                ("fixed:5", 1.06),
                ("royal-render:2..10", 1.01),
                ("guided", 1.13),
            ],
        ),
        (B, FAST, "const", &[("fixed:2", 1.19), ("factoring", 1.14)]),
        (
            B,
            SLOW,
            "ramp:10",
            &[
                ("fixed:5", 1.46),
                ("royal-render:2..10", 1.77),
                ("guided", 1.18),
            ],
        ),
        (
            B,
            FAST,
            "ramp:10",
            &[
                ("fixed:2", 1.34),
                ("royal-render:2..10", 1.76),
                ("factoring", 1.26),
            ],
        ),
        (
            T,
            SLOW,
            "const",
            &[("fixed:5", 1.13), ("royal-render:2..10", 1.13)],
        ),
        (
            T,
            SLOW,
            "ramp:10",
            &[("fixed:5", 1.67), ("royal-render:2..10", 1.47)],
        ),
        (
            G,
            SLOW,
            "const",
            &[("fixed:10", 1.39), ("royal-render:10..10", 1.39)],
        ),
        (
            G,
            FAST,
            "const",
            &[("fixed:2", 1.19), ("royal-render:2..10", 1.00)],
        ),
        (
            L,
            SLOW,
            "const",
            &[("fixed:50", 1.13), ("royal-render:10..50", 1.13)],
        ),
        (
            L,
            FAST,
            "const",
            &[("fixed:50", 1.06), ("royal-render:10..50", 1.00)],
        ),
        (
            L,
            FAST,
            "ramp:10",
            &[("fixed:50", 1.31), ("royal-render:10..50", 1.20)],
        ),
        (
            Q,
            SLOW,
            "const",
            &[
                ("fixed:20", 1.07),
                ("royal-render:2..10", 1.06),
                ("guided", 1.01),
            ],
        ),
        (
            Q,
            FAST,
            "ramp:10",
            &[("fixed:10", 1.08), ("royal-render:2..10", 1.08)],
        ),
        // Where speeds differ the page gives no formula, and the other simulator's rule is its own:
        // fixed sizes only.
        (H, FAST, "const", &[("fixed:5", 1.70)]),
    ];
    let mut wrong = Vec::new();
    for (cell, pace, shape, expected) in cases {
        let mut arguments = pace.to_vec();
        arguments.extend(["--reload", "--cost", shape]);
        if cell.hosts == H.hosts {
            arguments.extend(["--speeds", "0.5..4"]);
        }
        for (policy, _) in expected {
            arguments.extend(["--policy", policy]);
        }
        let answer = cell.run(&arguments);
        for ((policy, theirs), row) in expected.iter().zip(answer["results"].as_array().unwrap()) {
            let ours = number(row, "ratio");
            if !agrees(ours, *theirs) {
                wrong.push(format!(
                    "{} frames, {pace:?}, {shape}, {policy}: {ours:.3}, not {theirs}",
                    cell.frames
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Means over the shapes const, lognormal, ramp and spiky of 20 seeds: one frame a segment.
#[test]
fn one_frame_a_segment_is_as_bad_as_another_simulator_says() {
    for (cell, pace, theirs) in [
        (A, SLOW, 3.48),
        (A, FAST, 3.21),
        (B, SLOW, 1.65),
        (B, FAST, 1.61),
        (L, SLOW, 26.63),
        (T, FAST, 2.14),
    ] {
        let ratio = |shape: &&str| {
            let mut arguments = pace.to_vec();
            arguments.extend(["--reload", "--cost", shape, "--policy", "fixed:1"]);
            number(&cell.run(&arguments)["results"][0], "ratio")
        };
        let shapes = ["const", "lognormal:0.6", "ramp:10", "spiky:0.05x8"];
        let ours = shapes.iter().map(ratio).sum::<f64>() / 4.0;
        assert!(agrees(ours, theirs), "{ours} instead of {theirs}");
    }
}

#[test]
fn the_comparison_would_notice_a_tenth() {
    for theirs in [1.0, 1.12, 26.63] {
        assert!(agrees(theirs * 1.049, theirs) && agrees(theirs * 0.951, theirs));
        assert!(!agrees(theirs * 1.1, theirs) && !agrees(theirs * 0.9, theirs));
    }
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
        ["format", "hosts", "results", "slots", "tasks"]
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

/// A plan's warnings, but that the scene is loaded again and again.
fn told(plan: &Value) -> Vec<&str> {
    let warnings = plan["warnings"].as_array().expect("a list").iter();
    warnings
        .map(|warning| warning.as_str().expect("a text"))
        .filter(|warning| !warning.contains("`sticky = false`"))
        .collect()
}

#[test]
fn a_plan_says_what_short_segments_cost() {
    let desk = desk("[limits]\ndispatch_interval = '10s'");
    let plan = desk
        .run([
            "plan",
            "shot.stub.toml",
            "--segment",
            "2..2",
            "--format",
            "json",
        ])
        .expect_code(0)
        .json();
    let saturation = &plan["predicted"]["saturation"];
    assert_eq!(number(saturation, "interval_s"), 10.0);
    assert_eq!(number(saturation, "segment_s"), 100.0);
    assert_eq!(number(saturation, "slots_fed"), 10.0);
    assert_eq!(saturation["slots"], 20);
    let advice = "at one send in 10s these segments (2 frames, 1m40s) keep 10 of 20 slots busy; `--segment 7..7` would keep 20";
    assert_eq!(saturation["advice"], advice);
    let warnings = told(&plan);
    assert_eq!(
        warnings[0],
        "segments of 2 frames last 1m40s, of which 60 % is loading; `--segment 10..10` would last 4m20s with 23 % of loading"
    );
    assert_eq!(warnings[1], advice);
    // Nobody chose these sizes.
    let auto = desk
        .run(["plan", "shot.stub.toml", "--format", "json"])
        .expect_code(0)
        .json();
    assert_eq!(told(&auto), [""; 0]);
    assert_eq!(auto["predicted"]["saturation"]["advice"], Value::Null);
}

#[test]
fn loads_at_once_limit_what_a_farm_can_feed() {
    let desk = desk("[limits]\nloads_max = 2");
    let plan = desk
        .run([
            "plan",
            "shot.stub.toml",
            "--policy",
            "fixed:2",
            "--format",
            "json",
        ])
        .expect_code(0)
        .json();
    // 2 × 100 s ÷ 60 s.
    let saturation = &plan["predicted"]["saturation"];
    assert!((number(saturation, "slots_fed") - 10.0 / 3.0).abs() < 1e-6);
    assert_eq!(saturation["loads_max"], 2);
    let row = desk
        .run([
            "simulate",
            "shot.stub.toml",
            "--policy",
            "fixed:2",
            "--format",
            "json",
        ])
        .expect_code(0)
        .json()["results"][0]
        .clone();
    // What the kernel does in that world is what was reckoned.
    let busy = number(&row, "slots_busy_mean");
    assert!((busy / (10.0 / 3.0) - 1.0).abs() < 0.03, "{busy}");
}

#[test]
fn a_plan_compares_policies_and_hosts() {
    let desk = desk("");
    let plan = desk
        .run(["plan", "shot.stub.toml", "--compare", "--format", "json"])
        .expect_code(0)
        .json();
    let compare = &plan["compare"];
    let policies: Vec<&str> = compare["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["policy"].as_str().unwrap())
        .collect();
    assert_eq!(
        policies,
        [
            "auto",
            "even",
            "fixed:1",
            "fixed:10",
            "royal-render:2..10",
            "guided",
            "factoring",
            "openjd:15m"
        ]
    );
    let auto = &compare["policies"][0];
    assert_eq!(auto["makespan_s"], plan["predicted"]["makespan_s"]);
    let hosts = compare["hosts"].as_array().unwrap();
    let slots: Vec<u64> = hosts
        .iter()
        .map(|row| row["slots"].as_u64().unwrap())
        .collect();
    assert_eq!(slots, [5, 10, 20, 40, 80]);
    assert_eq!(hosts[2]["makespan_s"], plan["predicted"]["makespan_s"]);
    // More hosts end sooner and cost more, for each loads the scene.
    for pair in hosts.windows(2) {
        assert!(number(&pair[0], "makespan_s") > number(&pair[1], "makespan_s"));
        assert!(number(&pair[0], "cost") < number(&pair[1], "cost"));
        assert!(number(&pair[0], "busy_hours") < number(&pair[1], "busy_hours"));
    }
    // The policy that was asked for comes first, and is not there twice.
    let other = desk
        .run([
            "plan",
            "shot.stub.toml",
            "--compare",
            "--segment",
            "5..5",
            "--format",
            "json",
        ])
        .expect_code(0)
        .json();
    assert_eq!(
        other["compare"]["policies"][0]["policy"],
        "royal-render:5..5"
    );
    assert_eq!(other["compare"]["policies"][1]["policy"], "auto");
    assert_eq!(
        other["compare"]["policies"][0]["makespan_s"],
        other["predicted"]["makespan_s"]
    );
    let text = desk
        .run(["plan", "shot.stub.toml", "--compare"])
        .expect_code(0)
        .stdout;
    assert!(
        text.contains("POLICY") && text.contains("fixed:10"),
        "{text}"
    );
}

#[test]
fn a_share_of_loading_limits_the_hosts() {
    let desk = Desk::new();
    // 2 000 frames of 5 s, ten minutes of load: m ≤ 10 000 · 0.3 / (0.7 · 600) = 7.1.
    desk.file(
        "heavy.stub.toml",
        "frames = '1-2000'\nload = '600s'\nframe = '5s'\noutput = 'none'\nsticky = true\n",
    );
    desk.file("farm.toml", farm(""));
    let plan = |more: &[&str]| {
        let words = ["plan", "heavy.stub.toml", "--format", "json"];
        desk.run([&words[..], more].concat()).expect_code(0).json()
    };
    let limited = plan(&["--max-load-share", "30%"]);
    assert_eq!(limited["predicted"]["hosts_busy_max"], 7);
    assert_eq!(
        limited["warnings"][0],
        "--max-load-share 30% leaves 7 of 20 slots"
    );
    let share = |plan: &Value| {
        let load_s = number(&plan["predicted"], "load_s");
        load_s / (load_s + 10_000.0)
    };
    assert!(share(&limited) <= 0.30, "{}", share(&limited));
    let free = plan(&[]);
    assert!(share(&free) > 0.50);
    assert_eq!(free["predicted"]["hosts_busy_max"], 20);
    assert_eq!(free["warnings"].as_array().unwrap().len(), 0);
    // The key of a job file says the same.
    desk.file(
        "heavy.toml",
        "scene = 'heavy.stub.toml'\nmax-load-share = '30%'\n",
    );
    let from_file = desk
        .run(["plan", "--job", "heavy.toml", "--format", "json"])
        .expect_code(0)
        .json();
    assert_eq!(from_file["predicted"], limited["predicted"]);
}

#[test]
fn a_render_keeps_to_the_share_of_loading_that_its_plan_told() {
    let desk = Desk::new();
    // m ≤ 0.4 · 0.6 / (0.4 · 0.4) = 1.5 of four slots.
    desk.file(
        "small.stub.toml",
        "frames = '1-20'\nload = '400ms'\nframe = '20ms'\noutput = 'none'\n",
    );
    let words = ["small.stub.toml", "--local", "4", "--max-load-share", "60%"];
    let ended = desk.run([&["render"][..], &words].concat()).expect_code(0);
    let told = "warning: --max-load-share 60% leaves 1 of 4 slots\n";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert!(ended.stderr.contains("1 load,"), "{}", ended.stderr);
}

#[test]
fn a_size_beside_another_rule_is_said_to_have_no_effect() {
    let desk = desk("");
    let words = ["plan", "shot.stub.toml", "--format", "json", "--policy"];
    let plan = |more: &[&str]| desk.run([&words[..], more].concat()).expect_code(0).json();
    assert_eq!(
        told(&plan(&["guided", "--segment", "2..4"])),
        ["--segment 2..4 has no effect beside --policy guided"]
    );
    let undivided = plan(&["guided", "--segment", "0"]);
    assert_eq!(told(&undivided), [""; 0]);
    assert_eq!(undivided["segments"].as_array().map(Vec::len), Some(1));
}

/// A render says what a plan of it says, and renders as the rule wants.
#[test]
fn a_render_by_royal_render_s_rule_warns_and_renders_all() {
    let desk = Desk::new();
    desk.file(
        "short.stub.toml",
        "frames = '1-12'\nload = '40ms'\nframe = '10ms'\noutput = 'none'\nsticky = false\n",
    );
    let ended = desk
        .run([
            "render",
            "short.stub.toml",
            "--local",
            "2",
            "--policy",
            "fixed:3",
        ])
        .expect_code(0);
    let advice = "warning: segments of 3 frames last 0.1s, of which 57 % is loading; `--policy fixed:6` would last 0.1s with 40 % of loading\n";
    assert!(ended.stderr.contains(advice), "{}", ended.stderr);
    assert!(ended.stderr.contains("4 segments"), "{}", ended.stderr);
    for policy in ["guided", "factoring", "openjd:1m", "royal-render:2..4"] {
        let ended = desk
            .run([
                "render",
                "short.stub.toml",
                "--local",
                "2",
                "--policy",
                policy,
                "--format",
                "json",
            ])
            .expect_code(0);
        assert_eq!(ended.json()["tasks"]["done"], 12, "{policy}");
    }
}

#[test]
fn what_cannot_be_simulated_is_refused_in_one_sentence() {
    let numbers = [
        "--frames",
        "1-200",
        "--frame-cost",
        "20s",
        "--host-count",
        "20",
    ];
    let rows: [(&[&str], &str, &str); 22] = [
        (
            &["--speeds", "4..0.5"],
            "--speeds 4..0.5 is reversed: the slowest comes first",
            "write --speeds 0.5..4",
        ),
        (
            &["--speeds", "0..4"],
            "--speeds 0..4 are no speeds, which lie between 0.001 and 1000",
            "write the slowest and the fastest, like --speeds 0.5..4",
        ),
        (
            &["--host-count", "0"],
            "--host-count 0 makes no sense: it must be from 1 to 1000000",
            "",
        ),
        (
            &["--slots", "0"],
            "--slots 0 makes no sense: it must be from 1 to 1000000",
            "",
        ),
        (
            &["--host-count", "1000000", "--slots", "2"],
            "a simulated farm has at most 1000000 slots, not 2000000",
            "",
        ),
        (
            &["--cost", "spiky:2x8"],
            "--cost: `spiky:2x8` has a probability that is not from 0 to 1",
            "write one like spiky:0.05x8",
        ),
        (
            &["--cost", "flat"],
            "--cost: `flat` is no shape of costs",
            "write const, ramp:10, smooth, lognormal:0.6 or spiky:0.05x8",
        ),
        (
            &["--frame-cost", "0"],
            "--frame-cost 0 leaves nothing to simulate",
            "say what a frame costs on average, like --frame-cost 20s",
        ),
        (
            &["--frame-cost", "20"],
            "--frame-cost: `20` is no duration",
            "write a number and its unit, like 600ms, 90s, 10m or 2h30m",
        ),
        (
            &["--frames", "1-99999999"],
            "--frames 1-99999999: the set names 99999999 frames, more than the 1000000 that one job may have",
            "frames are written like 1-300, 1-100x2, 1,5,9-20 or 1-100,!50",
        ),
        (
            &["--policy", "best"],
            "--policy best is not known",
            "write auto, even, fixed:10, royal-render:2..10, guided, factoring or openjd:15m",
        ),
        (
            &["--policy", "fixed:0"],
            "--policy fixed:0 is wrong: write a number of frames, like fixed:10",
            "write auto, even, fixed:10, royal-render:2..10, guided, factoring or openjd:15m",
        ),
        (
            &["--segment", "9..2"],
            "--segment: the segment size 9..2 is reversed: the smaller number comes first",
            "",
        ),
        (
            &["--host-loss", "0.02"],
            "--host-loss 0.02 does not say how often in what time",
            "write how often an hour, like --host-loss 0.02/h",
        ),
        (
            &["--host-loss", "1000/h"],
            "--host-loss 1000 is no number from 0 to 100",
            "write it like --host-loss 0.02/h",
        ),
        (
            &["--stragglers", "0.05"],
            "--stragglers 0.05 does not say how many take how many times as long",
            "write a part of all tries and a factor from 1 to 1000, like --stragglers 0.02x5",
        ),
        (
            &["--flaky", "2"],
            "--flaky 2 is no number from 0 to 1",
            "write it like --flaky 0.01",
        ),
        (
            &["--flaky", "1"],
            "--flaky 1 lets every try fail",
            "write a part of all tries, like --flaky 0.01",
        ),
        (
            &["--history-error", "x"],
            "--history-error x is no number from 0 to 3",
            "write it like --history-error 0.2",
        ),
        (
            &["--loads-max", "0"],
            "--loads-max 0 would let no host load the scene",
            "leave it out for no limit",
        ),
        (
            &["--seeds", "0"],
            "--seeds 0 makes no sense: it must be from 1 to 100000",
            "",
        ),
        (
            &["--dispatch-interval=-5s"],
            "--dispatch-interval: `-5s` is no duration",
            "write a number and its unit, like 600ms, 90s, 10m or 2h30m",
        ),
    ];
    let desk = Desk::new();
    for (more, message, hint) in rows {
        // What is said last holds for none of them: each option is given once.
        let mut words = vec!["simulate"];
        for pair in numbers.chunks(2).filter(|pair| !more.contains(&pair[0])) {
            words.extend(pair);
        }
        words.extend(more);
        refused(&desk, &words, message, hint);
    }
}

#[track_caller]
fn refused(desk: &Desk, words: &[&str], message: &str, hint: &str) {
    let ended = desk.run(words).expect_code(2);
    assert_eq!(ended.stdout, "", "{words:?}");
    let mut expected = format!("framewright: {message}\n");
    if !hint.is_empty() {
        expected.push_str(&format!("hint: {hint}\n"));
    }
    assert_eq!(ended.stderr, expected, "{words:?}");
}

#[test]
fn options_that_would_be_ignored_are_refused() {
    let desk = desk("");
    let rows: [(&[&str], &str, &str); 5] = [
        (
            &[
                "simulate",
                "--frames",
                "1-9",
                "--frame-cost",
                "1s",
                "--hosts",
                "none.toml",
            ],
            "there is no farm file none.toml",
            "",
        ),
        (
            &["simulate", "--frame-cost", "1s", "--host-count", "1"],
            "there is no scene, and no --frames either",
            "name a scene, or give numbers: --frames 1-200 --frame-cost 20s --load 60s --host-count 20",
        ),
        (
            &["simulate", "shot.stub.toml", "--load", "3s"],
            "the argument '[SCENE]' cannot be used with '--load <TIME>'",
            "framewright --help lists commands, framewright COMMAND --help its options",
        ),
        (
            &["plan", "shot.stub.toml", "--max-load-share", "0%"],
            "--max-load-share 0 would let no host load the scene",
            "leave it out to use every host that ends the job sooner",
        ),
        (
            &["plan", "shot.stub.toml", "--max-load-share", "130%"],
            "--max-load-share: `130%` is no part of a whole",
            "write one like 30% or 0.3",
        ),
    ];
    for (words, message, hint) in rows {
        refused(&desk, words, message, hint);
    }
    let nowhere = Desk::new();
    refused(
        &nowhere,
        &["simulate", "--frames", "1-9", "--frame-cost", "1s"],
        "there is no farm to simulate: no --host-count, and no farm.toml",
        "say how many hosts, like --host-count 20, or name a file with --hosts",
    );
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
