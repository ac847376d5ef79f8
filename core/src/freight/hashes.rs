//! Hashes of files that did not change since: one SQLite file, `STATE/hashes.sqlite`.
//!
//! A file counts as unchanged while its path, size, time of modification and inode are the same,
//! as for `make` and `rsync`. A time that is younger than `SETTLED_MIN` when the file is hashed
//! proves nothing (the next write may fall into the same tick of the clock), so such a hash is not
//! kept.
//!
//! Nothing depends on this file: whoever cannot read or write it says so and hashes again. Like
//! the history it is journalled by rollback, which works on a network's homes too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use framewright_worker::freight::message::Blob;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

/// The file's name in the state directory.
pub const FILE_NAME: &str = "hashes.sqlite";
/// Most files remembered; what was not used for longest goes first.
const FILES_MAX: i64 = 500_000;
/// How long to wait for another controller that writes just now.
const BUSY_MAX: Duration = Duration::from_secs(5);
/// Files younger than this are not remembered. Two seconds is FAT's clock, the coarsest.
const SETTLED_MIN: Duration = Duration::from_secs(2);
/// Version of the table, kept in `PRAGMA user_version`. Another one is thrown away: it is a cache.
const VERSION: i64 = 1;

/// What tells that a file is still the one that was hashed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Absolute path.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// Time of modification, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Inode.
    pub inode: u64,
}

/// The hashes of one state directory.
#[derive(Clone, Debug)]
pub struct HashCache {
    path: PathBuf,
}

impl HashCache {
    /// The cache in this state directory. Nothing is opened yet.
    #[must_use]
    pub fn at(state_dir: &Path) -> Self {
        Self {
            path: state_dir.join(FILE_NAME),
        }
    }

    /// What is known of these files, and a sentence where the cache cannot be read.
    pub(super) fn recall<'a>(
        &self,
        wanted: impl Iterator<Item = &'a Stamp>,
    ) -> (BTreeMap<Stamp, Blob>, Option<String>) {
        if !self.path.exists() {
            return (BTreeMap::new(), None);
        }
        match self.read(wanted) {
            Ok(known) => (known, None),
            Err(error) => (BTreeMap::new(), Some(self.sentence("read", &error))),
        }
    }

    /// Remembers what was hashed; a sentence where that is not possible.
    pub(super) fn learn(&self, fresh: &BTreeMap<Stamp, Blob>) -> Option<String> {
        if fresh.is_empty() {
            return None;
        }
        self.write(fresh)
            .err()
            .map(|error| self.sentence("write", &error))
    }

    fn sentence(&self, operation: &str, error: &rusqlite::Error) -> String {
        format!(
            "cannot {operation} the cache of hashes {}: {error}; files are hashed again each time",
            self.path.display()
        )
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(BUSY_MAX)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        // After a power cut it may be torn; then it is noticed and made anew.
        connection.pragma_update(None, "synchronous", "OFF")?;
        Ok(connection)
    }

    fn read<'a>(
        &self,
        wanted: impl Iterator<Item = &'a Stamp>,
    ) -> rusqlite::Result<BTreeMap<Stamp, Blob>> {
        let connection = self.open()?;
        if version(&connection)? != VERSION {
            return Ok(BTreeMap::new());
        }
        let mut ask = connection.prepare(
            "SELECT hash FROM file WHERE path = ?1 AND bytes = ?2 AND mtime_ns = ?3 AND inode = ?4",
        )?;
        let mut known = BTreeMap::new();
        for stamp in wanted {
            let hash: Option<String> = ask
                .query_row(
                    params![
                        stamp.path,
                        signed(stamp.bytes),
                        stamp.mtime_ns,
                        signed(stamp.inode)
                    ],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(blob) = hash.and_then(|hash| hash.parse().ok()) {
                known.insert(stamp.clone(), blob);
            }
        }
        Ok(known)
    }

    fn write(&self, fresh: &BTreeMap<Stamp, Blob>) -> rusqlite::Result<()> {
        let mut connection = self.open()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if version(&transaction)? != VERSION {
            transaction.execute_batch(
                "DROP TABLE IF EXISTS file;
                 CREATE TABLE file (
                     path TEXT PRIMARY KEY,
                     bytes INTEGER NOT NULL,
                     mtime_ns INTEGER NOT NULL,
                     inode INTEGER NOT NULL,
                     hash TEXT NOT NULL,
                     seq INTEGER NOT NULL
                 ) STRICT, WITHOUT ROWID;
                 CREATE INDEX file_seq ON file (seq);",
            )?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        let seq: i64 =
            transaction.query_row("SELECT COALESCE(MAX(seq), 0) + 1 FROM file", [], |row| {
                row.get(0)
            })?;
        let settled = settled_before();
        {
            let mut put = transaction.prepare(
                "INSERT OR REPLACE INTO file (path, bytes, mtime_ns, inode, hash, seq)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for (stamp, blob) in fresh.iter().filter(|(stamp, _)| stamp.mtime_ns < settled) {
                put.execute(params![
                    stamp.path,
                    signed(stamp.bytes),
                    stamp.mtime_ns,
                    signed(stamp.inode),
                    blob.to_string(),
                    seq
                ])?;
            }
        }
        let count: i64 =
            transaction.query_row("SELECT COUNT(*) FROM file", [], |row| row.get(0))?;
        if count > FILES_MAX {
            transaction.execute(
                "DELETE FROM file WHERE path IN (SELECT path FROM file ORDER BY seq, path LIMIT ?1)",
                [count - FILES_MAX],
            )?;
        }
        transaction.commit()
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn settled_before() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .saturating_sub(SETTLED_MIN);
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// SQLite's integers have a sign; sizes and inodes are only compared.
fn signed(number: u64) -> i64 {
    number.cast_signed()
}
