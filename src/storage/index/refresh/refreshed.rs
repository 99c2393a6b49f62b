//! How long a refresh may take, and what comes of it.

use std::sync::Arc;

use crate::storage::db_version::{DbVersion, DbWatcher};
use crate::storage::index::delta::RowChanges;
use crate::storage::index::select::Index;

/// How much a refresh may read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Leaf pages that are hashed, in bytes.
    pub(super) hashed: u64,
    /// Leaf pages that changed.
    pub(super) changed: usize,
    /// Whether it ends where a build is faster, because its caller can have one.
    pub(super) may_build: bool,
}

impl Budget {
    /// So little that a request can wait for it: about 50 ms.
    pub(crate) const INLINE: Budget = Budget {
        hashed: 64 << 20,
        changed: 2_000,
        may_build: false,
    };
    /// As much as is worth it, for who builds otherwise.
    pub(crate) const LONG: Budget = Budget {
        may_build: true,
        ..Budget::ANY
    };
    /// As much as it takes: what a build or a fold catches up with must not call for another one.
    pub(crate) const ANY: Budget = Budget {
        hashed: u64::MAX,
        changed: usize::MAX,
        may_build: false,
    };
}

/// How the pages that changed were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The write-ahead log names them.
    Frames,
    /// Their hashes differ.
    Hashes,
}

/// An index of the state that the database was in during the refresh.
#[derive(Debug)]
pub(crate) struct Refreshed {
    pub(crate) watcher: Arc<DbWatcher>,
    /// There if the index may be used as long as the version holds.
    pub(crate) version: Option<DbVersion>,
    pub(crate) index: Index,
    /// What differs from the state that the follower was in before.
    pub(crate) changes: RowChanges,
    pub(crate) way: Way,
}
