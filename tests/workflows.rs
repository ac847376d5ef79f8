//! The field's usual jobs, each from its scene to what is handed over, on the stub renderer: a shot on
//! a farm, a large still in tiles, a layered shot whose passes wait for each other.
//!
//! How long things take is asked of `plan`, which is the same kernel in virtual time; the runs show
//! that what is planned is done, in the order that was promised.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use support::pictures::Picture;
use support::{Desk, LONG, PROGRAM, events, finish, number};

/// So many local hosts of one slot, of these speeds in turn.
fn farm(desk: &Desk, hosts: usize, speeds: &[f64]) {
    let host = |index: usize| {
        let speed = speeds[index % speeds.len()];
        format!("[[host]]\nname = \"n{index:02}\"\nlink = \"local\"\nspeed = {speed:.2}\n")
    };
    desk.file("farm.toml", (0..hosts).map(host).collect::<String>());
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("a text")
}

/// What a plan says, with these options.
fn plan(desk: &Desk, options: &[&str]) -> Value {
    let mut command = desk.framewright(["plan", "shot.stub.toml", "--hosts", "farm.toml"]);
    command
        .args(["--format", "json", "--no-history"])
        .args(options);
    finish(command, LONG).expect_code(0).json()
}

fn makespan_s(plan: &Value) -> f64 {
    number(&plan["predicted"]["makespan_s"])
}

/// Renders with these options; its report, and its events.
fn render(desk: &Desk, options: &[&str]) -> (Value, Vec<Value>) {
    let mut command = desk.framewright(["render", "shot.stub.toml", "--hosts", "farm.toml"]);
    command.args([
        "--format",
        "json",
        "--no-history",
        "--events",
        "events.jsonl",
    ]);
    command.args(options);
    let report = finish(command, LONG).expect_code(0).json();
    (report, events(&desk.work().join("events.jsonl")))
}

/// How many tasks each host did.
fn tasks_by_host(events: &[Value]) -> BTreeMap<&str, u32> {
    let mut tasks = BTreeMap::new();
    for event in events.iter().filter(|event| event["event"] == "task-done") {
        *tasks.entry(text(event, "host")).or_default() += 1;
    }
    tasks
}

/// 300 frames on 30 hosts: an even split gives each host ten, whatever it is; by cost, fast hosts get
/// more and the shot is done sooner. It ends as a film and a contact sheet.
#[test]
fn a_shot_on_thirty_hosts() {
    let desk = Desk::new();
    desk.file(
        "shot.stub.toml",
        "frames = \"1-300\"\nwidth = 96\nheight = 54\nload = \"100ms\"\nframe = \"20ms\"\n",
    );
    farm(&desk, 30, &[0.5, 1.0, 2.0]);
    // In virtual time frames may be as dear as they are.
    desk.file(
        "dear/shot.stub.toml",
        "frames = \"1-300\"\nload = \"60s\"\nframe = \"120s\"\noutput = \"none\"\n",
    );
    let dear = |policy: &str| {
        let mut command = desk.framewright(["plan", "dear/shot.stub.toml", "--hosts", "farm.toml"]);
        command.args(["--format", "json", "--no-history", "--policy", policy]);
        finish(command, LONG).expect_code(0).json()
    };
    let (even, auto) = (dear("even"), dear("auto"));
    // Ten frames on a host of half the speed are 10 × 240 s, its load 120 s.
    assert!(
        (makespan_s(&even) - 2520.0).abs() < 1.0,
        "{}",
        makespan_s(&even)
    );
    assert!(makespan_s(&auto) < 0.6 * makespan_s(&even));
    assert!(
        number(&auto["predicted"]["ratio"]) < 1.1,
        "{}",
        auto["predicted"]
    );

    let (_, events) = render(&desk, &["--policy", "even", "-o", "even/f.####.png"]);
    let tasks = tasks_by_host(&events);
    assert_eq!(tasks.len(), 30);
    assert!(tasks.values().all(|tasks| *tasks == 10), "{tasks:?}");

    let options = [
        "-o",
        "out/f.####.png",
        "--video",
        "out/shot.mp4",
        "--contact-sheet",
        "out/shot.png",
    ];
    let (report, _) = render(&desk, &options);
    assert_eq!(report["tasks"]["done"], 300);
    let size = |name: &str| {
        desk.work()
            .join("out")
            .join(name)
            .metadata()
            .expect(name)
            .len()
    };
    assert!(size("shot.mp4") > 10_000 && size("shot.png") > 10_000);
    let sheet = Picture::read(&desk.work().join("out/shot.png"));
    assert!(sheet.colours() > 1000, "all frames are on it");
}

/// A 4K picture in a hundred tiles on twenty hosts is the picture that the renderer makes.
#[test]
fn a_large_still_on_twenty_hosts() {
    let desk = Desk::new();
    desk.file(
        "shot.stub.toml",
        "frames = \"7-7\"\nwidth = 3840\nheight = 2160\nload = \"100ms\"\nframe = \"2s\"\n",
    );
    farm(&desk, 20, &[1.0]);
    let (report, events) = render(&desk, &["--tiles", "10x10", "-o", "out/f.####.exr"]);
    assert_eq!(report["tasks"]["done"], 100);
    assert_eq!(
        tasks_by_host(&events).len(),
        20,
        "all hosts have part in it"
    );
    let mut alone = desk.command(PROGRAM);
    alone.args([
        "stub-render",
        "shot.stub.toml",
        "--output",
        "alone.####.exr",
    ]);
    finish(alone, LONG).expect_code(0);
    let wanted = Picture::read(&desk.work().join("alone.0007.exr"));
    let picture = Picture::read(&desk.work().join("out/f.0007.exr"));
    assert!(wanted.colours() > 1000);
    assert_eq!(picture.difference(&wanted), None);
    assert!(picture.shifted().difference(&wanted).is_some());

    // Left alone, it is split as well, and says why.
    desk.file(
        "shot.stub.toml",
        "frames = \"7-7\"\nwidth = 3840\nheight = 2160\nload = \"5s\"\nframe = \"50s\"\ncall = \"200ms\"\n",
    );
    let auto = plan(&desk, &[]);
    assert_eq!(text(&auto, "split"), "tiles");
    let why = text(&auto, "split_why");
    assert!(
        why.contains("1 frame for 20 slots") && why.contains("instead of 55s"),
        "{why}"
    );
    let frames = plan(&desk, &["--split", "frames"]);
    assert!(makespan_s(&auto) < makespan_s(&frames) / 4.0);
}

const LAYERED: &str = "frames = \"1-300\"\nwidth = 64\nheight = 36\nload = \"100ms\"\nframe = \"8ms\"\n\
    layers = [\n\
        { name = \"cache\", segment = 0, weight = 0.25 },\n\
        { name = \"beauty\", after = [{ layer = \"cache\", scope = \"layer\" }], weight = 2.0 },\n\
        { name = \"fog\", weight = 0.5 },\n\
        { name = \"shadow\", after = [\"beauty\"], weight = 0.5 },\n\
    ]\n";

/// Where in the log each task has its first event of this kind. A late task may be tried twice, but is
/// committed once.
fn places<'a>(events: &'a [Value], kind: &str) -> BTreeMap<&'a str, usize> {
    let mut places = BTreeMap::new();
    for (place, event) in events.iter().enumerate() {
        if event["event"] == kind {
            let first = *places.entry(text(event, "task")).or_insert(place);
            assert!(first == place || kind != "task-done", "{event}");
        }
    }
    places
}

/// What began before what it stands on was there; nothing, where the order holds.
fn out_of_order(events: &[Value]) -> Vec<String> {
    let (begun, done) = (places(events, "task-started"), places(events, "task-done"));
    let of = |layer: &str, frame: u32| format!("{layer}:{frame}");
    let mut wrong = Vec::new();
    for frame in 1..=300 {
        let shadow = of("shadow", frame);
        if begun[shadow.as_str()] < done[of("beauty", frame).as_str()] {
            wrong.push(shadow);
        }
        let beauty = of("beauty", frame);
        let caches = (1..=300).map(|frame| done[of("cache", frame).as_str()]);
        if begun[beauty.as_str()] < caches.max().expect("300") {
            wrong.push(beauty);
        }
    }
    wrong
}

/// 300 frames of four layers: a simulation in one go, what waits for all of it, what waits frame by frame,
/// and one that waits for nothing. The log proves the order; each frame becomes one file.
#[test]
fn a_layered_shot_with_passes_that_wait() {
    let desk = Desk::new();
    desk.file("shot.stub.toml", LAYERED);
    farm(&desk, 4, &[1.0]);
    let planned = plan(&desk, &["--split", "layers", "-o", "out/f.####.exr"]);
    assert!(
        number(&planned["predicted"]["ratio"]) < 1.25,
        "{}",
        planned["predicted"]
    );

    let (report, events) = render(&desk, &["--split", "layers", "-o", "out/f.####.exr"]);
    assert_eq!(report["tasks"]["done"], 1200);
    assert_eq!(report["assembled"]["done"], 300);
    assert!(number(&report["ratio"]) >= 1.0);
    assert_eq!(out_of_order(&events), Vec::<String>::new());
    let slots: std::collections::BTreeSet<&str> = events
        .iter()
        .filter(|event| event["event"] == "task-done")
        .filter(|event| text(event, "task").starts_with("cache:"))
        .map(|event| text(event, "host"))
        .collect();
    assert_eq!(slots.len(), 1, "a simulation is one slot's");
    // Others do not wait for the simulation: the fog began before it was over.
    let (begun, done) = (
        places(&events, "task-started"),
        places(&events, "task-done"),
    );
    let last_cache = (1..=300)
        .map(|frame| done[format!("cache:{frame}").as_str()])
        .max();
    let first_fog = (1..=300)
        .map(|frame| begun[format!("fog:{frame}").as_str()])
        .min();
    assert!(first_fog < last_cache);

    // The control: the same log with two of its lines swapped is found out.
    let mut swapped = events.clone();
    swapped.swap(begun["shadow:17"], done["beauty:17"]);
    assert_eq!(out_of_order(&swapped), ["shadow:17"]);

    expect_layers(&desk, &desk.work().join("out"), &[1, 150, 300]);
}

/// Fails unless these frames hold all layers, each as the renderer alone makes it.
fn expect_layers(desk: &Desk, folder: &Path, frames: &[i32]) {
    let mut alone = desk.command(PROGRAM);
    let list: Vec<String> = frames.iter().map(ToString::to_string).collect();
    alone.args([
        "stub-render",
        "shot.stub.toml",
        "--set",
        "channels=layer",
        "--frames",
    ]);
    alone
        .arg(list.join(","))
        .args(["--output", "alone.####.exr"]);
    finish(alone, LONG).expect_code(0);
    for frame in frames {
        let wanted = Picture::read(&desk.work().join(format!("alone.{frame:04}.exr")));
        let picture = Picture::read(&folder.join(format!("f.{frame:04}.exr")));
        assert!(wanted.colours() > 1000);
        assert_eq!(picture.difference(&wanted), None, "frame {frame}");
        assert!(picture.shifted().difference(&wanted).is_some());
    }
}

/// A still whose time goes into one corner: a small picture of it is timed first, and its tiles are cut so
/// that they take equally long. What comes out is the same picture.
#[test]
fn an_uneven_still_is_cut_by_time() {
    const SIZE: &str = "frames = \"1-1\"\nwidth = 1600\nheight = 900\n";
    const CORNER: &str =
        "areas = [{ x = 1100, y = 600, width = 400, height = 250, cost = 40.0 }]\n";
    let desk = Desk::new();
    let costs = "load = \"100ms\"\nframe = \"16s\"\ncall = \"10ms\"\n";
    desk.file("shot.stub.toml", format!("{SIZE}{costs}{CORNER}"));
    farm(&desk, 8, &[1.0]);
    let tiles = ["--tiles", "auto", "-o", "out/f.####.png"];
    let planned = plan(&desk, &tiles);
    let why = text(&planned, "split_why");
    assert!(
        why.contains("tiles of equal time: of equal sizes the dearest would take"),
        "{why}"
    );
    // An eighth of the frame on each host, and no tile that all others wait for.
    assert!(makespan_s(&planned) < 4.0, "{}", planned["predicted"]);
    assert_eq!(number(&planned["tasks"]) % 8.0, 0.0, "{why}");

    let (report, events) = render(&desk, &tiles);
    assert_eq!(report["assembled"]["done"], 1);
    let took = |event: &&Value| number(&event["render_s"]);
    let done = || events.iter().filter(|event| event["event"] == "task-done");
    let mean = done().map(|event| took(&event)).sum::<f64>() / done().count() as f64;
    let longest = done().map(|event| took(&event)).fold(0.0, f64::max);
    assert!(
        longest < 2.5 * mean,
        "{longest} s against {mean} s, cut by time"
    );

    // Tiles of equal size are no match: nearly all of the time is in two or three of them.
    desk.file("even/shot.stub.toml", format!("{SIZE}{costs}"));
    let mut even = desk.framewright(["plan", "even/shot.stub.toml", "--hosts", "farm.toml"]);
    even.args(["--format", "json", "--no-history"]).args(tiles);
    let even = finish(even, LONG).expect_code(0).json();
    assert!(
        text(&even, "split_why").contains("tiles of equal size"),
        "{even:#}"
    );

    // The picture does not depend on what its pixels cost.
    desk.file("cheap/shot.stub.toml", SIZE);
    let mut alone = desk.command(PROGRAM);
    alone.args([
        "stub-render",
        "cheap/shot.stub.toml",
        "--output",
        "alone.####.png",
    ]);
    finish(alone, LONG).expect_code(0);
    let wanted = Picture::read(&desk.work().join("alone.0001.png"));
    let picture = Picture::read(&desk.work().join("out/f.0001.png"));
    assert!(wanted.colours() > 1000);
    assert_eq!(picture.difference(&wanted), None);
    assert!(picture.shifted().difference(&wanted).is_some());
}
