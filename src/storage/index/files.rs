//! `audit.idx` and `audit.idx-delta`: opened, and brought up to date for other processes.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::base::corrupted::Corrupted;
use super::base::leaf_directory::{Leaf, TableLeaf, TimeLeaf};
use super::base::reader::Base;
use super::base::source::Source;
use super::delta::{DeltaFile, DirectoryChanges};
use super::refresh::basis::Basis;
use super::refresh::follower::{Follower, Parts, Refreshed};
use super::refresh::wal_changes::LogBasis;
use super::select::Index;
use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;
use crate::storage::db_version::{DbVersion, DbWatcher, Journal};
use crate::storage::fs::atomic_file::TempFile;
use crate::storage::fs::dir_lock::DirLock;
use crate::storage::fs::platform;
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
    index: Index,
    source: Source,
    table: DirectoryChanges<TableLeaf>,
    time: DirectoryChanges<TimeLeaf>,
}

/// Opens the index of a log.
///
/// # Errors
/// Why it is not to be used.
pub(crate) fn open(dir: &DataDir) -> std::result::Result<OpenFiles, String> {
    let file = open_ours(dir, &dir.index())?;
    let base = Base::open(file).map_err(|corrupted| corrupted.to_string())?;
    let watcher = DbWatcher::open(dir).map_err(|error| error.to_string())?;
    let watcher = Arc::new(watcher.ok_or("there is no database")?);
    let mut source = base.header().source;
    let inode = watcher.database_state().map_err(|error| error.to_string())?.inode;
    if source.version.is_some_and(|version| version.database.inode != inode) {
        return Err("it is of another database file".to_owned());
    }
    let base = Arc::new(base);
    let mut files = match read_delta(dir, &base) {
        Some(delta) => {
            source = delta.source;
            OpenFiles {
                dir: dir.clone(),
                watcher,
                index: Index::new(base, delta.delta),
                source,
                table: delta.table,
                time: delta.time,
            }
        }
        None => OpenFiles {
            dir: dir.clone(),
            watcher,
            index: Index::new(base, super::delta::Delta::default()),
            source,
            table: DirectoryChanges::default(),
            time: DirectoryChanges::default(),
        },
    };
    // After a power failure the files can be older ones under the same times.
    let is_same = files
        .source
        .version
        .is_some_and(|version| files.watcher.matches(&version) && files.content_matches(&version));
    if !is_same
        && files
            .source
            .version
            .is_some_and(|version| files.watcher.matches(&version))
    {
        files.source.version = None;
        files.source.content.log = None;
    }
    Ok(files)
}

/// Opens a file that only we, or who may write the database, can have written.
fn open_ours(dir: &DataDir, path: &Path) -> std::result::Result<File, String> {
    // Whatever lies there, opening it waits for nobody.
    let file = platform::open_without_waiting(path).map_err(|error| error.to_string())?;
    let is_ours = platform::has_permissions_of(dir.database(), &file).map_err(|error| error.to_string())?;
    let is_file = file.metadata().is_ok_and(|file| file.is_file());
    if is_ours && is_file {
        Ok(file)
    } else {
        Err("its owner or permissions are not those of the database".to_owned())
    }
}

/// The delta of a base; `None` where there is none that can be used.
fn read_delta(dir: &DataDir, base: &Base) -> Option<DeltaFile> {
    let mut bytes = Vec::new();
    open_ours(dir, &dir.index_delta()).ok()?.read_to_end(&mut bytes).ok()?;
    DeltaFile::decode(&bytes, base).ok()
}

impl OpenFiles {
    /// What the files know.
    pub(crate) fn state(&self) -> IndexState {
        IndexState {
            watcher: Arc::clone(&self.watcher),
            version: self.source.version,
            index: Ok(self.index.clone()),
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

    /// How many leaf pages the trees had.
    pub(crate) fn leaves(&self) -> u64 {
        let counts = self.index.base().header().counts;
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
    pub(crate) fn into_follower(self) -> std::result::Result<Follower, Corrupted> {
        let base = self.index.base();
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
        let table = overridden(base.table_leaves()?, self.table);
        let time = overridden(base.time_leaves()?, self.time);
        Ok(Follower::new(Parts {
            dir: self.dir,
            watcher: self.watcher,
            rows_sum: self.source.rows_sum,
            facts: self.source.facts,
            key: base.header().hash_key,
            basis,
            are_others_checked: true,
            index: self.index,
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
    let is_its_base = File::open(dir.index())
        .ok()
        .and_then(|file| Base::open(file).ok())
        .is_some_and(|there| there.header().base_id == base.header().base_id);
    if !is_its_base {
        return Ok(());
    }
    let file = TempFile::create(lock, "audit.idx-delta")?;
    file.file()
        .write_all(&delta.encode(base))
        .and_then(|()| platform::copy_permissions(dir.database(), file.file()))
        .map_err(Error::io(&dir.index_delta(), "cannot write"))?;
    file.publish(&dir.index_delta()).map(|_| ())
}
