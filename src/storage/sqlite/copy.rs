//! A copy of a database that others may be writing to.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::MAIN_DB;

use super::connection::Connection;
use super::name::plain_name;
use super::writer::write_error;
use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;
use crate::storage::fs::platform::Identity;
use crate::storage::fs::read_descriptor::open_forever;
use crate::storage::fs::read_full::read_full_at;

/// How much of a file is read at once, in bytes.
const CHUNK: usize = 256 << 10;

/// Copies the database of `dir`, as it is at one moment, to the new file `to`.
///
/// # Errors
/// The database cannot be read, or is put in another one's place again and again; the copy cannot be written.
pub(crate) fn copy_database(dir: &DataDir, to: &Path) -> Result<()> {
    let unopened = |error| Error::io(dir.database(), "cannot open")(error);
    let identity = Identity::of_path(dir.database()).map_err(unopened)?;
    let connection = Connection::open(dir)?;
    if !connection.makes_commits_wait()? {
        return connection.backup_to(to);
    }
    // Which file it is connected to is known only if the path led to the same one before and after.
    let file = open_forever(dir.database(), identity).map_err(unopened)?;
    let Some(file) = file.filter(|_| identity.is_at(dir.database())) else {
        return connection.backup_to(to);
    };
    let new = File::options().read(true).write(true).create_new(true).open(to);
    let copy = new.map_err(Error::io(to, "cannot create"))?;
    let mut copy = Copy {
        database: &file,
        copy: &copy,
        found: vec![0; CHUNK],
        copied: vec![0; CHUNK],
    };
    // First everything without a lock, whatever moment it is of, then what changed since.
    let unwritten = || Error::io(to, "cannot copy the database to");
    copy.update().map_err(unwritten())?;
    connection.snapshot(|| copy.update().map_err(unwritten()))
}

impl Connection {
    fn backup_to(&self, path: &Path) -> Result<()> {
        // In one read transaction: a writer would else make the copy begin anew with each commit.
        self.snapshot(|| {
            let copied = self
                .sqlite
                .backup(MAIN_DB, plain_name(path), rusqlite::backup::NO_PROGRESS);
            copied.map_err(|error| write_error(path, &error))
        })
    }
}

struct Copy<'a> {
    database: &'a File,
    copy: &'a File,
    found: Vec<u8>,
    copied: Vec<u8>,
}

impl Copy<'_> {
    /// Writes what differs.
    fn update(&mut self) -> io::Result<()> {
        let mut offset = 0;
        loop {
            let read = read_full_at(self.database, &mut self.found, offset)?;
            let old = read_full_at(self.copy, &mut self.copied, offset)?;
            if self.found[..read] != self.copied[..old] {
                self.copy.write_all_at(&self.found[..read], offset)?;
            }
            offset += read as u64;
            if read < CHUNK {
                return self.copy.set_len(offset);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commits that only the write-ahead log holds are part of it, too; and who writes goes on meanwhile.
    #[test]
    fn a_copy_has_every_commit_in_either_journal_mode() {
        for journal in ["delete", "wal"] {
            let root = tempfile::tempdir().unwrap();
            let dir = DataDir::new(root.path());
            let writer = rusqlite::Connection::open(dir.database()).unwrap();
            writer
                .execute_batch(&format!(
                    "PRAGMA journal_mode = {journal}; CREATE TABLE t (x); INSERT INTO t VALUES (1);
                     INSERT INTO t VALUES (zeroblob(2000000));"
                ))
                .unwrap();
            let to = root.path().join("copy");
            copy_database(&dir, &to).unwrap();
            writer.execute_batch("INSERT INTO t VALUES (3)").unwrap();
            let copy = rusqlite::Connection::open(&to).unwrap();
            let sums = copy.query_row("SELECT count(*), sum(length(x)) FROM t", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            });
            assert_eq!(sums.unwrap(), (2, 2_000_001), "{journal}");
        }
    }

    #[test]
    fn an_update_leaves_nothing_of_the_old() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("original");
        let copy = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(dir.path().join("copy"))
            .unwrap();
        let lengths = [0, 1, CHUNK - 1, CHUNK, 3 * CHUNK, 2 * CHUNK + 7, CHUNK, 5, 0];
        for (number, len) in (1..).zip(lengths) {
            let content: Vec<u8> = (0..len)
                .map(|place| if place == len / 2 { number } else { 0 })
                .collect();
            std::fs::write(&path, &content).unwrap();
            let mut update = Copy {
                database: &File::open(&path).unwrap(),
                copy: &copy,
                found: vec![0; CHUNK],
                copied: vec![0; CHUNK],
            };
            update.update().unwrap();
            assert!(std::fs::read(dir.path().join("copy")).unwrap() == content, "{len}");
        }
    }
}
