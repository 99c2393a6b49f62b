//! Any text behind `--from`, `--to` and `--now`, against the rules that the help states.

use auditq::fuzzing::{Filter, Time, Written, escape_for_terminal, window};

use crate::plain_time::{self as plain, Reading};

/// The wall clock of a fuzzer.
const NOW: i64 = 1_767_052_800;

/// Up to three lines: where the window starts, where it ends, and now.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.split('\n');
    let [from, to, now] = [(); 3].map(|()| lines.next().map(|text| (text, Time::parse(text))));
    for (text, time) in [&from, &to, &now].into_iter().flatten() {
        is_what_the_help_says(text, time.as_ref().ok().copied());
    }
    let parsed = |line: &Option<(&str, Result<Time, String>)>| match line {
        None => Some(None),
        Some((_, time)) => time.as_ref().ok().map(|time| Some(*time)),
    };
    if let (Some(from), Some(to), Some(now)) = (parsed(&from), parsed(&to), parsed(&now)) {
        is_resolved(from, to, now);
    }
}

/// One time against the model; what the help does not speak of must be in order at least.
fn is_what_the_help_says(text: &str, time: Option<Time>) {
    let seconds = time.map(|time| (time.first_second(NOW), time.last_second(NOW)));
    let window = seconds.and_then(|(first, last)| Some((first.ok()?, last.ok()?)));
    match plain::read(text, NOW) {
        Reading::Window(first, last) => {
            assert_eq!(window, Some((first, last)), "{text:?} is read as {time:?}");
        }
        Reading::Refused => assert_eq!(window, None, "{text:?} is read as {time:?}"),
        Reading::NotSaid => {}
    }
    let (Some(time), Some((first, last))) = (time, window) else {
        return;
    };
    let expected = match time.written() {
        Written::Second(_) => [0, 0],
        Written::Day(_) | Written::DaysAgo(_) => [86_399, 86_399],
        // A window that starts and ends within one second, but not on it, holds no second.
        Written::Instant(_) | Written::Ago(..) => [-1, 0],
    };
    let length = i128::from(last) - i128::from(first);
    assert!(expected.contains(&length), "{text:?} is read as {time:?}");
    // A time of day means another moment to everyone who reads it, and none means a span.
    let is_span = matches!(time.written(), Written::Ago(..));
    assert!(!(is_span && text.contains(':')), "{text:?} is read as {time:?}");
    is_read_again(time);
}

/// What is written in the plainest form of its kind is the same time again.
fn is_read_again(time: Time) {
    let written = match time.written() {
        Written::Second(text) | Written::Instant(text) | Written::Day(text) => text,
        // Of several units, so much is accepted; of seconds alone, it is not.
        Written::Ago(seconds, _) if seconds > plain::LONGEST_SPAN => return,
        Written::DaysAgo(0) => "today".to_owned(),
        Written::DaysAgo(days) => {
            assert_eq!(days, 1, "no word says {days} days ago");
            "yesterday".to_owned()
        }
        Written::Ago(seconds, nanoseconds) => format!("{seconds}.{nanoseconds:09}s"),
    };
    assert_eq!(Time::parse(&written), Ok(time), "{written:?}");
}

/// The window as the command line resolves it.
fn is_resolved(from: Option<Time>, to: Option<Time>, now: Option<Time>) {
    let shown = format!("{from:?} {to:?} {now:?}");
    let expected = || {
        let now = now.map_or(Some(NOW), |now| now.fixed().ok())?;
        Some(Filter {
            from_ts: from.map_or(Some(i64::MIN), |time| time.first_second(now).ok())?,
            to_ts: to.map_or(Some(i64::MAX), |time| time.last_second(now).ok())?,
            ..Filter::ALL
        })
    };
    match window(from, to, now, NOW) {
        Ok(filter) => assert_eq!(Some(filter), expected(), "{shown}"),
        Err(error) => {
            assert_eq!(expected(), None, "{shown}: {error}");
            let message = error.to_string();
            assert_eq!(escape_for_terminal(&message), message, "{shown}");
        }
    }
}
