use std::os::unix::fs::FileExt;

use super::*;
use crate::model::{PayloadRef, Row};
use crate::storage::data_dir::DataDir;
use crate::storage::index::build::rebuild::{IfLocked, RebuildOutcome, rebuild};
use crate::storage::index::delta::RowChanges;
use crate::storage::index::refresh::follower::Follower;
use crate::storage::index::refresh::parts::Parts;
use crate::storage::index::refresh::refreshed::Budget;
use crate::storage::index::row::OwnedRow;
use crate::storage::sqlite::Connection;

/// A log of 750 rows and what a build makes of it. The last page of each list is not full, and row 50 is on it.
fn built() -> (tempfile::TempDir, FromScratch, Leaves) {
    let place = tempfile::tempdir().unwrap();
    let dir = DataDir::new(place.path());
    let database = rusqlite::Connection::open(dir.database()).unwrap();
    let script =
        "CREATE TABLE audit_events (id INTEGER PRIMARY KEY, created_at INTEGER NOT NULL, actor_id INTEGER NOT NULL,
            action TEXT NOT NULL, resource_type TEXT NOT NULL, resource_id TEXT NOT NULL,
            payload_offset INTEGER NOT NULL, payload_len INTEGER NOT NULL);
        CREATE INDEX idx_created_at ON audit_events (created_at);
        WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 750)
        INSERT INTO audit_events SELECT id, 1000 + id / 2, id % 7, 'A' || (id % 3), 'T', 'R-' || id, id * 10, 10 FROM n;";
    database.execute_batch(script).unwrap();
    let connection = Connection::open(&dir).unwrap();
    let key = [1, 2];
    let read = connection.read_snapshot(|snapshot| {
        let facts = DatabaseFacts::read(snapshot, key)?;
        FromScratch::build(snapshot, &facts, key)
    });
    let built: FromScratch = read.unwrap();
    let base = built.index.base();
    let leaves = Leaves {
        table: base.table_leaves().unwrap(),
        time: base.time_leaves().unwrap(),
    };
    (place, built, leaves)
}

fn row(id: i64) -> OwnedRow {
    OwnedRow::from(&Row {
        id,
        created_at: 1000 + id / 2,
        actor_id: id % 7,
        action: &format!("A{}", id % 3),
        resource_type: "T",
        resource_id: &format!("R-{id}"),
        payload_ref: PayloadRef {
            offset: id * 10,
            len: 10,
        },
    })
}

#[test]
fn the_same_is_the_same() {
    let (_place, expected, leaves) = built();
    let subject = Subject {
        index: &expected.index,
        leaves,
        rows_sum: expected.rows_sum,
    };
    assert_eq!(expected.compare(subject), Ok(()));
}

/// A row that goes and comes again is no difference, whatever it was in between.
#[test]
fn a_delta_that_is_right_is_no_difference() {
    let (_place, expected, leaves) = built();
    let other = OwnedRow {
        actor_id: 99,
        ..row(50)
    };
    let changes = |removed: &OwnedRow, added: &OwnedRow| RowChanges {
        removed: vec![removed.key],
        added: vec![added.clone()],
    };
    let index = expected.index.changed(changes(&row(50), &other)).unwrap();
    let index = index.changed(changes(&other, &row(50))).unwrap();
    let subject = Subject {
        index: &index,
        leaves,
        rows_sum: expected.rows_sum,
    };
    assert_eq!(expected.compare(subject), Ok(()));
}

/// Whatever is wrong with a delta, the check says so.
#[test]
fn every_wrong_delta_is_a_difference() {
    let there = row(50);
    let key = |created_at| Key { created_at, id: 50 };
    let changed: [(&str, Option<OwnedRow>); 8] = [
        ("gone", None),
        (
            "actor",
            Some(OwnedRow {
                actor_id: 99,
                ..row(50)
            }),
        ),
        (
            "action",
            Some(OwnedRow::from(&Row {
                action: "A9",
                ..there.as_row()
            })),
        ),
        (
            "type",
            Some(OwnedRow::from(&Row {
                resource_type: "U",
                ..there.as_row()
            })),
        ),
        (
            "resource",
            Some(OwnedRow::from(&Row {
                resource_id: "R-51",
                ..there.as_row()
            })),
        ),
        (
            "payload",
            Some(OwnedRow {
                payload_ref: PayloadRef { offset: 501, len: 10 },
                ..row(50)
            }),
        ),
        (
            "time",
            Some(OwnedRow {
                key: key(1026),
                ..row(50)
            }),
        ),
        ("another row more", Some(row(751))),
    ];
    for (what, added) in changed {
        let (_place, expected, leaves) = built();
        let is_more = added.as_ref().is_some_and(|row| row.key.id != 50);
        let changes = RowChanges {
            removed: if is_more { Vec::new() } else { vec![there.key] },
            added: added.into_iter().collect(),
        };
        let index = expected.index.changed(changes).unwrap();
        let subject = Subject {
            index: &index,
            leaves,
            rows_sum: expected.rows_sum,
        };
        assert!(expected.compare(subject).is_err(), "{what}");
    }
}

#[test]
fn every_list_is_compared_that_an_index_has() {
    let (_place, expected, _) = built();
    let filters = lists(&[&expected.index]).unwrap();
    let (actors, actions) = (0..7_i64, ["A0", "A1", "A2"]);
    let mut wanted = vec![Filter::ALL];
    for actor_id in actors.clone().map(Some).chain([None]) {
        for action in actions.map(|action| Some(action.to_owned())).into_iter().chain([None]) {
            if actor_id.is_some() || action.is_some() {
                wanted.push(Filter {
                    actor_id,
                    action,
                    ..Filter::ALL
                });
            }
        }
    }
    assert_eq!(filters.len(), wanted.len());
    assert!(wanted.iter().all(|filter| filters.contains(filter)));
}

#[test]
fn files_are_compared_to_their_ends() {
    let file = |bytes: &[u8]| {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file
    };
    let long = vec![7; 3 * CHUNK + 5];
    assert_eq!(compare_files(&file(&long), &file(&long)), Ok(()));
    for place in [0, CHUNK, 2 * CHUNK - 1, 3 * CHUNK + 4] {
        let mut other = long.clone();
        other[place] = 8;
        let said = compare_files(&file(&long), &file(&other)).unwrap_err();
        assert_eq!(said, format!("byte {place} of the folded base"));
    }
    for len in [0, 2 * CHUNK, 3 * CHUNK, 3 * CHUNK + 4] {
        for (one, other) in [(&long[..], &long[..len]), (&long[..len], &long[..])] {
            let said = compare_files(&file(one), &file(other)).unwrap_err();
            assert_eq!(said, format!("byte {len} of the folded base"));
        }
    }
}

#[test]
fn a_wrong_directory_and_a_wrong_sum_are_differences() {
    type Spoil = fn(&mut Leaves, &mut u64);
    let spoils: [Spoil; 4] = [
        |leaves, _| leaves.table[3].1.hash += 1,
        |leaves, _| leaves.time[0].1.sum += 1,
        |leaves, _| _ = leaves.table.pop(),
        |_, sum| *sum += 1,
    ];
    for (number, spoil) in spoils.iter().enumerate() {
        let (_place, expected, mut leaves) = built();
        let mut rows_sum = expected.rows_sum;
        spoil(&mut leaves, &mut rows_sum);
        let subject = Subject {
            index: &expected.index,
            leaves,
            rows_sum,
        };
        assert!(expected.compare(subject).is_err(), "{number}");
    }
}

/// A follower that has got a row wrong which no commit touches, so that its refresh does not read it again.
fn refresh_of_a_wrong_index(dir: &DataDir) {
    let Ok(RebuildOutcome::Done {
        follower: Some(follower),
        ..
    }) = rebuild(dir, IfLocked::GiveUp, &|_, _| {})
    else {
        panic!("no index was built");
    };
    let parts = follower.parts();
    let changes = RowChanges {
        removed: vec![row(50).key],
        added: vec![OwnedRow {
            actor_id: 99,
            ..row(50)
        }],
    };
    let index = parts.index.changed(changes).unwrap();
    let mut wrong = Follower::new(Parts { index, ..parts });
    let database = rusqlite::Connection::open(dir.database()).unwrap();
    database
        .execute_batch("UPDATE audit_events SET actor_id = 5 WHERE id = 690")
        .unwrap();
    wrong.refresh(Budget::ANY).unwrap();
}

/// The test runs itself again, as the process that is to end.
#[test]
fn a_wrong_index_ends_the_process_in_one_line_with_exit_code_2() {
    let name = "storage::index::refresh::verify::tests::a_wrong_index_ends_the_process_in_one_line_with_exit_code_2";
    if is_on() {
        let (place, ..) = built();
        refresh_of_a_wrong_index(&DataDir::new(place.path()));
        return;
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]);
    let output = command.env("AUDITQ_VERIFY_REFRESH", "1").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("AUDITQ_VERIFY_REFRESH") && said.contains("actor_id: 99"),
        "{said}"
    );
}
