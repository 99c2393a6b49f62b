//! The class `Log`.

use std::path::PathBuf;
use std::sync::Arc;

use auditq::error::Result;
use auditq::model::{Filter, Key, Mode, Page, Pin, Query};
use auditq::storage::data_dir::DataDir;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::engine::{EngineSlot, NoAnswer};
use crate::errors::{RequestError, guarded, no_answer, to_python};
use crate::events::Events;
use crate::follow::Follow;
use crate::fork;
use crate::notices::Notices;
use crate::request::{self, Natural, key, query};
use crate::{pages, response, shared};

/// What a log's iterators share with it.
pub(crate) struct Shared {
    pub(crate) slot: Arc<EngineSlot>,
    pub(crate) notices: Arc<Notices>,
}

impl Shared {
    /// Runs work on the engine without the interpreter's lock; then logs what the engine had to say.
    pub(crate) fn ask<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&dyn auditq::engine::Engine) -> Result<T> + Send,
    ) -> PyResult<T> {
        let slot = &self.slot;
        let done = fork::detached(py, || -> std::result::Result<T, NoAnswer> {
            let engine = slot.engine()?;
            Ok(work(engine.as_ref())?)
        });
        self.notices.log(py);
        done.map_err(|why| no_answer(py, slot, &why))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let slot = &self.slot;
        let attached = Python::try_attach(|py| {
            fork::unwatch(slot.id());
            fork::detached(py, || slot.close());
        });
        if attached.is_none() {
            // The interpreter is at its end, and nobody waits for its lock.
            slot.close();
        }
    }
}

/// An audit log: the directory with audit.db and payloads.jsonl.
///
/// Any number of threads may ask at once; a forked child may ask at once, too. Every answer is of a state that the log
/// has after the question, whoever writes to it meanwhile.
///
/// Parameters
/// ----------
/// path
///     The directory.
/// mode
///     "enhanced" answers from an index beside the log, audit.idx, which it makes where it may; "baseline" does for each
///     request what the live service does. The answers are the same.
///
/// Raises
/// ------
/// LogError
///     There is no log.
/// SharedLogError
///     This process has it open by sqlite3. It is raised by each method, too, from then on when sqlite3 opens it later.
/// RequestError
///     There is no such mode.
#[pyclass(frozen, module = "auditq", weakref)]
pub(crate) struct Log {
    shared: Arc<Shared>,
    path: PathBuf,
    mode: &'static str,
}

#[pymethods]
impl Log {
    #[new]
    #[pyo3(signature = (path, mode = "enhanced"))]
    fn new(py: Python<'_>, path: PathBuf, mode: &str) -> PyResult<Self> {
        guarded(|| {
            let (mode, name) = match mode {
                "enhanced" => (Mode::Enhanced, "enhanced"),
                "baseline" => (Mode::Baseline, "baseline"),
                _ => {
                    return Err(RequestError::new_err(format!(
                        "there is no mode {mode:?}: it is \"enhanced\" or \"baseline\""
                    )));
                }
            };
            // As it is now, whatever the working directory will be.
            let path = std::path::absolute(&path).unwrap_or(path);
            let notices = Arc::new(Notices::default());
            let slot = Arc::new(EngineSlot::new(mode, DataDir::new(&path), Arc::clone(&notices)));
            if shared::is_shared(slot.database()) {
                slot.share();
            }
            fork::watch(&slot);
            let log = Arc::new(Shared { slot, notices });
            log.ask(py, |_| Ok(()))?;
            Ok(Log {
                shared: log,
                path,
                mode: name,
            })
        })
    }

    /// The response to one request: a dict equal to the service's, with "query", "events" and "count".
    ///
    /// Parameters
    /// ----------
    /// from_ts, to_ts
    ///     The window in epoch seconds, both ends inclusive.
    /// actor_id, action
    ///     Only events of this actor, with this action; None is any.
    /// page
    ///     From 1, newest first.
    /// page_size
    ///     Events a page, 1 to 10,000.
    /// after
    ///     In place of `page`: "CREATED_AT:ID" of the last event of the page before.
    /// as_of
    ///     "CREATED_AT:ID" of an event: only it and those behind it, so that page numbers stand still while newer ones come;
    ///     "newest" is what is newest now, and the response's "query" says which that is.
    ///
    /// Raises
    /// ------
    /// RequestError
    ///     A number out of range, both `page` and `after`, a closed log.
    /// LogError
    ///     The log cannot be read.
    /// EventError, PayloadError
    ///     An event of the page has an invalid row or payload.
    #[pyo3(signature = (from_ts = i64::MIN, to_ts = i64::MAX, actor_id = None, action = None, page = None, page_size = Natural(20), *, after = None, as_of = None))]
    #[pyo3(
        text_signature = "(from_ts=-9223372036854775808, to_ts=9223372036854775807, actor_id=None, action=None, page=1, page_size=20, *, after=None, as_of=None)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn page<'py>(
        &self,
        py: Python<'py>,
        from_ts: i64,
        to_ts: i64,
        actor_id: Option<i64>,
        action: Option<String>,
        page: Option<Natural>,
        page_size: Natural,
        after: Option<&str>,
        as_of: Option<&str>,
    ) -> PyResult<Bound<'py, PyDict>> {
        guarded(|| {
            let filter = self.filter(py, from_ts, to_ts, actor_id, action, as_of)?;
            let query = query(py, filter, page, after, page_size)?;
            self.show(py, &query, |page| {
                response::dict(py, response::request(py, &query)?, page)
            })
        })
    }

    /// The response to a request object, such as the service's own `Query`: what `page` gives for the same six values, which
    /// are its attributes `from_ts`, `to_ts`, `actor_id`, `action`, `page` and `page_size`, or the items of a dict.
    ///
    /// The quickest way from such an object to its page; from a dict, such as `vars(query)`, it is a little quicker.
    ///
    /// Raises
    /// ------
    /// TypeError
    ///     A value is not exactly of its type, as a truth value or a number of a class of its own: `page` takes those.
    ///     A dict has another key, or lacks one.
    /// RequestError, LogError, EventError, PayloadError
    ///     As from `page`.
    fn answer<'py>(&self, py: Python<'py>, query: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        guarded(|| {
            let (query, echo) = request::of_object(py, query)?;
            self.show(py, &query, |page| response::dict(py, echo, page))
        })
    }

    /// The same as the line of JSON, with its newline, that `auditq query --batch` prints: `json.dumps(response)`.
    ///
    /// A payload's own text passes through as stored. Parameters and exceptions are those of `page`.
    #[pyo3(signature = (from_ts = i64::MIN, to_ts = i64::MAX, actor_id = None, action = None, page = None, page_size = Natural(20), *, after = None, as_of = None))]
    #[pyo3(
        text_signature = "(from_ts=-9223372036854775808, to_ts=9223372036854775807, actor_id=None, action=None, page=1, page_size=20, *, after=None, as_of=None)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn page_json<'py>(
        &self,
        py: Python<'py>,
        from_ts: i64,
        to_ts: i64,
        actor_id: Option<i64>,
        action: Option<String>,
        page: Option<Natural>,
        page_size: Natural,
        after: Option<&str>,
        as_of: Option<&str>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        guarded(|| {
            let filter = self.filter(py, from_ts, to_ts, actor_id, action, as_of)?;
            let query = query(py, filter, page, after, page_size)?;
            self.show(py, &query, |page| Ok(response::line(py, &query, page)))
        })
    }

    /// How many events match. The parameters are those of `page`.
    ///
    /// Raises
    /// ------
    /// RequestError, LogError
    ///     The log is closed, or cannot be read.
    #[pyo3(signature = (from_ts = i64::MIN, to_ts = i64::MAX, actor_id = None, action = None, *, as_of = None))]
    #[pyo3(
        text_signature = "(from_ts=-9223372036854775808, to_ts=9223372036854775807, actor_id=None, action=None, *, as_of=None)"
    )]
    fn count(
        &self,
        py: Python<'_>,
        from_ts: i64,
        to_ts: i64,
        actor_id: Option<i64>,
        action: Option<String>,
        as_of: Option<&str>,
    ) -> PyResult<u64> {
        guarded(|| {
            let filter = self.filter(py, from_ts, to_ts, actor_id, action, as_of)?;
            self.shared.ask(py, |engine| engine.count(&filter))
        })
    }

    /// An iterator over every event that matches, newest first, in bounded memory, all from one moment of the log.
    ///
    /// The parameters are those of `page`; with `after`, only events behind it are given. Ctrl-C is noticed at least every
    /// few hundred events. Where an event is invalid, those before it are given, then EventError or PayloadError is raised;
    /// its `cursor` as `after` goes on behind it. A forked child cannot go on with an iterator of its parent.
    #[pyo3(signature = (from_ts = i64::MIN, to_ts = i64::MAX, actor_id = None, action = None, *, after = None, as_of = None))]
    #[pyo3(
        text_signature = "(from_ts=-9223372036854775808, to_ts=9223372036854775807, actor_id=None, action=None, *, after=None, as_of=None)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn events(
        &self,
        py: Python<'_>,
        from_ts: i64,
        to_ts: i64,
        actor_id: Option<i64>,
        action: Option<String>,
        after: Option<&str>,
        as_of: Option<&str>,
    ) -> PyResult<Events> {
        guarded(|| {
            let filter = self.filter(py, from_ts, to_ts, actor_id, action, as_of)?;
            let after = after.map(|after| key(py, after)).transpose()?;
            if self.shared.slot.is_closed() {
                // Said now, not by the first event.
                self.shared.ask(py, |_| Ok(()))?;
            }
            Ok(Events::new(Arc::clone(&self.shared), &filter, after))
        })
    }

    /// An endless iterator over events as they become visible in the log, whatever their time and id: new ones, late ones, and
    /// changed ones as they are now; those that one look at the log finds come oldest first.
    ///
    /// It waits for the next one, as long as that takes, until the log is closed. The logger `auditq` gets a warning for an
    /// event that is gone, or matches no longer. What came and went between two looks was never visible.
    ///
    /// Parameters
    /// ----------
    /// from_ts, to_ts, actor_id, action
    ///     As of `page`.
    /// after
    ///     "CREATED_AT:ID" of the last event that was seen: first come the events that are newer by now. Those that came late
    ///     or were changed in between are not among these.
    ///
    /// Raises
    /// ------
    /// RequestError, LogError
    ///     As from `page`. The iterator is then at its end.
    /// EventError, PayloadError
    ///     From the iterator, for an event that cannot be shown; `cursor` is its own. `next` goes on behind it.
    ///
    /// A fork waits for it, as does Ctrl-C, for some hundredths of a second. It goes on in the parent; a forked child cannot go
    /// on with it.
    #[pyo3(signature = (from_ts = i64::MIN, to_ts = i64::MAX, actor_id = None, action = None, *, after = None))]
    #[pyo3(
        text_signature = "(from_ts=-9223372036854775808, to_ts=9223372036854775807, actor_id=None, action=None, *, after=None)"
    )]
    fn follow(
        &self,
        py: Python<'_>,
        from_ts: i64,
        to_ts: i64,
        actor_id: Option<i64>,
        action: Option<String>,
        after: Option<&str>,
    ) -> PyResult<Follow> {
        guarded(|| {
            let filter = self.filter(py, from_ts, to_ts, actor_id, action, None)?;
            let after = after.map(|after| key(py, after)).transpose()?;
            Follow::begin(py, Arc::clone(&self.shared), &filter, after)
        })
    }

    /// Closes the files and ends the thread that keeps the index. Requests under way are answered. Idempotent.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        guarded(|| {
            let slot = &self.shared.slot;
            fork::unwatch(slot.id());
            fork::detached(py, || slot.close());
            Ok(())
        })
    }

    /// Whether the log was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.shared.slot.is_closed()
    }

    /// The directory, absolute.
    #[getter]
    fn path(&self) -> &std::ffi::OsStr {
        self.path.as_os_str()
    }

    /// "enhanced" or "baseline".
    #[getter]
    fn mode(&self) -> &'static str {
        self.mode
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    /// A log of the same directory: multiprocessing hands logs on that way.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (&std::ffi::OsStr, &'static str))> {
        Ok((py.get_type::<Log>().into_any(), (self.path.as_os_str(), self.mode)))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let path = self.path.as_os_str().into_pyobject(py)?.into_any();
        let path: Bound<'_, PyString> = path.repr()?;
        let closed = if self.shared.slot.is_closed() { " closed" } else { "" };
        Ok(format!(
            "<auditq.Log {} mode={:?}{closed}>",
            path.to_string_lossy(),
            self.mode
        ))
    }
}

impl Log {
    /// The filter that the methods' common parameters mean.
    fn filter(
        &self,
        py: Python<'_>,
        from_ts: i64,
        to_ts: i64,
        actor_id: Option<i64>,
        action: Option<String>,
        as_of: Option<&str>,
    ) -> PyResult<Filter> {
        Ok(Filter {
            from_ts,
            to_ts,
            actor_id,
            action,
            as_of: self.pin(py, as_of)?,
        })
    }

    /// The event that a request is pinned to.
    fn pin(&self, py: Python<'_>, as_of: Option<&str>) -> PyResult<Option<Key>> {
        match as_of
            .map(str::parse)
            .transpose()
            .map_err(|error| to_python(py, &error))?
        {
            None => Ok(None),
            Some(Pin::At(key)) => Ok(Some(key)),
            Some(Pin::Newest) => self.shared.ask(py, |engine| engine.newest()).map(Some),
        }
    }

    /// What `show` makes of the page that the query asks for.
    fn show<T>(&self, py: Python<'_>, query: &Query, show: impl FnOnce(&Page) -> PyResult<T>) -> PyResult<T> {
        let mut page = pages::take();
        self.fill(py, query, &mut page)?;
        let shown = show(&page);
        pages::give_back(page);
        shown
    }

    fn fill(&self, py: Python<'_>, query: &Query, page: &mut Page) -> PyResult<()> {
        match self.shared.slot.page_at_once(query, page) {
            Some(Ok(())) => {
                self.shared.notices.log(py);
                Ok(())
            }
            Some(Err(error)) => Err(to_python(py, &error)),
            None => self.shared.ask(py, |engine| engine.page(query, page)),
        }
    }
}
