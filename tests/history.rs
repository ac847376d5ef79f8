//! Costs that are remembered, end to end: a scene is rendered once, and the next plan of it stands
//! on what was measured; what was changed, forgotten, or is wrong with the file is said.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Desk, Ended, LONG, PROGRAM, Running, finish, number, small_scene, wait_for_event};

/// What a cheap and a dear frame take.
const CHEAP_S: f64 = 0.03;
const DEAR_S: f64 = 1.0;
/// The dear frames of 16.
const DEAR: [i64; 2] = [4, 13];
/// How much longer a frame may seem to take on a busy machine.
const BUSY_S: f64 = 0.25;

/// Sixteen frames, two of them dear.
fn uneven(desk: &Desk) -> String {
    let frames: Vec<String> = (1..=16)
        .map(|frame| match DEAR.contains(&frame) {
            true => format!("\"{}ms\"", DEAR_S * 1000.0),
            false => format!("\"{}ms\"", CHEAP_S * 1000.0),
        })
        .collect();
    small_scene(
        desk,
        "a",
        &format!("frames = \"1-16\"\nframe = [{}]\n", frames.join(", ")),
    )
}

#[track_caller]
fn render(desk: &Desk, scene: &str, more: &[&str]) -> Ended {
    let mut arguments = vec!["render", scene, "--overwrite", "--local", "2"];
    arguments.extend(more);
    desk.run(arguments).expect_code(0)
}

#[track_caller]
fn plan(desk: &Desk, scene: &str, more: &[&str]) -> Value {
    let mut arguments = vec!["plan", scene, "--format", "json"];
    if !more.contains(&"--hosts") {
        arguments.extend(["--local", "2"]);
    }
    arguments.extend(more);
    desk.run(arguments).expect_code(0).json()
}

#[track_caller]
fn show(desk: &Desk, scene: &str) -> Value {
    let shown = desk
        .run(["history", "show", scene, "--format", "json"])
        .expect_code(0)
        .json();
    assert_eq!(
        shown["scenes"].as_array().map(Vec::len),
        Some(1),
        "{shown:#}"
    );
    shown["scenes"][0].clone()
}

fn file(desk: &Desk) -> PathBuf {
    desk.state().join("framewright/history.sqlite")
}

/// Segments of a plan that hold a dear frame, as frame sets.
fn with_dear_frames(plan: &Value) -> Vec<&str> {
    let segments = plan["segments"].as_array().expect("a list");
    let sets = segments
        .iter()
        .map(|segment| segment["frames"].as_str().expect("a set"));
    sets.filter(|set| set.split(',').any(holds_dear)).collect()
}

/// Whether `4`, `2-5` or `1-13x6` holds a dear frame.
fn holds_dear(part: &str) -> bool {
    let number = |text: &str| text.parse::<i64>().expect("a frame");
    let (range, step) = part
        .split_once('x')
        .map_or((part, 1), |(range, step)| (range, number(step)));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    DEAR.iter().any(|dear| {
        (number(first)..=number(last)).contains(dear) && (dear - number(first)) % step == 0
    })
}

// -- what is measured is used --------------------------------------------------------------------

#[test]
fn the_second_plan_stands_on_what_the_first_render_measured() {
    let desk = Desk::new();
    let scene = uneven(&desk);
    let first = plan(&desk, &scene, &[]);
    assert_eq!(first["scene"]["history"], Value::Null);
    assert_eq!(first["scene"]["basis"]["frame_s"], "declared");
    assert!(!file(&desk).exists(), "a plan leaves nothing");
    assert!(
        with_dear_frames(&first)
            .iter()
            .any(|set| set.contains(['-', ','])),
        "{first:#}"
    );

    render(&desk, &scene, &[]);
    let second = plan(&desk, &scene, &[]);
    let known = &second["scene"]["history"];
    assert_eq!(
        (&known["renders"], &known["frames_known"]),
        (&1.into(), &16.into())
    );
    assert_eq!(
        (&known["same_scene"], &known["same_settings"]),
        (&true.into(), &true.into())
    );
    assert!(known["measured"].as_str().expect("a time").ends_with('Z'));
    let basis = &second["scene"]["basis"];
    assert_eq!(
        (&basis["load_s"], &basis["frame_s"]),
        (&"history".into(), &"history".into())
    );

    // Each frame costs what it took.
    let shown = show(&desk, &scene);
    let costs = shown["layers"][0]["costs"].as_array().expect("a list");
    assert_eq!(costs.len(), 16);
    let mut sum = 0.0;
    for cost in costs {
        let frame = cost["frame"].as_i64().expect("a frame");
        let took = number(&cost["cost_s"]);
        // What a busy machine tells late of one frame it tells early of the next.
        let wanted = if DEAR.contains(&frame) {
            0.8 * DEAR_S..DEAR_S + BUSY_S
        } else {
            1e-6..CHEAP_S + BUSY_S
        };
        assert!(wanted.contains(&took), "frame {frame}: {took} s");
        assert_eq!(
            (&cost["host"], &cost["newest"]),
            (&"local".into(), &true.into())
        );
        sum += took;
    }
    // Nothing warms up here, so the first frames are hardly corrected.
    let mean = number(&second["scene"]["frame_s"]) * 16.0 / sum;
    assert!((0.8..1.0 + 1e-9).contains(&mean), "{mean}");
    let load = number(&second["scene"]["load_s"]);
    assert!((0.04..0.05 + BUSY_S).contains(&load), "{load}");

    // The dear frames go first, each alone, and the plan foresees how long they take.
    let alone: BTreeSet<&str> = with_dear_frames(&second).into_iter().collect();
    assert_eq!(alone, BTreeSet::from(["4", "13"]), "{second:#}");
    let longest = number(&second["segments"][0]["end_s"]);
    assert!(longest >= 0.8 * DEAR_S, "{longest}");

    // As if it had never been rendered.
    assert_eq!(plan(&desk, &scene, &["--no-history"]), first);
    desk.file("job.toml", "scene = 'a.stub.toml'\nhistory = false\n");
    let by_file = [
        "plan", "--job", "job.toml", "--local", "2", "--format", "json",
    ];
    assert_eq!(desk.run(by_file).expect_code(0).json(), first);

    // People are told in a sentence.
    let text = desk
        .run(["plan", &scene, "--local", "2"])
        .expect_code(0)
        .stdout;
    assert!(
        text.contains("\ncosts from 16 frames rendered on 20"),
        "{text}"
    );
    assert!(!text.contains("has changed"), "{text}");
}

/// Costs that stand for another scene or other settings are believed a little less, so plans from
/// them are alike and not the same: the two dear frames go first, each alone, and all takes about as
/// long.
fn expects_alike(plan: &Value, other: &Value) {
    for place in 0..2 {
        let frames = |plan: &Value| plan["segments"][place]["frames"].clone();
        assert_eq!(frames(plan), frames(other));
    }
    let makespan = |plan: &Value| plan["predicted"]["makespan_s"].as_f64().expect("seconds");
    let ratio = makespan(plan) / makespan(other);
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
}

#[test]
fn a_changed_scene_and_other_settings_start_from_the_same_costs() {
    let desk = Desk::new();
    let scene = uneven(&desk);
    render(&desk, &scene, &[]);
    let before = plan(&desk, &scene, &[]);

    let other = plan(&desk, &scene, &["-o", "x/f.####.exr"]);
    assert_eq!(other["scene"]["history"]["same_settings"], false);
    assert_eq!(other["scene"]["history"]["same_scene"], true);
    expects_alike(&other, &before);

    let path = desk.work().join(&scene);
    let text = fs::read_to_string(&path).expect("our own file");
    fs::write(&path, format!("# changed\n{text}")).expect("our own file");
    let changed = plan(&desk, &scene, &[]);
    assert_eq!(changed["scene"]["history"]["same_scene"], false);
    assert_eq!(changed["scene"]["basis"]["frame_s"], "history");
    expects_alike(&changed, &before);
    let told = desk
        .run(["plan", &scene, "--local", "2"])
        .expect_code(0)
        .stdout;
    assert!(told.contains(" (the scene has changed since)\n"), "{told}");

    // A few frames of it are rendered: it is known itself now, and the others at their ratio.
    render(&desk, &scene, &["-f", "1,4"]);
    let shown = show(&desk, &scene);
    let newest = shown["layers"][0]["costs"]
        .as_array()
        .expect("a list")
        .iter();
    let newest: Vec<i64> = newest
        .filter(|cost| cost["newest"] == true)
        .map(|cost| cost["frame"].as_i64().expect("a frame"))
        .collect();
    assert_eq!((newest, &shown["frames_known"]), (vec![1, 4], &16.into()));
    let known = plan(&desk, &scene, &["-f", "1,4"]);
    assert_eq!(known["scene"]["history"]["same_scene"], true);
    assert_eq!(
        plan(&desk, &scene, &[])["scene"]["history"]["same_scene"],
        false
    );
}

#[test]
fn frames_that_were_never_rendered_cost_what_their_neighbours_do() {
    let desk = Desk::new();
    let cheap = small_scene(&desk, "a", "frames = \"1-40\"\nframe = \"20ms\"\n");
    let declared = plan(&desk, &cheap, &[]);
    let dear = small_scene(&desk, "a", "frames = \"1-40\"\nframe = \"400ms\"\n");
    render(&desk, &dear, &["-f", "1,20,40"]);
    let known = plan(&desk, &dear, &[]);
    assert_eq!(known["scene"]["history"]["frames_known"], 3);
    let makespan = number(&known["predicted"]["makespan_s"]);
    assert!((7.5..12.0).contains(&makespan), "{makespan}");
    let before = number(&declared["predicted"]["makespan_s"]);
    assert!(before < 1.0, "{before}");
    let none = plan(&desk, &dear, &["-f", "100-110"]);
    assert_eq!(none["scene"]["history"]["frames_known"], 0);
    assert!(number(&none["scene"]["frame_s"]) > 0.39, "{none:#}");
}

#[test]
fn what_hosts_turned_out_to_be_is_better_than_what_the_farm_says() {
    let desk = Desk::new();
    let scene = small_scene(
        &desk,
        "slow",
        "frames = \"1-40\"\nframe = \"100ms\"\nslow = { b = 4.0 }\n",
    );
    // The farm believes the slow one to be the fast one.
    let farm =
        "[[host]]\nname = 'a'\nlink = 'local'\n[[host]]\nname = 'b'\nlink = 'local'\nspeed = 4.0\n";
    desk.file("farm.toml", farm);
    let hosts = ["--hosts", "farm.toml"];
    let count = |plan: &Value, host: &str| -> usize {
        let segments = plan["segments"].as_array().expect("a list").iter();
        let sets = segments.filter(|segment| segment["host"] == host);
        sets.map(|segment| frames_in(segment["frames"].as_str().expect("a set")))
            .sum()
    };
    let first = plan(&desk, &scene, &hosts);
    assert!(count(&first, "b") > 2 * count(&first, "a"), "{first:#}");
    desk.run(["render", &scene, "--hosts", "farm.toml"])
        .expect_code(0);
    let second = plan(&desk, &scene, &hosts);
    assert!(count(&second, "a") > 2 * count(&second, "b"), "{second:#}");

    let shown = show(&desk, &scene);
    let host = |name: &str| {
        let hosts = shown["hosts"].as_array().expect("a list");
        hosts
            .iter()
            .find(|host| host["host"] == name)
            .expect("it rendered")
            .clone()
    };
    let (a, b) = (host("a"), host("b"));
    let ratio = number(&a["speed"]) / number(&b["speed"]);
    assert!((2.5..6.0).contains(&ratio), "{shown:#}");
    // Equal frames cost the same, wherever they were rendered.
    let costs = shown["layers"][0]["costs"].as_array().expect("a list");
    let mean = |host: &str| -> f64 {
        let on_it = costs.iter().filter(|cost| cost["host"] == host);
        let seconds: Vec<f64> = on_it.map(|cost| number(&cost["cost_s"])).collect();
        seconds.iter().sum::<f64>() / seconds.len() as f64
    };
    let unlike = mean("b") / mean("a");
    assert!((0.7..1.4).contains(&unlike), "{unlike}: {costs:#?}");
    assert!(number(&b["load_s"]) > number(&a["load_s"]), "{shown:#}");
    assert_eq!(number(&a["tasks"]) + number(&b["tasks"]), 40.0);
}

/// How many frames a set holds.
fn frames_in(set: &str) -> usize {
    let number = |text: &str| text.parse::<usize>().expect("a frame");
    set.split(',')
        .map(|part| {
            let (range, step) = part
                .split_once('x')
                .map_or((part, 1), |(range, step)| (range, number(step)));
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            (number(last) - number(first)) / step + 1
        })
        .sum()
}

// -- what is left, and when -----------------------------------------------------------------------

#[test]
fn a_scene_is_remembered_by_the_file_that_its_path_leads_to() {
    let desk = Desk::new();
    let scene = uneven(&desk);
    render(&desk, &scene, &["-f", "1-4"]);
    fs::create_dir(desk.work().join("links")).expect("a folder");
    symlink(
        desk.work().join(&scene),
        desk.work().join("links/b.stub.toml"),
    )
    .expect("a link");
    let by_link = plan(&desk, "links/b.stub.toml", &["-f", "1-4"]);
    assert_eq!(by_link["scene"]["history"]["frames_known"], 4);
    assert_eq!(show(&desk, "links/b.stub.toml"), show(&desk, &scene));
}

#[test]
fn without_history_nothing_is_left_nor_looked_at() {
    let desk = Desk::new();
    let scene = small_scene(&desk, "a", "frames = \"1-3\"\n");
    render(&desk, &scene, &["--no-history"]);
    assert!(!file(&desk).exists());
    fs::create_dir_all(file(&desk)).expect("a folder in its place");
    let ended = render(&desk, &scene, &["--no-history"]);
    assert!(!ended.stderr.contains("warning"), "{ended:#?}");
}

#[test]
fn an_interrupted_render_leaves_what_it_measured_and_its_resume_the_rest() {
    let desk = Desk::new();
    let scene = small_scene(&desk, "a", "frames = \"1-60\"\nframe = \"50ms\"\n");
    let arguments = ["render", &scene, "--local", "1", "--events", "events.jsonl"];
    let running = desk.start(arguments);
    let events = desk.work().join("events.jsonl");
    wait_for_event(&events, "fifth frame", |event| {
        event["event"] == "task-done" && event["segment"].is_u64() && done(&events) >= 5
    });
    running.signal(rustix::process::Signal::INT);
    let ended = running.end(LONG);
    assert_eq!(ended.code(), 130, "{ended:#?}");
    let half = show(&desk, &scene);
    let known = half["frames_known"].as_u64().expect("a number");
    assert!((5..60).contains(&known), "{known}");

    let job = desk.run(["jobs", "--format", "json"]).json()["jobs"][0]["job"].clone();
    desk.run(["render", "--resume", job.as_str().expect("an id")])
        .expect_code(0);
    let whole = show(&desk, &scene);
    assert_eq!(
        (&whole["frames_known"], &whole["renders"]),
        (&60.into(), &2.into())
    );
    // The first controller's frames are not counted for the second one again.
    assert_eq!(whole["hosts"][0]["tasks"], 60);
}

fn done(events: &Path) -> usize {
    let all = support::events(events);
    all.iter()
        .filter(|event| event["event"] == "task-done")
        .count()
}

#[test]
fn controllers_that_end_together_all_leave_their_costs() {
    let desk = Desk::new();
    let scenes: Vec<String> = (0..4)
        .map(|number| {
            small_scene(
                &desk,
                &format!("s{number}"),
                "frames = \"1-5\"\nframe = \"100ms\"\n",
            )
        })
        .collect();
    let start = |scene: &String| desk.start(["render", scene, "--local", "1"]);
    let running: Vec<Running> = scenes.iter().map(start).collect();
    for one in running {
        let ended = one.end(LONG).expect_code(0);
        assert!(!ended.stderr.contains("warning"), "{ended:#?}");
    }
    let shown = desk
        .run(["history", "show", "--format", "json"])
        .expect_code(0)
        .json();
    let mut names: Vec<&str> = shown["scenes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|scene| {
            scene["scene"]
                .as_str()
                .expect("a path")
                .rsplit('/')
                .next()
                .expect("a name")
        })
        .collect();
    names.sort_unstable();
    assert_eq!(names, scenes);
}

// -- show and forget --------------------------------------------------------------------------------

#[test]
fn what_is_remembered_is_shown_and_forgotten() {
    let desk = Desk::new();
    assert_eq!(
        desk.run(["history", "show"]).expect_code(0).stdout,
        "no scene's costs are known\n"
    );
    let scene = uneven(&desk);
    let first = plan(&desk, &scene, &[]);
    render(&desk, &scene, &[]);
    let path = desk
        .work()
        .canonicalize()
        .expect("it is there")
        .join(&scene)
        .display()
        .to_string();
    let list = desk.run(["history", "show"]).expect_code(0).stdout;
    assert!(
        list.contains("stub") && list.trim_end().ends_with(&path),
        "{list}"
    );
    let one = desk.run(["history", "show", &scene]).expect_code(0).stdout;
    assert!(
        one.starts_with(&format!("{path}: 1 render by stub, the last on 20")),
        "{one}"
    );
    let shown = show(&desk, &scene);
    let layer = &shown["layers"][0];
    assert!(
        DEAR.contains(&layer["max_frame"].as_i64().expect("a frame")),
        "{layer:#}"
    );
    assert!(number(&layer["spread"]) > 0.5, "{layer:#}");

    let slip = desk.run(["history", "show", "b.stub.toml"]).expect_code(2);
    assert_eq!(
        slip.stderr,
        format!("framewright: nothing is remembered of b.stub.toml\nhint: did you mean {path}?\n")
    );
    let slip = desk
        .run(["history", "forget", "/elsewhere/x", "--format", "json"])
        .expect_code(2);
    assert_eq!(slip.json()["error"]["code"], 2);
    desk.run(["history", "forget"]).expect_code(2);
    desk.run(["history", "forget", &scene, "--all"])
        .expect_code(2);

    let forgot = desk
        .run(["history", "forget", &scene])
        .expect_code(0)
        .stdout;
    assert_eq!(forgot, format!("forgot 16 costs of {path} (stub)\n"));
    assert_eq!(plan(&desk, &scene, &[]), first);
    desk.run(["history", "show", &scene]).expect_code(2);

    // A scene that is gone can be forgotten too.
    render(&desk, &scene, &["-f", "1-2"]);
    fs::remove_file(desk.work().join(&scene)).expect("our own file");
    let forgot = desk
        .run(["history", "forget", &scene, "--format", "json"])
        .expect_code(0)
        .json();
    assert_eq!(forgot["forgotten"][0]["costs"], 2);
    let all = desk
        .run(["history", "forget", "--all"])
        .expect_code(0)
        .stdout;
    assert_eq!(all, "there was nothing to forget\n");
}

// -- what is wrong with the file ------------------------------------------------------------------

/// Renders and plans as if there were no history; each says so once, in a sentence with this.
#[track_caller]
fn goes_on_without(desk: &Desk, scene: &str, said: &str) {
    let planned = plan(desk, scene, &[]);
    let warnings = planned["warnings"].as_array().expect("a list");
    let told = |warning: &&Value| warning.as_str().is_some_and(|text| text.contains(said));
    assert_eq!(warnings.iter().filter(told).count(), 1, "{warnings:#?}");
    assert_eq!(planned["scene"]["history"], Value::Null);
    let ended = render(desk, scene, &[]);
    assert_eq!(ended.stderr.matches("warning: ").count(), 1, "{ended:#?}");
    assert!(ended.stderr.contains(said), "{ended:#?}");
}

#[test]
fn whatever_lies_in_its_place_a_render_goes_on() {
    let desk = Desk::new();
    let scene = small_scene(&desk, "a", "frames = \"1-3\"\n");
    fs::create_dir_all(file(&desk)).expect("a folder");
    goes_on_without(&desk, &scene, "history.sqlite is no file");
    fs::remove_dir(file(&desk)).expect("our own folder");
    // Nobody writes into it: whoever opened it would wait for ever.
    let pipe = finish(
        {
            let mut make = desk.command("mkfifo");
            make.arg(file(&desk));
            make
        },
        LONG,
    );
    assert!(pipe.status.success(), "{pipe:#?}");
    goes_on_without(&desk, &scene, "history.sqlite is no file");
    fs::remove_file(file(&desk)).expect("our own pipe");

    let garbage = "anything but a database".repeat(99);
    fs::write(file(&desk), &garbage).expect("our own file");
    goes_on_without(&desk, &scene, "is damaged: file is not a database");
    assert_eq!(
        fs::read_to_string(file(&desk)).expect("our own file"),
        garbage
    );
    let shown = desk.run(["history", "show"]).expect_code(2);
    let hint =
        "hint: `framewright history forget --all` removes it; the next render begins a new one\n";
    assert!(shown.stderr.ends_with(hint), "{shown:#?}");
    desk.run(["history", "forget", "--all"]).expect_code(0);
    let ended = render(&desk, &scene, &[]);
    assert!(!ended.stderr.contains("warning"), "{ended:#?}");
    assert_eq!(
        plan(&desk, &scene, &[])["scene"]["history"]["frames_known"],
        3
    );
}

/// `$0` is the program. A history that cannot be written, then one whose disk is full.
const HOSTILE: &str = r#"
set -e
history="$XDG_STATE_HOME/framewright/history.sqlite"
"$0" render a.stub.toml --overwrite --local 1 2> first
mount --bind "$history" "$history"
mount -o remount,ro,bind "$history"
"$0" render a.stub.toml --overwrite --local 1 2> readonly
"$0" plan a.stub.toml --format json > readonly.json
umount "$history"
mkdir disk
mount -t tmpfs -o size=64k none disk
mv "$history" disk/history.sqlite
ln -s "$PWD/disk/history.sqlite" "$history"
dd if=/dev/zero of=disk/rest bs=4096 2> /dev/null || true
"$0" render a.stub.toml --overwrite --local 1 2> full
"$0" plan a.stub.toml --format json > full.json
"#;

#[test]
fn a_history_that_cannot_be_written_is_read_and_costs_no_frame() {
    let desk = Desk::new();
    small_scene(&desk, "a", "frames = \"1-3\"\n");
    let options: &[&str] = if rustix::process::geteuid().is_root() {
        &["-m"]
    } else {
        &["-r", "-m"]
    };
    let mut command = desk.command("unshare");
    command.args(options).args(["sh", "-c", HOSTILE, PROGRAM]);
    let ended = finish(command, LONG);
    if !desk.work().join("readonly").exists() {
        return not_shown(&ended.stderr);
    }
    assert_eq!(ended.code(), 0, "{ended:#?}");
    let text = |name: &str| fs::read_to_string(desk.work().join(name)).expect("it was written");
    assert!(!text("first").contains("warning"), "{}", text("first"));
    for (name, why) in [("readonly", "readonly database"), ("full", "disk is full")] {
        let said = text(name);
        let warnings: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("warning: "))
            .collect();
        assert_eq!(warnings.len(), 1, "{said}");
        assert!(
            warnings[0].contains("cannot write the history of costs"),
            "{said}"
        );
        assert!(warnings[0].contains(why), "{said}");
        assert!(said.contains("done: 3 frames"), "{said}");
        let plan: Value = serde_json::from_str(&text(&format!("{name}.json"))).expect("JSON");
        // What was there before is whole.
        assert_eq!(plan["scene"]["history"]["renders"], 1, "{plan:#}");
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a test that could not run must be seen"
)]
fn not_shown(why: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
    eprintln!("SKIPPED: nothing can be mounted here: {why}");
}
