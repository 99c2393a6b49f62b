//! Makes the next delta of the last.

use std::sync::Arc;

use super::Delta;
use super::list::ListDelta;
use super::rows::{Added, Pair, Removed};
use crate::model::Key;
use crate::storage::index::base::corrupted::Corrupted;
use crate::storage::index::base::reader::Base;
use crate::storage::index::fetch::BaseRows;
use crate::storage::index::row::OwnedRow;

/// What rows changed. One that is another one now went and came.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowChanges {
    /// The places in the order of rows that are no longer there.
    pub(crate) removed: Vec<Key>,
    pub(crate) added: Vec<OwnedRow>,
}

impl RowChanges {
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> u64 {
        self.removed.len() as u64 + self.added.len() as u64
    }
}

impl Delta {
    /// The delta behind these changes.
    ///
    /// # Errors
    /// The base is damaged, or the changes contradict what is there.
    pub(crate) fn changed(&self, base: &Base, changes: RowChanges) -> Result<Delta, Corrupted> {
        let mut next = self.clone();
        for key in changes.removed {
            next.remove(base, key)?;
        }
        for row in changes.added {
            next.add(base, row)?;
        }
        Ok(next)
    }

    fn remove(&mut self, base: &Base, key: Key) -> Result<(), Corrupted> {
        if let Some(added) = self.added_row(key.id).filter(|added| added.row.key == key).cloned() {
            self.added.remove(self.added_before(key.id));
            return self.for_lists(&Pair::of(&added.row), |list| list.take_back(key));
        }
        let Some((rank, row)) = find(base, key)? else {
            return Err(Corrupted::new("an event is to go that is not there"));
        };
        let (rank, pair) = (rank_of(rank), Pair::of(&row));
        self.for_lists(&pair, |list| list.remove(rank))?;
        self.removed.insert(self.removed_before(rank), Removed { rank, pair });
        Ok(())
    }

    fn add(&mut self, base: &Base, row: OwnedRow) -> Result<(), Corrupted> {
        if self.added_row(row.key.id).is_some() {
            return Err(Corrupted::new("an event is to come that is there already"));
        }
        let (id, pair) = (row.key.id, Pair::of(&row));
        if let Some(&rank) = base.ranks_of_ids(&(id..=id), 1)?.first() {
            // A row that is again what it was needs no place in the delta.
            if row_at(base, rank)? == row {
                let rank = rank_of(rank);
                self.for_lists(&pair, |list| list.restore(rank))?;
                self.removed.remove(self.removed_before(rank));
                return Ok(());
            }
            if !self.all.is_removed(rank) {
                return Err(Corrupted::new("an event is to come that is there already"));
            }
        }
        let rank = rank_of(base.rank_of_key(row.key)?);
        let added = Added {
            rank,
            row: Arc::new(row),
        };
        self.for_lists(&pair, |list| list.add(added.clone()))?;
        self.added.insert(self.added_before(id), added);
        Ok(())
    }

    /// Changes the lists that a row is in.
    fn for_lists(
        &mut self,
        pair: &Pair,
        mut change: impl FnMut(&mut ListDelta) -> Result<(), Corrupted>,
    ) -> Result<(), Corrupted> {
        change(&mut self.all)?;
        self.lists.change(pair, change)
    }
}

/// No base has more events than 32 bits can count.
fn rank_of(rank: u64) -> u32 {
    rank as u32
}

/// The rank and the row of an event of the base; `None` if the base has none there.
fn find(base: &Base, key: Key) -> Result<Option<(u64, OwnedRow)>, Corrupted> {
    let rank = base.rank_of_key(key)?;
    if rank >= base.events() || base.key(rank)? != key {
        return Ok(None);
    }
    Ok(Some((rank, row_at(base, rank)?)))
}

fn row_at(base: &Base, rank: u64) -> Result<OwnedRow, Corrupted> {
    let rows = BaseRows::read(base.blocks(), std::iter::once(Ok(rank)))?;
    let row = rows.iter().next().ok_or(Corrupted::new("a rank is behind the end"))??;
    Ok(OwnedRow::from(&row))
}
