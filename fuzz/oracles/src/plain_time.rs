//! What the help says of times, read by hand: no calendar library, no sharing with the code under test.

use crate::cursor::whole_number;

/// The longest span, in seconds, that is sure to be accepted: the calendar's whole length.
pub(crate) const LONGEST_SPAN: i64 = 631_107_417_600;

/// The last instant that is sure to be accepted, in seconds: 9999-12-30T22:00:00Z.
const LAST_INSTANT: i128 = 253_402_207_200;

const NANOSECONDS: i128 = 1_000_000_000;

/// What the help says of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The first second of a window that starts there, the last of one that ends there.
    Window(i64, i64),
    Refused,
    /// Nothing: a form that the library takes beyond those of the help, or a time at the calendar's end.
    NotSaid,
}

pub(crate) fn read(text: &str, now: i64) -> Reading {
    let is_number = text
        .trim_start_matches(['+', '-'])
        .bytes()
        .all(|byte| byte.is_ascii_digit());
    if is_number && looks_like_another_unit(text) {
        return Reading::Refused;
    }
    if text.contains('[') {
        return Reading::Refused;
    }
    if let Some(number) = text.strip_prefix('@') {
        return whole_number(number.as_bytes()).map_or(Reading::Refused, |second| Reading::Window(second, second));
    }
    let midnight = now.div_euclid(86_400) * 86_400;
    match text {
        "now" => return Reading::Window(now, now),
        "today" => return Reading::Window(midnight, midnight + 86_399),
        "yesterday" => return Reading::Window(midnight - 86_400, midnight - 1),
        _ => {}
    }
    if is_number {
        return whole_number(text.as_bytes()).map_or(Reading::Refused, |second| Reading::Window(second, second));
    }
    if let Some((date, rest)) = date_of(text.as_bytes()) {
        return match date {
            None => Reading::Refused,
            Some(day) => day_and_time(i128::from(day) * 86_400, rest),
        };
    }
    if let Some(seconds) = span_of(text.strip_prefix('-').unwrap_or(text).as_bytes()) {
        let second = i128::from(now) - seconds;
        return match i64::try_from(second) {
            Ok(second) if seconds <= i128::from(LONGEST_SPAN) => Reading::Window(second, second),
            _ => Reading::NotSaid,
        };
    }
    Reading::NotSaid
}

/// Eight, twelve or fourteen digits that are a date of 1900 to 2100, with or without a time of day; and what seconds of 1973
/// to 2286 are in a smaller unit. The ends of 64 bits are no bound, and no time.
fn looks_like_another_unit(text: &str) -> bool {
    let Some(number) = whole_number(text.as_bytes()) else {
        return false;
    };
    let is_compact = || {
        let (date, time) = text.split_at_checked(8)?;
        let date = digits(date.as_bytes())?;
        let time = match time.len() {
            0 => 0,
            4 => digits(time.as_bytes())? * 100,
            6 => digits(time.as_bytes())?,
            _ => return None,
        };
        let (year, month, day) = (date / 10_000, date / 100 % 100, date % 100);
        let (hour, minute, second) = (time / 10_000, time / 100 % 100, time % 100);
        let is_date = (1900..=2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        (is_date && hour < 24 && minute < 60 && second < 60).then_some(())
    };
    let size = number.unsigned_abs();
    let is_within = |digits: u32| (10_u64.pow(digits)..10_u64.pow(digits + 2)).contains(&size);
    let is_smaller = is_within(11) || is_within(14) || size >= 10_u64.pow(17);
    number != i64::MIN && number != i64::MAX && (is_compact().is_some() || is_smaller)
}

/// What follows `YYYY-MM-DD`, which starts at this second.
fn day_and_time(day: i128, rest: &[u8]) -> Reading {
    if let [b'+' | b'-', ..] = rest {
        // A day in another zone.
        return Reading::Refused;
    }
    let (b' ' | b'T', time) = (match rest {
        [] => return whole_day(day),
        [between, time @ ..] => (*between, time),
    }) else {
        return Reading::NotSaid;
    };
    let Some((nanoseconds, zone)) = time_of_day(time) else {
        return Reading::NotSaid;
    };
    let Some(offset) = zone_of(zone) else {
        return Reading::NotSaid;
    };
    let instant = (day - offset) * NANOSECONDS + nanoseconds;
    if instant > LAST_INSTANT * NANOSECONDS {
        return Reading::NotSaid;
    }
    let last = instant.div_euclid(NANOSECONDS);
    let first = last + i128::from(instant.rem_euclid(NANOSECONDS) > 0);
    match (i64::try_from(first), i64::try_from(last)) {
        (Ok(first), Ok(last)) => Reading::Window(first, last),
        _ => Reading::NotSaid,
    }
}

fn whole_day(day: i128) -> Reading {
    match i64::try_from(day) {
        Ok(first) if day <= LAST_INSTANT => Reading::Window(first, first + 86_399),
        _ => Reading::Refused,
    }
}

/// The date that a text starts with, in days since the epoch, and what follows it. `None` where no date is
/// written, `None` for the days where there is no such date.
fn date_of(text: &[u8]) -> Option<(Option<i64>, &[u8])> {
    let (date, rest) = text.split_at_checked(10)?;
    let [a, b, c, d, b'-', e, f, b'-', g, h] = date else {
        return None;
    };
    let (year, month, day) = (digits(&[*a, *b, *c, *d])?, digits(&[*e, *f])?, digits(&[*g, *h])?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, 28 + i64::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let Some((&length, before)) = usize::try_from(month - 1)
        .ok()
        .and_then(|month| Some((lengths.get(month)?, &lengths[..month])))
    else {
        return Some((None, rest));
    };
    if !(1..=length).contains(&day) {
        return Some((None, rest));
    }
    // The days of the whole years since 0000-01-01, and the day of the epoch among those.
    let leap_years = (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let days = year * 365 + leap_years + before.iter().sum::<i64>() + day - 1;
    Some((Some(days - 719_528), rest))
}

/// `HH:MM[:SS[.fraction]]` in nanoseconds, and what follows it. Leap seconds are not spoken of.
fn time_of_day(text: &[u8]) -> Option<(i128, &[u8])> {
    let (hour_and_minute, mut rest) = hour_and_minute(text)?;
    let mut nanoseconds = i128::from(hour_and_minute) * NANOSECONDS;
    if let [b':', a, b, behind @ ..] = rest {
        let second = digits(&[*a, *b]).filter(|second| *second < 60)?;
        nanoseconds += i128::from(second) * NANOSECONDS;
        rest = behind;
        if let [b'.', fraction @ ..] = rest {
            let len = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&len) {
                return None;
            }
            let scale = NANOSECONDS / 10_i128.pow(u32::try_from(len).ok()?);
            nanoseconds += i128::from(digits(&fraction[..len])?) * scale;
            rest = &fraction[len..];
        }
    }
    Some((nanoseconds, rest))
}

/// `HH:MM` in seconds, and what follows it.
fn hour_and_minute(text: &[u8]) -> Option<(i64, &[u8])> {
    let [a, b, b':', c, d, rest @ ..] = text else {
        return None;
    };
    let hour = digits(&[*a, *b]).filter(|hour| *hour < 24)?;
    let minute = digits(&[*c, *d]).filter(|minute| *minute < 60)?;
    Some((hour * 3_600 + minute * 60, rest))
}

/// Nothing, `Z`, or `+HH:MM`, in seconds to the east.
fn zone_of(text: &[u8]) -> Option<i128> {
    let (sign, text) = match text {
        [] | b"Z" => return Some(0),
        [b'+', text @ ..] => (1, text),
        [b'-', text @ ..] => (-1, text),
        _ => return None,
    };
    match hour_and_minute(text) {
        Some((offset, [])) => Some(sign * i128::from(offset)),
        _ => None,
    }
}

/// Numbers with the units w, d, h, m and s, the longest first, in seconds.
fn span_of(mut text: &[u8]) -> Option<i128> {
    const UNITS: [(u8, i128); 5] = [(b'w', 604_800), (b'd', 86_400), (b'h', 3_600), (b'm', 60), (b's', 1)];
    let mut shorter = &UNITS[..];
    let mut seconds = 0;
    while !text.is_empty() {
        let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = text.split_at_checked(len)?;
        let (unit, rest) = rest.split_first()?;
        // How many digits a number may have, zeros in front included, is not said.
        let number = if len > 18 { i64::MAX } else { digits(number)? };
        let place = shorter.iter().position(|(letter, _)| letter == unit)?;
        seconds += i128::from(number) * shorter[place].1;
        shorter = &shorter[place + 1..];
        text = rest;
    }
    Some(seconds)
}

/// Digits alone, as a number.
fn digits(text: &[u8]) -> Option<i64> {
    whole_number(text).filter(|_| text[0].is_ascii_digit())
}
