//! Opens an index only where it is true, and makes a new one while the database may be changing.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::collect::collect;
use super::format::MAX_EVENTS;
use super::order::Ranked;
use super::read::Index;
use super::write::write;
use crate::error::{Error, Result};
use crate::storage::atomic::{DirLock, Draft};
use crate::storage::data_dir::DataDir;
use crate::storage::metadata::{Connection, Soundness};
use crate::storage::platform;
use crate::storage::stamp::{Stamp, Watch};

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
        let Some((watch, stamp, ranked)) = attempt(dir, progress)? else {
            continue;
        };
        let ranked = match ranked {
            Ok(ranked) => ranked,
            Err(why) => {
                let truth = Box::new(Truth {
                    watch,
                    stamp,
                    index: Err(why),
                });
                return Ok(Renewal::Done {
                    truth,
                    in_memory: None,
                });
            }
        };
        let written = Counter::new(progress, ranked.keys().len() as u64);
        let as_file = lock.and_then(|lock| write_file(dir, &lock, &ranked, &stamp, &written));
        let (file, in_memory) = match as_file {
            Ok(file) => (file, None),
            Err(error) => (write_memory(dir, &ranked, &stamp, &written)?, Some(error)),
        };
        let index = Index::open(file).map_err(|_| Error::Io {
            path: dir.index(),
            action: "cannot read back",
            source: io::ErrorKind::InvalidData.into(),
        })?;
        return Ok(Renewal::Done {
            truth: Box::new(Truth {
                watch,
                stamp,
                index: Ok(index),
            }),
            in_memory,
        });
    }
    Ok(Renewal::Overtaken)
}

type Attempt = (Watch, Stamp, std::result::Result<Ranked, String>);

/// Reads the database between two looks at its state; `None` if they differ.
fn attempt(dir: &DataDir, progress: Progress<'_>) -> Result<Option<Attempt>> {
    let unreadable = |error| Error::io(dir.database(), "cannot look at")(error);
    let connection = Connection::open(dir)?;
    let Some(watch) = Watch::open(dir).map_err(unreadable)? else {
        // Gone since it was opened: the next attempt says so.
        return Ok(None);
    };
    // What SQLite has to recover, it recovers before the first look.
    connection.journal_mode()?;
    watch.settle().map_err(unreadable)?;
    let Some(before) = watch.observe(|| connection.journal_mode())? else {
        return Ok(None);
    };
    let ranked = match read_ranked(dir, &connection, progress) {
        Ok(ranked) => ranked,
        Err(error @ (Error::Row { .. } | Error::Database { .. })) => Err(error.to_string()),
        Err(error) => return Err(error),
    };
    let after = watch.observe(|| connection.journal_mode())?;
    Ok((after == Some(before)).then_some((watch, before, ranked)))
}

/// The whole log in rank order, or why it cannot be indexed.
fn read_ranked(
    dir: &DataDir,
    connection: &Connection,
    progress: Progress<'_>,
) -> Result<std::result::Result<Ranked, String>> {
    let has_time_index = match connection.soundness()? {
        Soundness::Sound { has_time_index } => has_time_index,
        Soundness::Unsound(why) => return Ok(Err(why)),
    };
    // An empty table has any range of ids.
    let ids = connection.id_bounds()?.unwrap_or(0..=0);
    let rows = i128::from(*ids.end()) - i128::from(*ids.start()) + 1;
    let read = Counter::new(progress, u64::try_from(rows).unwrap_or(u64::MAX / 4));
    let (table, (order, is_searchable)) = rayon::join(
        || collect(dir, &ids, &|rows| read.add(rows)),
        || {
            let order = || has_time_index.then(|| time_index_digest(dir)).transpose();
            rayon::join(order, || Connection::open(dir)?.is_searchable())
        },
    );
    let table = table?;
    if !is_searchable? {
        return Ok(Err("the database is damaged".to_owned()));
    }
    if table.rows.len() as u64 > MAX_EVENTS {
        return Ok(Err(format!("the log has more than {MAX_EVENTS} events")));
    }
    let ranked = Ranked::new(table);
    // The service reads through its index on created_at: where that does not say what the table says, only
    // SQLite knows what the service would answer.
    if order?.is_some_and(|order| order != digest(ranked.keys())) {
        return Ok(Err(
            "the database's index on created_at differs from its table".to_owned(),
        ));
    }
    Ok(Ok(ranked))
}

fn time_index_digest(dir: &DataDir) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    Connection::open(dir)?.scan_order(|key| {
        key.hash(&mut hasher);
        Ok(())
    })?;
    Ok(hasher.finish())
}

fn digest(keys: impl Iterator<Item = crate::model::Key>) -> u64 {
    let mut hasher = DefaultHasher::new();
    keys.for_each(|key| key.hash(&mut hasher));
    hasher.finish()
}

fn write_file(
    dir: &DataDir,
    lock: &DirLock,
    ranked: &Ranked,
    stamp: &Stamp,
    written: &Counter<'_>,
) -> Result<File> {
    let path = dir.index();
    let draft = Draft::create(lock, "audit.idx")?;
    write(ranked, stamp, draft.file(), &|events| written.add(events))
        .and_then(|()| platform::copy_rights(dir.database(), draft.file()))
        .map_err(Error::io(&path, "cannot write"))?;
    draft.publish(&path)
}

fn write_memory(
    dir: &DataDir,
    ranked: &Ranked,
    stamp: &Stamp,
    written: &Counter<'_>,
) -> Result<File> {
    platform::memory_file()
        .and_then(|file| write(ranked, stamp, &file, &|events| written.add(events)).map(|()| file))
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
