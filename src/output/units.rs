//! Numbers with units, rounded for reading.

use jiff::Timestamp;

/// `YYYY-MM-DD HH:MM:SS` in UTC of epoch seconds; these themselves where no calendar goes that far.
#[must_use]
pub(crate) fn date(second: i64) -> String {
    match Timestamp::from_second(second) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => second.to_string(),
    }
}

/// A time in microseconds, in the unit that leaves one to three digits before the point.
#[must_use]
pub(crate) fn time(us: f64) -> String {
    if us < 1.0 {
        format!("{:.0} ns", us * 1e3)
    } else if us < 1e3 {
        format!("{} µs", digits(us))
    } else if us < 1e6 {
        format!("{} ms", digits(us / 1e3))
    } else {
        format!("{} s", digits(us / 1e6))
    }
}

/// A bound such as 20 µs, without decimals.
#[must_use]
pub(crate) fn bound(us: f64) -> String {
    let text = time(us);
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    };
    format!("{number} {unit}")
}

/// A number with three significant digits: no measurement here is worth more.
#[must_use]
pub(crate) fn digits(number: f64) -> String {
    if number < 10.0 {
        format!("{number:.2}")
    } else if number < 100.0 {
        format!("{number:.1}")
    } else {
        let unit = 10_f64.powi(number.max(1.0).log10() as i32 - 2).max(1.0);
        whole((number / unit).round() * unit)
    }
}

/// A span in seconds, as a person says it.
#[must_use]
pub(crate) fn span(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{} s", digits(seconds));
    }
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes} min {seconds} s"),
        _ => format!("{hours} h {minutes} min"),
    }
}

/// How many times.
#[must_use]
pub(crate) fn times(ratio: f64) -> String {
    format!("{} ×", digits(ratio))
}

/// A change in percent, with its sign. Less than 100 is never shown as 100.
#[must_use]
pub(crate) fn percent(change: f64) -> String {
    if change >= 1_000.0 {
        return format!("+{} %", digits(change));
    }
    let shown = |decimals: usize| format!("{change:+.decimals$} %");
    let rounds_up = |decimals: &usize| change < 100.0 && shown(*decimals).starts_with("+100");
    shown((1..6).find(|decimals| !rounds_up(decimals)).unwrap_or(6))
}

/// A whole number with a comma for each thousand.
#[must_use]
pub(crate) fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_finds_its_unit() {
        for (us, expected) in [
            (0.025, "25 ns"),
            (1.234, "1.23 µs"),
            (12.34, "12.3 µs"),
            (999.0, "999 µs"),
            (1_500.0, "1.50 ms"),
            (160_000.0, "160 ms"),
            (2_500_000.0, "2.50 s"),
        ] {
            assert_eq!(time(us), expected);
        }
    }

    #[test]
    fn a_bound_is_round() {
        assert_eq!(
            [bound(0.5), bound(1.0), bound(20.0), bound(5_000.0)],
            ["500 ns", "1 µs", "20 µs", "5 ms"]
        );
        assert_eq!(bound(200_000.0), "200 ms");
    }

    #[test]
    fn three_digits_are_shown() {
        for (number, expected) in [
            (9.994, "9.99"),
            (123.4, "123"),
            (999.6, "1,000"),
            (875_162.0, "875,000"),
            (2_785.0, "2,790"),
        ] {
            assert_eq!(digits(number), expected);
        }
    }

    #[test]
    fn a_span_is_said_in_two_units() {
        assert_eq!(
            [span(1.234), span(70.4), span(3_725.0)],
            ["1.23 s", "1 min 10 s", "1 h 2 min"]
        );
    }

    #[test]
    fn a_date_is_in_utc() {
        assert_eq!(date(1_767_052_800), "2025-12-30 00:00:00");
        assert_eq!(date(i64::MAX), i64::MAX.to_string());
    }

    #[test]
    fn thousands_are_marked() {
        assert_eq!([whole(0.0), whole(999.0), whole(1_000.0)], ["0", "999", "1,000"]);
        assert_eq!(whole(1_234_567.4), "1,234,567");
    }

    #[test]
    fn ratios_and_changes_keep_the_digits_that_matter() {
        assert_eq!(
            [times(1.534), times(12.34), times(1_234.5)],
            ["1.53 ×", "12.3 ×", "1,230 ×"]
        );
        assert_eq!(
            [percent(-3.25), percent(100.0), percent(51_234.0)],
            ["-3.2 %", "+100.0 %", "+51,200 %"]
        );
        assert_eq!(
            [percent(97.94), percent(99.96), percent(99.99968)],
            ["+97.9 %", "+99.96 %", "+99.9997 %"]
        );
    }
}
