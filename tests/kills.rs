//! SIGKILL of anything at any moment, and what must be true afterwards.
//!
//! A victim is killed at a moment drawn from a seed (printed first; `FRAMEWRIGHT_SEED` repeats it)
//! and tied to what the job does. Each kill is recorded with its victim and with what was under
//! way; one that hits nothing is a failure of the test, not a pass. Afterwards every frame is
//! there, committed once, equal in every decoded channel to the undisturbed run, and no process
//! is left. `FRAMEWRIGHT_KILLS` says how many of each victim; tests/soak asks for twenty.

#![expect(
    clippy::print_stderr,
    reason = "seeds, kills and skips are said where whoever runs the tests sees them"
)]

mod support;

#[path = "kills/moment.rs"]
mod moment;
#[path = "kills/pictures.rs"]
mod pictures;
#[path = "kills/record.rs"]
mod record;
#[path = "kills/stage.rs"]
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use moment::{Moment, Random};
use pictures::compare;
use record::{Flight, Journal, Tail, is, sent, text};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use stage::{Show, Stage};
use support::{Ended, LONG, wait_for_event};

/// Whom to kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Controller,
    Worker,
    Renderer,
    /// The child in which an adapter's code runs.
    AdapterHost,
}

/// How many kills of each victim, where not told otherwise.
const STUB_KILLS: usize = 4;
const BLENDER_KILLS: usize = 1;

fn kills(usual: usize) -> usize {
    std::env::var("FRAMEWRIGHT_KILLS").map_or(usual, |text| {
        text.parse().expect("FRAMEWRIGHT_KILLS is a number")
    })
}

/// One process, as `/proc` has it.
#[derive(Debug)]
struct Process {
    pid: i32,
    parent: i32,
    group: i32,
    argv: Vec<String>,
}

impl Process {
    /// Whether it is framewright carrying out this hidden command.
    fn runs(&self, word: &str) -> bool {
        self.argv.get(1).is_some_and(|at| at == word)
    }
}

/// What runs on a stage now.
fn processes(stage: &Stage) -> Vec<Process> {
    let read = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest
            .split(' ')
            .skip(1)
            .map(|field| field.parse().unwrap_or_default());
        let argv = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let argv = argv.split(|byte| *byte == 0);
        Some(Process {
            pid: i32::try_from(*pid).ok()?,
            parent: fields.next()?,
            group: fields.next()?,
            argv: argv
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect(),
        })
    };
    stage.processes().keys().filter_map(read).collect()
}

/// The victim's process, and where it belongs to a slot, which.
fn find(
    victim: Victim,
    controller: u32,
    all: &[Process],
    shown: &[Value],
    random: &mut Random,
) -> Option<(i32, Option<String>)> {
    let controller = i32::try_from(controller).ok()?;
    let mut child = |word: &str| {
        let children = all.iter().filter(|process| process.parent == controller);
        let mine: Vec<_> = children.filter(|process| process.runs(word)).collect();
        (!mine.is_empty()).then(|| (mine[random.below(mine.len())].pid, None))
    };
    match victim {
        Victim::Controller => Some((controller, None)),
        Victim::Worker => child("worker"),
        Victim::AdapterHost => child("adapter-host"),
        Victim::Renderer => {
            let mut slots = BTreeMap::new();
            for event in shown.iter().filter(|event| is(event, "run-started")) {
                let slot = format!("{}/{}", text(event, "host"), event["slot"]);
                slots.insert(slot, event["pid"].as_i64().unwrap_or_default());
            }
            let lives = |pid: &i64| all.iter().any(|process| i64::from(process.pid) == *pid);
            slots.retain(|_, pid| lives(pid));
            let slots: Vec<_> = slots.into_iter().collect();
            if slots.is_empty() {
                return None;
            }
            let (slot, pid) = slots[random.below(slots.len())].clone();
            Some((i32::try_from(pid).ok()?, Some(slot)))
        }
    }
}

/// A kill that hit.
struct Kill {
    job: String,
    flight: Flight,
    slot: Option<String>,
    groups: Vec<i32>,
}

/// Kills the victim at this moment; nothing when the program had ended by then.
fn strike(
    stage: &Stage,
    show: &mut Show,
    victim: Victim,
    moment: Moment,
    random: &mut Random,
) -> Option<Kill> {
    if !moment.wait(&show.events, &mut show.program) {
        return None;
    }
    let mut tail = Tail::of(&show.events);
    let before = tail.read().to_vec();
    let all = processes(stage);
    // What is looked for afterwards can be seen before.
    assert!(all.len() >= 3, "controller, worker and adapters: {all:?}");
    let (pid, slot) = find(victim, show.program.pid(), &all, &before, random)?;
    kill_process(Pid::from_raw(pid)?, Signal::KILL).ok()?;
    let job = before.iter().find(|event| is(event, "job-started"));
    let job = text(job.expect("the moment is one of a job"), "job").to_owned();
    let flight = if victim == Victim::Controller {
        // What it got into its journal is known only when it is dead.
        let path = format!("/proc/{pid}/stat");
        support::poll(LONG, || {
            let stat = fs::read_to_string(&path).unwrap_or_default();
            (stat.is_empty() || stat.contains(") Z ")).then_some(())
        })
        .expect("a killed process dies");
        Flight::of(tail.read(), Some(&stage.journal(&job)))
    } else {
        Flight::of(&before, None)
    };
    let groups: BTreeSet<i32> = all
        .iter()
        // The controller itself runs in the test's own group.
        .filter(|process| process.group == process.pid)
        .map(|process| process.group)
        .collect();
    Some(Kill {
        job,
        flight,
        slot,
        groups: groups.into_iter().collect(),
    })
}

/// What a series of kills came to.
#[derive(Default)]
struct Tally {
    kills: usize,
    busy: usize,
}

impl Tally {
    fn record(&mut self, victim: Victim, moment: Moment, kill: &Kill) {
        self.kills += 1;
        self.busy += usize::from(kill.flight.is_busy());
        let slot = kill.slot.as_deref().map_or_else(String::new, |slot| {
            let state = kill
                .flight
                .slots
                .get(slot)
                .map_or("between frames", String::as_str);
            format!(" of slot {slot} ({state})")
        });
        eprintln!(
            "kill {}: {victim:?}{slot} of {}, {:?} after {} {}: {}",
            self.kills,
            kill.job,
            moment.later,
            moment.kind,
            moment.nth,
            kill.flight.words(),
        );
    }

    #[track_caller]
    fn expect_hits(&self) {
        assert!(
            self.busy > 0 && self.busy * 2 >= self.kills,
            "only {} of {} kills hit anything",
            self.busy,
            self.kills
        );
    }
}

/// Draws a moment of a stage's run.
type Draw = fn(&Stage, &mut Random) -> Moment;

/// Kills one victim so many times, each in a job of its own, at moments that `draw` gives, and
/// sees each job to its end.
fn series(stages: &[(&Stage, Draw)], victim: Victim, count: usize, random: &mut Random) {
    let mut tally = Tally::default();
    let mut losses = 0;
    let mut tries = 0;
    while tally.kills < count {
        let (stage, draw) = stages[tally.kills % stages.len()];
        let name = format!("{victim:?}-{tries}");
        tries += 1;
        assert!(tries <= 3 * count + 3, "most kills come too late");
        let moment = draw(stage, random);
        let mut show = stage.start(&name);
        let Some(kill) = strike(stage, &mut show, victim, moment, random) else {
            show.program.end(LONG).expect_code(0);
            continue;
        };
        tally.record(victim, moment, &kill);
        match victim {
            Victim::Controller => taken_up_again(stage, show, &kill, &name),
            Victim::Worker | Victim::Renderer | Victim::AdapterHost => {
                losses += carries_on(stage, show, &kill, victim);
            }
        }
        fs::remove_dir_all(stage.output(&name)).expect("our own folder");
    }
    tally.expect_hits();
    // One that dies when all it had to do is done, and only records are being written, is missed
    // by nobody; most are missed.
    assert!(victim != Victim::Worker || losses * 2 >= tally.kills);
}

/// After the controller's death: everything is gone, and a resume does what is left, only that.
#[track_caller]
fn taken_up_again(stage: &Stage, show: Show, kill: &Kill, name: &str) {
    let killed = Instant::now();
    assert_eq!(show.program.end(LONG).code(), -1, "it was killed");
    stage.expect_nothing_runs(&kill.groups);
    eprintln!(
        "        all gone after {:.1} s",
        killed.elapsed().as_secs_f64()
    );
    let journal = stage.journal(&kill.job);
    let before = journal.commits();
    let prints = stage.prints(&before);
    write_ahead(&show.output, &before);
    let resumed = stage.resume(&kill.job, name);
    let events = resumed.events.clone();
    resumed.program.end(LONG).expect_code(0);
    let mut tail = Tail::of(&events);
    let events = tail.read();
    // A commit that was recorded and not done yet is done by the resume, not rendered again.
    let again: Vec<_> = sent(events)
        .into_iter()
        .filter(|task| before.contains_key(task))
        .collect();
    assert!(again.is_empty(), "rendered again: {again:?}");
    assert_eq!(events[0]["skipped"], before.len(), "{:#}", events[0]);
    let mut after = stage.prints(&before);
    after.retain(|task, _| prints.contains_key(task));
    assert!(prints == after, "a committed file was touched");
    stage.expect_done(&kill.job, &show.output);
}

/// No file has its final name without a record that says so.
#[track_caller]
fn write_ahead(output: &Path, commits: &BTreeMap<String, Value>) {
    let recorded: BTreeSet<&Path> = commits
        .values()
        .map(|event| Path::new(text(&event["file"], "path")))
        .collect();
    for entry in fs::read_dir(output).expect("the output folder").flatten() {
        let path = entry.path();
        if path.is_file() {
            assert!(
                recorded.contains(path.as_path()),
                "{} is in no record",
                path.display()
            );
        }
    }
}

/// After the death of anything else: the same controller finishes by itself. Gives how often it
/// lost its host.
#[track_caller]
fn carries_on(stage: &Stage, show: Show, kill: &Kill, victim: Victim) -> usize {
    show.program.end(LONG).expect_code(0);
    stage.expect_done(&kill.job, &show.output);
    let journal = stage.journal(&kill.job);
    let lost = journal
        .events
        .iter()
        .filter(|event| is(event, "host-lost"))
        .count();
    let failures = journal.failures();
    let failed = |event: &&Value| is(event, "task-failed") && text(event, "verdict") != "host-lost";
    let failed: Vec<_> = journal.events.iter().filter(failed).collect();
    let verdicts: BTreeSet<&str> = failures
        .iter()
        .map(|(verdict, _)| verdict.as_str())
        .collect();
    match victim {
        Victim::Worker => {
            assert!(lost <= 1, "the worker was killed once");
            let waited = wait_after_loss(&journal);
            assert!(waited < IDLE_MAX, "{waited:?} without work");
            assert!(
                verdicts.iter().all(|verdict| *verdict == "host-lost"),
                "{failed:#?}"
            );
        }
        Victim::Renderer => {
            assert_eq!(lost, 0);
            assert!(failures.len() <= 1, "one renderer, one task: {failed:#?}");
            // A SIGKILL that nobody in here sent is what the system does when memory runs out.
            let fits = |verdict: &&str| ["machine-fault", "out-of-memory"].contains(verdict);
            assert!(verdicts.iter().all(fits), "{failed:#?}");
        }
        Victim::AdapterHost => {
            assert_eq!(lost, 0);
            assert!(
                failures.is_empty(),
                "an adapter's death costs no frame: {failed:#?}"
            );
        }
        Victim::Controller => unreachable!("it does not carry on"),
    }
    attempts_are_counted(&journal);
    lost
}

/// How long a host that is back may be left without work; far below a rest, which is for hosts
/// that fail again and again.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// From the second time that the host came up to the next work that it got.
fn wait_after_loss(journal: &Journal) -> Duration {
    let time = |event: &Value| -> jiff::Timestamp {
        text(event, "time").parse().expect("a time in each event")
    };
    let mut ups = journal
        .events
        .iter()
        .enumerate()
        .filter(|(_, event)| is(event, "host-up"));
    let Some((index, up)) = ups.nth(1) else {
        return Duration::ZERO;
    };
    let sent = journal.events[index..]
        .iter()
        .find(|event| is(event, "segment-sent"));
    sent.map_or(Duration::ZERO, |sent| {
        time(sent).duration_since(time(up)).unsigned_abs()
    })
}

/// The winning attempt of a task comes after its failed ones, and a task that never failed has
/// won with its first lease or a later one.
#[track_caller]
fn attempts_are_counted(journal: &Journal) {
    let failures = journal.failures();
    for (task, event) in journal.commits() {
        let failed = failures
            .iter()
            .filter(|(_, failed)| *failed == task)
            .count();
        let attempt = event["attempt"].as_u64().expect("a number");
        assert!(
            attempt > failed as u64,
            "{task} won as {attempt} after {failed} failures"
        );
    }
}

#[test]
fn a_killed_controller_leaves_a_job_that_is_taken_up_again() {
    let mut random = Random::new("controller");
    let (steady, tiny) = (Stage::steady("exr"), Stage::tiny("png"));
    series(
        &[
            (&steady, Stage::while_loading),
            (&steady, Stage::while_rendering),
            (&steady, Stage::while_verifying),
            (&tiny, Stage::while_committing),
        ],
        Victim::Controller,
        kills(STUB_KILLS),
        &mut random,
    );
}

#[test]
fn a_killed_worker_is_started_again_and_the_job_carries_on() {
    let mut random = Random::new("worker");
    let (steady, tiny) = (Stage::steady("png"), Stage::tiny("png"));
    series(
        &[
            (&steady, Stage::while_loading),
            (&steady, Stage::while_rendering),
            (&steady, Stage::while_verifying),
            (&tiny, Stage::while_committing),
        ],
        Victim::Worker,
        kills(STUB_KILLS),
        &mut random,
    );
}

#[test]
fn a_killed_renderer_costs_one_attempt_of_one_frame() {
    let mut random = Random::new("renderer");
    let steady = Stage::steady("exr");
    series(
        &[
            (&steady, Stage::while_rendering),
            (&steady, Stage::while_loading),
            (&steady, Stage::while_rendering),
            (&steady, Stage::while_verifying),
        ],
        Victim::Renderer,
        kills(STUB_KILLS),
        &mut random,
    );
}

#[test]
fn a_killed_adapter_costs_nothing() {
    let mut random = Random::new("adapter");
    let (steady, tiny) = (Stage::steady("png"), Stage::tiny("png"));
    series(
        &[
            (&steady, Stage::while_loading),
            (&steady, Stage::while_rendering),
            (&steady, Stage::while_verifying),
            (&tiny, Stage::while_committing),
        ],
        Victim::AdapterHost,
        kills(STUB_KILLS),
        &mut random,
    );
}

#[test]
fn blender_and_those_around_it_are_killed_in_mid_frame() {
    let mut random = Random::new("Blender");
    let Some(shot) = Stage::blender("png") else {
        return;
    };
    for victim in [Victim::Renderer, Victim::Controller, Victim::Worker] {
        series(
            &[
                (&shot, Stage::while_rendering),
                (&shot, Stage::while_loading),
                (&shot, Stage::while_rendering),
                (&shot, Stage::while_verifying),
            ],
            victim,
            kills(BLENDER_KILLS),
            &mut random,
        );
    }
}

#[test]
fn the_comparison_sees_a_swapped_frame() {
    let stage = Stage::steady("exr");
    let reference = stage.output("reference");
    let copy = stage.output("copy");
    fs::create_dir(&copy).expect("our own folder");
    for entry in fs::read_dir(&reference).expect("our own folder").flatten() {
        fs::copy(entry.path(), copy.join(entry.file_name())).expect("a copy");
    }
    assert_eq!(compare(&reference, &copy), Ok(stage.tasks()));
    fs::rename(copy.join("f.0002.exr"), copy.join("x")).expect("our own file");
    fs::rename(copy.join("f.0003.exr"), copy.join("f.0002.exr")).expect("our own file");
    fs::rename(copy.join("x"), copy.join("f.0003.exr")).expect("our own file");
    let differs = compare(&reference, &copy).expect_err("two frames are swapped");
    assert!(differs.starts_with("f.0002.exr differs in "), "{differs}");
}

/// Renders until the n-th frame begins, sends a signal, and gives what came of it with the job.
fn signalled(stage: &Stage, name: &str, signals: &[Signal]) -> (Ended, String) {
    let mut show = stage.start(name);
    let begun = Moment {
        kind: "task-started",
        nth: 4,
        later: Duration::ZERO,
    };
    assert!(begun.wait(&show.events, &mut show.program));
    let (first, others) = signals.split_first().expect("a signal");
    show.program.signal(*first);
    for signal in others {
        wait_for_event(&show.events, "stopping", |event| is(event, "stopping"));
        show.program.signal(*signal);
    }
    let ended = show.program.end(LONG);
    let mut tail = Tail::of(&show.events);
    let job = text(&tail.read()[0], "job").to_owned();
    stage.expect_nothing_runs(&[]);
    let journal = stage.journal(&job);
    let last = journal.events.last().expect("a journal that ends");
    assert_eq!(
        (text(last, "event"), text(last, "state")),
        ("job-ended", "interrupted")
    );
    let how = format!("framewright render --resume {job}");
    assert!(
        ended.stderr.contains(&how),
        "it says how to go on: {ended:#?}"
    );
    (ended, job)
}

#[track_caller]
fn resume_to_the_end(stage: &Stage, job: &str, name: &str) -> Vec<Value> {
    let show = stage.resume(job, name);
    show.program.end(LONG).expect_code(0);
    stage.expect_done(job, &show.output);
    Tail::of(&show.events).read().to_vec()
}

#[test]
fn ctrl_c_finishes_the_frames_under_way_and_begins_no_other() {
    let stage = Stage::steady("png");
    let (ended, job) = signalled(&stage, "once", &[Signal::INT]);
    ended.expect_code(130);
    let journal = stage.journal(&job);
    let stopping = journal
        .events
        .iter()
        .position(|event| is(event, "stopping"));
    let (before, after) = journal
        .events
        .split_at(stopping.expect("it says that it stops"));
    let under_way = Flight::of(before, None).rendering;
    assert!(!under_way.is_empty());
    let commits = journal.commits();
    for task in &under_way {
        assert!(
            commits.contains_key(task),
            "{task} was under way and is finished"
        );
    }
    // The renderer may have begun its next frame before it heard of the cut: one a slot.
    let begun = after
        .iter()
        .filter(|event| is(event, "task-started"))
        .count();
    assert!(begun <= 2, "{begun} frames were begun after Ctrl-C");
    assert!(commits.len() < stage.tasks());
    let events = resume_to_the_end(&stage, &job, "once");
    assert_eq!(events[0]["skipped"], commits.len());
}

#[test]
fn ctrl_c_twice_stops_now() {
    let stage = Stage::steady("png");
    // Frames that would take long to finish.
    let slow = Stage::unrehearsed("frames = '1-4'\nwidth = 16\nheight = 9\nframe = '100s'\n");
    let mut show = slow.start("twice");
    let begun = Moment {
        kind: "task-started",
        nth: 2,
        later: Duration::ZERO,
    };
    assert!(begun.wait(&show.events, &mut show.program));
    show.program.signal(Signal::INT);
    wait_for_event(&show.events, "stopping", |event| is(event, "stopping"));
    assert!(show.program.is_running(), "frames are under way");
    show.program.signal(Signal::INT);
    show.program.end(Duration::from_secs(20)).expect_code(130);
    slow.expect_nothing_runs(&[]);

    let (ended, job) = signalled(&stage, "twice", &[Signal::INT, Signal::INT]);
    ended.expect_code(130);
    resume_to_the_end(&stage, &job, "twice");
}

#[test]
fn sigterm_stops_now_and_is_told_from_ctrl_c() {
    let stage = Stage::steady("png");
    let (ended, job) = signalled(&stage, "terminated", &[Signal::TERM]);
    ended.expect_code(143);
    resume_to_the_end(&stage, &job, "terminated");
}

#[test]
fn a_journal_with_a_torn_end_is_taken_up() {
    let stage = Stage::steady("png");
    let (_, job) = signalled(&stage, "torn", &[Signal::TERM]);
    let path = stage.journal_path(&job);
    let mut random = Random::new("torn end");
    let mut bytes = fs::read(&path).expect("the job has a journal");
    // The last record is the job's end: a power cut in the middle of it.
    let last = bytes[..bytes.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n');
    let last = last.expect("more than one record") + 1;
    let keep = last + 1 + random.below(bytes.len() - last - 1);
    bytes.truncate(keep);
    fs::write(&path, &bytes).expect("our own file");
    let before = stage.journal(&job);
    assert!(before.is_torn);
    let events = resume_to_the_end(&stage, &job, "torn");
    assert_eq!(events[0]["skipped"], before.commits().len());
}

#[test]
fn a_committed_file_that_is_gone_or_damaged_is_rendered_again() {
    let stage = Stage::steady("png");
    let show = stage.start("whole");
    show.program.end(LONG).expect_code(0);
    let job = text(&Tail::of(&show.events).read()[0], "job").to_owned();
    fs::remove_file(show.output.join("f.0003.png")).expect("a committed file");
    let damaged = show.output.join("f.0005.png");
    let mut bytes = fs::read(&damaged).expect("a committed file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&damaged, bytes).expect("our own file");
    let events = resume_to_the_end(&stage, &job, "whole");
    let again: Vec<String> = sent(&events).into_iter().collect();
    assert_eq!(again, ["all:3", "all:5"]);
}

#[test]
fn a_job_that_is_done_is_left_as_it_is() {
    let stage = Stage::steady("png");
    let show = stage.start("done");
    show.program.end(LONG).expect_code(0);
    let job = text(&Tail::of(&show.events).read()[0], "job").to_owned();
    let commits = stage.journal(&job).commits();
    let prints = stage.prints(&commits);
    let events = resume_to_the_end(&stage, &job, "done");
    assert!(sent(&events).is_empty() && !events.iter().any(|event| is(event, "run-started")));
    assert_eq!(events[0]["skipped"], stage.tasks());
    assert!(prints == stage.prints(&commits));
}

#[test]
fn a_job_that_runs_is_not_taken_up_a_second_time() {
    let stage = Stage::steady("png");
    let mut show = stage.start("busy");
    let begun = Moment {
        kind: "task-started",
        nth: 2,
        later: Duration::ZERO,
    };
    assert!(begun.wait(&show.events, &mut show.program));
    let job = text(&Tail::of(&show.events).read()[0], "job").to_owned();
    let pid = show.program.pid();
    let refused = stage
        .desk
        .run(["render", "--resume", job.as_str()])
        .expect_code(2);
    let sentence = format!("job {job} is being run by another framewright (process {pid})");
    assert!(refused.stderr.contains(&sentence), "{refused:#?}");
    show.program.end(LONG).expect_code(0);
    stage.expect_done(&job, &show.output);
    assert!(
        stage.journal(&job).failures().is_empty(),
        "it was not disturbed"
    );
}

#[test]
fn a_worker_that_dies_with_its_controller_leaves_no_renderer() {
    // Nobody is left who could end the renderers. They would be busy for long, and, sent for one
    // segment each, they listen to nobody.
    let stage = Stage::unrehearsed(
        "frames = '1-4'\nwidth = 16\nheight = 9\nframe = '100s'\nsticky = false\n",
    );
    let mut show = stage.start("both");
    let begun = Moment {
        kind: "task-started",
        nth: 2,
        later: Duration::ZERO,
    };
    assert!(begun.wait(&show.events, &mut show.program));
    let all = processes(&stage);
    let worker = all.iter().find(|process| process.runs("worker"));
    let worker = worker.expect("a local worker");
    let renderers = all.iter().filter(|process| process.runs("stub-render"));
    assert_eq!(renderers.count(), 2, "{all:#?}");
    // Held first, so that neither can do anything about the other's death.
    let controller = i32::try_from(show.program.pid()).expect("a process id");
    for signal in [Signal::STOP, Signal::KILL] {
        for pid in [controller, worker.pid] {
            let pid = Pid::from_raw(pid).expect("a process id");
            kill_process(pid, signal).expect("it runs");
        }
    }
    show.program.end(LONG);
    stage.expect_nothing_runs(&[]);
}

#[test]
fn a_controller_that_dies_while_it_looks_into_a_scene_leaves_nothing() {
    let Some(shot) = Stage::blender_unrehearsed("png") else {
        return;
    };
    let mut random = Random::new("inspection");
    let (wanted, mut in_flight) = (kills(BLENDER_KILLS), 0);
    // On a quick machine some looks are over before the moment has come: those do not count.
    for round in 0..wanted * 4 {
        if in_flight == wanted {
            break;
        }
        let show = shot.start(&format!("looking-{round}"));
        let looking = support::poll(LONG, || {
            let all = processes(&shot);
            all.iter()
                .any(|process| process.argv.iter().any(|word| word == "-b"))
                .then_some(())
        });
        looking.expect("Blender is started to look into the scene");
        moment::pass(random.up_to(Duration::from_millis(500)));
        let looks = !show.events.exists() || Tail::of(&show.events).read().is_empty();
        in_flight += usize::from(looks);
        show.program.signal(Signal::KILL);
        show.program.end(LONG);
        shot.expect_nothing_runs(&[]);
    }
    assert_eq!(in_flight, wanted, "looks that were killed in mid-course");
}
