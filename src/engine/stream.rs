//! Every matching event, a few at a time, all from one moment of the log.

use super::Find;
use crate::error::{Error, Result};
use crate::model::{Filter, Key, Page, Position, Query, Rows};
use crate::storage::index::{Corrupted, Index};
use crate::storage::payload::Payloads;
use crate::storage::sqlite::Connection;

/// How many events are held at once.
const CHUNK: u32 = 500;

/// Streams the rows of `filter` from one statement, those behind `after` if there is one: reads their payloads chunk by
/// chunk.
pub(super) fn rows(
    connection: &Connection,
    filter: &Filter,
    after: Option<Key>,
    mut fill: impl FnMut(&mut Page, Find<'_>) -> Result<()>,
    sink: &mut dyn FnMut(&Page) -> Result<()>,
) -> Result<()> {
    let (mut rows, mut page) = (Rows::default(), Page::default());
    let mut flush = |rows: &mut Rows| give(rows, &mut page, &mut fill, sink);
    let visited = connection.each(filter, after, |row| {
        rows.push(row);
        if rows.len() as u32 == CHUNK {
            flush(&mut rows)
        } else {
            Ok(())
        }
    });
    match visited {
        Ok(()) => flush(&mut rows),
        // The rows before one that cannot be read are events all the same.
        Err(error @ Error::Row { .. }) => flush(&mut rows).and(Err(interrupted_by_row(error))),
        Err(error) => Err(error),
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
