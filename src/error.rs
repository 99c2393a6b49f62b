//! The one error type, and the exit codes.

use std::io;
use std::path::{Path, PathBuf};

/// A result with the crate's error.
pub type Result<T> = std::result::Result<T, Error>;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, and where there was a verdict, a good one.
    Fine = 0,
    /// A negative verdict: a digest, a comparison, a gate.
    Negative = 1,
    /// A usage, I/O or data error: there is no verdict, or no whole answer.
    Failed = 2,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}

/// Everything that can go wrong. Each message is one line: what was asked, what is wrong, what to do.
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

    /// `diff` compared nothing that a verdict could rest on.
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

    /// A dataset, or a part of one, is not there.
    #[error("{}: {problem}", show(.path))]
    Missing {
        /// What was looked for.
        path: PathBuf,
        /// What is missing, and what to do.
        problem: String,
    },

    /// The database is there but is no audit log that can be read.
    #[error("{}: {problem}", show(.path))]
    Database {
        /// The database file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// The database could not be read this time, whatever it holds: its rights, its disk, its file system.
    #[error("{}: {problem}", show(.path))]
    Unreadable {
        /// The database file.
        path: PathBuf,
        /// What the system or SQLite said.
        problem: String,
    },

    /// Another process kept the database locked for longer than the live service would wait.
    #[error(
        "{}: the database is locked by another process for more than {seconds} s: wait for it or stop it, then ask again",
        show(.path)
    )]
    Busy {
        /// The database file.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },

    /// A row of the page holds something that the schema does not allow.
    #[error("event {event}: {problem}")]
    Row {
        /// The row's id.
        event: i64,
        /// The column and what it holds.
        problem: String,
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
        /// Why there is no payload to show.
        problem: String,
    },

    /// A file operation failed.
    #[error("{}: {action}: {source}", show(.path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done, such as "cannot write".
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },

    /// Standard output failed. A closed pipe is told apart by its kind.
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

    /// Whether the reader of standard output has gone: no fault, there is just nobody left to tell.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Error::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// A path as a message shows it: names come from outside, so nothing in them may steer a terminal.
fn show(path: &Path) -> String {
    crate::escape::escape_for_terminal(&path.to_string_lossy())
}
