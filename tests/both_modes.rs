//! Whatever is odd, refused or rotten: both modes give the same bytes, the same exit code and the same line, however they
//! are asked. [`ELSEWHERE`] names the tests that hold their own cases to that.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::environment::VARIABLES;
use crate::harness::faults::auditq_on;
use crate::harness::needs::needs;
use crate::harness::program::{MODES, run_with_input};
use crate::harness::{Log, auditq, checkout};
use crate::hostile_schema::hostile_schemas;
use crate::odd_paths::NAMES;
use crate::refused_resources::{Program, give_away};
use crate::unreadable_event::{EVENTS, WAYS};

/// What a file holds that must be there: the test that compares both modes in all its cases.
const ELSEWHERE: [(&str, &str, &str); 14] = [
    (
        "damaged index",
        "corrupt_index.rs",
        "each_command_recovers_and_leaves_a_new_index",
    ),
    (
        "damaged index of a large log",
        "corrupt_index.rs",
        "a_damaged_header_beside_a_large_log",
    ),
    (
        "special file as index",
        "special_files.rs",
        "nothing_in_the_place_of_the_index_is_a_reason_to_fail_or_to_wait",
    ),
    (
        "special file of the log",
        "special_files.rs",
        "both_modes_say_the_same_of_what_is_no_regular_file",
    ),
    ("path that changes", "path_changes.rs", "running_processes_see"),
    (
        "path that changes beside a writer",
        "faults_beside_a_writer.rs",
        "links_that_are_turned",
    ),
    (
        "few threads",
        "refused_resources.rs",
        "fewer_threads_than_wanted_or_none",
    ),
    (
        "path that is too long",
        "odd_paths.rs",
        "a_path_that_is_too_long_is_said_to_be",
    ),
    (
        "streams that would block",
        "streams.rs",
        "streams_that_would_block_are_waited_for",
    ),
    ("values and times", "cli.rs", "in_both_modes"),
    ("files that are away", "misplaced.rs", "is_refused"),
    (
        "batch in another encoding",
        "misplaced.rs",
        "a_batch_in_another_encoding",
    ),
    ("rotten rows and payloads", "corrupt_data.rs", "programs_agree"),
    (
        "unreadable event",
        "unreadable_event.rs",
        "everything_before_and_everything_behind_is_shown",
    ),
];

#[test]
fn the_tests_that_compare_both_modes_are_there() {
    for (kind, file, test) in ELSEWHERE {
        let source = std::fs::read_to_string(checkout("tests").join(file)).unwrap();
        assert!(source.contains(&format!("fn {test}(")), "{kind}: {file} has no {test}");
    }
}

/// Every way to ask.
const QUESTIONS: [&[&str]; 11] = [
    &["query"],
    &["query", "--page", "7"],
    &["query", "--actor", "3", "--page", "2"],
    &["query", "--action", "UPDATE", "--size", "100"],
    &["query", "--after", "1000100:200"],
    &["query", "--as-of", "1000100:200", "--page", "2"],
    &["query", "--format", "table"],
    &["query", "--count"],
    &["query", "--all", "--quiet"],
    &[
        "query",
        "--all",
        "--action",
        "LOGIN",
        "--after",
        "1000100:200",
        "--quiet",
    ],
    // One by one: else it is chance which of them are refused a descriptor.
    &["query", "--batch", "-", "--threads", "1"],
];
const REQUESTS: &[u8] =
    b"{\"page\": 2}\n{\"actor_id\": 3}\n{\"action\": \"UPDATE\", \"page\": 3}\nno request\n{\"page\": 900}\n";

/// Exit code, standard output, standard error.
type Said = (Option<i32>, String, String);

fn said(mut command: Command, mode: &str) -> Said {
    command.args(["--mode", mode]);
    let output = run_with_input(command, REQUESTS);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Asks everything in both modes, first without an index, then with what the first round left. Notes are the enhanced
/// mode's alone.
#[track_caller]
fn same(what: &str, command: impl Fn(&[&str]) -> Command) {
    let mut answers = 0;
    for round in 0..2 {
        for question in QUESTIONS {
            let [baseline, mut enhanced] = MODES.map(|mode| said(command(question), mode));
            let is_note = |line: &&str| line.contains("SQLite answers");
            enhanced.2 = enhanced.2.split_inclusive('\n').filter(|line| !is_note(line)).collect();
            assert_eq!(enhanced, baseline, "{what}: {question:?}, round {round}");
            assert!(matches!(baseline.0, Some(0 | 2)), "{what}: {question:?}: {baseline:?}");
            answers += usize::from(baseline.0 == Some(0) || !baseline.2.is_empty());
        }
    }
    assert!(answers > 2 * QUESTIONS.len() - 3, "{what}: {answers}");
}

#[test]
fn events_that_cannot_be_read() {
    for (name, change) in WAYS {
        for place in [0, 150, EVENTS - 1] {
            let log = Log::plain(EVENTS);
            log.sql(&format!(
                "UPDATE audit_events SET {change} WHERE id = {}",
                EVENTS - place
            ));
            same(&format!("{name}, {place}"), |question| auditq_on(log.root(), question));
        }
    }
}

#[test]
fn hostile_schemas_of_every_kind() {
    for schema in hostile_schemas() {
        let log = Log::plain(300);
        // Some of these SQLite itself refuses.
        let _ = rusqlite::Connection::open(log.path("audit.db"))
            .unwrap()
            .execute_batch(&schema);
        same(&schema, |question| auditq_on(log.root(), question));
    }
}

#[test]
fn directories_of_any_name() {
    let log = Log::plain(300);
    for name in NAMES {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join(OsStr::from_bytes(name));
        std::fs::create_dir(&root).unwrap();
        for file in ["audit.db", "payloads.jsonl"] {
            std::fs::copy(log.path(file), root.join(file)).unwrap();
        }
        let what = String::from_utf8_lossy(name);
        let named = |question: &[&str]| {
            let mut option = b"--data-dir=".to_vec();
            option.extend_from_slice(name);
            let mut command = auditq();
            command.current_dir(place.path());
            command.arg(OsStr::from_bytes(&option)).args(question);
            command
        };
        same(&what, named);
        // An error names it, too.
        std::fs::remove_file(root.join("payloads.jsonl")).unwrap();
        same(&what, named);
    }
}

#[test]
fn variables_that_are_empty_or_nonsense() {
    let log = Log::plain(300);
    for value in ["", "nonsense", "/nonexistent"] {
        for name in VARIABLES {
            same(&format!("{name}={value}"), |question| {
                let mut command = auditq_on(log.root(), question);
                // With it, the enhanced mode tells of its index.
                if name != "AUDITQ_VERBOSE" || value.is_empty() {
                    command.env(name, value);
                }
                command
            });
        }
    }
}

/// Where the baseline answers, the enhanced mode does, too: no index is worth a failure. Where both are refused a
/// descriptor, they say so in the same words.
#[test]
fn few_descriptors() {
    needs!(Setpriv);
    let program = Program::new();
    let (mut answered, mut refused) = (0, 0);
    for (journal_mode, is_indexed) in [("delete", false), ("delete", true), ("wal", false), ("wal", true)] {
        let log = Log::plain(300);
        log.journal_mode(journal_mode);
        log.lines(&["query", "--page", "9"]);
        // Beside a connection, a write-ahead log takes three descriptors to read.
        let connected = rusqlite::Connection::open(log.path("audit.db")).unwrap();
        connected
            .execute_batch("UPDATE audit_events SET actor_id = 5 WHERE id = 3")
            .unwrap();
        give_away(log.root());
        for limit in 4..20 {
            for question in QUESTIONS {
                let [baseline, enhanced] = MODES.map(|mode| {
                    if !is_indexed {
                        let _ = std::fs::remove_file(log.path("audit.idx"));
                    }
                    let mut command = program.limited(&format!("nofile={limit}"));
                    command.arg("--data-dir").arg(log.root()).args(question);
                    said(command, mode)
                });
                let what = format!(
                    "{journal_mode}, {limit} descriptors, index {is_indexed}: {question:?}: {baseline:?} {enhanced:?}"
                );
                // Of a batch, each request says for itself what it was refused.
                if question.contains(&"--batch") && baseline.1.contains("open files") {
                    continue;
                }
                if baseline.0 == Some(0) || question.contains(&"--batch") {
                    assert_eq!((enhanced.0, &enhanced.1), (baseline.0, &baseline.1), "{what}");
                    answered += 1;
                } else if enhanced.0 != Some(0) {
                    let last = |said: &Said| said.2.lines().last().map(str::to_owned);
                    assert_eq!((enhanced.0, last(&enhanced)), (baseline.0, last(&baseline)), "{what}");
                    refused += 1;
                }
            }
        }
    }
    assert!(answered > 200 && refused > 5, "{answered} answered, {refused} refused");
}
