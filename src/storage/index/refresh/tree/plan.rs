//! Finds out what a tree is now, without changing what is known of it: an update that fails half way leaves no trace.

use super::{PageMap, PageSet, Tree};
use crate::storage::index::hash::VOLATILE;
use crate::storage::index::refresh::RefreshError;
use crate::storage::index::refresh::key::TreeKey;
use crate::storage::index::refresh::page::{Inner, Leaf, TreePage};
use crate::storage::sqlite::btree::{MAX_DEPTH, Malformed};

/// What differs in a tree from what was known of it.
#[derive(Debug)]
pub(crate) struct TreeUpdate<K> {
    /// The pages that were read: all of them are part of the tree now.
    pub(super) read: PageMap<TreePage<K>>,
    /// The parents of pages that may have another one than before.
    pub(super) parents: PageMap<u32>,
    /// Pages that are no longer part of the tree.
    pub(super) gone: Vec<u32>,
    entries: u64,
    sum: u64,
    ranges: Vec<(K, K)>,
}

impl<K: Copy> TreeUpdate<K> {
    /// Entries of the whole tree now.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// Entries of the leaves that were read.
    pub(crate) fn entries_read(&self) -> u64 {
        let leaves = self.read.values().map(|page| match page {
            TreePage::Leaf(leaf) => u64::from(leaf.entries),
            TreePage::Inner(_) => 0,
        });
        leaves.sum()
    }

    /// The sum of all entries' hashes now, modulo 2^64.
    pub(crate) fn sum(&self) -> u64 {
        self.sum
    }

    /// Ranges of keys, both ends included, outside of which nothing differs: those of each leaf that changed, as it
    /// was and as it is. They may overlap.
    pub(crate) fn ranges(&self) -> &[(K, K)] {
        &self.ranges
    }

    /// How many pages were read.
    #[cfg(test)]
    pub(crate) fn pages_read(&self) -> usize {
        self.read.len()
    }
}

/// Reads and parses a page as the snapshot has it.
type ReadPage<'a, K> = &'a mut dyn FnMut(u32) -> Result<TreePage<K>, RefreshError>;

impl<K: TreeKey> Tree<K> {
    /// Reads what is no longer as it was. Every page that changed since the last update must be in `changed`; pages
    /// that did not, and pages of others, may be.
    ///
    /// # Errors
    /// A page cannot be read, or SQLite could not find every entry by searching this tree.
    pub(crate) fn update(&self, changed: &PageSet, read_page: ReadPage<'_, K>) -> Result<TreeUpdate<K>, RefreshError> {
        let mut plan = Plan {
            tree: self,
            changed,
            read_page,
            read: PageMap::default(),
            parents: PageMap::default(),
        };
        plan.read_inner_pages()?;
        plan.read_leaves()?;
        plan.check_order()?;
        Ok(plan.finish())
    }
}

struct Plan<'t, K> {
    tree: &'t Tree<K>,
    changed: &'t PageSet,
    read_page: ReadPage<'t, K>,
    read: PageMap<TreePage<K>>,
    /// Of the children of every inner page that was read.
    parents: PageMap<u32>,
}

impl<K: TreeKey> Plan<'_, K> {
    fn read_inner_pages(&mut self) -> Result<(), RefreshError> {
        let tree = self.tree;
        if tree.is_cold || self.changed.contains(&tree.root) {
            self.read(tree.root, 0)?;
        }
        let mut left: Vec<u32> = if self.changed.len() < tree.inner.len() {
            self.changed
                .iter()
                .copied()
                .filter(|page| tree.inner.contains_key(page))
                .collect()
        } else {
            tree.inner
                .keys()
                .copied()
                .filter(|page| self.changed.contains(page))
                .collect()
        };
        // The one nearest to the root first: it decides whether those below are still part of the tree.
        loop {
            left.retain(|page| !self.read.contains_key(page));
            let reachable = left.iter().filter_map(|&page| Some((self.depth(page)?, page)));
            let Some((depth, page)) = reachable.min() else {
                return Ok(());
            };
            self.read(page, depth)?;
        }
    }

    fn read_leaves(&mut self) -> Result<(), RefreshError> {
        for page in self.changed.iter().chain(&self.tree.volatile) {
            if self.tree.leaves.contains_key(page)
                && !self.read.contains_key(page)
                && let Some(depth) = self.depth(*page)
            {
                self.read(*page, depth)?;
            }
        }
        Ok(())
    }

    /// Reads a page of the tree, and whatever is not known or not sure below it.
    fn read(&mut self, page: u32, depth: usize) -> Result<(), RefreshError> {
        if depth > MAX_DEPTH {
            return Err(Malformed("the tree is deeper than SQLite makes one").into());
        }
        let parsed = (self.read_page)(page)?;
        let children = match &parsed {
            TreePage::Inner(inner) => inner.children.clone(),
            TreePage::Leaf(leaf) if leaf.entries == 0 && page != self.tree.root => {
                return Err(Malformed("a leaf page of a larger tree is empty").into());
            }
            TreePage::Leaf(_) => Vec::new(),
        };
        self.read.insert(page, parsed);
        for child in children {
            if child == self.tree.root || self.parents.insert(child, page).is_some() {
                return Err(Malformed("a page has two parents").into());
            }
            let is_known = self.tree.leaves.contains_key(&child) || self.tree.inner.contains_key(&child);
            if !is_known || self.changed.contains(&child) {
                self.read(child, depth + 1)?;
            }
        }
        Ok(())
    }

    /// How far below the root a page is; `None` if it is not part of the tree, as far as that is known yet.
    fn depth(&self, page: u32) -> Option<usize> {
        let mut page = page;
        for depth in 0..=MAX_DEPTH {
            if page == self.tree.root {
                return Some(depth);
            }
            page = self.parent(page)?;
        }
        None
    }

    fn parent(&self, page: u32) -> Option<u32> {
        if let Some(parent) = self.parents.get(&page) {
            return Some(*parent);
        }
        // A parent that was read again and still had it would be among those above.
        let parent = self.tree.parents.get(&page)?;
        (!self.read.contains_key(parent)).then_some(*parent)
    }

    fn inner(&self, page: u32) -> Option<&Inner<K>> {
        match self.read.get(&page) {
            Some(TreePage::Inner(inner)) => Some(inner),
            Some(TreePage::Leaf(_)) => None,
            None => self.tree.inner.get(&page),
        }
    }

    fn leaf(&self, page: u32) -> Option<&Leaf<K>> {
        match self.read.get(&page) {
            Some(TreePage::Leaf(leaf)) => Some(leaf),
            Some(TreePage::Inner(_)) => None,
            None => self.tree.leaves.get(&page),
        }
    }

    /// Whether SQLite finds every entry by searching: what lies below a child lies between the separators on its
    /// sides. What was not read was in order before, so only the edges of each child need be looked at.
    fn check_order(&self) -> Result<(), RefreshError> {
        for (&page, read) in &self.read {
            let (lower, upper) = self.bounds(page)?;
            match read {
                TreePage::Leaf(leaf) if leaf.entries == 0 => {}
                TreePage::Leaf(leaf) => check_bounds(lower, upper, leaf.first, leaf.last)?,
                TreePage::Inner(inner) => {
                    for (place, &child) in inner.children.iter().enumerate() {
                        let first = self.edge(child, |children| children.first())?.first;
                        let last = self.edge(child, |children| children.last())?.last;
                        let lower = place
                            .checked_sub(1)
                            .map_or(lower, |place| Some(inner.separators[place]));
                        let upper = inner.separators.get(place).copied().or(upper);
                        check_bounds(lower, upper, first, last)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The separators on both sides of a page, if there are any.
    fn bounds(&self, page: u32) -> Result<(Option<K>, Option<K>), RefreshError> {
        let (mut lower, mut upper) = (None, None);
        let mut page = page;
        for _ in 0..=MAX_DEPTH {
            if page == self.tree.root || (lower.is_some() && upper.is_some()) {
                return Ok((lower, upper));
            }
            let parent = self.parent(page).ok_or(LOST)?;
            let inner = self.inner(parent).ok_or(LOST)?;
            let place = inner.children.iter().position(|&child| child == page).ok_or(LOST)?;
            lower = lower.or_else(|| Some(inner.separators[place.checked_sub(1)?]));
            upper = upper.or_else(|| inner.separators.get(place).copied());
            page = parent;
        }
        Err(LOST.into())
    }

    /// The first or the last leaf below a page.
    fn edge(&self, page: u32, choose: fn(&[u32]) -> Option<&u32>) -> Result<&Leaf<K>, RefreshError> {
        let mut page = page;
        for _ in 0..=MAX_DEPTH {
            if let Some(leaf) = self.leaf(page) {
                return Ok(leaf);
            }
            page = *self.inner(page).and_then(|inner| choose(&inner.children)).ok_or(LOST)?;
        }
        Err(LOST.into())
    }

    fn finish(self) -> TreeUpdate<K> {
        let tree = self.tree;
        let gone = self.gone();
        let mut update = TreeUpdate {
            entries: tree.entries,
            sum: tree.sum,
            ranges: tree.orphans.iter().filter_map(range).collect(),
            read: self.read,
            parents: self.parents,
            gone,
        };
        for page in update.gone.iter().chain(update.read.keys()) {
            if let Some(inner) = tree.inner.get(page) {
                update.entries -= inner.entries();
                update.sum = update.sum.wrapping_sub(inner.sum);
            }
            if let Some(leaf) = tree.leaves.get(page) {
                update.entries -= u64::from(leaf.entries);
                update.sum = update.sum.wrapping_sub(leaf.sum);
            }
        }
        update
            .ranges
            .extend(update.gone.iter().filter_map(|page| range(tree.leaves.get(page)?)));
        for (page, read) in &update.read {
            let old = tree.leaves.get(page);
            let new = match read {
                TreePage::Inner(inner) => {
                    update.entries += inner.entries();
                    update.sum = update.sum.wrapping_add(inner.sum);
                    None
                }
                TreePage::Leaf(leaf) => {
                    update.entries += u64::from(leaf.entries);
                    update.sum = update.sum.wrapping_add(leaf.sum);
                    Some(leaf)
                }
            };
            let is_same = |old: &Leaf<K>, new: &Leaf<K>| old.hash == new.hash && old.hash != VOLATILE;
            if !old.zip(new).is_some_and(|(old, new)| is_same(old, new)) {
                update.ranges.extend([old, new].into_iter().flatten().filter_map(range));
            }
        }
        update
    }

    /// The pages that were part of the tree and no longer are.
    fn gone(&self) -> Vec<u32> {
        let tree = self.tree;
        if tree.is_cold {
            let is_there = |page: &u32| self.parents.contains_key(page) || *page == tree.root;
            return tree.leaves.keys().copied().filter(|page| !is_there(page)).collect();
        }
        let mut gone = Vec::new();
        let were_inner = self.read.keys().filter_map(|page| tree.inner.get(page));
        let mut left: Vec<u32> = were_inner.flat_map(|inner| inner.children.iter().copied()).collect();
        while let Some(page) = left.pop() {
            if self.depth(page).is_some() {
                continue;
            }
            gone.push(page);
            left.extend(tree.inner.get(&page).iter().flat_map(|inner| &inner.children));
        }
        gone
    }
}

const LOST: Malformed = Malformed("a page of the tree cannot be reached from its root");

fn range<K: Copy>(leaf: &Leaf<K>) -> Option<(K, K)> {
    (leaf.entries > 0).then_some((leaf.first, leaf.last))
}

fn check_bounds<K: TreeKey>(lower: Option<K>, upper: Option<K>, first: K, last: K) -> Result<(), Malformed> {
    // A table's separator may be the last id on its left; an index's is an entry of its own.
    let is_above = |upper: K| {
        if K::INNER_HAS_ENTRIES {
            last < upper
        } else {
            last <= upper
        }
    };
    if lower.is_none_or(|lower| lower < first) && upper.is_none_or(is_above) {
        Ok(())
    } else {
        Err(Malformed("a search would not find an entry that is there"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Key;

    #[test]
    fn what_lies_below_a_child_lies_between_its_separators() {
        let is_between = |lower, upper, first, last| check_bounds::<i64>(lower, upper, first, last).is_ok();
        assert!(is_between(None, None, i64::MIN, i64::MAX));
        // The id on the left belongs to the left, the one on the right to this child.
        assert!(is_between(Some(5), Some(9), 6, 9));
        assert!(!is_between(Some(5), Some(9), 5, 9) && !is_between(Some(5), Some(9), 6, 10));
        assert!(!is_between(Some(5), None, 5, 6) && !is_between(None, Some(9), 1, 10));
        // The entries of an index's inner pages are below neither.
        let key = |id| Key { created_at: 1, id };
        let is_between = |first, last| check_bounds(Some(key(5)), Some(key(9)), key(first), key(last)).is_ok();
        assert!(is_between(6, 8) && !is_between(5, 8) && !is_between(6, 9));
    }

    #[test]
    fn a_leaf_without_entries_has_no_range() {
        let leaf = |entries| Leaf {
            entries,
            first: 3,
            last: 7,
            hash: 1,
            sum: 0,
        };
        assert_eq!(range(&leaf(0)), None);
        assert_eq!(range(&leaf(1)), Some((3, 7)));
    }
}
