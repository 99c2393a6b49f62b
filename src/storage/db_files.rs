//! Where the files of one database really lie.

use std::io;
use std::path::{Path, PathBuf};

use super::fs::open::refuse_special;
use super::fs::platform::is_unreadable;
use crate::error::{Error, Result};

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
    /// Follows the links on the way to a database.
    ///
    /// # Errors
    /// There is nothing at the end of them.
    pub(crate) fn resolve(named: &Path) -> io::Result<Self> {
        let database = named.canonicalize()?;
        let is_direct = std::path::absolute(named)? == database;
        Ok(DatabaseFiles {
            wal: beside(&database, "-wal"),
            wal_index: beside(&database, "-shm"),
            journal: beside(&database, "-journal"),
            linked_from: (!is_direct).then(|| named.to_owned()),
            database,
        })
    }

    /// Refuses what SQLite would wait for without end, or take for a file: it opens by name whatever is there, also a
    /// FIFO that nobody ever writes to.
    ///
    /// # Errors
    /// The database, its journal or its write-ahead log is there and not a regular file.
    pub(crate) fn refuse_special(named: &Path) -> Result<()> {
        // Most are plain files, of which there is no more to know and nothing to resolve.
        let kind = named.symlink_metadata().ok().map(|metadata| metadata.file_type());
        let is_link = kind.is_some_and(|kind| kind.is_symlink());
        let linked = if is_link { named.canonicalize().ok() } else { None };
        let database = linked.as_deref().unwrap_or(named);
        let suffixes: &[&str] = if kind.is_some_and(|kind| kind.is_file()) {
            &["-journal", "-wal"]
        } else {
            &["", "-journal", "-wal"]
        };
        suffixes.iter().try_for_each(|suffix| {
            let path = beside(database, suffix);
            refuse_special(&path).map_err(Error::io(&path, "cannot open"))
        })
    }

    /// Whether SQLite may have to play back a journal or a log that this process may not read, and so cannot read the
    /// database at all, whatever is known of it.
    pub(crate) fn has_unreadable_journal(&self) -> bool {
        [&self.journal, &self.wal].into_iter().any(|path| is_unreadable(path))
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

/// The file that SQLite keeps beside a database under this suffix.
fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The longest path of a database that SQLite opens, in bytes, from the root on and without links: its own bound of 512, less
/// the ending of a journal.
const LONGEST_PATH: usize = 504;

/// Refuses a path that SQLite could not open, with the reason that SQLite does not give. An index may know the answer all the
/// same, but the two modes would not say the same. `staging` is how many bytes the path has more while the database is made.
///
/// # Errors
/// The path of the database is too long.
pub(crate) fn refuse_long(database: &Path, staging: usize) -> Result<()> {
    let Some(len) = resolved_len(database) else {
        return Ok(());
    };
    let most = LONGEST_PATH - staging;
    if len <= most {
        return Ok(());
    }
    Err(Error::Unreadable {
        path: database.to_owned(),
        problem: format!("its path has {len} bytes from the root on, and SQLite takes {most} here: move it further up"),
    })
}

/// How many bytes the path has from the root on and without links; `None` where it leads nowhere. The file itself may not be
/// there yet.
fn resolved_len(database: &Path) -> Option<usize> {
    if let Ok(resolved) = database.canonicalize() {
        return Some(resolved.as_os_str().len());
    }
    let (parent, name) = (database.parent()?, database.file_name()?);
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    Some(parent.canonicalize().ok()?.join(name).as_os_str().len())
}
