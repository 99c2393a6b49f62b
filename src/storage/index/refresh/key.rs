//! What the two trees are sorted by: the table by id, its index on `created_at` by the place in the order.

use crate::model::Key;
use crate::storage::index::hash::{HashKey, entry_hash};
use crate::storage::sqlite::btree::{BtreePage, Malformed, PageKind};

/// One cell of a page of a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell<K> {
    /// The child whose entries come before; `None` on a leaf.
    pub(crate) left_child: Option<u32>,
    pub(crate) key: K,
    /// Whether bytes of the entry lie on other pages, which can change alone.
    pub(crate) has_overflow: bool,
}

/// The key of a tree.
pub(crate) trait TreeKey: Copy + Ord {
    /// Whether the cells of inner pages are entries of the tree, besides being separators.
    const INNER_HAS_ENTRIES: bool;

    /// Gives each cell of a page to `visit`, in turn.
    ///
    /// # Errors
    /// The page is none of such a tree, and the errors of `visit`.
    fn each_cell(
        page: &BtreePage<'_>,
        visit: &mut dyn FnMut(Cell<Self>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed>;

    /// What an entry adds to the sum of its tree.
    fn entry_hash(self, key: HashKey) -> u64;
}

impl TreeKey for i64 {
    const INNER_HAS_ENTRIES: bool = false;

    fn each_cell(
        page: &BtreePage<'_>,
        visit: &mut dyn FnMut(Cell<Self>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        if page.kind() == PageKind::TableInner {
            for cell in page.table_inner_cells()? {
                let cell = cell?;
                visit(Cell {
                    left_child: Some(cell.left_child),
                    key: cell.key,
                    has_overflow: false,
                })?;
            }
            return Ok(());
        }
        for cell in page.table_leaf_cells()? {
            let cell = cell?;
            visit(Cell {
                left_child: None,
                key: cell.rowid,
                has_overflow: cell.has_overflow,
            })?;
        }
        Ok(())
    }

    /// A row's time is not decoded from its page: SQLite reads the rows, and what they add up to is kept beside the
    /// tree.
    fn entry_hash(self, _: HashKey) -> u64 {
        0
    }
}

impl TreeKey for Key {
    const INNER_HAS_ENTRIES: bool = true;

    fn each_cell(
        page: &BtreePage<'_>,
        visit: &mut dyn FnMut(Cell<Self>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        for cell in page.index_cells()? {
            let cell = cell?;
            let key = Key {
                created_at: cell.key,
                id: cell.rowid,
            };
            visit(Cell {
                left_child: cell.left_child,
                key,
                has_overflow: false,
            })?;
        }
        Ok(())
    }

    fn entry_hash(self, key: HashKey) -> u64 {
        entry_hash(key, self.created_at, self.id)
    }
}
