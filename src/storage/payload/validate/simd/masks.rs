//! What stands where in a block: strings, tokens, and what a block carries over to the next.

use fearless_simd::prelude::*;

use super::Block;
use crate::storage::payload::validate::reader::Reader;

/// What one block's masks carry over to the next.
#[derive(Default)]
pub(super) struct Carry(pub(super) bool);

impl Carry {
    /// The bytes next to those of `from`.
    #[inline(always)]
    pub(super) fn next(&mut self, from: u64) -> u64 {
        let next = from << 1 | u64::from(self.0);
        self.0 = from >> 63 != 0;
        next
    }

    /// The first byte behind each of `from` that is not of `run`.
    #[inline(always)]
    pub(super) fn behind(&mut self, from: u64, run: u64) -> u64 {
        self.sum(from, run) & !run
    }

    /// All bytes behind each of `from`, to the first that is not of `run` and with it.
    #[inline(always)]
    pub(super) fn through(&mut self, from: u64, run: u64) -> u64 {
        self.sum(from, run) ^ run
    }

    #[inline(always)]
    fn sum(&mut self, from: u64, run: u64) -> u64 {
        let (sum, carried) = run.overflowing_add(self.next(from));
        self.0 |= carried;
        sum
    }
}

#[derive(Default)]
pub(super) struct Strings {
    /// All ones where the next block begins inside a string.
    pub(super) inside: u64,
    /// 1 where the next block's first byte is the second one of an escape.
    pub(super) escaped: u64,
}

impl Strings {
    /// The strings with their first quotes and without their last ones: where the quotes up to there are
    /// odd.
    #[inline(always)]
    pub(super) fn mask(&mut self, quotes: u64) -> u64 {
        let mut odd = quotes;
        for distance in [1, 2, 4, 8, 16, 32] {
            odd ^= odd << distance;
        }
        let strings = odd ^ self.inside;
        self.inside = (strings >> 63).wrapping_neg();
        strings
    }

    /// The second bytes of escapes, if the reader takes them all. A backslash between strings is found
    /// later: it is no part of any token.
    pub(super) fn escapes(&mut self, text: &[u8], at: usize, backslashes: u64) -> Option<u64> {
        let mut escaped = self.escaped;
        self.escaped = 0;
        let mut left = backslashes & !escaped;
        while left != 0 {
            let first = left & left.wrapping_neg();
            let start = at + first.trailing_zeros() as usize;
            Reader::new(text, start).escape().ok()?;
            escaped |= first << 1;
            self.escaped = first >> 63;
            left &= !(first | first << 1);
        }
        Some(escaped)
    }
}

/// What stands between strings, and where those begin.
pub(super) struct Tokens {
    pub(super) space: u64,
    pub(super) comma: u64,
    pub(super) colon: u64,
    pub(super) open: u64,
    pub(super) close: u64,
    /// The first bytes of strings, and of numbers and words.
    pub(super) string: u64,
    pub(super) scalar: u64,
    /// All bytes of numbers and words, and of whatever else is no token at all.
    pub(super) scalars: u64,
    /// These three say nothing about bytes of other kinds, nor inside strings.
    pub(super) curly: u64,
    pub(super) digits: u64,
    pub(super) zeros: u64,
}

impl Tokens {
    #[inline(always)]
    pub(super) fn new<S: Simd>(block: Block<S>, quotes: u64, strings: u64, carry: &mut Carry) -> Self {
        let between = !strings;
        let space = block.equal(b' ') & between;
        let comma = block.equal(b',') & between;
        let colon = block.equal(b':') & between;
        let open = block.brackets(b'{') & between;
        let close = block.brackets(b'}') & between;
        let scalars = between & !(quotes | space | comma | colon | open | close);
        Tokens {
            space,
            comma,
            colon,
            open,
            close,
            string: quotes & strings,
            scalar: scalars & !carry.next(scalars),
            scalars,
            curly: block.curly(),
            digits: block.digits(),
            zeros: block.equal(b'0'),
        }
    }
}
