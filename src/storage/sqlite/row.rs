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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sqlite::scratch_db::new_log;

    /// What comes of a row whose columns hold these.
    fn try_read(values: &str) -> Result<String> {
        let (_dir, sqlite) = new_log("DELETE");
        let mut statement = sqlite.prepare(&format!("SELECT {values}")).unwrap();
        let mut rows = statement.query([]).unwrap();
        let row = rows.next().unwrap().unwrap();
        read(row).map(|row| format!("{row:?}"))
    }

    fn read_row(values: &str) -> std::result::Result<String, String> {
        try_read(values).map_err(|error| error.to_string())
    }

    #[test]
    fn an_error_knows_the_time_if_there_is_one() {
        let time = |values| match try_read(values) {
            Err(Error::Row { created_at, .. }) => created_at,
            other => panic!("{other:?}"),
        };
        assert_eq!(time("7, -8, NULL, 'A', 'T', 'r', 10, 11"), Some(-8));
        assert_eq!(time("7, 'noon', 9, 'A', 'T', 'r', 10, 11"), None);
    }

    #[test]
    fn each_column_has_its_type() {
        let read = read_row("7, -8, 9, 'LOGIN', '', 'r', 10, 11").unwrap();
        let expected = Row {
            id: 7,
            created_at: -8,
            actor_id: 9,
            action: "LOGIN",
            resource_type: "",
            resource_id: "r",
            payload_ref: PayloadRef { offset: 10, len: 11 },
        };
        assert_eq!(read, format!("{expected:?}"));
    }

    #[test]
    fn what_is_no_event_is_named_by_its_column() {
        let good = ["7", "8", "9", "'A'", "'T'", "'r'", "10", "11"];
        for (column, name) in COLUMNS.iter().enumerate() {
            let is_text = (3..6).contains(&column);
            let wrong = [
                ("NULL", "holds nothing (NULL)"),
                ("1.5", "holds 1.5, a number with a fraction"),
                ("x'0102'", "holds 2 bytes of binary data"),
                if is_text {
                    ("12", "holds the number 12, not text")
                } else {
                    ("'no' || char(27)", "holds the text \"no\\u{1b}\", not a whole number")
                },
            ];
            for (value, holds) in wrong {
                let mut values = good;
                values[column] = value;
                let error = read_row(&values.join(", ")).unwrap_err();
                assert!(error.contains(&format!("column {name} {holds}")), "{error}");
                // Who has no id of its own is called 0.
                let event = if column == 0 { "event 0" } else { "event 7" };
                assert!(error.contains(event), "{error}");
            }
            if is_text {
                let mut values = good;
                values[column] = "CAST(x'ff' AS TEXT)";
                let error = read_row(&values.join(", ")).unwrap_err();
                assert!(error.contains(&format!("column {name} is not UTF-8")), "{error}");
            }
        }
    }
}
