//! Where nothing can be written, every command that reads works, and says the same as where it can.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::harness::companion::Companion;
use crate::harness::faults::{Mounted, auditq_on, bound_by_permissions, stdout_of};
use crate::harness::needs::needs;
use crate::harness::program::{MODES, assert_refused};
use crate::harness::{Log, frozen, python};

const READING: [&[&str]; 6] = [
    &["query", "--page", "3"],
    &["query", "--actor", "3", "--action", "UPDATE"],
    &["query", "--count", "--actor", "3"],
    &["query", "--all"],
    &["query", "--format", "table"],
    &["query", "--after", "1000100:201"],
];

/// The last one has an empty write-ahead log and its index still lying there, as a killed reader leaves them.
const JOURNALS: [&str; 6] = ["delete", "truncate", "persist", "memory", "wal", "wal, read"];

/// Every command that reads, with what it says where everything can be written.
struct Expected {
    said: Vec<(Vec<String>, String)>,
}

impl Expected {
    fn of(log: &Log) -> Self {
        let requests = log.path("requests.jsonl");
        fs::write(&requests, "{\"page\": 9}\n{\"actor_id\": 3}\n{\"page\": 2}\n").unwrap();
        let requests = requests.to_str().unwrap().to_owned();
        let mut said = Vec::new();
        let mut add = |arguments: &[&str]| {
            let output = log.auditq(arguments);
            let arguments = arguments.iter().map(|&it| it.to_owned()).collect();
            said.push((arguments, String::from_utf8(output.stdout).unwrap()));
        };
        for mode in MODES {
            for reading in READING {
                add(&[reading, &["--mode", mode]].concat());
            }
            add(&["query", "--batch", &requests, "--mode", mode]);
        }
        let _ = fs::remove_file(log.path("audit.idx"));
        Expected { said }
    }

    /// `command` makes the program's call; at most `notes` lines may go to standard error.
    fn are_said(&self, command: impl Fn(&[&str]) -> Command, notes: usize, what: &str) {
        for (arguments, expected) in &self.said {
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            let output = command(&arguments).output().unwrap();
            let what = format!("{what}: {arguments:?}");
            assert_eq!(&said(&output, &what), expected, "{what}");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.lines().count() <= notes, "{what}: {said}");
            assert!(
                said.is_empty() || said.contains("lives in memory only") || said.contains("no index is kept"),
                "{what}: {said}"
            );
        }
        let output = command(&["verify-baseline", "--dir", frozen()]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // A verdict: this log is not the contract dataset.
        assert_eq!((output.status.code(), said.as_ref()), (Some(1), ""), "{what}");
    }
}

#[track_caller]
fn said(output: &Output, what: &str) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{what}: {error}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Gives a directory and its files back their permissions, so that it can be removed.
struct Locked<'a>(&'a Path);

impl<'a> Locked<'a> {
    fn lock(root: &'a Path, directory: u32, files: u32) -> Self {
        for entry in fs::read_dir(root).unwrap() {
            fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(files)).unwrap();
        }
        fs::set_permissions(root, Permissions::from_mode(directory)).unwrap();
        Locked(root)
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let _ = fs::set_permissions(self.0, Permissions::from_mode(0o755));
        for entry in fs::read_dir(self.0).into_iter().flatten().flatten() {
            let _ = fs::set_permissions(entry.path(), Permissions::from_mode(0o644));
        }
    }
}

/// A log in a journal mode, closed cleanly, and what is said of it.
fn log_and_expected(journal: &str) -> (Log, Expected) {
    let log = log_in(journal);
    let expected = Expected::of(&log);
    if journal == "wal" {
        for name in ["audit.db-wal", "audit.db-shm"] {
            let _ = fs::remove_file(log.path(name));
        }
    } else if journal == "wal, read" {
        let mut reader = python(
            "import os, signal, sqlite3\nsqlite3.connect('audit.db').execute('SELECT 1 FROM audit_events').fetchone()\n\
             os.kill(os.getpid(), signal.SIGKILL)",
        );
        reader.current_dir(log.root()).status().unwrap();
        assert_eq!(fs::metadata(log.path("audit.db-wal")).unwrap().len(), 0);
        assert!(log.path("audit.db-shm").exists());
    }
    (log, expected)
}

fn log_in(journal: &str) -> Log {
    let log = Log::plain(600);
    if journal.starts_with("wal") {
        log.journal_mode("wal");
    } else {
        // What is left behind of a journal differs.
        log.sql(&format!(
            "PRAGMA journal_mode = {journal}; UPDATE audit_events SET actor_id = 3 WHERE id = 9"
        ));
    }
    log
}

#[test]
fn by_permissions() {
    needs!(Python);
    for journal in JOURNALS {
        let (log, expected) = log_and_expected(journal);
        for (directory, files) in [(0o555, 0o444), (0o555, 0o644), (0o755, 0o444)] {
            let what = format!("{journal}, {directory:o}, {files:o}");
            let locked = Locked::lock(log.root(), directory, files);
            expected.are_said(|it| bound_by_permissions(log.root(), it), 1, &what);
            let written = log.path("audit.idx").exists();
            assert_eq!(written, directory == 0o755, "{what}");
            drop(locked);
            let _ = fs::remove_file(log.path("audit.idx"));
        }
    }
}

#[test]
fn somebody_elses_log() {
    needs!(Python, Root);
    for journal in JOURNALS {
        let (log, expected) = log_and_expected(journal);
        for name in ["", "audit.db", "payloads.jsonl"] {
            std::os::unix::fs::chown(log.root().join(name), Some(65_534), Some(65_534)).unwrap();
        }
        let _locked = Locked::lock(log.root(), 0o755, 0o644);
        expected.are_said(|it| bound_by_permissions(log.root(), it), 1, journal);
        assert!(!log.path("audit.idx").exists());
    }
}

#[test]
fn a_file_system() {
    needs!(Python);
    for journal in JOURNALS {
        let (log, expected) = log_and_expected(journal);
        let what = "a read-only file system; read-only permissions are tested";
        let Some(view) = Mounted::read_only(log.root(), what) else {
            return;
        };
        expected.are_said(|it| auditq_on(view.root(), it), 1, journal);
        // An index that was made before is as true here.
        stdout_of(&log.auditq(&["query", "--page", "3"]));
        expected.are_said(|it| auditq_on(view.root(), it), 0, journal);
    }
}

/// A log that changed a moment ago, where such times prove nothing yet: it is waited for until they do.
#[test]
fn a_young_log_where_times_are_coarse() {
    let log = log_in("wal");
    let Some(overlay) = Mounted::overlay("a log on an overlay") else {
        return;
    };
    for name in ["audit.db", "payloads.jsonl"] {
        fs::copy(log.path(name), overlay.root().join(name)).unwrap();
    }
    let expected = log.lines(&["query", "--mode", "baseline"]);
    // A busy machine may take so long to ask that the log is young no more.
    for round in 0..20 {
        for mode in MODES {
            let _locked = Locked::lock(overlay.root(), 0o555, 0o444);
            let output = bound_by_permissions(overlay.root(), &["query", "--mode", mode])
                .output()
                .unwrap();
            assert_eq!(said(&output, mode), expected, "round {round}, {mode}");
        }
    }
}

/// An index in memory is for those who ask again: a batch says that it has one, once. A page and a count make none,
/// and say so.
#[test]
fn only_who_asks_again_gets_an_index_in_memory() {
    let log = log_in("delete");
    let requests = log.path("requests");
    fs::write(&requests, "{\"page\": 9}\n").unwrap();
    let requests = requests.to_str().unwrap();
    let _locked = Locked::lock(log.root(), 0o555, 0o444);
    let said = |arguments: &[&str]| {
        let output = bound_by_permissions(log.root(), arguments).output().unwrap();
        stdout_of(&output);
        String::from_utf8(output.stderr).unwrap()
    };
    for one_shot in [&READING[..3], &READING[4..]].concat() {
        let said = said(one_shot);
        assert_eq!(said.lines().count(), 1, "{one_shot:?}: {said}");
        assert!(said.contains("no index is kept"), "{one_shot:?}: {said}");
    }
    let batch = said(&["query", "--batch", requests]);
    assert_eq!(batch.lines().count(), 1, "{batch}");
    assert!(batch.contains("lives in memory only"), "{batch}");
}

/// Commands that would write say so.
#[test]
fn a_seed_where_nothing_can_be_written() {
    let log = Log::plain(30);
    let _locked = Locked::lock(log.root(), 0o555, 0o444);
    let arguments = ["seed", "--force", "--events", "300"];
    let output = bound_by_permissions(log.root(), &arguments).output().unwrap();
    assert_refused(&output, &["cannot create", "ermission denied"], "seed");
    let inside = log.root().join("new");
    let output = bound_by_permissions(&inside, &arguments).output().unwrap();
    assert_refused(&output, &["cannot create the data directory"], "seed");
}

/// What a killed writer left can be read only after it was recovered, which is to write.
#[test]
fn what_a_killed_writer_left() {
    needs!(Python);
    for (journal, says) in [("delete", "killed writer"), ("wal", "cannot be opened")] {
        let log = log_in(journal);
        let mut writer = python(
            "import os, signal, sqlite3\nc = sqlite3.connect('audit.db', isolation_level=None)\n\
             c.execute('PRAGMA cache_size = 1'); c.execute('PRAGMA cache_spill = 1')\n\
             c.execute('UPDATE audit_events SET actor_id = 1 WHERE id = 1')\n\
             c.execute('BEGIN IMMEDIATE')\n\
             c.execute('UPDATE audit_events SET resource_id = hex(randomblob(300))')\n\
             os.kill(os.getpid(), signal.SIGKILL)",
        )
        .current_dir(log.root())
        .spawn()
        .unwrap();
        writer.wait().unwrap();
        let _ = fs::remove_file(log.path("audit.db-shm"));
        let locked = Locked::lock(log.root(), 0o555, 0o444);
        for mode in MODES {
            let query = ["query", "--mode", mode];
            let output = bound_by_permissions(log.root(), &query).output().unwrap();
            assert_refused(&output, &["audit.db", says], &format!("{journal}, {mode}"));
        }
        drop(locked);
        let baseline = log.lines(&["query", "--mode", "baseline"]);
        assert_eq!(log.lines(&["query"]), baseline, "{journal}");
    }
}

/// What nobody may write here, somebody else may: each of their commits is seen.
#[test]
fn a_writer_with_more_permissions() {
    let log = log_in("wal");
    let ask = |mode| {
        let query = ["query", "--size", "600", "--mode", mode];
        bound_by_permissions(log.root(), &query).output().unwrap()
    };
    for round in 0..5 {
        log.sql(&format!(
            "UPDATE audit_events SET created_at = created_at + 1000 WHERE id % 7 = {round}"
        ));
        assert!(!log.path("audit.db-wal").exists(), "closed cleanly");
        let expected = log.lines(&["query", "--size", "600", "--mode", "baseline"]);
        let _locked = Locked::lock(log.root(), 0o555, 0o444);
        for mode in MODES {
            assert_eq!(stdout_of(&ask(mode)), expected, "round {round}, {mode}");
        }
    }
}

/// A writer that is at it, and holds what it has written in its log.
#[test]
fn a_writer_that_stays() {
    needs!(Python);
    let log = log_in("wal");
    let expected = Expected::of(&log);
    let _writer = Companion::start(
        log.root(),
        "import sqlite3\nc = sqlite3.connect('audit.db', isolation_level=None)\n\
         for by in (1, -1): c.execute('UPDATE audit_events SET actor_id = actor_id + ?', (by,))",
    );
    assert!(fs::metadata(log.path("audit.db-wal")).unwrap().len() > 0);
    for (directory, files) in [(0o555, 0o644), (0o555, 0o444), (0o755, 0o444)] {
        let what = format!("{directory:o}, {files:o}");
        let _locked = Locked::lock(log.root(), directory, files);
        expected.are_said(|it| bound_by_permissions(log.root(), it), 1, &what);
    }
}
