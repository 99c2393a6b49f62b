//! The leaf pages of a tree in parts, so that no lock is held for long.

use super::RefreshError;
use super::key::TreeKey;
use super::page::{Leaf, TreePage};
use crate::storage::index::hash::HashKey;
use crate::storage::sqlite::Snapshot;
use crate::storage::sqlite::btree::{MAX_DEPTH, Malformed};

/// Some of the leaves of a tree.
#[derive(Debug)]
pub(crate) struct LeafRun<K> {
    /// In the order of the tree.
    pub(crate) leaves: Vec<(u32, Leaf<K>)>,
    /// Whether there are none behind them that begin with a key that was asked for.
    pub(crate) is_last: bool,
}

/// The leaves of the tree at `root` whose first key is neither before `from` nor behind `to`, until they hold so many
/// entries.
///
/// # Errors
/// The database cannot be read, or a page is none of such a tree.
pub(crate) fn leaves_from<K: TreeKey + Default>(
    snapshot: &mut Snapshot<'_>,
    root: u32,
    key: HashKey,
    (from, to): (K, K),
    enough: u64,
) -> Result<LeafRun<K>, RefreshError> {
    let mut run = LeafRun {
        leaves: Vec::new(),
        is_last: true,
    };
    let mut entries = 0;
    let mut last: Option<K> = None;
    // Pages still to be visited, the next one last; only the first way down needs to be searched for.
    let mut left = vec![(root, 0)];
    while let Some((page, depth)) = left.pop() {
        if depth > MAX_DEPTH {
            return Err(Malformed("the tree is deeper than SQLite makes one").into());
        }
        let read = read(snapshot, page, key)?;
        if let TreePage::Leaf(leaf) = &read {
            // Whatever a damaged tree says, each leaf is come to once.
            let is_whole_tree = page == root;
            if last.is_some_and(|last| leaf.first <= last) || (leaf.entries == 0 && !is_whole_tree) {
                return Err(Malformed("the leaves of the tree do not ascend").into());
            }
            last = Some(leaf.last);
        }
        match read {
            TreePage::Inner(inner) => {
                // All below a child lies before its separator.
                let first = inner.separators.partition_point(|&separator| separator < from);
                left.extend(inner.children[first..].iter().rev().map(|&child| (child, depth + 1)));
            }
            TreePage::Leaf(leaf) if leaf.entries == 0 || leaf.first < from => {}
            TreePage::Leaf(leaf) if leaf.first > to => break,
            TreePage::Leaf(leaf) => {
                run.leaves.push((page, leaf));
                entries += u64::from(leaf.entries);
                if entries >= enough {
                    run.is_last = false;
                    break;
                }
            }
        }
    }
    Ok(run)
}

fn read<K: TreeKey + Default>(
    snapshot: &mut Snapshot<'_>,
    page: u32,
    key: HashKey,
) -> Result<TreePage<K>, RefreshError> {
    let usable = snapshot.header().usable();
    let bytes = snapshot
        .page(page)?
        .ok_or(Malformed("a page of the tree is not there"))?;
    Ok(TreePage::parse(bytes, page, usable, key)?)
}
