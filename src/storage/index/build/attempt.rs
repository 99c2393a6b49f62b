//! One attempt to make an index, between two looks at the state of the database.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

use super::leaf_bounds::edges;
use super::renew::Progress;
use super::rows::collect;
use super::segment::SegmentData;
use super::sort::OrderDigest;
use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;
use crate::storage::db_version::{DbVersion, DbWatcher};
use crate::storage::fs::atomic_file::TempFile;
use crate::storage::fs::dir_lock::DirLock;
use crate::storage::fs::platform;
use crate::storage::index::base::format::MAX_EVENTS;
use crate::storage::index::base::writer::write;
use crate::storage::sqlite::{Connection, Soundness};

/// What an attempt made of a database that stayed as it was.
pub(crate) struct Attempt {
    pub(crate) watcher: DbWatcher,
    pub(crate) version: DbVersion,
    /// Or why the log cannot be indexed.
    pub(crate) made: std::result::Result<BuiltIndex, String>,
}

/// An index that is written, but that nobody can see yet.
pub(crate) enum BuiltIndex {
    TempFile(TempFile, Box<SegmentData>),
    /// In memory, as no file could be written; why, unless it is for want of the lock.
    Memory(File, Option<Error>),
}

/// Reads the database and writes its index; `None` if the database changed meanwhile.
///
/// # Errors
/// The database cannot be read at all, or is locked.
pub(crate) fn try_build(dir: &DataDir, lock: Option<&DirLock>, progress: Progress<'_>) -> Result<Option<Attempt>> {
    let unreadable = |error| Error::io(dir.database(), "cannot look at")(error);
    let connection = Connection::open(dir)?;
    let Some(watcher) = DbWatcher::open(dir).map_err(unreadable)? else {
        // Gone since it was opened: the next attempt says so.
        return Ok(None);
    };
    // What SQLite has to recover, it recovers before the first look.
    connection.journal_mode()?;
    watcher.wait_for_mtime_granularity().map_err(unreadable)?;
    let Some(version) = watcher.capture(|| connection.journal_mode())? else {
        return Ok(None);
    };
    let made = match build_index(dir, lock, &connection, &version, progress) {
        Ok(made) => made,
        Err(error @ (Error::Row { .. } | Error::Database { .. })) => Err(error.to_string()),
        Err(error) => return Err(error),
    };
    let after = watcher.capture(|| connection.journal_mode())?;
    Ok((after == Some(version)).then_some(Attempt { watcher, version, made }))
}

/// Makes the index, or says why the log cannot be indexed.
fn build_index(
    dir: &DataDir,
    lock: Option<&DirLock>,
    connection: &Connection,
    version: &DbVersion,
    progress: Progress<'_>,
) -> Result<std::result::Result<BuiltIndex, String>> {
    let (has_time_index, has_other_indexes) = match connection.soundness()? {
        Soundness::Sound {
            has_time_index,
            has_other_indexes,
        } => (has_time_index, has_other_indexes),
        Soundness::Unsound(why) => return Ok(Err(why)),
    };
    // An empty table has any range of ids.
    let ids = connection.id_bounds()?.unwrap_or(0..=0);
    let rows = i128::from(*ids.end()) - i128::from(*ids.start()) + 1;
    let read = Counter::new(progress, u64::try_from(rows).unwrap_or(u64::MAX / 4));
    let (parts, (order, leaf_sizes)) = rayon::join(
        || collect(dir, &ids, &|rows| read.add(rows)),
        || {
            let order = has_time_index.then(|| time_index_order(dir)).transpose();
            (
                order,
                Connection::open(dir).and_then(|connection| connection.leaf_sizes()),
            )
        },
    );
    let (parts, order) = (parts?, order?);
    let events: usize = parts.iter().map(|part| part.rows.len()).sum();
    if events as u64 > MAX_EVENTS {
        return Ok(Err(format!("the log has more than {MAX_EVENTS} events")));
    }
    let damaged = || Ok(Err("the database is damaged".to_owned()));
    let Some(edges) = leaf_sizes?.and_then(|leaf_sizes| edges(&parts, &leaf_sizes)) else {
        return damaged();
    };
    let rank = || {
        let ranked = SegmentData::new(parts);
        // The service reads through its index on created_at: where that does not say what the table says, only
        // SQLite knows what the service would answer.
        if order.is_some_and(|order| order != ranked.events.digest) {
            let why = "the database's index on created_at differs from its table";
            return Ok(Err(why.to_owned()));
        }
        let written = Counter::new(progress, events as u64);
        write_index(dir, lock, ranked, version, &|events| written.add(events)).map(Ok)
    };
    let is_sound = || {
        let connection = Connection::open(dir)?;
        Ok(connection.finds_all(&edges)? && (!has_other_indexes || connection.is_intact()?))
    };
    // Ranking and writing leave processors idle now and then, which the check uses.
    let (made, is_sound) = rayon::join(rank, is_sound);
    if is_sound? { made } else { damaged() }
}

/// The order in which the index on `created_at` holds the events.
fn time_index_order(dir: &DataDir) -> Result<OrderDigest> {
    let mut digest = OrderDigest::default();
    Connection::open(dir)?.scan_order(|key| {
        digest.push(key);
        Ok(())
    })?;
    Ok(digest)
}

fn write_index(
    dir: &DataDir,
    lock: Option<&DirLock>,
    ranked: SegmentData,
    version: &DbVersion,
    wrote: &(dyn Fn(u64) + Sync),
) -> Result<BuiltIndex> {
    let error = match lock.map(|lock| write_draft(dir, lock, &ranked, version, wrote)) {
        Some(Ok(draft)) => return Ok(BuiltIndex::TempFile(draft, Box::new(ranked))),
        Some(Err(error)) => Some(error),
        None => None,
    };
    Ok(BuiltIndex::Memory(write_memory(dir, &ranked, version, wrote)?, error))
}

fn write_draft(
    dir: &DataDir,
    lock: &DirLock,
    ranked: &SegmentData,
    version: &DbVersion,
    wrote: &(dyn Fn(u64) + Sync),
) -> Result<TempFile> {
    let draft = TempFile::create(lock, "audit.idx")?;
    write(ranked, version, draft.file(), wrote)
        .and_then(|()| platform::copy_permissions(dir.database(), draft.file()))
        .map_err(Error::io(&dir.index(), "cannot write"))?;
    Ok(draft)
}

/// Writes the index into a file that has no name.
///
/// # Errors
/// There is not enough memory.
pub(crate) fn write_memory(
    dir: &DataDir,
    ranked: &SegmentData,
    version: &DbVersion,
    wrote: &(dyn Fn(u64) + Sync),
) -> Result<File> {
    platform::memory_file()
        .and_then(|file| write(ranked, version, &file, wrote).map(|()| file))
        .map_err(Error::io(&dir.index(), "cannot keep in memory"))
}

/// Adds up how far one half of a renewal is: reading is the first half, writing the second.
struct Counter<'a> {
    progress: Progress<'a>,
    events: u64,
    done: AtomicU64,
}

impl<'a> Counter<'a> {
    fn new(progress: Progress<'a>, events: u64) -> Self {
        Counter {
            progress,
            events,
            done: AtomicU64::new(0),
        }
    }

    fn add(&self, events: u64) {
        let done = self.done.fetch_add(events, Ordering::Relaxed) + events;
        (self.progress)(done, self.events);
    }
}
