//! Reads the table into memory, with several connections at once where there are several processors.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::ops::RangeInclusive;

use foldhash::fast::RandomState;
use rayon::prelude::*;

use crate::error::Result;
use crate::model::{Key, Row};
use crate::storage::data_dir::DataDir;
use crate::storage::index::base::packed::MinMax;
use crate::storage::index::base::records::{EventRecord, Fields};
use crate::storage::sqlite::Connection;

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
    pub(crate) fn key(&self) -> Key {
        Key {
            created_at: self.created_at,
            id: self.id,
        }
    }

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

/// How many rows are read between two calls of the progress function.
const PROGRESS_STEP: u64 = 16_384;

/// Reads the whole table in parts, which come by id. `read` is called with how many more rows have been read.
///
/// Each part is read by a connection and in a snapshot of its own: the caller makes sure that nothing changes
/// meanwhile, or throws the result away.
pub(crate) fn collect(dir: &DataDir, ids: &RangeInclusive<i64>, read: &(dyn Fn(u64) + Sync)) -> Result<Vec<Part>> {
    split(ids)
        .into_par_iter()
        .map(|part| collect_part(dir, &part, read))
        .collect()
}

fn collect_part(dir: &DataDir, ids: &RangeInclusive<i64>, read: &(dyn Fn(u64) + Sync)) -> Result<Part> {
    let mut part = Part::default();
    Connection::open(dir)?.scan(ids, |row| {
        part.push(row);
        if (part.rows.len() as u64).is_multiple_of(PROGRESS_STEP) {
            read(PROGRESS_STEP);
        }
        Ok(())
    })?;
    read(part.rows.len() as u64 % PROGRESS_STEP);
    Ok(part)
}

/// From so many ids on a part is worth a connection of its own.
const SMALL_PART: i128 = 10_000;

/// Cuts a range of ids into equal parts, ascending: one for a small table, as opening a connection has its price, else
/// several for each processor, as ids may have gaps and a processor may come late.
fn split(ids: &RangeInclusive<i64>) -> Vec<RangeInclusive<i64>> {
    let (first, last) = (i128::from(*ids.start()), i128::from(*ids.end()));
    let span = last - first + 1;
    let threads = i128::try_from(rayon::current_num_threads()).unwrap_or(1);
    let most = if threads == 1 { 1 } else { threads * 8 };
    let parts = (span / SMALL_PART).clamp(1, most);
    let bound = |part: i128| first + span * part / parts;
    let part = |number: i128| {
        // Both bounds lie between two 64-bit numbers.
        let start = i64::try_from(bound(number)).unwrap_or(i64::MIN);
        start..=i64::try_from(bound(number + 1) - 1).unwrap_or(i64::MAX)
    };
    (0..parts).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::{Dictionary, merged, split};

    #[test]
    fn parts_cover_every_id_once_even_at_the_extremes() {
        for ids in [
            i64::MIN..=i64::MAX,
            1..=50_000,
            0..=0,
            -3..=40_000,
            i64::MAX - 5..=i64::MAX,
        ] {
            let parts = split(&ids);
            assert_eq!(parts.first().unwrap().start(), ids.start());
            assert_eq!(parts.last().unwrap().end(), ids.end());
            assert!(parts.windows(2).all(|pair| *pair[0].end() == pair[1].start() - 1));
        }
    }

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
