//! Everybody who may read a directory can take its lock and keep it. Nobody waits for that for ever, and what is not done
//! for want of the lock is said.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::harness::Log;
use crate::harness::companion::Companion;
use crate::harness::faults::{auditq_on, short_bench, stdout_of};
use crate::harness::needs::needs;
use crate::harness::program::{assert_refused, limited};

/// Has a shared lock on a directory until it is dropped.
fn holder(root: &Path) -> Companion {
    Companion::start(
        root,
        "import fcntl, os\nfcntl.flock(os.open('.', os.O_RDONLY), fcntl.LOCK_SH)",
    )
}

/// What a command says, which must end by itself.
#[track_caller]
fn ends(command: Command, within: Duration) -> Output {
    let output = limited(&command, &within.as_secs().to_string()).output().unwrap();
    assert!(
        output.status.code().is_some_and(|code| code < 3),
        "{command:?}: {output:?}"
    );
    output
}

const SOON: Duration = Duration::from_secs(30);

#[track_caller]
fn says_once(output: &Output, word: &str, expected: &str) {
    assert_eq!(stdout_of(output), expected);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains(word) && said.contains("holds the lock on the directory"),
        "{said}"
    );
}

#[test]
fn a_query_says_once_why_there_is_no_index() {
    needs!(Python);
    let log = Log::plain(600);
    let batch = log.path("requests");
    std::fs::write(&batch, "{\"page\": 9}\n".repeat(500)).unwrap();
    let batch = ["query", "--batch", batch.to_str().unwrap()];
    let baseline = |arguments: &[&str]| log.lines(&[arguments, &["--mode", "baseline"]].concat());
    let _holder = holder(log.root());
    for (arguments, word) in [
        (&["query", "--page", "9"][..], "no index was made"),
        (&["query", "--count", "--actor", "3"], "no index was made"),
        (&["query", "--all"], "lives in memory only"),
    ] {
        let output = ends(auditq_on(log.root(), arguments), SOON);
        says_once(&output, word, &baseline(arguments));
    }
    // Whoever asks many times gets an index all the same.
    let output = ends(auditq_on(log.root(), &batch), SOON);
    says_once(&output, "lives in memory only", &baseline(&batch));
    assert!(!log.path("audit.idx").exists());
}

#[test]
fn a_seed_gives_up_after_a_while() {
    needs!(Python);
    let dir = tempfile::tempdir().unwrap();
    let holder = holder(dir.path());
    let seed = ["seed", "--events", "300"];
    let output = ends(auditq_on(dir.path(), &seed), SOON);
    let said = String::from_utf8_lossy(&output.stderr);
    let (note, error) = said.split_once('\n').unwrap();
    assert!(note.contains("waiting for another process"), "{said}");
    let output = Output {
        stderr: error.into(),
        ..output
    };
    assert_refused(&output, &["holds the lock on the directory for more than 10 s"], "seed");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    drop(holder);
    stdout_of(&ends(auditq_on(dir.path(), &seed), SOON));
}

#[test]
fn an_export_waits_for_nobody() {
    needs!(Python);
    let (log, exports) = (Log::plain(600), tempfile::tempdir().unwrap());
    let _holder = holder(exports.path());
    let export = exports.path().join("figures.json");
    let bench = short_bench(export.to_str().unwrap());
    let output = ends(auditq_on(log.root(), &bench), Duration::from_secs(120));
    assert!(export.exists(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What is kept for other processes only, they do without.
#[test]
fn what_is_not_kept_for_want_of_the_lock_is_said_to_who_asks() {
    needs!(Python);
    let log = Log::plain(3_000);
    log.lines(&["query", "--page", "9"]);
    log.sql("UPDATE audit_events SET actor_id = 5 WHERE id = 3");
    let _holder = holder(log.root());
    let asked = ["query", "--actor", "5", "--page", "20"];
    let mut program = auditq_on(log.root(), &asked);
    let output = program.env("AUDITQ_VERBOSE", "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        stdout_of(&output),
        log.lines(&[&asked[..], &["--mode", "baseline"]].concat())
    );
    assert!(said.contains("not kept for other processes"), "{said}");
    let output = ends(auditq_on(log.root(), &asked), SOON);
    assert_eq!(output.stderr, b"", "without a wish for details, nothing");
}
