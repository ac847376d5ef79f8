//! What the events so far come to: the one account that bars, lines, summary and the JSON report
//! are drawn from.
//!
//! A pure fold. It reads no clock: events carry their time, and who asks for a rate or for time
//! passed says what time it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use framewright_core::event::{Event, JobEnd, Stamped};
use framewright_core::store::takes_back;
use jiff::Timestamp;

use super::assembly::Assembly;
use super::standings::{Hindrance, Standings};
use crate::documents::Failure;

/// Commits that the rate is taken over.
const RECENT_MAX: usize = 64;

/// A slot of a host, ordered as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SlotName {
    pub(crate) host: String,
    pub(crate) slot: u32,
}

impl std::fmt::Display for SlotName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.host, self.slot)
    }
}

/// What a slot is doing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Doing {
    /// It has no segment.
    Waiting,
    /// Its renderer starts and reads the scene.
    Loading,
    /// It renders this task.
    Rendering { task: String, fraction: f32 },
    /// The picture of this task is read.
    Verifying { task: String },
}

/// A slot.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) doing: Doing,
    /// Since when it does that.
    pub(crate) since: Timestamp,
    /// Whether its renderer has the scene.
    warm: bool,
    /// Segments sent and not ended; the next one may be sent before the last is over.
    segments: u32,
    busy_since: Option<Timestamp>,
    /// What the load is expected to take that was not heard of yet.
    expected_load_s: Option<f64>,
}

/// A host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Host {
    pub(crate) tasks: u32,
    pub(crate) busy_s: f64,
    pub(crate) load_s: f64,
    /// What its tasks were expected to take when they were begun; nothing where that is not told.
    pub(crate) predicted_s: Option<f64>,
    /// What its loads were expected to take.
    pub(crate) predicted_load_s: f64,
}

/// How the job ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct End {
    pub(crate) state: JobEnd,
    pub(crate) makespan_s: f64,
    pub(crate) lower_bound_s: Option<f64>,
}

/// The account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) job: Option<String>,
    pub(crate) total: u32,
    pub(crate) skipped: u32,
    pub(crate) segments: u64,
    pub(crate) loads: u64,
    pub(crate) load_s: f64,
    pub(crate) render_s: f64,
    /// Attempts that failed.
    pub(crate) attempts_failed: u64,
    pub(crate) slots: BTreeMap<SlotName, Slot>,
    pub(crate) hosts: BTreeMap<String, Host>,
    /// Tasks given up, in order.
    pub(crate) failures: Vec<Failure>,
    /// What is put together of committed pictures.
    pub(crate) assembly: Assembly,
    /// Tasks committed by this controller, and where, if anywhere.
    pub(crate) done: BTreeMap<String, Option<String>>,
    pub(crate) warnings: Vec<String>,
    pub(crate) stopping: bool,
    pub(crate) end: Option<End>,
    /// Seconds until the end, as planned before the start.
    pub(crate) predicted_makespan_s: Option<f64>,
    /// When the first task was begun: the rate leaves the first load out.
    rate_from: Option<Timestamp>,
    standings: Standings,
    failed_attempts: BTreeMap<String, u32>,
    recent: VecDeque<Timestamp>,
}

impl Tally {
    /// Takes an event in.
    pub(crate) fn apply(&mut self, stamped: &Stamped) {
        let now = stamped.time;
        self.standings.apply(&stamped.event, now);
        match &stamped.event {
            Event::JobStarted {
                job,
                tasks,
                skipped,
                slots: _,
                pid: _,
                predicted_makespan_s,
                history: _,
                pictures,
                pictures_skipped,
            } => {
                self.assembly.counts.total = *pictures;
                self.assembly.counts.done = *pictures_skipped;
                self.predicted_makespan_s = *predicted_makespan_s;
                self.job = Some(job.clone());
                self.total = *tasks;
                self.skipped = *skipped;
            }
            Event::HostUp { host, slots } => {
                self.hosts.entry(host.clone()).or_default();
                for slot in 0..*slots {
                    self.slot(host, slot, now);
                }
            }
            Event::HostLost { host, why: _ } | Event::HostDrained { host } => {
                let lost: Vec<SlotName> = self
                    .slots
                    .keys()
                    .filter(|name| name.host == *host)
                    .cloned()
                    .collect();
                for name in lost {
                    self.slots
                        .get_mut(&name)
                        .into_iter()
                        .for_each(|slot| slot.segments = 0);
                    self.idle(&name, now);
                    self.slots.remove(&name);
                }
            }
            Event::SegmentSent {
                segment: _,
                host,
                slot,
                tasks: _,
                why: _,
                load_s,
                end_s: _,
            } => {
                self.segments += 1;
                let slot = self.slot(host, *slot, now);
                slot.expected_load_s = load_s.or(slot.expected_load_s);
                slot.segments += 1;
                slot.busy_since.get_or_insert(now);
                if slot.doing == Doing::Waiting && !slot.warm {
                    slot.turn(Doing::Loading, now);
                }
            }
            Event::RunStarted { host, slot, pid: _ } => {
                let slot = self.slot(host, *slot, now);
                slot.warm = false;
                slot.turn(Doing::Loading, now);
            }
            Event::Loaded {
                segment: _,
                host,
                slot,
                load_s,
            } => {
                self.loads += 1;
                self.load_s += load_s;
                let slot = self.slot(host, *slot, now);
                slot.warm = true;
                if slot.doing == Doing::Loading {
                    slot.turn(Doing::Waiting, now);
                }
                let expected = slot.expected_load_s.take().unwrap_or(0.0);
                let host = self.hosts.entry(host.clone()).or_default();
                host.load_s += load_s;
                host.predicted_load_s += expected;
            }
            Event::TaskStarted {
                segment: _,
                task,
                attempt: _,
                host,
                slot,
            } => {
                self.rate_from.get_or_insert(now);
                let slot = self.slot(host, *slot, now);
                slot.turn(
                    Doing::Rendering {
                        task: task.clone(),
                        fraction: 0.0,
                    },
                    now,
                );
            }
            Event::Progress {
                segment: _,
                task,
                host,
                slot,
                fraction,
            } => {
                let slot = self.slot(host, *slot, now);
                match &mut slot.doing {
                    Doing::Rendering {
                        task: current,
                        fraction: shown,
                    } if current == task => *shown = *fraction,
                    _ => slot.turn(
                        Doing::Rendering {
                            task: task.clone(),
                            fraction: *fraction,
                        },
                        now,
                    ),
                }
            }
            Event::TaskVerifying {
                segment: _,
                task,
                host,
                slot,
            } => {
                self.slot(host, *slot, now)
                    .turn(Doing::Verifying { task: task.clone() }, now);
            }
            Event::TaskDone {
                segment: _,
                task,
                attempt: _,
                host,
                slot,
                render_s,
                predicted_s,
                file,
            } => {
                self.done
                    .insert(task.clone(), file.as_ref().map(|file| file.path.clone()));
                self.render_s += render_s;
                let sums = self.hosts.entry(host.clone()).or_default();
                sums.tasks += 1;
                sums.predicted_s = match (sums.predicted_s, predicted_s) {
                    (before, None) => before,
                    (before, Some(more)) => Some(before.unwrap_or(0.0) + more),
                };
                self.recent.push_back(now);
                if self.recent.len() > RECENT_MAX {
                    self.recent.pop_front();
                }
                self.task_over(host, *slot, task, now);
            }
            Event::TaskFailed {
                segment: _,
                task,
                attempt: _,
                host,
                slot,
                verdict,
                why: _,
            } => {
                self.attempts_failed += 1;
                if takes_back(verdict) {
                    self.done.remove(task);
                }
                *self.failed_attempts.entry(task.clone()).or_default() += 1;
                self.task_over(host, *slot, task, now);
            }
            Event::TaskGivenUp { task, why } => {
                let attempts = self.failed_attempts.get(task).copied().unwrap_or(0);
                self.failures.push(Failure {
                    task: task.clone(),
                    attempts,
                    why: why.clone(),
                });
            }
            Event::SegmentEnded {
                segment: _,
                host,
                slot,
            } => {
                let name = SlotName {
                    host: host.clone(),
                    slot: *slot,
                };
                if let Some(slot) = self.slots.get_mut(&name) {
                    slot.segments = slot.segments.saturating_sub(1);
                    if slot.segments == 0 {
                        self.idle(&name, now);
                    }
                }
            }
            Event::HostSilent { .. }
            | Event::HostHeard { .. }
            | Event::HostClosed { .. }
            | Event::HostOpened { .. }
            | Event::SlotWaiting { .. }
            | Event::SlotLeased { .. }
            | Event::Staged { .. }
            | Event::HostJoined { .. } => {}
            Event::Assembling { .. }
            | Event::Assembled { .. }
            | Event::AssemblyFailed { .. }
            | Event::Seam { .. }
            | Event::ReelBegun { .. }
            | Event::Reel { .. }
            | Event::ReelFailed { .. } => self.assembly.apply(&stamped.event, now),
            Event::Warning { text } => self.warnings.push(text.clone()),
            Event::Stopping => self.stopping = true,
            Event::JobEnded {
                state,
                done: _,
                failed: _,
                makespan_s,
                lower_bound_s,
            } => {
                self.end = Some(End {
                    state: *state,
                    makespan_s: *makespan_s,
                    lower_bound_s: *lower_bound_s,
                });
                let names: Vec<SlotName> = self.slots.keys().cloned().collect();
                for name in names {
                    self.idle(&name, now);
                }
            }
        }
    }

    fn slot(&mut self, host: &str, slot: u32, now: Timestamp) -> &mut Slot {
        self.slots
            .entry(SlotName {
                host: host.to_owned(),
                slot,
            })
            .or_insert_with(|| Slot {
                doing: Doing::Waiting,
                since: now,
                warm: false,
                segments: 0,
                busy_since: None,
                expected_load_s: None,
            })
    }

    fn idle(&mut self, name: &SlotName, now: Timestamp) {
        let Some(slot) = self.slots.get_mut(name) else {
            return;
        };
        slot.turn(Doing::Waiting, now);
        if let Some(since) = slot.busy_since.take() {
            self.hosts.entry(name.host.clone()).or_default().busy_s += seconds(since, now);
        }
    }

    /// The slot that worked on the task has it no more. Another one may be shown already.
    fn task_over(&mut self, host: &str, slot: u32, task: &str, now: Timestamp) {
        let slot = self.slot(host, slot, now);
        match &slot.doing {
            Doing::Rendering { task: current, .. } | Doing::Verifying { task: current }
                if current == task =>
            {
                slot.turn(Doing::Waiting, now);
            }
            Doing::Waiting | Doing::Loading | Doing::Rendering { .. } | Doing::Verifying { .. } => {
            }
        }
    }

    /// Tasks committed by this controller.
    fn done_count(&self) -> u32 {
        u32::try_from(self.done.len()).unwrap_or(u32::MAX)
    }

    /// Tasks that are settled one way or the other.
    pub(crate) fn settled(&self) -> u32 {
        let given_up = u32::try_from(self.failures.len()).unwrap_or(u32::MAX);
        self.skipped
            .saturating_add(self.done_count())
            .saturating_add(given_up)
    }

    /// Committed tasks, earlier ones included.
    pub(crate) fn committed(&self) -> u32 {
        self.skipped.saturating_add(self.done_count())
    }

    /// Tasks that are being rendered or checked; one that two slots try is one.
    pub(crate) fn running(&self) -> usize {
        let tasks: BTreeSet<&str> = self.slots.values().filter_map(Slot::task).collect();
        tasks.len()
    }

    /// Tasks that a host renders or checks.
    pub(crate) fn running_on(&self, host: &str) -> usize {
        let slots = self.slots.iter().filter(|(name, _)| name.host == host);
        slots.filter_map(|(_, slot)| slot.task()).count()
    }

    /// What keeps a slot from working. A slot that works is not kept from it by a host that takes
    /// nothing new.
    pub(crate) fn hindrance(&self, name: &SlotName) -> Option<Hindrance<'_>> {
        let is_idle = || {
            let slot = self.slots.get(name);
            slot.is_none_or(|slot| slot.doing == Doing::Waiting && slot.segments == 0)
        };
        match self.standings.hindrance(name)? {
            silent @ Hindrance::Silent { .. } => Some(silent),
            other @ (Hindrance::Held { .. } | Hindrance::Closed { .. }) => {
                is_idle().then_some(other)
            }
        }
    }

    /// Committed tasks a minute, over the latest commits. When no commit has come for longer than
    /// is usual, the wait counts too, so that the rate falls.
    pub(crate) fn per_minute(&self, now: Timestamp) -> Option<f64> {
        let (first, count) = if self.recent.len() < RECENT_MAX {
            (self.rate_from?, self.recent.len())
        } else {
            (*self.recent.front()?, self.recent.len() - 1)
        };
        let last = *self.recent.back()?;
        let span_s = seconds(first, last);
        let usual_s = span_s / count as f64;
        let overdue_s = seconds(last, now) - 2.0 * usual_s;
        let span_s = if overdue_s > 0.0 {
            span_s + overdue_s
        } else {
            span_s
        };
        (span_s > 0.0).then(|| count as f64 * 60.0 / span_s)
    }

    /// Seconds until the end, by the rate.
    pub(crate) fn eta_s(&self, now: Timestamp) -> Option<f64> {
        let left = self.total.saturating_sub(self.settled());
        if left == 0 {
            return None;
        }
        Some(f64::from(left) * 60.0 / self.per_minute(now)?)
    }
}

impl Slot {
    /// The task that is being rendered or checked.
    fn task(&self) -> Option<&str> {
        match &self.doing {
            Doing::Rendering { task, .. } | Doing::Verifying { task } => Some(task),
            Doing::Waiting | Doing::Loading => None,
        }
    }

    fn turn(&mut self, doing: Doing, now: Timestamp) {
        // From one task to the check of the same task, and so on: each its own time.
        if self.doing != doing {
            self.doing = doing;
            self.since = now;
        }
    }
}

/// From `a` to `b`, never negative: clocks are set back now and then.
pub(crate) fn seconds(a: Timestamp, b: Timestamp) -> f64 {
    b.duration_since(a).as_secs_f64().max(0.0)
}

#[cfg(test)]
mod tests {
    use framewright_core::store::VERDICT_COMMIT;

    use super::super::script::*;
    use super::*;

    #[test]
    fn a_slot_is_shown_loading_rendering_verifying_waiting() {
        let mut tally = Tally::default();
        let name = SlotName {
            host: "n1".into(),
            slot: 0,
        };
        let mut step = |event| {
            tally.apply(&event);
            tally.slots.get(&name).map(|slot| slot.doing.clone())
        };
        assert_eq!(step(at(0, started(2))), None);
        assert_eq!(step(at(0, up("n1", 1))), Some(Doing::Waiting));
        assert_eq!(
            step(at(0, sent(1, "n1", 0, &["a:1", "a:2"]))),
            Some(Doing::Loading)
        );
        assert_eq!(step(at(2, loaded(1, "n1", 0, 2.0))), Some(Doing::Waiting));
        assert_eq!(
            step(at(2, begun(1, "a:1", "n1", 0))),
            Some(Doing::Rendering {
                task: "a:1".into(),
                fraction: 0.0
            })
        );
        assert_eq!(
            step(at(3, progress(1, "a:1", "n1", 0, 0.5))),
            Some(Doing::Rendering {
                task: "a:1".into(),
                fraction: 0.5
            })
        );
        assert_eq!(
            step(at(4, verifying(1, "a:1", "n1", 0))),
            Some(Doing::Verifying { task: "a:1".into() })
        );
        assert_eq!(
            step(at(4, done(1, "a:1", "n1", 0, 2.0))),
            Some(Doing::Waiting)
        );
        assert_eq!(step(at(5, ended(1, "n1", 0))), Some(Doing::Waiting));
        assert_eq!((tally.committed(), tally.loads, tally.segments), (1, 1, 1));
        assert_eq!(tally.hosts["n1"].busy_s, 5.0);
    }

    #[test]
    fn a_warm_slot_is_not_shown_loading() {
        let mut tally = Tally::default();
        for event in [
            sent(1, "n1", 0, &["a:1"]),
            loaded(1, "n1", 0, 1.0),
            ended(1, "n1", 0),
            sent(2, "n1", 0, &["a:2"]),
        ] {
            tally.apply(&at(0, event));
        }
        assert!(
            tally
                .slots
                .values()
                .all(|slot| slot.doing == Doing::Waiting)
        );
    }

    #[test]
    fn the_next_segment_sent_early_keeps_the_slot_busy() {
        let mut tally = Tally::default();
        tally.apply(&at(0, sent(1, "n1", 0, &["a:1"])));
        tally.apply(&at(8, sent(2, "n1", 0, &["a:2"])));
        tally.apply(&at(10, ended(1, "n1", 0)));
        assert_eq!(tally.hosts.get("n1").map_or(0.0, |host| host.busy_s), 0.0);
        tally.apply(&at(20, ended(2, "n1", 0)));
        assert_eq!(tally.hosts["n1"].busy_s, 20.0);
    }

    #[test]
    fn rate_and_time_left_follow_the_commits() {
        let mut tally = Tally::default();
        tally.apply(&at(-60, started(10)));
        tally.apply(&at(0, begun(1, "a:1", "n1", 0)));
        assert_eq!(tally.eta_s(time(1)), None);
        for n in 1..=4 {
            tally.apply(&at(n * 6, done(1, &format!("a:{n}"), "n1", 0, 6.0)));
        }
        assert_eq!(tally.per_minute(time(24)), Some(10.0));
        assert_eq!(tally.eta_s(time(24)), Some(36.0));
        assert!(
            tally.per_minute(time(600)).unwrap() < 1.0,
            "a stall is not shown"
        );
    }

    #[test]
    fn a_task_given_up_counts_its_attempts() {
        let mut tally = Tally::default();
        tally.apply(&at(0, started(1)));
        tally.apply(&at(1, failed(1, "a:1", 1, "n1", 0)));
        tally.apply(&at(2, failed(2, "a:1", 2, "n2", 0)));
        tally.apply(&at(2, given_up("a:1")));
        assert_eq!(
            tally.failures,
            [Failure {
                task: "a:1".into(),
                attempts: 2,
                why: "no picture".into()
            }]
        );
        assert_eq!(tally.settled(), 1);
    }

    #[test]
    fn a_commit_that_is_taken_back_counts_no_more() {
        let mut tally = Tally::default();
        tally.apply(&at(0, started(1)));
        tally.apply(&at(1, done(1, "a:1", "n1", 0, 1.0)));
        assert_eq!(tally.committed(), 1);
        let mut event = failed(1, "a:1", 1, "n1", 0);
        if let Event::TaskFailed { verdict, .. } = &mut event {
            *verdict = VERDICT_COMMIT.into();
        }
        tally.apply(&at(1, event));
        assert_eq!((tally.committed(), tally.done.len()), (0, 0));
    }

    #[test]
    fn a_task_that_two_slots_try_is_one_frame_and_its_loser_no_failure() {
        let mut tally = Tally::default();
        for event in [
            at(0, started(1)),
            at(0, up("n1", 1)),
            at(0, up("n2", 1)),
            at(0, sent(1, "n2", 0, &["a:1"])),
            at(0, begun(1, "a:1", "n2", 0)),
            at(5, sent(2, "n1", 0, &["a:1"])),
            at(5, begun(2, "a:1", "n1", 0)),
            at(6, progress(1, "a:1", "n2", 0, 0.1)),
        ] {
            tally.apply(&event);
        }
        assert_eq!(tally.running(), 1);
        for event in [
            at(8, verifying(2, "a:1", "n1", 0)),
            at(8, ended(2, "n1", 0)),
            at(8, done(2, "a:1", "n1", 0, 3.0)),
            at(9, ended(1, "n2", 0)),
        ] {
            tally.apply(&event);
        }
        assert_eq!((tally.settled(), tally.running()), (1, 0));
        assert_eq!((tally.attempts_failed, tally.failures.len()), (0, 0));
        let tasks = |host: &str| (tally.hosts[host].tasks, tally.hosts[host].busy_s);
        assert_eq!((tasks("n1"), tasks("n2")), ((1, 3.0), (0, 9.0)));
    }

    #[test]
    fn a_lost_host_takes_its_slots_with_it() {
        let mut tally = Tally::default();
        tally.apply(&at(0, up("n1", 2)));
        tally.apply(&at(0, up("n2", 1)));
        tally.apply(&at(0, sent(1, "n1", 0, &["a:1"])));
        tally.apply(&at(
            3,
            Event::HostLost {
                host: "n1".into(),
                why: "x".into(),
            },
        ));
        assert_eq!(tally.slots.len(), 1);
        assert_eq!(tally.hosts["n1"].busy_s, 3.0);
    }
}
