//! Which leaf pages are not what they were, by their hashes: exact whoever wrote, and with whatever.

use std::fs::File;
use std::ops::Range;
use std::thread::ScopedJoinHandle;

use super::RefreshError;
use super::tree::PageSet;
use crate::storage::fs::read_full::read_full_at;
use crate::storage::index::hash::{HashKey, VOLATILE, page_hash};
use crate::storage::sqlite::Snapshot;

/// Pages that are read at once, with those between them. Bytes. What is read stays in the processor's cache until it is
/// hashed, and the allocator asks the kernel for no pages of their own: with 128 KiB, a process's first refresh of 50,000
/// events takes 1.5 times as long.
const CHUNK: u64 = 64 << 10;
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
        // What cannot be read counts as changed.
        let len = read_full_at(file, &mut buffer, first).unwrap_or(0);
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

/// How many of the pages, which ascend, are read in one go, with those between them.
fn run_len(pages: &[PageHash], page_size: u64) -> usize {
    let first = offset(pages[0].0, page_size);
    pages.partition_point(|&(page, _)| offset(page, page_size) - first < CHUNK)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    const KEY: HashKey = [7, 9];

    /// A file of so many pages, each with its number in it, and these pages of it with their hashes.
    fn pages_of(page_size: u64, count: u32, of_interest: impl Iterator<Item = u32>) -> (File, Vec<PageHash>) {
        let file = tempfile::tempfile().unwrap();
        let page = |number: u32| {
            let mut bytes = vec![0; page_size as usize];
            bytes[page_size as usize / 2..][..4].copy_from_slice(&number.to_be_bytes());
            bytes
        };
        for number in 1..=count {
            file.write_all_at(&page(number), offset(number, page_size)).unwrap();
        }
        let hashes = of_interest.map(|number| (number, page_hash(KEY, &page(number))));
        (file, hashes.collect())
    }

    fn sorted(mut pages: Vec<u32>) -> Vec<u32> {
        pages.sort_unstable();
        pages
    }

    #[test]
    fn exactly_the_pages_that_are_other_bytes_now_have_changed() {
        for page_size in [512, 4096, 65_536] {
            // All but every seventh, so that runs have gaps; then far from each other.
            let near = (2..400).filter(|page| page % 7 != 0).chain([500, 900]);
            let (file, pages) = pages_of(page_size, 900, near);
            assert_eq!(changed_in_file(&file, page_size, &pages, KEY), [0; 0]);
            let changed = [2, 15, 16, 17, 21, 260, 399, 500, 900];
            for number in changed {
                // The first and the last byte of a page are its own.
                for at in [0, page_size - 1] {
                    file.write_all_at(&[1], offset(number, page_size) + at).unwrap();
                }
            }
            let expected: Vec<u32> = changed.into_iter().filter(|page| page % 7 != 0).collect();
            assert_eq!(changed_in_file(&file, page_size, &pages, KEY), expected, "{page_size}");
            // Nobody's hashes but those that were made with this key.
            assert_eq!(changed_in_file(&file, page_size, &pages, [7, 8]).len(), pages.len());
        }
    }

    #[test]
    fn what_cannot_be_read_has_changed() {
        let (file, pages) = pages_of(4096, 40, 1..41);
        file.set_len(4096 * 30 - 1).unwrap();
        assert_eq!(changed_in_file(&file, 4096, &pages, KEY), (30..41).collect::<Vec<_>>());
        let directory = File::open("/").unwrap();
        assert_eq!(changed_in_file(&directory, 4096, &pages, KEY).len(), 40);
    }

    #[test]
    fn two_threads_read_every_page_of_many() {
        let page_size = 65_536;
        let count = u32::try_from(LARGE / page_size).unwrap();
        for count in [count - 1, count, count + 1] {
            let (file, pages) = pages_of(page_size, count, 1..count + 1);
            for number in [1, count / 2, count / 2 + 1, count] {
                file.write_all_at(&[1], offset(number, page_size)).unwrap();
            }
            let changed = sorted(changed_in_file(&file, page_size, &pages, KEY));
            assert_eq!(changed, [1, count / 2, count / 2 + 1, count]);
        }
    }

    #[test]
    fn a_run_is_no_longer_than_a_chunk() {
        let run = |pages: &[u32], page_size| {
            let pages: Vec<PageHash> = pages.iter().map(|&page| (page, 1)).collect();
            run_len(&pages, page_size)
        };
        assert_eq!(run(&[9], 4096), 1);
        assert_eq!(run(&(1..100).collect::<Vec<_>>(), 4096), 16);
        assert_eq!(run(&(5..900).collect::<Vec<_>>(), 512), 128);
        assert_eq!(run(&[3, 10, 18, 19], 4096), 3);
        assert_eq!(run(&[3, 19, 20], 4096), 1);
        assert_eq!(run(&[1, 2], 65_536), 1);
    }
}
