//! Keeps connections that lock apart from those that do not.
//!
//! Closing any descriptor of a file drops every POSIX lock that the process has on it (fcntl(2)). SQLite sees to that for
//! the connections that lock; one that takes no locks closes its descriptor at once. So such a one is closed only while
//! the process has no locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The connections of this process, whichever databases they are connected to.
struct Connections {
    locking: usize,
    /// Connections without locks that wait to be closed.
    parked: Vec<rusqlite::Connection>,
}

static CONNECTIONS: Mutex<Connections> = Mutex::new(Connections {
    locking: 0,
    parked: Vec::new(),
});

fn connections() -> MutexGuard<'static, Connections> {
    CONNECTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lives from before a connection that locks is opened until after it is closed.
#[derive(Debug)]
pub(super) struct Locking(());

impl Locking {
    pub(super) fn new() -> Self {
        connections().locking += 1;
        Locking(())
    }
}

impl Drop for Locking {
    fn drop(&mut self) {
        let mut connections = connections();
        connections.locking -= 1;
        if connections.locking == 0 {
            connections.parked.clear();
        }
    }
}

/// Closes a connection that takes no locks, as soon as that costs no other connection its locks.
pub(super) fn close_without_locks(connection: rusqlite::Connection) {
    let mut connections = connections();
    if connections.locking > 0 {
        connections.parked.push(connection);
    }
    // Else it is closed here, before any other can be opened.
}
