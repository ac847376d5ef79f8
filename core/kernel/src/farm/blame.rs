//! Failures: what is tried again, where not, and who needs a rest.
//!
//! * A failure counts against its task when the task was begun, or when it is the first of its
//!   segment: a renderer that dies while it loads takes its whole segment along, but costs one
//!   task one attempt.
//! * A task goes to a host where it has not failed, as long as one is there that takes work. After
//!   [`Fault::OutOfMemory`] it goes to a host with more memory, as long as one is there.
//! * A task that fails on a second host is itself to blame, and both hosts are acquitted.
//! * [`REST_AFTER`] failures of different tasks without a success in between send a host to rest,
//!   twice as long each time. A host that is lost failed once, whatever it had begun.
//! * A missing licence stops all sending for a while, and counts nothing.

use super::Farm;
use crate::event::{Fault, GiveUpReason};
use crate::hosts::Bytes;
use crate::ids::{HostId, TaskId};
use crate::time::{Span, Time};

/// Failures of different tasks in a row that send a host to rest.
const REST_AFTER: u8 = 3;
/// First rest.
const REST_MIN: Span = Span::from_secs(30);
/// Longest rest.
const REST_MAX: Span = Span::from_secs(30 * 60);
/// First wait for a licence.
const LICENCE_MIN: Span = Span::from_secs(5);
/// Longest wait for a licence.
const LICENCE_MAX: Span = Span::from_secs(5 * 60);
/// Hosts that are remembered of a task that failed there.
const HOSTS_MAX: usize = 4;

/// What is remembered of a task that failed.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    /// Where it failed last, latest at the end.
    hosts: Vec<HostId>,
    /// The largest memory that was not enough.
    memory: Option<Bytes>,
}

/// The wait for a licence.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Licence {
    /// Nothing is sent before.
    pub until: Time,
    /// When one was missing last.
    since: Time,
    /// How often in a row.
    misses: u8,
}

impl Farm {
    /// An attempt failed; the task has no lease any more. `host` is absent where no host is to
    /// blame.
    pub(super) fn fail(&mut self, task: TaskId, host: Option<HostId>, fault: Fault) {
        match fault {
            Fault::NoLicence => {
                self.licence.missed(self.now);
                if !self.is_held(task) {
                    self.enqueue(task);
                }
            }
            Fault::Unrenderable => {
                let failures = self.count_failure(task);
                self.give_up(task, GiveUpReason::Failed { fault, failures });
            }
            // The adapter runs beside the controller: no host is the better or worse for it, and
            // none that rests would mend it.
            Fault::AdapterFault => self.retry(task, None, fault),
            Fault::MachineFault
            | Fault::OutOfMemory
            | Fault::Verify
            | Fault::TimeLimit
            | Fault::HostLost
            | Fault::Commit => self.retry(task, host, fault),
        }
    }

    fn count_failure(&mut self, task: TaskId) -> u8 {
        let failures = &mut self.rows[task.index()].failures;
        *failures = failures.saturating_add(1);
        *failures
    }

    fn retry(&mut self, task: TaskId, host: Option<HostId>, fault: Fault) {
        let failures = self.count_failure(task);
        if let Some(host) = host {
            let before = self.remember(task, host, fault);
            let elsewhere = before > 0;
            if before == 1 {
                // Where it failed does not matter: it is the task.
                self.acquit(task);
            }
            // A loss is blamed on the host once, not once for each task that it had begun.
            if fault != Fault::HostLost && !elsewhere {
                self.blame_host(host, task);
            }
        }
        if self.is_held(task) {
            // Another slot is at it: what comes of that decides.
            return;
        }
        if failures > self.job.limits().retries {
            self.give_up(task, GiveUpReason::Failed { fault, failures });
        } else {
            self.enqueue(task);
        }
    }

    /// Returns on how many other hosts the task had failed before.
    fn remember(&mut self, task: TaskId, host: HostId, fault: Fault) -> usize {
        let memory = self.hosts[host.index()].spec.memory;
        let trouble = self.trouble.entry(task).or_default();
        trouble.hosts.retain(|other| *other != host);
        let before = trouble.hosts.len();
        if trouble.hosts.len() == HOSTS_MAX {
            trouble.hosts.remove(0);
        }
        trouble.hosts.push(host);
        if fault == Fault::OutOfMemory {
            trouble.memory = trouble.memory.max(memory);
        }
        before
    }

    /// The first of two hosts on which a task failed was blamed for it, wrongly. (A failure of the
    /// other is not counted in the first place.)
    fn acquit(&mut self, task: TaskId) {
        let Some(host) = self
            .trouble
            .get(&task)
            .and_then(|trouble| trouble.hosts.first())
        else {
            return;
        };
        let host = &mut self.hosts[host.index()];
        host.streak = host.streak.saturating_sub(1);
        if host.last_failed == Some(task) {
            host.last_failed = None;
        }
    }

    pub(super) fn blame_host(&mut self, host: HostId, task: TaskId) {
        let (now, id) = (self.now, host);
        let host = &mut self.hosts[host.index()];
        if host.last_failed == Some(task) {
            return;
        }
        host.last_failed = Some(task);
        host.streak = host.streak.saturating_add(1);
        if host.streak >= REST_AFTER && host.rest_until.is_none_or(|until| until <= now) {
            let until = now + doubled(REST_MIN, host.rests, REST_MAX);
            host.rest_until = Some(until);
            host.rests = host.rests.saturating_add(1);
            self.resting.insert((until, id));
        }
    }

    /// A host proved that it can render.
    pub(super) fn clear_host(&mut self, host: HostId) {
        let host = &mut self.hosts[host.index()];
        host.streak = 0;
        host.last_failed = None;
        host.rests = 0;
    }

    /// A picture came of a segment sent at `sent`: if that was after the last miss, there are
    /// licences again.
    pub(super) fn licence_works(&mut self, sent: Time) {
        if self.licence.misses > 0 && sent > self.licence.since {
            self.licence = Licence::default();
            self.stirred = true;
        }
    }

    /// Whether a task may go to this host now, judged by where it failed before. A host is only
    /// passed over while a better one takes work, so no task waits for a host that never comes.
    pub(super) fn may_go_to(&self, task: TaskId, host: HostId) -> bool {
        let Some(trouble) = self.trouble.get(&task) else {
            return true;
        };
        let layer = &self.layers[self.job.layer_of(task).index()];
        let class = &self.classes[layer.class].hosts;
        let better = |wanted: &dyn Fn(HostId) -> bool| {
            class
                .iter()
                .any(|other| self.hosts[other.index()].is_usable(self.now) && wanted(*other))
        };
        let roomy = |host: HostId| self.is_roomy(trouble, host);
        let fresh = |host: HostId| !trouble.hosts.contains(&host);
        let last = |host: HostId| trouble.hosts.last() == Some(&host);
        if roomy(host) && fresh(host) {
            return true;
        }
        if !roomy(host) && better(&roomy) {
            return false;
        }
        // Among equally roomy hosts: one where it never failed, else not where it failed last.
        let peer = |other: HostId| roomy(other) == roomy(host);
        if better(&|other| peer(other) && fresh(other)) {
            return fresh(host);
        }
        !last(host) || !better(&|other| peer(other) && !last(other))
    }

    /// Whether it is remembered that a task failed on this host.
    pub(super) fn has_failed_on(&self, task: TaskId, host: HostId) -> bool {
        let trouble = self.trouble.get(&task);
        trouble.is_some_and(|trouble| trouble.hosts.contains(&host))
    }

    /// Whether a host has more memory than was not enough.
    fn is_roomy(&self, trouble: &Trouble, host: HostId) -> bool {
        match (trouble.memory, self.hosts[host.index()].spec.memory) {
            (None, _) => true,
            // Nobody knows how much it has; where it failed is remembered apart.
            (Some(_), None) => true,
            (Some(short), Some(has)) => has > short,
        }
    }
}

impl Licence {
    fn missed(&mut self, now: Time) {
        // Tasks of one segment, and of segments sent before, report the same shortage.
        if now < self.until {
            self.since = now;
            return;
        }
        self.until = now + doubled(LICENCE_MIN, self.misses, LICENCE_MAX);
        self.since = now;
        self.misses = self.misses.saturating_add(1);
    }
}

fn doubled(first: Span, times: u8, longest: Span) -> Span {
    first.times(1 << u32::from(times).min(20)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_limit() {
        let waits: Vec<u64> = (0..8)
            .map(|times| doubled(LICENCE_MIN, times, LICENCE_MAX).as_micros() / 1_000_000)
            .collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(doubled(REST_MIN, u8::MAX, REST_MAX), REST_MAX);
    }
}
