//! An index that is brought to the database's present state whenever it is asked to: which file that is, which connection
//! reads it, and what can prove which pages changed. What is then done with these pages is `content`'s.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::RefreshError;
use super::basis::Basis;
use super::content::{Content, Difference};
use super::parts::Parts;
use super::refreshed::{Budget, Refreshed, Way};
use super::tree::PageSet;
use super::verify::{self, FromScratch};
use super::wal_changes::{self, LogBasis, LogChanges};
use crate::error::Error;
use crate::storage::data_dir::DataDir;
use crate::storage::db_version::{DbVersion, DbWatcher, JournalMode, Look};
use crate::storage::fs::platform::FileState;
use crate::storage::fs::read_descriptor::open_forever;
use crate::storage::index::base::corrupted::Corrupted;
use crate::storage::index::base::source::{ContentVersion, Source};
use crate::storage::index::build::segment::Leaves;
use crate::storage::index::delta::DeltaFile;
use crate::storage::index::select::Index;
use crate::storage::sqlite::{Connection, Snapshot};

/// Refreshes that come within this time of each other share a connection.
const FREQUENT: Duration = Duration::from_millis(20);

/// An index, and what finds out how the database differs from it by now.
#[derive(Debug)]
pub(crate) struct Follower {
    dir: DataDir,
    watcher: Arc<DbWatcher>,
    content: Content,
    basis: Basis,
    are_others_checked: bool,
    connection: Option<KeptConnection>,
    refreshed_at: Option<Instant>,
    /// Of the last refresh, as in [`Refreshed`].
    version: Option<DbVersion>,
    change_counter: u32,
}

/// A connection, and the state of the database file when it was opened: SQLite keeps pages in memory, and would trust
/// them even where the file was overwritten by something else than SQLite.
#[derive(Debug)]
struct KeptConnection {
    connection: Connection,
    database: FileState,
}

/// What a snapshot says.
struct Found {
    difference: Difference,
    log: Option<LogBasis>,
    change_counter: u32,
}

impl Follower {
    /// Begins with an index of some state, or of no one state: the first refresh finds all that differs.
    pub(crate) fn new(parts: Parts) -> Self {
        let leaves = Leaves {
            table: parts.table,
            time: parts.time,
        };
        Follower {
            content: Content::new(parts.index, leaves, parts.rows_sum, parts.facts, parts.key),
            dir: parts.dir,
            watcher: parts.watcher,
            basis: parts.basis,
            are_others_checked: parts.are_others_checked,
            connection: None,
            refreshed_at: None,
            version: None,
            change_counter: 0,
        }
    }

    /// The index as of the last refresh.
    pub(crate) fn index(&self) -> &Index {
        self.content.index()
    }

    /// What the index was made from, as of the last refresh.
    pub(crate) fn source(&self) -> Source {
        Source {
            version: self.version,
            content: ContentVersion {
                change_counter: self.change_counter,
                log: self.basis.log.as_ref().map(|log| log.position),
            },
            facts: *self.content.facts(),
            rows_sum: self.content.rows_sum(),
        }
    }

    /// What differs from the base, as the delta's file holds it.
    ///
    /// # Errors
    /// The base is corrupt.
    pub(crate) fn delta_file(&self) -> Result<DeltaFile, Corrupted> {
        self.content.delta_file(self.source())
    }

    /// A copy of what is known, to go on from with another base.
    pub(crate) fn parts(&self) -> Parts {
        let Leaves { table, time } = self.content.leaves();
        Parts {
            dir: self.dir.clone(),
            watcher: Arc::clone(&self.watcher),
            index: self.content.index().clone(),
            table,
            time,
            rows_sum: self.content.rows_sum(),
            facts: *self.content.facts(),
            key: self.content.key(),
            basis: self.basis.clone(),
            are_others_checked: self.are_others_checked,
        }
    }

    /// Brings the index to a state that the database has after this call began.
    ///
    /// # Errors
    /// [`RefreshError`]. The index then is what it was.
    pub(crate) fn refresh(&mut self, budget: Budget) -> Result<Refreshed, RefreshError> {
        self.follow_path()?;
        let kept = self.connect()?;
        let refreshed = self.refresh_by(&kept.connection, budget);
        // A connection to a log in WAL mode keeps others from leaving that mode, so one is kept only while refreshes
        // follow each other.
        let is_frequent = self.refreshed_at.is_some_and(|last| last.elapsed() < FREQUENT);
        self.connection = is_frequent.then_some(kept);
        self.refreshed_at = Some(Instant::now());
        refreshed
    }

    /// Closes the connection that is kept for the next refresh.
    pub(crate) fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Looks where the database's path leads now.
    fn follow_path(&mut self) -> Result<(), RefreshError> {
        if !self.watcher.is_at_its_path_now() {
            let unreadable = |error| Error::io(self.dir.database(), "cannot look at")(error);
            let watcher = DbWatcher::open(&self.dir).map_err(unreadable)?;
            let Some(watcher) = watcher else {
                return Err(RefreshError::Failed(unreadable(std::io::ErrorKind::NotFound.into())));
            };
            self.watcher = Arc::new(watcher);
            self.basis = Basis::default();
            self.connection = None;
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<KeptConnection, Error> {
        let database = self.watcher.database_state()?;
        match self.connection.take() {
            Some(kept) if kept.database == database && kept.connection.is_usable() => Ok(kept),
            // Closed only when there is a new one: the last connection that closes makes SQLite start anew.
            _old => Ok(KeptConnection {
                connection: Connection::open_eager(&self.dir)?,
                database,
            }),
        }
    }

    fn refresh_by(&mut self, connection: &Connection, budget: Budget) -> Result<Refreshed, RefreshError> {
        let salts = wal_changes::salts(&self.watcher.files().wal).ok().flatten();
        let before = self.watcher.look(|| connection.journal_mode())?;
        let mut way = match self.basis.database {
            Some(then) if then == before.database => Way::Frames,
            _ => Way::Hashes,
        };
        loop {
            let found = connection.read_snapshot(|snapshot| {
                let then = verify::is_on().then(|| self.watcher.database_state().ok()).flatten();
                let found = self.read(snapshot, &before, salts, way, budget)?;
                Ok((found, verify::is_on().then(|| self.build_from_scratch(snapshot, then))))
            });
            let after = self.watcher.look(|| connection.journal_mode())?;
            if way == Way::Frames && is_for_hashes(&found, before.database != after.database) {
                way = Way::Hashes;
                continue;
            }
            let (found, from_scratch) = found?;
            let refreshed = self.take_over(found, &before, &after, way)?;
            match from_scratch {
                None => {}
                Some(None) => verify::skip(),
                Some(Some(expected)) => verify::check(expected, self.content.subject()),
            }
            return Ok(refreshed);
        }
    }

    /// What a build makes of a snapshot; `None` if the database file is no longer as it was. While a snapshot is held no
    /// commit writes to it, but a checkpoint does, and so may what is not SQLite, which heeds no snapshot.
    fn build_from_scratch(
        &self,
        snapshot: &mut Snapshot<'_>,
        then: Option<FileState>,
    ) -> Option<Result<FromScratch, RefreshError>> {
        let built = self.content.build_from_scratch(snapshot);
        let now = self.watcher.database_state().ok();
        (now.is_some() && now == then).then_some(built)
    }

    /// Reads what changed.
    fn read(
        &self,
        snapshot: &mut Snapshot<'_>,
        before: &Look,
        salts: Option<[u32; 2]>,
        way: Way,
        budget: Budget,
    ) -> Result<Found, RefreshError> {
        self.content.check_schema(snapshot, way == Way::Hashes)?;
        // SQLite keeps its indexes true, so only what no commit can have done makes another look necessary.
        let must_check = self.content.facts().has_other_indexes && (way == Way::Hashes || !self.are_others_checked);
        if must_check && !snapshot.is_intact()? {
            return Err(RefreshError::Rebuild("the database is damaged".to_owned()));
        }
        let log = self.read_log(before, salts, way);
        let (changed, log) = match way {
            Way::Frames => {
                let log = log.ok_or(RefreshError::Unproven)?;
                if log.is_same && before.wal != self.basis.wal {
                    // Something else than a commit wrote to the log.
                    return Err(RefreshError::Unproven);
                }
                (log.since, log.basis)
            }
            Way::Hashes => {
                let changed = self.changed_by_hashes(snapshot, log.as_ref().map(|log| &log.overlay), budget)?;
                (changed, log.and_then(|log| log.basis))
            }
        };
        if changed.len().saturating_sub(self.content.inner_pages().count()) > budget.changed {
            return Err(RefreshError::TooLong);
        }
        Ok(Found {
            difference: self.content.difference(snapshot, &changed, budget)?,
            log,
            change_counter: snapshot.header().change_counter,
        })
    }

    fn read_log(&self, before: &Look, salts: Option<[u32; 2]>, way: Way) -> Option<LogChanges> {
        let JournalMode::Wal { frames } = before.mode else {
            // Where a journal is played back, nothing overlays the file.
            return Some(LogChanges::default());
        };
        let wal = &self.watcher.files().wal;
        wal_changes::read(wal, frames, salts, self.basis.log.as_ref(), way == Way::Hashes).ok()
    }

    fn changed_by_hashes(
        &self,
        snapshot: &mut Snapshot<'_>,
        overlay: Option<&PageSet>,
        budget: Budget,
    ) -> Result<PageSet, RefreshError> {
        if self.content.leaf_bytes() > budget.hashed {
            return Err(RefreshError::TooLong);
        }
        // Where the log does not tell which pages it overlays, and where no descriptor is to be had, SQLite reads.
        let path = self.watcher.files().database();
        let file = overlay.and_then(|_| open_forever(path, self.watcher.identity()).ok().flatten());
        let nothing = PageSet::default();
        let overlay = overlay.unwrap_or(&nothing);
        self.content.changed_by_hashes(snapshot, file.as_deref(), overlay)
    }

    fn take_over(&mut self, found: Found, before: &Look, after: &Look, way: Way) -> Result<Refreshed, RefreshError> {
        let changes = self.content.apply(found.difference)?;
        let is_still = before.database == after.database && before.proves_database();
        self.basis = Basis {
            database: is_still.then_some(before.database),
            wal: before.wal,
            log: found.log,
        };
        self.are_others_checked = true;
        self.change_counter = found.change_counter;
        self.version = (before == after).then(|| before.version()).flatten();
        self.content.check_cost()?;
        Ok(Refreshed {
            watcher: Arc::clone(&self.watcher),
            version: self.version,
            index: self.content.index().clone(),
            changes,
            way,
        })
    }
}

/// Whether what frames say proves nothing after all: they do not tell what changed, or the database file has moved
/// meanwhile, of which they do not tell either.
fn is_for_hashes<T>(found: &Result<T, RefreshError>, has_moved: bool) -> bool {
    match found {
        Ok(_) => has_moved,
        Err(error) => matches!(error, RefreshError::Unproven),
    }
}

#[cfg(test)]
mod tests;
