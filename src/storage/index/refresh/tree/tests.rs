//! Trees that SQLite really changed: after each commit, what an update knows must be what a tree says that is read from
//! scratch.

use rusqlite::Connection;

use super::*;
use crate::model::Key;
use crate::storage::index::hash::HashKey;
use crate::storage::index::refresh::RefreshError;
use crate::storage::index::refresh::page::TreePage;

const KEY: HashKey = [1, 2];

/// All pages of a database as SQLite sees them now.
fn pages(sqlite: &Connection) -> Vec<Vec<u8>> {
    let mut pages = sqlite
        .prepare_cached("SELECT data FROM sqlite_dbpage ORDER BY pgno")
        .unwrap();
    let pages = pages.query_map([], |row| row.get(0)).unwrap();
    pages.collect::<Result<_, _>>().unwrap()
}

fn changed(before: &[Vec<u8>], after: &[Vec<u8>]) -> PageSet {
    let numbered = after.iter().zip(1..);
    let is_other = |(page, number): &(&Vec<u8>, u32)| before.get(*number as usize - 1) != Some(*page);
    numbered.filter(is_other).map(|(_, number)| number).collect()
}

fn update<K: TreeKey + Default>(
    tree: &Tree<K>,
    pages: &[Vec<u8>],
    changed: &PageSet,
) -> std::result::Result<TreeUpdate<K>, RefreshError> {
    tree.update(changed, &mut |number| {
        let bytes = pages
            .get(number as usize - 1)
            .ok_or(crate::storage::sqlite::btree::Malformed("no such page"))?;
        Ok(TreePage::parse(bytes, number, 512, KEY)?)
    })
}

fn fresh<K: TreeKey + Default>(root: u32, pages: &[Vec<u8>]) -> Tree<K> {
    let mut tree = Tree::new(root, []);
    let first = update(&tree, pages, &PageSet::default()).unwrap();
    tree.apply(first);
    tree
}

fn assert_same<K: TreeKey + std::fmt::Debug>(tree: &Tree<K>, other: &Tree<K>) {
    assert_eq!(tree.inner, other.inner);
    assert_eq!(tree.leaves, other.leaves);
    assert_eq!(tree.parents, other.parents);
    assert_eq!(tree.volatile, other.volatile);
    assert_eq!((tree.entries, tree.sum), (other.entries, other.sum));
}

/// A directory with the changes since is the tree's, and they name nothing that is the same.
fn assert_is_the_directory<K: TreeKey + std::fmt::Debug>(tree: &Tree<K>, directory: &[(u32, Leaf<K>)]) {
    let changes = tree.changes_since(directory);
    let mut now: PageMap<Leaf<K>> = directory.iter().copied().collect();
    for page in &changes.gone {
        assert!(now.remove(page).is_some(), "it was there");
    }
    for &(page, leaf) in &changes.leaves {
        assert_ne!(now.insert(page, leaf), Some(leaf), "it is another");
    }
    assert_eq!(now, tree.leaves);
    assert!(changes.leaves.is_sorted_by_key(|(_, leaf)| leaf.first));
}

fn database() -> (Connection, u32, u32) {
    let sqlite = Connection::open_in_memory().unwrap();
    sqlite
        .execute_batch(
            "PRAGMA page_size = 512; CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, text TEXT NOT NULL);
             CREATE INDEX by_at ON t (at);",
        )
        .unwrap();
    let root = |name: &str| {
        let root = "SELECT rootpage FROM sqlite_schema WHERE name = ?";
        sqlite.query_row(root, [name], |row| row.get(0)).unwrap()
    };
    let roots = (root("t"), root("by_at"));
    (sqlite, roots.0, roots.1)
}

/// A statement that changes something, chosen by a number.
fn statement(number: u64, step: u64) -> String {
    let id = number % 5000;
    match number / 5000 % 9 {
        0..=2 => format!(
            "INSERT OR REPLACE INTO t VALUES ({id}, {}, hex(zeroblob({})))",
            number % 40,
            number % 60
        ),
        3 => format!(
            "WITH n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 70) INSERT INTO t (at, text) SELECT {step}, hex(zeroblob(10)) FROM n"
        ),
        4 => format!("UPDATE t SET at = at + 7 WHERE id BETWEEN {id} AND {id} + 9"),
        5 => format!("UPDATE t SET text = text || 'y' WHERE id = {id}"),
        6 => format!("DELETE FROM t WHERE id BETWEEN {id} AND {id} + {}", number % 90),
        7 => format!("UPDATE t SET text = hex(zeroblob(700)) WHERE id = {id}"),
        _ => "DELETE FROM t WHERE length(text) > 1000".to_owned(),
    }
}

#[test]
fn an_updated_tree_is_the_tree_read_from_scratch() {
    let (sqlite, table_root, time_root) = database();
    let mut before = pages(&sqlite);
    let (mut table, mut time) = (fresh::<i64>(table_root, &before), fresh::<Key>(time_root, &before));
    let (mut number, mut deepest, mut with_overflow) = (7_u64, 0, 0);
    let mut directory = (table.in_order(), time.in_order());
    for step in 0..600 {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        if step == 400 {
            sqlite.execute_batch("DELETE FROM t").unwrap();
        } else {
            sqlite.execute_batch(&statement(number >> 20, step)).unwrap();
        }
        let after = pages(&sqlite);
        let changed = changed(&before, &after);
        let found = update(&table, &after, &changed).unwrap();
        table.apply(found);
        let found = update(&time, &after, &changed).unwrap();
        time.apply(found);
        let events: u64 = sqlite
            .query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))
            .unwrap() as u64;
        assert_eq!((table.entries(), time.entries()), (events, events), "step {step}");
        assert_same(&table, &fresh(table_root, &after));
        assert_same(&time, &fresh(time_root, &after));
        // Another hash of the same: each entry by itself.
        let mut keys = sqlite.prepare("SELECT at, id FROM t").unwrap();
        let keys = keys.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let sum = keys.fold(0_u64, |sum, key| {
            let (at, id) = key.unwrap();
            sum.wrapping_add(crate::storage::index::hash::entry_hash(KEY, at, id))
        });
        assert_eq!(time.sum(), sum);
        assert_is_the_directory(&table, &directory.0);
        assert_is_the_directory(&time, &directory.1);
        if step % 50 == 0 {
            directory = (table.in_order(), time.in_order());
        }
        let volatile = table.leaves().filter(|(_, leaf)| leaf.hash == VOLATILE).count();
        assert_eq!(table.volatile(), volatile);
        deepest = deepest.max(table.inner.len());
        with_overflow = with_overflow.max(table.volatile());
        before = after;
    }
    assert!(
        deepest > 3,
        "the trees must have several inner pages at some time: {deepest}"
    );
    assert!(with_overflow > 0, "some leaves must have had overflow pages");
}

/// As a build in parts leaves them: some as they were before a commit and some as they were after it.
#[test]
fn leaves_of_several_moments_become_those_of_one() {
    let (sqlite, root, _) = database();
    sqlite
        .execute_batch("WITH n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, i, 'abc' FROM n")
        .unwrap();
    let before = pages(&sqlite);
    sqlite
        .execute_batch("DELETE FROM t WHERE id BETWEEN 300 AND 900; INSERT INTO t SELECT id + 5000, id, text FROM t")
        .unwrap();
    let after = pages(&sqlite);
    let leaves = |pages: &[Vec<u8>]| fresh::<i64>(root, pages).in_order();
    let [then, now] = [leaves(&before), leaves(&after)];
    let cut = now.len() / 2;
    let mut tree = Tree::new(root, then.into_iter().chain(now[cut..].iter().copied()));
    let found = update(&tree, &after, &changed(&before, &after)).unwrap();
    tree.apply(found);
    assert_same(&tree, &fresh(root, &after));
}

#[test]
fn nothing_changed_outside_of_the_ranges() {
    let (sqlite, root, _) = database();
    sqlite
        .execute_batch("WITH n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, i, 'abc' FROM n")
        .unwrap();
    let before = pages(&sqlite);
    let table = fresh::<i64>(root, &before);
    sqlite
        .execute_batch("UPDATE t SET text = 'abd' WHERE id = 1000")
        .unwrap();
    let after = pages(&sqlite);
    let found = update(&table, &after, &changed(&before, &after)).unwrap();
    assert_eq!(found.pages_read(), 1);
    let of_page = |page| table.leaves[&page].entries.into();
    let entries: Vec<u64> = found.read.keys().map(|&page| of_page(page)).collect();
    assert_eq!([found.entries_read()], entries[..]);
    assert!(entries[0] > 1);
    assert!(
        found
            .ranges()
            .iter()
            .all(|&(first, last)| first <= 1000 && 1000 <= last && last - first < 100)
    );
    assert_eq!(found.ranges().len(), 2, "as it was and as it is");
    // A page that is named without having changed counts for nothing.
    let named = table.leaves().map(|(page, _)| page).collect();
    assert_eq!(update(&table, &before, &named).unwrap().ranges(), &[]);
}

#[test]
fn a_tree_that_sqlite_could_not_search_is_refused() {
    let (sqlite, root, _) = database();
    sqlite
        .execute_batch("WITH n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, i, 'abc' FROM n")
        .unwrap();
    let pages = pages(&sqlite);
    let tree = fresh::<i64>(root, &pages);
    let (&parent, inner) = tree
        .inner
        .iter()
        .find(|(_, inner)| tree.leaves.contains_key(&inner.children[0]))
        .unwrap();
    let [one, other] = [inner.children[0], inner.children[1]];
    let named: PageSet = [one, other, parent].into_iter().collect();
    let refused = |damaged: &[Vec<u8>]| update(&tree, damaged, &named).is_err();
    let mut swapped = pages.clone();
    swapped.swap(one as usize - 1, other as usize - 1);
    assert!(refused(&swapped), "two leaves that changed places");
    let mut doubled = pages.clone();
    doubled[other as usize - 1] = pages[one as usize - 1].clone();
    assert!(refused(&doubled), "one leaf twice");
    let mut circle = pages.clone();
    circle[one as usize - 1] = pages[parent as usize - 1].clone();
    assert!(refused(&circle), "a page that is its own ancestor's copy");
    let mut wiped = pages.clone();
    wiped[one as usize - 1] = vec![0; 512];
    assert!(refused(&wiped), "a page of zeros");
    let mut empty = pages.clone();
    empty[one as usize - 1] = [&[13, 0, 0, 0, 0, 2, 0, 0][..], &[0; 504]].concat();
    assert!(refused(&empty), "a leaf without entries");
    assert!(!refused(&pages));
}

/// Leaves that are in order by themselves, and of which only one is looked at: it is its ancestors that SQLite searches by.
#[test]
fn a_leaf_in_another_ones_place_is_refused() {
    let (sqlite, root, _) = database();
    sqlite
        .execute_batch("WITH n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 9000) INSERT INTO t SELECT i, i, 'abc' FROM n")
        .unwrap();
    let pages = pages(&sqlite);
    let tree = fresh::<i64>(root, &pages);
    assert!(tree.inner.len() > 3, "leaves have a grandparent");
    let leaves: Vec<u32> = tree.in_order().iter().map(|&(page, _)| page).collect();
    for (place, &page) in leaves.iter().enumerate() {
        let named: PageSet = [page].into_iter().collect();
        let with = |other: u32| {
            let mut damaged = pages.clone();
            damaged[page as usize - 1] = pages[other as usize - 1].clone();
            update(&tree, &damaged, &named).is_ok()
        };
        assert!(with(page));
        // The first of an inner page has what bounds it below in its grandparent, and the last what bounds it above.
        if let Some(before) = place.checked_sub(1) {
            assert!(!with(leaves[before]), "the one before leaf {place}");
        }
        if let Some(&behind) = leaves.get(place + 1) {
            assert!(!with(behind), "the one behind leaf {place}");
        }
    }
}
