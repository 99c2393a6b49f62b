//! Epoch seconds as text: which plain numbers are more likely a date or another unit.

/// What a plain number more likely is than epoch seconds, and how to write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LikelyOther {
    /// Such as "milliseconds".
    pub unit: &'static str,
    /// The same moment as the command line takes it.
    pub written: String,
}

/// Epoch seconds in a form that the command line reads as such: with an `@` where the plain number is refused.
#[must_use]
pub fn second_text(second: i64) -> String {
    match likely_other(&second.to_string()) {
        Some(_) => format!("@{second}"),
        None => second.to_string(),
    }
}

/// What a whole number in decimal more likely is than epoch seconds; `None` where seconds are meant, and for the
/// ends of 64 bits, which stand for no bound.
#[must_use]
pub fn likely_other(number: &str) -> Option<LikelyOther> {
    compact_date(number).or_else(|| fraction_of_second(number))
}

/// `YYYYMMDD`, with `HHMM` or `HHMMSS` behind it, of the years 1900 to 2100.
fn compact_date(text: &str) -> Option<LikelyOther> {
    if !matches!(text.len(), 8 | 12 | 14) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let field = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<u16>().ok());
    let within = |value: Option<u16>, least: u16, most: u16| value.is_some_and(|value| (least..=most).contains(&value));
    let is_date = within(field(0, 4), 1900, 2100) && within(field(4, 6), 1, 12) && within(field(6, 8), 1, 31);
    let is_time = [(8, 23), (10, 59), (12, 59)]
        .iter()
        .all(|&(at, most)| at >= text.len() || within(field(at, at + 2), 0, most));
    if !is_date || !is_time {
        return None;
    }
    let part = |from: usize| text.get(from..from + 2).unwrap_or("00");
    let date = format!("{}-{}-{}", text.get(..4)?, part(4), part(6));
    Some(if text.len() == 8 {
        LikelyOther {
            unit: "a date without hyphens",
            written: date,
        }
    } else {
        LikelyOther {
            unit: "a date and time without separators",
            written: format!("'{date} {}:{}:{}'", part(8), part(10), part(12)),
        }
    })
}

/// The sizes that moments of 1973 to 2286 have in a smaller unit, on either side of the epoch.
fn fraction_of_second(text: &str) -> Option<LikelyOther> {
    let number: i64 = text.parse().ok()?;
    if [i64::MIN, i64::MAX].contains(&number) {
        return None;
    }
    let (unit, scale) = match number.unsigned_abs() {
        100_000_000_000..10_000_000_000_000 => ("milliseconds", 1_000),
        100_000_000_000_000..10_000_000_000_000_000 => ("microseconds", 1_000_000),
        100_000_000_000_000_000.. => ("nanoseconds", 1_000_000_000),
        _ => return None,
    };
    Some(LikelyOther {
        unit,
        written: number.div_euclid(scale).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_another_unit_is_told_from_seconds() {
        for (text, unit, written) in [
            ("20251230", "a date", "2025-12-30"),
            ("19700101", "a date", "1970-01-01"),
            ("20251230235959", "a date and time", "'2025-12-30 23:59:59'"),
            ("202512302359", "a date and time", "'2025-12-30 23:59:00'"),
            ("1767052800000", "milliseconds", "1767052800"),
            ("-1767052800001", "milliseconds", "-1767052801"),
            ("100000000000", "milliseconds", "100000000"),
            ("1767052800123456", "microseconds", "1767052800"),
            ("1767052800123456789", "nanoseconds", "1767052800"),
            ("9223372036854775806", "nanoseconds", "9223372036"),
        ] {
            let other = likely_other(text).unwrap();
            assert!(other.unit.starts_with(unit), "{text}: {other:?}");
            assert_eq!(other.written, written, "{text}");
            assert_eq!(second_text(text.parse().unwrap()), format!("@{text}"));
        }
    }

    #[test]
    fn seconds_stay_seconds() {
        for second in [
            0,
            -1,
            7,
            2025,
            99_999_999,
            20_251_330,
            18_991_231,
            -20_251_230,
            1_767_052_800,
            99_999_999_999,
            253_402_300_799_i64 / 10,
            i64::MIN,
            i64::MAX,
        ] {
            assert_eq!(second_text(second), second.to_string());
        }
        assert_eq!(likely_other("x"), None);
        assert_eq!(likely_other(""), None);
    }
}
