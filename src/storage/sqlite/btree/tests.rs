use proptest::prelude::*;

use super::super::scratch_db::ScratchDb;
use super::*;

/// What a walk over a whole b-tree has met, in the order of its keys.
#[derive(Debug, Default)]
struct Walk {
    rows: Vec<TableLeafCell>,
    entries: Vec<(i64, i64)>,
    /// Page number and cells of each page.
    pages: Vec<(i64, i64)>,
    inner_pages: usize,
}

fn walk(db: &ScratchDb, number: u32, into: &mut Walk) {
    let usable = db.header().usable();
    let bytes = db.page(number);
    let page = BtreePage::parse(&bytes, number, usable).unwrap();
    into.pages.push((number.into(), page.cell_count() as i64));
    assert_eq!(page.kind().is_leaf(), page.right_most_child().is_none());
    match page.kind() {
        PageKind::TableInner => {
            for cell in page.table_inner_cells().unwrap() {
                let cell = cell.unwrap();
                walk(db, cell.left_child, into);
                assert!(into.rows.last().unwrap().rowid <= cell.key);
            }
        }
        PageKind::IndexInner => {
            for cell in page.index_cells().unwrap() {
                let cell = cell.unwrap();
                walk(db, cell.left_child.unwrap(), into);
                into.entries.push((cell.key, cell.rowid));
            }
        }
        PageKind::TableLeaf => {
            let rows: Result<Vec<_>, _> = page.table_leaf_cells().unwrap().collect();
            let rows = rows.unwrap();
            assert!(rows.is_sorted_by(|one, next| one.rowid < next.rowid));
            into.rows.extend(rows);
        }
        PageKind::IndexLeaf => {
            for cell in page.index_cells().unwrap() {
                let cell = cell.unwrap();
                assert_eq!(cell.left_child, None);
                into.entries.push((cell.key, cell.rowid));
            }
        }
    }
    if let Some(child) = page.right_most_child() {
        into.inner_pages += 1;
        walk(db, child, into);
    }
}

fn walk_all(db: &ScratchDb, name: &str) -> Walk {
    let mut walked = Walk::default();
    walk(db, db.root(name), &mut walked);
    // dbstat counts the cells of a page by its own reading of it.
    walked.pages.sort_unstable();
    let stat =
        format!("SELECT pageno, ncell FROM dbstat WHERE name = '{name}' AND pagetype <> 'overflow' ORDER BY pageno");
    assert_eq!(walked.pages, db.pairs(&stat));
    walked
}

/// What SQLite says of the same table and index.
fn check(db: &ScratchDb) -> (Walk, Walk) {
    let table = walk_all(db, "audit_events");
    let rowids: Vec<_> = table.rows.iter().map(|row| (row.rowid, 0)).collect();
    assert_eq!(rowids, db.pairs("SELECT id, 0 FROM audit_events ORDER BY id"));
    let payload: u64 = table.rows.iter().map(|row| row.payload_len).sum();
    let stat = db.number("SELECT sum(payload) FROM dbstat WHERE name = 'audit_events'");
    assert_eq!(payload, stat as u64);
    // A row that goes on in overflow pages is its page's only one that has any: each chain has one row.
    let overflow = db.number("SELECT count(*) FROM dbstat WHERE name = 'audit_events' AND path LIKE '%+000000'");
    assert_eq!(
        table.rows.iter().filter(|row| row.has_overflow).count() as i64,
        overflow
    );

    let index = walk_all(db, "idx_created_at");
    let entries = "SELECT created_at, id FROM audit_events ORDER BY created_at, id";
    assert_eq!(index.entries, db.pairs(entries));
    (table, index)
}

#[test]
fn trees_of_every_page_size_hold_what_sqlite_says() {
    for (page_size, reserved, rows) in [
        (512, 0, 3_000),
        (512, 32, 3_000),
        (1024, 8, 3_000),
        (4096, 0, 9_000),
        (65_536, 0, 9_000),
        (65_536, 255, 9_000),
    ] {
        let db = ScratchDb::new(page_size, reserved, "DELETE");
        let header = db.header();
        assert_eq!((header.page_size, header.reserved), (page_size, reserved));
        check(&db);
        db.insert(rows, 60);
        db.execute(
            "DELETE FROM audit_events WHERE id % 5 = 0; UPDATE audit_events SET created_at = 7 WHERE id % 9 = 0",
        );
        let (table, index) = check(&db);
        assert!(table.inner_pages > 0 && index.inner_pages > 0, "{page_size}");
    }
}

/// Rows of zeros, so that whoever looks for the number of the first overflow page in another place finds 0 there: with every
/// remainder, around the longest rows that fit a page, and with rows that fill several.
#[test]
fn the_first_overflow_page_is_found_behind_a_row_of_any_length() {
    for (page_size, reserved, lengths) in [(512, 0, 400..2_100), (1024, 16, 900..3_100)] {
        let db = ScratchDb::new(page_size, reserved, "DELETE");
        let most_local = page_size as usize - usize::from(reserved) - 35;
        db.execute(&format!(
            "WITH RECURSIVE n(n) AS (SELECT {} UNION ALL SELECT n + 1 FROM n WHERE n < {})
             INSERT INTO audit_events (created_at, action) SELECT 0, zeroblob(n) FROM n",
            lengths.start, lengths.end
        ));
        let (table, _) = check(&db);
        let longest = table
            .rows
            .iter()
            .filter(|row| !row.has_overflow)
            .map(|row| row.payload_len);
        assert_eq!(longest.max(), Some(most_local as u64));
    }
}

#[test]
fn page_1_as_a_leaf_and_as_an_inner_page() {
    let db = ScratchDb::new(512, 0, "DELETE");
    let kind = |db: &ScratchDb| {
        let page = db.page(1);
        BtreePage::parse(&page, 1, 512).unwrap().kind()
    };
    let schema = |db: &ScratchDb| {
        let mut walked = Walk::default();
        walk(db, 1, &mut walked);
        walked.rows.len() as i64
    };
    assert_eq!(kind(&db), PageKind::TableInner);
    assert_eq!(schema(&db), db.number("SELECT count(*) FROM sqlite_schema"));
    let db = ScratchDb::new(4096, 0, "DELETE");
    assert_eq!(kind(&db), PageKind::TableLeaf);
    assert_eq!(schema(&db), db.number("SELECT count(*) FROM sqlite_schema"));
}

#[test]
fn integers_of_every_length() {
    let mut values = vec![i64::MIN, i64::MAX];
    for bits in 0..63 {
        let power = 1_i64 << bits;
        values.extend([power - 1, power, power + 1, -power - 1, -power, 1 - power]);
    }
    values.sort_unstable();
    values.dedup();
    let db = ScratchDb::new(1024, 0, "DELETE");
    let insert = "INSERT INTO audit_events VALUES (?1, ?2, 'A')";
    for (&id, &created_at) in values.iter().zip(values.iter().rev()) {
        db.connection.execute(insert, [id, created_at]).unwrap();
    }
    let (table, _) = check(&db);
    assert_eq!(table.rows.len(), values.len());
}

#[test]
fn rows_that_go_on_in_overflow_pages() {
    for (page_size, reserved) in [(512, 0), (512, 7), (4096, 0), (65_536, 0)] {
        let db = ScratchDb::new(page_size, reserved, "DELETE");
        // A page number that is looked for in the row's bytes would be 0.
        let insert = "INSERT INTO audit_events (created_at, action) VALUES (1, zeroblob(?1))";
        // Around the longest record that needs no overflow page, and around what fills one, two and three.
        let usable = page_size - u32::from(reserved);
        for full in [1, usable, 2 * usable, 3 * usable] {
            for len in full.saturating_sub(60)..=full {
                db.connection.execute(insert, [len]).unwrap();
            }
        }
        let (table, _) = check(&db);
        assert!(table.rows.iter().any(|row| row.has_overflow));
        assert!(table.rows.iter().any(|row| !row.has_overflow));
    }
}

/// The only page of an index on the given values.
fn index_leaf(values: &str) -> Vec<u8> {
    let db = ScratchDb::new(1024, 0, "DELETE");
    db.execute(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, x); CREATE INDEX i ON t (x); INSERT INTO t (x) VALUES {values}"
    ));
    db.page(db.root("i"))
}

fn first_entry(page: &[u8]) -> Result<IndexCell, Malformed> {
    let page = BtreePage::parse(page, 2, 1024).unwrap();
    page.index_cells().unwrap().next().unwrap()
}

#[test]
fn an_index_that_holds_anything_but_integers_is_malformed() {
    let entry = IndexCell {
        left_child: None,
        key: 5,
        rowid: 1,
    };
    assert_eq!(first_entry(&index_leaf("(5)")), Ok(entry));
    for value in ["NULL", "1.5", "'5'", "''", "x'05'"] {
        let page = index_leaf(&format!("({value})"));
        assert_eq!(first_entry(&page), Err(Malformed("not an integer")), "{value}");
    }
    let page = index_leaf("(hex(zeroblob(900)))");
    let overflow = Err(Malformed("an index entry goes on in overflow pages"));
    assert_eq!(first_entry(&page), overflow);

    let db = ScratchDb::new(1024, 0, "DELETE");
    db.execute("CREATE INDEX two ON audit_events (created_at, id + 1); INSERT INTO audit_events VALUES (1, 5, '')");
    let columns = Err(Malformed("an index entry has not exactly two columns"));
    assert_eq!(first_entry(&db.page(db.root("two"))), columns);
}

#[test]
fn pages_of_another_kind_are_refused() {
    let db = ScratchDb::new(512, 0, "DELETE");
    db.insert(500, 60);
    let page = |name| db.page(db.root(name));
    let (table, index) = (page("audit_events"), page("idx_created_at"));
    let table = BtreePage::parse(&table, 2, 512).unwrap();
    let index = BtreePage::parse(&index, 2, 512).unwrap();
    assert_eq!(table.kind(), PageKind::TableInner);
    assert_eq!(index.kind(), PageKind::IndexInner);
    assert!(table.table_inner_cells().is_ok() && index.index_cells().is_ok());
    assert!(table.index_cells().is_err() && table.table_leaf_cells().is_err());
    assert!(index.table_inner_cells().is_err() && index.table_leaf_cells().is_err());
}

#[test]
fn each_check_of_a_page_says_what_is_wrong() {
    let db = ScratchDb::new(512, 0, "DELETE");
    db.insert(500, 60);
    let inner = db.page(db.root("audit_events"));
    let child = BtreePage::parse(&inner, 2, 512).unwrap().right_most_child();
    let leaf = db.page(child.unwrap());
    let parse = |page: &[u8]| BtreePage::parse(page, 2, 512).map(|page| page.kind());
    let with = |page: &[u8], at: usize, bytes: &[u8]| {
        let mut page = page.to_vec();
        page[at..at + bytes.len()].copy_from_slice(bytes);
        page
    };
    let row = |page: &[u8]| {
        let page = BtreePage::parse(page, 2, 512).unwrap();
        page.table_leaf_cells().unwrap().next().unwrap()
    };
    assert_eq!(parse(&leaf), Ok(PageKind::TableLeaf));
    for (result, problem) in [
        (parse(&leaf[..511]), "the page is shorter than its usable size"),
        (parse(&with(&leaf, 0, &[0])), "the page is no b-tree page"),
        (parse(&with(&leaf, 0, &[0x0c])), "the page is no b-tree page"),
        (parse(&with(&leaf, 3, &[0, 85])), "more cells than fit in the page"),
        (parse(&with(&leaf, 3, &[255, 255])), "more cells than fit in the page"),
        (parse(&with(&inner, 8, &[0; 4])), "a page number is 0"),
        (
            BtreePage::parse(&leaf, 0, 512).map(|page| page.kind()),
            "no page has the number 0",
        ),
        (
            BtreePage::parse(&leaf, 2, 479).map(|page| page.kind()),
            "no page has so many usable bytes",
        ),
    ] {
        assert_eq!(result, Err(Malformed(problem)));
    }
    assert!(parse(&with(&leaf, 3, &[0, 84])).is_ok());

    let start = u16::from_be_bytes([leaf[8], leaf[9]]).into();
    let header_len = 8 + 2 * u16::from_be_bytes([leaf[3], leaf[4]]);
    let in_header = with(&leaf, 8, &(header_len - 1).to_be_bytes());
    let long = [0x87, 0xff, 0xff, 0xff, 0x7f];
    let too_long = [0x88, 0x80, 0x80, 0x80, 0x00];
    assert!(row(&leaf).is_ok());
    for (page, problem) in [
        (with(&leaf, 8, &[0, 9]), "a cell overlaps the page's header"),
        (in_header, "a cell overlaps the page's header"),
        (with(&leaf, 8, &[2, 0]), "a cell goes beyond the page's end or its own"),
        (with(&leaf, 8, &[2, 1]), "a cell begins behind the page's end"),
        (
            with(&with(&leaf, 8, &[1, 250]), 506, &[9, 1]),
            "a cell goes beyond the page's end or its own",
        ),
        (with(&leaf, start, &too_long), "a row is longer than SQLite allows"),
        (with(&leaf, start, &[255; 9]), "a row is longer than SQLite allows"),
    ] {
        assert_eq!(row(&page), Err(Malformed(problem)));
    }
    // The longest row there can be, whose first overflow page has a number, and then none.
    let mut page = with(&with(&leaf, 8, &[0, 200]), 200, &long);
    let local = 39 + (0x7fff_ffff - 39) % 508;
    let local = if local <= 477 { local } else { 39 };
    page[206 + local..][..4].copy_from_slice(&[0, 0, 0, 1]);
    assert!(row(&page).unwrap().has_overflow);
    page[206 + local..][..4].copy_from_slice(&[0; 4]);
    assert_eq!(row(&page), Err(Malformed("a page number is 0")));

    let cell = u16::from_be_bytes([inner[12], inner[13]]).into();
    let page = with(&inner, cell, &[0; 4]);
    let page = BtreePage::parse(&page, 2, 512).unwrap();
    let child = page.table_inner_cells().unwrap().next();
    assert_eq!(child, Some(Err(Malformed("a page number is 0"))));
}

#[test]
fn rows_out_of_order_are_noticed() {
    let db = ScratchDb::new(512, 0, "DELETE");
    db.insert(3, 5);
    let mut page = db.page(db.root("audit_events"));
    let ascends = |page: &[u8]| {
        let rows = BtreePage::parse(page, 2, 512).unwrap().table_leaf_cells().unwrap();
        let rows: Vec<i64> = rows.map(|row| row.unwrap().rowid).collect();
        rows.is_sorted_by(|one, next| one < next)
    };
    assert!(ascends(&page));
    page.copy_within(8..10, 10);
    assert!(!ascends(&page), "the same row twice");
    page.copy_within(12..14, 8);
    assert!(!ascends(&page), "backwards");
}

#[test]
fn each_check_of_an_index_entry_says_what_is_wrong() {
    let entry = |cell: &[u8]| {
        let mut page = vec![0; 1024];
        page[..10].copy_from_slice(&[10, 0, 0, 0, 1, 0, 0, 0, 2, 0]);
        page[512..512 + cell.len()].copy_from_slice(cell);
        first_entry(&page).map(|entry| (entry.key, entry.rowid))
    };
    assert_eq!(entry(&[5, 3, 1, 1, 0xfb, 9]), Ok((-5, 9)));
    assert_eq!(entry(&[3, 3, 9, 8]), Ok((1, 0)));
    for (cell, problem) in [
        (&[6, 3, 1, 1, 5, 9, 0], "an index entry is longer than its columns"),
        (&[4, 3, 1, 1, 5, 9, 0], "a cell goes beyond the page's end or its own"),
        (&[5, 2, 1, 1, 5, 9, 0], "an index entry has not exactly two columns"),
        (&[6, 4, 1, 1, 8, 5, 9], "an index entry has not exactly two columns"),
        (&[5, 3, 1, 0, 5, 9, 0], "not an integer"),
        (&[5, 3, 7, 1, 5, 9, 0], "not an integer"),
        (&[0, 3, 1, 1, 5, 9, 0], "a cell goes beyond the page's end or its own"),
    ] {
        assert_eq!(entry(cell), Err(Malformed(problem)), "{cell:?}");
    }
}

/// Asks everything of a page. Says how many cells were right.
fn ask_everything(bytes: &[u8], number: u32, usable: usize) -> usize {
    let Ok(page) = BtreePage::parse(bytes, number, usable) else {
        return 0;
    };
    assert!(page.cell_count() <= usable / MIN_CELL_LEN);
    assert_ne!(page.right_most_child(), Some(0));
    let mut good = 0;
    if let Ok(cells) = page.table_inner_cells() {
        good += cells.flatten().filter(|cell| cell.left_child > 0).count();
    }
    if let Ok(cells) = page.table_leaf_cells() {
        let whole = |cell: &TableLeafCell| cell.has_overflow || cell.payload_len < usable as u64;
        good += cells.flatten().filter(whole).count();
    }
    if let Ok(cells) = page.index_cells() {
        good += cells.flatten().filter(|cell| cell.left_child != Some(0)).count();
    }
    assert!(good <= page.cell_count());
    good
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 480..1024),
        kind in prop::sample::select(vec![2_u8, 5, 10, 13]),
        cells in 0_u16..90,
        number in 0_u32..3,
        usable in 400_usize..1100,
    ) {
        ask_everything(&bytes, number, usable);
        for start in [0, FILE_HEADER_LEN] {
            bytes[start] = kind;
            bytes[start + 3..start + 5].copy_from_slice(&cells.to_be_bytes());
        }
        ask_everything(&bytes, number, usable);
    }

    #[test]
    fn records_of_any_bytes_are_read_without_panic(record in prop::collection::vec(any::<u8>(), 0..24)) {
        let mut bytes = vec![0; 512];
        bytes[..10].copy_from_slice(&[10, 0, 0, 0, 1, 0, 0, 0, 1, 0]);
        bytes[256] = record.len() as u8;
        bytes[257..257 + record.len()].copy_from_slice(&record);
        ask_everything(&bytes, 2, 512);
    }
}

#[test]
fn damaged_pages_are_read_without_panic() {
    let db = ScratchDb::new(512, 0, "DELETE");
    db.insert(2_000, 60);
    let mut good = 0;
    for (page, number) in db.pages().iter_mut().zip(1_u32..).take(60) {
        good += ask_everything(page, number, 512);
        for at in 0..page.len() {
            for flip in [0x01, 0x80, 0xff] {
                page[at] ^= flip;
                ask_everything(page, number, 512);
                page[at] ^= flip;
            }
        }
    }
    assert!(good > 200, "{good}");
}
