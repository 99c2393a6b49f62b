use proptest::prelude::*;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::super::scratch_db::ScratchDb;
use super::*;

/// Every page of a database, and that there is none before the first or behind the last.
fn read_all(connection: &Connection) -> Vec<Vec<u8>> {
    let mut reader = PageReader::new(connection).unwrap();
    let mut page = vec![7; 3];
    let mut pages = Vec::new();
    while reader.read(pages.len() as u32 + 1, &mut page).unwrap() {
        pages.push(page.clone());
    }
    assert!(page.is_empty());
    for number in [0, pages.len() as u32 + 2, u32::MAX] {
        page.push(7);
        assert!(!reader.read(number, &mut page).unwrap());
        assert!(page.is_empty(), "page {number}");
    }
    pages
}

#[test]
fn pages_are_those_of_the_file() {
    for page_size in [512, 4096, 65_536] {
        let db = ScratchDb::new(page_size, 0, "DELETE");
        db.insert(5_000, 60);
        let file = std::fs::read(db.database()).unwrap();
        let pages: Vec<_> = file.chunks(page_size as usize).collect();
        assert!(pages.len() > 2);
        assert!(read_all(&db.connection) == pages, "{page_size}");
    }
}

#[test]
fn pages_are_of_the_transaction_that_reads_them() {
    let db = ScratchDb::new(1024, 0, "WAL");
    db.insert(500, 60);
    let reader = Connection::open(db.database()).unwrap();
    let transaction = reader.unchecked_transaction().unwrap();
    let before = read_all(&reader);

    db.execute("BEGIN");
    db.insert_uncommitted(500, 60);
    let own = read_all(&db.connection);
    assert!(own != before, "a writer sees what it has not yet committed");
    assert!(read_all(&reader) == before, "and nobody else does");
    db.execute("COMMIT");
    assert!(read_all(&reader) == before, "a transaction sees one state");
    transaction.commit().unwrap();
    assert!(read_all(&reader) == read_all(&db.connection));

    db.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    let file = std::fs::read(db.database()).unwrap();
    assert!(read_all(&reader).concat() == file);
}

#[test]
fn pages_are_read_with_every_restriction_on() {
    let db = ScratchDb::new(1024, 0, "WAL");
    db.insert(500, 60);
    let pages = db.pages();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(db.database(), flags).unwrap();
    for (option, value) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    ] {
        assert_eq!(connection.set_db_config(option, value), Ok(value));
    }
    connection.pragma_update(None, "query_only", true).unwrap();
    assert_eq!(PageReader::is_available(&connection), Ok(true));
    assert!(read_all(&connection) == pages);
    let written = connection.execute("UPDATE sqlite_dbpage SET data = data WHERE pgno = 2", []);
    assert!(written.is_err());
}

#[test]
fn modules_that_there_are_not_are_not_found() {
    let connection = Connection::open_in_memory().unwrap();
    assert_eq!(has_module(&connection, MODULE), Ok(true));
    assert_eq!(has_module(&connection, "sqlite_dbpages"), Ok(false));
}

#[test]
fn a_table_or_a_view_that_bears_the_name_is_not_read() {
    for (kind, sql) in [
        (
            "view",
            "CREATE VIEW sqlite_dbpage AS WITH RECURSIVE t (pgno) AS (SELECT 1 UNION ALL SELECT pgno FROM t)
             SELECT pgno, x'' AS data FROM t",
        ),
        (
            "table",
            "CREATE TABLE sqlite_dbpage (pgno INTEGER PRIMARY KEY, data BLOB)",
        ),
    ] {
        let db = ScratchDb::new(1024, 0, "DELETE");
        let root = if kind == "view" { 0 } else { db.root("audit_events") };
        db.execute("PRAGMA writable_schema = ON");
        let insert = "INSERT INTO sqlite_schema VALUES (?1, 'sqlite_dbpage', 'sqlite_dbpage', ?2, ?3)";
        db.connection.execute(insert, (kind, root, sql)).unwrap();

        let connection = Connection::open(db.database()).unwrap();
        let named = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_dbpage'";
        assert_eq!(connection.query_row(named, [], |row| row.get(0)), Ok(1));
        assert!(connection.prepare("SELECT data FROM sqlite_dbpage").is_ok());
        let error = PageReader::new(&connection).err().unwrap().to_string();
        assert!(error.contains("is not a function"), "{error}");
    }
}

#[test]
fn the_header_says_what_sqlite_says() {
    let db = ScratchDb::new(1024, 16, "DELETE");
    db.insert(3_000, 60);
    let before = db.header();
    db.execute("DELETE FROM audit_events WHERE id > 1000");
    let header = db.header();
    assert_eq!(header.page_size, 1024);
    assert_eq!(header.reserved, 16);
    assert_eq!(header.usable(), 1008);
    assert_eq!(i64::from(header.page_count), db.number("PRAGMA page_count"));
    assert_eq!(i64::from(header.freelist_count), db.number("PRAGMA freelist_count"));
    assert_eq!(i64::from(header.schema_cookie), db.number("PRAGMA schema_version"));
    assert_eq!(header.change_counter, before.change_counter + 1);
    assert_eq!(header.valid_for, header.change_counter);
    assert_eq!(header.largest_root, 0);
    assert_eq!((before.freelist_trunk, before.freelist_count), (0, 0));
    assert!(header.freelist_trunk > 1 && header.freelist_count > 1);

    db.execute("CREATE TABLE more (x)");
    assert_ne!(db.header().schema_cookie, header.schema_cookie);
    db.execute("PRAGMA auto_vacuum = FULL; VACUUM");
    assert!(db.header().largest_root > 1);
}

#[test]
fn a_change_in_wal_mode_leaves_the_change_counter() {
    let db = ScratchDb::new(4096, 0, "WAL");
    let before = db.header();
    db.insert(100, 60);
    db.insert(100, 60);
    let header = db.header();
    assert!(header.page_count > before.page_count);
    assert_eq!(header.change_counter, before.change_counter);
    assert_eq!(header.valid_for, header.change_counter);
}

#[test]
fn each_check_of_the_header_says_what_is_wrong() {
    let page = ScratchDb::new(512, 32, "DELETE").page(1);
    let with = |at: usize, bytes: &[u8]| {
        let mut page = page.clone();
        page[at..at + bytes.len()].copy_from_slice(bytes);
        DatabaseHeader::parse(&page).map(|header| header.usable())
    };
    assert_eq!(with(0, b"S"), Ok(480));
    assert_eq!(with(20, &[0]), Ok(512));
    assert_eq!(with(16, &[0, 1]), Ok(65_536 - 32));
    for (result, problem) in [
        (with(15, b" "), "the file is no SQLite database"),
        (with(16, &[1, 0]), "no page size is such a number"),
        (with(16, &[0, 0]), "no page size is such a number"),
        (with(16, &[0, 2]), "no page size is such a number"),
        (with(16, &[2, 1]), "no page size is such a number"),
        (with(20, &[33]), "too many bytes of each page are reserved"),
    ] {
        assert_eq!(result, Err(Malformed(problem)));
    }
    let short = DatabaseHeader::parse(&page[..99]);
    assert_eq!(short, Err(Malformed("the database is shorter than its header")));
    assert!(DatabaseHeader::parse(&page[..100]).is_ok());
}

proptest! {
    #[test]
    fn any_header_is_read_without_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..128),
        page_size in prop::sample::select(vec![0_u16, 1, 2, 256, 512, 4096, 32_768]),
    ) {
        let _ = DatabaseHeader::parse(&bytes);
        if bytes.len() >= 18 {
            bytes[..16].copy_from_slice(b"SQLite format 3\0");
            bytes[16..18].copy_from_slice(&page_size.to_be_bytes());
        }
        if let Ok(header) = DatabaseHeader::parse(&bytes) {
            prop_assert!(USABLE_RANGE.contains(&header.usable()));
        }
    }
}
