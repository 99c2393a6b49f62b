//! A writer beside readers: it commits to a copy of a database, one row at a time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection as Sqlite, OpenFlags};

use super::hardening::distrust_schema;
use super::name::plain_name;
use super::writer::{insert, write_error};
use crate::error::{Error, Result};
use crate::model::Row;

/// How long a commit waits for readers to let it through: far longer than a connection of the live service would, so
/// that readers who starve a writer are seen in its latencies and not in its failures.
const BUSY_TIMEOUT: Duration = Duration::from_secs(300);

/// How a commit is made to survive a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Journal {
    /// What is overwritten goes to a rollback journal first, synchronous FULL.
    Rollback,
    /// What is new goes to a write-ahead log, synchronous NORMAL.
    Wal,
}

/// A connection that appends to a log.
#[derive(Debug)]
pub(crate) struct Committer {
    sqlite: Sqlite,
    path: PathBuf,
}

impl Committer {
    /// Opens the database at `path` and puts it into this journal mode.
    ///
    /// # Errors
    /// There is none, or it cannot be put into that mode.
    pub(crate) fn open(path: &Path, journal: Journal) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let (mode, synchronous) = match journal {
            Journal::Rollback => ("delete", "FULL"),
            Journal::Wal => ("wal", "NORMAL"),
        };
        let opened = Sqlite::open_with_flags(plain_name(path), flags).and_then(|sqlite| {
            sqlite.busy_timeout(BUSY_TIMEOUT)?;
            distrust_schema(&sqlite)?;
            let now: String = sqlite.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |row| row.get(0))?;
            sqlite.pragma_update(None, "synchronous", synchronous)?;
            Ok((sqlite, now))
        });
        let (sqlite, now) = opened.map_err(|error| write_error(path, &error))?;
        if now != mode {
            return Err(Error::Database {
                path: path.to_owned(),
                problem: format!("cannot be put into journal mode {mode} here: it stays in {now}"),
            });
        }
        Ok(Committer {
            sqlite,
            path: path.to_owned(),
        })
    }

    /// Inserts a row in a transaction of its own: it is committed when this returns.
    ///
    /// # Errors
    /// The row is there already, or cannot be written.
    pub(crate) fn commit(&self, row: &Row<'_>) -> Result<()> {
        insert(&self.sqlite, row).map_err(|error| write_error(&self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::dataset::SCHEMA_SQL;
    use crate::model::{Filter, PayloadRef};
    use crate::storage::data_dir::DataDir;
    use crate::storage::sqlite::{Connection, Writer, copy_database};

    fn row(id: i64) -> Row<'static> {
        Row {
            id,
            created_at: id,
            actor_id: 1,
            action: "LOGIN",
            resource_type: "ORDER",
            resource_id: "ORDER-1",
            payload_ref: PayloadRef { offset: 0, len: 2 },
        }
    }

    #[test]
    fn a_copy_takes_commits_in_either_mode_and_the_original_none() {
        let dir = tempfile::tempdir().unwrap();
        let original = dir.path().join("audit.db");
        let mut writer = Writer::create(&original, &std::fs::File::create_new(&original).unwrap(), SCHEMA_SQL).unwrap();
        writer.insert(&row(1)).unwrap();
        writer.finish("SELECT 1").unwrap();
        for (journal, name) in [(Journal::Rollback, "delete"), (Journal::Wal, "wal")] {
            let copy = dir.path().join(name);
            copy_database(&DataDir::new(dir.path()), &copy).unwrap();
            let committer = Committer::open(&copy, journal).unwrap();
            committer.commit(&row(2)).unwrap();
            let mode: String = committer
                .sqlite
                .query_row("PRAGMA journal_mode", [], |row| row.get(0))
                .unwrap();
            assert_eq!(mode, name);
            let count = |path: &Path| Connection::open_file(path).unwrap().count(&Filter::ALL).unwrap();
            assert_eq!((count(&copy), count(&original)), (2, 1), "{name}");
            assert!(committer.commit(&row(2)).is_err());
        }
    }
}
