//! The cells of b-tree pages, and the records of index entries.

use super::Malformed;

/// No row or index entry is longer (SQLITE_MAX_LENGTH). Bytes.
const MAX_PAYLOAD_LEN: u64 = 0x7fff_ffff;

/// A child of a table's inner page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableInnerCell {
    /// Page number of the child; never 0.
    pub(crate) left_child: u32,
    /// No rowid below `left_child` is greater.
    pub(crate) key: i64,
}

/// A row, without its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableLeafCell {
    pub(crate) rowid: i64,
    /// Bytes of the record, those on overflow pages included.
    pub(crate) payload_len: u64,
    /// Whether the record goes on in overflow pages.
    pub(crate) has_overflow: bool,
}

/// An entry of an index on one integer column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexCell {
    /// Page number of the child whose entries come before this one; never 0. `None` on a leaf.
    pub(crate) left_child: Option<u32>,
    /// The indexed column's value.
    pub(crate) key: i64,
    pub(crate) rowid: i64,
}

pub(super) fn table_inner(cell: &mut Cursor<'_>, _: usize) -> Result<TableInnerCell, Malformed> {
    Ok(TableInnerCell {
        left_child: cell.page_number()?,
        key: cell.varint()?.cast_signed(),
    })
}

pub(super) fn table_leaf(cell: &mut Cursor<'_>, usable: usize) -> Result<TableLeafCell, Malformed> {
    let payload_len = cell.varint()?;
    let rowid = cell.varint()?.cast_signed();
    let usable = usable as u64;
    let most_local = usable - 35;
    let has_overflow = payload_len > most_local;
    if has_overflow {
        if payload_len > MAX_PAYLOAD_LEN {
            return Err(Malformed("a row is longer than SQLite allows"));
        }
        // What stays on the page is chosen so that the last overflow page is filled, if that leaves room.
        let least_local = (usable - 12) * 32 / 255 - 23;
        let filling = least_local + (payload_len - least_local) % (usable - 4);
        cell.skip(if filling <= most_local { filling } else { least_local })?;
        cell.page_number()?;
    } else {
        cell.skip(payload_len)?;
    }
    Ok(TableLeafCell {
        rowid,
        payload_len,
        has_overflow,
    })
}

pub(super) fn index_inner(cell: &mut Cursor<'_>, usable: usize) -> Result<IndexCell, Malformed> {
    let left_child = Some(cell.page_number()?);
    index_entry(cell, usable, left_child)
}

pub(super) fn index_leaf(cell: &mut Cursor<'_>, usable: usize) -> Result<IndexCell, Malformed> {
    index_entry(cell, usable, None)
}

fn index_entry(cell: &mut Cursor<'_>, usable: usize, left_child: Option<u32>) -> Result<IndexCell, Malformed> {
    let most_local = (usable - 12) * 64 / 255 - 23;
    let payload_len = usize::try_from(cell.varint()?)
        .ok()
        .filter(|&len| len <= most_local)
        .ok_or(Malformed("an index entry goes on in overflow pages"))?;
    let (key, rowid) = integer_and_rowid(cell.take(payload_len)?)?;
    Ok(IndexCell { left_child, key, rowid })
}

/// A record of an integer and a rowid.
fn integer_and_rowid(record: &[u8]) -> Result<(i64, i64), Malformed> {
    let mut rest = Cursor(record);
    let header_len = rest.varint()?;
    let key_type = rest.varint()?;
    let rowid_type = rest.varint()?;
    if header_len != (record.len() - rest.0.len()) as u64 {
        return Err(Malformed("an index entry has not exactly two columns"));
    }
    let key = rest.integer(key_type)?;
    let rowid = rest.integer(rowid_type)?;
    if !rest.0.is_empty() {
        return Err(Malformed("an index entry is longer than its columns"));
    }
    Ok((key, rowid))
}

/// Bytes that are taken from the front.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    const CUT_OFF: Malformed = Malformed("a cell goes beyond the page's end or its own");

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Self::CUT_OFF)?;
        self.0 = rest;
        Ok(taken)
    }

    fn skip(&mut self, len: u64) -> Result<(), Malformed> {
        let len = usize::try_from(len).map_err(|_| Self::CUT_OFF)?;
        self.take(len).map(|_| ())
    }

    pub(super) fn array<const LEN: usize>(&mut self) -> Result<&'a [u8; LEN], Malformed> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Self::CUT_OFF)?;
        self.0 = rest;
        Ok(array)
    }

    /// The number of a page, which cannot be 0.
    pub(super) fn page_number(&mut self) -> Result<u32, Malformed> {
        match u32::from_be_bytes(*self.array()?) {
            0 => Err(Malformed("a page number is 0")),
            number => Ok(number),
        }
    }

    /// SQLite's variable-length integer: seven bits a byte, most significant first, and eight in a ninth byte.
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for _ in 0..8 {
            let [byte] = *self.array()?;
            value = value << 7 | u64::from(byte & 0x7f);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        let [byte] = *self.array()?;
        Ok(value << 8 | u64::from(byte))
    }

    /// An integer column of the given serial type.
    fn integer(&mut self, serial_type: u64) -> Result<i64, Malformed> {
        let len = match serial_type {
            1 => 1,
            2 => 2,
            3 => 3,
            4 => 4,
            5 => 6,
            6 => 8,
            8 => return Ok(0),
            9 => return Ok(1),
            _ => return Err(Malformed("not an integer")),
        };
        let bytes = self.take(len)?;
        let sign = if bytes[0] < 0x80 { 0 } else { -1 };
        Ok(bytes.iter().fold(sign, |value, &byte| value << 8 | i64::from(byte)))
    }
}
