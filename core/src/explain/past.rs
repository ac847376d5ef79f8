//! What happened to one task: the fold of a journal that keeps everything of it and nothing else.
//!
//! A *try* is one segment that held the task. How it ended is read off the events that follow:
//! a task that turns up in another segment before its own was over was cut away; one whose segment
//! ended, or whose host was lost, before it was begun went back to wait. Like every fold here it
//! takes any event in any order.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Standing;
use crate::event::{Event, SentWhy, Stamped};
use crate::store::{VERDICT_COMMIT, VERDICT_LOST};

/// One segment that held the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Try {
    /// Its number.
    pub segment: u64,
    /// The host.
    pub host: String,
    /// Which of its slots.
    pub slot: u32,
    /// When it was sent.
    pub sent: Timestamp,
    /// Why there; absent in jobs of an older framewright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<SentWhy>,
    /// Which attempt it was, once it was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// When it was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// How.
    #[serde(flatten)]
    pub end: TryEnd,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum TryEnd {
    /// It has not.
    Open,
    /// Its picture was committed.
    Done {
        /// Seconds of rendering.
        render_s: f64,
        /// Seconds that were expected when it was begun.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        predicted_s: Option<f64>,
    },
    /// It failed.
    Failed {
        /// The verdict.
        verdict: String,
        /// One sentence.
        why: String,
    },
    /// It was cut away and given to another slot.
    CutAway {
        /// The segment that it then was in.
        to: u64,
    },
    /// Its segment ended before it was done.
    Returned,
    /// Its host was lost before it was begun.
    HostLost,
    /// Another try was done first.
    Beaten,
    /// The controller ended, or died.
    Interrupted,
}

/// What happened to one task.
#[derive(Clone, Debug)]
pub struct Past {
    task: String,
    tries: Vec<Try>,
    given_up: Option<String>,
    is_done: bool,
    attempts: u32,
    failures: u32,
}

impl Past {
    /// Nothing yet.
    #[must_use]
    pub fn of(task: &str) -> Self {
        Self {
            task: task.to_owned(),
            tries: Vec::new(),
            given_up: None,
            is_done: false,
            attempts: 0,
            failures: 0,
        }
    }

    /// Go on by one event.
    pub fn apply(&mut self, stamped: &Stamped) {
        let at = stamped.time;
        match &stamped.event {
            Event::JobStarted { .. } => {
                // A resume tries anew what was given up.
                self.given_up = None;
                self.failures = 0;
                self.close_all(at, |_| true, &TryEnd::Interrupted);
            }
            Event::JobEnded { .. } => self.close_all(at, |_| true, &TryEnd::Interrupted),
            Event::SegmentSent {
                segment,
                host,
                slot,
                tasks,
                why,
                ..
            } if tasks.contains(&self.task) => {
                let cut = TryEnd::CutAway { to: *segment };
                self.close_all(at, |one| one.begun.is_none(), &cut);
                self.tries.push(Try {
                    segment: *segment,
                    host: host.clone(),
                    slot: *slot,
                    sent: at,
                    why: *why,
                    attempt: None,
                    begun: None,
                    ended: None,
                    end: TryEnd::Open,
                });
            }
            Event::TaskStarted {
                segment,
                task,
                attempt,
                ..
            } if *task == self.task => {
                self.attempts = self.attempts.max(*attempt);
                if let Some(one) = self.open(*segment) {
                    one.attempt = Some(*attempt);
                    one.begun = Some(at);
                }
            }
            Event::TaskDone {
                segment,
                task,
                attempt,
                render_s,
                predicted_s,
                ..
            } if *task == self.task => {
                self.is_done = true;
                self.attempts = self.attempts.max(*attempt);
                let end = TryEnd::Done {
                    render_s: *render_s,
                    predicted_s: *predicted_s,
                };
                self.commit(*segment, at, end);
                self.close_all(at, |_| true, &TryEnd::Beaten);
            }
            Event::TaskFailed {
                segment,
                task,
                attempt,
                verdict,
                why,
                ..
            } if *task == self.task => self.fail(*segment, at, *attempt, verdict, why),
            Event::TaskGivenUp { task, why } if *task == self.task => {
                self.given_up = Some(why.clone());
            }
            Event::SegmentEnded { segment, .. } => self.close(*segment, at, TryEnd::Returned),
            Event::HostLost { host, .. } => {
                // What was begun is told apart, as a failure.
                let unbegun = |one: &Try| one.host == *host && one.begun.is_none();
                self.close_all(at, unbegun, &TryEnd::HostLost);
            }
            _ => {}
        }
    }

    fn fail(&mut self, segment: u64, at: Timestamp, attempt: u32, verdict: &str, why: &str) {
        self.attempts = self.attempts.max(attempt);
        self.failures += 1;
        let end = TryEnd::Failed {
            verdict: verdict.to_owned(),
            why: why.to_owned(),
        };
        // These two take a commit back that was told already.
        if verdict == VERDICT_COMMIT || verdict == VERDICT_LOST {
            self.is_done = false;
            let done =
                |one: &&mut Try| one.segment == segment && matches!(one.end, TryEnd::Done { .. });
            if let Some(one) = self.tries.iter_mut().rev().find(done) {
                one.ended = Some(at);
                one.end = end;
                return;
            }
        }
        self.close(segment, at, end);
    }

    fn open(&mut self, segment: u64) -> Option<&mut Try> {
        let wanted = |one: &&mut Try| one.segment == segment && one.end == TryEnd::Open;
        self.tries.iter_mut().rev().find(wanted)
    }

    /// A picture may be committed after its segment has ended.
    fn commit(&mut self, segment: u64, at: Timestamp, end: TryEnd) {
        let wanted = |one: &&mut Try| {
            one.segment == segment && matches!(one.end, TryEnd::Open | TryEnd::Returned)
        };
        if let Some(one) = self.tries.iter_mut().rev().find(wanted) {
            one.ended = Some(at);
            one.end = end;
        }
    }

    fn close(&mut self, segment: u64, at: Timestamp, end: TryEnd) {
        if let Some(one) = self.open(segment) {
            one.ended = Some(at);
            one.end = end;
        }
    }

    fn close_all(&mut self, at: Timestamp, which: impl Fn(&Try) -> bool, end: &TryEnd) {
        let open = |one: &&mut Try| one.end == TryEnd::Open && which(one);
        for one in self.tries.iter_mut().filter(open) {
            one.ended = Some(at);
            one.end = end.clone();
        }
    }

    /// Nobody works on the job any more: what is open was left by a controller that died.
    pub fn abandon(&mut self) {
        for one in &mut self.tries {
            if one.end == TryEnd::Open {
                one.end = TryEnd::Interrupted;
            }
        }
    }

    /// Where the task stands, as far as a journal can tell.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match &self.given_up {
            _ if self.is_done => Standing::Done,
            Some(why) => Standing::GivenUp { why: why.clone() },
            None => Standing::Left,
        }
    }

    /// Attempts that began.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Attempts that failed under the last controller.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The segments that held it, oldest first.
    #[must_use]
    pub fn into_tries(self) -> Vec<Try> {
        self.tries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::JobEnd;

    const TASK: &str = "all:7";

    fn past(events: Vec<Event>) -> Past {
        let mut past = Past::of(TASK);
        for (second, event) in (0..).zip(events) {
            past.apply(&Stamped {
                time: Timestamp::from_second(second).unwrap(),
                event,
            });
        }
        past
    }

    fn started() -> Event {
        Event::JobStarted {
            job: "j".into(),
            tasks: 9,
            skipped: 0,
            slots: 2,
            pid: 1,
            predicted_makespan_s: None,
        }
    }

    fn sent(segment: u64, host: &str, why: SentWhy) -> Event {
        Event::SegmentSent {
            segment,
            host: host.into(),
            slot: 0,
            tasks: vec!["all:6".into(), TASK.into()],
            why: Some(why),
            load_s: None,
            end_s: None,
        }
    }

    fn begun(segment: u64, attempt: u32) -> Event {
        Event::TaskStarted {
            segment,
            task: TASK.into(),
            attempt,
            host: "a".into(),
            slot: 0,
        }
    }

    fn failed(segment: u64, verdict: &str) -> Event {
        Event::TaskFailed {
            segment,
            task: TASK.into(),
            attempt: 1,
            host: "a".into(),
            slot: 0,
            verdict: verdict.into(),
            why: "because".into(),
        }
    }

    fn done(segment: u64) -> Event {
        Event::TaskDone {
            segment,
            task: TASK.into(),
            attempt: 2,
            host: "b".into(),
            slot: 0,
            render_s: 3.0,
            predicted_s: Some(2.5),
            file: None,
        }
    }

    fn over(segment: u64) -> Event {
        Event::SegmentEnded {
            segment,
            host: "a".into(),
            slot: 0,
        }
    }

    fn ends(past: &Past) -> Vec<(u64, TryEnd)> {
        let end = |one: &Try| (one.segment, one.end.clone());
        past.tries.iter().map(end).collect()
    }

    fn rendered() -> TryEnd {
        TryEnd::Done {
            render_s: 3.0,
            predicted_s: Some(2.5),
        }
    }

    #[test]
    fn a_tail_is_told_from_where_it_was_cut() {
        let past = past(vec![
            started(),
            sent(1, "a", SentWhy::Share),
            sent(2, "b", SentWhy::Tail { of: 1 }),
            begun(2, 1),
            done(2),
            over(2),
            over(1),
        ]);
        assert_eq!(
            ends(&past),
            [(1, TryEnd::CutAway { to: 2 }), (2, rendered())]
        );
        assert_eq!(past.tries[1].why, Some(SentWhy::Tail { of: 1 }));
        assert_eq!(past.standing(), Standing::Done);
    }

    #[test]
    fn a_lost_host_is_told_whether_it_had_begun_or_not() {
        let lost = || Event::HostLost {
            host: "a".into(),
            why: "killed".into(),
        };
        let unbegun = past(vec![sent(1, "a", SentWhy::Share), lost(), over(1)]);
        assert_eq!(ends(&unbegun), [(1, TryEnd::HostLost)]);
        assert_eq!(unbegun.standing(), Standing::Left);
        let begun = past(vec![
            sent(1, "a", SentWhy::Share),
            begun(1, 1),
            lost(),
            failed(1, "host-lost"),
            over(1),
            sent(2, "b", SentWhy::Share),
        ]);
        assert!(
            matches!(&begun.tries[0].end, TryEnd::Failed { verdict, .. } if verdict == "host-lost")
        );
        assert_eq!(begun.tries[1].end, TryEnd::Open);
        assert_eq!((begun.attempts(), begun.failures()), (1, 1));
    }

    #[test]
    fn what_a_controller_left_is_interrupted_and_what_it_gave_up_is_tried_again() {
        let mut events = vec![
            started(),
            sent(1, "a", SentWhy::Share),
            begun(1, 1),
            failed(1, "verify"),
            Event::TaskGivenUp {
                task: TASK.into(),
                why: "no picture".into(),
            },
        ];
        let why = "no picture".to_owned();
        assert_eq!(past(events.clone()).standing(), Standing::GivenUp { why });
        events.extend([started(), sent(2, "a", SentWhy::Share), started()]);
        let past = past(events);
        assert_eq!(past.standing(), Standing::Left);
        assert_eq!(past.tries[1].end, TryEnd::Interrupted);
        assert_eq!(past.failures(), 0);
    }

    #[test]
    fn a_segment_that_ended_first_gave_the_task_back() {
        let past = past(vec![
            sent(1, "a", SentWhy::Undivided),
            over(1),
            Event::JobEnded {
                state: JobEnd::Interrupted,
                done: 0,
                failed: 0,
                makespan_s: 1.0,
                lower_bound_s: None,
            },
        ]);
        assert_eq!(ends(&past), [(1, TryEnd::Returned)]);
        assert_eq!(
            past.tries[0].ended,
            Some(Timestamp::from_second(1).unwrap())
        );
    }

    #[test]
    fn a_picture_may_come_after_its_segment() {
        let past = past(vec![
            sent(1, "a", SentWhy::Share),
            begun(1, 1),
            over(1),
            done(1),
        ]);
        assert_eq!(ends(&past), [(1, rendered())]);
        assert_eq!(
            past.tries[0].ended,
            Some(Timestamp::from_second(3).unwrap())
        );
    }

    #[test]
    fn a_commit_that_was_taken_back_is_a_failure() {
        let past = past(vec![
            sent(1, "a", SentWhy::Share),
            begun(1, 1),
            done(1),
            failed(1, VERDICT_COMMIT),
        ]);
        assert!(matches!(&past.tries[0].end, TryEnd::Failed { .. }));
        assert_eq!(past.standing(), Standing::Left);
    }

    #[test]
    fn of_two_tries_at_once_the_later_one_is_beaten() {
        let past = past(vec![
            sent(1, "a", SentWhy::Share),
            begun(1, 1),
            sent(2, "b", SentWhy::Copy { of: 1 }),
            begun(2, 2),
            done(1),
            over(1),
            over(2),
        ]);
        assert_eq!(ends(&past), [(1, rendered()), (2, TryEnd::Beaten)]);
    }

    #[test]
    fn other_tasks_leave_no_trace() {
        let mut other = Past::of("all:8");
        for event in [sent(1, "a", SentWhy::Share), begun(1, 1), done(1), over(1)] {
            other.apply(&Stamped {
                time: Timestamp::UNIX_EPOCH,
                event,
            });
        }
        assert_eq!((other.tries.len(), other.attempts), (0, 0));
    }
}
