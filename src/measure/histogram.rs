//! Latencies in buckets whose bounds grow as 1, 2, 5, 10, …

/// How many samples lie in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// Nanoseconds; belongs to the bucket.
    pub(crate) from_ns: u64,
    /// Nanoseconds; belongs to the next bucket.
    pub(crate) to_ns: u64,
    /// Samples in between.
    pub(crate) count: usize,
}

/// Buckets from the first that holds a sample to the last, empty ones between them included. The samples must
/// be sorted; the counts are as many as the samples.
#[must_use]
pub(crate) fn histogram(sorted: &[u64]) -> Vec<Bucket> {
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else {
        return Vec::new();
    };
    let bounds = bounds();
    bounds
        .windows(2)
        .filter(|pair| *first < pair[1] && pair[0] <= *last)
        .map(|pair| {
            let below = |bound| sorted.partition_point(|&sample| sample < bound);
            Bucket {
                from_ns: pair[0],
                to_ns: pair[1],
                count: below(pair[1]) - below(pair[0]),
            }
        })
        .chain(slowest(sorted, bounds[bounds.len() - 1]))
        .collect()
}

/// 0, 1, 2, 5, 10, … up to 10,000 seconds.
fn bounds() -> Vec<u64> {
    let decades = (0..13).flat_map(|exponent| [1, 2, 5].map(|digit| digit * 10_u64.pow(exponent)));
    std::iter::once(0).chain(decades).chain([10_u64.pow(13)]).collect()
}

/// What no bound is made for.
fn slowest(sorted: &[u64], bound: u64) -> Option<Bucket> {
    let count = sorted.len() - sorted.partition_point(|&sample| sample < bound);
    (count > 0).then_some(Bucket {
        from_ns: bound,
        to_ns: u64::MAX,
        count,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_worked_example() {
        let bucket = |from_ns, to_ns, count| Bucket { from_ns, to_ns, count };
        let expected = [bucket(1, 2, 1), bucket(2, 5, 2), bucket(5, 10, 0), bucket(10, 20, 1)];
        assert_eq!(histogram(&[1, 2, 4, 10]), expected);
        assert_eq!(histogram(&[]), []);
        assert_eq!(histogram(&[0]), [bucket(0, 1, 1)]);
        // A bound belongs to what begins there, the last one too.
        let last = 10_u64.pow(13);
        assert_eq!(histogram(&[last]), [bucket(last, u64::MAX, 1)]);
    }

    proptest! {
        #[test]
        fn every_sample_is_in_one_bucket(mut samples in prop::collection::vec(any::<u64>(), 0..50)) {
            samples.sort_unstable();
            let buckets = histogram(&samples);
            prop_assert_eq!(buckets.iter().map(|bucket| bucket.count).sum::<usize>(), samples.len());
            prop_assert!(buckets.windows(2).all(|pair| pair[0].to_ns == pair[1].from_ns));
        }
    }
}
