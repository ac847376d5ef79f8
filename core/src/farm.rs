//! `farm.toml`: which hosts there are and how they are reached.
//!
//! Every key is read and checked here, also those whose use comes later, so that a farm written
//! today is refused today where it is wrong. What a job cannot do with a host yet is said when a
//! job wants that host ([`Host::entry`]), not when the file is read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::keys::{Document, KeysError, Table};
use crate::quantity::{Bytes, parse_duration};
use crate::request::{HostEntry, LinkKind};

/// Most slots a host may have: far above any machine, low enough that a slip is found.
pub const SLOTS_MAX: u32 = 1024;
/// Most hosts in a file.
pub const HOSTS_MAX: usize = 10_000;

/// Why a farm, or a host of it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FarmError {
    /// The file is wrong.
    #[error(transparent)]
    File(#[from] KeysError),
    /// It names no host.
    #[error("{file} names no host")]
    Empty {
        /// Which file.
        file: String,
    },
    /// A host that the farm does not have.
    #[error("{file} has no host `{name}`{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    NoSuchHost {
        /// Which file.
        file: String,
        /// The name asked for.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// Reached by a link that is not built yet.
    #[error("host {name} is reached by ssh, which framewright cannot do yet")]
    SshNotYet {
        /// The host.
        name: String,
    },
    /// Its storage is not shared and has to be staged.
    #[error("host {name} has storage = \"staged\", which framewright cannot do yet")]
    StagedNotYet {
        /// The host.
        name: String,
    },
}

/// A farm as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Farm {
    /// The file's name, for messages.
    pub file: PathBuf,
    /// Limits that protect the file server.
    pub limits: Limits,
    /// Its hosts, in the file's order, names unique.
    pub hosts: Vec<Host>,
}

/// Limits that protect the file server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Between two segment sends.
    pub dispatch_interval: Duration,
    /// Scenes being loaded at once; absent = no limit.
    pub loads_max: Option<u32>,
}

/// A host as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// How it is reached.
    pub link: Link,
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
    /// How long its worker goes on without its controller.
    pub grace: Duration,
    /// Hours in which it takes new segments, as `HH:MM-HH:MM`.
    pub available: Option<String>,
    /// System load above which it takes no new segment.
    pub load_max: Option<f64>,
    /// Path prefixes here and what they are there.
    pub paths: BTreeMap<String, String>,
    /// Where renderers are on it, by adapter id.
    pub programs: BTreeMap<String, String>,
    /// What an hour of it costs.
    pub cost_per_hour: Option<f64>,
}

/// How a host is reached, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// This machine.
    Local,
    /// Any launcher.
    Command(Vec<String>),
    /// The user's own ssh.
    Ssh {
        /// Whatever ssh understands.
        address: String,
        /// Put before the address.
        options: Vec<String>,
    },
}

/// Where a host's files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Same paths as here, or mapped prefixes.
    Shared,
    /// Files travel.
    Staged,
}

impl Farm {
    /// Reads a farm.
    ///
    /// # Errors
    /// Where the file cannot be read or anything in it is wrong.
    pub fn read(path: &Path) -> Result<Self, FarmError> {
        Self::parse(path, &Document::read(path)?)
    }

    fn parse(path: &Path, document: &Document) -> Result<Self, FarmError> {
        let mut top = document.table()?;
        let limits = match top.table("limits")? {
            Some(table) => limits(table)?,
            None => Limits::default(),
        };
        let mut names = BTreeSet::new();
        let mut hosts = Vec::new();
        for table in top.tables("host")? {
            let table_of_host = host(table, &mut names)?;
            hosts.push(table_of_host);
            if hosts.len() > HOSTS_MAX {
                return Err(top
                    .error("host", format!("is there more than {HOSTS_MAX} times"))
                    .into());
            }
        }
        top.end()?;
        if hosts.is_empty() {
            return Err(FarmError::Empty {
                file: path.display().to_string(),
            });
        }
        Ok(Self {
            file: path.to_owned(),
            limits,
            hosts,
        })
    }

    /// The hosts with these names, in the farm's order; all of them when none is named.
    ///
    /// # Errors
    /// [`FarmError::NoSuchHost`].
    pub fn named(&self, names: &[String]) -> Result<Vec<&Host>, FarmError> {
        for name in names {
            if !self.hosts.iter().any(|host| host.name == *name) {
                let known = self.hosts.iter().map(|host| host.name.as_str());
                return Err(FarmError::NoSuchHost {
                    file: self.file.display().to_string(),
                    name: name.clone(),
                    nearest: crate::nearest::nearest(name, known).map(str::to_owned),
                });
            }
        }
        Ok(self
            .hosts
            .iter()
            .filter(|host| names.is_empty() || names.contains(&host.name))
            .collect())
    }
}

impl Host {
    /// The host as a job uses it.
    ///
    /// # Errors
    /// Where it needs what is not built yet.
    pub fn entry(&self) -> Result<HostEntry, FarmError> {
        let link = match &self.link {
            Link::Local => LinkKind::Local,
            Link::Command(command) => LinkKind::Command(command.clone()),
            Link::Ssh { .. } => {
                return Err(FarmError::SshNotYet {
                    name: self.name.clone(),
                });
            }
        };
        if self.storage == Storage::Staged {
            return Err(FarmError::StagedNotYet {
                name: self.name.clone(),
            });
        }
        Ok(self.reached_by(link))
    }

    /// The host as a simulation uses it, which needs no way to it.
    #[must_use]
    pub fn simulated(&self) -> HostEntry {
        self.reached_by(LinkKind::Local)
    }

    fn reached_by(&self, link: LinkKind) -> HostEntry {
        HostEntry {
            memory_bytes: self.memory.map(|bytes| bytes.0),
            tags: self.tags.clone(),
            speed: self.speed,
            programs: self.programs.clone(),
            cost_per_hour: self.cost_per_hour,
            ..HostEntry::new(self.name.clone(), link, self.slots)
        }
    }

    /// Keys that are set but have no effect yet: a farm must not believe itself protected by
    /// what is not there.
    #[must_use]
    pub fn without_effect(&self) -> Vec<&'static str> {
        let mut keys = Vec::new();
        if self.available.is_some() {
            keys.push("available");
        }
        if self.load_max.is_some() {
            keys.push("load_max");
        }
        if !self.paths.is_empty() {
            keys.push("paths");
        }
        if !self.grace.is_zero() {
            keys.push("grace");
        }
        keys
    }
}

fn limits(mut table: Table<'_>) -> Result<Limits, KeysError> {
    let limits = Limits {
        dispatch_interval: table
            .parsed("dispatch_interval", parse_duration)?
            .unwrap_or_default(),
        loads_max: table.count("loads_max", 1, 1_000_000)?,
    };
    table.end()?;
    Ok(limits)
}

fn host(mut table: Table<'_>, names: &mut BTreeSet<String>) -> Result<Host, KeysError> {
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
    let storage_default = match link {
        Link::Local | Link::Command(_) => Storage::Shared,
        Link::Ssh { .. } => Storage::Staged,
    };
    let host = Host {
        slots: table.count("slots", 1, SLOTS_MAX)?.unwrap_or(1),
        memory: table.parsed("memory", str::parse::<Bytes>)?,
        tags: table.texts("tags")?.unwrap_or_default(),
        speed: table.positive("speed")?.unwrap_or(1.0),
        storage: table.parsed("storage", storage)?.unwrap_or(storage_default),
        grace: table.parsed("grace", parse_duration)?.unwrap_or_default(),
        available: table.parsed("available", daily_hours)?,
        load_max: table.positive("load_max")?,
        paths: table.text_map("paths")?.unwrap_or_default(),
        programs: table.text_map("programs")?.unwrap_or_default(),
        cost_per_hour: table.positive("cost_per_hour")?,
        name,
        link,
    };
    table.end()?;
    Ok(host)
}

fn link(table: &mut Table<'_>, name: &str) -> Result<Link, KeysError> {
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
        "local" => Ok(Link::Local),
        "ssh" => match address.unwrap_or_else(|| name.to_owned()) {
            // ssh would take it as an option of its own.
            address if address.starts_with('-') || address.is_empty() => {
                Err(table.error("address", format!("of host {name} is `{address}`, which is no address")))
            }
            address => Ok(Link::Ssh { address, options: options.unwrap_or_default() }),
        },
        "command" => match command {
            Some(command) if command.first().is_some_and(|program| !program.is_empty()) => Ok(Link::Command(command)),
            _ => Err(table.error("link", format!("of host {name} is \"command\", but no `command` says which"))),
        },
        other => Err(table.error(
            "link",
            format!("of host {name} is `{other}`, which is not known: write \"local\", \"ssh\" or \"command\""),
        )),
    }
}

/// Names end up in paths, in tables and on command lines.
fn host_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.is_empty() || text.len() > 64 || !text.chars().all(fits) || text.starts_with(['-', '.'])
    {
        return Err(format!(
            "`{text}` is no host name (letters, digits, `.`, `-`, `_`; at most 64)"
        ));
    }
    Ok(text.to_owned())
}

fn storage(text: &str) -> Result<Storage, String> {
    match text {
        "shared" => Ok(Storage::Shared),
        "staged" => Ok(Storage::Staged),
        other => Err(format!(
            "`{other}` is not known: write \"shared\" or \"staged\""
        )),
    }
}

fn daily_hours(text: &str) -> Result<String, String> {
    let time = |part: &str| {
        let (hour, minute) = part.split_once(':')?;
        let two_digits = |n: &str| (n.len() == 2).then(|| n.parse::<u8>().ok()).flatten();
        (two_digits(hour)? < 24 && two_digits(minute)? < 60).then_some(())
    };
    match text.split_once('-') {
        Some((from, to)) if time(from).is_some() && time(to).is_some() && from != to => {
            Ok(text.to_owned())
        }
        _ => Err(format!(
            "`{text}` are no hours: write them like 19:00-08:00"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Farm, FarmError> {
        Farm::parse(Path::new("farm.toml"), &Document::new("farm.toml", text))
    }

    fn refusal(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn every_key_is_read() {
        let farm = parse(
            r#"
            [limits]
            dispatch_interval = "5s"
            loads_max = 8

            [[host]]
            name = "node01"
            link = "ssh"
            address = "render@node01"
            ssh_options = ["-F", "/path/ssh_config"]
            slots = 2
            memory = "64GiB"
            tags = ["gpu"]
            speed = 1.5
            storage = "staged"
            grace = "10m"
            available = "19:00-08:00"
            load_max = 4.0
            paths = { "/mnt/projects" = "/Volumes/projects" }
            programs = { blender = "/opt/blender/blender" }
            cost_per_hour = 0.85

            [[host]]
            name = "here"
            link = "local"

            [[host]]
            name = "odd"
            link = "command"
            command = ["sh", "-c", "exec framewright worker"]
            "#,
        )
        .unwrap();
        assert_eq!(
            farm.limits,
            Limits {
                dispatch_interval: Duration::from_secs(5),
                loads_max: Some(8)
            }
        );
        let node = &farm.hosts[0];
        assert_eq!(
            (node.slots, node.memory, node.speed),
            (2, Some(Bytes(64 << 30)), 1.5)
        );
        assert_eq!(node.grace, Duration::from_secs(600));
        assert_eq!(node.programs["blender"], "/opt/blender/blender");
        assert_eq!(
            node.without_effect(),
            ["available", "load_max", "paths", "grace"]
        );
        assert!(matches!(node.entry(), Err(FarmError::SshNotYet { .. })));
        assert_eq!(farm.hosts[1].entry().unwrap().link, LinkKind::Local);
        assert_eq!(farm.hosts[1].slots, 1);
        assert!(
            matches!(farm.hosts[2].entry().unwrap().link, LinkKind::Command(command) if command.len() == 3)
        );
    }

    #[test]
    fn what_is_wrong_gets_a_sentence_with_its_line() {
        let cases = [
            ("", "farm.toml names no host"),
            (
                "[[host]]\nlink = 'local'\n",
                "farm.toml, line 1: `host` has no `name`",
            ),
            (
                "[[host]]\nname = 'a'\nlink = 'local'\nslots = 0\n",
                "farm.toml, line 4: `slots` must be from 1 to 1024, not 0",
            ),
            (
                "[[host]]\nname = 'a'\nlink = 'local'\nslot = 1\n",
                "farm.toml, line 4: `slot` is not known here; did you mean `slots`?",
            ),
            (
                "[[host]]\nname = 'a'\nlink = 'local'\n[[host]]\nname = 'a'\n",
                "farm.toml, line 4: `host` is the second one named a: each host has a name of its own",
            ),
            (
                "[[host]]\nname = 'a b'\n",
                "farm.toml, line 2: `name` is wrong: `a b` is no host name (letters, digits, `.`, `-`, `_`; at most 64)",
            ),
            (
                "[[host]]\nname = 'a'\nlink = 'command'\n",
                "farm.toml, line 1: `link` of host a is \"command\", but no `command` says which",
            ),
            (
                "[[host]]\nname = 'a'\naddress = '-oProxyCommand=x'\n",
                "farm.toml, line 1: `address` of host a is `-oProxyCommand=x`, which is no address",
            ),
            (
                "[[host]]\nname = 'a'\nlink = 'local'\nspeed = -1\n",
                "farm.toml, line 4: `speed` must be a number above 0",
            ),
            (
                "[[host]]\nname = 'a'\nlink = 'local'\navailable = '9-17'\n",
                "farm.toml, line 4: `available` is wrong: `9-17` are no hours: write them like 19:00-08:00",
            ),
            (
                "host = 3\n",
                "farm.toml, line 1: `host` wants [[host]] before each entry, not a whole number",
            ),
            (
                "[limits]\ndispatch_interval = '5'\n",
                "farm.toml, line 2: `dispatch_interval` is wrong: `5` is no duration: write a number and its unit, like 600ms, 90s, 10m or 2h30m",
            ),
        ];
        for (text, sentence) in cases {
            assert_eq!(refusal(text), sentence, "for {text:?}");
        }
    }

    #[test]
    fn a_host_that_is_not_there_names_the_nearest() {
        let farm = parse("[[host]]\nname = 'node01'\nlink = 'local'\n").unwrap();
        let error = farm.named(&["nod01".to_owned()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "farm.toml has no host `nod01`; did you mean `node01`?"
        );
        assert_eq!(farm.named(&[]).unwrap().len(), 1);
    }
}
