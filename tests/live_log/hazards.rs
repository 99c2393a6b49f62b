//! Each way in which what is known of a log could become wrong without a trace, and the kind of refresh that follows it.

use auditq::engine::Lifetime;

use super::watched::{Did, Watched};
use crate::harness::Log;
use crate::harness::needs::needs;

/// An append by a connection that stays.
const APPEND: &str = "commit_staying(INSERT)";

fn watched(count: i64, journal_mode: &str) -> Watched {
    let mut watched = Watched::new(Log::plain(count), journal_mode);
    watched.writer.run(
        "INSERT = 'INSERT INTO audit_events SELECT max(id) + 1, max(created_at) + 1, 3, \"NEW\", \"X\", \"X-1\", 0, \
         (SELECT payload_len FROM audit_events WHERE id = 1) FROM audit_events'",
    );
    watched
}

#[test]
fn a_commit_is_followed_by_its_frames_or_by_hashes_and_by_nothing_else() {
    needs!(Python);
    let mut wal = watched(300, "wal");
    let mut rollback = watched(300, "delete");
    let (before_wal, before_rollback) = (wal.by_sqlite(), rollback.by_sqlite());
    for statement in [
        APPEND,
        "commit_staying('UPDATE audit_events SET actor_id = 8 WHERE id = 17')",
        "commit_staying('DELETE FROM audit_events WHERE id BETWEEN 30 AND 40')",
    ] {
        assert_eq!(wal.after(statement), Did::FRAMES, "{statement}");
        assert_eq!(wal.look("again"), Did::NOTHING, "{statement}");
        assert_eq!(rollback.after(statement), Did::HASHES, "{statement}");
        assert_eq!(rollback.look("again"), Did::NOTHING, "{statement}");
    }
    assert_eq!((before_wal, before_rollback), (wal.by_sqlite(), rollback.by_sqlite()));
}

/// Frames of a transaction that is open lie in the log, some of them more than once, and are no commit.
#[test]
fn frames_that_are_not_committed_count_for_nothing() {
    needs!(Python);
    for (end, is_seen) in [("COMMIT", true), ("ROLLBACK", false)] {
        let mut watched = watched(3000, "wal");
        watched.after(APPEND);
        let size = || std::fs::metadata(watched.log.path("audit.db-wal")).unwrap().len();
        let before = size();
        watched.writer.run(
            "run(staying(), 'PRAGMA cache_size = 10', 'PRAGMA cache_spill = 1', 'BEGIN IMMEDIATE')\n\
             for n in range(2): run(staying(), 'UPDATE audit_events SET actor_id = 42')",
        );
        assert!(size() > before, "nothing was written before the end");
        let events = |watched: &Watched| watched.count_of_actor(42);
        let did = watched.look("open");
        assert!(did.by_frames > 0 && did.rebuilds == 0, "{did:?}");
        assert_eq!(events(&watched), 0);
        let did = watched.after(&format!("run(staying(), '{end}')"));
        assert!(did.by_frames > 0 && did.rebuilds == 0, "{did:?}");
        assert_eq!(events(&watched) > 0, is_seen, "{end}");
    }
}

#[test]
fn a_writer_killed_with_frames_in_the_log_has_committed_nothing() {
    needs!(Python);
    let mut watched = watched(3000, "wal");
    watched.after(APPEND);
    watched
        .writer
        .run("run(staying(), 'PRAGMA cache_size = 10', 'BEGIN IMMEDIATE', 'UPDATE audit_events SET actor_id = 42')");
    watched.restart_writer();
    watched.look("killed");
    assert_eq!(watched.count_of_actor(42), 0);
    let did = watched.after("commit_staying('UPDATE audit_events SET actor_id = 43 WHERE id = 5')");
    assert!(did.by_frames > 0 && did.rebuilds == 0, "{did:?}");
    assert_eq!(watched.count_of_actor(43), 1);
}

/// A checkpoint writes to the database file, of which the log then says nothing; the log it leaves is as good as any.
#[test]
fn a_checkpoint_is_followed_by_hashes_and_the_next_commit_by_frames() {
    needs!(Python);
    for mode in ["PASSIVE", "FULL", "RESTART", "TRUNCATE"] {
        let mut watched = watched(300, "wal");
        assert_eq!(watched.after(APPEND), Did::FRAMES);
        let checkpoint = format!("commit_staying('PRAGMA wal_checkpoint({mode})')");
        assert_eq!(watched.after(&checkpoint), Did::HASHES, "{mode}");
        assert_eq!(watched.after(APPEND), Did::FRAMES, "{mode}");
        assert_eq!(watched.after(APPEND), Did::FRAMES, "{mode}");
    }
}

#[test]
fn a_size_limit_cuts_the_log() {
    needs!(Python);
    let mut watched = watched(300, "wal");
    watched.writer.run("run(staying(), 'PRAGMA journal_size_limit = 5000')");
    for _ in 0..30 {
        assert_eq!(watched.after(APPEND), Did::FRAMES);
    }
    let long = std::fs::metadata(watched.log.path("audit.db-wal")).unwrap().len();
    assert_eq!(
        watched.after("commit_staying('PRAGMA wal_checkpoint(RESTART)')"),
        Did::HASHES
    );
    assert_eq!(watched.after(APPEND), Did::FRAMES);
    let cut = std::fs::metadata(watched.log.path("audit.db-wal")).unwrap().len();
    assert!(cut < long, "{cut} {long}");
}

#[test]
fn the_last_close_removes_the_log() {
    needs!(Python);
    let mut watched = watched(300, "wal");
    assert_eq!(watched.after(APPEND), Did::FRAMES);
    // The engine's own connection, kept for a moment, would be the last.
    watched.wait_until_disconnected();
    let did = watched.after("close()");
    assert_eq!((did.by_hashes, did.rebuilds), (1, 0), "{did:?}");
    let did = watched.after("commit(INSERT)");
    assert_eq!(did.rebuilds, 0, "{did:?}");
}

/// Who removes a log takes its commits back.
#[test]
fn a_log_that_is_removed() {
    needs!(Python);
    let mut watched = watched(300, "wal");
    watched.after("commit_staying('PRAGMA wal_checkpoint(TRUNCATE)')");
    assert_eq!(
        watched.after("commit_staying('UPDATE audit_events SET actor_id = 42 WHERE id = 5')"),
        Did::FRAMES
    );
    assert_eq!(watched.count_of_actor(42), 1);
    watched.wait_until_disconnected();
    watched.restart_writer();
    let did = watched.after("os.remove('audit.db-wal'); os.remove('audit.db-shm')");
    assert_eq!(did.rebuilds, 0, "{did:?}");
    assert!(did.by_frames + did.by_hashes > 0, "{did:?}");
    assert_eq!(watched.count_of_actor(42), 0);
}

/// Where a reader holds a snapshot, no checkpoint reaches the end of the log, and each commit makes another try.
#[test]
fn a_reader_elsewhere_that_holds_a_snapshot() {
    needs!(Python);
    let mut watched = watched(300, "wal");
    watched.writer.run(
        "reader = connect(); run(reader, 'BEGIN', 'SELECT count(*) FROM audit_events')\n\
         run(staying(), 'PRAGMA wal_autocheckpoint = 3')",
    );
    let mut sum = Did::NOTHING;
    for round in 0..30 {
        let did = watched.after(APPEND);
        sum.by_frames += did.by_frames;
        sum.by_hashes += did.by_hashes;
        assert_eq!(did.rebuilds, 0);
        if round == 20 {
            watched
                .writer
                .run("run(reader, 'COMMIT', 'BEGIN', 'SELECT count(*) FROM audit_events')");
        }
    }
    assert!(sum.by_frames >= 20 && sum.by_hashes > 0, "{sum:?}");
}

/// A byte that is written past SQLite moves no counter of it.
#[test]
fn one_byte_written_past_sqlite() {
    needs!(Python);
    for mode in ["wal", "delete"] {
        let mut watched = watched(300, mode);
        watched.after("commit_staying('PRAGMA wal_checkpoint(TRUNCATE)')");
        for to in ["P", "Q"] {
            let write = format!(
                "elsewhere('''data = open(\"audit.db\", \"rb\").read(); at = data.index(b\"RDER-123\") - 1\n\
                 file = os.open(\"audit.db\", os.O_WRONLY); os.pwrite(file, b\"{to}\", at); os.close(file)''')"
            );
            assert_eq!(watched.after(&write), Did::HASHES, "{mode}");
            let shown = watched.resource_ids();
            assert!(shown.contains(&format!("{to}RDER-123")), "{mode}");
        }
    }
}

/// Pages of the freelist come back into use without ever being written to the journal as what they were.
#[test]
fn a_freelist_leaf_that_becomes_a_leaf_of_the_table() {
    needs!(Python);
    for (mode, way) in [("wal", Did::FRAMES), ("delete", Did::HASHES)] {
        let mut watched = watched(6000, mode);
        for _ in 0..2 {
            assert_eq!(
                watched.after("commit_staying('DELETE FROM audit_events WHERE id > 3000')"),
                way,
                "{mode}"
            );
            let insert = "commit_staying('INSERT INTO audit_events SELECT id + 3000, created_at + 3000, actor_id, action, \
                          resource_type, \"AGAIN-\" || id, payload_offset, payload_len FROM audit_events WHERE id <= 3000')";
            assert_eq!(watched.after(insert), way, "{mode}");
        }
        let one = "commit_staying('BEGIN', 'DELETE FROM audit_events WHERE id > 3000', \
                   'INSERT INTO audit_events SELECT id + 3000, created_at, 3, action, resource_type, resource_id, \
                   payload_offset, payload_len FROM audit_events', 'COMMIT')";
        assert_eq!(watched.after(one), way, "{mode}");
    }
}

/// A change deep in a long text need not touch the leaf that the text begins on.
#[test]
fn one_byte_deep_in_a_long_text() {
    needs!(Python);
    for mode in ["wal", "delete"] {
        let mut watched = watched(300, mode);
        let long = |letter: char| {
            format!(
                "commit_staying('UPDATE audit_events SET action = \"' + 'x' * 8000 + '{letter}' + 'x' * 1000 + '\" WHERE id = 5')"
            )
        };
        watched.after_build(&long('a'));
        for letter in ['b', 'c'] {
            let did = watched.after(&long(letter));
            assert_eq!(did.rebuilds, 0, "{mode}: {did:?}");
            assert!(did.by_frames + did.by_hashes > 0, "{mode}: {did:?}");
        }
        let written = "elsewhere('''data = open(\"audit.db\", \"rb\").read(); at = data.index(b\"xcx\") + 1\n\
                       file = os.open(\"audit.db\", os.O_WRONLY); os.pwrite(file, b\"d\", at); os.close(file)''')";
        watched.after("commit_staying('PRAGMA wal_checkpoint(TRUNCATE)')");
        let did = watched.after(written);
        assert_eq!((did.by_hashes, did.rebuilds), (1, 0), "{mode}: {did:?}");
    }
}

/// What moves the trees or changes what they are calls for a build, after which commits are followed again.
#[test]
fn changes_of_the_schema_are_built_anew() {
    needs!(Python);
    for (mode, way) in [("wal", Did::FRAMES), ("delete", Did::HASHES)] {
        let mut watched = watched(300, mode);
        for statement in [
            "commit('ALTER TABLE audit_events ADD COLUMN more TEXT')",
            "commit('ALTER TABLE audit_events DROP COLUMN more')",
            "commit('DROP INDEX idx_created_at', 'CREATE INDEX idx_created_at ON audit_events (created_at)')",
            "commit('VACUUM')",
            "commit('PRAGMA auto_vacuum = FULL', 'VACUUM')",
            "commit('CREATE INDEX other ON audit_events (actor_id)')",
        ] {
            assert!(watched.after_build(statement) > 0, "{mode}, {statement}");
            assert_eq!(
                watched
                    .after("commit_staying('DELETE FROM audit_events WHERE id = (SELECT max(id) FROM audit_events)')"),
                way,
                "{mode}, {statement}"
            );
        }
        assert_eq!(
            watched.after("commit_staying('DELETE FROM audit_events WHERE id > 250')"),
            way,
            "{mode}, auto_vacuum"
        );
        let did = watched.after("commit_staying('REINDEX')");
        assert!(
            did.by_frames + did.by_hashes + did.rebuilds > 0,
            "{mode}, REINDEX: {did:?}"
        );
    }
}

#[test]
fn another_page_size_is_built_anew() {
    needs!(Python);
    let mut watched = watched(300, "delete");
    for size in [512, 65536, 4096] {
        assert!(watched.after_build(&format!("close(); commit('PRAGMA page_size = {size}', 'VACUUM')")) > 0);
        let did = watched.after("commit('DELETE FROM audit_events WHERE id = (SELECT max(id) FROM audit_events)')");
        assert_eq!(did, Did::HASHES, "{size}");
    }
}

#[test]
fn every_kind_of_rollback_journal_is_followed_by_hashes() {
    needs!(Python);
    let mut watched = watched(300, "delete");
    for mode in ["truncate", "persist", "memory", "off", "delete"] {
        let statement = format!("commit('PRAGMA journal_mode = {mode}', INSERT)");
        assert_eq!(watched.after(&statement), Did::HASHES, "{mode}");
        let statement =
            format!("commit('PRAGMA locking_mode = EXCLUSIVE', 'PRAGMA journal_mode = {mode}', INSERT, INSERT)");
        assert_eq!(watched.after(&statement), Did::HASHES, "EXCLUSIVE {mode}");
    }
}

#[test]
fn a_switch_of_journal_mode_is_followed() {
    needs!(Python);
    let mut watched = watched(300, "wal");
    for _ in 0..3 {
        let did = watched.after("journal_mode('delete', INSERT)");
        assert_eq!(
            (did.by_frames, did.by_hashes, did.rebuilds),
            (0, 1, 0),
            "to a rollback journal"
        );
        let did = watched.after("journal_mode('wal'); commit_staying(INSERT)");
        assert_eq!(did.rebuilds, 0, "to a write-ahead log");
        assert_eq!(did.by_hashes, 1, "to a write-ahead log");
        assert_eq!(watched.after(APPEND), Did::FRAMES);
    }
}

/// A writer that keeps the log to itself writes no shared memory that anybody could read.
#[test]
fn an_exclusive_writer_in_a_write_ahead_log() {
    needs!(Python);
    let mut watched = watched(300, "wal");
    for _ in 0..3 {
        watched.wait_until_disconnected();
        let did = watched.after("close(); commit('PRAGMA locking_mode = EXCLUSIVE', INSERT, INSERT)");
        assert_eq!(did.rebuilds, 0, "{did:?}");
        assert!(did.by_frames + did.by_hashes > 0, "{did:?}");
    }
    let new = watched.log.enhanced(Lifetime::LongLived);
    watched.assert_same(&new, "new");
}
