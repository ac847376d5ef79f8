//! Opening a link: spawn the command, find the preamble, exchange hellos.

use std::process::Stdio;
use std::time::Duration;

use framewright_kernel::ids::HostId;
use framewright_worker::build_id;
use framewright_worker::codec::{Decoder, Encoder, PreambleFinder};
use framewright_worker::message::{ControllerHello, FromWorker, ToWorker, WorkerHello};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::lasting;
use super::pump::{self, StderrTail};
use super::{FromLink, LinkLife, LinkNews};

/// How long the command may take to end after its worker is done.
const END_MAX: Duration = Duration::from_secs(5);

/// How a worker is started and what it is told.
#[derive(Clone, Debug)]
pub struct LinkSpec {
    /// The host.
    pub host: HostId,
    /// Its name in the farm.
    pub name: String,
    /// The command; its standard input and output reach a worker.
    pub argv: Vec<String>,
    /// The job, for tags and messages.
    pub job: String,
    /// Slots that the worker serves.
    pub slots: u32,
    /// Folder below which every scratch folder of the job lies on that host.
    pub scratch_root: String,
    /// How long the worker goes on when the link is lost. Zero: it ends with its connection. Else
    /// the link finds it again by itself.
    pub grace: Duration,
    /// Which worker of this job on this host is meant: another number for each life of each run
    /// of a controller. Zero where there is no grace.
    pub fence: u64,
    /// How long a link with a grace time tries to find its worker again before it is lost.
    pub lost_after: Duration,
    /// Whether slots are leased from the machine.
    pub leased: bool,
    /// How often each side says something.
    pub heartbeat: Duration,
    /// Longest time until the worker has answered the hello.
    pub deadline: Duration,
}

/// Why a worker could not be reached. Each is one sentence about one host.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The command could not be started.
    #[error("cannot start `{program}`, which host {host} is reached by: {source}")]
    Spawn {
        /// Host's name.
        host: String,
        /// First word of the command.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The command ended or closed its output before a worker answered.
    #[error("host {host}: the link ended before its worker answered{stderr}")]
    Ended {
        /// Host's name.
        host: String,
        /// `: last words`, or nothing.
        stderr: String,
    },
    /// Nothing came in time.
    #[error("host {host}: no answer from its worker within {seconds} s{stderr}")]
    Silent {
        /// Host's name.
        host: String,
        /// The deadline.
        seconds: u64,
        /// `: last words`, or nothing.
        stderr: String,
    },
    /// What came was not a worker of this build.
    #[error("host {host}: {why}")]
    Refused {
        /// Host's name.
        host: String,
        /// One sentence.
        why: String,
    },
}

/// Opens a link in the background; the result and all that follows arrive on `news`.
pub fn open(spec: LinkSpec, life: LinkLife, news: mpsc::Sender<FromLink>) {
    tokio::spawn(async move {
        let host = spec.host;
        match connect(&spec, 0).await {
            Ok(connected) if spec.grace.is_zero() => pump::run(host, life, connected, news).await,
            Ok(connected) => lasting::run(spec, life, connected, news).await,
            Err(error) => {
                let news_item = FromLink {
                    host,
                    life,
                    news: LinkNews::Opened(Err(error)),
                };
                // The controller may have ended meanwhile; then nobody wants to know.
                let _ = news.send(news_item).await;
            }
        }
    });
}

/// A spawned command behind which a worker of our build has answered.
pub(super) struct Connected {
    pub name: String,
    pub child: Child,
    pub stdout: ChildStdout,
    pub decoder: Decoder,
    pub hello: WorkerHello,
    pub stderr: StderrTail,
    pub heartbeat: Duration,
}

/// Reaches the worker; `received` are the counted messages that came on earlier connections.
/// Whatever was started is gone when it fails.
pub(super) async fn connect(spec: &LinkSpec, received: u64) -> Result<Connected, LinkError> {
    let mut launched = launch(spec)?;
    match timeout_at(launched.deadline, greet(spec, received, &mut launched)).await {
        Ok(Ok((hello, decoder))) => Ok(launched.connected(spec, hello, decoder)),
        Ok(Err(error)) => {
            end_command(&mut launched.child, false).await;
            Err(error)
        }
        Err(_) => {
            let stderr = launched.stderr.as_suffix().await;
            end_command(&mut launched.child, false).await;
            Err(LinkError::Silent {
                host: spec.name.clone(),
                seconds: spec.deadline.as_secs(),
                stderr,
            })
        }
    }
}

/// A command that was started and has not answered yet.
struct Launched {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: StderrTail,
    deadline: Instant,
}

impl Launched {
    fn connected(mut self, spec: &LinkSpec, hello: WorkerHello, decoder: Decoder) -> Connected {
        self.child.stdin = Some(self.stdin);
        Connected {
            name: spec.name.clone(),
            child: self.child,
            stdout: self.stdout,
            decoder,
            hello,
            stderr: self.stderr,
            heartbeat: spec.heartbeat,
        }
    }
}

fn launch(spec: &LinkSpec) -> Result<Launched, LinkError> {
    let host = || spec.name.clone();
    let (program, arguments) = spec.argv.split_first().ok_or_else(|| LinkError::Refused {
        host: host(),
        why: "its link has an empty command".to_owned(),
    })?;
    // Its own group: Ctrl-C in the terminal must reach the controller alone, which then ends the
    // workers in its own order.
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| LinkError::Spawn {
            host: host(),
            program: program.clone(),
            source,
        })?;
    Ok(Launched {
        stdin: child.stdin.take().expect("stdin was piped just above"),
        stdout: child.stdout.take().expect("stdout was piped just above"),
        stderr: StderrTail::follow(child.stderr.take().expect("stderr was piped just above")),
        child,
        deadline: Instant::now() + spec.deadline,
    })
}

/// Waits for a command whose worker is done, or ends it: its whole group, since a launcher may
/// have started others. None is left as a zombie.
pub(super) async fn end_command(child: &mut Child, ends_by_itself: bool) {
    if ends_by_itself && timeout(END_MAX, child.wait()).await.is_ok() {
        return;
    }
    // Not waited for yet, so the number is still its own.
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(group) = pid.and_then(rustix::process::Pid::from_raw) {
        // It can only fail when nobody is there.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.start_kill();
    let _ = timeout(END_MAX, child.wait()).await;
}

/// Says hello, and waits for the worker's.
async fn greet(
    spec: &LinkSpec,
    received: u64,
    launched: &mut Launched,
) -> Result<(WorkerHello, Decoder), LinkError> {
    let host = || spec.name.clone();
    let hello = ToWorker::Hello(ControllerHello {
        build: build_id().to_owned(),
        job: spec.job.clone(),
        host: spec.name.clone(),
        slots: spec.slots,
        scratch_root: spec.scratch_root.clone(),
        grace_ms: millis(spec.grace),
        fence: spec.fence,
        received,
        leased: spec.leased,
        heartbeat_ms: millis(spec.heartbeat),
    });
    let refused = |why| LinkError::Refused { host: host(), why };
    let mut bytes = Vec::new();
    Encoder::encode(&hello, &mut bytes).map_err(|error| refused(error.to_string()))?;
    // A worker that is already gone shows on its output, which is where we look.
    let _ = launched.stdin.write_all(&bytes).await;
    let mut greeting = Greeting::default();
    let mut chunk = vec![0; 16 * 1024];
    let (first, decoder) = loop {
        if let Some(found) = greeting.next().map_err(refused)? {
            break found;
        }
        match launched.stdout.read(&mut chunk).await {
            Ok(0) | Err(_) => {
                return Err(LinkError::Ended {
                    host: host(),
                    stderr: launched.stderr.as_suffix().await,
                });
            }
            Ok(count) => greeting.push(&chunk[..count]),
        }
    };
    match first {
        FromWorker::Hello(hello) => Ok((hello, decoder)),
        FromWorker::Refused { why } => Err(refused(why)),
        other => Err(refused(format!(
            "its worker began with {other:?} instead of a hello"
        ))),
    }
}

/// What comes before and with a worker's first message.
#[derive(Default)]
struct Greeting {
    finder: PreambleFinder,
    decoder: Option<Decoder>,
}

impl Greeting {
    fn push(&mut self, bytes: &[u8]) {
        match &mut self.decoder {
            Some(decoder) => decoder.push(bytes),
            None => self.finder.push(bytes),
        }
    }

    /// The first message, with the decoder for all that follow.
    fn next(&mut self) -> Result<Option<(FromWorker, Decoder)>, String> {
        if self.decoder.is_none() {
            let found = self.finder.find().map_err(|error| error.to_string())?;
            let Some((preamble, decoder)) = found else {
                return Ok(None);
            };
            // Another build may word even its hello differently, so it is not read.
            if preamble.build != build_id() {
                let (theirs, ours) = (preamble.build, build_id());
                return Err(format!(
                    "its framewright is another build ({theirs}) than ours ({ours})"
                ));
            }
            self.decoder = Some(decoder);
        }
        let Some(mut decoder) = self.decoder.take() else {
            return Ok(None);
        };
        match decoder.next() {
            Ok(Some(message)) => Ok(Some((message, decoder))),
            Ok(None) => {
                self.decoder = Some(decoder);
                Ok(None)
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
