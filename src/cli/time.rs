//! Points in time on the command line. Everything but plain epoch seconds is parsed by jiff.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use crate::error::{Error, Result};
use crate::model::epoch::{LikelyOther, likely_other};

/// What [`parse`] takes, for the help and for errors.
pub(super) const ACCEPTED: &str = "epoch seconds, RFC 3339, YYYY-MM-DD[ HH:MM[:SS]] (UTC) and spans back from now \
                                   such as 7d, -36h or 1h30m, now, today and yesterday (UTC) are accepted";

/// Every form of a point in time, for the long help of a command that takes one.
pub(super) const HELP: &str = "\
Times:
  1767052800, -1, @20251230 epoch seconds; with an @, even if they look like a
                            date or milliseconds
  2025-12-30T01:00:00+01:00 RFC 3339
  2025-12-30 00:00[:00]     UTC; a T may stand between date and time
  2025-12-30                the whole day, UTC: --from takes its first second,
                            --to its last";

const DAY: i64 = 86_400;

const NANOSECONDS: i128 = 1_000_000_000;

/// A time as given: which second it means depends on whether a window starts or ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// Epoch seconds.
    Second(i64),
    /// A date with a time of day, possibly with a fraction of a second.
    Instant(Timestamp),
    /// A whole day, in UTC.
    Day(Date),
    /// A span back from now.
    Ago(SignedDuration),
    /// The whole day that lies so many days before the one that is now, in UTC.
    DaysAgo(i64),
}

/// The wall clock in epoch seconds.
pub(super) fn wall_clock() -> i64 {
    Timestamp::now().as_second()
}

/// Reads one time in any of the accepted forms. What is so likely meant otherwise is refused with the form to write.
pub(super) fn parse(text: &str) -> std::result::Result<Time, String> {
    if let Ok(second) = text.parse() {
        return likely_other(text).map_or(Ok(Time::Second(second)), |other| Err(ambiguous(text, &other)));
    }
    if let Some(problem) = misleading(text) {
        return Err(problem);
    }
    explicit_second(text)
        .or_else(|| word(text))
        .or_else(|| text.parse().map(Time::Instant).ok())
        .or_else(|| civil(text))
        .or_else(|| ago(text))
        .ok_or_else(|| ACCEPTED.to_owned())
}

fn ambiguous(text: &str, other: &LikelyOther) -> String {
    let LikelyOther { unit, written } = other;
    format!("this looks like {unit}: write {written}, or @{text} if epoch seconds are meant")
}

/// What the calendar library would read in another sense than the writer's.
fn misleading(text: &str) -> Option<String> {
    if text.contains('[') {
        // jiff takes the offset, and ignores what stands in brackets.
        return Some("a zone in brackets is not read: write the offset, such as 2025-12-30T00:00:00+01:00".to_owned());
    }
    let span = text.strip_prefix('+')?;
    // jiff reads the same span as without the sign, which here is the past.
    ago(span).map(|_| format!("a span counts back from now: write {span}"))
}

/// `@1767052800`: epoch seconds whatever they look like.
fn explicit_second(text: &str) -> Option<Time> {
    text.strip_prefix('@')?.parse().map(Time::Second).ok()
}

fn word(text: &str) -> Option<Time> {
    match text.to_ascii_lowercase().as_str() {
        "now" => Some(Time::Ago(SignedDuration::ZERO)),
        "today" => Some(Time::DaysAgo(0)),
        "yesterday" => Some(Time::DaysAgo(1)),
        _ => None,
    }
}

fn civil(text: &str) -> Option<Time> {
    // jiff ignores a zone behind a civil time, which would silently shift the time.
    let has_no_zone = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b':' | b'.' | b' ' | b'T'));
    if !has_no_zone || text.matches('-').count() != 2 {
        return None;
    }
    if text.contains([' ', 'T']) {
        let time = text.parse::<DateTime>().ok()?;
        return TimeZone::UTC.to_timestamp(time).map(Time::Instant).ok();
    }
    text.parse().map(Time::Day).ok()
}

fn ago(text: &str) -> Option<Time> {
    // Both signs mean the same: nothing of a log lies in the future.
    let text = text
        .strip_prefix("now")
        .filter(|rest| rest.starts_with('-'))
        .unwrap_or(text);
    let text = text.strip_prefix('-').unwrap_or(text);
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, 'P' | 'p')) {
        return None;
    }
    // 12:00:00 would be twelve hours back from now, where a time of day is meant.
    if text.contains(':') {
        return None;
    }
    let span: Span = text.parse().ok()?;
    // Months and years have no fixed length, so they are refused here.
    let back = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    (!back.is_negative()).then_some(Time::Ago(back))
}

impl Time {
    /// The first second of a window that starts here.
    pub(super) fn first_second(self, flag: &str, now: i64) -> Result<i64> {
        match self {
            // A fraction: the second that it lies in has begun before it.
            Time::Instant(instant) => narrow(-(-instant.as_nanosecond()).div_euclid(NANOSECONDS), flag),
            Time::Day(day) => narrow(start_of(day)?, flag),
            Time::Ago(back) => narrow(
                -(back.as_nanos() - i128::from(now) * NANOSECONDS).div_euclid(NANOSECONDS),
                flag,
            ),
            Time::DaysAgo(days) => narrow(day_before(now, days), flag),
            Time::Second(second) => Ok(second),
        }
    }

    /// The last second of a window that ends here: of a day, its last one.
    pub(super) fn last_second(self, flag: &str, now: i64) -> Result<i64> {
        match self {
            Time::Instant(instant) => narrow(instant.as_nanosecond().div_euclid(NANOSECONDS), flag),
            // Not by the calendar, which ends within its last day.
            Time::Day(day) => narrow(start_of(day)? + 86_399, flag),
            Time::Ago(back) => narrow(
                (i128::from(now) * NANOSECONDS - back.as_nanos()).div_euclid(NANOSECONDS),
                flag,
            ),
            Time::DaysAgo(days) => narrow(day_before(now, days) + i128::from(DAY) - 1, flag),
            Time::Second(second) => Ok(second),
        }
    }

    /// The second of a time that does not depend on now.
    pub(super) fn fixed(self, flag: &str) -> Result<i64> {
        match self {
            Time::Ago(_) | Time::DaysAgo(_) => Err(Error::usage(format!(
                "{flag}: what counts back from now is no point in time: epoch seconds, RFC 3339 and \
                 YYYY-MM-DD[ HH:MM[:SS]] (UTC) are accepted"
            ))),
            Time::Day(_) => self.first_second(flag, 0),
            Time::Second(_) | Time::Instant(_) => self.last_second(flag, 0),
        }
    }
}

fn start_of(day: Date) -> Result<i128> {
    match TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)) {
        Ok(instant) => Ok(i128::from(instant.as_second())),
        Err(_) => Err(Error::usage(format!(
            "{day} is beyond the calendar: the last day is 9999-12-30"
        ))),
    }
}

/// The first second of the day that lies so many days before the one that `now` is in.
fn day_before(now: i64, days: i64) -> i128 {
    (i128::from(now.div_euclid(DAY)) - i128::from(days)) * i128::from(DAY)
}

fn narrow(second: i128, flag: &str) -> Result<i64> {
    i64::try_from(second).map_err(|_| {
        Error::usage(format!(
            "{flag}: the span reaches back beyond 64-bit epoch seconds: use a shorter one"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_767_052_800;

    fn first(text: &str) -> i64 {
        parse(text).unwrap().first_second("--from", NOW).unwrap()
    }

    fn last(text: &str) -> i64 {
        parse(text).unwrap().last_second("--to", NOW).unwrap()
    }

    #[test]
    fn points_in_time_of_every_form() {
        for text in [
            "1767052800",
            "2025-12-30T00:00:00Z",
            "2025-12-30T02:00:00+02:00",
            "2025-12-29T19:00:00-05:00",
            "2025-12-30 00:00:00Z",
            "2025-12-30 00:00",
            "2025-12-30T00:00",
            "2025-12-30 00:00:00",
            "2025-12-30T00:00:00",
            "2025-12-30T00:00:00.000",
        ] {
            assert_eq!((first(text), last(text)), (NOW, NOW), "{text}");
        }
        assert_eq!(first("-5"), -5);
        assert_eq!(first("-9223372036854775808"), i64::MIN);
        assert_eq!(last("9223372036854775807"), i64::MAX);
        assert_eq!(first("1969-12-31 23:59:59"), -1);
    }

    #[test]
    fn a_bare_day_is_the_whole_day() {
        assert_eq!(first("2025-12-30"), NOW);
        assert_eq!(last("2025-12-30"), NOW + 86_399);
        assert_eq!(parse("2025-12-30").unwrap().fixed("--now").unwrap(), NOW);
        assert_eq!(last("9999-12-30"), first("9999-12-30") + 86_399);
    }

    #[test]
    fn spans_count_back_from_now() {
        for (text, seconds) in [
            ("7d", 604_800),
            ("36h", 129_600),
            ("2w", 1_209_600),
            ("90m", 5_400),
            ("1h30m", 5_400),
            ("45s", 45),
            ("0s", 0),
            ("1d 12h", 129_600),
            ("P1DT12H", 129_600),
            ("1.5h", 5_400),
        ] {
            assert_eq!((first(text), last(text)), (NOW - seconds, NOW - seconds), "{text}");
        }
    }

    #[test]
    fn forms_that_people_write() {
        for (text, seconds) in [
            ("-7d", 604_800),
            ("-3h", 10_800),
            ("-30m", 1_800),
            ("-45s", 45),
            ("-1h30m", 5_400),
        ] {
            assert_eq!((first(text), last(text)), (NOW - seconds, NOW - seconds), "{text}");
            let from_now = format!("now{text}");
            assert_eq!(first(&from_now), NOW - seconds, "{from_now}");
        }
        assert_eq!((first("now"), last("Now")), (NOW, NOW));
        for (text, start) in [("today", NOW), ("yesterday", NOW - 86_400)] {
            // Whatever the time of day is.
            for now in [NOW, NOW + 1, NOW + 86_399] {
                let time = parse(text).unwrap();
                assert_eq!(time.first_second("--from", now).unwrap(), start, "{text}");
                assert_eq!(time.last_second("--to", now).unwrap(), start + 86_399, "{text}");
            }
        }
        let today = parse("today").unwrap();
        assert_eq!(today.first_second("--from", -1).unwrap(), -86_400);
        assert!(today.first_second("--from", i64::MIN).is_err());
        assert!(today.last_second("--to", i64::MAX).is_err());
        for (text, second) in [
            ("@1767052800", NOW),
            ("@-5", -5),
            ("@20251230", 20_251_230),
            ("@1767052800000", NOW * 1000),
        ] {
            assert_eq!((first(text), last(text)), (second, second), "{text}");
        }
    }

    #[test]
    fn what_is_likely_meant_otherwise_is_refused_with_the_form_to_write() {
        for (text, says) in [
            ("20251230", ["a date", "write 2025-12-30,", "@20251230"]),
            (
                "20251230120000",
                ["a date and time", "'2025-12-30 12:00:00'", "@20251230120000"],
            ),
            ("1767052800000", ["milliseconds", "write 1767052800,", "@1767052800000"]),
            ("1767052800000000", ["microseconds", "write 1767052800,", "@"]),
            ("1767052800000000000", ["nanoseconds", "write 1767052800,", "@"]),
            ("2025-12-30T00:00:00Z[Europe/Berlin]", ["brackets", "offset", "+01:00"]),
            (
                "2025-12-30T00:00:00+01:00[Europe/Berlin]",
                ["brackets", "offset", "+01:00"],
            ),
            ("2025-12-30T00:00:00Z[UTC]", ["brackets", "offset", "+01:00"]),
            ("2025-12-30[UTC]", ["brackets", "offset", "+01:00"]),
            ("+3h", ["counts back", "write 3h", ""]),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(says.iter().all(|part| refused.contains(part)), "{text}: {refused}");
        }
    }

    #[test]
    fn a_fraction_of_a_second_never_widens_the_window() {
        assert_eq!(first("2025-12-30T00:00:00.5Z"), NOW + 1);
        assert_eq!(last("2025-12-30T00:00:00.5Z"), NOW);
        assert_eq!(first("1969-12-31T23:59:59.5Z"), 0);
        assert_eq!(last("1969-12-31T23:59:59.5Z"), -1);
        assert_eq!((first("500ms"), last("500ms")), (NOW, NOW - 1));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            " ",
            "tomorrow",
            "--7d",
            "+7d",
            "now+7d",
            "now-",
            "-",
            "@",
            "@x",
            "@1.5",
            "@@1",
            "- 7d",
            "-7d ago",
            "7d ago",
            "1mo",
            "1y",
            "7",
            "2025-13-01",
            "2025-02-30",
            "2025-12-30 24:00",
            "2025-12-30T00:00:00[Europe/Berlin]",
            "2025-12-30T00:00:00+99:00",
            "12:00",
            "12:00:00",
            "1d 12:00:00",
            "99999999999999999999",
            "1e9",
            "0x10",
            "2025-12",
            "9999-12-31T23:59:59-20:00",
            "\u{661}",
        ] {
            let refused = parse(text);
            assert!(text == "7" || refused.is_err(), "{text}: {refused:?}");
        }
    }

    #[test]
    fn a_span_must_stay_within_64_bits_and_is_no_point_in_time() {
        let week = parse("7d").unwrap();
        assert!(week.first_second("--from", i64::MIN).is_err());
        assert!(week.last_second("--to", i64::MIN + 10).is_err());
        assert!(week.fixed("--now").is_err());
        for text in ["now", "today", "yesterday"] {
            assert!(parse(text).unwrap().fixed("--now").is_err(), "{text}");
        }
    }
}
