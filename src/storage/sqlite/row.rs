//! One row of the table, with every column held to its type.

use rusqlite::types::ValueRef;

use crate::error::{Error, Result};
use crate::escape::escape_for_terminal;
use crate::model::{PayloadRef, Row};

/// The columns in the order that [`read`] takes them.
pub(super) const COLUMNS: [&str; 8] = [
    "id",
    "created_at",
    "actor_id",
    "action",
    "resource_type",
    "resource_id",
    "payload_offset",
    "payload_len",
];

/// Reads a statement's row, its columns in the order of [`COLUMNS`].
///
/// SQLite stores any type in any column, so each is checked: the error names the event and the column.
pub(super) fn read<'row>(row: &'row rusqlite::Row<'_>) -> Result<Row<'row>> {
    let id = match value(row, 0) {
        ValueRef::Integer(id) => id,
        other => return Err(mismatch((0, None), 0, other)),
    };
    let created_at = match value(row, 1) {
        ValueRef::Integer(second) => Some(second),
        _ => None,
    };
    let event = (id, created_at);
    let integer = |column| match value(row, column) {
        ValueRef::Integer(value) => Ok(value),
        other => Err(mismatch(event, column, other)),
    };
    let text = |column| match value(row, column) {
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).map_err(|_| problem(event, column, "is not UTF-8")),
        other => Err(mismatch(event, column, other)),
    };
    Ok(Row {
        id,
        created_at: integer(1)?,
        actor_id: integer(2)?,
        action: text(3)?,
        resource_type: text(4)?,
        resource_id: text(5)?,
        payload_ref: PayloadRef {
            offset: integer(6)?,
            len: integer(7)?,
        },
    })
}

fn value<'row>(row: &'row rusqlite::Row<'_>, column: usize) -> ValueRef<'row> {
    // Only an index past the last column can fail, and every statement here selects all of COLUMNS.
    row.get_ref(column).unwrap_or(ValueRef::Null)
}

fn mismatch(event: (i64, Option<i64>), column: usize, found: ValueRef<'_>) -> Error {
    let holds = match found {
        ValueRef::Null => "holds nothing (NULL)".to_owned(),
        ValueRef::Integer(value) => format!("holds the number {value}, not text"),
        ValueRef::Real(value) => format!("holds {value}, a number with a fraction"),
        ValueRef::Text(bytes) => {
            let text: String = String::from_utf8_lossy(bytes).chars().take(40).collect();
            format!("holds the text \"{}\", not a whole number", escape_for_terminal(&text))
        }
        ValueRef::Blob(bytes) => format!("holds {} bytes of binary data", bytes.len()),
    };
    problem(event, column, &holds)
}

/// `event` is its id and, if it has one, its time.
fn problem((event, created_at): (i64, Option<i64>), column: usize, holds: &str) -> Error {
    Error::Row {
        event,
        problem: format!("column {} {holds}", COLUMNS[column]),
        created_at,
    }
}
