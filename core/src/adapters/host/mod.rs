//! The child in which an adapter's code runs: `framewright adapter-host …`.
//!
//! Nothing that an adapter does can hurt framewright from here: it may crash, hang, print or fork,
//! and its whole process group is killed and reaped by the parent. When the parent dies, even by
//! SIGKILL, its end of our standard input closes; a watching thread then ends this process group,
//! whatever the adapter is doing. (A parent-death signal would be simpler, but it fires when the
//! parent's *thread* ends, and runtimes retire threads.)
//!
//! The plug-in never sees the carrier's file descriptors: they are moved away before it is loaded,
//! what it prints on standard output arrives on standard error, and its standard input is empty.

mod library;
mod script;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use framewright_plugin_api::data::Failure;
use framewright_plugin_api::stdio::{Closed, Greeting, Reply, Request, read_line};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, Signal};

/// First argument when what follows is a program and its arguments, not a library.
pub(super) const COMMAND_FLAG: &str = "--command";

/// How long an adapter may take to end by itself once its parent is gone.
const POLITE_S: i64 = 2;

/// Exit code when nothing could be loaded. The reason is the first line of the carrier.
const EXIT_REFUSED: u8 = 4;

/// What the hidden command `framewright adapter-host` does with its arguments:
/// `LIBRARY [HASH]`, or `--command PROGRAM ARGUMENT…`. Serves the carrier on standard input and
/// output until the input ends.
#[must_use]
pub fn adapter_host_main(arguments: &[OsString]) -> ExitCode {
    // A crash is explained by its signal; nobody reads a core file of an adapter.
    let no_core = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = rustix::process::setrlimit(Resource::Core, no_core);
    let served = match arguments {
        [flag, argv @ ..] if flag == COMMAND_FLAG => return script::supervise(argv),
        [library] => serve_library(Path::new(library), None),
        [library, hash] => serve_library(Path::new(library), Some(hash)),
        _ => Err(io::Error::other(
            "adapter-host takes a library and perhaps its hash",
        )),
    };
    match served {
        Ok(code) => code,
        Err(_) => ExitCode::from(EXIT_REFUSED),
    }
}

fn serve_library(path: &Path, hash: Option<&OsStr>) -> io::Result<ExitCode> {
    let (input, output) = take_carrier()?;
    watch(input.try_clone()?)?;
    let mut input = BufReader::with_capacity(256 * 1024, File::from(input));
    let mut output = File::from(output);
    let mut plugin = match library::Plugin::load(path, hash.map(OsStr::to_string_lossy).as_deref())
    {
        Ok(plugin) => plugin,
        Err(failure) => {
            refuse(&mut output, failure)?;
            return Ok(ExitCode::from(EXIT_REFUSED));
        }
    };
    say(&mut output, &Greeting::ours())?;
    let mut line = Vec::new();
    let mut answer = Vec::new();
    while read_line(&mut input, &mut line)? {
        match serde_json::from_slice::<Request<'_>>(&line) {
            Ok(request) => {
                answer.clear();
                plugin.answer(request, &mut answer);
                output.write_all(&answer)?;
            }
            Err(error) => refuse(
                &mut output,
                Failure::new(
                    "bad-document",
                    format!("the request cannot be read: {error}"),
                ),
            )?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn say(output: &mut File, document: &impl serde::Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(document)?;
    line.push(b'\n');
    output.write_all(&line)
}

fn refuse(output: &mut File, failure: Failure) -> io::Result<()> {
    say(output, &Reply::<Closed>::Error(failure))
}

/// Moves standard input and output away from where a plug-in would find them.
fn take_carrier() -> io::Result<(OwnedFd, OwnedFd)> {
    let input = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let output = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok((input, output))
}

/// Starts the thread that ends this process group when the other end of `input` is gone.
fn watch(input: OwnedFd) -> io::Result<()> {
    std::thread::Builder::new()
        .name("parent-watch".to_owned())
        .spawn(move || {
            if wait_for_hang_up(&input) {
                wait(POLITE_S);
                end_own_group();
            }
        })
        .map(drop)
}

/// False when it cannot be waited for.
fn wait_for_hang_up(input: &impl AsFd) -> bool {
    // No event is asked for, so only a hang-up (or an error) is reported.
    let mut fds = [PollFd::new(input, PollFlags::empty())];
    loop {
        match poll(&mut fds, None) {
            Ok(_) if fds[0].revents().contains(PollFlags::NVAL) => return false,
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
}

fn wait(seconds: i64) {
    let timeout = Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    // Nothing to poll: an interrupted wait is only shorter.
    let _ = poll(&mut [], Some(&timeout));
}

/// Kills the group that the parent made for us; only ourselves when somebody started us by hand
/// inside a group of other processes.
fn end_own_group() {
    let own = rustix::process::getpid();
    if rustix::process::getpgrp() == own {
        let _ = rustix::process::kill_current_process_group(Signal::KILL);
    }
    let _ = rustix::process::kill_process(own, Signal::KILL);
}
