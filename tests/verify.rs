//! `auditq verify-baseline`: what is changed is found, named, and shown as expected and as found.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use auditq::contract::digests::{PAYLOADS_SHA256, ROWS_SHA256, our_files};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::dataset::{Dataset, sha256, values};
use crate::harness::program::assert_quiet;
use crate::harness::{auditq, checkout};

fn frozen_dir() -> PathBuf {
    checkout("fixtures/baseline")
}

/// A copy of the frozen files, for a test to change.
fn frozen_copy() -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in our_files() {
        fs::copy(frozen_dir().join(file.name), copy.path().join(file.name)).unwrap();
    }
    copy
}

fn verify(data: &Path, frozen: &Path) -> Output {
    auditq()
        .arg("--data-dir")
        .arg(data)
        .args(["--quiet", "verify-baseline", "--dir"])
        .arg(frozen)
        .output()
        .unwrap()
}

/// The checks that failed, of all of them, and the exit code that goes with it.
fn failures(output: &Output, checks: usize) -> Vec<Value> {
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let all = values(&output.stdout);
    assert_eq!(all.len(), checks, "{all:#?}");
    let failed: Vec<_> = all.into_iter().filter(|check| check["ok"] != true).collect();
    assert_eq!(output.status.code(), Some(i32::from(!failed.is_empty())));
    failed
}

/// The names of the checks that fail on a dataset beside whole frozen files.
fn failing(dataset: &Dataset) -> Vec<String> {
    let failed = failures(&verify(dataset.root(), &frozen_dir()), 7);
    for check in &failed {
        assert!(check["expected"].is_string(), "{check}");
        assert_ne!(check["expected"], check["found"], "{check}");
        let subject = check["subject"].as_str().unwrap();
        assert!(subject.starts_with(dataset.root().to_str().unwrap()), "{check}");
    }
    let name = |check: &Value| check["check"].as_str().unwrap().to_owned();
    failed.iter().map(name).collect()
}

#[test]
fn everything_is_as_the_contract_says() {
    let dataset = Dataset::contract();
    let output = verify(dataset.root(), &frozen_dir());
    assert_quiet(&output, "verify-baseline");
    let checks = values(&output.stdout);
    let names: Vec<_> = checks.iter().map(|check| check["check"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["sha256", "sha256", "sha256", "rows", "objects", "columns", "index"]
    );
    for (check, file) in checks.iter().zip(our_files()) {
        assert_eq!(check["subject"], frozen_dir().join(file.name).to_str().unwrap());
        assert_eq!(check["expected"], file.sha256);
    }
    assert_eq!(checks[2]["found"], PAYLOADS_SHA256);
    assert_eq!(checks[3]["found"], ROWS_SHA256);
    for check in &checks {
        let mut keys: Vec<_> = check.as_object().unwrap().keys().collect();
        keys.sort_unstable();
        assert_eq!(keys, ["check", "expected", "found", "note", "ok", "subject"]);
        assert_eq!(check["expected"], check["found"]);
        assert_eq!(check["ok"], true);
        assert!(check["note"].is_null() || check["check"] == "sha256");
    }
}

#[test]
fn the_default_directory_is_that_of_the_repository() {
    let dataset = Dataset::none();
    let output = auditq()
        .current_dir(checkout(""))
        .arg("--data-dir")
        .arg(dataset.root())
        .arg("verify-baseline")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(values(&output.stdout).len(), 2);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1);
    assert!(
        said.contains("no dataset in") && said.contains("only the frozen files"),
        "{said}"
    );
}

#[test]
fn one_byte_changed_in_a_frozen_file() {
    let nowhere = Dataset::none();
    for file in our_files() {
        let copy = frozen_copy();
        let path = copy.path().join(file.name);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let failed = failures(&verify(nowhere.root(), copy.path()), 2);
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0]["subject"], path.to_str().unwrap());
        assert_eq!(failed[0]["expected"], file.sha256);
        assert_eq!(failed[0]["found"], sha256(&bytes));
    }
}

#[test]
fn a_frozen_file_that_is_missing() {
    let nowhere = Dataset::none();
    let copy = frozen_copy();
    fs::remove_file(copy.path().join("runner.py")).unwrap();
    let failed = failures(&verify(nowhere.root(), copy.path()), 2);
    assert_eq!(failed.len(), 1);
    assert!(failed[0]["subject"].as_str().unwrap().ends_with("runner.py"));
    assert_eq!(failed[0]["found"], Value::Null);
    assert!(failed[0]["note"].as_str().unwrap().contains("no such file"));
    let failed = failures(&verify(nowhere.root(), &copy.path().join("no/such")), 2);
    assert_eq!(failed.len(), 2);
}

/// A table shows both digests where they differ, and the verdict is the same.
#[test]
fn as_a_table() {
    let nowhere = Dataset::none();
    let copy = frozen_copy();
    fs::write(copy.path().join("runner.py"), "").unwrap();
    let output = auditq()
        .arg("--data-dir")
        .arg(nowhere.root())
        .args(["--format", "table", "verify-baseline", "--dir"])
        .arg(copy.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let table = String::from_utf8(output.stdout).unwrap();
    let runner = our_files().into_iter().find(|file| file.name == "runner.py").unwrap();
    for part in [
        "DIFFERS",
        &format!("expected  {}", runner.sha256),
        &format!("found     {}", sha256(b"")),
    ] {
        assert!(table.contains(part), "{part:?} is not in: {table}");
    }
    assert!(!table.contains('\u{1b}'));
}

/// A reader that has gone does not change a verdict.
#[test]
fn a_verdict_that_nobody_reads() {
    let nowhere = Dataset::none();
    for (dir, code) in [(frozen_dir(), 0), (PathBuf::from("no/such"), 1)] {
        let output = auditq()
            .arg("--data-dir")
            .arg(nowhere.root())
            .args(["--quiet", "verify-baseline", "--dir"])
            .arg(dir)
            .stdout(crate::harness::program::pipe_without_reader())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

#[test]
fn a_payload_byte_changed_in_place() {
    let dataset = Dataset::of(200);
    let before = fs::read(dataset.path("payloads.jsonl")).unwrap();
    for at in [0, before.len() / 2, before.len() - 1] {
        let mut bytes = before.clone();
        bytes[at] ^= 1;
        fs::write(dataset.path("payloads.jsonl"), &bytes).unwrap();
        let failed = failures(&verify(dataset.root(), &frozen_dir()), 7);
        assert_eq!(failed.len(), 1, "byte {at}");
        assert_eq!(failed[0]["check"], "sha256");
        assert_eq!(failed[0]["expected"], sha256(&before));
        assert_eq!(failed[0]["found"], sha256(&bytes));
    }
    for bytes in [&before[..before.len() - 1], &[&before[..], b"\n"].concat()] {
        fs::write(dataset.path("payloads.jsonl"), bytes).unwrap();
        assert_eq!(failing(&dataset), ["sha256"]);
    }
    fs::write(dataset.path("payloads.jsonl"), &before).unwrap();
    assert!(failing(&dataset).is_empty());
}

fn sql(dataset: &Dataset, script: &str) {
    let database = rusqlite::Connection::open(dataset.path("audit.db")).unwrap();
    database.execute_batch(script).unwrap();
}

#[test]
fn a_row_changed() {
    for change in [
        "UPDATE audit_events SET created_at = created_at + 1 WHERE id = 200",
        "UPDATE audit_events SET action = 'login' WHERE id = (SELECT min(id) FROM audit_events WHERE action = 'LOGIN')",
        "UPDATE audit_events SET payload_len = payload_len - 1 WHERE id = 7",
        "UPDATE audit_events SET id = 1000 WHERE id = 200",
        "DELETE FROM audit_events WHERE id = 200",
        "INSERT INTO audit_events VALUES (201, 1, 1, 'A', 'T', 'T-1', 0, 1)",
        "DELETE FROM audit_events",
    ] {
        let dataset = Dataset::of(200);
        sql(&dataset, change);
        assert_eq!(failing(&dataset), ["rows"], "{change}");
    }
    // What leaves the rows as they are is no change.
    let dataset = Dataset::of(200);
    sql(
        &dataset,
        "UPDATE audit_events SET actor_id = actor_id; VACUUM; ANALYZE; PRAGMA journal_mode = wal",
    );
    assert!(failing(&dataset).is_empty());
}

#[test]
fn the_schema_changed() {
    for (change, expected) in [
        ("DROP INDEX idx_created_at", &["objects", "index"] as &[&str]),
        ("CREATE INDEX another ON audit_events (actor_id)", &["objects", "index"]),
        ("CREATE TABLE another (x)", &["objects"]),
        ("CREATE VIEW another AS SELECT 1", &["objects"]),
        (
            "CREATE TRIGGER another AFTER INSERT ON audit_events BEGIN SELECT 1; END",
            &["objects"],
        ),
        (
            "DROP INDEX idx_created_at; CREATE INDEX idx_created_at ON audit_events (created_at DESC)",
            &["index"],
        ),
        (
            "DROP INDEX idx_created_at; CREATE INDEX idx_created_at ON audit_events (created_at, id)",
            &["index"],
        ),
        ("ALTER TABLE audit_events ADD COLUMN note TEXT", &["columns"]),
        (
            "ALTER TABLE audit_events RENAME TO old;
             CREATE TABLE audit_events (id INTEGER PRIMARY KEY, created_at INTEGER NOT NULL, actor_id INTEGER NOT NULL,
               action TEXT NOT NULL, resource_type TEXT NOT NULL, resource_id TEXT NOT NULL,
               payload_offset INTEGER NOT NULL, payload_len INTEGER NOT NULL);
             INSERT INTO audit_events SELECT * FROM old; DROP TABLE old;
             CREATE INDEX idx_created_at ON audit_events (created_at)",
            &["columns"],
        ),
    ] {
        let dataset = Dataset::of(200);
        sql(&dataset, change);
        assert_eq!(failing(&dataset), expected, "{change}");
    }
}

#[test]
fn a_part_of_the_dataset_that_is_missing_or_no_part_of_it() {
    let dataset = Dataset::of(200);
    let database = fs::read(dataset.path("audit.db")).unwrap();
    let of_database = ["rows", "objects", "columns", "index"];
    fs::remove_file(dataset.path("audit.db")).unwrap();
    let failed = failures(&verify(dataset.root(), &frozen_dir()), 7);
    assert!(
        failed
            .iter()
            .all(|check| check["found"].is_null() && check["note"] == "no such file"),
        "{failed:#?}"
    );
    assert_eq!(failing(&dataset), of_database);
    fs::write(dataset.path("audit.db"), "no database at all".repeat(100)).unwrap();
    assert_eq!(failing(&dataset), of_database);
    fs::write(dataset.path("audit.db"), &database[..database.len() / 2]).unwrap();
    assert!(failing(&dataset).contains(&"rows".to_owned()));
    fs::write(dataset.path("audit.db"), &database).unwrap();
    fs::remove_file(dataset.path("payloads.jsonl")).unwrap();
    let failed = failures(&verify(dataset.root(), &frozen_dir()), 7);
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["note"], "no such file");
    assert_eq!(failed[0]["found"], Value::Null);
}

/// A scale study is checked against what it should be, and every line of it says that it is not the contract's.
#[test]
fn a_scale_study_is_labelled() {
    let dataset = Dataset::of(300);
    let output = verify(dataset.root(), &frozen_dir());
    assert_quiet(&output, "verify-baseline");
    for check in &values(&output.stdout)[2..] {
        let note = check["note"].as_str().unwrap();
        assert!(
            note.contains("a scale study of 300 events") && note.contains("not the contract dataset"),
            "{note}"
        );
    }
    // Without its label it would have to be the contract's, and is not.
    fs::remove_file(dataset.path("scale-study.json")).unwrap();
    assert_eq!(failing(&dataset), ["sha256", "rows"]);
}

/// A FIFO in the place of a file is named, not waited for.
#[test]
fn a_fifo_in_the_place_of_a_file() {
    let dataset = Dataset::of(200);
    let mut commands = vec![
        vec!["seed", "--events", "200"],
        vec!["verify-baseline", "--dir", "no/such"],
    ];
    commands.push(vec!["verify-baseline", "--dir", dataset.root().to_str().unwrap()]);
    for name in ["payloads.jsonl", "runner.py"] {
        let _ = fs::remove_file(dataset.path(name));
        let made = std::process::Command::new("mkfifo").arg(dataset.path(name)).status();
        assert!(made.unwrap().success());
    }
    for arguments in commands {
        let mut command = crate::harness::faults::auditq_on(dataset.root(), &arguments);
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let start = std::time::Instant::now();
        while child.try_wait().unwrap().is_none() {
            if start.elapsed() > std::time::Duration::from_secs(60) {
                child.kill().unwrap();
                panic!("{arguments:?}: it waits for a writer");
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let output = child.wait_with_output().unwrap();
        crate::harness::program::assert_refused(&output, &["not a regular file"], &format!("{arguments:?}"));
    }
}
