use super::*;
use crate::model::{Filter, Position, Query, Rows};
use crate::storage::fs::dir_lock::DirLock;
use crate::storage::index::build::rebuild::{IfLocked, RebuildOutcome, rebuild};
use crate::storage::index::files::{open, publish_delta};

const TABLE: &str = "
    CREATE TABLE audit_events (id INTEGER PRIMARY KEY, created_at INTEGER NOT NULL, actor_id INTEGER NOT NULL,
        action TEXT NOT NULL, resource_type TEXT NOT NULL, resource_id TEXT NOT NULL,
        payload_offset INTEGER NOT NULL, payload_len INTEGER NOT NULL);
    CREATE INDEX idx_created_at ON audit_events (created_at);
    CREATE INDEX by_actor ON audit_events (actor_id);
    WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 700)
    INSERT INTO audit_events SELECT id, id, 1000 + id, 'A', 'T', 'R', id * 10, 10 FROM n;";

/// One of its statements.
const BY_ACTOR: &str = "CREATE INDEX by_actor ON audit_events (actor_id);";

/// Writes to the database where these bytes are, which must be at one place only.
fn damage(dir: &DataDir, entry: &[u8], write: impl FnOnce(&mut [u8], usize)) {
    let mut file = std::fs::read(dir.database()).unwrap();
    let places: Vec<_> = (0..file.len()).filter(|&at| file[at..].starts_with(entry)).collect();
    let [place] = places[..] else { panic!("{places:?}") };
    write(&mut file, place);
    std::fs::write(dir.database(), file).unwrap();
}

/// Writes to a leaf page of the index, as what is not SQLite would: it is of no kind that there is.
fn damage_index_by_actor(dir: &DataDir) {
    // A record of five bytes, three of them its header: a number of two bytes, and the id, which is 1.
    let entry = [5, 3, 2, 9, 3, 233];
    damage(dir, &entry, |file, place| file[place / 4096 * 4096] = 0);
}

struct Log {
    dir: DataDir,
    writer: rusqlite::Connection,
    _place: tempfile::TempDir,
}

/// A log and the index that is built of it.
fn followed(sql: &str) -> (Log, Box<Follower>) {
    let place = tempfile::tempdir().unwrap();
    let dir = DataDir::new(place.path());
    let writer = rusqlite::Connection::open(dir.database()).unwrap();
    writer.execute_batch(sql).unwrap();
    let follower = match rebuild(&dir, IfLocked::GiveUp, &|_, _| {}).unwrap() {
        RebuildOutcome::Done {
            follower: Some(follower),
            ..
        } => follower,
        RebuildOutcome::Done { state, .. } => panic!("{:?}", state.index),
        _ => panic!("no index was built"),
    };
    let log = Log {
        dir,
        writer,
        _place: place,
    };
    (log, follower)
}

/// How many rows a refresh found gone and come, and by which way.
fn refreshed(follower: &mut Follower, budget: Budget) -> (usize, usize, Way) {
    let refreshed = follower.refresh(budget).unwrap();
    (
        refreshed.changes.removed.len(),
        refreshed.changes.added.len(),
        refreshed.way,
    )
}

fn is_too_long(follower: &mut Follower) -> bool {
    match follower.refresh(Budget::INLINE) {
        Ok(_) => false,
        Err(RefreshError::TooLong) => true,
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn no_request_waits_for_a_refresh_of_very_many_pages() {
    let many = "PRAGMA page_size = 512; PRAGMA journal_mode = WAL;";
    let (log, mut follower) = followed(&format!("{many} {}", TABLE.replace("id < 700", "id < 40000")));
    let commit = |sql: &str| log.writer.execute_batch(sql).unwrap();
    // From here on the log holds what these commits changed, and no more.
    commit("PRAGMA wal_autocheckpoint = 0; PRAGMA wal_checkpoint(TRUNCATE)");
    follower.refresh(Budget::ANY).unwrap();
    commit("UPDATE audit_events SET actor_id = 7 WHERE id % 2000 = 0");
    assert_eq!(refreshed(&mut follower, Budget::INLINE), (20, 20, Way::Frames));
    commit("UPDATE audit_events SET resource_id = 'S' WHERE id % 10 = 0");
    assert!(is_too_long(&mut follower));
    // It is what it was, and may be asked again.
    assert!(is_too_long(&mut follower));
    assert_eq!(refreshed(&mut follower, Budget::ANY), (4_000, 4_000, Way::Frames));
    assert!(!is_too_long(&mut follower));
}

#[test]
fn no_request_waits_for_more_hashes_than_its_budget_has() {
    let (log, mut follower) = followed(TABLE);
    let counts = follower.index().base().header().counts;
    let bytes = (counts.table_leaves + counts.time_leaves) * 4096;
    assert!(counts.table_leaves > 1 && counts.time_leaves > 1);
    let within = |hashed| Budget { hashed, ..Budget::ANY };
    log.writer
        .execute_batch("UPDATE audit_events SET actor_id = 7 WHERE id = 5")
        .unwrap();
    let refused = follower.refresh(within(bytes - 1)).unwrap_err();
    assert!(matches!(refused, RefreshError::TooLong), "{refused:?}");
    assert_eq!(refreshed(&mut follower, within(bytes)), (1, 1, Way::Hashes));
}

#[test]
fn a_build_is_faster_where_a_quarter_of_a_large_log_lies_on_changed_pages() {
    // Some 400 rows on a page, so that one in 200 is on every page.
    let (log, mut follower) = followed(&TABLE.replace("id < 700", "id < 440000").replace(BY_ACTOR, ""));
    let commit = |ids: &str| {
        let sql = format!("UPDATE audit_events SET resource_id = resource_id || 'S' WHERE id % 100 = 0 AND id {ids}");
        log.writer.execute_batch(&sql).unwrap();
    };
    commit("BETWEEN 1 AND 100000");
    assert_eq!(refreshed(&mut follower, Budget::LONG), (1_000, 1_000, Way::Hashes));
    commit("BETWEEN 1 AND 120000");
    let why = follower.refresh(Budget::LONG).unwrap_err().to_string();
    assert!(why.contains("so many pages are different"), "{why}");
    // A build that is beside such a writer catches up with it, and does not begin again.
    assert_eq!(refreshed(&mut follower, Budget::ANY), (1_200, 1_200, Way::Hashes));
}

/// How many blocks the first answers from the files read: pages of the log, of an actor and of an action, and a count.
fn blocks_read(dir: &DataDir, actor: i64) -> u64 {
    let index = open(dir).unwrap().state().unwrap().index.unwrap();
    for (actor_id, action) in [
        (None, None),
        (Some(actor), None),
        (None, Some("A3")),
        (Some(actor), Some("A3")),
    ] {
        let filter = Filter {
            actor_id,
            action: action.map(str::to_owned),
            ..Filter::ALL
        };
        let query = Query::new(filter.clone(), Position::Page(3), 20).unwrap();
        let mut rows = Rows::default();
        index.page(&query, &mut rows).unwrap();
        assert_eq!(rows.len(), 20, "{query:?}");
        assert!(index.count(&filter).unwrap() > 100);
    }
    index.base().blocks().first_touches()
}

/// A process that answers once would hold most of a large index in memory.
#[test]
fn an_answer_beside_changes_all_over_the_log_reads_few_blocks_more() {
    // Ids and times in different orders, as far as they can be.
    let sql = TABLE
        .replace("id < 700", "id < 60000")
        .replace(
            "SELECT id, id, 1000 + id, 'A'",
            "SELECT id, id * 7919 % 60013, 1000 + id % 50, 'A' || (id % 7)",
        )
        .replace(BY_ACTOR, "");
    let (log, mut follower) = followed(&sql);
    let blocks = log.dir.index().metadata().unwrap().len() / 4096;
    let quiet = blocks_read(&log.dir, 1_003);
    let change = "UPDATE audit_events SET action = 'A' || ((id + 1) % 7), actor_id = actor_id + 1 WHERE id % 101 = 0";
    log.writer.execute_batch(change).unwrap();
    assert_eq!(refreshed(&mut follower, Budget::ANY), (594, 594, Way::Hashes));
    let lock = DirLock::try_acquire(log.dir.root()).unwrap().unwrap();
    publish_delta(
        &log.dir,
        &lock,
        follower.index().base(),
        &follower.delta_file().unwrap(),
    )
    .unwrap();
    let beside = blocks_read(&log.dir, 1_003);
    assert!(
        quiet < beside + 9 && beside < quiet + 20,
        "{quiet} and {beside} of {blocks}"
    );
    assert!(blocks > 5 * beside, "{blocks} and {beside}");
}

#[test]
fn another_file_in_the_databases_place_is_followed() {
    let (log, mut follower) = followed(TABLE);
    assert_eq!(refreshed(&mut follower, Budget::ANY).0, 0);
    let copy = log.dir.root().join("copy");
    std::fs::copy(log.dir.database(), &copy).unwrap();
    let other = rusqlite::Connection::open(&copy).unwrap();
    other
        .execute_batch("DELETE FROM audit_events WHERE id IN (5, 6, 7)")
        .unwrap();
    drop(other);
    std::fs::rename(&copy, log.dir.database()).unwrap();
    assert_eq!(refreshed(&mut follower, Budget::ANY), (3, 0, Way::Hashes));
    assert_eq!(follower.index().events(), 697);

    let other = rusqlite::Connection::open(log.dir.database()).unwrap();
    other.execute_batch("DELETE FROM audit_events WHERE id = 9").unwrap();
    assert_eq!(refreshed(&mut follower, Budget::ANY), (1, 0, Way::Hashes));
}

/// The service may read through any index, so where one is damaged SQLite answers. A leaf of another index has no place in
/// the directory: its damage changes no hash.
#[test]
fn other_indexes_are_checked_again_where_something_else_than_a_commit_moved_the_file() {
    let (log, mut follower) = followed(TABLE);
    let first = follower.refresh(Budget::ANY).unwrap();
    assert!(first.changes.is_empty() && follower.are_others_checked);
    damage_index_by_actor(&log.dir);
    let error = follower.refresh(Budget::ANY).unwrap_err();
    assert!(
        matches!(&error, RefreshError::Rebuild(why) if why == "the database is damaged"),
        "{error:?}"
    );
}

/// A checkpoint shows nothing new, but whatever else wrote to the file may have: to two pages, of which the frames name one.
#[test]
fn frames_are_believed_only_where_they_tell_and_the_file_stood_still() {
    for (found, has_moved, is_for_hashes) in [
        (Ok(()), false, false),
        (Ok(()), true, true),
        (Err(RefreshError::Unproven), false, true),
        (Err(RefreshError::TooLong), true, false),
    ] {
        assert_eq!(
            super::is_for_hashes(&found, has_moved),
            is_for_hashes,
            "{found:?} {has_moved}"
        );
    }
}

fn error_of(follower: &mut Follower) -> String {
    follower.refresh(Budget::ANY).unwrap_err().to_string()
}

/// The service finds its pages through that index, so where it differs SQLite answers.
#[test]
fn an_index_on_created_at_that_says_something_else_calls_for_a_build() {
    let (log, mut follower) = followed(&TABLE.replace(BY_ACTOR, ""));
    follower.refresh(Budget::ANY).unwrap();
    // The entry of event 500, one second earlier: it is still in its place.
    let entry = [7, 3, 2, 2, 1, 0xF4, 1, 0xF4];
    damage(&log.dir, &entry, |file, place| file[place + 5] -= 1);
    assert_eq!(
        error_of(&mut follower),
        "the database's index on created_at differs from its table"
    );
}

/// Their first pages are the same, because the schema goes on in others.
#[test]
fn another_file_whose_trees_lie_elsewhere_calls_for_a_build() {
    let table = TABLE.replace(BY_ACTOR, "");
    let copy = table
        .replace("audit_events", "audit_copy")
        .replace("idx_created", "copy_created");
    for [one, other] in [["audit_events", "audit_copy"], ["idx_created_at", "copy_created_at"]] {
        let (log, mut follower) = followed(&format!("PRAGMA page_size = 512; {copy} {table}"));
        follower.refresh(Budget::ANY).unwrap();
        let path = log.dir.root().join("other.db");
        std::fs::copy(log.dir.database(), &path).unwrap();
        let swapped = rusqlite::Connection::open(&path).unwrap();
        swapped
            .execute_batch(&format!(
                "PRAGMA writable_schema = ON;
                 UPDATE sqlite_schema SET rootpage = (SELECT sum(rootpage) FROM sqlite_schema
                     WHERE name IN ('{one}', '{other}')) - rootpage WHERE name IN ('{one}', '{other}')"
            ))
            .unwrap();
        drop(swapped);
        let page_1 = |path: &std::path::Path| std::fs::read(path).unwrap()[100..512].to_vec();
        assert_eq!(page_1(&path), page_1(log.dir.database()));
        std::fs::rename(&path, log.dir.database()).unwrap();
        assert_eq!(error_of(&mut follower), "the schema is another one", "{one}");
    }
}
