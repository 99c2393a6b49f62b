//! Opens an index only where it is true, and makes a new one while the database may be changing.

use std::fs::File;
use std::io;

use super::attempt::{Attempt, BuiltIndex, try_build, write_memory};
use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;
use crate::storage::db_version::{DbVersion, DbWatcher};
use crate::storage::fs::atomic_file::DirLock;
use crate::storage::index::base::reader::Index;

/// Called with how much of a renewal is done and how much there is, in any unit, from any thread.
pub(crate) use crate::progress::Progress;

/// What is known of a database in one state.
#[derive(Debug)]
pub(crate) struct IndexState {
    pub(crate) watcher: DbWatcher,
    pub(crate) version: DbVersion,
    /// The index of that state; or why only SQLite can answer for it.
    pub(crate) index: std::result::Result<Index, String>,
}

impl IndexState {
    /// Whether the database is still in that state.
    pub(crate) fn is_current(&self) -> bool {
        self.watcher.matches(&self.version)
    }
}

/// How a renewal went.
#[derive(Debug)]
pub(crate) enum RebuildOutcome {
    /// There is a new state. Its index is a file, or lives in memory because no file could be written.
    Done {
        state: Box<IndexState>,
        in_memory: Option<Error>,
    },
    /// The database changed during each attempt.
    Raced,
    /// Another process is at it.
    LockedElsewhere,
}

/// How often a renewal starts anew because a commit overtook it.
const ATTEMPTS: usize = 3;

/// Opens the index file, if it is there, undamaged and tells the present state of the database.
pub(crate) fn open_if_current(dir: &DataDir) -> Option<IndexState> {
    let index = Index::open(File::open(dir.index()).ok()?).ok()?;
    let watcher = DbWatcher::open(dir).ok()??;
    let version = *index.version();
    watcher.matches(&version).then_some(IndexState {
        watcher,
        version,
        index: Ok(index),
    })
}

/// Makes the index of the database as it is now, and puts it in the place of any other.
///
/// # Errors
/// The database cannot be read at all, or is locked. A database that can be read but not indexed is no error.
pub(crate) fn rebuild(dir: &DataDir, progress: Progress<'_>) -> Result<RebuildOutcome> {
    let lock = match DirLock::try_acquire(dir.root()) {
        Ok(None) => return Ok(RebuildOutcome::LockedElsewhere),
        Ok(Some(lock)) => Ok(lock),
        Err(error) => Err(error),
    };
    for _ in 0..ATTEMPTS {
        let Some(Attempt { watcher, version, made }) = try_build(dir, lock.as_ref().ok(), progress)? else {
            continue;
        };
        let (index, in_memory) = match made {
            Ok(made) => {
                let (file, in_memory) = publish(dir, made, &version, lock.err())?;
                let index = Index::open(file).map_err(|_| Error::Io {
                    path: dir.index(),
                    action: "cannot read back",
                    source: io::ErrorKind::InvalidData.into(),
                })?;
                (Ok(index), in_memory)
            }
            Err(why) => (Err(why), None),
        };
        return Ok(RebuildOutcome::Done {
            state: Box::new(IndexState {
                watcher,
                version,
                index,
            }),
            in_memory,
        });
    }
    Ok(RebuildOutcome::Raced)
}

/// The index's file, and why it is none in the directory; `unlocked` is why the directory could not be locked.
fn publish(
    dir: &DataDir,
    made: BuiltIndex,
    version: &DbVersion,
    unlocked: Option<Error>,
) -> Result<(File, Option<Error>)> {
    match made {
        BuiltIndex::Memory(file, error) => Ok((file, error.or(unlocked))),
        BuiltIndex::TempFile(draft, ranked) => match draft.publish(&dir.index()) {
            Ok(file) => Ok((file, None)),
            Err(error) => Ok((write_memory(dir, &ranked, version, &|_| {})?, Some(error))),
        },
    }
}
