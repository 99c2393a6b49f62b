//! Turns a ranked log into the blocks of an index file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;

use super::format::{self, BLOCK, CONTENT, Header, Layout, Section};
use super::order::Ranked;
use crate::storage::stamp::Stamp;

/// Blocks that are made at once, by all threads, before they are written: 4 MiB.
const WINDOW: u64 = 1024;

/// Writes the index of `log`, which is that of the database in the state of `stamp`, into an empty file.
/// `wrote` is called with how many more events' worth has been written.
pub(super) fn write(
    log: &Ranked,
    stamp: &Stamp,
    file: &File,
    wrote: &(dyn Fn(u64) + Sync),
) -> io::Result<()> {
    let header = Header {
        stamp: *stamp,
        counts: log.counts(),
    };
    let layout = Layout::new(&header.counts);
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

fn make_block(
    log: &Ranked,
    header: &Header,
    layout: &Layout,
    number: u64,
    block: &mut [u8; BLOCK],
) {
    block.fill(0);
    let content = &mut block[..CONTENT];
    if number == 0 {
        header.encode(content);
    } else {
        fill(log, header, layout, number, content);
    }
    format::seal(number, block);
}

/// Makes one block's content.
fn fill(log: &Ranked, header: &Header, layout: &Layout, number: u64, content: &mut [u8]) {
    let sections = Section::ALL.into_iter();
    let Some(section) = sections
        .rev()
        .find(|&section| layout.start(section) <= number && header.counts.records(section) > 0)
    else {
        return;
    };
    let per_block = section.records_per_block();
    let first = (number - layout.start(section)) * per_block;
    let end = (first + per_block).min(header.counts.records(section));
    let records = first as usize..end as usize;
    match section {
        Section::Times => put(content, records, |rank| log.time(rank).to_le_bytes()),
        Section::Events => put(content, records, |rank| log.event(rank).encode()),
        Section::Text => content[..records.len()].copy_from_slice(&log.text[records]),
        Section::Actors => put(content, records, |actor| log.actors[actor].encode()),
        Section::Actions => put(content, records, |action| log.actions[action].encode()),
        Section::ResourceTypes => put(content, records, |kind| log.resource_types[kind].encode()),
        Section::Pairs => put(content, records, |pair| log.pairs[pair].encode()),
        Section::ByActor => put(content, records, |place| log.by_actor[place].to_le_bytes()),
        Section::ByAction => put(content, records, |place| log.by_action[place].to_le_bytes()),
        Section::ByPair => put(content, records, |place| log.by_pair[place].to_le_bytes()),
    }
}

fn put<const SIZE: usize>(
    content: &mut [u8],
    records: std::ops::Range<usize>,
    record: impl Fn(usize) -> [u8; SIZE],
) {
    for (place, index) in content.chunks_exact_mut(SIZE).zip(records) {
        place.copy_from_slice(&record(index));
    }
}
