//! CPython's `random.Random` for whole numbers: the same seed gives the same draws, for ever.
//!
//! The generator is MT19937 (Matsumoto and Nishimura, 1998), seeded by its authors' `init_by_array`
//! as CPython's `Modules/_randommodule.c` does. A draw below a bound is the one in CPython's
//! `Lib/random.py`: top bits, again until they fit.

/// Words of state.
const WORDS: usize = 624;
/// How far ahead the word lies that is mixed in.
const SHIFT: usize = 397;
/// The twist's matrix, as one row of bits.
const MATRIX: u32 = 0x9908_b0df;
/// The one bit that a word gives to its predecessor's twist.
const UPPER: u32 = 0x8000_0000;
/// The seed that `init_by_array` starts from.
const ARRAY_SEED: u32 = 19_650_218;

/// A `random.Random(seed)` of CPython.
#[derive(Clone, Debug)]
pub struct PythonRandom {
    state: [u32; WORDS],
    /// One twist's output, tempered in bulk.
    output: [u32; WORDS],
    /// How many words of `output` are spent.
    spent: usize,
}

impl PythonRandom {
    /// What `random.Random(seed)` is, for a seed of one 32-bit word.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        PythonRandom {
            state: seeded_by_array(seed),
            output: [0; WORDS],
            spent: WORDS,
        }
    }

    /// The next 32-bit output: what `getrandbits(32)` gives.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        if self.spent >= WORDS {
            self.refill();
        }
        let word = self.output[self.spent];
        self.spent += 1;
        word
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

    /// The next 624 words at once.
    #[cold]
    fn refill(&mut self) {
        twist(&mut self.state);
        for (output, &word) in self.output.iter_mut().zip(&self.state) {
            *output = temper(word);
        }
        self.spent = 0;
    }
}

/// The reference code's `init_genrand`.
fn seeded(seed: u32) -> [u32; WORDS] {
    let mut state = [0; WORDS];
    let mut previous = seed;
    state[0] = seed;
    for (index, word) in (0_u32..).zip(&mut state).skip(1) {
        previous = scrambled(previous).wrapping_mul(1_812_433_253).wrapping_add(index);
        *word = previous;
    }
    state
}

/// The reference code's `init_by_array`, for a key of one word.
fn seeded_by_array(key: u32) -> [u32; WORDS] {
    let mut state = seeded(ARRAY_SEED);
    // 624 steps, then 623: word 0 is left out of both, and the second pass starts where the first
    // ended.
    stir(&mut state, (1..WORDS).chain([1]), 1_664_525, |_| key);
    stir(&mut state, (2..WORDS).chain([1]), 1_566_083_941, |place| {
        (place as u32).wrapping_neg()
    });
    state[0] = UPPER;
    state
}

/// One pass of `init_by_array`: each word in turn takes in the one before it and its own addend.
fn stir(state: &mut [u32; WORDS], places: impl Iterator<Item = usize>, factor: u32, addend: impl Fn(usize) -> u32) {
    for place in places {
        let mixed = scrambled(state[place - 1]).wrapping_mul(factor);
        state[place] = (state[place] ^ mixed).wrapping_add(addend(place));
        if place == WORDS - 1 {
            // Round the ring: word 0 only stands in for the last one.
            state[0] = state[place];
        }
    }
}

/// What every seeding step does to the word before.
fn scrambled(word: u32) -> u32 {
    word ^ (word >> 30)
}

/// The next state, in place.
fn twist(state: &mut [u32; WORDS]) {
    // Each word needs one that lies SHIFT ahead: not yet twisted in the first run, twisted in the
    // second. Three runs of constant bounds, so that nothing is computed modulo WORDS.
    for place in 0..WORDS - SHIFT {
        state[place] = state[place + SHIFT] ^ twisted(state[place], state[place + 1]);
    }
    for place in WORDS - SHIFT..WORDS - 1 {
        state[place] = state[place + SHIFT - WORDS] ^ twisted(state[place], state[place + 1]);
    }
    state[WORDS - 1] = state[SHIFT - 1] ^ twisted(state[WORDS - 1], state[0]);
}

/// A word's upper bit with the next word's other bits, times the matrix.
#[inline]
fn twisted(word: u32, next: u32) -> u32 {
    let joined = (word & UPPER) | (next & !UPPER);
    (joined >> 1) ^ ((next & 1).wrapping_neg() & MATRIX)
}

/// The output's finish: what makes the words equidistributed in their upper bits.
#[inline]
fn temper(mut word: u32) -> u32 {
    word ^= word >> 11;
    word ^= (word << 7) & 0x9d2c_5680;
    word ^= (word << 15) & 0xefc6_0000;
    word ^ (word >> 18)
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
