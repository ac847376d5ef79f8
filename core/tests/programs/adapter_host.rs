//! The host child for tests: what `framewright adapter-host` is to the program.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    framewright_core::adapters::adapter_host_main(&arguments)
}
