//! What differs in one posting list, and the list that base and delta make together.

use std::ops::Range;
use std::sync::Arc;

use super::chunks::Chunks;
use crate::model::Key;
use crate::storage::index::base::corrupted::Corrupted;
use crate::storage::index::base::reader::{Base, List};
use crate::storage::index::fetch::Slot;
use crate::storage::index::row::OwnedRow;

/// What differs in a posting list of the base.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListDelta {
    /// Positions in the base's list whose events are gone, ascending.
    removed: Chunks<u32>,
    /// Events that came, in the order.
    added: Chunks<Added>,
}

/// An event that came.
#[derive(Clone, Debug)]
struct Added {
    /// How many events of the base's list come before it, gone ones included.
    place: u32,
    row: Arc<OwnedRow>,
}

impl ListDelta {
    pub(crate) fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }

    /// What is gone, without what came.
    pub(super) fn without_added(&self) -> Self {
        ListDelta {
            removed: self.removed.clone(),
            added: Chunks::default(),
        }
    }

    /// The positions of the base's list whose events are gone, ascending.
    pub(crate) fn removed(&self) -> impl Iterator<Item = u32> {
        self.removed.iter().copied()
    }

    /// How many events of the base's list are gone.
    pub(crate) fn removed_len(&self) -> u64 {
        self.removed.len() as u64
    }

    /// Whether the event at a position of the base's list is gone.
    pub(crate) fn is_removed(&self, position: u64) -> bool {
        let found = self.removed_before(position);
        self.removed
            .get(found)
            .is_some_and(|&removed| u64::from(removed) == position)
    }

    /// How many events are gone before a position of the base's list.
    fn removed_before(&self, position: u64) -> usize {
        self.removed.partition_point(|&removed| u64::from(removed) < position)
    }

    fn added_before(&self, is_before: impl Fn(Key) -> bool) -> usize {
        self.added.partition_point(|added| is_before(added.row.key))
    }

    /// Takes an event of the base's list away.
    ///
    /// # Errors
    /// It is gone already.
    pub(super) fn remove_position(&mut self, position: u32) -> Result<(), Corrupted> {
        if self.is_removed(position.into()) {
            return Err(Corrupted::new("an event is to go that is gone already"));
        }
        self.removed.insert(self.removed_before(position.into()), position);
        Ok(())
    }

    /// Gives an event of the base's list back.
    ///
    /// # Errors
    /// It is not gone.
    pub(super) fn restore_position(&mut self, position: u32) -> Result<(), Corrupted> {
        if !self.is_removed(position.into()) {
            return Err(Corrupted::new("an event is to come back that is there"));
        }
        self.removed.remove(self.removed_before(position.into()));
        Ok(())
    }

    /// Adds an event that `place` events of the base's list come before.
    ///
    /// # Errors
    /// It is there already.
    pub(super) fn add(&mut self, place: u32, row: &Arc<OwnedRow>) -> Result<(), Corrupted> {
        let index = self.added_before(|key| key < row.key);
        if self.added.get(index).is_some_and(|added| added.row.key == row.key) {
            return Err(Corrupted::new("an event is to come that is there already"));
        }
        let row = Arc::clone(row);
        self.added.insert(index, Added { place, row });
        Ok(())
    }

    /// Takes an event away that was added.
    ///
    /// # Errors
    /// It was not.
    pub(super) fn take_back(&mut self, key: Key) -> Result<(), Corrupted> {
        let index = self.added_before(|added| added < key);
        if self.added.get(index).is_none_or(|added| added.row.key != key) {
            return Err(Corrupted::new("an event is to go that is not there"));
        }
        self.added.remove(index);
        Ok(())
    }
}

/// A posting list of base and delta together. Positions count the events that are there now.
pub(crate) struct Merged<'a> {
    pub(crate) base: &'a Base,
    pub(crate) list: List,
    pub(crate) delta: &'a ListDelta,
}

impl Merged<'_> {
    /// How many events are there.
    pub(crate) fn len(&self) -> u64 {
        (self.list.len() + self.delta.added.len() as u64).saturating_sub(self.delta.removed.len() as u64)
    }

    /// The first position at which an event is not before a time.
    pub(crate) fn first_at(&self, time: i64) -> Result<u64, Corrupted> {
        let rank = self.base.first_rank_at(time)?;
        let in_base = self.base.first_in(&self.list, rank)?;
        Ok(self.position(in_base, self.delta.added_before(|key| key.created_at < time)))
    }

    /// The first position at which an event is behind a time.
    pub(crate) fn first_after(&self, time: i64) -> Result<u64, Corrupted> {
        let rank = self.base.first_rank_after(time)?;
        let in_base = self.base.first_in(&self.list, rank)?;
        Ok(self.position(in_base, self.delta.added_before(|key| key.created_at <= time)))
    }

    /// The first position at which an event is not before `key`.
    pub(crate) fn first_not_before(&self, key: Key) -> Result<u64, Corrupted> {
        let in_base = self.base.first_not_before(key, &self.list)?;
        Ok(self.position(in_base, self.delta.added_before(|added| added < key)))
    }

    /// How many events are there of so many of the base's list and so many of those that came.
    fn position(&self, in_base: u64, added: usize) -> u64 {
        let removed = self.delta.removed_before(in_base);
        (in_base + added as u64).saturating_sub(removed as u64)
    }

    /// The events at these positions, the last one first.
    ///
    /// # Errors
    /// There are not as many, or the base is damaged.
    pub(crate) fn newest_first(&self, positions: Range<u64>) -> Result<Vec<Slot>, Corrupted> {
        let mut walk = self.walk_before(positions.end);
        positions.map(|_| walk.step()).collect()
    }

    /// What walks to the start, from the event before a position on.
    fn walk_before(&self, position: u64) -> Walk<'_> {
        let (delta, len) = (self.delta, self.delta.added.len());
        let is_before = |index: usize| {
            let place = delta.added.get(index).map_or(u32::MAX, |added| added.place);
            self.position(place.into(), index) < position
        };
        let added = partition_point(len, is_before);
        let there = position.saturating_sub(added as u64);
        // A gone event lies before the end of those that are there, if fewer than all of these come before it.
        let there_before = |index: usize| {
            let removed = delta.removed.get(index).map_or(u64::MAX, |&removed| removed.into());
            removed.saturating_sub(index as u64)
        };
        let removed = partition_point(delta.removed.len(), |index| there_before(index) < there);
        Walk {
            merged: self,
            added,
            in_base: there.saturating_add(removed as u64),
            removed,
        }
    }
}

/// A way through a merged list to its start.
struct Walk<'a> {
    merged: &'a Merged<'a>,
    /// How many are still to come of the events that came, of the positions of the base's list, and of the gone ones
    /// among these.
    added: usize,
    in_base: u64,
    removed: usize,
}

impl Walk<'_> {
    fn step(&mut self) -> Result<Slot, Corrupted> {
        let Merged { base, list, delta } = self.merged;
        while let Some(index) = self.removed.checked_sub(1)
            && let Some(&removed) = delta.removed.get(index)
            && u64::from(removed) + 1 == self.in_base
        {
            (self.removed, self.in_base) = (index, removed.into());
        }
        // Behind all that is left of the base?
        if let Some(index) = self.added.checked_sub(1)
            && let Some(added) = delta.added.get(index)
            && u64::from(added.place) >= self.in_base
        {
            self.added = index;
            return Ok(Slot::Added(Arc::clone(&added.row)));
        }
        let position = self.in_base.checked_sub(1).filter(|&position| position < list.len());
        let position = position.ok_or(Corrupted::new("a position lies behind the end of a list"))?;
        self.in_base = position;
        Ok(Slot::Base(base.rank(list, position)?))
    }
}

fn partition_point(len: usize, mut is_before: impl FnMut(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
