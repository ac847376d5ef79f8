//! A task or a few at a time: where the renderer stays loaded and a send takes no time, the best a
//! slot can do is to take a little and come again. Nothing has to be known in advance then, and
//! nothing lies behind a task that turns out dear.
//!
//! Only towards the end there is something to decide: a slot that would be at its task still when
//! all the others are done leaves it to them. When all are done is reckoned now and then, not for
//! each slot, so that taking a task costs the same on a large farm as on a small one. A slot that
//! declines is looked at closely, all slots and whole tasks counted ([`super::dispatch`]).

use super::Farm;
use super::carve::Amount;
use super::dispatch::{Solved, Wanted};
use super::share::{Reach, level};
use crate::ids::{LayerId, SlotId};
use crate::policy::Policy;
use crate::time::Span;

/// What was reckoned holds for this part of what is left of the time.
const SOLVED_PART: f64 = 0.05;
/// A slot takes at most one of so many parts of what it could do until the end.
const PARTS: f64 = 4.0;
/// Where sends keep a distance, a task must take this many times as long as one send to each slot.
const ROUNDS: f64 = 2.0;

impl Farm {
    /// Whether slots take a little at a time.
    pub(super) fn streams(&self, wanted: &Wanted) -> bool {
        let interval = self.job.pace().dispatch_interval.as_secs_f64();
        self.job.policy() == Policy::Auto
            && self.job.is_kept()
            && wanted.each >= ROUNDS * interval * self.slots.len() as f64
    }

    /// Seconds at speed 1 that a slot of this speed takes at a time, in whole tasks.
    pub(super) fn chunk(&self, each: f64, speed: f64) -> f64 {
        (self.shortest_s() * speed / each).ceil().max(1.0) * each
    }

    /// Sends to the idle slots that would be done in time. Returns those that are to be looked at
    /// closely.
    pub(super) fn stream(
        &mut self,
        wanted: &Wanted,
        layers: &[LayerId],
        idle: &[SlotId],
    ) -> Vec<SlotId> {
        let solved = self.solve(wanted, idle);
        let limit = solved.ends.max(solved.latest);
        let mut declined = Vec::new();
        for (place, slot) in idle.iter().enumerate() {
            if !self.may_send(*slot) {
                continue;
            }
            let speed = self.speed(*slot);
            let room = (limit.since(self.now).as_secs_f64() - self.load_ahead(*slot)) * speed;
            let smallest = self.smallest(wanted.each, layers);
            // A hair's breadth short of a task is enough for it.
            if room < smallest * (1.0 - 1e-6) {
                declined.push(*slot);
                continue;
            }
            // Far from the end a few at a time do no harm, and spare sends.
            let share = solved.ends.since(self.now).as_secs_f64() * speed;
            let part = (share / PARTS / wanted.each).floor() * wanted.each;
            let least = self.chunk(wanted.each, speed);
            let seconds = least.max(part).min(room.max(wanted.each));
            let amount = Amount::Stream { seconds, room };
            // What waits may not be for this slot; then others get it.
            self.send_share(layers, *slot, amount, idle.len() - place);
        }
        declined
    }

    /// Seconds at speed 1 of the smallest task that waits, as far as known.
    fn smallest(&self, each: f64, layers: &[LayerId]) -> f64 {
        let cheapest = |layer: &LayerId| {
            let known = self.layers[layer.index()].queue.known();
            let ends = known.filter_map(|waiting| waiting.get(waiting.count().checked_sub(1)?));
            let units = ends.map(|task| self.units(task)).min()?;
            Some(self.seconds(*layer, units))
        };
        layers.iter().filter_map(cheapest).fold(each, f64::min)
    }

    /// When all of a class will be done.
    fn solve(&mut self, wanted: &Wanted, idle: &[SlotId]) -> Solved {
        let class = wanted.class;
        if let Some(solved) = self.solved[class]
            && self.now < solved.until
        {
            return solved;
        }
        let (reaches, latest) = self.reaches(class, idle);
        let left = level(f64::from(wanted.count) * wanted.each, &reaches);
        // The dearest task may take longer than all of the rest.
        let dearest = wanted.dearest.unwrap_or(0.0);
        let end = |reach: &Reach| reach.ready + dearest / reach.speed;
        let soonest = reaches.iter().map(end).fold(f64::INFINITY, f64::min);
        let left = left.max(soonest);
        let solved = Solved {
            ends: self.now + Span::from_secs_f64(left),
            latest: self.now + Span::from_secs_f64(latest.unwrap_or(0.0)),
            until: (self.now + Span::from_secs_f64(left * SOLVED_PART)).max(self.next_look()),
        };
        self.solved[class] = Some(solved);
        solved
    }
}
