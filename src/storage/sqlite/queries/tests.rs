use super::*;
use crate::model::PayloadRef;
use crate::storage::data_dir::DataDir;
use crate::storage::sqlite::scratch_db::new_log;

/// Seven events: two in one second, one of another actor, one of another action.
const EVENTS: [(i64, i64, i64, &str); 7] = [
    (1, 10, 1, "LOGIN"),
    (2, 30, 1, "LOGIN"),
    (3, 20, 2, "LOGIN"),
    (4, 20, 1, "EXPORT"),
    (5, 20, 1, "LOGIN"),
    (6, 5, 1, "LOGIN"),
    (7, 40, 2, "EXPORT"),
];

fn log() -> (tempfile::TempDir, Connection) {
    let (dir, sqlite) = new_log("DELETE");
    let insert = "INSERT INTO audit_events VALUES (?1, ?2, ?3, ?4, 'T', 'r-' || ?1, ?1 * 100, 7)";
    for event in EVENTS {
        sqlite.execute(insert, event).unwrap();
    }
    drop(sqlite);
    let connection = Connection::open(&DataDir::new(dir.path())).unwrap();
    (dir, connection)
}

fn key(created_at: i64, id: i64) -> Key {
    Key { created_at, id }
}

/// Every combination of windows, actors, actions and pins.
fn filters() -> Vec<Filter> {
    let mut filters = Vec::new();
    for (from_ts, to_ts) in [(i64::MIN, i64::MAX), (20, 30), (20, 20), (30, 20), (11, 19)] {
        for actor_id in [None, Some(1), Some(9)] {
            for action in [None, Some("EXPORT"), Some("export")] {
                for as_of in [None, Some(key(20, 4)), Some(key(25, 0)), Some(Key::MIN)] {
                    filters.push(Filter {
                        from_ts,
                        to_ts,
                        actor_id,
                        action: action.map(str::to_owned),
                        as_of,
                    });
                }
            }
        }
    }
    filters
}

/// The ids of all events that match, newest first, by the filter's own word.
fn matching(filter: &Filter) -> Vec<Key> {
    let row = |(id, created_at, actor_id, action): (i64, i64, i64, &'static str)| Row {
        id,
        created_at,
        actor_id,
        action,
        resource_type: "T",
        resource_id: "r",
        payload_ref: PayloadRef { offset: 0, len: 0 },
    };
    let mut keys: Vec<Key> = EVENTS
        .map(row)
        .iter()
        .filter(|row| filter.matches(row))
        .map(Row::key)
        .collect();
    keys.sort_unstable_by(|one, other| other.cmp(one));
    keys
}

fn page(connection: &Connection, filter: &Filter, position: Position, size: u64) -> Vec<Key> {
    let mut rows = Rows::default();
    let query = Query::new(filter.clone(), position, size).unwrap();
    connection.baseline_page(&query, &mut rows).unwrap();
    rows.iter().map(|row| row.key()).collect()
}

#[test]
fn a_page_is_a_slice_of_what_matches() {
    let (_dir, connection) = log();
    for filter in filters() {
        let all = matching(&filter);
        for number in 1..=5 {
            let from = ((number - 1) * 2).min(all.len());
            let expected = &all[from..(from + 2).min(all.len())];
            assert_eq!(
                page(&connection, &filter, Position::Page(number as u64), 2),
                expected,
                "{filter:?} {number}"
            );
        }
        for cursor in [key(20, 5), key(20, 4), key(35, 0), key(5, 6), Key::MIN] {
            let behind: Vec<Key> = all.iter().copied().filter(|&at| at < cursor).take(2).collect();
            assert_eq!(
                page(&connection, &filter, Position::After(cursor), 2),
                behind,
                "{filter:?} {cursor}"
            );
        }
    }
    assert_eq!(page(&connection, &Filter::ALL, Position::Page(u64::MAX >> 2), 2), []);
}

#[test]
fn a_page_has_every_column_in_its_place_and_nothing_of_the_page_before() {
    let (_dir, connection) = log();
    let mut rows = Rows::default();
    for number in [1, 7, 6] {
        let query = Query::new(Filter::ALL, Position::Page(number), 1).unwrap();
        connection.baseline_page(&query, &mut rows).unwrap();
    }
    let row = rows.iter().next().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((row.id, row.created_at, row.actor_id), (1, 10, 1));
    assert_eq!((row.action, row.resource_type, row.resource_id), ("LOGIN", "T", "r-1"));
    assert_eq!(row.payload_ref, PayloadRef { offset: 100, len: 7 });
    assert_eq!(texts_len(&row), 9);
}

#[test]
fn a_count_is_that_of_what_matches() {
    let (_dir, connection) = log();
    for filter in filters() {
        assert_eq!(
            connection.count(&filter).unwrap(),
            matching(&filter).len() as u64,
            "{filter:?}"
        );
    }
}

#[test]
fn all_are_given_newest_first_from_behind_a_cursor_until_somebody_has_enough() {
    let (_dir, connection) = log();
    for filter in filters() {
        for after in [None, Some(key(20, 5)), Some(key(5, 6))] {
            let mut given = Vec::new();
            let each = connection.each(&filter, after, |row| {
                given.push(row.key());
                Ok(())
            });
            each.unwrap();
            let is_behind = |&at: &Key| after.is_none_or(|after| at < after);
            let expected: Vec<Key> = matching(&filter).into_iter().filter(is_behind).collect();
            assert_eq!(given, expected, "{filter:?} {after:?}");
        }
    }
    let mut given = 0;
    let stopped = connection.each(&Filter::ALL, None, |_| {
        given += 1;
        if given == 3 {
            Err(Error::usage("enough"))
        } else {
            Ok(())
        }
    });
    assert_eq!((stopped.unwrap_err().to_string().as_str(), given), ("enough", 3));
}

#[test]
fn an_index_whose_order_is_none_ends_what_would_go_on_without_end() {
    let (dir, connection) = log();
    drop(connection);
    // The last cell of the index's page comes first: its keys are those of another order.
    let path = dir.path().join("audit.db");
    let sqlite = rusqlite::Connection::open(&path).unwrap();
    let read = |sql: &str| sqlite.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap() as usize;
    let root = read("SELECT rootpage FROM sqlite_schema WHERE name = 'idx_created_at'");
    let size = read("PRAGMA page_size");
    drop(sqlite);
    let mut bytes = std::fs::read(&path).unwrap();
    // Behind the eight bytes of a leaf's header there are the places of its cells, two bytes each.
    let cells = (root - 1) * size + 8;
    bytes[cells..cells + 4].rotate_left(2);
    std::fs::write(&path, bytes).unwrap();
    let connection = Connection::open(&DataDir::new(dir.path())).unwrap();
    let each = connection.each(&Filter::ALL, None, |_| Ok(()));
    let why = each.unwrap_err().to_string();
    assert!(why.contains("its events are in no order"), "{why}");
}
