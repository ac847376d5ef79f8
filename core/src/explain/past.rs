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
use crate::store::takes_back;

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
        // It may take a commit back that was told already.
        if takes_back(verdict) {
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
mod tests;
