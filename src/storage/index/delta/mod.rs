//! What changed since the base was made: rows that are gone and rows that came, and what that means for each posting
//! list. A delta never changes; the next one shares most of its memory with the last.
//!
//! `rows` are these rows, `list` is one posting list's part of them, both kept in `chunks`; `lists` are those that filters
//! choose, `change` makes the next delta, `file` is `audit.idx-delta`.

mod change;
mod chunks;
mod file;
mod list;
mod lists;
mod rows;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

pub(crate) use change::RowChanges;
pub(crate) use file::{DeltaFile, DirectoryChanges};
pub(crate) use list::{ListDelta, Merged};

use chunks::Chunks;
use lists::{Changed, Lists};
use rows::{Added, Removed};

use crate::model::Filter;
use crate::storage::index::base::corrupted::Corrupted;
use crate::storage::index::base::reader::Base;
use crate::storage::index::fetch::BaseRows;
use crate::storage::index::row::OwnedRow;

/// The rows that differ from those of a base.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delta {
    /// That of all events.
    all: ListDelta,
    /// The base's rows that are gone or other ones, by rank.
    removed: Chunks<Removed>,
    /// The rows that came, or are other ones now, by id.
    added: Chunks<Added>,
    lists: Lists,
}

impl Delta {
    /// Whether nothing differs from the base.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many rows came and went: what a fold would rid everybody of.
    pub(crate) fn changes(&self) -> u64 {
        self.added() + self.removed()
    }

    /// How many rows of the base are gone or other ones.
    pub(crate) fn removed(&self) -> u64 {
        self.all.removed_len()
    }

    /// How many rows came, or are other ones now.
    pub(crate) fn added(&self) -> u64 {
        self.all.added_len()
    }

    /// How many rows with lower ids came.
    fn added_before(&self, id: i64) -> usize {
        self.added.partition_point(|added| added.row.key.id < id)
    }

    /// The row that came with an id.
    fn added_row(&self, id: i64) -> Option<&Added> {
        let added = self.added.get(self.added_before(id));
        added.filter(|added| added.row.key.id == id)
    }

    /// How many rows of lower ranks are gone.
    fn removed_before(&self, rank: u32) -> usize {
        self.removed.partition_point(|removed| removed.rank < rank)
    }

    /// What differs in the list of a filter; `None` where it is as the base has it.
    pub(crate) fn list(&self, filter: &Filter) -> Option<Cow<'_, ListDelta>> {
        if self.is_empty() {
            return None;
        }
        let (all, removed) = (&self.all, &self.removed);
        self.lists.get(filter, &Changed { all, removed })
    }

    /// The actions whose lists are not as the base has them, ascending.
    pub(crate) fn actions(&self) -> BTreeSet<&str> {
        let removed = self.removed.iter().map(|removed| &*removed.pair.action);
        removed
            .chain(self.all.added().map(|added| added.row.texts.action()))
            .collect()
    }

    /// The rows that there are now with an id in `ids`, by id.
    ///
    /// # Errors
    /// The base is damaged.
    pub(crate) fn rows_in(&self, base: &Base, ids: &RangeInclusive<i64>) -> Result<Vec<OwnedRow>, Corrupted> {
        let ranks = base.ranks_of_ids(ids, usize::MAX)?;
        self.rows_of(base, ranks, ids)
    }

    /// The rows from an id on, by id: at least one of them, if there is one, and not many more than so many.
    ///
    /// # Errors
    /// The base is damaged.
    pub(crate) fn rows_from(&self, base: &Base, id: i64, about: usize) -> Result<Vec<OwnedRow>, Corrupted> {
        let mut from = id;
        loop {
            let ranks = base.ranks_of_ids(&(from..=i64::MAX), about)?;
            let last = match ranks.last() {
                Some(&rank) if ranks.len() == about => base.key(rank)?.id,
                _ => i64::MAX,
            };
            let rows = self.rows_of(base, ranks, &(from..=last))?;
            match last.checked_add(1) {
                // All of them are gone.
                Some(next) if rows.is_empty() => from = next,
                _ => return Ok(rows),
            }
        }
    }

    fn rows_of(&self, base: &Base, mut ranks: Vec<u64>, ids: &RangeInclusive<i64>) -> Result<Vec<OwnedRow>, Corrupted> {
        ranks.retain(|&rank| !self.all.is_removed(rank));
        let rows = BaseRows::read(base.blocks(), ranks.into_iter().map(Ok))?;
        let rows = rows.iter().map(|row| row.map(|row| OwnedRow::from(&row)));
        let mut rows: Vec<OwnedRow> = rows.collect::<Result<_, _>>()?;
        let of_base = rows.len();
        let added = self.added.iter_from(self.added_before(*ids.start()));
        let added = added.take_while(|added| added.row.key.id <= *ids.end());
        rows.extend(added.map(|added| OwnedRow::clone(&added.row)));
        if of_base < rows.len() {
            rows.sort_unstable_by_key(|row| row.key.id);
        }
        if rows.is_sorted_by(|one, next| one.key.id < next.key.id) {
            Ok(rows)
        } else {
            Err(Corrupted::new("ids do not ascend"))
        }
    }
}
