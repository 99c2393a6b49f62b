//! What a hostile schema may not make a connection do.

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;

/// The longest value that is read, in bytes: the most texts of a page.
pub(super) const MAX_VALUE: i32 = 256 << 20;

/// Lets no statement write, whatever the schema makes of it: a view can call functions, among them such as run a pragma.
pub(super) fn only_read(sqlite: &rusqlite::Connection) -> rusqlite::Result<()> {
    distrust_schema(sqlite)?;
    sqlite.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE)?;
    sqlite.pragma_update(None, "query_only", true)
}

/// Lets the schema, which anybody may have written who could write the database, call nothing that has an effect or
/// reaches beyond the database.
pub(super) fn distrust_schema(sqlite: &rusqlite::Connection) -> rusqlite::Result<()> {
    sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::ErrorCode;

    use crate::error::Error;
    use crate::storage::data_dir::DataDir;
    use crate::storage::sqlite::Connection;

    const SCHEMA: &str = "CREATE TABLE t (x); INSERT INTO t VALUES (1);
        CREATE VIEW steers AS SELECT * FROM pragma_user_version;";

    /// Runs `check` on a connection of each way to open a database for reading.
    fn on_each_connection(check: impl Fn(&str, &rusqlite::Connection)) {
        for journal_mode in ["delete", "wal"] {
            let root = tempfile::tempdir().unwrap();
            let dir = DataDir::new(root.path());
            let writer = rusqlite::Connection::open(dir.database()).unwrap();
            writer
                .execute_batch(&format!("PRAGMA journal_mode = {journal_mode}; {SCHEMA}"))
                .unwrap();
            drop(writer);
            // Where times have a grain, a young file proves nothing.
            std::thread::sleep(std::time::Duration::from_millis(50));
            let immutable = Connection::open_immutable(&dir, Error::usage("nothing to read without locks"));
            for (way, connection) in [
                ("immutable", immutable),
                ("baseline", Connection::open_baseline(&dir)),
                ("file", Connection::open_file(dir.database())),
                ("open", Connection::open(&dir)),
                ("eager", Connection::open_eager(&dir)),
            ] {
                check(&format!("{way}, {journal_mode}"), &connection.unwrap().sqlite);
            }
        }
    }

    /// Each guard alone keeps a hostile view from writing, so each has a test of its own.
    #[test]
    fn no_statement_writes() {
        on_each_connection(|way, sqlite| {
            let written = sqlite.execute("INSERT INTO t VALUES (2)", []);
            let code = written.unwrap_err().sqlite_error_code();
            assert_eq!(code, Some(ErrorCode::ReadOnly), "{way}");
        });
    }

    #[test]
    fn no_statement_makes_the_schema_writable() {
        on_each_connection(|way, sqlite| {
            sqlite.execute_batch("PRAGMA writable_schema = ON").unwrap();
            let is_writable = sqlite.query_row("PRAGMA writable_schema", [], |row| row.get::<_, bool>(0));
            assert_eq!(is_writable, Ok(false), "{way}");
        });
    }

    #[test]
    fn no_view_calls_what_may_have_an_effect() {
        on_each_connection(|way, sqlite| {
            // The statement may, the schema may not.
            let read = |sql: &str| sqlite.query_row(sql, [], |row| row.get::<_, i64>(0));
            assert_eq!(read("SELECT * FROM pragma_user_version"), Ok(0), "{way}");
            let said = read("SELECT * FROM steers").unwrap_err().to_string();
            assert!(said.contains("unsafe use of"), "{way}: {said}");
        });
    }

    #[test]
    fn no_value_is_longer_than_it_may_be() {
        on_each_connection(|way, sqlite| {
            let read = sqlite.query_row("SELECT length(zeroblob(?))", [super::MAX_VALUE + 1], |row| {
                row.get::<_, i64>(0)
            });
            let code = read.unwrap_err().sqlite_error_code();
            assert_eq!(code, Some(ErrorCode::TooBig), "{way}");
        });
    }
}
