//! A log that the live service made itself: the contract's dataset with every second moved by one number.

use std::fs;

use crate::harness::faults::auditq_on;
use crate::harness::{auditq, frozen};

const ANCHOR: &str = "1790000000";

#[test]
fn a_dataset_of_the_live_services_own_is_recognised_and_its_events_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let seeded = auditq_on(dir.path(), &["-q", "seed", "--anchor", ANCHOR])
        .output()
        .unwrap();
    assert!(seeded.status.success(), "{}", String::from_utf8_lossy(&seeded.stderr));
    // The service writes none.
    fs::remove_file(dir.path().join("scale-study.json")).unwrap();
    let frozen = frozen();
    let verified = auditq_on(dir.path(), &["verify-baseline", "--dir", frozen])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verified.stdout);
    assert_eq!(verified.status.code(), Some(0), "{said}");
    assert!(
        said.contains(&format!("the contract dataset, made at the anchor {ANCHOR}")),
        "{said}"
    );

    let lines = |arguments: &[&str]| {
        let output = auditq_on(dir.path(), arguments).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let values: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        values
    };
    let diff = lines(&["--format", "jsonl", "diff", "--workload", "legacy", "--requests", "300"]);
    let verdict = diff.iter().find(|line| line["type"] == "verdict").unwrap();
    assert_eq!(verdict["verdict"], "same");
    assert!(verdict["events"].as_u64().unwrap() > 100, "{verdict}");
    // The requests are the pinned ones, as far as one second lies behind the other.
    let requests = lines(&["bench", "--workload", "legacy", "--requests", "3", "--dry-run"]);
    assert_eq!(requests[0]["to_ts"], ANCHOR.parse::<i64>().unwrap());
    let pinned = auditq()
        .args(["--data-dir", "no/such/log", "bench", "--requests", "3", "--dry-run"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&pinned.stdout).contains("\"to_ts\": 1767052800"));
}

/// One row that is not the contract's, and it is some other log, whose newest event ends the streams.
#[test]
fn any_other_log_is_asked_up_to_its_newest_event() {
    let log = crate::harness::Log::plain(300);
    let newest: i64 = log
        .lines(&["query", "--size", "1"])
        .split_once("\"created_at\": ")
        .unwrap()
        .1
        .split_once(',')
        .unwrap()
        .0
        .parse()
        .unwrap();
    let requests = log.lines(&["bench", "--workload", "deep", "--requests", "1", "--dry-run"]);
    let request: serde_json::Value = serde_json::from_str(requests.trim()).unwrap();
    assert_eq!(request["to_ts"], newest);
}
