//! Something else than a regular file in the place of each file that the program opens or writes: nothing waits, nothing
//! panics, the index is never a reason to fail, and for everything else both modes say the same one line.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::harness::dataset::Dataset;
use crate::harness::faults::{DEEP_BENCH, DEEP_REQUESTS, auditq_on, bound_by_permissions, is_root};
use crate::harness::needs::skipped;
use crate::harness::program::{FOR_EVER, MODES, assert_refused, limited};
use crate::harness::{Log, auditq};

/// What can lie somewhere. Kinds that need root are made by root only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fifo,
    Socket,
    Device,
    Directory,
    LinkToFifo,
    LinkToDevice,
    LinkToDirectory,
    DanglingLink,
    LinkLoop,
    NoRights,
}

const KINDS: [Kind; 10] = [
    Kind::Fifo,
    Kind::Socket,
    Kind::Device,
    Kind::Directory,
    Kind::LinkToFifo,
    Kind::LinkToDevice,
    Kind::LinkToDirectory,
    Kind::DanglingLink,
    Kind::LinkLoop,
    Kind::NoRights,
];

impl Kind {
    /// Puts it at `path`, in the place of what is there. Whether that can be done here.
    fn put(self, path: &Path) -> bool {
        if self == Kind::NoRights {
            if !path.is_file() {
                remove(path);
                fs::write(path, "x").unwrap();
            }
            fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
            return true;
        }
        remove(path);
        let beside = path.with_extension("beside");
        remove(&beside);
        match self {
            Kind::Fifo => mkfifo(path),
            Kind::Socket => drop(UnixListener::bind(path).unwrap()),
            Kind::Device => {
                let made = Command::new("mknod")
                    .arg(path)
                    .args(["c", "1", "5"])
                    .stderr(Stdio::null())
                    .status();
                if !made.is_ok_and(|status| status.success()) {
                    skipped("a device", "mknod is not allowed here");
                    return false;
                }
            }
            Kind::Directory => fs::create_dir(path).unwrap(),
            Kind::LinkToFifo => {
                mkfifo(&beside);
                symlink(&beside, path).unwrap();
            }
            Kind::LinkToDevice => symlink("/dev/zero", path).unwrap(),
            Kind::LinkToDirectory => {
                fs::create_dir(&beside).unwrap();
                symlink(&beside, path).unwrap();
            }
            Kind::DanglingLink => symlink("no/such/file", path).unwrap(),
            Kind::LinkLoop => symlink(path.file_name().unwrap(), path).unwrap(),
            Kind::NoRights => {}
        }
        true
    }
}

fn mkfifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn remove(path: &Path) {
    if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        fs::remove_dir_all(path).unwrap();
    } else {
        let _ = fs::remove_file(path);
    }
}

/// The output of a command, which must end by itself soon, with an exit code of its own and without a panic.
#[track_caller]
fn ended(command: &Command, what: &str) -> Output {
    let output = limited(command, FOR_EVER).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        matches!(output.status.code(), Some(0..=2)),
        "{what}: {:?} {said}",
        output.status
    );
    assert!(!said.contains("panicked"), "{what}: {said}");
    output
}

/// Bound by permissions, so that what nobody may read is not read by root either.
fn bound(log: &Log, arguments: &[&str]) -> Command {
    bound_by_permissions(log.root(), arguments)
}

fn batch_of(log: &Log) -> PathBuf {
    let path = log.path("requests");
    fs::write(&path, "{\"page\": 1, \"page_size\": 3}\n{\"actor_id\": 3}\n").unwrap();
    path
}

/// A way to ask for each of the program's readings.
fn readings(batch: &Path) -> Vec<Vec<String>> {
    [
        "query --size 3",
        "query --page 9 --size 30",
        "query --all",
        "query --count --actor 3",
    ]
    .iter()
    .map(|line| line.split(' ').map(str::to_owned).collect())
    .chain([vec![
        "query".to_owned(),
        "--batch".to_owned(),
        batch.to_str().unwrap().to_owned(),
    ]])
    .collect()
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// In the place of the index: the answer is the baseline's, and the exit code is 0.
#[test]
fn nothing_in_the_place_of_the_index_is_a_reason_to_fail_or_to_wait() {
    for name in ["audit.idx", "audit.idx-delta"] {
        for kind in KINDS {
            let log = Log::plain(400);
            let batch = batch_of(&log);
            // A base, so that there is something that a delta is beside.
            log.lines(&["query", "--page", "9"]);
            if !kind.put(&log.path(name)) {
                continue;
            }
            for reading in readings(&batch) {
                let what = format!("{name} is {kind:?}: {reading:?}");
                let expected = ended(
                    &bound(&log, &[&words(&reading)[..], &["--mode", "baseline"]].concat()),
                    &what,
                );
                let found = ended(&bound(&log, &words(&reading)), &what);
                let said = String::from_utf8(found.stderr).unwrap();
                assert_eq!(found.status.code(), Some(0), "{what}: {said}");
                assert_eq!(found.stdout, expected.stdout, "{what}");
                assert!(said.lines().count() <= 1, "{what}: {said}");
            }
            let diff = ended(
                &bound(&log, &["diff", "--workload", "sweep", "--requests", "50"]),
                "diff",
            );
            assert_eq!(diff.status.code(), Some(0), "{name} is {kind:?}: {diff:?}");
        }
    }
}

/// In the place of any other file of the log: both modes give the same bytes, or the same one line.
#[test]
fn both_modes_say_the_same_of_what_is_no_regular_file() {
    let names = [
        "payloads.jsonl",
        "audit.db",
        "audit.db-journal",
        "audit.db-wal",
        "audit.db-shm",
    ];
    for journal in ["delete", "wal"] {
        for name in names {
            for kind in KINDS {
                let log = Log::plain(400);
                let batch = batch_of(&log);
                log.journal_mode(journal);
                log.lines(&["query", "--page", "9"]);
                if !kind.put(&log.path(name)) {
                    continue;
                }
                for reading in readings(&batch) {
                    let what = format!("{journal}: {name} is {kind:?}: {reading:?}");
                    let [baseline, enhanced] = MODES.map(|mode| {
                        let output = ended(&bound(&log, &[&words(&reading)[..], &["--mode", mode]].concat()), &what);
                        (
                            output.status.code(),
                            String::from_utf8(output.stdout).unwrap(),
                            String::from_utf8(output.stderr).unwrap(),
                        )
                    });
                    assert_eq!(enhanced, baseline, "{what}");
                    assert!(baseline.2.lines().count() <= 1, "{what}: {}", baseline.2);
                    let is_special = !matches!(kind, Kind::DanglingLink | Kind::LinkLoop | Kind::NoRights);
                    if is_special && ["audit.db", "audit.db-journal", "audit.db-wal", "payloads.jsonl"].contains(&name)
                    {
                        assert_eq!(baseline.0, Some(2), "{what}: {}", baseline.1);
                        assert!(baseline.2.contains("not a regular file"), "{what}: {}", baseline.2);
                    }
                }
            }
        }
    }
}

/// Commands that read the whole log, and those that write it.
#[test]
fn no_command_waits_for_what_is_no_regular_file() {
    let names = [
        "payloads.jsonl",
        "audit.db",
        "audit.db-journal",
        "audit.db-wal",
        "audit.idx",
        "audit.idx-delta",
        "scale-study.json",
    ];
    let commands: [&[&str]; 5] = [
        &["verify-baseline"],
        &["diff", "--workload", "deep", "--requests", DEEP_REQUESTS],
        &[&DEEP_BENCH[..], &["1"]].concat(),
        &["seed", "--events", "100"],
        &["seed", "--events", "100", "--force"],
    ];
    for name in names {
        for kind in KINDS {
            let dataset = Dataset::of(100);
            if !kind.put(&dataset.path(name)) {
                continue;
            }
            for command in commands {
                let what = format!("{name} is {kind:?}: {command:?}");
                let output = ended(&bound_by_permissions(dataset.root(), command), &what);
                let said = String::from_utf8(output.stderr).unwrap();
                if output.status.code() == Some(2) {
                    let errors = said.lines().filter(|line| !line.contains("note: "));
                    assert_eq!(errors.count(), 1, "{what}: {said}");
                }
            }
        }
    }
}

/// A file of requests: one that goes on for ever, or that nobody writes to, is refused; what a shell makes of `<(…)` is read.
#[test]
fn a_batch_is_a_file_or_a_pipe() {
    let log = Log::plain(400);
    for kind in KINDS {
        let batch = log.path("batch");
        if !kind.put(&batch) {
            continue;
        }
        for mode in MODES {
            let what = format!("{kind:?}, {mode}");
            let output = ended(
                &bound(&log, &["query", "--mode", mode, "--batch", batch.to_str().unwrap()]),
                &what,
            );
            assert_refused(&output, &[batch.to_str().unwrap()], &what);
        }
    }
    let program = auditq().get_program().to_owned();
    for (shell, script) in [
        ("bash", r#""$0" --data-dir "$1" query --batch <(echo '{"page": 2}')"#),
        (
            "sh",
            r#"echo '{"page": 2}' | "$0" --data-dir "$1" query --batch /dev/stdin"#,
        ),
        (
            "sh",
            r#"echo '{"page": 2}' > "$1/batch.jsonl"; "$0" --data-dir "$1" query --batch /dev/stdin < "$1/batch.jsonl""#,
        ),
    ] {
        let output = Command::new(shell)
            .args(["-c", script])
            .arg(&program)
            .arg(log.root())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{script}: {output:?}");
        assert!(output.stdout.starts_with(b"{\"query\""), "{script}: {output:?}");
    }
    let output = log.auditq(&["query", "--batch", "/dev/null"]);
    assert_eq!((output.status.code(), output.stdout), (Some(0), Vec::new()));
}

/// What is exported replaces a file or a link to one, and nothing that is no file: said before anything is measured.
#[test]
fn an_export_replaces_nothing_but_a_file() {
    let dataset = Dataset::of(100);
    for option in ["--export", "--plot"] {
        for kind in KINDS {
            let name = if option == "--plot" {
                "results.svg"
            } else {
                "results.json"
            };
            let target = dataset.path(name);
            remove(&target);
            if !kind.put(&target) {
                continue;
            }
            let before = fs::symlink_metadata(&target).unwrap().file_type();
            let bench = [&DEEP_BENCH[..], &["1", option, target.to_str().unwrap()]].concat();
            let what = format!("{option} {kind:?}");
            let output = ended(&auditq_on(dataset.root(), &bench), &what);
            let is_replaceable = matches!(kind, Kind::DanglingLink | Kind::LinkLoop | Kind::NoRights);
            if is_replaceable {
                assert!(output.status.success(), "{what}: {output:?}");
                assert!(fs::symlink_metadata(&target).unwrap().is_file(), "{what}");
                assert!(!dataset.path("no").exists(), "{what}");
            } else {
                assert_refused(&output, &[name, "not a regular file"], &what);
                assert_eq!(fs::symlink_metadata(&target).unwrap().file_type(), before, "{what}");
            }
        }
    }
    assert!(fs::metadata("/dev/zero").unwrap().file_type().is_char_device());
}

/// In the place of the data directory itself.
#[test]
fn a_data_directory_that_is_none() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("data");
    for kind in KINDS {
        if matches!(kind, Kind::Directory | Kind::LinkToDirectory) || !kind.put(&root) {
            continue;
        }
        for command in [
            &["query"][..],
            &["query", "--mode", "baseline"],
            &["seed", "--events", "10"],
            &["diff"],
        ] {
            if kind == Kind::DanglingLink && command[0] == "seed" {
                continue;
            }
            let what = format!("{kind:?}: {command:?}");
            let output = ended(&auditq_on(&root, command), &what);
            assert_refused(&output, &["data"], &what);
        }
    }
    if !is_root() {
        return;
    }
    remove(&root);
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, Permissions::from_mode(0o000)).unwrap();
    for mode in MODES {
        let output = ended(&bound_by_permissions(&root, &["query", "--mode", mode]), mode);
        assert_refused(&output, &["data"], mode);
    }
}

/// A label that says of a small dataset that it is a huge one.
#[test]
fn a_label_that_cannot_be_true_costs_nothing() {
    for events in ["301000", "1000000000000", "18446744073709551615", "-1", "1e300"] {
        let dataset = Dataset::of(300);
        let label = format!("{{\"events\": {events}, \"anchor\": 1767052800}}");
        fs::write(dataset.path("scale-study.json"), label).unwrap();
        let verified = ended(&auditq_on(dataset.root(), &["verify-baseline"]), events);
        assert_ne!(verified.status.code(), Some(0), "{events}");
        ended(&auditq_on(dataset.root(), &["seed", "--events", "300"]), events);
    }
}
