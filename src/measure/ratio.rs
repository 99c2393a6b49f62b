//! How much faster one subject is than another, from rounds in which both did the same.
//!
//! A ratio is estimated by the geometric mean of the rounds' ratios, and has an interval by Student's t on their
//! logarithms, which is exact for as few as two rounds where the logarithms are normal and independent. Rounds that
//! follow each other on one machine are not independent: what makes one slow makes the next one slow. So the interval
//! is widened to hold for rounds of which each is correlated with the next by up to 0.6 (an autoregressive process of
//! the first order), and is too wide rather than too narrow for rounds that are less so.
//!
//! Where a report holds several ratios, each interval is made for a share of the five percent (Bonferroni), so that all
//! of them together hold with 95 % confidence.

use super::student::two_sided_quantile;

/// With fewer rounds there is a ratio, but no interval.
pub(crate) const MIN_ROUNDS: usize = 2;

/// With fewer rounds there is an interval, but no verdict: the order of the subjects is balanced over so many.
pub const MIN_ROUNDS_FOR_VERDICT: usize = 6;

/// The correlation of each round with the next that the interval is widened for: somewhat more than the 0.6 for which it
/// is to hold, because the variance that is found differs from the one that is expected.
const CORRELATION: f64 = 0.65;

/// How often one of a report's intervals may miss.
const MISSES: f64 = 0.05;

/// No ratio of times that this machine can measure is larger than e to this, or smaller than e to less this.
const LARGEST_LOG: f64 = 50.0;

/// A ratio over paired rounds; above 1 is faster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The geometric mean of the rounds' ratios.
    pub estimate: f64,
    /// Where the ratio lies; `None` from a single round.
    pub interval: Option<Interval>,
    /// How many rounds it is of.
    pub rounds: usize,
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
    /// The interval holds 1, or there are fewer than [`MIN_ROUNDS_FOR_VERDICT`] rounds.
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
    /// A ratio on its own, from that of each round, in which both subjects answered the same requests. `None` where
    /// there is no round, or one without a positive ratio.
    #[must_use]
    pub fn of(rounds: &[f64]) -> Option<Self> {
        Self::one_of(1, rounds)
    }

    /// One of `family` ratios that are told together.
    #[must_use]
    pub(crate) fn one_of(family: usize, rounds: &[f64]) -> Option<Self> {
        if rounds.is_empty() || !rounds.iter().all(|ratio| ratio.is_finite() && *ratio > 0.0) {
            return None;
        }
        // On the logarithms, so that a ratio and its inverse get the same verdict.
        let logs: Vec<f64> = rounds.iter().map(|ratio| ratio.ln()).collect();
        Some(Ratio {
            estimate: mean(&logs).exp(),
            interval: interval(&logs, 1.0 - MISSES / family.max(1) as f64),
            rounds: rounds.len(),
        })
    }

    /// Whether it is faster, slower, or neither for certain.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.interval {
            _ if self.rounds < MIN_ROUNDS_FOR_VERDICT => Verdict::Inconclusive,
            Some(Interval { low, .. }) if low > 1.0 => Verdict::Faster,
            Some(Interval { high, .. }) if high < 1.0 => Verdict::Slower,
            _ => Verdict::Inconclusive,
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Of the ratio whose logarithm was found in each round, with this confidence.
fn interval(logs: &[f64], confidence: f64) -> Option<Interval> {
    if logs.len() < MIN_ROUNDS {
        return None;
    }
    let (count, mean) = (logs.len() as f64, mean(logs));
    let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let of_mean = (variance / count).sqrt() * widening(logs.len());
    let margin = two_sided_quantile(confidence, logs.len() - 1) * of_mean;
    Some(Interval {
        low: (mean - margin).max(-LARGEST_LOG).exp(),
        high: (mean + margin).min(LARGEST_LOG).exp(),
    })
}

/// How many times farther the mean of so many correlated rounds lies off than their variance says: they vary less among
/// themselves, and their mean more.
fn widening(rounds: usize) -> f64 {
    let count = rounds as f64;
    let mut power = 1.0;
    let mut of_mean = 1.0;
    for lag in 1..rounds {
        power *= CORRELATION;
        of_mean += 2.0 * (1.0 - lag as f64 / count) * power;
    }
    (of_mean * (count - 1.0) / (count - of_mean)).sqrt()
}

#[cfg(test)]
mod tests;
