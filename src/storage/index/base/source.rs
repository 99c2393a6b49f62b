//! What an index was made from: the state of the database that it tells.

use super::codec::{Fixed, Input};
use super::corrupted::Corrupted;
use crate::storage::db_version::{DbVersion, Journal};
use crate::storage::fs::platform::FileState;
use crate::storage::sqlite::wal::FramePosition;

/// The state of the database that an index, or an index with its delta, tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// What the file system said; `None` where commits went on while it was read, so that it tells no state that could
    /// be found again.
    pub(crate) version: Option<DbVersion>,
    pub(crate) content: ContentVersion,
    pub(crate) facts: DatabaseFacts,
    /// The sum of the keyed hashes of all rows' places in the order, modulo 2^64.
    pub(crate) rows_sum: u64,
}

/// What the files themselves say of their state. After a power failure, a file can be an older one under the same times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContentVersion {
    /// Bytes 24 to 27 of the database file.
    pub(crate) change_counter: u32,
    /// The end of the committed frames of the write-ahead log; `None` where it has none.
    pub(crate) log: Option<FramePosition>,
}

/// Where the trees of the database lie. As long as nothing of this changes, neither does the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DatabaseFacts {
    /// Bytes.
    pub(crate) page_size: u32,
    /// Bytes at the end of each page that trees do not use.
    pub(crate) reserved: u32,
    pub(crate) schema_cookie: u32,
    /// The table's first page.
    pub(crate) table_root: u32,
    /// The first page of its index on `created_at`; 0 where there is none.
    pub(crate) time_root: u32,
    /// Whether the table has indexes that SQLite may prefer to the one on `created_at`.
    pub(crate) has_other_indexes: bool,
    /// Keyed, of page 1 behind its first 100 bytes: it holds the schema, or the first page of it.
    pub(crate) schema_hash: u64,
}

impl Fixed for Source {
    const SIZE: usize = DbVersion::SIZE + ContentVersion::SIZE + DatabaseFacts::SIZE + 8;

    fn put(&self, out: &mut Vec<u8>) {
        self.version.put(out);
        self.content.put(out);
        self.facts.put(out);
        self.rows_sum.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, Corrupted> {
        Ok(Source {
            version: input.take()?,
            content: input.take()?,
            facts: input.take()?,
            rows_sum: input.take()?,
        })
    }
}

impl DbVersion {
    const SIZE: usize = 2 * FileState::SIZE + 8;
}

impl Fixed for Option<DbVersion> {
    const SIZE: usize = DbVersion::SIZE;

    fn put(&self, out: &mut Vec<u8>) {
        let none = FileState::default();
        let (tag, database, wal) = match *self {
            None => (3_u64, none, none),
            Some(DbVersion { database, journal }) => match journal {
                Journal::Rollback => (0, database, none),
                Journal::WalEmpty => (1, database, none),
                Journal::Wal(wal) => (2, database, wal),
            },
        };
        database.put(out);
        tag.put(out);
        wal.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, Corrupted> {
        let database = input.take()?;
        let tag = input.take::<u64>()?;
        let wal = input.take()?;
        let journal = match tag {
            0 => Journal::Rollback,
            1 => Journal::WalEmpty,
            2 => Journal::Wal(wal),
            3 => return Ok(None),
            _ => return Err(Corrupted::new("there is no such journal mode")),
        };
        Ok(Some(DbVersion { database, journal }))
    }
}

impl Fixed for FileState {
    const SIZE: usize = 32;

    fn put(&self, out: &mut Vec<u8>) {
        [self.inode, self.size].put(out);
        [self.mtime_ns, self.ctime_ns].put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, Corrupted> {
        let [inode, size] = input.take()?;
        let [mtime_ns, ctime_ns] = input.take()?;
        Ok(FileState {
            inode,
            size,
            mtime_ns,
            ctime_ns,
        })
    }
}

impl Fixed for ContentVersion {
    const SIZE: usize = 32;

    fn put(&self, out: &mut Vec<u8>) {
        let log = self.log.unwrap_or(FramePosition {
            frame: 0,
            salts: [0; 2],
            checksum: [0; 2],
        });
        self.change_counter.put(out);
        u32::from(self.log.is_some()).put(out);
        log.frame.put(out);
        log.salts.put(out);
        log.checksum.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, Corrupted> {
        let [change_counter, has_log] = input.take::<[u32; 2]>()?;
        let position = FramePosition {
            frame: input.take()?,
            salts: input.take()?,
            checksum: input.take()?,
        };
        Ok(ContentVersion {
            change_counter,
            log: (has_log != 0).then_some(position),
        })
    }
}

impl Fixed for DatabaseFacts {
    const SIZE: usize = 32;

    fn put(&self, out: &mut Vec<u8>) {
        [
            self.page_size,
            self.reserved,
            self.schema_cookie,
            self.table_root,
            self.time_root,
        ]
        .put(out);
        u32::from(self.has_other_indexes).put(out);
        self.schema_hash.put(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, Corrupted> {
        let [page_size, reserved, schema_cookie, table_root, time_root, others] = input.take()?;
        Ok(DatabaseFacts {
            page_size,
            reserved,
            schema_cookie,
            table_root,
            time_root,
            has_other_indexes: others != 0,
            schema_hash: input.take()?,
        })
    }
}
