//! The bytes of a write-ahead log's headers, and its checksum.

use super::WalProblem;

/// Bytes before each page.
pub(super) const FRAME_HEADER_LEN: usize = 24;
/// Bytes of a frame's header that its checksum covers: the page number and the database's length.
pub(super) const FRAME_NUMBERS_LEN: usize = 8;
/// The first word, less its last bit, which gives the byte order of the checksum.
const MAGIC: u32 = 0x377f_0682;
/// The only version that there has been (since SQLite 3.7.0).
const VERSION: u32 = 3_007_000;

/// How the words that a checksum sums are read: as the machine that began the log reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ByteOrder {
    Big,
    Little,
}

/// The header of a write-ahead log, whose checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WalHeader {
    /// Bytes of a page: a power of two, 512 to 65,536.
    pub(crate) page_size: u32,
    /// How many runs of the log were before this one, since the file was made.
    pub(crate) checkpoint_sequence: u32,
    /// In every frame of this run. The first goes up by one with each run, the second is random.
    pub(crate) salts: [u32; 2],
    /// Of the header; the first frame's goes on from it.
    pub(crate) checksum: [u32; 2],
    byte_order: ByteOrder,
}

impl WalHeader {
    /// Bytes of a header.
    pub(crate) const LEN: usize = 32;

    /// # Errors
    /// [`WalProblem::InvalidHeader`]
    pub(crate) fn parse(bytes: &[u8; Self::LEN]) -> Result<Self, WalProblem> {
        let [magic, version, page_size, sequence, salt_1, salt_2, sum_1, sum_2] = words(bytes);
        let byte_order = match magic {
            MAGIC => ByteOrder::Little,
            _ if magic == MAGIC | 1 => ByteOrder::Big,
            _ => return Err(WalProblem::InvalidHeader("it is none")),
        };
        if version != VERSION {
            return Err(WalProblem::InvalidHeader("unknown version"));
        }
        if !page_size.is_power_of_two() || !(512..=65_536).contains(&page_size) {
            return Err(WalProblem::InvalidHeader("no page size is such a number"));
        }
        let header = WalHeader {
            page_size,
            checkpoint_sequence: sequence,
            salts: [salt_1, salt_2],
            checksum: [sum_1, sum_2],
            byte_order,
        };
        let (summed, _) = bytes.split_at(Self::LEN - 8);
        if header.extend_checksum([0; 2], summed) != header.checksum {
            return Err(WalProblem::InvalidHeader("its checksum is wrong"));
        }
        Ok(header)
    }

    /// Bytes of a frame with its header: at most 65,560.
    pub(super) fn frame_len(&self) -> u64 {
        FRAME_HEADER_LEN as u64 + u64::from(self.page_size)
    }

    /// Where a frame begins (the first is 1); `None` for 0, and for one that no file can hold.
    pub(super) fn frame_offset(&self, frame: u64) -> Option<u64> {
        let before = frame.checked_sub(1)?.checked_mul(self.frame_len())?;
        let offset = before.checked_add(Self::LEN as u64)?;
        i64::try_from(offset.checked_add(self.frame_len())?).ok()?;
        Some(offset)
    }

    /// Goes on with a checksum over `bytes`, a multiple of eight of them.
    pub(super) fn extend_checksum(&self, checksum: [u32; 2], bytes: &[u8]) -> [u32; 2] {
        // The order is chosen outside the loop: each turn of it is two additions long.
        match self.byte_order {
            ByteOrder::Big => extend(checksum, bytes, u32::from_be_bytes),
            ByteOrder::Little => extend(checksum, bytes, u32::from_le_bytes),
        }
    }
}

fn extend([mut sum_1, mut sum_2]: [u32; 2], bytes: &[u8], word: impl Fn([u8; 4]) -> u32) -> [u32; 2] {
    for &[a, b, c, d, e, f, g, h] in bytes.as_chunks::<8>().0 {
        sum_1 = sum_1.wrapping_add(word([a, b, c, d])).wrapping_add(sum_2);
        sum_2 = sum_2.wrapping_add(word([e, f, g, h])).wrapping_add(sum_1);
    }
    [sum_1, sum_2]
}

/// What stands before each page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Page number.
    pub(super) page: u32,
    /// Pages of the database after the commit that the frame ends; 0 where it ends none.
    pub(super) database_pages: u32,
    pub(super) salts: [u32; 2],
    pub(super) checksum: [u32; 2],
}

impl FrameHeader {
    pub(super) fn parse(bytes: &[u8; FRAME_HEADER_LEN]) -> Self {
        let [page, database_pages, salt_1, salt_2, sum_1, sum_2] = words(bytes);
        FrameHeader {
            page,
            database_pages,
            salts: [salt_1, salt_2],
            checksum: [sum_1, sum_2],
        }
    }
}

/// Big-endian words: headers are, whatever the byte order of the checksum.
fn words<const LEN: usize, const WORDS: usize>(bytes: &[u8; LEN]) -> [u32; WORDS] {
    const { assert!(LEN == WORDS * 4) };
    let (words, _) = bytes.as_chunks::<4>();
    std::array::from_fn(|at| u32::from_be_bytes(words[at]))
}
