//! SIGKILL of anything between a controller and the renderers on its ssh hosts, at any moment.
//!
//! Victims are taken in turn, on hosts and at moments that are drawn from a seed (printed first;
//! `FRAMEWRIGHT_SEED` repeats it) and tied to what the job does; a job suffers several. Each kill is
//! recorded with its victim and what that was at; a series in which half of them hit nothing fails.
//! Whatever was killed, the job ends with every frame, each committed once and equal in every decoded
//! channel to what is made without hosts, and when the grace is over nothing of it is left on any
//! host or here. `FRAMEWRIGHT_SSH_KILLS` says how many; tests/soak asks for a hundred.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::print_stderr,
    reason = "seeds and kills are said where whoever runs the tests sees them"
)]

mod support;

#[path = "ssh_kills/doing.rs"]
mod doing;
#[path = "kills/moment.rs"]
#[allow(dead_code, reason = "each test file uses its own part of this")]
mod moment;
#[path = "kills/pictures.rs"]
mod pictures;
#[path = "kills/record.rs"]
#[allow(dead_code, reason = "each test file uses its own part of this")]
mod record;
#[path = "ssh_kills/show.rs"]
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use doing::{Act, Doing, Work, committing};
use moment::{Random, pass};
use record::{is, text};
use show::{Show, Stage};
use support::sshd::seen::{kill, ssh_clients};
use support::sshd::{Farm, Host};
use support::{LONG, expect_nothing_left, poll, processes_with};

/// How many kills, where not told otherwise.
const KILLS: usize = 10;
/// How many one job suffers at most.
const KILLS_A_JOB: usize = 5;
const GRACE: Duration = Duration::from_secs(2);
/// How much longer than its grace the end of everything may take on a busy machine.
const SLACK: Duration = Duration::from_secs(8);

/// How many tasks are named of what is under way.
const NAMES_MAX: usize = 6;

/// Whom to kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    /// One of the controller's ssh: the worker's or the freight's.
    Client,
    /// What sshd started for its connections.
    Session,
    Worker,
    Renderer,
    /// What relays between sshd and the worker.
    Door,
    /// What moves files.
    Depot,
    Controller,
}

const VICTIMS: [Victim; 7] = [
    Victim::Client,
    Victim::Worker,
    Victim::Session,
    Victim::Controller,
    Victim::Renderer,
    Victim::Door,
    Victim::Depot,
];

/// Events behind which moments are drawn, and how long after.
const MOMENTS: [(&str, Duration); 5] = [
    ("run-started", Duration::from_millis(150)),
    ("task-started", Duration::from_millis(60)),
    ("task-started", Duration::from_millis(60)),
    ("task-verifying", Duration::from_millis(8)),
    ("task-done", Duration::from_millis(40)),
];

/// A kill that hit.
struct Kill {
    victim: Victim,
    host: String,
    /// What the victim was at.
    works: Vec<Work>,
}

/// The processes to kill, and where they belong to one slot, which.
fn find(
    victim: Victim,
    host: &Host,
    controller: u32,
    job: &str,
    doing: &Doing,
    random: &mut Random,
) -> Option<(Vec<u32>, Option<u64>)> {
    let tagged = |variable: &str, value: &str, fits: &dyn Fn(&str) -> bool| -> Vec<u32> {
        let found = host.processes(variable, value).into_iter();
        found
            .filter(|(_, line)| fits(line.trim_end()))
            .map(|(pid, _)| pid)
            .collect()
    };
    let farm = |end: &'static str| {
        let fits = move |line: &str| line.ends_with(end);
        tagged("FRAMEWRIGHT_TEST_HOST", host.name(), &fits)
    };
    let mut any = |pids: Vec<u32>| match pids.len() {
        0 => vec![],
        count => vec![pids[random.below(count)]],
    };
    let pids = match victim {
        Victim::Controller => vec![controller],
        Victim::Client => any(ssh_clients(controller, host)),
        Victim::Session => host.sshd_sessions(),
        Victim::Worker => tagged("FRAMEWRIGHT_JOB", job, &|line| {
            line.ends_with("worker-detached")
        }),
        Victim::Door => any(farm("framewright worker")),
        Victim::Depot => any(farm("framewright freight")),
        Victim::Renderer => any(tagged("FRAMEWRIGHT_JOB", job, &|line| {
            line.contains(" stub-render ")
        })),
    };
    let slot = match (victim, pids.first()) {
        (Victim::Renderer, Some(pid)) => {
            // As the host numbers it.
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status.lines().find(|line| line.starts_with("NSpid:"))?;
            let there: u64 = line.split_whitespace().last()?.parse().ok()?;
            let mut slots = doing.pids.iter();
            let fits = |at: &(&(String, u64), &u64)| at.0.0 == host.name() && *at.1 == there;
            slots.find(fits).map(|((_, slot), _)| *slot)
        }
        _ => None,
    };
    (!pids.is_empty()).then_some((pids, slot))
}

/// Kills a victim now; None where there is none.
fn strike(
    victim: Victim,
    host: &Host,
    show: &mut Show,
    stage: &Stage,
    random: &mut Random,
) -> Option<Kill> {
    let shown = show.tail.read().to_vec();
    let job = text(&shown[0], "job").to_owned();
    let doing = Doing::of(&shown);
    let (pids, slot) = find(victim, host, show.program.pid(), &job, &doing, random)?;
    let mut works = doing.works(&stage.output(&show.name));
    pids.into_iter().for_each(kill);
    if victim == Victim::Controller {
        let ended = poll(LONG, || (!show.program.is_running()).then_some(()));
        ended.expect("a killed process dies");
        // What it got into its journal is known only when it is dead.
        let journal = stage.journal(&job);
        let committing = committing(&journal.events, show.tail.read());
        works.retain(|work| committing.iter().all(|other| other.task != work.task));
        works.extend(committing);
    } else {
        works.retain(|work| work.host == host.name() && slot.is_none_or(|slot| work.slot == slot));
    }
    Some(Kill {
        victim,
        host: host.name().to_owned(),
        works,
    })
}

/// What a series came to.
#[derive(Default)]
struct Tally {
    kills: usize,
    busy: usize,
    victims: BTreeMap<Victim, usize>,
    acts: BTreeMap<Act, usize>,
}

impl Tally {
    fn record(&mut self, job: &str, kill: &Kill) {
        self.kills += 1;
        self.busy += usize::from(!kill.works.is_empty());
        *self.victims.entry(kill.victim).or_default() += 1;
        let acts: BTreeSet<Act> = kill.works.iter().map(|work| work.act).collect();
        for act in acts {
            *self.acts.entry(act).or_default() += 1;
        }
        let named = kill.works.iter().take(NAMES_MAX).map(ToString::to_string);
        let mut works: Vec<String> = named.collect();
        match kill.works.len() - works.len() {
            0 if works.is_empty() => works.push("nothing under way".to_owned()),
            0 => {}
            more => works.push(format!("{more} more")),
        }
        let works = works.join(", ");
        let on = match kill.victim {
            Victim::Controller => String::new(),
            _ => format!(" of {}", kill.host),
        };
        eprintln!(
            "kill {}: {:?}{on} of {job}: {works}",
            self.kills, kill.victim
        );
    }

    #[track_caller]
    fn expect_hits(&self) {
        eprintln!(
            "{} kills, {} hit something: by victim {:?}, by what was under way {:?}",
            self.kills, self.busy, self.victims, self.acts
        );
        assert!(
            self.busy > 0 && self.busy * 2 >= self.kills,
            "only {} of {} kills hit anything",
            self.busy,
            self.kills
        );
    }
}

/// Waits for the next moment, and says on which host it is one; None when the job ended before.
fn wait(show: &mut Show, random: &mut Random) -> Option<String> {
    let (kind, longest) = MOMENTS[random.below(MOMENTS.len())];
    let count = |show: &mut Show| {
        let events = show.tail.read();
        events.iter().filter(|event| is(event, kind)).count()
    };
    // A renderer that is there starts no more.
    let more = if kind == "run-started" {
        1
    } else {
        1 + random.below(12)
    };
    let wanted = count(show) + more;
    let until = Instant::now() + Duration::from_secs(3);
    let ended = poll(LONG, || {
        let is_running = show.program.is_running();
        if count(show) >= wanted || (Instant::now() >= until && show.has_begun()) {
            return Some(true);
        }
        (!is_running).then_some(false)
    });
    assert!(ended.is_some(), "nothing happens: {:#?}", show.tail.events);
    pass(random.up_to(longest));
    if ended != Some(true) || !show.program.is_running() {
        return None;
    }
    let events = show.tail.read();
    let last = events.iter().rfind(|event| is(event, kind));
    Some(last.map_or_else(String::new, |event| text(event, "host").to_owned()))
}

/// One job and its kills.
fn suffer(
    stage: &Stage,
    farm: &Farm,
    name: &str,
    count: usize,
    random: &mut Random,
    tally: &mut Tally,
) {
    let mut show = stage.start(name);
    let before = tally.kills;
    let mut job = String::new();
    while tally.kills < before + count {
        let Some(at) = wait(&mut show, random) else {
            break;
        };
        job = text(&show.tail.events[0], "job").to_owned();
        let victim = VICTIMS[tally.kills % VICTIMS.len()];
        // Mostly the host that the moment is one of; any other may be at nothing just now.
        let mut host = &farm.hosts()[random.below(farm.hosts().len())];
        if random.below(4) > 0 {
            let fits = |other: &&Host| other.name() == at;
            host = farm.hosts().iter().find(fits).unwrap_or(host);
        }
        let Some(kill) = strike(victim, host, &mut show, stage, random) else {
            // It is being started again just now, on this host.
            continue;
        };
        tally.record(&job, &kill);
        if victim == Victim::Controller {
            // Before or after its workers have ended by themselves.
            pass(random.up_to(GRACE * 2));
            show = stage.resume(&job, show);
        }
    }
    let last = Instant::now();
    let Show {
        program, mut tail, ..
    } = show;
    program.end(LONG).expect_code(0);
    text(&tail.read()[0], "job").clone_into(&mut job);
    stage.expect_done(&job, name);
    let mut left = Vec::new();
    let gone = poll(GRACE + SLACK, || {
        left = farm
            .hosts()
            .iter()
            .flat_map(|host| host.left_of(&job, &[]))
            .collect();
        left.extend(
            processes_with("HOME", &stage.home())
                .into_iter()
                .map(|(pid, line)| format!("process {pid} here: {line}")),
        );
        left.is_empty().then_some(())
    });
    assert!(gone.is_some(), "left of {job}: {left:#?}");
    expect_nothing_left(&job);
    eprintln!(
        "        {job} done, all gone {:.1} s after the last",
        last.elapsed().as_secs_f64()
    );
}

#[test]
fn whatever_is_killed_every_frame_comes_once_and_nothing_stays() {
    let mut random = Random::new("ssh kills");
    let Some(farm) = Farm::up(3) else { return };
    let wanted = std::env::var("FRAMEWRIGHT_SSH_KILLS").map_or(KILLS, |text| {
        text.parse().expect("FRAMEWRIGHT_SSH_KILLS is a number")
    });
    let stage = Stage::new(&farm, GRACE);
    let mut tally = Tally::default();
    for round in 0..wanted * 3 {
        if tally.kills == wanted {
            break;
        }
        let count = KILLS_A_JOB.min(wanted - tally.kills);
        let name = format!("job-{round}");
        suffer(&stage, &farm, &name, count, &mut random, &mut tally);
        fs::remove_dir_all(stage.output(&name)).unwrap();
    }
    assert_eq!(tally.kills, wanted, "most kills come too late");
    tally.expect_hits();
}
