//! Silent hosts: the connection is lost for now, and the worker goes on by itself.
//!
//! What a silent host has stays its own until it is heard again or said to be lost; how long that may
//! take is the caller's to say. Meanwhile no limit of it runs, it is asked for nothing that could be
//! answered, and what its slots are predicted to need is what was predicted when it fell silent: a
//! late task is tried elsewhere only if that paid by what was known then.
//!
//! Invariant: nobody waits for the answer of a silent host, and it waits for nobody's.

use super::Farm;
use super::slots::Presence;
use crate::ids::{HostId, SlotId};
use crate::time::Time;

impl Farm {
    pub(super) fn host_silent(&mut self, host: HostId) {
        let Some(state) = self.hosts.get_mut(host.index()) else {
            return;
        };
        if state.presence != Presence::Up {
            return;
        }
        state.presence = Presence::Silent;
        state.silence_turned = self.now;
        self.knows_silence = true;
        for slot in self.hosts[host.index()].slots() {
            self.stop_taking(slot);
            self.forsake_thief(slot);
            self.touch_end(slot);
        }
        self.solved.fill(None);
        // Tasks that better suit this host may go elsewhere now.
        self.stirred = true;
    }

    pub(super) fn host_heard(&mut self, host: HostId) {
        let Some(state) = self.hosts.get_mut(host.index()) else {
            return;
        };
        if state.presence != Presence::Silent {
            return;
        }
        state.presence = Presence::Up;
        state.silence_turned = self.now;
        for slot in self.hosts[host.index()].slots() {
            self.take_again(slot);
            self.renew_deadline(slot);
            self.touch_end(slot);
        }
        self.solved.fill(None);
        self.stirred = true;
    }

    /// Whoever waits for a tail of this slot's segment no longer does; once it is cut off it will
    /// be anybody's.
    fn forsake_thief(&mut self, slot: SlotId) {
        let waits = self.slots[slot.index()].segment_mut().and_then(|segment| {
            let cut = segment.cut.as_mut()?;
            Some((cut.thief.take()?, segment.id))
        });
        if let Some((thief, segment)) = waits {
            self.free_thief(thief, segment);
        }
    }

    pub(super) fn is_silent(&self, slot: SlotId) -> bool {
        let host = self.slots[slot.index()].host;
        self.knows_silence && self.hosts[host.index()].presence == Presence::Silent
    }

    /// Until when it is known what a slot does: now, or when its host fell silent.
    pub(super) fn known_at(&self, slot: SlotId) -> Time {
        if !self.knows_silence {
            return self.now;
        }
        let host = self.slots[slot.index()].host;
        self.hosts[host.index()].known_until(self.now)
    }

    /// Since when a limit of a slot counts that began to run then: after a silence anew. `None`
    /// while its host is silent.
    pub(super) fn counts_from(&self, slot: SlotId, since: Time) -> Option<Time> {
        if !self.knows_silence {
            return Some(since);
        }
        let host = &self.hosts[self.slots[slot.index()].host.index()];
        let heard = host.presence != Presence::Silent;
        heard.then(|| since.max(host.silence_turned))
    }

    /// Whether a slot's host was silent at some time since then: what passed meanwhile says nothing
    /// about how long anything took.
    pub(super) fn was_silent(&self, slot: SlotId, since: Time) -> bool {
        let host = &self.hosts[self.slots[slot.index()].host.index()];
        let heard = host.silence_turned;
        host.presence == Presence::Silent || (heard > Time::ZERO && heard >= since)
    }
}
