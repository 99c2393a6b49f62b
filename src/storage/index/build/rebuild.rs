//! Makes the index of a database that others may be writing to.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::memory::require_memory;
use super::rows::Part;
use super::scan::{Scan, scan};
use super::segment::{Leaves, SegmentData};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::storage::data_dir::DataDir;
use crate::storage::db_version::{DbWatcher, Look};
use crate::storage::fs::atomic_file::TempFile;
use crate::storage::fs::dir_lock::DirLock;
use crate::storage::fs::permissions;
use crate::storage::fs::platform::{self, FileState};
use crate::storage::index::base::format::MAX_EVENTS;
use crate::storage::index::base::reader::Base;
use crate::storage::index::base::source::{ContentVersion, DatabaseFacts, Source};
use crate::storage::index::base::writer::{BaseNames, rewrite_source, write};
use crate::storage::index::files::{IndexState, follower_of_file, publish_delta};
use crate::storage::index::refresh::RefreshError;
use crate::storage::index::refresh::basis::Basis;
use crate::storage::index::refresh::follower::Follower;
use crate::storage::index::refresh::parts::Parts;
use crate::storage::index::refresh::refreshed::{Budget, Refreshed};
use crate::storage::index::refusal::Refusal;
use crate::storage::index::select::Index;
use crate::storage::sqlite::{Connection, Soundness};

/// How a build went.
#[derive(Debug)]
pub(crate) enum RebuildOutcome {
    /// There is a new state; its index follows the database from here on, if the log can be indexed.
    Done {
        state: IndexState,
        follower: Option<Box<Follower>>,
        /// Why the index lives in memory: no file could be written.
        in_memory: Option<Error>,
    },
    /// Another process made one while its lock was waited for.
    MadeElsewhere(IndexState, Box<Follower>),
    /// The log could not be indexed a short while ago, and was not looked at again.
    StillRefused(IndexState),
    /// There is no memory for it.
    NoMemory(Error),
    /// Another process has the lock on the directory. It may be at it; everybody who may read the directory can have it.
    LockedElsewhere(Error),
}

/// What a build does where another process has the lock on the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfLocked {
    /// Nothing: only later processes would profit.
    GiveUp,
    /// It makes an index in memory, after a longer wait.
    BuildInMemory,
}

impl IfLocked {
    /// How long the lock is waited for: longer than a delta takes to be written, or than a build on a busy machine. Many
    /// that began at once would else each make an index in memory, while the first still writes one for all.
    fn patience(self, database_bytes: u64) -> Duration {
        match self {
            IfLocked::GiveUp => Duration::from_millis(200),
            // A build reads some 100 MiB of the database file in a second.
            IfLocked::BuildInMemory => Duration::from_secs(1 + (database_bytes >> 24)),
        }
    }
}

/// How often a build starts anew because the schema changed while it read.
const ATTEMPTS: usize = 3;

/// Makes the index of the database as it is now, and puts it in the place of any other.
///
/// # Errors
/// The database cannot be read at all, or is locked. A database that can be read but not indexed is no error.
pub(crate) fn rebuild(dir: &DataDir, if_locked: IfLocked, progress: Progress<'_>) -> Result<RebuildOutcome> {
    if let Err(error) = require_memory(dir) {
        return Ok(RebuildOutcome::NoMemory(error));
    }
    let names = BaseNames::random().map_err(Error::io(&dir.index(), "cannot write"))?;
    rebuild_as(dir, names, if_locked, progress)
}

/// The same, with names that the caller chose.
fn rebuild_as(dir: &DataDir, names: BaseNames, if_locked: IfLocked, progress: Progress<'_>) -> Result<RebuildOutcome> {
    let before = index_file(dir);
    let earlier = Refusal::read(dir);
    if let Some(state) = still_refused(dir, earlier.as_ref())? {
        return Ok(RebuildOutcome::StillRefused(state));
    }
    let database = FileState::of_path(dir.database()).ok().flatten();
    let patience = if_locked.patience(database.map_or(0, |file| file.size));
    let lock = match DirLock::acquire(dir.root(), patience) {
        Err(error @ Error::DirectoryLocked { .. }) if if_locked == IfLocked::GiveUp => {
            return Ok(RebuildOutcome::LockedElsewhere(error));
        }
        lock => lock,
    };
    if let Some(outcome) = made_elsewhere(dir, before)? {
        return Ok(outcome);
    }
    let odd_row = earlier.and_then(|refusal| refusal.event);
    let mut refused: Option<(IndexState, Refusal)> = None;
    for _ in 0..ATTEMPTS {
        let session = Session::open(dir)?;
        let built = match odd_row.map_or(Ok(()), |event| check_row(&session.connection, event)) {
            Ok(()) => session.build(lock.as_ref().ok(), names, progress),
            // It is still there: nothing else needs to be read.
            Err(odd) => Err(odd),
        };
        match built {
            Ok((built, follower, state)) => {
                let in_memory = built.publish(dir, lock.as_ref().ok(), &follower)?;
                return Ok(RebuildOutcome::Done {
                    state,
                    follower: Some(Box::new(follower)),
                    in_memory: in_memory.or(lock.err()),
                });
            }
            Err(RefreshError::Failed(Error::Overtaken { .. })) => {}
            Err(RefreshError::Failed(error)) => return Err(error),
            Err(why) => {
                let state = session.state_of_refused(why.to_string())?;
                let is_certain = state.version.is_some();
                let refusal = Refusal::new(state.version, &why);
                refused = Some((state, refusal));
                if is_certain {
                    break;
                }
            }
        }
    }
    match refused {
        Some((state, refusal)) => {
            if let Ok(lock) = &lock {
                refusal.publish(dir, lock);
            }
            Ok(RebuildOutcome::Done {
                state,
                follower: None,
                in_memory: None,
            })
        }
        None => Err(Error::Overtaken {
            path: dir.database().to_owned(),
        }),
    }
}

/// What lies in the place of the index.
fn index_file(dir: &DataDir) -> Option<FileState> {
    FileState::of_path(&dir.index()).ok().flatten()
}

/// What another process found while its lock was waited for: of many that begin at once, one makes the index. The file that
/// was there `before` is what made a build necessary.
fn made_elsewhere(dir: &DataDir, before: Option<FileState>) -> Result<Option<RebuildOutcome>> {
    if index_file(dir).is_none_or(|now| before.is_some_and(|before| now.has_content_of(&before))) {
        return Ok(None);
    }
    if let Some((follower, state)) = follower_of_file(dir)? {
        return Ok(Some(RebuildOutcome::MadeElsewhere(state, follower)));
    }
    let refused = still_refused(dir, Refusal::read(dir).as_ref())?;
    Ok(refused.map(RebuildOutcome::StillRefused))
}

/// The state of a log that is not looked at again so soon; `None` if it is to be.
fn still_refused(dir: &DataDir, refusal: Option<&Refusal>) -> Result<Option<IndexState>> {
    let unreadable = |error| Error::io(dir.database(), "cannot look at")(error);
    let Some(refusal) = refusal.filter(|refusal| refusal.is_to_be_kept()) else {
        return Ok(None);
    };
    let inode = FileState::of_path(dir.database())
        .map_err(unreadable)?
        .map(|state| state.inode);
    let was = refusal.version.map(|version| version.database.inode);
    if was.is_some() && was != inode {
        // Another database is in its place.
        return Ok(None);
    }
    if let Some(event) = refusal.event {
        match check_row(&Connection::open(dir)?, event) {
            Ok(()) | Err(RefreshError::Failed(Error::Overtaken { .. })) => return Ok(None),
            Err(RefreshError::Failed(error)) => return Err(error),
            Err(_) => {}
        }
    }
    IndexState::of_refusal(dir, refusal.clone()).map_err(unreadable)
}

/// Whether a row, if there is one with this id, can be indexed.
fn check_row(connection: &Connection, event: i64) -> std::result::Result<(), RefreshError> {
    Ok(connection.scan_short(&(event..=event), |_| Ok(()))?)
}

/// Writes the base of what an index says now: but for its name, byte for byte what a build would make of the same state with
/// the same key. Then catches up with the commits that came meanwhile.
///
/// # Errors
/// The index is corrupt, or the database cannot be read. `None` where another process writes an index.
pub(crate) fn fold(parts: Parts) -> std::result::Result<Option<(Follower, Refreshed)>, RefreshError> {
    let dir = parts.dir.clone();
    let Some(lock) = DirLock::try_acquire(dir.root())? else {
        return Ok(None);
    };
    let names = BaseNames {
        hash_key: parts.key,
        ..BaseNames::random().map_err(Error::io(&dir.index(), "cannot write"))?
    };
    let mut part = Part::default();
    parts.index.each_row(&mut |row| part.push(row))?;
    let leaves = Leaves {
        table: parts.table.clone(),
        time: parts.time.clone(),
    };
    let data = SegmentData::new(vec![part], leaves);
    let built = Built::write(&dir, Some(&lock), &data, &parts.source(), names, &|_| {})?;
    let index = Index::of_base(built.open(&dir)?);
    let mut follower = Follower::new(Parts { index, ..parts });
    let refreshed = follower.refresh(Budget::ANY)?;
    built.publish(&dir, Some(&lock), &follower)?;
    Ok(Some((follower, refreshed)))
}

/// One attempt.
struct Session<'a> {
    dir: &'a DataDir,
    connection: Connection,
    watcher: Arc<DbWatcher>,
    before: Look,
    basis: Basis,
}

impl<'a> Session<'a> {
    fn open(dir: &'a DataDir) -> Result<Self> {
        let unreadable = |error| Error::io(dir.database(), "cannot look at")(error);
        let connection = Connection::open(dir)?;
        let watcher = DbWatcher::open(dir).map_err(unreadable)?;
        let watcher = watcher.ok_or_else(|| unreadable(std::io::ErrorKind::NotFound.into()))?;
        // What SQLite has to recover, it recovers before the first look.
        connection.journal_mode()?;
        let (before, basis) = Basis::capture(&watcher, || connection.journal_mode())?;
        Ok(Session {
            dir,
            connection,
            watcher: Arc::new(watcher),
            before,
            basis,
        })
    }

    fn build(
        &self,
        lock: Option<&DirLock>,
        names: BaseNames,
        progress: Progress<'_>,
    ) -> std::result::Result<(Built, Follower, IndexState), RefreshError> {
        let dir = self.dir;
        let refuse = |why: &str| Err(RefreshError::Rebuild(why.to_owned()));
        let (has_time_index, has_other_indexes) = match self.connection.soundness()? {
            Soundness::Sound {
                has_time_index,
                has_other_indexes,
            } => (has_time_index, has_other_indexes),
            Soundness::Unsound(why) => return refuse(&why),
        };
        if !self.connection.has_pages()? {
            return refuse("SQLite was compiled without SQLITE_ENABLE_DBPAGE_VTAB");
        }
        let key = names.hash_key;
        let mut facts = self
            .connection
            .read_snapshot(|snapshot| DatabaseFacts::read(snapshot, key))?;
        if !has_time_index {
            facts.time_root = 0;
        }
        facts.has_other_indexes = has_other_indexes;
        // An empty table has any range of ids.
        let ids = self.connection.id_bounds()?.unwrap_or(0..=0);
        let span = i128::from(*ids.end()) - i128::from(*ids.start()) + 1;
        let read = Counter::new(progress, u64::try_from(span).unwrap_or(u64::MAX / 4));
        let Scan {
            parts,
            leaves,
            rows_sum,
        } = scan(dir, &facts, key, &ids, &|rows| read.add(rows))?;
        let events = parts.iter().map(|part| part.rows.len() as u64).sum();
        if events > MAX_EVENTS {
            return refuse(&format!("the log has more than {MAX_EVENTS} events"));
        }
        let data = SegmentData::new(parts, leaves);
        let source = Source {
            version: None,
            content: ContentVersion::default(),
            facts,
            rows_sum,
        };
        let written = Counter::new(progress, events);
        let built = Built::write(dir, lock, &data, &source, names, &|events| written.add(events))?;
        let mut follower = Follower::new(Parts {
            dir: dir.clone(),
            watcher: Arc::clone(&self.watcher),
            index: Index::of_base(built.open(dir)?),
            table: data.leaves.table,
            time: data.leaves.time,
            rows_sum,
            facts,
            key,
            basis: self.basis.clone(),
            are_others_checked: false,
        });
        let refreshed = follower.refresh(Budget::ANY)?;
        Ok((built, follower, IndexState::from(refreshed)))
    }

    /// The state of a database that cannot be indexed, certain only if it stayed as it was.
    fn state_of_refused(&self, why: String) -> Result<IndexState> {
        let after = self.watcher.look(|| self.connection.journal_mode())?;
        Ok(IndexState {
            watcher: Arc::clone(&self.watcher),
            version: (after == self.before).then(|| after.version()).flatten(),
            index: Err(why),
        })
    }
}

/// An index file that nobody can see yet.
#[derive(Debug)]
struct Built {
    place: Place,
    /// Why it is in memory, unless it is for want of the lock.
    error: Option<Error>,
}

#[derive(Debug)]
enum Place {
    TempFile(TempFile),
    Memory(File),
}

impl Built {
    fn write(
        dir: &DataDir,
        lock: Option<&DirLock>,
        data: &SegmentData,
        source: &Source,
        names: BaseNames,
        wrote: &(dyn Fn(u64) + Sync),
    ) -> Result<Self> {
        let in_dir = lock.map(|lock| {
            let file = TempFile::create(lock, "audit.idx")?;
            write(data, source, names, file.file(), wrote)
                .and_then(|()| permissions::copy_permissions(dir.database(), file.file()))
                .map_err(Error::io(&dir.index(), "cannot write"))?;
            Ok(file)
        });
        let error = match in_dir {
            Some(Ok(file)) => {
                return Ok(Built {
                    place: Place::TempFile(file),
                    error: None,
                });
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        let file = platform::memory_file()
            .and_then(|file| write(data, source, names, &file, wrote).map(|()| file))
            .map_err(Error::io(&dir.index(), "cannot keep in memory"))?;
        Ok(Built {
            place: Place::Memory(file),
            error,
        })
    }

    fn file(&self) -> &File {
        match &self.place {
            Place::TempFile(file) => file.file(),
            Place::Memory(file) => file,
        }
    }

    fn open(&self, dir: &DataDir) -> std::result::Result<Base, RefreshError> {
        let file = self
            .file()
            .try_clone()
            .map_err(Error::io(&dir.index(), "cannot read back"))?;
        Ok(Base::open(file)?)
    }

    /// Gives the file its name, and its delta beside it. Says why not, where it stays in memory.
    fn publish(self, dir: &DataDir, lock: Option<&DirLock>, follower: &Follower) -> Result<Option<Error>> {
        let base = follower.index().base();
        let has_delta = !follower.index().delta().is_empty();
        if !has_delta {
            rewrite_source(self.file(), base.header(), &follower.source())
                .map_err(Error::io(&dir.index(), "cannot write"))?;
        }
        let Place::TempFile(file) = self.place else {
            return Ok(self.error);
        };
        if let Err(error) = file.publish(&dir.index()) {
            return Ok(Some(error));
        }
        match lock {
            Some(lock) if has_delta => {
                let delta = follower.delta_file();
                let delta = delta.map_err(|why| why.error(dir, "cannot be read"));
                Ok(delta.and_then(|delta| publish_delta(dir, lock, base, &delta)).err())
            }
            _ => {
                // One of another base, which nobody reads any more. Best effort.
                let _ = std::fs::remove_file(dir.index_delta());
                Ok(None)
            }
        }
    }
}

/// Adds up how far one half of a build is: reading is the first half, writing the second.
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

#[cfg(test)]
mod tests;
