//! How tokens may follow each other, and how containers nest.

use super::masks::{Carry, Tokens};

/// From this depth on the reader is asked: the kinds of the open containers are the bits of one word.
const DEEPEST: u32 = u64::BITS;

/// The open containers.
///
/// Most containers hold no others, and those leave no trace here. What does is a turn: an open bracket
/// behind an open bracket puts the kind of the earlier one on the stack; a close bracket behind a close
/// bracket takes the top off. So the innermost container is, behind an open bracket, what that opened;
/// behind a close bracket, the top of the stack.
pub(super) struct Nesting {
    /// Whether the last bracket was a `{`, and whether it was a `[`.
    object: Carry,
    array: Carry,
    /// The stack: 1 for an object, the top in the lowest bit.
    kinds: u64,
    depth: u32,
}

impl Nesting {
    pub(super) fn inside(is_object: bool) -> Self {
        Nesting {
            object: Carry::default(),
            array: Carry::default(),
            kinds: u64::from(is_object),
            depth: 1,
        }
    }

    /// The bytes whose innermost container is an object; none if brackets do not match.
    #[inline(always)]
    pub(super) fn in_object(&mut self, tokens: &Tokens) -> Option<u64> {
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

    pub(super) fn is_closed(&self) -> bool {
        self.depth == 1 && !self.object.0 && !self.array.0
    }
}

/// Which token may follow which.
pub(super) struct Order {
    open: Carry,
    value_place: Carry,
    name_place: Carry,
    name: Carry,
    name_end: Carry,
}

impl Order {
    /// Behind the first bracket.
    pub(super) fn inside(is_object: bool) -> Self {
        Order {
            open: Carry(true),
            value_place: Carry(true),
            name_place: Carry(is_object),
            name: Carry::default(),
            name_end: Carry::default(),
        }
    }

    #[inline(always)]
    pub(super) fn is_good(&mut self, tokens: &Tokens, strings: u64, in_object: u64) -> bool {
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
    pub(super) fn is_complete(&self) -> bool {
        !self.value_place.0 && !self.name_end.0
    }
}
