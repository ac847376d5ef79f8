//! What end-to-end tests stand on: the real binary in a world of its own.
//!
//! A [`Desk`] has its own home, state folder, configuration and work folder, a fixed locale and
//! width, and nothing of the machine's environment but `PATH`. What it starts it ends. Waiting is
//! for an event, a file or an end, always with a deadline; nothing here sleeps for luck.

#![allow(dead_code, reason = "each test file uses its own part of this")]

pub mod blender;
pub mod pictures;
pub mod povray;
pub mod renderer;
pub mod sshd;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_framewright");

/// A deadline that no healthy run comes near, even on a busy machine.
pub const LONG: Duration = Duration::from_secs(120);

/// The top of the source tree.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("cli/ is in the tree")
        .to_owned()
}

/// A hermetic place to run the program in.
pub struct Desk {
    folder: TempDir,
}

/// What a finished program left.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Its exit code; -1 when a signal ended it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Its standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON on stdout ({error}): {self:#?}"))
    }

    /// Panics with everything it said unless it ended with this code.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "{self:#?}");
        self
    }
}

impl Desk {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("fw-")
            .tempdir()
            .expect("a temp folder");
        for name in ["home", "state", "config", "work"] {
            fs::create_dir(folder.path().join(name)).expect("a folder in our own folder");
        }
        Self { folder }
    }

    /// Where the program is started.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Writes a file into the work folder.
    pub fn file(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("a folder in our own folder");
        }
        fs::write(&path, text).expect("a file in our own folder");
        path
    }

    /// Any program in this world.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path().join("home"))
            .env("XDG_STATE_HOME", self.state())
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            .env("LANG", "C.UTF-8")
            .env("TERM", "dumb")
            .env("COLUMNS", "100")
            .current_dir(self.work())
            .stdin(Stdio::null());
        command
    }

    /// framewright with these arguments.
    pub fn framewright<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.command(PROGRAM);
        command.args(arguments);
        command
    }

    /// Runs framewright to its end.
    #[track_caller]
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ended {
        finish(self.framewright(arguments), LONG)
    }

    /// Starts framewright; it is ended with the value, if not before.
    pub fn start<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Running {
        Running::start(self.framewright(arguments))
    }
}

/// Runs a command to its end, within a time.
#[track_caller]
pub fn finish(command: Command, within: Duration) -> Ended {
    Running::start(command).end(within)
}

/// A program that runs, its output being read.
pub struct Running {
    child: Child,
    stdout: Option<thread::JoinHandle<Vec<u8>>>,
    stderr: Option<thread::JoinHandle<Vec<u8>>>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        fn read(mut from: impl std::io::Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
            thread::spawn(move || {
                let mut all = Vec::new();
                // A program that is killed may leave its pipe in any state; what came, came.
                let _ = from.read_to_end(&mut all);
                all
            })
        }
        let stdout = read(child.stdout.take().expect("piped"));
        let stderr = read(child.stderr.take().expect("piped"));
        Self {
            child,
            stdout: Some(stdout),
            stderr: Some(stderr),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        // It may have ended by itself meanwhile.
        let _ = rustix::process::kill_process(pid.expect("a process has a positive id"), signal);
    }

    /// Waits for its end; one that does not end in time is killed, and the test fails.
    #[track_caller]
    pub fn end(mut self, within: Duration) -> Ended {
        let ended = poll(within, || self.child.try_wait().expect("our own child"));
        let Some(status) = ended else {
            let _ = self.child.kill();
            let _ = self.child.wait();
            let said = self.said();
            panic!("it did not end within {within:?}; it said: {said:#?}");
        };
        let (stdout, stderr) = self.said();
        Ended {
            status,
            stdout,
            stderr,
        }
    }

    fn said(&mut self) -> (String, String) {
        let text = |reader: Option<thread::JoinHandle<Vec<u8>>>| {
            let bytes = reader
                .and_then(|reader| reader.join().ok())
                .unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        (text(self.stdout.take()), text(self.stderr.take()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Asks until there is an answer, or the time is over.
pub fn poll<T>(within: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// A scene of the stub renderer that is small and quickly loaded; `lines` say the rest. Returns the
/// file's name.
pub fn small_scene(desk: &Desk, stem: &str, lines: &str) -> String {
    let name = format!("{stem}.stub.toml");
    let text = format!("width = 16\nheight = 9\nload = \"50ms\"\n{lines}");
    desk.file(&name, text);
    name
}

/// A number of a document.
#[track_caller]
pub fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

/// The events in a file that `--events` writes, as far as its lines are whole.
pub fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event a line"))
        .collect()
}

/// Waits for an event that fits.
#[track_caller]
pub fn wait_for_event(path: &Path, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    poll(LONG, || events(path).into_iter().find(|event| fits(event)))
        .unwrap_or_else(|| panic!("no {what} in {:#?}", events(path)))
}

/// Processes on this machine that carry this environment variable with this value, by pid, with
/// their command lines.
pub fn processes_with(variable: &str, value: &str) -> BTreeMap<u32, String> {
    let wanted = format!("{variable}={value}");
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc").expect("Linux").flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let environ = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environ
            .split(|byte| *byte == 0)
            .any(|item| item == wanted.as_bytes())
        {
            let mut line = String::new();
            if let Ok(mut file) = fs::File::open(entry.path().join("cmdline")) {
                let _ = file.read_to_string(&mut line);
            }
            found.insert(pid, line.replace('\0', " "));
        }
    }
    found
}

/// Fails unless every process of a job is gone, within a few seconds.
#[track_caller]
pub fn expect_nothing_left(job: &str) {
    let mut left = BTreeMap::new();
    let gone = poll(Duration::from_secs(10), || {
        left = processes_with("FRAMEWRIGHT_JOB", job);
        left.is_empty().then_some(())
    });
    assert!(gone.is_some(), "left behind: {left:#?}");
}
