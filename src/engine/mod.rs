//! The two engines behind one trait. An engine takes a query and gives a page: it never prints, exits or asks
//! what time it is.

mod baseline;
mod cost;
mod fallback;
pub mod feed;
mod floor;
mod indexed;
mod live;
mod overview;
mod refresh;
mod retry;
mod row_spool;
#[cfg(test)]
mod scratch_log;
mod stream;
mod turns;

use crate::error::Result;
use crate::model::{Filter, Key, Mode, Page, Position, Query, Rows};
use crate::progress::Progress;
use crate::storage::data_dir::DataDir;

pub use baseline::Baseline;
pub use floor::Floor;
pub use indexed::Enhanced;
pub use overview::Overview;
pub use stream::Walk;

pub use crate::storage::index::{VerifiedRefreshes, verified_refreshes};

/// What answers requests on one log. Any number of threads may ask at once.
pub trait Engine: Send + Sync {
    /// Puts the page that the query asks for into `page`, with every payload read from disk and decoded.
    ///
    /// # Errors
    /// The log cannot be read, a row or a payload of the page is no event. The page then holds nothing.
    fn page(&self, query: &Query, page: &mut Page) -> Result<()>;

    /// The key of the newest event there is: the pin with which page numbers stand still from now on. [`Key::MIN`] for an
    /// empty log, before which nothing can come.
    ///
    /// # Errors
    /// The log cannot be read, or its newest row is no event.
    fn newest(&self) -> Result<Key> {
        let mut page = Page::default();
        self.page(&newest_first(1)?, &mut page)?;
        Ok(page.events().next().map_or(Key::MIN, |event| event.key()))
    }

    /// The same, but only where nothing has to be waited for: no refresh, no statement of SQLite, no disk. `None` where
    /// something has to, and `page` then holds nothing. For who holds a lock that others wait for.
    fn page_at_once(&self, _query: &Query, page: &mut Page) -> Option<Result<()>> {
        page.clear();
        None
    }

    /// How many events match.
    ///
    /// # Errors
    /// The log cannot be read.
    fn count(&self, filter: &Filter) -> Result<u64>;

    /// Puts the next events of a walk over all that match into `page`, a few at a time; `false` when all were given.
    /// Unless an engine does better, each page is of a moment of its own; those of both engines are all of one moment.
    ///
    /// # Errors
    /// [`Error::Interrupted`](crate::error::Error::Interrupted) for the first event that is none, once those before it were
    /// given; the log cannot be read. Behind an error the walk is at its end.
    fn advance(&self, walk: &mut Walk, page: &mut Page) -> Result<bool> {
        self.page(&walk.next_query(PAGE)?, page)?;
        let last = page.events().last().map(|event| event.key());
        if let Some(last) = last {
            walk.move_after(last);
        }
        Ok(last.is_some())
    }

    /// Gives every matching event to `sink`, newest first, a few at a time; those behind `after`, where one is given.
    ///
    /// # Errors
    /// Those of [`Engine::advance`], and of `sink`.
    fn all_after(&self, filter: &Filter, after: Option<Key>, sink: &mut dyn FnMut(&Page) -> Result<()>) -> Result<()> {
        let (mut walk, mut page) = (Walk::new(filter, after), Page::default());
        while self.advance(&mut walk, &mut page)? {
            sink(&page)?;
        }
        Ok(())
    }

    /// The same from the newest event on.
    ///
    /// # Errors
    /// Those of [`Engine::all_after`].
    fn all(&self, filter: &Filter, sink: &mut dyn FnMut(&Page) -> Result<()>) -> Result<()> {
        self.all_after(filter, None, sink)
    }

    /// Does what the answers left to be done, when no answer waits for it: `progress` is called with how much of
    /// it is done and how much there is.
    ///
    /// # Errors
    /// The log cannot be read. Every answer so far was right all the same.
    fn maintain(&self, progress: Progress<'_>) -> Result<()>;

    /// Whether [`Engine::maintain`] would build from the whole log what answers are found by.
    fn needs_build(&self) -> bool {
        false
    }

    /// What is known of the log's present state without reading the log.
    fn overview(&self) -> Option<Overview> {
        None
    }

    /// How often the engine brought what it knows up to date so far, and how.
    fn refreshes(&self) -> RefreshCounts {
        RefreshCounts::default()
    }
}

/// How many events a page holds where every event is asked for by pages.
const PAGE: u64 = 500;

/// The first page of the whole log.
fn newest_first(size: u64) -> Result<Query> {
    Query::new(Filter::ALL, Position::Page(1), size)
}

/// The key of the first row, see [`Engine::newest`].
fn newest_of(rows: &Rows) -> Key {
    rows.iter().next().map_or(Key::MIN, |row| row.key())
}

/// How often an index was brought up to date, and how often it could not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefreshCounts {
    /// The write-ahead log named the pages that changed.
    pub by_frames: u64,
    /// The hashes of leaf pages told which changed.
    pub by_hashes: u64,
    /// The index was built from the whole table.
    pub rebuilds: u64,
    /// A new base was written of a base and its delta.
    pub folds: u64,
    /// Answers that SQLite gave.
    pub by_sqlite: u64,
}

/// How an engine will be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// For one request: what could be prepared for later ones waits for [`Engine::maintain`].
    OneShot,
    /// For many: what later ones profit from is prepared beside the answers, by a thread of its own.
    LongLived,
}

/// What a line is for. Every answer is right without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A person should know of it.
    Warning,
    /// Somebody who asks why something took as long as it did wants to know.
    Detail,
}

/// Called with one line.
pub type Notify = Box<dyn Fn(Notice, &str) + Send + Sync>;

/// Opens the engine of a mode.
///
/// # Errors
/// There is no log in the directory.
pub fn open(mode: Mode, dir: &DataDir, lifetime: Lifetime, notify: Notify) -> Result<Box<dyn Engine>> {
    dir.require()?;
    Ok(match mode {
        Mode::Baseline => Box::new(Baseline::new(dir)),
        Mode::Enhanced => Box::new(Enhanced::open(dir, lifetime, notify)),
    })
}

/// What a page is filled from, see [`Page::fill`].
type Find<'a> = &'a mut dyn FnMut(&mut Rows) -> Result<()>;
