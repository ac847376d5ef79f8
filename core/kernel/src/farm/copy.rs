//! A second try at a task that is late: towards the end, where a slot has nothing else to do.
//!
//! The task that is predicted to end last, and that nothing waits behind, is tried on an idle slot
//! too, when that is expected to end clearly sooner, its load counted. The first picture wins and
//! the other try is stopped. What is wasted is bounded: a task is copied once, and only while
//! nothing waits for the slot.

use super::ends::Order;
use super::slots::Stage;
use super::{Farm, Phase};
use crate::event::SendReason;
use crate::ids::SlotId;

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
            let Stage::Rendering { task, since } = segment.stage else {
                continue;
            };
            let (of, layer) = (segment.id, segment.layer);
            let class = self.layers[layer.index()].class;
            let may = self.classes[class].has(host)
                && self.rows[task.index()].phase == Phase::Begun
                && !self.copied.contains(&task)
                && self.may_go_to(task, host);
            if !may {
                continue;
            }
            let age = self.now.since(since).as_secs_f64();
            let speed = self.speed(victim);
            let cost = self.expected_at(layer, task, age * speed);
            let left = cost / speed - age;
            let again = self.load_ahead(thief) + cost / self.speed(thief);
            if again < left * COPY_PART {
                self.copied.insert(task);
                self.send(thief, vec![task], SendReason::Copy { of });
                return true;
            }
        }
        false
    }
}
