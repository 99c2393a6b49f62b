//! The contract's digests, from what the program itself prints and writes.

use std::fs;

use auditq::contract::dataset::EVENTS;
use auditq::contract::digests::{
    DEEP_RESPONSES, DISTINCT_CREATED_AT, LEGACY_REQUESTS, LEGACY_REQUESTS_SHA256, LEGACY_RESPONSES, PAYLOADS_SHA256,
    PAYLOADS_SIZE, ROWS_SHA256, Responses,
};
use auditq::contract::workload::Workload;
use rusqlite::types::Value as Cell;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::harness::dataset::{Dataset, sha256};
use crate::harness::program::{MODES, assert_quiet, run_with_input};
use crate::harness::{auditq, checkout};

#[test]
fn the_payload_file() {
    let dataset = Dataset::contract();
    let payloads = fs::read(dataset.path("payloads.jsonl")).unwrap();
    assert_eq!(payloads.len() as u64, PAYLOADS_SIZE);
    assert_eq!(sha256(&payloads), PAYLOADS_SHA256);
}

/// Through SQL, as the `sqlite3` shell prints them in its list mode.
#[test]
fn the_rows() {
    let dataset = Dataset::contract();
    let database = rusqlite::Connection::open(dataset.path("audit.db")).unwrap();
    let mut statement = database.prepare("SELECT * FROM audit_events ORDER BY id").unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut lines = String::new();
    while let Some(row) = rows.next().unwrap() {
        let cell = |column| match row.get(column).unwrap() {
            Cell::Integer(number) => number.to_string(),
            Cell::Text(text) => text,
            other => panic!("{other:?}"),
        };
        lines.push_str(&(0..columns).map(cell).collect::<Vec<_>>().join("|"));
        lines.push('\n');
    }
    assert_eq!(
        lines.lines().next(),
        Some("1|1764461757|1896|CREATE|PRODUCT|PRODUCT-4789719|0|1493")
    );
    assert_eq!(lines.lines().count() as u64, EVENTS);
    assert_eq!(sha256(lines.as_bytes()), ROWS_SHA256);
    let distinct: i64 = database
        .query_row("SELECT count(DISTINCT created_at) FROM audit_events", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(distinct, DISTINCT_CREATED_AT as i64);
}

/// A stream's first requests, as the program prints them for a batch: no dataset is needed for that.
fn requests(workload: Workload, count: usize) -> Vec<u8> {
    let output = auditq()
        .args(["--data-dir", "no/such/place", "bench", "--dry-run"])
        .args(["--workload", workload.name()])
        .args(["--requests", &count.to_string()])
        .output()
        .unwrap();
    assert_quiet(&output, workload.name());
    output.stdout
}

#[test]
fn the_requests_of_both_streams() {
    let legacy = requests(Workload::Legacy, LEGACY_REQUESTS);
    assert_eq!(sha256(&legacy), LEGACY_REQUESTS_SHA256);
    for (workload, first) in [
        (
            Workload::Legacy,
            r#"{"from_ts": 1766448000, "to_ts": 1767052800, "actor_id": 1266, "action": "UPDATE", "page": 1588, "page_size": 20}"#,
        ),
        (
            Workload::Deep,
            r#"{"from_ts": 0, "to_ts": 1767052800, "actor_id": null, "action": null, "page": "#,
        ),
    ] {
        let lines = requests(workload, 7);
        assert!(lines.starts_with(first.as_bytes()), "{workload:?}");
        assert_eq!(lines.split_inclusive(|byte| *byte == b'\n').count(), 7);
    }
}

/// What a batch of these lines gives.
fn batch(dataset: &Dataset, mode: &str, threads: &str, lines: &[u8]) -> Vec<u8> {
    let mut command = auditq();
    command.arg("--data-dir").arg(dataset.root());
    command.args(["query", "--mode", mode, "--threads", threads, "--batch", "-"]);
    let output = run_with_input(command, lines);
    assert_quiet(&output, mode);
    output.stdout
}

fn responses_are_the_contracts(mode: &str, threads: &str) {
    let dataset = Dataset::contract();
    for expected in [LEGACY_RESPONSES, DEEP_RESPONSES] {
        let Responses {
            workload,
            requests: asked,
            ..
        } = expected;
        let what = format!("{workload:?} in mode {mode} on {threads} threads");
        let responses = batch(&dataset, mode, threads, &requests(workload, asked));
        let counts: Vec<usize> = responses
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice::<Response>(line).unwrap().count)
            .collect();
        assert_eq!(counts.len(), asked, "{what}");
        let non_empty = counts.iter().filter(|count| **count > 0).count();
        assert_eq!(non_empty, expected.non_empty, "{what}");
        assert_eq!(counts.iter().sum::<usize>(), expected.events, "{what}");
        assert_eq!(sha256(&responses), expected.sha256, "{what}");
    }
}

#[test]
fn the_responses_of_the_baseline_on_one_thread() {
    responses_are_the_contracts("baseline", "1");
}

#[test]
fn the_responses_of_the_baseline_on_16_threads() {
    responses_are_the_contracts("baseline", "16");
}

#[test]
fn the_responses_of_the_enhanced_engine_on_one_thread() {
    responses_are_the_contracts("enhanced", "1");
}

#[test]
fn the_responses_of_the_enhanced_engine_on_16_threads() {
    responses_are_the_contracts("enhanced", "16");
}

/// A response line, its events as the text that they are.
#[derive(Deserialize)]
struct Response<'line> {
    query: Value,
    #[serde(borrow)]
    events: Vec<&'line RawValue>,
    count: usize,
}

fn golden(name: &str) -> Vec<u8> {
    let path = checkout("fixtures/golden").join(name);
    fs::read(path).unwrap()
}

/// A file by its lines, each with its newline.
fn lines(bytes: &[u8]) -> Vec<&str> {
    std::str::from_utf8(bytes).unwrap().split_inclusive('\n').collect()
}

#[test]
fn the_golden_files_are_what_the_python_baseline_made() {
    let sums = String::from_utf8(golden("SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().count(), 4);
    for (sum, name) in sums.lines().map(|line| line.split_once("  ").unwrap()) {
        assert_eq!(sha256(&golden(name)), sum, "{name}");
    }
}

#[test]
fn the_golden_pages_in_a_batch() {
    let dataset = Dataset::contract();
    let expected = golden("responses.jsonl");
    let large = String::from_utf8(golden("large-responses.sha256")).unwrap();
    for mode in MODES {
        let found = batch(&dataset, mode, "2", &golden("requests.jsonl"));
        let (found, expected) = (lines(&found), lines(&expected));
        assert_eq!(found.len(), expected.len(), "{mode}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{mode}");
        }
        let found = batch(&dataset, mode, "2", &golden("large-requests.jsonl"));
        let sums: String = lines(&found)
            .iter()
            .map(|line| format!("{}  -\n", sha256(line.as_bytes())))
            .collect();
        assert_eq!(sums, large, "{mode}");
    }
}

/// Each golden page again, asked for by flags: its lines are the events of the Python baseline's response.
#[test]
fn the_golden_pages_one_by_one() {
    let dataset = Dataset::contract();
    let responses = golden("responses.jsonl");
    for line in lines(&responses) {
        let Response { query, events, .. } = serde_json::from_str(line).unwrap();
        let number = |key: &str| query[key].to_string();
        let mut arguments = vec!["query".to_owned()];
        for (flag, key) in [
            ("--from", "from_ts"),
            ("--to", "to_ts"),
            ("--page", "page"),
            ("--size", "page_size"),
        ] {
            arguments.extend([flag.to_owned(), number(key)]);
        }
        if !query["actor_id"].is_null() {
            arguments.extend(["--actor".to_owned(), number("actor_id")]);
        }
        if let Some(action) = query["action"].as_str() {
            // No argument of a process can hold a NUL: such a page is asked for by a batch only.
            if action.contains('\0') {
                continue;
            }
            arguments.extend(["--action".to_owned(), action.to_owned()]);
        }
        let expected: String = events.iter().map(|event| format!("{event}\n")).collect();
        for mode in MODES {
            let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            arguments.extend(["--mode", mode]);
            let output = dataset.auditq(&arguments);
            assert_quiet(&output, &format!("{arguments:?}"));
            assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{arguments:?}");
        }
    }
}
