use super::*;
use crate::engine::scratch_log::{EVENTS, ScratchLog};
use crate::model::Filter;
use crate::storage::fs::dir_lock::DirLock;
use crate::storage::index::{IfLocked, rebuild};

fn events(state: &IndexState) -> u64 {
    state.index.as_ref().unwrap().count(&Filter::ALL).unwrap()
}

/// By frames, hashes, builds, folds and SQLite.
fn counts(live: &Live) -> [u64; 5] {
    let counts = live.counts();
    [
        counts.by_frames,
        counts.by_hashes,
        counts.rebuilds,
        counts.folds,
        counts.by_sqlite,
    ]
}

#[test]
fn who_asks_after_a_commit_brings_the_index_up_to_date() {
    let log = ScratchLog::with_index("DELETE");
    let live = log.open();
    assert_eq!(log.times_said("the index of 3000 events was opened; it is current"), 1);
    assert!(live.can_refresh());
    assert_eq!(live.with_current(events), Some(EVENTS));
    // An index that only its file is known of takes longer than one that is followed.
    assert!(live.first_refresh().unwrap() > Duration::ZERO);

    log.run("DELETE FROM audit_events WHERE id = 5");
    assert!(!live.is_known());
    assert_eq!(live.with_current(events), None);
    assert_eq!(live.last_index().unwrap().events(), EVENTS);
    assert_eq!(log.open().counts().by_hashes, 0);
    assert_eq!(log.times_said("it is stale"), 1);

    assert_eq!(events(&live.join(Duration::ZERO).unwrap()), EVENTS - 1);
    assert!(live.is_known());
    assert_eq!(live.first_refresh(), Some(Duration::ZERO));
    assert_eq!(counts(&live), [0, 1, 0, 0, 0]);
    live.count_sqlite();
    assert_eq!(counts(&live), [0, 1, 0, 0, 1]);
    assert_eq!(log.times_said("by the hashes of its leaf pages in"), 1);
}

#[test]
fn a_write_ahead_log_is_followed_by_its_frames_and_let_go() {
    let log = ScratchLog::with_index("WAL");
    let live = log.open();
    for id in [5, 6, 7] {
        log.run(&format!("DELETE FROM audit_events WHERE id = {id}"));
        assert!(live.join(Duration::ZERO).is_some());
    }
    assert_eq!(events(&live.refresh_long().unwrap()), EVENTS - 3);
    assert_eq!(counts(&live)[0] + counts(&live)[1], 4);
    assert!(counts(&live)[0] >= 3, "{:?}", counts(&live));
    assert!(log.times_said("by the frames of the write-ahead log in") >= 3);

    // A connection that is kept keeps the service from leaving that mode.
    log.keep_connection(&live);
    live.disconnect();
    assert!(log.leaves_wal());
}

#[test]
fn a_refresh_by_hashes_is_expected_to_take_as_long_as_the_last() {
    let log = ScratchLog::with_index("DELETE");
    let live = log.open();
    let header = live.last_index().unwrap();
    let counts = header.base().header().counts;
    let reckoned = cost::refresh_by_hashes(counts.table_leaves + counts.time_leaves, 4096);
    assert!(reckoned > Duration::ZERO);
    assert_eq!(live.long_refresh(), reckoned);

    log.run("DELETE FROM audit_events WHERE id = 5");
    let start = Instant::now();
    assert!(live.refresh_long().is_some());
    let measured = Duration::from_nanos(live.hashes_took.load(Ordering::Relaxed));
    assert!(measured > Duration::ZERO && measured <= start.elapsed());
    assert_eq!(live.long_refresh(), measured);

    // What frames say is another matter.
    live.hashes_took.store(7, Ordering::Relaxed);
    assert!(live.join(Duration::ZERO).is_some());
    assert_eq!(live.long_refresh(), Duration::from_nanos(7));
}

#[test]
fn for_a_long_refresh_waits_who_would_wait_longer_for_sqlite() {
    let log = ScratchLog::new("WAL");
    // So small that thousands of them are no large log.
    log.run(
        "DELETE FROM audit_events; PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM;
         PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
         WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 40000)
         INSERT INTO audit_events SELECT id, id, id % 7, 'LOGIN', 'T', 'R', 0, 2 FROM n;
         PRAGMA wal_checkpoint(TRUNCATE)",
    );
    rebuild(&log.dir, IfLocked::GiveUp, &|_, _| {}).unwrap();
    let live = log.open();
    live.refresh_long().unwrap();
    log.run("UPDATE audit_events SET actor_id = 77 WHERE id % 10 = 0");
    let long = Duration::from_secs(3_600);
    live.hashes_took.store(long.as_nanos() as u64, Ordering::Relaxed);
    assert!(live.join(long).is_none(), "SQLite is no slower");
    assert!(live.can_refresh() && !live.is_known());
    assert_eq!(events(&live.join(long + Duration::from_secs(1)).unwrap()), 40_000);
}

#[test]
fn a_schema_that_changed_calls_for_one_build() {
    let log = ScratchLog::with_index("DELETE");
    let live = log.open();
    log.run("ALTER TABLE audit_events ADD COLUMN remark TEXT");
    assert!(live.join(Duration::ZERO).is_none());
    assert_eq!(log.times_said("the index must be built anew"), 1);
    assert!(!live.can_refresh());
    assert_eq!(live.first_refresh(), None);
    assert!(live.refresh_long().is_none());
    assert!(!live.is_corrupt());

    for _ in 0..2 {
        live.rebuild(IfLocked::GiveUp, &|_, _| {}).unwrap();
        assert_eq!(live.with_current(events), Some(EVENTS));
        assert!(live.can_refresh());
    }
    assert_eq!(counts(&live), [0, 0, 1, 0, 0]);
    assert_eq!(log.times_said("an index was built in"), 1);
}

#[test]
fn a_corrupt_index_is_forgotten_and_replaced() {
    let log = ScratchLog::with_index("DELETE");
    let live = log.open();
    live.replace_corrupt().unwrap();
    assert_eq!(counts(&live), [0; 5], "a sound one is not");

    std::fs::write(log.dir.index(), vec![7; 20_000]).unwrap();
    let live = log.open();
    assert!(live.is_corrupt() && !live.can_refresh() && !live.is_known());
    assert_eq!(log.times_said("no index was opened"), 1);
    assert_eq!(live.last_index().map(|index| index.events()), None);
    live.replace_corrupt().unwrap();
    assert!(!live.is_corrupt() && live.is_known());
    assert_eq!(counts(&live), [0, 0, 1, 0, 0]);
    assert!(log.open().is_known(), "it lies in the directory");

    live.forget(index::Corrupted::new("as a test says"));
    assert!(live.is_corrupt() && !live.can_refresh() && !live.is_known());
}

#[test]
fn a_log_that_cannot_be_indexed_is_told_of_once_in_each_process() {
    let log = ScratchLog::new("DELETE");
    log.run("UPDATE audit_events SET created_at = 'noon' WHERE id = 9");
    let told = "cannot be indexed, SQLite answers instead";
    let live = log.open();
    assert!(!live.is_corrupt());
    live.tell_refusal();
    assert_eq!(log.times_said(told), 0, "nobody has looked");
    live.rebuild(IfLocked::GiveUp, &|_, _| {}).unwrap();
    assert!(live.is_known() && !live.can_refresh() && live.last_index().is_none());
    live.tell_refusal();
    assert_eq!(log.times_said(told), 1);

    // Another process takes it over, as long as the log is what it was.
    let live = log.open();
    assert!(live.is_known());
    live.tell_refusal();
    live.tell_refusal();
    assert_eq!(log.times_said(told), 1);
    log.run("UPDATE audit_events SET created_at = 9 WHERE id = 9");
    assert!(!live.is_known());
    assert!(!log.open().is_known());
}

#[test]
fn what_is_kept_for_others_is_what_they_open() {
    let log = ScratchLog::with_index("DELETE");
    let live = log.open();
    // Nobody has looked into the files so far: there is nothing to keep.
    live.persist().unwrap();
    assert!(!log.dir.index_delta().exists());

    log.run("DELETE FROM audit_events WHERE id = 5");
    assert!(live.join(Duration::ZERO).is_some());
    let lock = DirLock::try_acquire(log.dir.root()).unwrap();
    live.persist().unwrap();
    assert_eq!(log.times_said("one of them holds the lock on the directory"), 1);
    assert!(!log.open().is_known());
    drop(lock);
    live.persist().unwrap();
    assert_eq!(log.open().with_current(events), Some(EVENTS - 1));
}

#[test]
fn a_new_base_is_written_where_much_has_changed() {
    let log = ScratchLog::with_index("DELETE");
    let live = log.open();
    live.fold_if_worthwhile().unwrap();
    let change = |many: u64| {
        log.append(many);
        live.refresh_long().unwrap();
        live.fold_if_worthwhile().unwrap();
        live.last_index().unwrap().delta().changes()
    };
    assert_eq!((change(4_096), counts(&live)[3]), (4_096, 0));

    // While another process holds the lock, what there is stays.
    let lock = DirLock::try_acquire(log.dir.root()).unwrap();
    assert_eq!((change(1), counts(&live)[3]), (4_097, 0));
    assert_eq!(log.times_said("no new base was written"), 1);
    drop(lock);

    change(1);
    assert_eq!(counts(&live)[3], 1);
    assert_eq!(log.times_said("a new base was written in"), 1);
    // The next refresh begins with it, and so does another process.
    let state = live.join(Duration::ZERO).unwrap();
    assert_eq!(
        (events(&state), state.index.as_ref().unwrap().delta().changes()),
        (EVENTS + 4_098, 0)
    );
    assert_eq!(log.open().with_current(events), Some(EVENTS + 4_098));
}
