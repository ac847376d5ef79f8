//! Commands for framewright itself: they are found before clap looks at anything, because a
//! render starts thousands of them and each must be up in about a millisecond.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::exit::Exit;
use crate::problem::Presentable;
use crate::stub_render;

/// Carries out a hidden command, if the first word is one.
pub(crate) fn dispatch(words: &[OsString]) -> Option<ExitCode> {
    let rest = words.get(2..).unwrap_or_default();
    match words.get(1)?.to_str()? {
        "worker" => Some(worker(rest)),
        "adapter-host" => Some(adapter_host(rest)),
        "stub-render" => Some(stub_render::main(rest.iter().cloned())),
        _ => None,
    }
}

fn worker(_rest: &[OsString]) -> ExitCode {
    not_joined("worker")
}

fn adapter_host(_rest: &[OsString]) -> ExitCode {
    not_joined("adapter-host")
}

fn not_joined(command: &str) -> ExitCode {
    Presentable::fault(format!("this build of framewright has no {command}"))
        .print(Default::default());
    Exit::Fault.into()
}
