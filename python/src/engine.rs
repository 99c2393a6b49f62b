//! A log's engine: opened when it is first needed, closed when the log is, or when the process forks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use auditq::engine::{self, Engine, Lifetime};
use auditq::error::{Error, Result};
use auditq::model::{Mode, Page, Query};
use auditq::storage::data_dir::DataDir;

use crate::notices::Notices;

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
    /// There is no log; it was closed.
    pub(crate) fn engine(&self) -> Result<Arc<dyn Engine>> {
        let mut state = self.lock();
        match &*state {
            State::Open(engine) => Ok(Arc::clone(engine)),
            State::Closed => Err(self.closed()),
            State::Resting => {
                let opened = engine::open(self.mode, &self.dir, Lifetime::LongLived, self.notices.notify())?;
                let engine: Arc<dyn Engine> = Arc::from(opened);
                *state = State::Open(Arc::clone(&engine));
                Ok(engine)
            }
        }
    }

    /// A page, where nothing has to be waited for: see [`Engine::page_at_once`].
    pub(crate) fn page_at_once(&self, query: &Query, page: &mut Page) -> Option<Result<()>> {
        // Whoever has it without the interpreter's lock is opening the engine.
        let state = self.state.try_lock().ok()?;
        match &*state {
            State::Open(engine) => engine.page_at_once(query, page),
            State::Resting | State::Closed => None,
        }
    }

    /// Closes the engine until it is needed again. May wait.
    pub(crate) fn rest(&self) {
        let mut state = self.lock();
        if let State::Open(_) = *state {
            let engine = std::mem::replace(&mut *state, State::Resting);
            drop(state);
            drop(engine);
        }
    }

    /// Closes the engine for good. May wait.
    pub(crate) fn close(&self) {
        let closed = std::mem::replace(&mut *self.lock(), State::Closed);
        drop(closed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        // Locked elsewhere: it is being opened.
        self.state.try_lock().is_ok_and(|state| matches!(*state, State::Closed))
    }

    fn closed(&self) -> Error {
        Error::usage(format!("{}: the log is closed", self.dir.root().display()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
