//! What keeps slots from working that are neither lost nor without work: a host that is silent or
//! takes nothing new, a slot that others hold.
//!
//! A pure fold like the tally that it belongs to.

use std::collections::BTreeMap;

use framewright_core::event::Event;
use jiff::Timestamp;

use super::tally::SlotName;
use crate::printable::printable;

/// Holders that are named; of more it is said how many.
const HOLDERS_NAMED_MAX: usize = 3;

/// How hosts stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standings {
    silent: BTreeMap<String, Timestamp>,
    closed: BTreeMap<String, String>,
    waiting: BTreeMap<SlotName, Vec<String>>,
}

/// What keeps a slot from working.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hindrance<'a> {
    /// The host is not heard; what it has goes on there.
    Silent {
        /// Since when.
        since: Timestamp,
    },
    /// Others have the machine's slots.
    Held {
        /// Who.
        by: &'a [String],
    },
    /// The host takes nothing new.
    Closed {
        /// Why.
        why: &'a str,
    },
}

impl Standings {
    /// Takes an event in.
    pub(super) fn apply(&mut self, event: &Event, now: Timestamp) {
        match event {
            Event::HostSilent { host, .. } => {
                self.silent.entry(host.clone()).or_insert(now);
            }
            Event::HostHeard { host, .. } => {
                self.silent.remove(host);
            }
            Event::HostClosed { host, why } => {
                self.closed.insert(host.clone(), why.clone());
            }
            Event::HostOpened { host } => {
                self.closed.remove(host);
            }
            Event::SlotWaiting {
                host,
                slot,
                holders,
            } => {
                let name = slot_name(host, *slot);
                self.waiting.insert(name, holders.clone());
            }
            Event::SlotLeased { host, slot } => {
                self.waiting.remove(&slot_name(host, *slot));
            }
            Event::HostUp { host, .. }
            | Event::HostLost { host, .. }
            | Event::HostDrained { host } => {
                self.silent.remove(host);
                self.waiting.retain(|name, _| name.host != *host);
                if matches!(event, Event::HostDrained { .. }) {
                    self.closed.remove(host);
                }
            }
            _ => {}
        }
    }

    /// What keeps a slot from working now, the gravest first.
    pub(super) fn hindrance(&self, name: &SlotName) -> Option<Hindrance<'_>> {
        if let Some(since) = self.silent.get(&name.host) {
            return Some(Hindrance::Silent { since: *since });
        }
        if let Some(why) = self.closed.get(&name.host) {
            return Some(Hindrance::Closed { why });
        }
        let by = self.waiting.get(name)?;
        Some(Hindrance::Held { by })
    }
}

fn slot_name(host: &str, slot: u32) -> SlotName {
    SlotName {
        host: host.to_owned(),
        slot,
    }
}

/// `held by anna (job x)`
pub(crate) fn held_by(holders: &[String]) -> String {
    if holders.is_empty() {
        return "held by others".to_owned();
    }
    let named: Vec<_> = holders
        .iter()
        .take(HOLDERS_NAMED_MAX)
        .map(|holder| printable(holder))
        .collect();
    let more = match holders.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("held by {}{more}", named.join(", "))
}
