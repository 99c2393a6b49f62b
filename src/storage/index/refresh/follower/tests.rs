use super::*;
use crate::storage::index::build::rebuild::{IfLocked, RebuildOutcome, rebuild};

const TABLE: &str = "
    CREATE TABLE audit_events (id INTEGER PRIMARY KEY, created_at INTEGER NOT NULL, actor_id INTEGER NOT NULL,
        action TEXT NOT NULL, resource_type TEXT NOT NULL, resource_id TEXT NOT NULL,
        payload_offset INTEGER NOT NULL, payload_len INTEGER NOT NULL);
    CREATE INDEX idx_created_at ON audit_events (created_at);
    CREATE INDEX by_actor ON audit_events (actor_id);
    WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 700)
    INSERT INTO audit_events SELECT id, id, 1000 + id, 'A', 'T', 'R', id * 10, 10 FROM n;";

/// Writes to a leaf page of the index, as what is not SQLite would: it is of no kind that there is.
fn damage_index_by_actor(dir: &DataDir) {
    // A record of five bytes, three of them its header: a number of two bytes, and the id, which is 1.
    let entry = [5, 3, 2, 9, 3, 233];
    let mut file = std::fs::read(dir.database()).unwrap();
    let places: Vec<_> = (0..file.len()).filter(|&at| file[at..].starts_with(&entry)).collect();
    let [place] = places[..] else { panic!("{places:?}") };
    file[place / 4096 * 4096] = 0;
    std::fs::write(dir.database(), file).unwrap();
}

/// The service may read through any index, so where one is damaged SQLite answers. A leaf of another index has no place in
/// the directory: its damage changes no hash.
#[test]
fn other_indexes_are_checked_again_where_something_else_than_a_commit_moved_the_file() {
    let place = tempfile::tempdir().unwrap();
    let dir = DataDir::new(place.path());
    let database = rusqlite::Connection::open(dir.database()).unwrap();
    database.execute_batch(TABLE).unwrap();
    let built = rebuild(&dir, IfLocked::GiveUp, &|_, _| {}).unwrap();
    let RebuildOutcome::Done {
        follower: Some(mut follower),
        ..
    } = built
    else {
        panic!("no index was built");
    };
    let first = follower.refresh(Budget::Any).unwrap();
    assert!(first.changes.is_empty() && follower.are_others_checked);
    damage_index_by_actor(&dir);
    let error = follower.refresh(Budget::Any).unwrap_err();
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
