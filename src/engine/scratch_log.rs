//! A log for the unit tests of the engines, its writer, and what an engine said of it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::live::Live;
use super::{Enhanced, Lifetime, Notify};
use crate::contract::dataset::SCHEMA_SQL;
use crate::storage::data_dir::DataDir;
use crate::storage::index::{IfLocked, rebuild};

/// One a second; each of seven actors has a seventh of them.
pub(super) const EVENTS: u64 = 3_000;

#[derive(Debug)]
pub(super) struct ScratchLog {
    pub(super) dir: DataDir,
    pub(super) writer: rusqlite::Connection,
    said: Arc<Mutex<Vec<String>>>,
    _place: tempfile::TempDir,
}

impl ScratchLog {
    pub(super) fn new(journal: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let dir = DataDir::new(place.path());
        let writer = rusqlite::Connection::open(dir.database()).unwrap();
        let rows = format!(
            "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {EVENTS})
             INSERT INTO audit_events SELECT id, id, id % 7, 'LOGIN', 'T', 'R', 0, 2 FROM n;"
        );
        writer
            .execute_batch(&format!("PRAGMA journal_mode = {journal}; {SCHEMA_SQL} {rows}"))
            .unwrap();
        std::fs::write(dir.payloads(), "{}\n").unwrap();
        ScratchLog {
            dir,
            writer,
            said: Arc::default(),
            _place: place,
        }
    }

    pub(super) fn with_index(journal: &str) -> Self {
        let log = ScratchLog::new(journal);
        rebuild(&log.dir, IfLocked::GiveUp, &|_, _| {}).unwrap();
        log
    }

    pub(super) fn run(&self, sql: &str) {
        self.writer.execute_batch(sql).unwrap();
    }

    /// Appends so many events in one commit, all at one time.
    pub(super) fn append(&self, many: u64) {
        self.run(&format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {many})
             INSERT INTO audit_events SELECT m + i, 9999, 1, 'NEW', 'T', 'R', 0, 2
             FROM n, (SELECT max(id) AS m FROM audit_events)"
        ));
    }

    pub(super) fn open(&self) -> Live {
        Live::open(&self.dir, self.listener())
    }

    pub(super) fn enhanced(&self, lifetime: Lifetime) -> Enhanced {
        Enhanced::open(&self.dir, lifetime, self.listener())
    }

    fn listener(&self) -> Notify {
        let said = Arc::clone(&self.said);
        Box::new(move |_, line| said.lock().unwrap().push(line.to_owned()))
    }

    /// What was said and not forgotten so far.
    pub(super) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// How many of the lines that were said so far hold this; they are forgotten.
    pub(super) fn times_said(&self, what: &str) -> usize {
        let said = std::mem::take(&mut *self.said.lock().unwrap());
        said.iter().filter(|line| line.contains(what)).count()
    }

    /// Leaves the write-ahead log's mode, if nobody else has the database open: `false` where somebody has.
    pub(super) fn leaves_wal(&self) -> bool {
        let mode = self
            .writer
            .query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0));
        mode.is_ok_and(|mode| mode == "delete")
    }

    /// Has an engine keep its connection, as it does for refreshes that follow each other.
    pub(super) fn keep_connection(&self, live: &Live) {
        wait_until("no connection is kept", || {
            self.run("PRAGMA journal_mode = WAL");
            for _ in 0..3 {
                live.refresh_long().unwrap();
            }
            !self.leaves_wal()
        });
    }
}

/// Waits until it is so; only a hang outlasts its patience. `what` is wrong until then.
pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(120), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
