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
    let mut flush = |rows: &mut Rows| -> Result<()> {
        fill(&mut page, &mut |empty| {
            std::mem::swap(empty, rows);
            Ok(())
        })?;
        sink(&page)
    };
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
        Err(error @ Error::Row { .. }) => flush(&mut rows).and(Err(error)),
        Err(error) => Err(error),
    }
}

/// Where an index turned out to be corrupt, and what of it was streamed before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interrupted {
    pub(super) why: Corrupted,
    /// The last event that was given to the sink.
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
    sink: &mut dyn FnMut(&Page) -> Result<()>,
) -> Result<Option<Interrupted>> {
    let mut query = Query::new(filter.clone(), Position::Page(1), CHUNK.into())?;
    let (mut rows, mut page) = (Rows::default(), Page::default());
    let mut last = None;
    loop {
        if let Err(why) = index.page(&query, &mut rows) {
            return Ok(Some(Interrupted { why, last }));
        }
        payloads.fill(&mut page, |empty| {
            std::mem::swap(empty, &mut rows);
            Ok(())
        })?;
        let Some(key) = page.events().last().map(|event| event.key()) else {
            return Ok(None);
        };
        sink(&page)?;
        last = Some(key);
        query.move_after(key);
    }
}
