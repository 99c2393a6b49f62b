//! Requests, from arguments and from objects whose attributes are the contract's six fields.

use auditq::model::{Filter, Key, Position, Query};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyInt, PyString};

use crate::errors::{RequestError, to_python};
use crate::response::copy_of_keys;

/// The query that a request object means, and the echo of it: a dict of the object's own values, which need not be made anew.
///
/// # Errors
/// An attribute is missing, not exactly of its type, or out of range.
pub(crate) fn of_object<'py>(py: Python<'py>, object: &Bound<'py, PyAny>) -> PyResult<(Query, Bound<'py, PyDict>)> {
    static KEYS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let names = ["from_ts", "to_ts", "actor_id", "action", "page", "page_size"];
    let echo = copy_of_keys(py, &KEYS, &names)?;
    let take = |name: &Bound<'py, PyString>| -> PyResult<Bound<'py, PyAny>> {
        let value = object.getattr(name)?;
        echo.set_item(name, &value)?;
        Ok(value)
    };
    let filter = Filter {
        from_ts: integer(&take(intern!(py, "from_ts"))?)?,
        to_ts: integer(&take(intern!(py, "to_ts"))?)?,
        actor_id: optional(&take(intern!(py, "actor_id"))?, integer)?,
        action: optional(&take(intern!(py, "action"))?, text)?,
        as_of: None,
    };
    let page = natural(integer(&take(intern!(py, "page"))?)?)?;
    let page_size = natural(integer(&take(intern!(py, "page_size"))?)?)?;
    let query = Query::new(filter, Position::Page(page), page_size).map_err(|error| to_python(py, &error))?;
    Ok((query, echo))
}

fn optional<T>(value: &Bound<'_, PyAny>, take: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> PyResult<Option<T>> {
    if value.is_none() {
        return Ok(None);
    }
    take(value).map(Some)
}

fn integer(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    match value.cast_exact::<PyInt>() {
        Ok(integer) => integer.extract(),
        Err(_) => Err(not_exactly("int", value)),
    }
}

fn text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    match value.cast_exact::<PyString>() {
        Ok(text) => text.extract(),
        Err(_) => Err(not_exactly("str", value)),
    }
}

fn not_exactly(wanted: &str, value: &Bound<'_, PyAny>) -> PyErr {
    match value.get_type().name() {
        Ok(found) => PyTypeError::new_err(format!(
            "a request object's value is exactly of the type {wanted}, not {found}"
        )),
        Err(error) => error,
    }
}

/// A number that counts from 1; 0 is refused with the query.
fn natural(number: i64) -> PyResult<u64> {
    u64::try_from(number).map_err(|_| too_small(number))
}

fn too_small(number: i64) -> PyErr {
    RequestError::new_err(format!("{number} is out of range: pages and sizes count from 1"))
}

/// A whole number of at least 0, up to the largest of 64 bits.
pub(crate) struct Natural(pub(crate) u64);

impl<'py> FromPyObject<'_, 'py> for Natural {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        object
            .extract()
            .map(Natural)
            .map_err(|error| object.extract().map_or(error, too_small))
    }
}

/// The query of a filter, by page number or behind a cursor.
///
/// # Errors
/// Both are given, the cursor is none, a number is out of range.
pub(crate) fn query(
    py: Python<'_>,
    filter: Filter,
    page: Option<Natural>,
    after: Option<&str>,
    page_size: Natural,
) -> PyResult<Query> {
    let position = match (page, after) {
        (Some(_), Some(_)) => {
            return Err(RequestError::new_err(
                "page and after exclude each other: give one of them",
            ));
        }
        (_, Some(after)) => Position::After(key(py, after)?),
        (page, None) => Position::Page(page.map_or(1, |page| page.0)),
    };
    Query::new(filter, position, page_size.0).map_err(|error| to_python(py, &error))
}

/// The place in the order that a cursor names.
///
/// # Errors
/// The text is no cursor.
pub(crate) fn key(py: Python<'_>, text: &str) -> PyResult<Key> {
    text.parse().map_err(|error| to_python(py, &error))
}
