//! Starting the command that reaches a host, up to the moment that a program of ours listens.
//!
//! Both kinds of connection begin here, the worker's and the freight's. Afterwards nothing of how
//! the host is reached matters: there is a pipe to a program that has been given its first bytes,
//! and what it answered so far.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::open::{LinkError, end_command};
use super::pump::StderrTail;
use super::ssh::{Cut, Obstacle, SshHost, Talk};
use crate::request::{HostEntry, LinkKind};

/// Connections being made at once. sshd begins to drop them at ten that have not logged in yet,
/// and a jump host sees those of all hosts.
const CONNECTS_MAX: usize = 8;
/// After this long a connection that is still being made lets the next one begin: a dead host
/// must not hold up the others.
const TURN_MAX: Duration = Duration::from_secs(3);
/// Attempts at a host that drops connections.
const TRIES_MAX: u32 = 6;
/// Pause before the second attempt; doubled each time, and up to twice as long by chance.
const PAUSE: Duration = Duration::from_millis(150);

/// ssh's exit code where it is not that of what it ran.
const SSH_FAILED: i32 = 255;

static CONNECTS: Semaphore = Semaphore::const_new(CONNECTS_MAX);

/// What is wanted at the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// To run things.
    Worker,
    /// To move files.
    Freight,
}

impl Errand {
    /// The hidden command.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Freight => "freight",
        }
    }
}

/// How a host is reached.
#[derive(Clone, Debug)]
pub enum Launcher {
    /// A command whose standard input and output are the program's.
    Command(Vec<String>),
    /// The user's own ssh.
    Ssh {
        /// Where to.
        host: SshHost,
        /// What for.
        errand: Errand,
    },
}

impl Launcher {
    /// How a host of the farm is reached. `executable`: our own. A command of the user's leads to
    /// `framewright worker`, by contract; where that is its last word, another errand takes the
    /// word's place.
    #[must_use]
    pub fn new(entry: &HostEntry, executable: &Path, errand: Errand) -> Self {
        match &entry.link {
            LinkKind::Local => Self::Command(vec![
                executable.display().to_string(),
                errand.command().to_owned(),
            ]),
            LinkKind::Command(argv) => Self::Command(with_errand(argv, errand)),
            LinkKind::Ssh { address, options } => Self::Ssh {
                host: SshHost {
                    address: address.clone(),
                    options: options.clone(),
                    installed: entry.worker.clone(),
                    program: executable.to_owned(),
                },
                errand,
            },
        }
    }
}

/// A user's command, its last word made another errand's.
fn with_errand(argv: &[String], errand: Errand) -> Vec<String> {
    let mut argv = argv.to_vec();
    if let Some(last) = argv.last_mut() {
        let end = last.trim_end();
        let before = end.strip_suffix(Errand::Worker.command());
        if let Some(before) = before.filter(|text| text.is_empty() || text.ends_with([' ', '\t'])) {
            *last = format!("{before}{}", errand.command());
        }
    }
    argv
}

/// A command behind which a program of ours has been given its first bytes.
#[derive(Debug)]
pub(crate) struct Launched {
    /// The command; killed when dropped.
    pub child: Child,
    pub stdin: ChildStdin,
    pub stdout: ChildStdout,
    /// What was read of the output already.
    pub early: Vec<u8>,
    pub stderr: StderrTail,
}

/// Reaches a host and gives the program there its first bytes. `patience`: how long nothing may
/// happen on the way.
pub(crate) async fn launch(
    launcher: &Launcher,
    name: &str,
    first: &[u8],
    patience: Duration,
) -> Result<Launched, LinkError> {
    let (host, errand) = match launcher {
        Launcher::Command(argv) => return command(argv, name, first).await,
        Launcher::Ssh { host, errand } => (host, *errand),
    };
    let obstacle = |obstacle| LinkError::Obstacle {
        host: name.to_owned(),
        obstacle,
    };
    let argv = host.argv().map_err(obstacle)?;
    let mut tries = 1;
    loop {
        match by_ssh(host, &argv, name, errand, first, patience).await? {
            Ok(launched) => return Ok(launched),
            Err(why) if why.is_crowd() && tries < TRIES_MAX => {
                sleep(jittered(PAUSE * (1 << (tries - 1)))).await;
                tries += 1;
            }
            Err(why) => return Err(obstacle(why)),
        }
    }
}

async fn command(argv: &[String], name: &str, first: &[u8]) -> Result<Launched, LinkError> {
    let mut launched = spawn(argv, name)?;
    // A program that is already gone shows on its output, which is where its reader looks.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut launched.stdin, first).await;
    Ok(launched)
}

/// One attempt by ssh.
async fn by_ssh(
    host: &SshHost,
    argv: &[String],
    name: &str,
    errand: Errand,
    first: &[u8],
    patience: Duration,
) -> Result<Result<Launched, Obstacle>, LinkError> {
    let turn = CONNECTS.acquire().await.expect("it is never closed");
    let mut launched = spawn(argv, name)?;
    let Launched { stdin, stdout, .. } = &mut launched;
    let mut talk = Talk::new(host, stdin, stdout, patience);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let talking = talk.run(errand.command(), first, || {
        // Nobody waits for it once the turn is over.
        let _ = begun.send(());
    });
    let turn_ends = async move {
        let _ = timeout(TURN_MAX, has_begun).await;
        drop(turn);
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = talking => outcome,
        () = turn_ends => unreachable!("it is pending for ever"),
    };
    let (begun, printed) = (talk.begun, std::mem::take(&mut talk.printed));
    match outcome {
        Ok(early) => {
            launched.early = early;
            Ok(Ok(launched))
        }
        Err(cut) => Ok(Err(obstacle(cut, begun, printed, launched, patience).await)),
    }
}

/// Puts the end of a conversation in words.
async fn obstacle(
    cut: Cut,
    begun: bool,
    printed: String,
    mut launched: Launched,
    patience: Duration,
) -> Obstacle {
    // Its last words are all there when it has ended; one that does not speak is ended.
    end_command(&mut launched.child, matches!(cut, Cut::Ended)).await;
    let silent = match cut {
        Cut::Obstacle(obstacle) => return obstacle,
        Cut::Silent => true,
        Cut::Ended => false,
    };
    let words = launched.stderr.last_words().await;
    let last = || words.last().cloned().unwrap_or_default();
    match (begun, silent) {
        (true, _) => Obstacle::Interrupted { said: last() },
        (false, true) => Obstacle::ShellHangs {
            seconds: patience.as_secs(),
            said: last(),
        },
        (false, false) => {
            let status = launched.child.try_wait().ok().flatten();
            let code = status.and_then(|status| status.code());
            let by_shell = code.is_some_and(|code| code != SSH_FAILED);
            Obstacle::of_ssh(&words, &printed, by_shell)
        }
    }
}

fn spawn(argv: &[String], name: &str) -> Result<Launched, LinkError> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(LinkError::Refused {
            host: name.to_owned(),
            why: "its link has an empty command".to_owned(),
        });
    };
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
            host: name.to_owned(),
            program: program.clone(),
            source,
        })?;
    let piped = "it was piped just above";
    Ok(Launched {
        stdin: child.stdin.take().expect(piped),
        stdout: child.stdout.take().expect(piped),
        stderr: StderrTail::follow(child.stderr.take().expect(piped)),
        early: Vec::new(),
        child,
    })
}

/// Between once and twice as long, so that those who were turned away together do not come back
/// together.
fn jittered(pause: Duration) -> Duration {
    use std::hash::{BuildHasher as _, Hasher as _};
    let seed = std::hash::RandomState::new().build_hasher().finish();
    pause + pause.mul_f64((seed % 1024) as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_s_command_takes_its_errand_as_its_last_word() {
        let of = |words: &[&str]| {
            let argv: Vec<String> = words.iter().map(ToString::to_string).collect();
            with_errand(&argv, Errand::Freight).join("|")
        };
        assert_eq!(
            of(&["sh", "-c", "exec framewright worker"]),
            "sh|-c|exec framewright freight"
        );
        assert_eq!(
            of(&["srun", "framewright", "worker"]),
            "srun|framewright|freight"
        );
        assert_eq!(of(&["reach-worker"]), "reach-worker");
        assert_eq!(of(&[]), "");
    }
}
