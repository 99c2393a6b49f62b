//! A database behind symbolic links: SQLite keeps its other files beside the real one, wherever that is.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use auditq::engine::{Engine, Lifetime};
use auditq::model::Filter;

use super::watched::{Did, Watched};
use crate::harness::Log;
use crate::harness::needs::needs;
use crate::harness::program::Coprocess;

const APPEND: &str = "commit_staying('INSERT INTO audit_events SELECT max(id) + 1, max(created_at) + 1, 3, \"NEW\", \"X\", \
                      \"X-1\", 0, (SELECT payload_len FROM audit_events WHERE id = 1) FROM audit_events')";

/// A way from `audit.db` to the real file `elsewhere/real.db`.
type Link = fn(&Path);

/// Links of every shape: relative and absolute, to a file, through a directory that is a link, and by a chain.
const LINKS: [(&str, Link); 5] = [
    ("relative", |root| {
        symlink("elsewhere/real.db", root.join("audit.db")).unwrap()
    }),
    ("absolute", |root| {
        symlink(root.join("elsewhere/real.db"), root.join("audit.db")).unwrap();
    }),
    ("up and down again", |root| {
        symlink("elsewhere/../elsewhere/./real.db", root.join("audit.db")).unwrap();
    }),
    ("through a directory that is a link", |root| {
        symlink("elsewhere", root.join("by")).unwrap();
        symlink("by/real.db", root.join("audit.db")).unwrap();
    }),
    ("a chain", |root| {
        symlink("real.db", root.join("elsewhere/third")).unwrap();
        symlink(root.join("elsewhere/third"), root.join("second")).unwrap();
        symlink("second", root.join("audit.db")).unwrap();
    }),
];

/// A log whose database lies elsewhere.
fn linked(count: i64, link: Link) -> Log {
    let log = Log::plain(count);
    fs::create_dir(log.path("elsewhere")).unwrap();
    fs::rename(log.path("audit.db"), log.path("elsewhere/real.db")).unwrap();
    link(log.root());
    log
}

#[test]
fn commits_behind_a_link_are_followed_at_once() {
    needs!(Python);
    for (mode, way) in [("wal", Did::FRAMES), ("delete", Did::HASHES)] {
        for (what, link) in LINKS {
            let mut watched = Watched::new(linked(300, link), mode);
            let by_sqlite = watched.by_sqlite();
            assert_eq!(watched.after(APPEND), way, "{what}, {mode}");
            assert_eq!(watched.look("again"), Did::NOTHING, "{what}, {mode}");
            let update = "commit_staying('UPDATE audit_events SET actor_id = 8 WHERE id = 17')";
            assert_eq!(watched.after(update), way, "{what}, {mode}");
            if mode == "wal" {
                assert!(watched.log.path("elsewhere/real.db-wal").exists(), "{what}");
                assert!(!watched.log.path("audit.db-wal").exists(), "{what}");
            }
            // By the real path, too.
            watched.writer.run("close()");
            watched.wait_until_disconnected();
            let before = watched.log.baseline().count(&Filter::ALL).unwrap();
            watched.after("elsewhere('''import sqlite3\nc = sqlite3.connect(\"elsewhere/real.db\", isolation_level=None)\nc.execute(\"DELETE FROM audit_events WHERE id = 9\")''')");
            assert_eq!(
                watched.engine.count(&Filter::ALL).unwrap(),
                before - 1,
                "{what}, {mode}"
            );
            let new = watched.log.enhanced(Lifetime::OneShot);
            watched.assert_same(&new, what);
            assert_eq!(
                watched.by_sqlite(),
                by_sqlite,
                "{what}, {mode}: SQLite had nothing to do"
            );
        }
    }
}

/// A killed writer leaves commits in its log, and behind them what it had not committed.
#[test]
fn a_killed_writers_log_behind_a_link() {
    needs!(Python);
    for (what, link) in LINKS {
        let mut watched = Watched::new(linked(3000, link), "wal");
        watched.after(APPEND);
        watched.writer.run(
            "run(staying(), 'UPDATE audit_events SET actor_id = 41 WHERE id = 5')\n\
             run(staying(), 'PRAGMA cache_size = 10', 'BEGIN IMMEDIATE', 'UPDATE audit_events SET actor_id = 42')",
        );
        watched.restart_writer();
        let log = fs::metadata(watched.log.path("elsewhere/real.db-wal")).unwrap();
        assert!(log.len() > 0, "{what}: the log is hot");
        // Who comes anew is the first that asks.
        let new = watched.log.enhanced(Lifetime::OneShot);
        watched.assert_same(&new, what);
        let program = |mode| watched.log.lines(&["query", "--size", "300", "--mode", mode]);
        assert_eq!(program("enhanced"), program("baseline"), "{what}");
        watched.look("killed");
        assert_eq!(
            (watched.count_of_actor(41), watched.count_of_actor(42)),
            (1, 0),
            "{what}"
        );
    }
}

/// What an answer says its count is; a payload in it need not be JSON that Rust reads.
pub(super) fn count_of(answer: &str) -> u64 {
    let (_, count) = answer.split_once("\"count\":").unwrap();
    let digits = count.trim_start().split(|c: char| !c.is_ascii_digit()).next();
    digits.unwrap().parse().unwrap()
}

/// The link is made to lead to another database, and back, while a process answers one request after the other.
#[test]
fn a_link_that_is_switched_while_a_batch_runs() {
    needs!(Python);
    for mode in ["wal", "delete"] {
        let log = linked(300, LINKS[0].1);
        log.journal_mode(mode);
        log.lines(&["query", "--count"]);
        let mut batch = Coprocess::start(log.root(), &[]);
        let mut baseline = Coprocess::start(log.root(), &["--mode", "baseline"]);
        let mut events = |what: &str| {
            let mut count = 0;
            for request in [
                "{\"page_size\": 1000}",
                "{\"page_size\": 1000, \"actor_id\": 3}",
                "{\"page\": 5}",
            ] {
                let answer = batch.ask(request);
                assert_eq!(answer, baseline.ask(request), "{mode}, {what}: {request}");
                count = count.max(count_of(&answer));
            }
            count
        };
        assert_eq!(events("before"), 300);
        // Of the same size and age to the byte, but for one event.
        log.python(
            "import shutil, sqlite3\na = sqlite3.connect('audit.db'); b = sqlite3.connect('elsewhere/other.db')\na.backup(b)\n\
             b.execute('DELETE FROM audit_events WHERE id = 100'); b.commit(); b.close()",
        );
        let switch = |to: &str| {
            symlink(to, log.path("next")).unwrap();
            fs::rename(log.path("next"), log.path("audit.db")).unwrap();
        };
        for round in 0..5 {
            switch("elsewhere/other.db");
            assert_eq!(events(&format!("to the other, round {round}")), 299);
            switch("elsewhere/real.db");
            assert_eq!(events(&format!("and back, round {round}")), 300);
        }
        // In the middle of a chain.
        symlink("elsewhere/real.db", log.path("inner")).unwrap();
        switch("inner");
        assert_eq!(events("a chain"), 300);
        symlink("elsewhere/other.db", log.path("next")).unwrap();
        fs::rename(log.path("next"), log.path("inner")).unwrap();
        assert_eq!(events("the middle of a chain"), 299);
        log.sql("DELETE FROM audit_events WHERE id = 101");
        assert_eq!(events("a commit behind it"), 298);
        drop(batch);
        drop(baseline);
    }
}
