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

/// Told where the payloads of a page's rows lie, in order, as soon as that is known, where the index is not in memory: then
/// they are not either, and can be on their way while the rest of the rows is read.
pub(crate) type WillRead<'a> = &'a dyn Fn(&mut dyn Iterator<Item = PayloadRef>);

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
        Self::read_and_tell(blocks, ranks, |_| {})
    }

    /// The same; where the index is not in memory, `tell` is called with the rows' payloads before their texts are read.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn read_and_tell(
        blocks: &Blocks,
        ranks: impl Iterator<Item = Result<u64, Corrupted>> + Clone,
        tell: impl FnOnce(&mut dyn Iterator<Item = PayloadRef>),
    ) -> Result<Self, Corrupted> {
        let mut ahead = Ahead::new(blocks);
        let records = read_records(blocks, ranks, &mut ahead)?;
        let mut text = Vec::with_capacity(records.len() * TEXT_OF_A_ROW);
        let mut looked_up = Vec::with_capacity(records.len());
        ahead.next_turn();
        if let Some((_, first)) = records.first() {
            ahead.begin(first_block_of_text(blocks, first), || {
                records.iter().flat_map(|(_, event)| blocks_of_texts(blocks, event))
            });
        }
        if ahead.was_asked {
            tell(&mut records.iter().map(|(_, event)| payload_ref(event)));
        }
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
                    payload_ref: payload_ref(event),
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
    will_read: WillRead<'_>,
) -> Result<(), Corrupted> {
    let of_base = slots.iter().filter_map(|slot| match slot {
        Slot::Base(rank) => Some(Ok(*rank)),
        Slot::Added(_) => None,
    });
    let base_rows = BaseRows::read_and_tell(blocks, of_base, |of_base| {
        will_read(&mut slots.iter().filter_map(|slot| match slot {
            Slot::Base(_) => of_base.next(),
            Slot::Added(row) => Some(row.as_row().payload_ref),
        }));
    })?;
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
    /// Whether the system was asked for blocks, in any turn.
    was_asked: bool,
}

impl<'index> Ahead<'index> {
    fn new(blocks: &'index Blocks) -> Self {
        Ahead {
            blocks,
            first_touches: Some(blocks.first_touches()),
            was_asked: false,
        }
    }

    fn next_turn(&mut self) {
        self.first_touches = Some(self.blocks.first_touches());
    }

    /// Reads ahead if the turn's first block is missing: others are likely to be, and nobody has waited yet.
    #[inline(always)]
    fn begin<I: Iterator<Item = u64>>(&mut self, first: Option<u64>, numbers: impl FnOnce() -> I) {
        if first.is_some_and(|first| !self.blocks.is_read(first)) {
            self.read_ahead(numbers());
        }
    }

    #[cold]
    fn read_ahead(&mut self, numbers: impl Iterator<Item = u64>) {
        self.first_touches = None;
        self.was_asked |= self.blocks.read_ahead(numbers);
    }

    /// `numbers` are the blocks of the rows that are left.
    #[inline(always)]
    fn look<I: Iterator<Item = u64>>(&mut self, numbers: impl FnOnce() -> I) {
        if self
            .first_touches
            .is_some_and(|before| before != self.blocks.first_touches())
        {
            self.read_ahead(numbers());
        }
    }
}

fn read_records(
    blocks: &Blocks,
    mut ranks: impl Iterator<Item = Result<u64, Corrupted>> + Clone,
    ahead: &mut Ahead<'_>,
) -> Result<Vec<(i64, EventRecord)>, Corrupted> {
    let mut records = Vec::with_capacity(ranks.size_hint().0);
    if let Some(Ok(rank)) = ranks.clone().next() {
        ahead.begin(blocks.block_of(Section::Events, rank), || {
            let of_records = ranks.clone().flatten().flat_map(|rank| blocks_of_record(blocks, rank));
            // They are needed next, and do not depend on the rows.
            of_records.chain(blocks.blocks_of_names())
        });
    }
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

/// The block of a row's text that only this row has.
#[inline(always)]
fn first_block_of_text(blocks: &Blocks, event: &EventRecord) -> Option<u64> {
    blocks.block_of(Section::Text, event.resource_id_start.cast_unsigned())
}

fn payload_ref(event: &EventRecord) -> PayloadRef {
    PayloadRef {
        offset: event.payload_offset,
        len: event.payload_len,
    }
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
