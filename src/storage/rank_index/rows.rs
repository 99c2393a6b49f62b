//! Rows, put together from their records and their texts.

use super::blocks::{Blocks, Damaged};
use super::format::{EventRecord, Section, TextRecord};
use crate::model::{Key, Page, PayloadPlace, Row};

/// A guess: about as many bytes have the three texts of a row.
const TEXT_OF_A_ROW: usize = 64;

/// Appends the events of these ranks to the page, in two turns: records first, then texts. They lie all over the
/// index, and in a turn that does little else the processor waits for many of them at once.
///
/// Each comes before the one before it in the order, and the first before `cursor`: whatever an index says, who walks
/// it from cursor to cursor comes to its end.
pub(super) fn push(
    blocks: &Blocks,
    ranks: impl Iterator<Item = Result<u64, Damaged>>,
    cursor: Option<Key>,
    page: &mut Page,
) -> Result<(), Damaged> {
    let records = ranks
        .map(|rank| record(blocks, rank?))
        .collect::<Result<Vec<_>, Damaged>>()?;
    let mut text = Vec::with_capacity(records.len() * TEXT_OF_A_ROW);
    let mut ends = Vec::with_capacity(records.len());
    for (_, event) in &records {
        ends.push(append_texts(blocks, event, &mut text)?);
    }
    let text = std::str::from_utf8(&text).map_err(|_| Damaged)?;
    let mut start = 0;
    let mut newer = cursor;
    for ((created_at, event), [action_end, type_end, end]) in records.iter().zip(ends) {
        let key = Key {
            created_at: *created_at,
            id: event.id,
        };
        if newer.is_some_and(|newer| newer <= key) {
            return Err(Damaged);
        }
        newer = Some(key);
        page.push(&Row {
            id: event.id,
            created_at: *created_at,
            actor_id: event.actor_id,
            action: text.get(start..action_end).ok_or(Damaged)?,
            resource_type: text.get(action_end..type_end).ok_or(Damaged)?,
            resource_id: text.get(type_end..end).ok_or(Damaged)?,
            place: PayloadPlace {
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
fn record(blocks: &Blocks, rank: u64) -> Result<(i64, EventRecord), Damaged> {
    let created_at = i64::from_le_bytes(*blocks.record(Section::Times, rank)?);
    let event = EventRecord::decode(blocks.record(Section::Events, rank)?);
    Ok((created_at, event))
}

/// Appends an event's action, resource type and resource id. Tells where each of them ends.
fn append_texts(
    blocks: &Blocks,
    event: &EventRecord,
    text: &mut Vec<u8>,
) -> Result<[usize; 3], Damaged> {
    let action = blocks.record(Section::Actions, event.action.into())?;
    let resource_type = blocks.record(Section::ResourceTypes, event.resource_type.into())?;
    let mut end_of = |start, len| {
        blocks.text(start, len, text)?;
        Ok(text.len())
    };
    let [action, resource_type] = [action, resource_type].map(TextRecord::decode);
    Ok([
        end_of(action.start, action.len)?,
        end_of(resource_type.start, resource_type.len)?,
        end_of(event.resource_id_start, event.resource_id_len)?,
    ])
}
