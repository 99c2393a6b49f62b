//! Makes the next delta of the last.

use std::sync::Arc;

use super::{Delta, ListDelta, ListKey};
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
        if let Some(row) = self.added_by_id.get(&key.id).filter(|row| row.key == key).cloned() {
            self.added_by_id.remove_cow(&key.id);
            if self.is_rows_only {
                return Ok(());
            }
            return self.for_lists(row.actor_id, &row.action, |_, list| list.take_back(key));
        }
        let Some((rank, row)) = find(base, key)? else {
            return Err(Corrupted::new("an event is to go that is not there"));
        };
        self.remove_rank(base, rank, &row)
    }

    fn remove_rank(&mut self, base: &Base, rank: u64, row: &OwnedRow) -> Result<(), Corrupted> {
        self.for_lists(row.actor_id, &row.action, |key, list| {
            list.remove_position(position(base, key, rank)?)
        })
    }

    /// Takes a rank of the base away.
    pub(super) fn remove_of_base(&mut self, base: &Base, rank: u32) -> Result<(), Corrupted> {
        let rank = u64::from(rank);
        self.remove_rank(base, rank, &row_at(base, rank)?)
    }

    pub(super) fn add(&mut self, base: &Base, row: OwnedRow) -> Result<(), Corrupted> {
        if self.added_by_id.get(&row.key.id).is_some() {
            return Err(Corrupted::new("an event is to come that is there already"));
        }
        let id = row.key.id;
        if let Some(&rank) = base.ranks_of_ids(&(id..=id), 1)?.first() {
            // A row that is again what it was needs no place in the delta.
            if row_at(base, rank)? == row {
                return self.for_lists(row.actor_id, &row.action, |key, list| {
                    list.restore_position(position(base, key, rank)?)
                });
            }
            if !self.of_all().is_some_and(|all| all.is_removed(rank)) {
                return Err(Corrupted::new("an event is to come that is there already"));
            }
        }
        let row = Arc::new(row);
        self.added_by_id.insert_cow(row.key.id, Arc::clone(&row));
        if self.is_rows_only {
            return Ok(());
        }
        let rank = base.rank_of_key(row.key)?;
        self.for_lists(row.actor_id, &row.action, |key, list| {
            list.add(position(base, key, rank)?, &row)
        })
    }

    /// Changes the lists that a row is in. One that is no longer different is forgotten.
    fn for_lists(
        &mut self,
        actor_id: i64,
        action: &str,
        mut change: impl FnMut(&ListKey, &mut ListDelta) -> Result<(), Corrupted>,
    ) -> Result<(), Corrupted> {
        // That of all events is the first.
        let kept = if self.is_rows_only { 1 } else { usize::MAX };
        for key in ListKey::of_row(actor_id, action).into_iter().take(kept) {
            let list = Arc::make_mut(self.lists.get_or_default_cow(key.clone()));
            change(&key, list)?;
            if list.is_empty() {
                self.lists.remove_cow(&key);
            }
        }
        Ok(())
    }
}

/// How many events of a list come before a rank.
fn position(base: &Base, key: &ListKey, rank: u64) -> Result<u32, Corrupted> {
    let list = base.list(&key.filter(), 0)?;
    // No list is longer than 32 bits can count.
    Ok(base.first_in(&list, rank)? as u32)
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
