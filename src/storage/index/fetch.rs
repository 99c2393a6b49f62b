//! Rows, put together from their records and their texts.

use std::sync::Arc;

use crate::model::{Key, PayloadRef, Row, Rows};
use crate::storage::index::base::blocks::Blocks;
use crate::storage::index::base::corrupted::Corrupted;
use crate::storage::index::base::records::{ActorRecord, EventRecord, TextRecord};
use crate::storage::index::base::section::Section;
use crate::storage::index::row::OwnedRow;
use crate::storage::sqlite::MAX_INDEXED_TEXT;

/// A guess: about as many bytes have the three texts of a row.
const TEXT_OF_A_ROW: usize = 64;

/// Rows of a base in any order, read in two turns: records first, then actors and texts. They lie all over the
/// index, and in a turn that does little else the processor waits for many of them at once.
pub(crate) struct BaseRows {
    records: Vec<(i64, EventRecord)>,
    looked_up: Vec<(i64, [usize; 3])>,
    text: Vec<u8>,
}

impl BaseRows {
    /// Reads the rows of these ranks.
    ///
    /// # Errors
    /// A damaged block, or records that cannot be right.
    pub(crate) fn read(
        blocks: &Blocks,
        ranks: impl Iterator<Item = Result<u64, Corrupted>> + Clone,
    ) -> Result<Self, Corrupted> {
        let records = read_records(blocks, ranks)?;
        let mut text = Vec::with_capacity(records.len() * TEXT_OF_A_ROW);
        let mut looked_up = Vec::with_capacity(records.len());
        let mut ahead = Ahead::new(blocks);
        for (at, (_, event)) in records.iter().enumerate() {
            ahead.look(|| {
                records[at..]
                    .iter()
                    .flat_map(|(_, event)| blocks_of_texts(blocks, event))
            });
            let actor: &ActorRecord = blocks.sized_record(Section::Actors, event.actor.cast_unsigned())?;
            looked_up.push((actor.actor_id.get(), append_texts(blocks, event, &mut text)?));
        }
        Ok(BaseRows {
            records,
            looked_up,
            text,
        })
    }

    /// The rows, in the order in which they were asked for.
    ///
    /// # Errors
    /// Text that is none, once it is come to.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Result<Row<'_>, Corrupted>> {
        let text =
            std::str::from_utf8(&self.text).map_err(|_| Corrupted::new("it is not UTF-8").in_section(Section::Text));
        let mut start = 0;
        self.records.iter().zip(&self.looked_up).map(
            move |((created_at, event), (actor_id, [action_end, type_end, end]))| {
                let text = text?;
                let cut = Corrupted::new("a text begins or ends within a character").in_section(Section::Text);
                let row = Row {
                    id: event.id,
                    created_at: *created_at,
                    actor_id: *actor_id,
                    action: text.get(start..*action_end).ok_or(cut)?,
                    resource_type: text.get(*action_end..*type_end).ok_or(cut)?,
                    resource_id: text.get(*type_end..*end).ok_or(cut)?,
                    payload_ref: PayloadRef {
                        offset: event.payload_offset,
                        len: event.payload_len,
                    },
                };
                start = *end;
                Ok(row)
            },
        )
    }
}

/// Where a row of a page comes from.
#[derive(Clone, Debug)]
pub(crate) enum Slot {
    /// A rank of the base.
    Base(u64),
    /// A row of the delta.
    Added(Arc<OwnedRow>),
}

/// Appends the rows of a page. Each comes before the one before it in the order, and the first before `bound`: whatever an
/// index says, who walks it from cursor to cursor comes to its end.
pub(crate) struct InOrder<'rows> {
    rows: &'rows mut Rows,
    newer: Option<Key>,
}

impl<'rows> InOrder<'rows> {
    pub(crate) fn new(rows: &'rows mut Rows, bound: Option<Key>) -> Self {
        InOrder { rows, newer: bound }
    }

    /// # Errors
    /// The row does not come before the last one.
    pub(crate) fn push(&mut self, row: &Row<'_>) -> Result<(), Corrupted> {
        let key = Key {
            created_at: row.created_at,
            id: row.id,
        };
        if self.newer.is_some_and(|newer| newer <= key) {
            return Err(Corrupted::new("events are out of order"));
        }
        self.newer = Some(key);
        self.rows.push(row);
        Ok(())
    }
}

/// Appends the rows of these slots.
///
/// # Errors
/// A damaged block, or rows out of order.
pub(crate) fn push_slots(
    blocks: &Blocks,
    slots: &[Slot],
    bound: Option<Key>,
    rows: &mut Rows,
) -> Result<(), Corrupted> {
    let of_base = slots.iter().filter_map(|slot| match slot {
        Slot::Base(rank) => Some(Ok(*rank)),
        Slot::Added(_) => None,
    });
    let base_rows = BaseRows::read(blocks, of_base)?;
    let mut base_rows = base_rows.iter();
    let mut rows = InOrder::new(rows, bound);
    for slot in slots {
        match slot {
            Slot::Added(row) => rows.push(&row.as_row())?,
            Slot::Base(_) => {
                if let Some(row) = base_rows.next() {
                    rows.push(&row?)?;
                }
            }
        }
    }
    Ok(())
}

/// Looks, before each row, whether blocks are missing, and then reads ahead, once in a turn: where they are all there,
/// as they are in a process that has answered before, that costs next to nothing.
struct Ahead<'index> {
    blocks: &'index Blocks,
    /// `None` once it was read ahead.
    first_touches: Option<u64>,
}

impl<'index> Ahead<'index> {
    fn new(blocks: &'index Blocks) -> Self {
        Ahead {
            blocks,
            first_touches: Some(blocks.first_touches()),
        }
    }

    /// `numbers` are the blocks of the rows that are left.
    #[inline(always)]
    fn look<I: Iterator<Item = u64>>(&mut self, numbers: impl FnOnce() -> I) {
        if self
            .first_touches
            .is_some_and(|before| before != self.blocks.first_touches())
        {
            self.first_touches = None;
            self.blocks.read_ahead(numbers());
        }
    }
}

fn read_records(
    blocks: &Blocks,
    mut ranks: impl Iterator<Item = Result<u64, Corrupted>> + Clone,
) -> Result<Vec<(i64, EventRecord)>, Corrupted> {
    let mut records = Vec::with_capacity(ranks.size_hint().0);
    let mut ahead = Ahead::new(blocks);
    loop {
        ahead.look(|| ranks.clone().flatten().flat_map(|rank| blocks_of_record(blocks, rank)));
        let Some(rank) = ranks.next() else {
            return Ok(records);
        };
        records.push(record(blocks, rank?)?);
    }
}

fn blocks_of_record(blocks: &Blocks, rank: u64) -> impl Iterator<Item = u64> {
    let block_of = |section| blocks.block_of(section, rank);
    [block_of(Section::Times), block_of(Section::Events)]
        .into_iter()
        .flatten()
}

/// The blocks of a row's actor and of its texts; the few of the names' own texts are not worth the look.
fn blocks_of_texts(blocks: &Blocks, event: &EventRecord) -> impl Iterator<Item = u64> {
    let block_of = |section, index: i64| blocks.block_of(section, index.cast_unsigned());
    let records = [
        block_of(Section::Actors, event.actor),
        block_of(Section::Actions, event.action),
        block_of(Section::ResourceTypes, event.resource_type),
    ];
    let (start, len) = (
        event.resource_id_start.cast_unsigned(),
        event.resource_id_len.cast_unsigned(),
    );
    let is_text = len <= u64::from(MAX_INDEXED_TEXT.unsigned_abs());
    let text = is_text.then(|| blocks.blocks_of_text(start, len)).flatten();
    records.into_iter().flatten().chain(text.into_iter().flatten())
}

/// An event's time and the rest of it.
#[inline(always)]
fn record(blocks: &Blocks, rank: u64) -> Result<(i64, EventRecord), Corrupted> {
    let columns = blocks.columns();
    Ok((
        columns.created_at.get(blocks.record(Section::Times, rank)?),
        columns.event.get(blocks.record(Section::Events, rank)?),
    ))
}

/// Appends an event's action, resource type and resource id. Tells where each of them ends.
fn append_texts(blocks: &Blocks, event: &EventRecord, text: &mut Vec<u8>) -> Result<[usize; 3], Corrupted> {
    let name = |section, number: i64| blocks.sized_record::<TextRecord>(section, number.cast_unsigned());
    let action = name(Section::Actions, event.action)?;
    let resource_type = name(Section::ResourceTypes, event.resource_type)?;
    let mut end_of = |section, start, len: u64| {
        if len > u64::from(MAX_INDEXED_TEXT.unsigned_abs()) {
            return Err(Corrupted::new("a text is longer than an index holds").in_section(section));
        }
        blocks.text(start, len, text)?;
        Ok(text.len())
    };
    Ok([
        end_of(Section::Actions, action.start.get(), action.len.get().into())?,
        end_of(
            Section::ResourceTypes,
            resource_type.start.get(),
            resource_type.len.get().into(),
        )?,
        end_of(
            Section::Events,
            event.resource_id_start.cast_unsigned(),
            event.resource_id_len.cast_unsigned(),
        )?,
    ])
}
