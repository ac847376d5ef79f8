//! `farm.toml`: which hosts there are and how they are reached.
//!
//! Every key is read and checked here, so that a farm is refused where it is wrong before anything
//! starts. Nothing is asked of a host. `docs/farm.md` has all keys.

mod host;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::host::{GRACE, Host, LOST_AFTER, SLOTS_MAX};
use crate::keys::{Document, KeysError, Table};
use crate::quantity::parse_duration;

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
            hosts.push(host::host(table, &mut names)?);
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
