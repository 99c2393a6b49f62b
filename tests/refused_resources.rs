//! What the system refuses to a process: threads, descriptors, memory. There is a poorer way, or one line and exit code 2;
//! never a panic, and never half an answer that looks whole.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::auditq;
use crate::harness::dataset::Dataset;
use crate::harness::faults::{DEEP_BENCH, DEEP_REQUESTS, is_root, report};
use crate::harness::needs::needs;
use crate::harness::program::{FOR_EVER, MODES, limited, run_with_input};

/// A user of this test run's own, because the limit of threads is one on all that a user runs.
fn some_user() -> u32 {
    60_000 + std::process::id() % 5_000
}

/// The program, within reach of the user that is limited.
pub(super) struct Program {
    path: PathBuf,
    _place: tempfile::TempDir,
}

impl Program {
    pub(super) fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let program = place.path().join("auditq");
        // By a process of its own: had this one the copy open for writing, a child that another test starts meanwhile
        // would inherit that for a moment, and nobody may run a file that somebody writes ("Text file busy").
        let copied = Command::new("cp").arg(auditq().get_program()).arg(&program).status();
        assert!(copied.unwrap().success());
        for path in [place.path(), &program] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Program {
            path: program,
            _place: place,
        }
    }

    /// It under a limit that `prlimit` knows, as a user whom limits bind; without arguments so far.
    pub(super) fn limited(&self, limit: &str) -> Command {
        let mut command;
        if is_root() {
            let user = some_user();
            command = Command::new("setpriv");
            command.arg(format!("--reuid={user}"));
            command.arg(format!("--regid={user}"));
            command.arg("--clear-groups").arg("prlimit");
        } else {
            command = Command::new("prlimit");
        }
        command.arg(format!("--{limit}")).arg(&self.path);
        for name in ["AUDITQ_DATA_DIR", "AUDITQ_FORMAT", "NO_COLOR", "RAYON_NUM_THREADS"] {
            command.env_remove(name);
        }
        command
    }
}

/// Gives a data directory to the user that is limited.
pub(super) fn give_away(root: &Path) {
    if !is_root() {
        return;
    }
    let user = some_user();
    std::os::unix::fs::chown(root, Some(user), Some(user)).unwrap();
    for entry in fs::read_dir(root).unwrap() {
        std::os::unix::fs::chown(entry.unwrap().path(), Some(user), Some(user)).unwrap();
    }
}

/// A data directory, and the program.
struct Limited {
    dataset: Dataset,
    program: Program,
}

impl Limited {
    fn new(events: u64) -> Self {
        Limited {
            dataset: Dataset::of(events),
            program: Program::new(),
        }
    }

    /// The program on the directory, under a limit.
    fn command(&self, limit: &str, arguments: &[&str]) -> Command {
        give_away(self.dataset.root());
        let mut command = self.program.limited(limit);
        command.arg("--data-dir").arg(self.dataset.root()).args(arguments);
        command
    }

    fn remove_index(&self) {
        for name in ["audit.idx", "audit.idx-delta"] {
            let _ = fs::remove_file(self.dataset.path(name));
        }
    }
}

const REQUESTS: &[u8] = b"{\"page\": 2}\n{\"actor_id\": 3}\n{\"action\": \"UPDATE\", \"page\": 3}\n{\"page\": 9}\n";

/// The questions, each in the mode that is given.
const QUESTIONS: [&[&str]; 5] = [
    &["query", "--page", "9", "--size", "10"],
    &["query", "--all"],
    &["query", "--count", "--action", "UPDATE"],
    &["query", "--batch", "-", "--threads", "4"],
    &["query", "--batch", "-", "--threads", "1"],
];

/// Standard output whole and exit code 0; or else one line and exit code 2, and no more of the output than there is.
#[track_caller]
fn whole_or_refused(output: &Output, expected: &[u8], what: &str) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{what}: {said}");
    match output.status.code() {
        Some(0) => assert!(
            output.stdout == expected,
            "{what}: half an answer that looks whole: {said}"
        ),
        Some(2) => {
            let errors = said
                .lines()
                .filter(|line| !line.contains("only ") && !line.contains("no index"));
            assert_eq!(errors.count(), 1, "{what}: {said}");
        }
        _ => panic!("{what}: {:?} {said}", output.status),
    }
    output.status.success()
}

/// From no thread besides the first to a few: every question is answered whole, and every other command does its work.
#[test]
fn fewer_threads_than_wanted_or_none() {
    needs!(Setpriv);
    let log = Limited::new(3_000);
    for question in QUESTIONS {
        let unlimited = run_with_input(log.command("core=0", question), REQUESTS);
        assert!(unlimited.status.success(), "{unlimited:?}");
        for limit in 1..=4 {
            for mode in MODES {
                for with_index in [false, true] {
                    if !with_index {
                        log.remove_index();
                    }
                    let what = format!("{limit} threads, index {with_index}: {question:?} {mode}");
                    let command = log.command(&format!("nproc={limit}"), &[question, &["--mode", mode]].concat());
                    let output = run_with_input(command, REQUESTS);
                    assert!(
                        whole_or_refused(&output, &unlimited.stdout, &what),
                        "{what}: {output:?}"
                    );
                }
            }
        }
    }
    // Of its first four requests one has events, and each client asks once at least, however short a turn is.
    let larger = Limited::new(16_000);
    for limit in 1..=4 {
        for command in [
            &["diff", "--workload", "sweep", "--requests", "40"][..],
            &["seed", "--events", "3000"],
            &["seed", "--force", "--events", "3000"],
            &["verify-baseline"],
            &[&DEEP_BENCH[..], &["1", "--threads", "1"]].concat(),
            &[&DEEP_BENCH[..], &["1", "--threads", "8"]].concat(),
            &[
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
            ],
        ] {
            let what = format!("{limit} threads: {command:?}");
            let log = if command.contains(&"--write-rate") {
                &larger
            } else {
                &log
            };
            let output = log.command(&format!("nproc={limit}"), command).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!said.contains("panicked"), "{what}: {said}");
            // A bench of more clients than there are threads has no figures; a scale study is not the contract's dataset.
            let may_fail = command.contains(&"8") || command.contains(&"--write-rate");
            match output.status.code() {
                Some(0) => {}
                Some(1) => assert_eq!(command[0], "verify-baseline", "{what}: {said}"),
                Some(2) if may_fail => assert!(said.contains("thread"), "{what}: {said}"),
                _ => panic!("{what}: {:?} {said}", output.status),
            }
        }
    }
}

/// From so few descriptors that not even the database can be opened.
#[test]
fn fewer_descriptors_than_wanted() {
    needs!(Setpriv);
    let log = Limited::new(300);
    for question in QUESTIONS {
        let unlimited = run_with_input(log.command("core=0", question), REQUESTS);
        assert!(unlimited.status.success(), "{unlimited:?}");
        let mut answered = 0;
        for limit in 4..24 {
            for mode in MODES {
                if limit % 2 == 0 {
                    log.remove_index();
                }
                let what = format!("{limit} descriptors: {question:?} {mode}");
                let command = log.command(&format!("nofile={limit}"), &[question, &["--mode", mode]].concat());
                let output = run_with_input(command, REQUESTS);
                // Of a batch, each request says for itself what it was refused.
                let is_batch = question.contains(&"--batch") && output.status.code() == Some(2);
                if !is_batch {
                    answered += u32::from(whole_or_refused(&output, &unlimited.stdout, &what));
                }
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(!said.contains("panicked"), "{what}: {said}");
            }
        }
        assert!(answered > 8, "{question:?}: {answered}");
    }
    for limit in (4..40).step_by(3) {
        for command in [
            &[
                "diff",
                "--workload",
                "deep",
                "--requests",
                DEEP_REQUESTS,
                "--threads",
                "2",
            ][..],
            &["seed", "--force", "--events", "300"],
            &["verify-baseline"],
            &[&DEEP_BENCH[..], &["1", "--threads", "2"]].concat(),
        ] {
            let output = log.command(&format!("nofile={limit}"), command).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!said.contains("panicked"), "{limit} descriptors: {command:?}: {said}");
            assert!(
                matches!(output.status.code(), Some(0..=2)),
                "{limit} descriptors: {command:?}: {:?} {said}",
                output.status
            );
        }
        log.dataset.seeded(&["--force", "--events", "300"]);
    }
}

/// Memory for the answer, but none for an index.
#[test]
fn less_memory_than_an_index_takes() {
    needs!(Setpriv);
    let log = Limited::new(20_000);
    for (question, limits) in [
        (QUESTIONS[0], &[64, 96, 128, 160, 200, 300, 600][..]),
        (QUESTIONS[2], &[64, 96, 128, 160, 200, 300, 600]),
        (QUESTIONS[1], &[64, 96, 128, 160, 200, 300, 600]),
        (QUESTIONS[3], &[400, 600, 1_200]),
    ] {
        let unlimited = run_with_input(log.command("core=0", question), REQUESTS);
        assert!(unlimited.status.success(), "{unlimited:?}");
        for mebibytes in limits {
            for mode in MODES {
                log.remove_index();
                let what = format!("{mebibytes} MiB: {question:?} {mode}");
                let limit = format!("as={}", mebibytes << 20);
                let output = run_with_input(log.command(&limit, &[question, &["--mode", mode]].concat()), REQUESTS);
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(
                    output.status.success() && output.stdout == unlimited.stdout,
                    "{what}: {:?} {said}",
                    output.status
                );
                assert!(said.lines().count() <= 1, "{what}: {said}");
            }
        }
    }
}

/// What is asked where even little memory is refused; that ends by itself, whatever it may say.
const COMMANDS: [&[&str]; 4] = [
    &["diff", "--workload", "deep", "--requests", DEEP_REQUESTS],
    &["verify-baseline"],
    &["seed", "--force", "--events", "300"],
    &[
        "bench",
        "--workload",
        "deep",
        "--requests",
        "40",
        "--rounds",
        "1",
        "--threads",
        "2",
    ],
];

/// Address space in KiB, up from the least in which the program starts: in small steps where the first allocations fail, in
/// large ones up to plenty. The `phase`th of several that lie between each other.
fn little_memory(floor: u64, phase: usize) -> impl Iterator<Item = u64> {
    let floor = floor + 13 * phase as u64;
    let far = std::iter::successors(Some(floor + 3_072), |kib| Some(kib + kib / 3));
    (0..24)
        .map(move |step| floor + 128 * step)
        .chain(far.take_while(|kib| *kib < 400 << 10))
}

/// Under a limit of memory, and killed where it does not end.
fn in_little_memory(log: &Limited, kib: u64, arguments: &[&str]) -> Output {
    let command = log.command(&format!("as={}", kib << 10), arguments);
    run_with_input(limited(&command, FOR_EVER), REQUESTS)
}

/// Every amount of memory in which the program starts at all is enough for the whole answer, or for a line and exit code 2:
/// no signal, no wait, and no half of an answer that looks whole.
#[test]
fn next_to_no_memory() {
    needs!(Setpriv);
    let log = Limited::new(3_000);
    let starts = |kib| in_little_memory(&log, kib, &["--version"]).status.success();
    let floor = (4 << 10..400 << 10).step_by(100).find(|kib| starts(*kib)).unwrap();
    let (mut answered, mut refused) = (0, 0);
    let mut ended = |output: &Output, what: &str| {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{what}: {said}");
        match output.status.code() {
            Some(0 | 1) => answered += 1,
            Some(2) => {
                assert!(!said.trim().is_empty(), "{what}: it says nothing");
                refused += 1;
            }
            _ => panic!("{what}: {} {said}", output.status),
        }
        output.status.success()
    };
    for (phase, question) in QUESTIONS.into_iter().enumerate() {
        let unlimited = run_with_input(log.command("core=0", question), REQUESTS);
        assert!(unlimited.status.success(), "{unlimited:?}");
        for kib in little_memory(floor, phase) {
            for mode in MODES {
                log.remove_index();
                let what = format!("{kib} KiB: {question:?} {mode}");
                let output = in_little_memory(&log, kib, &[question, &["--mode", mode]].concat());
                if ended(&output, &what) {
                    assert!(
                        output.stdout == unlimited.stdout,
                        "{what}: half an answer that looks whole"
                    );
                } else if !question.contains(&"--batch") {
                    let is_part = unlimited.stdout.starts_with(&output.stdout);
                    assert!(is_part && output.stdout != unlimited.stdout, "{what}: {output:?}");
                    assert!(
                        question.contains(&"--all") || output.stdout.is_empty(),
                        "{what}: {output:?}"
                    );
                }
            }
        }
    }
    for (phase, command) in COMMANDS.into_iter().enumerate() {
        let log = Limited::new(300);
        for kib in little_memory(floor, phase) {
            ended(
                &in_little_memory(&log, kib, command),
                &format!("{kib} KiB: {command:?}"),
            );
        }
    }
    report(&format!(
        "next to no memory, from {floor} KiB, where the program starts: {answered} answers, {refused} refusals"
    ));
    assert!(answered > 100 && refused > 10, "{answered} answers, {refused} refusals");
}
