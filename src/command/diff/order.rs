//! What stands out of order in a sequence.

/// The indices of the fewest values whose removal leaves the sequence rising: a swap of two neighbours is one,
/// one value moved from end to end is one.
pub(super) fn out_of_place(sequence: &[usize]) -> Vec<usize> {
    let mut stays = vec![false; sequence.len()];
    for index in longest_rise(sequence) {
        stays[index] = true;
    }
    (0..sequence.len()).filter(|index| !stays[*index]).collect()
}

/// The indices of a longest rising subsequence (patience sorting).
fn longest_rise(sequence: &[usize]) -> Vec<usize> {
    // ends[n]: the index of the lowest value that a rise of n + 1 values can end with.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(sequence.len());
    for (index, value) in sequence.iter().enumerate() {
        let length = ends.partition_point(|end| sequence[*end] < *value);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut rise = Vec::with_capacity(ends.len());
    let mut next = ends.last().copied();
    while let Some(index) = next {
        rise.push(index);
        next = before[index];
    }
    rise
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rising_sequence_has_nothing_out_of_place() {
        assert!(out_of_place(&[]).is_empty());
        assert!(out_of_place(&[3]).is_empty());
        assert!(out_of_place(&[1, 2, 5, 9]).is_empty());
    }

    #[test]
    fn a_swap_is_one_and_so_is_a_move() {
        assert_eq!(out_of_place(&[0, 2, 1, 3]).len(), 1);
        assert_eq!(out_of_place(&[4, 0, 1, 2, 3]), [0]);
        assert_eq!(out_of_place(&[1, 2, 3, 4, 0]), [4]);
        assert_eq!(out_of_place(&[3, 2, 1, 0]).len(), 3);
    }
}
