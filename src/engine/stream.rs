//! Every matching event, a few at a time, all from one moment of the log.

use super::row_spool::RowSpool;
use super::{Find, retry};
use crate::error::{Error, Result};
use crate::model::{Filter, Page, Position, Query};
use crate::storage::data_dir::DataDir;
use crate::storage::index::Index;
use crate::storage::payload::Payloads;
use crate::storage::sqlite::Connection;

/// How many events are held at once.
const CHUNK: u32 = 500;

/// Streams the rows of `filter` from one statement, whose lock is let go before the first of them is given to `sink`:
/// whoever writes to the log must not wait for whoever reads the output. Payloads are read chunk by chunk.
pub(super) fn rows(
    dir: &DataDir,
    filter: &Filter,
    mut fill: impl FnMut(&mut Page, Find<'_>) -> Result<()>,
    sink: &mut dyn FnMut(&Page) -> Result<()>,
) -> Result<()> {
    let (spool, visited) = retry::until_confirmed(|| {
        let connection = Connection::open(dir)?;
        let mut spool = RowSpool::new();
        let visited = connection.each(filter, |row| spool.push(row));
        match visited {
            // The rows before one that cannot be read are events all the same.
            Ok(()) | Err(Error::Row { .. } | Error::Database { .. }) => Ok((spool, visited)),
            Err(error) => Err(error),
        }
    })?;
    let mut reader = spool.into_reader()?;
    let mut page = Page::default();
    while !reader.is_at_end() {
        fill(&mut page, &mut |rows| reader.read(CHUNK as usize, rows))?;
        sink(&page)?;
    }
    visited
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
