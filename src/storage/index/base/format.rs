//! The blocks and sections of `audit.idx`; `records` says what lies in them. docs/index-format.md tells the same in
//! prose.
//!
//! The file is a row of blocks of 4,096 bytes: one header, then thirteen sections, each of records of one size. A block ends
//! with the CRC-32 of its number and its content, so a block in the wrong place is as damaged as a flipped bit.
//! Which block a record lies in follows from the header alone. All numbers are little-endian.

use std::ops::Range;

use super::codec::{Fixed, Input};
use super::corrupted::Corrupted;
use super::packed::PackedColumn;
use super::records::{Columns, Fields};
use super::section::Section;
use super::source::Source;

/// Bytes of a block on disk.
pub(crate) const BLOCK: usize = 4096;
/// Bytes of a block before its checksum.
pub(crate) const CONTENT: usize = BLOCK - 4;
/// The most events an index can hold: positions are 32-bit numbers.
pub(crate) const MAX_EVENTS: u64 = u32::MAX as u64;

const MAGIC: [u8; 8] = *b"AUDITQIX";
/// Goes up with every change of what a byte means.
const VERSION: u64 = 3;

/// How many there are of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) events: u64,
    pub(crate) text_bytes: u64,
    pub(crate) actors: u64,
    pub(crate) actions: u64,
    pub(crate) resource_types: u64,
    pub(crate) pairs: u64,
    pub(crate) table_leaves: u64,
    pub(crate) time_leaves: u64,
}

impl Counts {
    /// Records of a section, end marks included.
    pub(crate) const fn records(&self, section: Section) -> u64 {
        match section {
            Section::Times | Section::Events => self.events,
            Section::Text => self.text_bytes,
            Section::Actors => self.actors + 1,
            Section::Actions => self.actions + 1,
            Section::ResourceTypes => self.resource_types,
            Section::Pairs => self.pairs + 1,
            Section::ByActor | Section::ByAction | Section::ByPair | Section::ById => self.events,
            Section::TableLeaves => self.table_leaves,
            Section::TimeLeaves => self.time_leaves,
        }
    }

    /// Whether a file can hold as much: nothing is added up before this was asked.
    fn are_plausible(&self) -> bool {
        let most = [self.actors, self.actions, self.resource_types, self.pairs];
        // A leaf page holds an event at least, but for the only one of an empty log.
        let leaves = [self.table_leaves, self.time_leaves];
        self.events <= MAX_EVENTS
            && self.text_bytes <= 1 << 48
            && most.into_iter().all(|count| count <= self.events)
            && leaves.into_iter().all(|count| count <= self.events.max(1))
    }
}

/// Where a section lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Its first block.
    pub(crate) start: u64,
    records: u64,
    /// Bytes of one record.
    pub(crate) size: usize,
    /// Records of one block; none lies across two.
    per_block: u64,
}

impl Place {
    /// The block in which a record lies, and where in it; `None` behind the last.
    #[inline(always)]
    pub(crate) fn of(&self, record: u64) -> Option<(u64, usize)> {
        (record < self.records).then(|| {
            let (blocks, before) = (record / self.per_block, record % self.per_block);
            (self.start + blocks, before as usize * self.size)
        })
    }

    /// The records in a block of the section.
    pub(crate) fn records_in(&self, block: u64) -> Range<u64> {
        let first = (block - self.start) * self.per_block;
        first..(first + self.per_block).min(self.records)
    }

    /// The block behind the last.
    fn end(&self) -> u64 {
        self.start + self.records.div_ceil(self.per_block)
    }
}

/// Where everything lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    places: [Place; 13],
    pub(crate) blocks: u64,
}

impl Layout {
    pub(crate) fn new(header: &Header) -> Self {
        let mut blocks = 1;
        let places = Section::ALL.map(|section| {
            let size = header.columns.record_size(section);
            let place = Place {
                start: blocks,
                records: header.counts.records(section),
                size,
                per_block: (CONTENT / size) as u64,
            };
            blocks = place.end();
            place
        });
        Layout { places, blocks }
    }

    pub(crate) const fn place(&self, section: Section) -> &Place {
        &self.places[section as usize]
    }

    /// The section that a block belongs to; `None` for the header.
    pub(crate) fn section(&self, block: u64) -> Option<Section> {
        let mut sections = Section::ALL.into_iter();
        sections.find(|&section| {
            let place = self.place(section);
            (place.start..place.end()).contains(&block)
        })
    }
}

/// The first block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) source: Source,
    /// Random: a delta says which base it belongs to.
    pub(crate) base_id: u128,
    /// Random: without it nobody can make two pages of one hash.
    pub(crate) hash_key: [u64; 2],
    pub(crate) counts: Counts,
    pub(crate) columns: Columns,
}

impl Header {
    pub(crate) fn encode(&self, content: &mut [u8]) {
        let mut out = MAGIC.to_vec();
        VERSION.put(&mut out);
        self.base_id.put(&mut out);
        self.hash_key.put(&mut out);
        self.source.put(&mut out);
        let Counts {
            events,
            text_bytes,
            actors,
            actions,
            resource_types,
            pairs,
            table_leaves,
            time_leaves,
        } = self.counts;
        [
            events,
            text_bytes,
            actors,
            actions,
            resource_types,
            pairs,
            table_leaves,
            time_leaves,
        ]
        .put(&mut out);
        let Columns {
            created_at,
            rank,
            event,
        } = self.columns;
        [created_at, rank].put(&mut out);
        event.into_array().put(&mut out);
        content[..out.len()].copy_from_slice(&out);
    }

    /// Reads a header.
    ///
    /// # Errors
    /// Another file's, another version's or an implausible one.
    pub(crate) fn decode(content: &[u8]) -> Result<Self, Corrupted> {
        Self::take(Input(content)).map_err(Corrupted::in_header)
    }

    fn take(mut input: Input<'_>) -> Result<Self, Corrupted> {
        if input.bytes(MAGIC.len())? != MAGIC {
            return Err(Corrupted::new("it is no index file"));
        }
        if input.take::<u64>()? != VERSION {
            return Err(Corrupted::OTHER_VERSION);
        }
        let (base_id, hash_key, source) = (input.take()?, input.take()?, input.take()?);
        let [
            events,
            text_bytes,
            actors,
            actions,
            resource_types,
            pairs,
            table_leaves,
            time_leaves,
        ] = input.take()?;
        let counts = Counts {
            events,
            text_bytes,
            actors,
            actions,
            resource_types,
            pairs,
            table_leaves,
            time_leaves,
        };
        let columns = Columns {
            created_at: input.take()?,
            rank: input.take()?,
            event: Fields::from_array(input.take()?),
        };
        if !counts.are_plausible() {
            return Err(Corrupted::new("no index holds so much"));
        }
        Ok(Header {
            source,
            base_id,
            hash_key,
            counts,
            columns,
        })
    }
}

impl Fixed for PackedColumn {
    const SIZE: usize = 16;

    fn put(&self, out: &mut Vec<u8>) {
        self.base().put(out);
        (self.width() as u64).put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, Corrupted> {
        let (base, width) = (input.take()?, input.take()?);
        PackedColumn::new(base, width).ok_or(Corrupted::new("no column is so wide"))
    }
}

/// Writes the checksum behind a block's content.
pub(crate) fn write_checksum(number: u64, block: &mut [u8; BLOCK]) {
    let sum = checksum(number, &block[..CONTENT]);
    block[CONTENT..].copy_from_slice(&sum.to_le_bytes());
}

/// Whether a block is what was sealed under this number.
pub(crate) fn is_intact(number: u64, block: &[u8; BLOCK]) -> bool {
    block[CONTENT..] == checksum(number, &block[..CONTENT]).to_le_bytes()
}

fn checksum(number: u64, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(content);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::db_version::{DbVersion, Journal};
    use crate::storage::fs::platform::FileState;
    use crate::storage::index::base::packed::MinMax;
    use crate::storage::index::base::source::{ContentVersion, DatabaseFacts};
    use crate::storage::sqlite::wal::FramePosition;

    fn state(seed: i64) -> FileState {
        FileState {
            inode: seed as u64,
            size: 7,
            mtime_ns: -seed,
            ctime_ns: i64::MAX - seed,
        }
    }

    fn header(journal: Option<Journal>) -> Header {
        let wide = PackedColumn::of(MinMax {
            least: i64::MIN,
            greatest: i64::MAX,
        });
        let narrow = PackedColumn::for_len(9);
        Header {
            source: Source {
                version: journal.map(|journal| DbVersion {
                    database: state(1),
                    journal,
                }),
                content: ContentVersion {
                    change_counter: 77,
                    log: journal.map(|_| FramePosition {
                        frame: 5,
                        salts: [6, 7],
                        checksum: [8, 9],
                    }),
                },
                facts: DatabaseFacts {
                    page_size: 4096,
                    reserved: 8,
                    schema_cookie: 2,
                    table_root: 3,
                    time_root: 0,
                    has_other_indexes: true,
                    schema_hash: u64::MAX,
                },
                rows_sum: 1 << 63,
            },
            base_id: 1 << 100,
            hash_key: [1, u64::MAX],
            counts: Counts {
                events: 9,
                text_bytes: 99,
                actors: 3,
                actions: 2,
                resource_types: 1,
                pairs: 5,
                table_leaves: 2,
                time_leaves: 1,
            },
            columns: Columns {
                created_at: wide,
                rank: PackedColumn::for_len(512),
                event: Fields {
                    id: wide,
                    payload_offset: wide,
                    payload_len: wide,
                    resource_id_start: wide,
                    resource_id_len: narrow,
                    actor: narrow,
                    action: narrow,
                    resource_type: narrow,
                },
            },
        }
    }

    /// Whoever adds up what a header says must not run over, nor ask for memory that nobody has.
    #[test]
    fn a_header_that_tells_of_more_than_a_file_can_hold_is_refused() {
        let counts = header(None).counts;
        let is_read = |counts: Counts| {
            let mut content = [0; CONTENT];
            Header { counts, ..header(None) }.encode(&mut content);
            Header::decode(&content).is_ok_and(|header| header.counts == counts)
        };
        // The one page of an empty log.
        let empty = Counts {
            events: 0,
            text_bytes: 0,
            actors: 0,
            actions: 0,
            resource_types: 0,
            pairs: 0,
            table_leaves: 1,
            time_leaves: 1,
        };
        let at_most = [
            Counts {
                events: MAX_EVENTS,
                ..counts
            },
            Counts {
                text_bytes: 1 << 48,
                ..counts
            },
            Counts {
                actors: 9,
                actions: 9,
                resource_types: 9,
                pairs: 9,
                ..counts
            },
            Counts {
                table_leaves: 9,
                time_leaves: 9,
                ..counts
            },
            empty,
        ];
        assert!(at_most.into_iter().all(is_read));
        let more = [
            Counts {
                events: MAX_EVENTS + 1,
                ..counts
            },
            Counts {
                text_bytes: (1 << 48) + 1,
                ..counts
            },
            Counts { actors: 10, ..counts },
            Counts { actions: 10, ..counts },
            Counts {
                resource_types: 10,
                ..counts
            },
            Counts { pairs: 10, ..counts },
            Counts {
                table_leaves: 10,
                ..counts
            },
            Counts {
                time_leaves: 10,
                ..counts
            },
            Counts {
                pairs: u64::MAX,
                ..counts
            },
        ];
        for counts in more {
            assert!(!is_read(counts), "{counts:?}");
        }
    }

    #[test]
    fn a_header_comes_back_as_it_was_written() {
        let journals = [Journal::Rollback, Journal::WalEmpty, Journal::Wal(state(3))];
        for journal in journals.map(Some).into_iter().chain([None]) {
            let header = header(journal);
            let mut content = [0; CONTENT];
            header.encode(&mut content);
            assert_eq!(Header::decode(&content), Ok(header));
            let corrupted = |check| Err(Corrupted::new(check).in_header());
            let other = |at: usize, byte| {
                let mut content = content;
                content[at] = byte;
                Header::decode(&content)
            };
            assert_eq!(other(0, 1), corrupted("it is no index file"));
            assert_eq!(other(8, 2), Err(Corrupted::OTHER_VERSION.in_header()));
            assert_eq!(other(80, 4), corrupted("there is no such journal mode"));
            let width = corrupted("no column is so wide");
            assert_eq!([other(264, 0), other(264, 9)], [width, width]);
        }
    }

    #[test]
    fn every_flipped_bit_of_a_block_and_every_other_number_is_seen() {
        let mut block = [0x5a; BLOCK];
        write_checksum(7, &mut block);
        assert!(is_intact(7, &block) && !is_intact(8, &block));
        for bit in 0..BLOCK * 8 {
            block[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_intact(7, &block), "bit {bit}");
            block[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn sections_follow_each_other_without_a_gap() {
        let header = Header {
            counts: Counts {
                events: 512,
                text_bytes: 4093,
                actors: 1,
                actions: 1,
                resource_types: 1,
                pairs: 1,
                table_leaves: 128,
                time_leaves: 73,
            },
            ..header(Some(Journal::Rollback))
        };
        let layout = Layout::new(&header);
        let starts = Section::ALL.map(|section| layout.place(section).start);
        // 512 times of 8 bytes take two blocks, 512 events of 36 bytes take five.
        assert_eq!(starts, [1, 3, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20]);
        // 127 leaves of the table fill a block, and 73 of the index.
        assert_eq!(layout.blocks, 21);
        assert_eq!(layout.section(0), None);
        assert_eq!(layout.section(7), Some(Section::Events));
        assert_eq!(layout.place(Section::Events).records_in(7), 452..512);
        assert_eq!(layout.place(Section::Events).of(452), Some((7, 0)));
        assert_eq!(layout.place(Section::Events).of(512), None);
    }
}
