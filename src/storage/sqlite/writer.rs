//! Writing a new database, for `seed`.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{OpenFlags, params};

use super::name::plain_name;
use crate::error::{Error, Result};
use crate::model::Row;

/// How many rows a commit holds: the service's own batch.
const BATCH: u32 = 2_000;

/// A new database that is being filled, in a directory that nobody else can write in.
#[derive(Debug)]
pub(crate) struct Writer {
    sqlite: rusqlite::Connection,
    path: PathBuf,
    pending: u32,
}

impl Writer {
    /// Makes the schema in the empty file at `path`, which is open as `file`.
    ///
    /// # Errors
    /// SQLite cannot write, or another file is at `path` by now.
    pub(crate) fn create(path: &Path, file: &File, schema: &str) -> Result<Self> {
        let before = count_descriptors(file);
        // Without SQLITE_OPEN_CREATE: the file is there, so nothing is made where a planted link leads.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = rusqlite::Connection::open_with_flags(plain_name(path), flags);
        let opened = opened.map_err(|error| write_error(path, &error))?;
        // SQLite opens by name. Before anything is written, look whether it opened the same file.
        if count_descriptors(file) != before.map(|count| count + 1) {
            return Err(Error::Database {
                path: path.to_owned(),
                problem: "cannot be written: another file was put at its path while SQLite opened it".to_owned(),
            });
        }
        // No journal and no waiting for the disk: until it is put in place, the file is disposable.
        let made = opened
            .execute_batch(&format!(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -64000;
                 {schema}; BEGIN"
            ))
            .map(|()| opened);
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

/// How many of this process's descriptors are open on this file; `None` where the system does not say.
fn count_descriptors(file: &File) -> Option<usize> {
    let is_same = |other: &Metadata, file: &Metadata| (other.dev(), other.ino()) == (file.dev(), file.ino());
    let file = file.metadata().ok()?;
    let descriptors = fs::read_dir("/proc/self/fd").ok()?.flatten();
    // A descriptor that another thread closed meanwhile is none of these.
    let same = descriptors.filter(|entry| fs::metadata(entry.path()).is_ok_and(|other| is_same(&other, &file)));
    Some(same.count())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_to_another_file_than_the_one_that_is_open() {
        let dir = tempfile::tempdir().unwrap();
        let [path, other] = ["audit.db", "other"].map(|name| dir.path().join(name));
        let [file, elsewhere] = [&path, &other].map(|path| File::create_new(path).unwrap());
        let refused = Writer::create(&path, &elsewhere, "CREATE TABLE t (x)")
            .map(|_| ())
            .unwrap_err();
        assert!(
            refused.to_string().contains("another file was put at its path"),
            "{refused}"
        );
        assert_eq!(file.metadata().unwrap().len(), 0);
        Writer::create(&path, &file, "CREATE TABLE t (x)")
            .unwrap()
            .finish("")
            .unwrap();
        assert!(file.metadata().unwrap().len() > 0);
    }
}
