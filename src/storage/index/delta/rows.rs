//! The rows that a delta tells of.

use std::sync::Arc;

use crate::storage::index::row::OwnedRow;

/// An event that came.
#[derive(Clone, Debug)]
pub(super) struct Added {
    /// How many events of the base come before it, gone ones included.
    pub(super) rank: u32,
    pub(super) row: Arc<OwnedRow>,
}

/// A row of the base that is gone or another one now.
#[derive(Clone, Debug)]
pub(super) struct Removed {
    pub(super) rank: u32,
    pub(super) pair: Pair,
}

/// What chooses the posting lists that a row is in.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) actor_id: i64,
    pub(super) action: Arc<str>,
}

impl Pair {
    pub(super) fn of(row: &OwnedRow) -> Self {
        Pair {
            actor_id: row.actor_id,
            action: row.texts.action().into(),
        }
    }
}
