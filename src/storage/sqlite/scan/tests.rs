use super::*;
use crate::contract::dataset::SCHEMA_SQL;
use crate::storage::data_dir::DataDir;
use crate::storage::sqlite::scratch_db::new_log;

/// A database that this script makes.
fn database(script: &str) -> (tempfile::TempDir, Connection) {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::new(dir.path());
    rusqlite::Connection::open(data.database())
        .unwrap()
        .execute_batch(script)
        .unwrap();
    let connection = Connection::open(&data).unwrap();
    (dir, connection)
}

/// The contract's log with these ids.
fn log(ids: &[i64]) -> (tempfile::TempDir, Connection) {
    let (dir, sqlite) = new_log("DELETE");
    for id in ids {
        let insert = "INSERT INTO audit_events VALUES (?1, 5, 1, 'LOGIN', 'T', 'r', 0, 1)";
        sqlite.execute(insert, [id]).unwrap();
    }
    let connection = Connection::open(&DataDir::new(dir.path())).unwrap();
    (dir, connection)
}

fn soundness(script: &str) -> Soundness {
    database(script).1.soundness().unwrap()
}

#[test]
fn the_contracts_table_is_sound_whatever_indexes_it_has() {
    let sound = |has_time_index, has_other_indexes| Soundness::Sound {
        has_time_index,
        has_other_indexes,
    };
    let drop = "DROP INDEX idx_created_at;";
    for (more, expected) in [
        ("", sound(true, false)),
        (drop, sound(false, false)),
        ("CREATE INDEX by_actor ON audit_events (actor_id);", sound(true, true)),
        // Of the name, but not the index that the service reads through.
        (
            "DROP INDEX idx_created_at; CREATE INDEX idx_created_at ON audit_events (created_at, id);",
            sound(false, true),
        ),
        (
            "DROP INDEX idx_created_at; CREATE INDEX idx_created_at ON audit_events (created_at) WHERE id > 1;",
            sound(false, true),
        ),
        (
            "DROP INDEX idx_created_at; CREATE INDEX other ON audit_events (created_at);",
            sound(false, true),
        ),
    ] {
        assert_eq!(soundness(&format!("{SCHEMA_SQL}; {more}")), expected, "{more}");
    }
}

#[test]
fn what_only_sqlite_can_answer_for_is_named() {
    let columns = "created_at INTEGER NOT NULL, actor_id INTEGER, action TEXT, resource_type TEXT, resource_id TEXT,
                   payload_offset INTEGER, payload_len INTEGER";
    let no_row_id = "audit_events.id is not the table's row id";
    for (script, why) in [
        (String::new(), "there is no table audit_events"),
        (
            format!("CREATE TABLE a (id INTEGER PRIMARY KEY, {columns}); CREATE VIEW audit_events AS SELECT * FROM a"),
            "audit_events is no plain view",
        ),
        (
            format!("CREATE TABLE audit_events (id INTEGER PRIMARY KEY, {columns}, other TEXT collate nocase)"),
            "audit_events is no plain table",
        ),
        (format!("CREATE TABLE audit_events (id INTEGER, {columns})"), no_row_id),
        (
            format!("CREATE TABLE audit_events (id INT PRIMARY KEY, {columns})"),
            no_row_id,
        ),
        (
            format!("CREATE TABLE audit_events (id INTEGER PRIMARY KEY, {columns}) WITHOUT ROWID"),
            no_row_id,
        ),
        (
            format!("CREATE TABLE audit_events (id INTEGER PRIMARY KEY, {columns}, twice AS (id * 2))"),
            no_row_id,
        ),
    ] {
        assert_eq!(soundness(&script), Soundness::Unsound(why.to_owned()), "{script}");
    }
}

#[test]
fn the_ids_have_bounds_unless_there_are_none() {
    assert_eq!(log(&[]).1.id_bounds().unwrap(), None);
    assert_eq!(log(&[7]).1.id_bounds().unwrap(), Some(7..=7));
    assert_eq!(
        log(&[7, i64::MIN, i64::MAX]).1.id_bounds().unwrap(),
        Some(i64::MIN..=i64::MAX)
    );
}

#[test]
fn rows_of_a_range_of_ids_come_by_id() {
    let (_dir, connection) = log(&[5, -3, 9, 7]);
    let scan = |ids: RangeInclusive<i64>| {
        let mut found = Vec::new();
        let visit = |row: &Row<'_>| {
            found.push(row.id);
            Ok(())
        };
        connection.scan(&ids, visit).unwrap();
        found
    };
    assert_eq!(scan(i64::MIN..=i64::MAX), [-3, 5, 7, 9]);
    assert_eq!(scan(5..=7), [5, 7]);
    assert_eq!(scan(10..=20), [0; 0]);
    let stopped = connection.scan(&(0..=9), |row| Err(Error::usage(row.id.to_string())));
    assert_eq!(stopped.unwrap_err().to_string(), "5");
}

#[test]
fn a_table_whose_pages_share_children_is_read_once_at_most() {
    let (dir, sqlite) = new_log("DELETE");
    let rows = "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 400)
        INSERT INTO audit_events SELECT id, id, 1, 'LOGIN', 'T', hex(zeroblob(20)), 0, 1 FROM n";
    sqlite.execute_batch(rows).unwrap();
    let read = |sql: &str| sqlite.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap() as usize;
    let root = read("SELECT rootpage FROM sqlite_schema WHERE name = 'audit_events'");
    let size = read("PRAGMA page_size");
    drop(sqlite);
    let path = dir.path().join("audit.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let page = &mut bytes[(root - 1) * size..][..size];
    assert_eq!(page[0], 5, "the root is no interior page");
    // Behind the twelve bytes of its header lie the places of its cells, which begin with their child.
    let cell = |number: usize| usize::from(u16::from_be_bytes([page[12 + number * 2], page[13 + number * 2]]));
    let (first, second) = (cell(0), cell(1));
    page.copy_within(first..first + 4, second);
    std::fs::write(&path, bytes).unwrap();
    let connection = Connection::open(&DataDir::new(dir.path())).unwrap();
    let scanned = connection.scan(&(1..=400), |_| Ok(()));
    let why = scanned.unwrap_err().to_string();
    assert!(why.contains("the ids of the table do not ascend"), "{why}");
    assert!(!connection.is_intact().unwrap());
}

#[test]
fn what_is_intact_is_said_to_be() {
    assert!(log(&[1, 2]).1.is_intact().unwrap());
}

#[test]
fn a_row_with_a_text_that_no_index_holds_is_named_and_its_neighbours_are_given() {
    let longest = MAX_INDEXED_TEXT as usize;
    // A text of more than the limit, in each column; bytes count, not characters, and not those that SQLite stores.
    for column in ["action", "resource_type", "resource_id"] {
        for (text, encoding, is_long) in [
            ("x".repeat(longest), "UTF-8", false),
            ("x".repeat(longest + 1), "UTF-8", true),
            ("ö".repeat(longest / 2), "UTF-8", false),
            ("ö".repeat(longest / 2) + "x", "UTF-8", true),
            // Two bytes each in the file, three each in UTF-8.
            ("ऄ".repeat(longest / 3), "UTF-16", false),
            ("ऄ".repeat(longest / 3 + 1), "UTF-16", true),
        ] {
            let (_dir, connection) = database(&format!(
                "PRAGMA encoding = '{encoding}'; {SCHEMA_SQL};
                 INSERT INTO audit_events VALUES (3, 5, 1, 'A', 'T', 'r', 0, 1), (4, 5, 1, 'A', 'T', 'r', 0, 1), (5, 5, 1, 'A', 'T', 'r', 0, 1);
                 UPDATE audit_events SET {column} = '{text}' WHERE id = 4"
            ));
            let mut given = Vec::new();
            let visit = |row: &Row<'_>| {
                given.push(row.id);
                Ok(())
            };
            let scanned = connection.scan_short(&(1..=9), visit);
            if is_long {
                let error = scanned.unwrap_err();
                assert!(matches!(error, Error::Row { event: 4, .. }), "{column}: {error:?}");
                assert_eq!(given, [3], "{column}");
            } else {
                scanned.unwrap();
                assert_eq!(given, [3, 4, 5], "{column}");
            }
            // The limit held for that scan alone.
            let mut lengths = 0;
            let add = |row: &Row<'_>| {
                lengths += row.action.len() + row.resource_type.len() + row.resource_id.len();
                Ok(())
            };
            connection.scan(&(1..=9), add).unwrap();
            assert!(lengths > longest / 3, "{column}");
        }
    }
}

#[test]
fn whoever_stops_a_scan_is_not_told_of_long_texts() {
    let (_dir, connection) = log(&[3, 4]);
    let stopped = connection.scan_short(&(1..=9), |row| Err(Error::usage(format!("enough at {}", row.id))));
    assert_eq!(stopped.unwrap_err().to_string(), "enough at 3");
    // Nor of what is wrong otherwise.
    let (_dir, connection) = database("CREATE TABLE other (id INTEGER)");
    let why = connection.scan_short(&(1..=9), |_| Ok(())).unwrap_err().to_string();
    assert!(why.contains("no such table"), "{why}");
}
