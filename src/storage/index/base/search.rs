//! Where something begins in what ascends, looked for from a good guess on. Each look reads a record, and in a process
//! that has answered nothing yet a block of the file, so few looks are worth more than simple ones.

use super::corrupted::Corrupted;

/// The first index of `from..to` for which `is_before` does not hold; it holds for none behind it.
pub(crate) fn partition_point(
    from: u64,
    to: u64,
    mut is_before: impl FnMut(u64) -> Result<bool, Corrupted>,
) -> Result<u64, Corrupted> {
    let (mut low, mut high) = (from, to);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_before(middle)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// The same of `0..len`, looked for around `guess`: in steps that grow, then between the last two.
///
/// Of `len` random numbers that lie evenly, the one that is asked for is half of √`len` away from where it should be,
/// give or take as much. So that is the first step.
pub(super) fn partition_point_near(
    len: u64,
    guess: u64,
    mut is_before: impl FnMut(u64) -> Result<bool, Corrupted>,
) -> Result<u64, Corrupted> {
    let (mut low, mut high) = (0, len);
    let mut step = (len.isqrt() / 2).max(1);
    let mut at = guess.min(len.saturating_sub(1));
    // Whether what was looked at so far lay before what is asked for: once that changes, it lies between.
    let mut was_before = None;
    while low < high {
        let is_before = is_before(at)?;
        if is_before {
            low = at + 1;
        } else {
            high = at;
        }
        if was_before.is_some_and(|was| was != is_before) || low >= high {
            break;
        }
        was_before = Some(is_before);
        at = match is_before {
            true => low.saturating_add(step).min(high - 1),
            false => (high - 1).saturating_sub(step).max(low),
        };
        step = step.saturating_mul(4);
    }
    partition_point(low, high, is_before)
}

/// Where `number` stands among numbers that lie evenly from `least`, the first, to `greatest`, at the index `last`.
pub(super) fn evenly(number: i64, least: i64, greatest: i64, last: u64) -> u64 {
    if number <= least {
        return 0;
    }
    let above = number.abs_diff(least) as f64;
    let width = greatest.abs_diff(least).max(1) as f64;
    // Past the end for what is greater than all: as a float becomes a whole number, it is cut off.
    ((above / width * last as f64 + 0.5) as u64).min(last)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Numbers that a generator without memory draws, ascending.
    fn ascending(count: u64, below: i64) -> Vec<i64> {
        let mut state = count ^ 0x9e37_79b9_7f4a_7c15;
        let mut numbers: Vec<i64> = (0..count)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as i64 % below
            })
            .collect();
        numbers.sort_unstable();
        numbers
    }

    /// The place of `number`, and how many were looked at.
    fn find(numbers: &[i64], guess: u64, number: i64) -> (u64, u32) {
        let looks = Cell::new(0);
        let found = partition_point_near(numbers.len() as u64, guess, |at| {
            looks.set(looks.get() + 1);
            Ok(numbers[at as usize] < number)
        });
        (found.unwrap(), looks.get())
    }

    #[test]
    fn every_guess_finds_the_place_that_a_plain_search_finds() {
        for count in [0, 1, 2, 3, 7, 40, 500] {
            for below in [1, 3, 60, 1_000] {
                let numbers = ascending(count, below);
                for number in [i64::MIN, -1, 0, 1, below / 2, below - 1, below, i64::MAX] {
                    let expected = numbers.partition_point(|&it| it < number) as u64;
                    for guess in (0..=count + 2).chain([u64::MAX]) {
                        let (found, _) = find(&numbers, guess, number);
                        assert_eq!(found, expected, "{number} of {count} below {below}, from {guess}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_good_guess_saves_looks_and_a_bad_one_costs_few() {
        let numbers = ascending(100_000, 1 << 30);
        let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
        let asked: Vec<_> = ascending(1_000, 1 << 30);
        let looks = |guess: &dyn Fn(i64) -> u64| {
            let all = asked.iter().map(|&number| find(&numbers, guess(number), number).1);
            f64::from(all.sum::<u32>()) / asked.len() as f64
        };
        let last_index = numbers.len() as u64 - 1;
        let [good, bad] = [
            looks(&|number| evenly(number, first, last, last_index)),
            looks(&|number| last_index - evenly(number, first, last, last_index)),
        ];
        // A plain search looks 17 times.
        assert!(good < 11.0, "{good}");
        assert!(bad < 23.0, "{bad}");
    }

    #[test]
    fn a_guess_lies_among_the_numbers_whatever_is_asked() {
        for (least, greatest) in [(0, 0), (i64::MIN, i64::MAX), (-5, 1_000), (7, 7)] {
            for number in [i64::MIN, -6, 0, 7, 8, 1_001, i64::MAX] {
                for last in [0, 1, 9, u64::MAX >> 1] {
                    assert!(evenly(number, least, greatest, last) <= last);
                }
            }
        }
        assert_eq!([0, 50, 100].map(|number| evenly(number, 0, 100, 10)), [0, 5, 10]);
    }
}
