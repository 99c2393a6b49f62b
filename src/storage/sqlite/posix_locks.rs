//! Keeps connections that lock apart from those that do not.
//!
//! Closing any descriptor of a file drops every POSIX lock that the process has on it (fcntl(2)). SQLite keeps a descriptor
//! open while it knows of a lock on the file, but another thread can take one between that look and the close. So a
//! connection without locks is closed only while this process has none that locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The connections of a process, whichever databases they are connected to.
#[derive(Debug)]
struct Connections {
    locking: usize,
    /// Connections without locks that wait to be closed.
    parked: Vec<rusqlite::Connection>,
}

impl Connections {
    const fn none() -> Self {
        Connections {
            locking: 0,
            parked: Vec::new(),
        }
    }

    fn locking_ends(&mut self) {
        self.locking -= 1;
        if self.locking == 0 {
            self.parked.clear();
        }
    }

    fn close_without_locks(&mut self, connection: rusqlite::Connection) {
        if self.locking > 0 {
            self.parked.push(connection);
        }
        // Else it is closed here, before any other can be opened.
    }
}

type OfProcess = Mutex<Connections>;

static CONNECTIONS: OfProcess = Mutex::new(Connections::none());

fn lock(connections: &OfProcess) -> MutexGuard<'_, Connections> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lives from before a connection that locks is opened until after it is closed.
#[derive(Debug)]
pub(super) struct Locking(&'static OfProcess);

impl Locking {
    pub(super) fn new() -> Self {
        Self::among(&CONNECTIONS)
    }

    fn among(connections: &'static OfProcess) -> Self {
        lock(connections).locking += 1;
        Locking(connections)
    }
}

impl Drop for Locking {
    fn drop(&mut self) {
        lock(self.0).locking_ends();
    }
}

/// Closes a connection that takes no locks, as soon as that costs no other connection its locks.
pub(super) fn close_without_locks(connection: rusqlite::Connection) {
    lock(&CONNECTIONS).close_without_locks(connection);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::time::Duration;

    use super::{Connections, Locking, OfProcess, lock};
    use crate::error::Error;
    use crate::storage::data_dir::DataDir;
    use crate::storage::sqlite::Connection;

    /// The byte ranges of a file on which this process has POSIX locks (proc_locks(5)).
    ///
    /// The kernel hands that list out in pieces: a lock that somebody else takes or drops between two of them can leave a
    /// line out or repeat it. So many looks make one answer; a lock that is not there is in none of them.
    fn locks(file: &Path) -> BTreeSet<(String, String)> {
        let inode = format!(":{}", std::fs::metadata(file).unwrap().ino());
        let own = std::process::id().to_string();
        let mut ranges = BTreeSet::new();
        for _ in 0..20 {
            for line in std::fs::read_to_string("/proc/locks").unwrap().lines() {
                let fields: Vec<_> = line.split_whitespace().collect();
                if fields.get(1) == Some(&"POSIX") && fields[4] == own && fields[5].ends_with(&inode) {
                    ranges.insert((fields[6].to_owned(), fields[7].to_owned()));
                }
            }
        }
        ranges
    }

    /// How many descriptors of a file this process has open.
    fn descriptors(file: &Path) -> usize {
        let all = std::fs::read_dir("/proc/self/fd").unwrap();
        let targets = all.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        targets.filter(|target| target == file).count()
    }

    #[test]
    fn a_connection_without_locks_outlives_those_that_lock() {
        for journal_mode in ["delete", "wal"] {
            let root = tempfile::tempdir().unwrap();
            let dir = DataDir::new(&root.path().canonicalize().unwrap());
            let writer = rusqlite::Connection::open(dir.database()).unwrap();
            let sql = format!("PRAGMA journal_mode = {journal_mode}; CREATE TABLE t (x)");
            writer.execute_batch(&sql).unwrap();
            drop(writer);
            // Where times have a grain, a young file proves nothing.
            std::thread::sleep(Duration::from_millis(50));
            let unlocked = || Connection::open_immutable(&dir, Error::usage("nothing to read without locks")).unwrap();
            let (early, beside) = (unlocked(), unlocked());
            let watched = descriptors(dir.database());
            assert_eq!(
                watched, 4,
                "{journal_mode}: a descriptor each, and one by which each is watched"
            );

            let locking = Connection::open_file(dir.database()).unwrap();
            drop(early);
            assert_eq!(
                descriptors(dir.database()),
                watched,
                "{journal_mode}: closed although the next statement may lock"
            );
            let kept = locking.snapshot(|| {
                let held = locks(dir.database());
                assert!(!held.is_empty(), "{journal_mode}: nothing is locked");
                drop(beside);
                assert_eq!(locks(dir.database()), held, "{journal_mode}");
                Ok(())
            });
            kept.unwrap();
        }
    }

    /// Of a file that is nobody else's, so that its descriptors are those of the connections without locks alone.
    #[test]
    fn a_connection_is_closed_at_once_or_when_the_last_that_locks_is() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().canonicalize().unwrap().join("audit.db");
        let connect = || {
            let connection = rusqlite::Connection::open(&path).unwrap();
            connection.execute_batch("CREATE TABLE IF NOT EXISTS t (x)").unwrap();
            connection
        };
        let mut connections = Connections::none();
        connections.close_without_locks(connect());
        assert_eq!(descriptors(&path), 0);
        for _ in 0..2 {
            connections.locking += 2;
            connections.close_without_locks(connect());
            connections.locking_ends();
            connections.close_without_locks(connect());
            assert_eq!(descriptors(&path), 2);
            connections.locking_ends();
            assert_eq!(descriptors(&path), 0);
        }
    }

    #[test]
    fn who_locks_counts_for_as_long_as_it_lives() {
        static CONNECTIONS: OfProcess = OfProcess::new(Connections::none());
        let counts = || {
            let connections = lock(&CONNECTIONS);
            (connections.locking, connections.parked.len())
        };
        let [one, other] = [(); 2].map(|()| Locking::among(&CONNECTIONS));
        assert_eq!(counts(), (2, 0));
        lock(&CONNECTIONS).close_without_locks(rusqlite::Connection::open_in_memory().unwrap());
        drop(one);
        assert_eq!(counts(), (1, 1));
        drop(other);
        assert_eq!(counts(), (0, 0));
    }
}
