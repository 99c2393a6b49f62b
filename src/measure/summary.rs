//! Summaries of latencies.

use super::percentile::percentile;

/// Below this many requests fewer than ten lie beyond the P99, and it is little more than one of the slowest.
const MIN_FOR_P99: usize = 1_000;

/// Whether a P99 stands on too few requests to be relied on: so many different ones were asked. To ask the same ones
/// again tells more of these, and nothing of others.
#[must_use]
pub(crate) fn is_p99_weak(distinct_requests: usize) -> bool {
    distinct_requests < MIN_FOR_P99
}

/// The distribution of latencies, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Latency {
    /// How many samples.
    pub(crate) n: usize,
    /// Nanoseconds.
    pub(crate) mean_ns: f64,
    /// Nanoseconds.
    pub(crate) p50_ns: f64,
    /// Nanoseconds.
    pub(crate) p90_ns: f64,
    /// Nanoseconds.
    pub(crate) p95_ns: f64,
    /// Nanoseconds. See [`is_p99_weak`].
    pub(crate) p99_ns: f64,
    /// Nanoseconds.
    pub(crate) max_ns: u64,
}

impl Latency {
    /// Sorts the samples (nanoseconds) and says how they are spread; `None` of no samples.
    #[must_use]
    pub(crate) fn of(samples: &mut [u64]) -> Option<Self> {
        samples.sort_unstable();
        let total: u128 = samples.iter().map(|&sample| u128::from(sample)).sum();
        Some(Latency {
            n: samples.len(),
            mean_ns: total as f64 / samples.len() as f64,
            p50_ns: percentile(samples, 0.50)?,
            p90_ns: percentile(samples, 0.90)?,
            p95_ns: percentile(samples, 0.95)?,
            p99_ns: percentile(samples, 0.99)?,
            max_ns: *samples.last()?,
        })
    }
}

/// What one subject did in some time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    /// Of every request, failed ones included.
    pub(crate) latency: Latency,
    /// How many of the requests failed.
    pub(crate) errors: usize,
    /// Requests a second of wall time.
    pub(crate) rps: f64,
}

impl Summary {
    /// From all samples (nanoseconds), which it sorts, and the seconds of wall time they took together; `None`
    /// of no samples or no time.
    #[must_use]
    pub(crate) fn of(samples: &mut [u64], errors: usize, wall_s: f64) -> Option<Self> {
        let latency = Latency::of(samples)?;
        let rps = latency.n as f64 / wall_s;
        rps.is_finite().then_some(Summary { latency, errors, rps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worked_example() {
        let mut samples: Vec<u64> = (1..=101).rev().collect();
        let summary = Summary::of(&mut samples, 3, 0.5).unwrap();
        let latency = Latency {
            n: 101,
            mean_ns: 51.0,
            p50_ns: 51.0,
            p90_ns: 91.0,
            p95_ns: 96.0,
            p99_ns: 100.0,
            max_ns: 101,
        };
        assert_eq!(
            summary,
            Summary {
                latency,
                errors: 3,
                rps: 202.0
            }
        );
    }

    #[test]
    fn nothing_measured_says_nothing() {
        assert_eq!(Latency::of(&mut []), None);
        assert_eq!(Summary::of(&mut [], 0, 1.0), None);
        assert_eq!(Summary::of(&mut [1], 0, 0.0), None);
    }

    #[test]
    fn a_p99_needs_a_thousand_requests() {
        assert!(is_p99_weak(999) && !is_p99_weak(1_000));
    }
}
