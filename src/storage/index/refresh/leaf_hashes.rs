//! Which leaf pages are not what they were, by their hashes: exact whoever wrote, and with whatever.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::thread::ScopedJoinHandle;

use super::RefreshError;
use super::tree::PageSet;
use crate::storage::index::hash::{HashKey, VOLATILE, page_hash};
use crate::storage::sqlite::Snapshot;

/// Pages that are read at once. Bytes. What is read stays in the processor's cache until it is hashed, and the allocator
/// asks the kernel for no pages of their own: with 128 KiB, a process's first refresh of 50,000 events takes 1.5 times as
/// long.
const CHUNK: u64 = 64 << 10;
/// Pages between two that are of interest, which are rather read than skipped. Bytes.
const GAP: u64 = 64 << 10;
/// From so many bytes on, two threads read.
const LARGE: u64 = 32 << 20;

/// A page and the hash it had.
pub(crate) type PageHash = (u32, u64);

/// The pages that have another hash now. `file` is the database file; what is in `overlay`, SQLite may take from elsewhere,
/// so it is asked for that.
///
/// # Errors
/// The database cannot be read.
pub(crate) fn changed(
    snapshot: &mut Snapshot<'_>,
    file: Option<&File>,
    overlay: &PageSet,
    mut pages: Vec<PageHash>,
    key: HashKey,
) -> Result<PageSet, RefreshError> {
    pages.sort_unstable_by_key(|&(page, _)| page);
    pages.retain(|&(_, hash)| hash != VOLATILE);
    let (by_sqlite, by_file): (Vec<PageHash>, Vec<PageHash>) = match file {
        Some(_) => pages.into_iter().partition(|(page, _)| overlay.contains(page)),
        None => (pages, Vec::new()),
    };
    let mut changed = PageSet::default();
    for (page, hash) in by_sqlite {
        let is_same = snapshot.page(page)?.is_some_and(|bytes| page_hash(key, bytes) == hash);
        if !is_same {
            changed.insert(page);
        }
    }
    if let Some(file) = file {
        let page_size = u64::from(snapshot.header().page_size);
        changed.extend(changed_in_file(file, page_size, &by_file, key));
    }
    Ok(changed)
}

fn changed_in_file(file: &File, page_size: u64, pages: &[PageHash], key: HashKey) -> Vec<u32> {
    if pages.len() as u64 * page_size < LARGE {
        return changed_in_part(file, page_size, pages, key);
    }
    // Not one of rayon's threads: somebody may be waiting for this with a lock in hand, and a thread that waits for
    // rayon does other work meanwhile, which may want the same lock.
    let (front, back) = pages.split_at(pages.len() / 2);
    std::thread::scope(|scope| {
        let in_front = || changed_in_part(file, page_size, front, key);
        let aside = std::thread::Builder::new().spawn_scoped(scope, in_front);
        let mut changed = changed_in_part(file, page_size, back, key);
        match aside.map(ScopedJoinHandle::join) {
            Ok(Ok(more)) => changed.extend(more),
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            // The system starts no more threads.
            Err(_) => changed.extend(in_front()),
        }
        changed
    })
}

fn changed_in_part(file: &File, page_size: u64, pages: &[PageHash], key: HashKey) -> Vec<u32> {
    let mut changed = Vec::new();
    let mut buffer = Vec::new();
    let mut rest = pages;
    while !rest.is_empty() {
        let (run, behind) = rest.split_at(run_len(rest, page_size));
        rest = behind;
        let (first, last) = (offset(run[0].0, page_size), offset(run[run.len() - 1].0, page_size));
        // At most a chunk and a page.
        buffer.resize((last - first + page_size) as usize, 0);
        let len = read_up_to(file, &mut buffer, first);
        for &(page, hash) in run {
            let bytes = page_bytes(page, first, page_size);
            let is_same = bytes.end <= len && page_hash(key, &buffer[bytes]) == hash;
            if !is_same {
                changed.push(page);
            }
        }
    }
    changed
}

fn offset(page: u32, page_size: u64) -> u64 {
    u64::from(page - 1) * page_size
}

fn page_bytes(page: u32, first: u64, page_size: u64) -> Range<usize> {
    let start = (offset(page, page_size) - first) as usize;
    start..start + page_size as usize
}

/// How many of the pages are read in one go.
fn run_len(pages: &[PageHash], page_size: u64) -> usize {
    let first = offset(pages[0].0, page_size);
    let mut before = first;
    let belongs = |&(page, _): &PageHash| {
        let at = offset(page, page_size);
        let is_near = at - before <= GAP && at - first < CHUNK;
        before = at;
        is_near
    };
    pages
        .iter()
        .copied()
        .take_while({
            let mut belongs = belongs;
            move |page| belongs(page)
        })
        .count()
        .max(1)
}

/// Reads as much as there is; what cannot be read counts as changed.
fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> usize {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    done
}
