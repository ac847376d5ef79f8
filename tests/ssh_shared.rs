//! Two jobs of two people on the same hosts: every slot is one job's at a time.
//!
//! What runs is seen from the hosts, not from what the jobs say: processes that carry a job's tag
//! and are renderers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::Value;
use support::sshd::{Farm, Host, Setup};
use support::{Desk, LONG, Running, events, poll, wait_for_event};

const SLOTS: u32 = 2;

/// One person with a job.
struct Person {
    desk: Desk,
    events: PathBuf,
}

impl Person {
    fn new(farm: &Farm, frames: u32, more: &str) -> Self {
        let desk = Desk::new();
        let scene = format!("frames = \"1-{frames}\"\nframe = \"900ms\"\n");
        support::small_scene(&desk, "shot", &scene);
        farm.toml(&desk, SLOTS, more);
        let events = desk.work().join("events.jsonl");
        Self { desk, events }
    }

    fn start(&self) -> Running {
        self.desk.start([
            "render",
            "shot.stub.toml",
            "--hosts",
            "farm.toml",
            "-o",
            "out/####.png",
            "--events",
            "events.jsonl",
            "--no-history",
        ])
    }

    #[track_caller]
    fn job(&self) -> String {
        let begun = wait_for_event(&self.events, "start", |event| {
            event["event"] == "job-started"
        });
        begun["job"].as_str().unwrap().to_owned()
    }

    fn of_kind(&self, kind: &str) -> Vec<Value> {
        let all = events(&self.events).into_iter();
        all.filter(|event| event["event"] == kind).collect()
    }

    fn pictures(&self) -> usize {
        fs::read_dir(self.desk.work().join("out")).map_or(0, Iterator::count)
    }
}

/// When something was said.
#[track_caller]
fn when(event: &Value) -> Timestamp {
    event["time"].as_str().unwrap().parse().unwrap()
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// Renderers of a job on a host, all of which lived at one moment.
fn renderers(host: &Host, jobs: &[String]) -> BTreeMap<String, usize> {
    let mut found: Vec<(String, u32)> = Vec::new();
    for job in jobs {
        let mine = host.processes("FRAMEWRIGHT_JOB", job).into_iter();
        let mine = mine.filter(|(_, line)| line.contains("stub-render"));
        found.extend(mine.map(|(pid, _)| (job.clone(), pid)));
    }
    // The list was not read in one moment: who has ended since is not counted.
    found.retain(|(_, pid)| {
        fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| !environ.is_empty())
    });
    let mut counts = BTreeMap::new();
    for (job, _) in found {
        *counts.entry(job).or_default() += 1;
    }
    counts
}

/// What was seen: when, and the renderers of each job on each host.
type Sample = (Timestamp, Vec<BTreeMap<String, usize>>);

/// Looks at the hosts until it is told to stop.
fn look(farm: &Farm, jobs: &[String], stop: &AtomicBool) -> Vec<Sample> {
    let mut samples = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let counts = farm.hosts().iter().map(|host| renderers(host, jobs));
        samples.push((Timestamp::now(), counts.collect()));
        thread::park_timeout(Duration::from_millis(30));
    }
    samples
}

#[track_caller]
fn expect_never_more_than_slots(samples: &[Sample]) {
    for (at, hosts) in samples {
        for (index, counts) in hosts.iter().enumerate() {
            let all: usize = counts.values().sum();
            assert!(all <= SLOTS as usize, "{at}: {counts:?} on host {index}");
        }
    }
}

#[track_caller]
fn expect_nothing_on(farm: &Farm, job: &str) {
    for host in farm.hosts() {
        let mut left = BTreeMap::new();
        let gone = poll(Duration::from_secs(15), || {
            left = host.processes("FRAMEWRIGHT_JOB", job);
            left.is_empty().then_some(())
        });
        assert!(gone.is_some(), "on {}: {left:#?}", host.name());
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "figures are for who runs it")]
fn two_jobs_share_hosts_and_neither_starves() {
    const WINDOW_S: f64 = 4.0;
    const LEAST_SHARE: f64 = 0.35;
    let Some(farm) = Farm::with(4, &Setup::default()) else {
        return;
    };
    let (anna, ben) = (Person::new(&farm, 240, ""), Person::new(&farm, 290, ""));
    let first = anna.start();
    let anna_job = anna.job();
    // She has all slots before he comes.
    let has_all = || {
        let loaded = anna.of_kind("loaded").len();
        (loaded >= 4 * SLOTS as usize).then_some(())
    };
    poll(LONG, has_all).unwrap_or_else(|| panic!("{:#?}", events(&anna.events)));
    let second = ben.start();
    let ben_job = ben.job();
    let jobs = [anna_job.clone(), ben_job.clone()];
    let stop = AtomicBool::new(false);
    let (first, second, samples) = thread::scope(|scope| {
        let looker = scope.spawn(|| look(&farm, &jobs, &stop));
        let _told = scope.spawn(|| expect_waiting_is_shown(&ben, &ben_job, &anna_job));
        let first = first.end(LONG);
        let second = second.end(LONG);
        stop.store(true, Ordering::Relaxed);
        (first, second, looker.join().unwrap())
    });
    let (first, second) = (first.expect_code(0), second.expect_code(0));
    assert_eq!((anna.pictures(), ben.pictures()), (240, 290));

    // Waiting is told where people look.
    let says = second
        .stderr
        .lines()
        .find(|line| line.contains("waits for a slot"));
    let says = says.unwrap_or_else(|| panic!("{second:#?}"));
    assert!(
        says.contains(&format!("held by root (job {anna_job})")),
        "{says}"
    );

    expect_never_more_than_slots(&samples);
    let full = samples.iter().flat_map(|(_, hosts)| hosts);
    let full = full.filter(|counts| counts.values().sum::<usize>() == SLOTS as usize);
    assert!(full.count() > 0, "nothing was looked at");

    // Both have slots from here to there.
    let got = ben.of_kind("slot-leased");
    let from = got.iter().map(when).min().unwrap();
    let ends = |person: &Person| when(&person.of_kind("job-ended")[0]);
    let to = ends(&anna).min(ends(&ben));
    let overlap = seconds(from, to);
    assert!(
        overlap > 3.0 * WINDOW_S,
        "{overlap} s are too short to tell"
    );
    for (name, person) in [("anna", &anna), ("ben", &ben)] {
        let mut windows = vec![0; (overlap / WINDOW_S) as usize];
        for done in person.of_kind("task-done") {
            let at = seconds(from, when(&done)) / WINDOW_S;
            if at >= 0.0
                && let Some(count) = windows.get_mut(at as usize)
            {
                *count += 1;
            }
        }
        eprintln!("{name}: frames in each {WINDOW_S} s: {windows:?}");
        assert!(
            windows.iter().all(|count| *count > 0),
            "{name}: {windows:?}"
        );
    }
    let slots_of = |job: &String| -> usize {
        let both = samples.iter().filter(|(at, _)| (from..to).contains(at));
        let hosts = both.flat_map(|(_, hosts)| hosts);
        hosts
            .map(|counts| counts.get(job).copied().unwrap_or(0))
            .sum()
    };
    let (hers, his) = (slots_of(&anna_job) as f64, slots_of(&ben_job) as f64);
    let share = his / (hers + his);
    eprintln!(
        "{overlap:.1} s together, {} looks; his share {share:.2}",
        samples.len()
    );
    assert!((LEAST_SHARE..1.0 - LEAST_SHARE).contains(&share), "{share}");

    // What she had is his as soon as she is done.
    let her_end = ends(&anna);
    let after = |event: &&Value| seconds(her_end, when(event)) > -3.0;
    let late: Vec<f64> = got
        .iter()
        .filter(after)
        .map(|event| seconds(her_end, when(event)))
        .collect();
    eprintln!("slots that he got around her end, seconds after it: {late:.2?}");
    assert!(late.len() >= 4, "{late:?} of {got:#?}");
    assert!(late.iter().all(|after_s| *after_s < 3.0), "{late:?}");
    expect_nothing_on(&farm, &anna_job);
    expect_nothing_on(&farm, &ben_job);
    for host in farm.hosts() {
        assert_eq!(host.locks(), Vec::<String>::new());
    }
    drop(first);
}

/// While he waits: the event, `status`, and `explain` of a task say who has the slots.
#[track_caller]
fn expect_waiting_is_shown(ben: &Person, job: &str, holder: &str) {
    let name = format!("root (job {holder})");
    let is_told = |event: &Value| {
        let holders = event["holders"].as_array().cloned().unwrap_or_default();
        event["event"] == "slot-waiting"
            && holders
                .iter()
                .any(|one| one.as_str() == Some(name.as_str()))
    };
    wait_for_event(&ben.events, "slot that waits", is_told);
    let status = ben.desk.run(["status", job]).expect_code(0).stdout;
    assert!(status.contains(&format!("held by {name}")), "{status}");
    // Any frame that nobody has begun says it; he may have got a slot meanwhile.
    let explained = poll(LONG, || {
        let frames = ["1", "77", "151", "289"].iter();
        let told = frames.map(|frame| ben.desk.run(["explain", job, frame]).expect_code(0).stdout);
        let mut told = told.filter(|told| told.contains(&format!("held by {name}")));
        told.next()
    });
    assert!(explained.is_some(), "no frame says who has the slots");
}

#[test]
#[expect(clippy::print_stderr, reason = "figures are for who runs it")]
fn slots_of_a_controller_that_was_killed_are_free_after_its_grace() {
    const GRACE_S: f64 = 4.0;
    let Some(farm) = Farm::with(4, &Setup::default()) else {
        return;
    };
    let more = "grace = \"4s\"";
    let (anna, ben) = (Person::new(&farm, 500, more), Person::new(&farm, 60, more));
    let first = anna.start();
    let anna_job = anna.job();
    let loaded = |person: &Person, count: usize| {
        let all = poll(LONG, || {
            (person.of_kind("loaded").len() >= count).then_some(())
        });
        all.unwrap_or_else(|| panic!("{:#?}", events(&person.events)));
    };
    loaded(&anna, 8);
    let second = ben.start();
    let ben_job = ben.job();
    let jobs = [anna_job.clone(), ben_job.clone()];
    let stop = AtomicBool::new(false);
    let (second, took, samples) = thread::scope(|scope| {
        let looker = scope.spawn(|| look(&farm, &jobs, &stop));
        loaded(&ben, 4);
        first.signal(Signal::KILL);
        let killed = Instant::now();
        let is_his = |host: &Host| renderers(host, &jobs).get(&ben_job) == Some(&(SLOTS as usize));
        let his = poll(LONG, || {
            farm.hosts().iter().all(is_his).then(|| killed.elapsed())
        });
        let second = second.end(LONG);
        stop.store(true, Ordering::Relaxed);
        (second, his, looker.join().unwrap())
    });
    second.expect_code(0);
    assert_eq!(ben.pictures(), 60);
    expect_never_more_than_slots(&samples);
    let took = took
        .expect("all slots are his while he has frames")
        .as_secs_f64();
    eprintln!("all 8 slots his {took:.1} s after the kill, grace {GRACE_S} s");
    assert!(took < GRACE_S + 8.0, "{took}");
    expect_nothing_on(&farm, &anna_job);
}
