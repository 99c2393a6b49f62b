//! Writing a new database, for `seed`.

use std::path::{Path, PathBuf};

use rusqlite::params;

use crate::error::{Error, Result};
use crate::model::Row;

/// How many rows a commit holds: the service's own batch.
const BATCH: u32 = 2_000;

/// A database that is being made, at a path that nobody else knows yet.
#[derive(Debug)]
pub(crate) struct Writer {
    sqlite: rusqlite::Connection,
    path: PathBuf,
    pending: u32,
}

impl Writer {
    /// Makes the schema in the empty file at `path`.
    pub(crate) fn create(path: &Path, schema: &str) -> Result<Self> {
        let made = rusqlite::Connection::open(path).and_then(|sqlite| {
            // No journal and no waiting for the disk: until it is renamed into place, the file is disposable.
            sqlite.execute_batch(&format!(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -64000;
                 {schema}; BEGIN"
            ))?;
            Ok(sqlite)
        });
        let sqlite = made.map_err(|error| write_error(path, &error))?;
        Ok(Writer {
            sqlite,
            path: path.to_owned(),
            pending: 0,
        })
    }

    /// Inserts a row.
    pub(crate) fn insert(&mut self, row: &Row<'_>) -> Result<()> {
        self.map_err(insert(&self.sqlite, row))?;
        self.pending += 1;
        if self.pending == BATCH {
            self.pending = 0;
            self.map_err(self.sqlite.execute_batch("COMMIT; BEGIN"))?;
        }
        Ok(())
    }

    /// Commits what is pending, runs `finish` (such as making an index) and closes.
    pub(crate) fn finish(self, finish: &str) -> Result<()> {
        self.map_err(
            self.sqlite
                .execute_batch(&format!("COMMIT; {finish}; PRAGMA journal_mode = DELETE")),
        )?;
        let path = self.path;
        self.sqlite.close().map_err(|(_, error)| write_error(&path, &error))
    }

    fn map_err<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|error| write_error(&self.path, &error))
    }
}

/// Inserts a row, in the transaction that is open or else in one of its own.
pub(super) fn insert(sqlite: &rusqlite::Connection, row: &Row<'_>) -> rusqlite::Result<()> {
    let statement = "
        INSERT INTO audit_events
            (id, created_at, actor_id, action, resource_type, resource_id, payload_offset, payload_len)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let values = params![
        row.id,
        row.created_at,
        row.actor_id,
        row.action,
        row.resource_type,
        row.resource_id,
        row.payload_ref.offset,
        row.payload_ref.len
    ];
    sqlite.prepare_cached(statement)?.execute(values).map(|_| ())
}

pub(super) fn write_error(path: &Path, error: &rusqlite::Error) -> Error {
    Error::Database {
        path: path.to_owned(),
        problem: format!("cannot be written: {error}"),
    }
}
