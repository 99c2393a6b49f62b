//! What no request has to wait for: a build of the index, a new base, and the file for other processes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::{Live, Outcome, Slot, cost};
use crate::error::Result;
use crate::progress::Progress;
use crate::storage::fs::dir_lock::DirLock;
use crate::storage::fs::platform::is_dir_writable;
use crate::storage::index::{self, IfLocked, RebuildOutcome, RefreshError, rebuild};

impl Live {
    /// Replaces the index that lies in the directory, if it is known to be corrupt and can be replaced.
    pub(in crate::engine) fn replace_corrupt(&self) -> Result<()> {
        if self.is_corrupt() && is_dir_writable(self.dir.root()) {
            return self.rebuild(IfLocked::GiveUp, &|_, _| {});
        }
        Ok(())
    }

    /// Makes a new index, and uses it from now on. Whoever comes while another thread does so waits for that one's.
    pub(in crate::engine) fn rebuild(&self, if_locked: IfLocked, progress: Progress<'_>) -> Result<()> {
        let _building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_known() || self.can_refresh() {
            return Ok(());
        }
        let start = Instant::now();
        let mut was_read = false;
        let (state, follower, in_memory) = match rebuild(&self.dir, if_locked, progress)? {
            RebuildOutcome::Done {
                state,
                follower,
                in_memory,
            } => {
                was_read = true;
                (state, follower, in_memory)
            }
            RebuildOutcome::MadeElsewhere(state, follower) => (state, Some(follower), None),
            RebuildOutcome::StillRefused(state) => (state, None, None),
            RebuildOutcome::NoMemory(error) => return Err(error),
            RebuildOutcome::LockedElsewhere(error) => {
                self.warn(&format!("no index was made, so SQLite answers each time: {error}"));
                return Ok(());
            }
        };
        self.is_corrupt.store(false, Ordering::Relaxed);
        self.counts.rebuilds.fetch_add(u64::from(was_read), Ordering::Relaxed);
        self.detail(|| {
            let what = match (&state.index, was_read) {
                (Ok(_), true) => "an index was built",
                (Ok(_), false) => "an index was opened that another process had built meanwhile,",
                (Err(_), true) => "the table was searched in vain",
                (Err(_), false) => "the table was let be",
            };
            format!("{what} in {} ms", start.elapsed().as_millis())
        });
        if let Some(error) = in_memory {
            self.warn(&format!("the index lives in memory only: {error}"));
        }
        if let Err(why) = &state.index {
            self.is_refusal_told.store(true, Ordering::Relaxed);
            self.warn(&format!("the log cannot be indexed, SQLite answers instead: {why}"));
        }
        self.turns.take(Duration::ZERO, || {
            *self.lock_slot() = follower.map_or(Slot::Empty, Slot::Follower);
            // Whoever waits asks for a state of its own.
            self.state.store(Some(Arc::new(state)));
            Outcome::TooLong
        });
        Ok(())
    }

    /// Writes a new base where much has changed since the last.
    pub(in crate::engine) fn fold_if_worthwhile(&self) -> Result<()> {
        let parts = match &*self.lock_slot() {
            Slot::Follower(follower) => {
                let changes = follower.index().delta().changes();
                let most = cost::FOLD_IF_IDLE.of(follower.index().events());
                if changes <= most.max(self.fold_beyond.load(Ordering::Relaxed)) {
                    return Ok(());
                }
                if let Err(error) = index::require_memory(&self.dir) {
                    // Asked again when there is more to gain, and not at each request.
                    self.fold_beyond.store(changes + changes / 2, Ordering::Relaxed);
                    self.detail(|| format!("no new base was written: {error}"));
                    return Ok(());
                }
                self.fold_beyond.store(0, Ordering::Relaxed);
                Some(follower.parts())
            }
            Slot::Empty | Slot::Files(_) => None,
        };
        let Some(parts) = parts else {
            return Ok(());
        };
        let start = Instant::now();
        match index::fold(parts) {
            Ok(Some((follower, _))) => {
                self.counts.folds.fetch_add(1, Ordering::Relaxed);
                self.detail(|| format!("a new base was written in {} ms", start.elapsed().as_millis()));
                self.turns.take(Duration::ZERO, || {
                    *self.lock_slot() = Slot::Follower(Box::new(follower));
                    Outcome::TooLong
                });
                Ok(())
            }
            Ok(None) => {
                self.detail(|| {
                    "no new base was written, because another process holds the lock on the directory".to_owned()
                });
                Ok(())
            }
            Err(RefreshError::Failed(error)) => Err(error),
            Err(RefreshError::Corrupt(why)) => {
                self.forget(why);
                Ok(())
            }
            Err(why) => {
                self.detail(|| format!("no new base was written: {why}"));
                Ok(())
            }
        }
    }

    /// Writes what changed since the base was written, for other processes.
    pub(in crate::engine) fn persist(&self) -> Result<()> {
        let Some(lock) = DirLock::try_acquire(self.dir.root())? else {
            self.detail(|| {
                "what changed was not kept for other processes, because one of them holds the lock on the \
                            directory"
                    .to_owned()
            });
            return Ok(());
        };
        let (index, delta) = match &*self.lock_slot() {
            Slot::Follower(follower) => (follower.index().clone(), follower.delta_file()),
            Slot::Empty | Slot::Files(_) => return Ok(()),
        };
        // Written while no refresh has to wait for it.
        let delta = delta.map_err(|why| {
            self.forget(why);
            why.error(&self.dir, "cannot be read")
        })?;
        index::publish_delta(&self.dir, &lock, index.base(), &delta)
    }
}
