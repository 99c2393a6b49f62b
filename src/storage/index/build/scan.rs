//! Reads the table, and the directory of its leaf pages, in many short transactions: no lock is held for long, and no
//! commit can make it begin anew. What is read is of no one moment; a refresh makes it so, because every leaf page is
//! known by what it was when its rows were read.

use std::ops::RangeInclusive;

use rayon::prelude::*;

use super::rows::Part;
use super::segment::Leaves;
use super::shared_lock::SharedLock;
use crate::error::Error;
use crate::model::Key;
use crate::parallel;
use crate::storage::data_dir::DataDir;
use crate::storage::index::base::leaf_directory::{TableLeaf, TimeLeaf};
use crate::storage::index::base::source::DatabaseFacts;
use crate::storage::index::hash::{HashKey, entry_hash};
use crate::storage::index::refresh::RefreshError;
use crate::storage::index::refresh::directory::leaves_from;
use crate::storage::sqlite::{Connection, Snapshot, texts_len};

/// Rows, or entries, that are read under one lock: some 10 ms' worth.
const ENOUGH: u64 = 10_000;
/// Bytes of texts that a part may have, and how many more for each of its rows: what is held in memory is bounded by
/// the number of rows.
const LONG_TEXTS: usize = 16 << 20;
const TEXTS_OF_A_ROW: usize = 1 << 10;
/// From so many ids on a part is worth a connection of its own.
const SMALL_PART: i128 = 10_000;

/// The whole table.
#[derive(Debug)]
pub(crate) struct Scan {
    /// The rows by id, in parts.
    pub(crate) parts: Vec<Part>,
    pub(crate) leaves: Leaves,
    /// Of the keyed hashes of all rows' places in the order, modulo 2^64.
    pub(crate) rows_sum: u64,
}

/// One range of ids.
#[derive(Default)]
struct PartScan {
    part: Part,
    leaves: Vec<TableLeaf>,
    sum: u64,
    last: Option<i64>,
    /// Bytes of all texts so far.
    texts: usize,
}

/// Reads everything. `read` is called with how many more rows have been read.
///
/// # Errors
/// The database cannot be read, or is none that can be indexed.
pub(crate) fn scan(
    dir: &DataDir,
    facts: &DatabaseFacts,
    key: HashKey,
    ids: &RangeInclusive<i64>,
    read: &(dyn Fn(u64) + Sync),
) -> Result<Scan, RefreshError> {
    let lock = SharedLock::default();
    let scan_part = |ids: RangeInclusive<i64>| PartScan::read(dir, facts, key, &ids, &lock, read);
    let (parts, time) = parallel::join(
        || split(ids).into_par_iter().map(scan_part).collect::<Result<Vec<_>, _>>(),
        || time_leaves(dir, facts, key, &lock),
    );
    let (mut parts, time) = (parts?, time?);
    if !ascend(&parts) {
        // A commit moved rows over a bound between two parts. One part has no such bound.
        parts = vec![scan_part(i64::MIN..=i64::MAX)?];
    }
    let mut scan = Scan {
        parts: Vec::with_capacity(parts.len()),
        leaves: Leaves {
            table: Vec::new(),
            time,
        },
        rows_sum: 0,
    };
    for part in parts {
        scan.parts.push(part.part);
        scan.leaves.table.extend(part.leaves);
        scan.rows_sum = scan.rows_sum.wrapping_add(part.sum);
    }
    Ok(scan)
}

fn ascend(parts: &[PartScan]) -> bool {
    let bounds = parts
        .iter()
        .filter_map(|part| Some((part.part.rows.first()?.id, part.last?)));
    bounds.is_sorted_by(|(_, last), (first, _)| last < first)
}

impl PartScan {
    /// Reads the leaves that begin with one of these ids, and all rows on them.
    fn read(
        dir: &DataDir,
        facts: &DatabaseFacts,
        key: HashKey,
        ids: &RangeInclusive<i64>,
        lock: &SharedLock,
        read: &(dyn Fn(u64) + Sync),
    ) -> Result<Self, RefreshError> {
        let connection = Connection::open(dir)?;
        let do_commits_wait = connection.makes_commits_wait()?;
        let mut scan = PartScan::default();
        let mut next = *ids.start();
        loop {
            let before = scan.part.rows.len();
            let reading = do_commits_wait.then(|| lock.read());
            let is_last = connection.read_snapshot(|snapshot| {
                check_facts(snapshot, facts)?;
                let run = leaves_from(snapshot, facts.table_root, key, (next, *ids.end()), ENOUGH)?;
                scan.push(snapshot, &run.leaves, key)?;
                Ok::<_, RefreshError>(run.is_last)
            })?;
            drop(reading);
            read((scan.part.rows.len() - before) as u64);
            match scan.last.and_then(|last| last.checked_add(1)) {
                Some(id) if !is_last => next = id,
                _ => return Ok(scan),
            }
        }
    }

    fn push(&mut self, snapshot: &Snapshot<'_>, leaves: &[TableLeaf], key: HashKey) -> Result<(), RefreshError> {
        let (Some((_, first)), Some((_, last))) = (leaves.first(), leaves.last()) else {
            return Ok(());
        };
        let (mut rows, mut is_too_long) = (0, false);
        let visited = snapshot.rows(&(first.first..=last.last), |row| {
            self.texts += texts_len(row);
            is_too_long = self.texts > LONG_TEXTS.saturating_add(self.part.rows.len() * TEXTS_OF_A_ROW);
            if is_too_long {
                let problem = "the texts up to it are too long for an index".to_owned();
                return Err(Error::Row {
                    event: row.id,
                    created_at: Some(row.created_at),
                    problem,
                });
            }
            self.part.push(row);
            self.sum = self.sum.wrapping_add(entry_hash(key, row.created_at, row.id));
            rows += 1;
            Ok(())
        });
        if is_too_long {
            // No single row's fault.
            return Err(RefreshError::LongTexts);
        }
        visited?;
        if rows != leaves.iter().map(|(_, leaf)| u64::from(leaf.entries)).sum::<u64>() {
            return Err(damaged("the table's pages hold another number of rows than are found"));
        }
        self.leaves.extend_from_slice(leaves);
        self.last = Some(last.last);
        Ok(())
    }
}

fn time_leaves(
    dir: &DataDir,
    facts: &DatabaseFacts,
    key: HashKey,
    lock: &SharedLock,
) -> Result<Vec<TimeLeaf>, RefreshError> {
    let mut leaves: Vec<TimeLeaf> = Vec::new();
    if facts.time_root == 0 {
        return Ok(leaves);
    }
    let (mut next, end) = (
        Key {
            created_at: i64::MIN,
            id: i64::MIN,
        },
        Key {
            created_at: i64::MAX,
            id: i64::MAX,
        },
    );
    let connection = Connection::open(dir)?;
    let do_commits_wait = connection.makes_commits_wait()?;
    loop {
        let reading = do_commits_wait.then(|| lock.read());
        let run = connection.read_snapshot(|snapshot| {
            check_facts(snapshot, facts)?;
            leaves_from(snapshot, facts.time_root, key, (next, end), ENOUGH * 4)
        })?;
        drop(reading);
        leaves.extend(run.leaves);
        match leaves.last() {
            Some((_, last)) if !run.is_last => next = last.last,
            _ => return Ok(leaves),
        }
    }
}

fn check_facts(snapshot: &Snapshot<'_>, facts: &DatabaseFacts) -> Result<(), RefreshError> {
    let header = snapshot.header();
    if (header.page_size, header.schema_cookie) == (facts.page_size, facts.schema_cookie) {
        Ok(())
    } else {
        Err(damaged("the schema changed while the table was read"))
    }
}

fn damaged(what: &str) -> RefreshError {
    RefreshError::Rebuild(what.to_owned())
}

/// Cuts a range of ids into equal parts, ascending, of which the first and the last have no outer bound: one for a small
/// table, as opening a connection has its price, else several for each processor, as ids may have gaps and a processor may
/// come late.
fn split(ids: &RangeInclusive<i64>) -> Vec<RangeInclusive<i64>> {
    let (first, last) = (i128::from(*ids.start()), i128::from(*ids.end()));
    let span = last - first + 1;
    let threads = i128::try_from(rayon::current_num_threads()).unwrap_or(1);
    let most = if threads == 1 { 1 } else { threads * 8 };
    let parts = (span / SMALL_PART).clamp(1, most);
    let bound = |part: i128| match part {
        0 => i128::from(i64::MIN),
        _ if part == parts => i128::from(i64::MAX) + 1,
        _ => first + span * part / parts,
    };
    let part = |number: i128| {
        // Both bounds lie between two 64-bit numbers.
        let start = i64::try_from(bound(number)).unwrap_or(i64::MIN);
        start..=i64::try_from(bound(number + 1) - 1).unwrap_or(i64::MAX)
    };
    (0..parts).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::split;

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
            assert_eq!(*parts.first().unwrap().start(), i64::MIN);
            assert_eq!(*parts.last().unwrap().end(), i64::MAX);
            assert!(parts.windows(2).all(|pair| *pair[0].end() == pair[1].start() - 1));
        }
    }
}
