//! Many runs on a few threads, in their order.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::summary::Run;
use super::{Case, SimulateError, TASKS_MAX};
use crate::policy::Policy;

/// Runs all of it. The answer is in the order of what was asked, whichever thread was quicker; of
/// several errors it is the first in that order.
pub(crate) fn run_all(
    asked: &[(&Case, Policy, u64)],
    threads: usize,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Run>, SimulateError> {
    let largest = asked.iter().map(|(case, ..)| case.tasks()).max();
    let threads = threads_for(threads, largest.unwrap_or(1), asked.len());
    let next = AtomicUsize::new(0);
    let (sender, runs) = mpsc::channel();
    let mut answers: Vec<Option<Result<Run, SimulateError>>> = Vec::new();
    answers.resize_with(asked.len(), || None);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let index = next.fetch_add(1, Ordering::Relaxed)
                    && let Some((case, policy, seed)) = asked.get(index)
                    // Nobody listens any more: then nobody wants it.
                    && sender.send((index, case.run(*policy, *seed))).is_ok()
                {}
            });
        }
        drop(sender);
        for (done, (index, run)) in runs.iter().enumerate() {
            answers[index] = Some(run);
            progress(done + 1, asked.len());
        }
    });
    answers
        .into_iter()
        .map(|answer| answer.expect("every run sends its answer, or its thread panics"))
        .collect()
}

/// How many runs at once: what they hold together is no more than one of the largest.
fn threads_for(most: usize, tasks: u32, runs: usize) -> usize {
    let fit = TASKS_MAX / (tasks as usize).max(1);
    most.min(fit).min(runs).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_jobs_are_run_one_at_a_time() {
        assert_eq!(threads_for(2, 200, 40), 2);
        assert_eq!(threads_for(2, 200, 1), 1);
        assert_eq!(threads_for(8, TASKS_MAX as u32, 40), 1);
        assert_eq!(threads_for(0, 0, 0), 1);
    }
}
