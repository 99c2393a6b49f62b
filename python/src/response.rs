//! A page as the service's response: a dict, or the line of a batch.

use auditq::model::{Event, Page, Position, Query};
use auditq::output::jsonl::Jsonl;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::cache::{self, Cache};
use crate::collector::Held;
use crate::decode;

/// Below so many events it is not worth it to hold the collector.
const FEW: usize = 4;

/// `{"query": …, "events": […], "count": …}`.
///
/// # Errors
/// Those of Python's own decoder.
pub(crate) fn dict<'py>(py: Python<'py>, query: Bound<'py, PyDict>, page: &Page) -> PyResult<Bound<'py, PyDict>> {
    let response = PyDict::new(py);
    response.set_item(intern!(py, "query"), query)?;
    let events = events(py, page)?;
    response.set_item(intern!(py, "events"), events)?;
    response.set_item(intern!(py, "count"), page.len())?;
    Ok(response)
}

/// The response line of `auditq query --batch`, with its newline.
pub(crate) fn line<'py>(py: Python<'py>, query: &Query, page: &Page) -> Bound<'py, PyBytes> {
    let mut out = Vec::new();
    Jsonl::new(false).response(&mut out, query, page);
    PyBytes::new(py, &out)
}

/// The events of a page, a dict each.
///
/// # Errors
/// Those of Python's own decoder.
pub(crate) fn events<'py>(py: Python<'py>, page: &Page) -> PyResult<Bound<'py, PyList>> {
    if page.is_empty() {
        return Ok(PyList::empty(py));
    }
    let mut own = None;
    let mut shared = cache::borrow();
    let cache = shared.as_deref_mut().unwrap_or(&mut own).get_or_insert_with(Cache::new);
    let mut items = Vec::new();
    let collector = if page.len() < FEW {
        Held::not(py)
    } else {
        Held::begin(py)?
    };
    let events: PyResult<Vec<_>> = page
        .events()
        .map(|event| event_dict(py, &event, cache, &mut items, &collector))
        .collect();
    PyList::new(py, events?)
}

/// A dict of these keys, each with None; `kept` keeps it, and copies are given.
pub(crate) fn copy_of_keys<'py>(
    py: Python<'py>,
    kept: &PyOnceLock<Py<PyDict>>,
    names: &[&str],
) -> PyResult<Bound<'py, PyDict>> {
    let keys = kept.get_or_try_init(py, || {
        let keys = PyDict::new(py);
        for name in names {
            keys.set_item(PyString::intern(py, name), py.None())?;
        }
        PyResult::Ok(keys.unbind())
    })?;
    keys.bind(py).copy()
}

fn event_dict<'py>(
    py: Python<'py>,
    event: &Event<'_>,
    cache: &mut Cache,
    items: &mut Vec<Bound<'py, PyAny>>,
    collector: &Held<'py>,
) -> PyResult<Bound<'py, PyDict>> {
    static KEYS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let names = [
        "id",
        "created_at",
        "actor_id",
        "action",
        "resource_type",
        "resource_id",
        "payload",
    ];
    // It has its size already.
    let dict = copy_of_keys(py, &KEYS, &names)?;
    dict.set_item(intern!(py, "id"), event.id)?;
    dict.set_item(intern!(py, "created_at"), event.created_at)?;
    dict.set_item(intern!(py, "actor_id"), cache.integer(py, event.actor_id))?;
    dict.set_item(intern!(py, "action"), cache.string(py, event.action.as_bytes())?)?;
    let resource_type = cache.string(py, event.resource_type.as_bytes())?;
    dict.set_item(intern!(py, "resource_type"), resource_type)?;
    dict.set_item(intern!(py, "resource_id"), PyString::new(py, event.resource_id))?;
    let payload = decode::payload(py, event.payload, cache, items, collector)?;
    dict.set_item(intern!(py, "payload"), payload)?;
    Ok(dict)
}

/// A request as it is echoed.
///
/// # Errors
/// Those of Python: memory.
pub(crate) fn request<'py>(py: Python<'py>, query: &Query) -> PyResult<Bound<'py, PyDict>> {
    let filter = query.filter();
    let request = PyDict::new(py);
    request.set_item(intern!(py, "from_ts"), filter.from_ts)?;
    request.set_item(intern!(py, "to_ts"), filter.to_ts)?;
    request.set_item(intern!(py, "actor_id"), filter.actor_id)?;
    request.set_item(intern!(py, "action"), filter.action.as_deref())?;
    match query.position() {
        Position::Page(page) => request.set_item(intern!(py, "page"), page)?,
        Position::After(key) => request.set_item(intern!(py, "after"), key.to_string())?,
    }
    request.set_item(intern!(py, "page_size"), query.page_size())?;
    if let Some(key) = filter.as_of {
        request.set_item(intern!(py, "as_of"), key.to_string())?;
    }
    Ok(request)
}
