//! What is known of the log without reading it.

use crate::model::Filter;
use crate::storage::index::Index;

/// What an index of the log's present state says, at no more cost than looking it up. Each answer is `None` where the
/// index is corrupt.
#[derive(Clone, Debug)]
pub struct Overview(Index);

impl Overview {
    pub(super) fn new(index: Index) -> Self {
        Overview(index)
    }

    /// How many events match.
    #[must_use]
    pub fn count(&self, filter: &Filter) -> Option<u64> {
        self.0.count(filter).ok()
    }

    /// The seconds (since the epoch) of the oldest and of the newest event; `None` also where there is no event.
    #[must_use]
    pub fn span(&self) -> Option<(i64, i64)> {
        self.0.span().ok().flatten()
    }

    /// The actions of the log's events, ascending; where there are very many, or very long ones, not all.
    #[must_use]
    pub fn actions(&self) -> Option<Vec<String>> {
        self.0.actions().ok()
    }
}
