//! Opens an index only where it is true, and makes a new one while the database may be changing.

use std::fs::File;
use std::io;

use super::attempt::{Attempt, Made, attempt, write_memory};
use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;
use crate::storage::db_version::{Stamp, Watch};
use crate::storage::fs::atomic_file::DirLock;
use crate::storage::index::base::reader::Index;

/// Called with how much of a renewal is done and how much there is, in any unit, from any thread.
pub(crate) type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// What is known of a database in one state.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) watch: Watch,
    pub(crate) stamp: Stamp,
    /// The index of that state; or why only SQLite can answer for it.
    pub(crate) index: std::result::Result<Index, String>,
}

impl Truth {
    /// Whether the database is still in that state.
    pub(crate) fn holds(&self) -> bool {
        self.watch.is_in(&self.stamp)
    }
}

/// How a renewal went.
#[derive(Debug)]
pub(crate) enum Renewal {
    /// There is a new truth. Its index is a file, or lives in memory because no file could be written.
    Done {
        truth: Box<Truth>,
        in_memory: Option<Error>,
    },
    /// The database changed during each attempt.
    Overtaken,
    /// Another process is at it.
    Elsewhere,
}

/// How often a renewal starts anew because a commit overtook it.
const ATTEMPTS: usize = 3;

/// Opens the index file, if it is there, undamaged and tells the present state of the database.
pub(crate) fn open_true(dir: &DataDir) -> Option<Truth> {
    let index = Index::open(File::open(dir.index()).ok()?).ok()?;
    let watch = Watch::open(dir).ok()??;
    let stamp = *index.stamp();
    watch.is_in(&stamp).then_some(Truth {
        watch,
        stamp,
        index: Ok(index),
    })
}

/// Makes the index of the database as it is now, and puts it in the place of any other.
///
/// # Errors
/// The database cannot be read at all, or is locked. A database that can be read but not indexed is no error.
pub(crate) fn renew(dir: &DataDir, progress: Progress<'_>) -> Result<Renewal> {
    let lock = match DirLock::try_acquire(dir.root()) {
        Ok(None) => return Ok(Renewal::Elsewhere),
        Ok(Some(lock)) => Ok(lock),
        Err(error) => Err(error),
    };
    for _ in 0..ATTEMPTS {
        let Some(Attempt { watch, stamp, made }) = attempt(dir, lock.as_ref().ok(), progress)?
        else {
            continue;
        };
        let (index, in_memory) = match made {
            Ok(made) => {
                let (file, in_memory) = publish(dir, made, &stamp, lock.err())?;
                let index = Index::open(file).map_err(|_| Error::Io {
                    path: dir.index(),
                    action: "cannot read back",
                    source: io::ErrorKind::InvalidData.into(),
                })?;
                (Ok(index), in_memory)
            }
            Err(why) => (Err(why), None),
        };
        return Ok(Renewal::Done {
            truth: Box::new(Truth {
                watch,
                stamp,
                index,
            }),
            in_memory,
        });
    }
    Ok(Renewal::Overtaken)
}

/// The index's file, and why it is none in the directory; `unlocked` is why the directory could not be locked.
fn publish(
    dir: &DataDir,
    made: Made,
    stamp: &Stamp,
    unlocked: Option<Error>,
) -> Result<(File, Option<Error>)> {
    match made {
        Made::Memory(file, error) => Ok((file, error.or(unlocked))),
        Made::Draft(draft, ranked) => match draft.publish(&dir.index()) {
            Ok(file) => Ok((file, None)),
            Err(error) => Ok((write_memory(dir, &ranked, stamp, &|_| {})?, Some(error))),
        },
    }
}
