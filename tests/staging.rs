//! `auditq seed` loses nothing of others, and who only reads changes nothing: staged files, files of others, and
//! programs that interfere at the wrong moment.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::harness::dataset::Dataset;
use crate::harness::faults::{DEEP_BENCH, auditq_on, bound_by_permissions, is_root, leftovers, short_bench, stdout_of};
use crate::harness::needs::{needs, skipped};
use crate::harness::program::{MODES, assert_refused};
use crate::harness::stopped::Stopped;
use crate::harness::{Log, auditq, frozen, python};

const STAGED: &str = ".auditq-seed.Ab3dE6";

/// Names that look like the program's own, and are not.
const FOREIGN: [&str; 6] = [
    ".auditq-notes",
    ".auditq-audit.db.bak",
    ".auditq-audit.idx.backup2",
    ".auditq-next-audit.db",
    ".auditq-next-payloads.jsonl",
    ".auditq-seed.keep",
];

/// What is known of a file: inode, mode, owner, and its content.
type File = (u64, u32, u32, Vec<u8>);

/// Every file of a directory and of its directories, but for the index.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, File> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap().map(Result::unwrap) {
        let metadata = fs::symlink_metadata(entry.path()).unwrap();
        let mut content = Vec::new();
        if metadata.is_dir() {
            files.extend(snapshot(&entry.path()));
        } else if metadata.is_file() {
            content = fs::read(entry.path()).unwrap();
        }
        if entry.file_name() != "audit.idx" {
            let file = (metadata.ino(), metadata.mode(), metadata.uid(), content);
            files.insert(entry.path(), file);
        }
    }
    files
}

fn everything(root: &Path) -> String {
    stdout_of(&auditq_on(root, &["query", "--all"]).output().unwrap())
}

/// A directory as a killed `seed --force` leaves it: the old dataset is set aside, the new one is staged.
fn half_done(old: &Dataset, new: &Dataset) -> Dataset {
    let dataset = Dataset::none();
    let staged = dataset.path(STAGED);
    DirBuilder::new().mode(0o700).create(&staged).unwrap();
    for name in ["audit.db", "payloads.jsonl", "scale-study.json"] {
        fs::copy(old.path(name), staged.join(format!("old.{name}"))).unwrap();
        fs::copy(new.path(name), staged.join(name)).unwrap();
    }
    let marker = r#"{"set_aside": ["audit.db", "payloads.jsonl", "scale-study.json"],
        "absent": ["audit.db-journal", "audit.db-wal", "audit.db-shm", "audit.idx", "audit.idx-delta"],
        "install": ["scale-study.json", "payloads.jsonl", "audit.db"]}"#;
    fs::write(staged.join("step.json"), marker).unwrap();
    dataset
}

fn readers() -> Vec<Vec<&'static str>> {
    let mut readers = vec![
        vec!["verify-baseline", "--dir", frozen()],
        vec!["diff"],
        [&DEEP_BENCH[..], &["1"]].concat(),
    ];
    for mode in MODES {
        for query in [
            &["query", "--count"] as &[_],
            &["query", "--all"],
            &["query", "--page", "2"],
        ] {
            readers.push([query, &["--mode", mode]].concat());
        }
    }
    readers
}

#[test]
fn who_reads_a_directory_with_staged_files_changes_nothing_and_says_what_to_do() {
    let (old, new) = (Dataset::of(300), Dataset::of(400));
    let dataset = half_done(&old, &new);
    for name in FOREIGN {
        fs::write(dataset.path(name), "somebody's").unwrap();
    }
    let before = snapshot(dataset.root());
    for reader in readers() {
        let what = format!("{reader:?}");
        let says = ["audit.db", "no database", STAGED, "`auditq seed` finishes or undoes it"];
        assert_refused(&dataset.auditq(&reader), &says, &what);
        assert!(snapshot(dataset.root()) == before, "{what}");
    }
    // A payload file that is there while the database is away for a moment is not replaced, either.
    fs::write(dataset.path("payloads.jsonl"), "of the live service").unwrap();
    let before = snapshot(dataset.root());
    for reader in readers() {
        assert_eq!(dataset.auditq(&reader).status.code(), Some(2), "{reader:?}");
        assert!(snapshot(dataset.root()) == before, "{reader:?}");
    }
}

/// The name of what a running `seed` stages its files in.
fn staging(root: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(root).unwrap().map(Result::unwrap);
    let mut own = entries.filter(|entry| entry.file_name().to_str().unwrap().starts_with(".auditq-"));
    own.next().map(|entry| entry.path())
}

fn spawn_seed(root: &Path, arguments: &[&str]) -> Child {
    let mut seed = auditq_on(root, &[&["seed"], arguments].concat());
    seed.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs a seed on what `prepare` makes, and `interfere` when it has begun to write and before it has made much; gives what
/// became of that, and what the seed said. It stands still meanwhile. Where the machine lets it be through before anybody
/// looks, another one is begun.
fn interfered_seed(
    prepare: impl Fn() -> Dataset,
    arguments: &[&str],
    mut interfere: impl FnMut(&Dataset),
) -> (Dataset, Output) {
    for _ in 0..50 {
        let dataset = prepare();
        let mut seed = spawn_seed(dataset.root(), arguments);
        if begins_to_write(&mut seed, dataset.root())
            && let Some(stopped) = Stopped::now(&seed)
            && staging(dataset.root()).is_some_and(|staging| has_written_little(&staging))
        {
            interfere(&dataset);
            drop(stopped);
            return (dataset, seed.wait_with_output().unwrap());
        }
        let _ = seed.kill();
        seed.wait().unwrap();
    }
    panic!("each of 50 seeds had made all before it was looked at");
}

/// Waits until a seed writes; whether it was seen at it.
fn begins_to_write(seed: &mut Child, root: &Path) -> bool {
    while staging(root).is_none() {
        if seed.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    true
}

/// Whether most of a dataset of thousands of events is still to be written.
fn has_written_little(staging: &Path) -> bool {
    let payloads = fs::metadata(staging.join("payloads.jsonl"));
    payloads.map_or(0, |payloads| payloads.len()) < 2_000_000
}

#[test]
fn a_log_that_is_created_while_a_seed_works_is_not_replaced() {
    for file in ["audit.db", "audit.db-wal", "payloads.jsonl", "scale-study.json"] {
        let live = Log::plain(30);
        let (dataset, output) = interfered_seed(Dataset::none, &["--events", "20000"], |dataset| {
            let from = if file == "audit.db" {
                "audit.db"
            } else {
                "payloads.jsonl"
            };
            fs::copy(live.path(from), dataset.path(file)).unwrap();
        });
        let says = match file {
            "scale-study.json" => "not a label that auditq wrote",
            _ => "another program created it meanwhile: move it away, or `auditq seed --force`",
        };
        assert_refused(&output, &[file, says], file);
        assert_eq!(dataset.names(), [file], "nothing else is there");
        if file == "audit.db" {
            assert_eq!(
                fs::read(dataset.path(file)).unwrap(),
                fs::read(live.path(file)).unwrap()
            );
        }
    }
}

#[test]
fn a_payload_file_that_was_right_and_changes_while_a_seed_works_is_kept() {
    let without_database = || {
        let dataset = Dataset::of(20_000);
        fs::remove_file(dataset.path("audit.db")).unwrap();
        dataset
    };
    let (dataset, output) = interfered_seed(without_database, &["--events", "20000"], |dataset| {
        let mut payloads = fs::File::options()
            .append(true)
            .open(dataset.path("payloads.jsonl"))
            .unwrap();
        std::io::Write::write_all(&mut payloads, b"{}\n").unwrap();
    });
    assert_refused(
        &output,
        &["payloads.jsonl", "another program changed it meanwhile"],
        "seed",
    );
    assert!(fs::read(dataset.path("payloads.jsonl")).unwrap().ends_with(b"{}\n"));
    assert!(!dataset.path("audit.db").exists());
}

/// The old dataset is whole after a `seed --force` that cannot replace one of its files.
#[test]
fn a_file_that_cannot_be_replaced() {
    for name in ["payloads.jsonl", "scale-study.json", "audit.db"] {
        let dataset = Dataset::of(300);
        let path = dataset.path(name);
        let mounted = Command::new("mount").arg("--bind").args([&path, &path]).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            return skipped("a file that cannot be replaced", "nothing can be mounted");
        }
        let before = snapshot(dataset.root());
        let output = dataset.auditq(&["seed", "--force", "--events", "400"]);
        let after = snapshot(dataset.root());
        let unmounted = Command::new("umount").arg(&path).status().unwrap();
        assert!(unmounted.success());
        assert_refused(&output, &[name, "cannot replace", "busy"], name);
        assert!(after == before, "{name}");
        assert!(dataset.path("audit.idx").exists(), "{name}");
    }
}

/// The same by rights: in a sticky directory of somebody else only one's own files can be replaced.
#[test]
fn a_file_of_somebody_else_in_a_sticky_directory() {
    needs!(Root);
    let dataset = Dataset::of(300);
    for name in ["", "payloads.jsonl"] {
        std::os::unix::fs::chown(dataset.root().join(name), Some(65_534), Some(65_534)).unwrap();
    }
    fs::set_permissions(dataset.root(), std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
    let before = snapshot(dataset.root());
    let mut seed = Command::new("setpriv");
    seed.args(["--bounding-set=-fowner"]).arg(auditq().get_program());
    seed.arg("--data-dir")
        .arg(dataset.root())
        .args(["seed", "--force", "--events", "400"]);
    let Ok(output) = seed.output() else {
        return skipped("a sticky directory", "no setpriv");
    };
    assert_refused(&output, &["payloads.jsonl", "cannot replace", "not permitted"], "seed");
    assert!(snapshot(dataset.root()) == before);
}

/// A kill within the step, and then the live service connects, which creates an empty database.
#[test]
fn a_service_that_connects_after_a_kill_within_the_step() {
    needs!(Python);
    let (old, new) = (Dataset::of(300), Dataset::of(400));
    let (whole_old, whole_new) = (everything(old.root()), everything(new.root()));
    let with_service = || {
        let dataset = half_done(&old, &new);
        let connect = "import sqlite3; sqlite3.connect('audit.db').execute('SELECT 1')";
        let connected = python(connect).current_dir(dataset.root()).status().unwrap();
        assert!(connected.success() && dataset.path("audit.db").exists());
        dataset
    };
    let dataset = with_service();
    let before = snapshot(dataset.root());
    for _ in 0..2 {
        let output = dataset.auditq(&["seed", "--events", "400"]);
        assert_refused(
            &output,
            &["audit.db", "created it meanwhile", "move it away", "--force"],
            "seed",
        );
        assert!(snapshot(dataset.root()) == before, "both datasets are still there");
    }
    // The way out that the message names.
    fs::remove_file(dataset.path("audit.db")).unwrap();
    let (_, said) = dataset.seeded(&["--events", "400"]);
    assert!(said.contains("nothing to do"), "{said}");
    assert_eq!(everything(dataset.root()), whole_new);
    assert_eq!(leftovers(dataset.root()), [] as [&str; 0]);
    // The other way out.
    let dataset = with_service();
    dataset.seeded(&["--force", "--events", "300"]);
    assert_eq!(everything(dataset.root()), whole_old);
    assert_eq!(leftovers(dataset.root()), [] as [&str; 0]);
}

/// A forced run that fails itself keeps what an interrupted one left.
#[test]
fn an_unfinished_step_outlives_a_forced_run_that_fails() {
    let dataset = half_done(&Dataset::of(300), &Dataset::of(400));
    fs::write(dataset.path("audit.db"), "").unwrap();
    let before = snapshot(dataset.root());
    let arguments = ["seed", "--force", "--events", "900"];
    let output = crate::harness::faults::with_size_limit(4_096, dataset.root(), &arguments).output();
    assert_eq!(output.unwrap().status.code(), Some(2));
    assert!(snapshot(dataset.root()) == before);
}

/// Whoever may create files in the directory cannot make a `seed` take theirs for a dataset that it staged itself.
#[test]
fn a_staging_directory_of_somebody_else_is_not_trusted() {
    needs!(Root);
    let dataset = half_done(&Dataset::of(300), &Dataset::of(400));
    std::os::unix::fs::chown(dataset.path(STAGED), Some(65_534), Some(65_534)).unwrap();
    let staged = snapshot(&dataset.path(STAGED));
    dataset.seeded(&["--events", "500"]);
    assert_eq!(everything(dataset.root()).lines().count(), 500);
    assert!(snapshot(&dataset.path(STAGED)) == staged);
    // Nor one that others can write in.
    std::os::unix::fs::chown(dataset.path(STAGED), Some(0), Some(0)).unwrap();
    fs::set_permissions(
        dataset.path(STAGED),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    dataset.seeded(&["--events", "500"]);
    assert!(snapshot(&dataset.path(STAGED)) == staged);
}

#[test]
fn files_of_others_are_left_alone() {
    let dataset = Dataset::of(300);
    let export = Dataset::none();
    let target = export.path("figures.json");
    for name in FOREIGN
        .iter()
        .chain(&[".auditq-figures.json.abc123", ".auditq-audit.idx.abc123"])
    {
        fs::write(export.path(name), "somebody's").unwrap();
    }
    for name in FOREIGN {
        fs::write(dataset.path(name), "somebody's").unwrap();
    }
    let foreign = |dataset: &Dataset| {
        let names = dataset.names().into_iter().filter(|name| name.starts_with(".auditq-"));
        names
            .map(|name| (fs::read(dataset.path(&name)).unwrap(), name))
            .collect::<Vec<_>>()
    };
    let (before, before_export) = (foreign(&dataset), foreign(&export));
    dataset.seeded(&["--force", "--events", "400"]);
    for command in [
        &["query", "--page", "3"] as &[&str],
        &["query", "--mode", "baseline"],
        &["seed", "--events", "400"],
        &short_bench(target.to_str().unwrap()),
    ] {
        let _ = fs::remove_file(dataset.path("audit.idx"));
        dataset.auditq(command);
        assert_eq!(foreign(&dataset), before, "{command:?}");
        assert_eq!(foreign(&export), before_export, "{command:?}");
    }
    assert!(target.exists());
}

/// An export needs no lock, which anybody who may read the directory could hold for ever.
#[test]
fn an_export_waits_for_nobody() {
    let (dataset, export) = (Dataset::of(300), Dataset::none());
    let directory = fs::File::open(export.root()).unwrap();
    directory.lock().unwrap();
    let target = export.path("figures.json");
    let mut bench = auditq_on(dataset.root(), &short_bench(target.to_str().unwrap()));
    let mut child = bench.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > std::time::Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("it waits for a lock");
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(target.exists());
}

/// A `scale-study.json` that is no label is somebody's file.
#[test]
fn a_foreign_label_is_kept() {
    for content in [
        "notes of a study",
        "{}",
        "{\"events\": 18446744073709551615, \"anchor\": 0}",
    ] {
        let dataset = Dataset::none();
        fs::write(dataset.path("scale-study.json"), content).unwrap();
        for arguments in [
            &["seed", "--events", "200"] as &[&str],
            &["seed", "--events", "200", "--force"],
        ] {
            let output = dataset.auditq(arguments);
            assert_refused(&output, &["scale-study.json", "move it away"], content);
            assert_eq!(dataset.names(), ["scale-study.json"]);
        }
        assert_eq!(fs::read_to_string(dataset.path("scale-study.json")).unwrap(), content);
    }
    // The contract dataset needs no label.
    let dataset = Dataset::none();
    fs::write(dataset.path("scale-study.json"), "notes").unwrap();
    for force in [&[] as &[&str], &["--force"], &[]] {
        dataset.seeded(force);
        assert_eq!(fs::read(dataset.path("scale-study.json")).unwrap(), b"notes");
    }
    // A label whose dataset is not there is replaced, a pipe is not waited for.
    let dataset = Dataset::of(300);
    for name in ["audit.db", "payloads.jsonl"] {
        fs::remove_file(dataset.path(name)).unwrap();
    }
    dataset.seeded(&["--events", "200"]);
    fs::remove_file(dataset.path("scale-study.json")).unwrap();
    let made = Command::new("mkfifo").arg(dataset.path("scale-study.json")).status();
    assert!(made.unwrap().success());
    let output = dataset.auditq(&["seed", "--events", "200"]);
    assert_eq!(output.status.code(), Some(2));
}

/// While a `seed` works, somebody who may write in the directory swaps whatever it made for a link to another file.
#[test]
fn a_link_that_is_swapped_in_is_not_written_through() {
    let outside = tempfile::tempdir().unwrap();
    for (round, target_exists) in [true, false].into_iter().cycle().enumerate().take(10) {
        let victim = outside.path().join(format!("victim{round}"));
        if target_exists {
            fs::write(&victim, "").unwrap();
        }
        let dataset = Dataset::none();
        let mut seed = spawn_seed(dataset.root(), &["--events", "2000"]);
        while seed.try_wait().unwrap().is_none() {
            if swap(dataset.root(), &victim) {
                break;
            }
        }
        seed.wait().unwrap();
        let written = fs::metadata(&victim).map(|metadata| metadata.len()).ok();
        assert_eq!(written, target_exists.then_some(0), "round {round}");
    }
}

/// Puts a link to `victim` where SQLite would open the new database; gives whether there was anything to swap.
fn swap(root: &Path, victim: &Path) -> bool {
    let Some(staging) = staging(root) else {
        return false;
    };
    if staging.is_dir() {
        let taken = root.join("taken");
        if fs::rename(&staging, taken).is_err() {
            return false;
        }
        let _ = fs::create_dir(&staging);
        let _ = symlink(victim, staging.join("audit.db"));
    } else {
        let _ = fs::remove_file(&staging);
        let _ = symlink(victim, &staging);
    }
    true
}

/// What a `seed` stages is for nobody else to see or to change.
#[test]
fn the_staging_directory_is_private() {
    let mut mode = 0;
    let (dataset, output) = interfered_seed(Dataset::none, &["--events", "5000"], |dataset| {
        mode = fs::metadata(staging(dataset.root()).unwrap()).unwrap().mode();
    });
    stdout_of(&output);
    assert_eq!(mode & 0o7777, 0o700);
    if is_root() {
        // Rights that bind even root are enough to make one's own.
        let output = bound_by_permissions(dataset.root(), &["seed", "--force", "--events", "200"]).output();
        stdout_of(&output.unwrap());
    }
}
