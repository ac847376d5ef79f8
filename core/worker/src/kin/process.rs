//! What `/proc` says about a process, and ending exactly that process.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroI32;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process that no later process of the same number can be taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ProcessKey {
    number: NonZeroI32,
    /// When it started, in clock ticks since boot.
    started: u64,
}

impl ProcessKey {
    pub(super) fn pid(self) -> Option<Pid> {
        Pid::from_raw(self.number.get())
    }

    pub(super) fn number(self) -> i32 {
        self.number.get()
    }

    pub(super) fn is(self, pid: Pid) -> bool {
        self.number == pid.as_raw_nonzero()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) key: ProcessKey,
    pub(super) parent: Option<Pid>,
    pub(super) group: Option<Pid>,
    /// Ended, and not yet waited for.
    pub(super) zombie: bool,
}

impl Process {
    /// 0 for a process without a parent.
    pub(super) fn parent_number(&self) -> i32 {
        self.parent
            .map_or(0, |parent| parent.as_raw_nonzero().get())
    }

    pub(super) fn read(pid: Pid) -> Option<Self> {
        let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
        parse_stat(pid, &fs::read(path).ok()?)
    }
}

/// `42 (any (name)) S 1 42 …`: the name may hold blanks and brackets, so the last one counts.
fn parse_stat(pid: Pid, stat: &[u8]) -> Option<Process> {
    const FIELD_STATE: usize = 0;
    const FIELD_PARENT: usize = 1;
    const FIELD_GROUP: usize = 2;
    const FIELD_STARTED: usize = 19;
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(name_end + 2..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Process {
        key: ProcessKey {
            number: pid.as_raw_nonzero(),
            started: fields.get(FIELD_STARTED)?.parse().ok()?,
        },
        parent: pid_of(fields.get(FIELD_PARENT)?)?,
        group: pid_of(fields.get(FIELD_GROUP)?)?,
        zombie: matches!(*fields.get(FIELD_STATE)?, "Z" | "X"),
    })
}

/// A number of a process that may be none: 0, and -1 of a process that is just being reaped.
fn pid_of(text: &str) -> Option<Option<Pid>> {
    let number: i32 = text.parse().ok()?;
    Some((number > 0).then(|| Pid::from_raw(number)).flatten())
}

/// Every process of this machine that can be seen.
pub(super) fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|number| Process::read(Pid::from_raw(number)?))
        .collect()
}

/// When the process of this number started, in clock ticks since boot; `None` when it has ended.
pub(crate) fn born(number: i32) -> Option<u64> {
    let process = Process::read((number > 0).then(|| Pid::from_raw(number)).flatten()?)?;
    (!process.zombie).then_some(process.key.started)
}

/// The environment a process was started with; empty when it is a zombie or another user's.
pub(super) fn environment(key: ProcessKey) -> Vec<u8> {
    fs::read(format!("/proc/{}/environ", key.number)).unwrap_or_default()
}

/// Whether an environment holds exactly this variable.
pub(super) fn has(environment: &[u8], name: &str, value: &str) -> bool {
    environment.split(|byte| *byte == 0).any(|variable| {
        variable
            .strip_prefix(name.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="))
            == Some(value.as_bytes())
    })
}

/// Those of `all` that live and whose environment holds this variable.
pub(super) fn tagged(all: &[Process], name: &str, value: &str) -> BTreeSet<ProcessKey> {
    all.iter()
        .filter(|process| !process.zombie)
        .filter(|process| has(&environment(process.key), name, value))
        .map(|process| process.key)
        .collect()
}

/// Kills these processes and waits for their end. False when there was nobody to kill or the
/// deadline has passed, so that the caller stops looking.
pub(super) fn end_all(processes: &BTreeSet<ProcessKey>, deadline: Instant) -> bool {
    let mut ending: Vec<OwnedFd> = processes.iter().filter_map(|key| kill(*key)).collect();
    if ending.is_empty() {
        return false;
    }
    while !ending.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let ended = {
            let mut fds: Vec<PollFd<'_>> = ending
                .iter()
                .map(|pidfd| PollFd::new(pidfd, PollFlags::IN))
                .collect();
            // An interrupted poll has seen nothing; the next round looks again.
            let _ = poll(&mut fds, Some(&timespec(left)));
            fds.iter()
                .map(|fd| !fd.revents().is_empty())
                .collect::<Vec<bool>>()
        };
        let mut ended = ended.into_iter();
        ending.retain(|_| !ended.next().unwrap_or(false));
    }
    true
}

/// Sends SIGKILL to exactly this process; gives what becomes readable when it has ended.
fn kill(key: ProcessKey) -> Option<OwnedFd> {
    let pid = key.pid()?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    // The number may have passed to another process between the look and the open.
    let still = Process::read(pid)?;
    if still.key != key || still.zombie {
        return None;
    }
    pidfd_send_signal(&pidfd, Signal::KILL).ok()?;
    Some(pidfd)
}

/// Waits for an orphan if it has ended; true when it is gone. To be called with orphans only:
/// the end of a process that a slot started is the slot's to see.
pub(super) fn reap_orphan(pid: Pid) -> bool {
    let options = rustix::process::WaitOptions::NOHANG;
    !matches!(rustix::process::waitpid(Some(pid), options), Ok(None))
}

/// For `poll`; more than a lifetime counts as an hour.
pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).unwrap_or(Timespec {
        tv_sec: 3600,
        tv_nsec: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_with_brackets_and_blanks_is_no_trouble() {
        let stat = b"42 (a) R 1 (b) S 7 41 41 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 1 1";
        let process = parse_stat(Pid::INIT, stat).unwrap();
        assert_eq!(process.parent, Pid::from_raw(7));
        assert_eq!(process.group, Pid::from_raw(41));
        assert_eq!(pid_of("-1"), Some(None), "it is just being reaped");
        assert_eq!(pid_of("0"), Some(None));
        assert_eq!(process.key.started, 123_456);
        assert!(!process.zombie);
        assert_eq!(parse_stat(Pid::INIT, b"42 (a"), None);
        assert_eq!(parse_stat(Pid::INIT, b"42 (a)"), None);
    }

    #[test]
    fn variable_matches_whole() {
        let environment = b"A=1\0FRAMEWRIGHT_RUN=12\0B=\0";
        assert!(has(environment, "FRAMEWRIGHT_RUN", "12"));
        assert!(has(environment, "B", ""));
        assert!(!has(environment, "FRAMEWRIGHT_RUN", "1"));
        assert!(!has(environment, "RUN", "12"));
    }

    #[test]
    fn this_process_is_seen() {
        let me = rustix::process::getpid();
        let seen = all().into_iter().find(|process| process.key.is(me));
        let seen = seen.expect("/proc shows this process");
        assert_eq!(seen.parent, rustix::process::getppid());
        assert_eq!(Some(seen.key), Process::read(me).map(|process| process.key));
    }
}
