//! Choices that are the same every time.

/// At most `most` of the indices below `of`, evenly spaced, the first and the last among them.
pub(crate) fn evenly_spaced(of: usize, most: usize) -> impl Iterator<Item = usize> {
    let taken = most.min(of);
    (0..taken).map(move |index| match taken {
        1 => 0,
        // Indices are far below what the product could not hold.
        _ => (index as u128 * (of - 1) as u128 / (taken - 1) as u128) as usize,
    })
}

/// Evenly spaced elements of a slice, the first and the last among them.
pub(super) fn some<T: Clone>(of: &[T], most: usize) -> impl Iterator<Item = T> {
    evenly_spaced(of.len(), most).map(|index| of[index].clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread_of(of: usize, most: usize) -> Vec<usize> {
        evenly_spaced(of, most).collect()
    }

    #[test]
    fn the_ends_are_always_chosen() {
        assert_eq!(spread_of(100, 3), [0, 49, 99]);
        assert_eq!(spread_of(100, 2), [0, 99]);
        assert_eq!(spread_of(100, 1), [0]);
        assert_eq!(spread_of(3, 10), [0, 1, 2]);
        assert!(spread_of(0, 10).is_empty() && spread_of(10, 0).is_empty());
    }

    #[test]
    fn nothing_is_chosen_twice() {
        for (of, most) in [(10, 9), (7, 5), (1000, 999), (2, 2)] {
            let chosen = spread_of(of, most);
            assert!(chosen.is_sorted_by(|one, next| one < next), "{of} {most}");
            assert_eq!(chosen.len(), most);
        }
    }
}
