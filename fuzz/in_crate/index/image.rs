//! The bytes of an index file, outside of any file.

use std::os::unix::fs::FileExt;

use crate::storage::fs::platform;
use crate::storage::index::base::format::{self, BLOCK, CONTENT, Header, Layout};
use crate::storage::index::base::reader::Base;
use crate::storage::index::{Corrupted, Index};

/// The most blocks of a forged file: a fuzzer has more use for many small files than for large ones.
const MOST_BLOCKS: usize = 64;

pub(super) type Image = Vec<[u8; BLOCK]>;

/// Reads blocks from a form without their checksums and the zeros at their ends, most of an index of few
/// events: for each block two bytes that say how many follow. Any bytes are blocks.
pub(super) fn unpack(mut packed: &[u8]) -> Image {
    let mut image = Image::new();
    while let Some((len, rest)) = packed.split_first_chunk()
        && image.len() < MOST_BLOCKS
    {
        let len = usize::from(u16::from_le_bytes(*len)) % (CONTENT + 1);
        let (content, rest) = rest.split_at(len.min(rest.len()));
        let mut block = [0; BLOCK];
        block[..content.len()].copy_from_slice(content);
        image.push(block);
        packed = rest;
    }
    image
}

/// The form that [`unpack`] reads.
#[cfg(test)]
pub(super) fn pack(image: &Image) -> Vec<u8> {
    let mut packed = Vec::new();
    for block in image {
        let content = &block[..CONTENT];
        let len = CONTENT - content.iter().rev().take_while(|&&byte| byte == 0).count();
        packed.extend_from_slice(&(len as u16).to_le_bytes());
        packed.extend_from_slice(&content[..len]);
    }
    packed
}

/// Gives the file the length that its header says, where that is not too large.
pub(super) fn fit(image: &mut Image) {
    let header = image.first().and_then(|block| Header::decode(&block[..CONTENT]).ok());
    if let Some(header) = header
        && let Ok(blocks) = usize::try_from(Layout::new(&header).blocks)
        && blocks <= MOST_BLOCKS
    {
        image.resize(blocks, [0; BLOCK]);
    }
}

/// Gives every block the checksum of what it holds.
pub(super) fn seal(image: &mut Image) {
    for (block, number) in image.iter_mut().zip(0..) {
        format::write_checksum(number, block);
    }
}

/// Opens the bytes as an index file.
pub(super) fn open(bytes: &[u8]) -> Result<Index, Corrupted> {
    Ok(Index::of_base(open_base(bytes)?))
}

/// Opens the bytes as a base.
pub(super) fn open_base(bytes: &[u8]) -> Result<Base, Corrupted> {
    let file = platform::memory_file().unwrap();
    file.write_all_at(bytes, 0).unwrap();
    Base::open(file)
}
