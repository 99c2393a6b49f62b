//! What is remembered of a b-tree of the database, page by page, and how it is brought up to date where some of its
//! pages have changed: only these are read again.
//!
//! Leaves are taken for what they were as long as nobody says that they changed. Inner pages say which leaves there are,
//! so one that changed may bring pages that were no part of the tree before, and let others go: those are looked at even
//! if nobody says that they changed, because SQLite takes pages from its freelist without a word in any journal.

mod plan;

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use super::key::TreeKey;
use super::page::{Inner, Leaf, TreePage};
use crate::storage::index::delta::DirectoryChanges;
use crate::storage::index::hash::VOLATILE;

pub(crate) use plan::TreeUpdate;

/// Page numbers are chosen by SQLite, so a hash that is fast will do.
pub(super) type PageMap<T> = HashMap<u32, T, FixedState>;
/// The same, without values.
pub(crate) type PageSet = HashSet<u32, FixedState>;

/// A b-tree without what its leaves hold.
#[derive(Clone, Debug)]
pub(crate) struct Tree<K> {
    root: u32,
    inner: PageMap<Inner<K>>,
    leaves: PageMap<Leaf<K>>,
    /// Of every page but the root.
    parents: PageMap<u32>,
    /// Leaves that are read again each time.
    volatile: PageSet,
    /// Leaves that were part of the tree, under a number that another leaf has now.
    orphans: Vec<Leaf<K>>,
    /// Whether the inner pages are still to be read for the first time.
    is_cold: bool,
    entries: u64,
    sum: u64,
}

impl<K: TreeKey> Tree<K> {
    /// A tree of which only leaves are known, each as it was at some time. Its first update reads all inner pages.
    pub(crate) fn new(root: u32, leaves: impl IntoIterator<Item = (u32, Leaf<K>)>) -> Self {
        let mut tree = Tree {
            root,
            inner: PageMap::default(),
            leaves: PageMap::default(),
            parents: PageMap::default(),
            volatile: PageSet::default(),
            orphans: Vec::new(),
            is_cold: true,
            entries: 0,
            sum: 0,
        };
        for (page, leaf) in leaves {
            tree.put_leaf(page, leaf);
        }
        tree
    }

    fn put_leaf(&mut self, page: u32, leaf: Leaf<K>) {
        self.entries += u64::from(leaf.entries);
        self.sum = self.sum.wrapping_add(leaf.sum);
        if leaf.hash == VOLATILE {
            self.volatile.insert(page);
        }
        if let Some(old) = self.leaves.insert(page, leaf) {
            self.entries -= u64::from(old.entries);
            self.sum = self.sum.wrapping_sub(old.sum);
            self.orphans.push(old);
        }
    }

    fn remove_leaf(&mut self, page: u32) {
        self.volatile.remove(&page);
        if let Some(old) = self.leaves.remove(&page) {
            self.entries -= u64::from(old.entries);
            self.sum = self.sum.wrapping_sub(old.sum);
        }
    }

    fn put_inner(&mut self, page: u32, inner: Inner<K>) {
        self.entries += inner.entries();
        self.sum = self.sum.wrapping_add(inner.sum);
        self.inner.insert(page, inner);
    }

    fn remove_inner(&mut self, page: u32) {
        if let Some(old) = self.inner.remove(&page) {
            self.entries -= old.entries();
            self.sum = self.sum.wrapping_sub(old.sum);
        }
    }

    /// Entries of the whole tree, as of the last update.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// The sum of all entries' hashes, modulo 2^64, as of the last update.
    #[cfg(test)]
    pub(crate) fn sum(&self) -> u64 {
        self.sum
    }

    /// How many leaves must be read each time.
    pub(crate) fn volatile(&self) -> usize {
        self.volatile.len()
    }

    /// Its inner pages, in no order.
    pub(crate) fn inner_pages(&self) -> impl Iterator<Item = u32> {
        self.inner.keys().copied()
    }

    /// Its leaves, in no order.
    pub(crate) fn leaves(&self) -> impl ExactSizeIterator<Item = (u32, &Leaf<K>)> {
        self.leaves.iter().map(|(&page, leaf)| (page, leaf))
    }

    /// Its leaves, in the order of the tree. The one leaf of a tree without entries has no place in it, and no directory
    /// lists it.
    pub(crate) fn in_order(&self) -> Vec<(u32, Leaf<K>)> {
        let leaves = self.leaves.iter().filter(|(_, leaf)| leaf.entries > 0);
        let mut leaves: Vec<_> = leaves.map(|(&page, &leaf)| (page, leaf)).collect();
        leaves.sort_unstable_by_key(|(_, leaf)| leaf.first);
        leaves
    }

    /// What differs from a directory.
    pub(crate) fn changes_since(&self, directory: &[(u32, Leaf<K>)]) -> DirectoryChanges<(u32, Leaf<K>)> {
        let mut changes = DirectoryChanges::default();
        let mut same = PageSet::default();
        for (page, then) in directory {
            match self.leaves.get(page) {
                None => changes.gone.push(*page),
                Some(now) if now == then => _ = same.insert(*page),
                Some(_) => {}
            }
        }
        let leaves = self.leaves.iter().filter(|(page, _)| !same.contains(page));
        changes.leaves = leaves.map(|(&page, &leaf)| (page, leaf)).collect();
        changes.leaves.sort_unstable_by_key(|(_, leaf)| leaf.first);
        changes
    }

    /// Takes over what an update of this tree found.
    pub(crate) fn apply(&mut self, update: TreeUpdate<K>) {
        for page in update.gone {
            self.parents.remove(&page);
            self.remove_leaf(page);
            self.remove_inner(page);
        }
        for (page, read) in update.read {
            self.remove_leaf(page);
            self.remove_inner(page);
            match read {
                TreePage::Leaf(leaf) => self.put_leaf(page, leaf),
                TreePage::Inner(inner) => self.put_inner(page, inner),
            }
        }
        self.parents.extend(update.parents);
        self.orphans.clear();
        self.is_cold = false;
    }
}

#[cfg(test)]
mod tests;
