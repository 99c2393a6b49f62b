//! How much faster one subject is than another, from rounds in which both did the same.

use super::percentile::at;

/// With fewer rounds there is a ratio, but nothing can be said of how sure it is.
pub(crate) const MIN_ROUNDS: usize = 2;

/// How often the rounds are drawn anew.
const RESAMPLES: usize = 10_000;

/// What lies outside on each side of a 95 % interval, by the number of rounds from [`MIN_ROUNDS`].
///
/// With few rounds the plain bootstrap's 2.5 % is too narrow. This is Hesterberg's expanded percentile interval
/// (2015): Φ(−t √(n / (n − 1))), t the 97.5 % quantile of Student's distribution with n − 1 degrees of freedom.
/// It grows towards 2.5 %; beyond the table its last entry is used, which is slightly too wide.
const TAILS: [f64; 19] = [
    0.0, 6.8e-8, 1.2e-4, 9.6e-4, 0.0024, 0.0041, 0.0057, 0.0072, 0.0086, 0.0097, 0.0108, 0.0117, 0.0125, 0.0132,
    0.0139, 0.0144, 0.0150, 0.0154, 0.0159,
];

/// A ratio over paired rounds; above 1 is faster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The geometric mean of the rounds' ratios.
    pub estimate: f64,
    /// Where the ratio lies with 95 % confidence; `None` from fewer than [`MIN_ROUNDS`] rounds.
    pub interval: Option<Interval>,
}

/// Both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// What a ratio allows to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The whole interval lies above 1.
    Faster,
    /// The whole interval lies below 1.
    Slower,
    /// The interval holds 1, or there is none.
    Inconclusive,
}

impl Verdict {
    /// In one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::Inconclusive => "inconclusive",
        }
    }
}

impl Ratio {
    /// From the ratio of each round, in which both subjects answered the same requests. `None` where there is no
    /// round, or one without a positive ratio.
    #[must_use]
    pub fn of(rounds: &[f64]) -> Option<Self> {
        if rounds.is_empty() || !rounds.iter().all(|ratio| ratio.is_finite() && *ratio > 0.0) {
            return None;
        }
        // On the logarithms, so that a ratio and its inverse get the same verdict.
        let logs: Vec<f64> = rounds.iter().map(|ratio| ratio.ln()).collect();
        Some(Ratio {
            estimate: mean(&logs).exp(),
            interval: bootstrap(&logs),
        })
    }

    /// Whether it is faster, slower, or neither for certain.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.interval {
            Some(Interval { low, .. }) if low > 1.0 => Verdict::Faster,
            Some(Interval { high, .. }) if high < 1.0 => Verdict::Slower,
            _ => Verdict::Inconclusive,
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Draws as many rounds as there are, with replacement, again and again: how the mean of those spreads is how
/// far the mean of ours can be trusted.
fn bootstrap(logs: &[f64]) -> Option<Interval> {
    let tail = *TAILS
        .get(logs.len().checked_sub(MIN_ROUNDS)?)
        .unwrap_or(&TAILS[TAILS.len() - 1]);
    let mut random = SplitMix(logs.len() as u64);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..logs.len()).map(|_| logs[random.below(logs.len())]);
            drawn.sum::<f64>() / logs.len() as f64
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let quantile = |p| at(means.len(), p, |rank| means[rank]).map(f64::exp);
    Some(Interval {
        low: quantile(tail)?,
        high: quantile(1.0 - tail)?,
    })
}

/// Steele, Lea and Flood's generator: the same rounds always give the same interval.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    #[allow(clippy::cast_possible_truncation)]
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worked_example() {
        // The geometric mean of 2 and 8 is 4; drawn twice from two rounds, the means run from 2 to 8.
        let ratio = Ratio::of(&[2.0, 8.0]).unwrap();
        let interval = ratio.interval.unwrap();
        assert!((ratio.estimate - 4.0).abs() < 1e-12);
        assert!((interval.low - 2.0).abs() < 1e-12 && (interval.high - 8.0).abs() < 1e-12);
        assert_eq!(ratio.verdict(), Verdict::Faster);
    }

    #[test]
    fn a_subject_against_itself_is_inconclusive() {
        let same = Ratio::of(&[1.0; 5]).unwrap();
        assert_eq!(same.interval, Some(Interval { low: 1.0, high: 1.0 }));
        assert_eq!(same.verdict(), Verdict::Inconclusive);
        let noisy = Ratio::of(&[0.97, 1.02, 1.01, 0.99, 1.03]).unwrap();
        assert_eq!(noisy.verdict(), Verdict::Inconclusive);
    }

    #[test]
    fn a_ratio_and_its_inverse_get_the_same_verdict() {
        let rounds = [3.1, 2.7, 2.9, 3.3, 3.0];
        let inverse = rounds.map(|ratio| 1.0 / ratio);
        let (ratio, inverse) = (Ratio::of(&rounds).unwrap(), Ratio::of(&inverse).unwrap());
        assert!((ratio.estimate * inverse.estimate - 1.0).abs() < 1e-12);
        assert_eq!((ratio.verdict(), inverse.verdict()), (Verdict::Faster, Verdict::Slower));
    }

    #[test]
    fn one_round_is_never_a_finding() {
        let ratio = Ratio::of(&[100.0]).unwrap();
        assert_eq!((ratio.interval, ratio.verdict()), (None, Verdict::Inconclusive));
    }

    #[test]
    fn what_is_no_ratio_gives_none() {
        for rounds in [&[][..], &[1.0, 0.0], &[-1.0], &[f64::NAN], &[f64::INFINITY]] {
            assert_eq!(Ratio::of(rounds), None);
        }
    }

    #[test]
    fn the_same_rounds_give_the_same_interval() {
        let rounds = [1.2, 1.4, 1.1, 1.3];
        assert_eq!(Ratio::of(&rounds), Ratio::of(&rounds));
    }

    /// Rounds of pure noise: how often a "95 %" interval misses the truth. The plain percentile bootstrap misses
    /// about one time in six with five rounds.
    #[test]
    fn the_interval_keeps_about_its_promise() {
        let mut random = SplitMix(7);
        let mut normal = || (0..12).map(|_| random.next() as f64 / 2f64.powi(64)).sum::<f64>() - 6.0;
        let misses = (0..300)
            .filter(|_| {
                let rounds: Vec<f64> = (0..5).map(|_| (0.05 * normal()).exp()).collect();
                Ratio::of(&rounds).unwrap().verdict() != Verdict::Inconclusive
            })
            .count();
        assert!((3..=30).contains(&misses), "{misses} of 300");
    }
}
