//! Rows, put together from their records and their texts.

use crate::model::{Key, PayloadRef, Row, Rows};
use crate::storage::index::base::blocks::{Blocks, Corrupted};
use crate::storage::index::base::format::Section;
use crate::storage::index::base::records::{ActorRecord, EventRecord, TextRecord};

/// A guess: about as many bytes have the three texts of a row.
const TEXT_OF_A_ROW: usize = 64;

/// Appends the rows of these ranks, in two turns: records first, then actors and texts. They lie all over the
/// index, and in a turn that does little else the processor waits for many of them at once.
///
/// Each comes before the one before it in the order, and the first before `cursor`: whatever an index says, who walks
/// it from cursor to cursor comes to its end.
pub(crate) fn push(
    blocks: &Blocks,
    ranks: impl Iterator<Item = Result<u64, Corrupted>>,
    cursor: Option<Key>,
    rows: &mut Rows,
) -> Result<(), Corrupted> {
    let records = ranks
        .map(|rank| record(blocks, rank?))
        .collect::<Result<Vec<_>, Corrupted>>()?;
    let mut text = Vec::with_capacity(records.len() * TEXT_OF_A_ROW);
    let mut looked_up = Vec::with_capacity(records.len());
    for (_, event) in &records {
        let actor = blocks.sized_record(Section::Actors, event.actor.cast_unsigned())?;
        let actor_id = ActorRecord::decode(actor).actor_id;
        looked_up.push((actor_id, append_texts(blocks, event, &mut text)?));
    }
    let text = std::str::from_utf8(&text).map_err(|_| Corrupted)?;
    let mut start = 0;
    let mut newer = cursor;
    for ((created_at, event), (actor_id, ends)) in records.iter().zip(looked_up) {
        let [action_end, type_end, end] = ends;
        let key = Key {
            created_at: *created_at,
            id: event.id,
        };
        if newer.is_some_and(|newer| newer <= key) {
            return Err(Corrupted);
        }
        newer = Some(key);
        rows.push(&Row {
            id: event.id,
            created_at: *created_at,
            actor_id,
            action: text.get(start..action_end).ok_or(Corrupted)?,
            resource_type: text.get(action_end..type_end).ok_or(Corrupted)?,
            resource_id: text.get(type_end..end).ok_or(Corrupted)?,
            payload_ref: PayloadRef {
                offset: event.payload_offset,
                len: event.payload_len,
            },
        });
        start = end;
    }
    Ok(())
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
    let name = |section, number: i64| {
        let record = blocks.sized_record(section, number.cast_unsigned())?;
        Ok(TextRecord::decode(record))
    };
    let action = name(Section::Actions, event.action)?;
    let resource_type = name(Section::ResourceTypes, event.resource_type)?;
    let mut end_of = |start, len| {
        blocks.text(start, len, text)?;
        Ok(text.len())
    };
    Ok([
        end_of(action.start, action.len.into())?,
        end_of(resource_type.start, resource_type.len.into())?,
        end_of(
            event.resource_id_start.cast_unsigned(),
            event.resource_id_len.cast_unsigned(),
        )?,
    ])
}
