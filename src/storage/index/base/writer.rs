//! Turns a ranked log into the blocks of an index file.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;
use zerocopy::{Immutable, IntoBytes};

use super::codec::Fixed;
use super::format::{self, BLOCK, CONTENT, Header, Layout, Place};
use super::packed::PackedColumn;
use super::records::Columns;
use super::section::Section;
use super::source::Source;
use crate::parallel;
use crate::storage::fs::platform;
use crate::storage::index::build::segment::SegmentData;

/// Blocks that are made at once, by all threads, before they are written: 4 MiB.
const WINDOW: u64 = 1024;

/// The names of one index file: random ones, so that none has another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BaseNames {
    /// A delta says which base it belongs to.
    pub(crate) base_id: u128,
    /// Keys the hashes of pages and entries.
    pub(crate) hash_key: [u64; 2],
}

impl BaseNames {
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn random() -> io::Result<Self> {
        let bytes: [u8; 32] = platform::random()?;
        let mut words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
        let mut word = || words.next().unwrap_or_default();
        Ok(BaseNames {
            base_id: u128::from(word()) << 64 | u128::from(word()),
            hash_key: [word(), word()],
        })
    }
}

/// Writes the index of `log`, made from `source`, into an empty file. `wrote` is called with how many more events' worth
/// has been written.
pub(crate) fn write(
    log: &SegmentData,
    source: &Source,
    names: BaseNames,
    file: &File,
    wrote: &(dyn Fn(u64) + Sync),
) -> io::Result<()> {
    parallel::install(|| write_blocks(log, source, names, file, wrote))
}

fn write_blocks(
    log: &SegmentData,
    source: &Source,
    names: BaseNames,
    file: &File,
    wrote: &(dyn Fn(u64) + Sync),
) -> io::Result<()> {
    let header = Header {
        source: *source,
        base_id: names.base_id,
        hash_key: names.hash_key,
        counts: log.counts(),
        columns: log.columns,
    };
    let layout = Layout::new(&header);
    let windows = layout.blocks.div_ceil(WINDOW);
    let blocks_of = |window: u64| window * WINDOW..((window + 1) * WINDOW).min(layout.blocks);
    let events_before = |block: u64| block * header.counts.events / layout.blocks;
    let make = |window: u64, blocks: &mut Vec<[u8; BLOCK]>| {
        let numbers = blocks_of(window);
        blocks.resize((numbers.end - numbers.start) as usize, [0; BLOCK]);
        let numbered = blocks.par_iter_mut().enumerate();
        numbered.for_each(|(place, block)| {
            make_block(log, &header, &layout, numbers.start + place as u64, block);
        });
    };
    // One window is made while the one before is written.
    let (mut made, mut next) = (Vec::new(), Vec::new());
    make(0, &mut made);
    for window in 0..windows {
        let (written, ()) = rayon::join(
            || file.write_all_at(made.as_flattened(), window * WINDOW * BLOCK as u64),
            || {
                if window + 1 < windows {
                    make(window + 1, &mut next);
                }
            },
        );
        written?;
        let blocks = blocks_of(window);
        wrote(events_before(blocks.end) - events_before(blocks.start));
        std::mem::swap(&mut made, &mut next);
    }
    Ok(())
}

/// Writes the header of a finished index file anew, with another source.
pub(crate) fn rewrite_source(file: &File, header: &Header, source: &Source) -> io::Result<()> {
    let mut block = [0; BLOCK];
    let header = Header {
        source: *source,
        ..*header
    };
    header.encode(&mut block[..CONTENT]);
    format::write_checksum(0, &mut block);
    file.write_all_at(&block, 0)
}

fn make_block(log: &SegmentData, header: &Header, layout: &Layout, number: u64, block: &mut [u8; BLOCK]) {
    block.fill(0);
    let content = &mut block[..CONTENT];
    match layout.section(number) {
        None => header.encode(content),
        Some(section) => fill(log, section, layout.place(section), number, content),
    }
    format::write_checksum(number, block);
}

/// Makes the content of one block of a section.
fn fill(log: &SegmentData, section: Section, place: &Place, number: u64, content: &mut [u8]) {
    let Range { start, end } = place.records_in(number);
    let records = start as usize..end as usize;
    let Columns { created_at, rank, .. } = log.columns;
    match section {
        Section::Times => put(content, place.size, records, |event, bytes| {
            created_at.put(log.time(event), bytes);
        }),
        Section::Events => {
            let bytes = records.start * place.size..records.end * place.size;
            content[..bytes.len()].copy_from_slice(&log.events.records[bytes]);
        }
        Section::Text => log.copy_text(start, &mut content[..records.len()]),
        Section::Actors => put_bytes(content, &log.actors[records]),
        Section::Actions => put_bytes(content, &log.actions[records]),
        Section::ResourceTypes => put_bytes(content, &log.resource_types[records]),
        Section::Pairs => put_bytes(content, &log.pairs[records]),
        Section::ByActor => put_ranks(content, rank, &log.by_actor[records]),
        Section::ByAction => put_ranks(content, rank, &log.by_action[records]),
        Section::ByPair => put_ranks(content, rank, &log.by_pair[records]),
        Section::ById => put_ranks(content, rank, &log.by_id[records]),
        Section::TableLeaves => put_fixed(content, &log.leaves.table[records]),
        Section::TimeLeaves => put_fixed(content, &log.leaves.time[records]),
    }
}

/// Puts records of `size` bytes, one behind the other, from the first to the last: each may clear a few bytes behind
/// it, which the next one fills.
fn put(content: &mut [u8], size: usize, records: Range<usize>, put: impl Fn(usize, &mut [u8])) {
    for (record, at) in records.zip((0..).step_by(size)) {
        put(record, &mut content[at..]);
    }
}

fn put_ranks(content: &mut [u8], column: PackedColumn, ranks: &[u32]) {
    put(content, column.width(), 0..ranks.len(), |place, bytes| {
        column.put(ranks[place].into(), bytes);
    });
}

fn put_fixed<T: Fixed>(content: &mut [u8], records: &[T]) {
    let mut bytes = Vec::with_capacity(CONTENT);
    records.iter().for_each(|record| record.put(&mut bytes));
    content[..bytes.len()].copy_from_slice(&bytes);
}

fn put_bytes<T: IntoBytes + Immutable>(content: &mut [u8], records: &[T]) {
    let bytes = records.as_bytes();
    content[..bytes.len()].copy_from_slice(bytes);
}
