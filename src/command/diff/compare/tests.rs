use super::*;

const EVENT: Event<'static> = Event {
    id: 0,
    created_at: 10,
    actor_id: 1,
    action: "LOGIN",
    resource_type: "USER",
    resource_id: "USER-1",
    payload: b"{}",
};

fn events(ids: &[i64]) -> Vec<Event<'static>> {
    ids.iter().map(|id| Event { id: *id, ..EVENT }).collect()
}

fn classes(ours: &[Event<'_>], theirs: &[Event<'_>]) -> Vec<(Class, Option<i64>, &'static str)> {
    let found = Pairing::of(ours, theirs).differences();
    found.into_iter().map(|it| (it.class, it.event, it.what)).collect()
}

#[test]
fn an_event_that_moves_is_one_mismatch() {
    let found = classes(&events(&[5, 4, 3, 2, 1]), &events(&[1, 5, 4, 3, 2]));
    assert_eq!(found, [(Class::Reordered, Some(1), "place")]);
}

#[test]
fn a_shifted_page_lacks_its_first_event_and_has_one_too_many() {
    let found = classes(&events(&[5, 4, 3]), &events(&[4, 3, 2]));
    assert_eq!(
        found,
        [(Class::Missing, Some(5), "event"), (Class::Extra, Some(2), "event")]
    );
}

#[test]
fn an_event_that_comes_twice_is_extra_once() {
    let found = classes(&events(&[5, 4]), &events(&[5, 4, 4]));
    assert_eq!(found, [(Class::Extra, Some(4), "event")]);
    let found = classes(&events(&[5, 4]), &events(&[5, 5]));
    assert_eq!(
        found,
        [(Class::Missing, Some(4), "event"), (Class::Extra, Some(5), "event")]
    );
}

#[test]
fn every_field_is_compared() {
    let changed: [(&str, Event<'_>); 6] = [
        (
            "created_at",
            Event {
                created_at: 11,
                ..EVENT
            },
        ),
        ("actor_id", Event { actor_id: 2, ..EVENT }),
        (
            "action",
            Event {
                action: "login",
                ..EVENT
            },
        ),
        (
            "resource_type",
            Event {
                resource_type: "",
                ..EVENT
            },
        ),
        (
            "resource_id",
            Event {
                resource_id: "USER-1 ",
                ..EVENT
            },
        ),
        (
            "payload",
            Event {
                payload: b"{ }",
                ..EVENT
            },
        ),
    ];
    for (what, event) in changed {
        let class = if what == "payload" {
            Class::Payload
        } else {
            Class::Field
        };
        assert_eq!(classes(&[EVENT], &[event]), [(class, Some(0), what)]);
    }
    assert!(classes(&[EVENT], &[EVENT]).is_empty());
}

#[test]
fn a_report_shows_both_values() {
    let changed = Event {
        action: "LOG\u{1b}IN",
        actor_id: -7,
        ..EVENT
    };
    let (ours, theirs) = ([EVENT], [changed]);
    let found = Pairing::of(&ours, &theirs).differences();
    let shown: Vec<_> = found
        .iter()
        .map(|it| (it.model.as_str(), it.candidate.as_str()))
        .collect();
    assert_eq!(shown, [("1", "-7"), ("\"LOGIN\"", "\"LOG\\u{1b}IN\"")]);
}

fn answer(outcome: Outcome) -> Response {
    let mut answer = Response::default();
    answer.outcome = outcome;
    answer
}

#[test]
fn answers_without_events_differ_in_their_number_or_their_error() {
    let count = |count| answer(Outcome::Count(count));
    let failed = |text: &str| answer(Outcome::Failed(text.to_owned()));
    let none = || answer(Outcome::Events);
    for (ours, theirs, difference) in [
        (count(5), count(3), Some((Class::Missing, "count", "5", "3"))),
        (count(5), count(7), Some((Class::Extra, "count", "5", "7"))),
        (count(5), count(5), None),
        (count(0), none(), Some((Class::Error, "answer", "count 0", "0 events"))),
        (
            failed("lost"),
            count(5),
            Some((Class::Error, "answer", "error: lost", "count 5")),
        ),
        (
            failed("lost"),
            failed("torn"),
            Some((Class::Error, "answer", "error: lost", "error: torn")),
        ),
        (failed("lost"), failed("lost"), None),
    ] {
        let found = differences(&ours, &theirs);
        let found: Vec<_> = found
            .iter()
            .map(|it| (it.class, it.what, it.model.as_str(), it.candidate.as_str()))
            .collect();
        assert_eq!(found, difference.into_iter().collect::<Vec<_>>());
        assert_eq!(same(&ours, &theirs), difference.is_none());
    }
}

#[test]
fn what_is_missing_or_extra_is_told_in_order_with_its_place() {
    let (long, short) = (events(&[9, 8, 7, 6, 5, 4]), events(&[7]));
    let places = |ours: &[Event<'_>], theirs: &[Event<'_>], class| -> Vec<(String, String)> {
        let found = Pairing::of(ours, theirs).differences();
        assert!(found.iter().all(|it| it.class == class));
        let place = |text: &str| text.split(':').next().unwrap().to_owned();
        found
            .iter()
            .map(|it| (place(&it.model), place(&it.candidate)))
            .collect()
    };
    let there = [1, 2, 4, 5, 6].map(|place| format!("place {place} of 6"));
    let nothing = || "nothing".to_owned();
    let missing: Vec<_> = there.iter().map(|place| (place.clone(), nothing())).collect();
    assert_eq!(places(&long, &short, Class::Missing), missing);
    let extra: Vec<_> = there.iter().map(|place| (nothing(), place.clone())).collect();
    assert_eq!(places(&short, &long, Class::Extra), extra);
}
