//! Errors of the engine as Python exceptions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use auditq::error::Error;
use auditq::escape::escape_for_terminal;
use auditq::model::Key;
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::engine::{EngineSlot, NoAnswer};

create_exception!(
    auditq,
    AuditqError,
    PyException,
    "There is no answer. The text is one line."
);
create_exception!(
    auditq,
    RequestError,
    AuditqError,
    "The request is refused: a number out of range, an unknown mode, a closed log."
);
create_exception!(
    auditq,
    LogError,
    AuditqError,
    "The log cannot be read: it is missing, locked, damaged, or no audit log."
);
create_exception!(
    auditq,
    SharedLogError,
    LogError,
    "This process has the log open by Python's sqlite3, too.\n\nTwo copies of SQLite in one process do not see each \
     other's locks, and closing a file in one drops those of the other: a commit can be lost that way. Write to the log \
     from another process, or ask it by another process, as `auditq query --batch -`."
);
create_exception!(
    auditq,
    EventError,
    AuditqError,
    "One event cannot be shown, because its row is invalid.\n\n`event` is its id. Where every event was asked for, \
     `cursor` is where to go on behind it, else None."
);
create_exception!(
    auditq,
    PayloadError,
    EventError,
    "One event cannot be shown, because its payload is invalid or missing.\n\n`offset` and `length`, in bytes, are where \
     the database says that it is in payloads.jsonl."
);

/// The exception for an error.
pub(crate) fn to_python(py: Python<'_>, error: &Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::Usage(_) => RequestError::new_err(text),
        Error::Interrupted { error, cursor } => of_event(py, error, text, Some(cursor)),
        other => of_event(py, other, text, None),
    }
}

/// The exception for what keeps an engine from answering.
pub(crate) fn no_answer(py: Python<'_>, slot: &EngineSlot, why: &NoAnswer) -> PyErr {
    match why {
        NoAnswer::Failed(error) => to_python(py, error),
        NoAnswer::Closed => RequestError::new_err(format!("{}: the log is closed", show(slot.directory()))),
        NoAnswer::Shared => shared(slot.directory()),
    }
}

/// The exception for an event that a walk or a feed goes on behind.
pub(crate) fn unshown(py: Python<'_>, error: &Error, key: Key) -> PyErr {
    of_event(py, error, error.to_string(), Some(&key.to_string()))
}

fn show(directory: &Path) -> String {
    escape_for_terminal(&directory.to_string_lossy())
}

/// That another SQLite of this process has the log in a directory.
pub(crate) fn shared(directory: &Path) -> PyErr {
    SharedLogError::new_err(format!(
        "{}: this process has the log open by another SQLite, too, and their locks do not hold against each other: \
         write to it from another process, or ask `auditq query --batch -`",
        show(directory)
    ))
}

fn of_event(py: Python<'_>, error: &Error, text: String, cursor: Option<&str>) -> PyErr {
    match *error {
        Error::Row { event, .. } => with(py, EventError::new_err(text), event, None, cursor),
        Error::Payload { event, offset, len, .. } => {
            with(py, PayloadError::new_err(text), event, Some((offset, len)), cursor)
        }
        _ => LogError::new_err(text),
    }
}

fn with(py: Python<'_>, error: PyErr, event: i64, place: Option<(i64, i64)>, cursor: Option<&str>) -> PyErr {
    let set = || -> PyResult<()> {
        let value = error.value(py);
        value.setattr("event", event)?;
        value.setattr("cursor", cursor)?;
        if let Some((offset, length)) = place {
            value.setattr("offset", offset)?;
            value.setattr("length", length)?;
        }
        Ok(())
    };
    match set() {
        Ok(()) => error,
        // Out of memory: that is what there is to say.
        Err(failed) => failed,
    }
}

/// Runs `work`. A fault of this program is an ordinary exception for the caller: PyO3 would raise one that passes by
/// every `except Exception`.
pub(crate) fn guarded<T>(work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(AuditqError::new_err(
            "a fault of auditq itself, described on standard error: please report it",
        ))
    })
}
