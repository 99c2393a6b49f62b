//! Every matching event, a few at a time, all from one moment of the log.

use super::row_spool::{RowReader, RowSpool};
use super::{Find, retry};
use crate::error::{Error, Result};
use crate::model::{Filter, Key, Page, Position, Query, Rows};
use crate::storage::data_dir::DataDir;
use crate::storage::index::{Corrupted, Index};
use crate::storage::payload::Payloads;
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

/// Streams the rows of `filter`, those behind `after` if there is one, from one statement, whose lock is let go before the first of them is given to `sink`:
/// whoever writes to the log must not wait for whoever reads the output.
pub(super) fn rows(
    dir: &DataDir,
    filter: &Filter,
    after: Option<Key>,
    fill: impl FnMut(&mut Page, Find<'_>) -> Result<()>,
    sink: &mut dyn FnMut(&Page) -> Result<()>,
) -> Result<()> {
    let spooled = retry::until_confirmed(|| spool(&Connection::open(dir)?, filter, after))?;
    spooled.stream(fill, sink)
}

impl Spooled {
    /// Reads the payloads chunk by chunk.
    pub(super) fn stream(
        mut self,
        mut fill: impl FnMut(&mut Page, Find<'_>) -> Result<()>,
        sink: &mut dyn FnMut(&Page) -> Result<()>,
    ) -> Result<()> {
        let (mut rows, mut page) = (Rows::default(), Page::default());
        while !self.rows.is_at_end() {
            self.rows.read(CHUNK as usize, &mut rows)?;
            give(&mut rows, &mut page, &mut fill, sink)?;
        }
        self.end.map_err(interrupted_by_row)
    }
}

/// Gives the events of these rows to `sink`, up to the first whose payload cannot be read. The rows are gone then.
fn give(
    rows: &mut Rows,
    page: &mut Page,
    mut fill: impl FnMut(&mut Page, Find<'_>) -> Result<()>,
    sink: &mut dyn FnMut(&Page) -> Result<()>,
) -> Result<()> {
    // Copied: a page that cannot be filled is empty, and the rows are needed once more.
    let filled = fill(page, &mut |empty| {
        rows.iter().for_each(|row| empty.push(&row));
        Ok(())
    });
    match filled {
        Ok(()) => sink(page)?,
        Err(Error::Payload { .. }) => {
            // One by one, so that nothing before it is lost, and that payloads which are too large for one page are not.
            for row in rows.iter() {
                let alone = fill(page, &mut |empty| {
                    empty.push(&row);
                    Ok(())
                });
                alone.map_err(|error| interrupted(error, row.key()))?;
                sink(page)?;
            }
        }
        Err(error) => return Err(error),
    }
    rows.clear();
    Ok(())
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

/// Where an index turned out to be corrupt, and what of it was streamed before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interrupted {
    pub(super) why: Corrupted,
    /// The last event that was given to the sink, or the cursor that it began behind.
    pub(super) last: Option<Key>,
}

/// Streams from an index that stays as it is, whatever happens to the database meanwhile: all of it, or up to a block
/// that is corrupt.
///
/// # Errors
/// A payload that cannot be read, and those of `sink`.
pub(super) fn index(
    index: &Index,
    payloads: &Payloads,
    filter: &Filter,
    after: Option<Key>,
    sink: &mut dyn FnMut(&Page) -> Result<()>,
) -> Result<Option<Interrupted>> {
    let start = after.map_or(Position::Page(1), Position::After);
    let mut query = Query::new(filter.clone(), start, CHUNK.into())?;
    let (mut rows, mut page) = (Rows::default(), Page::default());
    let mut last = after;
    loop {
        if let Err(why) = index.page(&query, &mut rows) {
            return Ok(Some(Interrupted { why, last }));
        }
        let Some(key) = rows.iter().last().map(|row| row.key()) else {
            return Ok(None);
        };
        give(&mut rows, &mut page, |page, find| payloads.fill(page, find), sink)?;
        last = Some(key);
        query.move_after(key);
    }
}
