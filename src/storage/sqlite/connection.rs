//! Opening a database that belongs to somebody else, and saying in one line why it cannot be read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{ErrorCode, OpenFlags};

use super::immutable::{self, ImmutableSnapshot};
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
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) sqlite: rusqlite::Connection,
    path: PathBuf,
    /// There where no lock is held: what must hold for anything read to count.
    snapshot: Option<ImmutableSnapshot>,
}

impl Connection {
    /// Opens as the live service does. Nothing is created, and the first statement is what first reads.
    pub(crate) fn open_baseline(path: &Path) -> Result<Self> {
        // Read-write, because a read-only connection cannot roll back the journal that a killed writer left;
        // SQLite itself falls back to read-only where the file or its file system is.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connected = rusqlite::Connection::open_with_flags(path, flags)
            .and_then(|sqlite| sqlite.busy_timeout(BUSY_TIMEOUT).map(|()| sqlite));
        match connected {
            Ok(sqlite) => Ok(Connection {
                sqlite,
                path: path.to_owned(),
                snapshot: None,
            }),
            Err(error) => Err(to_error(path, &error)),
        }
    }

    /// Opens for reading and nothing else: it leaves even another writer's write-ahead log as it is.
    pub(crate) fn open(dir: &DataDir) -> Result<Self> {
        DatabaseFiles::refuse_special(dir.database())?;
        let connection = Self::open_baseline(dir.database())?;
        let sqlite = &connection.sqlite;
        let opened = sqlite
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .and_then(|_| sqlite.pragma_update(None, "query_only", true))
            // The first look at the database is what makes the files that it cannot be read without.
            .and_then(|()| sqlite.query_row("PRAGMA schema_version", [], |_| Ok(())));
        match connection.map_err(opened) {
            Err(error @ Error::Unreadable { .. }) => Self::open_immutable(dir, error),
            opened => opened.map(|()| connection),
        }
    }

    /// Opens a database that SQLite cannot read for the reason `why`, where it can be read without locks.
    pub(crate) fn open_immutable(dir: &DataDir, why: Error) -> Result<Self> {
        let Some(snapshot) = ImmutableSnapshot::find(dir)? else {
            return Err(why);
        };
        let path = dir.database().to_owned();
        match immutable::open(&path) {
            Ok(sqlite) => Ok(Connection {
                sqlite,
                path,
                snapshot: Some(snapshot),
            }),
            Err(_) => Err(why),
        }
    }

    /// Where commits go. Reads the database, and recovers what a killed writer left behind.
    pub(crate) fn journal_mode(&self) -> Result<JournalMode> {
        if self.snapshot.is_some() {
            // The next writer, if there ever is one, starts a write-ahead log.
            return Ok(JournalMode::Wal { frames: 0 });
        }
        let mode: String = self.map_err(self.sqlite.query_row("PRAGMA journal_mode", [], |row| row.get(0)))?;
        if mode != "wal" {
            return Ok(JournalMode::Rollback);
        }
        Ok(JournalMode::Wal {
            frames: self.committed_frames()?,
        })
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
        result
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
        if self.snapshot.as_ref().is_some_and(|snapshot| !snapshot.is_unchanged()) {
            return Err(Error::Unreadable {
                path: self.path.clone(),
                problem: "it was written to while it was read from where no lock can be held: ask again".to_owned(),
            });
        }
        result.map_err(|error| to_error(&self.path, &error))
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
