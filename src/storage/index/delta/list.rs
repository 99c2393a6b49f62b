//! What differs in one posting list, and the list that base and delta make together.

use std::ops::Range;
use std::sync::Arc;

use super::chunks::Chunks;
use super::rows::Added;
use crate::model::Key;
use crate::storage::index::base::corrupted::Corrupted;
use crate::storage::index::base::reader::{Base, List};
use crate::storage::index::base::search::partition_point;
use crate::storage::index::fetch::Slot;

/// What differs in a posting list of the base. It tells ranks, of which every list knows its own, and not positions in
/// the base's list: to find those, blocks all over the base would be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListDelta {
    /// The base's ranks whose events are gone, ascending.
    removed: Chunks<u32>,
    /// Events that came, in the order.
    added: Chunks<Added>,
}

impl ListDelta {
    pub(crate) fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }

    /// What is gone and what came; both in the order.
    pub(super) fn new(removed: impl Iterator<Item = u32>, added: impl Iterator<Item = Added>) -> Self {
        ListDelta {
            removed: removed.collect(),
            added: added.collect(),
        }
    }

    /// The events that came, in the order.
    pub(super) fn added(&self) -> impl Iterator<Item = &Added> {
        self.added.iter()
    }

    /// How many events of the base's list are gone.
    pub(crate) fn removed_len(&self) -> u64 {
        self.removed.len() as u64
    }

    /// How many events came.
    pub(super) fn added_len(&self) -> u64 {
        self.added.len() as u64
    }

    /// Whether the event of a rank of the base is gone from this list.
    pub(crate) fn is_removed(&self, rank: u64) -> bool {
        self.removed
            .get(self.removed_before(rank))
            .is_some_and(|&removed| u64::from(removed) == rank)
    }

    /// How many events are gone before a rank of the base.
    fn removed_before(&self, rank: u64) -> usize {
        self.removed.partition_point(|&removed| u64::from(removed) < rank)
    }

    fn added_before(&self, is_before: impl Fn(Key) -> bool) -> usize {
        self.added.partition_point(|added| is_before(added.row.key))
    }

    /// How many of the events that came come before the base's event of this rank.
    fn added_before_rank(&self, rank: u64) -> usize {
        self.added.partition_point(|added| u64::from(added.rank) <= rank)
    }

    /// Takes an event of the base's list away.
    ///
    /// # Errors
    /// It is gone already.
    pub(super) fn remove(&mut self, rank: u32) -> Result<(), Corrupted> {
        if self.is_removed(rank.into()) {
            return Err(Corrupted::new("an event is to go that is gone already"));
        }
        self.removed.insert(self.removed_before(rank.into()), rank);
        Ok(())
    }

    /// Gives an event of the base's list back.
    ///
    /// # Errors
    /// It is not gone.
    pub(super) fn restore(&mut self, rank: u32) -> Result<(), Corrupted> {
        if !self.is_removed(rank.into()) {
            return Err(Corrupted::new("an event is to come back that is there"));
        }
        self.removed.remove(self.removed_before(rank.into()));
        Ok(())
    }

    /// Adds an event.
    ///
    /// # Errors
    /// It is there already.
    pub(super) fn add(&mut self, added: Added) -> Result<(), Corrupted> {
        let index = self.added_before(|key| key < added.row.key);
        if self
            .added
            .get(index)
            .is_some_and(|there| there.row.key == added.row.key)
        {
            return Err(Corrupted::new("an event is to come that is there already"));
        }
        self.added.insert(index, added);
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
        (self.list.len() + self.delta.added_len()).saturating_sub(self.delta.removed_len())
    }

    /// The first position at which an event is not before a time.
    pub(crate) fn first_at(&self, time: i64) -> Result<u64, Corrupted> {
        let rank = self.base.first_rank_at(time)?;
        self.position(rank, self.delta.added_before(|key| key.created_at < time))
    }

    /// The first position at which an event is behind a time.
    pub(crate) fn first_after(&self, time: i64) -> Result<u64, Corrupted> {
        let rank = self.base.first_rank_after(time)?;
        self.position(rank, self.delta.added_before(|key| key.created_at <= time))
    }

    /// The first position at which an event is not before `key`.
    pub(crate) fn first_not_before(&self, key: Key) -> Result<u64, Corrupted> {
        let rank = self.base.rank_of_key(key)?;
        self.position(rank, self.delta.added_before(|added| added < key))
    }

    /// How many events are there of those before a rank of the base and so many of those that came.
    fn position(&self, rank: u64, added: usize) -> Result<u64, Corrupted> {
        let in_base = self.base.first_in(&self.list, rank)? + added as u64;
        Ok(in_base.saturating_sub(self.delta.removed_before(rank) as u64))
    }

    /// The events at these positions, the last one first.
    ///
    /// # Errors
    /// There are not as many, or the base is damaged.
    pub(crate) fn newest_first(&self, positions: Range<u64>) -> Result<Vec<Slot>, Corrupted> {
        let mut walk = self.walk_before(positions.end)?;
        positions.map(|_| walk.step()).collect()
    }

    /// What walks to the start, from the event before a position on.
    fn walk_before(&self, position: u64) -> Result<Walk<'_>, Corrupted> {
        let Merged { base, list, delta } = self;
        // No event of the base's list is further from its old position than as many came or are gone.
        let from = position.saturating_sub(delta.added_len()).min(list.len());
        let to = position.saturating_add(delta.removed_len()).min(list.len());
        let in_base = partition_point(from, to, |in_base| {
            let rank = base.rank(list, in_base)?;
            let before = in_base + delta.added_before_rank(rank) as u64;
            Ok(before.saturating_sub(delta.removed_before(rank) as u64) < position)
        })?;
        let removed = match in_base < list.len() {
            true => delta.removed_before(base.rank(list, in_base)?),
            false => delta.removed.len(),
        };
        let there = in_base.saturating_sub(removed as u64);
        Ok(Walk {
            merged: self,
            added: usize::try_from(position.saturating_sub(there)).unwrap_or(usize::MAX),
            in_base,
            removed,
        })
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
        loop {
            let rank = match self.in_base.checked_sub(1) {
                Some(position) => Some(base.rank(list, position)?),
                None => None,
            };
            // Behind all that is left of the base?
            if let Some(index) = self.added.checked_sub(1)
                && let Some(added) = delta.added.get(index)
                && rank.is_none_or(|rank| rank < added.rank.into())
            {
                self.added = index;
                return Ok(Slot::Added(Arc::clone(&added.row)));
            }
            let rank = rank.ok_or(Corrupted::new("a position lies behind the end of a list"))?;
            self.in_base -= 1;
            match self.removed.checked_sub(1) {
                Some(index) if delta.removed.get(index).is_some_and(|&gone| u64::from(gone) == rank) => {
                    self.removed = index;
                }
                _ => return Ok(Slot::Base(rank)),
            }
        }
    }
}
