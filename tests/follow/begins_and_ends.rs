//! Where a feed begins, what it says of files that are replaced or cannot be read, and how it ends.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::feed::{Following, PATIENCE, Said, insert, read_some};
use crate::harness::dataset::values;
use crate::harness::program::MODES;
use crate::harness::{Log, auditq};

#[test]
fn it_begins_behind_a_cursor_with_what_is_newer() {
    for mode in MODES {
        let log = Log::plain(1_300);
        // A place within a second that two events share, and one that no event has.
        for (after, first) in [
            ("1000050:100", 101),
            ("1000050:101", 102),
            ("1000049:7777", 100),
            ("0:0", 1),
        ] {
            let mut following = Following::start(&log, &["--mode", mode, "--after", after]);
            for id in first..=1_300 {
                assert_eq!(following.event()["id"], id, "{mode}, {after}");
            }
            insert(&log, 5_000, 7, "late");
            assert_eq!(following.event()["id"], 5_000);
            log.sql("DELETE FROM audit_events WHERE id = 5000");
            assert_eq!(following.note(), "auditq: removed: 7:5000");
            following.terminate();
        }
        let filtered = ["--mode", mode, "--after", "1000500:0", "--actor", "3"];
        let mut following = Following::start(&log, &filtered);
        let lines = log.lines(&["query", "--actor", "3", "--from", "1000500", "--all"]);
        for expected in values(lines.as_bytes()).into_iter().rev() {
            assert_eq!(following.event(), expected, "{mode}");
        }
        following.terminate();
    }
}

/// What was told before a kill and what is told behind its last line are all of it.
#[test]
fn it_goes_on_behind_its_last_line() {
    for mode in MODES {
        let log = Log::plain(100);
        let mut following = Following::start_and_probe(&log, &["--mode", mode]);
        insert(&log, 201, 2_000_000, "T-1");
        assert_eq!(following.event()["id"], 201);
        drop(following);
        insert(&log, 202, 2_000_000, "T-2");
        insert(&log, 203, 2_000_001, "T-3");
        let mut following = Following::start(&log, &["--mode", mode, "--after", "2000000:201"]);
        assert_eq!(following.event()["id"], 202);
        assert_eq!(following.event()["id"], 203);
        following.terminate();
    }
}

#[test]
fn it_ends_with_the_pipe_and_by_signals() {
    for mode in MODES {
        let log = Log::plain(300);
        for signal in [Signal::INT, Signal::TERM] {
            let following = Following::start_and_probe(&log, &["--mode", mode]);
            following.signal(signal);
            let (status, rest) = following.end();
            assert_eq!((status.code(), rest.len()), (Some(0), 0), "{mode}: {rest:?}");
        }
        // The reader goes while nothing happens.
        let mut child = auditq()
            .arg("--data-dir")
            .arg(log.root())
            .args(["query", "--follow", "--mode", mode, "--after", "1000149:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        read_some(&mut child, 100);
        std::thread::sleep(Duration::from_millis(300));
        drop(child.stdout.take());
        let output = wait(child);
        assert_eq!(
            (output.status.code(), output.stderr.len()),
            (Some(0), 0),
            "{mode}: {output:?}"
        );
    }
}

#[test]
fn a_reader_that_reads_nothing_keeps_it_from_ending_for_a_moment_only() {
    // More than a pipe holds.
    let log = Log::plain(3_000);
    let mut child = auditq()
        .arg("--data-dir")
        .arg(log.root())
        .args(["query", "--follow", "--after", "0:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    read_some(&mut child, 100);
    let id = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(id, Signal::TERM).unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < PATIENCE, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn wait(mut child: std::process::Child) -> std::process::Output {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < PATIENCE, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn an_event_that_cannot_be_read_takes_no_other_along() {
    for mode in MODES {
        let log = Log::plain(300);
        let mut following = Following::start_and_probe(&log, &["--mode", mode]);
        let row =
            |id: i64, len: i64| format!("INSERT INTO audit_events VALUES ({id}, {id}, 1, 'A', 'T', 'T-0', 0, {len});");
        let good = "{\"event\": 1, \"note\": \"ünï \\ud83e\"}\n".len() as i64;
        log.sql(&format!(
            "BEGIN; {} {} {} COMMIT",
            row(901, good),
            row(902, 1 << 40),
            row(903, good)
        ));
        let (mut ids, mut notes) = (Vec::new(), Vec::new());
        while ids.len() + notes.len() < 3 {
            match following.next() {
                Said::Line(line, _) => ids.push(crate::harness::dataset::value(&line)["id"].as_i64().unwrap()),
                Said::Note(note) => notes.push(note),
            }
        }
        assert_eq!(ids, [901, 903], "{mode}");
        let [note] = &notes[..] else { panic!("{notes:?}") };
        assert!(
            note.starts_with("auditq: not shown: 902:902: event 902: payload at offset 0"),
            "{note}"
        );
        following.terminate();
    }
}

#[test]
fn files_that_are_replaced_are_said() {
    for mode in MODES {
        let log = Log::plain(300);
        let mut following = Following::start_and_probe(&log, &["--mode", mode]);
        let other = Log::plain(302);
        std::fs::copy(other.path("payloads.jsonl"), log.path("other.jsonl")).unwrap();
        std::fs::rename(log.path("other.jsonl"), log.path("payloads.jsonl")).unwrap();
        let note = following.note();
        assert!(
            note.contains("payloads.jsonl was replaced by another file"),
            "{mode}: {note}"
        );
        other.sql("DELETE FROM audit_events WHERE id IN (4, 5); UPDATE audit_events SET action = 'OTHER' WHERE id = 6");
        std::fs::rename(other.path("audit.db"), log.path("audit.db")).unwrap();
        let (mut ids, mut notes) = (Vec::new(), Vec::new());
        while ids.len() < 3 || notes.is_empty() {
            match following.next() {
                Said::Line(line, _) => ids.push(crate::harness::dataset::value(&line)["id"].as_i64().unwrap()),
                Said::Note(note) => notes.push(note),
            }
        }
        assert_eq!(ids, [6, 301, 302], "{mode}");
        let [note] = &notes[..] else { panic!("{notes:?}") };
        assert!(
            note.contains("audit.db was replaced by another file: 2 of the events"),
            "{mode}: {note}"
        );
        insert(&log, 400, 400, "T-1");
        assert_eq!(following.event()["id"], 400);
        // Gone for a moment, as between the two renames of a rotation.
        std::fs::rename(log.path("audit.db"), log.path("away.db")).unwrap();
        let note = following.note();
        assert!(
            note.contains("the log is looked at again until it can be read"),
            "{mode}: {note}"
        );
        std::fs::rename(log.path("away.db"), log.path("audit.db")).unwrap();
        insert(&log, 401, 401, "T-1");
        assert_eq!(following.event()["id"], 401, "{mode}");
        following.terminate();
    }
}

/// What no refresh can follow costs a comparison of all rows, and tells the same.
#[test]
fn a_log_that_must_be_indexed_anew_tells_what_changed_and_no_more() {
    for mode in MODES {
        let log = Log::plain(300);
        let mut following = Following::start_and_probe(&log, &["--mode", mode]);
        log.sql("ALTER TABLE audit_events ADD COLUMN note TEXT; UPDATE audit_events SET action = 'NEW' WHERE id = 9");
        assert_eq!(following.event()["id"], 9, "{mode}");
        log.sql("VACUUM");
        log.sql("BEGIN; DROP INDEX idx_created_at; DELETE FROM audit_events WHERE id = 10; COMMIT");
        assert_eq!(following.note(), "auditq: removed: 1000005:10", "{mode}");
        log.sql("CREATE INDEX idx_created_at ON audit_events (created_at)");
        following.is_silent();
        following.terminate();
    }
}

#[test]
fn a_log_that_cannot_be_indexed_is_followed_all_the_same() {
    let log = Log::plain(300);
    let mut following = Following::start_and_probe(&log, &["--from", "1000000"]);
    // A row that no index can hold; the window leaves it out.
    log.sql("INSERT INTO audit_events VALUES (1000, 5, 'text', 'A', 'T', 'T-0', 0, 9)");
    assert!(following.note().contains("the log cannot be indexed"));
    insert(&log, 1_001, 2_000_000, "T-1");
    assert_eq!(following.event()["id"], 1_001);
    log.sql("DELETE FROM audit_events WHERE id = 7");
    assert_eq!(following.note(), "auditq: removed: 1000003:7");
    following.terminate();
    // From the start.
    let mut following = Following::start(&log, &["--from", "1000000", "--after", "1000149:298"]);
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.push(match following.next() {
            Said::Line(line, _) => crate::harness::dataset::value(&line)["id"].to_string(),
            Said::Note(_) => "note".to_owned(),
        });
    }
    seen.sort();
    assert_eq!(seen, ["1001", "299", "300", "note"]);
    following.terminate();
}

#[test]
fn a_table_grows_by_rows() {
    let log = Log::plain(300);
    let mut following = Following::start(&log, &["--format", "table", "--after", "1000149:298"]);
    let mut rows = Vec::new();
    for _ in 0..3 {
        let Said::Line(line, _) = following.next() else {
            panic!("{rows:?}")
        };
        rows.push(line);
    }
    assert!(
        rows[0].trim_start().starts_with("id") && rows[2].trim_start().starts_with("300"),
        "{rows:?}"
    );
    insert(&log, 301, 2_000_000, "T-9");
    let Said::Line(line, _) = following.next() else {
        panic!()
    };
    assert!(line.trim_start().starts_with("301") && line.contains("T-9"), "{line}");
    following.terminate();
}

/// Waiting costs next to nothing: a few wake-ups a second, whatever the machine does beside.
#[test]
fn an_idle_feed_sleeps() {
    for mode in MODES {
        let log = Log::plain(300);
        let following = Following::start_and_probe(&log, &["--mode", mode]);
        let switches = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", following.id())).unwrap();
            let line = status
                .lines()
                .find(|line| line.starts_with("voluntary_ctxt_switches"))
                .unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        std::thread::sleep(Duration::from_millis(500));
        let (before, start) = (switches(), Instant::now());
        std::thread::sleep(Duration::from_secs(3));
        let most = 10 * (start.elapsed().as_secs() + 1);
        let woken = switches() - before;
        assert!(woken <= most, "{mode}: {woken} wake-ups in {:?}", start.elapsed());
        following.terminate();
    }
}
