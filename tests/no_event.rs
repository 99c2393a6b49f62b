//! A workload in which no event was compared or measured is no pass and no figure: exit code 2, and one line that says
//! which workload, up to when it was asked, and what to do.

use std::fs;

use serde_json::Value;

use crate::harness::Log;
use crate::harness::dataset::values;
use crate::harness::faults::{DEEP_BENCH, DEEP_REQUESTS};
use crate::harness::program::assert_refused;

/// A log whose newest event, and so the end of the streams, is at 1,000,150. The first event in an answer is that of
/// deep request 243 and of legacy request 73.
fn log() -> Log {
    Log::plain(300)
}

/// The `verdict` lines of a `diff`, by workload: what was found, and in how many events.
fn verdicts(stdout: &[u8]) -> Vec<(String, String, u64)> {
    let verdicts = values(stdout).into_iter().filter(|line| line["type"] == "verdict");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    verdicts
        .map(|it| {
            (
                text(&it["workload"]),
                text(&it["verdict"]),
                it["events"].as_u64().unwrap(),
            )
        })
        .collect()
}

#[test]
fn diff_has_no_verdict_without_an_event() {
    let log = log();
    for workload in ["deep", "legacy"] {
        let output = log.auditq(&["diff", "--workload", workload, "--requests", "20"]);
        let expected = (workload.to_owned(), "none".to_owned(), 0);
        assert_eq!(verdicts(&output.stdout), [expected]);
        let says = [
            workload,
            "none of its 20 requests up to epoch second 1000150 has an event, so none was compared",
            "--requests takes more",
            "--workload sweep",
        ];
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        assert!(says.iter().all(|part| said.contains(part)), "{said}");
    }
    // What was found of the others is shown, and does not make it a pass.
    let output = log.auditq(&["diff", "--requests", "100"]);
    let found: Vec<_> = verdicts(&output.stdout).into_iter().map(|it| (it.0, it.1)).collect();
    let expected = [("legacy", "same"), ("deep", "none"), ("sweep", "same")];
    assert_eq!(found, expected.map(|(name, found)| (name.to_owned(), found.to_owned())));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.starts_with("auditq: deep: none of its 100 requests"), "{said}");

    let output = log.auditq(&["diff", "--workload", "deep", "--requests", DEEP_REQUESTS]);
    assert_eq!(
        (output.status.code(), verdicts(&output.stdout)[0].1.as_str()),
        (Some(0), "same")
    );
}

#[test]
fn bench_has_no_figures_without_an_event() {
    let log = log();
    let bench = |arguments: &[&str]| log.auditq(&[&["bench", "--rounds", "6", "--threads", "2"], arguments].concat());
    for further in [
        &[][..],
        &["--rate", "10000"],
        &["--min-speedup", "2"],
        &["--write-rate", "0,20", "--write-seconds", "0.05"],
    ] {
        for workload in ["deep", "legacy"] {
            let output = bench(&[&["--workload", workload, "--requests", "20"], further].concat());
            let says = [
                workload,
                "up to epoch second 1000150 has an event, so none was measured",
            ];
            assert_refused(&output, &says, &format!("{workload} {further:?}"));
        }
    }
    // One of two has events: it alone can be measured, and the line says which.
    let output = bench(&["--requests", "100"]);
    assert_refused(
        &output,
        &[
            "no figures: deep: none of its 100 requests",
            "legacy alone can be measured",
        ],
        "both",
    );
    let output = bench(&["--requests", "100", "--workload", "legacy"]);
    assert!(output.status.success(), "{output:?}");
    // What measures nothing needs no event.
    let output = bench(&["--requests", "3", "--dry-run"]);
    assert_eq!(
        (
            output.status.code(),
            output.stdout.iter().filter(|&&byte| byte == b'\n').count()
        ),
        (Some(0), 6)
    );
}

#[test]
fn an_empty_log_has_nothing_to_compare() {
    let log = Log::new(&[]);
    for workload in ["deep", "legacy", "sweep"] {
        let output = log.auditq(&["diff", "--workload", workload, "--requests", "20"]);
        assert_eq!(verdicts(&output.stdout)[0].1, "none", "{workload}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(&format!("{workload}: the log holds no event, so none was compared")),
            "{said}"
        );
    }
    let output = log.auditq(&["bench", "--requests", "3", "--rounds", "2"]);
    assert_refused(
        &output,
        &["legacy: the log holds no event", "deep: the log holds no event"],
        "bench",
    );
}

/// Errors are compared too, but what fails in part and is empty in the rest has shown no event.
#[test]
fn failures_beside_empty_answers_are_no_verdict() {
    let log = log();
    fs::write(log.path("payloads.jsonl"), "").unwrap();
    let output = log.auditq(&["diff", "--workload", "deep", "--requests", DEEP_REQUESTS]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let expected = "deep: 1 of 250 requests failed and no other has an event, so no event was compared";
    assert!(said.contains(expected), "{said}");
    let output = log.auditq(&[&DEEP_BENCH[..], &["2"]].concat());
    assert_refused(
        &output,
        &["1 of 250 requests failed", "no event was measured", "auditq query"],
        "bench",
    );
}
