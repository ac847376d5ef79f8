//! Closed slots: leased to another job for now, on a full disk, under an owner who came back, on a
//! host that is to leave.
//!
//! A slot is closed or open by itself, whatever its host does. Closing ends as little as it can: what
//! was begun is finished, a renderer that has the scene only loses what it has not begun, and one that
//! still loads for tasks none of which has begun is stopped, because that load would be the slot's next hour.
//!
//! Nothing here ends a job: one whose slots are all closed waits until whoever closed them knows more.
//!
//! Invariant: a closed slot is not among the idle ones, and waits for nobody's tail.

use super::Farm;
use super::slots::{Presence, Stage, Work};
use crate::event::StopReason;
use crate::ids::SlotId;

impl Farm {
    /// Whether a slot takes a segment as soon as it has none.
    pub(super) fn takes(&self, slot: SlotId) -> bool {
        let state = &self.slots[slot.index()];
        !state.closed && self.hosts[state.host.index()].presence == Presence::Up
    }

    pub(super) fn close_slot(&mut self, slot: SlotId) {
        let Some(state) = self.slots.get_mut(slot.index()) else {
            return;
        };
        if std::mem::replace(&mut state.closed, true) {
            return;
        }
        let host = state.host;
        self.hosts[host.index()].open -= 1;
        self.stop_taking(slot);
        self.let_go(slot);
        self.solved.fill(None);
        // What was kept for it may be for others now.
        self.stirred = true;
    }

    pub(super) fn open_slot(&mut self, slot: SlotId) {
        let Some(state) = self.slots.get_mut(slot.index()) else {
            return;
        };
        if !std::mem::replace(&mut state.closed, false) {
            return;
        }
        let host = state.host;
        self.hosts[host.index()].open += 1;
        self.take_again(slot);
        self.solved.fill(None);
        self.stirred = true;
    }

    /// A slot that has nothing to do, or waits for a tail, gets nothing for now.
    pub(super) fn stop_taking(&mut self, slot: SlotId) {
        self.idle.remove(&slot);
        if let Work::Thief { .. } = self.slots[slot.index()].work {
            self.forsake_cut(slot);
            self.slots[slot.index()].work = Work::Idle;
        }
    }

    /// A slot that has nothing to do may be sent to again.
    pub(super) fn take_again(&mut self, slot: SlotId) {
        if let Work::Idle = self.slots[slot.index()].work {
            self.fall_idle(slot);
        }
    }

    /// What a slot has not begun goes to others.
    fn let_go(&mut self, slot: SlotId) {
        let Some(segment) = self.slots[slot.index()].segment() else {
            return;
        };
        let id = segment.id;
        if segment.stage == (Stage::Sent { cold: true }) {
            self.stop(slot, StopReason::Closed);
        } else {
            self.cut_short(id, slot);
        }
    }
}
