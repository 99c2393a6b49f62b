//! `audit.idx-delta`: what changed since the base was written, for other processes. docs/index-format.md tells every byte.
//!
//! The file is small, so it is written as a whole and put in place by a rename, as the base is.

use std::sync::Arc;

use super::Delta;
use super::list::ListDelta;
use super::lists::Lists;
use super::rows::{Added, Pair, Removed};
use crate::model::{Key, PayloadRef};
use crate::storage::index::base::codec::{Fixed, Input};
use crate::storage::index::base::corrupted::Corrupted;
use crate::storage::index::base::leaf_directory::{TableLeaf, TimeLeaf};
use crate::storage::index::base::reader::Base;
use crate::storage::index::base::source::Source;
use crate::storage::index::hash::page_hash;
use crate::storage::index::row::{OwnedRow, Texts};

const MAGIC: [u8; 8] = *b"AUDITQDL";
/// Goes up with every change of what a byte means.
pub(crate) const FORMAT: u64 = 2;
/// Bytes of a removed event before its action, and of an added one before its texts.
const REMOVED: usize = 16;
const ADDED: usize = 56;

/// What differs from a base, and from its leaf directory.
#[derive(Clone, Debug)]
pub(crate) struct DeltaFile {
    /// The state of the database behind the changes.
    pub(crate) source: Source,
    pub(crate) delta: Delta,
    pub(crate) table: DirectoryChanges<TableLeaf>,
    pub(crate) time: DirectoryChanges<TimeLeaf>,
}

/// What differs in the directory of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirectoryChanges<L> {
    /// Pages that are leaves of the tree no longer.
    pub(crate) gone: Vec<u32>,
    /// Leaves that came, or are other ones now.
    pub(crate) leaves: Vec<L>,
}

impl<L> Default for DirectoryChanges<L> {
    fn default() -> Self {
        DirectoryChanges {
            gone: Vec::new(),
            leaves: Vec::new(),
        }
    }
}

impl DeltaFile {
    /// The bytes of the file.
    pub(crate) fn encode(&self, base: &Base) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        FORMAT.put(&mut out);
        base.header().base_id.put(&mut out);
        self.source.put(&mut out);
        self.delta.put(&mut out);
        self.table.put(&mut out);
        self.time.put(&mut out);
        let sum = page_hash(base.header().hash_key, &out);
        sum.put(&mut out);
        out
    }

    /// The state behind the changes that these bytes hold, which costs no look at the base.
    ///
    /// # Errors
    /// They are damaged, of another version, or of another base.
    pub(crate) fn source(bytes: &[u8], base: &Base) -> Result<Source, Corrupted> {
        checked(bytes, base)
            .map(|(source, _)| source)
            .map_err(Corrupted::in_delta)
    }

    /// Reads the file of a base.
    ///
    /// # Errors
    /// It is damaged, of another version, or of another base.
    pub(crate) fn decode(bytes: &[u8], base: &Base) -> Result<Self, Corrupted> {
        Self::take(bytes, base).map_err(Corrupted::in_delta)
    }

    fn take(bytes: &[u8], base: &Base) -> Result<Self, Corrupted> {
        let (source, mut input) = checked(bytes, base)?;
        let file = DeltaFile {
            source,
            delta: Delta::take(&mut input, base)?,
            table: DirectoryChanges::take(&mut input)?,
            time: DirectoryChanges::take(&mut input)?,
        };
        if input.0.len() == u64::SIZE {
            Ok(file)
        } else {
            Err(Corrupted::new("it goes on behind its end"))
        }
    }
}

/// Checks all that can be checked without the base's blocks. Gives the state, and what follows it in the file.
fn checked<'file>(bytes: &'file [u8], base: &Base) -> Result<(Source, Input<'file>), Corrupted> {
    let mut input = Input(bytes);
    if input.bytes(MAGIC.len())? != MAGIC {
        return Err(Corrupted::new("it is no delta file"));
    }
    if input.take::<u64>()? != FORMAT {
        return Err(Corrupted::OTHER_VERSION);
    }
    if input.take::<u128>()? != base.header().base_id {
        return Err(Corrupted::new("it belongs to another base"));
    }
    let (content, sum) = bytes.split_last_chunk().ok_or(Corrupted::new("it ends too early"))?;
    if page_hash(base.header().hash_key, content) != u64::from_le_bytes(*sum) {
        return Err(Corrupted::new("its checksum is wrong"));
    }
    Ok((input.take()?, input))
}

impl<L: Fixed> DirectoryChanges<L> {
    fn put(&self, out: &mut Vec<u8>) {
        put_all(&self.gone, out);
        put_all(&self.leaves, out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, Corrupted> {
        Ok(DirectoryChanges {
            gone: take_all(input)?,
            leaves: take_all(input)?,
        })
    }
}

/// How many there are, and each.
fn put_all<T: Fixed>(values: &[T], out: &mut Vec<u8>) {
    (values.len() as u64).put(out);
    values.iter().for_each(|value| value.put(out));
}

fn take_all<T: Fixed>(input: &mut Input<'_>) -> Result<Vec<T>, Corrupted> {
    let count = input.count(T::SIZE)?;
    (0..count).map(|_| input.take()).collect()
}

impl Delta {
    fn put(&self, out: &mut Vec<u8>) {
        self.removed().put(out);
        for Removed { rank, pair } in self.removed.iter() {
            rank.put(out);
            pair.actor_id.put(out);
            put_texts(&[&pair.action], out);
        }
        self.added().put(out);
        for Added { rank, row } in self.added.iter() {
            rank.put(out);
            row.key.put(out);
            [row.actor_id, row.payload_ref.offset, row.payload_ref.len].put(out);
            put_texts(
                &[row.texts.action(), row.texts.resource_type(), row.texts.resource_id()],
                out,
            );
        }
    }

    /// Reads no block of the base: what a delta takes to open depends on it alone.
    fn take(input: &mut Input<'_>, base: &Base) -> Result<Self, Corrupted> {
        let count = input.count(REMOVED)?;
        let removed: Vec<_> = (0..count).map(|_| take_removed(input)).collect::<Result<_, _>>()?;
        let count = input.count(ADDED)?;
        let by_id: Vec<_> = (0..count).map(|_| take_added(input)).collect::<Result<_, _>>()?;
        let mut in_order = by_id.clone();
        in_order.sort_unstable_by_key(|added| added.row.key);
        // No base has more events than 32 bits can count.
        let events = base.events() as u32;
        let are_removed_there = removed.is_sorted_by(|one, next| one.rank < next.rank)
            && removed.last().is_none_or(|last| last.rank < events);
        if !are_removed_there {
            return Err(Corrupted::new("an event is to go that is not there"));
        }
        if !by_id.is_sorted_by(|one, next| one.row.key.id < next.row.key.id) {
            return Err(Corrupted::new("its ids do not ascend"));
        }
        let are_in_order =
            in_order.is_sorted_by_key(|added| added.rank) && in_order.last().is_none_or(|last| last.rank <= events);
        if !are_in_order {
            return Err(Corrupted::new("its events are out of order"));
        }
        Ok(Delta {
            all: ListDelta::new(removed.iter().map(|removed| removed.rank), in_order.into_iter()),
            removed: removed.into_iter().collect(),
            added: by_id.into_iter().collect(),
            lists: Lists::default(),
        })
    }
}

/// The lengths of texts, and then these.
fn put_texts(texts: &[&str], out: &mut Vec<u8>) {
    // No text of SQLite's has more than 2^31 − 1 bytes.
    texts.iter().for_each(|text| (text.len() as u32).put(out));
    texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
}

fn take_removed(input: &mut Input<'_>) -> Result<Removed, Corrupted> {
    let (rank, actor_id, len) = (input.take()?, input.take()?, input.take::<u32>()?);
    let action = take_text(input, len as usize)?.into();
    let pair = Pair { actor_id, action };
    Ok(Removed { rank, pair })
}

fn take_added(input: &mut Input<'_>) -> Result<Added, Corrupted> {
    let rank = input.take()?;
    let key: Key = input.take()?;
    let [actor_id, offset, len] = input.take()?;
    let [action, resource_type, resource_id] = input.take::<[u32; 3]>()?;
    let len_of_all = [action, resource_type, resource_id]
        .map(|len| len as usize)
        .iter()
        .sum();
    let texts = Texts::cut(take_text(input, len_of_all)?, action, resource_type).ok_or(NOT_UTF8)?;
    let row = Arc::new(OwnedRow {
        key,
        actor_id,
        texts,
        payload_ref: PayloadRef { offset, len },
    });
    Ok(Added { rank, row })
}

fn take_text<'file>(input: &mut Input<'file>, len: usize) -> Result<&'file str, Corrupted> {
    std::str::from_utf8(input.bytes(len)?).map_err(|_| NOT_UTF8)
}

const NOT_UTF8: Corrupted = Corrupted::new("a text is not UTF-8");
