//! The rank index, as long as it is true; SQLite, where it is not.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use thread_local::ThreadLocal;

use super::refresh::BackgroundRefresh;
use super::{CHUNK, Engine, Lifetime, Notify, stream_rows};
use crate::error::{Error, Result};
use crate::model::{Filter, Page, Position, Query, Rows};
use crate::progress::Progress;
use crate::storage::data_dir::DataDir;
use crate::storage::dataset;
use crate::storage::db_version::JournalMode;
use crate::storage::fs::platform::{FileState, Identity, is_dir_writable};
use crate::storage::index::{Corrupted, Index, IndexState, RebuildOutcome, open_if_current, rebuild};
use crate::storage::payload::Payloads;
use crate::storage::sqlite::Connection;

/// Answers from the rank index. It is asked whether it still holds before every answer.
pub struct Enhanced {
    shared: Arc<Shared>,
    background: Option<BackgroundRefresh>,
    /// Whether what was asked so far cost SQLite so little that an index is not worth waiting for.
    is_spared: AtomicBool,
    /// Whether a page or a count was asked for: those who ask for one are done with this engine.
    has_answered: AtomicBool,
}

/// The longest way from the front of the log, in events, that SQLite goes in next to no time.
const SHORT_WALK: u64 = 1_000;
/// Up to this size of the database, in bytes, an index is made in less time than a person notices.
const SMALL: u64 = 32 << 20;

/// What an engine and its background share.
pub(super) struct Shared {
    dir: DataDir,
    payloads: Payloads,
    /// What is known of the database. Empty or no longer holding: nothing.
    state: ArcSwapOption<IndexState>,
    connections: ThreadLocal<RefCell<Option<CachedConnection>>>,
    notify: Notify,
}

/// A thread's own connection, and the file it is connected to, in the state it had then.
struct CachedConnection {
    connection: Connection,
    identity: Identity,
    state: Option<FileState>,
}

impl Enhanced {
    /// Opens the log in `dir`, and its index if that is there and true.
    #[must_use]
    pub fn open(dir: &DataDir, lifetime: Lifetime, notify: Notify) -> Self {
        let shared = Arc::new(Shared {
            dir: dir.clone(),
            payloads: Payloads::new(dir),
            state: ArcSwapOption::new(open_if_current(dir).map(Arc::new)),
            connections: ThreadLocal::new(),
            notify,
        });
        let background = (lifetime == Lifetime::LongLived).then(|| BackgroundRefresh::start(&shared));
        Enhanced {
            shared,
            background,
            is_spared: AtomicBool::new(false),
            has_answered: AtomicBool::new(false),
        }
    }

    /// Answers from the index by `read`, if there is a true one.
    fn ask_index<T>(&self, read: impl FnOnce(&Index) -> std::result::Result<T, Corrupted>) -> Option<T> {
        let state = self.shared.state.load();
        let state = state.as_ref().filter(|state| state.is_current())?;
        let index = state.index.as_ref().ok()?;
        match read(index) {
            Ok(answer) => Some(answer),
            Err(Corrupted) => {
                self.shared.state.store(None);
                None
            }
        }
    }

    /// The rows of a page, from the index or from SQLite.
    fn rows(&self, query: &Query, rows: &mut Rows) -> Result<()> {
        if self.ask_index(|index| index.page(query, rows)).is_some() {
            return Ok(());
        }
        self.request_refresh();
        self.has_answered.store(true, Ordering::Relaxed);
        self.is_spared
            .store(is_short_walk(query) && self.shared.is_large(), Ordering::Relaxed);
        self.shared.page_through_sqlite(query, rows)?;
        self.shared.payloads.forget();
        Ok(())
    }

    /// Asks for a renewal, unless it would bring nothing new.
    fn request_refresh(&self) {
        if let Some(background) = &self.background
            && !self.shared.is_known()
        {
            background.request();
        }
    }
}

impl Engine for Enhanced {
    fn page(&self, query: &Query, page: &mut Page) -> Result<()> {
        self.shared.payloads.fill(page, |rows| self.rows(query, rows))
    }

    fn count(&self, filter: &Filter) -> Result<u64> {
        if let Some(count) = self.ask_index(|index| index.count(filter)) {
            return Ok(count);
        }
        self.request_refresh();
        self.has_answered.store(true, Ordering::Relaxed);
        self.shared.with_connection(|connection| connection.count(filter))
    }

    fn all(&self, filter: &Filter, sink: &mut dyn FnMut(&Page) -> Result<()>) -> Result<()> {
        // Reading everything costs more than an index does, and from an index it takes no lock.
        if !self.shared.is_known()
            && let Err(error @ Error::Busy { .. }) = self.shared.rebuild(&|_, _| {})
        {
            // Waited for long enough already.
            return Err(error);
        }
        let state = self.shared.state.load_full().filter(|state| state.is_current());
        if let Some(index) = state.as_ref().and_then(|state| state.index.as_ref().ok()) {
            return self.shared.all_from_index(index, filter, sink);
        }
        self.request_refresh();
        self.shared.payloads.forget();
        let connection = Connection::open(&self.shared.dir)?;
        stream_rows(
            &connection,
            filter,
            |page, find| self.shared.payloads.fill(page, find),
            sink,
        )
    }

    fn maintain(&self, progress: Progress<'_>) -> Result<()> {
        // What cannot be removed is in nobody's way.
        let _ = dataset::tidy(&self.shared.dir);
        let is_spared = self.is_spared.load(Ordering::Relaxed);
        if self.background.is_some() || is_spared || self.shared.is_known() {
            return Ok(());
        }
        if self.has_answered.load(Ordering::Relaxed) && !is_dir_writable(self.shared.dir.root()) {
            // An index in memory would be gone with the process, and nobody asks this one again.
            (self.shared.notify)(&format!(
                "no index is kept, so SQLite answers each time: {} cannot be written",
                self.shared.dir.root().display()
            ));
            return Ok(());
        }
        self.shared.rebuild(progress)
    }
}

/// Whether a page lies so near the front that SQLite reaches it as fast as an index would.
fn is_short_walk(query: &Query) -> bool {
    query.filter().is_window_only() && query.offset() + u64::from(query.page_size()) <= SHORT_WALK
}

impl Shared {
    /// Whether what there is to know of the database's present state is known.
    pub(super) fn is_known(&self) -> bool {
        self.state.load().as_ref().is_some_and(|state| state.is_current())
    }

    fn is_large(&self) -> bool {
        let state = FileState::of_path(self.dir.database());
        state.is_ok_and(|state| state.is_some_and(|state| state.size > SMALL))
    }

    /// Makes a new index, and uses it from now on.
    pub(super) fn rebuild(&self, progress: Progress<'_>) -> Result<()> {
        if let RebuildOutcome::Done { state, in_memory } = rebuild(&self.dir, progress)? {
            if let Some(error) = in_memory {
                (self.notify)(&format!("the index lives in memory only: {error}"));
            }
            if let Err(why) = &state.index {
                (self.notify)(&format!("the log cannot be indexed, SQLite answers instead: {why}"));
            }
            self.state.store(Some(Arc::from(state)));
        }
        Ok(())
    }

    fn page_through_sqlite(&self, query: &Query, rows: &mut Rows) -> Result<()> {
        // Where the log is known to be unsound, or turns out to be, the service's own statement decides.
        let is_unsound = self
            .state
            .load()
            .as_ref()
            .is_some_and(|state| state.index.is_err() && state.is_current());
        self.with_connection(|connection| {
            if !is_unsound {
                match connection.deferred_join_page(query, rows) {
                    Err(Error::Database { .. } | Error::Unreadable { .. } | Error::Row { .. }) => {}
                    answered => return answered,
                }
            }
            connection.baseline_page(query, rows)
        })
    }

    /// Runs `ask` on this thread's connection to the database that is at its path now.
    fn with_connection<T>(&self, ask: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let mut slot = self.connections.get_or_default().borrow_mut();
        let cached = match slot.take() {
            Some(cached) if self.is_current(&cached) => cached,
            _ => self.connect()?,
        };
        let answer = ask(&cached.connection)?;
        // An idle connection to a log in WAL mode would keep others from leaving that mode.
        if cached.connection.journal_mode()? == JournalMode::Rollback {
            *slot = Some(cached);
        }
        Ok(answer)
    }

    /// Whether a connection made now would see the same. SQLite keeps pages in memory, and would trust them even
    /// where the file was overwritten by something else than SQLite: by a backup, or by a failing disk.
    fn is_current(&self, cached: &CachedConnection) -> bool {
        cached.identity.is_at(self.dir.database())
            && FileState::of_path(self.dir.database()).is_ok_and(|state| state == cached.state)
    }

    fn connect(&self) -> Result<CachedConnection> {
        let unopened = |error| Error::io(self.dir.database(), "cannot open")(error);
        loop {
            let identity = Identity::of_path(self.dir.database()).map_err(unopened)?;
            let state = FileState::of_path(self.dir.database()).map_err(unopened)?;
            let connection = Connection::open(&self.dir)?;
            // Replaced between the two: which of them it is connected to is not known.
            if identity.is_at(self.dir.database()) {
                return Ok(CachedConnection {
                    connection,
                    identity,
                    state,
                });
            }
        }
    }

    /// Page by page from an index that stays as it is, whatever happens to the database meanwhile.
    fn all_from_index(&self, index: &Index, filter: &Filter, sink: &mut dyn FnMut(&Page) -> Result<()>) -> Result<()> {
        let mut query = Query::new(filter.clone(), Position::Page(1), CHUNK.into())?;
        let mut page = Page::default();
        loop {
            self.payloads.fill(&mut page, |rows| {
                index.page(&query, rows).map_err(|Corrupted| Error::Io {
                    path: self.dir.index(),
                    action: "cannot read on: the index was damaged meanwhile",
                    source: std::io::ErrorKind::InvalidData.into(),
                })
            })?;
            let Some(last) = page.events().last().map(|event| event.key()) else {
                return Ok(());
            };
            sink(&page)?;
            query.move_after(last);
        }
    }
}
