//! Every matching event, a few at a time, all from one moment of the log.

use super::row_spool::{RowReader, RowSpool};
use super::{Find, retry};
use crate::error::{Error, Result};
use crate::model::{Filter, Key, Page, Position, Query, Rows};
use crate::storage::data_dir::DataDir;
use crate::storage::index::IndexState;
use crate::storage::sqlite::Connection;

/// How many events are held at once.
const CHUNK: u32 = 500;

/// The rows of one statement, which has ended.
pub(super) struct Spooled {
    rows: RowReader,
    /// Why there are no more of them, where that is an error.
    end: Result<()>,
}

/// Takes the rows of `filter` aside, those behind `after` if there is one.
///
/// # Errors
/// The statement failed before any row; no room for the rows.
pub(super) fn spool(connection: &Connection, filter: &Filter, after: Option<Key>) -> Result<Spooled> {
    let mut spool = RowSpool::new();
    let end = connection.each(filter, after, |row| spool.push(row));
    // The rows before one that cannot be read are events all the same.
    let end = match end {
        Err(error @ (Error::Row { .. } | Error::Database { .. })) => Err(error),
        ended => Ok(ended?),
    };
    let rows = spool.into_reader()?;
    Ok(Spooled { rows, end })
}

/// The same on a connection of its own.
///
/// # Errors
/// The same, and the database cannot be opened.
pub(super) fn spool_from(dir: &DataDir, filter: &Filter, after: Option<Key>) -> Result<Spooled> {
    retry::until_confirmed(|| spool(&Connection::open(dir)?, filter, after))
}

impl Spooled {
    /// Appends the next rows; none at the end.
    ///
    /// # Errors
    /// Behind the last row: why there are no more, if that is an error.
    pub(super) fn read(&mut self, rows: &mut Rows) -> Result<()> {
        if self.rows.is_at_end() {
            return std::mem::replace(&mut self.end, Ok(())).map_err(interrupted_by_row);
        }
        self.rows.read(CHUNK as usize, rows)
    }
}

/// A walk over every event that matches, newest first, as far as [`Engine::advance`](super::Engine::advance) took it.
///
/// It holds no lock: its rows come from an index that stays as it is, whatever happens to the database meanwhile, or were
/// spooled when it began, because whoever writes to the log must not wait for whoever reads the events.
pub struct Walk {
    filter: Filter,
    source: Source,
    /// The event behind which the rows go on.
    last: Option<Key>,
    /// Rows whose events were not given so far, from `given` on.
    rows: Rows,
    given: usize,
    /// Whether they are given one by one, because they cannot be together.
    is_one_by_one: bool,
}

/// Where the rows of a walk come from.
pub(super) enum Source {
    NotBegun,
    Index(IndexState),
    Spooled(Spooled),
    Ended,
}

impl Walk {
    /// A walk over the events of `filter`, those behind `after` if there is one.
    #[must_use]
    pub fn new(filter: &Filter, after: Option<Key>) -> Self {
        Walk {
            filter: filter.clone(),
            source: Source::NotBegun,
            last: after,
            rows: Rows::default(),
            given: 0,
            is_one_by_one: false,
        }
    }

    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The event behind which the rows go on: that of the last row that was found, or the cursor that it began behind.
    pub(super) fn last(&self) -> Option<Key> {
        self.last
    }

    /// Where the rows come from, and where they go.
    pub(super) fn parts(&mut self) -> (&mut Source, &mut Rows) {
        (&mut self.source, &mut self.rows)
    }

    /// The page of what comes next.
    pub(super) fn next_query(&self, size: u64) -> Result<Query> {
        let position = self.last.map_or(Position::Page(1), Position::After);
        Query::new(self.filter.clone(), position, size)
    }

    /// The same, as long as pages are held at once.
    pub(super) fn next_chunk(&self) -> Result<Query> {
        self.next_query(CHUNK.into())
    }

    /// Goes on behind this event.
    pub(super) fn move_after(&mut self, last: Key) {
        self.last = Some(last);
    }

    /// Puts the next events into `page`. `fetch` appends the next rows, or none at the end, `fill` reads their payloads.
    /// `false` at the end; so is every call behind an error.
    pub(super) fn step(
        &mut self,
        page: &mut Page,
        fetch: impl FnOnce(&mut Self) -> Result<()>,
        fill: impl FnMut(&mut Page, Find<'_>) -> Result<()>,
    ) -> Result<bool> {
        page.clear();
        if let Source::Ended = self.source {
            return Ok(false);
        }
        let stepped = self.try_step(page, fetch, fill);
        if !matches!(stepped, Ok(true)) {
            self.source = Source::Ended;
        }
        stepped
    }

    fn try_step(
        &mut self,
        page: &mut Page,
        fetch: impl FnOnce(&mut Self) -> Result<()>,
        mut fill: impl FnMut(&mut Page, Find<'_>) -> Result<()>,
    ) -> Result<bool> {
        if self.given == self.rows.len() {
            self.rows.clear();
            (self.given, self.is_one_by_one) = (0, false);
            fetch(self)?;
            let Some(last) = self.rows.iter().last().map(|row| row.key()) else {
                return Ok(false);
            };
            self.last = Some(last);
        }
        if !self.is_one_by_one {
            // Copied: a page that cannot be filled is empty, and the rows are needed once more.
            let filled = fill(page, &mut |empty| {
                self.rows.iter().for_each(|row| empty.push(&row));
                Ok(())
            });
            match filled {
                Ok(()) => self.given = self.rows.len(),
                // So that nothing before it is lost, and that payloads which are too large for one page are not.
                Err(Error::Payload { .. }) => self.is_one_by_one = true,
                Err(error) => return Err(error),
            }
        }
        if let Some(row) = self.rows.iter().nth(self.given) {
            let filled = fill(page, &mut |empty| {
                empty.push(&row);
                Ok(())
            });
            filled.map_err(|error| interrupted(error, row.key()))?;
            self.given += 1;
        }
        Ok(true)
    }
}

/// The error of an event, with the cursor to go on behind it.
fn interrupted(error: Error, at: Key) -> Error {
    match error {
        Error::Row { .. } | Error::Payload { .. } => Error::Interrupted {
            error: Box::new(error),
            cursor: at.to_string(),
        },
        other => other,
    }
}

fn interrupted_by_row(error: Error) -> Error {
    match error {
        Error::Row {
            event,
            created_at: Some(created_at),
            ..
        } => interrupted(error, Key { created_at, id: event }),
        // It has no place in the order.
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PayloadRef, Row};

    fn row(id: i64) -> Row<'static> {
        Row {
            id,
            created_at: 100 - id,
            actor_id: 1,
            action: "LOGIN",
            resource_type: "T",
            resource_id: "R",
            payload_ref: PayloadRef { offset: 0, len: 2 },
        }
    }

    fn key(id: i64) -> Key {
        Key {
            created_at: 100 - id,
            id,
        }
    }

    fn unreadable(event: i64) -> Error {
        Error::Payload {
            event,
            offset: 0,
            len: 2,
            problem: "it is not what it was".to_owned(),
        }
    }

    /// A walk whose rows come in these chunks, and a page that takes so many events, but not this one's.
    struct Told {
        walk: Walk,
        chunks: Vec<Result<Vec<i64>>>,
        most: usize,
        bad: i64,
    }

    impl Told {
        fn new(chunks: Vec<Result<Vec<i64>>>, most: usize, bad: i64) -> Self {
            Told {
                walk: Walk::new(&Filter::ALL, None),
                chunks,
                most,
                bad,
            }
        }

        /// The ids of the next page.
        fn step(&mut self) -> Result<Option<Vec<i64>>> {
            let mut page = Page::default();
            page.push(&row(99), b"{}");
            let fetch = |walk: &mut Walk| {
                let chunk = self.chunks.remove(0)?;
                chunk.iter().for_each(|&id| walk.parts().1.push(&row(id)));
                Ok(())
            };
            let is_more = self.walk.step(&mut page, fetch, |page, find| {
                page.clear();
                let mut rows = Rows::default();
                find(&mut rows)?;
                if rows.len() > self.most {
                    return Err(unreadable(rows.iter().next().unwrap().id));
                }
                if rows.iter().any(|row| row.id == self.bad) {
                    return Err(unreadable(self.bad));
                }
                rows.iter().for_each(|row| page.push(&row, b"{}"));
                Ok(())
            })?;
            let ids: Vec<i64> = page.events().map(|event| event.id).collect();
            assert!(is_more || ids.is_empty());
            Ok(is_more.then_some(ids))
        }
    }

    #[test]
    fn a_walk_ends_where_there_are_no_more_rows_and_asks_for_none_again() {
        let mut told = Told::new(vec![Ok(vec![1, 2, 3]), Ok(vec![4]), Ok(vec![])], 500, 0);
        assert_eq!(told.walk.last(), None);
        assert_eq!(told.step().unwrap(), Some(vec![1, 2, 3]));
        assert_eq!(told.walk.last(), Some(key(3)));
        assert_eq!(told.step().unwrap(), Some(vec![4]));
        assert_eq!(told.walk.last(), Some(key(4)));
        for _ in 0..2 {
            // A further chunk would be taken from an empty list.
            assert_eq!(told.step().unwrap(), None);
        }
    }

    #[test]
    fn behind_an_error_a_walk_is_at_its_end() {
        let mut told = Told::new(vec![Ok(vec![1]), Err(unreadable(7)), Ok(vec![2])], 500, 0);
        assert_eq!(told.step().unwrap(), Some(vec![1]));
        assert!(matches!(told.step(), Err(Error::Payload { event: 7, .. })));
        assert_eq!(told.step().unwrap(), None);
    }

    #[test]
    fn the_events_before_one_that_cannot_be_read_are_given_first() {
        let mut told = Told::new(vec![Ok(vec![1, 2, 3, 4])], 500, 3);
        assert_eq!(told.step().unwrap(), Some(vec![1]));
        assert_eq!(told.step().unwrap(), Some(vec![2]));
        match told.step() {
            Err(Error::Interrupted { cursor, .. }) => assert_eq!(cursor, key(3).to_string()),
            other => panic!("{other:?}"),
        }
        assert_eq!(told.step().unwrap(), None);
    }

    #[test]
    fn payloads_too_large_for_one_page_are_given_one_by_one_up_to_the_next_rows() {
        let mut told = Told::new(vec![Ok(vec![1, 2, 3]), Ok(vec![4, 5]), Ok(vec![])], 2, 0);
        let pages: Vec<Vec<i64>> = std::iter::from_fn(|| told.step().unwrap()).collect();
        assert_eq!(pages, [vec![1], vec![2], vec![3], vec![4, 5]]);
    }

    #[test]
    fn a_row_that_cannot_be_read_names_the_cursor_behind_it_once() {
        let row_error = |created_at| Error::Row {
            event: 9,
            created_at,
            problem: "an action of no text".to_owned(),
        };
        let mut spool = RowSpool::new();
        spool.push(&row(1)).unwrap();
        let mut spooled = Spooled {
            rows: spool.into_reader().unwrap(),
            end: Err(row_error(Some(91))),
        };
        let mut rows = Rows::default();
        spooled.read(&mut rows).unwrap();
        assert_eq!(rows.len(), 1);
        match spooled.read(&mut rows) {
            Err(Error::Interrupted { cursor, .. }) => assert_eq!(cursor, key(9).to_string()),
            other => panic!("{other:?}"),
        }
        spooled.read(&mut rows).unwrap();
        assert_eq!(rows.len(), 1);
        // Without a time it has no place in the order.
        assert!(matches!(interrupted_by_row(row_error(None)), Error::Row { .. }));
    }
}
