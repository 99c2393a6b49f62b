//! Reading a database in WAL mode where nothing can be written beside it.
//!
//! SQLite makes two files for such a database even to read it, so on a read-only medium, in somebody else's
//! directory and on a full disk it gives up. As long as there is no write-ahead log, though, the database file
//! alone says everything. It is then read without locks, and what was read counts only if the files are still
//! as they were before.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::OpenFlags;

use super::hardening::only_read;
use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;
use crate::storage::db_files::DatabaseFiles;
use crate::storage::db_version::{DbVersion, DbWatcher, JournalMode};
use crate::storage::fs::platform::{FileState, is_dir_writable, is_own_and_writable, may_give_files_away};
use crate::storage::fs::read_descriptor::open_forever;

/// A database file that says everything by itself, in the state that it was found in.
#[derive(Debug)]
pub(super) struct ImmutableSnapshot {
    watcher: DbWatcher,
    version: DbVersion,
}

impl ImmutableSnapshot {
    /// Looks at the database of `dir`; `None` where another file has a part in what it says.
    pub(super) fn find(dir: &DataDir) -> Result<Option<Self>> {
        match watch(dir)? {
            Some(watcher) => Self::of(dir, watcher),
            None => Ok(None),
        }
    }

    /// The same, of a database in WAL mode to which nobody is connected.
    pub(super) fn find_quiet_wal(dir: &DataDir) -> Result<Option<Self>> {
        // Asked first: any other is no reason to wait until its times prove something.
        let Some(watcher) = watch(dir)?.filter(is_quiet_wal) else {
            return Ok(None);
        };
        let found = Self::of(dir, watcher)?;
        Ok(found.filter(|snapshot| is_quiet_wal(&snapshot.watcher)))
    }

    fn of(dir: &DataDir, watcher: DbWatcher) -> Result<Option<Self>> {
        let unreadable = |error| Error::io(dir.database(), "cannot look at")(error);
        let Some(version) = watcher.capture(|| Ok(JournalMode::Wal { frames: 0 }))? else {
            return Ok(None);
        };
        // Looked at last: who writes by a journal makes it before it writes, and a write breaks the snapshot.
        let journal = FileState::of_path(&watcher.files().journal).map_err(unreadable)?;
        let is_alone = journal.is_none_or(|journal| journal.size == 0);
        Ok(is_alone.then_some(ImmutableSnapshot { watcher, version }))
    }

    /// Whether nothing was written since.
    pub(super) fn is_unchanged(&self) -> bool {
        self.watcher.matches(&self.version)
    }
}

fn watch(dir: &DataDir) -> Result<Option<DbWatcher>> {
    DbWatcher::open(dir).map_err(Error::io(dir.database(), "cannot look at"))
}

/// Whether a database is in WAL mode and nobody is connected to it.
fn is_quiet_wal(watcher: &DbWatcher) -> bool {
    let is_unconnected = matches!(FileState::of_path(&watcher.files().wal_index), Ok(None));
    is_unconnected && is_wal(watcher).unwrap_or(false)
}

fn is_wal(watcher: &DbWatcher) -> io::Result<bool> {
    // The version that a reader must know, at byte 19 of the database's header (fileformat2, 1.3.3).
    let mut version = [0];
    match open_forever(watcher.files().database(), watcher.identity())? {
        Some(file) => file.read_exact_at(&mut version, 19)?,
        None => return Ok(false),
    }
    Ok(version == [2])
}

/// Whether the files that SQLite makes beside a database in WAL mode would stay, or be another user's than the database
/// while they are there.
pub(super) fn would_leave_files(dir: &DataDir) -> bool {
    is_own_and_writable(dir.database()).is_ok_and(|is_own| !is_own)
}

/// Whether only a recovery shows what a write-ahead log holds, for which SQLite would make a file here that another user
/// than the database's owner keeps: the service could perhaps not write it.
pub(super) fn would_keep_file_of_recovery(dir: &DataDir) -> bool {
    if !would_leave_files(dir) || may_give_files_away() {
        return false;
    }
    let Ok(files) = DatabaseFiles::resolve(dir.database()) else {
        return false;
    };
    // Where no file can be made, none is left, and SQLite says so.
    let may_make = files.wal_index.parent().is_none_or(is_dir_writable);
    let has_log = matches!(FileState::of_path(&files.wal), Ok(Some(log)) if log.size > 0);
    may_make && has_log && matches!(FileState::of_path(&files.wal_index), Ok(None))
}

/// Opens a database that nobody writes to, without locks.
pub(super) fn open(path: &Path) -> rusqlite::Result<rusqlite::Connection> {
    let bytes = path.as_os_str().as_bytes().iter();
    let escaped: String = bytes.map(|byte| format!("%{byte:02x}")).collect();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let sqlite = rusqlite::Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)?;
    only_read(&sqlite)?;
    Ok(sqlite)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::ImmutableSnapshot;
    use crate::error::Error;
    use crate::storage::data_dir::DataDir;
    use crate::storage::sqlite::Connection;

    /// What is read without locks counts only as long as nobody wrote: a torn answer is never given.
    #[test]
    fn a_commit_breaks_what_is_read_without_locks() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        let write = |sql: &str| {
            let writer = rusqlite::Connection::open(dir.database()).unwrap();
            writer.execute_batch(sql).unwrap();
            drop(writer);
            // Where times have a grain, a young file proves nothing.
            std::thread::sleep(Duration::from_millis(50));
        };
        write("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)");
        let open = || Connection::open_immutable(&dir, Error::usage("nothing to read without locks")).unwrap();
        let (read, reading) = (open(), open());
        read.snapshot(|| Ok(())).unwrap();
        // Also in the middle of what is read.
        let torn = reading.snapshot(|| {
            write("INSERT INTO t VALUES (2)");
            Ok(())
        });
        assert!(matches!(torn, Err(Error::Overtaken { .. })), "{torn:?}");
        assert!(!read.is_usable());
        assert!(matches!(read.snapshot(|| Ok(())), Err(Error::Overtaken { .. })));
        open().snapshot(|| Ok(())).unwrap();
    }

    /// What a journal holds is part of what the database says.
    #[test]
    fn beside_a_journal_that_holds_something_nothing_is_read_without_locks() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        rusqlite::Connection::open(dir.database())
            .unwrap()
            .execute_batch("CREATE TABLE t (x)")
            .unwrap();
        let journal = root.path().join("audit.db-journal");
        std::thread::sleep(Duration::from_millis(50));
        let is_found = || ImmutableSnapshot::find(&dir).unwrap().is_some();
        assert!(is_found());
        std::fs::write(&journal, "").unwrap();
        assert!(is_found(), "an empty one is left by journal_mode = TRUNCATE");
        std::fs::write(&journal, "pages as they were").unwrap();
        assert!(!is_found());
    }
}
