//! The two engines behind one trait. An engine takes a query and gives a page: it never prints, exits or asks
//! what time it is.

mod baseline;
mod floor;
mod indexed;
mod refresh;

use crate::error::{Error, Result};
use crate::model::{Filter, Mode, Page, Query, Rows};
use crate::progress::Progress;
use crate::storage::data_dir::DataDir;
use crate::storage::dataset;

pub use baseline::Baseline;
pub use floor::Floor;
pub use indexed::Enhanced;

/// What answers requests on one log. Any number of threads may ask at once.
pub trait Engine: Send + Sync {
    /// Puts the page that the query asks for into `page`, with every payload read from disk and decoded.
    ///
    /// # Errors
    /// The log cannot be read, a row or a payload of the page is no event. The page then holds nothing.
    fn page(&self, query: &Query, page: &mut Page) -> Result<()>;

    /// How many events match.
    ///
    /// # Errors
    /// The log cannot be read.
    fn count(&self, filter: &Filter) -> Result<u64>;

    /// Gives every matching event to `sink`, newest first, a few at a time, all from one moment of the log.
    ///
    /// # Errors
    /// Those of [`Engine::page`], for the first event that has one, and those of `sink`.
    fn all(&self, filter: &Filter, sink: &mut dyn FnMut(&Page) -> Result<()>) -> Result<()>;

    /// Does what the answers left to be done, when no answer waits for it: `progress` is called with how much of
    /// it is done and how much there is.
    ///
    /// # Errors
    /// The log cannot be read. Every answer so far was right all the same.
    fn maintain(&self, progress: Progress<'_>) -> Result<()>;
}

/// How an engine will be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// For one request: what could be prepared for later ones waits for [`Engine::maintain`].
    OneShot,
    /// For many: what later ones profit from is prepared beside the answers, by a thread of its own.
    LongLived,
}

/// Called with one line that a person should know of, though every answer is right without it.
pub type Notify = Box<dyn Fn(&str) + Send + Sync>;

/// How many events [`Engine::all`] holds at once.
const CHUNK: u32 = 500;

/// Opens the engine of a mode.
///
/// # Errors
/// There is no log in the directory.
pub fn open(mode: Mode, dir: &DataDir, lifetime: Lifetime, notify: Notify) -> Result<Box<dyn Engine>> {
    dataset::recover(dir)?;
    dir.require()?;
    Ok(match mode {
        Mode::Baseline => Box::new(Baseline::new(dir)),
        Mode::Enhanced => Box::new(Enhanced::open(dir, lifetime, notify)),
    })
}

/// What a page is filled from, see [`Page::fill`].
type Find<'a> = &'a mut dyn FnMut(&mut Rows) -> Result<()>;

/// Streams the rows of `filter` from one statement: reads their payloads chunk by chunk.
fn stream_rows(
    connection: &crate::storage::sqlite::Connection,
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
