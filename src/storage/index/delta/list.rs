//! What differs in one posting list, and the list that base and delta make together.

use std::sync::Arc;

use imbl::Vector;

use crate::model::Key;
use crate::storage::index::base::corrupted::Corrupted;
use crate::storage::index::base::reader::{Base, List};
use crate::storage::index::fetch::Slot;
use crate::storage::index::row::OwnedRow;

/// What differs in a posting list of the base.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListDelta {
    /// Positions in the base's list whose events are gone, ascending.
    removed: Vector<u32>,
    /// Events that came, in the order.
    added: Vector<Added>,
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

    pub(crate) fn removed(&self) -> &Vector<u32> {
        &self.removed
    }

    /// Whether the event at a position of the base's list is gone.
    pub(crate) fn is_removed(&self, position: u64) -> bool {
        u32::try_from(position).is_ok_and(|position| self.removed.binary_search(&position).is_ok())
    }

    /// How many events are gone before a position of the base's list.
    fn removed_before(&self, position: u64) -> u64 {
        let found = self
            .removed
            .binary_search_by(|&removed| u64::from(removed).cmp(&position));
        found.unwrap_or_else(|place| place) as u64
    }

    fn added_before(&self, is_before: impl Fn(Key) -> bool) -> usize {
        partition_point(self.added.len(), |index| is_before(self.added[index].row.key))
    }

    /// Takes an event of the base's list away.
    ///
    /// # Errors
    /// It is gone already.
    pub(super) fn remove_position(&mut self, position: u32) -> Result<(), Corrupted> {
        match self.removed.binary_search(&position) {
            Ok(_) => Err(Corrupted("an event is to go that is gone already")),
            Err(place) => {
                self.removed.insert(place, position);
                Ok(())
            }
        }
    }

    /// Gives an event of the base's list back.
    ///
    /// # Errors
    /// It is not gone.
    pub(super) fn restore_position(&mut self, position: u32) -> Result<(), Corrupted> {
        let place = self.removed.binary_search(&position);
        let place = place.map_err(|_| Corrupted("an event is to come back that is there"))?;
        self.removed.remove(place);
        Ok(())
    }

    /// Adds an event that `place` events of the base's list come before.
    ///
    /// # Errors
    /// It is there already.
    pub(super) fn add(&mut self, place: u32, row: &Arc<OwnedRow>) -> Result<(), Corrupted> {
        let index = self.added_before(|key| key < row.key);
        if self.added.get(index).is_some_and(|added| added.row.key == row.key) {
            return Err(Corrupted("an event is to come that is there already"));
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
            return Err(Corrupted("an event is to go that is not there"));
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
        let rank = self.base.first_rank(|created_at| created_at >= time)?;
        let in_base = self.base.first_in(&self.list, rank)?;
        Ok(self.position(in_base, self.delta.added_before(|key| key.created_at < time)))
    }

    /// The first position at which an event is behind a time.
    pub(crate) fn first_after(&self, time: i64) -> Result<u64, Corrupted> {
        let rank = self.base.first_rank(|created_at| created_at > time)?;
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
        (in_base + added as u64).saturating_sub(self.delta.removed_before(in_base))
    }

    /// The position of an event that came.
    fn position_of_added(&self, index: usize) -> u64 {
        self.position(self.delta.added[index].place.into(), index)
    }

    /// The event at a position.
    ///
    /// # Errors
    /// There is none, or the base is damaged.
    pub(crate) fn get(&self, position: u64) -> Result<Slot, Corrupted> {
        let delta = self.delta;
        let added = partition_point(delta.added.len(), |index| self.position_of_added(index) < position);
        if let Some(event) = delta.added.get(added)
            && self.position_of_added(added) == position
        {
            return Ok(Slot::Added(Arc::clone(&event.row)));
        }
        // Among the events of the base's list that are still there.
        let nth = position.saturating_sub(added as u64);
        let there_before = |index: usize| u64::from(delta.removed[index]).saturating_sub(index as u64);
        let skipped = partition_point(delta.removed.len(), |index| there_before(index) <= nth);
        let position = nth + skipped as u64;
        if position >= self.list.len() {
            return Err(Corrupted("a position lies behind the end of a list"));
        }
        Ok(Slot::Base(self.base.rank(&self.list, position)?))
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
