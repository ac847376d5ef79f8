//! What `plan` and `render` say of sizes and of the number of hosts.

use serde_json::Value;

use super::support::Desk;
use super::{desk, farm, number};

/// What a command says of the scene.
#[track_caller]
fn answer(desk: &Desk, command: &str, more: &[&str]) -> Value {
    let words = [command, "shot.stub.toml", "--format", "json"];
    desk.run([&words[..], more].concat()).expect_code(0).json()
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
    let plan = answer(&desk, "plan", &["--segment", "2..2"]);
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
    let auto = answer(&desk, "plan", &[]);
    assert_eq!(told(&auto), [""; 0]);
    assert_eq!(auto["predicted"]["saturation"]["advice"], Value::Null);
}

#[test]
fn loads_at_once_limit_what_a_farm_can_feed() {
    let desk = desk("[limits]\nloads_max = 2");
    let plan = answer(&desk, "plan", &["--policy", "fixed:2"]);
    // 2 × 100 s ÷ 60 s.
    let saturation = &plan["predicted"]["saturation"];
    assert!((number(saturation, "slots_fed") - 10.0 / 3.0).abs() < 1e-6);
    assert_eq!(saturation["loads_max"], 2);
    let row = answer(&desk, "simulate", &["--policy", "fixed:2"])["results"][0].take();
    // What the kernel does in that world is what was reckoned.
    let busy = number(&row, "slots_busy_mean");
    assert!((busy / (10.0 / 3.0) - 1.0).abs() < 0.03, "{busy}");
}

#[test]
fn a_plan_compares_policies_and_hosts() {
    let desk = desk("");
    let plan = answer(&desk, "plan", &["--compare"]);
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
    let other = answer(&desk, "plan", &["--compare", "--segment", "5..5"]);
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
