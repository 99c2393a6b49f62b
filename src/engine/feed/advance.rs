//! What one look at a database found.

use super::index_walk::IndexWalk;
use crate::engine::row_spool::RowReader;
use crate::error::{Error, Result};
use crate::model::{Key, Rows};
use crate::storage::absent::require_database;
use crate::storage::data_dir::DataDir;
use crate::storage::db_version::DbWatcher;

/// What one look found.
#[derive(Debug)]
pub(super) struct Advance {
    /// In the order.
    pub(super) removed: Vec<Key>,
    pub(super) came: Came,
    /// Whether the database is another file.
    pub(super) is_replaced: bool,
}

/// Rows that became visible, oldest first.
#[derive(Debug)]
pub(super) enum Came {
    Nothing,
    Rows(Rows),
    Walk(IndexWalk),
    Spooled(RowReader),
}

/// What watches the database that is at its path now.
pub(super) fn watcher(dir: &DataDir) -> Result<DbWatcher> {
    let watcher = DbWatcher::open(dir).map_err(Error::io(dir.database(), "cannot look at"))?;
    match watcher {
        Some(watcher) => Ok(watcher),
        None => require_database(dir.database()).and_then(|()| {
            Err(Error::Overtaken {
                path: dir.database().to_owned(),
            })
        }),
    }
}
