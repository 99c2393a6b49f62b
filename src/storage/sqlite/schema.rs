//! A database's schema as text that can be compared.

use std::path::Path;

use super::connection::Connection;
use crate::error::{Error, Result};

/// A schema as far as the contract speaks of it. Each part is one line of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schema {
    /// Every table, index, view and trigger, less what SQLite keeps for itself.
    pub(crate) objects: String,
    /// The columns of `audit_events` with their types and constraints.
    pub(crate) columns: String,
    /// The indexes on `audit_events`.
    pub(crate) indexes: String,
}

const OBJECTS: &str = "
    SELECT group_concat(type || ' ' || name, ', ')
    FROM (SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type DESC, name)";

const COLUMNS: &str = "
    SELECT group_concat(
        name || ' ' || upper(type) || iif(pk, ' PRIMARY KEY', '') || iif(\"notnull\", ' NOT NULL', '')
            || coalesce(' DEFAULT ' || dflt_value, '') || iif(hidden, ' HIDDEN', ''), ', ')
    FROM (SELECT * FROM pragma_table_xinfo('audit_events') ORDER BY cid)";

/// Keywords of a table's statement that no pragma reports.
const KEYWORDS: &str = "
    SELECT group_concat(value, ' ')
    FROM json_each('[\"AUTOINCREMENT\", \"CHECK\", \"COLLATE\", \"GENERATED\", \"REFERENCES\", \"STRICT\"]')
    WHERE (SELECT instr(upper(sql), value) FROM sqlite_schema WHERE name = 'audit_events') > 0";

const INDEXES: &str = "
    SELECT group_concat(name || '(' || keys || ')' || iif(\"unique\", ' UNIQUE', '') || iif(partial, ' WHERE', ''), ', ')
    FROM (
        SELECT i.*, (
            SELECT group_concat(
                coalesce(name, 'expression') || iif(\"desc\", ' DESC', '') || iif(coll = 'BINARY', '', ' COLLATE ' || coll), ', ')
            FROM pragma_index_xinfo(i.name) WHERE key = 1
        ) AS keys
        FROM pragma_index_list('audit_events') AS i ORDER BY i.name)";

impl Schema {
    /// The schema that these statements make.
    ///
    /// # Errors
    /// SQLite does not understand them.
    pub(crate) fn of_statements(sql: &str) -> Result<Self> {
        rusqlite::Connection::open_in_memory()
            .and_then(|sqlite| {
                sqlite.execute_batch(sql)?;
                read(&sqlite)
            })
            .map_err(|error| Error::Database {
                path: Path::new(":memory:").to_owned(),
                problem: format!("the schema cannot be made: {error}"),
            })
    }
}

impl Connection {
    /// The database's schema.
    pub(crate) fn schema(&self) -> Result<Schema> {
        self.map_err(read(&self.sqlite))
    }
}

fn read(sqlite: &rusqlite::Connection) -> rusqlite::Result<Schema> {
    let line = |statement: &str| -> rusqlite::Result<String> {
        let text: Option<String> = sqlite.query_row(statement, [], |row| row.get(0))?;
        Ok(text.unwrap_or_else(|| "none".to_owned()))
    };
    let columns = format!("{}; {}", line(COLUMNS)?, line(KEYWORDS)?);
    Ok(Schema {
        objects: line(OBJECTS)?,
        columns,
        indexes: line(INDEXES)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::dataset::SCHEMA_SQL;

    fn schema(sql: &str) -> Schema {
        let sqlite = rusqlite::Connection::open_in_memory().unwrap();
        sqlite.execute_batch(sql).unwrap();
        read(&sqlite).unwrap()
    }

    #[test]
    fn the_contracts_schema_in_words() {
        let expected = Schema {
            objects: "table audit_events, index idx_created_at".to_owned(),
            columns: "id INTEGER PRIMARY KEY, created_at INTEGER NOT NULL, actor_id INTEGER NOT NULL, action TEXT NOT \
                      NULL, resource_type TEXT NOT NULL, resource_id TEXT NOT NULL, payload_offset INTEGER NOT NULL, \
                      payload_len INTEGER NOT NULL; AUTOINCREMENT"
                .to_owned(),
            indexes: "idx_created_at(created_at)".to_owned(),
        };
        assert_eq!(Schema::of_statements(SCHEMA_SQL).unwrap(), expected);
    }

    #[test]
    fn whatever_differs_shows() {
        let contract = Schema::of_statements(SCHEMA_SQL).unwrap();
        for (from, to) in [
            ("AUTOINCREMENT", ""),
            ("TEXT", "BLOB"),
            ("NOT NULL", ""),
            ("action TEXT", "action TEXT COLLATE NOCASE"),
            ("(created_at)", "(created_at DESC)"),
            ("CREATE INDEX", "CREATE UNIQUE INDEX"),
            ("payload_len", "len"),
            ("(created_at)", "(created_at) WHERE id > 5"),
            ("CREATE INDEX", "CREATE TABLE more (x); CREATE INDEX"),
        ] {
            assert_ne!(schema(&SCHEMA_SQL.replace(from, to)), contract, "{from} → {to}");
        }
        assert_ne!(schema(SCHEMA_SQL.split_once("CREATE INDEX").unwrap().0), contract);
        assert_eq!(schema("").indexes, "none");
    }
}
