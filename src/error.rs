//! The one error type, and the exit codes.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A result with the crate's error.
pub type Result<T> = std::result::Result<T, Error>;

/// The process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Success; a verdict, if any, is positive.
    Fine = 0,
    /// A negative verdict: a digest, a comparison, a gate.
    Negative = 1,
    /// A usage, I/O or data error: no verdict, or an incomplete answer.
    Failed = 2,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}

/// Every failure. Each message is one line: the subject, what is wrong, what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument or a request is invalid.
    #[error("{0}")]
    Usage(String),

    /// The data directory holds another dataset, which `seed` does not replace unasked.
    #[error(
        "{}: another dataset is there ({found}): --force replaces it, --data-dir names another directory",
        show(.path)
    )]
    DatasetExists {
        /// The data directory.
        path: PathBuf,
        /// How it differs from the one to be made.
        found: String,
    },

    /// The dataset that `seed` wrote does not have the contract's digests.
    #[error(
        "{}: what was made is not the contract dataset (payloads {payloads}, rows {rows}): nothing was replaced, check the disk",
        show(.path)
    )]
    DigestMismatch {
        /// The data directory.
        path: PathBuf,
        /// SHA-256 of the payload file, in hex.
        payloads: String,
        /// SHA-256 of the rows, in hex.
        rows: String,
    },

    /// Some requests of a batch failed; each has a line that says why.
    #[error("{}: {failed} of {requests} requests failed: the line in the place of each response says why", show(.path))]
    Batch {
        /// The file with the requests.
        path: PathBuf,
        /// How many failed.
        failed: u64,
        /// How many there were.
        requests: u64,
    },

    /// `diff` has no verdict: nothing could be compared.
    #[error("{0}")]
    NoVerdict(String),

    /// `bench` has no figures to show: answers differed, or nothing could be measured.
    #[error("no figures: {0}")]
    NoFigures(String),

    /// A plot could not be drawn.
    #[error("the plot cannot be drawn: {0}")]
    Plot(String),

    /// The system starts no more threads.
    #[error("cannot start {threads} threads ({problem}): --threads takes fewer")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system said.
        problem: String,
    },

    /// A dataset, or a part of one, does not exist.
    #[error("{}: {problem}", show(.path))]
    Missing {
        /// The missing file or directory.
        path: PathBuf,
        /// What is missing, and what to do.
        problem: String,
    },

    /// The database exists but is not a readable audit log.
    #[error("{}: {problem}", show(.path))]
    Database {
        /// The database file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// The database could not be read: its permissions, its disk, its file system.
    #[error("{}: {problem}", show(.path))]
    Unreadable {
        /// The database file.
        path: PathBuf,
        /// What the system or SQLite said.
        problem: String,
    },

    /// The database was written to while it was read from where no lock could be held: nothing that was read counts.
    #[error("{}: it was written to while it was read from where no lock can be held: ask again", show(.path))]
    Overtaken {
        /// The database file.
        path: PathBuf,
    },

    /// Another process held a lock on the database for longer than the live service would wait.
    #[error(
        "{}: the database is locked by another process for more than {seconds} s: wait for it or stop it, then ask again",
        show(.path)
    )]
    Busy {
        /// The database file.
        path: PathBuf,
        /// The timeout.
        seconds: u64,
    },

    /// Another process held the lock on the data directory for too long. Whoever may read a directory can.
    #[error(
        "{}: another process holds the lock on the directory for more than {}: wait for it or stop it, then try again",
        show(.path), show_duration(.waited)
    )]
    DirectoryLocked {
        /// The directory.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },

    /// A row of the page violates the schema.
    #[error("event {event}: {problem}")]
    Row {
        /// The row's id.
        event: i64,
        /// The column and its value.
        problem: String,
        /// Epoch seconds; `None` where that column itself holds none.
        created_at: Option<i64>,
    },

    /// A payload of the page cannot be read or decoded.
    #[error("event {event}: payload at offset {offset}, length {len}: {problem}")]
    Payload {
        /// The row's id.
        event: i64,
        /// Where it starts in the payload file, in bytes, as the metadata says.
        offset: i64,
        /// Its length in bytes, as the metadata says.
        len: i64,
        /// Why the payload is invalid.
        problem: String,
    },

    /// Every event was asked for, and one cannot be shown.
    #[error("{error}: every event before it is shown, and --after {cursor} goes on behind it")]
    Interrupted {
        /// What is wrong with the event.
        error: Box<Error>,
        /// The event's own cursor, `CREATED_AT:ID`.
        cursor: String,
    },

    /// A file operation failed.
    #[error("{}: {action}: {source}", show(.path))]
    Io {
        /// The file.
        path: PathBuf,
        /// The operation that failed, such as "cannot write".
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },

    /// Writing to standard output failed; a closed pipe too, see [`Error::is_closed_pipe`].
    #[error("standard output: {0}")]
    Output(io::Error),
}

impl Error {
    /// A usage error from its one line.
    pub fn usage(line: impl Into<String>) -> Self {
        Error::Usage(line.into())
    }

    /// For `map_err`: what was being done to which file.
    pub fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Error::Io { path, action, source }
    }

    /// Whether one event of the log is at fault, and the others can be shown.
    #[must_use]
    pub fn is_of_one_event(&self) -> bool {
        matches!(
            self,
            Error::Row { .. } | Error::Payload { .. } | Error::Interrupted { .. }
        )
    }

    /// Whether the reader of standard output closed the pipe, which is no failure.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Error::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// A path for a message: file names are untrusted, so they are escaped for the terminal.
fn show(path: &Path) -> String {
    crate::escape::escape_for_terminal(&path.to_string_lossy())
}

fn show_duration(duration: &Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
