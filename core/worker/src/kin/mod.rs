//! Everything that descends from this worker, and how it is ended.
//!
//! A renderer may start helpers, the helpers may leave its process group (`setsid`), ignore
//! SIGTERM, and lose their parent. The worker is a child subreaper, so whatever loses its parent
//! becomes the worker's own child; from there three marks say whose it is: the process group,
//! the ancestry, and the tags in its environment. Only a process that left all three behind, and
//! lost its parent while other runs go on, is not recognised at once: it ends when no run is left.
//!
//! Invariant: nobody here waits for a process that a slot started. Those are children of slot
//! threads; what is adopted becomes a child of the process's main thread, which starts nothing.

mod adopted;
mod process;
mod sweep;

pub(crate) use process::{born, timespec};
pub(crate) use sweep::sweep_host;
pub use sweep::{sweep_job, sweep_tagged};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process_group};

use crate::message::RunId;
use adopted::Adopted;
use process::{Process, ProcessKey};

/// How long one clearing may take before what is left is given up: such a process hangs in the
/// kernel, where no signal reaches it.
const CLEAR_MAX: Duration = Duration::from_secs(2);

/// The environment variables that mark what a worker starts.
pub(crate) mod tag {
    pub(crate) const JOB: &str = "FRAMEWRIGHT_JOB";
    pub(crate) const HOST: &str = "FRAMEWRIGHT_HOST";
    pub(crate) const SLOT: &str = "FRAMEWRIGHT_SLOT";
    pub(crate) const WORKER: &str = "FRAMEWRIGHT_WORKER";
    pub(crate) const RUN: &str = "FRAMEWRIGHT_RUN";
}

/// Processes seen before the polite signal, whose marks may be gone when their parents are.
#[derive(Debug, Default)]
pub(crate) struct Family(BTreeSet<ProcessKey>);

/// The runs that live on this worker, and the orphans that came to it.
pub(crate) struct Kin {
    worker: Pid,
    adopted: Adopted,
    /// Each with its process group, which is also its first process.
    live: Mutex<BTreeMap<RunId, Option<Pid>>>,
}

impl Kin {
    /// Makes this process the one that orphans of its descendants come to.
    pub(crate) fn new() -> std::io::Result<Self> {
        let worker = rustix::process::getpid();
        rustix::process::set_child_subreaper(Some(worker))?;
        Ok(Self {
            worker,
            adopted: Adopted::of(worker),
            live: Mutex::new(BTreeMap::new()),
        })
    }

    /// A run is about to start: what carries its tag is not a leftover.
    pub(crate) fn expect(&self, run: RunId) {
        self.lock().insert(run, None);
    }

    /// It has started.
    pub(crate) fn started(&self, run: RunId, group: Pid) {
        self.lock().insert(run, Some(group));
    }

    /// It has not started.
    pub(crate) fn forget(&self, run: RunId) {
        self.lock().remove(&run);
    }

    /// Everything that descends from a run now.
    pub(crate) fn family(&self, group: Pid) -> Family {
        let all = process::all();
        let roots = all
            .iter()
            .filter(|process| process.key.is(group) || process.group == Some(group))
            .map(|process| process.key)
            .collect();
        Family(with_descendants(&all, roots))
    }

    /// Ends what a run left behind after its first process was waited for, and forgets the run.
    /// Costs two system calls when it left nothing.
    pub(crate) fn clear(&self, run: RunId, group: Pid, family: &Family) {
        let deadline = Instant::now() + CLEAR_MAX;
        loop {
            let mut adopted = self.adopted.list();
            adopted.retain(|pid| !process::reap_orphan(*pid));
            let group_left = test_kill_process_group(group).is_ok();
            if !group_left && adopted.is_empty() && family.0.is_empty() {
                break;
            }
            let orphans = self.orphans_of(run, group, &adopted);
            if !group_left && orphans.is_empty() && family.0.is_empty() {
                break;
            }
            let all = process::all();
            let mut left = orphans;
            left.extend(family.0.iter().copied());
            left.extend(
                all.iter()
                    .filter(|process| process.group == Some(group))
                    .map(|process| process.key),
            );
            let left = with_descendants(&all, left);
            if !process::end_all(&living(&all, &left), deadline) {
                break;
            }
        }
        self.forget(run);
    }

    /// Waits for orphans that have ended, so that they do not stay as zombies.
    pub(crate) fn reap_adopted(&self) {
        for pid in self.adopted.list() {
            process::reap_orphan(pid);
        }
    }

    /// Ends every descendant of this worker, whoever's it is.
    pub(crate) fn clear_all(&self) {
        let deadline = Instant::now() + CLEAR_MAX;
        loop {
            self.reap_adopted();
            let all = process::all();
            let children = all
                .iter()
                .filter(|process| process.parent == Some(self.worker))
                .map(|process| process.key)
                .collect();
            let mut left = with_descendants(&all, children);
            left.extend(process::tagged(&all, tag::WORKER, &self.worker_tag()));
            left.retain(|key| !key.is(self.worker));
            if !process::end_all(&living(&all, &left), deadline) {
                break;
            }
        }
        self.reap_adopted();
    }

    /// Those orphans that belong to this run, or to none that still lives.
    fn orphans_of(&self, run: RunId, group: Pid, adopted: &[Pid]) -> BTreeSet<ProcessKey> {
        if adopted.is_empty() {
            return BTreeSet::new();
        }
        // The orphans were listed before this look at what lives, so an orphan of a run that
        // starts from now on is not among them.
        let mut others = self.lock().clone();
        others.remove(&run);
        adopted
            .iter()
            .filter_map(|pid| Process::read(*pid))
            .filter(|orphan| orphan.group == Some(group) || !self.may_be_of(orphan, &others))
            .map(|orphan| orphan.key)
            .collect()
    }

    /// Whether an orphan is, or can be, one of these runs'.
    fn may_be_of(&self, orphan: &Process, runs: &BTreeMap<RunId, Option<Pid>>) -> bool {
        if runs.is_empty() {
            return false;
        }
        if orphan.group.is_some() && runs.values().any(|group| *group == orphan.group) {
            return true;
        }
        let environment = process::environment(orphan.key);
        let tagged = process::has(&environment, tag::WORKER, &self.worker_tag());
        !tagged
            || runs
                .keys()
                .any(|run| process::has(&environment, tag::RUN, &run.0.to_string()))
    }

    fn worker_tag(&self) -> String {
        self.worker.as_raw_nonzero().to_string()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RunId, Option<Pid>>> {
        // The map is whole whoever panicked.
        match self.live.lock() {
            Ok(live) => live,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// These processes and everything below them.
fn with_descendants(all: &[Process], roots: BTreeSet<ProcessKey>) -> BTreeSet<ProcessKey> {
    let mut found = roots;
    loop {
        let parents: BTreeSet<i32> = found.iter().map(|key| key.number()).collect();
        let before = found.len();
        found.extend(
            all.iter()
                .filter(|process| parents.contains(&process.parent_number()))
                .map(|process| process.key),
        );
        if found.len() == before {
            return found;
        }
    }
}

/// Those of `wanted` that have not ended.
fn living(all: &[Process], wanted: &BTreeSet<ProcessKey>) -> BTreeSet<ProcessKey> {
    all.iter()
        .filter(|process| !process.zombie && wanted.contains(&process.key))
        .map(|process| process.key)
        .collect()
}
