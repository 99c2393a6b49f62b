//! The file names in a data directory.

use std::path::{Path, PathBuf};

use super::absent;
use super::db_files::{DatabaseFiles, refuse_long};
use super::fs::open::refuse_special;
use super::fs::staging::{STAGED_PREFIX, find_staged};
use super::fs::temp_name::RANDOM_LEN;
use crate::error::{Error, Result};

/// A directory that holds, or is to hold, one audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir {
    root: PathBuf,
    database: PathBuf,
}

impl DataDir {
    /// The directory `root`, whatever is or is not in it.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        DataDir {
            root: root.to_owned(),
            database: root.join("audit.db"),
        }
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The SQLite database with the metadata.
    #[must_use]
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// The payload file, one JSON text a line.
    #[must_use]
    pub fn payloads(&self) -> PathBuf {
        self.root.join("payloads.jsonl")
    }

    /// The rank index.
    #[must_use]
    pub fn index(&self) -> PathBuf {
        self.root.join("audit.idx")
    }

    /// What changed since the index was written.
    #[must_use]
    pub fn index_delta(&self) -> PathBuf {
        self.root.join("audit.idx-delta")
    }

    /// The database's write-ahead log.
    #[must_use]
    pub fn wal(&self) -> PathBuf {
        self.root.join("audit.db-wal")
    }

    /// The shared memory file that says which part of the write-ahead log is committed.
    #[must_use]
    pub fn wal_index(&self) -> PathBuf {
        self.root.join("audit.db-shm")
    }

    /// The database's rollback journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.root.join("audit.db-journal")
    }

    /// Refuses a directory where a killed `seed` left the dataset staged. Only `seed` finishes or undoes that: a
    /// command that reads cannot know what the files it would move are worth.
    ///
    /// # Errors
    /// The database is missing, and a staging directory is there.
    pub(crate) fn refuse_staged(&self) -> Result<()> {
        if std::fs::symlink_metadata(&self.database).is_ok() {
            return Ok(());
        }
        match find_staged(&self.root) {
            None => Ok(()),
            Some(staged) => Err(Error::Missing {
                path: self.database.clone(),
                problem: format!(
                    "the data directory has no database, but {staged} of an interrupted seed: `auditq seed` \
                     finishes or undoes it"
                ),
            }),
        }
    }

    /// Refuses a directory that no database can be made in.
    ///
    /// # Errors
    /// Its path is longer than SQLite takes, counting the staging directory.
    pub(crate) fn require_short_path(&self) -> Result<()> {
        refuse_long(&self.database, STAGED_PREFIX.len() + RANDOM_LEN + 1)
    }

    /// Checks that a log is there at all, so that a wrong directory gets an error of its own.
    ///
    /// # Errors
    /// The directory, the database or the payload file is missing, or something else than a regular file is in the place of
    /// one.
    pub fn require(&self) -> Result<()> {
        absent::require_directory(&self.root)?;
        self.refuse_staged()?;
        absent::require_database(&self.database)?;
        absent::require_payloads(&self.payloads())?;
        refuse_long(&self.database, 0)?;
        DatabaseFiles::refuse_special(&self.database)?;
        refuse_special(&self.payloads()).map_err(Error::io(&self.payloads(), "cannot open"))
    }
}
