//! Rows in memory: small enough that all of a log fit.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

use crate::model::Row;
use crate::storage::index::base::packed::MinMax;
use crate::storage::index::base::records::{EventRecord, Fields};

/// A row, its texts and its actor replaced by numbers: small enough to be moved as a whole, in one cache line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CompactRow {
    pub(crate) id: i64,
    pub(crate) created_at: i64,
    pub(crate) payload_offset: i64,
    pub(crate) payload_len: i64,
    /// Where the resource id starts in [`Part::resource_ids`].
    pub(crate) resource_id_start: u64,
    pub(crate) resource_id_len: u32,
    /// Numbers of [`Part::actors`], [`Part::actions`] and [`Part::resource_types`].
    pub(crate) actor: u32,
    pub(crate) action: u32,
    pub(crate) resource_type: u32,
}

/// The rows of a range of ids, by id.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) rows: Vec<CompactRow>,
    /// All resource ids, one behind the other.
    pub(crate) resource_ids: Vec<u8>,
    pub(crate) actors: Dictionary<i64>,
    pub(crate) actions: Dictionary<Box<str>>,
    pub(crate) resource_types: Dictionary<Box<str>>,
    pub(crate) ranges: Ranges,
}

/// The least and the greatest number of each column that is stored as numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ranges {
    pub(crate) id: MinMax,
    pub(crate) created_at: MinMax,
    pub(crate) payload_offset: MinMax,
    pub(crate) payload_len: MinMax,
    pub(crate) resource_id_len: MinMax,
}

impl Default for Ranges {
    fn default() -> Self {
        Ranges {
            id: MinMax::NONE,
            created_at: MinMax::NONE,
            payload_offset: MinMax::NONE,
            payload_len: MinMax::NONE,
            resource_id_len: MinMax::NONE,
        }
    }
}

impl CompactRow {
    /// The row as the index file stores it.
    #[inline(always)]
    pub(crate) fn event(&self) -> EventRecord {
        Fields {
            id: self.id,
            payload_offset: self.payload_offset,
            payload_len: self.payload_len,
            // No text in memory has more bytes than 63 bits can count.
            resource_id_start: self.resource_id_start.cast_signed(),
            resource_id_len: self.resource_id_len.into(),
            actor: self.actor.into(),
            action: self.action.into(),
            resource_type: self.resource_type.into(),
        }
    }
}

impl Part {
    pub(crate) fn push(&mut self, row: &Row<'_>) {
        // SQLite's longest text has 2^31 − 1 bytes.
        let resource_id_len = u32::try_from(row.resource_id.len()).unwrap_or(u32::MAX);
        let ranges = &mut self.ranges;
        ranges.id.add(row.id);
        ranges.created_at.add(row.created_at);
        ranges.payload_offset.add(row.payload_ref.offset);
        ranges.payload_len.add(row.payload_ref.len);
        ranges.resource_id_len.add(resource_id_len.into());
        self.rows.push(CompactRow {
            id: row.id,
            created_at: row.created_at,
            payload_offset: row.payload_ref.offset,
            payload_len: row.payload_ref.len,
            resource_id_start: self.resource_ids.len() as u64,
            resource_id_len,
            actor: self.actors.number(&row.actor_id),
            action: self.actions.number(row.action),
            resource_type: self.resource_types.number(row.resource_type),
        });
        self.resource_ids.extend_from_slice(row.resource_id.as_bytes());
    }
}

/// Distinct values, numbered as they first appear.
#[derive(Debug, Default)]
pub(crate) struct Dictionary<T> {
    numbers: HashMap<T, u32, RandomState>,
    /// The last one asked for: logs repeat themselves.
    last: Option<(T, u32)>,
}

impl<T: Clone + Eq + Hash> Dictionary<T> {
    fn number<Q>(&mut self, value: &Q) -> u32
    where
        T: Borrow<Q>,
        Q: Eq + Hash + ToOwned + ?Sized,
        Q::Owned: Into<T>,
    {
        if let Some((last, number)) = &self.last
            && last.borrow() == value
        {
            return *number;
        }
        if let Some(&number) = self.numbers.get(value) {
            return number;
        }
        // There are at most as many values as rows, and those are counted in 32 bits.
        let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let value: T = value.to_owned().into();
        self.numbers.insert(value.clone(), number);
        self.last = Some((value, number));
        number
    }
}

/// The distinct values of several dictionaries, ascending; and for each dictionary, the place among them of each of
/// its numbers. Leaves the dictionaries empty.
pub(crate) fn merged<'part, T: Ord + 'part>(
    dictionaries: impl Iterator<Item = &'part mut Dictionary<T>>,
) -> (Vec<T>, Vec<Vec<u32>>) {
    let (mut places, mut found) = (Vec::new(), Vec::new());
    for (dictionary, of) in dictionaries.zip(0..) {
        let numbers = std::mem::take(&mut dictionary.numbers);
        places.push(vec![0; numbers.len()]);
        found.extend(numbers.into_iter().map(|(value, number)| (value, of, number)));
    }
    found.sort_unstable();
    let mut values = Vec::new();
    for (value, of, number) in found {
        if values.last() != Some(&value) {
            values.push(value);
        }
        // There are at most as many values as rows, and those are counted in 32 bits.
        places[of][number as usize] = u32::try_from(values.len() - 1).unwrap_or(u32::MAX);
    }
    (values, places)
}

#[cfg(test)]
mod tests {
    use super::{Dictionary, merged};

    #[test]
    fn merged_numberings_number_in_ascending_order() {
        let (mut one, mut other) = (Dictionary::<Box<str>>::default(), Dictionary::default());
        assert_eq!([one.number("b"), one.number("a"), one.number("b")], [0, 1, 0]);
        assert_eq!([other.number("c"), other.number("a")], [0, 1]);
        assert_eq!(
            merged([&mut one, &mut other].into_iter()),
            (vec!["a".into(), "b".into(), "c".into()], vec![vec![1, 0], vec![2, 0]])
        );
    }
}
