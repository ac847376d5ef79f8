//! Forgetting scenes.

use rusqlite::{Connection, TransactionBehavior};

use super::{History, HistoryError};

/// A scene that was forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// Its path.
    pub path: String,
    /// The adapter's id.
    pub adapter: String,
    /// Costs that were kept of it.
    pub costs: u32,
}

impl History {
    /// Forgets a scene, whoever rendered it. Nothing where nothing is remembered of it.
    pub fn forget(&self, path: &str) -> Result<Vec<Forgotten>, HistoryError> {
        let Some(mut connection) = self.open("write")? else {
            return Ok(Vec::new());
        };
        remove(&mut connection, Some(path)).map_err(|error| self.explain("write", error))
    }

    /// Forgets everything. A file that is damaged, or that a later version wrote, is removed.
    pub fn forget_all(&self) -> Result<Vec<Forgotten>, HistoryError> {
        let removed = match self.open("write") {
            Ok(None) => return Ok(Vec::new()),
            Ok(Some(mut connection)) => {
                remove(&mut connection, None).map_err(|error| self.explain("write", error))
            }
            Err(error) => Err(error),
        };
        match removed {
            Err(HistoryError::Damaged { .. } | HistoryError::Later { .. }) => {
                std::fs::remove_file(&self.path)
                    .map_err(|error| self.access("remove", error.to_string()))?;
                // What a killed writer left belongs to the file that is gone.
                let mut journal = self.path.clone().into_os_string();
                journal.push("-journal");
                let _ = std::fs::remove_file(journal);
                Ok(Vec::new())
            }
            other => other,
        }
    }
}

fn remove(connection: &mut Connection, path: Option<&str>) -> rusqlite::Result<Vec<Forgotten>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let forgotten = {
        let mut all = transaction.prepare(
            "SELECT path, adapter, (SELECT ifnull(sum(costs), 0) FROM take WHERE take.scene = scene.id)
             FROM scene WHERE ?1 IS NULL OR path = ?1 ORDER BY path, adapter",
        )?;
        let rows = all.query_map([path], |row| {
            Ok(Forgotten {
                path: row.get(0)?,
                adapter: row.get(1)?,
                costs: row.get(2)?,
            })
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()?
    };
    transaction.execute("DELETE FROM scene WHERE ?1 IS NULL OR path = ?1", [path])?;
    transaction.commit()?;
    // Gives the room back; it needs some itself, and where there is none the rows are gone anyway.
    let _ = connection.execute_batch("VACUUM");
    Ok(forgotten)
}
