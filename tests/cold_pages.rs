//! Pages that are not in memory: what they need is asked for all at once, in any file system and whatever it can.

use std::process::{Command, Output};

use auditq::engine::{Engine, Lifetime};

use crate::harness::faults::auditq_on;
use crate::harness::needs::{needs, skipped};
use crate::harness::program::behind;
use crate::harness::{Log, NewEvent};

/// Requests, and how many payloads they read.
const REQUESTS: [(&[&str], usize); 5] = [
    (&["query", "--size", "50", "--page", "30"], 50),
    (&["query", "--size", "50", "--page", "3", "--actor", "3"], 50),
    (&["query", "--size", "20", "--after", "1001500:1"], 20),
    (&["query", "--size", "1", "--page", "1500"], 1),
    (&["query", "--all"], 2_000),
];

/// The reads of a run, and what it asked the system to read ahead.
#[derive(Debug, Default)]
struct Trace {
    /// Positional reads of the payload file that gave what was asked for.
    payload_reads: usize,
    payloads_ahead: usize,
    blocks_ahead: usize,
    /// Blocks of the index that were waited for before any was asked for.
    waits_before: usize,
    /// The same, from the first payload on that was asked for.
    waits_beside_payloads: usize,
}

/// Runs auditq under strace, with these faults.
fn traced(log: &Log, arguments: &[&str], faults: &[&str]) -> (Output, Trace) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    let program = auditq_on(log.root(), arguments);
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-y", "-qq", "-e", "trace=pread64,preadv2,fadvise64", "-o"])
        .arg(&path);
    for fault in faults {
        strace.arg("-e").arg(format!("inject={fault}"));
    }
    let output = behind(strace, &program).output().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let mut trace = Trace::default();
    for line in text.lines() {
        let is_payload = line.contains("payloads.jsonl>");
        let is_read = (line.contains("pread64(") || line.contains("preadv2(")) && !line.contains(" = -1 ");
        let is_ahead = line.contains("fadvise64(") && line.contains("POSIX_FADV_WILLNEED");
        trace.payload_reads += usize::from(is_payload && is_read);
        trace.payloads_ahead += usize::from(is_payload && is_ahead);
        let is_index = line.contains("audit.idx>");
        trace.blocks_ahead += usize::from(is_index && is_ahead);
        trace.waits_before += usize::from(is_index && is_read && trace.blocks_ahead == 0);
        trace.waits_beside_payloads += usize::from(is_index && is_read && trace.payloads_ahead > 0);
    }
    (output, trace)
}

/// A log with an index, whose events stand in another order than their ids: what a page needs lies all over both files.
fn indexed_log() -> Log {
    let event = |id: i64| NewEvent {
        id,
        created_at: 1_000_000 + (id * 7_919) % 2_000,
        actor_id: id % 7,
        action: "UPDATE".to_owned(),
        resource_type: "ORDER".to_owned(),
        resource_id: format!("ORDER-{id}-{}", "x".repeat(200)),
    };
    let log = Log::new(&(1..=2_000).map(event).collect::<Vec<_>>());
    log.enhanced(Lifetime::OneShot).maintain(&|_, _| {}).unwrap();
    log
}

fn by_baseline(log: &Log, arguments: &[&str]) -> Vec<u8> {
    let output = auditq_on(
        log.root(),
        &[arguments, &["--mode", "baseline", "--format", "jsonl"]].concat(),
    )
    .output();
    output.unwrap().stdout
}

/// Runs every request under these faults, compares it with the baseline, and gives the traces.
fn all_under(log: &Log, faults: &[&str]) -> Vec<Trace> {
    let mut traces = Vec::new();
    for (arguments, payloads) in REQUESTS {
        let (output, trace) = traced(log, &[arguments, &["--format", "jsonl"]].concat(), faults);
        let what = format!("{arguments:?} under {faults:?}: {trace:?}");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{what}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.stdout == by_baseline(log, arguments), "{what}: another answer");
        assert_eq!(trace.payload_reads, payloads, "{what}: one read for each event");
        traces.push(trace);
    }
    traces
}

/// Nothing is in memory: every payload is asked for before it is read, and so are the blocks of the index.
#[test]
fn what_a_cold_page_needs_is_asked_for_all_at_once() {
    needs!(Strace);
    let log = indexed_log();
    let traces = all_under(&log, &["preadv2:error=EAGAIN"]);
    for (trace, (arguments, payloads)) in traces.iter().zip(REQUESTS) {
        assert_eq!(trace.payloads_ahead, payloads, "{arguments:?}");
    }
    // Its texts lie in blocks of their own, all over the index, and load beside the payloads.
    assert!(traces[0].blocks_ahead > 10, "{:?}", traces[0]);
    assert!(traces[0].waits_beside_payloads > 10, "{:?}", traces[0]);
    // The header says where the rest is.
    assert_eq!(traces[0].waits_before, 1, "{:?}", traces[0]);
}

/// Behind a commit, some of a page's rows are not in the index: in the page's order all the same.
#[test]
fn what_a_cold_page_needs_is_asked_for_behind_a_commit_too() {
    needs!(Strace);
    let log = indexed_log();
    // Few of them, or what the change is compared with has read all blocks.
    log.sql("DELETE FROM audit_events WHERE created_at = 1001010");
    log.sql("UPDATE audit_events SET actor_id = 9 WHERE created_at = 1001020");
    log.enhanced(Lifetime::OneShot).maintain(&|_, _| {}).unwrap();
    let arguments = ["query", "--size", "50", "--page", "20", "--format", "jsonl"];
    let (output, trace) = traced(&log, &arguments, &["preadv2:error=EAGAIN"]);
    assert!(output.stdout == by_baseline(&log, &arguments[..5]), "another answer");
    assert_eq!((trace.payload_reads, trace.payloads_ahead), (50, 50), "{trace:?}");
    assert!(trace.waits_beside_payloads > 10, "{trace:?}");
}

/// Where the page is in memory, nothing is asked for.
#[test]
fn a_warm_page_asks_for_nothing() {
    needs!(Strace);
    let log = indexed_log();
    let traces = all_under(&log, &[]);
    let asked = traces
        .iter()
        .map(|trace| trace.payloads_ahead + trace.blocks_ahead)
        .sum::<usize>();
    // Memory may have been short meanwhile: what was pushed out of it is asked for.
    assert!(asked < 100, "{traces:?}");
}

/// File systems and kernels without these calls, and sandboxes that forbid them: the same answers, by plain reads.
#[test]
fn without_either_call_the_answers_are_the_same() {
    needs!(Strace);
    let log = indexed_log();
    for error in ["EOPNOTSUPP", "ENOSYS", "EINVAL", "EPERM", "EIO"] {
        let traces = all_under(&log, &[&format!("preadv2:error={error}")]);
        for trace in traces {
            assert_eq!((trace.payloads_ahead, trace.blocks_ahead), (0, 0), "{error}");
        }
    }
    for error in ["EINVAL", "ENOSYS", "ESPIPE"] {
        let faults = ["preadv2:error=EAGAIN".to_owned(), format!("fadvise64:error={error}")];
        all_under(&log, &faults.each_ref().map(String::as_str));
    }
    all_under(&log, &["preadv2:error=EINTR"]);
    // Only the first read finds its payload in memory.
    all_under(&log, &["preadv2:error=EAGAIN:when=2+"]);
}

/// A payload that cannot be read is the same error as in the baseline, wherever it stands in a cold page.
#[test]
fn a_broken_payload_in_a_cold_page_is_the_same_error() {
    needs!(Strace);
    for (offset, len) in [(-1, 10), (0, -5), (1 << 40, 100), (i64::MAX, i64::MAX), (5, 20), (0, 0)] {
        let log = Log::plain(200);
        log.sql(&format!(
            "UPDATE audit_events SET payload_offset = {offset}, payload_len = {len} WHERE id = 150"
        ));
        log.enhanced(Lifetime::OneShot).maintain(&|_, _| {}).unwrap();
        let arguments = ["query", "--size", "100", "--format", "jsonl"];
        let (cold, _) = traced(&log, &arguments, &["preadv2:error=EAGAIN"]);
        let baseline = auditq_on(log.root(), &[&arguments[..], &["--mode", "baseline"]].concat())
            .output()
            .unwrap();
        assert_eq!(cold.status.code(), Some(2), "{offset} {len}");
        assert_eq!(cold, baseline, "{offset} {len}");
    }
}

/// Each engine at each size, or one line where the files do not leave memory, as on a file system that lives there.
#[test]
fn the_cold_bench_says_what_left_memory() {
    let log = indexed_log();
    for name in ["audit.db", "audit.idx", "payloads.jsonl"] {
        // What is not on the disk yet stays in memory.
        std::fs::File::open(log.path(name)).unwrap().sync_all().unwrap();
    }
    let output = log.auditq(&["bench", "--cold", "--rounds", "2", "--format", "jsonl"]);
    let (lines, said) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr),
    );
    if output.status.code() == Some(2) {
        assert!(
            said.starts_with("auditq: no figures: the log's files stay in memory"),
            "{said}"
        );
        return skipped("the cold bench", "the files do not leave memory here");
    }
    assert_eq!(output.status.code(), Some(0), "{said}");
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["type"], "cold_run");
    assert_eq!(
        lines[0]["dropped"],
        serde_json::json!(["audit.db", "payloads.jsonl", "audit.idx"])
    );
    assert_ne!(lines[0]["is_dropped"], false);
    let figures: Vec<_> = lines[1..]
        .iter()
        .map(|line| (line["subject"].as_str(), line["page_size"].as_u64()))
        .collect();
    let expected = [1, 20, 50].map(|size| [(Some("baseline"), Some(size)), (Some("enhanced"), Some(size))]);
    assert_eq!(figures, expected.concat());
    assert!(
        lines[1..].iter().all(|line| line["p50_us"].as_f64() > Some(0.0)),
        "{lines:?}"
    );
}
