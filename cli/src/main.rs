//! The command line.

mod stub_render;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next() {
        Some(command) if command == "stub-render" => stub_render::main(args),
        _ => ExitCode::from(2),
    }
}
