//! Every matching event, a few at a time, all from one moment of the log.

use crate::error::{Error, Result};
use crate::model::{Filter, Page, Position, Query};
use crate::storage::data_dir::DataDir;
use crate::storage::index::Index;
use crate::storage::payload::Payloads;
use crate::storage::sqlite::{Connection, texts_len};

/// How many events are held at once.
const CHUNK: u32 = 500;
/// How many bytes of texts are held at once, but for those of one event.
const CHUNK_TEXTS: usize = 16 << 20;

/// Streams the rows of `filter` from one statement: reads their payloads chunk by chunk.
pub(super) fn rows(
    connection: &Connection,
    filter: &Filter,
    mut fill: impl FnMut(&mut Page) -> Result<()>,
    sink: &mut dyn FnMut(&Page) -> Result<()>,
) -> Result<()> {
    let mut page = Page::default();
    let mut flush = |page: &mut Page| -> Result<()> {
        fill(page)?;
        sink(page)?;
        page.clear();
        Ok(())
    };
    let mut failed = None;
    let mut texts = 0;
    let visited = connection.each(filter, |row| {
        page.push(row);
        texts += texts_len(row);
        if page.len() as u32 == CHUNK || texts > CHUNK_TEXTS {
            texts = 0;
            flush(&mut page)
        } else {
            Ok(())
        }
    });
    match visited {
        Ok(()) => {}
        // The rows before one that cannot be read are events all the same.
        Err(error @ Error::Row { .. }) => failed = Some(error),
        Err(error) => return Err(error),
    }
    flush(&mut page)?;
    failed.map_or(Ok(()), Err)
}

/// Streams from an index that stays as it is, whatever happens to the database meanwhile.
pub(super) fn index(
    dir: &DataDir,
    index: &Index,
    payloads: &Payloads,
    filter: &Filter,
    sink: &mut dyn FnMut(&Page) -> Result<()>,
) -> Result<()> {
    let mut query = Query {
        filter: filter.clone(),
        position: Position::Page(1),
        page_size: CHUNK,
    };
    let mut page = Page::default();
    loop {
        index
            .page(&query, &mut page)
            .map_err(|why| why.error(dir, "cannot read on: the index was damaged meanwhile"))?;
        let Some(last) = page.events().last().map(|event| event.key()) else {
            return Ok(());
        };
        payloads.fill(&mut page)?;
        sink(&page)?;
        query.position = Position::After(last);
    }
}
