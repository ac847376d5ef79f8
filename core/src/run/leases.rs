//! Leases of a machine's slots: jobs of several people share a host, and each of its slots is one
//! job's at a time.
//!
//! The workers on the host settle among themselves who has which slot and who should give one up
//! (`framewright_worker`'s `lease`). Here a lease is asked for, waited for where others can see it,
//! used, and given back: after what runs there has ended, and with the renderer, whose loaded scene
//! costs memory that is somebody else's by then.

use framewright_kernel::ids::{HostId, SlotId};
use framewright_worker::message::{Holder, SlotId as WorkerSlot, ToWorker};

use super::controller::Controller;
use super::hosts::HostState;
use crate::event::Event;

/// How things stand with a slot's lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Lease {
    /// This host's slots are not shared.
    #[default]
    NotNeeded,
    /// It is not asked for: there is no worker, or nothing to do.
    Unwanted,
    /// It is waited for.
    Waiting {
        /// Whether people were told.
        told: Vec<Holder>,
    },
    /// It is ours.
    Held,
    /// It is ours, and goes to somebody else as soon as what runs has ended.
    Giving,
}

impl Lease {
    /// Whether the slot may take something new.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::NotNeeded | Self::Held)
    }

    /// Who has what is waited for, as people are told.
    pub(super) fn held_by(&self) -> Vec<String> {
        let Self::Waiting { told } = self else {
            return Vec::new();
        };
        let mut names: Vec<String> = told
            .iter()
            .map(|holder| match holder.pid {
                // No job has it; why it cannot be had is told in its place.
                0 => holder.job.clone(),
                _ => format!("{} (job {})", holder.user, holder.job),
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Controller<'_> {
    /// The host is ready: its slots are wanted.
    pub(super) fn want_slots(&mut self, host: HostId) {
        if !self.host(host).entry.leased {
            return;
        }
        for slot in self.slots_of(host) {
            self.want_slot(slot);
        }
    }

    fn want_slot(&mut self, slot: SlotId) {
        self.slot(slot).lease = Lease::Waiting { told: Vec::new() };
        self.settle_slot(slot);
        let on_host = self.slot(slot).on_host;
        self.say(
            slot,
            ToWorker::Lease {
                slot: WorkerSlot(on_host),
            },
        );
    }

    /// The worker is gone, and all leases with it.
    pub(super) fn lose_leases(&mut self, host: HostId) {
        for slot in self.slots_of(host) {
            if self.slot(slot).lease != Lease::NotNeeded {
                self.slot(slot).lease = Lease::Unwanted;
                self.settle_slot(slot);
            }
        }
    }

    pub(super) fn on_leased(&mut self, host: HostId, on_host: WorkerSlot) {
        let Some(slot) = self.slot_of(host, on_host) else {
            return;
        };
        let before = std::mem::replace(&mut self.slot(slot).lease, Lease::Held);
        if let Lease::Waiting { told } = before
            && !told.is_empty()
        {
            let (host, slot) = self.host_name(slot);
            self.emit(Event::SlotLeased { host, slot });
        }
        self.settle_slot(slot);
    }

    pub(super) fn on_lease_waits(
        &mut self,
        host: HostId,
        on_host: WorkerSlot,
        holders: Vec<Holder>,
    ) {
        let Some(slot) = self.slot_of(host, on_host) else {
            return;
        };
        let Lease::Waiting { told } = &mut self.slot(slot).lease else {
            return;
        };
        if *told == holders || holders.is_empty() {
            return;
        }
        *told = holders;
        let holders = self.slot(slot).lease.held_by();
        let (host, slot) = self.host_name(slot);
        self.emit(Event::SlotWaiting {
            host,
            slot,
            holders,
        });
    }

    /// Others wait: so many of our slots should become theirs. Idle ones go first, then those that
    /// have the least before them.
    pub(super) fn on_lease_wanted(&mut self, host: HostId, give: u32, is_waited_for: bool) {
        let mut held: Vec<(usize, SlotId)> = Vec::new();
        let mut giving: Vec<SlotId> = Vec::new();
        for slot in self.slots_of(host) {
            match self.slot(slot).lease {
                Lease::Held => held.push((self.left_of(slot), slot)),
                Lease::Giving => giving.push(slot),
                Lease::NotNeeded | Lease::Unwanted | Lease::Waiting { .. } => {}
            }
        }
        held.sort_unstable();
        let give = give as usize;
        while giving.len() > give {
            // Nobody waits for it any more.
            let slot = giving.pop().expect("it is longer than a number");
            self.slot(slot).lease = Lease::Held;
            self.settle_slot(slot);
        }
        for (_, slot) in held.iter().take(give - giving.len().min(give)) {
            self.slot(*slot).lease = Lease::Giving;
            self.settle_slot(*slot);
            self.give_back_if_done(*slot);
        }
        if is_waited_for && self.farm.counts().ready == 0 {
            // Nothing is left for slots that are idle: whoever waits has better use for them.
            for (_, slot) in held.into_iter().skip(give) {
                if self.slot(slot).queue.is_empty() {
                    self.give_back(slot);
                    self.slot(slot).lease = Lease::Unwanted;
                    self.settle_slot(slot);
                    self.unwanted = true;
                }
            }
        }
    }

    fn left_of(&self, slot: SlotId) -> usize {
        let queue = &self.slots[slot.0 as usize].queue;
        let segments = queue
            .iter()
            .filter_map(|segment| self.segments.get(segment));
        segments.map(|segment| segment.unconcluded().len()).sum()
    }

    /// What ran in a slot is over: if it is somebody else's, it goes there, and is asked for anew.
    pub(super) fn give_back_if_done(&mut self, slot: SlotId) {
        let at = &self.slots[slot.0 as usize];
        if at.lease == Lease::Giving && at.queue.is_empty() {
            self.give_back(slot);
            self.want_slot(slot);
        }
    }

    fn give_back(&mut self, slot: SlotId) {
        self.close_session(slot);
        let on_host = self.slot(slot).on_host;
        self.say(
            slot,
            ToWorker::Release {
                slot: WorkerSlot(on_host),
            },
        );
    }

    /// There is something to do again for slots that were given back for want of it.
    pub(super) fn want_again(&mut self) {
        if !self.unwanted || self.farm.counts().ready == 0 {
            return;
        }
        self.unwanted = false;
        for index in 0..self.slots.len() {
            let slot = SlotId(u32::try_from(index).expect("slots are counted in u32"));
            let is_up = matches!(
                self.host(self.slots[index].host).state,
                HostState::Up { .. }
            );
            if is_up && self.slots[index].lease == Lease::Unwanted {
                self.want_slot(slot);
            }
        }
    }

    fn slot_of(&self, host: HostId, on_host: WorkerSlot) -> Option<SlotId> {
        let host = self.host(host);
        (on_host.0 < host.slots).then(|| SlotId(host.first_slot.0 + on_host.0))
    }

    pub(super) fn slots_of(&self, host: HostId) -> Vec<SlotId> {
        let host = self.host(host);
        let first = host.first_slot.0;
        (first..first + host.slots).map(SlotId).collect()
    }
}
