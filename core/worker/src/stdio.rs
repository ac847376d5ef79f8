//! Taking standard input and output away from everything this process will start.
//!
//! Whoever holds the worker's standard output keeps the ssh session or the srun step open, long
//! after the worker is gone; so nobody may inherit it.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};

/// Moves standard input and output to private descriptors that no child inherits; afterwards
/// descriptor 0 is `/dev/null` and descriptor 1 is standard error. Whatever else this process
/// inherited is closed to its children as well. To be called before any thread is started.
///
/// # Errors
/// When the system has no descriptor left, or no `/dev/null`.
pub fn claim_stdio() -> io::Result<(OwnedFd, OwnedFd)> {
    const FIRST_PRIVATE: i32 = 3;
    let stdin = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), FIRST_PRIVATE)?;
    let stdout = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), FIRST_PRIVATE)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    hide_inherited();
    Ok((stdin, stdout))
}

/// Marks every descriptor from 3 up as closed on exec. Kernels before 5.11 cannot; there a
/// renderer may see what a careless launcher left open.
fn hide_inherited() {
    const CLOSE_RANGE_CLOEXEC: libc::c_int = 4;
    // SAFETY: close_range with CLOEXEC changes flags only; no descriptor of anybody is closed.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, CLOSE_RANGE_CLOEXEC);
    }
}
