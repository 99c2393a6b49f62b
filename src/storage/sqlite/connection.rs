//! Opening a database that belongs to somebody else, and saying in one line why it cannot be read.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{ErrorCode, OpenFlags};

use super::hardening::only_read;
use super::immutable::{self, ImmutableSnapshot};
use super::name::plain_name;
use super::posix_locks::{self, Locking};
use crate::error::{Error, Result};
use crate::escape::escape_for_terminal;
use crate::storage::absent::require_database;
use crate::storage::data_dir::DataDir;
use crate::storage::db_files::DatabaseFiles;
use crate::storage::db_version::JournalMode;
use crate::storage::fs::platform::is_out_of_descriptors;

/// How long a lock held by another process is waited for: the default of Python's sqlite3 module, which the
/// live service uses.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often SQLite is asked again while a writer publishes a commit, which takes it microseconds.
const RETRIES: usize = 100;

/// One connection that reads, and never writes a row.
///
/// It leaves beside the database what it found there. Two files lie beside a database in WAL mode as long as somebody is
/// connected to it, and SQLite makes them even in order to read. The last one who may write the database removes them; who
/// may not would leave them to a service that could perhaps not write them. So whoever is not the database's owner reads
/// a quiet database without locks, which needs no other file.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) sqlite: rusqlite::Connection,
    path: PathBuf,
    locks: Locks,
}

thread_local! {
    /// When this thread began to wait for a lock.
    static WAITING_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Whether a lock is asked for again, which was asked for so often already.
fn wait_a_moment(attempts: i32) -> bool {
    let since = WAITING_SINCE
        .get()
        .filter(|_| attempts > 0)
        .unwrap_or_else(Instant::now);
    WAITING_SINCE.set(Some(since));
    std::thread::sleep(Duration::from_millis(1));
    since.elapsed() < BUSY_TIMEOUT
}

/// What makes that which is read be of one moment.
#[derive(Debug)]
enum Locks {
    /// SQLite's locks. Dropped after the connection.
    Held { _registered: Locking },
    /// None: what must hold for anything read to count.
    None(Box<ImmutableSnapshot>),
}

impl Connection {
    /// Opens as the live service does. Nothing is created, and the first statement is what first reads.
    pub(crate) fn open_baseline(dir: &DataDir) -> Result<Self> {
        match Self::open_quiet(dir) {
            Some(connection) => Ok(connection),
            None => Self::open_locking(dir),
        }
    }

    /// Opens with locks, if the files that SQLite makes for them are of no harm to the database's owner.
    fn open_locking(dir: &DataDir) -> Result<Self> {
        if immutable::would_keep_file_of_recovery(dir) {
            return Err(Error::Unreadable {
                path: dir.database().to_owned(),
                problem: "a killed writer left a write-ahead log that must be recovered first, and what that leaves \
                          behind, the database's owner could not write: open it once as its owner"
                    .to_owned(),
            });
        }
        Self::open_file(dir.database())
    }

    /// Opens the database file at `path`, with locks.
    pub(crate) fn open_file(path: &Path) -> Result<Self> {
        let registered = Locking::new();
        // Read-write, because a read-only connection cannot roll back the journal that a killed writer left;
        // SQLite itself falls back to read-only where the file or its file system is.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        DatabaseFiles::refuse_special(path)?;
        let connected = rusqlite::Connection::open_with_flags(plain_name(path), flags).and_then(|sqlite| {
            sqlite.busy_timeout(BUSY_TIMEOUT)?;
            only_read(&sqlite).map(|()| sqlite)
        });
        match connected {
            Ok(sqlite) => Ok(Connection {
                sqlite,
                path: path.to_owned(),
                locks: Locks::Held {
                    _registered: registered,
                },
            }),
            Err(error) => Err(to_error(path, &error)),
        }
    }

    /// Opens for reading and nothing else: it leaves even another writer's write-ahead log as it is.
    pub(crate) fn open(dir: &DataDir) -> Result<Self> {
        Self::open_waiting(dir, |_| Ok(()))
    }

    /// The same, for who keeps up with a writer: a lock that others hold is asked for every millisecond and not ever more
    /// seldom, because beside commits without pause the moments without a lock are short.
    pub(crate) fn open_eager(dir: &DataDir) -> Result<Self> {
        Self::open_waiting(dir, |sqlite| sqlite.busy_handler(Some(wait_a_moment)))
    }

    /// `set_wait` says how a lock is waited for.
    fn open_waiting(
        dir: &DataDir,
        set_wait: impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<()>,
    ) -> Result<Self> {
        if let Some(connection) = Self::open_quiet(dir) {
            return Ok(connection);
        }
        let mut connection = Self::open_locking(dir)?;
        let set = set_wait(&mut connection.sqlite);
        connection.map_err(set)?;
        match connection.forbid_writing() {
            Err(error @ Error::Unreadable { .. }) => Self::open_immutable(dir, error),
            opened => opened.map(|()| connection),
        }
    }

    fn forbid_writing(&self) -> Result<()> {
        let sqlite = &self.sqlite;
        let leave_log = |leave| sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave);
        let opened = leave_log(true)
            // The first look at the database is what makes the files that it cannot be read without.
            .and_then(|_| sqlite.query_row("PRAGMA schema_version", [], |_| Ok(())));
        self.map_err(opened)?;
        if self.journal_mode()? == (JournalMode::Wal { frames: 0 }) {
            // There is nothing to copy: all that SQLite does at the close is to remove what it made for this connection.
            self.map_err(leave_log(false))?;
        }
        Ok(())
    }

    /// Opens without locks what SQLite would leave files beside that are of no use to the database's owner; `None` where
    /// those files are there already, or where SQLite removes them, or where nothing would show a write.
    fn open_quiet(dir: &DataDir) -> Option<Self> {
        if !immutable::would_leave_files(dir) {
            return None;
        }
        // What cannot be looked at, SQLite says in its own way.
        let snapshot = ImmutableSnapshot::find_quiet_wal(dir).ok()?;
        Self::open_snapshot(dir, snapshot?).ok()
    }

    /// Opens a database that SQLite cannot read for the reason `why`, where it can be read without locks.
    pub(crate) fn open_immutable(dir: &DataDir, why: Error) -> Result<Self> {
        let Some(snapshot) = ImmutableSnapshot::find(dir)? else {
            return Err(why);
        };
        Self::open_snapshot(dir, snapshot).map_err(|_| why)
    }

    fn open_snapshot(dir: &DataDir, snapshot: ImmutableSnapshot) -> rusqlite::Result<Self> {
        Ok(Connection {
            sqlite: immutable::open(dir.database())?,
            path: dir.database().to_owned(),
            locks: Locks::None(Box::new(snapshot)),
        })
    }

    /// Whether what is read now can still count. Never again, once the files of a database that is read without locks
    /// were written to.
    pub(crate) fn is_usable(&self) -> bool {
        match &self.locks {
            Locks::Held { .. } => true,
            Locks::None(snapshot) => snapshot.is_unchanged(),
        }
    }

    /// Where commits go. Reads the database, and recovers what a killed writer left behind.
    pub(crate) fn journal_mode(&self) -> Result<JournalMode> {
        if matches!(self.locks, Locks::None(_)) {
            // The next writer, if there ever is one, starts a write-ahead log.
            return Ok(JournalMode::Wal { frames: 0 });
        }
        if self.makes_commits_wait()? {
            return Ok(JournalMode::Rollback);
        }
        Ok(JournalMode::Wal {
            frames: self.committed_frames()?,
        })
    }

    /// Whether a commit waits until nobody reads, as one to a rollback journal does. Reads the database like
    /// [`journal_mode`](Self::journal_mode).
    pub(crate) fn makes_commits_wait(&self) -> Result<bool> {
        if matches!(self.locks, Locks::None(_)) {
            return Ok(false);
        }
        let mode: String = self.map_err(self.sqlite.query_row("PRAGMA journal_mode", [], |row| row.get(0)))?;
        Ok(mode != "wal")
    }

    /// How many frames of the write-ahead log are committed; 0 where it was just restarted.
    fn committed_frames(&self) -> Result<u64> {
        for _ in 0..RETRIES {
            // NOOP copies nothing: it only says how many frames are committed.
            let counted = self
                .sqlite
                .query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get::<_, i64>(1));
            match counted {
                // Who may not write the log is not told: as good as a log that was just restarted.
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ReadOnly) => return Ok(0),
                counted => {
                    if let Ok(frames) = u64::try_from(self.map_err(counted)?) {
                        return Ok(frames);
                    }
                    // Below 0: a writer is just publishing a commit.
                    std::thread::yield_now();
                }
            }
        }
        Ok(0)
    }

    /// Runs `read` inside one read transaction: everything it reads is of one moment.
    pub(crate) fn snapshot<T>(&self, read: impl FnOnce() -> Result<T>) -> Result<T> {
        let transaction = self.map_err(self.sqlite.unchecked_transaction())?;
        // A deferred transaction starts with its first read.
        self.map_err(
            self.sqlite
                .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())),
        )?;
        let result = read();
        drop(transaction);
        self.confirm(result)
    }

    /// An error that says what is wrong with the database.
    pub(super) fn damaged(&self, what: &str) -> Error {
        Error::Database {
            path: self.path.clone(),
            problem: format!("the database is damaged: {what}: restore it from a backup"),
        }
    }

    /// What SQLite gave, if it counts; its error in the words of this crate.
    pub(super) fn map_err<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        self.confirm(self.map_err_unconfirmed(result))
    }

    /// SQLite's error in the words of this crate. The caller confirms what was read.
    pub(super) fn map_err_unconfirmed<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|error| to_error(&self.path, &error))
    }

    /// What was read, or what came of reading it, if it counts.
    pub(super) fn confirm<T, E: From<Error>>(&self, read: std::result::Result<T, E>) -> std::result::Result<T, E> {
        if self.is_usable() {
            return read;
        }
        Err(E::from(Error::Overtaken {
            path: self.path.clone(),
        }))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Locks::None(_) = self.locks
            // In its place, because a value that is being dropped cannot be taken from.
            && let Ok(nothing) = rusqlite::Connection::open_in_memory()
        {
            posix_locks::close_without_locks(std::mem::replace(&mut self.sqlite, nothing));
        }
    }
}

/// One line for whatever SQLite says. The same condition gives the same line, whichever statement met it.
fn to_error(path: &Path, error: &rusqlite::Error) -> Error {
    let path = path.to_owned();
    let unreadable = |path, problem: &str| Error::Unreadable {
        path,
        problem: problem.to_owned(),
    };
    let problem = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            return Error::Busy {
                path,
                seconds: BUSY_TIMEOUT.as_secs(),
            };
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => return unopened(path),
        Some(ErrorCode::ReadOnly) => {
            return unreadable(
                path,
                "a killed writer left a journal that must be played back before anything is read, and nothing can \
                 be written here: open it once with the right to write",
            );
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::DiskFull | ErrorCode::OutOfMemory) => {
            return unreadable(path, &sqlite_message(error));
        }
        Some(ErrorCode::NotADatabase) => {
            "the file is no SQLite database: --data-dir must name an audit log's directory".to_owned()
        }
        Some(ErrorCode::TooBig) => "a value is longer than 256 MiB: no page holds it".to_owned(),
        Some(ErrorCode::DatabaseCorrupt) => "the database is damaged: restore it from a backup".to_owned(),
        _ => {
            let said = sqlite_message(error);
            if said.starts_with("no such") {
                format!("{said}: the database is no audit log of this service")
            } else {
                said
            }
        }
    };
    Error::Database { path, problem }
}

/// Why a database cannot be opened, which SQLite says of all reasons alike.
fn unopened(path: PathBuf) -> Error {
    if let Err(absent) = require_database(&path) {
        return absent;
    }
    let problem = if is_out_of_descriptors() {
        "the database cannot be opened, because too many files are open: raise the limit (`ulimit -n`)"
    } else {
        "the database cannot be opened: look at its permissions and those of its directory"
    };
    Error::Unreadable {
        path,
        problem: problem.to_owned(),
    }
}

/// SQLite's own words, safe to show.
fn sqlite_message(error: &rusqlite::Error) -> String {
    escape_for_terminal(&match error {
        rusqlite::Error::SqliteFailure(code, None) => code.to_string(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests;
