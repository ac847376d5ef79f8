//! Hosts that join a running job, and hosts that are taken from it.
//!
//! One that joins gets the next numbers and is opened like any other. One that is drained takes
//! nothing new, ends what it has begun, keeps its results until they are fetched, and is let go; a
//! job is not left without any host. One that turns out to be of no use while it works is turned away
//! with all that it has.

use framewright_kernel::event::Event as FarmEvent;
use framewright_kernel::hosts::SLOTS_MAX;
use framewright_kernel::ids::{HostId, SlotId};
use framewright_worker::message::ToWorker;

use super::closed::Closed;
use super::controller::Controller;
use super::farm;
use super::hosts::{Host, HostState};
use super::slots::Slot;
use crate::control::Answer;
use crate::event::Event;
use crate::request::{HostEntry, Storage};

impl Controller<'_> {
    /// A user wants the job to use one more host.
    pub(super) fn add_host(&mut self, entry: &HostEntry) -> Answer {
        match self.try_add_host(entry) {
            Ok(text) => Answer::Done { text },
            Err(why) => Answer::Refused { why },
        }
    }

    fn try_add_host(&mut self, entry: &HostEntry) -> Result<String, String> {
        if self.is_stopping() {
            return Err("the job is being stopped".to_owned());
        }
        let name = &entry.name;
        let here = self.hosts.iter().rposition(|host| host.name == *name);
        if let Some(index) = here
            && !matches!(self.hosts[index].state, HostState::GivenUp)
        {
            return Err(format!("the job has a host {name} already"));
        }
        let entries: Vec<HostEntry> = self
            .hosts
            .iter()
            .map(|host| host.entry.clone())
            .chain([entry.clone()])
            .collect();
        let mut specs = farm::specs(&self.job.prepared, entries.iter())?;
        let spec = specs.pop().expect("there is one an entry");
        let slots = self.slots.len() as u64 + u64::from(spec.slots);
        if slots > u64::from(SLOTS_MAX) {
            return Err(format!("a job has at most {SLOTS_MAX} slots"));
        }
        let host = self.farm.join(self.now(), spec);
        debug_assert_eq!(host.0 as usize, self.hosts.len(), "hosts only grow");
        let first_slot = u32::try_from(self.slots.len()).expect("slots are counted in u32");
        self.hosts
            .push(Host::new(entry.clone(), SlotId(first_slot)));
        self.slots.extend(Slot::of_host(host, entry));
        self.make_room_for_files();
        let slots = entry.slots;
        self.emit(Event::HostJoined {
            host: name.clone(),
            slots,
        });
        self.settle_slots(host);
        if entry.storage == Storage::Staged && self.package.is_none() {
            self.package_for(host);
        } else {
            self.open_host(host);
        }
        let slots = if slots == 1 { "slot" } else { "slots" };
        Ok(format!(
            "host {name} joins job {} with {} {slots}",
            self.job.id(),
            entry.slots
        ))
    }

    /// A user wants the job to use a host no more.
    pub(super) fn drain_host(&mut self, name: &str) -> Answer {
        match self.try_drain_host(name) {
            Ok(text) => Answer::Done { text },
            Err(why) => Answer::Refused { why },
        }
    }

    fn try_drain_host(&mut self, name: &str) -> Result<String, String> {
        let Some(index) = self.hosts.iter().rposition(|host| host.name == name) else {
            let known = self.hosts.iter().map(|host| host.name.as_str());
            let nearest = crate::nearest::nearest(name, known);
            let meant = nearest.map_or_else(String::new, |name| format!("; did you mean {name}?"));
            return Err(format!("the job has no host {name}{meant}"));
        };
        let host = HostId(u32::try_from(index).expect("hosts are counted in u32"));
        if matches!(self.host(host).state, HostState::GivenUp) {
            return Err(format!("host {name} has left the job already"));
        }
        if self.host(host).closed.contains_key(&Closed::Draining) {
            return Ok(format!("host {name} is being drained already"));
        }
        let others = self.hosts.iter().enumerate().any(|(other, host)| {
            other != index
                && !matches!(host.state, HostState::GivenUp)
                && !host.closed.contains_key(&Closed::Draining)
        });
        if !others {
            return Err(format!(
                "host {name} is the last one that the job has: add another first, or stop the job"
            ));
        }
        let begun = self
            .slots_of(host)
            .into_iter()
            .filter(|slot| !self.slots[slot.0 as usize].queue.is_empty())
            .count();
        self.close(host, Closed::Draining, "it is being drained".to_owned());
        self.let_go_if_drained(host);
        Ok(match begun {
            0 => format!("host {name} leaves job {}", self.job.id()),
            1 => format!("host {name} leaves the job when its slot has ended what it has begun"),
            _ => format!(
                "host {name} leaves the job when its {begun} slots have ended what they have begun"
            ),
        })
    }

    /// A host that is being drained and has nothing left is let go.
    pub(super) fn let_go_if_drained(&mut self, host: HostId) {
        if !self.host(host).closed.contains_key(&Closed::Draining)
            || matches!(self.host(host).state, HostState::GivenUp)
        {
            return;
        }
        let is_busy = |slot: SlotId| !self.slots[slot.0 as usize].queue.is_empty();
        if self.slots_of(host).into_iter().any(is_busy) || self.is_fetching_from(host) {
            return;
        }
        for slot in self.slots_of(host) {
            self.close_session(slot);
        }
        if let Some(link) = self.host(host).link() {
            link.say(ToWorker::Bye);
        }
        self.host_has_left(host);
    }

    /// A drained host is gone.
    pub(super) fn host_has_left(&mut self, host: HostId) {
        let at = self.host_mut(host);
        let before = std::mem::replace(&mut at.state, HostState::GivenUp);
        at.freight = None;
        at.delivered = super::needs::Delivered::default();
        let name = at.name.clone();
        // Its link is kept until the worker has said its last word: a link that is dropped takes
        // what it was just told along.
        if let HostState::Looking { link, .. }
        | HostState::Staging { link, .. }
        | HostState::Up { link, .. } = before
        {
            self.leaving.push((host, link));
        }
        self.emit(Event::HostDrained { host: name });
        self.tell(&FarmEvent::HostLost {
            host,
            for_good: true,
        });
    }

    /// A folder cannot be made there. Whether the host is given up for that: what may not be written
    /// now will not be later.
    pub(super) fn is_unwritable(&mut self, host: HostId, why: &str) -> bool {
        let name = self.host(host).name.clone();
        let is_for_good = ["Read-only file system", "Permission denied"]
            .iter()
            .any(|reason| why.contains(reason));
        if !is_for_good {
            self.warn(format!("host {name}: {why}"));
            return false;
        }
        let advice = match self.host(host).entry.storage {
            Storage::Shared => {
                "let the user that it runs as write there, or set storage = \"staged\" for it"
            }
            Storage::Staged => "let the user that it runs as write there",
        };
        // Its number says nothing that its name does not.
        let why = why.split(" (os error").next().unwrap_or(why);
        self.turn_away(host, format!("host {name}: {why} ({advice})"));
        true
    }

    /// Gives up a host that works, with all that it has.
    fn turn_away(&mut self, host: HostId, why: String) {
        for slot in self.slots_of(host) {
            self.close_session(slot);
        }
        if let Some(link) = self.host(host).link() {
            link.say(ToWorker::Bye);
        }
        self.lose_slots(host);
        self.lose_leases(host);
        self.lose_fetches(host);
        let state = std::mem::replace(&mut self.host_mut(host).state, HostState::Down);
        // Its link is kept until the worker has said its last word.
        if let HostState::Looking { link, .. }
        | HostState::Staging { link, .. }
        | HostState::Up { link, .. } = state
        {
            self.leaving.push((host, link));
        }
        self.give_up_host(host, why);
    }
}
