//! A worker that outlives its connections: cut, found again, given up.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod kit;

use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use framewright_worker::codec::Encoder;
use framewright_worker::message::{
    ControllerHello, FromWorker, RunId, RunOrder, SlotId, ToWorker, WorkerHello,
};
use framewright_worker::tally::Receipts;
use kit::{PATIENCE, UNRULY, WORKER, is_alive, tagged, wait};
use rustix::process::{Pid, Signal, kill_process};

const STUBBORN: [&str; 8] = [
    UNRULY,
    "leave",
    "leave-quiet",
    "helper",
    "ignore-term",
    "say",
    "up",
    "hang",
];

/// A host of its own: run folder, home, job name.
struct Host {
    base: tempfile::TempDir,
    job: String,
}

impl Host {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        let name = base.path().file_name().unwrap().to_str().unwrap();
        let job = format!(
            "cuts-{}-{}",
            std::process::id(),
            name.trim_start_matches('.')
        );
        Self { base, job }
    }

    fn run_folder(&self) -> PathBuf {
        self.base.path().join("run")
    }

    fn jobs(&self) -> PathBuf {
        self.base.path().join("cache/framewright/jobs")
    }

    fn hello(&self, fence: u64) -> ControllerHello {
        ControllerHello {
            job: self.job.clone(),
            grace_ms: 60_000,
            heartbeat_ms: 200,
            scratch_root: String::new(),
            fence,
            ..kit::hello(2, Path::new(""))
        }
    }

    fn door(&self) -> Command {
        let mut door = Command::new(WORKER);
        door.env("RUN_FOLDER", self.run_folder())
            .env("XDG_CACHE_HOME", self.base.path().join("cache"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        door
    }

    fn file(&self, kind: &str) -> Option<PathBuf> {
        let entries = std::fs::read_dir(self.run_folder()).ok()?;
        entries
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension() == Some(kind.as_ref()))
    }

    /// Nothing of this job lives and nothing lies about.
    fn assert_empty(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let list = |folder| match std::fs::read_dir(folder) {
                Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
                Err(_) => Vec::new(),
            };
            let alive = tagged(&format!("FRAMEWRIGHT_JOB={}", self.job));
            let files = [list(self.run_folder()), list(self.jobs())].concat();
            if alive.is_empty() && files.is_empty() && !self.run_folder().exists() {
                return;
            }
            assert!(Instant::now() < deadline, "left: {alive:?} {files:?}");
            pause(Duration::from_millis(5));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // A test that failed must not leave its worker.
        framewright_worker::sweep_job(&self.job);
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not so: {what}");
        pause(Duration::from_millis(5));
    }
}

fn pause(time: Duration) {
    let time = rustix::event::Timespec::try_from(time).unwrap();
    let _ = rustix::event::poll(&mut [], Some(&time));
}

/// One connection, through a door.
struct Connection {
    door: Child,
    stdin: Option<ChildStdin>,
    heard: Receiver<FromWorker>,
    receipts: Receipts,
    acks: bool,
    kept: Vec<FromWorker>,
}

impl Connection {
    fn open(host: &Host, hello: ControllerHello) -> Self {
        let mut door = host.door().spawn().unwrap();
        let stdout = door.stdout.take().unwrap();
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            kit::read_messages(stdout, |message| tell.send(message).is_ok());
        });
        let mut connection = Self {
            stdin: door.stdin.take(),
            door,
            heard,
            receipts: Receipts::default(),
            acks: true,
            kept: Vec::new(),
        };
        for _ in 0..hello.received {
            connection.receipts.count();
        }
        connection.say(&ToWorker::Hello(hello));
        connection
    }

    fn say(&mut self, message: &ToWorker) {
        let mut bytes = Vec::new();
        Encoder::encode(message, &mut bytes).unwrap();
        // A door that is gone shows in what is heard.
        let _ = self.stdin.as_mut().unwrap().write_all(&bytes);
    }

    /// The next message but heartbeats; `None` at the end.
    fn next(&mut self) -> Option<FromWorker> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.heard.recv_timeout(Duration::from_millis(100)) {
                Ok(FromWorker::Pong { number: 0 } | FromWorker::Ack { .. }) => {}
                Ok(message) => {
                    if message.is_counted() {
                        self.receipts.count();
                    }
                    if let (true, Some(received)) = (self.acks, self.receipts.at_beat()) {
                        self.say(&ToWorker::Ack { received });
                    }
                    return Some(message);
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.say(&ToWorker::Ping { number: 0 });
                    assert!(Instant::now() < deadline, "nothing came: {:?}", self.kept);
                }
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn hear<T>(&mut self, what: &str, mut pick: impl FnMut(&FromWorker) -> Option<T>) -> T {
        loop {
            let message = self.next();
            let message =
                message.unwrap_or_else(|| panic!("ended before {what} came: {:?}", self.kept));
            if let Some(found) = pick(&message) {
                return found;
            }
            self.kept.push(message);
        }
    }

    fn hello(&mut self) -> WorkerHello {
        self.hear("the hello", |message| match message {
            FromWorker::Hello(hello) => Some(hello.clone()),
            _ => None,
        })
    }

    fn refused(&mut self) -> String {
        self.hear("the refusal", |message| match message {
            FromWorker::Refused { why } => Some(why.clone()),
            _ => None,
        })
    }

    fn run(&mut self, run: u64, slot: u32, argv: &[&str]) {
        self.say(&ToWorker::Run(RunOrder {
            run: RunId(run),
            slot: SlotId(slot),
            argv: argv.iter().map(|arg| (*arg).to_owned()).collect(),
            env: [].into(),
            inherit: vec![],
            cwd: String::new(),
            scratch: String::new(),
            files: vec![],
            stdin: false,
        }));
    }

    fn line(&mut self, wanted: &str) {
        self.hear(wanted, |message| match message {
            FromWorker::Lines { lines, .. } => {
                lines.iter().any(|line| line == wanted).then_some(())
            }
            _ => None,
        });
    }

    /// Ends the door, and gives how many messages came.
    fn cut(mut self) -> u64 {
        self.door.kill().unwrap();
        self.door.wait().unwrap();
        // What it had carried has come.
        while self.heard.recv_timeout(PATIENCE).is_ok_and(|message| {
            if message.is_counted() {
                self.receipts.count();
            }
            true
        }) {}
        self.receipts.received()
    }

    fn bye(mut self) {
        self.say(&ToWorker::Bye);
        self.hear("bye", |message| {
            matches!(message, FromWorker::Bye).then_some(())
        });
        wait(&mut self.door);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.door.kill();
        let _ = self.door.wait();
    }
}

/// A renderer and all that it started, on this worker.
fn renderers(worker: u32) -> usize {
    tagged(&format!("FRAMEWRIGHT_WORKER={worker}")).len()
}

#[test]
fn worker_goes_on_without_its_door_and_says_what_came_of_it() {
    let host = Host::new();
    let mut first = Connection::open(&host, host.hello(7));
    let hello = first.hello();
    assert_eq!(hello.received, 0);
    assert!(!hello.user.is_empty() && hello.clock_ms > 1_600_000_000_000);
    assert!(hello.cache_root.ends_with("cache/framewright"));
    let scratch = PathBuf::from(&hello.scratch_root);
    assert!(scratch.starts_with(host.jobs()) && scratch.is_dir());
    let go = scratch.join("go");
    let script = format!(
        "mkfifo {0}; echo up; read x < {0}; echo end; exit 5",
        go.display()
    );
    first.run(1, 0, &["/bin/sh", "-c", &script]);
    first.line("up");
    let received = first.cut();
    assert!(is_alive(hello.pid));
    std::fs::write(&go, "x\n").unwrap();
    until("the run ends while nobody listens", || {
        renderers(hello.pid) == 0
    });

    let mut second = Connection::open(
        &host,
        ControllerHello {
            received,
            ..host.hello(7)
        },
    );
    let again = second.hello();
    assert_eq!((again.pid, again.received), (hello.pid, 1));
    second.line("end");
    second.hear("the end", |message| match message {
        FromWorker::Exited { code: Some(5), .. } => Some(()),
        _ => None,
    });
    second.bye();
    host.assert_empty();
    assert!(!is_alive(hello.pid));
}

#[test]
fn worker_without_grace_ends_with_its_connection_and_takes_its_scratch_along() {
    let host = Host::new();
    let hello = ControllerHello {
        grace_ms: 0,
        ..host.hello(0)
    };
    let mut only = Connection::open(&host, hello);
    only.acks = false;
    let hello = only.hello();
    assert_eq!(hello.pid, only.door.id(), "no door");
    let scratch = PathBuf::from(&hello.scratch_root);
    assert!(scratch.starts_with(host.jobs()) && scratch.is_dir());
    drop(only.stdin.take());
    wait(&mut only.door);
    host.assert_empty();
}

#[test]
fn worker_holds_nothing_of_its_launcher() {
    let host = Host::new();
    let mut first = Connection::open(&host, host.hello(1));
    let worker = first.hello().pid;
    let session = rustix::process::getsid(Pid::from_raw(worker as i32)).unwrap();
    assert_eq!(
        session.as_raw_nonzero().get(),
        worker as i32,
        "a session of its own"
    );
    assert_eq!(
        std::fs::read_link(format!("/proc/{worker}/cwd")).unwrap(),
        Path::new("/")
    );
    let ours: Vec<PathBuf> = descriptors(first.door.id(), |fd| fd == "1" || fd == "0");
    for number in ["0", "1", "2"] {
        let fd = std::fs::read_link(format!("/proc/{worker}/fd/{number}")).unwrap();
        assert_eq!(fd, Path::new("/dev/null"));
    }
    let pipes = descriptors(first.door.id(), |_| true);
    let theirs = descriptors(worker, |_| true);
    let pipes = pipes
        .iter()
        .filter(|fd| fd.to_string_lossy().starts_with("pipe:"));
    for pipe in pipes.chain(&ours) {
        let shared = theirs.contains(pipe) && pipe != Path::new("/dev/null");
        assert!(!shared, "{} is held", pipe.display());
    }
    first.bye();
    host.assert_empty();
}

fn descriptors(pid: u32, pick: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| pick(entry.file_name().to_str().unwrap()))
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .collect()
}

#[test]
fn grace_ends_everything_that_ignores_it() {
    let host = Host::new();
    let mut first = Connection::open(
        &host,
        ControllerHello {
            grace_ms: 1500,
            ..host.hello(1)
        },
    );
    let worker = first.hello().pid;
    first.run(1, 0, &STUBBORN);
    first.line("up");
    assert_eq!(renderers(worker), 4, "the renderer and three who hide");
    let cut = Instant::now();
    first.cut();
    until("the worker has ended", || !is_alive(worker));
    let lived = cut.elapsed();
    assert!(
        lived >= Duration::from_millis(1000),
        "grace is granted: {lived:?}"
    );
    assert!(lived < Duration::from_secs(8), "and ends: {lived:?}");
    host.assert_empty();
}

#[test]
fn silent_controller_is_none_and_heartbeats_make_one() {
    let host = Host::new();
    let hello = ControllerHello {
        grace_ms: 300,
        heartbeat_ms: 50,
        ..host.hello(1)
    };
    let mut silent = Connection::open(&host, hello.clone());
    let worker = silent.hello().pid;
    silent.run(1, 0, &STUBBORN);
    silent.line("up");
    // The connection stays open, and nothing is said.
    until("the worker has ended", || !is_alive(worker));
    host.assert_empty();

    let mut beating = Connection::open(&host, ControllerHello { fence: 2, ..hello });
    beating.hello();
    let began = Instant::now();
    let mut number = 1;
    while began.elapsed() < Duration::from_millis(1200) {
        beating.say(&ToWorker::Ping { number });
        beating.hear("pong", |message| {
            matches!(message, FromWorker::Pong { number: answer } if *answer == number)
                .then_some(())
        });
        number += 1;
    }
    beating.bye();
    host.assert_empty();
}

#[test]
fn another_fence_ends_the_worker_before_and_a_latecomer_ends_nobody() {
    let host = Host::new();
    let mut first = Connection::open(&host, host.hello(1));
    let old = first.hello();
    first.run(1, 0, &STUBBORN);
    first.line("up");
    let mut second = Connection::open(&host, host.hello(2));
    let new = second.hello();
    assert_ne!(old.pid, new.pid);
    assert!(!is_alive(old.pid) && renderers(old.pid) == 0);
    assert!(!Path::new(&old.scratch_root).exists());
    assert!(Path::new(&new.scratch_root).exists());

    let mut late = Connection::open(
        &host,
        ControllerHello {
            received: 3,
            ..host.hello(1)
        },
    );
    let why = late.refused();
    assert!(why.contains("is over"), "{why}");
    second.run(1, 0, &[UNRULY, "say", "still here"]);
    second.line("still here");
    second.bye();
    host.assert_empty();
}

#[test]
fn killed_worker_is_swept_and_who_comes_back_is_told() {
    let host = Host::new();
    let mut first = Connection::open(&host, host.hello(1));
    let hello = first.hello();
    first.run(1, 0, &STUBBORN);
    first.line("up");
    kill_process(Pid::from_raw(hello.pid as i32).unwrap(), Signal::KILL).unwrap();
    // The watch sees to the rest; the door ends with the worker.
    while first.next().is_some() {}
    wait(&mut first.door);
    host.assert_empty();
    let received = first.receipts.received();
    assert!(received > 0);
    let mut second = Connection::open(
        &host,
        ControllerHello {
            received,
            ..host.hello(1)
        },
    );
    let why = second.refused();
    assert!(why.contains("is over"), "{why}");
    host.assert_empty();
    let mut third = Connection::open(&host, host.hello(2));
    assert_ne!(third.hello().pid, hello.pid);
    third.bye();
    host.assert_empty();
}

#[test]
fn door_clears_up_where_worker_and_watch_were_killed() {
    let host = Host::new();
    let mut first = Connection::open(&host, host.hello(1));
    let hello = first.hello();
    first.run(1, 0, &STUBBORN);
    first.line("up");
    let everybody = tagged(&format!("FRAMEWRIGHT_JOB={}", host.job));
    let renderers = tagged(&format!("FRAMEWRIGHT_WORKER={}", hello.pid));
    let watch: Vec<u32> = everybody
        .into_iter()
        .filter(|pid| *pid != hello.pid && !renderers.contains(pid))
        .collect();
    assert_eq!(watch.len(), 1);
    for pid in [watch[0], hello.pid] {
        kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL).unwrap();
    }
    until("the worker is dead", || !is_alive(hello.pid));
    assert!(host.file("socket").is_some() && Path::new(&hello.scratch_root).exists());
    assert_eq!(renderers.iter().filter(|pid| is_alive(**pid)).count(), 4);
    let mut second = Connection::open(&host, host.hello(2));
    second.hello();
    assert!(!renderers.iter().any(|pid| is_alive(*pid)));
    assert!(!Path::new(&hello.scratch_root).exists());
    second.bye();
    host.assert_empty();
}

#[test]
fn two_doors_at_once_find_one_worker_and_the_newer_has_it() {
    let host = Host::new();
    let mut doors = [(); 2].map(|()| Connection::open(&host, host.hello(5)));
    // One of them is cut off, before or after its hello. Neither confirms anything: what one has
    // confirmed the other could not claim to lack.
    doors.iter_mut().for_each(|door| door.acks = false);
    let mut pids = Vec::new();
    let mut cut_off = Vec::new();
    for (at, door) in doors.iter_mut().enumerate() {
        door.say(&ToWorker::Ping { number: 1 });
        loop {
            match door.next() {
                Some(FromWorker::Hello(hello)) => pids.push(hello.pid),
                Some(FromWorker::Pong { number: 1 }) => break,
                Some(other) => panic!("{other:?}"),
                None => {
                    wait(&mut door.door);
                    cut_off.push(at);
                    break;
                }
            }
        }
    }
    assert!(cut_off.len() <= 1);
    pids.dedup();
    assert_eq!(pids.len(), 1, "they found one worker");
    let mut lasting = 0;
    for mut door in doors {
        door.run(1, 0, &[UNRULY, "say", "up"]);
        while let Some(message) = door.next() {
            if matches!(message, FromWorker::Exited { .. }) {
                lasting += 1;
                door.bye();
                break;
            }
        }
    }
    assert_eq!(lasting, 1);
    host.assert_empty();
}

#[test]
fn connection_that_is_half_dead_makes_room() {
    let host = Host::new();
    let mut first = Connection::open(&host, host.hello(1));
    let worker = first.hello().pid;
    first.run(1, 0, &[UNRULY, "flood", "20000000"]);
    first.hear("the start", |message| {
        matches!(message, FromWorker::Started { .. }).then_some(())
    });
    let door = Pid::from_child(&first.door);
    kill_process(door, Signal::STOP).unwrap();
    let received = first.receipts.received();
    let mut second = Connection::open(
        &host,
        ControllerHello {
            received,
            ..host.hello(1)
        },
    );
    assert_eq!(second.hello().pid, worker);
    second.hear("the end", |message| {
        matches!(message, FromWorker::Exited { .. }).then_some(())
    });
    kill_process(door, Signal::CONT).unwrap();
    wait(&mut first.door);
    second.bye();
    host.assert_empty();
}

#[test]
fn flood_while_nobody_listens_is_bounded_and_counted() {
    let host = Host::new();
    let mut first = Connection::open(&host, host.hello(1));
    let worker = first.hello().pid;
    first.run(1, 1, &[UNRULY, "flood", "200000000", "say", "last words"]);
    first.run(2, 0, &["/bin/sh", "-c", "exit 3"]);
    first.hear("the start", |message| {
        matches!(message, FromWorker::Started { .. }).then_some(())
    });
    let mut lines = 0;
    let mut came = |message: &FromWorker| {
        if let FromWorker::Lines {
            lines: some,
            dropped,
            ..
        } = message
        {
            lines += some.len() as u64 + dropped;
        }
    };
    // Every line until the cut has to be counted, in what `cut` gives too: so stop listening
    // without taking more.
    first.kept.iter().for_each(&mut came);
    let received = first.receipts.received();
    first.door.kill().unwrap();
    wait(&mut first.door);
    until("the flood is over", || renderers(worker) == 0);
    let status = std::fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
    let rss_kib: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap();
    assert!(rss_kib < 64 << 10, "{rss_kib} KiB");
    let mut second = Connection::open(
        &host,
        ControllerHello {
            received,
            ..host.hello(1)
        },
    );
    let (mut dropped, mut last, mut ends) = (0, String::new(), 0);
    while ends < 2 {
        match second.next().unwrap() {
            FromWorker::Lines {
                lines: some,
                dropped: lost,
                ..
            } => {
                lines += some.len() as u64 + lost;
                dropped += lost;
                last = some.last().cloned().unwrap_or(last);
            }
            FromWorker::Exited { .. } => ends += 1,
            _ => {}
        }
    }
    assert_eq!(lines, 2_000_001, "every line came or is counted");
    assert!(dropped > 1_500_000, "{dropped}");
    assert_eq!(last, "last words", "the end of the output is what is kept");
    second.bye();
    host.assert_empty();
}

#[test]
fn hostile_callers_do_not_touch_the_conversation() {
    let host = Host::new();
    let mut first = Connection::open(&host, host.hello(1));
    first.hello();
    let socket = host.file("socket").unwrap();
    let call = || UnixStream::connect(&socket).unwrap();
    let encoded = |message: &ToWorker| {
        let mut bytes = Vec::new();
        Encoder::encode(message, &mut bytes).unwrap();
        bytes
    };
    let closed = |mut caller: UnixStream| {
        caller.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut said = Vec::new();
        // A reset is a close as well.
        match caller.read_to_end(&mut said) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
        String::from_utf8_lossy(&said).into_owned()
    };
    let say = |bytes: &[u8]| {
        let mut caller = call();
        let _ = caller.write_all(bytes);
        caller
    };
    for bytes in [
        encoded(&ToWorker::Bye),
        encoded(&ToWorker::Ack { received: 9 }),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 1 << 20],
        [&(60_u32 << 10).to_le_bytes()[..], &vec![b'x'; 80 << 10]].concat(),
    ] {
        assert_eq!(closed(say(&bytes)), "");
    }
    let other = |change: &dyn Fn(&mut ControllerHello)| {
        let mut hello = host.hello(1);
        change(&mut hello);
        encoded(&ToWorker::Hello(hello))
    };
    for (bytes, why) in [
        (other(&|hello| hello.fence = 2), "another worker"),
        (other(&|hello| hello.job = "x".to_owned()), "another worker"),
        (other(&|hello| hello.build = "0.0.1-x".to_owned()), "build"),
        (other(&|hello| hello.received = 1000), "1000 messages"),
        (other(&|hello| hello.slots = 0), "slots"),
    ] {
        let said = closed(say(&bytes));
        assert!(
            said.contains("refused") && said.contains(why),
            "{why}: {said}"
        );
    }
    // Slow ones: they say a byte of a hello and stay. More of them than are let in.
    let slow: Vec<UnixStream> = (0..30).map(|_| say(&other(&|_| ())[..1])).collect();
    first.run(1, 0, &[UNRULY, "say", "still here"]);
    first.line("still here");
    let received = first.cut();
    let mut second = Connection::open(
        &host,
        ControllerHello {
            received,
            ..host.hello(1)
        },
    );
    second.hello();
    drop(slow);
    second.bye();
    host.assert_empty();
}

#[test]
fn garbage_from_the_controller_costs_a_connection_only() {
    let host = Host::new();
    let mut first = Connection::open(&host, host.hello(1));
    let worker = first.hello().pid;
    first
        .stdin
        .as_mut()
        .unwrap()
        .write_all(&[0xff; 64])
        .unwrap();
    while first.next().is_some() {}
    wait(&mut first.door);
    let received = first.receipts.received();
    let mut second = Connection::open(
        &host,
        ControllerHello {
            received,
            ..host.hello(1)
        },
    );
    assert_eq!(second.hello().pid, worker);
    second.bye();
    host.assert_empty();
}

#[test]
fn door_that_finds_no_place_says_why_and_does_not_refuse_for_good() {
    let host = Host::new();
    std::fs::create_dir(host.run_folder()).unwrap();
    std::fs::set_permissions(host.run_folder(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut door = host.door().stderr(Stdio::piped()).spawn().unwrap();
    let mut hello = Vec::new();
    Encoder::encode(&ToWorker::Hello(host.hello(1)), &mut hello).unwrap();
    door.stdin.as_mut().unwrap().write_all(&hello).unwrap();
    let mut said = Vec::new();
    kit::read_messages(door.stdout.take().unwrap(), |message| {
        said.push(message);
        true
    });
    assert_eq!(said, [], "a refusal would be believed for ever");
    let mut why = String::new();
    door.stderr
        .take()
        .unwrap()
        .read_to_string(&mut why)
        .unwrap();
    assert!(why.contains("is open to others"), "{why}");
    assert!(!wait(&mut door).success());
    std::fs::remove_dir(host.run_folder()).unwrap();
    host.assert_empty();
}

#[test]
fn other_users_are_not_let_in() {
    if !rustix::process::geteuid().is_root() {
        let ci = std::env::var("CI").as_deref() == Ok("true");
        assert!(
            !ci,
            "another user can be had by root only, and CI may not skip this test"
        );
        #[expect(clippy::print_stderr, reason = "a test that is not run says so aloud")]
        {
            eprintln!("NOT TESTED: another user can be had by root only");
        }
        return;
    }
    const NOBODY: u32 = 65_534;
    let host = Host::new();
    let mut first = Connection::open(&host, host.hello(1));
    first.hello();
    let socket = host.file("socket").unwrap();
    // The folder keeps others out already; here it is opened for them.
    for path in [host.base.path(), &host.run_folder(), &socket] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let mut hello = Vec::new();
    Encoder::encode(&ToWorker::Hello(host.hello(1)), &mut hello).unwrap();
    let file = host.base.path().join("hello");
    std::fs::write(&file, hello).unwrap();
    chown(&file, Some(NOBODY), Some(NOBODY)).unwrap();
    let unruly = host.base.path().join("unruly");
    std::fs::copy(UNRULY, &unruly).unwrap();
    let said = Command::new(unruly)
        .args(["knock", socket.to_str().unwrap(), file.to_str().unwrap()])
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir("/")
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    assert_eq!(said.stdout, b"knocked\n", "nothing is answered");
    first.run(1, 0, &[UNRULY, "say", "still here"]);
    first.line("still here");
    std::fs::set_permissions(host.run_folder(), std::fs::Permissions::from_mode(0o700)).unwrap();
    first.bye();
    host.assert_empty();
}
