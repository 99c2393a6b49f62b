//! A log's engine: opened when it is first needed, closed when the log is, or when the process forks.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use auditq::engine::{self, Engine, Lifetime};
use auditq::error::Error;
use auditq::model::{Mode, Page, Query};
use auditq::storage::data_dir::DataDir;

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

    /// Closes the engine until it is needed again. May wait.
    pub(crate) fn rest(&self) {
        let mut state = self.lock();
        if let State::Open(_) = *state {
            drop(std::mem::replace(&mut *state, State::Resting));
        }
    }

    /// Closes the engine for as long as this log is open here: another SQLite of this process opens the database. May wait.
    pub(crate) fn share(&self) {
        let mut state = self.lock();
        if !matches!(*state, State::Closed) {
            drop(std::mem::replace(&mut *state, State::Shared));
        }
    }

    /// Closes the engine for good. May wait.
    pub(crate) fn close(&self) {
        let closed = std::mem::replace(&mut *self.lock(), State::Closed);
        drop(closed);
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
