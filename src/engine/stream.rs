//! Every matching event, a few at a time, all from one moment of the log.

use super::Find;
use crate::error::{Error, Result};
use crate::model::{Filter, Page, Position, Query, Rows};
use crate::storage::data_dir::DataDir;
use crate::storage::index::Index;
use crate::storage::payload::Payloads;
use crate::storage::sqlite::Connection;

/// How many events are held at once.
const CHUNK: u32 = 500;

/// Streams the rows of `filter` from one statement: reads their payloads chunk by chunk.
pub(super) fn rows(
    connection: &Connection,
    filter: &Filter,
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
    let visited = connection.each(filter, |row| {
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

/// Streams from an index that stays as it is, whatever happens to the database meanwhile.
pub(super) fn index(
    dir: &DataDir,
    index: &Index,
    payloads: &Payloads,
    filter: &Filter,
    sink: &mut dyn FnMut(&Page) -> Result<()>,
) -> Result<()> {
    let mut query = Query::new(filter.clone(), Position::Page(1), CHUNK.into())?;
    let mut page = Page::default();
    loop {
        payloads.fill(&mut page, |rows| {
            index
                .page(&query, rows)
                .map_err(|why| why.error(dir, "cannot read on: the index was damaged meanwhile"))
        })?;
        let Some(last) = page.events().last().map(|event| event.key()) else {
            return Ok(());
        };
        sink(&page)?;
        query.move_after(last);
    }
}
