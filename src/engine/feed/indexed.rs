//! What became visible, as the refresh of the index finds it: the cost of a look is that of what changed.

use std::collections::HashSet;
use std::sync::Arc;

use super::advance::{Advance, Came};
use super::index_walk::IndexWalk;
use super::known_rows::KnownRows;
use crate::engine::cost;
use crate::error::{Error, Result};
use crate::model::{Filter, Key, Rows};
use crate::storage::data_dir::DataDir;
use crate::storage::db_version::{DbVersion, DbWatcher};
use crate::storage::fs::dir_lock::DirLock;
use crate::storage::index::{
    self, Budget, Corrupted, Follower, IfLocked, Index, IndexState, RebuildOutcome, RefreshError, Refreshed,
    RowChanges, Way, rebuild,
};

/// An index that is brought up to date, and what it last said.
///
/// It reads rows by their id and no pages, so it keeps no posting lists.
#[derive(Debug)]
pub(super) struct IndexedSource {
    dir: DataDir,
    filter: Filter,
    follower: Box<Follower>,
    /// As far as it was told what became visible.
    told: Index,
    watcher: Arc<DbWatcher>,
    version: Option<DbVersion>,
    /// A fold is tried again once there are more changes than this.
    fold_beyond: u64,
    /// Whether commits pause.
    is_idle: bool,
}

/// Where an index leads to.
pub(super) enum Begun {
    Indexed(Box<IndexedSource>, Advance),
    /// Why the log cannot be indexed.
    Refused(String),
}

/// How it goes on.
pub(super) enum Next {
    Advanced(Advance),
    /// The log can no longer be indexed: why, and the rows as they were told.
    Refused(String, KnownRows),
}

impl IndexedSource {
    /// Begins with the log as it is now; what is newer than `after` has just become visible.
    pub(super) fn open(dir: &DataDir, filter: &Filter, after: Option<Key>) -> Result<Begun> {
        let (follower, state) = match Self::follower(dir)? {
            Ok(begun) => begun,
            Err(why) => return Ok(Begun::Refused(why)),
        };
        let came = match after {
            Some(after) => {
                let walk = IndexWalk::newer_than(follower.index().clone(), filter, after);
                Came::Walk(walk.map_err(|why| why.error(dir, "cannot be read"))?)
            }
            None => Came::Nothing,
        };
        let told = follower.index().clone();
        let source = IndexedSource {
            dir: dir.clone(),
            filter: filter.clone(),
            follower,
            told,
            watcher: state.watcher,
            version: state.version,
            fold_beyond: 0,
            is_idle: false,
        };
        let advance = Advance {
            removed: Vec::new(),
            came,
            is_replaced: false,
        };
        Ok(Begun::Indexed(Box::new(source), advance))
    }

    /// The index that lies in the directory, brought up to date, or a new one.
    fn follower(dir: &DataDir) -> Result<std::result::Result<(Box<Follower>, IndexState), String>> {
        match index::follower_of_file(dir)? {
            Some(begun) => Ok(Ok(begun)),
            None => built(dir),
        }
    }

    pub(super) fn watcher(&self) -> &DbWatcher {
        &self.watcher
    }

    pub(super) fn version(&self) -> Option<DbVersion> {
        self.version
    }

    /// What became visible since.
    pub(super) fn advance(&mut self) -> Result<Next> {
        match self.refresh() {
            Ok(refreshed) => {
                if refreshed.way == Way::Hashes {
                    // What moved the database file may have been a change of its permissions.
                    index::follow_permissions(&self.dir);
                }
                self.told_by(refreshed).map(Next::Advanced)
            }
            Err(RefreshError::Failed(error)) => Err(error),
            // What it said before can no longer be told, and so neither can what changed.
            Err(RefreshError::Corrupt(why)) => Err(self.corrupt(why)),
            Err(_) => self.build_and_compare(),
        }
    }

    /// Brings the index up to date; by way of a new base where that is due.
    fn refresh(&mut self) -> std::result::Result<Refreshed, RefreshError> {
        let is_due = self.is_fold_due();
        self.is_idle = false;
        if is_due {
            let changes = self.changes();
            // Where it cannot be written now, it is not tried at each commit.
            self.fold_beyond = changes + changes / 2;
            if index::require_memory(&self.dir).is_ok()
                && let Ok(Some((follower, refreshed))) = index::fold(self.follower.parts())
            {
                let index = follower.index().clone();
                *self.follower = follower;
                self.fold_beyond = 0;
                return Ok(Refreshed { index, ..refreshed });
            }
        }
        self.follower.refresh(Budget::ANY)
    }

    fn changes(&self) -> u64 {
        self.told.delta().changes()
    }

    /// Whether the next look should make a new base of what changed.
    pub(super) fn is_fold_due(&self) -> bool {
        let beyond = if self.is_idle {
            cost::FOLD_IF_IDLE
        } else {
            cost::FOLD_IF_BUSY
        };
        self.changes() > beyond.of(self.told.events()).max(self.fold_beyond)
    }

    fn told_by(&mut self, refreshed: Refreshed) -> Result<Advance> {
        let RowChanges { removed, added } = refreshed.changes;
        let mut added: Vec<_> = added
            .into_iter()
            .filter(|row| self.filter.matches(&row.as_row()))
            .collect();
        added.sort_unstable_by_key(|row| row.key);
        let stay: HashSet<i64> = added.iter().map(|row| row.key.id).collect();
        let mut gone = Vec::new();
        for key in removed.into_iter().filter(|key| !stay.contains(&key.id)) {
            let before = self.told.rows_in(&(key.id..=key.id)).map_err(|why| self.corrupt(why))?;
            gone.extend(
                before
                    .iter()
                    .filter(|row| self.filter.matches(&row.as_row()))
                    .map(|row| row.key),
            );
        }
        gone.sort_unstable();
        let mut rows = Rows::default();
        added.iter().for_each(|row| rows.push(&row.as_row()));
        let is_replaced = self.watcher.identity() != refreshed.watcher.identity();
        self.told = refreshed.index;
        self.watcher = refreshed.watcher;
        self.version = refreshed.version;
        Ok(Advance {
            removed: gone,
            came: Came::Rows(rows),
            is_replaced,
        })
    }

    /// Where no refresh can tell what changed: an index from scratch, every row of which is compared.
    fn build_and_compare(&mut self) -> Result<Next> {
        let mut known = KnownRows::default();
        let filter = &self.filter;
        let remember = &mut |row: &crate::model::Row<'_>| {
            if filter.matches(row) {
                known.insert(row);
            }
        };
        self.told.each_row(remember).map_err(|why| self.corrupt(why))?;
        let (follower, state) = match built(&self.dir)? {
            Ok(built) => built,
            Err(why) => return Ok(Next::Refused(why, known)),
        };
        let index = follower.index().clone();
        let (mut now, mut ids) = (known.to_compare(), HashSet::new());
        let compare = &mut |row: &crate::model::Row<'_>| {
            if filter.matches(row) {
                now.insert(row);
                if !known.has(row) {
                    ids.insert(row.id);
                }
            }
        };
        index.each_row(compare).map_err(|why| self.corrupt(why))?;
        let walk = IndexWalk::of_ids(index, filter, ids).map_err(|why| self.corrupt(why))?;
        let is_replaced = self.watcher.identity() != state.watcher.identity();
        self.told = follower.index().clone();
        self.follower = follower;
        (self.watcher, self.version) = (state.watcher, state.version);
        Ok(Next::Advanced(Advance {
            removed: known.without(&now),
            came: Came::Walk(walk),
            is_replaced,
        }))
    }

    fn corrupt(&self, why: Corrupted) -> Error {
        // Whoever begins anew should not meet the same block. Best effort.
        let _ = rebuild(&self.dir, IfLocked::GiveUp, &|_, _| {});
        why.error(
            &self.dir,
            "is corrupt, and what changed since cannot be told: go on with --follow --after",
        )
    }

    /// Closes the connection that is kept between two refreshes: one to a log in WAL mode keeps others from leaving it.
    pub(super) fn disconnect(&mut self) {
        self.follower.disconnect();
    }

    /// The same, because no commit came for a while.
    pub(super) fn idle(&mut self) {
        self.disconnect();
        self.is_idle = true;
    }

    /// Writes what changed since the base was written, for other processes. Best effort: they refresh what they find.
    ///
    /// A process that has one request reads all of that, so it is folded first where that is due.
    pub(super) fn persist(&mut self) {
        self.is_idle = true;
        if self.is_fold_due() {
            let _ = self.refresh();
        }
        if let Ok(Some(lock)) = DirLock::try_acquire(self.dir.root())
            && let Ok(delta) = self.follower.delta_file()
        {
            let _ = index::publish_delta(&self.dir, &lock, self.follower.index().base(), &delta);
        }
    }
}

/// A new index of the log; or why it cannot be indexed.
fn built(dir: &DataDir) -> Result<std::result::Result<(Box<Follower>, IndexState), String>> {
    match rebuild(dir, IfLocked::BuildInMemory, &|_, _| {})? {
        RebuildOutcome::Done {
            state,
            follower: Some(follower),
            ..
        } => Ok(Ok((follower, state))),
        RebuildOutcome::MadeElsewhere(state, follower) => Ok(Ok((follower, state))),
        RebuildOutcome::Done { state, .. } | RebuildOutcome::StillRefused(state) => {
            Ok(Err(state.index.err().unwrap_or_default()))
        }
        RebuildOutcome::NoMemory(error) => Ok(Err(error.to_string())),
        RebuildOutcome::LockedElsewhere(error) => Err(error),
    }
}
