//! The Python module `auditq`: the engine in the caller's process.
//!
//! `log` has the class that users see, `events` and `follow` its iterators; `request` reads its arguments; `response` and
//! `decode` make Python objects of pages, `errors` makes exceptions of errors. `engine` is when engines are open: `fork` closes them while the process forks.
//! `auditq.pyi` describes the interface to users.

use pyo3::prelude::*;

mod cache;
mod collector;
mod decode;
mod engine;
mod errors;
mod events;
mod follow;
mod fork;
mod log;
mod notices;
mod pages;
mod request;
mod response;
mod shape;
mod shared;

/// Pages of an audit log, newest first: exactly those of the live service, at any depth in constant time.
#[pymodule(gil_used = true, name = "auditq")]
mod module {
    #[pymodule_export]
    use crate::errors::{AuditqError, EventError, LogError, PayloadError, RequestError, SharedLogError};
    #[pymodule_export]
    use crate::log::Log;

    use std::path::PathBuf;

    use auditq::storage::data_dir::DataDir;
    use pyo3::prelude::*;

    /// The second, since the epoch, that the service's own request mix ends at on the log in a directory: its newest event,
    /// or where the dataset is the contract's, that dataset's anchor.
    #[pyfunction]
    fn stream_anchor(py: Python<'_>, path: PathBuf) -> PyResult<i64> {
        crate::errors::guarded(|| {
            let dir = DataDir::new(&path);
            if crate::shared::is_shared(dir.database()) {
                return Err(crate::errors::shared(&path));
            }
            Ok(crate::fork::detached(py, || auditq::stream_anchor(&dir)))
        })
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        crate::shared::register(module)?;
        crate::fork::register(module)
    }
}
