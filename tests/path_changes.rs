//! Whatever makes a path mean another file while a process lives: the next answer is that of the file it means now.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::harness::Log;
use crate::harness::faults::{auditq_on, stdout_of};
use crate::harness::needs::skipped;
use crate::harness::program::{Coprocess, MODES, run_with_input};

const REQUESTS: [&str; 3] = [
    r#"{"page": 2, "page_size": 20}"#,
    r#"{"actor_id": 3, "page_size": 5}"#,
    r#"{"after": "1000100:7", "page_size": 3}"#,
];

/// Two logs that differ in every answer, though their files have the same names and sizes, and a place for links to them.
struct Logs {
    one: Log,
    other: Log,
    place: tempfile::TempDir,
}

impl Logs {
    fn new() -> Self {
        let (one, other) = (Log::plain(300), Log::plain(300));
        let payloads = fs::read_to_string(other.path("payloads.jsonl")).unwrap();
        fs::write(other.path("payloads.jsonl"), payloads.replace("note", "nota")).unwrap();
        other.sql("UPDATE audit_events SET resource_type = 'OTHER'");
        // So that all engines have an index to trust.
        for log in [&one, &other] {
            log.lines(&["query", "--page", "9"]);
        }
        Logs {
            one,
            other,
            place: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().canonicalize().unwrap().join(name)
    }

    /// A data directory of links to the first log's files.
    fn linked(&self) -> PathBuf {
        let root = self.path("data");
        fs::create_dir(&root).unwrap();
        for name in ["audit.db", "payloads.jsonl"] {
            symlink(self.one.path(name), root.join(name)).unwrap();
        }
        root
    }
}

fn turn(link: &Path, to: &Path) {
    let new = link.with_extension("new");
    symlink(to, &new).unwrap();
    fs::rename(new, link).unwrap();
}

/// Processes of both modes that have answered before `change`, and are asked again after it.
#[track_caller]
fn running_processes_see(root: &Path, what: &str, wait: Duration, change: impl FnOnce()) {
    let mut running = MODES.map(|mode| Coprocess::start(root, &["--mode", mode]));
    let before = expected(root);
    for process in &mut running {
        assert_eq!(
            REQUESTS.map(|request| process.ask(request)).concat(),
            before,
            "{what}, before"
        );
    }
    change();
    std::thread::sleep(wait);
    let after = expected(root);
    assert_ne!(after, before, "{what}: the change shows");
    for (process, mode) in running.iter_mut().zip(MODES) {
        assert_eq!(
            REQUESTS.map(|request| process.ask(request)).concat(),
            after,
            "{what}, {mode}"
        );
    }
}

/// What a new process of the baseline says.
fn expected(root: &Path) -> String {
    let command = auditq_on(root, &["query", "--mode", "baseline", "--batch", "-"]);
    let input = REQUESTS.map(|request| format!("{request}\n")).concat();
    stdout_of(&run_with_input(command, input.as_bytes()))
}

/// A clock tick and more.
const TICKS: Duration = Duration::from_millis(60);
const AT_ONCE: Duration = Duration::ZERO;

#[test]
fn a_link_in_the_place_of_a_file_is_turned() {
    for names in [&["payloads.jsonl"][..], &["audit.db"], &["payloads.jsonl", "audit.db"]] {
        let logs = Logs::new();
        let root = logs.linked();
        running_processes_see(&root, &format!("{names:?} turned"), AT_ONCE, || {
            names
                .iter()
                .for_each(|name| turn(&root.join(name), &logs.other.path(name)));
        });
    }
}

#[test]
fn a_link_behind_a_link_is_turned() {
    let logs = Logs::new();
    let root = logs.linked();
    let inner = logs.path("inner");
    symlink(logs.one.path("payloads.jsonl"), &inner).unwrap();
    turn(&root.join("payloads.jsonl"), &inner);
    running_processes_see(&root, "inner link", AT_ONCE, || {
        turn(&inner, &logs.other.path("payloads.jsonl"));
    });
}

#[test]
fn the_data_directory_or_one_above_it_is_a_link_that_is_turned() {
    let logs = Logs::new();
    let root = logs.path("link");
    symlink(logs.one.root(), &root).unwrap();
    running_processes_see(&root, "data directory", AT_ONCE, || turn(&root, logs.other.root()));

    let logs = Logs::new();
    for (above, log) in [("a", &logs.one), ("b", &logs.other)] {
        fs::create_dir(logs.path(above)).unwrap();
        symlink(log.root(), logs.path(above).join("data")).unwrap();
    }
    symlink(logs.path("a"), logs.path("above")).unwrap();
    let root = logs.path("above").join("data");
    running_processes_see(&root, "above", AT_ONCE, || turn(&logs.path("above"), &logs.path("b")));
}

/// A file that was moved and linked to is the same file still; from then on its path can be turned.
#[test]
fn a_file_that_is_moved_and_linked_to_and_then_the_link_is_turned() {
    for name in ["payloads.jsonl", "audit.db"] {
        let logs = Logs::new();
        let file = logs.one.path(name);
        let moved = logs.path("moved");
        let mut running = MODES.map(|mode| Coprocess::start(logs.one.root(), &["--mode", mode]));
        running.iter_mut().for_each(|process| drop(process.ask(REQUESTS[0])));
        fs::rename(&file, &moved).unwrap();
        symlink(&moved, &file).unwrap();
        for process in &mut running {
            assert_eq!(
                REQUESTS.map(|it| process.ask(it)).concat(),
                expected(logs.one.root()),
                "{name} moved"
            );
        }
        turn(&file, &logs.other.path(name));
        let after = expected(logs.one.root());
        for (process, mode) in running.iter_mut().zip(MODES) {
            assert_eq!(
                REQUESTS.map(|it| process.ask(it)).concat(),
                after,
                "{name} turned, {mode}"
            );
        }
    }
}

/// The write-ahead log lies beside the file that the path leads to *now*.
#[test]
fn a_database_that_is_moved_and_linked_to_and_then_written_to() {
    let logs = Logs::new();
    logs.one.journal_mode("wal");
    let file = logs.one.path("audit.db");
    fs::create_dir(logs.path("elsewhere")).unwrap();
    let moved = logs.path("elsewhere").join("audit.db");
    fs::rename(&file, &moved).unwrap();
    fs::rename(&moved, &file).unwrap();
    logs.one.lines(&["query", "--page", "9"]);
    let mut running = MODES.map(|mode| Coprocess::start(logs.one.root(), &["--mode", mode]));
    running.iter_mut().for_each(|process| drop(process.ask(REQUESTS[0])));
    fs::rename(&file, &moved).unwrap();
    symlink(&moved, &file).unwrap();
    running.iter_mut().for_each(|process| drop(process.ask(REQUESTS[0])));
    let writer = rusqlite::Connection::open(&moved).unwrap();
    for round in 0..3 {
        writer
            .execute("UPDATE audit_events SET resource_id = resource_id || '.' || ?", [round])
            .unwrap();
        let after = expected(logs.one.root());
        assert!(after.contains(&format!(".{round}\"")), "the commit shows");
        for (process, mode) in running.iter_mut().zip(MODES) {
            assert_eq!(
                REQUESTS.map(|it| process.ask(it)).concat(),
                after,
                "round {round}, {mode}"
            );
        }
    }
}

#[test]
fn a_directory_is_moved_away_and_another_into_its_place() {
    let logs = Logs::new();
    let root = logs.path("data");
    for (name, log) in [("data", &logs.one), ("next", &logs.other)] {
        fs::create_dir(logs.path(name)).unwrap();
        for file in ["audit.db", "payloads.jsonl", "audit.idx"] {
            fs::copy(log.path(file), logs.path(name).join(file)).unwrap();
        }
    }
    running_processes_see(&root, "directories", TICKS, || {
        fs::rename(&root, logs.path("old")).unwrap();
        fs::rename(logs.path("next"), &root).unwrap();
    });
}

/// A file system that is mounted, for as long as the value lives.
struct Mount<'a>(&'a Path);

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn something_is_mounted_over_a_file_or_the_directory() {
    for name in ["payloads.jsonl", "audit.db", ""] {
        let logs = Logs::new();
        let (from, over) = (logs.other.path(name), logs.one.path(name));
        let mount = || Command::new("mount").arg("--bind").args([&from, &over]).output();
        if !mount().is_ok_and(|output| output.status.success()) {
            return skipped("a mount over a file", "nothing can be mounted");
        }
        drop(Mount(&over));
        let mut mounted = None;
        running_processes_see(logs.one.root(), &format!("mount over {name:?}"), TICKS, || {
            assert!(mount().unwrap().status.success());
            mounted = Some(Mount(&over));
        });
    }
}
