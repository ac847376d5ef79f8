//! One adapter process and the carrier to it: JSON lines over its standard input and output.
//!
//! Whether a library in a host child or a script is at the other end makes no difference here.
//! Every call has a deadline; whatever ends it, the process is killed with its whole group and
//! reaped. Invariant: after a call that failed the process is not spoken to again.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use framewright_plugin_api::abi;
use framewright_plugin_api::data::{Answer, Description, Effect, FORMAT, Failure, Open};
use framewright_plugin_api::stdio::{CARRIER, Greeting, LINE_BYTES_MAX, Reply};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::fault::{AdapterFault, Doing, Misdeed};
use super::host::COMMAND_FLAG;
use super::manifest::is_id;
use super::search::{Installed, Payload};

/// How long an adapter may take for what.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// From the start of its process to its greeting.
    pub greet: Duration,
    /// To describe itself.
    pub describe: Duration,
    /// To open a session, or for one step.
    pub call: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines {
            greet: Duration::from_secs(10),
            describe: Duration::from_secs(5),
            call: Duration::from_secs(10),
        }
    }
}

/// How adapters are started: the command that becomes the host child, and the deadlines.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// Program and first arguments, after which `adapter-host`'s own follow; for the real binary
    /// `[current_exe, "adapter-host"]`.
    pub host: Vec<OsString>,
    /// How long anything may take.
    pub deadlines: Deadlines,
}

impl Launcher {
    /// With the usual deadlines.
    #[must_use]
    pub fn new(host: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Launcher {
            host: host.into_iter().map(Into::into).collect(),
            deadlines: Deadlines::default(),
        }
    }
}

/// Most lines of an adapter's standard error that are kept, the last ones.
const STDERR_LINES_MAX: usize = 40;
/// Most bytes of each that are kept.
const STDERR_LINE_BYTES_MAX: usize = 500;
/// How long a dead adapter's last words are waited for.
const LAST_WORDS_WAIT: Duration = Duration::from_millis(500);
/// How long a killed adapter is waited for; the kernel needs no longer, unless it hangs itself.
const REAP_WAIT: Duration = Duration::from_secs(5);
/// Longest excerpt of what was not understood.
const EXCERPT_CHARS_MAX: usize = 80;

/// A running adapter. Dropping it kills it.
#[derive(Debug)]
pub(super) struct AdapterProcess {
    adapter: String,
    child: Child,
    group: Option<Pid>,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: JoinHandle<()>,
    printed: Arc<Mutex<VecDeque<String>>>,
    deadlines: Deadlines,
    line: Vec<u8>,
}

impl AdapterProcess {
    /// Starts the process and waits for its greeting.
    pub(super) async fn spawn(
        installed: &Installed,
        launcher: &Launcher,
    ) -> Result<Self, AdapterFault> {
        let mut process = Self::start(installed, launcher).map_err(|error| AdapterFault {
            adapter: installed.id.clone(),
            what: Misdeed::NotStarted(error),
            doing: Doing::Loading,
            twice: false,
            last_words: String::new(),
        })?;
        let limit = process.deadlines.greet;
        process.receive(limit, Doing::Loading).await?;
        match greeting(&process.line) {
            Ok(()) => Ok(process),
            Err(what) => Err(process.give_up(what, Doing::Loading).await),
        }
    }

    fn start(installed: &Installed, launcher: &Launcher) -> io::Result<Self> {
        let (program, first) = launcher
            .host
            .split_first()
            .ok_or_else(|| io::Error::other("no host command is given"))?;
        let mut command = Command::new(program);
        command.args(first);
        match &installed.payload {
            Payload::Library { path, hash } => {
                command.arg(path).args(hash);
            }
            Payload::Command { argv, folder } => {
                command.arg(COMMAND_FLAG).args(argv).current_dir(folder);
            }
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: killed as a whole, and out of reach of the terminal's Ctrl-C.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("the system gave no pipes");
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let printed = Arc::new(Mutex::new(VecDeque::new()));
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Ok(AdapterProcess {
            adapter: installed.id.clone(),
            child,
            group,
            stdin,
            stdout: BufReader::with_capacity(64 * 1024, stdout),
            stderr: tokio::spawn(keep_last_lines(stderr, Arc::clone(&printed))),
            printed,
            deadlines: launcher.deadlines,
            line: Vec::new(),
        })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks who it is.
    pub(super) async fn describe(&mut self) -> Result<Description, AdapterFault> {
        let doing = Doing::Describing;
        let limit = self.deadlines.describe;
        self.exchange(b"{\"call\":\"describe\"}\n", limit, doing)
            .await?;
        let description: Description = self.understand(doing).await?;
        match impossible(&description) {
            None => Ok(description),
            Some(why) => Err(self.give_up(Misdeed::Impossible(why), doing).await),
        }
    }

    /// Opens the one session of this process.
    pub(super) async fn open(&mut self, open: &Open) -> Result<Vec<Effect>, AdapterFault> {
        let doing = Doing::Opening(open.activity);
        let request = match serde_json::to_string(open) {
            Ok(document) => {
                format!("{{\"call\":\"open\",\"session\":1,\"open\":{document}}}\n")
            }
            Err(error) => {
                let what = Misdeed::Impossible(format!("its open document: {error}"));
                return Err(self.give_up(what, doing).await);
            }
        };
        let limit = self.deadlines.call;
        self.exchange(request.as_bytes(), limit, doing).await?;
        Ok(self.understand::<Answer>(doing).await?.effects)
    }

    /// Tells the session what happened: a request line made by [`step_line`].
    pub(super) async fn step(
        &mut self,
        line: &[u8],
        doing: Doing,
    ) -> Result<Vec<Effect>, AdapterFault> {
        let limit = self.deadlines.call;
        self.exchange(line, limit, doing).await?;
        Ok(self.understand::<Answer>(doing).await?.effects)
    }

    /// As [`step`](Self::step), but nobody wants to know what it answers.
    pub(super) async fn repeat(&mut self, line: &[u8], doing: Doing) -> Result<(), AdapterFault> {
        let limit = self.deadlines.call;
        self.exchange(line, limit, doing).await?;
        self.understand::<IgnoredAny>(doing).await.map(drop)
    }

    /// Writes a request and reads the answer line into `self.line`.
    async fn exchange(
        &mut self,
        request: &[u8],
        limit: Duration,
        doing: Doing,
    ) -> Result<(), AdapterFault> {
        let exchanged = timeout(limit, async {
            // A process that died does not read; that it died is found out by reading.
            let _ = self.stdin.write_all(request).await;
            read_line(&mut self.stdout, &mut self.line).await
        })
        .await;
        self.settle(exchanged, limit, doing).await
    }

    async fn receive(&mut self, limit: Duration, doing: Doing) -> Result<(), AdapterFault> {
        let received = timeout(limit, read_line(&mut self.stdout, &mut self.line)).await;
        self.settle(received, limit, doing).await
    }

    async fn settle(
        &mut self,
        result: Result<io::Result<Line>, tokio::time::error::Elapsed>,
        limit: Duration,
        doing: Doing,
    ) -> Result<(), AdapterFault> {
        let what = match result {
            Ok(Ok(Line::Whole)) => return Ok(()),
            Ok(Ok(Line::TooLong)) => garbage("an endless line", &self.line),
            Ok(Ok(Line::End) | Err(_)) => {
                // It may have closed its output only: then it is ended like one that hangs.
                match timeout(LAST_WORDS_WAIT, self.child.wait()).await {
                    Ok(Ok(status)) => Misdeed::Crashed(status),
                    _ => garbage("it closed its output", &self.line),
                }
            }
            Err(_) => Misdeed::Silent(limit),
        };
        Err(self.give_up(what, doing).await)
    }

    /// Reads `self.line` as a reply.
    async fn understand<T: DeserializeOwned>(&mut self, doing: Doing) -> Result<T, AdapterFault> {
        let what = match serde_json::from_slice::<Reply<T>>(&self.line) {
            Ok(Reply::Ok(document)) => return Ok(document),
            Ok(Reply::Error(failure)) => Misdeed::Failed(failure),
            Err(error) => garbage(&error.to_string(), &self.line),
        };
        Err(self.give_up(what, doing).await)
    }

    /// Kills and reaps it, and makes a fault of what it did.
    async fn give_up(&mut self, what: Misdeed, doing: Doing) -> AdapterFault {
        self.end_group();
        // Should even that not end, the runtime reaps it whenever it does.
        let _ = timeout(REAP_WAIT, self.child.wait()).await;
        let _ = timeout(LAST_WORDS_WAIT, &mut self.stderr).await;
        let printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let last = printed.iter().rev().find(|line| !line.trim().is_empty());
        AdapterFault {
            adapter: self.adapter.clone(),
            what,
            doing,
            twice: false,
            last_words: last.cloned().unwrap_or_default(),
        }
    }

    fn end_group(&mut self) {
        // Only once: later the number may belong to somebody else.
        if let Some(group) = self.group.take() {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for AdapterProcess {
    fn drop(&mut self) {
        self.end_group();
        self.stderr.abort();
    }
}

/// Appends the request line of a step to `line`.
pub(super) fn step_line(
    step: &impl serde::Serialize,
    line: &mut Vec<u8>,
) -> Result<(), serde_json::Error> {
    line.extend_from_slice(b"{\"call\":\"step\",\"session\":1,\"step\":");
    serde_json::to_writer(&mut *line, step)?;
    line.extend_from_slice(b"}\n");
    Ok(())
}

/// Whether the first line is a greeting that we understand.
fn greeting(line: &[u8]) -> Result<(), Misdeed> {
    let refused = |why: String| Misdeed::NotLoadable(Failure::new("wrong-abi", why));
    if let Ok(greeting) = serde_json::from_slice::<Greeting>(line) {
        if greeting.carrier != CARRIER {
            return Err(refused(format!(
                "it speaks carrier {}, and this framewright speaks carrier {CARRIER}",
                greeting.carrier
            )));
        }
        if greeting.abi[0] != abi::ABI_MAJOR {
            return Err(refused(format!(
                "it speaks ABI {}.{}, and this framewright speaks ABI {}.{}",
                greeting.abi[0],
                greeting.abi[1],
                abi::ABI_MAJOR,
                abi::ABI_MINOR
            )));
        }
        return Ok(());
    }
    match serde_json::from_slice::<Reply<IgnoredAny>>(line) {
        Ok(Reply::Error(failure)) => Err(Misdeed::NotLoadable(failure)),
        Ok(Reply::Ok(_)) | Err(_) => Err(garbage("no greeting", line)),
    }
}

/// Why a description cannot be true.
fn impossible(description: &Description) -> Option<String> {
    if description.format > FORMAT {
        return Some(format!(
            "its description has format {}, and this framewright reads up to {FORMAT}",
            description.format
        ));
    }
    (!is_id(&description.id)).then(|| format!("its id {:?} is none", description.id))
}

fn garbage(why: &str, line: &[u8]) -> Misdeed {
    let text = String::from_utf8_lossy(&line[..line.len().min(4 * EXCERPT_CHARS_MAX)]);
    let mut excerpt: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
    if excerpt.len() < line.len() {
        excerpt.push('…');
    }
    Misdeed::Garbage {
        why: why.to_owned(),
        excerpt: format!("{excerpt:?}"),
    }
}

/// What reading a line came to.
enum Line {
    Whole,
    TooLong,
    End,
}

/// Reads one line, without its end, of at most [`LINE_BYTES_MAX`] and the reply around it.
async fn read_line(
    reader: &mut (impl tokio::io::AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> io::Result<Line> {
    const AROUND: usize = 64;
    line.clear();
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return Ok(Line::End);
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let take = end.unwrap_or(available.len());
        if line.len() + take > LINE_BYTES_MAX + AROUND {
            return Ok(Line::TooLong);
        }
        line.extend_from_slice(&available[..take]);
        reader.consume(take + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(Line::Whole);
        }
    }
}

/// Reads standard error to its end and keeps the last lines.
async fn keep_last_lines(stderr: ChildStderr, kept: Arc<Mutex<VecDeque<String>>>) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while let Ok(true) = read_capped_line(&mut reader, &mut line).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == STDERR_LINES_MAX {
            kept.pop_front();
        }
        kept.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
    }
}

/// Reads one line and keeps its beginning; false at the end.
async fn read_capped_line(
    reader: &mut BufReader<impl AsyncRead + Unpin>,
    line: &mut Vec<u8>,
) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = available.iter().position(|byte| *byte == b'\n');
        let take = end.unwrap_or(available.len());
        let room = STDERR_LINE_BYTES_MAX - line.len();
        line.extend_from_slice(&available[..take.min(room)]);
        reader.consume(take + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(true);
        }
    }
}
