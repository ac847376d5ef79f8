//! The child: started, fed, listened to, and ended on every path.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::Thread;
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::FilmError;

/// The last lines are kept, and of each so much.
const LINES_MAX: usize = 16;
const LINE_BYTES_MAX: u64 = 2048;
/// How often somebody looks whether the film is still wanted.
const LOOK: Duration = Duration::from_millis(50);
/// How long what it said is waited for when it has ended: what it may have left behind holds the pipe
/// open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A running ffmpeg.
pub(super) struct Ffmpeg {
    child: Child,
    stdin: Option<ChildStdin>,
    said: Receiver<VecDeque<String>>,
}

/// Why feeding ended early.
pub(super) enum Stop {
    /// Our own reason.
    Error(FilmError),
    /// ffmpeg takes no more: it knows why.
    Closed,
}

impl Ffmpeg {
    pub(super) fn start(program: &Path, arguments: &[OsString]) -> Result<Self, FilmError> {
        let started = Command::new(program)
            .args(arguments)
            .env("AV_LOG_FORCE_NOCOLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C is ours to answer.
            .process_group(0)
            .spawn();
        let mut child = started.map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => FilmError::NoProgram(program.to_owned()),
            _ => FilmError::Start {
                program: program.to_owned(),
                source,
            },
        })?;
        let stdin = child.stdin.take();
        let stderr = child.stderr.take();
        let (tell, said) = channel();
        if let Some(stderr) = stderr {
            std::thread::spawn(move || tell.send(listen(stderr)));
        }
        Ok(Self { child, stdin, said })
    }

    /// Feeds it while a second thread watches whether it is still wanted: a child that takes no
    /// more would hold the writer up for ever.
    pub(super) fn feed(
        &mut self,
        cancel: &AtomicBool,
        feed: impl FnOnce(&mut dyn Write) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let Some(mut stdin) = self.stdin.take() else {
            return Err(Stop::Closed);
        };
        watched(&self.child, cancel, || {
            let fed = feed(&mut stdin);
            // The end of its pictures.
            drop(stdin);
            fed
        })
    }

    /// Waits for its end; what it said last, which is nothing when all is well.
    pub(super) fn end(
        mut self,
        fed: Result<(), Stop>,
        cancel: &AtomicBool,
    ) -> Result<String, FilmError> {
        if let Err(Stop::Error(error)) = fed {
            return Err(error);
        }
        let failed = |how: String, said| FilmError::Failed { how, said };
        let status = self.wait(cancel);
        let lines = self.lines();
        if cancel.load(Ordering::Acquire) {
            return Err(FilmError::Cancelled);
        }
        match status {
            Ok(status) if status.success() && fed.is_ok() => Ok(telling(&lines)),
            Ok(status) if status.success() => {
                let how = "ended before it had all frames".to_owned();
                Err(failed(how, telling(&lines)))
            }
            Ok(status) => Err(failed(ended(status), telling(&lines))),
            Err(error) => Err(failed(
                format!("cannot be waited for: {error}"),
                String::new(),
            )),
        }
    }

    /// Encoders have frames in hand when they have heard the last one, so this can take a while.
    fn wait(&mut self, cancel: &AtomicBool) -> std::io::Result<ExitStatus> {
        let pid = Pid::from_child(&self.child);
        // It stays a zombie, so that its number is its own as long as somebody may end it.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        watched(&self.child, cancel, || {
            retry_on_intr(|| waitid(WaitId::Pid(pid), options))
        })?;
        self.child.wait()
    }

    fn lines(&self) -> VecDeque<String> {
        self.said.recv_timeout(LAST_WORDS).unwrap_or_default()
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        self.stdin = None;
        if let Ok(None) = self.child.try_wait() {
            kill(&self.child);
            let _ = self.child.wait();
        }
    }
}

/// Does something while another thread ends the child as soon as the film is not wanted any more.
fn watched<T>(child: &Child, cancel: &AtomicBool, work: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let watch = threads.spawn(|| {
            while !over.load(Ordering::Acquire) {
                if cancel.load(Ordering::Acquire) {
                    kill(child);
                    return;
                }
                std::thread::park_timeout(LOOK);
            }
        });
        let _over = Over {
            flag: &over,
            watch: watch.thread(),
        };
        work()
    })
}

/// Sends the watching thread home, also where the work panics.
struct Over<'a> {
    flag: &'a AtomicBool,
    watch: &'a Thread,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.flag.store(true, Ordering::Release);
        self.watch.unpark();
    }
}

/// Ends it and what it started, which is a group of its own. It must not have been waited for.
fn kill(child: &Child) {
    // Fails where all of it ended by itself.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("failed with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "failed".to_owned(),
    }
}

/// The line that tells most: the last, but for those that only say that it is over.
fn telling(lines: &VecDeque<String>) -> String {
    let is_empty_talk = |line: &&String| line.trim() == "Conversion failed!";
    lines
        .iter()
        .rev()
        .find(|line| !is_empty_talk(line))
        .map(|line| line.trim().to_owned())
        .unwrap_or_default()
}

/// Reads what it says to the end, and keeps the last of it.
fn listen(stderr: ChildStderr) -> VecDeque<String> {
    let mut reader = BufReader::new(stderr);
    let mut lines = VecDeque::new();
    loop {
        let mut line = Vec::new();
        match (&mut reader)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return lines,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if !text.is_empty() {
            if lines.len() == LINES_MAX {
                lines.pop_front();
            }
            lines.push_back(text);
        }
    }
}
