//! Numbers and words.

use super::masks::{Carry, Tokens};
use crate::storage::payload::validate::reader::Reader;

#[derive(Default)]
pub(super) struct Numbers {
    zero: Carry,
    /// The end of the last number or word that was left to the reader. It may lie in a later block.
    read: usize,
}

impl Numbers {
    /// Whether all numbers and words are good. Most are numbers of digits only, with no 0 in front.
    #[inline(always)]
    pub(super) fn are_good(&mut self, text: &[u8], at: usize, tokens: &Tokens) -> bool {
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
