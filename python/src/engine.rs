//! A log's engine: opened when it is first needed, closed when the log is, or when the process forks.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use auditq::engine::feed::Feed;
use auditq::engine::{self, Engine, Lifetime};
use auditq::error::Error;
use auditq::model::{Filter, Key, Mode, Page, Query};
use auditq::storage::data_dir::DataDir;

use crate::follow::FeedSlot;
use crate::notices::Notices;

/// Why there is no answer.
pub(crate) enum NoAnswer {
    Failed(Error),
    /// The log was closed.
    Closed,
    /// Another SQLite of this process has the database.
    Shared,
}

impl From<Error> for NoAnswer {
    fn from(error: Error) -> Self {
        NoAnswer::Failed(error)
    }
}

/// Where the engine of one log is.
pub(crate) struct EngineSlot {
    id: usize,
    mode: Mode,
    dir: DataDir,
    notices: Arc<Notices>,
    state: Mutex<State>,
    /// Of the iterators that follow the log. Locked after `state`, and never while a feed is.
    feeds: Mutex<Vec<Weak<FeedSlot>>>,
}

enum State {
    Open(Arc<dyn Engine>),
    /// Until it is needed again.
    Resting,
    /// Another SQLite of this process has the database.
    Shared,
    Closed,
}

impl EngineSlot {
    pub(crate) fn new(mode: Mode, dir: DataDir, notices: Arc<Notices>) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        EngineSlot {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            mode,
            dir,
            notices,
            state: Mutex::new(State::Resting),
            feeds: Mutex::new(Vec::new()),
        }
    }

    /// Unique in this process.
    pub(crate) fn id(&self) -> usize {
        self.id
    }

    /// The engine, opened where it is not. May wait.
    ///
    /// # Errors
    /// There is no log; it was closed; another SQLite has it.
    pub(crate) fn engine(&self) -> Result<Arc<dyn Engine>, NoAnswer> {
        let mut state = self.lock();
        match &*state {
            State::Open(engine) => Ok(Arc::clone(engine)),
            State::Closed => Err(NoAnswer::Closed),
            State::Shared => Err(NoAnswer::Shared),
            State::Resting => {
                let opened = engine::open(self.mode, &self.dir, Lifetime::LongLived, self.notices.notify())?;
                let engine: Arc<dyn Engine> = Arc::from(opened);
                *state = State::Open(Arc::clone(&engine));
                Ok(engine)
            }
        }
    }

    /// A page, where nothing has to be waited for: see [`Engine::page_at_once`].
    pub(crate) fn page_at_once(&self, query: &Query, page: &mut Page) -> Option<Result<(), Error>> {
        // Whoever has it without the interpreter's lock is opening the engine.
        let state = self.state.try_lock().ok()?;
        match &*state {
            State::Open(engine) => engine.page_at_once(query, page),
            State::Resting | State::Shared | State::Closed => None,
        }
    }

    /// A feed from now on, or of what is newer than `after`. May wait.
    ///
    /// # Errors
    /// There is no log, or it cannot be read; it was closed; another SQLite has it.
    pub(crate) fn follow(&self, filter: &Filter, after: Option<Key>) -> Result<Arc<FeedSlot>, NoAnswer> {
        self.require_open()?;
        let feed = Feed::open(self.mode, &self.dir, filter, after, &self.notices.notify())?;
        let feed = Arc::new(FeedSlot::new(feed));
        self.lock_feeds().push(Arc::downgrade(&feed));
        // Whoever closed it meanwhile did not see the feed.
        self.require_open()?;
        Ok(feed)
    }

    fn require_open(&self) -> Result<(), NoAnswer> {
        match *self.lock() {
            State::Open(_) | State::Resting => Ok(()),
            State::Shared => Err(NoAnswer::Shared),
            State::Closed => Err(NoAnswer::Closed),
        }
    }

    /// # Errors
    /// Another SQLite has the log.
    pub(crate) fn require_unshared(&self) -> Result<(), NoAnswer> {
        match *self.lock() {
            State::Shared => Err(NoAnswer::Shared),
            State::Open(_) | State::Resting | State::Closed => Ok(()),
        }
    }

    /// Closes the engine, and what feeds have of the database, until they are needed again. May wait.
    pub(crate) fn rest(&self) {
        let mut state = self.lock();
        if let State::Open(_) = *state {
            drop(std::mem::replace(&mut *state, State::Resting));
        }
        drop(state);
        self.feeds().iter().for_each(|feed| feed.disconnect());
    }

    /// The feeds that are in use.
    fn feeds(&self) -> Vec<Arc<FeedSlot>> {
        let mut feeds = self.lock_feeds();
        feeds.retain(|feed| feed.strong_count() > 0);
        feeds.iter().filter_map(Weak::upgrade).collect()
    }

    fn lock_feeds(&self) -> MutexGuard<'_, Vec<Weak<FeedSlot>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the engine for as long as this log is open here: another SQLite of this process opens the database. May wait.
    pub(crate) fn share(&self) {
        let mut state = self.lock();
        if !matches!(*state, State::Closed) {
            drop(std::mem::replace(&mut *state, State::Shared));
        }
        drop(state);
        self.feeds().iter().for_each(|feed| feed.close());
    }

    /// Closes the engine for good. May wait.
    pub(crate) fn close(&self) {
        let closed = std::mem::replace(&mut *self.lock(), State::Closed);
        drop(closed);
        self.feeds().iter().for_each(|feed| feed.close());
    }

    /// The database file.
    pub(crate) fn database(&self) -> &Path {
        self.dir.database()
    }

    /// The directory of the log.
    pub(crate) fn directory(&self) -> &Path {
        self.dir.root()
    }

    pub(crate) fn is_closed(&self) -> bool {
        // Locked elsewhere: it is being opened.
        self.state.try_lock().is_ok_and(|state| matches!(*state, State::Closed))
    }

    /// Whether another SQLite of this process has the database.
    pub(crate) fn is_shared(&self) -> bool {
        self.state.try_lock().is_ok_and(|state| matches!(*state, State::Shared))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
