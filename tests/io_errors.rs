//! Full and failing disks: a clear error and exit code 2, nothing half-written, and a query still answers when
//! only its index cannot be written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Output, Stdio};

use crate::harness::dataset::{Dataset, sha256};
use crate::harness::faults::{
    Mounted, auditq_on, leftovers, report, short_bench, stdout_of, with_failing_calls, with_size_limit,
};
use crate::harness::needs::needs;
use crate::harness::program::{MODES, assert_refused};
use crate::harness::{Log, frozen};

/// Every file of a directory by its name and digest.
fn digests(root: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(root).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let content = fs::read(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), sha256(&content))
        })
        .collect()
}

/// The exit code is 2 with one line that says which file and why.
#[track_caller]
fn says_that_it_is_full(output: &Output, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{what}: {said}");
    assert_eq!(said.lines().count(), 1, "{what}: {said}");
    assert!(
        ["payloads.jsonl: ", "audit.db: ", "scale-study.json: "]
            .iter()
            .any(|file| said.contains(file)),
        "{what}: {said}"
    );
}

/// Limits of file sizes in bytes that no part of a dataset of 900 events, or at least not all of it, fits in.
const LIMITS: [u64; 6] = [0, 1, 4_096, 30_000, 60_000, 600_000];

#[test]
fn a_seed_that_meets_a_size_limit() {
    for limit in LIMITS {
        let dataset = Dataset::none();
        let arguments = ["seed", "--events", "900"];
        let output = with_size_limit(limit, dataset.root(), &arguments).output().unwrap();
        says_that_it_is_full(&output, &format!("{limit} bytes"));
        assert_eq!(dataset.names(), [] as [&str; 0], "{limit} bytes");
    }
}

#[test]
fn a_seed_over_another_that_meets_a_size_limit() {
    let dataset = Dataset::of(300);
    let before = digests(dataset.root());
    for limit in LIMITS {
        let arguments = ["seed", "--force", "--events", "900"];
        let output = with_size_limit(limit, dataset.root(), &arguments).output().unwrap();
        says_that_it_is_full(&output, &format!("{limit} bytes"));
        assert_eq!(digests(dataset.root()), before, "{limit} bytes");
    }
}

/// All ways to ask, and whether the answer is due although no index can be written.
const QUERIES: [&[&str]; 6] = [
    &["query", "--page", "3"],
    &["query", "--actor", "3", "--action", "UPDATE"],
    &["query", "--count", "--actor", "3"],
    &["query", "--all"],
    &["query", "--format", "table"],
    &["query", "--after", "1000400:801"],
];

/// What the baseline says, with nothing in its way.
fn expected(log: &Log) -> Vec<String> {
    let baseline = |query: &&[&str]| log.lines(&[query, &["--mode", "baseline"] as &[_]].concat());
    QUERIES.iter().map(baseline).collect()
}

#[test]
fn a_query_whose_index_meets_a_size_limit() {
    let log = Log::plain(5_000);
    let expected = expected(&log);
    for limit in [0, 4_096, 100_000] {
        for (query, expected) in QUERIES.iter().zip(&expected) {
            let output = with_size_limit(limit, log.root(), query).output().unwrap();
            assert_eq!(&stdout_of(&output), expected, "{limit} bytes: {query:?}");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.lines().count() <= 1, "{query:?}: {said}");
            assert_eq!(leftovers(log.root()), [] as [&str; 0]);
            assert!(!log.path("audit.idx").exists(), "{query:?}");
        }
    }
}

#[test]
fn a_batch_whose_index_meets_a_size_limit() {
    let log = Log::plain(5_000);
    let requests = tempfile::NamedTempFile::new().unwrap();
    fs::write(requests.path(), "{\"page\": 200}\n{\"actor_id\": 3}\n".repeat(50)).unwrap();
    let batch = ["query", "--batch", requests.path().to_str().unwrap()];
    let expected = log.lines(&[&batch as &[_], &["--mode", "baseline"]].concat());
    let output = with_size_limit(4_096, log.root(), &batch).output().unwrap();
    assert!(stdout_of(&output) == expected);
    assert!(!log.path("audit.idx").exists());
}

/// Everything that prints results, and what it takes as input.
fn printing() -> Vec<Vec<&'static str>> {
    let mut commands: Vec<Vec<_>> = vec![
        vec!["--help"],
        vec!["--version"],
        vec!["seed", "-q", "--events", "300"],
        vec!["verify-baseline", "--dir", frozen()],
    ];
    for mode in MODES {
        // None of these pages is empty: where there is nothing to print, nothing fails.
        for query in [QUERIES[0], QUERIES[2], QUERIES[3], QUERIES[4]] {
            commands.push([query, &["--mode", mode]].concat());
        }
    }
    commands
}

#[test]
fn standard_output_on_a_full_device() {
    let dataset = Dataset::of(300);
    for arguments in printing() {
        let mut command = auditq_on(dataset.root(), &arguments);
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        command.stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        assert_refused(
            &output,
            &["standard output: ", "No space left"],
            &format!("{arguments:?}"),
        );
    }
}

#[test]
fn standard_output_into_a_file_that_meets_a_size_limit() {
    let dataset = Dataset::of(300);
    for arguments in printing() {
        let target = tempfile::NamedTempFile::new().unwrap();
        let mut command = with_size_limit(4, dataset.root(), &arguments);
        command.stdout(target.reopen().unwrap());
        command.stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        let what = format!("{arguments:?}");
        assert_refused(&output, &["standard output: ", "File too large"], &what);
    }
}

/// The file that `bench --export` writes is whole or not there.
#[test]
fn an_export_that_meets_a_size_limit() {
    let dataset = Dataset::of(300);
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("figures.json");
    let bench = short_bench(target.to_str().unwrap());
    for before in [None, Some("precious")] {
        if let Some(before) = before {
            fs::write(&target, before).unwrap();
        }
        let output = with_size_limit(16, dataset.root(), &bench).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("figures.json: cannot write: File too large"), "{said}");
        assert_eq!(fs::read_to_string(&target).ok().as_deref(), before);
        let names = fs::read_dir(place.path()).unwrap().count();
        assert_eq!(names, usize::from(before.is_some()), "nothing is left beside it");
    }
}

#[test]
fn a_seed_on_a_full_file_system() {
    let Some(disk) = Mounted::tmpfs(1 << 20, "seed on a full tmpfs; a size limit is tested") else {
        return;
    };
    let seed = |arguments: &[&str]| auditq_on(disk.root(), arguments).output().unwrap();
    says_that_it_is_full(&seed(&["seed", "--events", "900"]), "empty");
    assert_eq!(fs::read_dir(disk.root()).unwrap().count(), 0);
    stdout_of(&seed(&["seed", "--events", "300"]));
    let before = digests(disk.root());
    says_that_it_is_full(&seed(&["seed", "--force", "--events", "900"]), "over another");
    assert_eq!(digests(disk.root()), before);
}

#[test]
fn a_query_on_a_full_file_system() {
    for mode in ["delete", "wal"] {
        let what = "query on a full tmpfs; a size limit is tested";
        let Some(disk) = Mounted::tmpfs(4 << 20, what) else {
            return;
        };
        let log = Log::plain(5_000);
        log.journal_mode(mode);
        let expected = expected(&log);
        for name in ["audit.db", "payloads.jsonl"] {
            fs::copy(log.path(name), disk.root().join(name)).unwrap();
        }
        disk.fill(0);
        for (query, expected) in QUERIES.iter().zip(&expected) {
            for engine in MODES {
                let query = [query as &[_], &["--mode", engine]].concat();
                let output = auditq_on(disk.root(), &query).output().unwrap();
                assert_eq!(&stdout_of(&output), expected, "{mode}: {query:?}");
                assert!(!disk.root().join("audit.idx").exists());
            }
        }
    }
}

/// Each read and each look at a file fails, from the first on, from the second on, and so forth.
#[test]
fn a_query_on_a_disk_that_fails_to_read() {
    needs!(Strace);
    let log = Log::plain(300);
    let expected = log.lines(&["query", "--size", "30"]);
    let mut tried = 0;
    for mode in MODES {
        let query = auditq_on(log.root(), &["query", "--size", "30", "--mode", mode]);
        for calls in ["pread64", "read", "lseek", "/^(new)?fstat(at)?", "flock,fcntl"] {
            for nth in 1..12 {
                let output = with_failing_calls(&query, calls, "EIO", nth);
                let said = String::from_utf8_lossy(&output.stderr);
                let what = format!("{mode}, {calls} {nth}: {said}");
                if said.contains("error while loading shared libraries") {
                    continue;
                }
                tried += 1;
                assert!(!said.contains("panicked"), "{what}");
                match output.status.code() {
                    Some(0) => {
                        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{what}")
                    }
                    Some(2) => assert_eq!(said.lines().count(), 1, "{what}"),
                    _ => panic!("{what}"),
                }
            }
        }
    }
    report(&format!("query: {tried} ways for a disk to fail"));
}

/// Each answer of a process that goes on is its own or an error. (That a buffer which is used again gives nothing of an
/// earlier payload is tested beside `read_payload`.)
#[test]
fn a_batch_on_a_disk_that_fails_to_read_gives_no_event_the_bytes_of_another() {
    needs!(Strace);
    let log = Log::plain(300);
    let requests: String = (1..=6)
        .map(|page| format!("{{\"page\": {page}, \"page_size\": 5}}\n"))
        .collect();
    fs::write(log.path("requests"), requests).unwrap();
    let requests = log.path("requests");
    let batch = [
        "query",
        "--threads",
        "1",
        "--batch",
        requests.to_str().unwrap(),
        "--mode",
    ];
    let expected = log.lines(&[&batch[..], &["baseline"]].concat());
    assert_eq!(log.lines(&[&batch[..], &["enhanced"]].concat()), expected);
    let (mut right, mut failed) = (0, 0);
    for (mode, calls) in [("enhanced", "pread64"), ("baseline", "read,pread64")] {
        for nth in (1..60).step_by(3) {
            let command = auditq_on(log.root(), &[&batch[..], &[mode]].concat());
            let output = with_failing_calls(&command, calls, "EIO", nth);
            let answers = String::from_utf8(output.stdout).unwrap();
            for (answer, expected) in answers.lines().zip(expected.lines()) {
                if answer == expected {
                    right += 1;
                } else {
                    assert!(answer.contains("\"error\""), "{mode} {nth}: {answer}\nnot {expected}");
                    failed += 1;
                }
            }
        }
    }
    assert!(right > 20 && failed > 20, "{right} right, {failed} failed");
}

/// Each call that writes fails, from the first on, from the second on, and so forth.
#[test]
fn a_seed_on_a_disk_that_fails_to_write() {
    needs!(Strace);
    let whole = |dataset: &Dataset| {
        let events = dataset.auditq(&["query", "--all"]);
        stdout_of(&events)
    };
    let both = [300, 900].map(|size| whole(&Dataset::of(size)));
    let mut tried = 0;
    for error in ["EIO", "ENOSPC"] {
        for calls in [
            "/^pwrite",
            "write",
            "/^f(data)?sync",
            "/^rename",
            "/^unlink",
            "/^fchmod",
            "ftruncate",
        ] {
            for nth in [1, 2, 3, 5, 8] {
                let dataset = Dataset::of(300);
                let seed = auditq_on(dataset.root(), &["seed", "--force", "--events", "900"]);
                let output = with_failing_calls(&seed, calls, error, nth);
                tried += 1;
                let said = String::from_utf8_lossy(&output.stderr);
                let what = format!("{error} by {calls} {nth}: {said}");
                assert!(!said.contains("panicked"), "{what}");
                // On a disk that works again, any run finishes or undoes what this one left.
                let recovered = dataset.auditq(&["seed", "--events", "900"]);
                let recovered = String::from_utf8_lossy(&recovered.stderr);
                assert!(
                    recovered.contains("nothing to do") || recovered.contains("another dataset is there"),
                    "{what}: {recovered}"
                );
                let found = whole(&dataset);
                match output.status.code() {
                    Some(0) => assert!(found == both[1], "{what}"),
                    Some(2) => assert!(both.contains(&found), "{what}"),
                    _ => panic!("{what}"),
                }
                assert_eq!(leftovers(dataset.root()), [] as [&str; 0], "{what}");
            }
        }
    }
    report(&format!("seed --force: {tried} ways for a disk to fail"));
}
