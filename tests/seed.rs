//! `auditq seed`: the old dataset or none, the same one for everybody, and nothing of others overwritten.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Stdio;
use std::time::{Duration, Instant};

use auditq::contract::digests::{PAYLOADS_SHA256, ROWS_SHA256};
use serde_json::Value;

use crate::harness::auditq;
use crate::harness::dataset::{Dataset, values};
use crate::harness::program::{assert_refused, pipe_without_reader};

const PARTS: [&str; 3] = ["audit.db", "audit.idx", "payloads.jsonl"];
const LABELLED: [&str; 4] = ["audit.db", "audit.idx", "payloads.jsonl", "scale-study.json"];

/// Which file each name leads to, and when it was last written.
fn traces(dataset: &Dataset) -> BTreeMap<String, (u64, i64, i64, u64)> {
    let trace = |name: String| {
        let file = fs::symlink_metadata(dataset.path(&name)).unwrap();
        (name, (file.ino(), file.mtime(), file.mtime_nsec(), file.size()))
    };
    dataset.names().into_iter().map(trace).collect()
}

/// What `verify-baseline` says of the dataset alone: whether every check of it is good.
fn is_whole(dataset: &Dataset) -> bool {
    let output = dataset.auditq(&["--quiet", "verify-baseline", "--dir", "no/such/place"]);
    let checks = values(&output.stdout);
    assert_eq!(checks.len(), 7, "{checks:#?}");
    checks[2..].iter().all(|check| check["ok"] == true)
}

fn refused(dataset: &Dataset, arguments: &[&str], what: &str) {
    let before = traces(dataset);
    let output = dataset.auditq(&[&["seed"], arguments].concat());
    assert_refused(
        &output,
        &[
            dataset.root().to_str().unwrap(),
            "another dataset is there",
            "--force",
            "--data-dir",
        ],
        what,
    );
    assert_eq!(traces(dataset), before, "{what}: nothing is touched");
}

#[test]
fn the_contract_dataset_and_its_digests() {
    let dataset = Dataset::none();
    let (checks, said) = dataset.seeded(&[]);
    assert_eq!(dataset.names(), PARTS);
    assert_eq!(
        said,
        format!("auditq: made the contract dataset in {}\n", dataset.root().display())
    );
    assert_eq!(checks.len(), 2);
    for (check, (name, file, digest)) in checks.iter().zip([
        ("sha256", "payloads.jsonl", PAYLOADS_SHA256),
        ("rows", "audit.db", ROWS_SHA256),
    ]) {
        let mut keys: Vec<_> = check.as_object().unwrap().keys().collect();
        keys.sort_unstable();
        assert_eq!(keys, ["check", "expected", "found", "note", "ok", "subject"]);
        assert_eq!(check["check"], name);
        assert_eq!(check["subject"], dataset.path(file).to_str().unwrap());
        assert_eq!(check["expected"], digest);
        assert_eq!(check["found"], digest);
        assert_eq!(check["ok"], true);
        assert_eq!(check["note"], Value::Null);
    }
    // Again: said, and nothing written.
    let before = traces(&dataset);
    let (again, said) = dataset.seeded(&[]);
    assert_eq!(again, checks);
    assert!(
        said.contains("nothing to do: there already is the contract dataset"),
        "{said}"
    );
    assert_eq!(traces(&dataset), before);
    assert!(is_whole(&dataset));
    // Another spec is another dataset.
    refused(&dataset, &["--events", "200"], "a scale study in its place");
    refused(&dataset, &["--anchor", "2025-12-31"], "another anchor");
}

#[test]
fn a_directory_is_made_with_its_parents() {
    let outer = Dataset::none();
    let output = auditq()
        .arg("--data-dir")
        .arg(outer.path("a/b/c"))
        .args(["seed", "--events", "10"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(outer.path("a/b/c/audit.db").exists());
    fs::write(outer.path("file"), "").unwrap();
    for place in ["file", "file/inside"] {
        let output = auditq()
            .arg("--data-dir")
            .arg(outer.path(place))
            .arg("seed")
            .output()
            .unwrap();
        assert_refused(&output, &[outer.path(place).to_str().unwrap()], place);
    }
}

/// What is done to a dataset, and how.
type Change = (&'static str, fn(&Dataset));

#[test]
fn what_differs_is_refused_and_replaced_by_force() {
    let changes: [Change; 8] = [
        ("a payload byte", |dataset| {
            let mut payloads = fs::read(dataset.path("payloads.jsonl")).unwrap();
            payloads[100] ^= 1;
            fs::write(dataset.path("payloads.jsonl"), payloads).unwrap();
        }),
        ("a payload more", |dataset| {
            let mut payloads = fs::read(dataset.path("payloads.jsonl")).unwrap();
            payloads.extend(b"{}\n");
            fs::write(dataset.path("payloads.jsonl"), payloads).unwrap();
        }),
        ("no payload file", |dataset| {
            fs::remove_file(dataset.path("payloads.jsonl")).unwrap()
        }),
        ("a row", |dataset| {
            sql(dataset, "UPDATE audit_events SET actor_id = 1 WHERE id = 7")
        }),
        ("no rows", |dataset| sql(dataset, "DELETE FROM audit_events")),
        ("the schema", |dataset| sql(dataset, "DROP INDEX idx_created_at")),
        ("no table", |dataset| sql(dataset, "DROP TABLE audit_events")),
        ("no database", |dataset| {
            fs::write(dataset.path("audit.db"), "somebody's notes").unwrap()
        }),
    ];
    for (what, change) in changes {
        let dataset = Dataset::of(200);
        change(&dataset);
        refused(&dataset, &["--events", "200"], what);
        assert!(!is_whole(&dataset), "{what}");
        let (_, said) = dataset.seeded(&["--events", "200", "--force"]);
        assert!(said.contains("made a scale study"), "{what}: {said}");
        assert!(is_whole(&dataset), "{what}");
        assert_eq!(dataset.names(), LABELLED, "{what}");
    }
}

fn sql(dataset: &Dataset, script: &str) {
    let database = rusqlite::Connection::open(dataset.path("audit.db")).unwrap();
    database.execute_batch(script).unwrap();
}

/// What nobody wrote again is found as it was left: the journals of a writer that was killed are somebody's too.
#[test]
fn journals_without_a_database_are_refused() {
    for name in ["audit.db-wal", "audit.db-journal"] {
        let dataset = Dataset::none();
        fs::write(dataset.path(name), "frames").unwrap();
        refused(&dataset, &["--events", "200"], name);
        dataset.seeded(&["--events", "200", "--force"]);
        assert_eq!(dataset.names(), LABELLED);
        assert!(is_whole(&dataset));
    }
}

#[test]
fn a_scale_study_says_what_it_is() {
    let dataset = Dataset::none();
    let name = "a scale study of 300 events up to 1700000000, not the contract dataset";
    let arguments = ["--events", "300", "--anchor", "1700000000"];
    for verb in ["made", "nothing to do: there already is"] {
        let (checks, said) = dataset.seeded(&arguments);
        assert_eq!(said, format!("auditq: {verb} {name} in {}\n", dataset.root().display()));
        for check in &checks {
            assert_eq!(check["note"], name);
            assert_eq!(check["expected"], Value::Null);
            assert!(check["found"].is_string());
        }
        assert_eq!(dataset.names(), LABELLED);
        assert!(is_whole(&dataset));
    }
    // A lost label is put back by whoever knows what it said.
    fs::remove_file(dataset.path("scale-study.json")).unwrap();
    assert!(!is_whole(&dataset));
    dataset.seeded(&arguments);
    assert!(is_whole(&dataset));
    // The contract dataset in its place has none.
    dataset.seeded(&["--force"]);
    assert_eq!(dataset.names(), PARTS);
    assert!(is_whole(&dataset));
}

#[test]
fn a_dataset_of_no_events() {
    let dataset = Dataset::of(0);
    assert!(is_whole(&dataset));
    let output = dataset.auditq(&["query", "--count"]);
    assert_eq!(output.stdout, b"{\"count\": 0}\n");
}

/// Killed between the two renames: the payloads have come, the database has not.
#[test]
fn a_run_that_was_killed_between_its_renames_is_taken_up() {
    let dataset = Dataset::of(200);
    for leftover in [".auditq-audit.db.Xx1", ".auditq-payloads.jsonl.Yy2"] {
        fs::write(dataset.path(leftover), "half").unwrap();
    }
    fs::remove_file(dataset.path("audit.db")).unwrap();
    fs::remove_file(dataset.path("audit.idx")).unwrap();
    let output = dataset.auditq(&["query"]);
    assert_refused(&output, &["audit.db", "no database", "auditq seed"], "half a dataset");
    dataset.seeded(&["--events", "200"]);
    assert!(is_whole(&dataset));
    assert_eq!(dataset.names(), LABELLED);
}

/// A kill at any moment, in even steps over the time that a run takes.
#[test]
fn a_kill_at_any_moment_leaves_the_old_dataset_or_none() {
    const KILLS: u32 = 24;
    let dataset = Dataset::none();
    let run = ["--events", "4000", "--force"];
    let start = Instant::now();
    dataset.seeded(&run);
    let time = start.elapsed();
    let (mut whole, mut none, mut killed) = (0, 0, 0);
    for kill in 0..KILLS {
        dataset.seeded(&["--events", "200", "--force"]);
        let mut seed = auditq()
            .arg("--data-dir")
            .arg(dataset.root())
            .arg("seed")
            .args(run)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until(Instant::now() + time * kill / KILLS);
        seed.kill().unwrap();
        killed += u32::from(!seed.wait().unwrap().success());
        if dataset.path("audit.db").exists() {
            assert!(is_whole(&dataset), "kill {kill} left a dataset that is neither");
            whole += 1;
        } else {
            none += 1;
        }
        // Whatever is left, the next run makes it good and cleans up.
        dataset.seeded(&run);
        assert!(is_whole(&dataset), "kill {kill}");
        assert_eq!(dataset.names(), LABELLED, "kill {kill}");
    }
    assert_eq!(whole + none, KILLS);
    assert!(killed > 0, "no run was killed before its end");
}

/// To the moment itself, which a sleep would miss.
fn wait_until(moment: Instant) {
    while Instant::now() < moment {
        let left = moment.saturating_duration_since(Instant::now());
        if left > Duration::from_millis(2) {
            std::thread::sleep(left / 2);
        }
    }
}

/// Three at once: one makes it, the others find it made, and all say the same.
#[test]
fn three_seeds_at_once() {
    for arguments in [&["--events", "3000"] as &[&str], &["--events", "3000", "--force"]] {
        let dataset = Dataset::none();
        let seed = || {
            auditq()
                .arg("--data-dir")
                .arg(dataset.root())
                .arg("seed")
                .args(arguments)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let outputs = [seed(), seed(), seed()].map(|child| child.wait_with_output().unwrap());
        let mut made = 0;
        for output in &outputs {
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{said}");
            assert_eq!(output.stdout, outputs[0].stdout);
            made += usize::from(said.contains("auditq: made "));
        }
        assert_eq!(made, if arguments.contains(&"--force") { 3 } else { 1 });
        assert!(is_whole(&dataset));
        assert_eq!(dataset.names(), LABELLED);
    }
}

/// Links that somebody planted are never written through, with `--force` or without.
#[test]
fn a_planted_link_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    for name in LABELLED {
        for target_exists in [true, false] {
            let dataset = Dataset::none();
            if target_exists {
                fs::write(&victim, "precious").unwrap();
            } else {
                fs::remove_file(&victim).unwrap();
            }
            symlink(&victim, dataset.path(name)).unwrap();
            let what = format!("{name}, target there: {target_exists}");
            if name == "audit.db" || name == "payloads.jsonl" && target_exists {
                refused(&dataset, &["--events", "200"], &what);
            }
            dataset.seeded(&["--events", "200", "--force"]);
            assert_eq!(dataset.names(), LABELLED, "{what}");
            for name in LABELLED {
                assert!(!dataset.path(name).is_symlink(), "{what}: {name}");
            }
            assert!(is_whole(&dataset), "{what}");
            let left = fs::read(&victim).ok();
            assert_eq!(left.as_deref(), target_exists.then_some(b"precious" as &[u8]), "{what}");
        }
    }
}

#[test]
fn a_reader_that_has_gone_does_not_unmake_it() {
    let dataset = Dataset::none();
    let output = auditq()
        .arg("--data-dir")
        .arg(dataset.root())
        .args(["--quiet", "seed", "--events", "200"])
        .stdout(pipe_without_reader())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
    assert!(is_whole(&dataset));
}
