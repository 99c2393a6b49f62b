//! The leaf pages of the table and of its index on `created_at`, as they were when their rows were read.

use super::codec::{Fixed, Input};
use super::corrupted::Corrupted;
use crate::model::Key;

/// A leaf page, without what is on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf<K> {
    /// Entries on the page: at least one, unless it is the whole tree.
    pub(crate) entries: u32,
    /// Its least and its greatest key; of no meaning where it has no entry.
    pub(crate) first: K,
    pub(crate) last: K,
    /// Keyed, of the page's bytes; 0 where it must be read again always, as an entry of it goes on on other pages.
    pub(crate) hash: u64,
    /// Of its entries' keyed hashes, modulo 2^64; 0 in a table.
    pub(crate) sum: u64,
}

/// A leaf of the table (32 bytes): its page number (4), rows (4), first and last id (8 each), hash (8).
pub(crate) type TableLeaf = (u32, Leaf<i64>);

/// A leaf of the index on `created_at` (56 bytes): its page number (4), entries (4), hash (8), sum (8), first and last
/// entry, each `created_at` and id (16 each).
pub(crate) type TimeLeaf = (u32, Leaf<Key>);

impl Fixed for TableLeaf {
    const SIZE: usize = 32;

    fn put(&self, out: &mut Vec<u8>) {
        let (page, leaf) = self;
        page.put(out);
        leaf.entries.put(out);
        [leaf.first, leaf.last].put(out);
        leaf.hash.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, Corrupted> {
        let [page, entries] = input.take()?;
        let [first, last] = input.take()?;
        let leaf = Leaf {
            entries,
            first,
            last,
            hash: input.take()?,
            sum: 0,
        };
        checked(page, leaf)
    }
}

impl Fixed for TimeLeaf {
    const SIZE: usize = 56;

    fn put(&self, out: &mut Vec<u8>) {
        let (page, leaf) = self;
        page.put(out);
        leaf.entries.put(out);
        [leaf.hash, leaf.sum].put(out);
        leaf.first.put(out);
        leaf.last.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, Corrupted> {
        let [page, entries] = input.take()?;
        let [hash, sum] = input.take()?;
        let leaf = Leaf {
            entries,
            first: input.take()?,
            last: input.take()?,
            hash,
            sum,
        };
        checked(page, leaf)
    }
}

impl Fixed for Key {
    const SIZE: usize = 16;

    fn put(&self, out: &mut Vec<u8>) {
        [self.created_at, self.id].put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, Corrupted> {
        let [created_at, id] = input.take()?;
        Ok(Key { created_at, id })
    }
}

fn checked<K: Ord>(page: u32, leaf: Leaf<K>) -> Result<(u32, Leaf<K>), Corrupted> {
    if page == 0 || leaf.first > leaf.last {
        return Err(Corrupted::new("a leaf page in the directory cannot be one"));
    }
    Ok((page, leaf))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf<K>(first: K, last: K) -> Leaf<K> {
        Leaf {
            entries: 3,
            first,
            last,
            hash: 7,
            sum: 0,
        }
    }

    fn again<L: Fixed>(leaf: L) -> Result<L, Corrupted> {
        let mut bytes = Vec::new();
        leaf.put(&mut bytes);
        assert_eq!(bytes.len(), L::SIZE);
        L::take(&mut Input(&bytes))
    }

    #[test]
    fn a_page_that_can_be_none_is_refused() {
        let key = |id| Key { created_at: 5, id };
        for (first, last) in [(1, 1), (i64::MIN, i64::MAX)] {
            assert_eq!(again((1, leaf(first, last))), Ok((1, leaf(first, last))));
            let (first, last) = (key(first), key(last));
            assert_eq!(again((u32::MAX, leaf(first, last))), Ok((u32::MAX, leaf(first, last))));
        }
        assert!(again((0, leaf(1, 1))).is_err() && again((0, leaf(key(1), key(1)))).is_err());
        assert!(again((1, leaf(2, 1))).is_err() && again((1, leaf(key(2), key(1)))).is_err());
    }
}
