//! The worker and nothing else, for the tests and the benchmark of this crate.
//!
//! `worker-for-tests [STALL_MS]`: how long a controller may take nothing before lines are dropped.

use std::process::ExitCode;
use std::time::Duration;

use framewright_worker::{Farewell, WorkerOptions, claim_stdio, worker_main};

fn main() -> ExitCode {
    let mut options = WorkerOptions::default();
    if let Some(stall_ms) = std::env::args().nth(1) {
        options.stall_max = Duration::from_millis(stall_ms.parse().expect("milliseconds"));
    }
    let (stdin, stdout) = claim_stdio().expect("descriptors");
    match worker_main(stdin, stdout, &options) {
        Ok(Farewell::Refused { .. } | Farewell::Garbled { .. }) | Err(_) => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
    }
}
