//! Everything that is known of a database, taken apart: files, builds and folds put it together.

use std::sync::Arc;

use super::basis::Basis;
use crate::storage::data_dir::DataDir;
use crate::storage::db_version::DbWatcher;
use crate::storage::index::base::leaf_directory::{TableLeaf, TimeLeaf};
use crate::storage::index::base::source::{ContentVersion, DatabaseFacts, Source};
use crate::storage::index::hash::HashKey;
use crate::storage::index::select::Index;

/// What a follower begins with.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) dir: DataDir,
    pub(crate) watcher: Arc<DbWatcher>,
    pub(crate) index: Index,
    /// The leaf pages, each as it was when its rows were read.
    pub(crate) table: Vec<TableLeaf>,
    pub(crate) time: Vec<TimeLeaf>,
    pub(crate) rows_sum: u64,
    pub(crate) facts: DatabaseFacts,
    pub(crate) key: HashKey,
    pub(crate) basis: Basis,
    /// Whether the table's other indexes are known to be sound.
    pub(crate) are_others_checked: bool,
}

impl Parts {
    /// What a file says of them that holds no version.
    pub(crate) fn source(&self) -> Source {
        Source {
            version: None,
            content: ContentVersion::default(),
            facts: self.facts,
            rows_sum: self.rows_sum,
        }
    }
}
