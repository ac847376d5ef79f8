//! Opening a link: spawn the command, find the preamble, exchange hellos.

use std::time::Duration;

use framewright_kernel::ids::HostId;
use framewright_worker::build_id;
use framewright_worker::codec::{Decoder, Encoder, PreambleFinder};
use framewright_worker::message::{ControllerHello, FromWorker, ToWorker, WorkerHello};
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::lasting;
use super::launch::{Launched, Launcher, launch};
use super::pump::{self, StderrTail};
use super::ssh::Obstacle;
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
    /// How it is reached.
    pub launcher: Launcher,
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
    /// Whether the worker says how its machine is.
    pub vitals: bool,
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
    /// Something on the way by ssh.
    #[error("host {host}: {obstacle}")]
    Obstacle {
        /// Host's name.
        host: String,
        /// What.
        obstacle: Obstacle,
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

impl LinkError {
    /// Whether trying again later cannot help: something has to be done first.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Obstacle { obstacle, .. } => obstacle.is_permanent(),
            Self::Spawn { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            Self::Refused { .. } => true,
            Self::Ended { .. } | Self::Silent { .. } => false,
        }
    }

    /// The sentence, with what to do about it in brackets: for where hints have no place of
    /// their own.
    #[must_use]
    pub fn advised(&self) -> String {
        match self.hint() {
            Some(hint) => format!("{self} ({hint})"),
            None => self.to_string(),
        }
    }

    /// What to do about it, where more can be said than to try by hand.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Obstacle { obstacle, .. } => Some(obstacle.hint()),
            Self::Spawn {
                program, source, ..
            } if program == "ssh" && source.kind() == std::io::ErrorKind::NotFound => {
                Some("install the OpenSSH client, and have it on the PATH")
            }
            Self::Spawn { .. }
            | Self::Ended { .. }
            | Self::Silent { .. }
            | Self::Refused { .. } => None,
        }
    }
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
    let hello = hello(spec, received)?;
    let mut launched = launch(&spec.launcher, &spec.name, &hello, spec.deadline).await?;
    let deadline = Instant::now() + spec.deadline;
    match timeout_at(deadline, greet(spec, &mut launched)).await {
        Ok(Ok((hello, decoder))) => Ok(connected(spec, launched, hello, decoder)),
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

fn connected(
    spec: &LinkSpec,
    mut launched: Launched,
    hello: WorkerHello,
    decoder: Decoder,
) -> Connected {
    launched.child.stdin = Some(launched.stdin);
    Connected {
        name: spec.name.clone(),
        child: launched.child,
        stdout: launched.stdout,
        decoder,
        hello,
        stderr: launched.stderr,
        heartbeat: spec.heartbeat,
    }
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

/// The controller's first message.
fn hello(spec: &LinkSpec, received: u64) -> Result<Vec<u8>, LinkError> {
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
        vitals: spec.vitals,
        heartbeat_ms: millis(spec.heartbeat),
    });
    let mut bytes = Vec::new();
    Encoder::encode(&hello, &mut bytes).map_err(|error| LinkError::Refused {
        host: spec.name.clone(),
        why: error.to_string(),
    })?;
    Ok(bytes)
}

/// Waits for the worker's hello.
async fn greet(
    spec: &LinkSpec,
    launched: &mut Launched,
) -> Result<(WorkerHello, Decoder), LinkError> {
    let host = || spec.name.clone();
    let refused = |why| LinkError::Refused { host: host(), why };
    let mut greeting = Greeting::default();
    greeting.push(&std::mem::take(&mut launched.early));
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
