//! Logs that change, cannot be read, or are not asked.

use std::fs;
use std::sync::atomic::AtomicUsize;

use auditq::command::diff::report::Finding;
use auditq::config::{DiffArgs, DiffWorkload};
use auditq::contract::workload::Workload;
use auditq::engine::Lifetime;
use auditq::error::{Error, Exit};

use super::{deep, diff, sweep};
use crate::faulty_engines::Interrupted;
use crate::harness::Log;

#[test]
fn no_request_is_no_verdict() {
    let log = Log::plain(10);
    for workloads in [
        vec![DiffWorkload::Sweep],
        vec![DiffWorkload::Stream(Workload::Deep)],
        vec![],
    ] {
        let args = DiffArgs {
            workloads,
            requests: Some(0),
            ..sweep()
        };
        let outcome = diff(&log, &log.baseline(), &log.baseline(), &args);
        let message = outcome.exit.unwrap_err().to_string();
        assert!(message.contains("no request was compared"), "{message}");
    }
}

#[test]
fn a_log_that_changes_in_between_is_asked_again() {
    let log = Log::plain(20);
    let baseline = log.baseline();
    let insert = || {
        log.sql(
            "INSERT INTO audit_events (created_at, actor_id, action, resource_type, resource_id, payload_offset, payload_len)
             SELECT created_at, actor_id, action, resource_type, resource_id, payload_offset, payload_len
             FROM audit_events ORDER BY id DESC LIMIT 1",
        );
    };
    let args = DiffArgs { threads: 1, ..sweep() };
    let enhanced = log.enhanced(Lifetime::LongLived);
    let changing = Interrupted {
        engine: &enhanced,
        left: AtomicUsize::new(20),
        happen: &insert,
    };
    let outcome = diff(&log, &baseline, &changing, &args);
    assert_eq!(outcome.exit.as_ref().unwrap(), &Exit::Fine);
    let asked_again = outcome.verdict().asked_again;
    assert!((1..=20).contains(&asked_again), "{asked_again}");
    // An engine that does not see the changes is no less wrong for them.
    let before = Log::plain(20);
    let stale = before.enhanced(Lifetime::LongLived);
    let changing = Interrupted {
        engine: &stale,
        left: AtomicUsize::new(20),
        happen: &insert,
    };
    let outcome = diff(&log, &baseline, &changing, &args);
    assert_eq!(outcome.exit.as_ref().unwrap(), &Exit::Negative);
}

#[test]
fn a_log_that_never_rests_has_no_verdict() {
    let log = Log::plain(20);
    let (baseline, stale) = (log.baseline(), Log::plain(20));
    let stale = stale.baseline();
    let update = || log.sql("UPDATE audit_events SET resource_id = resource_id || 'x' WHERE id = 20");
    let changing = Interrupted {
        engine: &stale,
        left: AtomicUsize::new(usize::MAX),
        happen: &update,
    };
    let args = DiffArgs { threads: 1, ..sweep() };
    // So many, evenly spaced, that some of their answers hold the event that changes.
    let args = DiffArgs {
        requests: Some(64),
        ..args
    };
    let outcome = diff(&log, &baseline, &changing, &args);
    assert!(outcome.verdict().unsettled > 0);
    assert_eq!(outcome.verdict().verdict, Finding::None);
    let message = outcome.exit.unwrap_err().to_string();
    assert!(message.contains("have no verdict"), "{message}");
}

#[test]
fn the_same_error_is_the_same_answer_but_alone_no_verdict() {
    let log = Log::plain(30);
    // The payloads of the newer half are gone.
    let payloads = fs::File::options()
        .write(true)
        .open(log.path("payloads.jsonl"))
        .unwrap();
    payloads.set_len(payloads.metadata().unwrap().len() / 2).unwrap();
    let enhanced = log.enhanced(Lifetime::LongLived);
    let outcome = diff(&log, &log.baseline(), &enhanced, &sweep());
    assert_eq!(outcome.exit.as_ref().unwrap(), &Exit::Fine);
    assert!(outcome.verdict().failed_alike > 0);
    fs::write(log.path("audit.db"), "no database").unwrap();
    let outcome = diff(&log, &log.baseline(), &enhanced, &deep(20));
    assert_eq!(outcome.verdict().verdict, Finding::None);
    let message = outcome.exit.unwrap_err().to_string();
    assert!(message.contains("failed alike on all 20 requests"), "{message}");
    let outcome = diff(&log, &log.baseline(), &enhanced, &sweep());
    assert!(matches!(outcome.exit, Err(Error::Database { .. })));
}
