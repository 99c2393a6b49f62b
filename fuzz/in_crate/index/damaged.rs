//! True indexes of small logs, and what damage to their files may do: nothing, or be seen.
//!
//! Without damage it is the writer and the reader against the plain model of a log.

use super::image::{self, Image};
use super::log::{Log, is_right};
use super::question::Known;
use crate::fuzzing::Draw;
use crate::model::{Filter, MAX_PAGE_SIZE, Position, Query, Rows};
use crate::storage::index::base::format::{BLOCK, CONTENT, is_intact};

pub(crate) fn damaged(data: &[u8]) {
    let mut draw = Draw::new(data);
    let log = Log::draw(&mut draw);
    let mut known = Known::default();
    log.rows.iter().for_each(|row| known.add(&row.row()));
    let everything = Query::new(Filter::ALL, Position::Page(1), u64::from(MAX_PAGE_SIZE)).unwrap();
    let questions = [
        everything,
        known.question(&mut draw),
        known.question(&mut draw),
        known.question(&mut draw),
    ];

    let written = log.index();
    let bytes = damage(written.as_flattened().to_vec(), &mut draw);
    let is_written = bytes == written.as_flattened();
    if !is_written && is_forged(&written, &bytes) {
        return;
    }
    let index = match image::open(&bytes) {
        Ok(index) => index,
        Err(why) => {
            assert!(!is_written, "refused as it was written, {why}: {log:?}");
            return;
        }
    };
    assert_eq!(bytes.len(), written.len() * BLOCK, "another length is seen");
    assert_eq!(bytes[..BLOCK], written[0], "another header is seen");
    let mut rows = Rows::default();
    for query in questions {
        match index.page(&query, &mut rows) {
            Ok(()) => assert!(is_right(&rows, &log.page(&query)), "{query:?}: {rows:?} of {log:?}"),
            Err(why) => assert!(!is_written, "{why}: {query:?} of {log:?}"),
        }
        match index.count(query.filter()) {
            Ok(counted) => assert_eq!(counted, log.count(query.filter()), "{query:?} of {log:?}"),
            Err(why) => assert!(!is_written, "{why}: {query:?} of {log:?}"),
        }
    }
}

/// Changes the file as the rest of the bytes say, if there is any.
fn damage(mut bytes: Vec<u8>, draw: &mut Draw<'_>) -> Vec<u8> {
    while !draw.is_used_up() && !bytes.is_empty() {
        let len = bytes.len();
        let blocks = len / BLOCK;
        match draw.byte() {
            0 => bytes.truncate(draw.below(blocks + 1) * BLOCK),
            1 => bytes.truncate(draw.below(len)),
            2 => bytes.resize(len + draw.below(2 * BLOCK), draw.byte()),
            3 if blocks > 1 => {
                let (from, to) = (draw.below(blocks) * BLOCK, draw.below(blocks) * BLOCK);
                bytes.copy_within(from..from + BLOCK, to);
            }
            _ => {
                // By block and place, so that a small change of the input stays small.
                let at = draw.below(blocks.max(1)) * BLOCK + draw.below(BLOCK);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= draw.byte();
                }
            }
        }
    }
    bytes
}

/// Whether a changed block has the checksum of what it holds now: that is no damage but a forgery, which only the
/// other target has an oracle for.
fn is_forged(written: &Image, bytes: &[u8]) -> bool {
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let pairs = blocks.iter().zip(written).zip(0..);
    let mut changed = pairs.filter(|((block, written), _)| block != written);
    changed.any(|((block, _), number)| {
        let is_sealed = block[CONTENT..] == checksum(number, &block[..CONTENT]).to_le_bytes();
        assert_eq!(is_intact(number, block), is_sealed, "block {number}");
        is_sealed
    })
}

/// CRC-32 (IEEE) of a block's number and its content, bit by bit.
fn checksum(number: u64, content: &[u8]) -> u32 {
    let mut rest = !0;
    for &byte in number.to_le_bytes().iter().chain(content) {
        rest ^= u32::from(byte);
        for _ in 0..8 {
            let divisor = if rest & 1 == 1 { 0xedb8_8320 } else { 0 };
            rest = rest >> 1 ^ divisor;
        }
    }
    !rest
}
