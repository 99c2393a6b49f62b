//! In which order the three subjects have their turns.

/// How many subjects there are: two engines and the floor, or nobody and two engines.
pub(super) const SUBJECTS: usize = 3;

/// Every order of three, so that in six rounds each subject is in each place twice. Each subject comes twice right behind
/// each of the others within a round, and once from round to round: what one leaves behind in caches and queues meets
/// all others alike.
const ORDERS: [[usize; SUBJECTS]; 6] = [[0, 1, 2], [0, 2, 1], [2, 1, 0], [1, 0, 2], [1, 2, 0], [2, 0, 1]];

/// The subjects' places in the order of their turns, for a round counted from 0.
pub(super) fn of_round(round: usize) -> [usize; SUBJECTS] {
    ORDERS[round % ORDERS.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::measure::MIN_ROUNDS_FOR_VERDICT;

    /// How often each pair of subjects follow each other, among these turns.
    fn followers(turns: &[usize]) -> HashMap<(usize, usize), usize> {
        let mut pairs = HashMap::new();
        for pair in turns.windows(2) {
            *pairs.entry((pair[0], pair[1])).or_default() += 1;
        }
        pairs
    }

    #[test]
    fn the_order_is_balanced_for_place_and_predecessor() {
        // A verdict is of one whole cycle at least.
        assert_eq!(ORDERS.len(), MIN_ROUNDS_FOR_VERDICT);
        for place in 0..SUBJECTS {
            let mut counts = [0; SUBJECTS];
            (0..6).for_each(|round| counts[of_round(round)[place]] += 1);
            assert_eq!(counts, [2; SUBJECTS], "place {place}");
        }
        // Around the cycle, each of the six pairs three times, and nobody behind itself.
        let turns: Vec<_> = (0..6).flat_map(of_round).chain([of_round(6)[0]]).collect();
        let pairs = followers(&turns);
        assert_eq!(pairs.len(), 6, "{pairs:?}");
        assert!(
            pairs.iter().all(|((one, other), count)| one != other && *count == 3),
            "{pairs:?}"
        );
    }
}
