//! One page of a b-tree, decoded without SQLite ("B-tree Pages" and "Record Format" in SQLite's file format
//! documentation, <https://www.sqlite.org/fileformat2.html>).
//!
//! A page is hostile input: every offset and length is checked before it is used, nothing is allocated, and every
//! iterator ends after at most as many cells as fit in the page.

mod cell;

use std::slice::Iter;

pub(crate) use cell::{IndexCell, TableInnerCell, TableLeafCell};

use cell::Cursor;

/// The header of the database file, which stands before the b-tree header of page 1. Bytes.
pub(super) const FILE_HEADER_LEN: usize = 100;
/// The least and the most bytes of a page that SQLite lets b-trees use.
pub(super) const USABLE_RANGE: std::ops::RangeInclusive<usize> = 480..=65_536;
/// How many levels below its root SQLite follows a tree.
pub(crate) const MAX_DEPTH: usize = 20;
/// A cell takes two bytes of the pointer array and at least four of the page.
const MIN_CELL_LEN: usize = 6;
/// Bytes that are not what SQLite writes, and which check said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// What a b-tree page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageKind {
    /// Child pages of a table, and the rowids that separate them.
    TableInner,
    /// Rows.
    TableLeaf,
    /// Child pages of an index, and an entry between each two of them.
    IndexInner,
    /// Index entries.
    IndexLeaf,
}

impl PageKind {
    fn from_flags(flags: u8) -> Option<Self> {
        match flags {
            0x05 => Some(PageKind::TableInner),
            0x0d => Some(PageKind::TableLeaf),
            0x02 => Some(PageKind::IndexInner),
            0x0a => Some(PageKind::IndexLeaf),
            _ => None,
        }
    }

    /// Whether pages of this kind have no children.
    pub(crate) fn is_leaf(self) -> bool {
        matches!(self, PageKind::TableLeaf | PageKind::IndexLeaf)
    }
}

/// A b-tree page whose header has been checked. Cells are checked as they are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BtreePage<'a> {
    /// The usable part of the page.
    bytes: &'a [u8],
    kind: PageKind,
    /// Where each cell begins, in the order of the keys.
    pointers: &'a [[u8; 2]],
    /// The first byte behind the pointer array: no cell begins before it.
    cells_start: usize,
    right_most_child: Option<u32>,
}

impl<'a> BtreePage<'a> {
    /// Parses page `number` (the first is 1) of which b-trees use the first `usable` bytes: the page size less
    /// the reserved bytes.
    ///
    /// # Errors
    /// The page is no b-tree page.
    pub(crate) fn parse(bytes: &'a [u8], number: u32, usable: usize) -> Result<Self, Malformed> {
        if !USABLE_RANGE.contains(&usable) {
            return Err(Malformed("no page has so many usable bytes"));
        }
        let bytes = bytes
            .get(..usable)
            .ok_or(Malformed("the page is shorter than its usable size"))?;
        let header_start = match number {
            0 => return Err(Malformed("no page has the number 0")),
            1 => FILE_HEADER_LEN,
            _ => 0,
        };
        let mut rest = Cursor(&bytes[header_start..]);
        let flags = rest.take(1)?[0];
        let kind = PageKind::from_flags(flags).ok_or(Malformed("the page is no b-tree page"))?;
        // The free block list, the start of the cells and the fragments matter to a writer only.
        let [_, _, count_high, count_low, ..] = *rest.array::<7>()?;
        let right_most_child = match kind.is_leaf() {
            true => None,
            false => Some(rest.page_number()?),
        };
        let count = usize::from(u16::from_be_bytes([count_high, count_low]));
        if count > rest.0.len() / MIN_CELL_LEN {
            return Err(Malformed("more cells than fit in the page"));
        }
        let (pointers, _) = rest.take(count * 2)?.as_chunks::<2>();
        Ok(BtreePage {
            bytes,
            kind,
            pointers,
            cells_start: usable - rest.0.len(),
            right_most_child,
        })
    }

    pub(crate) fn kind(&self) -> PageKind {
        self.kind
    }

    /// How many cells the page has: rows on a table leaf, entries on an index page, children less one on an inner
    /// page. At most 10,921.
    pub(crate) fn cell_count(&self) -> usize {
        self.pointers.len()
    }

    /// Page number of the child behind the last cell, never 0; `None` on a leaf.
    pub(crate) fn right_most_child(&self) -> Option<u32> {
        self.right_most_child
    }

    /// The cells of a table's inner page, in the order in which they stand.
    ///
    /// # Errors
    /// The page is of another kind.
    pub(crate) fn table_inner_cells(&self) -> Result<Cells<'a, TableInnerCell>, Malformed> {
        match self.kind {
            PageKind::TableInner => Ok(self.cells(cell::table_inner)),
            _ => Err(Malformed("the page is no inner page of a table")),
        }
    }

    /// The rows of a table leaf, in the order in which they stand.
    ///
    /// # Errors
    /// The page is of another kind.
    pub(crate) fn table_leaf_cells(&self) -> Result<Cells<'a, TableLeafCell>, Malformed> {
        match self.kind {
            PageKind::TableLeaf => Ok(self.cells(cell::table_leaf)),
            _ => Err(Malformed("the page is no leaf of a table")),
        }
    }

    /// The entries of an index's inner page or leaf, in the order in which they stand. The index is one on a
    /// single column that holds integers only.
    ///
    /// # Errors
    /// The page is of another kind.
    pub(crate) fn index_cells(&self) -> Result<Cells<'a, IndexCell>, Malformed> {
        match self.kind {
            PageKind::IndexInner => Ok(self.cells(cell::index_inner)),
            PageKind::IndexLeaf => Ok(self.cells(cell::index_leaf)),
            _ => Err(Malformed("the page is no page of an index")),
        }
    }

    fn cells<T>(&self, decode: Decode<'a, T>) -> Cells<'a, T> {
        Cells {
            bytes: self.bytes,
            cells_start: self.cells_start,
            pointers: self.pointers.iter(),
            decode,
        }
    }
}

/// Decodes the cell that the bytes begin with. The number is the page's usable size.
type Decode<'a, T> = fn(&mut Cursor<'a>, usize) -> Result<T, Malformed>;

/// The cells of one page, from either end. Each is checked when its turn comes.
#[derive(Clone, Debug)]
pub(crate) struct Cells<'a, T> {
    bytes: &'a [u8],
    cells_start: usize,
    pointers: Iter<'a, [u8; 2]>,
    decode: Decode<'a, T>,
}

impl<T> Cells<'_, T> {
    fn cell_at(&self, pointer: [u8; 2]) -> Result<T, Malformed> {
        let start = usize::from(u16::from_be_bytes(pointer));
        if start < self.cells_start {
            return Err(Malformed("a cell overlaps the page's header"));
        }
        let cell = self
            .bytes
            .get(start..)
            .ok_or(Malformed("a cell begins behind the page's end"))?;
        (self.decode)(&mut Cursor(cell), self.bytes.len())
    }
}

impl<T> Iterator for Cells<'_, T> {
    type Item = Result<T, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let pointer = *self.pointers.next()?;
        Some(self.cell_at(pointer))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.pointers.size_hint()
    }
}

impl<T> ExactSizeIterator for Cells<'_, T> {}

#[cfg(test)]
mod tests;
