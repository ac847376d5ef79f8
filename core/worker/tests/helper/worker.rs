//! The worker and nothing else, for the tests and the benchmark of this crate.
//!
//! `worker-for-tests [STALL_MS]`: how long a controller may take nothing before lines are dropped.
//! Itself is also the worker that outlives its connections (`detached`) and the watch of one
//! (`watch PID`). `RUN_FOLDER`: where doors find it.

use std::process::ExitCode;
use std::time::Duration;

use framewright_worker::{
    Farewell, WorkerOptions, claim_stdio, detached_main, watch_main, worker_main,
};

fn main() -> ExitCode {
    let me = std::env::current_exe().expect("this program");
    let mut options = WorkerOptions {
        detach: Some(vec![me.clone().into(), "detached".into()]),
        run_folder: std::env::var_os("RUN_FOLDER").map(Into::into),
        ..WorkerOptions::default()
    };
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut serve = worker_main as fn(_, _, &_) -> _;
    match words.first().map(String::as_str) {
        Some("watch") => {
            watch_main(words[1].parse().expect("a process id"), std::io::stdin());
            return ExitCode::SUCCESS;
        }
        Some("detached") => {
            serve = detached_main;
            options.watch = Some(vec![me.into(), "watch".into()]);
        }
        Some(stall_ms) => {
            options.stall_max = Duration::from_millis(stall_ms.parse().expect("milliseconds"));
        }
        None => {}
    }
    let (stdin, stdout) = claim_stdio().expect("descriptors");
    match serve(stdin, stdout, &options) {
        Ok(Farewell::Refused { .. } | Farewell::Garbled { .. }) | Err(_) => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
    }
}
