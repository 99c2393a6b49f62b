//! Is the index still true? A version says which state of the database an index was built from.
//!
//! It is what the file system says of the database file and of its write-ahead log. A commit writes to one of
//! them, so it moves that file's mtime, and its ctime, which no program can set. What a version must not be taken in is the gap
//! between the write of a commit and the moment from which readers see it: see [`DbWatcher::capture`].
//!
//! The write-ahead log is always looked at before the database file, because a writer that closes copies frames
//! into the database first and removes the log afterwards. Looked at in the other order, both could seem
//! untouched.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::data_dir::DataDir;
use super::fs::platform::{FileState, Identity, clock_grain, coarse_monotonic_ns, file_clock_ns, open_for_state};
use crate::error::{Error, Result};

/// The state of a database, as far as it can be told without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DbVersion {
    pub(crate) database: FileState,
    pub(crate) journal: Journal,
}

/// Where commits go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Journal {
    /// Into the database file itself. A switch to WAL mode writes to that file first.
    Rollback,
    /// Into a write-ahead log that is absent or empty so far.
    WalEmpty,
    /// Into a write-ahead log that holds frames.
    Wal(FileState),
}

/// What SQLite says of a database's journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JournalMode {
    Rollback,
    /// With the number of committed frames in the log (mxFrame).
    Wal {
        frames: u64,
    },
}

/// The files of one database, held so that their state can be asked for cheaply.
#[derive(Debug)]
pub(crate) struct DbWatcher {
    dir: DataDir,
    database: OwnedFd,
    identity: Identity,
    /// The tick in which the path was last seen to lead to this database.
    seen_in_tick: AtomicI64,
}

impl DbWatcher {
    /// Watches the database that is at its path now; `None` where there is none.
    pub(crate) fn open(dir: &DataDir) -> io::Result<Option<Self>> {
        let Some(database) = open_for_state(dir.database())? else {
            return Ok(None);
        };
        let identity = Identity::of_open(&database)?;
        Ok(Some(DbWatcher {
            dir: dir.clone(),
            database,
            identity,
            seen_in_tick: AtomicI64::new(0),
        }))
    }

    /// Whether the database is in the state of `version` now.
    ///
    /// Every change of the files themselves is seen at once: a write, a truncation, a rename and a replacement
    /// all move a ctime. Only a rename of a directory above them is seen at the next clock tick, some
    /// milliseconds later.
    pub(crate) fn matches(&self, version: &DbVersion) -> bool {
        let journal_holds = match version.journal {
            Journal::Rollback => true,
            Journal::WalEmpty => self.wal().is_ok_and(|wal| wal.is_none()),
            Journal::Wal(then) => self.wal().is_ok_and(|wal| wal == Some(then)),
        };
        journal_holds
            && FileState::of_open(&self.database).is_ok_and(|state| state == version.database)
            && self.is_at_its_path()
    }

    fn is_at_its_path(&self) -> bool {
        let tick = coarse_monotonic_ns();
        if self.seen_in_tick.load(Ordering::Relaxed) == tick {
            return true;
        }
        let is_at = self.identity.is_at(self.dir.database());
        if is_at {
            self.seen_in_tick.store(tick, Ordering::Relaxed);
        }
        is_at
    }

    /// The state now, for an index that is to be built; `None` while it cannot be told.
    ///
    /// `mode` asks SQLite, which recovers a log that a killed writer left. A log that holds anything behind its
    /// committed frames may be in the gap: the writer has written, but not yet said so, and a later recovery
    /// would bring the commit to light without any file being touched. Nothing is built from such a state.
    ///
    /// # Errors
    /// Those of `mode`, and I/O errors.
    pub(crate) fn capture(&self, mode: impl FnOnce() -> Result<JournalMode>) -> Result<Option<DbVersion>> {
        let unreadable = |error| Error::io(self.dir.database(), "cannot look at")(error);
        let wal = self.wal().map_err(unreadable)?;
        let journal = match (mode()?, wal) {
            (JournalMode::Rollback, None) => Journal::Rollback,
            (JournalMode::Wal { .. }, None) => Journal::WalEmpty,
            (JournalMode::Wal { frames }, Some(wal)) if self.ends_at(frames).map_err(unreadable)? => Journal::Wal(wal),
            _ => return Ok(None),
        };
        let database = FileState::of_open(&self.database).map_err(unreadable)?;
        Ok(self
            .identity
            .is_at(self.dir.database())
            .then_some(DbVersion { database, journal }))
    }

    /// Waits until another change would leave another time on the files: 20 ms after the last one at the most,
    /// 2 s on a file system that keeps no fractions of seconds.
    pub(crate) fn wait_for_mtime_granularity(&self) -> io::Result<()> {
        for state in [self.wal()?, Some(FileState::of_open(&self.database)?)]
            .into_iter()
            .flatten()
        {
            let age = file_clock_ns().saturating_sub(state.ctime_ns);
            // A time in the future is no danger: a change would put the present in its place.
            if let Ok(age) = u64::try_from(age).map(Duration::from_nanos)
                && let Some(rest) = clock_grain(&state).checked_sub(age)
            {
                std::thread::sleep(rest);
            }
        }
        Ok(())
    }

    /// The write-ahead log's state; `None` where it is absent or empty.
    ///
    /// Its mtime stands for its ctime. A reader moves the ctime, too: SQLite gives this file anew to the database's
    /// owner each time that root opens it. A write moves both.
    fn wal(&self) -> io::Result<Option<FileState>> {
        let file = FileState::of_path(&self.dir.wal())?.filter(|file| file.size > 0);
        Ok(file.map(|file| FileState {
            ctime_ns: file.mtime_ns,
            ..file
        }))
    }

    /// Whether the log holds no frame of its present run behind the first `frames` ("WAL File Format" in
    /// SQLite's documentation: a frame bears the salts of the log's header).
    fn ends_at(&self, frames: u64) -> io::Result<bool> {
        const HEADER: usize = 32;
        const FRAME_HEADER: usize = 24;
        if frames == 0 {
            // The log was restarted and not yet written, or written for the first time and not yet published:
            // its bytes do not tell which.
            return Ok(false);
        }
        // SQLite takes no POSIX lock on this file, so closing it drops none.
        let log = File::open(self.dir.wal())?;
        let mut header = [0; HEADER];
        log.read_exact_at(&mut header, 0)?;
        let page_size = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        let next = HEADER as u64 + frames * (FRAME_HEADER as u64 + u64::from(page_size));
        let mut frame = [0; FRAME_HEADER];
        match log.read_exact_at(&mut frame, next) {
            Ok(()) => Ok(frame[8..16] != header[16..24]),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
            Err(error) => Err(error),
        }
    }
}
