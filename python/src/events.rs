//! The iterator over every event.

use std::sync::{Arc, Mutex};

use auditq::engine::Walk;
use auditq::model::{Filter, Key, Page};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::errors::{RequestError, guarded};
use crate::fork;
use crate::log::Shared;
use crate::response;

/// An iterator over events: see `Log.events`.
#[pyclass(frozen, module = "auditq")]
pub(crate) struct Events {
    log: Arc<Shared>,
    /// The process that it began in.
    generation: usize,
    state: Mutex<State>,
}

struct State {
    walk: Walk,
    /// As Python objects, the next one last.
    ready: Vec<Py<PyAny>>,
}

impl Events {
    pub(crate) fn new(log: Arc<Shared>, filter: &Filter, after: Option<Key>) -> Self {
        Events {
            log,
            generation: fork::generation(),
            state: Mutex::new(State {
                walk: Walk::new(filter, after),
                ready: Vec::new(),
            }),
        }
    }

    fn next(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        // Like a generator: two threads that share it want the next event of each other's, which is a mistake.
        let Ok(mut state) = self.state.try_lock() else {
            return Err(RequestError::new_err(
                "another thread is at this iterator: give each thread its own",
            ));
        };
        let state = &mut *state;
        if state.ready.is_empty() {
            if self.generation != fork::generation() {
                return Err(RequestError::new_err(
                    "this iterator belongs to the process that was forked: begin another one",
                ));
            }
            // What drains an iterator in C, as list() does, lets nobody else look for a Ctrl-C.
            py.check_signals()?;
            let (mut page, walk) = (Page::default(), &mut state.walk);
            let is_any = self.log.ask(py, |engine| engine.advance(walk, &mut page))?;
            if is_any {
                let events: Bound<'_, PyList> = response::events(py, &page)?;
                state.ready.extend(events.iter().map(Bound::unbind));
                state.ready.reverse();
            }
        }
        Ok(state.ready.pop())
    }
}

#[pymethods]
impl Events {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        guarded(|| self.next(py))
    }
}
