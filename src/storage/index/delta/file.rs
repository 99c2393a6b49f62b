//! `audit.idx-delta`: what changed since the base was written, for other processes. docs/index-format.md tells every byte.
//!
//! The file is small, so it is written as a whole and put in place by a rename, as the base is.

use std::sync::Arc;

use super::Delta;
use crate::model::{Key, PayloadRef};
use crate::storage::index::base::codec::{Fixed, Input};
use crate::storage::index::base::corrupted::Corrupted;
use crate::storage::index::base::leaf_directory::{TableLeaf, TimeLeaf};
use crate::storage::index::base::reader::Base;
use crate::storage::index::base::source::Source;
use crate::storage::index::hash::page_hash;
use crate::storage::index::row::OwnedRow;

const MAGIC: [u8; 8] = *b"AUDITQDL";
/// Goes up with every change of what a byte means.
pub(crate) const FORMAT: u64 = 1;
/// Bytes of a row before its texts.
const ROW: usize = 52;

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
        put_all(&self.delta.removed_ranks().collect::<Vec<_>>(), &mut out);
        (self.delta.added()).put(&mut out);
        self.delta.added_rows().for_each(|row| put_row(row, &mut out));
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
        let mut delta = Delta::default();
        for _ in 0..input.count(u32::SIZE)? {
            delta.remove_of_base(base, input.take()?)?;
        }
        for _ in 0..input.count(ROW)? {
            delta.add(base, take_row(&mut input)?)?;
        }
        let file = DeltaFile {
            source,
            delta,
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

fn put_row(row: &Arc<OwnedRow>, out: &mut Vec<u8>) {
    let texts = [&row.action, &row.resource_type, &row.resource_id];
    row.key.put(out);
    [row.actor_id, row.payload_ref.offset, row.payload_ref.len].put(out);
    // No text of SQLite's has more than 2^31 − 1 bytes.
    texts.map(|text| text.len() as u32).put(out);
    texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
}

fn take_row(input: &mut Input<'_>) -> Result<OwnedRow, Corrupted> {
    let key: Key = input.take()?;
    let [actor_id, offset, len] = input.take()?;
    let [action, resource_type, resource_id] = input.take::<[u32; 3]>()?;
    let mut text = |len: u32| {
        let bytes = input.bytes(len as usize)?;
        let text = std::str::from_utf8(bytes).map_err(|_| Corrupted::new("a text is not UTF-8"))?;
        Ok(text.into())
    };
    Ok(OwnedRow {
        key,
        actor_id,
        action: text(action)?,
        resource_type: text(resource_type)?,
        resource_id: text(resource_id)?,
        payload_ref: PayloadRef { offset, len },
    })
}
