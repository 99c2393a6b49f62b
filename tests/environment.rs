//! Environment variables: one that is empty is unset, and an option that is given stands before one that is not.

use std::process::{Command, Output};

use crate::harness::faults::DEEP_REQUESTS;
use crate::harness::program::assert_refused;
use crate::harness::{Log, auditq};

/// Every variable that the program reads.
pub(super) const VARIABLES: [&str; 4] = ["AUDITQ_DATA_DIR", "AUDITQ_FORMAT", "AUDITQ_VERBOSE", "NO_COLOR"];

/// Runs these in the log's directory, whose log is also the default one there.
fn run(log: &Log, arguments: &[&str], set: impl Fn(&mut Command)) -> Output {
    let mut command = auditq();
    command.current_dir(log.root()).args(arguments);
    set(&mut command);
    command.output().unwrap()
}

fn log_in_the_default_directory() -> Log {
    let log = Log::plain(30);
    let data = log.path("data");
    std::fs::create_dir(&data).unwrap();
    for name in ["audit.db", "payloads.jsonl"] {
        std::fs::copy(log.path(name), data.join(name)).unwrap();
    }
    log
}

#[test]
fn an_empty_variable_is_an_unset_one_for_every_command() {
    let log = log_in_the_default_directory();
    for arguments in [
        &["query"] as &[&str],
        &["query", "--count", "--data-dir", ".", "--format", "jsonl"],
        &["--data-dir", ".", "--format", "table", "query"],
        &["diff", "--workload", "deep", "--requests", DEEP_REQUESTS],
        &["bench", "--workload", "deep", "--requests", "3", "--dry-run"],
        &["verify-baseline"],
        &["seed"],
        &["--help"],
    ] {
        let unset = run(&log, arguments, |_| {});
        for name in VARIABLES {
            let empty = run(&log, arguments, |command| _ = command.env(name, ""));
            assert_eq!(empty, unset, "{name}, {arguments:?}");
        }
        let all = run(&log, arguments, |command| {
            _ = command.envs(VARIABLES.map(|name| (name, "")))
        });
        assert_eq!(all, unset, "all empty, {arguments:?}");
    }
}

#[test]
fn what_a_variable_says_is_not_looked_at_where_the_option_is_given() {
    let log = log_in_the_default_directory();
    let unset = run(&log, &["query"], |_| {});
    assert_eq!(unset.status.code(), Some(0));
    let wrong = |command: &mut Command| {
        command
            .env("AUDITQ_FORMAT", "csv")
            .env("AUDITQ_DATA_DIR", "/nonexistent");
    };
    for arguments in [
        ["--format", "jsonl", "--data-dir", ".", "query"],
        ["--format", "jsonl", "query", "--data-dir", "."],
        ["query", "--format", "jsonl", "--data-dir", "."],
    ] {
        assert_eq!(run(&log, &arguments, wrong), unset, "{arguments:?}");
    }
    let output = run(&log, &["query"], wrong);
    assert_refused(
        &output,
        &["AUDITQ_FORMAT", "\"csv\"", "auto, table, pretty, jsonl"],
        "format",
    );
    let output = run(&log, &["query", "--format", "jsonl"], wrong);
    assert_refused(&output, &["/nonexistent"], "directory");
}
