//! The worker and nothing else, for the tests and the benchmark of this crate.
//!
//! `worker-for-tests [STALL_MS]`: how long a controller may take nothing before lines are dropped.
//! `watched [TURN_MS]`: with a watch, and turns of so long at leased slots. `watch PID`: that watch.

use std::process::ExitCode;
use std::time::Duration;

use framewright_worker::{Farewell, WorkerOptions, claim_stdio, watch_main, worker_main};

fn main() -> ExitCode {
    let mut options = WorkerOptions::default();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let millis = |word: &str| Duration::from_millis(word.parse().expect("milliseconds"));
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["watch", pid] => {
            watch_main(pid.parse().expect("a process id"), std::io::stdin());
            return ExitCode::SUCCESS;
        }
        ["watched", ref turn @ ..] => {
            let me = std::env::current_exe().expect("this program");
            options.watch = Some(vec![me.into(), "watch".into()]);
            if let [turn_ms] = turn {
                options.lease_turn = millis(turn_ms);
            }
        }
        [stall_ms] => options.stall_max = millis(stall_ms),
        _ => {}
    }
    let (stdin, stdout) = claim_stdio().expect("descriptors");
    match worker_main(stdin, stdout, &options) {
        Ok(Farewell::Refused { .. } | Farewell::Garbled { .. }) | Err(_) => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
    }
}
