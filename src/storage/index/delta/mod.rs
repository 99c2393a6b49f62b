//! What changed since the base was made: rows that are gone and rows that came, and what that means for each posting
//! list. A delta never changes; the next one shares most of its memory with the last.
//!
//! `list` is one posting list's part of it, kept in `chunks`, `change` makes the next delta, `file` is `audit.idx-delta`.

mod change;
mod chunks;
mod file;
mod list;

use std::ops::RangeInclusive;
use std::sync::Arc;

pub(crate) use change::RowChanges;
pub(crate) use file::{DeltaFile, DirectoryChanges};
pub(crate) use list::{ListDelta, Merged};

use immutable_chunkmap::map::Map;

use crate::model::Filter;
use crate::storage::index::base::corrupted::Corrupted;
use crate::storage::index::base::reader::Base;
use crate::storage::index::fetch::BaseRows;
use crate::storage::index::row::OwnedRow;

/// As many entries a change copies, and a few times the logarithm of all.
const CHUNK: usize = 32;

/// The rows that differ from those of a base.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delta {
    /// Only lists that differ from those of the base. That of all events is always among them, if there are any.
    lists: Map<ListKey, Arc<ListDelta>, CHUNK>,
    added_by_id: Map<i64, Arc<OwnedRow>, CHUNK>,
    /// Whether no list is kept but the removed ones of all events: see [`Delta::to_rows_only`].
    is_rows_only: bool,
}

/// A posting list by what its events have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ListKey {
    All,
    Actor(i64),
    Action(Arc<str>),
    Pair(i64, Arc<str>),
}

impl ListKey {
    fn of(filter: &Filter) -> Self {
        match (filter.actor_id, &filter.action) {
            (None, None) => ListKey::All,
            (Some(actor), None) => ListKey::Actor(actor),
            (None, Some(action)) => ListKey::Action(action.as_str().into()),
            (Some(actor), Some(action)) => ListKey::Pair(actor, action.as_str().into()),
        }
    }

    /// The lists that a row is in.
    fn of_row(actor_id: i64, action: &str) -> [Self; 4] {
        let action: Arc<str> = action.into();
        [
            ListKey::All,
            ListKey::Actor(actor_id),
            ListKey::Action(Arc::clone(&action)),
            ListKey::Pair(actor_id, action),
        ]
    }

    /// The filter that a list is chosen by.
    fn filter(&self) -> Filter {
        let (actor_id, action) = match self {
            ListKey::All => (None, None),
            ListKey::Actor(actor) => (Some(*actor), None),
            ListKey::Action(action) => (None, Some(action)),
            ListKey::Pair(actor, action) => (Some(*actor), Some(action)),
        };
        Filter {
            actor_id,
            action: action.map(|action| action.to_string()),
            ..Filter::ALL
        }
    }
}

impl Delta {
    /// Whether nothing differs from the base.
    pub(crate) fn is_empty(&self) -> bool {
        self.lists.len() == 0 && self.added_by_id.len() == 0
    }

    /// The same rows without posting lists, for who reads rows by id and never pages: keeping the lists is most of what a
    /// change costs.
    pub(crate) fn to_rows_only(&self) -> Self {
        let mut lists = Map::default();
        if let Some(all) = self.of_all().map(ListDelta::without_added)
            && !all.is_empty()
        {
            lists.insert_cow(ListKey::All, Arc::new(all));
        }
        Delta {
            lists,
            added_by_id: self.added_by_id.clone(),
            is_rows_only: true,
        }
    }

    /// Whether there are posting lists.
    pub(crate) fn has_lists(&self) -> bool {
        !self.is_rows_only
    }

    /// How many rows came and went: what a fold would rid everybody of.
    pub(crate) fn changes(&self) -> u64 {
        self.added() + self.removed()
    }

    /// How many rows of the base are gone or other ones.
    pub(crate) fn removed(&self) -> u64 {
        self.of_all().map_or(0, ListDelta::removed_len)
    }

    /// How many rows came, or are other ones now.
    pub(crate) fn added(&self) -> u64 {
        self.added_by_id.len() as u64
    }

    /// What differs in the list of a filter; `None` where it is as the base has it.
    ///
    /// # Errors
    /// No posting lists are kept.
    pub(crate) fn list(&self, filter: &Filter) -> Result<Option<&ListDelta>, Corrupted> {
        if self.is_rows_only {
            return Err(Corrupted::new("it has no posting lists"));
        }
        if self.is_empty() {
            return Ok(None);
        }
        Ok(self.lists.get(&ListKey::of(filter)).map(Arc::as_ref))
    }

    /// What differs in the list of all events.
    fn of_all(&self) -> Option<&ListDelta> {
        self.lists.get(&ListKey::All).map(Arc::as_ref)
    }

    /// The actions whose lists are not as the base has them, in no order.
    pub(crate) fn actions(&self) -> impl Iterator<Item = &str> {
        self.lists.into_iter().filter_map(|(key, _)| match key {
            ListKey::Action(action) => Some(&**action),
            _ => None,
        })
    }

    /// The base's ranks that are gone, ascending.
    pub(crate) fn removed_ranks(&self) -> impl Iterator<Item = u32> {
        self.of_all().into_iter().flat_map(ListDelta::removed)
    }

    /// The rows that came, by id.
    pub(crate) fn added_rows(&self) -> impl Iterator<Item = &Arc<OwnedRow>> {
        self.added_by_id.into_iter().map(|(_, row)| row)
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
        if let Some(all) = self.of_all() {
            ranks.retain(|&rank| !all.is_removed(rank));
        }
        let rows = BaseRows::read(base.blocks(), ranks.into_iter().map(Ok))?;
        let rows = rows.iter().map(|row| row.map(|row| OwnedRow::from(&row)));
        let mut rows: Vec<OwnedRow> = rows.collect::<Result<_, _>>()?;
        let of_base = rows.len();
        rows.extend(self.added_by_id.range(ids.clone()).map(|(_, row)| OwnedRow::clone(row)));
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
