//! Slots of one machine that several workers share, each in a process of its own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod kit;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use framewright_worker::message::{FromWorker, Holder, SlotId, ToWorker, Vitals};
use kit::{Controller, PATIENCE, UNRULY, WORKER, is_alive, tagged};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

/// Ignores SIGTERM, leaves its group and session, loses its parent, and hangs; the first process
/// hangs too.
const STUBBORN: [&str; 6] = [UNRULY, "ignore-term", "leave", "say", "up", "hang"];

/// Longer than any turn in these tests.
const NO_TURNS: &str = "3600000";

struct Machine {
    around: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let around = tempfile::tempdir().unwrap();
        fs::set_permissions(around.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { around }
    }

    fn locks(&self) -> PathBuf {
        self.around.path().join("locks")
    }

    fn command(&self, program: &Path, turn_ms: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(["watched", turn_ms])
            .env("FRAMEWRIGHT_LOCK_DIR", self.locks())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    }

    fn worker_with(&self, job: &str, slots: u32, turn_ms: &str) -> Controller {
        let worker = self.command(Path::new(WORKER), turn_ms).spawn().unwrap();
        leased(worker, job, slots)
    }

    fn worker(&self, job: &str, slots: u32) -> Controller {
        self.worker_with(job, slots, NO_TURNS)
    }

    /// Whether a lock is nobody's.
    fn is_free(&self, number: u32) -> bool {
        let file = fs::File::open(self.locks().join(format!("slot-{number}"))).unwrap();
        flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
    }

    fn waiting_files(&self) -> usize {
        let entries = fs::read_dir(self.locks()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with("wait-"))
            .count()
    }
}

fn leased(worker: std::process::Child, job: &str, slots: u32) -> Controller {
    Controller::of(worker, slots, |hello| {
        hello.job = job.to_owned();
        hello.leased = true;
        hello.vitals = true;
    })
}

fn lease(worker: &mut Controller, slot: u32) {
    worker.say(&ToWorker::Lease { slot: SlotId(slot) });
}

fn release(worker: &mut Controller, slot: u32) {
    worker.say(&ToWorker::Release { slot: SlotId(slot) });
}

fn hear_leased(worker: &mut Controller, slot: u32) {
    worker.hear(&format!("the lease of slot {slot}"), |message| {
        let leased = FromWorker::Leased { slot: SlotId(slot) };
        (*message == leased).then_some(())
    });
}

/// Waits until a slot waits, for reasons that `pick` takes.
fn hear_waits(worker: &mut Controller, slot: u32, pick: impl Fn(&[Holder]) -> bool) -> Vec<Holder> {
    worker.hear(
        &format!("that slot {slot} waits"),
        |message| match message {
            FromWorker::LeaseWaits { slot: of, holders } if of.0 == slot && pick(holders) => {
                Some(holders.clone())
            }
            _ => None,
        },
    )
}

fn hear_wanted(worker: &mut Controller, wanted: u32) -> Vec<Holder> {
    worker.hear(
        &format!("that {wanted} are wanted"),
        |message| match message {
            FromWorker::LeaseWanted { give, waiting } if *give == wanted => Some(waiting.clone()),
            _ => None,
        },
    )
}

/// The process that watches over a worker.
fn watch_of(worker: u32) -> Pid {
    let words = format!("\0watch\0{worker}\0");
    let found = fs::read_dir("/proc").unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        let command = fs::read_to_string(path.join("cmdline")).ok()?;
        let number = path.file_name()?.to_str()?.parse().ok()?;
        command.ends_with(&words).then(|| Pid::from_raw(number))?
    });
    found.expect("it has a watch")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a lock that is given up tells nobody"
)]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn two_workers_never_hold_more_than_the_machine_has() {
    let machine = Machine::new();
    let (mut first, mut second) = (machine.worker("a", 3), machine.worker("b", 3));
    for slot in 0..3 {
        lease(&mut first, slot);
        hear_leased(&mut first, slot);
    }
    assert!((0..3).all(|number| !machine.is_free(number)));
    lease(&mut second, 0);
    let holders = hear_waits(&mut second, 0, |holders| holders.len() == 3);
    assert!(
        holders.iter().all(|holder| holder.job == "a"),
        "{holders:?}"
    );
    assert!(holders.iter().all(|holder| holder.pid == first.pid));
    let waiting = hear_wanted(&mut first, 1);
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].job.as_str(), waiting[0].pid), ("b", second.pid));
    release(&mut first, 1);
    hear_leased(&mut second, 0);
    hear_wanted(&mut first, 0);
    // Who has it says so in the file.
    let texts: Vec<String> = (0..3)
        .map(|number| fs::read_to_string(machine.locks().join(format!("slot-{number}"))).unwrap())
        .collect();
    let of = |job: &str| texts.iter().filter(|text| text.contains(job)).count();
    assert_eq!((of("job a\n"), of("job b\n")), (2, 1), "{texts:?}");
    first.bye();
    // A lease that is asked for again is answered again.
    lease(&mut second, 0);
    hear_leased(&mut second, 0);
    for slot in 1..3 {
        lease(&mut second, slot);
        hear_leased(&mut second, slot);
    }
    second.bye();
    wait_until("a free machine", || {
        (0..3).all(|number| machine.is_free(number))
    });
    assert_eq!(machine.waiting_files(), 0);
}

#[test]
fn a_killed_worker_has_its_slot_until_its_renderers_are_gone() {
    let machine = Machine::new();
    let mut first = machine.worker("a", 1);
    lease(&mut first, 0);
    hear_leased(&mut first, 0);
    first.run(1, 0, &STUBBORN);
    first.line(1, "up");
    let renderers: Vec<u32> = tagged(&format!("FRAMEWRIGHT_WORKER={}", first.pid));
    assert!(renderers.len() >= 2, "{renderers:?}");
    for renderer in &renderers {
        let open = fs::read_dir(format!("/proc/{renderer}/fd")).unwrap();
        let open: Vec<PathBuf> = open
            .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
            .collect();
        assert!(
            open.iter()
                .all(|path| !path.starts_with(machine.around.path())),
            "no renderer has a lock: {open:?}"
        );
    }
    let mut second = machine.worker("b", 1);
    lease(&mut second, 0);
    hear_waits(&mut second, 0, |holders| holders.len() == 1);
    // The watch is held up, so that it can be seen what holds the lock meanwhile.
    // As an orphan of nobody it would be woken by the worker's end.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let watch = watch_of(first.pid);
    kill_process(watch, Signal::STOP).unwrap();
    first.worker.kill().unwrap();
    first.worker.wait().unwrap();
    assert!(!machine.is_free(0), "its renderers live");
    assert!(renderers.iter().all(|pid| is_alive(*pid)));
    let told = Instant::now();
    kill_process(watch, Signal::CONT).unwrap();
    hear_leased(&mut second, 0);
    let alive: Vec<&u32> = renderers.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(alive.is_empty(), "they run beside the next one: {alive:?}");
    assert!(told.elapsed() < Duration::from_secs(10), "and soon");
    second.bye();
}

#[test]
fn who_dies_waiting_is_not_waited_for() {
    let machine = Machine::new();
    let mut first = machine.worker("a", 2);
    for slot in 0..2 {
        lease(&mut first, slot);
        hear_leased(&mut first, slot);
    }
    let mut second = machine.worker("b", 2);
    lease(&mut second, 0);
    hear_wanted(&mut first, 1);
    second.worker.kill().unwrap();
    hear_wanted(&mut first, 0);
    // One that does not want it any more is not waited for either.
    let mut third = machine.worker("c", 2);
    lease(&mut third, 1);
    hear_wanted(&mut first, 1);
    release(&mut third, 1);
    hear_wanted(&mut first, 0);
    third.bye();
    first.bye();
}

#[test]
fn a_job_that_came_later_gets_its_half_and_not_more() {
    let machine = Machine::new();
    let mut first = machine.worker("a", 4);
    for slot in 0..4 {
        lease(&mut first, slot);
        hear_leased(&mut first, slot);
    }
    let mut second = machine.worker("b", 4);
    for slot in 0..4 {
        lease(&mut second, slot);
    }
    hear_wanted(&mut first, 2);
    release(&mut first, 0);
    release(&mut first, 3);
    // It wants them again at once, and has to wait.
    lease(&mut first, 0);
    lease(&mut first, 3);
    hear_leased(&mut second, 0);
    hear_leased(&mut second, 1);
    hear_wanted(&mut first, 0);
    hear_waits(&mut first, 0, |holders| {
        let of = |job: &str| holders.iter().filter(|holder| holder.job == job).count();
        (of("a"), of("b")) == (2, 2)
    });
    hear_waits(&mut second, 2, |holders| holders.len() == 4);
    second.bye();
    hear_leased(&mut first, 0);
    hear_leased(&mut first, 3);
    first.bye();
}

#[test]
fn with_more_jobs_than_slots_they_take_turns() {
    let machine = Machine::new();
    let mut workers: Vec<Controller> = ["a", "b", "c"]
        .map(|job| machine.worker_with(job, 1, "300"))
        .into();
    lease(&mut workers[0], 0);
    hear_leased(&mut workers[0], 0);
    for place in [1, 2] {
        lease(&mut workers[place], 0);
        hear_waits(&mut workers[place], 0, |holders| !holders.is_empty());
    }
    // Each in turn, and in the order in which they came.
    for turn in 0..6 {
        let (now, next) = (turn % 3, (turn + 1) % 3);
        hear_wanted(&mut workers[now], 1);
        release(&mut workers[now], 0);
        lease(&mut workers[now], 0);
        hear_leased(&mut workers[next], 0);
    }
    for worker in workers {
        worker.bye();
    }
}

#[test]
fn what_is_put_in_the_way_costs_that_slot_only() {
    let machine = Machine::new();
    fs::create_dir(machine.locks()).unwrap();
    let precious = machine.around.path().join("precious");
    fs::write(&precious, "mine").unwrap();
    symlink(&precious, machine.locks().join("slot-0")).unwrap();
    fs::create_dir(machine.locks().join("slot-1")).unwrap();
    symlink(&precious, machine.locks().join("wait-1-0")).unwrap();
    let mut worker = machine.worker("a", 3);
    lease(&mut worker, 0);
    hear_leased(&mut worker, 0);
    lease(&mut worker, 1);
    let holders = hear_waits(&mut worker, 1, |holders| holders.len() == 3);
    let why: Vec<&str> = holders.iter().map(|holder| holder.job.as_str()).collect();
    assert!(
        why[0].ends_with("slot-0 is not a plain file with one name"),
        "{why:?}"
    );
    assert!(
        why[1].ends_with("slot-1 is not a plain file with one name"),
        "{why:?}"
    );
    assert_eq!(why[2], "a");
    // Whoever put it there takes it away.
    fs::remove_dir(machine.locks().join("slot-1")).unwrap();
    hear_leased(&mut worker, 1);
    worker.bye();
    assert_eq!(fs::read_to_string(precious).unwrap(), "mine");
}

#[test]
fn a_folder_that_cannot_be_used_is_named_and_tried_again() {
    let machine = Machine::new();
    fs::write(machine.locks(), "a file").unwrap();
    let mut worker = machine.worker("a", 1);
    lease(&mut worker, 0);
    let holders = hear_waits(&mut worker, 0, |_| true);
    assert!(holders[0].job.ends_with("is not a folder"), "{holders:?}");
    fs::remove_file(machine.locks()).unwrap();
    hear_leased(&mut worker, 0);
    worker.bye();
}

/// As another user, where this one may become one.
#[test]
fn another_user_shares_the_same_slots() {
    const NOBODY: u32 = 65_534;
    if !rustix::process::geteuid().is_root() {
        // Only root may become another user; the same path is gone by one user in the other tests.
        return;
    }
    let machine = Machine::new();
    let program = machine.around.path().join("worker");
    fs::copy(WORKER, &program).unwrap();
    let mut first = machine.worker("a", 2);
    for slot in 0..2 {
        lease(&mut first, slot);
        hear_leased(&mut first, slot);
    }
    let mut command = machine.command(&program, NO_TURNS);
    command.uid(NOBODY).gid(NOBODY).env("USER", "somebody");
    let mut second = leased(command.spawn().unwrap(), "b", 2);
    lease(&mut second, 0);
    hear_waits(&mut second, 0, |holders| holders.len() == 2);
    let waiting = hear_wanted(&mut first, 1);
    assert_eq!(
        (waiting[0].user.as_str(), waiting[0].job.as_str()),
        ("somebody", "b")
    );
    release(&mut first, 0);
    hear_leased(&mut second, 0);
    lease(&mut first, 0);
    let holders = hear_waits(&mut first, 0, |holders| holders.len() == 2);
    assert!(
        holders.iter().any(|holder| holder.user == "somebody"),
        "{holders:?}"
    );
    second.bye();
    hear_leased(&mut first, 0);
    first.bye();
}

#[test]
fn slots_that_are_not_leased_leave_no_trace() {
    let machine = Machine::new();
    let worker = machine
        .command(Path::new(WORKER), NO_TURNS)
        .spawn()
        .unwrap();
    let mut worker = Controller::of(worker, 1, |_| {});
    lease(&mut worker, 0);
    worker.shell(1, 0, "echo up");
    assert_eq!(worker.finish(1).out, ["up"]);
    assert!(!machine.locks().exists());
    worker.bye();
}

#[test]
fn a_leased_worker_tells_how_its_machine_is() {
    let machine = Machine::new();
    let mut worker = machine.worker("a", 1);
    let vitals = |worker: &mut Controller| {
        worker.hear("vitals", |message| match message {
            FromWorker::Vitals(vitals) => Some(vitals.clone()),
            _ => None,
        })
    };
    // A renderer that keeps a core busy is none of the others.
    worker.shell(1, 0, "echo up; while :; do :; done");
    worker.line(1, "up");
    let _ = vitals(&mut worker);
    let told: Vitals = vitals(&mut worker);
    let cores = std::thread::available_parallelism().unwrap().get() as f64;
    assert!((0.0..=cores + 0.5).contains(&told.load), "{told:?}");
    assert!(told.memory_bytes > 0 && told.disk_bytes > 0, "{told:?}");
    assert!(told.minute < 24 * 60 && told.clock_ms > 1_600_000_000_000);
    worker.bye();
}
