//! The rank of every event.

use rayon::prelude::*;

use super::row_store::RowStore;
use crate::storage::index::base::packed::bits;

/// Time and place in the table of every event, by rank.
///
/// Rows come by id, so among equal times the place decides as the id would. Both are put together into one
/// integer, which is compared without a branch, and which has 64 bits for any log that spans no more than decades.
#[derive(Debug)]
pub(crate) struct Order {
    least_time: i64,
    place_bits: u32,
    keys: Keys,
}

#[derive(Debug)]
enum Keys {
    Narrow(Vec<u64>),
    Wide(Vec<u128>),
}

impl Order {
    /// Sorts the rows of a table.
    pub(crate) fn new(table: &RowStore) -> Self {
        let times = table.times();
        let place_bits = table.place_bits();
        let time_bits = bits(times.greatest.abs_diff(times.least));
        let distance = |time: i64| time.abs_diff(times.least);
        let keys = if time_bits + place_bits <= 64 {
            Keys::Narrow(sorted(table, |time, place| distance(time) << place_bits | place))
        } else {
            Keys::Wide(sorted(table, |time, place| {
                u128::from(distance(time)) << place_bits | u128::from(place)
            }))
        };
        Order {
            least_time: times.least,
            place_bits,
            keys,
        }
    }

    pub(crate) fn time(&self, rank: usize) -> i64 {
        let distance = match &self.keys {
            Keys::Narrow(keys) => keys[rank] >> self.place_bits,
            Keys::Wide(keys) => (keys[rank] >> self.place_bits) as u64,
        };
        self.least_time.wrapping_add_unsigned(distance)
    }

    /// The rank of every row, as they come in the table: by id.
    pub(crate) fn by_id(&self, table: &RowStore) -> Vec<u32> {
        let mut ranks = vec![0; table.rows];
        for rank in 0..table.rows {
            // Ranks have 32 bits.
            ranks[table.number(self.place(rank))] = rank as u32;
        }
        ranks
    }

    /// The place of the event's row in the table.
    pub(crate) fn place(&self, rank: usize) -> u64 {
        let key = match &self.keys {
            Keys::Narrow(keys) => keys[rank],
            Keys::Wide(keys) => keys[rank] as u64,
        };
        key & ((1 << self.place_bits) - 1)
    }
}

fn sorted<K: Ord + Send>(table: &RowStore, key: impl Fn(i64, u64) -> K + Sync) -> Vec<K> {
    let mut keys = Vec::with_capacity(table.rows);
    for (first, rows) in table.parts() {
        let numbered = rows.par_iter().enumerate();
        keys.par_extend(numbered.map(|(row, stored)| key(stored.created_at, first + row as u64)));
    }
    keys.par_sort_unstable();
    keys
}
