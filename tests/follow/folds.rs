//! Much change becomes a new base once commits pause, and what comes behind it is told as before.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use super::feed::{Following, PATIENCE, insert};
use crate::harness::Log;

fn inode(log: &Log) -> u64 {
    std::fs::metadata(log.path("audit.idx")).unwrap().ino()
}

/// Waits for another base than that of this inode.
#[track_caller]
fn wait_for_fold(log: &Log, before: u64) {
    let start = Instant::now();
    while inode(log) == before {
        assert!(start.elapsed() < PATIENCE, "there is no fold");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
fn tells(following: &mut Following, events: usize) {
    for _ in 0..events {
        following.event();
    }
}

#[test]
fn a_pause_makes_a_new_base_and_no_difference() {
    for journal in ["delete", "wal"] {
        let log = Log::plain(6_000);
        log.journal_mode(journal);
        let mut following = Following::start_and_probe(&log, &["--mode", "enhanced"]);
        let before = inode(&log);
        // Of each event one goes and one comes.
        log.sql("UPDATE audit_events SET resource_id = 'CHANGED' WHERE id <= 2500");
        tells(&mut following, 2_500);
        wait_for_fold(&log, before);
        log.sql("UPDATE audit_events SET resource_id = 'AGAIN' WHERE id BETWEEN 2499 AND 2502");
        tells(&mut following, 4);
        insert(&log, 9_000, 77, "NEW");
        assert_eq!(following.event()["resource_id"], "NEW", "{journal}");
        log.sql("DELETE FROM audit_events WHERE id IN (2500, 9000)");
        let mut gone = [following.note(), following.note()];
        gone.sort();
        assert!(gone[0].ends_with(":9000") || gone[1].ends_with(":9000"), "{gone:?}");
        assert!(gone[0].ends_with(":2500") || gone[1].ends_with(":2500"), "{gone:?}");
        following.is_silent();
        following.terminate();
    }
}
