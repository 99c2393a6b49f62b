//! What the live service does for each request, and nothing else. Do not make this faster.

use super::stream::{self, Source, Walk};
use super::{Engine, newest_first, newest_of, retry};
use crate::error::{Error, Result};
use crate::model::{Filter, Key, Page, Query, Rows};
use crate::progress::Progress;
use crate::storage::data_dir::DataDir;
use crate::storage::payload;
use crate::storage::sqlite::Connection;

/// The model: LIMIT … OFFSET on a connection of its own, a file handle for each event.
#[derive(Debug)]
pub struct Baseline {
    dir: DataDir,
}

impl Baseline {
    /// The baseline on the log in `dir`.
    #[must_use]
    pub fn new(dir: &DataDir) -> Self {
        Baseline { dir: dir.clone() }
    }
}

impl Baseline {
    /// Runs `ask` on a connection of its own. Where nothing can be written, the service itself could not read a
    /// database in WAL mode at all: it is read without locks instead.
    fn ask(&self, mut ask: impl FnMut(&Connection) -> Result<()>) -> Result<()> {
        retry::until_confirmed(|| {
            let asked = Connection::open_baseline(&self.dir).and_then(|connection| ask(&connection));
            match asked {
                Err(error @ Error::Unreadable { .. }) => ask(&Connection::open_immutable(&self.dir, error)?),
                answered => answered,
            }
        })
    }
}

impl Engine for Baseline {
    fn page(&self, query: &Query, page: &mut Page) -> Result<()> {
        payload::fill_baseline(&self.dir, page, |rows| {
            self.ask(|connection| connection.baseline_page(query, rows))
        })
    }

    fn newest(&self) -> Result<Key> {
        let mut rows = Rows::default();
        self.ask(|connection| connection.baseline_page(&newest_first(1)?, &mut rows))?;
        Ok(newest_of(&rows))
    }

    fn count(&self, filter: &Filter) -> Result<u64> {
        retry::until_confirmed(|| Connection::open(&self.dir)?.count(filter))
    }

    fn advance(&self, walk: &mut Walk, page: &mut Page) -> Result<bool> {
        walk.step(
            page,
            |walk| {
                if let (Source::NotBegun, _) = walk.parts() {
                    let spooled = stream::spool_from(&self.dir, walk.filter(), walk.last())?;
                    *walk.parts().0 = Source::Spooled(spooled);
                }
                match walk.parts() {
                    (Source::Spooled(spooled), rows) => spooled.read(rows),
                    _ => Ok(()),
                }
            },
            |page, find| payload::fill_baseline(&self.dir, page, find),
        )
    }

    fn maintain(&self, _progress: Progress<'_>) -> Result<()> {
        Ok(())
    }
}
