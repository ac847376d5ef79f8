//! Reaching a host through the user's own `ssh`, and putting framewright there.
//!
//! One connection: the login shell is asked for a script (see [`script`]) which finds the program
//! in the user's cache folder there by its hash, or says what machine it is on, takes the program
//! in, verifies it, and becomes it. Nothing is installed; of older programs the few newest stay.
//!
//! Host keys are never ignored, nobody is asked for anything in the middle of a job, and no exit
//! code of ssh is believed. What cannot be is an [`Obstacle`]: one sentence, with a hint.

mod elf;
mod obstacle;
mod options;
mod parcel;
mod script;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::time::timeout;

pub use obstacle::Obstacle;

use elf::Libc;
use parcel::Parcel;

/// Bytes that a login shell may print before our script does.
const FOREIGN_BYTES_MAX: usize = 64 << 10;
/// Longest line of the script.
const LINE_BYTES_MAX: usize = 8 << 10;
/// Bytes sent between two looks at whether anything moves.
const CHUNK_BYTES: usize = 64 << 10;
/// Room that must be left on the host's disk beside the program.
const SPARE_BYTES: u64 = 1 << 20;

/// A host that is reached by ssh.
#[derive(Clone, Debug)]
pub struct SshHost {
    /// Whatever ssh understands.
    pub address: String,
    /// Put before the address.
    pub options: Vec<String>,
    /// A framewright that is installed there, to be used as it is.
    pub installed: Option<String>,
    /// The program to put there otherwise: our own.
    pub program: PathBuf,
}

impl SshHost {
    /// The command to spawn.
    pub(super) fn argv(&self) -> Result<Vec<String>, Obstacle> {
        if let Some(why) = options::objection(&self.address, &self.options) {
            return Err(Obstacle::Options { why });
        }
        let mut argv = options::argv(&self.address, &self.options);
        argv.push(script::COMMAND.to_owned());
        Ok(argv)
    }
}

/// What ended a conversation before its end.
#[derive(Debug)]
pub(super) enum Cut {
    /// Found out here.
    Obstacle(Obstacle),
    /// The output ended: what ssh printed on standard error says why.
    Ended,
    /// Nothing came for the whole time.
    Silent,
}

/// A conversation with the script.
pub(super) struct Talk<'a> {
    pub host: &'a SshHost,
    pub stdin: &'a mut ChildStdin,
    pub stdout: &'a mut ChildStdout,
    /// How long nothing may move.
    pub patience: Duration,
    heard: Vec<u8>,
    /// What a login shell printed.
    pub printed: String,
    /// Whether the script has begun, and so whoever ended later is not to blame on the login.
    pub begun: bool,
}

impl<'a> Talk<'a> {
    pub(super) fn new(
        host: &'a SshHost,
        stdin: &'a mut ChildStdin,
        stdout: &'a mut ChildStdout,
        patience: Duration,
    ) -> Self {
        Self {
            host,
            stdin,
            stdout,
            patience,
            heard: Vec::new(),
            printed: String::new(),
            begun: false,
        }
    }

    /// Until the program runs there and has been given `first`. Returns what it said already.
    /// `begun` is told as soon as the script speaks.
    pub(super) async fn run(
        &mut self,
        errand: &str,
        first: &[u8],
        begun: impl FnOnce(),
    ) -> Result<Vec<u8>, Cut> {
        let parcel = Parcel::of(&self.host.program).await;
        let parcel = parcel.map_err(|error| {
            let why = error.to_string();
            Cut::Obstacle(Obstacle::NoProgram { why })
        })?;
        let mut opening = script::line(&script::Told {
            errand,
            installed: self.host.installed.as_deref(),
            sha256: &parcel.sha256,
            cksum: &parcel.cksum,
            first_bytes: first.len(),
        })
        .into_bytes();
        opening.extend(first);
        // One that is gone already shows on its output, which is where we look.
        let _ = self.stdin.write_all(&opening).await;
        let line = self.line().await?;
        begun();
        self.begun = true;
        let need = match line.split_once('|') {
            None if line == "go" => return Ok(std::mem::take(&mut self.heard)),
            Some(("need", need)) => Need::read(need),
            Some(("no", why)) => return Err(Cut::Obstacle(Obstacle::of_script(why, ""))),
            _ => return Err(Cut::Obstacle(Obstacle::Other { said: line })),
        };
        need.fits(&parcel).map_err(Cut::Obstacle)?;
        self.send(parcel, &need, first).await
    }

    async fn send(
        &mut self,
        parcel: Arc<Parcel>,
        need: &Need,
        first: &[u8],
    ) -> Result<Vec<u8>, Cut> {
        let parcel = if need.has_gzip {
            let zipped = parcel.zipped().await;
            zipped.map_err(|error| {
                let why = error.to_string();
                Cut::Obstacle(Obstacle::NoProgram { why })
            })?
        } else {
            parcel
        };
        let (form, bytes) = parcel.wire();
        let header = format!("{form} {}\n", bytes.len());
        for chunk in [header.as_bytes()]
            .into_iter()
            .chain(bytes.chunks(CHUNK_BYTES))
        {
            match timeout(self.patience, self.stdin.write_all(chunk)).await {
                Ok(Ok(())) => {}
                // The script stopped taking: it has said why, or the connection is gone.
                Ok(Err(_)) => break,
                Err(_) => return Err(Cut::Silent),
            }
        }
        let line = self.line().await?;
        match line.split_once('|') {
            None if line == "go" => {}
            Some(("no", why)) => {
                return Err(Cut::Obstacle(Obstacle::of_script(why, &need.folder)));
            }
            _ => return Err(Cut::Obstacle(Obstacle::Other { said: line })),
        }
        // What was sent with the script was for a program that was not there yet.
        let _ = self.stdin.write_all(first).await;
        Ok(std::mem::take(&mut self.heard))
    }

    /// The script's next line, without its mark.
    async fn line(&mut self) -> Result<String, Cut> {
        let mut chunk = vec![0; 16 << 10];
        loop {
            let mark = script::MARK.as_bytes();
            let found = self
                .heard
                .windows(mark.len())
                .position(|window| window == mark);
            if let Some(at) = found {
                let rest = &self.heard[at + mark.len()..];
                if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line = String::from_utf8_lossy(&rest[..end]).trim().to_owned();
                    self.heard.drain(..at + mark.len() + end + 1);
                    return Ok(line);
                }
            }
            let limit = found.map_or(FOREIGN_BYTES_MAX, |at| at + LINE_BYTES_MAX);
            if self.heard.len() > limit {
                return Err(Cut::Obstacle(Obstacle::Noise));
            }
            match timeout(self.patience, self.stdout.read(&mut chunk)).await {
                Ok(Ok(0) | Err(_)) => {
                    self.printed = String::from_utf8_lossy(&self.heard).into_owned();
                    return Err(Cut::Ended);
                }
                Ok(Ok(count)) => self.heard.extend(&chunk[..count]),
                Err(_) => {
                    self.printed = String::from_utf8_lossy(&self.heard).into_owned();
                    return Err(Cut::Silent);
                }
            }
        }
    }
}

/// What a host that has no program says of itself.
#[derive(Debug)]
struct Need {
    system: String,
    machine: String,
    libc: String,
    has_gzip: bool,
    free_bytes: Option<u64>,
    folder: String,
}

impl Need {
    /// `SYSTEM|MACHINE|LIBC|gzip or nothing|last line of df|FOLDER`.
    fn read(line: &str) -> Self {
        let mut fields = line.splitn(6, '|').map(str::trim);
        let mut next = || fields.next().unwrap_or_default().to_owned();
        let (system, machine, libc) = (next(), next(), next());
        let has_gzip = next() == "gzip";
        let df = next();
        // `FILESYSTEM BLOCKS USED FREE 42% MOUNT`; both names may have blanks.
        let words: Vec<&str> = df.split_whitespace().collect();
        let share = words.iter().position(|word| {
            word.strip_suffix('%')
                .is_some_and(|share| share.parse::<u32>().is_ok())
        });
        let free = share.and_then(|at| words.get(at.checked_sub(1)?)?.parse::<u64>().ok());
        Self {
            system,
            machine,
            libc,
            has_gzip,
            free_bytes: free.map(|blocks| blocks.saturating_mul(1024)),
            folder: next(),
        }
    }

    /// Whether our program can run there, as far as can be told before it is sent.
    fn fits(&self, parcel: &Parcel) -> Result<(), Obstacle> {
        let ours = match std::env::consts::OS {
            "linux" => "Linux",
            "macos" => "Darwin",
            other => other,
        };
        let machine = match self.machine.as_str() {
            "arm64" => "aarch64",
            "amd64" => "x86_64",
            // An older kernel's name for what we call by the newest.
            other if other.starts_with('i') && other.ends_with("86") => "x86",
            other => other,
        };
        if self.system != ours || machine != std::env::consts::ARCH {
            return Err(Obstacle::OtherMachine {
                theirs: format!("{} {}", self.system, self.machine),
                ours: format!("{ours} {}", std::env::consts::ARCH),
            });
        }
        let wanted = match parcel.libc {
            Libc::Any => None,
            Libc::Musl => (!self.libc.contains("musl")).then(|| "musl".to_owned()),
            Libc::Glibc(major, minor) => {
                let theirs = self.libc.strip_prefix("glibc ").and_then(version);
                let too_old = theirs.is_some_and(|theirs| theirs < (major, minor));
                let other = self.libc.contains("musl");
                (too_old || other).then(|| format!("glibc {major}.{minor} or newer"))
            }
        };
        if let Some(ours) = wanted {
            let theirs = match self.libc.split_once(" (") {
                Some((name, _)) => name,
                None => self.libc.as_str(),
            };
            let theirs = if theirs.is_empty() {
                "another C library"
            } else {
                theirs
            };
            return Err(Obstacle::OtherLibc {
                theirs: theirs.to_owned(),
                ours,
            });
        }
        let needs = parcel.bytes.len() as u64 + SPARE_BYTES;
        match self.free_bytes {
            Some(free) if free < needs => Err(Obstacle::DiskFull {
                said: format!(
                    "{} has {:.0} MB left, framewright takes {:.0} MB",
                    self.folder,
                    free as f64 / 1e6,
                    needs as f64 / 1e6
                ),
            }),
            _ => Ok(()),
        }
    }
}

/// `2.36` as two numbers.
fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().split_once('.')?;
    let digits: String = minor.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, digits.parse().ok()?))
}
