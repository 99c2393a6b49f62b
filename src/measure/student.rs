//! Student's distribution, for whole degrees of freedom.

use std::f64::consts::{FRAC_PI_2, PI};

/// Halvings of an angle: enough for every bit of an `f64`.
const STEPS: u32 = 60;

/// The number that lies within ± of zero with probability `inside` (0 to 1), for `freedom` degrees of freedom, at least
/// one: 2.776 for 0.95 and 4.
#[must_use]
pub(super) fn two_sided_quantile(inside: f64, freedom: usize) -> f64 {
    // The angle rises with the probability.
    let (mut low, mut high) = (0.0, FRAC_PI_2);
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if probability_within(middle, freedom) < inside {
            low = middle;
        } else {
            high = middle;
        }
    }
    (freedom as f64).sqrt() * low.tan()
}

/// How probable |t| < √freedom × tan(angle) is: Abramowitz and Stegun, 26.7.3 and 26.7.4.
fn probability_within(angle: f64, freedom: usize) -> f64 {
    let (sin, cos) = angle.sin_cos();
    let is_odd = !freedom.is_multiple_of(2);
    let first = if is_odd { cos } else { 1.0 };
    // Of odd ones the factors are 2/3, 4/5, …, of even ones 1/2, 3/4, ….
    let factors = (1..freedom / 2).map(|step| {
        let number = (2 * step + usize::from(is_odd)) as f64;
        (number - 1.0) / number * cos * cos
    });
    let terms = factors.scan(first, |term, factor| {
        *term *= factor;
        Some(*term)
    });
    let sum = sin * (first + terms.sum::<f64>());
    match (is_odd, freedom) {
        (true, 1) => 2.0 / PI * angle,
        (true, _) => 2.0 / PI * (angle + sum),
        (false, _) => sum,
    }
}

#[cfg(test)]
mod tests {
    use super::two_sided_quantile;

    /// From the tables that every textbook prints.
    #[test]
    fn the_tables_say_the_same() {
        for (inside, freedom, expected) in [
            (0.95, 1, 12.706),
            (0.95, 2, 4.303),
            (0.95, 3, 3.182),
            (0.95, 4, 2.776),
            (0.95, 5, 2.571),
            (0.95, 10, 2.228),
            (0.95, 29, 2.045),
            (0.95, 999, 1.962),
            (0.99, 1, 63.657),
            (0.99, 6, 3.707),
            (0.995, 5, 4.773),
            (0.998, 7, 4.785),
            (0.5, 3, 0.765),
        ] {
            let found = two_sided_quantile(inside, freedom);
            assert!((found - expected).abs() < 6e-4, "{inside} {freedom}: {found}");
        }
    }
}
