//! Is what is known of a database still true? A version says which state of it something was made from.
//!
//! It is what the file system says of the database file and of its write-ahead log. A commit writes to one of
//! them, so it moves that file's mtime, and its ctime, which no program can set. What a version must not be taken in is
//! the gap between the write of a commit and the moment from which readers see it: see [`Look::version`].
//!
//! The write-ahead log is always looked at before the database file, because a writer that closes copies frames
//! into the database first and removes the log afterwards. Looked at in the other order, both could seem
//! untouched.

use std::io;
use std::os::fd::OwnedFd;

use super::data_dir::DataDir;
use super::db_files::DatabaseFiles;
use super::fs::file_times::{FileTimes, clock_grain};
use super::fs::path_watch::PathWatch;
use super::fs::platform::{FileState, Identity, file_clock_ns, open_for_state};
use super::sqlite::wal::{WalProblem, WalReader};
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

/// What was seen of a database at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// The write-ahead log; `None` where it is absent or empty.
    pub(crate) wal: Option<FileState>,
    pub(crate) mode: JournalMode,
    pub(crate) database: FileState,
    /// Whether a frame that may yet be published lies behind the committed ones.
    has_more_frames: bool,
    /// Whether the database's path leads to the file that was looked at.
    is_at_its_path: bool,
    /// Whether a log, and a database, that is found in this state again was not written to since.
    is_wal_proven: bool,
    is_database_proven: bool,
}

impl Look {
    /// The version that the database has, if what is read of it between two equal looks may be used as long as the
    /// version holds.
    ///
    /// A log that holds anything behind its committed frames may be in the gap: the writer has written, but not yet said
    /// so, and a later recovery would bring the commit to light without any file being touched. And times that do not
    /// prove anything make no version.
    pub(crate) fn version(&self) -> Option<DbVersion> {
        let journal = match (self.mode, self.wal) {
            (JournalMode::Rollback, None) => Journal::Rollback,
            (JournalMode::Wal { .. }, None) => Journal::WalEmpty,
            (JournalMode::Wal { .. }, Some(wal)) if !self.has_more_frames => Journal::Wal(wal),
            _ => return None,
        };
        (self.is_at_its_path && self.is_proven()).then_some(DbVersion {
            database: self.database,
            journal,
        })
    }

    /// Whether a database file that is found in this state again was not written to meanwhile.
    pub(crate) fn proves_database(&self) -> bool {
        self.is_database_proven
    }

    fn is_proven(&self) -> bool {
        self.is_database_proven && self.is_wal_proven
    }
}

/// The files of one database, held so that their state can be asked for cheaply.
#[derive(Debug)]
pub(crate) struct DbWatcher {
    dir: DataDir,
    files: DatabaseFiles,
    database: OwnedFd,
    path: PathWatch,
    identity: Identity,
    times: FileTimes,
}

impl DbWatcher {
    /// Watches the database that is at its path now; `None` where there is none.
    pub(crate) fn open(dir: &DataDir) -> io::Result<Option<Self>> {
        let files = match DatabaseFiles::resolve(dir.database()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            files => files?,
        };
        let Some(database) = open_for_state(files.database())? else {
            return Ok(None);
        };
        let identity = Identity::of_open(&database)?;
        let path = PathWatch::new(dir.database(), identity)?;
        let times = FileTimes::of(&database)?;
        Ok(Some(DbWatcher {
            dir: dir.clone(),
            files,
            database,
            path,
            identity,
            times,
        }))
    }

    /// Where the watched files lie.
    pub(crate) fn files(&self) -> &DatabaseFiles {
        &self.files
    }

    /// Which file is watched.
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether the database is in the state of `version` now.
    ///
    /// Every change of the files themselves is seen at once: a write, a truncation, a rename and a replacement
    /// all move a ctime; so is a link that was turned. Only a rename of a directory above them is seen at the next clock
    /// tick, some milliseconds later.
    pub(crate) fn matches(&self, version: &DbVersion) -> bool {
        let journal_holds = match version.journal {
            Journal::Rollback => true,
            Journal::WalEmpty => self.wal().is_ok_and(|wal| wal.is_none()),
            Journal::Wal(then) => self.wal().is_ok_and(|wal| wal == Some(then)),
        };
        journal_holds
            && self.database().is_ok_and(|state| state == version.database)
            && self.is_at_its_path()
            && self.times != FileTimes::Cached
    }

    /// Whether the database's path leads to the watched file.
    pub(crate) fn is_at_its_path(&self) -> bool {
        self.path.leads_there() && self.are_others_beside_it()
    }

    /// The same, without what was seen within the same clock tick.
    pub(crate) fn is_at_its_path_now(&self) -> bool {
        self.path.leads_there_now() && self.are_others_beside_it()
    }

    /// Whether the other files are where they were found: a link can be turned to another name of the same file.
    fn are_others_beside_it(&self) -> bool {
        self.path.is_direct() || self.files.are_still_linked()
    }

    /// Looks at the database. `mode` asks SQLite, which recovers a log that a killed writer left.
    ///
    /// # Errors
    /// Those of `mode`, and I/O errors.
    pub(crate) fn look(&self, mode: impl FnOnce() -> Result<JournalMode>) -> Result<Look> {
        let unreadable = |error| Error::io(self.dir.database(), "cannot look at")(error);
        let begun = file_clock_ns();
        let wal = self.wal().map_err(unreadable)?;
        let mode = mode()?;
        let has_more_frames = match (mode, wal) {
            (JournalMode::Wal { frames }, Some(_)) => self.has_frame_after(frames).map_err(unreadable)?,
            _ => false,
        };
        let database = self.database().map_err(unreadable)?;
        let seen = begun..=file_clock_ns();
        Ok(Look {
            wal,
            mode,
            database,
            has_more_frames,
            is_at_its_path: self.is_at_its_path_now(),
            is_wal_proven: wal.is_none_or(|wal| self.times.prove(&wal, &seen)),
            is_database_proven: self.times.prove(&database, &seen),
        })
    }

    /// The version now, for what is to be read; `None` where it cannot be told. Where the database file is too young to
    /// prove anything, it waits until it is old enough; not beside a write-ahead log, where somebody is likely to write.
    ///
    /// # Errors
    /// Those of `mode`, and I/O errors.
    pub(crate) fn capture(&self, mode: impl Fn() -> Result<JournalMode>) -> Result<Option<DbVersion>> {
        /// Files that are written to again and again have no version.
        const LOOKS: usize = 3;
        let mut look = self.look(&mode)?;
        for _ in 1..LOOKS {
            if look.is_proven() || look.wal.is_some() || self.times == FileTimes::Cached {
                break;
            }
            std::thread::sleep(clock_grain(&look.database));
            look = self.look(&mode)?;
        }
        Ok(look.version())
    }

    /// The states of write-ahead log and database file, whatever they mean; `None` where the system cannot say.
    pub(crate) fn states(&self) -> Option<(Option<FileState>, FileState)> {
        Some((self.wal().ok()?, self.database().ok()?))
    }

    /// The state of the database file.
    ///
    /// # Errors
    /// The system cannot say.
    pub(crate) fn database_state(&self) -> Result<FileState> {
        self.database()
            .map_err(Error::io(self.dir.database(), "cannot look at"))
    }

    fn database(&self) -> io::Result<FileState> {
        FileState::of_open(&self.database)
    }

    /// The write-ahead log's state; `None` where it is absent or empty.
    ///
    /// Its mtime stands for its ctime. A reader moves the ctime, too: SQLite gives this file anew to the database's
    /// owner each time that root opens it. A write moves both.
    fn wal(&self) -> io::Result<Option<FileState>> {
        let file = FileState::of_path(&self.files.wal)?.filter(|file| file.size > 0);
        Ok(file.map(|file| FileState {
            ctime_ns: file.mtime_ns,
            ..file
        }))
    }

    fn has_frame_after(&self, frames: u64) -> io::Result<bool> {
        let wal = match WalReader::open(&self.files.wal) {
            Ok(Some(wal)) => wal,
            // Gone since it was looked at, or not a log: whatever it is, something happens to it.
            Ok(None) | Err(_) => return Ok(true),
        };
        match wal.ends_at(frames) {
            Ok(ends) => Ok(!ends),
            Err(WalProblem::Io(error)) => Err(error),
            Err(_) => Ok(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: i64 = 3_600_000_000_000;

    /// The state of a file that changed so many nanoseconds before `now`.
    fn state(now: i64, age: i64) -> FileState {
        FileState {
            inode: 1,
            size: 1,
            mtime_ns: now - age,
            ctime_ns: now - age,
        }
    }

    /// A look at a database and a log of these ages.
    fn look(times: FileTimes, [database, wal]: [i64; 2]) -> Look {
        let now = file_clock_ns();
        let [database, wal] = [database, wal].map(|age| state(now, age));
        let is_proven = |state| times.prove(state, &(now..=now));
        Look {
            wal: Some(wal),
            mode: JournalMode::Wal { frames: 1 },
            database,
            has_more_frames: false,
            is_at_its_path: true,
            is_wal_proven: is_proven(&wal),
            is_database_proven: is_proven(&database),
        }
    }

    #[test]
    fn only_times_that_prove_something_make_a_version() {
        for (times, ages, is_version) in [
            (FileTimes::Exact, [0, 0], true),
            (FileTimes::Coarse, [OLD, OLD], true),
            (FileTimes::Coarse, [0, OLD], false),
            (FileTimes::Coarse, [OLD, 0], false),
            (FileTimes::Cached, [OLD, OLD], false),
        ] {
            let has_version = look(times, ages).version().is_some();
            assert_eq!(has_version, is_version, "{times:?} {ages:?}");
        }
    }

    /// Whoever is held up between a look and what is made of it must not take the file for older than it was.
    #[test]
    fn a_look_at_a_young_file_proves_nothing_later_either() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        std::fs::write(dir.database(), "a database").unwrap();
        let mut watcher = DbWatcher::open(&dir).unwrap().unwrap();
        watcher.times = FileTimes::Coarse;
        let rollback = || Ok(JournalMode::Rollback);
        // On a busy machine the file may have come of age before it was looked at.
        let young = (0..1_000).find_map(|_| {
            std::fs::write(dir.database(), "a database").unwrap();
            let look = watcher.look(rollback).unwrap();
            (!look.proves_database()).then_some(look)
        });
        let young = young.unwrap();
        std::thread::sleep(2 * clock_grain(&young.database));
        assert!(!young.proves_database() && young.version().is_none());
        let later = watcher.look(rollback).unwrap();
        assert!(later.version().is_some() && later.database == young.database);
        assert!(later != young, "what was read between them would count");
        // Who needs a version waits for it.
        std::fs::write(dir.database(), "a database").unwrap();
        assert!(watcher.capture(rollback).unwrap().is_some());
        // Beside a write-ahead log waiting is of no use.
        std::fs::write(&watcher.files.wal, "a log").unwrap();
        let looks = std::cell::Cell::new(0);
        let counted = || {
            looks.set(looks.get() + 1);
            Ok(JournalMode::Wal { frames: 1 })
        };
        assert!(watcher.capture(counted).unwrap().is_none());
        assert_eq!(looks.get(), 1);
    }

    #[test]
    fn what_may_be_in_the_gap_or_elsewhere_has_no_version() {
        let sound = look(FileTimes::Exact, [OLD, OLD]);
        let wal = sound.wal.unwrap();
        let journal = |look: Look| look.version().map(|version| version.journal);
        let without_log = Look { wal: None, ..sound };
        let rollback = Look {
            mode: JournalMode::Rollback,
            ..without_log
        };
        assert_eq!(journal(sound), Some(Journal::Wal(wal)));
        assert_eq!(journal(without_log), Some(Journal::WalEmpty));
        assert_eq!(journal(rollback), Some(Journal::Rollback));
        let more_frames = Look {
            has_more_frames: true,
            ..sound
        };
        let elsewhere = Look {
            is_at_its_path: false,
            ..sound
        };
        let left_log = Look {
            wal: Some(wal),
            ..rollback
        };
        for look in [more_frames, elsewhere, left_log] {
            assert_eq!(journal(look), None, "{look:?}");
        }
    }

    /// A version may come from a file that another machine wrote, to whose file system it is local.
    #[test]
    fn no_version_matches_where_times_are_cached() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        std::fs::write(dir.database(), "a database").unwrap();
        let mut watcher = DbWatcher::open(&dir).unwrap().unwrap();
        let version = DbVersion {
            database: watcher.database_state().unwrap(),
            journal: Journal::Rollback,
        };
        watcher.times = FileTimes::Coarse;
        assert!(watcher.matches(&version));
        watcher.times = FileTimes::Cached;
        assert!(!watcher.matches(&version));
    }

    fn rollback() -> Result<JournalMode> {
        Ok(JournalMode::Rollback)
    }

    /// A database that is old enough, and what watches it.
    fn watched(dir: &DataDir) -> DbWatcher {
        let mut watcher = DbWatcher::open(dir).unwrap().unwrap();
        watcher.times = FileTimes::Exact;
        watcher
    }

    #[test]
    fn a_version_holds_until_the_file_or_its_path_is_another_one() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        assert!(DbWatcher::open(&dir).unwrap().is_none());
        std::fs::write(dir.database(), "a database").unwrap();
        let watcher = watched(&dir);
        let version = watcher.capture(rollback).unwrap().unwrap();
        assert_eq!(version.journal, Journal::Rollback);
        assert!(watcher.matches(&version) && watcher.look(rollback).unwrap().proves_database());
        assert_eq!(watcher.states(), Some((None, version.database)));

        // Another file under the name, and the first one as it was but for its name.
        std::fs::rename(dir.database(), root.path().join("old")).unwrap();
        std::fs::write(dir.database(), "a database").unwrap();
        let moved = watcher.look(rollback).unwrap();
        assert!(!moved.is_at_its_path && moved.version().is_none());
        let same = DbVersion {
            database: moved.database,
            ..version
        };
        assert!(!watcher.is_at_its_path_now());
        std::thread::sleep(2 * clock_grain(&moved.database));
        assert!(!watcher.is_at_its_path() && !watcher.matches(&same));

        let watcher = watched(&dir);
        let version = watcher.capture(rollback).unwrap().unwrap();
        std::fs::write(dir.database(), "a database, longer").unwrap();
        assert!(watcher.is_at_its_path() && !watcher.matches(&version));
    }

    #[test]
    fn a_version_beside_a_log_holds_as_long_as_that_is_the_same() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        std::fs::write(dir.database(), "a database").unwrap();
        let watcher = watched(&dir);
        let wal = watcher.files().wal.clone();
        let database = watcher.database_state().unwrap();
        let empty = DbVersion {
            database,
            journal: Journal::WalEmpty,
        };
        assert!(watcher.matches(&empty));
        // One without a byte is the same as none.
        std::fs::write(&wal, "").unwrap();
        assert!(watcher.matches(&empty));
        std::fs::write(&wal, "7").unwrap();
        assert!(!watcher.matches(&empty));
        let (state, _) = watcher.states().unwrap();
        let of_log = |state: FileState| DbVersion {
            database,
            journal: Journal::Wal(state),
        };
        assert!(watcher.matches(&of_log(state.unwrap())));
        let other = FileState {
            mtime_ns: 7,
            ..state.unwrap()
        };
        assert!(!watcher.matches(&of_log(other)));
        std::fs::remove_file(&wal).unwrap();
        assert!(!watcher.matches(&of_log(state.unwrap())) && watcher.matches(&empty));
    }

    /// SQLite looks for the log beside the file that the links lead to.
    #[test]
    fn a_version_behind_a_link_holds_until_that_is_turned() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        let at = |name: &str| root.path().join(name);
        let turn = |name: &str| {
            let _ = std::fs::remove_file(dir.database());
            std::os::unix::fs::symlink(at(name), dir.database()).unwrap();
        };
        std::fs::write(at("real"), "a database").unwrap();
        turn("real");
        let watcher = watched(&dir);
        let version = watcher.capture(rollback).unwrap().unwrap();
        assert!(watcher.matches(&version));
        // Another name of the same file: there another log would count.
        std::fs::hard_link(at("real"), at("other name")).unwrap();
        let version = DbVersion {
            database: watcher.database_state().unwrap(),
            ..version
        };
        assert!(watcher.matches(&version));
        turn("other name");
        assert!(!watcher.is_at_its_path_now());
        std::thread::sleep(2 * clock_grain(&version.database));
        assert!(!watcher.is_at_its_path() && !watcher.matches(&version));
    }

    #[test]
    fn what_lies_behind_the_committed_frames_is_a_gap() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        let writer = rusqlite::Connection::open(dir.database()).unwrap();
        writer
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x)")
            .unwrap();
        let watcher = watched(&dir);
        let frames = |frames| move || Ok(JournalMode::Wal { frames });
        let gap = |count| watcher.look(frames(count)).unwrap().has_more_frames;
        assert_eq!([gap(1), gap(2)], [true, false], "the table takes two pages");
        assert!(watcher.look(frames(2)).unwrap().version().is_some());
        assert!(!watcher.look(rollback).unwrap().has_more_frames);
        // Whatever a log is that is none, something happens to it.
        let copy = tempfile::tempdir().unwrap();
        let dir = DataDir::new(copy.path());
        std::fs::write(dir.database(), "a database").unwrap();
        std::fs::write(copy.path().join("audit.db-wal"), "no log").unwrap();
        assert!(watched(&dir).look(frames(0)).unwrap().has_more_frames);
    }
}
