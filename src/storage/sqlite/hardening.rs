//! What a hostile schema may not make a connection do.

use rusqlite::config::DbConfig;

/// Lets no statement write, whatever the schema makes of it: a view can call functions, among them such as run a pragma.
pub(super) fn only_read(sqlite: &rusqlite::Connection) -> rusqlite::Result<()> {
    distrust_schema(sqlite)?;
    sqlite.pragma_update(None, "query_only", true)
}

/// Lets the schema, which anybody may have written who could write the database, call nothing that has an effect or
/// reaches beyond the database.
pub(super) fn distrust_schema(sqlite: &rusqlite::Connection) -> rusqlite::Result<()> {
    sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    Ok(())
}
