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

/// Streams the rows of `filter` from one statement, whose lock is let go before the first of them is given to `sink`:
/// whoever writes to the log must not wait for whoever reads the output.
pub(super) fn rows(
    dir: &DataDir,
    filter: &Filter,
    fill: impl FnMut(&mut Page, Find<'_>) -> Result<()>,
    sink: &mut dyn FnMut(&Page) -> Result<()>,
) -> Result<()> {
    let spooled = retry::until_confirmed(|| spool(&Connection::open(dir)?, filter, None))?;
    spooled.stream(fill, sink)
}

impl Spooled {
    /// Reads the payloads chunk by chunk.
    pub(super) fn stream(
        mut self,
        mut fill: impl FnMut(&mut Page, Find<'_>) -> Result<()>,
        sink: &mut dyn FnMut(&Page) -> Result<()>,
    ) -> Result<()> {
        let mut page = Page::default();
        while !self.rows.is_at_end() {
            fill(&mut page, &mut |rows| self.rows.read(CHUNK as usize, rows))?;
            sink(&page)?;
        }
        self.end
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
