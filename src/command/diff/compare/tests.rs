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
