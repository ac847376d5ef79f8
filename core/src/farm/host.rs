//! A host as `farm.toml` writes it, with its defaults, and as a job uses it.
//!
//! What a key means without another is decided here, once: a `grace` only where something can
//! outlive a connection, a `cache` only where files travel. A key that would do nothing is
//! refused, so that nobody relies on it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::words::{absolute, daily_hours, host_name, prefixes, storage};
use crate::keys::{KeysError, Table};
use crate::quantity::{Bytes, parse_duration};
use crate::request::{HostEntry, LinkKind, Storage};

/// Most slots a host may have: far above any machine, low enough that a slip is found.
pub const SLOTS_MAX: u32 = 1024;
/// How long a worker behind ssh goes on without its controller, where nothing else is written.
pub const GRACE: Duration = Duration::from_secs(600);
/// How long a host may be without a connection, where nothing else is written.
pub const LOST_AFTER: Duration = Duration::from_secs(120);

/// A host as written, its defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// How it is reached.
    pub link: LinkKind,
    /// Its slots.
    pub slots: u32,
    /// Its memory.
    pub memory: Option<Bytes>,
    /// What it has.
    pub tags: Vec<String>,
    /// First guess of its speed.
    pub speed: f64,
    /// Where its files are.
    pub storage: Storage,
    /// How long its worker goes on without its controller; zero: not at all.
    pub grace: Duration,
    /// How long it may be without a connection before what it has is done elsewhere.
    pub lost_after: Duration,
    /// Whether its slots are shared with other jobs.
    pub lease: bool,
    /// Hours in which it takes new segments, as `HH:MM-HH:MM`.
    pub available: Option<String>,
    /// Cores that others may keep busy before it takes no new segment.
    pub load_max: Option<f64>,
    /// Path prefixes here and what they are there: absolute, without a `/` at the end.
    pub paths: BTreeMap<String, String>,
    /// Most room for staged files.
    pub cache: Option<Bytes>,
    /// A framewright that is installed there.
    pub worker: Option<String>,
    /// Where renderers are on it, by adapter id.
    pub programs: BTreeMap<String, String>,
    /// What an hour of it costs.
    pub cost_per_hour: Option<f64>,
}

impl Host {
    /// The host as a job uses it.
    #[must_use]
    pub fn entry(&self) -> HostEntry {
        HostEntry {
            name: self.name.clone(),
            link: self.link.clone(),
            slots: self.slots,
            memory_bytes: self.memory.map(|bytes| bytes.0),
            tags: self.tags.clone(),
            speed: self.speed,
            programs: self.programs.clone(),
            cost_per_hour: self.cost_per_hour,
            storage: self.storage,
            grace_s: self.grace.as_secs_f64(),
            lost_after_s: self.lost_after.as_secs_f64(),
            leased: self.lease,
            available: self.available.clone(),
            load_max: self.load_max,
            paths: self.paths.clone(),
            cache_bytes: self.cache.map(|bytes| bytes.0),
            worker: self.worker.clone(),
        }
    }

    /// The host as a simulation uses it, which needs no way to it.
    #[must_use]
    pub fn simulated(&self) -> HostEntry {
        HostEntry {
            memory_bytes: self.memory.map(|bytes| bytes.0),
            tags: self.tags.clone(),
            speed: self.speed,
            programs: self.programs.clone(),
            cost_per_hour: self.cost_per_hour,
            ..HostEntry::new(self.name.clone(), LinkKind::Local, self.slots)
        }
    }
}

/// Reads one `[[host]]`.
pub(super) fn host(mut table: Table<'_>, names: &mut BTreeSet<String>) -> Result<Host, KeysError> {
    let Some(name) = table.parsed("name", host_name)? else {
        return Err(table.error("host", "has no `name`"));
    };
    if !names.insert(name.clone()) {
        return Err(table.error(
            "host",
            format!("is the second one named {name}: each host has a name of its own"),
        ));
    }
    let link = link(&mut table, &name)?;
    let is_ssh = matches!(link, LinkKind::Ssh { .. });
    let (grace, lost_after) = patience(&mut table, &name, is_ssh)?;
    let storage = match table.parsed("storage", storage)? {
        Some(storage) => storage,
        None if is_ssh => Storage::Staged,
        None => Storage::Shared,
    };
    let host = Host {
        slots: table.count("slots", 1, SLOTS_MAX)?.unwrap_or(1),
        memory: table.parsed("memory", str::parse::<Bytes>)?,
        tags: table.texts("tags")?.unwrap_or_default(),
        speed: table.positive("speed")?.unwrap_or(1.0),
        storage,
        grace,
        lost_after,
        lease: table.flag("lease")?.unwrap_or(is_ssh),
        available: table.parsed("available", daily_hours)?,
        load_max: table.positive("load_max")?,
        paths: paths(&mut table, &name)?,
        cache: cache(&mut table, &name, storage)?,
        worker: worker(&mut table, &name, is_ssh)?,
        programs: table.text_map("programs")?.unwrap_or_default(),
        cost_per_hour: table.positive("cost_per_hour")?,
        name,
        link,
    };
    table.end()?;
    Ok(host)
}

fn link(table: &mut Table<'_>, name: &str) -> Result<LinkKind, KeysError> {
    let kind = table.text("link")?;
    let command = table.texts("command")?;
    let address = table.text("address")?;
    let options = table.texts("ssh_options")?;
    let kind = match (&kind, &command) {
        (Some(kind), _) => kind.as_str(),
        (None, Some(_)) => "command",
        (None, None) => "ssh",
    };
    if kind != "command" && command.is_some() {
        return Err(table.error(
            "command",
            format!("of host {name} needs link = \"command\""),
        ));
    }
    if kind != "ssh" && (address.is_some() || options.is_some()) {
        let key = if address.is_some() {
            "address"
        } else {
            "ssh_options"
        };
        return Err(table.error(key, format!("of host {name} needs link = \"ssh\"")));
    }
    match kind {
        "local" => Ok(LinkKind::Local),
        "ssh" => match address.unwrap_or_else(|| name.to_owned()) {
            // ssh would take it as an option of its own.
            address if address.starts_with('-') || address.is_empty() => {
                Err(table.error("address", format!("of host {name} is `{address}`, which is no address")))
            }
            address => Ok(LinkKind::Ssh { address, options: options.unwrap_or_default() }),
        },
        "command" => match command {
            Some(command) if command.first().is_some_and(|program| !program.is_empty()) => Ok(LinkKind::Command(command)),
            _ => Err(table.error("link", format!("of host {name} is \"command\", but no `command` says which"))),
        },
        other => Err(table.error(
            "link",
            format!("of host {name} is `{other}`, which is not known: write \"local\", \"ssh\" or \"command\""),
        )),
    }
}

/// How long a host may be silent. Nobody waits longer for it than its worker goes on.
fn patience(
    table: &mut Table<'_>,
    name: &str,
    is_ssh: bool,
) -> Result<(Duration, Duration), KeysError> {
    let default = if is_ssh { GRACE } else { Duration::ZERO };
    let grace = table.parsed("grace", parse_duration)?.unwrap_or(default);
    let Some(lost_after) = table.parsed("lost_after", parse_duration)? else {
        return Ok((grace, LOST_AFTER.min(grace)));
    };
    if grace.is_zero() && !lost_after.is_zero() {
        return Err(table.error(
            "lost_after",
            format!(
                "of host {name} needs a `grace`: without one its worker ends with the connection"
            ),
        ));
    }
    if lost_after > grace {
        return Err(table.error(
            "lost_after",
            format!(
                "of host {name} is longer than its `grace`: its worker would have ended before"
            ),
        ));
    }
    Ok((grace, lost_after))
}

fn paths(table: &mut Table<'_>, name: &str) -> Result<BTreeMap<String, String>, KeysError> {
    let written = table.text_map("paths")?.unwrap_or_default();
    prefixes(written).map_err(|what| table.error("paths", format!("of host {name}: {what}")))
}

fn cache(table: &mut Table<'_>, name: &str, storage: Storage) -> Result<Option<Bytes>, KeysError> {
    let cache = table.parsed("cache", str::parse::<Bytes>)?;
    if cache.is_some() && storage == Storage::Shared {
        return Err(table.error(
            "cache",
            format!("of host {name} needs storage = \"staged\": nothing is kept there otherwise"),
        ));
    }
    Ok(cache)
}

fn worker(table: &mut Table<'_>, name: &str, is_ssh: bool) -> Result<Option<String>, KeysError> {
    let worker = table.parsed("worker", absolute)?;
    if worker.is_some() && !is_ssh {
        return Err(table.error("worker", format!("of host {name} needs link = \"ssh\"")));
    }
    Ok(worker)
}
