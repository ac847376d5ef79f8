//! What earlier renders cost: one SQLite file, `STATE/history.sqlite`, for all scenes of a user.
//!
//! A *take* is a scene as it stood for a render: its content and the settings that change what it
//! costs. Of each take the cost of every task is kept, in seconds on a host of speed 1; of each
//! scene the speed of its hosts and how long they took to load it. A later render of the scene
//! starts from these, the same take's first; where frames are missing an older take fills in, at
//! the ratio of what both know ([`Recollection`]), and then frames near them ([`along`]). What the
//! first task after a load took longer is counted to the load ([`without_warm_up`]).
//!
//! Costs stand on the speeds at which they agree best ([`agreeing_speeds`]).
//!
//! What stands here was measured, task by task; nothing is taken from segments, which mix loading
//! and rendering. Nothing of a render depends on this file: whoever cannot read or write it says
//! so and goes on without.
//!
//! Invariants: a run is written in one transaction, so a reader finds all of it or nothing; the
//! file stays within [`LIMITS`], the oldest going first; a file of a later version is left alone.
//!
//! The file is journalled by rollback, not by write-ahead log: that needs memory shared between
//! its readers, which homes on a network file system do not have.

mod along;
mod forget;
mod recall;
mod record;
mod schema;
mod speeds;
#[cfg(test)]
mod tests;
mod warm_up;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use thiserror::Error;

pub use along::along;
pub use forget::Forgotten;
pub use recall::{Known, Recalled, RecalledHost, RecalledTake, Recollection, Scene, SceneSummary};
pub use record::{HostMeasured, Measured, TaskCost};
pub use speeds::{Rendered, agreeing_speeds};
pub use warm_up::{Frame, without_warm_up};

/// The file's name in the state directory.
pub const FILE_NAME: &str = "history.sqlite";
/// How much is remembered. What goes beyond is forgotten, the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most scenes.
    pub scenes: u32,
    /// Most takes of one scene.
    pub takes: u32,
    /// Most costs of one take. Of a longer render every second, third, … task is kept.
    pub take_costs: u32,
    /// Most costs in all, some 40 bytes each.
    pub costs: u32,
    /// Most hosts of one scene.
    pub hosts: u32,
}

/// The limits of every history.
pub const LIMITS: Limits = Limits {
    scenes: 2_000,
    takes: 4,
    take_costs: 100_000,
    costs: 1_000_000,
    hosts: 10_000,
};

/// How long to wait for another controller that writes just now.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// A scene as it stood for a render.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    /// BLAKE3 of the scene's file, in hex.
    pub content: String,
    /// A hash of what else changes its costs: settings, format, resolution.
    pub settings: String,
}

/// Which scene, and who renders it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SceneKey<'a> {
    /// Its canonical path.
    pub path: &'a str,
    /// The adapter's id.
    pub adapter: &'a str,
}

/// Why the history cannot be used.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// Something else has its name.
    #[error("{} is no file", path.display())]
    NotAFile {
        /// Which.
        path: PathBuf,
    },
    /// It is not a history, or it is damaged.
    #[error("the history of costs {} is damaged: {why}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A later framewright wrote it.
    #[error(
        "the history of costs {} was written by a later version of framewright (format {found}, this one has {})",
        path.display(),
        schema::VERSION
    )]
    Later {
        /// Which.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
    /// It cannot be read or written.
    #[error("cannot {operation} the history of costs {}: {why}", path.display())]
    Access {
        /// `read` or `write`.
        operation: &'static str,
        /// Which.
        path: PathBuf,
        /// The system's or the database's reason.
        why: String,
    },
}

/// The history of one state directory.
#[derive(Clone, Debug)]
pub struct History {
    path: PathBuf,
    limits: Limits,
}

impl History {
    /// The history in this state directory. Nothing is opened yet.
    #[must_use]
    pub fn at(state_dir: &Path) -> Self {
        Self {
            path: state_dir.join(FILE_NAME),
            limits: LIMITS,
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens what is there; nothing where there is nothing yet.
    fn open(&self, operation: &'static str) -> Result<Option<Connection>, HistoryError> {
        match std::fs::metadata(&self.path) {
            // Opening a pipe or a device could wait for ever.
            Ok(about) if !about.is_file() => Err(HistoryError::NotAFile {
                path: self.path.clone(),
            }),
            // Made, and its maker was stopped before anything was in it.
            Ok(about) if about.len() == 0 => Ok(None),
            Ok(_) => {
                let connection = self.connect(operation, OpenFlags::empty())?;
                schema::check(&connection)
                    .map_err(|error| self.explain(operation, error))?
                    .map_err(|odd| self.odd(odd))?;
                Ok(Some(connection))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.access(operation, error.to_string())),
        }
    }

    /// Opens it to be written, and makes it where it is missing.
    fn open_or_make(&self) -> Result<Connection, HistoryError> {
        if let Some(connection) = self.open("write")? {
            return Ok(connection);
        }
        let mut connection = self.connect("write", OpenFlags::SQLITE_OPEN_CREATE)?;
        schema::make(&mut connection)
            .map_err(|error| self.explain("write", error))?
            .map_err(|odd| self.odd(odd))?;
        Ok(connection)
    }

    fn connect(
        &self,
        operation: &'static str,
        more: OpenFlags,
    ) -> Result<Connection, HistoryError> {
        // Readers too may have to roll back what a killed writer left; where the file is write
        // protected, SQLite opens it for reading.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
        let connection = Connection::open_with_flags(&self.path, flags);
        let ready = connection.and_then(|connection| {
            connection.busy_timeout(BUSY_MAX)?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.pragma_update(None, "trusted_schema", false)?;
            Ok(connection)
        });
        ready.map_err(|error| self.explain(operation, error))
    }

    /// What a database's error means to us.
    fn explain(&self, operation: &'static str, error: rusqlite::Error) -> HistoryError {
        let damaged = |why: String| HistoryError::Damaged {
            path: self.path.clone(),
            why,
        };
        match &error {
            rusqlite::Error::SqliteFailure(failure, said) => match failure.code {
                ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => {
                    damaged(said_or(said, &error))
                }
                // Tables or columns that are not there: somebody else's, or torn.
                ErrorCode::Unknown => damaged(said_or(said, &error)),
                _ => self.access(operation, said_or(said, &error)),
            },
            rusqlite::Error::SqlInputError { msg, .. } => damaged(msg.clone()),
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::QueryReturnedNoRows => damaged(error.to_string()),
            _ => self.access(operation, error.to_string()),
        }
    }

    fn odd(&self, odd: schema::Odd) -> HistoryError {
        let path = self.path.clone();
        match odd {
            schema::Odd::Foreign => HistoryError::Damaged {
                path,
                why: "it is another program's database".to_owned(),
            },
            schema::Odd::Later(found) => HistoryError::Later { path, found },
        }
    }

    fn access(&self, operation: &'static str, why: String) -> HistoryError {
        HistoryError::Access {
            operation,
            path: self.path.clone(),
            why,
        }
    }
}

fn said_or(said: &Option<String>, error: &rusqlite::Error) -> String {
    said.clone().unwrap_or_else(|| error.to_string())
}
