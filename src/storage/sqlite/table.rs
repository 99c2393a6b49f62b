//! Reading the whole table and its schema, without a lock that commits wait for long for.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rusqlite::params;

use super::connection::Connection;
use super::row;
use super::scan::Soundness;
use super::schema::Schema;
use crate::error::Result;
use crate::model::Row;

/// How long rows are read under one lock, in a database whose writers wait for its readers.
pub(super) const PIECE: Duration = Duration::from_millis(10);

/// What to do where a commit comes between two pieces of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfChanged {
    /// Stop: what is read is of no one moment any more.
    Stop,
    /// Go on to the last row.
    GoOn,
}

/// What was read beside the rows.
#[derive(Debug)]
pub(crate) struct TableRead {
    /// The schema, as it was before the first row was read.
    pub(crate) schema: Schema,
    /// Whether schema and rows are of one moment of the log.
    pub(crate) is_of_one_moment: bool,
    /// Whether a view is in the table's place. Its rows were not read: there may be no end of them.
    pub(crate) is_view: bool,
}

impl Connection {
    /// Gives every row of the table to `visit`, by id; none of a view in its place.
    ///
    /// A commit to a rollback journal waits until nobody reads. So the rows are then read in pieces of some milliseconds,
    /// each in a read transaction of its own. In WAL mode no commit waits, and one transaction reads all.
    ///
    /// # Errors
    /// The database cannot be read, a row is no event, and the errors of `visit`.
    pub(crate) fn read_table(
        &self,
        if_changed: IfChanged,
        visit: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<TableRead> {
        // Without an index on ids each piece would cost a walk through the whole table.
        let has_pieces = self.makes_commits_wait()? && matches!(self.soundness(), Ok(Soundness::Sound { .. }));
        if has_pieces {
            return self.read_pieces(PIECE, if_changed, visit);
        }
        self.snapshot(|| {
            let (schema, is_view) = (self.schema()?, self.is_view()?);
            if !is_view {
                self.scan(&(i64::MIN..=i64::MAX), visit)?;
            }
            Ok(TableRead {
                schema,
                is_of_one_moment: true,
                is_view,
            })
        })
    }

    /// Whether a view is in the table's place, which may have no end.
    pub(crate) fn is_view(&self) -> Result<bool> {
        let views = "SELECT count(*) FROM sqlite_schema WHERE type = 'view' AND name = 'audit_events' COLLATE NOCASE";
        self.map_err(self.sqlite.query_row(views, [], |row| row.get(0)))
    }

    fn read_pieces(
        &self,
        piece: Duration,
        if_changed: IfChanged,
        visit: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<TableRead> {
        let (first_version, schema, mut next) = self.snapshot(|| {
            let (version, schema) = (self.data_version()?, self.schema()?);
            Ok((version, schema, self.scan_piece(i64::MIN, piece, visit)?))
        })?;
        let mut is_of_one_moment = true;
        while let Some(from) = next {
            if !is_of_one_moment && if_changed == IfChanged::Stop {
                break;
            }
            next = self.snapshot(|| {
                is_of_one_moment &= self.data_version()? == first_version;
                self.scan_piece(from, piece, visit)
            })?;
        }
        Ok(TableRead {
            schema,
            is_of_one_moment,
            is_view: false,
        })
    }

    /// Another number after each commit of another connection.
    pub(super) fn data_version(&self) -> Result<i64> {
        self.map_err(self.sqlite.query_row("PRAGMA data_version", [], |row| row.get(0)))
    }

    /// Gives the rows from this id on to `visit`, at least one of them, until the time is over: the id to go on with.
    fn scan_piece(
        &self,
        from: i64,
        time: Duration,
        visit: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<Option<i64>> {
        let statement = format!(
            "SELECT {} FROM audit_events NOT INDEXED WHERE id >= ? ORDER BY id",
            row::COLUMNS.join(", ")
        );
        let start = Instant::now();
        let (mut last, mut next) = (None, None);
        self.visit_while(&statement, params![from], &mut |row| {
            if row.id < from || last.replace(row.id).is_some_and(|last| row.id <= last) {
                return Err(self.damaged("the ids of the table do not ascend"));
            }
            visit(row)?;
            if start.elapsed() < time {
                return Ok(ControlFlow::Continue(()));
            }
            next = row.id.checked_add(1);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::contract::dataset::SCHEMA_SQL;
    use crate::storage::sqlite::scratch_db::{beside_a_commit, new_log};

    const EVENTS: i64 = 20;

    fn log(journal: &str) -> (tempfile::TempDir, rusqlite::Connection) {
        let (dir, sqlite) = new_log(journal);
        for id in 1..=EVENTS {
            append(&sqlite, id * 3);
        }
        (dir, sqlite)
    }

    fn append(sqlite: &rusqlite::Connection, id: i64) {
        sqlite
            .execute(
                "INSERT INTO audit_events VALUES (?, 7, 1, 'LOGIN', 'ORDER', 'ORDER-1', 0, 2)",
                [id],
            )
            .unwrap();
    }

    fn open(dir: &Path) -> Connection {
        Connection::open_file(&dir.join("audit.db")).unwrap()
    }

    #[test]
    fn pieces_of_any_length_are_the_table() {
        let (dir, _sqlite) = log("delete");
        for piece in [Duration::ZERO, PIECE, Duration::MAX] {
            let mut ids = Vec::new();
            let read = open(dir.path()).read_pieces(piece, IfChanged::Stop, &mut |row| {
                ids.push(row.id);
                Ok(())
            });
            let read = read.unwrap();
            assert!(read.is_of_one_moment);
            assert_eq!(read.schema, Schema::of_statements(SCHEMA_SQL).unwrap());
            assert!(ids.into_iter().eq((1..=EVENTS).map(|id| id * 3)), "{piece:?}");
        }
    }

    /// In WAL mode nobody waits for who reads.
    #[test]
    fn beside_a_write_ahead_log_the_table_is_read_at_once_and_a_view_is_not_read() {
        let (dir, sqlite) = log("wal");
        let (connection, mut rows) = (open(dir.path()), 0);
        let read = connection.read_table(IfChanged::GoOn, &mut |row| {
            rows += 1;
            if row.id == 9 {
                append(&sqlite, 100);
                std::thread::sleep(PIECE * 2);
            }
            Ok(())
        });
        let read = read.unwrap();
        assert_eq!((read.is_of_one_moment, read.is_view, rows), (true, false, EVENTS));
        sqlite
            .execute_batch("ALTER TABLE audit_events RENAME TO kept; CREATE VIEW AUDIT_events AS SELECT * FROM kept")
            .unwrap();
        let read = connection.read_table(IfChanged::GoOn, &mut |_| panic!("it may have no end"));
        assert!(read.unwrap().is_view);
    }

    /// In WAL mode, where a commit can come while a piece is read, so that the test knows between which pieces it came.
    #[test]
    fn a_commit_between_two_pieces_is_noticed() {
        for (if_changed, expected) in [(IfChanged::Stop, 4), (IfChanged::GoOn, EVENTS + 1)] {
            let (dir, sqlite) = log("wal");
            let mut rows = 0;
            let read = open(dir.path()).read_pieces(Duration::ZERO, if_changed, &mut |row| {
                rows += 1;
                if row.id == 9 {
                    append(&sqlite, 100);
                }
                Ok(())
            });
            assert!(!read.unwrap().is_of_one_moment);
            assert_eq!(rows, expected, "{if_changed:?}");
        }
    }

    #[test]
    fn a_commit_comes_through_between_two_pieces() {
        let (dir, sqlite) = log("delete");
        let reader = open(dir.path());
        let write = |sqlite: &rusqlite::Connection| append(sqlite, 100);
        beside_a_commit(&dir, sqlite, write, |begin_commit| {
            let mut rows = 0;
            let table = reader.read_pieces(Duration::ZERO, IfChanged::GoOn, &mut |row| {
                rows += 1;
                if row.id == 9 {
                    begin_commit();
                }
                std::thread::sleep(Duration::from_millis(50));
                Ok(())
            });
            // Read in one transaction, the table would have no new row.
            assert!(!table.unwrap().is_of_one_moment);
            assert_eq!(rows, EVENTS + 1);
        });
    }

    #[test]
    fn a_table_without_an_index_on_ids_is_read_at_once() {
        let (dir, sqlite) = log("delete");
        let table = SCHEMA_SQL.replace("INTEGER PRIMARY KEY AUTOINCREMENT", "INTEGER");
        sqlite
            .execute_batch(&format!("DROP TABLE audit_events; {table}"))
            .unwrap();
        append(&sqlite, 5);
        let mut rows = 0;
        let read = open(dir.path()).read_table(IfChanged::Stop, &mut |_| {
            rows += 1;
            Ok(())
        });
        assert!(read.unwrap().is_of_one_moment);
        assert_eq!(rows, 1);
    }
}
