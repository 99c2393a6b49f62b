//! What is known of one state of the database: the index, and the pages that its rows were read from. It becomes what is
//! known of a later state by reading the pages that changed.

use std::fs::File;
use std::ops::RangeInclusive;

use super::RefreshError;
use super::leaf_hashes;
use super::page::TreePage;
use super::refreshed::Budget;
use super::row_changes::{compare, merge_ranges};
use super::tree::{PageSet, Tree, TreeUpdate};
use super::verify::{FromScratch, Subject};
use crate::error::Error;
use crate::model::Key;
use crate::storage::index::base::corrupted::Corrupted;
use crate::storage::index::base::source::{DatabaseFacts, Source};
use crate::storage::index::build::segment::Leaves;
use crate::storage::index::delta::{DeltaFile, DirectoryChanges, RowChanges};
use crate::storage::index::hash::{HashKey, entry_hash};
use crate::storage::index::select::Index;
use crate::storage::sqlite::Snapshot;
use crate::storage::sqlite::btree::Malformed;

/// More rows than this change only where a log is written anew as a whole.
const MOST_CHANGES: u64 = 100_000;
/// A row that lies on a changed page takes as long as so many rows of a build.
const COMPARED: u64 = 4;
/// Leaves with overflow pages are read each time; so many of them cost as much as a small build.
const MOST_VOLATILE: usize = 64;

/// The index of a state, and what finds the pages on which another state differs.
#[derive(Debug)]
pub(super) struct Content {
    index: Index,
    table: Tree<i64>,
    /// `None` where the database has no index on `created_at`.
    time: Option<Tree<Key>>,
    /// Of the hashes of all rows' places in the order, modulo 2^64.
    rows_sum: u64,
    facts: DatabaseFacts,
    key: HashKey,
}

/// In what a later state differs.
pub(super) struct Difference {
    table: TreeUpdate<i64>,
    time: Option<TreeUpdate<Key>>,
    rows: RowChanges,
    rows_sum: u64,
}

impl Content {
    /// Leaf pages that are each as they were when their rows were read, which need not be at one time.
    pub(super) fn new(index: Index, leaves: Leaves, rows_sum: u64, facts: DatabaseFacts, key: HashKey) -> Self {
        let has_time_index = facts.time_root != 0;
        Content {
            index,
            table: Tree::new(facts.table_root, leaves.table),
            time: has_time_index.then(|| Tree::new(facts.time_root, leaves.time)),
            rows_sum,
            facts,
            key,
        }
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    pub(super) fn rows_sum(&self) -> u64 {
        self.rows_sum
    }

    pub(super) fn facts(&self) -> &DatabaseFacts {
        &self.facts
    }

    pub(super) fn key(&self) -> HashKey {
        self.key
    }

    pub(super) fn leaves(&self) -> Leaves {
        Leaves {
            table: self.table.in_order(),
            time: self.time.as_ref().map_or_else(Vec::new, Tree::in_order),
        }
    }

    /// What differs from the base, as the delta's file holds it.
    ///
    /// # Errors
    /// The base is corrupt.
    pub(super) fn delta_file(&self, source: Source) -> Result<DeltaFile, Corrupted> {
        let base = self.index.base();
        Ok(DeltaFile {
            source,
            delta: self.index.delta().clone(),
            table: self.table.changes_since(&base.table_leaves()?),
            time: match &self.time {
                Some(time) => time.changes_since(&base.time_leaves()?),
                None => DirectoryChanges::default(),
            },
        })
    }

    /// How much there is to hash, in bytes.
    pub(super) fn leaf_bytes(&self) -> u64 {
        self.leaf_pages() as u64 * u64::from(self.facts.page_size)
    }

    fn leaf_pages(&self) -> usize {
        self.table.leaves().len() + self.time.as_ref().map_or(0, |time| time.leaves().len())
    }

    /// Pages that hold no rows, in no order.
    pub(super) fn inner_pages(&self) -> impl Iterator<Item = u32> {
        let time = self.time.iter().flat_map(Tree::inner_pages);
        self.table.inner_pages().chain(time)
    }

    /// Whether table and index are where they were, and what they were.
    pub(super) fn check_schema(
        &self,
        snapshot: &mut Snapshot<'_>,
        may_be_another_file: bool,
    ) -> Result<(), RefreshError> {
        let now = DatabaseFacts {
            table_root: self.facts.table_root,
            time_root: self.facts.time_root,
            has_other_indexes: self.facts.has_other_indexes,
            ..DatabaseFacts::without_roots(snapshot, self.key)?
        };
        // A file that is another one altogether may have the same first page.
        let is_at = |root: u32, name| Ok::<_, Error>(root == 0 || snapshot.root(name)? == Some(root));
        let are_roots_same =
            !may_be_another_file || (is_at(now.table_root, "audit_events")? && is_at(now.time_root, "idx_created_at")?);
        if now == self.facts && are_roots_same {
            Ok(())
        } else {
            Err(RefreshError::Rebuild("the schema is another one".to_owned()))
        }
    }

    /// The leaf pages that have another hash now, and all inner pages. `file` and `overlay` are as in
    /// [`leaf_hashes::changed`].
    pub(super) fn changed_by_hashes(
        &self,
        snapshot: &mut Snapshot<'_>,
        file: Option<&File>,
        overlay: &PageSet,
    ) -> Result<PageSet, RefreshError> {
        let mut hashes = Vec::with_capacity(self.leaf_pages());
        hashes.extend(self.table.leaves().map(|(page, leaf)| (page, leaf.hash)));
        if let Some(time) = &self.time {
            hashes.extend(time.leaves().map(|(page, leaf)| (page, leaf.hash)));
        }
        let mut changed = leaf_hashes::changed(snapshot, file, overlay, hashes, self.key)?;
        changed.extend(self.inner_pages());
        Ok(changed)
    }

    /// Reads what changed on these pages.
    pub(super) fn difference(
        &self,
        snapshot: &mut Snapshot<'_>,
        changed: &PageSet,
        budget: Budget,
    ) -> Result<Difference, RefreshError> {
        let usable = snapshot.header().usable();
        let no_page = || Malformed("a page of the tree is not there");
        let table = self.table.update(changed, &mut |page| {
            let bytes = snapshot.page(page)?.ok_or_else(no_page)?;
            Ok(TreePage::parse(bytes, page, usable, self.key)?)
        })?;
        if budget.may_build && table.entries_read() > MOST_CHANGES.max(table.entries() / COMPARED) {
            return Err(RefreshError::Rebuild(
                "so many pages are different that a build is faster".to_owned(),
            ));
        }
        let time = self.time.as_ref().map(|time| {
            time.update(changed, &mut |page| {
                let bytes = snapshot.page(page)?.ok_or_else(no_page)?;
                Ok(TreePage::parse(bytes, page, usable, self.key)?)
            })
        });
        let time = time.transpose()?;
        let ranges = merge_ranges(table.ranges());
        let rows = self.compare_rows(snapshot, &ranges)?;
        let sum = |keys: &mut dyn Iterator<Item = Key>| {
            keys.fold(0_u64, |sum, key| {
                sum.wrapping_add(entry_hash(self.key, key.created_at, key.id))
            })
        };
        let rows_sum = self
            .rows_sum
            .wrapping_sub(sum(&mut rows.removed.iter().copied()))
            .wrapping_add(sum(&mut rows.added.iter().map(|row| row.key)));
        let difference = Difference {
            table,
            time,
            rows,
            rows_sum,
        };
        self.check(&difference)?;
        Ok(difference)
    }

    /// The rows that are other ones than in the index.
    fn compare_rows(
        &self,
        snapshot: &Snapshot<'_>,
        ranges: &[RangeInclusive<i64>],
    ) -> Result<RowChanges, RefreshError> {
        let (mut changes, mut texts) = (RowChanges::default(), 0);
        for ids in ranges {
            let old = self.index.rows_in(ids)?;
            compare(snapshot, ids, old, &mut changes, &mut texts)?;
            if changes.len() > MOST_CHANGES {
                return Err(RefreshError::Rebuild("almost everything is different".to_owned()));
            }
        }
        Ok(changes)
    }

    /// The service reads through its index on `created_at`: where that does not say what the table says, only SQLite knows
    /// what the service would answer.
    fn check(&self, difference: &Difference) -> Result<(), RefreshError> {
        let rows = &difference.rows;
        let events = self.index.events() + rows.added.len() as u64 - rows.removed.len() as u64;
        let differs = |what: &str| Err(RefreshError::Rebuild(what.to_owned()));
        if difference.table.entries() != events {
            return differs("the table's pages hold another number of rows than were read");
        }
        if let Some(time) = &difference.time
            && (time.entries() != events || time.sum() != difference.rows_sum)
        {
            return differs("the database's index on created_at differs from its table");
        }
        Ok(())
    }

    /// Goes over to the later state, and says which rows differ there.
    ///
    /// # Errors
    /// The index is corrupt, and everything is as it was.
    pub(super) fn apply(&mut self, difference: Difference) -> Result<RowChanges, Corrupted> {
        let changes = difference.rows;
        if !changes.is_empty() {
            self.index = self.index.changed(changes.clone())?;
        }
        self.table.apply(difference.table);
        if let Some((time, update)) = self.time.as_mut().zip(difference.time) {
            time.apply(update);
        }
        self.rows_sum = difference.rows_sum;
        Ok(changes)
    }

    /// Whether following this log costs so much each time that it is rather built anew.
    ///
    /// # Errors
    /// It does.
    pub(super) fn check_cost(&self) -> Result<(), RefreshError> {
        let volatile = self.table.volatile() + self.time.as_ref().map_or(0, Tree::volatile);
        if volatile > MOST_VOLATILE {
            return Err(RefreshError::Rebuild(
                "too many rows go on in overflow pages".to_owned(),
            ));
        }
        Ok(())
    }

    /// What a build makes of a snapshot.
    pub(super) fn build_from_scratch(&self, snapshot: &mut Snapshot<'_>) -> Result<FromScratch, RefreshError> {
        FromScratch::build(snapshot, &self.facts, self.key)
    }

    /// What is compared with that.
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            index: &self.index,
            leaves: self.leaves(),
            rows_sum: self.rows_sum,
        }
    }
}
