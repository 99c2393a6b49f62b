//! A quick yes for most payloads, 64 bytes at a time.
//!
//! The reader of the parent module goes from token to token, and only the end of one tells where the next
//! begins: the processor cannot start on a token before it is done with the one before. Here nothing waits
//! like that. Each question about a block of 64 bytes (which are quotes, which are digits) is answered by a
//! mask, one bit for each byte, the first byte's the lowest; and the rules of JSON become relations between
//! masks.
//!
//! The answer is "surely one line of JSON" or "ask the reader". The reader stays the judge of what is
//! refused and why, and of what is rare: line breaks and tabs between tokens, white space around the text or
//! in an empty container, a single number or word or string, 64 levels and more.
//!
//! One trick recurs: a sum carries a bit over a run of ones. `0111_0110 + 0001_0000` is `1000_0110`. So one
//! addition moves all bits of a mask, each over the run that it meets: from the commas over white space to
//! the next tokens, from the first quotes of strings to the last ones.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, mask8x64, u8x64};

use self::masks::{Carry, Strings, Tokens};
use self::numbers::Numbers;
use self::structure::{Nesting, Order};

mod masks;
mod numbers;
mod structure;

/// Whether `text` is surely one decodable payload on one line.
pub(super) fn is_valid_fast(text: &[u8]) -> bool {
    is_valid_fast_at(Level::new(), text)
}

/// The same with what a level of the processor's instructions offers.
pub(super) fn is_valid_fast_at(level: Level, text: &[u8]) -> bool {
    dispatch!(level, simd => is_valid_fast_with(simd, text))
}

#[inline(always)]
fn is_valid_fast_with<S: Simd>(simd: S, text: &[u8]) -> bool {
    // The outermost container is taken off. If something inside closes it, that is an error like any other:
    // no block has to look for the end of the value, and every comma stands in a container.
    let (inside, is_object) = match text {
        [b'{', inside @ .., b'}'] => (inside, true),
        [b'[', inside @ .., b']'] => (inside, false),
        _ => return false,
    };
    let (blocks, rest) = inside.as_chunks::<64>();
    let mut last = [b' '; 64];
    last[..rest.len()].copy_from_slice(rest);

    let mut line = Line::new(simd, inside, is_object);
    let mut at = 0;
    for block in blocks.iter().chain([&last]) {
        if !line.step(at, block) {
            return false;
        }
        at += block.len();
    }
    line.is_complete()
}

/// What of the text so far bears on the next block.
struct Line<'text, S: Simd> {
    simd: S,
    text: &'text [u8],
    /// The places in their blocks of all bytes so far that are not ASCII.
    beyond_ascii: u64,
    strings: Strings,
    scalars: Carry,
    numbers: Numbers,
    nesting: Nesting,
    order: Order,
}

impl<'text, S: Simd> Line<'text, S> {
    #[inline(always)]
    fn new(simd: S, text: &'text [u8], is_object: bool) -> Self {
        Line {
            simd,
            text,
            beyond_ascii: 0,
            strings: Strings::default(),
            scalars: Carry::default(),
            numbers: Numbers::default(),
            nesting: Nesting::inside(is_object),
            order: Order::inside(is_object),
        }
    }

    /// Whether all is surely well in the block at `at`.
    #[inline(always)]
    fn step(&mut self, at: usize, bytes: &[u8; 64]) -> bool {
        let block = Block::new(self.simd, bytes);
        if block.has_backslash_or_control() || self.strings.escaped != 0 {
            return self.step_with_escapes(at, bytes);
        }
        self.step_plain(at, block, block.equal(b'"'))
    }

    /// The same for a block with escapes, whose quotes do not count.
    #[cold]
    #[inline(never)]
    fn step_with_escapes(&mut self, at: usize, bytes: &[u8; 64]) -> bool {
        // A function of its own needs the instruction set named anew.
        self.simd.vectorize(
            #[inline(always)]
            || {
                let block = Block::new(self.simd, bytes);
                if block.has_control() {
                    return false;
                }
                match self.strings.escapes(self.text, at, block.equal(b'\\')) {
                    Some(escaped) => self.step_plain(at, block, block.equal(b'"') & !escaped),
                    None => false,
                }
            },
        )
    }

    #[inline(always)]
    fn step_plain(&mut self, at: usize, block: Block<S>, quotes: u64) -> bool {
        self.beyond_ascii |= block.beyond_ascii();
        if quotes == 0 && self.strings.inside != 0 {
            // All of it lies in one string. Whatever is carried goes on to the next block as it is.
            return true;
        }
        let strings = self.strings.mask(quotes);
        let tokens = Tokens::new(block, quotes, strings, &mut self.scalars);
        match self.nesting.in_object(&tokens) {
            Some(in_object) => {
                self.numbers.are_good(self.text, at, &tokens) && self.order.is_good(&tokens, strings, in_object)
            }
            None => false,
        }
    }

    #[inline(always)]
    fn is_complete(&self) -> bool {
        self.strings.inside == 0
            && self.nesting.is_closed()
            && self.order.is_complete()
            && (self.beyond_ascii == 0 || std::str::from_utf8(self.text).is_ok())
    }
}

/// 64 bytes of the text.
#[derive(Clone, Copy)]
struct Block<S: Simd>(u8x64<S>);

/// In what the brackets of objects differ from those of arrays.
const CURLY: u8 = b'{' ^ b'[';

impl<S: Simd> Block<S> {
    #[inline(always)]
    fn new(simd: S, bytes: &[u8; 64]) -> Self {
        Block(u8x64::simd_from(simd, *bytes))
    }

    #[inline(always)]
    fn equal(self, byte: u8) -> u64 {
        self.0.simd_eq(byte).to_bitmask()
    }

    /// The brackets of both kinds, given the curly one.
    #[inline(always)]
    fn brackets(self, curly: u8) -> u64 {
        (self.0 | CURLY).simd_eq(curly).to_bitmask()
    }

    /// Of the brackets, the curly ones.
    #[inline(always)]
    fn curly(self) -> u64 {
        let curly = (self.0 & CURLY).simd_eq(CURLY).to_bitmask();
        // Kept from the compiler, which knows where these bits come from: it would answer the questions of
        // [`Nesting`] byte by byte.
        std::hint::black_box(curly)
    }

    #[inline(always)]
    fn digits(self) -> u64 {
        (self.0 - b'0').simd_le(9).to_bitmask()
    }

    #[inline(always)]
    fn beyond_ascii(self) -> u64 {
        self.0.simd_ge(0x80).to_bitmask()
    }

    #[inline(always)]
    fn has_backslash_or_control(self) -> bool {
        (self.0.simd_eq(b'\\') | self.controls()).any_true()
    }

    #[inline(always)]
    fn has_control(self) -> bool {
        self.controls().any_true()
    }

    #[inline(always)]
    fn controls(self) -> mask8x64<S> {
        self.0.simd_le(0x1f)
    }
}
