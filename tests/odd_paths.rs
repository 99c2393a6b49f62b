//! Data directories of any name open what they name, or the error says why.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::dataset::Dataset;
use crate::harness::faults::{bound_by_permissions, stdout_of};
use crate::harness::program::{MODES, assert_refused, run_with_input};
use crate::harness::{Log, auditq};

/// What a URI, a shell, an option parser, a terminal or a decoder could take for something else.
pub(super) const NAMES: [&[u8]; 24] = [
    b"file:x",
    b"file:x?mode=memory&cache=shared",
    b"file:",
    b"file:%78",
    b":memory:",
    b"-data",
    b"--help",
    b"-",
    b"a?b",
    b"a?immutable=1",
    b"a#b",
    b"100%",
    b"%41",
    b"new\nline",
    b"tab\t",
    b" ",
    b"'\"\\",
    b"$HOME",
    b"~",
    b"*",
    b"audit.db",
    b"\xff\xfe",
    "ünï \u{202e}".as_bytes(),
    b"\x1b[31m",
];

/// The program in a directory, on a data directory that is named as it stands.
fn named(at: &Path, name: &[u8], arguments: &[&str]) -> Command {
    let mut option = b"--data-dir=".to_vec();
    option.extend_from_slice(name);
    let mut command = auditq();
    command.current_dir(at).arg(OsStr::from_bytes(&option)).args(arguments);
    command
}

fn names_in(place: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    names
}

#[test]
fn a_relative_path_of_any_name_opens_what_it_names() {
    let model = Dataset::of(200);
    let questions: [&[&str]; 4] = [
        &["query", "--page", "3", "--size", "30"],
        &["query", "--all"],
        &["query", "--count"],
        &["query", "--batch", "-"],
    ];
    let ask = |mut command: Command, mode| {
        command.args(["--mode", mode]);
        stdout_of(&run_with_input(command, b"{\"page\": 2}\n"))
    };
    let expected = questions.map(|question| {
        let mut command = auditq();
        command.arg("--data-dir").arg(model.root()).args(question);
        ask(command, "baseline")
    });
    for name in NAMES {
        let place = tempfile::tempdir().unwrap();
        let what = String::from_utf8_lossy(name).into_owned();
        // Seeded by that name, written and read by that name; nothing else is made.
        let seeded = named(place.path(), name, &["seed", "--events", "200"])
            .output()
            .unwrap();
        assert_eq!(seeded.status.code(), Some(0), "{what:?}: {seeded:?}");
        let root = place.path().join(OsStr::from_bytes(name));
        assert_eq!(names_in(place.path()), [root.as_path()], "{what:?}");
        for mode in MODES {
            for (question, expected) in questions.iter().zip(&expected) {
                let found = ask(named(place.path(), name, question), mode);
                assert_eq!(found, *expected, "{what:?}: {question:?}");
            }
            let mut by_environment = auditq();
            by_environment
                .current_dir(place.path())
                .env("AUDITQ_DATA_DIR", OsStr::from_bytes(name))
                .args(questions[0]);
            assert_eq!(ask(by_environment, mode), expected[0], "{what:?}, by the environment");
        }
        assert_eq!(names_in(place.path()), [root.as_path()], "{what:?}");
    }
}

/// A copy of the log is made and written to beside it.
#[test]
fn a_bench_beside_a_writer_on_a_log_of_any_name() {
    for name in [&b"file:x"[..], b":memory:"] {
        let place = tempfile::tempdir().unwrap();
        let run = |arguments: &[&str]| {
            let mut command = named(place.path(), name, arguments);
            // Where the copy goes if it cannot lie beside the log.
            command.env("TMPDIR", "file:tmp");
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        };
        // Of the first four requests one has events, and each client asks once at least, however short a turn is.
        run(&["seed", "--events", "16000"]);
        run(&[
            "bench",
            "--workload",
            "deep",
            "--requests",
            "4",
            "--rounds",
            "1",
            "--threads",
            "4",
            "--write-rate",
            "20",
            "--write-seconds",
            "0.2",
        ]);
        assert_eq!(names_in(place.path()).len(), 1);
    }
}

/// Read without locks, by a URI of the program's own.
#[test]
fn a_log_of_any_name_that_can_only_be_read() {
    for name in NAMES {
        let log = Log::plain(300);
        log.journal_mode("wal");
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join(OsStr::from_bytes(name));
        fs::create_dir(&root).unwrap();
        for file in ["audit.db", "payloads.jsonl"] {
            fs::copy(log.path(file), root.join(file)).unwrap();
        }
        fs::set_permissions(&root, Permissions::from_mode(0o555)).unwrap();
        let expected = log.lines(&["query", "--page", "2"]);
        for mode in MODES {
            let mut command = bound_by_permissions(&root, &["query", "--page", "2", "--mode", mode]);
            command.current_dir(place.path());
            let found = stdout_of(&command.output().unwrap());
            assert_eq!(found, expected, "{:?}, {mode}", String::from_utf8_lossy(name));
        }
        fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
    }
}

/// A directory whose database has a path of so many bytes from the root on.
fn deep(place: &Path, len: usize) -> PathBuf {
    let mut root = place.canonicalize().unwrap();
    let left = |root: &Path| len - root.as_os_str().len() - "/audit.db".len();
    while left(&root) > 120 {
        root.push("d".repeat(100));
    }
    let rest = left(&root);
    root.push("e".repeat(rest - 1));
    root
}

/// Where SQLite's bound on the length of a path lies, an index that knows the answer changes nothing.
#[test]
fn a_path_that_is_too_long_is_said_to_be() {
    for len in [470, 483, 484, 485, 503, 504, 505, 511, 512, 513, 700] {
        let place = tempfile::tempdir().unwrap();
        let (short, long) = (place.path().join("short"), deep(place.path(), len));
        fs::create_dir_all(long.parent().unwrap()).unwrap();
        let ask = |root: &Path, mode: &str| -> Output {
            auditq()
                .arg("--data-dir")
                .arg(root)
                .args(["query", "--page", "3", "--mode", mode])
                .output()
                .unwrap()
        };
        let seeded = auditq()
            .arg("--data-dir")
            .arg(&short)
            .args(["seed", "--events", "300"])
            .output()
            .unwrap();
        stdout_of(&seeded);
        let expected = ask(&short, "enhanced");
        fs::rename(&short, &long).unwrap();
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&long, &link).unwrap();
        for root in [&long, &link] {
            let [baseline, enhanced] = MODES.map(|mode| ask(root, mode));
            assert_eq!(enhanced, baseline, "{len}: {}", root.display());
            if len <= 504 {
                assert_eq!(stdout_of(&baseline), stdout_of(&expected), "{len}");
            } else {
                assert_refused(&baseline, &["bytes", "504"], &format!("{len}"));
            }
        }
        fs::remove_dir_all(&long).unwrap();
        let seeded = auditq()
            .arg("--data-dir")
            .arg(&long)
            .args(["seed", "--events", "300"])
            .output()
            .unwrap();
        if len <= 484 {
            stdout_of(&seeded);
        } else {
            assert_refused(&seeded, &["bytes"], &format!("seed, {len}"));
        }
    }
}
