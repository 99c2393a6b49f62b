//! Answers from base and delta: which slots a page has, and how many events match.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::base::corrupted::Corrupted;
use super::base::reader::Base;
use super::delta::{Delta, Merged, RowChanges};
use super::fetch::{BaseRows, InOrder, WillRead, push_slots};
use super::row::OwnedRow;
use crate::model::{Filter, Key, Position, Query, Row, Rows};

/// Rows that are in memory at once where all are read.
const AT_ONCE: usize = 4096;

/// All events of one state of a log: a base, and what changed since. Never changes, and is cheap to copy.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    base: Arc<Base>,
    delta: Arc<Delta>,
}

impl Index {
    /// A base with nothing changed.
    pub(crate) fn of_base(base: Base) -> Self {
        Index::new(Arc::new(base), Delta::default())
    }

    pub(crate) fn new(base: Arc<Base>, delta: Delta) -> Self {
        Index {
            base,
            delta: Arc::new(delta),
        }
    }

    pub(crate) fn base(&self) -> &Arc<Base> {
        &self.base
    }

    pub(crate) fn delta(&self) -> &Delta {
        &self.delta
    }

    /// How many events the log holds.
    pub(crate) fn events(&self) -> u64 {
        (self.base.events() + self.delta.added()).saturating_sub(self.delta.removed())
    }

    /// The index behind these changes.
    ///
    /// # Errors
    /// The base is damaged, or the changes contradict what is there.
    pub(crate) fn changed(&self, changes: RowChanges) -> Result<Self, Corrupted> {
        Ok(Index::new(
            Arc::clone(&self.base),
            self.delta.changed(&self.base, changes)?,
        ))
    }

    /// The rows with an id in `ids`, by id.
    ///
    /// # Errors
    /// The base is damaged.
    pub(crate) fn rows_in(&self, ids: &RangeInclusive<i64>) -> Result<Vec<OwnedRow>, Corrupted> {
        self.delta.rows_in(&self.base, ids)
    }

    /// Gives every row to `visit`, by id, a few at a time.
    ///
    /// # Errors
    /// The base is damaged.
    pub(crate) fn each_row(&self, visit: &mut dyn FnMut(&Row<'_>)) -> Result<(), Corrupted> {
        let mut next = i64::MIN;
        loop {
            let rows = self.delta.rows_from(&self.base, next, AT_ONCE)?;
            rows.iter().for_each(|row| visit(&row.as_row()));
            match rows.last().and_then(|row| row.key.id.checked_add(1)) {
                Some(id) => next = id,
                None => return Ok(()),
            }
        }
    }

    /// Replaces `rows` by those of the page.
    ///
    /// # Errors
    /// A damaged block; `rows` then holds nothing of use.
    pub(crate) fn page(&self, query: &Query, rows: &mut Rows) -> Result<(), Corrupted> {
        self.page_and_tell(query, rows, &|_| {})
    }

    /// The same; where it is not in memory, `will_read` is told of the rows' payloads.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn page_and_tell(
        &self,
        query: &Query,
        rows: &mut Rows,
        will_read: WillRead<'_>,
    ) -> Result<(), Corrupted> {
        rows.clear();
        let offset = query.offset();
        if offset >= self.events() {
            return Ok(());
        }
        match self.delta.list(query.filter()) {
            None => self.page_of_base(query, offset, rows, will_read),
            Some(delta) => {
                let merged = Merged {
                    base: &self.base,
                    list: self.base.list(query.filter(), 0)?,
                    delta: &delta,
                };
                self.page_of_merged(&merged, query, offset, rows, will_read)
            }
        }
    }

    /// The n-th of the events that match from the newest, from 1; `None` where there are fewer.
    ///
    /// # Errors
    /// A damaged block.
    pub(crate) fn nth_newest(&self, filter: &Filter, number: u64) -> Result<Option<Key>, Corrupted> {
        let Ok(query) = Query::new(filter.clone(), Position::Page(number), 1) else {
            return Ok(None);
        };
        let mut rows = Rows::default();
        self.page(&query, &mut rows)?;
        Ok(rows.iter().next().map(|row| row.key()))
    }

    /// How many events match.
    ///
    /// # Errors
    /// A damaged block.
    pub(crate) fn count(&self, filter: &Filter) -> Result<u64, Corrupted> {
        let list = self.base.list(filter, 0)?;
        let pin = pin(filter);
        let (first, end) = match self.delta.list(filter) {
            None => {
                let (first, end) = self.base.window(&list, filter)?;
                let pinned = pin.map(|key| self.base.first_not_before(key, &list)).transpose()?;
                (first, end.min(pinned.unwrap_or(end)))
            }
            Some(delta) => {
                let (base, delta) = (&self.base, &delta);
                let merged = Merged { base, list, delta };
                let (first, end) = window(&merged, filter)?;
                let pinned = pin.map(|key| merged.first_not_before(key)).transpose()?;
                (first, end.min(pinned.unwrap_or(end)))
            }
        };
        Ok(end.saturating_sub(first))
    }

    fn page_of_base(
        &self,
        query: &Query,
        offset: u64,
        rows: &mut Rows,
        will_read: WillRead<'_>,
    ) -> Result<(), Corrupted> {
        let base = &self.base;
        let list = base.list(query.filter(), offset)?;
        if offset >= list.len() {
            // Past the end of even the whole list: no need to look where the window lies.
            return Ok(());
        }
        let (first, mut end) = base.window(&list, query.filter())?;
        let bound = bound(query);
        if let Some(key) = bound {
            end = end.min(base.first_not_before(key, &list)?);
        }
        let Some(positions) = positions(query, first, end) else {
            return Ok(());
        };
        let ranks = positions.rev().map(|index| base.rank(&list, index));
        let found = BaseRows::read_and_tell(base.blocks(), ranks, will_read)?;
        let mut in_order = InOrder::new(rows, bound);
        found.iter().try_for_each(|row| in_order.push(&row?))
    }

    fn page_of_merged(
        &self,
        merged: &Merged<'_>,
        query: &Query,
        offset: u64,
        rows: &mut Rows,
        will_read: WillRead<'_>,
    ) -> Result<(), Corrupted> {
        if offset >= merged.len() {
            return Ok(());
        }
        let (first, mut end) = window(merged, query.filter())?;
        let bound = bound(query);
        if let Some(key) = bound {
            end = end.min(merged.first_not_before(key)?);
        }
        let Some(positions) = positions(query, first, end) else {
            return Ok(());
        };
        let slots = merged.newest_first(positions)?;
        push_slots(self.base.blocks(), &slots, bound, rows, will_read)
    }
}

/// The positions of a merged list that lie in a filter's window: first and end.
fn window(merged: &Merged<'_>, filter: &Filter) -> Result<(u64, u64), Corrupted> {
    if filter.from_ts > filter.to_ts {
        return Ok((0, 0));
    }
    let first = match filter.from_ts {
        i64::MIN => 0,
        from => merged.first_at(from)?,
    };
    let end = match filter.to_ts {
        i64::MAX => merged.len(),
        to => merged.first_after(to)?,
    };
    Ok((first, end))
}

/// The positions of a page, of those that a window and a bound leave; `None` where there is none.
fn positions(query: &Query, first: u64, end: u64) -> Option<std::ops::Range<u64>> {
    if end <= first {
        return None;
    }
    let newest = end.saturating_sub(query.offset()).max(first);
    let oldest = newest.saturating_sub(u64::from(query.page_size())).max(first);
    Some(oldest..newest)
}

/// The least key that no event of a page reaches: its cursor, or what comes before its pin.
fn bound(query: &Query) -> Option<Key> {
    let cursor = match query.position() {
        Position::After(key) => Some(key),
        Position::Page(_) => None,
    };
    cursor.into_iter().chain(pin(query.filter())).min()
}

/// The least key that comes before a filter's pin; `None` where none does.
fn pin(filter: &Filter) -> Option<Key> {
    filter.as_of.and_then(Key::successor)
}
