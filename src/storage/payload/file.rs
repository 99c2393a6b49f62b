//! The payload file: every returned event's payload is read from it, one positional read each.

use std::cell::{Cell, OnceCell};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwapOption;

use super::ahead::{AheadReader, Window};
use super::validate::{self, Lines};
use crate::error::{Error, Result};
use crate::model::{Page, PayloadBuffer, PayloadRef, Rows, Unread};
use crate::storage::data_dir::DataDir;
use crate::storage::fs::open::{open_regular, open_with_size};
use crate::storage::fs::page_cache::{CachedRead, CachedReads};
use crate::storage::fs::path_watch::PathWatch;
use crate::storage::fs::platform::{FileState, Identity};

/// The most payload bytes that one page may hold: rows that all point at one huge payload would otherwise make
/// a page of any size.
pub(crate) const MAX_PAGE_BYTES: usize = 1 << 30;

/// Fills the page as the baseline does: open, seek, read, decode and close for each of the rows that `find` gives.
pub(crate) fn fill_baseline(dir: &DataDir, page: &mut Page, find: impl FnOnce(&mut Rows) -> Result<()>) -> Result<()> {
    let path = dir.payloads();
    page.fill(find, |unread, buffer| {
        let (mut file, size) = open_with_size(&path).map_err(Error::io(&path, "cannot open"))?;
        read_payload(unread, size, buffer, |room, offset| {
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(room)
        })
    })
}

/// The payload file, opened once and shared by all threads.
#[derive(Debug)]
pub(crate) struct Payloads {
    path: PathBuf,
    open: ArcSwapOption<OpenFile>,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    cached: CachedReads,
    path: PathWatch,
    /// The ctime at which the path was last seen to lead to this file. Any rename or replacement moves it at once; what
    /// else makes the path mean another file, the watch sees.
    seen_at: AtomicI64,
}

impl Payloads {
    /// The payload file of `dir`, which is opened by the first read.
    pub(crate) fn new(dir: &DataDir) -> Self {
        Payloads {
            path: dir.payloads(),
            open: ArcSwapOption::empty(),
        }
    }

    /// Fills the page: reads and decodes the payload of each of the rows that `find` gives.
    ///
    /// # Errors
    /// That of `find`, and the first payload, in page order, that cannot be read or decoded. The page is then empty.
    pub(crate) fn fill(&self, page: &mut Page, find: impl FnOnce(&mut Rows) -> Result<()>) -> Result<()> {
        self.fill_told(page, |rows, _| find(rows))
    }

    /// The same, where `find` may know early where the payloads lie, and that they are not in memory: it tells, in the order of
    /// the rows. The last time counts, and what is wrong of it costs time only.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn fill_told(
        &self,
        page: &mut Page,
        find: impl FnOnce(&mut Rows, &dyn Fn(&mut dyn Iterator<Item = PayloadRef>)) -> Result<()>,
    ) -> Result<()> {
        let current = OnceCell::new();
        let asked = Cell::new(None);
        let mut reader = None;
        let find = |rows: &mut Rows| find(rows, &|payload_refs| asked.set(self.ask_for(payload_refs)));
        page.fill(find, |unread, buffer| {
            // Once a page, after its rows were found, and not at all for none.
            let (open, size) = match current.get() {
                Some(current) => current,
                None => {
                    let opened = self.current().map_err(Error::io(&self.path, "cannot open"))?;
                    current.get_or_init(|| opened)
                }
            };
            let reader = reader.get_or_insert_with(|| AheadReader::new(&open.file, &open.cached, *size, asked.take()));
            read_payload(unread, *size, buffer, |room, offset| reader.read(unread, room, offset))
        })
    }

    /// Asks the system for payloads that are about to be read, as many as it is worth it. Best effort.
    fn ask_for(&self, payload_refs: &mut dyn Iterator<Item = PayloadRef>) -> Option<Window> {
        let (open, size) = self.current().ok()?;
        let mut window = Window::default();
        window.ask_for(&open.file, size, payload_refs);
        Some(window)
    }

    /// The same, as far as it can be done without waiting: `None` where `find` gives `None`, and where a payload is not in
    /// the page cache. The page is then empty.
    pub(crate) fn fill_at_once(
        &self,
        page: &mut Page,
        find: impl FnOnce(&mut Rows) -> Option<()>,
    ) -> Option<Result<()>> {
        let mut current = None;
        let filled = page.fill(
            // Outer: why there is no page; `None`: it would have to be waited for.
            |rows| find(rows).ok_or(None),
            |unread, buffer| {
                let (open, size) = match &current {
                    Some(current) => current,
                    None => &*current.insert(self.current().map_err(|error| Some(self.unopened(error)))?),
                };
                let mut is_cached = true;
                let read = read_payload(unread, *size, buffer, |room, offset| {
                    is_cached = open.cached.read(&open.file, room, offset) == CachedRead::Done;
                    if is_cached {
                        Ok(())
                    } else {
                        Err(io::ErrorKind::WouldBlock.into())
                    }
                });
                read.map_err(|error| is_cached.then_some(error))
            },
        );
        match filled {
            Ok(()) => Some(Ok(())),
            Err(why) => why.map(Err),
        }
    }

    fn unopened(&self, error: io::Error) -> Error {
        Error::io(&self.path, "cannot open")(error)
    }

    /// The file that the path leads to now, and its size.
    fn current(&self) -> io::Result<(Arc<OpenFile>, u64)> {
        if let Some(open) = self.open.load_full() {
            let state = FileState::of_open(&open.file)?;
            let is_untouched = state.ctime_ns == open.seen_at.load(Ordering::Relaxed);
            if is_untouched && open.path.leads_there() {
                return Ok((open, state.size));
            }
            if !is_untouched && open.path.leads_there_now() {
                open.seen_at.store(state.ctime_ns, Ordering::Relaxed);
                return Ok((open, state.size));
            }
        }
        self.reopen()
    }

    fn reopen(&self) -> io::Result<(Arc<OpenFile>, u64)> {
        let file = open_regular(&self.path)?;
        let state = FileState::of_open(&file)?;
        let path = PathWatch::new(&self.path, Identity::of_open(&file)?)?;
        let open = Arc::new(OpenFile {
            file,
            cached: CachedReads::default(),
            path,
            seen_at: AtomicI64::new(state.ctime_ns),
        });
        self.open.store(Some(Arc::clone(&open)));
        Ok((open, state.size))
    }

    /// Forgets the open file: the data directory may have been moved.
    pub(crate) fn forget(&self) {
        self.open.store(None);
    }
}

/// Checks offset and length against the file's size before a byte is allocated, reads, and decodes.
fn read_payload(
    unread: Unread<'_>,
    file_size: u64,
    buffer: &mut PayloadBuffer<'_>,
    read_at: impl FnOnce(&mut [u8], u64) -> io::Result<()>,
) -> Result<()> {
    let (event, payload_ref) = unread.first();
    let wrong = |problem: String| {
        Err(Error::Payload {
            event,
            offset: payload_ref.offset,
            len: payload_ref.len,
            problem,
        })
    };
    let (Ok(offset), Ok(len)) = (u64::try_from(payload_ref.offset), usize::try_from(payload_ref.len)) else {
        return wrong("an offset or a length below 0".to_owned());
    };
    if offset.checked_add(len as u64).is_none_or(|end| end > file_size) {
        return wrong(format!("lies past the end of payloads.jsonl ({file_size} bytes)"));
    }
    if buffer.used().saturating_add(len) > MAX_PAGE_BYTES {
        return wrong("the page's payloads are more than 1 GiB: ask for a smaller page".to_owned());
    }
    let room = buffer.room(len);
    if let Err(error) = read_at(room, offset) {
        return wrong(format!("cannot be read: {error}"));
    }
    let text = room.strip_suffix(b"\n").unwrap_or(room).len();
    match validate::check(&room[..text]) {
        Err(problem) => wrong(problem.to_owned()),
        Ok(Lines::One) => {
            buffer.keep(text);
            Ok(())
        }
        Ok(Lines::Several) => {
            let text = validate::join_lines(&mut room[..text]);
            buffer.keep(text);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PayloadRef, Row};

    /// A page of events whose payloads lie at these places, offset and length, of a file of so many bytes.
    fn fill_from(
        page: &mut Page,
        places: &[(i64, i64)],
        size: u64,
        read: impl Fn(&mut [u8]) -> io::Result<()>,
    ) -> Result<()> {
        let find = |rows: &mut Rows| {
            for &(offset, len) in places {
                rows.push(&Row {
                    id: 1,
                    created_at: 1,
                    actor_id: 1,
                    action: "UPDATE",
                    resource_type: "ORDER",
                    resource_id: "ORDER-1",
                    payload_ref: PayloadRef { offset, len },
                });
            }
            Ok(())
        };
        page.fill(find, |unread, buffer| {
            read_payload(unread, size, buffer, |room, _| read(room))
        })
    }

    /// A page of one event whose payload is read like this.
    fn fill(page: &mut Page, read: impl Fn(&mut [u8]) -> io::Result<()>) -> Result<()> {
        fill_from(page, &[(0, 3)], 3, read)
    }

    /// Before a byte is allocated, whatever a row says.
    #[test]
    fn a_place_that_is_not_in_the_file_is_not_read() {
        let read = |room: &mut [u8]| {
            room.copy_from_slice(b"{}\n");
            Ok(())
        };
        let said = |places: &[(i64, i64)], size| {
            let mut page = Page::default();
            match fill_from(&mut page, places, size, read) {
                Ok(()) => format!("{} events", page.len()),
                Err(error) => error.to_string(),
            }
        };
        assert_eq!(said(&[(0, 3), (7, 3)], 10), "2 events");
        for place in [(8, 3), (11, 0), (0, 11), (i64::MAX, i64::MAX), (i64::MAX, 1)] {
            let said = said(&[(0, 3), place], 10);
            assert!(
                said.contains("lies past the end of payloads.jsonl (10 bytes)"),
                "{place:?}: {said}"
            );
        }
        for place in [(-1, 3), (0, -1), (i64::MIN, i64::MIN)] {
            let said = said(&[place], 10);
            assert!(said.contains("an offset or a length below 0"), "{place:?}: {said}");
        }
        let (most, size) = (MAX_PAGE_BYTES as i64, u64::MAX);
        for places in [&[(0, most + 1)][..], &[(0, 3), (0, most - 1)]] {
            let said = said(places, size);
            assert!(
                said.contains("more than 1 GiB: ask for a smaller page"),
                "{places:?}: {said}"
            );
        }
    }

    /// The buffer of a page that is used again still holds the payload of an earlier event, of the same length.
    #[test]
    fn an_event_that_cannot_be_read_does_not_get_the_bytes_of_another() {
        let mut page = Page::default();
        let whole = |room: &mut [u8]| {
            room.copy_from_slice(b"{}\n");
            Ok(())
        };
        fill(&mut page, whole).unwrap();
        assert_eq!(page.events().next().unwrap().payload, b"{}");
        for error in [io::ErrorKind::UnexpectedEof, io::ErrorKind::PermissionDenied] {
            let failed = fill(&mut page, |_| Err(error.into())).unwrap_err();
            assert!(failed.to_string().contains("cannot be read"), "{failed}");
            assert_eq!(page.events().count(), 0);
        }
        // Half of it was read.
        fill(&mut page, |room| {
            room[0] = b'{';
            Err(io::ErrorKind::UnexpectedEof.into())
        })
        .unwrap_err();
        assert_eq!(page.events().count(), 0);
    }

    fn payloads(place: &tempfile::TempDir) -> Payloads {
        Payloads::new(&DataDir::new(&place.path().canonicalize().unwrap()))
    }

    /// Size and first byte of what is read now.
    fn now(payloads: &Payloads) -> (u64, u8) {
        let (open, size) = payloads.current().unwrap();
        let mut first = [0];
        std::os::unix::fs::FileExt::read_exact_at(&open.file, &mut first, 0).unwrap();
        (size, first[0])
    }

    #[test]
    fn a_file_stays_open_while_its_path_leads_there() {
        let place = tempfile::tempdir().unwrap();
        let (payloads, path) = (payloads(&place), place.path().join("payloads.jsonl"));
        std::fs::write(&path, "1\n").unwrap();
        let first = payloads.current().unwrap().0;
        let is_open_still = || Arc::ptr_eq(&first, &payloads.current().unwrap().0);
        assert!(is_open_still());
        // Touched, appended to, moved away and back.
        std::fs::write(&path, "1\n22\n").unwrap();
        assert!(is_open_still());
        assert_eq!(now(&payloads), (5, b'1'));
        let elsewhere = place.path().join("elsewhere");
        std::fs::rename(&path, &elsewhere).unwrap();
        assert!(payloads.current().is_err());
        std::fs::rename(&elsewhere, &path).unwrap();
        assert_eq!(now(&payloads), (5, b'1'));
        let opened = payloads.current().unwrap().0;
        payloads.forget();
        assert!(!Arc::ptr_eq(&opened, &payloads.current().unwrap().0));
    }

    /// However soon: within a tick of the clock, too.
    #[test]
    fn a_file_in_its_place_is_read_at_once() {
        let place = tempfile::tempdir().unwrap();
        let (payloads, path) = (payloads(&place), place.path().join("payloads.jsonl"));
        let other = place.path().join("other");
        for round in 0..300_u64 {
            let content = if round % 2 == 0 { "1\n" } else { "22\n" };
            std::fs::write(&other, content).unwrap();
            std::fs::rename(&other, &path).unwrap();
            for _ in 0..2 {
                assert_eq!(now(&payloads), (content.len() as u64, content.as_bytes()[0]), "{round}");
            }
        }
    }

    /// Of which no time of either file tells.
    #[test]
    fn a_link_that_is_turned_is_followed_at_once() {
        let place = tempfile::tempdir().unwrap();
        let (payloads, path) = (payloads(&place), place.path().join("payloads.jsonl"));
        let link = place.path().join("link");
        let files = ["one", "other"].map(|name| place.path().join(name));
        std::fs::write(&files[0], "1\n").unwrap();
        std::fs::write(&files[1], "22\n").unwrap();
        for round in 0..300_usize {
            std::os::unix::fs::symlink(&files[round % 2], &link).unwrap();
            std::fs::rename(&link, &path).unwrap();
            for _ in 0..2 {
                assert_eq!(now(&payloads).0, 2 + round as u64 % 2, "{round}");
            }
        }
    }
}
