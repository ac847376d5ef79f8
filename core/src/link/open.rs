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
use tokio::time::{Instant, timeout_at};

use super::launch::{Launched, Launcher, launch};
use super::pump::{self, StderrTail};
use super::ssh::Obstacle;
use super::{FromLink, LinkLife, LinkNews};

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
    /// How long the worker goes on when the link is lost.
    pub grace: Duration,
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
        match connect(&spec).await {
            Ok(connected) => pump::run(host, life, connected, news).await,
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

async fn connect(spec: &LinkSpec) -> Result<Connected, LinkError> {
    let host = || spec.name.clone();
    let hello = ToWorker::Hello(ControllerHello {
        build: build_id().to_owned(),
        job: spec.job.clone(),
        host: spec.name.clone(),
        slots: spec.slots,
        scratch_root: spec.scratch_root.clone(),
        grace_ms: millis(spec.grace),
        fence: 0,
        received: 0,
        leased: false,
        heartbeat_ms: millis(spec.heartbeat),
    });
    let mut bytes = Vec::new();
    Encoder::encode(&hello, &mut bytes).map_err(|error| LinkError::Refused {
        host: host(),
        why: error.to_string(),
    })?;

    let Launched {
        mut child,
        stdin,
        mut stdout,
        early,
        stderr,
    } = launch(&spec.launcher, &spec.name, &bytes, spec.deadline).await?;
    let deadline = Instant::now() + spec.deadline;
    let answer = async {
        let mut greeting = Greeting::default();
        greeting.push(&early);
        let mut chunk = vec![0; 16 * 1024];
        loop {
            match greeting.next() {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(why) => return Err(LinkError::Refused { host: host(), why }),
            }
            match stdout.read(&mut chunk).await {
                Ok(0) | Err(_) => {
                    return Err(LinkError::Ended {
                        host: host(),
                        stderr: stderr.as_suffix().await,
                    });
                }
                Ok(count) => greeting.push(&chunk[..count]),
            }
        }
    };
    let (first, decoder) = match timeout_at(deadline, answer).await {
        Ok(answer) => answer?,
        Err(_) => {
            return Err(LinkError::Silent {
                host: host(),
                seconds: spec.deadline.as_secs(),
                stderr: stderr.as_suffix().await,
            });
        }
    };
    let hello = match first {
        FromWorker::Hello(hello) => hello,
        FromWorker::Refused { why } => return Err(LinkError::Refused { host: host(), why }),
        other => {
            let why = format!("its worker began with {other:?} instead of a hello");
            return Err(LinkError::Refused { host: host(), why });
        }
    };
    child.stdin = Some(stdin);
    Ok(Connected {
        name: spec.name.clone(),
        child,
        stdout,
        decoder,
        hello,
        stderr,
        heartbeat: spec.heartbeat,
    })
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
