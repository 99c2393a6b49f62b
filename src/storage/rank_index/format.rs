//! Every byte of `audit.idx`. docs/index-format.md tells the same in prose.
//!
//! The file is a row of blocks of 4,096 bytes: one header, then ten sections of fixed-size records. A block ends
//! with the CRC-32 of its number and its content, so a block in the wrong place is as damaged as a flipped bit.
//! Which block a record lies in follows from the header's counts alone. All numbers are little-endian.

use crate::storage::platform::FileState;
use crate::storage::stamp::{Journal, Stamp};

/// Bytes of a block on disk.
pub(super) const BLOCK: usize = 4096;
/// Bytes of a block before its checksum.
pub(super) const CONTENT: usize = BLOCK - 4;
/// The most events an index can hold: positions are 32-bit numbers.
pub(super) const MAX_EVENTS: u64 = u32::MAX as u64;

const MAGIC: [u8; 8] = *b"AUDITQIX";
/// Goes up with every change of what a byte means.
const VERSION: u32 = 1;

/// The sections, in file order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// `created_at` of each event, in rank order.
    Times,
    /// The rest of each event, in rank order: [`EventRecord`].
    Events,
    /// Bytes: each event's `resource_id` by id, then the actions, then the resource types.
    Text,
    /// Each actor, ascending, then an end mark: [`ActorRecord`].
    Actors,
    /// Each action, ascending by its bytes, then an end mark: [`TextRecord`].
    Actions,
    /// Each resource type: [`TextRecord`].
    ResourceTypes,
    /// Each actor's actions, by actor, then by action, then an end mark: [`PairRecord`].
    Pairs,
    /// Posting lists by actor: ranks, ascending within each list.
    ByActor,
    /// Posting lists by action.
    ByAction,
    /// Posting lists by actor and action.
    ByPair,
}

impl Section {
    pub(super) const ALL: [Section; 10] = [
        Section::Times,
        Section::Events,
        Section::Text,
        Section::Actors,
        Section::Actions,
        Section::ResourceTypes,
        Section::Pairs,
        Section::ByActor,
        Section::ByAction,
        Section::ByPair,
    ];

    /// Bytes of one record.
    pub(super) const fn record_size(self) -> usize {
        match self {
            Section::Times => 8,
            Section::Events => EventRecord::SIZE,
            Section::Text => 1,
            Section::Actors => ActorRecord::SIZE,
            Section::Actions | Section::ResourceTypes => TextRecord::SIZE,
            Section::Pairs => PairRecord::SIZE,
            Section::ByActor | Section::ByAction | Section::ByPair => 4,
        }
    }

    /// Records of one block; none lies across two.
    pub(super) const fn records_per_block(self) -> u64 {
        (CONTENT / self.record_size()) as u64
    }
}

/// How many there are of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) events: u64,
    pub(super) text_bytes: u64,
    pub(super) actors: u64,
    pub(super) actions: u64,
    pub(super) resource_types: u64,
    pub(super) pairs: u64,
}

impl Counts {
    /// Records of a section, end marks included.
    pub(super) const fn records(&self, section: Section) -> u64 {
        match section {
            Section::Times | Section::Events => self.events,
            Section::Text => self.text_bytes,
            Section::Actors => self.actors + 1,
            Section::Actions => self.actions + 1,
            Section::ResourceTypes => self.resource_types,
            Section::Pairs => self.pairs + 1,
            Section::ByActor | Section::ByAction | Section::ByPair => self.events,
        }
    }

    /// Whether a file can hold as much: nothing is added up before this was asked.
    fn are_plausible(&self) -> bool {
        let most = [self.actors, self.actions, self.resource_types, self.pairs];
        self.events <= MAX_EVENTS
            && self.text_bytes <= 1 << 48
            && most.into_iter().all(|count| count <= self.events)
    }
}

/// Where each section starts, and the blocks in all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    starts: [u64; 10],
    pub(super) blocks: u64,
}

impl Layout {
    pub(super) fn new(counts: &Counts) -> Self {
        let mut next = 1;
        let starts = Section::ALL.map(|section| {
            let start = next;
            next += counts
                .records(section)
                .div_ceil(section.records_per_block());
            start
        });
        Layout {
            starts,
            blocks: next,
        }
    }

    /// The section's first block.
    pub(super) const fn start(&self, section: Section) -> u64 {
        self.starts[section as usize]
    }
}

/// The first block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) stamp: Stamp,
    pub(super) counts: Counts,
}

impl Header {
    pub(super) fn encode(&self, content: &mut [u8]) {
        let mut out = Encoder { content, at: 0 };
        out.bytes(&MAGIC);
        out.u64(u64::from(VERSION));
        out.file_state(&self.stamp.database);
        let (tag, wal) = match self.stamp.journal {
            Journal::Rollback => (0, FileState::default()),
            Journal::WalEmpty => (1, FileState::default()),
            Journal::Wal(wal) => (2, wal),
        };
        out.u64(tag);
        out.file_state(&wal);
        let Counts {
            events,
            text_bytes,
            actors,
            actions,
            resource_types,
            pairs,
        } = self.counts;
        for count in [events, text_bytes, actors, actions, resource_types, pairs] {
            out.u64(count);
        }
    }

    /// Reads a header; `None` for another file's, another version's or an implausible one.
    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        let mut input = Decoder { content, at: 0 };
        if input.u64()?.to_le_bytes() != MAGIC || input.u64()? != u64::from(VERSION) {
            return None;
        }
        let database = input.file_state()?;
        let tag = input.u64()?;
        let wal = input.file_state()?;
        let journal = match tag {
            0 => Journal::Rollback,
            1 => Journal::WalEmpty,
            2 => Journal::Wal(wal),
            _ => return None,
        };
        let counts = Counts {
            events: input.u64()?,
            text_bytes: input.u64()?,
            actors: input.u64()?,
            actions: input.u64()?,
            resource_types: input.u64()?,
            pairs: input.u64()?,
        };
        counts.are_plausible().then_some(Header {
            stamp: Stamp { database, journal },
            counts,
        })
    }
}

struct Encoder<'block> {
    content: &'block mut [u8],
    at: usize,
}

impl Encoder<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.content[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    fn file_state(&mut self, state: &FileState) {
        self.u64(state.inode);
        self.u64(state.size);
        self.bytes(&state.mtime_ns.to_le_bytes());
        self.bytes(&state.ctime_ns.to_le_bytes());
    }
}

struct Decoder<'block> {
    content: &'block [u8],
    at: usize,
}

impl Decoder<'_> {
    fn u64(&mut self) -> Option<u64> {
        let bytes = self.content.get(self.at..)?.first_chunk()?;
        self.at += 8;
        Some(u64::from_le_bytes(*bytes))
    }

    fn file_state(&mut self) -> Option<FileState> {
        Some(FileState {
            inode: self.u64()?,
            size: self.u64()?,
            mtime_ns: self.u64()?.cast_signed(),
            ctime_ns: self.u64()?.cast_signed(),
        })
    }
}

/// An event but for its time. 52 bytes: id, actor, payload offset and length (8 each), the start of the
/// resource id in the text (8) and its length (4), the numbers of the action and the resource type (4 each).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventRecord {
    pub(super) id: i64,
    pub(super) actor_id: i64,
    pub(super) payload_offset: i64,
    pub(super) payload_len: i64,
    pub(super) resource_id_start: u64,
    pub(super) resource_id_len: u32,
    pub(super) action: u32,
    pub(super) resource_type: u32,
}

impl EventRecord {
    pub(super) const SIZE: usize = 52;

    pub(super) fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[0..8].copy_from_slice(&self.id.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.actor_id.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.payload_offset.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.payload_len.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.resource_id_start.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.resource_id_len.to_le_bytes());
        bytes[44..48].copy_from_slice(&self.action.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.resource_type.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; Self::SIZE]) -> Self {
        EventRecord {
            id: u64_at(bytes, 0).cast_signed(),
            actor_id: u64_at(bytes, 8).cast_signed(),
            payload_offset: u64_at(bytes, 16).cast_signed(),
            payload_len: u64_at(bytes, 24).cast_signed(),
            resource_id_start: u64_at(bytes, 32),
            resource_id_len: u32_at(bytes, 40),
            action: u32_at(bytes, 44),
            resource_type: u32_at(bytes, 48),
        }
    }
}

/// An actor (8), and where its postings (4) and its pairs (4) start; they end where the next actor's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ActorRecord {
    pub(super) actor_id: i64,
    pub(super) postings: u32,
    pub(super) pairs: u32,
}

impl ActorRecord {
    pub(super) const SIZE: usize = 16;

    pub(super) fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[0..8].copy_from_slice(&self.actor_id.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.postings.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.pairs.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; Self::SIZE]) -> Self {
        ActorRecord {
            actor_id: u64_at(bytes, 0).cast_signed(),
            postings: u32_at(bytes, 8),
            pairs: u32_at(bytes, 12),
        }
    }
}

/// A name: its start in the text (8), its length (4), and where its postings start (4; 0 for a resource type).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextRecord {
    pub(super) start: u64,
    pub(super) len: u32,
    pub(super) postings: u32,
}

impl TextRecord {
    pub(super) const SIZE: usize = 16;

    pub(super) fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[0..8].copy_from_slice(&self.start.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.len.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.postings.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; Self::SIZE]) -> Self {
        TextRecord {
            start: u64_at(bytes, 0),
            len: u32_at(bytes, 8),
            postings: u32_at(bytes, 12),
        }
    }
}

/// One of an actor's actions: the action's number (4), and where the pair's postings start (4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PairRecord {
    pub(super) action: u32,
    pub(super) postings: u32,
}

impl PairRecord {
    pub(super) const SIZE: usize = 8;

    pub(super) fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[0..4].copy_from_slice(&self.action.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.postings.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; Self::SIZE]) -> Self {
        PairRecord {
            action: u32_at(bytes, 0),
            postings: u32_at(bytes, 4),
        }
    }
}

#[inline(always)]
fn u64_at<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

#[inline(always)]
fn u32_at<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

/// Writes the checksum behind a block's content.
pub(super) fn seal(number: u64, block: &mut [u8; BLOCK]) {
    let sum = checksum(number, &block[..CONTENT]);
    block[CONTENT..].copy_from_slice(&sum.to_le_bytes());
}

/// Whether a block is what was sealed under this number.
pub(super) fn is_intact(number: u64, block: &[u8; BLOCK]) -> bool {
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

    fn state(seed: i64) -> FileState {
        FileState {
            inode: seed as u64,
            size: 7,
            mtime_ns: -seed,
            ctime_ns: i64::MAX - seed,
        }
    }

    #[test]
    fn a_header_comes_back_as_it_was_written() {
        for journal in [Journal::Rollback, Journal::WalEmpty, Journal::Wal(state(3))] {
            let counts = Counts {
                events: 9,
                text_bytes: 99,
                actors: 3,
                actions: 2,
                resource_types: 1,
                pairs: 5,
            };
            let header = Header {
                stamp: Stamp {
                    database: state(1),
                    journal,
                },
                counts,
            };
            let mut content = [0; CONTENT];
            header.encode(&mut content);
            assert_eq!(Header::decode(&content), Some(header));
            content[8] ^= 1;
            assert_eq!(Header::decode(&content), None, "another version");
        }
    }

    #[test]
    fn every_flipped_bit_of_a_block_and_every_other_number_is_seen() {
        let mut block = [0x5a; BLOCK];
        seal(7, &mut block);
        assert!(is_intact(7, &block) && !is_intact(8, &block));
        for bit in 0..BLOCK * 8 {
            block[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_intact(7, &block), "bit {bit}");
            block[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn sections_follow_each_other_without_a_gap() {
        let counts = Counts {
            events: 512,
            text_bytes: 4093,
            actors: 1,
            actions: 1,
            resource_types: 1,
            pairs: 1,
        };
        let layout = Layout::new(&counts);
        let starts = Section::ALL.map(|section| layout.start(section));
        assert_eq!(starts, [1, 3, 10, 12, 13, 14, 15, 16, 17, 18]);
        assert_eq!(layout.blocks, 19);
    }

    #[test]
    fn records_come_back_as_they_were_written() {
        let event = EventRecord {
            id: i64::MIN,
            actor_id: -1,
            payload_offset: 2,
            payload_len: i64::MAX,
            resource_id_start: 4,
            resource_id_len: 5,
            action: 6,
            resource_type: 7,
        };
        assert_eq!(EventRecord::decode(&event.encode()), event);
        let actor = ActorRecord {
            actor_id: -9,
            postings: 1,
            pairs: 2,
        };
        assert_eq!(ActorRecord::decode(&actor.encode()), actor);
        let text = TextRecord {
            start: 1 << 40,
            len: 3,
            postings: 9,
        };
        assert_eq!(TextRecord::decode(&text.encode()), text);
        let pair = PairRecord {
            action: 3,
            postings: 4,
        };
        assert_eq!(PairRecord::decode(&pair.encode()), pair);
    }
}
