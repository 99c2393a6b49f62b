//! The payload's decoder and its two parts, for the fuzz oracles.

use super::reader::read;
use super::{Lines, check, simd};

/// Whether the block-wise check vouches for a payload on one line.
#[must_use]
pub fn is_valid_fast(text: &[u8]) -> bool {
    simd::is_valid_fast(text)
}

/// What the reader, from token to token, says of a payload: whether it is one line.
///
/// # Errors
/// What is wrong.
pub fn read_payload(text: &[u8]) -> Result<bool, &'static str> {
    read(text).map(|lines| lines == Lines::One)
}

/// What both engines say of a payload.
///
/// # Errors
/// What is wrong.
pub fn check_payload(text: &[u8]) -> Result<bool, &'static str> {
    check(text).map(|lines| lines == Lines::One)
}

/// Makes a checked payload one line; its new length.
pub fn join_lines(text: &mut [u8]) -> usize {
    super::join_lines(text)
}
