//! Reads a page's payloads in order, and those that are not in memory all at once.
//!
//! As long as payloads are in memory, each is one read that would not wait. The first that is not shows that the page is
//! cold: from it on, the system is asked for the payloads that come next before one is waited for, so that the disk has
//! many to do at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::model::{PayloadRef, Unread};
use crate::storage::fs::page_cache::{CachedRead, CachedReads, will_need};

/// The most bytes that the system is asked for and that are not read yet: more may be gone again before they are needed.
const MOST_AHEAD: u64 = 8 << 20;
/// What a payload takes in memory at least, in bytes.
const SMALLEST: u64 = 4096;

/// Reads the payloads of one page.
#[derive(Debug)]
pub(super) struct AheadReader<'open> {
    file: &'open File,
    cached: &'open CachedReads,
    /// Bytes.
    file_size: u64,
    /// From the first payload on that was not in memory.
    ahead: Option<Window>,
}

/// What was asked for and is not read yet.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// What each of these payloads counts for, the next one first, in bytes.
    costs: VecDeque<u64>,
    /// All of that.
    bytes: u64,
}

impl<'open> AheadReader<'open> {
    /// `asked` is what the system was asked for already.
    pub(super) fn new(file: &'open File, cached: &'open CachedReads, file_size: u64, asked: Option<Window>) -> Self {
        AheadReader {
            file,
            cached,
            file_size,
            ahead: asked,
        }
    }

    /// Fills `room` from `offset`, where the first of the `unread` payloads lies.
    ///
    /// # Errors
    /// The read failed, or the file is now shorter.
    pub(super) fn read(&mut self, unread: Unread<'_>, room: &mut [u8], offset: u64) -> io::Result<()> {
        if self.ahead.is_none() {
            match self.cached.read(self.file, room, offset) {
                CachedRead::Done => return Ok(()),
                CachedRead::Missed => self.ahead = Some(Window::default()),
                CachedRead::Untold => {}
            }
        }
        if let Some(window) = &mut self.ahead {
            window.ask(self.file, self.file_size, unread);
            window.pass();
        }
        self.file.read_exact_at(room, offset)
    }
}

impl Window {
    /// Asks for payloads, the next one first, until enough are on their way.
    fn ask(&mut self, file: &File, file_size: u64, unread: Unread<'_>) {
        let asked = self.costs.len();
        self.ask_for(file, file_size, (asked..).map_while(|index| unread.payload_ref(index)));
    }

    /// The same for these payloads, which follow those that were asked for.
    pub(super) fn ask_for(&mut self, file: &File, file_size: u64, mut next: impl Iterator<Item = PayloadRef>) {
        while self.bytes < MOST_AHEAD
            && let Some(payload_ref) = next.next()
        {
            let cost = match within(payload_ref, file_size) {
                Some((offset, len)) => {
                    will_need(file, offset, len.min(MOST_AHEAD));
                    len.max(SMALLEST)
                }
                // It will be refused, once it is come to.
                None => 0,
            };
            self.costs.push_back(cost);
            self.bytes = self.bytes.saturating_add(cost);
        }
    }

    /// The next one is about to be read.
    fn pass(&mut self) {
        let cost = self.costs.pop_front().unwrap_or(0);
        self.bytes = self.bytes.saturating_sub(cost);
    }
}

/// Offset and length of a payload that lies in the file.
fn within(payload_ref: PayloadRef, file_size: u64) -> Option<(u64, u64)> {
    let offset = u64::try_from(payload_ref.offset).ok()?;
    let len = u64::try_from(payload_ref.len).ok()?;
    (offset.checked_add(len)? <= file_size).then_some((offset, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refs(lens: &[i64]) -> Vec<PayloadRef> {
        let mut offset = 0;
        let next = |&len: &i64| {
            let payload_ref = PayloadRef { offset, len };
            offset += len;
            payload_ref
        };
        lens.iter().map(next).collect()
    }

    #[test]
    fn no_more_is_asked_for_than_stays_in_memory() {
        let file = tempfile::tempfile().unwrap();
        let size = 64 << 20;
        file.set_len(size).unwrap();
        let mut window = Window::default();
        // Small ones count for a page, and the one that reaches the bound is the last.
        let small = refs(&[100; 5_000]);
        window.ask_for(&file, size, small.iter().copied());
        assert_eq!((window.costs.len(), window.bytes), (2_048, MOST_AHEAD));
        window.ask_for(&file, size, small.iter().copied());
        assert_eq!(window.costs.len(), 2_048);
        // Each that is read makes room for one more.
        window.pass();
        window.ask_for(&file, size, refs(&[5 << 20, 5 << 20]).into_iter());
        assert_eq!(
            (window.costs.len(), window.bytes),
            (2_048, MOST_AHEAD - SMALLEST + (5 << 20))
        );
        for _ in 0..2_048 {
            window.pass();
        }
        assert_eq!((window.costs.len(), window.bytes), (0, 0));
        window.pass();
        assert_eq!(window.bytes, 0);
    }

    #[test]
    fn what_does_not_lie_in_the_file_costs_nothing() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10_000).unwrap();
        let lie_in = |offset, len| within(PayloadRef { offset, len }, 10_000);
        assert_eq!(lie_in(0, 10_000), Some((0, 10_000)));
        assert_eq!(lie_in(9_999, 1), Some((9_999, 1)));
        for (offset, len) in [(0, 10_001), (10_000, 1), (-1, 5), (5, -1), (i64::MAX, i64::MAX)] {
            assert_eq!(lie_in(offset, len), None, "{offset} {len}");
        }
        let mut window = Window::default();
        let outside = PayloadRef { offset: -1, len: 5 };
        window.ask_for(&file, 10_000, [outside, refs(&[9_000])[0]].into_iter());
        assert_eq!((Vec::from(window.costs), window.bytes), (vec![0, 9_000], 9_000));
    }
}
