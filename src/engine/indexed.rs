//! The index, brought to the present state where it is not; SQLite, where that costs more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::fallback::Fallback;
use super::live::Live;
use super::refresh::BackgroundRefresh;
use super::{Engine, Lifetime, Notify, RefreshCounts, cost, stream};
use crate::error::{Error, Result};
use crate::model::{Filter, Page, Query, Rows};
use crate::progress::Progress;
use crate::storage::data_dir::DataDir;
use crate::storage::fs::platform::{FileState, is_dir_writable};
use crate::storage::index::{Corrupted, IfLocked, Index, IndexState};
use crate::storage::payload::Payloads;

/// Answers from an index of the state that the database has after the request came.
pub struct Enhanced {
    dir: DataDir,
    payloads: Payloads,
    live: Arc<Live>,
    fallback: Fallback,
    background: Option<BackgroundRefresh>,
    /// Whether what was asked so far cost SQLite so little that an index is not worth waiting for.
    is_spared: AtomicBool,
    /// Whether a page or a count was asked for: those who ask for one are done with this engine.
    has_answered: AtomicBool,
    /// Whether a refresh of this process would be of use to others.
    is_refreshed: AtomicBool,
}

/// The longest way from the front of the log, in events, that SQLite goes in next to no time.
const SHORT_WALK: u64 = 1_000;
/// Up to this size of the database, in bytes, an index is made in less time than a person notices.
const SMALL: u64 = 32 << 20;

impl Enhanced {
    /// Opens the log in `dir`, and its index if that is there.
    #[must_use]
    pub fn open(dir: &DataDir, lifetime: Lifetime, notify: Notify) -> Self {
        let live = Arc::new(Live::open(dir, notify));
        let background = (lifetime == Lifetime::LongLived).then(|| BackgroundRefresh::start(&live));
        Enhanced {
            dir: dir.clone(),
            payloads: Payloads::new(dir),
            live,
            fallback: Fallback::new(dir),
            background,
            is_spared: AtomicBool::new(false),
            has_answered: AtomicBool::new(false),
            is_refreshed: AtomicBool::new(false),
        }
    }

    /// Answers from the index by `read`, if there is a true one, or one can be had for less than `by_sqlite`, the price
    /// of SQLite's answer.
    fn ask_index<T>(
        &self,
        by_sqlite: impl FnOnce(Option<&Index>) -> Duration,
        mut read: impl FnMut(&Index) -> std::result::Result<T, Corrupted>,
    ) -> Option<T> {
        let answer = self.live.with_current(|state| state.index.as_ref().ok().map(&mut read));
        let answer = match answer {
            Some(answer) => answer?,
            None => {
                let state = self.refreshed(by_sqlite)?;
                read(state.index.as_ref().ok()?)
            }
        };
        match answer {
            Ok(answer) => Some(answer),
            Err(why) => {
                self.live.forget(why);
                None
            }
        }
    }

    /// A state from after this call began.
    fn refreshed(&self, by_sqlite: impl FnOnce(Option<&Index>) -> Duration) -> Option<Arc<IndexState>> {
        let by_sqlite = by_sqlite(self.live.last_index().as_ref());
        if let Some(background) = &self.background {
            let state = self.live.join(by_sqlite);
            background.request(state.is_none());
            return state;
        }
        // One request: what is not worth it now is worth it to nobody.
        if self.live.first_refresh()? >= by_sqlite {
            self.is_spared.store(true, Ordering::Relaxed);
            return None;
        }
        let state = self.live.refresh_long();
        self.is_refreshed.store(state.is_some(), Ordering::Relaxed);
        state
    }

    fn is_large(&self) -> bool {
        let state = FileState::of_path(self.dir.database());
        state.is_ok_and(|state| state.is_some_and(|state| state.size > SMALL))
    }

    /// Whether the database is known to hold what no index can tell.
    fn is_unsound(&self) -> bool {
        self.live.with_current(|state| state.index.is_err()).unwrap_or(false)
    }

    /// The rows of a page, from the index or from SQLite.
    fn rows(&self, query: &Query, rows: &mut Rows) -> Result<()> {
        let by_sqlite = |index: Option<&Index>| cost::page_by_sqlite(index, query);
        if self.ask_index(by_sqlite, |index| index.page(query, rows)).is_some() {
            return Ok(());
        }
        self.answers_by_sqlite();
        if is_short_walk(query) && self.is_large() {
            self.is_spared.store(true, Ordering::Relaxed);
        }
        self.fallback.page(query, self.is_unsound(), rows)?;
        self.payloads.forget();
        Ok(())
    }

    fn answers_by_sqlite(&self) {
        self.live.count_sqlite();
        self.has_answered.store(true, Ordering::Relaxed);
    }
}

impl Engine for Enhanced {
    fn page(&self, query: &Query, page: &mut Page) -> Result<()> {
        self.payloads.fill(page, |rows| self.rows(query, rows))
    }

    fn count(&self, filter: &Filter) -> Result<u64> {
        let by_sqlite = |index: Option<&Index>| cost::count_by_sqlite(index, filter);
        if let Some(count) = self.ask_index(by_sqlite, |index| index.count(filter)) {
            return Ok(count);
        }
        self.answers_by_sqlite();
        self.fallback.count(filter)
    }

    fn all(&self, filter: &Filter, sink: &mut dyn FnMut(&Page) -> Result<()>) -> Result<()> {
        let by_sqlite = |index: Option<&Index>| cost::all_by_sqlite(index, filter);
        // Reading everything costs more than an index does, and from an index it takes no lock.
        if !self.live.is_known()
            && !self.live.can_refresh()
            && let Err(error @ Error::Busy { .. }) = self.live.rebuild(IfLocked::BuildInMemory, &|_, _| {})
        {
            // Waited for long enough already.
            return Err(error);
        }
        if let Some(index) = self.ask_index(by_sqlite, |index| Ok(index.clone())) {
            return stream::index(&self.dir, &index, &self.payloads, filter, sink);
        }
        self.answers_by_sqlite();
        self.payloads.forget();
        stream::rows(&self.dir, filter, |page, find| self.payloads.fill(page, find), sink)
    }

    fn maintain(&self, progress: Progress<'_>) -> Result<()> {
        if self.is_refreshed.swap(false, Ordering::Relaxed) {
            // Where no file can be written, the next process does what this one did.
            let _ = self.live.persist();
        }
        let is_spared = self.is_spared.load(Ordering::Relaxed);
        let has_answered = self.has_answered.load(Ordering::Relaxed);
        if self.background.is_some() || is_spared || self.live.is_known() {
            return Ok(());
        }
        if self.live.can_refresh() {
            // Whoever has an answer is done; whoever is yet to ask profits from it.
            if !has_answered && self.live.refresh_long().is_some() {
                let _ = self.live.persist();
            }
            if self.live.can_refresh() {
                return Ok(());
            }
        }
        if has_answered && !is_dir_writable(self.dir.root()) {
            // An index in memory would be gone with the process, and nobody asks this one again.
            self.live.warn(&format!(
                "no index is kept, so SQLite answers each time: {} cannot be written",
                self.dir.root().display()
            ));
            return Ok(());
        }
        let if_locked = if has_answered {
            IfLocked::GiveUp
        } else {
            IfLocked::BuildInMemory
        };
        self.live.rebuild(if_locked, progress)
    }

    fn needs_build(&self) -> bool {
        !self.live.can_refresh() && !self.live.is_known()
    }

    fn refreshes(&self) -> RefreshCounts {
        self.live.counts()
    }
}

/// Whether a page lies so near the front that SQLite reaches it as fast as an index would.
fn is_short_walk(query: &Query) -> bool {
    query.filter().is_window_only() && query.offset() + u64::from(query.page_size()) <= SHORT_WALK
}
