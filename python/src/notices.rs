//! What engines have to say beside their answers, for the logger `auditq`.
//!
//! A thread of the engine must not wait for the interpreter's lock, so lines are put aside and logged by the next thread
//! that asks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use auditq::engine::{Notice, Notify};
use pyo3::intern;
use pyo3::prelude::*;

/// As many lines wait at most; then the oldest goes.
const MOST: usize = 256;

/// Lines that nobody has logged so far.
#[derive(Default)]
pub(crate) struct Notices {
    is_any: AtomicBool,
    lines: Mutex<VecDeque<(Notice, String)>>,
}

impl Notices {
    /// What puts an engine's lines here.
    pub(crate) fn notify(self: &Arc<Self>) -> Notify {
        let notices = Arc::clone(self);
        Box::new(move |notice, line| notices.push(notice, line))
    }

    /// Puts a line here.
    pub(crate) fn push(&self, notice: Notice, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= MOST {
            lines.pop_front();
        }
        lines.push_back((notice, line.to_owned()));
        self.is_any.store(true, Ordering::Release);
    }

    /// Logs what there is: warnings as such, details for whoever debugs.
    pub(crate) fn log(&self, py: Python<'_>) {
        if !self.is_any.load(Ordering::Relaxed) {
            return;
        }
        self.is_any.store(false, Ordering::Relaxed);
        let lines = std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner));
        let log = || -> PyResult<()> {
            let logging = py.import(intern!(py, "logging"))?;
            let logger = logging.call_method1(intern!(py, "getLogger"), ("auditq",))?;
            for (notice, line) in lines {
                let method = match notice {
                    Notice::Warning => intern!(py, "warning"),
                    Notice::Detail => intern!(py, "debug"),
                };
                logger.call_method1(method, ("%s", line))?;
            }
            Ok(())
        };
        if let Err(error) = log() {
            // As Python's own logging does with faults of its handlers: the answer does not suffer.
            error.write_unraisable(py, None);
        }
    }
}
