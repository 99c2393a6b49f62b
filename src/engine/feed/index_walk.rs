//! The rows of an index that does not change, oldest first, a few at a time.

use std::collections::HashSet;

use crate::error::Result;
use crate::model::{Filter, Key, Position, Query, Rows};
use crate::storage::index::{Corrupted, Index};

/// How many rows are read at once.
const CHUNK: u32 = 500;

/// A way through the newest rows of a filter, from the oldest of them on.
#[derive(Debug)]
pub(super) struct IndexWalk {
    index: Index,
    filter: Filter,
    /// Pages, newest first, that are still to be read.
    pages: u64,
    /// Only what comes behind this key in the order, oldest first.
    after: Option<Key>,
    /// Only these ids, if given.
    only: Option<HashSet<i64>>,
}

impl IndexWalk {
    /// Every row that is newer than `after`.
    pub(super) fn newer_than(index: Index, filter: &Filter, after: Key) -> std::result::Result<Self, Corrupted> {
        let older = Filter {
            as_of: Some(after),
            ..filter.clone()
        };
        let rows = index.count(filter)?.saturating_sub(index.count(&older)?);
        Ok(IndexWalk {
            index,
            filter: filter.clone(),
            pages: rows.div_ceil(CHUNK.into()),
            after: Some(after),
            only: None,
        })
    }

    /// Every row with one of these ids.
    pub(super) fn of_ids(index: Index, filter: &Filter, only: HashSet<i64>) -> std::result::Result<Self, Corrupted> {
        let rows = if only.is_empty() { 0 } else { index.count(filter)? };
        Ok(IndexWalk {
            index,
            filter: filter.clone(),
            pages: rows.div_ceil(CHUNK.into()),
            after: None,
            only: Some(only),
        })
    }

    /// Appends the next rows; none at the end.
    pub(super) fn read(&mut self, rows: &mut Rows) -> Result<std::result::Result<(), Corrupted>> {
        let mut page = Rows::default();
        while rows.is_empty() && self.pages > 0 {
            let query = Query::new(self.filter.clone(), Position::Page(self.pages), CHUNK.into())?;
            if let Err(why) = self.index.page(&query, &mut page) {
                return Ok(Err(why));
            }
            self.pages -= 1;
            let is_asked = |key: Key| {
                self.after.is_none_or(|after| key > after)
                    && self.only.as_ref().is_none_or(|only| only.contains(&key.id))
            };
            let found: Vec<_> = page.iter().filter(|row| is_asked(row.key())).collect();
            found.iter().rev().for_each(|row| rows.push(row));
        }
        Ok(Ok(()))
    }
}
