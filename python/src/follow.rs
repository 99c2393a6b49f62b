//! The iterator over what becomes visible.
//!
//! A feed has files and a database connection of its own. It is worked on only where no fork can happen, a short while at a
//! time, and its connection is closed before a fork and before another SQLite comes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use auditq::engine::Notice;
use auditq::engine::feed::{Feed, Update};
use auditq::error::Result;
use auditq::model::{Filter, Key, Page};
use parking_lot::FairMutex;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::engine::NoAnswer;
use crate::errors::{RequestError, guarded, no_answer, unshown};
use crate::fork;
use crate::log::Shared;
use crate::response;

/// How long is waited at once: as long does a fork wait for it, or a Ctrl-C.
const WAIT: Duration = Duration::from_millis(50);

/// A feed, until it is closed.
///
/// The lock is fair: who follows takes it again at once, and who closes the log would else have it by chance only.
pub(crate) struct FeedSlot(FairMutex<Option<Feed>>);

impl FeedSlot {
    pub(crate) fn new(feed: Feed) -> Self {
        FeedSlot(FairMutex::new(Some(feed)))
    }

    /// What there is to tell next; where that is nothing, waits for a while. `None` once it was closed.
    pub(crate) fn step(&self, page: &mut Page) -> Result<Option<Update>> {
        let mut feed = self.0.lock();
        let Some(open) = &mut *feed else {
            return Ok(None);
        };
        match open.next(page) {
            Ok(update) => {
                if let Update::UpToDate = update {
                    open.wait(None, WAIT);
                }
                Ok(Some(update))
            }
            Err(error) => {
                // What it knows may be half of the truth.
                *feed = None;
                Err(error)
            }
        }
    }

    /// Closes its connection to the database until it looks again. May wait.
    pub(crate) fn disconnect(&self) {
        if let Some(feed) = &mut *self.0.lock() {
            feed.disconnect();
        }
    }

    /// Closes it for good, and keeps for other processes what it knows. May wait.
    pub(crate) fn close(&self) {
        let feed = self.0.lock().take();
        if let Some(feed) = feed {
            feed.close();
        }
    }
}

/// An iterator over events as they become visible: see `Log.follow`.
#[pyclass(frozen, module = "auditq")]
pub(crate) struct Follow {
    // Dropped before the log, which would close it.
    feed: Arc<FeedSlot>,
    log: Arc<Shared>,
    /// The process that it began in.
    generation: usize,
    /// As Python objects, the next one last.
    ready: Mutex<Vec<Py<PyAny>>>,
}

impl Follow {
    pub(crate) fn begin(py: Python<'_>, log: Arc<Shared>, filter: &Filter, after: Option<Key>) -> PyResult<Self> {
        let slot = &log.slot;
        let feed = fork::detached(py, || slot.follow(filter, after));
        log.notices.log(py);
        let feed = feed.map_err(|why| no_answer(py, slot, &why))?;
        Ok(Follow {
            log,
            generation: fork::generation(),
            feed,
            ready: Mutex::new(Vec::new()),
        })
    }

    fn next(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        if self.generation != fork::generation() {
            return Err(RequestError::new_err(
                "this iterator belongs to the process that was forked: begin another one",
            ));
        }
        let Ok(mut ready) = self.ready.try_lock() else {
            return Err(RequestError::new_err(
                "another thread is at this iterator: give each thread its own",
            ));
        };
        let mut page = Page::default();
        while ready.is_empty() {
            py.check_signals()?;
            let slot = &self.log.slot;
            let stepped = fork::detached(py, || -> std::result::Result<_, NoAnswer> {
                slot.require_unshared()?;
                Ok(self.feed.step(&mut page)?)
            });
            self.log.notices.log(py);
            match stepped.map_err(|why| no_answer(py, slot, &why))? {
                None => return Ok(None),
                Some(Update::UpToDate) => {}
                Some(Update::Events) => {
                    let events: Bound<'_, PyList> = response::events(py, &page)?;
                    ready.extend(events.iter().map(Bound::unbind));
                    ready.reverse();
                }
                Some(Update::Removed(keys)) => {
                    for key in keys {
                        self.log.notices.push(Notice::Warning, &format!("removed: {key}"));
                        self.log.notices.log(py);
                    }
                }
                Some(Update::Notice(line)) => self.log.notices.push(Notice::Warning, &line),
                Some(Update::Unreadable(key, error)) => return Err(unshown(py, &error, key)),
            }
        }
        self.log.notices.log(py);
        Ok(ready.pop())
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        if self.generation != fork::generation() {
            // The parent's: only this process's copies of its files are closed.
            return;
        }
        let feed = &self.feed;
        let attached = Python::try_attach(|py| fork::detached(py, || feed.close()));
        if attached.is_none() {
            // The interpreter is at its end, and nobody waits for its lock.
            feed.close();
        }
    }
}

#[pymethods]
impl Follow {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        guarded(|| self.next(py))
    }
}
