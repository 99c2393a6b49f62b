//! The blocks of an index file, each read and checked when it is first touched.

use std::cmp::Ordering;
use std::fs::File;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering as AtomicOrdering};

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::corrupted::Corrupted;
use super::format::{self, BLOCK, CONTENT, Counts, Header, Layout};
use super::records::Columns;
use super::section::Section;
use crate::storage::fs::page_cache::{CachedRead, CachedReads, will_need};

/// What a damaged record asks for.
#[cold]
fn behind(section: Section) -> Corrupted {
    Corrupted::new("a record points behind its end").in_section(section)
}

type Block = [u8; BLOCK];
/// As many as make one page of memory, so that a process which touches few blocks of a large index stays small.
const GROUP: usize = 256;
type Group = Box<[OnceLock<Box<Block>>]>;

/// An open index file. Any number of threads read it without a lock: a block that is there is an atomic load
/// away, and two threads that touch a block first both read it.
#[derive(Debug)]
pub(crate) struct Blocks {
    file: File,
    header: Header,
    layout: Layout,
    groups: Box<[OnceLock<Group>]>,
    cached: CachedReads,
    /// How many blocks had to be read by whoever needed them.
    first_touches: AtomicU64,
}

impl Blocks {
    /// Reads the header and nothing else.
    ///
    /// # Errors
    /// A file that is no index of this version, or not of the length that its header says.
    pub(crate) fn open(file: File) -> Result<Self, Corrupted> {
        let block = read_block(&file, 0).map_err(Corrupted::in_header)?;
        let header = Header::decode(&block[..CONTENT])?;
        let layout = Layout::new(&header);
        let len = file
            .metadata()
            .map_err(|_| Corrupted::new("its length cannot be told"))?
            .len();
        if layout.blocks.checked_mul(BLOCK as u64) != Some(len) {
            return Err(Corrupted::new("its length is not the one that its header says"));
        }
        let too_long = |_| Corrupted::new("it is longer than memory");
        let groups = usize::try_from(layout.blocks).map_err(too_long)?.div_ceil(GROUP);
        Ok(Blocks {
            file,
            header,
            layout,
            groups: (0..groups).map(|_| OnceLock::new()).collect(),
            cached: CachedReads::default(),
            first_touches: AtomicU64::new(0),
        })
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.header.counts
    }

    pub(crate) fn columns(&self) -> &Columns {
        &self.header.columns
    }

    /// Record `index` of the section, and what comes behind it in its block.
    ///
    /// # Errors
    /// An index past the section's end, which only a damaged record can ask for, and a damaged block.
    #[inline(always)]
    pub(crate) fn record(&self, section: Section, index: u64) -> Result<&[u8], Corrupted> {
        let (block, at) = self.layout.place(section).of(index).ok_or_else(|| behind(section))?;
        self.block(section, block)?.get(at..).ok_or_else(|| behind(section))
    }

    /// The same, for records of a size that every file has.
    #[inline(always)]
    pub(crate) fn sized_record<T>(&self, section: Section, index: u64) -> Result<&T, Corrupted>
    where
        T: FromBytes + Immutable + KnownLayout + Unaligned,
    {
        let (record, _behind) = T::ref_from_prefix(self.record(section, index)?).map_err(|_| behind(section))?;
        Ok(record)
    }

    /// Appends `len` bytes of the text section to `out`.
    pub(crate) fn text(&self, start: u64, len: u64, out: &mut Vec<u8>) -> Result<(), Corrupted> {
        self.each_piece(start, len, |piece| out.extend_from_slice(piece))
    }

    /// How `len` bytes of the text section compare with `other`.
    pub(crate) fn compare_text(&self, start: u64, len: u64, other: &[u8]) -> Result<Ordering, Corrupted> {
        let mut rest = other;
        let mut order = Ordering::Equal;
        self.each_piece(start, len, |piece| {
            let (compared, behind) = rest.split_at(piece.len().min(rest.len()));
            order = order.then_with(|| piece.cmp(compared));
            rest = behind;
        })?;
        Ok(if rest.is_empty() {
            order
        } else {
            order.then(Ordering::Less)
        })
    }

    /// Gives the pieces of a range of text, which may go on from block to block.
    fn each_piece(&self, start: u64, len: u64, mut visit: impl FnMut(&[u8])) -> Result<(), Corrupted> {
        let end = start.checked_add(len).ok_or_else(|| behind(Section::Text))?;
        if end > self.header.counts.text_bytes {
            return Err(behind(Section::Text));
        }
        let first_block = self.layout.place(Section::Text).start;
        let mut at = start;
        while at < end {
            // A byte is a record: the blocks are full.
            let block = self.block(Section::Text, first_block + at / CONTENT as u64)?;
            let from = (at % CONTENT as u64) as usize;
            let taken = usize::try_from(end - at).map_or(CONTENT, |rest| rest.min(CONTENT - from));
            visit(&block[from..from + taken]);
            at += taken as u64;
        }
        Ok(())
    }

    #[inline(always)]
    fn block(&self, section: Section, number: u64) -> Result<&Block, Corrupted> {
        let (group, member) = (number as usize / GROUP, number as usize % GROUP);
        let group = self.group(group).ok_or_else(|| behind(section))?;
        match group[member].get() {
            Some(block) => Ok(block),
            None => self.first_touch(&group[member], section, number),
        }
    }

    #[cold]
    fn first_touch<'a>(
        &self,
        cell: &'a OnceLock<Box<Block>>,
        section: Section,
        number: u64,
    ) -> Result<&'a Block, Corrupted> {
        self.first_touches.fetch_add(1, AtomicOrdering::Relaxed);
        let block = read_block(&self.file, number).map_err(|why| why.in_block(section, number))?;
        Ok(cell.get_or_init(|| block))
    }
}

/// Blocks that are about to be needed, read or asked for all at once.
impl Blocks {
    /// How many blocks had to be read so far by whoever needed them: where that grows, others are likely to be missing.
    #[inline(always)]
    pub(crate) fn first_touches(&self) -> u64 {
        self.first_touches.load(AtomicOrdering::Relaxed)
    }

    /// The block that holds record `index` of the section, if there is such a record.
    pub(crate) fn block_of(&self, section: Section, index: u64) -> Option<u64> {
        Some(self.layout.place(section).of(index)?.0)
    }

    /// The blocks that hold `len` bytes of the text section, if there are as many.
    pub(crate) fn blocks_of_text(&self, start: u64, len: u64) -> Option<RangeInclusive<u64>> {
        let last = start.checked_add(len.checked_sub(1)?)?;
        if last >= self.header.counts.text_bytes {
            return None;
        }
        let first_block = self.layout.place(Section::Text).start;
        Some(first_block + start / CONTENT as u64..=first_block + last / CONTENT as u64)
    }

    /// The blocks of all rows' actions and resource types, and most likely of their texts, which end the section.
    pub(crate) fn blocks_of_names(&self) -> impl Iterator<Item = u64> {
        let last_text = self.header.counts.text_bytes.checked_sub(1);
        let blocks = [
            self.block_of(Section::Actions, 0),
            self.block_of(Section::ResourceTypes, 0),
            last_text.and_then(|last| self.block_of(Section::Text, last)),
        ];
        blocks.into_iter().flatten()
    }

    /// Whether a block was read before.
    #[inline(always)]
    pub(crate) fn is_read(&self, number: u64) -> bool {
        let (group, member) = (number as usize / GROUP, number as usize % GROUP);
        let group = self.groups.get(group).and_then(OnceLock::get);
        group.is_some_and(|group| group[member].get().is_some())
    }

    /// Reads those of these blocks that the system has in memory. From the first that it has not, it is asked for all
    /// of them, and nobody waits. What cannot be read, or is corrupt, shows when it is needed. Tells whether it was asked.
    pub(crate) fn read_ahead(&self, numbers: impl Iterator<Item = u64>) -> bool {
        let mut unread = numbers.filter_map(|number| Some((number, self.unread_cell(number)?)));
        // By reference: what is behind the first that is missing is asked for.
        let missed = unread
            .by_ref()
            .find(|(number, cell)| !self.is_read_from_memory(*number, cell));
        let Some((first, _)) = missed.filter(|_| self.cached.are_told()) else {
            return false;
        };
        let mut missing: Vec<u64> = std::iter::once(first).chain(unread.map(|(number, _)| number)).collect();
        missing.sort_unstable();
        missing.dedup();
        // Neighbours by one call.
        for run in missing.chunk_by(|one, next| one + 1 == *next) {
            will_need(&self.file, run[0] * BLOCK as u64, (run.len() * BLOCK) as u64);
        }
        true
    }

    fn is_read_from_memory(&self, number: u64, cell: &OnceLock<Box<Block>>) -> bool {
        let mut block = Box::new([0; BLOCK]);
        let read = self.cached.read(&self.file, &mut block[..], number * BLOCK as u64);
        if read == CachedRead::Done && format::is_intact(number, &block) {
            let _ = cell.set(block);
        }
        read == CachedRead::Done
    }

    /// Where a block goes that was not read yet; `None` for one that was, or that is none.
    fn unread_cell(&self, number: u64) -> Option<&OnceLock<Box<Block>>> {
        let (group, member) = (number as usize / GROUP, number as usize % GROUP);
        let cell = &self.group(group)?[member];
        cell.get().is_none().then_some(cell)
    }

    #[inline(always)]
    fn group(&self, group: usize) -> Option<&Group> {
        let group = self.groups.get(group)?;
        Some(group.get_or_init(|| (0..GROUP).map(|_| OnceLock::new()).collect()))
    }
}

fn read_block(file: &File, number: u64) -> Result<Box<Block>, Corrupted> {
    let mut block = Box::new([0; BLOCK]);
    file.read_exact_at(&mut block[..], number * BLOCK as u64)
        .map_err(|_| Corrupted::new("it cannot be read"))?;
    if format::is_intact(number, &block) {
        Ok(block)
    } else {
        Err(Corrupted::new("the checksum is wrong"))
    }
}
