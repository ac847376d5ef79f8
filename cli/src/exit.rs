//! The exit codes, which people script against.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything that was asked for was done; of a render: every task is committed.
    Done = 0,
    /// The render finished with failed tasks, was cancelled, or the output disk filled on the way.
    Failed = 1,
    /// Bad usage or input, known before the start.
    Usage = 2,
    /// No usable host or renderer.
    NoHost = 3,
    /// A fault of framewright or of an adapter.
    Fault = 4,
    /// Interrupted by Ctrl-C; the job can be resumed.
    Interrupted = 130,
    /// Ended by SIGTERM; the job can be resumed.
    Terminated = 143,
}

impl Exit {
    /// The number a shell sees.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// For the end of the help and the manual.
pub(crate) const EXIT_CODES: &str = "Exit codes:\n  \
    0    all committed\n  \
    1    finished with failed tasks, cancelled, or the output disk filled on the way\n  \
    2    bad usage or input, known before the start\n  \
    3    no usable host or renderer\n  \
    4    a fault of framewright or of an adapter\n  \
    130  interrupted (143 by SIGTERM); `framewright render --resume JOB` goes on";
