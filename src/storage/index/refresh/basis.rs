//! What the next refresh measures the database files against.

use super::wal_changes::{self, LogBasis};
use crate::error::Result;
use crate::storage::db_version::{DbWatcher, JournalMode, Look};
use crate::storage::fs::platform::FileState;

/// The files as they were when the trees were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Basis {
    /// `None` where nothing could prove that the file is still the same.
    pub(crate) database: Option<FileState>,
    pub(crate) wal: Option<FileState>,
    pub(crate) log: Option<LogBasis>,
}

impl Basis {
    /// Looks at the files before anything is read.
    ///
    /// # Errors
    /// Those of `mode`, and I/O errors.
    pub(crate) fn capture(watcher: &DbWatcher, mode: impl FnOnce() -> Result<JournalMode>) -> Result<(Look, Self)> {
        let wal = &watcher.files().wal;
        let salts = wal_changes::salts(wal).ok().flatten();
        let look = watcher.look(mode)?;
        let log = match look.mode {
            JournalMode::Wal { frames } => wal_changes::read(wal, frames, salts, None, true).ok(),
            JournalMode::Rollback => None,
        };
        let basis = Basis {
            database: look.proves_database().then_some(look.database),
            wal: look.wal,
            log: log.and_then(|log| log.basis),
        };
        Ok((look, basis))
    }
}
