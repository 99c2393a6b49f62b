//! The delta's posting lists but that of all events. They follow from the rows that came and went, so who opens a delta
//! and asks once does not make them: it looks for one list's rows among all.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use immutable_chunkmap::map::Map;

use super::chunks::Chunks;
use super::list::ListDelta;
use super::rows::{Added, Pair, Removed};
use crate::model::Filter;
use crate::storage::index::base::corrupted::Corrupted;

/// As many lists a change copies, and a few times the logarithm of all.
const CHUNK: usize = 32;
/// Making all lists takes about as long as looking for one so many times.
const LOOKS: u32 = 64;

/// The lists, once they were made.
#[derive(Debug, Default)]
pub(super) struct Lists {
    made: OnceLock<Map<ListKey, Arc<ListDelta>, CHUNK>>,
    /// How often one was looked for among all rows.
    looks: AtomicU32,
}

impl Clone for Lists {
    fn clone(&self) -> Self {
        Lists {
            made: self.made.clone(),
            looks: self.looks.load(Ordering::Relaxed).into(),
        }
    }
}

/// A posting list by what its events have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ListKey {
    Actor(i64),
    Action(Arc<str>),
    Pair(i64, Arc<str>),
}

impl ListKey {
    /// `None` for that of all events.
    fn of(filter: &Filter) -> Option<Self> {
        match (filter.actor_id, &filter.action) {
            (None, None) => None,
            (Some(actor), None) => Some(ListKey::Actor(actor)),
            (None, Some(action)) => Some(ListKey::Action(action.as_str().into())),
            (Some(actor), Some(action)) => Some(ListKey::Pair(actor, action.as_str().into())),
        }
    }

    /// The lists that a row is in.
    fn of_row(Pair { actor_id, action }: &Pair) -> [Self; 3] {
        [
            ListKey::Actor(*actor_id),
            ListKey::Action(Arc::clone(action)),
            ListKey::Pair(*actor_id, Arc::clone(action)),
        ]
    }
}

/// The rows that came and went: what lists follow from.
pub(super) struct Changed<'a> {
    pub(super) all: &'a ListDelta,
    pub(super) removed: &'a Chunks<Removed>,
}

impl Lists {
    /// What differs in the list of a filter; `None` where nothing does.
    pub(super) fn get<'a>(&'a self, filter: &Filter, changed: &Changed<'a>) -> Option<Cow<'a, ListDelta>> {
        let Some(key) = ListKey::of(filter) else {
            return Some(Cow::Borrowed(changed.all));
        };
        if self.made.get().is_none() && self.looks.fetch_add(1, Ordering::Relaxed) < LOOKS {
            let list = changed.list(filter);
            return (!list.is_empty()).then_some(Cow::Owned(list));
        }
        let made = self.made.get_or_init(|| changed.lists());
        made.get(&key).map(|list| Cow::Borrowed(&**list))
    }

    /// Changes the lists that a row is in, if they were made. One that is no longer different is forgotten.
    ///
    /// # Errors
    /// That of `change`.
    pub(super) fn change(
        &mut self,
        pair: &Pair,
        mut change: impl FnMut(&mut ListDelta) -> Result<(), Corrupted>,
    ) -> Result<(), Corrupted> {
        let Some(made) = self.made.get_mut() else {
            return Ok(());
        };
        for key in ListKey::of_row(pair) {
            let list = Arc::make_mut(made.get_or_default_cow(key.clone()));
            change(list)?;
            if list.is_empty() {
                made.remove_cow(&key);
            }
        }
        Ok(())
    }
}

impl Changed<'_> {
    /// One list.
    fn list(&self, filter: &Filter) -> ListDelta {
        let is_in = |actor_id: i64, action: &str| {
            filter.actor_id.is_none_or(|asked| asked == actor_id)
                && filter.action.as_ref().is_none_or(|asked| asked == action)
        };
        let removed = self
            .removed
            .iter()
            .filter(|Removed { pair, .. }| is_in(pair.actor_id, &pair.action));
        let added = self
            .all
            .added()
            .filter(|added| is_in(added.row.actor_id, added.row.texts.action()));
        ListDelta::new(removed.map(|removed| removed.rank), added.cloned())
    }

    /// All of them.
    fn lists(&self) -> Map<ListKey, Arc<ListDelta>, CHUNK> {
        let mut lists = BTreeMap::<ListKey, (Vec<u32>, Vec<Added>)>::new();
        for Removed { rank, pair } in self.removed.iter() {
            for key in ListKey::of_row(pair) {
                lists.entry(key).or_default().0.push(*rank);
            }
        }
        for added in self.all.added() {
            for key in ListKey::of_row(&Pair::of(&added.row)) {
                lists.entry(key).or_default().1.push(added.clone());
            }
        }
        let lists = lists.into_iter();
        lists
            .map(|(key, (removed, added))| (key, Arc::new(ListDelta::new(removed.into_iter(), added.into_iter()))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PayloadRef, Row};
    use crate::storage::index::row::OwnedRow;

    fn added(id: i64, actor_id: i64, action: &str) -> Added {
        let row = Row {
            id,
            created_at: id,
            actor_id,
            action,
            resource_type: "T",
            resource_id: "R",
            payload_ref: PayloadRef { offset: 0, len: 2 },
        };
        let row = Arc::new(OwnedRow::from(&row));
        Added { rank: 5, row }
    }

    fn pair(actor_id: i64, action: &str) -> Pair {
        let action = action.into();
        Pair { actor_id, action }
    }

    fn filter(actor_id: Option<i64>, action: Option<&str>) -> Filter {
        Filter {
            actor_id,
            action: action.map(str::to_owned),
            ..Filter::ALL
        }
    }

    /// Two rows that went, and three that came.
    fn rows() -> (ListDelta, Chunks<Removed>) {
        let gone = [(2, pair(1, "A")), (4, pair(2, "B"))];
        let came = [added(10, 1, "A"), added(11, 1, "B"), added(12, 2, "B")];
        let all = ListDelta::new(gone.iter().map(|(rank, _)| *rank), came.into_iter());
        let removed = gone.into_iter().map(|(rank, pair)| Removed { rank, pair });
        (all, removed.collect())
    }

    /// The ranks that are gone from a list and the ids that came to it.
    fn told(lists: &Lists, changed: &Changed<'_>, filter: &Filter) -> Option<(Vec<u64>, Vec<i64>)> {
        let list = lists.get(filter, changed)?;
        let gone = (0..9).filter(|&rank| list.is_removed(rank)).collect();
        Some((gone, list.added().map(|added| added.row.key.id).collect()))
    }

    #[test]
    fn all_are_made_once_one_was_looked_for_often_and_are_as_they_were() {
        let (all, removed) = rows();
        let (all, removed) = (&all, &removed);
        let changed = Changed { all, removed };
        let lists = Lists::default();
        let expected = [
            (filter(None, None), Some((vec![2, 4], vec![10, 11, 12]))),
            (filter(Some(1), None), Some((vec![2], vec![10, 11]))),
            (filter(Some(2), None), Some((vec![4], vec![12]))),
            (filter(None, Some("B")), Some((vec![4], vec![11, 12]))),
            (filter(Some(1), Some("B")), Some((vec![], vec![11]))),
            (filter(Some(2), Some("A")), None),
            (filter(Some(3), None), None),
        ];
        let mut looks = 0;
        while lists.made.get().is_none() {
            for (filter, expected) in &expected {
                assert_eq!(told(&lists, &changed, filter), *expected, "{filter:?} after {looks}");
            }
            // All events are no matter of the lists.
            looks += expected.len() as u32 - 1;
            assert!(looks < 2 * LOOKS);
        }
        assert!(looks > LOOKS && looks - LOOKS <= expected.len() as u32, "{looks}");
        for (filter, expected) in &expected {
            assert_eq!(told(&lists, &changed, filter), *expected, "{filter:?}");
        }
        // The next delta goes on with them, and with how often one was looked for.
        assert!(lists.clone().made.get().is_some());
        let looked = Lists {
            looks: LOOKS.into(),
            ..Lists::default()
        };
        told(&looked.clone(), &changed, &filter(Some(1), None));
        let copy = looked.clone();
        told(&copy, &changed, &filter(Some(1), None));
        assert!(copy.made.get().is_some());
    }

    #[test]
    fn what_was_made_follows_the_rows_and_forgets_what_is_as_in_the_base() {
        let (all, removed) = rows();
        let (all, removed) = (&all, &removed);
        let changed = Changed { all, removed };
        let mut lists = Lists::default();
        // Who does not have them has nothing to change.
        lists.change(&pair(3, "C"), |list| list.remove(7)).unwrap();
        assert!(lists.made.get().is_none());
        lists.looks = LOOKS.into();
        assert_eq!(told(&lists, &changed, &filter(Some(3), None)), None);
        let made = |lists: &Lists| lists.made.get().unwrap().len();
        assert_eq!(made(&lists), 4 + 3, "two actors, two actions, three pairs");

        lists.change(&pair(3, "B"), |list| list.remove(7)).unwrap();
        assert_eq!(made(&lists), 7 + 2);
        assert_eq!(told(&lists, &changed, &filter(Some(3), None)), Some((vec![7], vec![])));
        let of_action = told(&lists, &changed, &filter(None, Some("B")));
        assert_eq!(of_action, Some((vec![4, 7], vec![11, 12])));
        lists.change(&pair(3, "B"), |list| list.restore(7)).unwrap();
        assert_eq!(made(&lists), 7);
        assert_eq!(told(&lists, &changed, &filter(Some(3), None)), None);
        assert!(lists.change(&pair(3, "B"), |list| list.restore(7)).is_err());
    }
}
