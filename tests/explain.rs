//! `explain`, asked of jobs that run and of jobs that do not; and what was predicted beside what
//! was.

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;
use support::{Desk, LONG, Running, events, poll, wait_for_event};

/// Three hosts, of which only the first can take the job.
const FARM: &str = r#"
[[host]]
name = "able"
link = "local"
slots = 1
memory = "4GiB"
tags = ["cpu"]
[[host]]
name = "plain"
link = "local"
slots = 1
memory = "4GiB"
[[host]]
name = "small"
link = "local"
slots = 1
memory = "512MiB"
tags = ["cpu"]
"#;

/// One quick frame, then one that takes longer than any test.
const SCENE: &str = r#"
frames = "1-4"
width = 64
height = 36
load = "50ms"
frame = ["50ms", "10m", "10m", "10m"]
output = "none"
layers = [{ name = "beauty", tags = ["cpu"], memory = "1GiB" }]
"#;

fn start(desk: &Desk, scene: &str, more: &[&str]) -> (Running, PathBuf) {
    let events = desk.work().join("events.jsonl");
    let mut arguments = vec!["render", scene, "--events", "events.jsonl"];
    arguments.extend(more);
    (desk.start(arguments), events)
}

/// A job that is being rendered; its files are there as long as its desk.
struct AtWork {
    desk: Desk,
    running: Running,
    log: PathBuf,
    job: String,
    folder: PathBuf,
}

/// A job of the scene that has done its first frame and is at its second.
#[track_caller]
fn at_its_second_frame() -> AtWork {
    let desk = Desk::new();
    desk.file("farm.toml", FARM);
    desk.file("shot.stub.toml", SCENE);
    let more = ["--hosts", "farm.toml", "--policy", "fixed:1"];
    let (running, log) = start(&desk, "shot.stub.toml", &more);
    let job = job_of(&log);
    wait_for_task(&log, "task-started", "all:2");
    wait_for_task(&log, "task-done", "all:1");
    let folder = desk.state().join("framewright/jobs").join(&job);
    AtWork {
        desk,
        running,
        log,
        job,
        folder,
    }
}

fn job_of(events: &Path) -> String {
    let started = wait_for_event(events, "start", |event| event["event"] == "job-started");
    started["job"].as_str().expect("an id").to_owned()
}

fn wait_for_task(events: &Path, event: &str, task: &str) {
    wait_for_event(events, event, |one| {
        one["event"] == event && one["task"] == task
    });
}

/// Waits until the journal, which is written in groups, has so many beginnings of a task.
#[track_caller]
fn wait_for_records(folder: &Path, task: &str, count: usize) {
    let task = format!("\"{task}\"");
    let begun = |line: &&str| line.contains("task-started") && line.contains(&task);
    let written = poll(LONG, || {
        let journal = std::fs::read_to_string(folder.join("journal")).ok()?;
        (journal.lines().filter(begun).count() == count).then_some(())
    });
    assert!(written.is_some(), "{task} is not in the journal");
}

#[track_caller]
fn explain(desk: &Desk, job: &str, task: &str) -> Value {
    let told = desk.run(["explain", job, task, "--format", "json"]);
    let mut told = told.expect_code(0).json();
    assert_eq!(told["format"], 1);
    assert_eq!(told["job"], job);
    assert_eq!(told["tasks"].as_array().map(Vec::len), Some(1));
    let task = told["tasks"][0].take();
    told["task"] = task;
    told
}

/// Each host and why the task is not there.
fn reasons(told: &Value) -> String {
    let hosts = told["task"]["hosts"].as_array().expect("hosts");
    let text = |value: &Value| value.as_str().expect("a word").to_owned();
    let one = |host: &Value| text(&host["host"]) + " " + &text(&host["reason"]);
    hosts.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_job_is_asked_while_it_runs_and_afterwards() {
    let AtWork {
        desk,
        running,
        log,
        job,
        folder,
    } = at_its_second_frame();
    wait_for_records(&folder, "all:2", 1);

    // One that waits: a reason for each host.
    let told = explain(&desk, &job, "all:3");
    assert_eq!(told["controller"], "answered");
    assert_eq!(told["job_state"], "running");
    assert_eq!(told["task"]["state"], "waiting", "{told:#}");
    assert_eq!(told["task"]["waiting"], 2);
    assert_eq!(
        reasons(&told),
        "able busy, plain lacks-tags, small lacks-memory"
    );
    let hosts = &told["task"]["hosts"];
    assert_eq!(hosts[1]["tags"][0], "cpu");
    assert_eq!(hosts[2]["needs_bytes"], 1_u64 << 30);
    assert!(hosts[0]["free_in_s"].as_f64().is_some(), "{told:#}");
    assert_eq!(told["task"]["cost"]["basis"], "layer");

    // One that runs: where, since when, why there.
    let told = explain(&desk, &job, "2");
    assert_eq!(told["task"]["state"], "rendering", "{told:#}");
    let lease = &told["task"]["lease"];
    assert_eq!(
        (&lease["host"], &lease["place"]),
        (&"able".into(), &1.into())
    );
    assert_eq!(lease["why"]["kind"], "share");
    assert!(lease["begins_in_s"].as_f64().expect("a time") <= 0.0);
    assert!(lease["ends_in_s"].as_f64().expect("a time") >= 0.0);
    assert_eq!(told["task"]["tries"][0]["end"], "open");

    // One that is done.
    let told = explain(&desk, &job, "all:1");
    assert_eq!(told["task"]["state"], "done", "{told:#}");
    let last = &told["task"]["tries"][0];
    assert_eq!(
        (&last["end"], &last["host"]),
        (&"done".into(), &"able".into())
    );
    assert!(last["render_s"].as_f64().expect("a time") > 0.0);
    assert!(last["predicted_s"].as_f64().expect("a time") > 0.0);
    let text = desk.run(["explain", &job, "all:1"]).expect_code(0).stdout;
    assert!(
        text.starts_with("all:1 is done: rendered on able/0 in "),
        "{text}"
    );

    // While the job is being stopped.
    running.signal(Signal::INT);
    wait_for_event(&log, "stop", |event| event["event"] == "stopping");
    let told = explain(&desk, &job, "all:3");
    assert_eq!(told["task"]["hold"]["kind"], "stopping", "{told:#}");

    // Bad input, of a job that runs.
    let wrong = desk.run(["explain", &job, "all:5"]).expect_code(2);
    assert_eq!(
        wrong.stderr,
        format!(
            "framewright: there is no task all:5 in job {job}\n\
             hint: its tasks are all:FRAME, FRAME one of 1-4\n"
        )
    );

    running.signal(Signal::INT);
    running.end(LONG).expect_code(130);
    assert!(!folder.join("control.sock").exists());
    let told = explain(&desk, &job, "all:2");
    assert_eq!(told["controller"], "none");
    assert_eq!(told["job_state"], "interrupted");
    assert_eq!(told["task"]["state"], "left", "{told:#}");
    assert_eq!(told["task"]["attempts"], 1);
    assert_eq!(told["task"]["tries"][0]["why"]["kind"], "share");
    let text = desk.run(["explain", &job, "all:2"]).expect_code(0).stdout;
    assert!(
        text.starts_with("all:2 is not done, and its job does not run.\n")
            && text.contains(&format!("framewright render --resume {job}")),
        "{text}"
    );
}

#[test]
fn after_a_kill_the_journal_tells_and_the_next_controller_answers() {
    let AtWork {
        desk,
        running,
        job,
        folder,
        ..
    } = at_its_second_frame();
    wait_for_records(&folder, "all:2", 1);
    running.signal(Signal::KILL);
    running.end(LONG);
    assert!(folder.join("control.sock").exists(), "a stale socket");
    let told = explain(&desk, &job, "all:2");
    assert_eq!(told["controller"], "none");
    assert_eq!(told["task"]["state"], "left");
    assert_eq!(told["task"]["tries"][0]["end"], "interrupted", "{told:#}");

    let again = desk.work().join("again.jsonl");
    let resumed = desk.start(["render", "--resume", &job, "--events", "again.jsonl"]);
    wait_for_task(&again, "task-started", "all:2");
    wait_for_records(&folder, "all:2", 2);
    let told = explain(&desk, &job, "all:2");
    assert_eq!(told["controller"], "answered");
    assert_eq!(told["task"]["state"], "rendering");
    assert_eq!(told["task"]["attempts"], 2);
    assert_eq!(told["task"]["tries"].as_array().map(Vec::len), Some(2));
    resumed.signal(Signal::INT);
    wait_for_event(&again, "stop", |event| event["event"] == "stopping");
    resumed.signal(Signal::INT);
    resumed.end(LONG).expect_code(130);
}

/// Connects to a job's controller, as soon as it listens.
fn connect(folder: &Path) -> UnixStream {
    let socket = folder.join("control.sock");
    poll(LONG, || UnixStream::connect(&socket).ok()).expect("a controller that listens")
}

#[test]
fn rude_clients_hold_nothing_up() {
    let desk = Desk::new();
    desk.file(
        "quick.stub.toml",
        "frames = \"1-300\"\nload = \"20ms\"\nframe = \"10ms\"\noutput = \"none\"\n",
    );
    let (running, log) = start(&desk, "quick.stub.toml", &["--local", "2"]);
    let job = job_of(&log);
    let folder = desk.state().join("framewright/jobs").join(&job);

    // More that say nothing than there is room for, kept open to the end.
    let silent: Vec<UnixStream> = (0..20).map(|_| connect(&folder)).collect();
    let mut garbage = connect(&folder);
    garbage.write_all(&[0xff; 300]).expect("it is read");
    garbage.write_all(b"\n").expect("it is read");
    let mut endless = connect(&folder);
    // It is shown out on the way.
    let _ = endless.write_all(&vec![b'x'; 1 << 20]);

    // The job goes on meanwhile.
    let done = |events: &[Value]| {
        let done = |event: &&Value| event["event"] == "task-done";
        events.iter().filter(done).count()
    };
    let before = done(&events(&log));
    let more = poll(LONG, || {
        let now = done(&events(&log));
        (now > before || now == 300).then_some(now)
    });
    assert!(more.is_some(), "no task is done while clients are rude");

    // Those who ask get an answer as soon as there is room: the silent ones are shown out.
    let mut said = String::new();
    let mut reader = BufReader::new(garbage);
    if reader.read_line(&mut said).is_ok_and(|count| count > 0) {
        assert!(said.contains("\"answer\":\"refused\""), "{said}");
    }
    let ended = running.end(LONG).expect_code(0);
    assert!(
        ended.stderr.contains("done: 300 frames"),
        "{}",
        ended.stderr
    );
    drop(silent);
}

#[test]
fn ten_at_once_are_answered_while_frames_are_rendered() {
    let AtWork {
        desk: _desk,
        running,
        log,
        folder,
        ..
    } = at_its_second_frame();
    let clients: Vec<_> = (0..10)
        .map(|_| {
            let mut stream = connect(&folder);
            std::thread::spawn(move || {
                let ask = b"{\"format\":1,\"ask\":\"explain\",\"task\":\"all:3\"}\n";
                stream.set_read_timeout(Some(LONG)).expect("a socket");
                stream.write_all(ask).expect("it listens");
                stream.shutdown(Shutdown::Write).expect("a socket");
                let mut said = String::new();
                stream.read_to_string(&mut said).expect("an answer");
                serde_json::from_str::<Value>(&said).expect("one document")
            })
        })
        .collect();
    for client in clients {
        let said = client.join().expect("no panic");
        assert_eq!(said["answer"], "explained", "{said:#}");
        assert_eq!(said["state"], "waiting");
    }
    running.signal(Signal::INT);
    wait_for_event(&log, "stop", |event| event["event"] == "stopping");
    running.signal(Signal::INT);
    running.end(LONG).expect_code(130);
}

#[test]
fn predictions_of_a_host_that_is_slower_than_declared_come_near() {
    let desk = Desk::new();
    desk.file(
        "slow.stub.toml",
        "frames = \"1-80\"\nload = \"50ms\"\nframe = \"100ms\"\noutput = \"none\"\nslow = { n2 = 2.0 }\n",
    );
    let host = |name| format!("[[host]]\nname = \"{name}\"\nlink = \"local\"\nslots = 1\n");
    desk.file("farm.toml", host("n1") + &host("n2"));
    let (running, log) = start(
        &desk,
        "slow.stub.toml",
        &["--hosts", "farm.toml", "--format", "json"],
    );
    let report = running.end(LONG).expect_code(0).json();

    let number =
        |event: &Value, key: &str| event[key].as_f64().unwrap_or_else(|| panic!("{event}"));
    let off: Vec<f64> = events(&log)
        .iter()
        .filter(|event| event["event"] == "task-done" && event["host"] == "n2")
        .map(|event| number(event, "render_s") / number(event, "predicted_s"))
        .collect();
    assert!(off.len() >= 10, "{off:?}");
    assert!(
        off[0] > 1.7,
        "the first is expected at the declared speed: {off:?}"
    );
    let last = &off[off.len() - 4..];
    let mean = last.iter().sum::<f64>() / last.len() as f64;
    assert!(
        (0.8..1.25).contains(&mean),
        "the last ones are foreseen: {off:?}"
    );

    let hosts = report["hosts"].as_array().expect("hosts");
    let slow = hosts.iter().find(|host| host["name"] == "n2").expect("n2");
    assert_eq!(slow["speed_declared"], 1.0);
    assert!(number(slow, "speed") < 0.85, "{slow:#}");
    assert!(
        number(slow, "predicted_s") < number(slow, "busy_s"),
        "{slow:#}"
    );
    assert!(number(slow, "predicted_load_s") > 0.0, "{slow:#}");
    // Planned with two equal hosts, of which one was not.
    let planned = number(&report, "predicted_makespan_s");
    assert!((3.9..4.3).contains(&planned), "{planned}");
    assert!(number(&report, "makespan_s") > planned, "{report:#}");

    // The same can be reckoned from what was journalled, by anybody.
    let job = report["job"].as_str().expect("an id");
    let status = desk.run(["status", job, "--format", "json"]);
    let status = status.expect_code(0).json();
    let of_status = status["hosts"].as_array().expect("hosts");
    let again = of_status.iter().find(|host| host["name"] == "n2");
    let again = number(again.expect("n2"), "predicted_s");
    assert!((again - number(slow, "predicted_s")).abs() < 1e-6);
    let text = desk.run(["status", job]).expect_code(0).stdout;
    assert!(text.contains("PREDICTED"), "{text}");
}
