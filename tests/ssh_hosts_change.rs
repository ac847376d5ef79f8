//! Hosts that join and leave a job while it runs, and hosts that take nothing for a while: outside
//! their hours, or with their owner at work.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use support::sshd::{Farm, Host};
use support::{Desk, LONG, Running, events, poll, small_scene, wait_for_event};

struct Job {
    desk: Desk,
    events: PathBuf,
    frames: u32,
}

impl Job {
    /// Frames of 700 ms, each of which depends on a file beside the scene.
    fn new(farm: &Farm, frames: u32, more: &str) -> Self {
        let desk = Desk::new();
        let lines =
            format!("frames = \"1-{frames}\"\nframe = \"700ms\"\nassets = [\"tex/wood.bin\"]\n");
        small_scene(&desk, "shot", &lines);
        desk.file("tex/wood.bin", vec![7; 70_000]);
        farm.toml(&desk, 2, more);
        let events = desk.work().join("events.jsonl");
        Self {
            desk,
            events,
            frames,
        }
    }

    fn start(&self, hosts: &[&str]) -> Running {
        let mut words = vec!["render", "shot.stub.toml", "-o", "out/####.png"];
        words.extend(["--events", "events.jsonl", "--no-history"]);
        words.extend(hosts);
        self.desk.start(words)
    }

    #[track_caller]
    fn id(&self) -> String {
        let begun = wait_for_event(&self.events, "start", |event| {
            event["event"] == "job-started"
        });
        begun["job"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn wait_for(&self, kind: &str, host: &str) -> Value {
        let fits = |event: &Value| event["event"] == kind && event["host"] == host;
        wait_for_event(&self.events, &format!("{kind} of {host}"), fits)
    }

    /// Events of a kind from a host, with their places in the stream.
    fn all(&self, kind: &str, host: &str) -> Vec<(usize, Value)> {
        let all = events(&self.events).into_iter().enumerate();
        all.filter(|(_, event)| event["event"] == kind && event["host"] == host)
            .collect()
    }

    fn pictures(&self) -> usize {
        fs::read_dir(self.desk.work().join("out")).map_or(0, Iterator::count)
    }

    /// A frame that nobody has begun.
    fn some_frame_that_waits(&self) -> String {
        let all = events(&self.events);
        let begun = |frame: &u32| {
            let name = format!("all:{frame}");
            let is_it = |event: &Value| event["event"] == "task-started" && event["task"] == *name;
            all.iter().any(is_it)
        };
        let waits = (1..=self.frames).find(|frame| !begun(frame)).unwrap();
        waits.to_string()
    }

    /// Every task at its first try.
    #[track_caller]
    fn expect_nothing_was_tried_again(&self) {
        for event in events(&self.events) {
            assert_ne!(event["event"], "task-failed", "{event}");
            if event["event"] == "task-done" {
                assert_eq!(event["attempt"], 1, "{event}");
            }
        }
    }
}

/// A host's events in short, for who has to find out.
fn about(host: &str, all: &[Value]) -> Vec<String> {
    let its = all.iter().filter(|event| event["host"] == host);
    let fields = [
        "time", "event", "segment", "task", "tasks", "verdict", "why",
    ];
    its.map(|event| fields.map(|field| event[field].to_string()).join(" "))
        .collect()
}

#[track_caller]
fn expect_nothing_left_on(host: &Host, job: &str) {
    let left = || {
        let jobs = fs::read_dir(host.cache_root().join("jobs"));
        let mut left: Vec<String> = host
            .processes("FRAMEWRIGHT_JOB", job)
            .into_values()
            .collect();
        left.extend(
            jobs.into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path().display().to_string()),
        );
        left
    };
    let gone = poll(Duration::from_secs(15), || left().is_empty().then_some(()));
    assert!(gone.is_some(), "on {}: {:#?}", host.name(), left());
}

#[expect(clippy::print_stderr, reason = "sentences are for who runs it")]
fn show(what: &str) {
    eprintln!("{}", what.trim_end());
}

#[test]
fn a_local_job_gets_a_host_and_gives_it_up_again() {
    let Some(farm) = Farm::up(2) else { return };
    let job = Job::new(&farm, 60, "");
    let running = job.start(&["--local", "1"]);
    let id = job.id();
    job.wait_for("task-done", "local");

    // Names that are wrong.
    let slip = job
        .desk
        .run(["hosts", "add", &id, "--host", "fw11"])
        .expect_code(2);
    show(&slip.stderr);
    assert!(
        slip.stderr
            .contains("has no host `fw11`; did you mean `fw1`?"),
        "{slip:#?}"
    );
    let slip = job.desk.run(["hosts", "drain", &id, "locl"]).expect_code(2);
    show(&slip.stderr);
    assert!(
        slip.stderr
            .contains("has no host `locl`; did you mean `local`?"),
        "{slip:#?}"
    );
    let last = job.desk.run(["hosts", "drain", &id, "local"]);
    show(&last.stderr);
    let last = last.expect_code(2);
    assert!(
        last.stderr
            .contains("host local is the last one that the job has"),
        "{last:#?}"
    );

    // The scene is packed only now; before, nothing had to travel.
    let added = job
        .desk
        .run(["hosts", "add", &id, "--host", "fw1", "--format", "json"]);
    let document = added.expect_code(0).json();
    show(&document.to_string());
    assert_eq!(document["format"], 1);
    job.wait_for("host-joined", "fw1");
    let staged = job.wait_for("staged", "fw1");
    assert_eq!(staged["files"], 2, "{staged}");
    let added = job
        .desk
        .run(["hosts", "add", &id, "--host", "fw2"])
        .expect_code(0);
    show(&added.stdout);
    show(&added.stderr);
    let again = job.desk.run(["hosts", "add", &id, "--host", "fw2"]);
    show(&again.stderr);
    let again = again.expect_code(2);
    assert!(
        again.stderr.contains("has a host fw2 already"),
        "{again:#?}"
    );
    for name in ["fw1", "fw2"] {
        job.wait_for("task-done", name);
    }

    // It leaves with what it has begun.
    job.wait_for("task-started", "fw1");
    let begun = Instant::now();
    let drained = job
        .desk
        .run(["hosts", "drain", &id, "fw1", "--format", "json"]);
    let document = drained.expect_code(0).json();
    show(&document.to_string());
    assert_eq!(document["format"], 1);
    job.wait_for("host-drained", "fw1");
    show(&format!(
        "drained {:.1} s after it was wished",
        begun.elapsed().as_secs_f64()
    ));
    expect_nothing_left_on(farm.host(0), &id);
    let ended = running.end(LONG).expect_code(0);
    show(&ended.stderr);
    assert_eq!(job.pictures(), 60);
    let closed = job.all("host-closed", "fw1");
    assert_eq!(closed.len(), 1, "{closed:#?}");
    let sent = job.all("segment-sent", "fw1");
    assert!(sent.iter().all(|(at, _)| *at < closed[0].0), "{sent:#?}");
    // What was begun there was kept.
    let started = job.all("task-started", "fw1");
    let done = job.all("task-done", "fw1");
    let all = events(&job.events);
    assert_eq!(started.len(), done.len(), "{:#?}", about("fw1", &all));
    let after = started.iter().filter(|(at, _)| *at > closed[0].0).count();
    assert!(
        after <= 2,
        "{after} begun after it was closed: {started:#?}"
    );
    job.expect_nothing_was_tried_again();
    let done_late = job.all("task-done", "fw2").len();
    assert!(done_late > 5, "{done_late}");
}

#[test]
fn of_two_hosts_one_may_leave_and_come_back() {
    let Some(farm) = Farm::up(2) else { return };
    let job = Job::new(&farm, 80, "");
    let running = job.start(&["--hosts", "farm.toml"]);
    let id = job.id();
    for name in ["fw1", "fw2"] {
        job.wait_for("task-done", name);
    }
    job.desk.run(["hosts", "drain", &id, "fw1"]).expect_code(0);
    let last = job.desk.run(["hosts", "drain", &id, "fw2"]).expect_code(2);
    assert!(
        last.stderr
            .contains("host fw2 is the last one that the job has"),
        "{last:#?}"
    );
    job.wait_for("host-drained", "fw1");
    let gone = job.desk.run(["hosts", "drain", &id, "fw1"]).expect_code(2);
    show(&gone.stderr);
    assert!(gone.stderr.contains("host fw1 has left job"), "{gone:#?}");
    let before = job.all("task-done", "fw1").len();
    job.desk
        .run(["hosts", "add", &id, "--host", "fw1"])
        .expect_code(0);
    let more = poll(LONG, || {
        (job.all("task-done", "fw1").len() > before).then_some(())
    });
    assert!(more.is_some(), "{:#?}", events(&job.events));
    running.end(LONG).expect_code(0);
    assert_eq!(job.pictures(), 80);
    job.expect_nothing_was_tried_again();
    for host in farm.hosts() {
        expect_nothing_left_on(host, &id);
    }
}

/// Hours that begin two hours from now on this machine's clock, which is the hosts' as well.
fn other_hours() -> String {
    let now = jiff::Zoned::now();
    let hour = |later: i64| {
        let at = now.checked_add(jiff::Span::new().hours(later)).unwrap();
        format!("{:02}:{:02}", at.hour(), at.minute())
    };
    format!("available = \"{}-{}\"", hour(2), hour(4))
}

#[test]
fn outside_its_hours_a_host_takes_nothing() {
    let Some(farm) = Farm::up(1) else { return };
    let job = Job::new(&farm, 8, &other_hours());
    let text = fs::read_to_string(job.desk.work().join("farm.toml")).unwrap();
    let own = format!(
        "[[host]]\nname = \"mine\"\nlink = \"local\"\nslots = 2\n{}\n\
         [[host]]\nname = \"free\"\nlink = \"local\"\nslots = 1\n",
        other_hours()
    );
    job.desk.file("farm.toml", text + &own);
    let ended = job
        .start(&["--hosts", "farm.toml"])
        .end(LONG)
        .expect_code(0);
    show(&ended.stderr);
    assert_eq!(job.pictures(), 8);
    for name in ["fw1", "mine"] {
        assert!(job.all("segment-sent", name).is_empty());
        let closed = job.all("host-closed", name);
        assert_eq!(closed.len(), 1, "{:#?}", events(&job.events));
        let why = closed[0].1["why"].as_str().unwrap();
        assert!(why.contains("it takes new work "), "{why}");
        let said = ended
            .stderr
            .matches(&format!("{name} takes nothing new"))
            .count();
        assert_eq!(said, 1, "{ended:#?}");
    }

    // Alone it is waited for, and it is said for what.
    let job = Job::new(&farm, 8, &other_hours());
    let running = job.start(&["--hosts", "farm.toml"]);
    job.wait_for("host-closed", "fw1");
    job.wait_for("host-up", "fw1");
    let id = job.id();
    for words in [vec!["status", &id], vec!["explain", &id, "1"]] {
        // The record is written a moment after the event is told.
        let says = || {
            let shown = job.desk.run(&words).expect_code(0).stdout;
            shown.contains("it takes new work ").then_some(shown)
        };
        let shown = poll(LONG, says).unwrap_or_else(|| panic!("{words:?} does not say why"));
        show(&shown);
    }
    assert!(job.all("segment-sent", "fw1").is_empty());
    running.signal(Signal::INT);
    running.end(LONG).expect_code(130);
    expect_nothing_left_on(farm.host(0), &id);
}

/// The processor time of a host as if it were a machine of its own: two cores, which are busy while
/// its owner is at work. (The hosts of a farm share this machine's, which others keep busy.)
fn own_processors(host: &Host, is_busy: &AtomicBool, stop: &AtomicBool) {
    let path = host.home().join("stat");
    let mut file = fs::File::options().write(true).open(path).unwrap();
    let (mut busy, mut before) = (0.0, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        let passed = before.elapsed().as_secs_f64();
        before += Duration::from_secs_f64(passed);
        if is_busy.load(Ordering::Relaxed) {
            busy += passed * 200.0;
        }
        file.seek(SeekFrom::Start(0)).unwrap();
        // One write of one length: whoever reads meanwhile reads a whole line.
        file.write_all(format!("cpu  {:016} 0 0 0 0 0 0\n", busy as u64).as_bytes())
            .unwrap();
        thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn a_host_whose_owner_is_at_work_takes_nothing_until_that_ends() {
    let Some(farm) = Farm::up(1) else { return };
    if !farm.is_isolated_or_say() {
        return;
    }
    let host = farm.host(0);
    host.file("stat", &format!("cpu  {:016} 0 0 0 0 0 0\n", 0), 0o644);
    host.run("mount --bind stat /proc/stat").expect_code(0);
    let job = Job::new(&farm, 30, "load_max = 1.0");
    let (is_busy, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| own_processors(host, &is_busy, &stop));
        let done = scope.spawn(|| {
            let running = job.start(&["--hosts", "farm.toml"]);
            let id = job.id();
            job.wait_for("task-done", "fw1");
            is_busy.store(true, Ordering::Relaxed);
            let closed = job.wait_for("host-closed", "fw1");
            show(&closed.to_string());
            let why = closed["why"].as_str().unwrap();
            assert!(
                why.starts_with("others keep ")
                    && why.ends_with(" of its cores busy, and load_max is 1"),
                "{why}"
            );
            // What has begun there ends; nothing else begins.
            let at_rest = || {
                let renders = job.all("task-started", "fw1").len();
                (renders == job.all("task-done", "fw1").len()).then_some(renders)
            };
            let begun = poll(LONG, at_rest).unwrap();
            let waits = job.some_frame_that_waits();
            let explained = job.desk.run(["explain", &id, &waits]).expect_code(0).stdout;
            show(&explained);
            assert!(explained.contains("others keep "), "{explained}");
            // Two more looks at the machine.
            let later = Instant::now() + Duration::from_secs(5);
            poll(Duration::from_secs(6), || {
                (Instant::now() > later).then_some(())
            });
            assert_eq!(job.all("task-started", "fw1").len(), begun);
            is_busy.store(false, Ordering::Relaxed);
            job.wait_for("host-opened", "fw1");
            let ended = running.end(LONG).expect_code(0);
            show(&ended.stderr);
        });
        let done = done.join();
        stop.store(true, Ordering::Relaxed);
        done.unwrap();
    });
    assert_eq!(job.pictures(), 30);
    job.expect_nothing_was_tried_again();
}

#[test]
fn a_host_whose_memory_is_used_up_takes_nothing_until_some_is_free() {
    let Some(farm) = Farm::up(1) else { return };
    if !farm.is_isolated_or_say() {
        return;
    }
    let host = farm.host(0);
    let info = |free: u64| format!("MemTotal: 99999999 kB\nMemAvailable: {free:08} kB\n");
    host.file("meminfo", &info(99_999_999), 0o644);
    host.run("mount --bind meminfo /proc/meminfo")
        .expect_code(0);
    let job = Job::new(&farm, 30, "");
    let running = job.start(&["--hosts", "farm.toml"]);
    let id = job.id();
    job.wait_for("task-done", "fw1");
    host.file("meminfo", &info(1024), 0o644);
    let closed = job.wait_for("host-closed", "fw1");
    show(&closed.to_string());
    let why = closed["why"].as_str().unwrap();
    assert_eq!(why, "it has only 1MiB of its memory left");
    let waits = job.some_frame_that_waits();
    let explained = job.desk.run(["explain", &id, &waits]).expect_code(0).stdout;
    assert!(explained.contains("of its memory left"), "{explained}");
    host.file("meminfo", &info(99_999_999), 0o644);
    job.wait_for("host-opened", "fw1");
    running.end(LONG).expect_code(0);
    assert_eq!(job.pictures(), 30);
    job.expect_nothing_was_tried_again();
}
