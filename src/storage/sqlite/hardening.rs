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
