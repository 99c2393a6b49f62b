//! The contract's percentile.

/// The value at `p` (0 to 1) of samples that are sorted already: linear interpolation at index (n − 1) × p, as
/// the contract's runner has it. `None` of no samples; never outside the samples.
#[must_use]
pub(crate) fn percentile(sorted: &[u64], p: f64) -> Option<f64> {
    at(sorted.len(), p, |index| sorted[index] as f64)
}

/// The same of `len` values that `value` gives by their rank.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn at(len: usize, p: f64, value: impl Fn(usize) -> f64) -> Option<f64> {
    let last = len.checked_sub(1)?;
    let index = last as f64 * p.clamp(0.0, 1.0);
    let below = value(index.floor() as usize);
    let above = value((index.ceil() as usize).min(last));
    // Rounding must not lift a P99 above the maximum.
    Some((below + (above - below) * index.fract()).min(above))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::percentile;

    #[test]
    fn a_worked_example() {
        // Index (4 − 1) × 0.5 = 1.5: half way from 20 to 30. Index 2.25: 30 + 0.25 × 70.
        let sorted = [10, 20, 30, 100];
        assert_eq!(percentile(&sorted, 0.5), Some(25.0));
        assert_eq!(percentile(&sorted, 0.75), Some(47.5));
        assert_eq!(percentile(&sorted, 0.0), Some(10.0));
        assert_eq!(percentile(&sorted, 1.0), Some(100.0));
        assert_eq!(percentile(&[7], 0.99), Some(7.0));
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn the_frozen_runner_says_the_same() {
        // What `runner.percentile` of fixtures/baseline gave for these under CPython 3.11.
        let sorted: Vec<u64> = (0..1_000).map(|n| n * n + 17).collect();
        for (p, expected) in [(0.5, RUNNER[0]), (0.9, RUNNER[1]), (0.95, RUNNER[2]), (0.99, RUNNER[3])] {
            assert_eq!(percentile(&sorted, p), Some(expected));
        }
    }

    const RUNNER: [f64; 4] = [249517.5, 808397.9, 900712.95, 978157.79];

    proptest! {
        #[test]
        fn it_lies_within_the_samples_and_grows_with_p(
            mut samples in prop::collection::vec(any::<u64>(), 1..50),
            p in 0.0..=1.0,
            q in 0.0..=1.0,
        ) {
            samples.sort_unstable();
            let (low, high) = if p < q { (p, q) } else { (q, p) };
            let (low, high) = (percentile(&samples, low).unwrap(), percentile(&samples, high).unwrap());
            prop_assert!(samples[0] as f64 <= low && low <= high);
            prop_assert!(high <= samples[samples.len() - 1] as f64);
        }
    }
}
