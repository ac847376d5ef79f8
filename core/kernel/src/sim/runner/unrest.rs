//! Slots that are closed for a while, connections that are lost for a while, and hosts that come and
//! go while the job runs.

use super::machines::{SimHost, SimSlot};
use super::{Happening, Runner};
use crate::event::Event;
use crate::farm::SlotView;
use crate::ids::{HostId, SlotId};
use crate::time::{Span, Time};

/// How often a slot is closed at most, and a host falls silent.
const SPELLS: u32 = 3;
/// How often it is looked whether the slots of a host that is to leave have run empty.
const LEAVE_LOOK: Span = Span::from_secs(1);

impl Runner {
    /// Whatever will come of it, it ends: a job whose slots are all closed for ever has no end.
    /// What never happens takes nothing of chance, so that other worlds stay what they were.
    pub(super) fn plan_unrest(&mut self) {
        let faults = self.world.faults;
        let slots: Vec<SlotId> = self.farm.slots().collect();
        for slot in slots {
            for at in self.spells(faults.slot_closes) {
                let until = at + self.up_to(faults.closed_max);
                self.clock.push(at, Happening::Close { slot, until });
            }
        }
        let hosts: Vec<HostId> = self.farm.hosts().collect();
        for host in hosts {
            for at in self.spells(faults.host_falls_silent) {
                let lasts = self.up_to(faults.silent_max);
                self.clock.push(at, Happening::Silence { host, lasts });
            }
            if faults.host_joins > 0.0 && self.chance(faults.host_joins) {
                let at = Time::ZERO + self.up_to(faults.unrest);
                self.clock.push(at, Happening::Join(host));
            }
            if faults.host_leaves > 0.0 && self.chance(faults.host_leaves) {
                let at = Time::ZERO + self.up_to(faults.unrest);
                self.clock.push(at, Happening::Leave(host));
            }
        }
    }

    fn up_to(&mut self, most: Span) -> Span {
        Span::from_secs_f64(self.rng.between(0.0, most.as_secs_f64()))
    }

    fn spells(&mut self, chance: f64) -> Vec<Time> {
        if chance <= 0.0 {
            return Vec::new();
        }
        let unrest = self.world.faults.unrest;
        (0..SPELLS)
            .filter_map(|_| {
                let at = Time::ZERO + self.up_to(unrest);
                // Some are so from the very beginning.
                let at = if self.chance(0.2) { Time::ZERO } else { at };
                self.chance(chance).then_some(at)
            })
            .collect()
    }

    pub(super) fn close_slot(&mut self, slot: SlotId, until: Time) {
        self.trace.closings += 1;
        self.tell(Event::SlotClosed { slot });
        self.clock.push(until, Happening::Open(slot));
    }

    pub(super) fn open_slot(&mut self, slot: SlotId) {
        if !self.hosts[self.farm.host_of(slot).index()].leaves {
            self.tell(Event::SlotOpened { slot });
        }
    }

    /// What a host says during a silence is heard after it, and what is said to it reaches it then.
    pub(super) fn silence(&mut self, host: HostId, lasts: Span) {
        if !self.hosts[host.index()].up {
            return;
        }
        self.trace.silences += 1;
        self.say(host, Event::HostSilent { host });
        let state = &mut self.hosts[host.index()];
        let from = state.last_message.max(self.now);
        state.silent_until = from + lasts;
        state.last_message = state.silent_until;
        state.silences += 1;
        let (silence, until) = (state.silences, state.silent_until);
        let breaks = self.world.faults.silence_breaks;
        if self.chance(breaks) {
            let at = from + self.up_to(lasts);
            self.clock.push(at, Happening::Break { host, silence });
        }
        self.clock.push(until, Happening::Heard { host, silence });
    }

    pub(super) fn heard(&mut self, host: HostId, silence: u32) {
        if self.hosts[host.index()].silences == silence {
            self.tell(Event::HostHeard { host });
        }
    }

    pub(super) fn break_silence(&mut self, host: HostId, silence: u32) {
        let state = &mut self.hosts[host.index()];
        if state.silences != silence || !state.up || state.silent_until < self.now {
            return;
        }
        state.silences += 1;
        state.silent_until = self.now;
        state.last_message = self.now;
        if self.chance(0.5) {
            self.host_down(host);
        } else {
            self.host_up(host);
        }
    }

    /// When something that is said to a slot now reaches it.
    pub(super) fn departure(&mut self, slot: SlotId) -> Time {
        let host = self.farm.host_of(slot);
        let at = self.now + self.delay();
        at.max(self.hosts[host.index()].silent_until)
    }

    pub(super) fn join(&mut self, like: HostId) {
        self.trace.joins += 1;
        let spec = *self.farm.spec(like);
        let host = self.farm.join(self.now, spec);
        let (speed, load) = (
            self.world.speeds[like.index()],
            self.world.loads[like.index()],
        );
        self.world.speeds.push(speed);
        self.world.loads.push(load);
        self.hosts.push(SimHost::default());
        let slots = self.farm.slots().count();
        self.slots.resize(slots, SimSlot::default());
        self.used.resize(slots, false);
        if let Some(patience) = &mut self.patience {
            patience.count_slots(&self.farm);
        }
        let up = self.now + self.up_to(self.world.faults.closed_max);
        self.clock.push(up, Happening::HostUp(host));
    }

    pub(super) fn leave(&mut self, host: HostId) {
        let slots: Vec<SlotId> = self.farm.slots_of(host).collect();
        if !std::mem::replace(&mut self.hosts[host.index()].leaves, true) {
            self.trace.leaves += 1;
            for slot in &slots {
                self.tell(Event::SlotClosed { slot: *slot });
            }
        }
        let at_work = |slot: &SlotId| {
            let view = self.farm.slot(*slot);
            matches!(view, SlotView::Loading { .. } | SlotView::Rendering { .. })
        };
        if slots.iter().any(at_work) {
            let again = self.now + LEAVE_LOOK;
            self.clock.push(again, Happening::Leave(host));
            return;
        }
        let state = &mut self.hosts[host.index()];
        state.left = true;
        state.up = false;
        state.ups += 1;
        self.tell(Event::HostLost {
            host,
            for_good: true,
        });
    }
}
