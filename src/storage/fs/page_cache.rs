//! The system's page cache: reading what is in memory without waiting, and asking for what is not, all at once.

use std::fs::File;
use std::io::IoSliceMut;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};

/// What a read came to that waits for no disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CachedRead {
    /// All of it was in memory, and is read.
    Done,
    /// Some of it has to come from the disk; nothing of use was read.
    Missed,
    /// This system or file system does not tell: whoever reads waits as long as it takes.
    Untold,
}

/// Reads of a file that wait for no disk, as long as the file system has them.
#[derive(Debug, Default)]
pub(crate) struct CachedReads {
    is_missing: AtomicBool,
}

impl CachedReads {
    /// Whether the file system has told so far, each time it was asked.
    pub(crate) fn are_told(&self) -> bool {
        !self.is_missing.load(Ordering::Relaxed)
    }

    /// Fills `room` from `offset` (bytes) if all of that is in memory.
    pub(crate) fn read(&self, file: &File, room: &mut [u8], offset: u64) -> CachedRead {
        if self.is_missing.load(Ordering::Relaxed) {
            return CachedRead::Untold;
        }
        let len = room.len();
        match rustix::io::preadv2(file, &mut [IoSliceMut::new(room)], offset, ReadWriteFlags::NOWAIT) {
            Ok(read) if read == len => CachedRead::Done,
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => CachedRead::Missed,
            Err(_) => {
                // Not on this file system, not in this kernel, or forbidden: an error of the file itself is told by the
                // plain read that comes next.
                self.is_missing.store(true, Ordering::Relaxed);
                CachedRead::Untold
            }
        }
    }
}

/// Asks the system to read these bytes of a file into memory, and does not wait. Best effort: without it, the read that
/// needs them takes longer.
pub(crate) fn will_need(file: &File, offset: u64, len: u64) {
    if let Some(len) = NonZeroU64::new(len) {
        let _ = rustix::fs::fadvise(file, offset, Some(len), Advice::WillNeed);
    }
}

/// Takes a file out of memory, but for what is not on the disk yet or is in use. Best effort.
pub(crate) fn drop_cached(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_was_just_written_is_in_memory_and_what_is_not_there_is_missed() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let reads = CachedReads::default();
        let mut room = [0; 4];
        match reads.read(&file, &mut room, 3) {
            CachedRead::Done => assert_eq!(&room, b"3456"),
            CachedRead::Missed => panic!("what was just written is in memory"),
            // A file system that does not tell is never asked again.
            CachedRead::Untold => assert!(reads.is_missing.load(Ordering::Relaxed)),
        }
        if reads.are_told() {
            assert_eq!(
                reads.read(&file, &mut room, 8),
                CachedRead::Missed,
                "only two bytes are left"
            );
        }
        will_need(&file, 0, 10);
        will_need(&file, u64::MAX, 10);
        will_need(&file, 0, 0);
    }

    #[test]
    fn an_error_ends_the_asking() {
        let (reads, dir) = (CachedReads::default(), File::open("/").unwrap());
        assert!(reads.are_told());
        assert_eq!(reads.read(&dir, &mut [0; 4], 0), CachedRead::Untold);
        assert_eq!(
            reads.read(&tempfile::tempfile().unwrap(), &mut [0; 4], 0),
            CachedRead::Untold
        );
        assert!(!reads.are_told());
    }
}
