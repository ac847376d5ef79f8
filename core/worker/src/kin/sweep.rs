//! Ending what a worker left behind that could not clean up itself: the last line after the
//! SIGKILL of a worker.

use std::time::Instant;

use super::process::{all, end_all, tagged};
use super::{CLEAR_MAX, tag};

/// Kills every process on this machine that carries the tag of the worker with this process id,
/// and gives their number. Other users' processes cannot be read, hence are never touched.
///
/// To be called when that worker has been waited for: a living worker would see its renderers
/// die.
pub fn sweep_tagged(worker_pid: u32) -> usize {
    sweep(&[(tag::WORKER, &worker_pid.to_string())])
}

/// As [`sweep_tagged`], for every process of a job, of whatever worker.
pub fn sweep_job(job: &str) -> usize {
    sweep(&[(tag::JOB, job)])
}

/// As [`sweep_job`], for that job on the host of this name only: a machine may be several.
pub(crate) fn sweep_host(job: &str, host: &str) -> usize {
    sweep(&[(tag::JOB, job), (tag::HOST, host)])
}

/// Ends what carries all of these tags.
fn sweep(tags: &[(&str, &str)]) -> usize {
    let me = rustix::process::getpid();
    let deadline = Instant::now() + CLEAR_MAX;
    let mut count = 0;
    loop {
        let all = all();
        let tagged = tags.iter().map(|(name, value)| tagged(&all, name, value));
        let mut left = tagged
            .reduce(|these, those| these.intersection(&those).copied().collect())
            .unwrap_or_default();
        left.retain(|key| !key.is(me));
        // Looks again after each round: what was killed may have started more before it died.
        if !end_all(&left, deadline) {
            return count;
        }
        count += left.len();
    }
}
