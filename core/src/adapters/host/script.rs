//! Runs an adapter that is a program: it speaks the carrier itself, on the standard input and
//! output that it inherits. This process only sees to it that the program ends when the parent
//! does, and passes on how it ended.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode};

use framewright_plugin_api::data::Failure;
use rustix::process::Signal;

use super::{EXIT_REFUSED, refuse, watch};

/// Starts the program and waits for its end.
pub(super) fn supervise(argv: &[OsString]) -> ExitCode {
    let Some((program, arguments)) = argv.split_first() else {
        return ExitCode::from(EXIT_REFUSED);
    };
    let Ok(input) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3) else {
        return ExitCode::from(EXIT_REFUSED);
    };
    if watch(input).is_err() {
        return ExitCode::from(EXIT_REFUSED);
    }
    let status = Command::new(program)
        .args(arguments)
        .spawn()
        .and_then(|mut child| child.wait());
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => ExitCode::from(u8::try_from(code).unwrap_or(EXIT_REFUSED)),
            (None, signal) => die_of(signal.unwrap_or(0)),
        },
        Err(error) => {
            let why = format!("cannot start {}: {error}", program.to_string_lossy());
            if let Ok(output) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3) {
                let _ = refuse(&mut output.into(), Failure::new("not-started", why));
            }
            ExitCode::from(EXIT_REFUSED)
        }
    }
}

/// Ends this process by the same signal, so that the parent sees what happened to the program.
fn die_of(signal: i32) -> ExitCode {
    let shown = ExitCode::from(u8::try_from(128 + signal).unwrap_or(EXIT_REFUSED));
    let Some(signal) = Signal::from_named_raw(signal) else {
        return shown;
    };
    // The first SIGSEGV may only disarm the handler that watches for stack overflows.
    for _ in 0..2 {
        let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
    }
    shown
}
