//! Reads the table into memory, with several connections at once where there are several processors.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::ops::RangeInclusive;

use rayon::prelude::*;

use crate::error::Result;
use crate::model::Row;
use crate::storage::data_dir::DataDir;
use crate::storage::metadata::Connection;

/// A row, its texts and its actor replaced by numbers: small enough to be moved as a whole, in one cache line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) created_at: i64,
    pub(super) payload_offset: i64,
    pub(super) payload_len: i64,
    /// Where the resource id starts in [`Table::resource_ids`].
    pub(super) resource_id_start: u64,
    pub(super) resource_id_len: u32,
    /// Numbers of [`Table::actors`], [`Table::actions`] and [`Table::resource_types`].
    pub(super) actor: u32,
    pub(super) action: u32,
    pub(super) resource_type: u32,
}

/// A whole table, by id.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) rows: Vec<Stored>,
    /// All resource ids, one behind the other.
    pub(super) resource_ids: Vec<u8>,
    pub(super) actors: Numbering<i64>,
    pub(super) actions: Numbering<Box<str>>,
    pub(super) resource_types: Numbering<Box<str>>,
}

impl Table {
    pub(super) fn push(&mut self, row: &Row<'_>) {
        self.rows.push(Stored {
            id: row.id,
            created_at: row.created_at,
            payload_offset: row.place.offset,
            payload_len: row.place.len,
            resource_id_start: self.resource_ids.len() as u64,
            // SQLite's longest text has 2^31 − 1 bytes.
            resource_id_len: u32::try_from(row.resource_id.len()).unwrap_or(u32::MAX),
            actor: self.actors.number(&row.actor_id),
            action: self.actions.number(row.action),
            resource_type: self.resource_types.number(row.resource_type),
        });
        self.resource_ids
            .extend_from_slice(row.resource_id.as_bytes());
    }

    /// Appends the rows of `later`, whose ids are all higher.
    fn append(&mut self, later: Table) {
        let text_before = self.resource_ids.len() as u64;
        let actors = self.actors.take_over(later.actors);
        let actions = self.actions.take_over(later.actions);
        let resource_types = self.resource_types.take_over(later.resource_types);
        self.rows.extend(later.rows.into_iter().map(|row| Stored {
            resource_id_start: row.resource_id_start + text_before,
            actor: actors[row.actor as usize],
            action: actions[row.action as usize],
            resource_type: resource_types[row.resource_type as usize],
            ..row
        }));
        self.resource_ids.extend_from_slice(&later.resource_ids);
    }
}

/// Distinct values, numbered as they first appear.
#[derive(Debug, Default)]
pub(super) struct Numbering<T> {
    numbers: HashMap<T, u32>,
    /// The last one asked for: logs repeat themselves.
    last: Option<(T, u32)>,
}

impl<T: Clone + Eq + Hash> Numbering<T> {
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

    /// Adds the values of `other`; gives this one's number for each of the other's numbers.
    fn take_over(&mut self, other: Numbering<T>) -> Vec<u32> {
        let mut renumbered = vec![0; other.numbers.len()];
        for (value, number) in other.numbers {
            let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
            renumbered[number as usize] = *self.numbers.entry(value).or_insert(next);
        }
        renumbered
    }
}

impl<T: Ord> Numbering<T> {
    /// The values in ascending order, and the place in it of each number.
    pub(super) fn into_sorted(self) -> (Vec<T>, Vec<u32>) {
        let mut values: Vec<_> = self.numbers.into_iter().collect();
        values.sort_unstable();
        let mut places = vec![0; values.len()];
        for ((_, number), place) in values.iter().zip(0..) {
            places[*number as usize] = place;
        }
        (values.into_iter().map(|(value, _)| value).collect(), places)
    }
}

/// How many rows are read between two calls of the progress function.
const PROGRESS_STEP: u64 = 16_384;

/// Reads the whole table. `read` is called with how many more rows have been read.
///
/// Each part is read by a connection and in a snapshot of its own: the caller makes sure that nothing changes
/// meanwhile, or throws the result away.
pub(super) fn collect(
    dir: &DataDir,
    ids: &RangeInclusive<i64>,
    read: &(dyn Fn(u64) + Sync),
) -> Result<Table> {
    let parts = split(ids)
        .into_par_iter()
        .map(|part| collect_part(dir, &part, read));
    let mut parts = parts.collect::<Result<Vec<Table>>>()?.into_iter();
    let mut whole = parts.next().unwrap_or_default();
    parts.for_each(|part| whole.append(part));
    Ok(whole)
}

fn collect_part(
    dir: &DataDir,
    ids: &RangeInclusive<i64>,
    read: &(dyn Fn(u64) + Sync),
) -> Result<Table> {
    let mut table = Table::default();
    Connection::open(dir)?.scan(ids, |row| {
        table.push(row);
        if (table.rows.len() as u64).is_multiple_of(PROGRESS_STEP) {
            read(PROGRESS_STEP);
        }
        Ok(())
    })?;
    read(table.rows.len() as u64 % PROGRESS_STEP);
    Ok(table)
}

/// Cuts a range of ids into equal parts, ascending: one for a small table, as opening a connection has its
/// price, else a few for each processor, as ids may have gaps.
fn split(ids: &RangeInclusive<i64>) -> Vec<RangeInclusive<i64>> {
    let (first, last) = (i128::from(*ids.start()), i128::from(*ids.end()));
    let span = last - first + 1;
    let threads = i128::try_from(rayon::current_num_threads()).unwrap_or(1);
    let parts = if threads == 1 || span < 20_000 {
        1
    } else {
        threads * 2
    };
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
    use super::{Numbering, split};

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
            assert!(
                parts
                    .windows(2)
                    .all(|pair| *pair[0].end() == pair[1].start() - 1)
            );
        }
    }

    #[test]
    fn values_keep_their_numbers_when_taken_over() {
        let (mut one, mut other) = (Numbering::<Box<str>>::default(), Numbering::default());
        assert_eq!(
            [one.number("b"), one.number("a"), one.number("b")],
            [0, 1, 0]
        );
        assert_eq!([other.number("c"), other.number("a")], [0, 1]);
        assert_eq!(one.take_over(other), [2, 1]);
        assert_eq!(
            one.into_sorted(),
            (vec!["a".into(), "b".into(), "c".into()], vec![1, 0, 2])
        );
    }
}
