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
//! in an empty container, a single number or word or string, [`DEEPEST`] levels and more.
//!
//! One trick recurs: a sum carries a bit over a run of ones. `0111_0110 + 0001_0000` is `1000_0110`. So one
//! addition moves all bits of a mask, each over the run that it meets: from the commas over white space to
//! the next tokens, from the first quotes of strings to the last ones.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, mask8x64, u8x64};

use super::reader::Reader;

/// From this depth on the reader is asked: the kinds of the open containers are the bits of one word.
const DEEPEST: u32 = u64::BITS;

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

/// What one block's masks carry over to the next.
#[derive(Default)]
struct Carry(bool);

impl Carry {
    /// The bytes next to those of `from`.
    #[inline(always)]
    fn next(&mut self, from: u64) -> u64 {
        let next = from << 1 | u64::from(self.0);
        self.0 = from >> 63 != 0;
        next
    }

    /// The first byte behind each of `from` that is not of `run`.
    #[inline(always)]
    fn behind(&mut self, from: u64, run: u64) -> u64 {
        self.sum(from, run) & !run
    }

    /// All bytes behind each of `from`, to the first that is not of `run` and with it.
    #[inline(always)]
    fn through(&mut self, from: u64, run: u64) -> u64 {
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
struct Strings {
    /// All ones where the next block begins inside a string.
    inside: u64,
    /// 1 where the next block's first byte is the second one of an escape.
    escaped: u64,
}

impl Strings {
    /// The strings with their first quotes and without their last ones: where the quotes up to there are
    /// odd.
    #[inline(always)]
    fn mask(&mut self, quotes: u64) -> u64 {
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
    fn escapes(&mut self, text: &[u8], at: usize, backslashes: u64) -> Option<u64> {
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
struct Tokens {
    space: u64,
    comma: u64,
    colon: u64,
    open: u64,
    close: u64,
    /// The first bytes of strings, and of numbers and words.
    string: u64,
    scalar: u64,
    /// All bytes of numbers and words, and of whatever else is no token at all.
    scalars: u64,
    /// These three say nothing about bytes of other kinds, nor inside strings.
    curly: u64,
    digits: u64,
    zeros: u64,
}

impl Tokens {
    #[inline(always)]
    fn new<S: Simd>(block: Block<S>, quotes: u64, strings: u64, carry: &mut Carry) -> Self {
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

/// The open containers.
///
/// Most containers hold no others, and those leave no trace here. What does is a turn: an open bracket
/// behind an open bracket puts the kind of the earlier one on the stack; a close bracket behind a close
/// bracket takes the top off. So the innermost container is, behind an open bracket, what that opened;
/// behind a close bracket, the top of the stack.
struct Nesting {
    /// Whether the last bracket was a `{`, and whether it was a `[`.
    object: Carry,
    array: Carry,
    /// The stack: 1 for an object, the top in the lowest bit.
    kinds: u64,
    depth: u32,
}

impl Nesting {
    fn inside(is_object: bool) -> Self {
        Nesting {
            object: Carry::default(),
            array: Carry::default(),
            kinds: u64::from(is_object),
            depth: 1,
        }
    }

    /// The bytes whose innermost container is an object; none if brackets do not match.
    #[inline(always)]
    fn in_object(&mut self, tokens: &Tokens) -> Option<u64> {
        let (open, close, curly) = (tokens.open, tokens.close, tokens.curly);
        let between = !(open | close);
        let object = self.object.through(open & curly, between);
        let array = self.array.through(open & !curly, between);
        if close & (object & !curly | array & curly) != 0 {
            return None;
        }
        let opened = object | array;
        let mut top = self.top();
        let mut turns = open & opened | close & !opened;
        while turns != 0 {
            let turn = turns & turns.wrapping_neg();
            turns ^= turn;
            if turn & open != 0 {
                self.push(turn & object != 0)?;
            } else {
                self.pop(turn & curly != 0)?;
            }
            let from_here = turn.wrapping_neg();
            top = top & !from_here | self.top() & from_here;
        }
        Some(object | top & !opened)
    }

    /// All ones for an object.
    #[inline(always)]
    fn top(&self) -> u64 {
        (self.kinds & 1).wrapping_neg()
    }

    #[inline(always)]
    fn push(&mut self, is_object: bool) -> Option<()> {
        self.kinds = self.kinds << 1 | u64::from(is_object);
        self.depth += 1;
        (self.depth < DEEPEST).then_some(())
    }

    /// The outermost container stays: its bracket is not among those that are looked at.
    #[inline(always)]
    fn pop(&mut self, is_object: bool) -> Option<()> {
        let matches = self.kinds & 1 == u64::from(is_object);
        self.kinds >>= 1;
        self.depth -= 1;
        (matches && self.depth > 0).then_some(())
    }

    fn is_closed(&self) -> bool {
        self.depth == 1 && !self.object.0 && !self.array.0
    }
}

#[derive(Default)]
struct Numbers {
    zero: Carry,
    /// The end of the last number or word that was left to the reader. It may lie in a later block.
    read: usize,
}

impl Numbers {
    /// Whether all numbers and words are good. Most are numbers of digits only, with no 0 in front.
    #[inline(always)]
    fn are_good(&mut self, text: &[u8], at: usize, tokens: &Tokens) -> bool {
        let behind_zero = self.zero.next(tokens.zeros & tokens.scalar);
        let unusual = tokens.scalars & (!tokens.digits | behind_zero);
        if unusual == 0 {
            return true;
        }
        let begun_before = tokens.scalars & !tokens.scalar & 1 == 1;
        let read = read_scalars(text, at, tokens.scalar, begun_before && self.read <= at);
        self.read = read.unwrap_or(0);
        read.is_some()
    }
}

/// Where the last number or word of a block ends, if the reader takes them all. One that began in an earlier
/// block may be among them.
#[inline(never)]
fn read_scalars(text: &[u8], at: usize, mut starts: u64, begun_before: bool) -> Option<usize> {
    let mut end = at;
    if begun_before {
        let last_other = text[..at].iter().rposition(is_beside_scalars);
        end = read_scalar(text, last_other.map_or(0, |last| last + 1))?;
    }
    while starts != 0 {
        end = read_scalar(text, at + starts.trailing_zeros() as usize)?;
        starts &= starts - 1;
    }
    Some(end)
}

fn read_scalar(text: &[u8], start: usize) -> Option<usize> {
    let mut reader = Reader::new(text, start);
    let read = match reader.peek() {
        b'-' | b'0'..=b'9' => reader.number(),
        _ => reader.word(),
    };
    let is_all = text.get(reader.at).is_none_or(is_beside_scalars);
    (read.is_ok() && is_all).then_some(reader.at)
}

fn is_beside_scalars(byte: &u8) -> bool {
    matches!(byte, b' ' | b'"' | b',' | b':' | b'[' | b']' | b'{' | b'}')
}

/// Which token may follow which.
struct Order {
    open: Carry,
    value_place: Carry,
    name_place: Carry,
    name: Carry,
    name_end: Carry,
}

impl Order {
    /// Behind the first bracket.
    fn inside(is_object: bool) -> Self {
        Order {
            open: Carry(true),
            value_place: Carry(true),
            name_place: Carry(is_object),
            name: Carry::default(),
            name_end: Carry::default(),
        }
    }

    #[inline(always)]
    fn is_good(&mut self, tokens: &Tokens, strings: u64, in_object: u64) -> bool {
        let (space, comma, colon) = (tokens.space, tokens.comma, tokens.colon);
        let (open, close, string) = (tokens.open, tokens.close, tokens.string);

        // Behind open brackets, commas and colons stands a value, or a name, or the close bracket of an
        // empty container; and nowhere else do values stand.
        let value = string | tokens.scalar | open | close & self.open.next(open);
        let value_place = self.value_place.behind(open | comma | colon, space);
        let wrong_value = value ^ value_place;

        // In objects, what stands behind the open bracket or a comma is a name.
        let before_name = open & tokens.curly | comma & in_object;
        let name_place = self.name_place.behind(before_name, space);
        let wrong_name = name_place & !(string | close);

        // Colons stand behind names, and nowhere else.
        let name_end = self.name.behind(name_place & string, strings);
        let wrong_colon = colon ^ self.name_end.behind(name_end, space);

        wrong_value | wrong_name | wrong_colon == 0
    }

    /// Whether nothing has to follow. What must follow a string that does not end is no matter.
    fn is_complete(&self) -> bool {
        !self.value_place.0 && !self.name_end.0
    }
}
