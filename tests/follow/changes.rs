//! One commit at a time: what it changed is told, and nothing else.

use super::feed::{Following, Said, insert, insertion};
use crate::harness::Log;
use crate::harness::dataset::value;
use crate::harness::program::MODES;

const JOURNALS: [&str; 2] = ["delete", "wal"];

fn in_every_way(test: impl Fn(&Log, &str)) {
    for journal in JOURNALS {
        for mode in MODES {
            let log = Log::plain(300);
            log.journal_mode(journal);
            test(&log, mode);
        }
    }
}

#[test]
fn each_kind_of_change_is_told_once() {
    in_every_way(|log, mode| {
        let mut following = Following::start_and_probe(log, &["--mode", mode]);
        // New, late, under a lower id.
        for (id, created_at) in [(1_000, 2_000_000), (1_001, 999_999), (-5, 1_000_050), (1_002, i64::MAX)] {
            insert(log, id, created_at, "T-1");
            let event = following.event();
            assert_eq!(
                (event["id"].as_i64(), event["created_at"].as_i64()),
                (Some(id), Some(created_at)),
                "{mode}"
            );
            let line = log.lines(&["query", "--mode", mode, "--all"]);
            assert!(line.lines().any(|line| value(line) == event), "as a page shows it");
        }
        log.sql("UPDATE audit_events SET action = 'NEW' WHERE id = 7");
        let event = following.event();
        assert_eq!((event["id"].as_i64(), event["action"].as_str()), (Some(7), Some("NEW")));
        // Elsewhere in the order.
        log.sql("UPDATE audit_events SET created_at = 5 WHERE id = 7");
        let event = following.event();
        assert_eq!((event["id"].as_i64(), event["created_at"].as_i64()), (Some(7), Some(5)));
        // As it was.
        log.sql("UPDATE audit_events SET action = 'NEW' WHERE id = 7");
        log.sql("DELETE FROM audit_events WHERE id = 8");
        assert_eq!(following.note(), "auditq: removed: 1000004:8", "{mode}");
        insert(log, 8, 1_000_004, "T-2");
        assert_eq!(following.event()["resource_id"], "T-2");
        following.is_silent();
        following.terminate();
    });
}

#[test]
fn a_commit_is_told_oldest_first() {
    in_every_way(|log, mode| {
        let mut following = Following::start_and_probe(log, &["--mode", mode]);
        let rows: String = (0..1_200)
            .map(|number: i64| insertion(5_000 + number * 7 % 1_200, 2_000_000 + number * 11 % 90, "T-1"))
            .collect();
        log.sql(&format!("BEGIN; {rows} DELETE FROM audit_events WHERE id < 4; COMMIT"));
        let mut removed = 0;
        let mut keys = Vec::new();
        while keys.len() < 1_200 || removed < 3 {
            match following.next() {
                Said::Line(line, _) => {
                    let event = value(&line);
                    keys.push((event["created_at"].as_i64(), event["id"].as_i64()));
                }
                Said::Note(note) => {
                    assert!(note.starts_with("auditq: removed: "), "{note}");
                    removed += 1;
                }
            }
        }
        assert!(keys.is_sorted_by(|one, next| one < next), "{mode}: {keys:?}");
        following.terminate();
    });
}

#[test]
fn a_filter_tells_what_comes_into_it_and_what_leaves_it() {
    in_every_way(|log, mode| {
        let arguments = ["--mode", mode, "--action", "LOGIN", "--actor", "3", "--from", "1000000"];
        let mut following = Following::start_and_probe(log, &arguments);
        insert(log, 2_001, 3_000_000, "another actor");
        log.sql("UPDATE audit_events SET created_at = 9, actor_id = 3, action = 'LOGIN' WHERE id = 5");
        log.sql("UPDATE audit_events SET resource_id = 'outside the window' WHERE id = 5");
        log.sql("UPDATE audit_events SET actor_id = 3, action = 'LOGIN', created_at = 1000001 WHERE id = 2001");
        let event = following.event();
        assert_eq!(event["id"], 2_001, "{mode}");
        log.sql("UPDATE audit_events SET action = 'LOGOUT' WHERE id = 2001");
        assert_eq!(following.note(), "auditq: removed: 1000001:2001", "{mode}");
        log.sql("DELETE FROM audit_events WHERE id = 2001");
        following.is_silent();
        following.terminate();
    });
}
