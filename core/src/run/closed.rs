//! Hosts and slots that take nothing new for now: outside their hours, with an owner at work, with
//! memory or disk used up, being drained, or with a slot that is somebody else's.
//!
//! Here is why, for people; the kernel is only told slot by slot that it is so. What runs goes on to
//! the end of what has begun.
//!
//! Invariant: the kernel was told of a slot what [`Slot::is_closed`](super::slots::Slot) says, and
//! that is so exactly when its host is closed for some reason or its lease is not ours to use.

use std::collections::BTreeMap;

use framewright_kernel::event::Event as FarmEvent;
use framewright_kernel::ids::{HostId, SlotId};
use framewright_worker::message::Vitals;
use jiff::Timestamp;

use super::RunError;
use super::controller::Controller;
use super::hosts::HostState;
use super::hours::Hours;
use crate::event::Event;
use crate::quantity::{Bytes, short_time};
use crate::request::{HostEntry, Storage};

/// Room that a staged host must have beside what the largest picture takes a few times.
const DISK_MIN: u64 = 64 << 20;
/// So many of the largest pictures must fit.
const PICTURES_MIN: u64 = 4;
/// A host takes nothing new with less than this part of its memory free: it would swap, or the
/// system would end whatever is largest.
const MEMORY_PART: u64 = 64;
/// A host that was closed for its load is used again below this part of the limit, so that it does
/// not open and close with every breath.
const LOAD_AGAIN: f64 = 0.8;
/// A clock that is off by more is told of: times in logs of renderers and of files mislead.
const CLOCK_OFF_MAX_S: i64 = 5;

/// Why a host takes nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Closed {
    /// It has not said yet how it is.
    Unknown,
    /// It is outside its hours.
    Hours,
    /// Its owner, or somebody else, keeps it busy.
    Load,
    /// Its memory is used up.
    Memory,
    /// Its disk has no room.
    Disk,
    /// It is being taken from the job.
    Draining,
}

/// What is true of a host from the start.
pub(super) fn at_first(entry: &HostEntry) -> BTreeMap<Closed, String> {
    let mut closed = BTreeMap::new();
    if entry.available.is_some() || entry.load_max.is_some() {
        closed.insert(Closed::Unknown, "it has not said yet how it is".to_owned());
    }
    closed
}

impl Controller<'_> {
    /// A host says how it is.
    pub(super) fn on_vitals(&mut self, host: HostId, vitals: &Vitals) {
        self.check_clock(host, vitals);
        let entry = self.host(host).entry.clone();
        self.open(host, Closed::Unknown);
        if let Some(hours) = &entry.available {
            let now = format!("{:02}:{:02}", vitals.minute / 60, vitals.minute % 60);
            let why = format!("it takes new work {hours} only, and its clock says {now}");
            self.close_if(
                host,
                Closed::Hours,
                Hours::parse(hours).is_some_and(|hours| !hours.contains(vitals.minute)),
                why,
            );
        }
        if let Some(most) = entry.load_max {
            let was = self.host(host).closed.contains_key(&Closed::Load);
            let limit = if was { most * LOAD_AGAIN } else { most };
            let why = format!(
                "others keep {:.1} of its cores busy, and load_max is {most}",
                vitals.load
            );
            self.close_if(host, Closed::Load, vitals.load > limit, why);
        }
        self.heed_memory(host, vitals.memory_bytes);
        if entry.storage == Storage::Staged && self.job.writes_files() {
            let least = DISK_MIN.max(self.largest_picture.saturating_mul(PICTURES_MIN));
            let why = format!(
                "its disk has only {} left (make room there)",
                Bytes(vitals.disk_bytes)
            );
            self.close_if(host, Closed::Disk, vitals.disk_bytes < least, why);
        }
    }

    /// `free`: what programs may still take; 0 where it is not known.
    fn heed_memory(&mut self, host: HostId, free: u64) {
        let all = self.host(host).link().map(|link| link.hello.memory_bytes);
        let (Some(all), true) = (all, free > 0) else {
            return;
        };
        let was = self.host(host).closed.contains_key(&Closed::Memory);
        let least = all / MEMORY_PART * if was { 2 } else { 1 };
        let why = format!("it has only {} of its memory left", Bytes(free));
        self.close_if(host, Closed::Memory, free < least, why);
        if self.host(host).closed.contains_key(&Closed::Memory) {
            // Our own loaded scenes may be what fills it.
            for slot in self.slots_of(host) {
                if self.slots[slot.0 as usize].queue.is_empty() {
                    self.close_session(slot);
                }
            }
        }
    }

    fn check_clock(&mut self, host: HostId, vitals: &Vitals) {
        let off_ms = vitals.clock_ms - Timestamp::now().as_millisecond();
        // It was said a moment ago: rounded up, an hour is an hour.
        let off_s = off_ms.div_euclid(1000) + i64::from(off_ms.rem_euclid(1000) >= 500);
        if off_s.abs() <= CLOCK_OFF_MAX_S || self.host(host).clock_told {
            return;
        }
        self.host_mut(host).clock_told = true;
        let (name, side) = (
            self.host(host).name.clone(),
            if off_s > 0 { "ahead" } else { "behind" },
        );
        let off = short_time(off_s.unsigned_abs() as f64);
        self.warn(format!(
            "the clock of host {name} is {off} {side} of ours: times in its logs and of its files are off by that"
        ));
    }

    fn close_if(&mut self, host: HostId, reason: Closed, is_so: bool, why: String) {
        if is_so {
            self.close(host, reason, why);
        } else {
            self.open(host, reason);
        }
    }

    /// A host takes nothing new from now on.
    pub(super) fn close(&mut self, host: HostId, reason: Closed, why: String) {
        let before = self.host_mut(host).closed.insert(reason, why.clone());
        if before.is_none() && reason != Closed::Unknown {
            let host = self.host(host).name.clone();
            self.emit(Event::HostClosed { host, why });
        }
        self.settle_slots(host);
        self.give_up_if_hopeless();
    }

    /// A reason against a host is gone.
    pub(super) fn open(&mut self, host: HostId, reason: Closed) {
        if self.host_mut(host).closed.remove(&reason).is_none() {
            return;
        }
        if self.host(host).closed.is_empty() && reason != Closed::Unknown {
            let host = self.host(host).name.clone();
            self.emit(Event::HostOpened { host });
        }
        self.settle_slots(host);
    }

    /// Tells the kernel of each of a host's slots that opened or closed.
    pub(super) fn settle_slots(&mut self, host: HostId) {
        for slot in self.slots_of(host) {
            self.settle_slot(slot);
        }
    }

    pub(super) fn settle_slot(&mut self, slot: SlotId) {
        let at = &self.slots[slot.0 as usize];
        let is_closed = !self.host(at.host).closed.is_empty() || !at.lease.is_ours();
        if at.is_closed == is_closed {
            return;
        }
        self.slot(slot).is_closed = is_closed;
        self.tell(&if is_closed {
            FarmEvent::SlotClosed { slot }
        } else {
            FarmEvent::SlotOpened { slot }
        });
    }

    /// Hours pass and owners go home, but a job whose every host is gone, full or being drained
    /// would wait for ever.
    pub(super) fn give_up_if_hopeless(&mut self) {
        let mut last = None;
        for (index, host) in self.hosts.iter().enumerate() {
            if matches!(host.state, HostState::GivenUp) {
                continue;
            }
            let Some((reason, why)) = host.closed.last_key_value() else {
                return;
            };
            if !matches!(reason, Closed::Disk | Closed::Draining) {
                return;
            }
            let id = HostId(u32::try_from(index).expect("hosts are counted in u32"));
            let at_work = |slot: SlotId| !self.slots[slot.0 as usize].queue.is_empty();
            if self.slots_of(id).into_iter().any(at_work) || self.is_fetching_from(id) {
                return;
            }
            last = Some(format!("host {}: {why}", host.name));
        }
        if let Some(why) = last {
            self.give_up_job(RunError::NoHost { why });
        }
    }
}
