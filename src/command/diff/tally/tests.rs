use super::*;
use crate::command::diff::compare::Difference;

fn stable(verdict: Outcome, events: usize) -> Stable {
    Stable {
        verdict,
        events,
        asked_again: events == 7,
    }
}

/// Differences of these classes, about these events.
fn different(differences: &[(Class, i64)]) -> Outcome {
    let difference = |&(class, event): &(Class, i64)| Difference {
        class,
        event: Some(event),
        what: "event",
        model: String::new(),
        candidate: String::new(),
    };
    Outcome::Different(differences.iter().map(difference).collect())
}

fn tally(requests: Vec<Stable>, most: usize) -> Tally {
    let mut tally = Tally::default();
    for request in requests {
        tally.add(request, most, |difference| Mismatch {
            workload: "legacy",
            class: difference.class,
            event: difference.event,
            what: difference.what,
            baseline: difference.model,
            enhanced: difference.candidate,
            reproduce: Default::default(),
        });
    }
    tally
}

#[test]
fn each_request_is_counted_and_only_so_many_are_shown() {
    let first = vec![
        stable(Outcome::Same, 3),
        stable(different(&[(Class::Field, 1), (Class::Field, 2), (Class::Field, 3)]), 7),
        stable(Outcome::FailedAlike, 0),
    ];
    let second = vec![
        stable(different(&[(Class::Missing, 4), (Class::Field, 5)]), 1),
        stable(Outcome::Unsettled, 7),
    ];
    let (shown, verdict) = tally(first, 2).join(tally(second, 2), 2).finish("legacy", 2);
    let expected = Verdict {
        workload: "legacy",
        verdict: Finding::Different,
        requests: 5,
        events: 18,
        differing: 2,
        mismatches: Counts {
            field: 4,
            missing: 1,
            ..Counts::default()
        },
        failed_alike: 1,
        asked_again: 2,
        unsettled: 1,
    };
    assert_eq!(verdict, expected);
    // The classes in turn, each in the order of the requests.
    let shown: Vec<_> = shown.iter().map(|it| (it.class, it.event)).collect();
    assert_eq!(shown, [(Class::Missing, Some(4)), (Class::Field, Some(1))]);
}

#[test]
fn what_is_shown_is_filled_from_later_requests() {
    let one = |event| stable(different(&[(Class::Extra, event)]), 1);
    let joined = tally(vec![one(1)], 3).join(tally(vec![one(2), one(3), one(4)], 3), 3);
    let (shown, verdict) = joined.finish("legacy", 9);
    assert_eq!(shown.iter().filter_map(|it| it.event).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(verdict.mismatches.total(), 4);
    assert_eq!(verdict.mismatches.get(Class::Extra), 4);
}

#[test]
fn only_events_that_were_compared_make_it_the_same() {
    let different = || different(&[(Class::Error, 1)]);
    for (requests, finding) in [
        (vec![], Finding::None),
        (vec![stable(Outcome::Same, 0)], Finding::None),
        (vec![stable(Outcome::FailedAlike, 0)], Finding::None),
        (vec![stable(Outcome::Same, 1)], Finding::Same),
        (
            vec![stable(Outcome::Same, 1), stable(Outcome::FailedAlike, 0)],
            Finding::Same,
        ),
        (
            vec![stable(Outcome::Same, 1), stable(Outcome::Unsettled, 1)],
            Finding::None,
        ),
        (
            vec![stable(Outcome::Unsettled, 1), stable(different(), 0)],
            Finding::Different,
        ),
    ] {
        let what = format!("{requests:?}");
        let (_, verdict) = tally(requests, 1).finish("legacy", 1);
        assert_eq!(verdict.verdict, finding, "{what}");
    }
}
