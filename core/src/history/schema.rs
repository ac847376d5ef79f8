//! The tables, and which version of them a file has.
//!
//! A new version gets a step from the one before in [`make`], and a fixture of the old one in
//! `core/tests/fixtures`, which a test reads. A file of a later version is not touched.

use rusqlite::{Connection, TransactionBehavior};

/// Version of the tables, kept in `PRAGMA user_version`.
pub(super) const VERSION: i64 = 1;
/// `fwhc`, kept in `PRAGMA application_id`: another program's database is told apart.
const APPLICATION: i64 = 0x6677_6863;

/// What a file may be that is not ours to use.
#[derive(Debug)]
pub(super) enum Odd {
    /// Another program's.
    Foreign,
    /// Of a later version.
    Later(i64),
}

/// `seq` counts runs over the whole file: of two rows the larger is the newer, whatever clocks say.
/// `measured` is in milliseconds since 1970. `tile` is empty for a whole frame.
/// `first` is 1 for the first task after a load.
const TABLES: &str = "
    CREATE TABLE scene (
        id INTEGER PRIMARY KEY,
        path TEXT NOT NULL,
        adapter TEXT NOT NULL,
        renders INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        UNIQUE (path, adapter)
    ) STRICT;
    CREATE TABLE take (
        id INTEGER PRIMARY KEY,
        scene INTEGER NOT NULL REFERENCES scene ON DELETE CASCADE,
        content TEXT NOT NULL,
        settings TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        modified INTEGER NOT NULL,
        measured INTEGER NOT NULL,
        costs INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        UNIQUE (scene, content, settings)
    ) STRICT;
    CREATE TABLE cost (
        take INTEGER NOT NULL REFERENCES take ON DELETE CASCADE,
        layer TEXT NOT NULL,
        frame INTEGER NOT NULL,
        tile TEXT NOT NULL,
        cost_s REAL NOT NULL,
        host TEXT NOT NULL,
        measured INTEGER NOT NULL,
        first INTEGER NOT NULL,
        PRIMARY KEY (take, layer, frame, tile)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE host (
        scene INTEGER NOT NULL REFERENCES scene ON DELETE CASCADE,
        name TEXT NOT NULL,
        slots INTEGER NOT NULL,
        speed REAL NOT NULL,
        tasks INTEGER NOT NULL,
        load_s REAL NOT NULL,
        loads INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (scene, name, slots)
    ) STRICT, WITHOUT ROWID;
";

/// Whether an opened file is a history that this version can use.
pub(super) fn check(connection: &Connection) -> rusqlite::Result<Result<(), Odd>> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    Ok(if application != APPLICATION {
        Err(Odd::Foreign)
    } else if version > VERSION {
        Err(Odd::Later(version))
    } else {
        Ok(())
    })
}

/// Makes the tables in an empty file, unless another controller was quicker.
pub(super) fn make(connection: &mut Connection) -> rusqlite::Result<Result<(), Odd>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    let found = check(&transaction)?;
    transaction.commit()?;
    Ok(found)
}
