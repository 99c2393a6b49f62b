//! One page of a tree, reduced to what is remembered of it.

use super::key::TreeKey;
pub(crate) use crate::storage::index::base::leaf_directory::Leaf;
use crate::storage::index::hash::{HashKey, VOLATILE, page_hash};
use crate::storage::sqlite::btree::{BtreePage, Malformed};

/// An inner page as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inner<K> {
    /// One more than there are separators.
    pub(crate) children: Vec<u32>,
    /// Between each two children. Those of an index are entries as well.
    pub(crate) separators: Vec<K>,
    /// Of its entries' hashes, modulo 2^64; 0 in a table.
    pub(crate) sum: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TreePage<K> {
    Inner(Inner<K>),
    Leaf(Leaf<K>),
}

impl<K: TreeKey> Inner<K> {
    /// How many entries of the tree lie on the page itself.
    pub(crate) fn entries(&self) -> u64 {
        if K::INNER_HAS_ENTRIES {
            self.separators.len() as u64
        } else {
            0
        }
    }
}

impl<K: TreeKey + Default> TreePage<K> {
    /// Reads a page of which b-trees use the first `usable` bytes.
    ///
    /// # Errors
    /// The page is none of such a tree, or its keys do not ascend.
    pub(crate) fn parse(bytes: &[u8], number: u32, usable: usize, key: HashKey) -> Result<Self, Malformed> {
        let page = BtreePage::parse(bytes, number, usable)?;
        let cells = page.cell_count();
        let (mut children, mut separators) = (Vec::new(), Vec::new());
        let (mut first, mut last) = (None, None);
        let (mut sum, mut has_overflow) = (0_u64, false);
        K::each_cell(&page, &mut |cell| {
            if last.is_some_and(|last| cell.key <= last) {
                return Err(Malformed("the keys of a page do not ascend"));
            }
            last = Some(cell.key);
            first = first.or(last);
            sum = sum.wrapping_add(cell.key.entry_hash(key));
            has_overflow |= cell.has_overflow;
            if let Some(child) = cell.left_child {
                if children.is_empty() {
                    children.reserve_exact(cells + 1);
                    separators.reserve_exact(cells);
                }
                children.push(child);
                separators.push(cell.key);
            }
            Ok(())
        })?;
        Ok(match page.right_most_child() {
            Some(child) => {
                children.push(child);
                TreePage::Inner(Inner {
                    children,
                    separators,
                    sum,
                })
            }
            None => TreePage::Leaf(Leaf {
                // At most 10,921.
                entries: cells as u32,
                first: first.unwrap_or_default(),
                last: last.unwrap_or_default(),
                hash: if has_overflow { VOLATILE } else { page_hash(key, bytes) },
                sum,
            }),
        })
    }
}
