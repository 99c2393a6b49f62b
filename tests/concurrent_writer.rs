//! A writer commits without pause while 16 threads ask: nobody misses an event whose commit had returned.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use auditq::engine::{Engine, Enhanced, Lifetime};
use auditq::model::{Filter, Key, Page, Position, Query};

use crate::harness::faults::auditq_on;
use crate::harness::needs::needs;
use crate::harness::verified::verified;
use crate::harness::{Log, python, seconds};

/// How long it is waited until there was a race, beyond its time.
const PATIENCE: Duration = Duration::from_secs(180);

/// Commits an event, says its id, and so on; sometimes it rests, so that the index gets to be true.
const WRITER: &str = "
import sqlite3, sys, time
c = sqlite3.connect('audit.db', isolation_level=None, timeout=60)
n = c.execute('SELECT max(id) FROM audit_events').fetchone()[0]
while True:
    n += 1
    c.execute(\"INSERT INTO audit_events SELECT ?, 1000000 + ? / 2, 3, 'UPDATE', 'X', 'X', payload_offset, payload_len FROM audit_events WHERE id = 1\", (n, n))
    print(n, flush=True)
    if n % 200 == 0:
        time.sleep(0.15)
";

/// The same, but each event that comes takes the place of the oldest one, so that the log stays as short as it is: what a
/// build from scratch costs after each refresh must not rise with every commit.
const ROTATING_WRITER: &str = "
import sqlite3, time
c = sqlite3.connect('audit.db', isolation_level=None, timeout=60)
first, n = c.execute('SELECT min(id), max(id) FROM audit_events WHERE id > 1').fetchone()
while True:
    n += 1
    c.execute('BEGIN IMMEDIATE')
    c.execute(\"INSERT INTO audit_events SELECT ?, 1000000 + ? / 2, 3, 'UPDATE', 'X', 'X', payload_offset, payload_len FROM audit_events WHERE id = 1\", (n, n))
    c.execute('DELETE FROM audit_events WHERE id = ?', (first,))
    c.execute('COMMIT')
    first += 1
    print(n, flush=True)
    if n % 200 == 0:
        time.sleep(0.15)
";

/// The newest id by each way into the log, which must not lie before `committed`.
fn newest(enhanced: &Enhanced, page: &mut Page, round: u64) -> i64 {
    let (actor_id, action) = (Some(3), Some("UPDATE".to_owned()));
    let filter = match round % 4 {
        0 => Filter::ALL,
        1 => Filter {
            actor_id,
            ..Filter::ALL
        },
        2 => Filter { action, ..Filter::ALL },
        _ => Filter {
            actor_id,
            action,
            ..Filter::ALL
        },
    };
    let position = match round % 3 {
        0 => Position::After(Key {
            created_at: i64::MAX,
            id: i64::MAX,
        }),
        _ => Position::Page(1),
    };
    enhanced.page(&Query::new(filter, position, 2).unwrap(), page).unwrap();
    page.events().next().unwrap().id
}

fn race(journal_mode: &str, writer: &str) {
    let log = Log::plain(300);
    log.journal_mode(journal_mode);
    let mut writer = python(writer)
        .current_dir(log.root())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let committed = AtomicI64::new(0);
    let over = AtomicBool::new(false);
    let asked = AtomicU64::new(0);
    let enhanced = log.enhanced(Lifetime::LongLived);
    let replies = BufReader::new(writer.stdout.take().unwrap());
    let time = seconds("AUDITQ_RACE_SECONDS", 10);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for line in replies.lines() {
                committed.store(line.unwrap().parse().unwrap(), Ordering::SeqCst);
            }
        });
        for thread in 0..16 {
            let (enhanced, committed, over, asked) = (&enhanced, &committed, &over, &asked);
            scope.spawn(move || {
                let mut page = Page::default();
                for round in thread.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let before = committed.load(Ordering::SeqCst);
                    let seen = newest(enhanced, &mut page, round);
                    if seen < before {
                        over.store(true, Ordering::Relaxed);
                        panic!("{seen} is the newest event seen, but {before} was committed before");
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let start = Instant::now();
        // A busy machine, or a slow disk, takes longer to make a race of it.
        let is_race = || asked.load(Ordering::Relaxed) > 1_000 && committed.load(Ordering::Relaxed) > 400;
        while (start.elapsed() < time || !is_race())
            && !over.load(Ordering::Relaxed)
            && start.elapsed() < time + PATIENCE
        {
            std::thread::sleep(Duration::from_millis(50));
        }
        over.store(true, Ordering::Relaxed);
        writer.kill().unwrap();
        writer.wait().unwrap();
    });
    let (asked, committed) = (asked.into_inner(), committed.into_inner());
    assert!(
        asked > 1_000 && committed > 400,
        "{asked} requests and {committed} commits are no race"
    );
}

#[test]
fn with_a_rollback_journal() {
    needs!(Python);
    race("delete", WRITER);
}

#[test]
fn with_a_write_ahead_log() {
    needs!(Python);
    race("wal", WRITER);
}

#[test]
fn verified_with_a_rollback_journal() {
    needs!(Python);
    verified("concurrent_writer::verified_with_a_rollback_journal", || {
        race("delete", ROTATING_WRITER);
    });
}

#[test]
fn verified_with_a_write_ahead_log() {
    needs!(Python);
    verified("concurrent_writer::verified_with_a_write_ahead_log", || {
        race("wal", ROTATING_WRITER);
    });
}

/// Commits as the service does, which waits for 5 s, and says how long that took.
const COMMIT: &str = "
import sqlite3, time
begun = time.monotonic()
c = sqlite3.connect('audit.db')
table = c.execute(\"SELECT name FROM sqlite_schema WHERE type = 'table'\").fetchone()[0]
c.execute(f\"INSERT INTO {table} SELECT max(id) + 1, created_at, 3, 'UPDATE', 'X', 'X', payload_offset, payload_len FROM {table}\")
c.commit()
print(time.monotonic() - begun)
";

/// No lock is held at a slow reader's pace: the commit comes through, and at once. A disk or a machine with other work
/// holds one commit up, not every one.
#[track_caller]
fn commits_beside_a_slow_reader(log: &Log, arguments: &[&str]) {
    let mut took = Vec::new();
    for _ in 0..5 {
        took.push(commit_beside_a_slow_reader(log, arguments));
        if took.last().is_some_and(|took| *took < 1.0) {
            return;
        }
    }
    panic!("{arguments:?}: commits waited for {took:?} s");
}

/// Reads one line of everything, and no more until somebody has committed; gives how many seconds that took.
#[track_caller]
fn commit_beside_a_slow_reader(log: &Log, arguments: &[&str]) -> f64 {
    let expected = log.lines(arguments);
    let mut reading = auditq_on(log.root(), arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(reading.stdout.take().unwrap());
    let mut said = String::new();
    output.read_line(&mut said).unwrap();
    let committed = python(COMMIT).current_dir(log.root()).output().unwrap();
    assert!(
        reading.try_wait().unwrap().is_none(),
        "{arguments:?}: the output fits a pipe"
    );
    output.read_to_string(&mut said).unwrap();
    assert!(reading.wait().unwrap().success(), "{arguments:?}");
    let errors = String::from_utf8_lossy(&committed.stderr);
    assert!(committed.status.success(), "{arguments:?}: {errors}");
    assert!(said == expected, "{arguments:?}: not all from one moment of the log");
    String::from_utf8_lossy(&committed.stdout).trim().parse().unwrap()
}

#[test]
fn a_slow_reader_keeps_nobody_from_committing() {
    needs!(Python);
    let log = Log::plain(5_000);
    for journal_mode in ["delete", "wal"] {
        log.journal_mode(journal_mode);
        for format in ["jsonl", "table"] {
            commits_beside_a_slow_reader(&log, &["query", "--all", "--mode", "baseline", "--format", format]);
            commits_beside_a_slow_reader(&log, &["query", "--all", "--format", format]);
        }
    }
    // A view cannot be indexed.
    log.sql(
        "PRAGMA journal_mode = delete; ALTER TABLE audit_events RENAME TO events;
         CREATE VIEW audit_events AS SELECT * FROM events",
    );
    commits_beside_a_slow_reader(&log, &["query", "--all"]);
    commits_beside_a_slow_reader(&log, &["query", "--all", "--action", "UPDATE"]);
}
