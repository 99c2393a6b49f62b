//! The whole table, by id: its parts put side by side.

use super::rows::{CompactRow, Part, merged};
use crate::storage::index::base::packed::{MinMax, PackedColumn, bits};
use crate::storage::index::base::records::{Columns, Fields};

/// All parts, with numbers that are places among all values.
#[derive(Debug)]
pub(crate) struct RowStore {
    parts_: Vec<RowPart>,
    pub(crate) rows: usize,
    /// Bits of a place that say which row of its part it is; the part is in those above.
    row_bits: u32,
    values: Values,
    /// Bytes of all resource ids, which lie one behind the other.
    text_bytes: u64,
}

/// What the numbers stand for, ascending.
#[derive(Debug)]
pub(crate) struct Values {
    pub(crate) actor_ids: Vec<i64>,
    pub(crate) actions: Vec<Box<str>>,
    pub(crate) resource_types: Vec<Box<str>>,
}

/// One part, and what its numbers become.
#[derive(Debug)]
struct RowPart {
    part: Part,
    /// The rows, and the bytes of text, in the parts before.
    rows_before: usize,
    text_before: u64,
    actors: Vec<u32>,
    actions: Vec<u32>,
    resource_types: Vec<u32>,
}

impl RowStore {
    /// Of parts that come by id.
    pub(crate) fn new(mut parts: Vec<Part>) -> Self {
        let (actor_ids, actors) = merged(parts.iter_mut().map(|part| &mut part.actors));
        let (action_names, actions) = merged(parts.iter_mut().map(|part| &mut part.actions));
        let (type_names, types) = merged(parts.iter_mut().map(|part| &mut part.resource_types));
        let (mut rows, mut text_bytes) = (0, 0);
        let places = actors.into_iter().zip(actions).zip(types);
        let parts_ = parts.into_iter().zip(places).map(|(part, places)| {
            let ((actors, actions), resource_types) = places;
            let source = RowPart {
                part,
                rows_before: rows,
                text_before: text_bytes,
                actors,
                actions,
                resource_types,
            };
            rows += source.part.rows.len();
            text_bytes += source.part.resource_ids.len() as u64;
            source
        });
        let parts_: Vec<_> = parts_.collect();
        let largest = parts_.iter().map(|source| source.part.rows.len()).max();
        RowStore {
            parts_,
            rows,
            row_bits: bits(largest.unwrap_or(0) as u64),
            values: Values {
                actor_ids,
                actions: action_names,
                resource_types: type_names,
            },
            text_bytes,
        }
    }

    /// The row at a place.
    #[inline(always)]
    pub(crate) fn row(&self, place: u64) -> CompactRow {
        let (part, row) = (place >> self.row_bits, place & ((1 << self.row_bits) - 1));
        self.parts_[part as usize].row(row as usize)
    }

    /// How many rows come before the one at a place.
    #[inline(always)]
    pub(crate) fn number(&self, place: u64) -> usize {
        let (part, row) = (place >> self.row_bits, place & ((1 << self.row_bits) - 1));
        self.parts_[part as usize].rows_before + row as usize
    }

    /// The places of the rows: ascending as the ids, and below 2 to the power of this.
    pub(crate) fn place_bits(&self) -> u32 {
        self.row_bits + bits(self.parts_.len() as u64)
    }

    /// Each part's rows, with the place of the first.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (u64, &[CompactRow])> {
        let parts = self.parts_.iter().zip(0..);
        parts.map(|(source, part)| (part << self.row_bits, &source.part.rows[..]))
    }

    /// The times of all rows.
    pub(crate) fn times(&self) -> MinMax {
        self.min_max(|part| part.ranges.created_at)
    }

    fn min_max(&self, of_part: impl Fn(&Part) -> MinMax) -> MinMax {
        let ranges = self.parts_.iter().map(|source| of_part(&source.part));
        ranges.fold(MinMax::NONE, MinMax::and)
    }

    /// How the index file stores the events.
    pub(crate) fn columns(&self) -> Columns {
        let of = |of_part: fn(&Part) -> MinMax| PackedColumn::of(self.min_max(of_part));
        Columns {
            created_at: PackedColumn::of(self.times()),
            rank: PackedColumn::for_len(self.rows as u64),
            event: Fields {
                id: of(|part| part.ranges.id),
                payload_offset: of(|part| part.ranges.payload_offset),
                payload_len: of(|part| part.ranges.payload_len),
                // The last one may be empty, and start at the end.
                resource_id_start: PackedColumn::for_len(self.text_bytes + 1),
                resource_id_len: of(|part| part.ranges.resource_id_len),
                actor: PackedColumn::for_len(self.values.actor_ids.len() as u64),
                action: PackedColumn::for_len(self.values.actions.len() as u64),
                resource_type: PackedColumn::for_len(self.values.resource_types.len() as u64),
            },
        }
    }

    /// What is left without the rows: the values, and all resource ids, by id.
    pub(crate) fn into_values(self) -> (Values, ChunkedBytes) {
        let parts_ = self.parts_.into_iter();
        let pieces = parts_.map(|source| (source.text_before, source.part.resource_ids));
        (self.values, ChunkedBytes(pieces.collect()))
    }
}

/// Text in pieces, each with the bytes of those before.
#[derive(Debug)]
pub(crate) struct ChunkedBytes(Vec<(u64, Vec<u8>)>);

impl ChunkedBytes {
    /// Bytes of all pieces.
    pub(crate) fn len(&self) -> u64 {
        self.0.last().map_or(0, |(before, piece)| before + piece.len() as u64)
    }

    /// Copies the text from byte `start` on into `out`. Tells how many bytes that were: fewer where the text ends.
    pub(crate) fn copy(&self, start: u64, out: &mut [u8]) -> usize {
        let ends_behind = |(before, piece): &(u64, Vec<u8>)| before + piece.len() as u64 > start;
        let first = self.0.partition_point(|piece| !ends_behind(piece));
        let mut copied = 0;
        for (before, piece) in &self.0[first..] {
            if copied == out.len() {
                break;
            }
            let from = (start + copied as u64 - before) as usize;
            let len = (piece.len() - from).min(out.len() - copied);
            out[copied..copied + len].copy_from_slice(&piece[from..from + len]);
            copied += len;
        }
        copied
    }
}

impl RowPart {
    fn row(&self, row: usize) -> CompactRow {
        let row = self.part.rows[row];
        CompactRow {
            resource_id_start: row.resource_id_start + self.text_before,
            actor: self.actors[row.actor as usize],
            action: self.actions[row.action as usize],
            resource_type: self.resource_types[row.resource_type as usize],
            ..row
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ChunkedBytes;

    #[test]
    fn text_is_copied_from_piece_to_piece_up_to_its_end() {
        let pieces = ChunkedBytes(vec![
            (0, vec![]),
            (0, b"abc".to_vec()),
            (3, vec![]),
            (3, b"de".to_vec()),
            (5, b"fgh".to_vec()),
            (8, vec![]),
        ]);
        let text = b"abcdefgh";
        assert_eq!(pieces.len(), 8);
        for start in 0..=text.len() {
            for len in 0..10 {
                let mut out = vec![0; len];
                let copied = pieces.copy(start as u64, &mut out);
                assert_eq!(copied, len.min(text.len() - start));
                assert_eq!(out[..copied], text[start..start + copied]);
            }
        }
        assert_eq!(ChunkedBytes(vec![]).copy(0, &mut [0]), 0);
    }
}
