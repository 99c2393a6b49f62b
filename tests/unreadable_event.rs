//! An event in the midst of all that cannot be shown: everything before it is, and everything behind it can be had.

use crate::harness::program::MODES;
use crate::harness::{Log, auditq};

/// Several times as many as are read at once, and some.
pub(super) const EVENTS: i64 = 1_203;

/// The key of the `place`th newest event, from 0, in [`Log::plain`].
fn key(place: i64) -> (i64, String) {
    let id = EVENTS - place;
    (id, format!("{}:{id}", 1_000_000 + id / 2))
}

/// Ways to make an event unreadable, as SQL for its row.
pub(super) const WAYS: [(&str, &str); 6] = [
    ("past the end", "payload_offset = 1 << 40"),
    ("no JSON", "payload_offset = payload_offset + 1"),
    ("a negative length", "payload_len = -1"),
    ("empty", "payload_len = 0"),
    ("a row that holds text for a number", "actor_id = 'x'"),
    ("a row that holds bytes for text", "resource_id = x'ff'"),
];

/// Standard output, the exit code, and standard error.
fn all(log: &Log, mode: &str, arguments: &[&str]) -> (String, Option<i32>, String) {
    let mut command = auditq();
    command
        .arg("--data-dir")
        .arg(log.root())
        .args(["query", "--all", "--quiet", "--mode", mode])
        .args(arguments);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), output.status.code(), text(output.stderr))
}

/// Shows all, up to each unreadable event and on behind it, as the messages say; the places must be in order.
fn walk(log: &Log, mode: &str, arguments: &[&str], places: &[i64], whole: &str) {
    let events: Vec<_> = whole.split_inclusive('\n').collect();
    let (mut from, mut after) = (0, String::new());
    for &place in places {
        let mut call = arguments.to_vec();
        if !after.is_empty() {
            call.extend(["--after", &after]);
        }
        let (shown, code, said) = all(log, mode, &call);
        let (id, cursor) = key(place);
        let what = format!("{mode} {call:?}, the event at {place}: {said}");
        assert_eq!((code, said.lines().count()), (Some(2), 1), "{what}");
        assert!(said.contains(&format!("event {id}: ")), "{what}");
        assert!(said.contains(&format!("--after {cursor} goes on behind it")), "{what}");
        assert!(shown == events[from..place as usize].concat(), "{what}");
        (from, after) = (place as usize + 1, cursor);
    }
    let rest = all(log, mode, &[arguments, &["--after", &after]].concat());
    assert!(
        rest == (events[from..].concat(), Some(0), String::new()),
        "{mode}: {}",
        rest.2
    );
}

#[test]
fn everything_before_and_everything_behind_is_shown() {
    let whole = Log::plain(EVENTS).lines(&["query", "--all", "--mode", "baseline"]);
    let kinds = WAYS.iter().cycle();
    for ((name, change), place) in kinds.zip([0, 1, 250, 499, 500, 501, 999, 1_000, EVENTS - 1]) {
        let log = Log::plain(EVENTS);
        log.sql(&format!("UPDATE audit_events SET {change} WHERE id = {}", key(place).0));
        let said = MODES.map(|mode| all(&log, mode, &[]));
        assert!(said[0] == said[1], "{name} at {place}: {} {}", said[0].2, said[1].2);
        for mode in MODES {
            walk(&log, mode, &[], &[place], &whole);
            // A page stays whole or an error.
            let page = log.auditq(&["query", "--size", "5000", "--mode", mode]);
            assert!(page.stdout.is_empty() && page.status.code() == Some(2), "{page:?}");
        }
    }
}

#[test]
fn several_unreadable_events_are_passed_one_by_one() {
    let whole = Log::plain(EVENTS).lines(&["query", "--all", "--mode", "baseline"]);
    for change in ["payload_len = 1 << 40", "actor_id = 'x'"] {
        let log = Log::plain(EVENTS);
        let places = [0, 1, 2, 600, 1_100];
        for place in places {
            log.sql(&format!("UPDATE audit_events SET {change} WHERE id = {}", key(place).0));
        }
        for mode in MODES {
            walk(&log, mode, &[], &places, &whole);
        }
    }
}

#[test]
fn a_window_and_a_cursor_go_together_with_all() {
    let log = Log::plain(EVENTS);
    for mode in MODES {
        for filter in [
            &["--actor", "3"][..],
            &["--action", "LOGIN"],
            &["--from", "1000100", "--to", "1000400"],
            &[],
        ] {
            let arguments = [&["query", "--all", "--mode", mode], filter].concat();
            let whole = log.lines(&arguments);
            for place in [0, 1, 499, 700, 1_202] {
                let (id, cursor) = key(place);
                let rest = log.lines(&[&arguments[..], &["--after", &cursor]].concat());
                let is_behind = |line: &&str| {
                    let start = line.strip_prefix("{\"id\": ").unwrap();
                    start.split(',').next().unwrap().parse::<i64>().unwrap() < id
                };
                let expected: String = whole.split_inclusive('\n').filter(is_behind).collect();
                assert!(rest == expected, "{mode} {filter:?} behind {cursor}");
            }
        }
    }
}
