//! Python's garbage collector, which need not run while objects are made of which none refers to another that refers back:
//! in the midst of a page it would visit, several times over, what was made just now.

use std::cell::Cell;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

struct Switches {
    is_enabled: Py<PyAny>,
    enable: Py<PyAny>,
    disable: Py<PyAny>,
}

/// Holds the collector until it is dropped, unless it was off anyway. In the meantime no Python code runs, so nobody sees it.
pub(crate) struct Held<'py> {
    py: Python<'py>,
    switches: Option<&'static Switches>,
    is_held: Cell<bool>,
}

fn switches(py: Python<'_>) -> PyResult<&'static Switches> {
    static SWITCHES: PyOnceLock<Switches> = PyOnceLock::new();
    SWITCHES.get_or_try_init(py, || {
        let gc = py.import(intern!(py, "gc"))?;
        Ok(Switches {
            is_enabled: gc.getattr(intern!(py, "isenabled"))?.unbind(),
            enable: gc.getattr(intern!(py, "enable"))?.unbind(),
            disable: gc.getattr(intern!(py, "disable"))?.unbind(),
        })
    })
}

impl<'py> Held<'py> {
    /// Lets the collector run.
    pub(crate) fn not(py: Python<'py>) -> Self {
        Held {
            py,
            switches: None,
            is_held: Cell::new(false),
        }
    }

    /// Holds the collector.
    ///
    /// # Errors
    /// Python has none.
    pub(crate) fn begin(py: Python<'py>) -> PyResult<Self> {
        let switches = switches(py)?;
        let is_on = switches.is_enabled.bind(py).call0()?.is_truthy()?;
        if is_on {
            switches.disable.bind(py).call0()?;
        }
        Ok(Held {
            py,
            switches: Some(switches),
            is_held: Cell::new(is_on),
        })
    }

    /// Lets it run from now on: Python code comes next, and in it other threads, whose own choice counts.
    pub(crate) fn end(&self) -> PyResult<()> {
        if self.is_held.replace(false)
            && let Some(switches) = self.switches
        {
            switches.enable.bind(self.py).call0()?;
        }
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            error.write_unraisable(self.py, None);
        }
    }
}
