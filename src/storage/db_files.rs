//! Where the files of one database really lie.

use std::io;
use std::path::{Path, PathBuf};

use super::data_dir::DataDir;

/// The files of a database. SQLite keeps all others beside the file that the database's path leads to, not beside the
/// links on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DatabaseFiles {
    pub(crate) database: PathBuf,
    pub(crate) wal: PathBuf,
    /// What all who are connected to the write-ahead log share.
    pub(crate) wal_index: PathBuf,
    pub(crate) journal: PathBuf,
    /// The path that was resolved, where a link is part of it: a link can be turned without any trace on what it led to.
    linked_from: Option<PathBuf>,
}

impl DatabaseFiles {
    /// Follows the links on the way to the database of `dir`.
    ///
    /// # Errors
    /// There is nothing at the end of them.
    pub(crate) fn resolve(dir: &DataDir) -> io::Result<Self> {
        let named = dir.database();
        let database = named.canonicalize()?;
        let is_direct = std::path::absolute(named)? == database;
        let beside = |suffix: &str| {
            let mut name = database.clone().into_os_string();
            name.push(suffix);
            PathBuf::from(name)
        };
        Ok(DatabaseFiles {
            wal: beside("-wal"),
            wal_index: beside("-shm"),
            journal: beside("-journal"),
            linked_from: (!is_direct).then(|| named.to_owned()),
            database,
        })
    }

    /// Whether the database's path has no link in it, so that only a rename can make it lead elsewhere.
    pub(crate) fn is_direct(&self) -> bool {
        self.linked_from.is_none()
    }

    /// Whether the links still lead to this place.
    pub(crate) fn are_still_linked(&self) -> bool {
        let leads_here = |named: &PathBuf| named.canonicalize().is_ok_and(|path| path == self.database);
        self.linked_from.as_ref().is_none_or(leads_here)
    }

    /// The database file, without links.
    pub(crate) fn database(&self) -> &Path {
        &self.database
    }
}
