//! Numbers with units, rounded for reading.

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

/// A number with three significant digits, or all before the point where there are more.
#[must_use]
pub(crate) fn digits(number: f64) -> String {
    if number < 10.0 {
        format!("{number:.2}")
    } else if number < 100.0 {
        format!("{number:.1}")
    } else {
        whole(number)
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
        return format!("+{} %", whole(change));
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
    fn thousands_are_marked() {
        assert_eq!([whole(0.0), whole(999.0), whole(1_000.0)], ["0", "999", "1,000"]);
        assert_eq!(whole(1_234_567.4), "1,234,567");
    }

    #[test]
    fn ratios_and_changes_keep_the_digits_that_matter() {
        assert_eq!(
            [times(1.534), times(12.34), times(1_234.5)],
            ["1.53 ×", "12.3 ×", "1,234 ×"]
        );
        assert_eq!(
            [percent(-3.25), percent(100.0), percent(51_234.0)],
            ["-3.2 %", "+100.0 %", "+51,234 %"]
        );
        assert_eq!(
            [percent(97.94), percent(99.96), percent(99.99968)],
            ["+97.9 %", "+99.96 %", "+99.9997 %"]
        );
    }
}
