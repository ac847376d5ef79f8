//! The child: started, fed, listened to, and ended on every path.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

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
        let over = AtomicBool::new(false);
        let child = &self.child;
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
            let fed = feed(&mut stdin);
            drop(stdin);
            over.store(true, Ordering::Release);
            watch.thread().unpark();
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
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if cancel.load(Ordering::Acquire) {
                kill(&self.child);
                return self.child.wait();
            }
            std::thread::sleep(LOOK / 5);
        }
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

/// Ends it and what it started, which is a group of its own. It must not have been waited for.
fn kill(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // Fails where it ended by itself.
        let _ = kill_process_group(group, Signal::KILL);
    }
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
