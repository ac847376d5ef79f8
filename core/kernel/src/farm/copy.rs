//! A second try at a task that is late: towards the end, where a slot has nothing else to do.
//!
//! The task that is predicted to end last, and that nothing waits behind, is tried on an idle slot
//! too, when that is expected to end clearly sooner, its load counted. The first picture wins and
//! the other try is stopped. What is wasted is bounded: a task is copied once, and only while
//! nothing waits for the slot.

use super::Farm;
use super::ends::Order;
use super::slots::Stage;
use crate::event::SendReason;
use crate::ids::{SlotId, TaskId};

/// A copy must take less than this part of what the first try is expected to need still.
const COPY_PART: f64 = 0.75;
/// Tasks that are looked at for one slot.
const TRIES: u32 = 4;

impl Farm {
    /// Tries a late task on this slot too. Returns whether there was one.
    pub(super) fn copy_for(&mut self, thief: SlotId) -> bool {
        let host = self.slots[thief.index()].host;
        let mut below = None;
        for _ in 0..TRIES {
            let Some(entry) = self.latest_end(Order::Last, below) else {
                return false;
            };
            below = Some(entry);
            let victim = entry.1;
            let Some(segment) = self.slots[victim.index()].segment() else {
                return false;
            };
            let Some(task) = segment.tasks.last().copied() else {
                continue;
            };
            let (of, layer) = (segment.id, segment.layer);
            let class = self.layers[layer.index()].class;
            let may = self.classes[class].has(host)
                && self.rows[task.index()].is_out()
                && self.slots[victim.index()].host != host
                && !self.copied.contains(&task)
                && self.may_go_to(task, host);
            if !may {
                continue;
            }
            let left = self.remaining(victim);
            let cost = self.cost_elsewhere(victim, task);
            let again = self.load_ahead(thief) + cost / self.speed(thief);
            if again < left * COPY_PART {
                self.copied.insert(task);
                self.send(thief, vec![task], SendReason::Copy { of });
                return true;
            }
        }
        false
    }

    /// Seconds at speed 1 that are expected of a task elsewhere than on the slot that has it. That it
    /// is late there is the task's doing, where the host is known; of one that has not ended a task
    /// yet nobody knows how fast it is, and its first task says nothing against the task.
    fn cost_elsewhere(&self, slot: SlotId, task: TaskId) -> f64 {
        let layer = self.job.layer_of(task);
        let state = &self.slots[slot.index()];
        let since = match state.segment().map(|segment| segment.stage) {
            Some(Stage::Rendering { task: at, since }) if at == task => since,
            _ => self.known_at(slot),
        };
        if self.learned.has_ended(state.host.index()) {
            let age = self.known_at(slot).since(since).as_secs_f64();
            self.expected_at(layer, task, age * self.speed(slot))
        } else {
            self.seconds(layer, self.units(task))
        }
    }
}
