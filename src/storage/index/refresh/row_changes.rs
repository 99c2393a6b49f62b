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
    use super::*;
    use crate::storage::data_dir::DataDir;
    use crate::storage::sqlite::Connection;

    /// A log of three rows, each with seven bytes of texts.
    fn log() -> (tempfile::TempDir, Connection) {
        let place = tempfile::tempdir().unwrap();
        let dir = DataDir::new(place.path());
        let writer = rusqlite::Connection::open(dir.database()).unwrap();
        writer
            .execute_batch(&format!(
                "{}; INSERT INTO audit_events VALUES (1, 7, 1, 'A', 'TT', 'RRRR', 0, 2), (2, 7, 1, 'B', 'TT', 'RRRR', 0, 2),
                 (5, 8, 1, 'C', 'TT', 'RRRR', 0, 2);",
                crate::contract::dataset::SCHEMA_SQL
            ))
            .unwrap();
        (place, Connection::open(&dir).unwrap())
    }

    fn old(id: i64, created_at: i64, action: &str) -> OwnedRow {
        OwnedRow::from(&crate::model::Row {
            id,
            created_at,
            actor_id: 1,
            action,
            resource_type: "TT",
            resource_id: "RRRR",
            payload_ref: crate::model::PayloadRef { offset: 0, len: 2 },
        })
    }

    #[test]
    fn what_differs_is_gone_has_come_or_both() {
        let (_place, connection) = log();
        let (mut changes, mut texts) = (RowChanges::default(), 0);
        let before = vec![
            old(1, 7, "A"),
            old(2, 7, "X"),
            old(3, 7, "D"),
            old(4, 9, "E"),
            old(9, 9, "F"),
        ];
        let compared: Result<()> =
            connection.read_snapshot(|snapshot| compare(snapshot, &(1..=9), before, &mut changes, &mut texts));
        compared.unwrap();
        let gone: Vec<_> = changes.removed.iter().map(|key| key.id).collect();
        let come: Vec<_> = changes
            .added
            .iter()
            .map(|row| (row.key.id, row.as_row().action.to_owned()))
            .collect();
        assert_eq!(gone, [2, 3, 4, 9]);
        assert_eq!(come, [(2, "B".to_owned()), (5, "C".to_owned())]);
        assert_eq!(texts, 14);
    }

    #[test]
    fn more_texts_than_a_refresh_takes_in_are_refused() {
        let (_place, connection) = log();
        for (taken, is_fine) in [
            (0, true),
            (MAX_TEXTS - 21, true),
            (MAX_TEXTS - 20, false),
            (MAX_TEXTS, false),
        ] {
            let (mut changes, mut texts) = (RowChanges::default(), taken);
            let compared: Result<()> =
                connection.read_snapshot(|snapshot| compare(snapshot, &(1..=9), Vec::new(), &mut changes, &mut texts));
            assert_eq!(compared.is_ok(), is_fine, "{taken}: {compared:?}");
        }
    }

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
