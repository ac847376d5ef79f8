//! The end of a child, with what it used.

use rustix::process::Pid;

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) cpu_s: f64,
    /// Not below what this worker itself held when the child was spawned: the kernel counts a
    /// spawned child's first moments, in which it still shares the worker's memory.
    pub(crate) rss_bytes: u64,
}

impl Ended {
    /// For a run that never had a process.
    pub(crate) const NEVER_STARTED: Self = Self {
        code: None,
        signal: None,
        cpu_s: 0.0,
        rss_bytes: 0,
    };
}

/// Takes the end of a child, if it has ended. To be called by the thread that started it.
pub(crate) fn try_wait(child: Pid) -> std::io::Result<Option<Ended>> {
    let mut status: libc::c_int = 0;
    // SAFETY: rusage is a struct of integers, for which all zeroes is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let pid = child.as_raw_nonzero().get();
    // SAFETY: both pointers are to live variables of the types that wait4 writes.
    let waited = unsafe { libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut usage) };
    match waited {
        -1 => Err(std::io::Error::last_os_error()),
        0 => Ok(None),
        _ => Ok(Some(Ended {
            code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
            signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
            cpu_s: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            rss_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
        })),
    }
}

fn seconds(time: libc::timeval) -> f64 {
    time.tv_sec as f64 + time.tv_usec as f64 * 1e-6
}
