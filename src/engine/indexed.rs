//! The rank index, as long as it is true; SQLite, where it is not.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use thread_local::ThreadLocal;

use super::refresh::Renewer;
use super::{CHUNK, Engine, Lifetime, Notify, stream_rows};
use crate::error::{Error, Result};
use crate::model::{Filter, Page, Position, Query};
use crate::storage::data_dir::DataDir;
use crate::storage::dataset;
use crate::storage::db_version::JournalMode;
use crate::storage::fs::platform::{FileState, Identity, may_write_in};
use crate::storage::index::{Damaged, Index, Progress, Renewal, Truth, open_true, renew};
use crate::storage::payload::Payloads;
use crate::storage::sqlite::Connection;

/// Answers from the rank index. It is asked whether it still holds before every answer.
pub struct Enhanced {
    log: Arc<Log>,
    renewer: Option<Renewer>,
    /// Whether what was asked so far cost SQLite so little that an index is not worth waiting for.
    is_spared: AtomicBool,
    /// Whether a page or a count was asked for: those who ask for one are done with this engine.
    has_answered: AtomicBool,
}

/// The longest way from the front of the log, in events, that SQLite goes in next to no time.
const SHORT_WALK: u64 = 1_000;
/// Up to this size of the database, in bytes, an index is made in less time than a person notices.
const SMALL: u64 = 32 << 20;

/// What an engine and its renewer share.
pub(super) struct Log {
    dir: DataDir,
    payloads: Payloads,
    /// What is known of the database. Empty or no longer holding: nothing.
    truth: ArcSwapOption<Truth>,
    connections: ThreadLocal<RefCell<Option<Held>>>,
    notify: Notify,
}

/// A thread's own connection, and the file it is connected to, in the state it had then.
struct Held {
    connection: Connection,
    identity: Identity,
    state: Option<FileState>,
}

impl Enhanced {
    /// Opens the log in `dir`, and its index if that is there and true.
    #[must_use]
    pub fn open(dir: &DataDir, lifetime: Lifetime, notify: Notify) -> Self {
        let log = Arc::new(Log {
            dir: dir.clone(),
            payloads: Payloads::new(dir),
            truth: ArcSwapOption::new(open_true(dir).map(Arc::new)),
            connections: ThreadLocal::new(),
            notify,
        });
        let renewer = (lifetime == Lifetime::LongLived).then(|| Renewer::start(&log));
        Enhanced {
            log,
            renewer,
            is_spared: AtomicBool::new(false),
            has_answered: AtomicBool::new(false),
        }
    }

    /// Answers from the index by `read`, if there is a true one.
    fn ask_index<T>(
        &self,
        read: impl FnOnce(&Index) -> std::result::Result<T, Damaged>,
    ) -> Option<T> {
        let truth = self.log.truth.load();
        let truth = truth.as_ref().filter(|truth| truth.holds())?;
        let index = truth.index.as_ref().ok()?;
        match read(index) {
            Ok(answer) => Some(answer),
            Err(Damaged) => {
                self.log.truth.store(None);
                None
            }
        }
    }

    /// Asks for a renewal, unless it would bring nothing new.
    fn want_renewal(&self) {
        if let Some(renewer) = &self.renewer
            && !self.log.is_known()
        {
            renewer.want();
        }
    }
}

impl Engine for Enhanced {
    fn page(&self, query: &Query, page: &mut Page) -> Result<()> {
        if self.ask_index(|index| index.page(query, page)).is_some() {
            return self.log.payloads.fill(page);
        }
        self.want_renewal();
        self.has_answered.store(true, Ordering::Relaxed);
        self.is_spared.store(
            is_short_walk(query) && self.log.is_large(),
            Ordering::Relaxed,
        );
        self.log.page_through_sqlite(query, page)?;
        self.log.payloads.forget();
        self.log.payloads.fill(page)
    }

    fn count(&self, filter: &Filter) -> Result<u64> {
        if let Some(count) = self.ask_index(|index| index.count(filter)) {
            return Ok(count);
        }
        self.want_renewal();
        self.has_answered.store(true, Ordering::Relaxed);
        self.log
            .with_connection(|connection| connection.count(filter))
    }

    fn all(&self, filter: &Filter, sink: &mut dyn FnMut(&Page) -> Result<()>) -> Result<()> {
        // Reading everything costs more than an index does, and from an index it takes no lock.
        if !self.log.is_known()
            && let Err(error @ Error::Busy { .. }) = self.log.renew(&|_, _| {})
        {
            // Waited for long enough already.
            return Err(error);
        }
        let truth = self.log.truth.load_full().filter(|truth| truth.holds());
        if let Some(index) = truth.as_ref().and_then(|truth| truth.index.as_ref().ok()) {
            return self.log.all_from_index(index, filter, sink);
        }
        self.want_renewal();
        self.log.payloads.forget();
        let connection = Connection::open(&self.log.dir)?;
        stream_rows(
            &connection,
            filter,
            |page| self.log.payloads.fill(page),
            sink,
        )
    }

    fn finish(&self, progress: Progress<'_>) -> Result<()> {
        // What cannot be removed is in nobody's way.
        let _ = dataset::tidy(&self.log.dir);
        let is_spared = self.is_spared.load(Ordering::Relaxed);
        if self.renewer.is_some() || is_spared || self.log.is_known() {
            return Ok(());
        }
        if self.has_answered.load(Ordering::Relaxed) && !may_write_in(self.log.dir.root()) {
            // An index in memory would be gone with the process, and nobody asks this one again.
            (self.log.notify)(&format!(
                "no index is kept, so SQLite answers each time: {} cannot be written",
                self.log.dir.root().display()
            ));
            return Ok(());
        }
        self.log.renew(progress)
    }
}

/// Whether a page lies so near the front that SQLite reaches it as fast as an index would.
fn is_short_walk(query: &Query) -> bool {
    query.filter.is_window_only() && query.offset() + u64::from(query.page_size) <= SHORT_WALK
}

impl Log {
    /// Whether what there is to know of the database's present state is known.
    pub(super) fn is_known(&self) -> bool {
        self.truth
            .load()
            .as_ref()
            .is_some_and(|truth| truth.holds())
    }

    fn is_large(&self) -> bool {
        let state = FileState::of_path(self.dir.database());
        state.is_ok_and(|state| state.is_some_and(|state| state.size > SMALL))
    }

    /// Makes a new index, and uses it from now on.
    pub(super) fn renew(&self, progress: Progress<'_>) -> Result<()> {
        if let Renewal::Done { truth, in_memory } = renew(&self.dir, progress)? {
            if let Some(error) = in_memory {
                (self.notify)(&format!("the index lives in memory only: {error}"));
            }
            if let Err(why) = &truth.index {
                (self.notify)(&format!(
                    "the log cannot be indexed, SQLite answers instead: {why}"
                ));
            }
            self.truth.store(Some(Arc::from(truth)));
        }
        Ok(())
    }

    fn page_through_sqlite(&self, query: &Query, page: &mut Page) -> Result<()> {
        // Where the log is known to be unsound, or turns out to be, the service's own statement decides.
        let is_unsound = self
            .truth
            .load()
            .as_ref()
            .is_some_and(|truth| truth.index.is_err() && truth.holds());
        self.with_connection(|connection| {
            if !is_unsound {
                match connection.narrow_page(query, page) {
                    Err(Error::Database { .. } | Error::Unreadable { .. } | Error::Row { .. }) => {}
                    answered => return answered,
                }
            }
            connection.service_page(query, page)
        })
    }

    /// Runs `ask` on this thread's connection to the database that is at its path now.
    fn with_connection<T>(&self, ask: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let mut slot = self.connections.get_or_default().borrow_mut();
        let held = match slot.take() {
            Some(held) if self.is_current(&held) => held,
            _ => self.connect()?,
        };
        let answer = ask(&held.connection)?;
        // An idle connection to a log in WAL mode would keep others from leaving that mode.
        if held.connection.journal_mode()? == JournalMode::Rollback {
            *slot = Some(held);
        }
        Ok(answer)
    }

    /// Whether a connection made now would see the same. SQLite keeps pages in memory, and would trust them even
    /// where the file was overwritten by something else than SQLite: by a backup, or by a failing disk.
    fn is_current(&self, held: &Held) -> bool {
        held.identity.is_at(self.dir.database())
            && FileState::of_path(self.dir.database()).is_ok_and(|state| state == held.state)
    }

    fn connect(&self) -> Result<Held> {
        let unopened = |error| Error::io(self.dir.database(), "cannot open")(error);
        loop {
            let identity = Identity::of_path(self.dir.database()).map_err(unopened)?;
            let state = FileState::of_path(self.dir.database()).map_err(unopened)?;
            let connection = Connection::open(&self.dir)?;
            // Replaced between the two: which of them it is connected to is not known.
            if identity.is_at(self.dir.database()) {
                return Ok(Held {
                    connection,
                    identity,
                    state,
                });
            }
        }
    }

    /// Page by page from an index that stays as it is, whatever happens to the database meanwhile.
    fn all_from_index(
        &self,
        index: &Index,
        filter: &Filter,
        sink: &mut dyn FnMut(&Page) -> Result<()>,
    ) -> Result<()> {
        let mut query = Query {
            filter: filter.clone(),
            position: Position::Page(1),
            page_size: CHUNK,
        };
        let mut page = Page::default();
        loop {
            index.page(&query, &mut page).map_err(|Damaged| Error::Io {
                path: self.dir.index(),
                action: "cannot read on: the index was damaged meanwhile",
                source: std::io::ErrorKind::InvalidData.into(),
            })?;
            let Some(last) = page.events().last().map(|event| event.key()) else {
                return Ok(());
            };
            self.payloads.fill(&mut page)?;
            sink(&page)?;
            query.position = Position::After(last);
        }
    }
}
