//! Commands for framewright itself: they are found before clap looks at anything, because a
//! render starts thousands of them and each must be up in about a millisecond.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use framewright_core::adapters::adapter_host_main;
use framewright_worker::freight::{DepotEnd, depot_main};
use framewright_worker::{Farewell, WorkerError, WorkerOptions, watch_main};

use crate::args::low::Format;
use crate::exit::Exit;
use crate::problem::{Presentable, with_causes};
use crate::stub_render;

/// The process that ends what a killed worker left.
const WATCH: &str = "worker-watch";
/// The worker that outlives the connections through which it is reached.
const DETACHED: &str = "worker-detached";

/// Carries out a hidden command, if the first word is one.
pub(crate) fn dispatch(words: &[OsString]) -> Option<ExitCode> {
    let rest = words.get(2..).unwrap_or_default();
    match words.get(1)?.to_str()? {
        "worker" => Some(worker("worker", rest, framewright_worker::worker_main)),
        DETACHED => Some(worker(DETACHED, rest, framewright_worker::detached_main)),
        "freight" => Some(freight(rest)),
        WATCH => Some(watch(rest)),
        "adapter-host" => Some(adapter_host_main(rest)),
        "stub-render" => Some(stub_render::main(rest.iter().cloned())),
        _ => None,
    }
}

/// `worker-watch PID`: started by the worker with that process id, whose end closes our input.
fn watch(rest: &[OsString]) -> ExitCode {
    let pid = rest.first().and_then(|word| word.to_str()?.parse().ok());
    let Some(pid) = pid else {
        let message = "worker-watch takes a worker's process id".to_owned();
        return failed(Presentable::usage(message));
    };
    watch_main(pid, std::io::stdin());
    ExitCode::SUCCESS
}

/// A way to be a worker.
type Serve = fn(OwnedFd, OwnedFd, &WorkerOptions) -> Result<Farewell, WorkerError>;

/// Takes the ends of a link for the hidden command `name`, which takes no words; `who` is what
/// people call it.
fn far_end(name: &str, who: &str, rest: &[OsString]) -> Result<(OwnedFd, OwnedFd), ExitCode> {
    if let Some(word) = rest.first() {
        let word = word.to_string_lossy();
        let message = format!("{name} takes no arguments, but got {word}");
        return Err(failed(Presentable::usage(message)));
    }
    framewright_worker::claim_stdio().map_err(|error| {
        let message = format!("the {who} cannot take its link: {error}");
        failed(Presentable::fault(message))
    })
}

/// The far end of a link. What it is to do comes through its standard input, so it takes no words.
fn worker(name: &str, rest: &[OsString], serve: Serve) -> ExitCode {
    // First of all: everything started from here on would inherit the link.
    let (stdin, stdout) = match far_end(name, "worker", rest) {
        Ok(ends) => ends,
        Err(failed) => return failed,
    };
    let executable = std::env::current_exe().ok();
    let become_other = |word: &str| Some(vec![executable.clone()?.into(), word.into()]);
    let options = WorkerOptions {
        watch: become_other(WATCH),
        detach: become_other(DETACHED),
        ..WorkerOptions::default()
    };
    let exit = match serve(stdin, stdout, &options) {
        Ok(
            Farewell::Bye
            | Farewell::ControllerGone
            | Farewell::LeaseExpired
            | Farewell::DoorClosed,
        ) => Exit::Done,
        Ok(Farewell::Signalled) => Exit::Terminated,
        Ok(Farewell::Refused { why }) => {
            return failed(Presentable::fault(format!(
                "the worker refused its controller: {why}"
            )));
        }
        Ok(Farewell::NotReached { why }) => {
            return failed(Presentable::fault(format!("no worker was reached: {why}")));
        }
        Ok(Farewell::Garbled { why }) => {
            return failed(Presentable::fault(format!(
                "the worker cannot understand its controller: {why}"
            )));
        }
        Err(error) => {
            return failed(Presentable::fault(format!(
                "the worker {}",
                with_causes(&error)
            )));
        }
    };
    exit.into()
}

/// The depot of a host. Like the worker it takes no words.
fn freight(rest: &[OsString]) -> ExitCode {
    let (stdin, stdout) = match far_end("freight", "depot", rest) {
        Ok(ends) => ends,
        Err(failed) => return failed,
    };
    match depot_main(stdin, stdout) {
        DepotEnd::Bye | DepotEnd::ControllerGone => Exit::Done.into(),
        DepotEnd::Refused { why } => failed(Presentable::fault(format!(
            "the depot refused its controller: {why}"
        ))),
        DepotEnd::Garbled { why } => failed(Presentable::fault(format!(
            "the depot cannot understand its controller: {why}"
        ))),
    }
}

/// Says it where the launcher's messages go; stdout belongs to the protocol.
fn failed(problem: Presentable) -> ExitCode {
    problem.print(Format::Human);
    problem.exit.into()
}
