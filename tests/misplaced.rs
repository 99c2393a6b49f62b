//! What stands where a file of the log should be: one line that says what is there, the same from both modes.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::program::{Coprocess, MODES, assert_quiet, assert_refused, run_with_input};
use crate::harness::{Log, auditq};

/// Every way to ask on this directory is refused with the same line, which says all of this and nothing of that.
#[track_caller]
fn is_refused(root: &Path, says: &[&str], says_not: &[&str]) {
    let mut lines: Vec<_> = MODES
        .iter()
        .flat_map(|mode| {
            [&["--size", "3"] as &[&str], &["--all"], &["--count"], &["--batch", "-"]].map(|way| (mode, way))
        })
        .map(|(mode, way)| {
            let mut command = auditq();
            command
                .arg("--data-dir")
                .arg(root)
                .args(["query", "--mode", mode])
                .args(way);
            let output = run_with_input(command, b"{}\n");
            assert_refused(&output, says, &format!("{mode} {way:?}"));
            String::from_utf8(output.stderr).unwrap()
        })
        .collect();
    lines.dedup();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for word in says_not {
        assert!(!lines[0].contains(word), "{word:?} is in: {}", lines[0]);
    }
}

#[test]
fn a_data_directory_that_is_none() {
    let log = Log::plain(5);
    is_refused(&log.path("none"), &["no such data directory", "auditq seed"], &[]);
    for file in [log.path("audit.db"), log.path("payloads.jsonl")] {
        is_refused(
            &file,
            &["no directory", "--data-dir takes the directory"],
            &["no such", "auditq seed"],
        );
    }
    is_refused(
        &log.path("audit.db").join("below"),
        &["below", "no such data directory"],
        &[],
    );
    symlink("nowhere", log.path("dangling")).unwrap();
    is_refused(
        &log.path("dangling"),
        &["a link to nowhere", "mend the link"],
        &["no such", "auditq seed"],
    );
    symlink("circle", log.path("circle")).unwrap();
    is_refused(
        &log.path("circle"),
        &["leads back to itself"],
        &["no such", "auditq seed"],
    );
}

#[test]
fn a_file_that_is_a_link_to_nothing() {
    for name in ["audit.db", "payloads.jsonl"] {
        let log = Log::plain(5);
        assert_quiet(&log.auditq(&["query", "--count"]), name);
        std::fs::rename(log.path(name), log.path("elsewhere")).unwrap();
        is_refused(log.root(), &[name, "the data directory has no", "auditq seed"], &[]);
        symlink("gone\u{1b}[2J", log.path(name)).unwrap();
        is_refused(
            log.root(),
            &[name, "a link to gone\\u{1b}", "mend the link"],
            &["auditq seed", "\u{1b}"],
        );
        std::fs::remove_file(log.path(name)).unwrap();
        symlink(name, log.path(name)).unwrap();
        is_refused(log.root(), &[name, "leads back to itself"], &["auditq seed"]);
    }
}

/// The lines of both modes' coprocesses, which were well until `change`.
fn answers_after(log: &Log, change: impl Fn()) -> Vec<String> {
    let mut coprocesses = MODES.map(|mode| Coprocess::start(log.root(), &["--mode", mode]));
    for coprocess in &mut coprocesses {
        assert!(coprocess.ask("{}").contains("\"count\": 5"));
    }
    change();
    coprocesses.each_mut().map(|coprocess| coprocess.ask("{}")).to_vec()
}

#[test]
fn a_database_that_goes_away_while_it_is_asked() {
    for (name, put) in [
        ("nothing", None),
        ("a dangling link", Some("nowhere")),
        ("a circle", Some("audit.db")),
    ] {
        let log = Log::plain(5);
        let lines = answers_after(&log, || {
            std::fs::rename(log.path("audit.db"), log.path("moved")).unwrap();
            if let Some(target) = put {
                symlink(target, log.path("audit.db")).unwrap();
            }
        });
        assert_eq!(lines[0], lines[1], "{name}");
        let says = ["has no database", "a link to nowhere", "leads back to itself"];
        assert!(says.iter().any(|says| lines[0].contains(says)), "{name}: {}", lines[0]);
        assert!(!lines[0].contains("permissions"), "{name}: {}", lines[0]);
    }
}

#[test]
fn a_whole_directory_or_a_payload_file_that_goes_away_while_it_is_asked() {
    let log = Log::plain(5);
    let lines = answers_after(&log, || {
        std::fs::rename(log.path("payloads.jsonl"), log.path("moved")).unwrap();
    });
    assert_eq!(lines[0], lines[1]);
    assert!(
        lines[0].contains("payloads.jsonl") && lines[0].contains("\"error\""),
        "{}",
        lines[0]
    );
}

#[test]
fn a_limit_of_open_files_is_said_to_be_one() {
    let log = Log::plain(5);
    // Beside a connection, a write-ahead log takes three descriptors to read.
    log.journal_mode("wal");
    let writer = rusqlite::Connection::open(log.path("audit.db")).unwrap();
    writer
        .execute_batch("UPDATE audit_events SET actor_id = 5 WHERE id = 3")
        .unwrap();
    let program: PathBuf = auditq().get_program().into();
    let mut refused = 0;
    for limit in 3..12 {
        for mode in MODES {
            let output = Command::new("sh")
                .args(["-c", "ulimit -n \"$1\"; shift; exec \"$@\"", "sh", &limit.to_string()])
                .arg(&program)
                .arg("--data-dir")
                .arg(log.root())
                .args(["query", "--mode", mode])
                .env_remove("AUDITQ_FORMAT")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            // Below four, the loader itself finds no room.
            if output.status.code() == Some(2) {
                assert!(
                    said.to_lowercase().contains("too many") && said.contains("open"),
                    "{limit} {mode}: {said}"
                );
                refused += 1;
            } else if limit > 4 {
                assert_eq!(output.status.code(), Some(0), "{limit} {mode}: {said}");
            }
        }
    }
    assert!(refused > 0, "no limit was too low");
}

#[test]
fn a_batch_in_another_encoding() {
    let log = Log::plain(5);
    let utf_16: Vec<u8> = "\u{feff}{\"page\": 1}\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (input, says) in [
        (
            &b"\xef\xbb\xbf{\"page\": 1}\n"[..],
            ["byte order mark", "UTF-8 without"],
        ),
        (&utf_16, ["UTF-16", "UTF-8 without"]),
    ] {
        let mut lines: Vec<_> = MODES
            .iter()
            .map(|mode| {
                let mut command = auditq();
                command
                    .arg("--data-dir")
                    .arg(log.root())
                    .args(["query", "--batch", "-", "--mode", mode]);
                let output = run_with_input(command, input);
                assert_eq!(output.status.code(), Some(2));
                String::from_utf8(output.stdout).unwrap()
            })
            .collect();
        lines.dedup();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let first = lines[0].lines().next().unwrap();
        assert!(says.iter().all(|says| first.contains(says)), "{first}");
        assert!(!first.contains("no object"), "{first}");
    }
}
