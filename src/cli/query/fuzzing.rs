//! Any text behind `--from`, `--to` and `--now`, against the rules that the help states.

mod plain;

use plain::Reading;

use super::{Environment, Flags, ModeArg};
use crate::cli::time::{self, Time};
use crate::config::QueryRequest;
use crate::escape::escape_for_terminal;
use crate::model::Filter;

/// The wall clock of a fuzzer.
const NOW: i64 = 1_767_052_800;

/// Up to three lines: where the window starts, where it ends, and now.
pub(crate) fn window(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.split('\n');
    let [from, to, now] = [(); 3].map(|()| lines.next().map(|text| (text, time::parse(text))));
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
    let seconds = time.map(|time| (time.first_second("--from", NOW), time.last_second("--to", NOW)));
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
    let expected = match time {
        Time::Second(_) => [0, 0],
        Time::Day(_) => [86_399, 86_399],
        // A window that starts and ends within one second, but not on it, holds no second.
        Time::Instant(_) | Time::Ago(_) => [-1, 0],
    };
    let length = i128::from(last) - i128::from(first);
    assert!(expected.contains(&length), "{text:?} is read as {time:?}");
    // A time of day means another moment to everyone who reads it, and none means a span.
    let is_span = matches!(time, Time::Ago(_));
    assert!(!(is_span && text.contains(':')), "{text:?} is read as {time:?}");
    is_read_again(time);
}

/// What is written in the plainest form of its kind is the same time again.
fn is_read_again(time: Time) {
    let written = match time {
        Time::Second(second) => second.to_string(),
        Time::Instant(instant) => instant.to_string(),
        Time::Day(day) => day.to_string(),
        Time::Ago(back) => {
            if back.as_secs() > plain::LONGEST_SPAN {
                // Of several units, so much is accepted; of seconds alone, it is not.
                return;
            }
            format!("{}.{:09}s", back.as_secs(), back.subsec_nanos())
        }
    };
    assert_eq!(time::parse(&written), Ok(time), "{written:?}");
}

/// The window as the command line resolves it.
fn is_resolved(from: Option<Time>, to: Option<Time>, now: Option<Time>) {
    let flags = Flags {
        mode: ModeArg::Enhanced,
        page: None,
        size: None,
        from,
        to,
        actor: None,
        action: None,
        after: None,
        now,
        count: true,
        all: false,
        batch: None,
        threads: None,
    };
    let environment = Environment {
        stdout_is_terminal: false,
        stderr_is_terminal: false,
        no_color: false,
        now: NOW,
        threads: 1,
    };
    let shown = format!("{flags:?}");
    let resolved = flags.request(&environment);
    let expected = || {
        let now = now.map_or(Some(NOW), |now| now.fixed("--now").ok())?;
        Some(Filter {
            from_ts: from.map_or(Some(i64::MIN), |time| time.first_second("--from", now).ok())?,
            to_ts: to.map_or(Some(i64::MAX), |time| time.last_second("--to", now).ok())?,
            ..Filter::ALL
        })
    };
    match resolved {
        Ok(request) => assert_eq!(Some(request), expected().map(QueryRequest::Count), "{shown}"),
        Err(error) => {
            assert_eq!(expected(), None, "{shown}: {error}");
            let message = error.to_string();
            assert_eq!(escape_for_terminal(&message), message, "{shown}");
        }
    }
}
