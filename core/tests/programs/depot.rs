//! A depot and nothing else.
//!
//! `depot-for-tests [FILE_BYTES_MAX]`: no file that it writes may grow larger.

use std::process::ExitCode;

use framewright_worker::freight::{DepotEnd, depot_main};
use rustix::process::{Resource, Rlimit, setrlimit};

fn main() -> ExitCode {
    if let Some(bytes) = std::env::args().nth(1) {
        let bytes = Some(bytes.parse().expect("a number of bytes"));
        let limit = Rlimit {
            current: bytes,
            maximum: bytes,
        };
        setrlimit(Resource::Fsize, limit).expect("a lower limit is allowed");
    }
    let (stdin, stdout) = framewright_worker::claim_stdio().expect("descriptors");
    match depot_main(stdin, stdout) {
        DepotEnd::Bye | DepotEnd::ControllerGone => ExitCode::SUCCESS,
        DepotEnd::Refused { .. } | DepotEnd::Garbled { .. } => ExitCode::FAILURE,
    }
}
