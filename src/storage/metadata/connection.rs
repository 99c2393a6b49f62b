//! Opening a database that belongs to somebody else, and saying in one line why it cannot be read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{ErrorCode, OpenFlags};

use crate::error::{Error, Result};
use crate::storage::stamp::JournalMode;
use crate::visible::visible;

/// How long a lock held by another process is waited for: the default of Python's sqlite3 module, which the
/// live service uses.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// One connection that reads, and never writes a row.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) sqlite: rusqlite::Connection,
    path: PathBuf,
}

impl Connection {
    /// Opens as the live service does. Nothing is created, and the first statement is what first reads.
    pub(crate) fn open_as_the_service(path: &Path) -> Result<Self> {
        // Read-write, because a read-only connection cannot roll back the journal that a killed writer left;
        // SQLite itself falls back to read-only where the file or its file system is.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connected = rusqlite::Connection::open_with_flags(path, flags)
            .and_then(|sqlite| sqlite.busy_timeout(BUSY_TIMEOUT).map(|()| sqlite));
        match connected {
            Ok(sqlite) => Ok(Connection {
                sqlite,
                path: path.to_owned(),
            }),
            Err(error) => Err(explain(path, &error)),
        }
    }

    /// Opens for reading and nothing else: it leaves even another writer's write-ahead log as it is.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let connection = Self::open_as_the_service(path)?;
        let sqlite = &connection.sqlite;
        sqlite
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .and_then(|_| sqlite.pragma_update(None, "query_only", true))
            .map_err(|error| explain(path, &error))?;
        Ok(connection)
    }

    /// Where commits go. Reads the database, and recovers what a killed writer left behind.
    pub(crate) fn journal_mode(&self) -> Result<JournalMode> {
        let mode: String = self.tell(
            self.sqlite
                .query_row("PRAGMA journal_mode", [], |row| row.get(0)),
        )?;
        if mode != "wal" {
            return Ok(JournalMode::Rollback);
        }
        // NOOP copies nothing: it only says how many frames are committed.
        let frames: i64 = self.tell(self.sqlite.query_row(
            "PRAGMA wal_checkpoint(NOOP)",
            [],
            |row| row.get(1),
        ))?;
        Ok(JournalMode::Wal {
            frames: u64::try_from(frames).unwrap_or(0),
        })
    }

    /// Runs `read` inside one read transaction: everything it reads is of one moment.
    pub(crate) fn snapshot<T>(&self, read: impl FnOnce() -> Result<T>) -> Result<T> {
        let transaction = self.tell(self.sqlite.unchecked_transaction())?;
        // A deferred transaction starts with its first read.
        self.tell(
            self.sqlite
                .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())),
        )?;
        let result = read();
        drop(transaction);
        result
    }

    /// SQLite's error in the words of this crate.
    pub(super) fn tell<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|error| explain(&self.path, &error))
    }
}

/// One line for whatever SQLite says. The same condition gives the same line, whichever statement met it.
fn explain(path: &Path, error: &rusqlite::Error) -> Error {
    let problem = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            return Error::Busy {
                path: path.to_owned(),
                seconds: BUSY_TIMEOUT.as_secs(),
            };
        }
        Some(ErrorCode::NotADatabase) => {
            "the file is no SQLite database: --data-dir must name an audit log's directory"
                .to_owned()
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            "the database is damaged: restore it from a backup".to_owned()
        }
        Some(ErrorCode::CannotOpen) => {
            "the database cannot be opened: look at its rights and those of its directory"
                .to_owned()
        }
        _ => {
            let said = match error {
                rusqlite::Error::SqliteFailure(code, None) => code.to_string(),
                rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
                rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
                other => other.to_string(),
            };
            if said.starts_with("no such") {
                format!(
                    "{}: the database is no audit log of this service",
                    visible(&said)
                )
            } else {
                visible(&said)
            }
        }
    };
    Error::Database {
        path: path.to_owned(),
        problem,
    }
}
