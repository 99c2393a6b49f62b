//! Reads the table into columns, with several connections at once where there are several processors.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use rayon::prelude::*;

use crate::error::Result;
use crate::model::Row;
use crate::storage::data_dir::DataDir;
use crate::storage::metadata::Connection;

/// Rows by id, a column each.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) ids: Vec<i64>,
    pub(super) times: Vec<i64>,
    pub(super) actor_ids: Vec<i64>,
    pub(super) payload_offsets: Vec<i64>,
    pub(super) payload_lens: Vec<i64>,
    /// Numbers of [`Columns::action_names`].
    pub(super) actions: Vec<u32>,
    /// Numbers of [`Columns::resource_type_names`].
    pub(super) resource_types: Vec<u32>,
    /// All resource ids, one behind the other, and where each ends.
    pub(super) resource_ids: Vec<u8>,
    pub(super) resource_id_ends: Vec<u64>,
    pub(super) action_names: Names,
    pub(super) resource_type_names: Names,
}

impl Columns {
    fn push(&mut self, row: &Row<'_>) {
        self.ids.push(row.id);
        self.times.push(row.created_at);
        self.actor_ids.push(row.actor_id);
        self.payload_offsets.push(row.place.offset);
        self.payload_lens.push(row.place.len);
        self.actions.push(self.action_names.number(row.action));
        self.resource_types
            .push(self.resource_type_names.number(row.resource_type));
        self.resource_ids
            .extend_from_slice(row.resource_id.as_bytes());
        self.resource_id_ends.push(self.resource_ids.len() as u64);
    }

    /// Appends the rows of `later`, whose ids are all higher.
    fn append(&mut self, mut later: Columns) {
        let text_before = self.resource_ids.len() as u64;
        let actions = self.action_names.take_over(&later.action_names);
        let resource_types = self
            .resource_type_names
            .take_over(&later.resource_type_names);
        self.ids.append(&mut later.ids);
        self.times.append(&mut later.times);
        self.actor_ids.append(&mut later.actor_ids);
        self.payload_offsets.append(&mut later.payload_offsets);
        self.payload_lens.append(&mut later.payload_lens);
        self.actions
            .extend(later.actions.iter().map(|&number| actions[number as usize]));
        self.resource_types.extend(
            later
                .resource_types
                .iter()
                .map(|&number| resource_types[number as usize]),
        );
        self.resource_ids.append(&mut later.resource_ids);
        self.resource_id_ends
            .extend(later.resource_id_ends.iter().map(|end| end + text_before));
    }
}

/// Distinct texts, numbered as they first appear.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: HashMap<Box<str>, u32>,
    /// The last one asked for: logs repeat themselves.
    last: Option<(Box<str>, u32)>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some((last, number)) = &self.last
            && **last == *name
        {
            return *number;
        }
        let number = match self.numbers.get(name) {
            Some(&number) => number,
            None => {
                // There are at most as many names as rows, and those are counted in 32 bits.
                let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
                self.numbers.insert(name.into(), next);
                next
            }
        };
        self.last = Some((name.into(), number));
        number
    }

    /// Adds the names of `other`; gives this one's number for each of the other's numbers.
    fn take_over(&mut self, other: &Names) -> Vec<u32> {
        let mut numbers = vec![0; other.numbers.len()];
        for (name, &number) in &other.numbers {
            numbers[number as usize] = self.number(name);
        }
        numbers
    }

    /// The names, by number.
    pub(super) fn into_list(self) -> Vec<Box<str>> {
        let mut names: Vec<_> = self.numbers.into_iter().collect();
        names.sort_unstable_by_key(|&(_, number)| number);
        names.into_iter().map(|(name, _)| name).collect()
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
) -> Result<Columns> {
    let parts: Vec<Columns> = split(ids)
        .into_par_iter()
        .map(|part| collect_part(dir, &part, read))
        .collect::<Result<_>>()?;
    let mut parts = parts.into_iter();
    let mut whole = parts.next().unwrap_or_default();
    for part in parts {
        whole.append(part);
    }
    Ok(whole)
}

fn collect_part(
    dir: &DataDir,
    ids: &RangeInclusive<i64>,
    read: &(dyn Fn(u64) + Sync),
) -> Result<Columns> {
    let mut columns = Columns::default();
    Connection::open(dir.database())?.scan(ids, |row| {
        columns.push(row);
        if columns.ids.len() as u64 % PROGRESS_STEP == 0 {
            read(PROGRESS_STEP);
        }
        Ok(())
    })?;
    read(columns.ids.len() as u64 % PROGRESS_STEP);
    Ok(columns)
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
    use super::{Names, split};

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
    fn names_keep_their_numbers_when_taken_over() {
        let (mut one, mut other) = (Names::default(), Names::default());
        assert_eq!(
            [one.number("a"), one.number("b"), one.number("a")],
            [0, 1, 0]
        );
        assert_eq!([other.number("c"), other.number("b")], [0, 1]);
        assert_eq!(one.take_over(&other), [2, 1]);
        assert_eq!(one.into_list(), ["a".into(), "b".into(), "c".into()]);
    }
}
