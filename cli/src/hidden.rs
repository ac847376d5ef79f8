//! Commands for framewright itself: they are found before clap looks at anything, because a
//! render starts thousands of them and each must be up in about a millisecond.

use std::ffi::OsString;
use std::process::ExitCode;

use framewright_core::adapters::adapter_host_main;
use framewright_worker::{Farewell, WorkerOptions, claim_stdio, worker_main};

use crate::args::low::Format;
use crate::exit::Exit;
use crate::problem::{Presentable, with_causes};

/// Carries out a hidden command, if the first word is one.
pub(crate) fn dispatch(words: &[OsString]) -> Option<ExitCode> {
    let rest = words.get(2..).unwrap_or_default();
    match words.get(1)?.to_str()? {
        "worker" => Some(worker(rest)),
        "adapter-host" => Some(adapter_host(rest)),
        "stub-render" => Some(stub_render(rest)),
        _ => None,
    }
}

fn worker(_rest: &[OsString]) -> ExitCode {
    let (stdin, stdout) = match claim_stdio() {
        Ok(claimed) => claimed,
        Err(error) => return failed(&format!("the worker cannot take its streams: {error}")),
    };
    match worker_main(stdin, stdout, &WorkerOptions::default()) {
        Ok(Farewell::Refused { why } | Farewell::Garbled { why }) => failed(&why),
        Ok(
            Farewell::Bye
            | Farewell::ControllerGone
            | Farewell::LeaseExpired
            | Farewell::Signalled,
        ) => Exit::Done.into(),
        Err(error) => failed(&with_causes(&error)),
    }
}

fn adapter_host(rest: &[OsString]) -> ExitCode {
    adapter_host_main(rest)
}

fn stub_render(rest: &[OsString]) -> ExitCode {
    crate::stub_render::main(rest.iter().cloned())
}

fn failed(why: &str) -> ExitCode {
    Presentable::fault(why).print(Format::Human);
    Exit::Fault.into()
}
