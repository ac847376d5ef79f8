//! A late task that is tried on a second host: the first picture wins, the other try is ended, and
//! what people are told of it is one frame that was rendered once.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{Desk, Ended, LONG, events, expect_nothing_left, wait_for_event};

const FRAMES: u64 = 40;

/// Two hosts that say that they are alike.
const FARM: &str = r#"
[[host]]
name = "n1"
link = "local"
slots = 1
[[host]]
name = "n2"
link = "local"
slots = 1
"#;

/// One of them is so slow that its last frame is hopeless. It learns that by its first ones.
fn scene(frame: &str, sticky: bool) -> String {
    format!(
        "frames = \"1-{FRAMES}\"\nwidth = 32\nheight = 18\nload = \"20ms\"\nframe = \"{frame}\"\n\
         sticky = {sticky}\nslow = {{ n2 = 20.0 }}\n"
    )
}

/// A job that is being rendered, and its events.
fn start(desk: &Desk, scene: &str) -> (support::Running, PathBuf) {
    desk.file("farm.toml", FARM);
    desk.file("x.stub.toml", scene);
    let arguments = ["render", "x.stub.toml", "--hosts", "farm.toml"];
    let more = ["--events", "events.jsonl"];
    let running = desk.start(arguments.into_iter().chain(more));
    (running, desk.work().join("events.jsonl"))
}

fn word<'a>(event: &'a Value, key: &str) -> &'a str {
    event[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {event}"))
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["event"] == kind)
        .collect()
}

fn is_copy(event: &Value) -> bool {
    event["event"] == "segment-sent" && event["why"]["kind"] == "copy"
}

/// The renderers that were started on a host.
fn pids_on(events: &[Value], host: &str) -> Vec<i32> {
    let runs = of_kind(events, "run-started").into_iter();
    runs.filter(|run| run["host"] == host)
        .map(|run| i32::try_from(run["pid"].as_i64().expect("a number")).expect("a pid"))
        .collect()
}

/// What is true of every such render. Returns the task that was tried twice.
#[track_caller]
fn check(desk: &Desk, ended: &Ended, log: &Path) -> String {
    let events = events(log);
    let copies: Vec<&Value> = events.iter().filter(|event| is_copy(event)).collect();
    let [copy] = copies[..] else {
        panic!("one task is tried twice: {copies:#?}\n{}", ended.stderr);
    };
    assert_eq!(copy["host"], "n1");
    let task = copy["tasks"][0].as_str().expect("a task").to_owned();
    let first = copy["why"]["of"].clone();

    // Each frame is committed once, that one by its second attempt.
    let mut done: BTreeMap<&str, u32> = BTreeMap::new();
    for event in of_kind(&events, "task-done") {
        *done.entry(word(event, "task")).or_default() += 1;
        if word(event, "task") == task {
            assert_eq!(event["segment"], copy["segment"], "the slow one won");
            assert_eq!(
                (&event["host"], &event["attempt"]),
                (&"n1".into(), &2.into())
            );
        }
    }
    assert_eq!(done.len() as u64, FRAMES);
    assert!(done.values().all(|times| *times == 1), "{done:?}");
    for frame in 1..=FRAMES {
        let file = desk.work().join(format!("x/x.{frame:04}.png"));
        assert!(file.exists(), "{}", file.display());
    }

    // The loser is stopped; it did not fail.
    assert!(of_kind(&events, "task-failed").is_empty(), "{events:#?}");
    assert!(!ended.stderr.contains("fail"), "{}", ended.stderr);
    let over = of_kind(&events, "segment-ended");
    assert!(
        over.iter().any(|event| event["segment"] == first),
        "{events:#?}"
    );
    assert_eq!(over.len(), of_kind(&events, "segment-sent").len());
    let job = word(&events[0], "job");
    expect_nothing_left(job);

    // The job's own record of it.
    let status = desk
        .run(["status", job, "--format", "json"])
        .expect_code(0)
        .json();
    assert_eq!(status["state"], "done");
    assert_eq!(
        (&status["tasks"]["done"], &status["tasks"]["failed"]),
        (&FRAMES.into(), &0.into())
    );
    let told = desk.run(["explain", job, &task, "--format", "json"]);
    let told = told.expect_code(0).json()["tasks"][0].take();
    assert_eq!(
        (&told["state"], &told["attempts"]),
        (&"done".into(), &2.into())
    );
    assert_eq!(told["failures"], 0);
    let tries = told["tries"].as_array().expect("a list");
    let ends: Vec<&str> = tries
        .iter()
        .rev()
        .take(2)
        .map(|one| word(one, "end"))
        .collect();
    assert_eq!(ends, ["done", "beaten"], "{told:#}");
    let text = desk.run(["explain", job, &task]).expect_code(0).stdout;
    assert!(
        text.contains(&format!("a second try beside segment {first}")),
        "{text}"
    );
    let log = desk.run(["logs", job, &task, "-v"]).expect_code(0).stdout;
    assert!(log.contains("another try was done first"), "{log}");
    task
}

#[test]
fn a_copy_wins_and_the_slow_renderer_that_stays_loaded_is_ended() {
    let desk = Desk::new();
    let (running, log) = start(&desk, &scene("50ms", true));
    let ended = running.end(LONG).expect_code(0);
    check(&desk, &ended, &log);
}

#[test]
fn a_copy_wins_and_the_slow_renderer_of_one_segment_is_ended() {
    let desk = Desk::new();
    let (running, log) = start(&desk, &scene("50ms", false));
    let ended = running.end(LONG).expect_code(0);
    check(&desk, &ended, &log);
}

#[test]
fn while_two_slots_try_a_task_both_are_told() {
    let desk = Desk::new();
    let (running, log) = start(&desk, &scene("200ms", true));
    let copy = wait_for_event(&log, "a second try", is_copy);
    // Its renderer is held, so that there is time to ask.
    let [pid] = pids_on(&events(&log), "n1")[..] else {
        panic!("the renderer of n1 stays loaded");
    };
    let pid = Pid::from_raw(pid).expect("a pid");
    kill_process(pid, Signal::STOP).expect("it runs");
    let job = word(&events(&log)[0], "job").to_owned();
    let task = copy["tasks"][0].as_str().expect("a task").to_owned();
    let told = desk.run(["explain", &job, &task, "--format", "json"]);
    let told = told.expect_code(0).json()["tasks"][0].take();
    let text = desk.run(["explain", &job, &task]).expect_code(0).stdout;
    kill_process(pid, Signal::CONT).expect("it is held");

    assert_eq!(told["state"], "rendering", "{told:#}");
    assert_eq!(
        (&told["lease"]["host"], &told["lease"]["begun"]),
        (&"n2".into(), &true.into())
    );
    assert_eq!(told["beside"]["host"], "n1", "{told:#}");
    assert_eq!(told["beside"]["why"]["kind"], "copy");
    assert_eq!(told["beside"]["why"]["of"], told["lease"]["segment"]);
    assert!(
        text.contains(&format!("{task} has been rendering on n2/0")),
        "{text}"
    );
    assert!(
        text.contains("Beside that, ") && text.contains("n1/0"),
        "{text}"
    );
    let ended = running.end(LONG).expect_code(0);
    assert_eq!(check(&desk, &ended, &log), task);
}
