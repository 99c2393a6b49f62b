//! Databases for the tests of this folder, as SQLite itself writes them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tempfile::TempDir;

use super::pages::{DatabaseHeader, PageReader};
use crate::contract::dataset::SCHEMA_SQL;

/// A log as the contract has it, without events.
pub(super) fn new_log(journal: &str) -> (TempDir, Connection) {
    let dir = tempfile::tempdir().unwrap();
    let sqlite = Connection::open(dir.path().join("audit.db")).unwrap();
    sqlite
        .execute_batch(&format!("PRAGMA journal_mode = {journal}; {SCHEMA_SQL}"))
        .unwrap();
    (dir, sqlite)
}

/// Runs `read`, and in a thread beside it `write`, with a rollback journal, from when `read` asks for it: what it is
/// given returns when the writer is about to keep those who begin to read waiting.
pub(super) fn beside_a_commit(
    dir: &TempDir,
    writer: Connection,
    write: impl FnOnce(&Connection) + Send,
    read: impl FnOnce(&dyn Fn()),
) {
    writer.busy_timeout(Duration::from_secs(60)).unwrap();
    let (begin, asked) = std::sync::mpsc::channel();
    std::thread::scope(move |scope| {
        scope.spawn(move || {
            asked.recv().unwrap();
            write(&writer);
        });
        read(&|| {
            begin.send(()).unwrap();
            let (start, journal) = (Instant::now(), dir.path().join("audit.db-journal"));
            while !journal.exists() {
                assert!(start.elapsed() < Duration::from_secs(60), "the writer does not begin");
                std::thread::sleep(Duration::from_millis(1));
            }
        });
    });
}

/// A log's table and index, empty, in a directory of its own.
pub(super) struct ScratchDb {
    pub(super) connection: Connection,
    dir: TempDir,
}

impl ScratchDb {
    /// `journal` is a journal mode; `reserved` bytes of each page are kept from b-trees.
    pub(super) fn new(page_size: u32, reserved: u8, journal: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(&format!("PRAGMA page_size = {page_size}; PRAGMA user_version = 1"))
            .unwrap();
        drop(connection);
        // No SQL reserves bytes. The one page that there is holds an empty table.
        let mut page_1 = std::fs::read(&path).unwrap();
        assert_eq!(page_1.len(), page_size as usize);
        page_1[20] = reserved;
        let cells_start = page_size - u32::from(reserved);
        page_1[105..107].copy_from_slice(&cells_start.to_be_bytes()[2..]);
        std::fs::write(&path, page_1).unwrap();

        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA synchronous = OFF;
                 PRAGMA journal_mode = {journal};
                 CREATE TABLE audit_events (
                     id INTEGER PRIMARY KEY AUTOINCREMENT,
                     created_at INTEGER NOT NULL,
                     action TEXT NOT NULL
                 );
                 CREATE INDEX idx_created_at ON audit_events (created_at);"
            ))
            .unwrap();
        ScratchDb { connection, dir }
    }

    /// A database whose files have the given bytes, as if a machine had crashed: opening it recovers the log.
    pub(super) fn recovered(database: &[u8], wal: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.db");
        std::fs::write(&path, database).unwrap();
        std::fs::write(dir.path().join("audit.db-wal"), wal).unwrap();
        let connection = Connection::open(&path).unwrap();
        ScratchDb { connection, dir }
    }

    /// Inserts `count` rows in one transaction, with actions of up to `action_len` bytes.
    pub(super) fn insert(&self, count: u32, action_len: u32) {
        let transaction = self.connection.unchecked_transaction().unwrap();
        self.insert_uncommitted(count, action_len);
        transaction.commit().unwrap();
    }

    pub(super) fn insert_uncommitted(&self, count: u32, action_len: u32) {
        let insert = "INSERT INTO audit_events (created_at, action)
                      VALUES (1767052800 - (?1 * 7919) % 2592000, substr(hex(zeroblob(?2)), 1, ?1 * 31 % (?2 + 1)))";
        let mut statement = self.connection.prepare_cached(insert).unwrap();
        for number in 0..count {
            statement.execute([number, action_len]).unwrap();
        }
    }

    pub(super) fn execute(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    pub(super) fn database(&self) -> PathBuf {
        self.dir.path().join("audit.db")
    }

    pub(super) fn wal(&self) -> PathBuf {
        self.dir.path().join("audit.db-wal")
    }

    /// How many frames of the log SQLite says are committed.
    pub(super) fn committed_frames(&self) -> u64 {
        // -1 is no number of frames: a writer is just about to say another one.
        let ask = |_| u64::try_from(self.number_of("PRAGMA wal_checkpoint(NOOP)", 1)).ok();
        (0..100_000).find_map(ask).unwrap()
    }

    pub(super) fn header(&self) -> DatabaseHeader {
        DatabaseHeader::parse(&self.page(1)).unwrap()
    }

    pub(super) fn page(&self, number: u32) -> Vec<u8> {
        let mut page = Vec::new();
        let mut reader = PageReader::new(&self.connection).unwrap();
        assert!(reader.read(number, &mut page).unwrap(), "page {number}");
        page
    }

    /// Every page of the database.
    pub(super) fn pages(&self) -> Vec<Vec<u8>> {
        let count = self.number("PRAGMA page_count");
        (1..=u32::try_from(count).unwrap())
            .map(|number| self.page(number))
            .collect()
    }

    pub(super) fn root(&self, name: &str) -> u32 {
        let root = self.number(&format!("SELECT rootpage FROM sqlite_schema WHERE name = '{name}'"));
        root.try_into().unwrap()
    }

    pub(super) fn number(&self, sql: &str) -> i64 {
        self.number_of(sql, 0)
    }

    fn number_of(&self, sql: &str, column: usize) -> i64 {
        self.connection.query_row(sql, [], |row| row.get(column)).unwrap()
    }

    /// Two columns of integers.
    pub(super) fn pairs(&self, sql: &str) -> Vec<(i64, i64)> {
        let mut statement = self.connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    }
}
