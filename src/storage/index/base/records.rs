//! The records of an index file's sections, byte by byte. All numbers are little-endian.

use zerocopy::little_endian::{I64, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::codec::Fixed;
use super::leaf_directory::{TableLeaf, TimeLeaf};
use super::packed::PackedColumn;
use super::section::Section;

/// How many fields an event has but for its time.
pub(crate) const FIELDS: usize = 8;

/// One thing for each field of an event but its time, in the order of an event's bytes: the field itself, how it
/// is stored, or what it ranges over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fields<T> {
    pub(crate) id: T,
    pub(crate) payload_offset: T,
    pub(crate) payload_len: T,
    /// The range of the resource id in the text.
    pub(crate) resource_id_start: T,
    pub(crate) resource_id_len: T,
    /// Numbers: places in their sections.
    pub(crate) actor: T,
    pub(crate) action: T,
    pub(crate) resource_type: T,
}

/// An event but for its time.
pub(crate) type EventRecord = Fields<i64>;

impl<T> Fields<T> {
    #[inline(always)]
    pub(crate) fn into_array(self) -> [T; FIELDS] {
        [
            self.id,
            self.payload_offset,
            self.payload_len,
            self.resource_id_start,
            self.resource_id_len,
            self.actor,
            self.action,
            self.resource_type,
        ]
    }

    #[inline(always)]
    pub(crate) fn from_array(array: [T; FIELDS]) -> Self {
        let [
            id,
            payload_offset,
            payload_len,
            resource_id_start,
            resource_id_len,
            actor,
            action,
            resource_type,
        ] = array;
        Fields {
            id,
            payload_offset,
            payload_len,
            resource_id_start,
            resource_id_len,
            actor,
            action,
            resource_type,
        }
    }
}

impl Fields<PackedColumn> {
    /// Bytes of an event.
    #[inline(always)]
    pub(crate) fn size(self) -> usize {
        self.into_array().into_iter().map(PackedColumn::width).sum()
    }

    /// Puts an event at the start of `bytes`, and zeros into up to seven bytes behind it.
    #[inline(always)]
    pub(crate) fn put(self, event: EventRecord, bytes: &mut [u8]) {
        let mut at = 0;
        for (column, number) in self.into_array().into_iter().zip(event.into_array()) {
            column.put(number, &mut bytes[at..]);
            at += column.width();
        }
    }

    /// The event at the start of `bytes`, which may go on behind it.
    #[inline(always)]
    pub(crate) fn get(self, bytes: &[u8]) -> EventRecord {
        let mut numbers = [0; FIELDS];
        let mut at = 0;
        for (number, column) in numbers.iter_mut().zip(self.into_array()) {
            *number = column.get(bytes.get(at..).unwrap_or_default());
            at += column.width();
        }
        Fields::from_array(numbers)
    }
}

/// How the events are stored: their times in one section, the rest of them in another, one field behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) created_at: PackedColumn,
    /// An event's place in the order, in a posting list.
    pub(crate) rank: PackedColumn,
    pub(crate) event: Fields<PackedColumn>,
}

impl Columns {
    /// Bytes of one record of a section.
    pub(crate) fn record_size(&self, section: Section) -> usize {
        match section {
            Section::Times => self.created_at.width(),
            Section::Events => self.event.size(),
            Section::Text => 1,
            Section::Actors => size_of::<ActorRecord>(),
            Section::Actions | Section::ResourceTypes => size_of::<TextRecord>(),
            Section::Pairs => size_of::<PairRecord>(),
            Section::ByActor | Section::ByAction | Section::ByPair | Section::ById => self.rank.width(),
            Section::TableLeaves => TableLeaf::SIZE,
            Section::TimeLeaves => TimeLeaf::SIZE,
        }
    }
}

/// An actor, and where its postings and its pairs start; they end where the next actor's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ActorRecord {
    pub(crate) actor_id: I64,
    pub(crate) postings: U32,
    pub(crate) pairs: U32,
}

/// A name: its start in the text, its length, and where its postings start (0 for a resource type).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct TextRecord {
    pub(crate) start: U64,
    pub(crate) len: U32,
    pub(crate) postings: U32,
}

/// One of an actor's actions: the action's number, and where the pair's postings start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct PairRecord {
    pub(crate) action: U32,
    pub(crate) postings: U32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::index::base::packed::MinMax;

    #[test]
    fn records_lie_byte_by_byte_as_the_format_says() {
        let actor = ActorRecord {
            actor_id: (-9).into(),
            postings: 1.into(),
            pairs: 0x0203.into(),
        };
        let bytes = [0xf7, 255, 255, 255, 255, 255, 255, 255, 1, 0, 0, 0, 3, 2, 0, 0];
        assert_eq!(actor.as_bytes(), bytes);
        assert_eq!(ActorRecord::read_from_bytes(&bytes), Ok(actor));
        let text = TextRecord {
            start: (1 << 40).into(),
            len: 3.into(),
            postings: 9.into(),
        };
        assert_eq!(text.as_bytes(), [0, 0, 0, 0, 0, 1, 0, 0, 3, 0, 0, 0, 9, 0, 0, 0]);
        let pair = PairRecord {
            action: 3.into(),
            postings: 4.into(),
        };
        assert_eq!(pair.as_bytes(), [3, 0, 0, 0, 4, 0, 0, 0]);
    }

    #[test]
    fn events_come_back_one_behind_the_other() {
        let span = |least, greatest| PackedColumn::of(MinMax { least, greatest });
        let columns = Fields {
            id: span(i64::MIN, -1),
            payload_offset: span(2, 1 << 40),
            payload_len: span(0, i64::MAX),
            resource_id_start: PackedColumn::for_len(70_000),
            resource_id_len: span(5, 5),
            actor: PackedColumn::for_len(300),
            action: PackedColumn::for_len(7),
            resource_type: PackedColumn::for_len(8),
        };
        let events = [0, 1, 2].map(|number| Fields {
            id: i64::MIN + number,
            payload_offset: 1 << (39 - number),
            payload_len: i64::MAX - number,
            resource_id_start: 69_000,
            resource_id_len: 5,
            actor: 299 - number,
            action: 6,
            resource_type: 7,
        });
        let size = columns.size();
        assert_eq!(size, 8 + 5 + 8 + 3 + 1 + 2 + 1 + 1);
        let mut bytes = vec![0; 3 * size];
        for (&event, at) in events.iter().zip((0..).step_by(size)) {
            columns.put(event, &mut bytes[at..]);
        }
        for (&event, at) in events.iter().zip((0..).step_by(size)) {
            assert_eq!(columns.get(&bytes[at..]), event);
        }
    }
}
