//! The leaf pages of a tree in parts, so that no lock is held for long.

use super::RefreshError;
use super::key::TreeKey;
use super::page::{Leaf, TreePage};
use crate::storage::index::hash::HashKey;
use crate::storage::sqlite::Snapshot;
use crate::storage::sqlite::btree::{MAX_DEPTH, Malformed};

/// Some of the leaves of a tree.
#[derive(Debug)]
pub(crate) struct LeafRun<K> {
    /// In the order of the tree.
    pub(crate) leaves: Vec<(u32, Leaf<K>)>,
    /// Whether there are none behind them that begin with a key that was asked for.
    pub(crate) is_last: bool,
}

/// The leaves of the tree at `root` whose first key is neither before `from` nor behind `to`, until they hold so many
/// entries.
///
/// # Errors
/// The database cannot be read, or a page is none of such a tree.
pub(crate) fn leaves_from<K: TreeKey + Default>(
    snapshot: &mut Snapshot<'_>,
    root: u32,
    key: HashKey,
    (from, to): (K, K),
    enough: u64,
) -> Result<LeafRun<K>, RefreshError> {
    let mut run = LeafRun {
        leaves: Vec::new(),
        is_last: true,
    };
    let mut entries = 0;
    let mut last: Option<K> = None;
    // Pages still to be visited, the next one last; only the first way down needs to be searched for.
    let mut left = vec![(root, 0)];
    while let Some((page, depth)) = left.pop() {
        if depth > MAX_DEPTH {
            return Err(Malformed("the tree is deeper than SQLite makes one").into());
        }
        let read = read(snapshot, page, key)?;
        if let TreePage::Leaf(leaf) = &read {
            // Whatever a damaged tree says, each leaf is come to once.
            let is_whole_tree = page == root;
            if last.is_some_and(|last| leaf.first <= last) || (leaf.entries == 0 && !is_whole_tree) {
                return Err(Malformed("the leaves of the tree do not ascend").into());
            }
            last = Some(leaf.last);
        }
        match read {
            TreePage::Inner(inner) => {
                // All below a child lies before its separator.
                let first = inner.separators.partition_point(|&separator| separator < from);
                left.extend(inner.children[first..].iter().rev().map(|&child| (child, depth + 1)));
            }
            TreePage::Leaf(leaf) if leaf.entries == 0 || leaf.first < from => {}
            TreePage::Leaf(leaf) if leaf.first > to => break,
            TreePage::Leaf(leaf) => {
                run.leaves.push((page, leaf));
                entries += u64::from(leaf.entries);
                if entries >= enough {
                    run.is_last = false;
                    break;
                }
            }
        }
    }
    Ok(run)
}

fn read<K: TreeKey + Default>(
    snapshot: &mut Snapshot<'_>,
    page: u32,
    key: HashKey,
) -> Result<TreePage<K>, RefreshError> {
    let usable = snapshot.header().usable();
    let bytes = snapshot
        .page(page)?
        .ok_or(Malformed("a page of the tree is not there"))?;
    Ok(TreePage::parse(bytes, page, usable, key)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::dataset::SCHEMA_SQL;
    use crate::storage::data_dir::DataDir;
    use crate::storage::index::base::source::DatabaseFacts;
    use crate::storage::sqlite::Connection;

    const KEY: HashKey = [1, 2];
    const ALL: (i64, i64) = (i64::MIN, i64::MAX);

    /// A log of rows with every third id, in pages so small that the table's tree has two levels of inner pages.
    fn log(rows: u32) -> (tempfile::TempDir, DataDir, rusqlite::Connection) {
        let place = tempfile::tempdir().unwrap();
        let dir = DataDir::new(place.path());
        let writer = rusqlite::Connection::open(dir.database()).unwrap();
        writer
            .execute_batch(&format!(
                "PRAGMA page_size = 512; {SCHEMA_SQL};
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
                 INSERT INTO audit_events SELECT i * 3, i, 1, 'A', 'T', 'R', 0, 2 FROM n"
            ))
            .unwrap();
        (place, dir, writer)
    }

    fn run(dir: &DataDir, from_to: (i64, i64), enough: u64) -> Result<LeafRun<i64>, RefreshError> {
        Connection::open(dir).unwrap().read_snapshot(|snapshot| {
            let facts = DatabaseFacts::read(snapshot, KEY)?;
            leaves_from(snapshot, facts.table_root, KEY, from_to, enough)
        })
    }

    fn ends(leaves: &[(u32, Leaf<i64>)]) -> Vec<(i64, i64)> {
        leaves.iter().map(|(_, leaf)| (leaf.first, leaf.last)).collect()
    }

    #[test]
    fn leaves_are_those_that_begin_between_two_keys() {
        let (_place, dir, _writer) = log(9_000);
        let all = run(&dir, ALL, u64::MAX).unwrap();
        assert!(all.is_last);
        let of_all = ends(&all.leaves);
        assert!(of_all.len() > 250 && of_all.is_sorted_by(|one, next| one.1 < next.0));
        assert_eq!((of_all[0].0, of_all[of_all.len() - 1].1), (3, 27_000));
        let entries: u64 = all.leaves.iter().map(|(_, leaf)| u64::from(leaf.entries)).sum();
        assert_eq!(entries, 9_000);
        for place in [0, 1, 7, 200, of_all.len() - 1] {
            let (first, last) = of_all[place];
            for (from, begins) in [
                (first - 1, place),
                (first, place),
                (first + 1, place + 1),
                (last, place + 1),
            ] {
                let found = run(&dir, (from, i64::MAX), u64::MAX).unwrap();
                assert_eq!(ends(&found.leaves), of_all[begins..], "from {from}");
            }
            for (to, behind) in [(first - 1, place), (first, place + 1), (last, place + 1)] {
                let found = run(&dir, (i64::MIN, to), u64::MAX).unwrap();
                assert!(found.is_last);
                assert_eq!(ends(&found.leaves), of_all[..behind], "to {to}");
            }
        }
    }

    /// The separator above a leaf of the table is its last key, so here it is also its first.
    #[test]
    fn a_leaf_of_one_row_begins_at_its_key() {
        let (_place, dir, writer) = log(40);
        writer
            .execute_batch("UPDATE audit_events SET resource_id = printf('%.400c', 'R')")
            .unwrap();
        let of_all = ends(&run(&dir, ALL, u64::MAX).unwrap().leaves);
        assert_eq!(of_all.len(), 40);
        for (place, &(first, last)) in of_all.iter().enumerate() {
            assert_eq!(first, last);
            let found = run(&dir, (first, i64::MAX), u64::MAX).unwrap();
            assert_eq!(ends(&found.leaves), of_all[place..], "from {first}");
        }
    }

    #[test]
    fn a_run_ends_when_its_leaves_hold_enough_and_goes_on_behind_them() {
        let (_place, dir, _writer) = log(9_000);
        let all = ends(&run(&dir, ALL, u64::MAX).unwrap().leaves);
        let (mut next, mut found, mut runs) = (i64::MIN, Vec::new(), 0);
        loop {
            let part = run(&dir, (next, i64::MAX), 500).unwrap();
            let entries: u64 = part.leaves.iter().map(|(_, leaf)| u64::from(leaf.entries)).sum();
            let of_last = part.leaves.last().map_or(0, |(_, leaf)| u64::from(leaf.entries));
            assert!(part.is_last || entries >= 500 && entries - of_last < 500, "{entries}");
            found.extend(ends(&part.leaves));
            runs += 1;
            if part.is_last {
                break;
            }
            next = found[found.len() - 1].1 + 1;
        }
        assert_eq!(found, all);
        assert!(runs > 15, "{runs}");
    }

    #[test]
    fn a_tree_without_entries_has_no_leaves_that_begin_anywhere() {
        let (_place, dir, writer) = log(1);
        assert_eq!(ends(&run(&dir, ALL, 1).unwrap().leaves), [(3, 3)]);
        writer.execute_batch("DELETE FROM audit_events").unwrap();
        let found = run(&dir, ALL, u64::MAX).unwrap();
        assert!(found.leaves.is_empty() && found.is_last);
    }

    /// As what is no SQLite may leave it: one leaf in another's place is come to twice.
    #[test]
    fn leaves_that_do_not_ascend_are_refused() {
        let (_place, dir, writer) = log(9_000);
        let all = run(&dir, ALL, u64::MAX).unwrap().leaves;
        drop(writer);
        let mut file = std::fs::read(dir.database()).unwrap();
        let at = |place: usize| (all[place].0 as usize - 1) * 512;
        file.copy_within(at(9)..at(9) + 512, at(30));
        std::fs::write(dir.database(), &file).unwrap();
        let why = run(&dir, ALL, u64::MAX).unwrap_err().to_string();
        assert!(why.contains("do not ascend"), "{why}");
    }
}
