//! A folded base is byte for byte the built one.
//!
//! Nothing is masked: the two names of a base, which are random, are given to the build as the fold chose them, and both see
//! the same database files, so that even what the file system says of these is the same.

use super::*;
use crate::storage::db_version::{DbVersion, Journal};
use crate::storage::sqlite::Connection as Reader;

const SCHEMA: &str = "
    CREATE TABLE audit_events (id INTEGER PRIMARY KEY, created_at INTEGER NOT NULL, actor_id INTEGER NOT NULL,
        action TEXT NOT NULL, resource_type TEXT NOT NULL, resource_id TEXT NOT NULL,
        payload_offset INTEGER NOT NULL, payload_len INTEGER NOT NULL);
    CREATE INDEX idx_created_at ON audit_events (created_at);";

/// More changes of every kind than the engine puts up with before it folds, a statement a commit.
const CHANGES: [&str; 12] = [
    // Appends.
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
     INSERT INTO audit_events SELECT m + i, 90000 + i, i % 11, 'NEW-' || (i % 5), 'T', 'N-' || i, i * 7, i % 90
     FROM n, (SELECT max(id) AS m FROM audit_events)",
    // Late ones, at times that are there and before all.
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)
     INSERT INTO audit_events SELECT m + i, i * 3 - 500, i % 7, 'A1', 'LATE', 'L', 1, 2
     FROM n, (SELECT max(id) AS m FROM audit_events)",
    // Ids below all others, and far above: wider columns.
    "INSERT INTO audit_events VALUES (-9000000000, 5, 1, 'A1', 'T', 'X', 0, 1), (1 << 61, -77, -5, '', '', '', 1 << 50, 0)",
    "UPDATE audit_events SET created_at = created_at + 100000 WHERE id % 9 = 0",
    "UPDATE audit_events SET actor_id = 1000 + id % 3 WHERE id % 10 = 1",
    "UPDATE audit_events SET action = 'OTHER-' || (id % 4) WHERE id % 10 = 2",
    "UPDATE audit_events SET resource_type = 'U', resource_id = resource_id || 'ü' WHERE id % 10 = 3",
    "UPDATE audit_events SET payload_offset = payload_offset + 1, payload_len = 5 WHERE id % 10 = 4",
    // An action, an actor and a type that nobody has any more.
    "UPDATE audit_events SET action = 'A0', actor_id = 3, resource_type = 'T' WHERE action = 'A2' OR actor_id = 2",
    "DELETE FROM audit_events WHERE id % 8 = 5",
    "DELETE FROM audit_events WHERE id BETWEEN 500 AND 900",
    // Freed pages come back.
    "WITH RECURSIVE n (i) AS (SELECT 501 UNION ALL SELECT i + 1 FROM n WHERE i < 880)
     INSERT INTO audit_events SELECT i, i / 2, i % 7, 'A' || (i % 3), 'T', 'AGAIN-' || i, i, 9 FROM n",
];

struct Log {
    _place: tempfile::TempDir,
    dir: DataDir,
    writer: rusqlite::Connection,
}

impl Log {
    fn new(journal_mode: &str, page_size: u32) -> Self {
        let place = tempfile::tempdir().unwrap();
        let dir = DataDir::new(place.path());
        let writer = rusqlite::Connection::open(dir.database()).unwrap();
        let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
            INSERT INTO audit_events SELECT i, i / 2, i % 7, 'A' || (i % 3), 'T', 'R-' || i, i * 10, 10 FROM n";
        let log = Log {
            _place: place,
            dir,
            writer,
        };
        log.run(&format!(
            "PRAGMA page_size = {page_size}; PRAGMA journal_mode = {journal_mode}; {SCHEMA} {rows}"
        ));
        log
    }

    fn run(&self, sql: &str) {
        self.writer.execute_batch(sql).unwrap();
    }

    fn index_file(&self) -> Vec<u8> {
        std::fs::read(self.dir.index()).unwrap()
    }

    fn built(&self, names: Option<BaseNames>) -> Follower {
        let built = match names {
            Some(names) => rebuild_as(&self.dir, names, IfLocked::GiveUp, &|_, _| {}),
            None => rebuild(&self.dir, IfLocked::GiveUp, &|_, _| {}),
        };
        match built.unwrap() {
            RebuildOutcome::Done {
                follower: Some(follower),
                in_memory: None,
                ..
            } => *follower,
            other => panic!("{other:?}"),
        }
    }
}

/// Folds, and compares the file with that of a build under the same names. Goes on from the fold.
fn fold_and_compare(log: &Log, follower: &mut Follower, what: &str) -> Follower {
    // Where times have a grain, a young file proves nothing: the build, which comes later, would know more of it.
    std::thread::sleep(std::time::Duration::from_millis(50));
    follower.refresh(Budget::ANY).unwrap();
    let (folded, _) = fold(follower.parts()).unwrap().expect("nobody else has the lock");
    assert!(folded.index().delta().is_empty(), "{what}: the fold left a delta");
    let bytes = log.index_file();
    let header = folded.index().base().header();
    let names = BaseNames {
        base_id: header.base_id,
        hash_key: header.hash_key,
    };
    let built = log.built(Some(names));
    assert!(built.index().delta().is_empty(), "{what}: the build left a delta");
    let expected = log.index_file();
    let differs = bytes.iter().zip(&expected).position(|(a, b)| a != b);
    assert_eq!(
        (bytes.len(), differs),
        (expected.len(), None),
        "{what}: length, and the first byte that differs"
    );
    folded
}

fn folds_are_builds(journal_mode: &str, page_size: u32) {
    let log = Log::new(journal_mode, page_size);
    let what = format!("{journal_mode}, pages of {page_size}");
    // A reader that stays keeps the write-ahead log from being copied away.
    let _reader = Reader::open(&log.dir).unwrap();
    let mut follower = log.built(None);
    for change in CHANGES {
        log.run(change);
        follower.refresh(Budget::ANY).unwrap();
    }
    let delta = follower.index().delta();
    assert!(delta.added() + delta.removed() > 4_096, "{what}: too few changes");
    follower = fold_and_compare(&log, &mut follower, &what);
    // What is folded is followed, and folded again; down to a log of nothing, and up from there.
    for change in [
        "DELETE FROM audit_events WHERE id % 3 = 0",
        "DELETE FROM audit_events",
        "INSERT INTO audit_events VALUES (7, 7, 7, 'A', 'T', 'R', 0, 1)",
    ] {
        log.run(change);
        follower.refresh(Budget::ANY).unwrap();
        follower = fold_and_compare(&log, &mut follower, &format!("{what}, {change}"));
    }
}

#[test]
fn a_folded_base_is_the_built_one_in_a_write_ahead_log() {
    folds_are_builds("wal", 4096);
    folds_are_builds("wal", 512);
}

#[test]
fn a_folded_base_is_the_built_one_in_a_rollback_journal() {
    folds_are_builds("delete", 4096);
    folds_are_builds("delete", 512);
}

/// A refusal that spares the next processes a look at the whole table.
fn refusal(log: &Log, why: &RefreshError) -> Refusal {
    let watcher = DbWatcher::open(&log.dir).unwrap().unwrap();
    let version = DbVersion {
        database: watcher.database_state().unwrap(),
        journal: Journal::Rollback,
    };
    Refusal::new(Some(version), why)
}

fn is_still_refused(log: &Log, refusal: &Refusal) -> bool {
    still_refused(&log.dir, Some(refusal)).unwrap().is_some()
}

#[test]
fn a_refusal_is_of_one_database() {
    let log = Log::new("delete", 4096);
    let refusal = refusal(&log, &RefreshError::LongTexts);
    assert!(is_still_refused(&log, &refusal));
    let other = log.dir.root().join("other");
    std::fs::copy(log.dir.database(), &other).unwrap();
    std::fs::rename(&other, log.dir.database()).unwrap();
    assert!(!is_still_refused(&log, &refusal));
}

#[test]
fn a_refusal_for_a_row_holds_as_long_as_the_row_is_odd() {
    let log = Log::new("delete", 4096);
    log.run("UPDATE audit_events SET action = x'ff' WHERE id = 7");
    let odd = check_row(&Reader::open(&log.dir).unwrap(), 7).unwrap_err();
    let refusal = refusal(&log, &odd);
    assert_eq!(refusal.event, Some(7), "{odd}");
    assert!(is_still_refused(&log, &refusal));
    log.run("UPDATE audit_events SET action = 'A1' WHERE id = 7");
    assert!(!is_still_refused(&log, &refusal));
    log.run("DELETE FROM audit_events WHERE id = 7");
    assert!(!is_still_refused(&log, &refusal));
}

#[test]
fn a_lock_is_waited_for_as_long_as_a_build_of_such_a_log_may_take() {
    let seconds = |mebibytes: u64| IfLocked::BuildInMemory.patience(mebibytes << 20).as_secs();
    // 50,000 events, and 5,000,000.
    assert_eq!((seconds(3), seconds(330)), (1, 21));
    assert_eq!(IfLocked::GiveUp.patience(330 << 20).as_millis(), 200);
}

/// What is done where a build comes to its lock late: its outcome, if it need not read the table.
fn found_behind_the_lock(log: &Log, before: Option<FileState>) -> Option<RebuildOutcome> {
    made_elsewhere(&log.dir, before).unwrap()
}

#[test]
fn an_index_that_was_made_while_the_lock_was_waited_for_is_taken() {
    let log = Log::new("delete", 4096);
    let before = index_file(&log.dir);
    assert!(found_behind_the_lock(&log, before).is_none(), "there is none yet");
    log.built(None);
    // A commit since is caught up with.
    log.run("DELETE FROM audit_events WHERE id = 7");
    let found = found_behind_the_lock(&log, before);
    let Some(RebuildOutcome::MadeElsewhere(state, follower)) = found else {
        panic!("{found:?}");
    };
    assert_eq!(state.index.unwrap().events(), 5999);
    assert_eq!(follower.index().events(), 5999);
    // The file that made a build necessary is not taken, whoever changes its permissions meanwhile.
    let before = index_file(&log.dir);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(log.dir.index(), mode).unwrap();
    assert!(found_behind_the_lock(&log, before).is_none());
    // Nor is one that cannot be read.
    std::fs::write(log.dir.index(), "no index").unwrap();
    assert!(found_behind_the_lock(&log, before).is_none());
}

#[test]
fn a_refusal_that_was_written_while_the_lock_was_waited_for_is_taken() {
    let log = Log::new("delete", 4096);
    let refusal = refusal(&log, &RefreshError::LongTexts);
    let lock = DirLock::acquire(log.dir.root(), Duration::from_secs(60)).unwrap();
    refusal.publish(&log.dir, &lock);
    let found = found_behind_the_lock(&log, None);
    assert!(matches!(found, Some(RebuildOutcome::StillRefused(_))), "{found:?}");
}

/// A connection that is kept from one refresh to the next has pages in memory, and would trust them although something else
/// than SQLite wrote to the file.
#[test]
fn a_file_that_is_overwritten_between_two_refreshes_is_read_anew() {
    let log = Log::new("delete", 4096);
    let mut follower = log.built(None);
    for letter in 'A'..='Z' {
        // Within a moment of each other, so that the connection is kept: on a busy machine at some of the letters.
        for _ in 0..3 {
            follower.refresh(Budget::ANY).unwrap();
        }
        let mut bytes = std::fs::read(log.dir.database()).unwrap();
        let place = bytes.windows(5).position(|text| text == b"-4242").unwrap() - 1;
        bytes[place] = letter as u8;
        std::fs::write(log.dir.database(), bytes).unwrap();
        follower.refresh(Budget::ANY).unwrap();
        let rows = follower.index().rows_in(&(4242..=4242)).unwrap();
        assert_eq!(rows[0].texts.resource_id(), format!("{letter}-4242"));
    }
}
