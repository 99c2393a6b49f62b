//! The index, brought to the present state where it is not; SQLite, where that costs more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::fallback::Fallback;
use super::live::{Live, SqliteLeave};
use super::refresh::BackgroundRefresh;
use super::stream::{self, Source, Spooled, Walk};
use super::{Engine, Find, Lifetime, Notify, Overview, RefreshCounts, cost, newest_first, newest_of, retry};
use crate::error::{Error, Result};
use crate::model::{Filter, Key, Page, Query, Rows};
use crate::progress::Progress;
use crate::storage::data_dir::DataDir;
use crate::storage::fs::permissions::is_replaceable;
use crate::storage::fs::platform::{FileState, is_dir_writable};
use crate::storage::index::{Corrupted, IfLocked, Index, IndexState, WillRead};
use crate::storage::payload::Payloads;
use crate::storage::sqlite::Connection;

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

/// The most events that are read and decoded while others wait: a tenth of a millisecond.
const AT_ONCE: u32 = 100;

impl Enhanced {
    /// Opens the log in `dir`, and its index if that is there.
    #[must_use]
    pub fn open(dir: &DataDir, lifetime: Lifetime, notify: Notify) -> Self {
        let live = Arc::new(Live::open(dir, notify));
        let background = match lifetime {
            Lifetime::LongLived => BackgroundRefresh::start(&live),
            Lifetime::OneShot => None,
        };
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
        by_sqlite: impl Fn(Option<&Index>) -> Duration,
        mut read: impl FnMut(&Index) -> std::result::Result<T, Corrupted>,
    ) -> Option<T> {
        self.ask_state(by_sqlite, |state| state.index.as_ref().ok().map(&mut read))
    }

    /// The same, for who needs to know of which state the index is.
    fn ask_state<T>(
        &self,
        by_sqlite: impl Fn(Option<&Index>) -> Duration,
        mut read: impl FnMut(&IndexState) -> Option<std::result::Result<T, Corrupted>>,
    ) -> Option<T> {
        let answer = match self.live.with_current(&mut read) {
            Some(answer) => answer?,
            None => read(&*self.refreshed(by_sqlite)?)?,
        };
        answer.map_err(|why| self.forget(why)).ok()
    }

    /// Forgets an index that is corrupt, and has it renewed.
    fn forget(&self, why: Corrupted) {
        self.live.forget(why);
        if let Some(background) = &self.background {
            background.request(true);
        }
    }

    /// The same; else with leave to ask SQLite, for which a long refresh may make wait: until its end, but not again.
    fn ask_index_or_leave<T>(
        &self,
        by_sqlite: impl Fn(Option<&Index>) -> Duration,
        mut read: impl FnMut(&Index) -> std::result::Result<T, Corrupted>,
    ) -> std::result::Result<T, SqliteLeave<'_>> {
        if let Some(answer) = self.ask_index(&by_sqlite, &mut read) {
            return Ok(answer);
        }
        if let Some(leave) = self.live.leave() {
            return Err(leave);
        }
        self.ask_index(&by_sqlite, &mut read)
            .ok_or_else(|| self.live.leave_at_once())
    }

    /// A state from after this call began.
    fn refreshed(&self, by_sqlite: impl Fn(Option<&Index>) -> Duration) -> Option<Arc<IndexState>> {
        let by_base = by_sqlite(self.live.last_index().as_ref());
        if let Some(background) = &self.background {
            let state = self.live.join(by_base);
            background.request(state.is_none());
            return state;
        }
        // One request: what is not worth it now is worth it to nobody. The delta knows SQLite's way better, but takes
        // time to read, which a refresh would take, too.
        let refresh = self.live.first_refresh()?;
        if refresh >= by_base {
            return None;
        }
        let by_sqlite = by_sqlite(self.live.last_index_and_delta().as_ref());
        if refresh >= by_sqlite {
            return None;
        }
        let state = self.live.refresh_long();
        self.is_refreshed.store(state.is_some(), Ordering::Relaxed);
        state.or_else(|| self.built(by_sqlite))
    }

    /// A new index, where the last one is of no use and a build costs less than `by_sqlite`.
    fn built(&self, by_sqlite: Duration) -> Option<Arc<IndexState>> {
        let events = self.live.last_index()?.events();
        let is_worthwhile = !self.live.can_refresh() && cost::build(events) < by_sqlite;
        if !is_worthwhile || self.why_no_index_is_kept().is_some() {
            return None;
        }
        // Where none can be made, SQLite answers.
        self.live.rebuild(IfLocked::GiveUp, &|_, _| {}).ok()?;
        self.live.with_current(|state| Arc::new(state.clone()))
    }

    /// Where no file can be written, the next process does what this one did.
    fn keep_for_others(&self) {
        // Every process that opens a delta reads all of it.
        let _ = self.live.fold_if_worthwhile();
        let _ = self.live.persist();
    }

    fn is_large(&self) -> bool {
        let state = FileState::of_path(self.dir.database());
        state.is_ok_and(|state| state.is_some_and(|state| state.size > SMALL))
    }

    /// Why no file can be put in the index's place; `None` where one can, as far as can be told beforehand.
    fn why_no_index_is_kept(&self) -> Option<String> {
        let (root, index) = (self.dir.root(), self.dir.index());
        if !is_dir_writable(root) {
            return Some(format!("{} cannot be written", root.display()));
        }
        if std::fs::symlink_metadata(&index).is_ok_and(|found| found.is_dir()) {
            return Some(format!("{} is a directory", index.display()));
        }
        (!is_replaceable(root, &index)).then(|| format!("{} is not ours and cannot be replaced", index.display()))
    }

    /// The rows of a page, from the index or from SQLite.
    fn rows(&self, query: &Query, rows: &mut Rows, will_read: WillRead<'_>) -> Result<()> {
        let by_sqlite = |index: Option<&Index>| cost::page_by_sqlite(index, query);
        let find = |index: &Index| index.page_and_tell(query, rows, will_read);
        let Err(_leave) = self.ask_index_or_leave(by_sqlite, find) else {
            return Ok(());
        };
        self.answers_by_sqlite();
        if is_short_walk(query) && self.is_large() {
            self.is_spared.store(true, Ordering::Relaxed);
        }
        self.fallback.page(query, rows)?;
        self.payloads.forget();
        Ok(())
    }

    /// The next rows of a walk.
    fn fetch(&self, walk: &mut Walk) -> Result<()> {
        if let (Source::NotBegun, _) = walk.parts() {
            *walk.parts().0 = self.begin(walk)?;
        }
        let query = walk.next_chunk()?;
        let (source, rows) = walk.parts();
        if let Source::Index(state) = source
            && let Ok(index) = &state.index
        {
            let Err(why) = index.page(&query, rows) else {
                return Ok(());
            };
            self.forget(why);
            rows.clear();
            let state = state.clone();
            let spooled = self.spool_rest(walk, &state)?;
            *walk.parts().0 = Source::Spooled(spooled);
        }
        match walk.parts() {
            (Source::Spooled(spooled), rows) => spooled.read(rows),
            _ => Ok(()),
        }
    }

    /// Where the rows of a walk come from.
    fn begin(&self, walk: &Walk) -> Result<Source> {
        let by_sqlite = |index: Option<&Index>| cost::all_by_sqlite(index, walk.filter());
        // Reading everything costs more than an index does, and from an index it takes no lock.
        if !self.live.is_known()
            && !self.live.can_refresh()
            && let Err(error @ Error::Busy { .. }) = self.live.rebuild(IfLocked::BuildInMemory, &|_, _| {})
        {
            // Waited for long enough already.
            return Err(error);
        }
        let indexed = |state: &IndexState| state.index.is_ok().then(|| Ok(state.clone()));
        if let Some(state) = self.ask_state(by_sqlite, indexed) {
            return Ok(Source::Index(state));
        }
        self.answers_by_sqlite();
        self.payloads.forget();
        stream::spool_from(&self.dir, walk.filter(), walk.last()).map(Source::Spooled)
    }

    /// The rows behind those that a corrupt index gave.
    fn spool_rest(&self, walk: &Walk, state: &IndexState) -> Result<Spooled> {
        self.answers_by_sqlite();
        self.payloads.forget();
        let Some(last) = walk.last() else {
            // Nothing was given: any moment is as good.
            return stream::spool_from(&self.dir, walk.filter(), None);
        };
        let (is_later, spooled) = retry::until_confirmed(|| {
            let connection = Connection::open(&self.dir)?;
            let filter = walk.filter();
            connection.snapshot(|| Ok((!state.is_current(), stream::spool(&connection, filter, Some(last))?)))
        })?;
        if is_later {
            self.live.warn(&format!(
                "the index was corrupt and the log was written to meanwhile: events behind the cursor {last} are of a \
                 later moment"
            ));
        }
        Ok(spooled)
    }

    fn answers_by_sqlite(&self) {
        self.live.count_sqlite();
        self.live.tell_refusal();
        self.has_answered.store(true, Ordering::Relaxed);
    }
}

impl Engine for Enhanced {
    fn page(&self, query: &Query, page: &mut Page) -> Result<()> {
        self.payloads
            .fill_told(page, |rows, will_read| self.rows(query, rows, will_read))
    }

    fn newest(&self) -> Result<Key> {
        let mut rows = Rows::default();
        self.rows(&newest_first(1)?, &mut rows, &|_| {})?;
        Ok(newest_of(&rows))
    }

    fn page_at_once(&self, query: &Query, page: &mut Page) -> Option<Result<()>> {
        if query.page_size() > AT_ONCE {
            page.clear();
            return None;
        }
        self.payloads.fill_at_once(page, |rows| {
            let found = self
                .live
                .with_current(|state| state.index.as_ref().ok()?.page(query, rows).ok());
            found.flatten()
        })
    }

    fn count(&self, filter: &Filter) -> Result<u64> {
        let by_sqlite = |index: Option<&Index>| cost::count_by_sqlite(index, filter);
        let _leave = match self.ask_index_or_leave(by_sqlite, |index| index.count(filter)) {
            Ok(count) => return Ok(count),
            Err(leave) => leave,
        };
        self.answers_by_sqlite();
        self.fallback.count(filter)
    }

    fn advance(&self, walk: &mut Walk, page: &mut Page) -> Result<bool> {
        let fill = |page: &mut Page, find: Find<'_>| self.payloads.fill(page, find);
        walk.step(page, |walk| self.fetch(walk), fill)
    }

    fn maintain(&self, progress: Progress<'_>) -> Result<()> {
        if self.is_refreshed.swap(false, Ordering::Relaxed) {
            self.keep_for_others();
        }
        // What is corrupt costs every process that meets it, whatever this one was asked.
        let is_spared = self.is_spared.load(Ordering::Relaxed) && !self.live.is_corrupt();
        let has_answered = self.has_answered.load(Ordering::Relaxed);
        if self.background.is_some() || is_spared || self.live.is_known() {
            return Ok(());
        }
        if self.live.can_refresh() {
            // Whoever has an answer is done; whoever is yet to ask profits from it.
            if !has_answered && self.live.refresh_long().is_some() {
                self.keep_for_others();
            }
            if self.live.can_refresh() {
                return Ok(());
            }
        }
        if has_answered && let Some(problem) = self.why_no_index_is_kept() {
            // An index in memory would be gone with the process, and nobody asks this one again.
            let note = format!("no index is kept, so SQLite answers each time: {problem}");
            self.live.warn(&note);
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

    fn overview(&self) -> Option<Overview> {
        let index = self.live.with_current(|state| state.index.as_ref().ok().cloned());
        index.flatten().map(Overview::new)
    }

    fn refreshes(&self) -> RefreshCounts {
        self.live.counts()
    }
}

/// Whether a page lies so near the front that SQLite reaches it as fast as an index would.
fn is_short_walk(query: &Query) -> bool {
    query.filter().is_window_only() && query.offset() + u64::from(query.page_size()) <= SHORT_WALK
}

#[cfg(test)]
mod tests;
