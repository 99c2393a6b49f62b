//! Follows the commits of others: finds the pages that changed, reads the rows on them, and takes the difference.

pub(crate) mod basis;
mod content;
pub(crate) mod directory;
mod facts;
pub(crate) mod follower;
mod key;
mod leaf_hashes;
mod page;
pub(crate) mod parts;
pub(crate) mod refreshed;
mod row_changes;
pub(crate) mod tree;
mod verify;
pub(crate) mod wal_changes;

use std::fmt;

use crate::error::Error;
use crate::storage::index::Corrupted;
use crate::storage::sqlite::btree::Malformed;

pub use verify::{VerifiedRefreshes, verified_refreshes};

/// Why an index could not be brought up to date.
#[derive(Debug)]
pub(crate) enum RefreshError {
    /// Nothing can prove what changed, or something is not as an index needs it: a build from scratch decides.
    Rebuild(String),
    /// The index is corrupt.
    Corrupt(Corrupted),
    /// A row is not as an index needs it.
    Row {
        /// Its id.
        event: i64,
        /// The column and what it holds.
        problem: String,
    },
    /// The texts of the log are too long, all together: no one row tells that again.
    LongTexts,
    /// The write-ahead log cannot prove what changed: leaf hashes must.
    Unproven,
    /// It takes longer than a request can wait.
    TooLong,
    /// The database cannot be read now.
    Failed(Error),
}

impl fmt::Display for RefreshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RefreshError::Rebuild(why) => f.write_str(why),
            RefreshError::Corrupt(why) => write!(f, "the index is corrupt: {why}"),
            RefreshError::Row { event, problem } => write!(f, "event {event}: {problem}"),
            RefreshError::LongTexts => f.write_str("the texts of the log are too long for an index"),
            RefreshError::Unproven => f.write_str("the write-ahead log does not tell what changed"),
            RefreshError::TooLong => f.write_str("it takes longer than a request can wait"),
            RefreshError::Failed(error) => error.fmt(f),
        }
    }
}

impl From<Malformed> for RefreshError {
    fn from(malformed: Malformed) -> Self {
        RefreshError::Rebuild(malformed.to_string())
    }
}

impl From<Corrupted> for RefreshError {
    fn from(corrupted: Corrupted) -> Self {
        RefreshError::Corrupt(corrupted)
    }
}

impl From<Error> for RefreshError {
    fn from(error: Error) -> Self {
        match error {
            // Whether such a database can be indexed, a build decides.
            Error::Row { event, problem, .. } => RefreshError::Row { event, problem },
            Error::Database { .. } => RefreshError::Rebuild(error.to_string()),
            error => RefreshError::Failed(error),
        }
    }
}
