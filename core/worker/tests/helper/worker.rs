//! The worker and nothing else, for the tests and the benchmark of this crate.
//!
//! `worker-for-tests [STALL_MS]`: how long a controller may take nothing before lines are dropped.
//! Itself is also the worker that outlives its connections (`detached`) and the watch of one
//! (`watch PID`). `RUN_FOLDER`: where doors find it. `watched [TURN_MS]`: with a watch, and turns of
//! so long at leased slots.

use std::io::Write as _;
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
    let millis = |word: &str| Duration::from_millis(word.parse().expect("milliseconds"));
    let watch = Some(vec![me.into(), "watch".into()]);
    let mut serve = worker_main as fn(_, _, &_) -> _;
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["watch", pid] => {
            watch_main(pid.parse().expect("a process id"), std::io::stdin());
            return ExitCode::SUCCESS;
        }
        ["detached"] => {
            serve = detached_main;
            options.watch = watch;
        }
        ["watched", ref turn @ ..] => {
            options.watch = watch;
            if let [turn_ms] = turn {
                options.lease_turn = millis(turn_ms);
            }
        }
        [stall_ms] => options.stall_max = millis(stall_ms),
        _ => {}
    }
    let (stdin, stdout) = claim_stdio().expect("descriptors");
    match serve(stdin, stdout, &options) {
        Ok(Farewell::NotReached { why }) => {
            // Where the launcher's messages go.
            let _ = writeln!(std::io::stderr(), "{why}");
            ExitCode::FAILURE
        }
        Ok(Farewell::Refused { .. } | Farewell::Garbled { .. }) | Err(_) => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
    }
}
