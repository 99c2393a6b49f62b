//! What became visible, by reading every row again whenever the database moved: the plain way.

use super::advance::{Advance, Came, watcher};
use super::known_rows::KnownRows;
use crate::engine::retry;
use crate::engine::row_spool::RowSpool;
use crate::error::Result;
use crate::model::{Filter, Key};
use crate::storage::data_dir::DataDir;
use crate::storage::db_version::{DbVersion, DbWatcher};
use crate::storage::sqlite::Connection;

/// Compares all rows of a filter with what they were. The cost of a look at a database that moved is that of all of them.
#[derive(Debug)]
pub(super) struct ScannedSource {
    dir: DataDir,
    filter: Filter,
    known: KnownRows,
    watcher: DbWatcher,
    /// Of the state that is known; `None` while it could not be told.
    version: Option<DbVersion>,
}

impl ScannedSource {
    /// Begins with the rows that there are now; those newer than `after` have just become visible.
    pub(super) fn open(dir: &DataDir, filter: &Filter, after: Option<Key>) -> Result<(Self, Advance)> {
        let mut source = Self::of(dir, filter, KnownRows::default())?;
        let advance = source.compare(|_, key| after.is_some_and(|after| key > after))?;
        Ok((source, advance))
    }

    /// Goes on from rows that are known.
    pub(super) fn of(dir: &DataDir, filter: &Filter, known: KnownRows) -> Result<Self> {
        Ok(ScannedSource {
            dir: dir.clone(),
            filter: filter.clone(),
            known,
            watcher: watcher(dir)?,
            version: None,
        })
    }

    pub(super) fn watcher(&self) -> &DbWatcher {
        &self.watcher
    }

    pub(super) fn version(&self) -> Option<DbVersion> {
        self.version
    }

    /// What became visible since.
    pub(super) fn advance(&mut self) -> Result<Advance> {
        self.compare(|is_known, _| !is_known)
    }

    /// `is_new` is told whether a row was there as it is, and its key.
    fn compare(&mut self, is_new: impl Fn(bool, Key) -> bool) -> Result<Advance> {
        let was = self.watcher.identity();
        let (now, removed, spool, watcher, version) = retry::until_confirmed(|| {
            let watcher = watcher(&self.dir)?;
            let connection = Connection::open_eager(&self.dir)?;
            let before = watcher.look(|| connection.journal_mode())?;
            let (mut now, mut spool) = (self.known.to_compare(), RowSpool::new());
            let is_of_one_moment = connection.each_oldest_first(&self.filter, &mut |row| {
                if self.filter.as_of.is_some_and(|pin| row.key() > pin) {
                    return Ok(());
                }
                now.insert(row);
                if is_new(self.known.has(row), row.key()) {
                    spool.push(row)?;
                }
                Ok(())
            })?;
            let mut removed = self.known.without(&now);
            if !is_of_one_moment {
                removed = self.gone(removed, &connection, &mut now)?;
            }
            let after = watcher.look(|| connection.journal_mode())?;
            let version = (is_of_one_moment && before == after)
                .then(|| before.version())
                .flatten();
            Ok((now, removed, spool, watcher, version))
        })?;
        (self.known, self.version) = (now, version);
        self.watcher = watcher;
        Ok(Advance {
            removed,
            came: Came::Spooled(spool.into_reader()?),
            is_replaced: self.watcher.identity() != was,
        })
    }

    /// Which of these, which were not met where rows were read one after the other, are no longer there. An event that is
    /// may have moved to where rows had been read: it stays known as it was, and the next look finds what it is now.
    fn gone(&self, missed: Vec<Key>, connection: &Connection, now: &mut KnownRows) -> Result<Vec<Key>> {
        let mut removed = Vec::new();
        for key in missed {
            if connection.has_event(&self.filter, key.id)? {
                now.keep(&self.known, key.id);
            } else {
                removed.push(key);
            }
        }
        Ok(removed)
    }
}
