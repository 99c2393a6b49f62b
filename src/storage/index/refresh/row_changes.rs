//! The difference between the rows of the index and those of the table.

use std::ops::RangeInclusive;

use crate::error::{Error, Result};
use crate::storage::index::delta::RowChanges;
use crate::storage::index::row::OwnedRow;
use crate::storage::sqlite::{Snapshot, texts_len};

/// Bytes of texts that one refresh takes in: more is what a build is for.
const MAX_TEXTS: usize = 64 << 20;

/// Ranges of ids that cover the same, ascending, without a gap or an overlap between two neighbours.
pub(super) fn merge_ranges(ranges: &[(i64, i64)]) -> Vec<RangeInclusive<i64>> {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::new();
    for (first, last) in sorted {
        match merged.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    merged.into_iter().map(|(first, last)| first..=last).collect()
}

/// Adds what differs among these ids to `changes`, and the bytes of its texts to `texts`: `old` are the rows that the
/// index has, by id.
pub(super) fn compare(
    snapshot: &Snapshot<'_>,
    ids: &RangeInclusive<i64>,
    old: Vec<OwnedRow>,
    changes: &mut RowChanges,
    texts: &mut usize,
) -> Result<()> {
    let mut old = old.into_iter().peekable();
    snapshot.rows(ids, |row| {
        while let Some(gone) = old.next_if(|old| old.key.id < row.id) {
            changes.removed.push(gone.key);
        }
        match old.next_if(|old| old.key.id == row.id) {
            Some(same) if same.as_row() == *row => {}
            before => {
                changes.removed.extend(before.map(|before| before.key));
                *texts += texts_len(row);
                if *texts > MAX_TEXTS {
                    return Err(Error::Row {
                        event: row.id,
                        created_at: Some(row.created_at),
                        problem: "the texts of the rows that changed are longer than 64 MiB".to_owned(),
                    });
                }
                changes.added.push(OwnedRow::from(row));
            }
        }
        Ok(())
    })?;
    changes.removed.extend(old.map(|gone| gone.key));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::merge_ranges;

    #[test]
    fn ranges_that_touch_become_one() {
        assert_eq!(merge_ranges(&[]), []);
        assert_eq!(merge_ranges(&[(5, 9), (1, 4), (11, 12), (2, 3)]), [1..=9, 11..=12]);
        assert_eq!(merge_ranges(&[(i64::MIN, i64::MAX), (3, 4)]), [i64::MIN..=i64::MAX]);
        assert_eq!(
            merge_ranges(&[(i64::MAX, i64::MAX), (1, 2)]),
            [1..=2, i64::MAX..=i64::MAX]
        );
    }
}
