//! The whole table, by id: its parts put side by side.

use super::rows::{Part, Stored, merged};
use crate::storage::index::base::packed::{Column, Extent, bits};
use crate::storage::index::base::records::{Columns, Fields};

/// All parts, with numbers that are places among all values.
#[derive(Debug)]
pub(crate) struct Table {
    sources: Vec<Source>,
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
struct Source {
    part: Part,
    /// The bytes of text in the parts before.
    text_before: u64,
    actors: Vec<u32>,
    actions: Vec<u32>,
    resource_types: Vec<u32>,
}

impl Table {
    /// Of parts that come by id.
    pub(crate) fn new(mut parts: Vec<Part>) -> Self {
        let (actor_ids, actors) = merged(parts.iter_mut().map(|part| &mut part.actors));
        let (action_names, actions) = merged(parts.iter_mut().map(|part| &mut part.actions));
        let (type_names, types) = merged(parts.iter_mut().map(|part| &mut part.resource_types));
        let (mut rows, mut text_bytes) = (0, 0);
        let places = actors.into_iter().zip(actions).zip(types);
        let sources = parts.into_iter().zip(places).map(|(part, places)| {
            let ((actors, actions), resource_types) = places;
            let source = Source {
                part,
                text_before: text_bytes,
                actors,
                actions,
                resource_types,
            };
            rows += source.part.rows.len();
            text_bytes += source.part.resource_ids.len() as u64;
            source
        });
        let sources: Vec<_> = sources.collect();
        let largest = sources.iter().map(|source| source.part.rows.len()).max();
        Table {
            sources,
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
    pub(crate) fn row(&self, place: u64) -> Stored {
        let (part, row) = (place >> self.row_bits, place & ((1 << self.row_bits) - 1));
        self.sources[part as usize].row(row as usize)
    }

    /// The places of the rows: ascending as the ids, and below 2 to the power of this.
    pub(crate) fn place_bits(&self) -> u32 {
        self.row_bits + bits(self.sources.len() as u64)
    }

    /// Each part's rows, with the place of the first.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (u64, &[Stored])> {
        let parts = self.sources.iter().zip(0..);
        parts.map(|(source, part)| (part << self.row_bits, &source.part.rows[..]))
    }

    /// The times of all rows.
    pub(crate) fn times(&self) -> Extent {
        self.extent(|part| part.extents.created_at)
    }

    fn extent(&self, of_part: impl Fn(&Part) -> Extent) -> Extent {
        let extents = self.sources.iter().map(|source| of_part(&source.part));
        extents.fold(Extent::NONE, Extent::and)
    }

    /// How the index file stores the events.
    pub(crate) fn columns(&self) -> Columns {
        let of = |of_part: fn(&Part) -> Extent| Column::of(self.extent(of_part));
        Columns {
            created_at: Column::of(self.times()),
            rank: Column::below(self.rows as u64),
            event: Fields {
                id: of(|part| part.extents.id),
                payload_offset: of(|part| part.extents.payload_offset),
                payload_len: of(|part| part.extents.payload_len),
                // The last one may be empty, and start at the end.
                resource_id_start: Column::below(self.text_bytes + 1),
                resource_id_len: of(|part| part.extents.resource_id_len),
                actor: Column::below(self.values.actor_ids.len() as u64),
                action: Column::below(self.values.actions.len() as u64),
                resource_type: Column::below(self.values.resource_types.len() as u64),
            },
        }
    }

    /// What is left without the rows: the values, and all resource ids, by id.
    pub(crate) fn into_values(self) -> (Values, Pieces) {
        let sources = self.sources.into_iter();
        let pieces = sources.map(|source| (source.text_before, source.part.resource_ids));
        (self.values, Pieces(pieces.collect()))
    }
}

/// Text in pieces, each with the bytes of those before.
#[derive(Debug)]
pub(crate) struct Pieces(Vec<(u64, Vec<u8>)>);

impl Pieces {
    /// Bytes of all pieces.
    pub(crate) fn len(&self) -> u64 {
        self.0
            .last()
            .map_or(0, |(before, piece)| before + piece.len() as u64)
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

impl Source {
    fn row(&self, row: usize) -> Stored {
        let row = self.part.rows[row];
        Stored {
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
    use super::Pieces;

    #[test]
    fn text_is_copied_from_piece_to_piece_up_to_its_end() {
        let pieces = Pieces(vec![
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
        assert_eq!(Pieces(vec![]).copy(0, &mut [0]), 0);
    }
}
