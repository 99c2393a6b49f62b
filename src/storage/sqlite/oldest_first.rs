//! Reading every matching row, oldest first, without a lock that commits wait for long for.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::queries::{OLDEST_FIRST, OLDEST_FIRST_BEHIND, Values};
use super::table::PIECE;
use crate::error::Result;
use crate::model::{Filter, Key, Row};

const HAS_EVENT: &str = "
    SELECT 1
    FROM audit_events
    WHERE created_at BETWEEN ? AND ?
      AND (? IS NULL OR actor_id = ?)
      AND (? IS NULL OR action = ?)
      AND id = ?";

impl Connection {
    /// Gives every matching row to `visit`, oldest first, and says whether all are of one moment of the log. Any pin is
    /// left out of account.
    ///
    /// A commit to a rollback journal waits until nobody reads. So the rows are then read in pieces of some milliseconds,
    /// each in a read transaction of its own: an event whose time is changed meanwhile can be given twice, or not at all.
    ///
    /// # Errors
    /// The database cannot be read, a row is no event, and the errors of `visit`.
    pub(crate) fn each_oldest_first(
        &self,
        filter: &Filter,
        visit: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<bool> {
        let piece = if self.makes_commits_wait()? {
            PIECE
        } else {
            Duration::MAX
        };
        self.pieces_oldest_first(piece, filter, visit)
    }

    fn pieces_oldest_first(
        &self,
        piece: Duration,
        filter: &Filter,
        visit: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<bool> {
        let (mut last, mut first_version, mut is_of_one_moment) = (None, None, true);
        loop {
            let is_done = self.snapshot(|| {
                let version = self.data_version()?;
                is_of_one_moment &= *first_version.get_or_insert(version) == version;
                self.piece_oldest_first(piece, filter, &mut last, visit)
            })?;
            if is_done {
                return Ok(is_of_one_moment);
            }
        }
    }

    /// Gives the rows behind `last`, at least one of them, to `visit`, until the time is over or there are no more.
    fn piece_oldest_first(
        &self,
        time: Duration,
        filter: &Filter,
        last: &mut Option<Key>,
        visit: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<bool> {
        let (start, mut end, mut is_done) = (Instant::now(), None, true);
        let behind = *last;
        let mut visit = |row: &Row<'_>| {
            let key = row.key();
            if last.replace(key).is_some_and(|last| key <= last) {
                return Err(self.damaged("its events are in no order"));
            }
            // Where the first row takes long, as behind a view or without an index, so would that of each further piece.
            let end = *end.get_or_insert_with(|| start.checked_add(time).filter(|_| start.elapsed() < PIECE));
            visit(row)?;
            is_done = end.is_none_or(|end| Instant::now() < end);
            Ok(if is_done {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        };
        let Some(behind) = behind else {
            let values = Values::of_filter(filter, &filter.to_ts).and_limit(&-1, &0);
            self.visit_while(OLDEST_FIRST, &*values.0, &mut visit)?;
            return Ok(is_done);
        };
        // What lets SQLite start in the middle of its index.
        let filter = Filter {
            from_ts: filter.from_ts.max(behind.created_at),
            ..filter.clone()
        };
        let values = Values::of_filter(&filter, &filter.to_ts)
            .and_key(Some(&behind))
            .and_limit(&-1, &0);
        self.visit_while(OLDEST_FIRST_BEHIND, &*values.0, &mut visit)?;
        Ok(is_done)
    }

    /// Whether there is an event of this id that matches.
    pub(crate) fn has_event(&self, filter: &Filter, id: i64) -> Result<bool> {
        let values = Values::of_filter(filter, &filter.to_ts).and_id(&id);
        let found = self
            .sqlite
            .prepare_cached(HAS_EVENT)
            .and_then(|mut statement| statement.exists(&*values.0));
        let found = self.map_err(found);
        self.confirm(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sqlite::scratch_db::{beside_a_commit, new_log};

    const EVENTS: i64 = 20;

    /// Events at the times 10, 20 and so on, two at each.
    fn log(journal: &str) -> (tempfile::TempDir, rusqlite::Connection, Connection) {
        let (dir, sqlite) = new_log(journal);
        for id in 1..=EVENTS {
            sqlite
                .execute(
                    "INSERT INTO audit_events VALUES (?, (? + 1) / 2 * 10, ? % 3, 'LOGIN', 'ORDER', 'ORDER-1', 0, 2)",
                    [id, id, id],
                )
                .unwrap();
        }
        let connection = Connection::open_file(&dir.path().join("audit.db")).unwrap();
        (dir, sqlite, connection)
    }

    #[test]
    fn pieces_of_any_length_are_the_rows_in_order() {
        let (_dir, _sqlite, connection) = log("delete");
        for piece in [Duration::ZERO, PIECE, Duration::MAX] {
            for (filter, expected) in [
                (Filter::ALL, (1..=EVENTS).collect()),
                (
                    Filter {
                        from_ts: 30,
                        to_ts: 60,
                        ..Filter::ALL
                    },
                    (5..=12).collect(),
                ),
                (
                    Filter {
                        actor_id: Some(2),
                        ..Filter::ALL
                    },
                    vec![2, 5, 8, 11, 14, 17, 20],
                ),
            ] {
                let mut ids = Vec::new();
                let read = connection.pieces_oldest_first(piece, &filter, &mut |row| {
                    ids.push(row.id);
                    Ok(())
                });
                assert!(read.unwrap(), "nobody wrote");
                assert_eq!(ids, expected, "{piece:?}, {filter:?}");
            }
        }
    }

    #[test]
    fn a_piece_with_time_enough_is_all_that_is_left() {
        let (_dir, _sqlite, connection) = log("delete");
        let (mut last, mut ids) = (None, Vec::new());
        for (time, is_done) in [(Duration::ZERO, false), (Duration::from_secs(3_600), true)] {
            let piece = connection.piece_oldest_first(time, &Filter::ALL, &mut last, &mut |row| {
                ids.push(row.id);
                Ok(())
            });
            assert_eq!(piece.unwrap(), is_done);
        }
        assert_eq!(ids, (1..=EVENTS).collect::<Vec<_>>());
    }

    /// In WAL mode, where a commit can come while a piece is read, so that the test knows between which pieces it came.
    #[test]
    fn an_event_that_moves_is_given_where_it_is() {
        let (_dir, sqlite, connection) = log("wal");
        let mut rows = Vec::new();
        let read = connection.pieces_oldest_first(Duration::ZERO, &Filter::ALL, &mut |row| {
            if row.id == 9 {
                // Out of what was read, out of what was not, and one that is away.
                sqlite
                    .execute_batch(
                        "UPDATE audit_events SET created_at = 95 WHERE id = 3;
                         UPDATE audit_events SET created_at = 5 WHERE id = 15;
                         DELETE FROM audit_events WHERE id = 16;",
                    )
                    .unwrap();
            }
            rows.push(row.id);
            Ok(())
        });
        assert!(!read.unwrap(), "it is of several moments");
        let expected = (1..=18).filter(|id| ![15, 16].contains(id)).chain([3, 19, 20]);
        assert_eq!(rows, expected.collect::<Vec<_>>());
        let has = |id| connection.has_event(&Filter::ALL, id).unwrap();
        assert!(has(15) && !has(16));
        let elsewhere = Filter {
            actor_id: Some(7),
            ..Filter::ALL
        };
        assert!(!connection.has_event(&elsewhere, 15).unwrap());
    }

    #[test]
    fn a_commit_comes_through_between_two_pieces() {
        let (dir, sqlite, connection) = log("delete");
        let write = |sqlite: &rusqlite::Connection| {
            sqlite.execute_batch("DELETE FROM audit_events WHERE id = 20").unwrap();
        };
        beside_a_commit(&dir, sqlite, write, |begin_commit| {
            let mut rows = 0;
            let of_one_moment = connection.each_oldest_first(&Filter::ALL, &mut |row| {
                rows += 1;
                if row.id == 9 {
                    begin_commit();
                }
                // Longer than a piece, and long enough for the writer to come to its lock.
                std::thread::sleep(Duration::from_millis(50));
                Ok(())
            });
            // Read in one transaction, the table would have its last row.
            assert!(!of_one_moment.unwrap());
            assert_eq!(rows, EVENTS - 1);
        });
    }

    /// Each piece would sort all of it anew.
    #[test]
    fn what_has_no_order_of_its_own_is_read_at_once() {
        let (_dir, sqlite, connection) = log("wal");
        sqlite
            .execute_batch(
                "ALTER TABLE audit_events RENAME TO kept;
                 CREATE VIEW audit_events AS
                 SELECT kept.* FROM kept, (
                     WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 300000)
                     SELECT max(n) FROM n
                 )",
            )
            .unwrap();
        let mut rows = 0;
        let read = connection.pieces_oldest_first(Duration::ZERO, &Filter::ALL, &mut |_| {
            rows += 1;
            if rows == 3 {
                sqlite.execute_batch("DELETE FROM kept WHERE id = 20").unwrap();
            }
            Ok(())
        });
        assert!(read.unwrap(), "of one moment");
        assert_eq!(rows, EVENTS);
    }
}
