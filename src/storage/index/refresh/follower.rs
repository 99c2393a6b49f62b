//! An index that is brought to the database's present state whenever it is asked to.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::RefreshError;
use super::basis::Basis;
use super::leaf_hashes;
use super::page::TreePage;
use super::row_changes::{compare, merge_ranges};
use super::tree::{PageSet, Tree, TreeUpdate};
use super::verify::{self, FromScratch, Subject};
use super::wal_changes::{self, LogBasis, LogChanges};
use crate::error::Error;
use crate::model::Key;
use crate::storage::data_dir::DataDir;
use crate::storage::db_version::{DbVersion, DbWatcher, JournalMode, Look};
use crate::storage::fs::platform::FileState;
use crate::storage::fs::read_descriptor::open_forever;
use crate::storage::index::base::corrupted::Corrupted;
use crate::storage::index::base::leaf_directory::{TableLeaf, TimeLeaf};
use crate::storage::index::base::source::{ContentVersion, DatabaseFacts, Source};
use crate::storage::index::build::segment::Leaves;
use crate::storage::index::delta::{DeltaFile, DirectoryChanges, RowChanges};
use crate::storage::index::hash::{HashKey, entry_hash};
use crate::storage::index::select::Index;
use crate::storage::sqlite::btree::Malformed;
use crate::storage::sqlite::{Connection, Snapshot};

/// What may go into a refresh that a request waits for: leaf pages that are hashed, in bytes (a twentieth of a second's
/// worth), and pages that changed.
const INLINE_BYTES: u64 = 64 << 20;
const INLINE_PAGES: usize = 2_000;
/// More rows than this change only where a log is written anew as a whole.
const MOST_CHANGES: u64 = 100_000;
/// Leaves with overflow pages are read each time; so many of them cost as much as a small build.
const MOST_VOLATILE: usize = 64;

/// Refreshes that come within this time of each other share a connection.
const FREQUENT: Duration = Duration::from_millis(20);

/// How long a refresh may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Budget {
    /// So short that a request can wait for it: about 50 ms.
    Inline,
    /// As long as it takes.
    Any,
}

/// How the pages that changed were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The write-ahead log names them.
    Frames,
    /// Their hashes differ.
    Hashes,
}

/// An index of the state that the database was in during the refresh.
#[derive(Debug)]
pub(crate) struct Refreshed {
    pub(crate) watcher: Arc<DbWatcher>,
    /// There if the index may be used as long as the version holds.
    pub(crate) version: Option<DbVersion>,
    pub(crate) index: Index,
    /// What differs from the state that the follower was in before.
    pub(crate) changes: RowChanges,
    pub(crate) way: Way,
}

/// What is known of the database beside the index, so that what changed can be found.
#[derive(Debug)]
pub(crate) struct Follower {
    dir: DataDir,
    watcher: Arc<DbWatcher>,
    index: Index,
    table: Tree<i64>,
    /// `None` where the database has no index on `created_at`.
    time: Option<Tree<Key>>,
    /// Of the hashes of all rows' places in the order, modulo 2^64.
    rows_sum: u64,
    facts: DatabaseFacts,
    key: HashKey,
    basis: Basis,
    are_others_checked: bool,
    connection: Option<KeptConnection>,
    refreshed_at: Option<Instant>,
    /// Of the last refresh, as in [`Refreshed`].
    version: Option<DbVersion>,
    change_counter: u32,
}

/// A connection, and the state of the database file when it was opened: SQLite keeps pages in memory, and would trust
/// them even where the file was overwritten by something else than SQLite.
#[derive(Debug)]
struct KeptConnection {
    connection: Connection,
    database: FileState,
}

/// What a follower begins with.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) dir: DataDir,
    pub(crate) watcher: Arc<DbWatcher>,
    pub(crate) index: Index,
    /// The leaf pages, each as it was when its rows were read.
    pub(crate) table: Vec<TableLeaf>,
    pub(crate) time: Vec<TimeLeaf>,
    pub(crate) rows_sum: u64,
    pub(crate) facts: DatabaseFacts,
    pub(crate) key: HashKey,
    pub(crate) basis: Basis,
    /// Whether the table's other indexes are known to be sound.
    pub(crate) are_others_checked: bool,
}

impl Parts {
    /// What a file says of them that holds no version.
    pub(crate) fn source(&self) -> Source {
        Source {
            version: None,
            content: ContentVersion::default(),
            facts: self.facts,
            rows_sum: self.rows_sum,
        }
    }
}

/// What a snapshot says.
struct Found {
    table: TreeUpdate<i64>,
    time: Option<TreeUpdate<Key>>,
    rows: RowChanges,
    rows_sum: u64,
    log: Option<LogBasis>,
    change_counter: u32,
}

impl Follower {
    /// Begins with an index of some state, or of no one state: the first refresh finds all that differs.
    pub(crate) fn new(parts: Parts) -> Self {
        let has_time_index = parts.facts.time_root != 0;
        Follower {
            table: Tree::new(parts.facts.table_root, parts.table),
            time: has_time_index.then(|| Tree::new(parts.facts.time_root, parts.time)),
            dir: parts.dir,
            watcher: parts.watcher,
            index: parts.index,
            rows_sum: parts.rows_sum,
            facts: parts.facts,
            key: parts.key,
            basis: parts.basis,
            are_others_checked: parts.are_others_checked,
            connection: None,
            refreshed_at: None,
            version: None,
            change_counter: 0,
        }
    }

    /// The index as of the last refresh.
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// What the index was made from, as of the last refresh.
    pub(crate) fn source(&self) -> Source {
        Source {
            version: self.version,
            content: ContentVersion {
                change_counter: self.change_counter,
                log: self.basis.log.as_ref().map(|log| log.position),
            },
            facts: self.facts,
            rows_sum: self.rows_sum,
        }
    }

    /// What differs from the base, as the delta's file holds it.
    ///
    /// # Errors
    /// The base is corrupt.
    pub(crate) fn delta_file(&self) -> Result<DeltaFile, Corrupted> {
        let base = self.index.base();
        Ok(DeltaFile {
            source: self.source(),
            delta: self.index.delta().clone(),
            table: self.table.changes_since(&base.table_leaves()?),
            time: match &self.time {
                Some(time) => time.changes_since(&base.time_leaves()?),
                None => DirectoryChanges::default(),
            },
        })
    }

    /// A copy of what is known, to go on from with another base.
    pub(crate) fn parts(&self) -> Parts {
        Parts {
            dir: self.dir.clone(),
            watcher: Arc::clone(&self.watcher),
            index: self.index.clone(),
            table: self.table.in_order(),
            time: self.time.as_ref().map_or_else(Vec::new, Tree::in_order),
            rows_sum: self.rows_sum,
            facts: self.facts,
            key: self.key,
            basis: self.basis.clone(),
            are_others_checked: self.are_others_checked,
        }
    }

    /// Brings the index to a state that the database has after this call began.
    ///
    /// # Errors
    /// [`RefreshError`]. The index then is what it was.
    pub(crate) fn refresh(&mut self, budget: Budget) -> Result<Refreshed, RefreshError> {
        self.follow_path()?;
        let kept = self.connect()?;
        let refreshed = self.refresh_by(&kept.connection, budget);
        // A connection to a log in WAL mode keeps others from leaving that mode, so one is kept only while refreshes
        // follow each other.
        let is_frequent = self.refreshed_at.is_some_and(|last| last.elapsed() < FREQUENT);
        self.connection = is_frequent.then_some(kept);
        self.refreshed_at = Some(Instant::now());
        refreshed
    }

    /// Closes the connection that is kept for the next refresh.
    pub(crate) fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Looks where the database's path leads now.
    fn follow_path(&mut self) -> Result<(), RefreshError> {
        if !self.watcher.is_at_its_path_now() {
            let unreadable = |error| Error::io(self.dir.database(), "cannot look at")(error);
            let watcher = DbWatcher::open(&self.dir).map_err(unreadable)?;
            let Some(watcher) = watcher else {
                return Err(RefreshError::Failed(unreadable(std::io::ErrorKind::NotFound.into())));
            };
            self.watcher = Arc::new(watcher);
            self.basis = Basis::default();
            self.connection = None;
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<KeptConnection, Error> {
        let database = self.watcher.database_state()?;
        match self.connection.take() {
            Some(kept) if kept.database == database && kept.connection.is_usable() => Ok(kept),
            // Closed only when there is a new one: the last connection that closes makes SQLite start anew.
            _old => Ok(KeptConnection {
                connection: Connection::open_eager(&self.dir)?,
                database,
            }),
        }
    }

    fn refresh_by(&mut self, connection: &Connection, budget: Budget) -> Result<Refreshed, RefreshError> {
        let salts = wal_changes::salts(&self.watcher.files().wal).ok().flatten();
        let before = self.watcher.look(|| connection.journal_mode())?;
        let mut way = match self.basis.database {
            Some(then) if then == before.database => Way::Frames,
            _ => Way::Hashes,
        };
        loop {
            let found = connection.read_snapshot(|snapshot| {
                let then = verify::is_on().then(|| self.watcher.database_state().ok()).flatten();
                let found = self.read(snapshot, &before, salts, way, budget)?;
                Ok((found, verify::is_on().then(|| self.build_from_scratch(snapshot, then))))
            });
            let after = self.watcher.look(|| connection.journal_mode())?;
            match found {
                // Whatever moved the file, the log does not tell of it.
                Ok(_) if way == Way::Frames && after.database != before.database => way = Way::Hashes,
                Err(RefreshError::Unproven) if way == Way::Frames => way = Way::Hashes,
                Err(error) => return Err(error),
                Ok((found, from_scratch)) => {
                    let refreshed = self.take_over(found, &before, &after, way)?;
                    match from_scratch {
                        None => {}
                        Some(None) => verify::skip(),
                        Some(Some(expected)) => verify::check(expected, self.subject()),
                    }
                    return Ok(refreshed);
                }
            }
        }
    }

    /// What a build makes of a snapshot; `None` if the database file is no longer as it was. While a snapshot is held no
    /// commit writes to it, but a checkpoint does, and so may what is not SQLite, which heeds no snapshot.
    fn build_from_scratch(
        &self,
        snapshot: &mut Snapshot<'_>,
        then: Option<FileState>,
    ) -> Option<Result<FromScratch, RefreshError>> {
        let built = FromScratch::build(snapshot, &self.facts, self.key);
        let now = self.watcher.database_state().ok();
        (now.is_some() && now == then).then_some(built)
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            index: &self.index,
            leaves: Leaves {
                table: self.table.in_order(),
                time: self.time.as_ref().map_or_else(Vec::new, Tree::in_order),
            },
            rows_sum: self.rows_sum,
        }
    }

    /// Reads what changed.
    fn read(
        &self,
        snapshot: &mut Snapshot<'_>,
        before: &Look,
        salts: Option<[u32; 2]>,
        way: Way,
        budget: Budget,
    ) -> Result<Found, RefreshError> {
        self.check_schema(snapshot, way)?;
        // SQLite keeps its indexes true, so only what no commit can have done makes another look necessary.
        let must_check = self.facts.has_other_indexes && (way == Way::Hashes || !self.are_others_checked);
        if must_check && !snapshot.is_intact()? {
            return Err(RefreshError::Rebuild("the database is damaged".to_owned()));
        }
        let log = self.read_log(before, salts, way);
        let (changed, log) = match way {
            Way::Frames => {
                let log = log.ok_or(RefreshError::Unproven)?;
                if log.is_same && before.wal != self.basis.wal {
                    // Something else than a commit wrote to the log.
                    return Err(RefreshError::Unproven);
                }
                (log.since, log.basis)
            }
            Way::Hashes => {
                let changed = self.changed_by_hashes(snapshot, log.as_ref().map(|log| &log.overlay), budget)?;
                (changed, log.and_then(|log| log.basis))
            }
        };
        if budget == Budget::Inline && changed.len() > INLINE_PAGES + self.inner_pages().count() {
            return Err(RefreshError::TooLong);
        }
        self.read_changed(snapshot, &changed, log)
    }

    /// Whether table and index are where they were, and what they were.
    fn check_schema(&self, snapshot: &mut Snapshot<'_>, way: Way) -> Result<(), RefreshError> {
        let now = DatabaseFacts {
            table_root: self.facts.table_root,
            time_root: self.facts.time_root,
            has_other_indexes: self.facts.has_other_indexes,
            ..DatabaseFacts::without_roots(snapshot, self.key)?
        };
        // A file that is another one altogether may have the same first page.
        let is_at = |root: u32, name| Ok::<_, Error>(root == 0 || snapshot.root(name)? == Some(root));
        let are_roots_same =
            way == Way::Frames || (is_at(now.table_root, "audit_events")? && is_at(now.time_root, "idx_created_at")?);
        if now == self.facts && are_roots_same {
            Ok(())
        } else {
            Err(RefreshError::Rebuild("the schema is another one".to_owned()))
        }
    }

    fn read_log(&self, before: &Look, salts: Option<[u32; 2]>, way: Way) -> Option<LogChanges> {
        let JournalMode::Wal { frames } = before.mode else {
            // Where a journal is played back, nothing overlays the file.
            return Some(LogChanges::default());
        };
        let wal = &self.watcher.files().wal;
        wal_changes::read(wal, frames, salts, self.basis.log.as_ref(), way == Way::Hashes).ok()
    }

    fn changed_by_hashes(
        &self,
        snapshot: &mut Snapshot<'_>,
        overlay: Option<&PageSet>,
        budget: Budget,
    ) -> Result<PageSet, RefreshError> {
        let leaves = self.table.leaves().len() + self.time.as_ref().map_or(0, |time| time.leaves().len());
        if budget == Budget::Inline && leaves as u64 * u64::from(self.facts.page_size) > INLINE_BYTES {
            return Err(RefreshError::TooLong);
        }
        let mut hashes = Vec::with_capacity(leaves);
        hashes.extend(self.table.leaves().map(|(page, leaf)| (page, leaf.hash)));
        if let Some(time) = &self.time {
            hashes.extend(time.leaves().map(|(page, leaf)| (page, leaf.hash)));
        }
        // Where the log does not tell which pages it overlays, and where no descriptor is to be had, SQLite reads.
        let path = self.watcher.files().database();
        let file = overlay.and_then(|_| open_forever(path, self.watcher.identity()).ok().flatten());
        let nothing = PageSet::default();
        let overlay = overlay.unwrap_or(&nothing);
        let mut changed = leaf_hashes::changed(snapshot, file.as_deref(), overlay, hashes, self.key)?;
        changed.extend(self.inner_pages());
        Ok(changed)
    }

    fn inner_pages(&self) -> impl Iterator<Item = u32> {
        let time = self.time.iter().flat_map(Tree::inner_pages);
        self.table.inner_pages().chain(time)
    }

    fn read_changed(
        &self,
        snapshot: &mut Snapshot<'_>,
        changed: &PageSet,
        log: Option<LogBasis>,
    ) -> Result<Found, RefreshError> {
        let usable = snapshot.header().usable();
        let no_page = || Malformed("a page of the tree is not there");
        let table = self.table.update(changed, &mut |page| {
            let bytes = snapshot.page(page)?.ok_or_else(no_page)?;
            Ok(TreePage::parse(bytes, page, usable, self.key)?)
        })?;
        let time = self.time.as_ref().map(|time| {
            time.update(changed, &mut |page| {
                let bytes = snapshot.page(page)?.ok_or_else(no_page)?;
                Ok(TreePage::parse(bytes, page, usable, self.key)?)
            })
        });
        let time = time.transpose()?;
        let ranges = merge_ranges(table.ranges());
        let rows = self.compare_rows(snapshot, &ranges)?;
        let sum = |keys: &mut dyn Iterator<Item = Key>| {
            keys.fold(0_u64, |sum, key| {
                sum.wrapping_add(entry_hash(self.key, key.created_at, key.id))
            })
        };
        let rows_sum = self
            .rows_sum
            .wrapping_sub(sum(&mut rows.removed.iter().copied()))
            .wrapping_add(sum(&mut rows.added.iter().map(|row| row.key)));
        let found = Found {
            table,
            time,
            rows,
            rows_sum,
            log,
            change_counter: snapshot.header().change_counter,
        };
        self.check(&found)?;
        Ok(found)
    }

    /// The rows that are other ones than in the index.
    fn compare_rows(
        &self,
        snapshot: &Snapshot<'_>,
        ranges: &[RangeInclusive<i64>],
    ) -> Result<RowChanges, RefreshError> {
        let (mut changes, mut texts) = (RowChanges::default(), 0);
        for ids in ranges {
            let old = self.index.rows_in(ids)?;
            compare(snapshot, ids, old, &mut changes, &mut texts)?;
            if changes.len() > MOST_CHANGES {
                return Err(RefreshError::Rebuild("almost everything is different".to_owned()));
            }
        }
        Ok(changes)
    }

    /// The service reads through its index on `created_at`: where that does not say what the table says, only SQLite knows
    /// what the service would answer.
    fn check(&self, found: &Found) -> Result<(), RefreshError> {
        let events = self.index.events() + found.rows.added.len() as u64 - found.rows.removed.len() as u64;
        let differs = |what: &str| Err(RefreshError::Rebuild(what.to_owned()));
        if found.table.entries() != events {
            return differs("the table's pages hold another number of rows than were read");
        }
        if let Some(time) = &found.time
            && (time.entries() != events || time.sum() != found.rows_sum)
        {
            return differs("the database's index on created_at differs from its table");
        }
        Ok(())
    }

    fn take_over(&mut self, found: Found, before: &Look, after: &Look, way: Way) -> Result<Refreshed, RefreshError> {
        let changes = found.rows;
        if !changes.is_empty() {
            self.index = self.index.changed(changes.clone())?;
        }
        self.table.apply(found.table);
        if let Some((time, update)) = self.time.as_mut().zip(found.time) {
            time.apply(update);
        }
        self.rows_sum = found.rows_sum;
        let is_still = before.database == after.database && before.proves_database();
        self.basis = Basis {
            database: is_still.then_some(before.database),
            wal: before.wal,
            log: found.log,
        };
        self.are_others_checked = true;
        self.change_counter = found.change_counter;
        self.version = (before == after).then(|| before.version()).flatten();
        let volatile = self.table.volatile() + self.time.as_ref().map_or(0, Tree::volatile);
        if volatile > MOST_VOLATILE {
            return Err(RefreshError::Rebuild(
                "too many rows go on in overflow pages".to_owned(),
            ));
        }
        Ok(Refreshed {
            watcher: Arc::clone(&self.watcher),
            version: self.version,
            index: self.index.clone(),
            changes,
            way,
        })
    }
}
