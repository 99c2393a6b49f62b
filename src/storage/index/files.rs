//! `audit.idx` and `audit.idx-delta`: opened, and brought up to date for other processes.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::base::corrupted::Corrupted;
use super::base::leaf_directory::{Leaf, TableLeaf, TimeLeaf};
use super::base::reader::Base;
use super::base::source::Source;
use super::delta::{Delta, DeltaFile, DirectoryChanges};
use super::refresh::RefreshError;
use super::refresh::basis::Basis;
use super::refresh::follower::Follower;
use super::refresh::parts::Parts;
use super::refresh::refreshed::{Budget, Refreshed};
use super::refresh::wal_changes::LogBasis;
use super::refusal::Refusal;
use super::select::Index;
use super::trusted::open_ours;
use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;
use crate::storage::db_version::{DbVersion, DbWatcher, Journal};
use crate::storage::fs::atomic_file::TempFile;
use crate::storage::fs::dir_lock::DirLock;
use crate::storage::fs::permissions;
use crate::storage::fs::read_descriptor::open_forever;
use crate::storage::sqlite::Connection;
use crate::storage::sqlite::wal::WalReader;

/// What is known of a database in one state.
#[derive(Clone, Debug)]
pub(crate) struct IndexState {
    pub(crate) watcher: Arc<DbWatcher>,
    /// `None` where commits went on meanwhile: such a state answers those who waited for it, and nobody else.
    pub(crate) version: Option<DbVersion>,
    /// The index of that state; or why only SQLite can answer for it.
    pub(crate) index: std::result::Result<Index, String>,
}

impl IndexState {
    /// Whether the database is still in that state.
    pub(crate) fn is_current(&self) -> bool {
        self.version.is_some_and(|version| self.watcher.matches(&version))
    }
}

impl IndexState {
    /// The state of a log that could not be indexed.
    ///
    /// # Errors
    /// The database cannot be looked at.
    pub(crate) fn of_refusal(dir: &DataDir, refusal: Refusal) -> io::Result<Option<Self>> {
        let watcher = DbWatcher::open(dir)?;
        Ok(watcher.map(|watcher| IndexState {
            watcher: Arc::new(watcher),
            version: refusal.version,
            index: Err(refusal.reason),
        }))
    }
}

impl From<Refreshed> for IndexState {
    fn from(refreshed: Refreshed) -> Self {
        IndexState {
            watcher: refreshed.watcher,
            version: refreshed.version,
            index: Ok(refreshed.index),
        }
    }
}

/// Base and delta as they were found, whether or not they tell the present state.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    dir: DataDir,
    watcher: Arc<DbWatcher>,
    base: Arc<Base>,
    source: Source,
    /// The delta file, if it is the base's. What it says is not read before somebody asks: who asks SQLite in the end
    /// should not have waited for that.
    delta: Option<Vec<u8>>,
    /// What the files say, once somebody asked.
    contents: Option<Contents>,
    /// Why a delta file that is there is not used.
    delta_refused: Option<Corrupted>,
}

/// What base and delta say together.
#[derive(Debug)]
struct Contents {
    index: Index,
    table: DirectoryChanges<TableLeaf>,
    time: DirectoryChanges<TimeLeaf>,
}

/// Why the files of an index are not to be used.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// They are not what was written: every process that meets them has to do without.
    Corrupted(Corrupted),
    /// There are none, or they tell of another database, or they are not to be believed.
    Unusable(String),
}

impl From<Corrupted> for OpenError {
    fn from(corrupted: Corrupted) -> Self {
        OpenError::Corrupted(corrupted)
    }
}

impl From<String> for OpenError {
    fn from(why: String) -> Self {
        OpenError::Unusable(why)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Corrupted(corrupted) => corrupted.fmt(f),
            OpenError::Unusable(why) => f.write_str(why),
        }
    }
}

/// Opens the index of a log.
///
/// # Errors
/// Why it is not to be used.
pub(crate) fn open(dir: &DataDir) -> std::result::Result<OpenFiles, OpenError> {
    let file = open_ours(dir, &dir.index()).inspect_err(|_| follow_permissions(dir))?;
    let base = Base::open(file)?;
    let watcher = DbWatcher::open(dir).map_err(|error| error.to_string())?;
    let watcher = Arc::new(watcher.ok_or_else(|| "there is no database".to_owned())?);
    let mut source = base.header().source;
    let inode = watcher.database_state().map_err(|error| error.to_string())?.inode;
    if source.version.is_some_and(|version| version.database.inode != inode) {
        return Err("it is of another database file".to_owned().into());
    }
    let (mut delta, mut delta_refused) = (read_delta(dir), None);
    match delta.as_ref().map(|bytes| DeltaFile::source(bytes, &base)) {
        Some(Ok(newer)) => source = newer,
        Some(Err(why)) => (delta, delta_refused) = (None, Some(why)),
        None => {}
    }
    let mut files = OpenFiles {
        dir: dir.clone(),
        watcher,
        base: Arc::new(base),
        source,
        delta,
        contents: None,
        delta_refused,
    };
    files.doubt_times();
    Ok(files)
}

/// The index that lies in the directory, brought up to date; `None` if it cannot be.
///
/// # Errors
/// The database cannot be read, or is locked.
pub(crate) fn follower_of_file(dir: &DataDir) -> Result<Option<(Box<Follower>, IndexState)>> {
    let opened = open(dir).ok().filter(|files| !files.has_unreadable_journal());
    let Some(mut follower) = opened.and_then(|files| files.into_follower().ok()) else {
        return Ok(None);
    };
    match follower.refresh(Budget::ANY) {
        Ok(refreshed) => Ok(Some((Box::new(follower), refreshed.into()))),
        Err(RefreshError::Failed(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Gives the files of a log's index the permissions that its database has by now, or removes them.
pub(crate) fn follow_permissions(dir: &DataDir) {
    for path in [dir.index(), dir.index_delta()] {
        // Whoever opens it next is told what is wrong with it.
        let _ = open_ours(dir, &path);
    }
}

/// The bytes of the delta file; `None` where there is none that can be used.
fn read_delta(dir: &DataDir) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    open_ours(dir, &dir.index_delta()).ok()?.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

impl OpenFiles {
    /// What the files know. Where the database went on since, that is a version that never matches, and the base alone.
    ///
    /// # Errors
    /// A damaged block of the base, or a delta that tells what cannot be.
    pub(crate) fn state(&mut self) -> std::result::Result<IndexState, Corrupted> {
        let version = self.source.version.filter(|version| self.watcher.matches(version));
        let index = match version {
            Some(_) => self.index()?.clone(),
            None => Index::new(Arc::clone(&self.base), Delta::default()),
        };
        Ok(IndexState {
            watcher: Arc::clone(&self.watcher),
            version,
            index: Ok(index),
        })
    }

    /// Base and delta, whether or not the database went on since.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn index(&mut self) -> std::result::Result<&Index, Corrupted> {
        let contents = match self.contents.take() {
            Some(contents) => contents,
            None => self.read_contents()?,
        };
        Ok(&self.contents.insert(contents).index)
    }

    fn read_contents(&self) -> std::result::Result<Contents, Corrupted> {
        let base = Arc::clone(&self.base);
        let Some(bytes) = &self.delta else {
            return Ok(Contents {
                index: Index::new(base, Delta::default()),
                table: DirectoryChanges::default(),
                time: DirectoryChanges::default(),
            });
        };
        let file = DeltaFile::decode(bytes, &base)?;
        Ok(Contents {
            index: Index::new(base, file.delta),
            table: file.table,
            time: file.time,
        })
    }

    /// After a power failure the files can be older ones under the same times.
    fn doubt_times(&mut self) {
        let is_doubtful = |version: &DbVersion| self.watcher.matches(version) && !self.content_matches(version);
        if self.source.version.as_ref().is_some_and(is_doubtful) {
            self.source.version = None;
            self.source.content.log = None;
        }
    }

    /// Whether the database files hold what they held when the index was made, as far as the end of the write-ahead log
    /// and the change counter tell.
    fn content_matches(&self, version: &DbVersion) -> bool {
        let files = self.watcher.files();
        let content = &self.source.content;
        match (version.journal, content.log) {
            (Journal::Wal(_), Some(position)) => {
                let log = WalReader::open(&files.wal).ok().flatten();
                log.is_some_and(|log| {
                    log.still_holds(&position).is_ok_and(|holds| holds)
                        && log.ends_at(position.frame).is_ok_and(|ends| ends)
                })
            }
            (Journal::Wal(_), None) => false,
            (Journal::Rollback | Journal::WalEmpty, _) => self.change_counter() == Some(content.change_counter),
        }
    }

    /// The change counter that the database file holds; `None` where it cannot be read.
    fn change_counter(&self) -> Option<u32> {
        let path = self.watcher.files().database();
        if let Some(file) = open_forever(path, self.watcher.identity()).ok()? {
            let mut counter = [0; 4];
            file.read_exact_at(&mut counter, 24).ok()?;
            return Some(u32::from_be_bytes(counter));
        }
        // This process reads too many databases: SQLite takes longer to say the same.
        let connection = Connection::open(&self.dir).ok()?;
        let counter = connection.read_snapshot(|snapshot| Ok::<_, Error>(snapshot.header().change_counter));
        counter.ok()
    }

    /// Whether rights keep SQLite from reading the database, whatever the index knows.
    pub(crate) fn has_unreadable_journal(&self) -> bool {
        self.watcher.files().has_unreadable_journal()
    }

    /// Why there is a delta file that is not used.
    pub(crate) fn delta_refused(&self) -> Option<Corrupted> {
        self.delta_refused
    }

    /// How many leaf pages the trees had.
    pub(crate) fn leaves(&self) -> u64 {
        let counts = self.base.header().counts;
        counts.table_leaves + counts.time_leaves
    }

    /// Bytes of a page.
    pub(crate) fn page_size(&self) -> u64 {
        self.source.facts.page_size.into()
    }

    /// Whether the database file is as it was, so that the write-ahead log tells what changed.
    pub(crate) fn is_database_same(&self) -> bool {
        let then = self.source.version.map(|version| version.database);
        then.is_some() && self.watcher.database_state().ok() == then
    }

    /// What follows the database from here on.
    ///
    /// # Errors
    /// The index is corrupt.
    pub(crate) fn into_follower(mut self) -> std::result::Result<Follower, Corrupted> {
        let Contents { index, table, time } = match self.contents.take() {
            Some(contents) => contents,
            None => self.read_contents()?,
        };
        let base = self.base;
        let version = self.source.version;
        let wal = match version.map(|version| version.journal) {
            Some(Journal::Wal(wal)) => Some(wal),
            _ => None,
        };
        let basis = Basis {
            database: version.map(|version| version.database),
            wal,
            log: self
                .source
                .content
                .log
                .map(|position| LogBasis { position, pages: None }),
        };
        let table = overridden(base.table_leaves()?, table);
        let time = overridden(base.time_leaves()?, time);
        Ok(Follower::new(Parts {
            dir: self.dir,
            watcher: self.watcher,
            rows_sum: self.source.rows_sum,
            facts: self.source.facts,
            key: base.header().hash_key,
            basis,
            are_others_checked: true,
            index,
            table,
            time,
        }))
    }
}

/// The directory with what changed since.
fn overridden<K>(leaves: Vec<(u32, Leaf<K>)>, changes: DirectoryChanges<(u32, Leaf<K>)>) -> Vec<(u32, Leaf<K>)> {
    let mut other: Vec<u32> = changes.gone;
    other.extend(changes.leaves.iter().map(|(page, _)| *page));
    other.sort_unstable();
    let mut all = leaves;
    all.retain(|(page, _)| other.binary_search(page).is_err());
    all.extend(changes.leaves);
    all
}

/// Writes the delta of an index for other processes, if its base is the one that lies in the directory.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn publish_delta(dir: &DataDir, lock: &DirLock, base: &Base, delta: &DeltaFile) -> Result<()> {
    let is_its_base = permissions::open_trusted(&dir.index(), dir.database())
        .ok()
        .and_then(|file| Base::open(file).ok())
        .is_some_and(|there| there.header().base_id == base.header().base_id);
    if !is_its_base {
        return Ok(());
    }
    let file = TempFile::create(lock, "audit.idx-delta")?;
    file.file()
        .write_all(&delta.encode(base))
        .and_then(|()| permissions::copy_permissions(dir.database(), file.file()))
        .map_err(Error::io(&dir.index_delta(), "cannot write"))?;
    file.publish(&dir.index_delta()).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::dataset::SCHEMA_SQL;
    use crate::storage::index::{IfLocked, rebuild};
    use crate::storage::sqlite::wal::FramePosition;

    /// A log in this journal mode, and a connection that stays, so that a write-ahead log does.
    fn log(dir: &DataDir, journal_mode: &str) -> rusqlite::Connection {
        let writer = rusqlite::Connection::open(dir.database()).unwrap();
        let settings = format!("PRAGMA journal_mode = {journal_mode}; PRAGMA wal_autocheckpoint = 0;");
        writer.execute_batch(&format!("{settings} {SCHEMA_SQL}")).unwrap();
        insert(&writer, 1);
        // Where times have a grain, a young file proves nothing.
        std::thread::sleep(std::time::Duration::from_millis(50));
        writer
    }

    fn insert(writer: &rusqlite::Connection, id: i64) {
        let row = "INSERT INTO audit_events VALUES (?, 1, 1, 'A', 'T', 'R', 0, 1)";
        writer.execute(row, [id]).unwrap();
    }

    #[test]
    fn content_is_compared_by_the_end_of_the_log_or_the_change_counter() {
        for journal_mode in ["wal", "delete"] {
            let root = tempfile::tempdir().unwrap();
            let dir = DataDir::new(root.path());
            let writer = log(&dir, journal_mode);
            rebuild(&dir, IfLocked::GiveUp, &|_, _| {}).unwrap();
            let mut files = open(&dir).unwrap();
            let version = files.source.version.unwrap();
            let known = files.source.content;
            assert!(files.content_matches(&version), "{journal_mode}");
            assert_eq!(known.log.is_some(), journal_mode == "wal");
            if let Some(position) = known.log {
                let (mut salts, mut checksum) = (position.salts, position.checksum);
                (salts[0], checksum[1]) = (!salts[0], !checksum[1]);
                let later = position.frame + 1;
                let others = [
                    None,
                    Some(FramePosition { salts, ..position }),
                    Some(FramePosition { checksum, ..position }),
                    Some(FramePosition {
                        frame: later,
                        ..position
                    }),
                ];
                for other in others {
                    files.source.content.log = other;
                    assert!(!files.content_matches(&version), "{other:?}");
                }
            } else {
                files.source.content.change_counter ^= 1;
                assert!(!files.content_matches(&version));
            }
            files.source.content = known;
            assert!(files.content_matches(&version), "{journal_mode}");
            insert(&writer, 2);
            assert!(!files.content_matches(&version), "{journal_mode}: a commit");
        }
    }
}
