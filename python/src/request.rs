//! Requests, from arguments and from objects whose attributes are the contract's six fields.

use auditq::model::{Filter, Key, Position, Query};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyInt, PyString};

use crate::errors::{RequestError, to_python};
use crate::response::copy_of_keys;

/// The contract's fields, in its order.
const FIELDS: [&str; 6] = ["from_ts", "to_ts", "actor_id", "action", "page", "page_size"];

/// The values of the fields, in their order.
type Values<'py> = [Bound<'py, PyAny>; FIELDS.len()];

/// The query that a request object or a dict means, and the echo of it: a dict of the same values, which need not be made anew.
///
/// # Errors
/// A value is missing, not exactly of its type, or out of range; a dict has more of them.
pub(crate) fn of_object<'py>(py: Python<'py>, object: &Bound<'py, PyAny>) -> PyResult<(Query, Bound<'py, PyDict>)> {
    let (values, echo) = match object.cast::<PyDict>() {
        Ok(dict) => of_dict(py, dict)?,
        Err(_) => echoed(py, |name| object.getattr(name))?,
    };
    Ok((of_values(py, &values)?, echo))
}

/// The same of a dict whose keys are the fields.
fn of_dict<'py>(py: Python<'py>, dict: &Bound<'py, PyDict>) -> PyResult<(Values<'py>, Bound<'py, PyDict>)> {
    if dict.len() != FIELDS.len() {
        return Err(not_the_fields());
    }
    // A copy is made in a quarter of the time that its items take one by one.
    let echo = dict.copy()?;
    if let Some(values) = in_order(py, &echo) {
        return Ok((values, echo));
    }
    echoed(py, |name| dict.get_item(name)?.ok_or_else(not_the_fields))
}

fn not_the_fields() -> PyErr {
    PyTypeError::new_err(format!("a request's keys are {}", FIELDS.join(", ")))
}

/// The values of a dict whose keys are the fields' own strings, in order, as those of `vars(query)` are.
fn in_order<'py>(py: Python<'py>, dict: &Bound<'py, PyDict>) -> Option<Values<'py>> {
    let mut items = dict.iter();
    let mut value_of =
        |field: &Bound<'py, PyString>| items.next().filter(|(key, _)| key.is(field)).map(|(_, value)| value);
    let [from_ts, to_ts, actor_id, action, page, page_size] = names(py);
    Some([
        value_of(from_ts)?,
        value_of(to_ts)?,
        value_of(actor_id)?,
        value_of(action)?,
        value_of(page)?,
        value_of(page_size)?,
    ])
}

/// The values that `take` finds, and a dict of them.
fn echoed<'py>(
    py: Python<'py>,
    take: impl Fn(&Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<(Values<'py>, Bound<'py, PyDict>)> {
    static KEYS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let echo = copy_of_keys(py, &KEYS, &FIELDS)?;
    let take_and_echo = |name| -> PyResult<Bound<'py, PyAny>> {
        let value = take(name)?;
        echo.set_item(name, &value)?;
        Ok(value)
    };
    let [from_ts, to_ts, actor_id, action, page, page_size] = names(py);
    let values = [
        take_and_echo(from_ts)?,
        take_and_echo(to_ts)?,
        take_and_echo(actor_id)?,
        take_and_echo(action)?,
        take_and_echo(page)?,
        take_and_echo(page_size)?,
    ];
    Ok((values, echo))
}

fn names<'py>(py: Python<'py>) -> [&'py Bound<'py, PyString>; FIELDS.len()] {
    [
        intern!(py, "from_ts"),
        intern!(py, "to_ts"),
        intern!(py, "actor_id"),
        intern!(py, "action"),
        intern!(py, "page"),
        intern!(py, "page_size"),
    ]
}

fn of_values(py: Python<'_>, values: &Values<'_>) -> PyResult<Query> {
    let [from_ts, to_ts, actor_id, action, page, page_size] = values;
    let filter = Filter {
        from_ts: integer(from_ts)?,
        to_ts: integer(to_ts)?,
        actor_id: optional(actor_id, integer)?,
        action: optional(action, text)?,
        as_of: None,
    };
    let (page, page_size) = (natural(integer(page)?)?, natural(integer(page_size)?)?);
    Query::new(filter, Position::Page(page), page_size).map_err(|error| to_python(py, &error))
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
