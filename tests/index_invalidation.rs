//! After any change by another process, a new process and one that has been running both answer as the baseline
//! does: never from an index that is no longer true.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use auditq::engine::{Engine, Enhanced, Lifetime};
use auditq::model::{Filter, Key, Position, Query};

use crate::harness::needs::needs;
use crate::harness::{Log, answer, filter, page, python};

/// Requests whose answers between them show every event, by every way into the index.
fn queries() -> Vec<Query> {
    let query = |filter, position| Query::new(filter, position, 400).unwrap();
    let window = Filter {
        from_ts: 1_000_010,
        to_ts: 1_000_050,
        ..Filter::ALL
    };
    let cursor = Position::After(Key {
        created_at: 1_000_100,
        id: 7,
    });
    vec![
        query(Filter::ALL, Position::Page(1)),
        query(Filter::ALL, cursor),
        query(filter(Some(3), None), Position::Page(1)),
        query(filter(None, Some("UPDATE")), Position::Page(1)),
        query(window, Position::Page(1)),
        page(3, 20),
    ]
}

/// A running engine and the log it runs on.
struct Watched {
    log: Log,
    running: Enhanced,
}

impl Watched {
    fn new(journal_mode: &str) -> Self {
        let log = Log::plain(300);
        log.journal_mode(journal_mode);
        log.lines(&["query", "--size", "1"]);
        let running = log.enhanced(Lifetime::LongLived);
        let watched = Watched { log, running };
        watched.all_agree("before");
        watched
    }

    /// The running engine first, because a new process may refresh the index.
    fn all_agree(&self, what: &str) {
        let new = self.log.enhanced(Lifetime::OneShot);
        for query in queries() {
            let expected = answer(&self.log.baseline(), &query);
            assert_eq!(answer(&self.running, &query), expected, "running, {what}: {query:?}");
            assert_eq!(answer(&new, &query), expected, "new, {what}: {query:?}");
            let count = self.log.baseline().count(query.filter()).unwrap();
            assert_eq!(
                self.running.count(query.filter()).unwrap(),
                count,
                "running, {what}: {query:?}"
            );
            assert_eq!(new.count(query.filter()).unwrap(), count, "new, {what}: {query:?}");
        }
        let program = |mode| self.log.lines(&["query", "--mode", mode, "--size", "300"]);
        assert_eq!(program("enhanced"), program("baseline"), "{what}");
        assert_eq!(
            program("enhanced"),
            program("baseline"),
            "{what}, by the index refreshed"
        );
    }

    /// Runs SQL as another process, which then closes its connection.
    fn changed_by(&self, what: &str, sql: &str) {
        let before = answer(&self.log.baseline(), &queries()[0]);
        self.log.python(&format!(
            "import sqlite3\nc = sqlite3.connect('audit.db', isolation_level=None)\nfor s in {sql:?}.split(';'): c.execute(s).fetchall()\nc.close()"
        ));
        self.all_agree(what);
        if !what.starts_with("no change") {
            assert_ne!(
                answer(&self.log.baseline(), &queries()[0]),
                before,
                "{what} changes what is seen"
            );
        }
    }
}

const INSERT: &str = "INSERT INTO audit_events (created_at, actor_id, action, resource_type, resource_id, payload_offset, payload_len) VALUES";

fn in_both_modes(test: impl Fn(&Watched)) {
    for mode in ["delete", "wal"] {
        test(&Watched::new(mode));
    }
}

#[test]
fn an_insert() {
    needs!(Python);
    in_both_modes(|watched| {
        let payload = "0, (SELECT payload_len FROM audit_events WHERE id = 1)";
        watched.changed_by(
            "insert",
            &format!("{INSERT} (2000000, 3, 'UPDATE', 'X', 'X-1', {payload})"),
        );
    });
}

#[test]
fn a_late_insert() {
    needs!(Python);
    in_both_modes(|watched| {
        let sql = format!(
            "{INSERT} (1000020, 3, 'NEW', 'X', 'X-1', (SELECT payload_offset FROM audit_events WHERE id = 5), (SELECT payload_len FROM audit_events WHERE id = 5))"
        );
        watched.changed_by("late insert", &sql);
    });
}

#[test]
fn an_update_of_each_column() {
    needs!(Python);
    in_both_modes(|watched| {
        for change in [
            "created_at = 1000001",
            "actor_id = 3",
            "action = 'OTHER'",
            "resource_type = 'T'",
            "resource_id = 'R'",
            "payload_offset = 0, payload_len = (SELECT payload_len FROM audit_events WHERE id = 1)",
        ] {
            watched.changed_by(change, &format!("UPDATE audit_events SET {change} WHERE id = 250"));
        }
    });
}

#[test]
fn a_delete_and_a_reinsert_of_one_id() {
    needs!(Python);
    in_both_modes(|watched| {
        watched.changed_by("delete", "DELETE FROM audit_events WHERE id IN (5, 250)");
        let again = "(250, 1000099, 3, 'AGAIN', 'X', 'X-2', 0, (SELECT payload_len FROM audit_events WHERE id = 1))";
        watched.changed_by("insert again", &format!("INSERT INTO audit_events VALUES {again}"));
        let swap = format!(
            "BEGIN; DELETE FROM audit_events WHERE id = 250; INSERT INTO audit_events VALUES {}; COMMIT",
            again.replace("AGAIN", "TWICE")
        );
        watched.changed_by("delete and insert at once", &swap);
    });
}

#[test]
fn a_vacuum_a_checkpoint_and_a_change_of_schema() {
    needs!(Python);
    in_both_modes(|watched| {
        watched.changed_by("no change: vacuum", "VACUUM");
        watched.changed_by(
            "insert",
            &format!("{INSERT} (1000020, 3, 'A', 'X', 'X-1', 0, (SELECT payload_len FROM audit_events WHERE id = 1))"),
        );
        watched.changed_by("no change: checkpoint", "PRAGMA wal_checkpoint(TRUNCATE)");
        watched.changed_by("no change: analyze", "ANALYZE");
        watched.changed_by("no change: index dropped", "DROP INDEX idx_created_at");
        watched.changed_by(
            "no change: index made",
            "CREATE INDEX idx_created_at ON audit_events (created_at)",
        );
    });
}

#[test]
fn a_switch_of_journal_mode_and_back() {
    needs!(Python);
    in_both_modes(|watched| {
        for round in 0..3 {
            let insert = format!(
                "{INSERT} ({}, 3, 'A', 'X', 'X-1', 0, (SELECT payload_len FROM audit_events WHERE id = 1))",
                1_000_030 + round
            );
            for mode in ["wal", "delete", "truncate", "persist", "memory"] {
                watched.changed_by(
                    &format!("to {mode}"),
                    &format!("PRAGMA journal_mode = {mode}; {insert}"),
                );
            }
        }
    });
}

/// A writer that stays connected keeps the write-ahead log from being copied away at its close.
#[test]
fn a_writer_that_stays_and_then_closes() {
    needs!(Python);
    in_both_modes(|watched| {
        let mut writer = python(
            "import sqlite3, sys\nc = sqlite3.connect('audit.db', isolation_level=None)\nfor line in sys.stdin:\n    c.execute(line).fetchall()\n    print('done', flush=True)\nc.close()",
        )
        .current_dir(watched.log.root())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
        let mut statements = writer.stdin.take().unwrap();
        let mut replies = std::io::BufReader::new(writer.stdout.take().unwrap());
        for number in 0..5 {
            let values = format!(
                "({}, 3, 'W', 'X', 'X-1', 0, (SELECT payload_len FROM audit_events WHERE id = 1))",
                1_000_040 + number
            );
            std::io::Write::write_all(&mut statements, format!("{INSERT} {values}\n").as_bytes()).unwrap();
            std::io::BufRead::read_line(&mut replies, &mut String::new()).unwrap();
            watched.all_agree(&format!("insert {number} of a writer that stays"));
        }
        drop(statements);
        assert!(writer.wait().unwrap().success());
        watched.all_agree("the writer has closed");
    });
}

#[test]
fn a_backup_copied_over_and_a_backup_moved_into_place() {
    needs!(Python);
    in_both_modes(|watched| {
        let log = &watched.log;
        log.python("import sqlite3\na = sqlite3.connect('audit.db'); b = sqlite3.connect('backup.db')\na.backup(b)");
        for restore in [
            "shutil.copyfile('backup.db', 'audit.db')",
            "os.rename('copy.db', 'audit.db')",
        ] {
            watched.changed_by("delete", "DELETE FROM audit_events WHERE id > 200");
            log.python(&format!(
                "import os, shutil\nshutil.copyfile('backup.db', 'copy.db')\n{restore}\n\
                 for end in ('-wal', '-shm'):\n    if os.path.exists('audit.db' + end): os.remove('audit.db' + end)"
            ));
            watched.all_agree(restore);
            assert_eq!(watched.running.count(&Filter::ALL).unwrap(), 300, "{restore}");
        }
    });
}

/// A directory swapped for another as a whole is seen within a clock tick: the one thing that is not seen at
/// once.
#[test]
fn a_directory_moved_into_place() {
    let outer = tempfile::tempdir().unwrap();
    let (log, other) = (Log::plain(300), Log::plain(100));
    let place = outer.path().join("data");
    fs::rename(log.root(), &place).unwrap();
    let dir = auditq::storage::data_dir::DataDir::new(&place);
    let running = Enhanced::open(&dir, Lifetime::OneShot, Box::new(|_, _| {}));
    running.maintain(&|_, _| {}).unwrap();
    assert_eq!(running.count(&Filter::ALL).unwrap(), 300);
    fs::rename(&place, outer.path().join("old")).unwrap();
    fs::rename(other.root(), &place).unwrap();
    let swapped = Instant::now();
    loop {
        // Before the question: who is stopped within it for a second has not asked that late.
        let is_long_ago = swapped.elapsed() > Duration::from_secs(1);
        if running.count(&Filter::ALL).unwrap() == 100 {
            break;
        }
        assert!(!is_long_ago, "the other directory is never seen");
    }
    let baseline = auditq::engine::Baseline::new(&dir);
    assert_eq!(answer(&running, &page(1, 50)), answer(&baseline, &page(1, 50)));
}

/// A writer killed in the middle of a commit leaves a hot journal, or frames that no commit follows.
#[test]
fn a_writer_killed_in_the_middle_of_a_commit() {
    needs!(Python);
    for mode in ["delete", "wal"] {
        for pages in [1, 50] {
            let watched = Watched::new(mode);
            let mut writer = python(&format!(
                "import os, signal, sqlite3\nc = sqlite3.connect('audit.db', isolation_level=None)\n\
                 c.execute('PRAGMA cache_size = {pages}'); c.execute('PRAGMA cache_spill = 1')\n\
                 c.execute('BEGIN IMMEDIATE')\n\
                 c.execute('UPDATE audit_events SET created_at = created_at + 5000, resource_id = hex(randomblob(3000))')\n\
                 os.kill(os.getpid(), signal.SIGKILL)"
            ))
            .current_dir(watched.log.root())
            .spawn()
            .unwrap();
            assert_eq!(writer.wait().unwrap().signal(), Some(9));
            watched.all_agree(&format!("killed with a cache of {pages} pages"));
            assert_eq!(watched.running.count(&Filter::ALL).unwrap(), 300);
        }
    }
}

#[test]
fn the_payload_file_appended_to_and_replaced() {
    needs!(Python);
    in_both_modes(|watched| {
        watched
            .log
            .python("open('payloads.jsonl', 'a').write('{\"appended\": true}\\n')");
        watched.all_agree("appended");
        let size = fs::metadata(watched.log.path("payloads.jsonl")).unwrap().len() - 19;
        watched.changed_by(
            "insert",
            &format!("{INSERT} (1000200, 3, 'UPDATE', 'X', 'X-1', {size}, 19)"),
        );
        watched.log.python("import os\nd = open('payloads.jsonl').read().replace('note', 'NOTE')\nopen('new', 'w').write(d)\nos.rename('new', 'payloads.jsonl')");
        watched.all_agree("replaced");
        assert!(
            answer(&watched.running, &page(1, 20))
                .unwrap()
                .contains("78, 79, 84, 69"),
            "NOTE, in bytes"
        );
        fs::remove_file(watched.log.path("payloads.jsonl")).unwrap();
        for query in [page(1, 5), page(900, 5)] {
            assert_eq!(
                answer(&watched.running, &query),
                answer(&watched.log.baseline(), &query)
            );
        }
        assert!(
            answer(&watched.running, &page(1, 5))
                .unwrap_err()
                .contains("payloads.jsonl")
        );
    });
}

/// The index is refreshed beside the answers, and used again.
#[test]
fn a_running_process_refreshes_the_index_itself() {
    in_both_modes(|watched| {
        let refreshes = || {
            let counts = watched.running.refreshes();
            counts.by_frames + counts.by_hashes
        };
        let before = refreshes();
        watched.log.sql("DELETE FROM audit_events WHERE id = 250");
        assert_eq!(watched.running.count(&Filter::ALL).unwrap(), 299);
        assert_eq!(refreshes(), before + 1, "one commit, one refresh");
        assert_eq!(watched.running.count(&Filter::ALL).unwrap(), 299);
        assert_eq!(refreshes(), before + 1, "and its state is used again");
        assert_eq!(watched.running.refreshes().by_sqlite, 0, "SQLite had nothing to do");
        watched.all_agree("refreshed");
    });
}

/// The thread beside the answers builds where there is no index, and so does a request for every event: one of them, not
/// each of them.
#[test]
fn whoever_needs_an_index_while_one_is_built_waits_for_that_one() {
    for _ in 0..10 {
        let log = Log::plain(3_000);
        let running = log.enhanced(Lifetime::LongLived);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    running.count(&Filter::ALL).unwrap();
                    let mut events = 0;
                    running
                        .all(&Filter::ALL, &mut |page| {
                            events += page.len();
                            Ok(())
                        })
                        .unwrap();
                    assert_eq!(events, 3_000);
                });
            }
        });
        assert_eq!(running.refreshes().rebuilds, 1);
    }
}

/// SQLite gives the write-ahead log anew to the database's owner whenever root opens it, which moves its ctime and
/// nothing else: with that in a version, a log that somebody writes to would have no index while root reads it.
#[test]
fn readers_leave_the_index_of_a_live_write_ahead_log_current() {
    let log = Log::plain(300);
    log.journal_mode("wal");
    let writer = rusqlite::Connection::open(log.path("audit.db")).unwrap();
    let commit = "UPDATE audit_events SET actor_id = actor_id + 1 WHERE id = 7";
    writer.execute_batch(commit).unwrap();
    assert!(fs::metadata(log.path("audit.db-wal")).unwrap().len() > 0);
    log.lines(&["query", "--count"]);
    let made = || {
        let file = fs::metadata(log.path("audit.idx")).expect("an index was made");
        file.modified().unwrap()
    };
    let first = made();
    for _ in 0..3 {
        log.lines(&["query", "--count", "--mode", "baseline"]);
        log.lines(&["query", "--count"]);
        assert_eq!(made(), first, "the index was made again");
    }
    writer.execute_batch(commit).unwrap();
    let stale = log.enhanced(Lifetime::LongLived);
    assert_eq!(stale.count(&Filter::ALL).unwrap(), 300);
    let counts = stale.refreshes();
    assert_eq!(
        (counts.by_frames, counts.by_hashes, counts.by_sqlite),
        (1, 0, 0),
        "a commit makes it stale"
    );
}

/// After a power failure, and by whoever may write the log, a commit can lie behind the end that an index knows, in a file
/// that has the size and the times of before.
#[test]
fn a_commit_in_a_log_of_the_same_size_and_times() {
    let log = Log::plain(300);
    log.journal_mode("wal");
    let writer = rusqlite::Connection::open(log.path("audit.db")).unwrap();
    // The log starts anew over frames that stay, so that no commit makes it longer.
    writer
        .execute_batch(
            "PRAGMA wal_autocheckpoint = 0;
             UPDATE audit_events SET resource_id = resource_id || '-1';
             PRAGMA wal_checkpoint(RESTART);
             UPDATE audit_events SET actor_id = 98 WHERE id = 7",
        )
        .unwrap();
    log.lines(&["query", "--count"]);
    let state = |name: &str| {
        let file = fs::metadata(log.path(name)).unwrap();
        (file.len(), file.modified().unwrap())
    };
    let before = ["audit.db", "audit.db-wal"].map(state);
    let commit = |actor: i64| {
        let sql = format!("UPDATE audit_events SET actor_id = {actor} WHERE id = 150");
        writer.execute_batch(&sql).unwrap();
        let wal = fs::File::options().write(true).open(log.path("audit.db-wal")).unwrap();
        wal.set_modified(before[1].1).unwrap();
        assert_eq!(["audit.db", "audit.db-wal"].map(state), before);
    };
    let count = |engine: &Enhanced, actor| engine.count(&filter(Some(actor), None)).unwrap();
    let unchanged = log.enhanced(Lifetime::OneShot);
    assert_eq!(count(&unchanged, 98), 1);
    let counts = unchanged.refreshes();
    assert_eq!(
        (counts.by_frames, counts.by_hashes, counts.by_sqlite),
        (0, 0, 0),
        "the index is current"
    );
    commit(99);
    assert_eq!(count(&log.enhanced(Lifetime::OneShot), 99), 1);
    assert_eq!(log.lines(&["query", "--count", "--actor", "99"]), "{\"count\": 1}\n");
}
