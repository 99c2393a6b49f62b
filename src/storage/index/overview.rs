//! What an index says of the log as a whole, for a person who wonders why an answer is empty.

use super::base::corrupted::Corrupted;
use super::select::Index;
use crate::model::{Filter, Position, Query, Rows};

/// So many actions are looked at: a log may have one of its own for each event.
const MOST_ACTIONS: usize = 1_000;
/// In bytes: no longer name is one that a person types.
const LONGEST_ACTION: u32 = 64;

impl Index {
    /// The actions of the log's events, ascending; where there are very many, or very long ones, not all.
    ///
    /// # Errors
    /// A damaged block.
    pub(crate) fn actions(&self) -> Result<Vec<String>, Corrupted> {
        let mut names = self.base().action_names(MOST_ACTIONS as u64, LONGEST_ACTION)?;
        let is_short = |name: &&str| name.len() <= LONGEST_ACTION as usize;
        let changed = self.delta().actions().into_iter().take(MOST_ACTIONS).filter(is_short);
        names.extend(changed.map(str::to_owned));
        names.sort_unstable();
        names.dedup();
        // An action whose last event was removed is still named by the base.
        let mut found = Vec::new();
        for name in names {
            let filter = Filter {
                action: Some(name.clone()),
                ..Filter::ALL
            };
            if self.count(&filter)? > 0 {
                found.push(name);
            }
        }
        Ok(found)
    }

    /// The seconds of the oldest and of the newest event; `None` where there is no event.
    ///
    /// # Errors
    /// A damaged block.
    pub(crate) fn span(&self) -> Result<Option<(i64, i64)>, Corrupted> {
        Ok(self.time_at(self.events())?.zip(self.time_at(1)?))
    }

    /// The second of the n-th event from the newest, from 1.
    fn time_at(&self, number: u64) -> Result<Option<i64>, Corrupted> {
        let Ok(query) = Query::new(Filter::ALL, Position::Page(number), 1) else {
            return Ok(None);
        };
        let mut rows = Rows::default();
        self.page(&query, &mut rows)?;
        Ok(rows.iter().next().map(|row| row.created_at))
    }
}
