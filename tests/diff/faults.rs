//! A fault in an engine, and the class of mismatch that it must become.

use auditq::command::diff::report::{Class, Counts, Finding, Line, Subsampled};
use auditq::config::{DiffArgs, DiffWorkload};
use auditq::engine::Lifetime;
use auditq::error::Exit;

use super::{Outcome, diff, sweep};
use crate::faulty_engines::{Fault, Faulty};
use crate::harness::Log;

/// Three pages, the last of one event: the sweep of a log of twice as many takes four times as long.
const EVENTS: i64 = 41;

/// The sweep of a small log, with a fault in the candidate, which is otherwise the faster engine: that takes half the time.
fn with(fault: Fault) -> Outcome {
    let log = Log::plain(EVENTS);
    let faulty = Faulty {
        sound: &log.enhanced(Lifetime::LongLived),
        fault,
    };
    diff(&log, &log.baseline(), &faulty, &sweep())
}

#[test]
fn the_two_engines_are_the_same() {
    let log = Log::plain(EVENTS);
    let enhanced = log.enhanced(Lifetime::LongLived);
    for workload in DiffWorkload::ALL {
        let args = DiffArgs {
            workloads: vec![workload],
            ..sweep()
        };
        let outcome = diff(&log, &log.baseline(), &enhanced, &args);
        assert_eq!(outcome.exit.as_ref().unwrap(), &Exit::Fine);
        let verdict = outcome.verdict();
        assert_eq!(
            (verdict.verdict, verdict.mismatches),
            (Finding::Same, Counts::default())
        );
        let Line::SelfCheck(check) = &outcome.lines[0] else {
            panic!("{:?}", outcome.lines)
        };
        // Six classes in a page and in a whole result, three in a count.
        assert_eq!(check.planted, 15);
        assert!(check.requests > 0 && check.events > 0);
    }
}

#[test]
fn a_swapped_tie_is_reordered() {
    with(Fault::SwapTie).has_exactly(&[Class::Reordered]);
}

#[test]
fn a_dropped_event_is_missing() {
    with(Fault::DropLast).has_exactly(&[Class::Missing]);
}

#[test]
fn a_repeated_event_is_extra() {
    with(Fault::RepeatLast).has_exactly(&[Class::Extra]);
}

#[test]
fn a_shifted_page_is_missing_and_extra() {
    with(Fault::ShiftPage).has_exactly(&[Class::Missing, Class::Extra]);
}

#[test]
fn another_field_is_a_field() {
    let outcome = with(Fault::Action);
    outcome.has_exactly(&[Class::Field]);
    let first = outcome.mismatches()[0];
    assert_eq!(
        (first.what, first.enhanced.to_uppercase()),
        ("action", first.baseline.clone())
    );
}

#[test]
fn other_payload_bytes_are_a_payload_even_of_the_same_value() {
    with(Fault::PayloadBytes).has_exactly(&[Class::Payload]);
}

#[test]
fn a_failure_where_the_other_answers_is_an_error() {
    let outcome = with(Fault::FailOn(35));
    outcome.has_exactly(&[Class::Error]);
    assert_eq!(
        outcome.mismatches()[0].enhanced,
        "error: event 35: payload at offset 0, length 0: planted"
    );
    // And the other way round.
    let log = Log::plain(EVENTS);
    let baseline = log.baseline();
    let failing = Faulty {
        sound: &baseline,
        fault: Fault::FailOn(7),
    };
    let outcome = diff(&log, &failing, &baseline, &sweep());
    outcome.has_exactly(&[Class::Error]);
    // The sweep is made from the other events, and says so.
    let part = "events that can be read";
    let thinned = Subsampled {
        workload: "sweep",
        part,
        kept: EVENTS as usize - 1,
        of: EVENTS as usize,
    };
    assert!(outcome.lines.contains(&Line::Subsampled(thinned)));
}

#[test]
fn a_count_too_low_is_missing() {
    let outcome = with(Fault::Count);
    outcome.has_exactly(&[Class::Missing]);
    assert!(outcome.mismatches().iter().all(|mismatch| mismatch.what == "count"));
}

#[test]
fn a_stale_answer_is_found() {
    let (log, before) = (Log::plain(EVENTS), Log::plain(EVENTS));
    log.sql(
        "INSERT INTO audit_events (created_at, actor_id, action, resource_type, resource_id, payload_offset, payload_len)
         SELECT created_at + 50, actor_id, action, resource_type, resource_id, payload_offset, payload_len
         FROM audit_events WHERE id = 30;
         UPDATE audit_events SET resource_id = 'OTHER-1' WHERE id = 25;",
    );
    let stale = before.enhanced(Lifetime::LongLived);
    let outcome = diff(&log, &log.baseline(), &stale, &sweep());
    outcome.has_exactly(&[Class::Missing, Class::Extra, Class::Field]);
}

#[test]
fn mismatches_are_counted_in_full_and_shown_in_order_up_to_the_limit() {
    let log = Log::plain(EVENTS);
    // Four sweeps, whose answers need not be the baseline's.
    let model = log.enhanced(Lifetime::LongLived);
    let faulty = Faulty {
        sound: &model,
        fault: Fault::DropLast,
    };
    let of = |max_mismatches, threads| {
        diff(
            &log,
            &model,
            &faulty,
            &DiffArgs {
                max_mismatches,
                threads,
                ..sweep()
            },
        )
    };
    let all = of(usize::MAX, 1);
    let total = all.verdict().mismatches.total();
    assert_eq!(all.mismatches().len() as u64, total);
    assert!(total > 100);
    for threads in [1, 4] {
        let some = of(7, threads);
        assert_eq!(some.mismatches(), all.mismatches()[..7]);
        assert_eq!(some.verdict(), all.verdict());
    }
    assert!(of(0, 2).mismatches().is_empty());
}
