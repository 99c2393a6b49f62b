//! Answers by SQLite, at the baseline's price: where no index can tell.

use std::cell::RefCell;

use thread_local::ThreadLocal;

use super::retry;
use crate::error::{Error, Result};
use crate::model::{Filter, Query, Rows};
use crate::storage::absent::require_database;
use crate::storage::data_dir::DataDir;
use crate::storage::fs::platform::{FileState, Identity};
use crate::storage::sqlite::Connection;

/// SQLite, with a connection for each thread.
pub(super) struct Fallback {
    dir: DataDir,
    connections: ThreadLocal<RefCell<Option<CachedConnection>>>,
}

/// A thread's own connection, and the file it is connected to, in the state it had then.
struct CachedConnection {
    connection: Connection,
    identity: Identity,
    state: Option<FileState>,
}

impl Fallback {
    pub(super) fn new(dir: &DataDir) -> Self {
        Fallback {
            dir: dir.clone(),
            connections: ThreadLocal::new(),
        }
    }

    /// The rows of a page.
    pub(super) fn page(&self, query: &Query, rows: &mut Rows) -> Result<()> {
        self.with_connection(|connection| connection.baseline_page(query, rows))
    }

    /// How many events match.
    pub(super) fn count(&self, filter: &Filter) -> Result<u64> {
        self.with_connection(|connection| connection.count(filter))
    }

    /// Runs `ask` on this thread's connection to the database that is at its path now.
    fn with_connection<T>(&self, mut ask: impl FnMut(&Connection) -> Result<T>) -> Result<T> {
        retry::until_confirmed(|| self.ask_once(&mut ask))
    }

    fn ask_once<T>(&self, ask: &mut impl FnMut(&Connection) -> Result<T>) -> Result<T> {
        let mut slot = self.connections.get_or_default().borrow_mut();
        let cached = match slot.take() {
            Some(cached) if self.is_current(&cached) => cached,
            _ => self.connect()?,
        };
        let answer = ask(&cached.connection)?;
        // An idle connection to a log in WAL mode would keep others from leaving that mode.
        if cached.connection.makes_commits_wait()? {
            *slot = Some(cached);
        }
        Ok(answer)
    }

    /// Whether a connection made now would see the same. SQLite keeps pages in memory, and would trust them even
    /// where the file was overwritten by something else than SQLite: by a backup, or by a failing disk.
    fn is_current(&self, cached: &CachedConnection) -> bool {
        cached.identity.is_at(self.dir.database())
            && FileState::of_path(self.dir.database()).is_ok_and(|state| state == cached.state)
    }

    fn connect(&self) -> Result<CachedConnection> {
        let unopened = |error| Error::io(self.dir.database(), "cannot open")(error);
        loop {
            require_database(self.dir.database())?;
            let identity = Identity::of_path(self.dir.database()).map_err(unopened)?;
            let state = FileState::of_path(self.dir.database()).map_err(unopened)?;
            let connection = Connection::open(&self.dir)?;
            // Replaced between the two: which of them it is connected to is not known.
            if identity.is_at(self.dir.database()) {
                return Ok(CachedConnection {
                    connection,
                    identity,
                    state,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::dataset::SCHEMA_SQL;
    use crate::model::Position;

    /// A log of one event, and who writes to it.
    fn log(dir: &DataDir) -> rusqlite::Connection {
        let row = "INSERT INTO audit_events VALUES (1, 1, 1, 'LOGIN', 'T', 'R', 0, 1)";
        let writer = rusqlite::Connection::open(dir.database()).unwrap();
        writer.execute_batch(&format!("{SCHEMA_SQL} {row}")).unwrap();
        writer
    }

    /// The actions of the first page.
    fn actions(fallback: &Fallback) -> String {
        let query = Query::new(Filter::ALL, Position::Page(1), 10).unwrap();
        let mut rows = Rows::default();
        fallback.page(&query, &mut rows).unwrap();
        rows.iter().map(|row| row.action.to_owned()).collect()
    }

    /// SQLite would take the page from memory: what wrote to the file moved no counter of its.
    #[test]
    fn a_file_that_was_overwritten_is_read_anew() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        drop(log(&dir));
        let fallback = Fallback::new(&dir);
        assert_eq!(actions(&fallback), "LOGIN");
        let mut bytes = std::fs::read(dir.database()).unwrap();
        let place = bytes.windows(5).position(|text| text == b"LOGIN").unwrap();
        bytes[place + 3] = b'O';
        std::fs::write(dir.database(), bytes).unwrap();
        assert_eq!(actions(&fallback), "LOGON");
    }

    #[test]
    fn a_connection_is_kept_where_it_is_in_nobodys_way() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        let writer = log(&dir);
        let fallback = Fallback::new(&dir);
        let is_kept = || fallback.connections.get().is_some_and(|slot| slot.borrow().is_some());
        let switch_to = |mode: &str| {
            let mode = writer.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |row| {
                row.get::<_, String>(0)
            });
            mode.unwrap()
        };
        assert_eq!((actions(&fallback).as_str(), is_kept()), ("LOGIN", true));
        assert_eq!(switch_to("wal"), "wal");
        assert_eq!((actions(&fallback).as_str(), is_kept()), ("LOGIN", false));
        assert_eq!(switch_to("delete"), "delete");
    }

    #[test]
    fn events_that_match_are_counted() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        let row = "INSERT INTO audit_events VALUES (2, 2, 2, 'LOGOUT', 'T', 'R', 0, 1)";
        log(&dir).execute(row, []).unwrap();
        let fallback = Fallback::new(&dir);
        let of_actor = |actor_id| {
            let filter = Filter {
                actor_id,
                ..Filter::ALL
            };
            fallback.count(&filter).unwrap()
        };
        assert_eq!([None, Some(1), Some(3)].map(of_actor), [2, 1, 0]);
    }
}
