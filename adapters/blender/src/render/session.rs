//! The work of a Blender that keeps its scene: tasks go in one by one, each comes back twice.
//!
//! `done` is said on standard output and on standard error; a task is judged when both were
//! heard, because only then is every line about it here (a full disk shows on standard error
//! while standard output says `Saved`).

use std::collections::VecDeque;

use framewright_plugin_api::Effects;
use framewright_plugin_api::data::{Stream, Verdict};
use serde_json::json;

use super::gauge::Gauge;
use super::queue::{Given, Queue};
use crate::clues::{Clues, Heard, Ruling};
use crate::lines::{LayerAt, Message};
use crate::settings::Settings;

/// Where tasks take less than this, one more is sent ahead so that Blender never waits for it.
/// A task that was sent cannot be given to another host any more, so slow ones are not.
const AHEAD_BELOW_S: f64 = 1.0;

/// A task inside Blender.
#[derive(Debug)]
struct Flight {
    given: Given,
    gauge: Option<Gauge>,
    said_out: Option<Said>,
    said_err: bool,
    heard: Heard,
}

/// What `done` said on standard output.
#[derive(Debug)]
struct Said {
    ok: bool,
    path: String,
    error: String,
    blame: String,
}

/// A sticky process's work.
#[derive(Debug, Default)]
pub struct Work {
    flights: VecDeque<Flight>,
    quick: bool,
    /// Its standard input is closed: it ends after what it has.
    pub closing: bool,
}

impl Work {
    /// Whether it could take a task more.
    pub fn has_room(&self) -> bool {
        let room = if self.quick { 2 } else { 1 };
        !self.closing && self.flights.len() < room
    }

    /// Whether it has nothing to do.
    pub fn is_idle(&self) -> bool {
        self.flights.is_empty()
    }

    /// Sends a task.
    pub fn send(&mut self, run: u32, given: Given, out: &mut Effects) {
        let task = &given.task;
        let mut document = json!({
            "task": task.task, "attempt": task.attempt, "layer": task.layer,
            "frame": task.frame, "tile": task.tile, "output": task.output,
        });
        if task.reduced > 1 {
            document["reduced"] = task.reduced.into();
        }
        out.write(run, format!("{document}\n"));
        self.flights.push_back(Flight {
            given,
            gauge: None,
            said_out: None,
            said_err: false,
            heard: Heard::default(),
        });
    }

    /// A step of the render of the first task.
    pub fn render(&mut self, at: LayerAt, out: &mut Effects) {
        let Some(flight) = self.flights.front_mut() else {
            return;
        };
        if let Some(fraction) = flight.gauge.as_mut().and_then(|gauge| gauge.see(at)) {
            out.progress(flight.given.segment, flight.given.task.task, fraction);
        }
    }

    /// A message; whether a task succeeded with it. An error is a message that makes no sense.
    pub fn message(
        &mut self,
        stream: Stream,
        message: Message,
        clues: &mut Clues,
        settings: Settings,
        out: &mut Effects,
    ) -> Result<bool, ()> {
        match message {
            Message::Begin { task, layers } => {
                let flight = self.front(task).ok_or(())?;
                flight.gauge = Some(Gauge::new(layers));
                out.progress(flight.given.segment, task, 0.0);
                Ok(false)
            }
            Message::Done {
                task,
                ok,
                path,
                error,
                blame,
                seconds,
            } => {
                let flight = self.front(task).ok_or(())?;
                let before = std::mem::take(&mut flight.heard);
                flight.heard = before.join(clues.task_ends(stream));
                if stream == Stream::Stderr {
                    flight.said_err = true;
                } else {
                    flight.said_out = Some(Said {
                        ok,
                        path,
                        error,
                        blame,
                    });
                    self.quick = seconds < AHEAD_BELOW_S && ok;
                }
                Ok(self.conclude(clues, settings, out))
            }
            Message::Preflight { .. }
            | Message::Refused { .. }
            | Message::Ready { .. }
            | Message::Moved
            | Message::Scene(_)
            | Message::Layer { .. }
            | Message::Asset { .. }
            | Message::Warning { .. }
            | Message::End => Ok(false),
        }
    }

    fn front(&mut self, task: u32) -> Option<&mut Flight> {
        // Standard error may run ahead of standard output by a task.
        self.flights
            .iter_mut()
            .find(|one| one.given.task.task == task)
    }

    /// Ends the first task once both streams have told of it.
    fn conclude(&mut self, clues: &Clues, settings: Settings, out: &mut Effects) -> bool {
        let mut succeeded = false;
        while self
            .flights
            .front()
            .is_some_and(|one| one.said_out.is_some() && one.said_err)
        {
            if let Some(flight) = self.flights.pop_front() {
                succeeded |= flight.end(clues, settings, out);
            }
        }
        succeeded
    }

    /// The process has ended: the task that it was at, the rest goes back. A task of which
    /// standard output had told is ended by that.
    pub fn wreck(
        &mut self,
        queue: &mut Queue,
        clues: &Clues,
        settings: Settings,
        out: &mut Effects,
    ) -> Option<Given> {
        while self
            .flights
            .front()
            .is_some_and(|one| one.said_out.is_some())
        {
            if let Some(mut flight) = self.flights.pop_front() {
                flight.heard = flight.heard.join(clues.since());
                flight.end(clues, settings, out);
            }
        }
        let blamed = self.flights.pop_front().map(|flight| flight.given);
        while let Some(flight) = self.flights.pop_back() {
            queue.give_back(flight.given);
        }
        blamed
    }
}

impl Flight {
    fn end(self, clues: &Clues, settings: Settings, out: &mut Effects) -> bool {
        let (segment, task) = (self.given.segment, self.given.task.task);
        let Some(said) = self.said_out else {
            return false;
        };
        let wrong: Option<Ruling> = if said.ok {
            clues.of_written(&self.heard, settings)
        } else {
            Some(Clues::of_error(&self.heard, &said.error, &said.blame))
        };
        match wrong {
            Some(ruling) => out.done(segment, task, ruling.verdict, ruling.sentence()),
            None => {
                out.wrote(segment, task, said.path);
                out.done(segment, task, Verdict::Succeeded, "");
            }
        }
        said.ok
    }
}
