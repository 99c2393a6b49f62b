//! CPython's `random.Random` for whole numbers: the same seed gives the same draws, for ever.
//!
//! The generator is MT19937, seeded as CPython seeds it. A draw below a bound is the one in CPython's
//! `Lib/random.py`: top bits, again until they fit.

use mt19937::MT19937;
use rand_core::Rng;

/// A `random.Random(seed)` of CPython.
#[derive(Debug)]
pub struct PythonRandom(MT19937);

impl PythonRandom {
    /// What `random.Random(seed)` is, for a seed of one 32-bit word.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        PythonRandom(MT19937::new_with_slice_seed(&[seed]))
    }

    /// The next 32-bit output: what `getrandbits(32)` gives.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A draw from 0 to `n` − 1. With `n` 0 there is nothing to draw, and the answer is 0.
    #[inline]
    pub fn below(&mut self, n: u32) -> u32 {
        if n == 0 {
            return 0;
        }
        let unused = n.leading_zeros();
        loop {
            let draw = self.next_u32() >> unused;
            if draw < n {
                return draw;
            }
        }
    }

    /// A draw from `low` to `high`, both inclusive. The range must hold 1 to 2³² − 1 numbers.
    #[inline]
    pub fn randint(&mut self, low: u32, high: u32) -> u32 {
        debug_assert!(low <= high && high - low < u32::MAX, "no range: {low} to {high}");
        low + self.below(high - low + 1)
    }

    /// One of the choices. That there is one is checked when this is compiled.
    #[inline]
    pub fn choice<T: Copy, const N: usize>(&mut self, choices: &[T; N]) -> T {
        const { assert!(N > 0 && N <= u32::MAX as usize) };
        choices[self.below(N as u32) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Every answer here is what CPython 3.11 gives.

    fn words(seed: u32, skip: usize, take: usize) -> Vec<u32> {
        let mut random = PythonRandom::new(seed);
        (0..skip + take).map(|_| random.next_u32()).skip(skip).collect()
    }

    #[test]
    fn words_are_those_of_cpython() {
        let first = [2653228291, 3975144315, 2290358181, 3048911309, 1571306751];
        assert_eq!(words(1337, 0, 5), first);
        assert_eq!(words(0, 0, 3), [3626764237, 1654615998, 3255389356]);
        assert_eq!(words(u32::MAX, 0, 3), [2728839433, 2661025012, 872737089]);
    }

    #[test]
    fn words_are_still_those_of_cpython_after_three_twists() {
        assert_eq!(words(1337, 1997, 3), [2841261394, 610210815, 2502022356]);
    }

    #[test]
    fn draws_are_those_of_cpython() {
        let mut random = PythonRandom::new(1337);
        assert_eq!(
            [0; 3].map(|_| random.randint(0, 2_592_000)),
            [2591043, 2236677, 1534479]
        );
        let mut random = PythonRandom::new(1337);
        assert_eq!([0; 5].map(|_| random.randint(1, 2000)), [1266, 1896, 1093, 1454, 750]);
    }

    #[test]
    fn choices_are_those_of_cpython() {
        let mut random = PythonRandom::new(1337);
        let letters = ['a', 'b', 'c', 'd', 'e'];
        let drawn = String::from_iter((0..10).map(|_| random.choice(&letters)));
        assert_eq!(drawn, "eeceebcdcc");
    }

    #[test]
    fn a_single_choice_still_spends_words() {
        let mut random = PythonRandom::new(1337);
        for _ in 0..10 {
            assert_eq!(random.choice(&[7]), 7);
        }
        assert_eq!(random.next_u32(), 1827455576);
    }

    #[test]
    fn nothing_to_draw_spends_nothing() {
        let mut random = PythonRandom::new(1337);
        assert_eq!(random.below(0), 0);
        assert_eq!(random.next_u32(), 2653228291);
    }
}
