//! A controller for tests: a worker over real pipes, every message through the real codec.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use framewright_worker::build_id;
use framewright_worker::codec::{Decoder, Encoder, PreambleFinder};
use framewright_worker::message::{ControllerHello, FromWorker, RunId, RunOrder, SlotId, ToWorker};

pub const WORKER: &str = env!("CARGO_BIN_EXE_worker-for-tests");
pub const UNRULY: &str = env!("CARGO_BIN_EXE_unruly-for-tests");

/// No event of a test takes longer, on however busy a machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Controller {
    pub worker: Child,
    pub stdin: Option<ChildStdin>,
    pub pid: u32,
    heard: Receiver<FromWorker>,
    early: VecDeque<FromWorker>,
    pub scratch: tempfile::TempDir,
}

pub fn hello(slots: u32, scratch_root: &Path) -> ControllerHello {
    ControllerHello {
        build: build_id().to_owned(),
        job: "test-job".to_owned(),
        host: "test-host".to_owned(),
        slots,
        scratch_root: scratch_root.to_str().unwrap().to_owned(),
        grace_ms: 0,
        heartbeat_ms: 1000,
        fence: 0,
        received: 0,
        leased: false,
        vitals: false,
    }
}

pub fn spawn_worker(args: &[&str]) -> Child {
    Command::new(WORKER)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads messages until the worker's output ends.
pub fn read_messages(mut from: impl Read, mut each: impl FnMut(FromWorker) -> bool) {
    let mut finder = PreambleFinder::new();
    let mut decoder: Option<Decoder> = None;
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if let Some(decoder) = &mut decoder {
            decoder.push(&buffer[..read]);
        } else {
            finder.push(&buffer[..read]);
            decoder = finder.find().unwrap().map(|(_, decoder)| decoder);
        }
        if let Some(decoder) = &mut decoder {
            while let Some(message) = decoder.next::<FromWorker>().unwrap() {
                if !each(message) {
                    return;
                }
            }
        }
    }
}

impl Controller {
    pub fn new(slots: u32) -> Self {
        Self::with(slots, |_| {})
    }

    pub fn with(slots: u32, change: impl FnOnce(&mut ControllerHello)) -> Self {
        Self::of(spawn_worker(&[]), slots, change)
    }

    /// The controller of a worker that was started in some other way.
    pub fn of(mut worker: Child, slots: u32, change: impl FnOnce(&mut ControllerHello)) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let mut hello = hello(slots, scratch.path());
        change(&mut hello);
        let stdout = worker.stdout.take().unwrap();
        let (tell, heard) = channel();
        std::thread::spawn(move || read_messages(stdout, |message| tell.send(message).is_ok()));
        let mut controller = Self {
            stdin: worker.stdin.take(),
            pid: worker.id(),
            worker,
            heard,
            early: VecDeque::new(),
            scratch,
        };
        controller.say(&ToWorker::Hello(hello));
        controller
    }

    pub fn say(&mut self, message: &ToWorker) {
        let mut bytes = Vec::new();
        Encoder::encode(message, &mut bytes).unwrap();
        self.stdin.as_mut().unwrap().write_all(&bytes).unwrap();
    }

    /// The first message that `pick` takes; others are kept for later, heartbeats dropped.
    pub fn hear<T>(&mut self, what: &str, mut pick: impl FnMut(&FromWorker) -> Option<T>) -> T {
        let found = self
            .early
            .iter()
            .position(|message| pick(message).is_some());
        if let Some(at) = found {
            return pick(&self.early.remove(at).unwrap()).unwrap();
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left) {
                Ok(FromWorker::Pong { number: 0 }) => {}
                Ok(message) => match pick(&message) {
                    Some(found) => return found,
                    None => self.early.push_back(message),
                },
                Err(RecvTimeoutError::Timeout) => panic!("{what} did not come: {:?}", self.early),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the worker ended before {what} came: {:?}", self.early)
                }
            }
        }
    }

    pub fn order(&self, run: u64, slot: u32, argv: &[&str]) -> RunOrder {
        RunOrder {
            run: RunId(run),
            slot: SlotId(slot),
            argv: argv.iter().map(|arg| (*arg).to_owned()).collect(),
            env: [].into(),
            inherit: vec![],
            cwd: String::new(),
            scratch: self.scratch.path().to_str().unwrap().to_owned(),
            files: vec![],
            stdin: false,
        }
    }

    pub fn run(&mut self, run: u64, slot: u32, argv: &[&str]) {
        let order = self.order(run, slot, argv);
        self.say(&ToWorker::Run(order));
    }

    pub fn shell(&mut self, run: u64, slot: u32, script: &str) {
        self.run(run, slot, &["/bin/sh", "-c", script]);
    }

    pub fn started(&mut self, run: u64) -> u32 {
        self.hear(
            &format!("the start of run {run}"),
            |message| match message {
                FromWorker::Started { run: started, pid } if started.0 == run => Some(*pid),
                _ => None,
            },
        )
    }

    /// Waits for a run's end; gives its lines of each stream and the end itself.
    pub fn finish(&mut self, run: u64) -> Finished {
        let mut finished = Finished::default();
        loop {
            let message = self.hear(&format!("the end of run {run}"), |message| {
                (run_of(message) == Some(RunId(run))).then(|| message.clone())
            });
            match message {
                FromWorker::Lines {
                    stderr,
                    lines,
                    dropped,
                    ..
                } => {
                    finished.dropped += dropped;
                    if stderr {
                        finished.err.extend(lines);
                    } else {
                        finished.out.extend(lines);
                    }
                }
                end @ (FromWorker::Exited { .. } | FromWorker::NotStarted { .. }) => {
                    finished.end = Some(end);
                    return finished;
                }
                _ => {}
            }
        }
    }

    /// Waits until a run has printed this line; lines before it are dropped.
    pub fn line(&mut self, run: u64, wanted: &str) {
        self.hear(&format!("line {wanted:?}"), |message| match message {
            FromWorker::Lines { run: of, lines, .. } if of.0 == run => {
                lines.iter().any(|line| line == wanted).then_some(())
            }
            _ => None,
        });
    }

    /// Says bye and expects a clean end that left nothing.
    pub fn bye(mut self) {
        self.say(&ToWorker::Bye);
        self.hear("bye", |message| {
            matches!(message, FromWorker::Bye).then_some(())
        });
        assert!(wait(&mut self.worker).success());
        assert_gone(self.pid);
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        // Closing the link is what ends it; a test that failed must not leave it either.
        drop(self.stdin.take());
        if std::thread::panicking() {
            let _ = self.worker.kill();
            let _ = self.worker.wait();
            framewright_worker::sweep_tagged(self.pid);
        } else {
            wait(&mut self.worker);
        }
    }
}

#[derive(Debug, Default)]
pub struct Finished {
    pub out: Vec<String>,
    pub err: Vec<String>,
    pub dropped: u64,
    pub end: Option<FromWorker>,
}

impl Finished {
    pub fn code(&self) -> Option<i32> {
        match self.end {
            Some(FromWorker::Exited { code, .. }) => code,
            _ => panic!("did not exit: {self:?}"),
        }
    }

    pub fn killed(&self) -> bool {
        match self.end {
            Some(FromWorker::Exited { killed, .. }) => killed,
            _ => panic!("did not exit: {self:?}"),
        }
    }
}

pub fn run_of(message: &FromWorker) -> Option<RunId> {
    match message {
        FromWorker::Started { run, .. }
        | FromWorker::NotStarted { run, .. }
        | FromWorker::Lines { run, .. }
        | FromWorker::Exited { run, .. } => Some(*run),
        _ => None,
    }
}

/// Waits for a child with a deadline.
pub fn wait(child: &mut Child) -> std::process::ExitStatus {
    let pid = rustix::process::Pid::from_child(child);
    // Already waited for, or already gone: `wait` below says.
    if let Ok(pidfd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
        let timeout = rustix::event::Timespec::try_from(PATIENCE).unwrap();
        let mut fds = [rustix::event::PollFd::new(
            &pidfd,
            rustix::event::PollFlags::IN,
        )];
        let ready = rustix::event::poll(&mut fds, Some(&timeout)).unwrap();
        assert_eq!(ready, 1, "process {} does not end", child.id());
    }
    child.wait().unwrap()
}

/// Process ids of everything alive whose environment has this variable.
pub fn tagged(variable: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        let Some(pid) = path.file_name().unwrap().to_str().unwrap().parse().ok() else {
            continue;
        };
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == variable.as_bytes())
        {
            found.push(pid);
        }
    }
    found
}

pub fn assert_gone(worker: u32) {
    let left = tagged(&format!("FRAMEWRIGHT_WORKER={worker}"));
    assert!(left.is_empty(), "left behind: {left:?}");
}

pub fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat[stat.rfind(')').unwrap()..].starts_with(") Z"))
}
