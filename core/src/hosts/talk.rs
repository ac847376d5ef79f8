//! A short conversation with a host's worker: an open link, its news, and small commands.
//!
//! Whoever talks brings the deadline; here nothing is waited for without one from outside, but the
//! opening, which has its own. The worker ends with the conversation, on every path.

use std::time::Duration;

use framewright_worker::message::{
    FromWorker, RunId, RunOrder, SlotId, ToWorker, Vitals, WorkerHello,
};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::link::{self, FromLink, Link, LinkError, LinkLife, LinkNews};
use crate::request::{HostEntry, LinkKind};
use crate::run::{Surroundings, link_spec};

/// How long to wait for a worker's last word.
const BYE_MAX: Duration = Duration::from_secs(2);
/// Lines of a command that are kept.
const LINES_MAX: usize = 100;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum TalkError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("{0}")]
    Lost(String),
    #[error("cannot make a scratch folder in {folder}: {source}")]
    Scratch {
        folder: String,
        source: std::io::Error,
    },
}

/// What a command left.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub code: Option<i32>,
    pub stdout: Vec<String>,
    pub stderr: Vec<String>,
}

/// An open conversation.
pub(super) struct Talk {
    link: Box<Link>,
    news: mpsc::Receiver<FromLink>,
    runs: u64,
    scratch: String,
    /// The latest that the worker said unasked.
    pub vitals: Option<Vitals>,
    /// Removed with the conversation.
    _folder: Option<TempDir>,
}

impl Talk {
    /// Opens a link to a host for as many slots as it has.
    pub async fn open(
        around: &Surroundings,
        host: &HostEntry,
        deadline: Duration,
    ) -> Result<Self, TalkError> {
        let folder = scratch_here(around, host)?;
        let (news, mut from_link) = mpsc::channel(64);
        let root = folder.as_ref();
        let root = root.map_or_else(String::new, |folder| folder.path().display().to_string());
        let mut spec = link_spec(around, host, root);
        "check".clone_into(&mut spec.job);
        // It looks and goes: what is cut in the middle is looked at again.
        spec.grace = Duration::ZERO;
        spec.deadline = deadline;
        spec.vitals = true;
        link::open(spec, LinkLife(0), news);
        let link = loop {
            match from_link.recv().await.map(|from| from.news) {
                Some(LinkNews::Opened(opened)) => break opened?,
                Some(LinkNews::Lost { why }) => return Err(TalkError::Lost(why)),
                Some(LinkNews::Said(_) | LinkNews::Silent { .. } | LinkNews::Heard) => {}
                None => return Err(unheard()),
            }
        };
        let root = link.hello.scratch_root.trim_end_matches('/').to_owned();
        Ok(Self {
            link,
            news: from_link,
            runs: 0,
            scratch: format!("{root}/check"),
            vitals: None,
            _folder: folder,
        })
    }

    /// What the worker said of itself.
    pub fn hello(&self) -> &WorkerHello {
        &self.link.hello
    }

    pub fn say(&self, message: ToWorker) {
        self.link.say(message);
    }

    pub async fn hear(&mut self) -> Result<FromWorker, TalkError> {
        loop {
            match self.news.recv().await.map(|from| from.news) {
                Some(LinkNews::Said(FromWorker::Vitals(vitals))) => self.vitals = Some(vitals),
                Some(LinkNews::Said(message)) => return Ok(message),
                Some(LinkNews::Lost { why }) => return Err(TalkError::Lost(why)),
                Some(LinkNews::Opened(_) | LinkNews::Silent { .. } | LinkNews::Heard) => {}
                None => return Err(unheard()),
            }
        }
    }

    /// The time that a message takes there and back.
    pub async fn ping(&mut self, number: u64) -> Result<Duration, TalkError> {
        let sent = Instant::now();
        self.say(ToWorker::Ping { number });
        loop {
            if let FromWorker::Pong { number: answered } = self.hear().await?
                && answered == number
            {
                return Ok(sent.elapsed());
            }
        }
    }

    /// Runs a small script of the POSIX shell; its arguments are `$1` and so on.
    pub async fn run(&mut self, script: &str, arguments: &[&str]) -> Result<Output, TalkError> {
        self.runs += 1;
        let mine = RunId(self.runs);
        let mut argv: Vec<String> = ["/bin/sh", "-c", script, "sh"].map(str::to_owned).into();
        argv.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self.say(ToWorker::Run(RunOrder {
            run: mine,
            slot: SlotId(0),
            argv,
            env: Default::default(),
            inherit: Vec::new(),
            cwd: "/".to_owned(),
            scratch: self.scratch.clone(),
            files: Vec::new(),
            stdin: false,
        }));
        let mut output = Output::default();
        loop {
            match self.hear().await? {
                FromWorker::Lines {
                    run, stderr, lines, ..
                } if run == mine => {
                    let kept = match stderr {
                        true => &mut output.stderr,
                        false => &mut output.stdout,
                    };
                    let room = LINES_MAX.saturating_sub(kept.len());
                    kept.extend(lines.into_iter().take(room));
                }
                FromWorker::NotStarted { run, why, .. } if run == mine => {
                    output.stderr.push(why);
                    return Ok(output);
                }
                FromWorker::Exited { run, code, .. } if run == mine => {
                    output.code = code;
                    return Ok(output);
                }
                _ => {}
            }
        }
    }

    /// The folder that commands run with as their own.
    pub fn scratch(&self) -> &str {
        &self.scratch
    }

    /// Ends the worker and everything it started, and waits a little until that is so.
    pub async fn close(mut self) {
        self.say(ToWorker::Bye);
        let deadline = Instant::now() + BYE_MAX;
        while let Ok(Some(from)) = timeout_at(deadline, self.news.recv()).await {
            if matches!(from.news, LinkNews::Lost { .. }) {
                return;
            }
        }
    }
}

fn unheard() -> TalkError {
    TalkError::Lost("the link ended unheard".to_owned())
}

/// The scratch folder of a worker on this machine. One behind ssh makes its own.
fn scratch_here(around: &Surroundings, host: &HostEntry) -> Result<Option<TempDir>, TalkError> {
    if matches!(host.link, LinkKind::Ssh { .. }) {
        return Ok(None);
    }
    let folder = around.state_dir.join("scratch");
    let made = std::fs::create_dir_all(&folder).and_then(|()| {
        tempfile::Builder::new()
            .prefix("check-")
            .tempdir_in(&folder)
    });
    made.map(Some).map_err(|source| TalkError::Scratch {
        folder: folder.display().to_string(),
        source,
    })
}
