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
