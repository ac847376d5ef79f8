//! Links that are cut in the middle of a job: for a while, for good, and until just too late.
//!
//! Hosts are cut off silently, as by a cable that somebody pulls, or their connection is killed at
//! either end. Times are those of the event stream and of the files on the hosts. How long a cut
//! lasts is `FRAMEWRIGHT_CUT_S`; tests/soak asks for a minute.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::print_stderr,
    reason = "times are said where whoever runs the tests sees them"
)]

mod support;

#[path = "ssh_cuts/stage.rs"]
mod stage;

#[path = "kills/pictures.rs"]
mod pictures;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use stage::{Stage, ends_of, is, made_since, seconds_between, text};
use support::poll;
use support::sshd::seen::{kill, ssh_clients};
use support::sshd::{Farm, Host};

/// How long a cut lasts where nobody says.
const CUT_S: u64 = 10;
/// How much later than promised something may be seen on a busy machine.
const SLACK: Duration = Duration::from_secs(4);

fn cut_time() -> Duration {
    let said = std::env::var("FRAMEWRIGHT_CUT_S");
    let seconds = said.map_or(CUT_S, |text| {
        text.parse().expect("FRAMEWRIGHT_CUT_S is a number")
    });
    Duration::from_secs(seconds)
}

/// Of every task there is one attempt, and it is committed with the segment it was sent in.
#[track_caller]
fn expect_first_attempts(stage: &Stage) {
    let events = stage.events();
    let failed: Vec<_> = events
        .iter()
        .filter(|event| is(event, "task-failed") || is(event, "host-lost"))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let mut sent = BTreeMap::new();
    for event in events.iter().filter(|event| is(event, "segment-sent")) {
        for task in event["tasks"].as_array().unwrap() {
            let task = task.as_str().unwrap().to_owned();
            let before = sent.insert(task, event["segment"].clone());
            assert_eq!(before, None, "sent twice: {event}");
        }
    }
    for kind in ["task-started", "task-done"] {
        let mut seen = BTreeSet::new();
        for event in events.iter().filter(|event| is(event, kind)) {
            assert!(seen.insert(text(event, "task")), "twice: {event}");
            assert_eq!(event["attempt"], 1, "{event}");
            assert_eq!(event["segment"], sent[text(event, "task")], "{event}");
        }
        assert_eq!(seen.len(), stage.frames(), "{kind}");
    }
}

/// Every silence of the host had an end; how many there were.
#[track_caller]
fn expect_heard_again(stage: &Stage, host: &str) -> usize {
    let events = stage.events();
    let of = |kind: &str| {
        let fits = |event: &&serde_json::Value| is(event, kind) && event["host"] == host;
        events.iter().filter(fits).count()
    };
    assert!(of("host-silent") > 0, "it was noticed");
    assert_eq!(of("host-heard"), of("host-silent"));
    of("host-silent")
}

#[test]
fn a_link_that_is_cut_in_mid_frame_costs_no_frame() {
    let Some(farm) = Farm::up(2) else { return };
    if !farm.is_isolated_or_say() {
        return;
    }
    let cut_time = cut_time();
    let frame = Duration::from_millis(500);
    let slots = 2 * farm.hosts().len();
    // Each slot has work until well after the cut.
    let frames = slots * (cut_time + Duration::from_secs(10)).div_duration_f64(frame) as usize;
    let lines = format!("frames = '1-{frames}'\nload = '200ms'\nframe = '500ms'\n");
    let stage = Stage::new(&lines, frames);
    let lost_after = (cut_time * 2).max(Duration::from_secs(30)).as_secs();
    let hosts = farm.toml(
        &stage.desk,
        2,
        &format!("grace = \"10m\"\nlost_after = \"{lost_after}s\""),
    );
    // Equal shares: one long segment a slot.
    let program = stage.start(&hosts, &["--policy", "even"]);
    let host = farm.host(0);
    stage.wait_in_mid_frame(host.name(), 4, frame / 3);
    let begun = stage.events();
    let cut = jiff::Timestamp::now();
    host.cut();
    // A cut lasts as long as it lasts.
    let healed = Instant::now() + cut_time;
    poll(cut_time * 2, || (Instant::now() >= healed).then_some(()));
    let made = made_since(host, cut);
    host.heal();
    let heal = jiff::Timestamp::now();
    program.end(cut_time * 4 + support::LONG).expect_code(0);

    stage.expect_frames();
    expect_first_attempts(&stage);
    assert_eq!(expect_heard_again(&stage, host.name()), 1);
    let events = stage.events();
    let mine = |event: &&serde_json::Value| event["host"] == host.name();
    let silent = events
        .iter()
        .find(|event| is(event, "host-silent"))
        .unwrap();
    let noticed = seconds_between(cut, silent);
    assert!(noticed < lost_after as f64 / 4.0 + SLACK.as_secs_f64());
    // Pictures that were made while nobody could ask for them, and are the ones that were taken.
    let before: BTreeSet<u64> = begun
        .iter()
        .filter(|event| is(event, "segment-sent"))
        .filter(mine)
        .filter_map(|event| event["segment"].as_u64())
        .collect();
    let taken: Vec<_> = events
        .iter()
        .filter(|event| is(event, "task-done"))
        .filter(mine)
        .filter(|event| made.contains(text(&event["file"], "hash")))
        .collect();
    for event in &taken {
        assert!(before.contains(&event["segment"].as_u64().unwrap()));
        assert!(seconds_between(heal, event) > 0.0, "{event}");
    }
    let least = cut_time.div_duration_f64(frame) as usize;
    assert!(
        taken.len() >= least,
        "{} of {} pictures that were made during the cut were taken",
        taken.len(),
        made.len()
    );
    let heard = events.iter().find(|event| is(event, "host-heard")).unwrap();
    eprintln!(
        "cut for {} s: noticed after {noticed:.1} s, heard {:.1} s after it was healed; {} frames \
         made meanwhile and taken; {frames} frames, each attempt 1",
        cut_time.as_secs(),
        seconds_between(heal, heard),
        taken.len(),
    );
}

/// The connection of a host is killed again and again while it renders.
fn killed_connection_costs_no_frame(kill: impl Fn(&Host, u32)) {
    let Some(farm) = Farm::up(2) else { return };
    let frame = Duration::from_millis(300);
    let frames = 120;
    let lines = format!("frames = '1-{frames}'\nload = '200ms'\nframe = '300ms'\n");
    let stage = Stage::new(&lines, frames);
    // What is no machine of its own has no slots of its own.
    let lease = farm.isolated();
    let more = format!("grace = \"10m\"\nlost_after = \"60s\"\nlease = {lease}");
    let hosts = farm.toml(&stage.desk, 2, &more);
    let program = stage.start(&hosts, &["--policy", "even"]);
    let host = farm.host(0);
    let kills = 3;
    for kill_number in 1..=kills {
        stage.wait_in_mid_frame(host.name(), 4 * kill_number, frame / 3);
        kill(host, program.pid());
        stage.wait_for_count("host-heard", host.name(), kill_number);
    }
    program.end(support::LONG).expect_code(0);
    stage.expect_frames();
    expect_first_attempts(&stage);
    assert_eq!(expect_heard_again(&stage, host.name()), kills);
}

#[test]
fn killed_sessions_of_sshd_cost_no_frame() {
    killed_connection_costs_no_frame(|host, _| host.kill_sshd_sessions());
}

#[test]
fn killed_ssh_clients_cost_no_frame() {
    killed_connection_costs_no_frame(|host, controller| {
        let clients = ssh_clients(controller, host);
        assert!(!clients.is_empty(), "the link is an ssh of the controller");
        clients.into_iter().for_each(kill);
    });
}

#[test]
fn a_link_that_stays_cut_leaves_nothing_on_the_host() {
    let Some(farm) = Farm::up(2) else { return };
    if !farm.is_isolated_or_say() {
        return;
    }
    const UNRULY: (&str, &str) = ("FRAMEWRIGHT_TEST_UNRULY", "yes");
    let (lost_after, grace) = (Duration::from_secs(3), Duration::from_secs(6));
    let frames = 24;
    // Whatever begins on the host that will be cut off never ends by itself.
    let stage = Stage::new(
        &format!(
            "frames = '1-{frames}'\nload = '100ms'\nframe = '200ms'\n\
             [[fault]]\nkind = 'hang'\nframes = '1-{frames}'\nhosts = ['fw1']\n"
        ),
        frames,
    );
    let unruly = stage::unruly_renderer(&farm, UNRULY);
    let hosts = farm.toml(
        &stage.desk,
        2,
        &format!("grace = \"6s\"\nlost_after = \"3s\"\nprograms = {{ stub = \"{unruly}\" }}"),
    );
    let program = stage.start(&hosts, &[]);
    let host = farm.host(0);
    stage.wait_in_mid_frame(host.name(), 2, Duration::from_millis(50));
    let job = stage.job();
    // What must be gone afterwards can be seen before.
    let before = host.left_of(&job, &[UNRULY]);
    for what in [
        "worker-detached",
        "framewright worker",
        "framewright freight",
        "stub-render",
        UNRULY.0,
        "a lock",
        ".socket",
        "/jobs/",
    ] {
        let seen = before.iter().any(|line| line.contains(what));
        assert!(seen, "{what} in {before:#?}");
    }
    let blobs = host.blobs();
    assert!(blobs.len() >= 2, "the scene and its texture: {blobs:?}");
    let cut = jiff::Timestamp::now();
    let cut_at = Instant::now();
    host.cut();
    let mut left = Vec::new();
    let gone = poll(grace + SLACK, || {
        left = host.left_of(&job, &[UNRULY]);
        left.is_empty().then(|| cut_at.elapsed())
    });
    let gone = gone.unwrap_or_else(|| panic!("left on the host: {left:#?}"));
    // It was last heard a heartbeat before, at most.
    assert!(gone >= grace - Duration::from_secs(1), "{gone:?}");
    assert_eq!(host.blobs(), blobs, "they stay for the next job");
    program.end(support::LONG).expect_code(0);
    let ended = cut_at.elapsed();

    stage.expect_frames();
    let events = stage.events();
    let lost = events
        .iter()
        .find(|event| is(event, "host-lost") && event["host"] == "fw1")
        .expect("it was given up");
    let lost = seconds_between(cut, lost);
    let promised = (lost_after + SLACK).as_secs_f64();
    assert!(lost <= promised, "given up after {lost} s");
    let begun_there = |event: &&serde_json::Value| {
        is(event, "segment-sent") && event["host"] == "fw1" && seconds_between(cut, event) < 0.0
    };
    let mut moved = BTreeSet::new();
    let mut last = 0_f64;
    for event in events.iter().filter(begun_there) {
        for task in event["tasks"].as_array().unwrap() {
            let elsewhere = events.iter().find(|event| {
                is(event, "task-started") && event["task"] == *task && event["host"] == "fw2"
            });
            let after = seconds_between(cut, elsewhere.expect("it is rendered elsewhere"));
            assert!(after <= promised, "{task} only after {after} s");
            last = last.max(after);
            moved.insert(task.as_str().unwrap().to_owned());
        }
    }
    assert!(!moved.is_empty());
    for event in events.iter().filter(|event| is(event, "task-done")) {
        assert_eq!(event["host"], "fw2");
    }
    eprintln!(
        "cut for good, lost_after {lost_after:?}, grace {grace:?}: given up after {lost:.1} s, its \
         {} tasks begun elsewhere by {last:.1} s, nothing left on the host after {:.1} s, the job \
         ended after {:.1} s",
        moved.len(),
        gone.as_secs_f64(),
        ended.as_secs_f64(),
    );
}

#[test]
fn a_host_that_comes_back_too_late_changes_nothing() {
    let Some(farm) = Farm::up(2) else { return };
    if !farm.is_isolated_or_say() {
        return;
    }
    let frames = 80;
    let frame = Duration::from_millis(400);
    let stage = Stage::new(
        &format!("frames = '1-{frames}'\nload = '100ms'\nframe = '400ms'\n"),
        frames,
    );
    let hosts = farm.toml(&stage.desk, 1, "grace = \"10m\"\nlost_after = \"3s\"");
    let program = stage.start(&hosts, &["--policy", "even"]);
    let host = farm.host(0);
    stage.wait_in_mid_frame(host.name(), 3, frame / 3);
    let job = stage.job();
    let tagged = host.processes("FRAMEWRIGHT_JOB", &job);
    let old: Vec<u32> = tagged.into_keys().collect();
    assert!(old.len() >= 3, "worker, watch, renderer");
    let cut = jiff::Timestamp::now();
    host.cut();
    stage.wait_for_count("host-lost", host.name(), 1);
    // The worker that was given up has more to say by now, and goes on.
    let late = made_since(host, cut);
    assert!(late.len() >= 2, "frames were made during the cut");
    let alive = host.processes("FRAMEWRIGHT_JOB", &job);
    assert!(
        old.iter().all(|pid| alive.contains_key(pid)),
        "{old:?} {alive:?}"
    );
    host.heal();
    let healed = jiff::Timestamp::now();
    stage.wait_for_count("host-up", host.name(), 2);
    let alive = host.processes("FRAMEWRIGHT_JOB", &job);
    assert!(
        !old.iter().any(|pid| alive.contains_key(pid)),
        "the worker before is ended by the next: {old:?} {alive:?}"
    );
    program.end(support::LONG).expect_code(0);

    stage.expect_frames();
    let events = stage.events();
    let done = ends_of(&events);
    assert_eq!(done.len(), frames, "each frame is committed once");
    let lost = events.iter().find(|event| is(event, "host-lost")).unwrap();
    let of_old = |event: &&serde_json::Value| {
        is(event, "segment-sent") && event["host"] == "fw1" && seconds_between(cut, event) < 0.0
    };
    let mut again = 0;
    for sent in events.iter().filter(of_old) {
        for task in sent["tasks"].as_array().unwrap() {
            let done = &done[task.as_str().unwrap()];
            let by_the_old = done["segment"] == sent["segment"];
            // What it had brought home before the cut, and nothing since.
            assert!(!by_the_old || seconds_between(cut, done) < 1.0, "{done}");
            again += usize::from(!by_the_old);
        }
    }
    assert!(again >= late.len(), "what it made too late was made again");
    let up = events.iter().filter(|event| is(event, "host-up"));
    let up = up.filter(|event| event["host"] == "fw1").nth(1).unwrap();
    let left = poll(SLACK, || {
        let left = host.left_of(&job, &[]);
        left.is_empty().then_some(())
    });
    assert!(left.is_some(), "{:#?}", host.left_of(&job, &[]));
    eprintln!(
        "given up after {:.1} s, back {:.1} s after it was healed; {} frames that came too late \
         changed nothing, {again} were rendered again",
        seconds_between(cut, lost),
        seconds_between(healed, up),
        late.len(),
    );
}
