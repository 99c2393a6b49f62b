//! What is known of a database that others write to, and how a request makes it true again.

mod upkeep;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::turns::{Leave, Turns};
use super::{Notice, Notify, RefreshCounts, cost};
use crate::storage::data_dir::DataDir;
use crate::storage::index::{self, Budget, Follower, Index, IndexState, OpenFiles, RefreshError, Refusal, Way};

/// What a request waits for a refresh by others at least.
const PATIENCE: Duration = Duration::from_millis(20);

/// The index of a log, as long as it is true, and what makes it true again.
pub(super) struct Live {
    dir: DataDir,
    /// The last state that was known. Empty or no longer current: nothing.
    state: ArcSwapOption<IndexState>,
    /// Brought up to date by whoever has the turn; others only look at it, or put another in its place.
    slot: Mutex<Slot>,
    turns: Turns<Outcome>,
    /// Held by who builds.
    building: Mutex<()>,
    /// Whether the index that lies in the directory is known to be corrupt.
    is_corrupt: AtomicBool,
    counts: Counts,
    /// What the last refresh by hashes took. Nanoseconds; 0: there was none.
    hashes_took: AtomicU64,
    /// A fold for which there was no memory is tried again once there are more changes than this.
    fold_beyond: AtomicU64,
    /// That this process may use.
    processors: usize,
    /// Whether it was said that the log cannot be indexed.
    is_refusal_told: AtomicBool,
    notify: Notify,
}

/// Where the next refresh begins.
#[derive(Debug)]
enum Slot {
    /// There is no index that could be brought up to date.
    Empty,
    /// Files that nobody has looked into so far.
    Files(Box<OpenFiles>),
    Follower(Box<Follower>),
}

/// Leave to ask SQLite, until it is dropped.
pub(super) type SqliteLeave<'a> = Leave<'a, Outcome>;

/// What came of a refresh.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Refreshed(Arc<IndexState>),
    /// It would take longer than it may.
    TooLong,
    /// Only a build helps.
    NeedsBuild,
    /// The database cannot be read: whoever asks SQLite is told why.
    Failed,
}

#[derive(Debug, Default)]
struct Counts {
    by_frames: AtomicU64,
    by_hashes: AtomicU64,
    rebuilds: AtomicU64,
    folds: AtomicU64,
    by_sqlite: AtomicU64,
}

impl Live {
    /// Opens the index that lies in the directory, if there is one.
    pub(super) fn open(dir: &DataDir, notify: Notify) -> Self {
        let live = Live {
            dir: dir.clone(),
            state: ArcSwapOption::empty(),
            slot: Mutex::new(Slot::Empty),
            turns: Turns::new(),
            building: Mutex::new(()),
            is_corrupt: AtomicBool::new(false),
            counts: Counts::default(),
            hashes_took: AtomicU64::new(0),
            fold_beyond: AtomicU64::new(0),
            processors: std::thread::available_parallelism().map_or(1, Into::into),
            is_refusal_told: AtomicBool::new(false),
            notify,
        };
        let opened = index::open(dir).and_then(|mut files| {
            if files.has_unreadable_journal() {
                return Err("a journal beside the database cannot be read".to_owned().into());
            }
            let state = files.state()?;
            Ok((files, state))
        });
        match opened {
            Ok((files, state)) => {
                if let Some(why) = files.delta_refused() {
                    live.detail(|| format!("what changed since the index was written is not used: {why}"));
                }
                live.detail(|| {
                    let is_current = state.is_current();
                    format!(
                        "the index of {} events was opened; it is {}",
                        files_events(&state),
                        truth(is_current)
                    )
                });
                live.state.store(Some(Arc::new(state)));
                *live.lock_slot() = Slot::Files(Box::new(files));
            }
            Err(why) => {
                live.detail(|| format!("no index was opened: {why}"));
                let is_corrupt = matches!(why, index::OpenError::Corrupted(_));
                live.is_corrupt.store(is_corrupt, Ordering::Relaxed);
                live.recall_refusal();
            }
        }
        live
    }

    /// Takes over what another process found out: that the log as it is now cannot be indexed.
    fn recall_refusal(&self) {
        let refused =
            Refusal::read(&self.dir).and_then(|refusal| IndexState::of_refusal(&self.dir, refusal).ok().flatten());
        if let Some(state) = refused.filter(IndexState::is_current) {
            self.state.store(Some(Arc::new(state)));
        }
    }

    /// Says once that the log cannot be indexed, where that is known.
    pub(super) fn tell_refusal(&self) {
        let reason = self.with_current(|state| state.index.as_ref().err().cloned()).flatten();
        if let Some(why) = reason
            && !self.is_refusal_told.swap(true, Ordering::Relaxed)
        {
            self.warn(&format!("the log cannot be indexed, SQLite answers instead: {why}"));
        }
    }

    /// Runs `read` on the state that was last known, if it is current.
    pub(super) fn with_current<T>(&self, read: impl FnOnce(&IndexState) -> T) -> Option<T> {
        let state = self.state.load();
        let state = state.as_ref().filter(|state| state.is_current())?;
        Some(read(state))
    }

    /// The index that was last known, however old; of files that were not looked into so far, what their base says.
    pub(super) fn last_index(&self) -> Option<Index> {
        self.state
            .load()
            .as_ref()
            .and_then(|state| state.index.as_ref().ok().cloned())
    }

    /// The same, with what the files' delta says: reading it takes as long as there are changes.
    pub(super) fn last_index_and_delta(&self) -> Option<Index> {
        if let Slot::Files(files) = &mut *self.lock_slot() {
            // A refresh meets the same fault, and has the index built anew.
            return files.index().ok().cloned();
        }
        self.last_index()
    }

    /// Whether what there is to know of the database's present state is known.
    pub(super) fn is_known(&self) -> bool {
        self.with_current(|_| ()).is_some()
    }

    /// Whether there is an index that a refresh can begin with.
    pub(super) fn can_refresh(&self) -> bool {
        !matches!(*self.lock_slot(), Slot::Empty)
    }

    /// Forgets an index that is corrupt.
    pub(super) fn forget(&self, why: index::Corrupted) {
        self.detail(|| format!("the index is corrupt: {why}"));
        self.is_corrupt.store(true, Ordering::Relaxed);
        self.state.store(None);
        *self.lock_slot() = Slot::Empty;
    }

    /// Whether a corrupt index waits for its [`Live::rebuild`].
    pub(super) fn is_corrupt(&self) -> bool {
        self.is_corrupt.load(Ordering::Relaxed)
    }

    /// A state that the database has after this call began; `None` where waiting for it would cost more than
    /// `alternative`, and where only a build helps.
    pub(super) fn join(&self, alternative: Duration) -> Option<Arc<IndexState>> {
        match self
            .turns
            .join(alternative.max(PATIENCE), || self.refresh(Budget::INLINE))?
        {
            Outcome::Refreshed(state) => Some(state),
            Outcome::TooLong if self.long_refresh() < alternative => self.refresh_long(),
            Outcome::TooLong | Outcome::NeedsBuild | Outcome::Failed => None,
        }
    }

    /// Leave to ask SQLite; `None` where it was waited for until the refresh that runs had ended.
    pub(super) fn leave(&self) -> Option<SqliteLeave<'_>> {
        self.turns.leave(self.processors.saturating_sub(1).max(1))
    }

    /// The same, whatever runs.
    pub(super) fn leave_at_once(&self) -> SqliteLeave<'_> {
        self.turns.leave_at_once()
    }

    /// A state that the database has after this call began, however long a refresh takes.
    pub(super) fn refresh_long(&self) -> Option<Arc<IndexState>> {
        match self.turns.take(self.long_refresh(), || self.refresh(Budget::LONG)) {
            Outcome::Refreshed(state) => Some(state),
            _ => None,
        }
    }

    /// What a refresh by hashes is expected to take: as long as the last one, if there was one: what is reckoned holds
    /// for no machine in particular.
    fn long_refresh(&self) -> Duration {
        let last = self.hashes_took.load(Ordering::Relaxed);
        if last > 0 {
            return Duration::from_nanos(last);
        }
        self.last_index().map_or(Duration::ZERO, |index| {
            let header = index.base().header();
            let leaves = header.counts.table_leaves + header.counts.time_leaves;
            cost::refresh_by_hashes(leaves, header.source.facts.page_size.into())
        })
    }

    /// What the first refresh of a process is expected to take; `None` if there is nothing to begin with.
    pub(super) fn first_refresh(&self) -> Option<Duration> {
        match &*self.lock_slot() {
            Slot::Empty => None,
            Slot::Follower(_) => Some(Duration::ZERO),
            Slot::Files(files) => Some(cost::first_refresh(
                files.leaves(),
                files.page_size(),
                !files.is_database_same(),
            )),
        }
    }

    /// Called by who has the turn.
    fn refresh(&self, budget: Budget) -> Outcome {
        let start = Instant::now();
        let mut slot = self.lock_slot();
        let refreshed = match slot.follower() {
            Ok(Some(follower)) => follower.refresh(budget),
            Ok(None) => return Outcome::NeedsBuild,
            Err(error) => Err(error),
        };
        match refreshed {
            Ok(refreshed) => {
                let way = refreshed.way;
                self.count(way);
                if way == Way::Hashes {
                    let took = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    self.hashes_took.store(took, Ordering::Relaxed);
                    // What moved the database file may have been a change of its permissions.
                    index::follow_permissions(&self.dir);
                }
                self.detail(|| {
                    let way = match way {
                        Way::Frames => "the frames of the write-ahead log",
                        Way::Hashes => "the hashes of its leaf pages",
                    };
                    format!(
                        "the index was brought up to date by {way} in {} µs",
                        start.elapsed().as_micros()
                    )
                });
                let state = Arc::new(IndexState::from(refreshed));
                self.state.store(Some(Arc::clone(&state)));
                Outcome::Refreshed(state)
            }
            Err(RefreshError::TooLong) => Outcome::TooLong,
            Err(RefreshError::Failed(_)) => Outcome::Failed,
            Err(why) => {
                if let RefreshError::Corrupt(_) = why {
                    self.is_corrupt.store(true, Ordering::Relaxed);
                }
                self.detail(|| format!("the index must be built anew: {why}"));
                *slot = Slot::Empty;
                Outcome::NeedsBuild
            }
        }
    }

    /// Closes the connection that is kept between two refreshes: one to a log in WAL mode keeps others from leaving it.
    pub(super) fn disconnect(&self) {
        if let Slot::Follower(follower) = &mut *self.lock_slot() {
            follower.disconnect();
        }
    }

    pub(super) fn count_sqlite(&self) {
        self.counts.by_sqlite.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self, way: Way) {
        let count = match way {
            Way::Frames => &self.counts.by_frames,
            Way::Hashes => &self.counts.by_hashes,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> RefreshCounts {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        RefreshCounts {
            by_frames: load(&self.counts.by_frames),
            by_hashes: load(&self.counts.by_hashes),
            rebuilds: load(&self.counts.rebuilds),
            folds: load(&self.counts.folds),
            by_sqlite: load(&self.counts.by_sqlite),
        }
    }

    pub(super) fn warn(&self, line: &str) {
        (self.notify)(Notice::Warning, line);
    }

    fn detail(&self, line: impl FnOnce() -> String) {
        (self.notify)(Notice::Detail, &line());
    }

    fn lock_slot(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn files_events(state: &IndexState) -> u64 {
    state.index.as_ref().map_or(0, Index::events)
}

fn truth(is_current: bool) -> &'static str {
    if is_current { "current" } else { "stale" }
}

impl Slot {
    /// What follows the database; `None` where there is nothing to begin with.
    fn follower(&mut self) -> Result<Option<&mut Follower>, RefreshError> {
        if let Slot::Files(_) = self
            && let Slot::Files(files) = std::mem::replace(self, Slot::Empty)
        {
            *self = Slot::Follower(Box::new(files.into_follower()?));
        }
        match self {
            Slot::Follower(follower) => Ok(Some(follower)),
            Slot::Empty | Slot::Files(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
