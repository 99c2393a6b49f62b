//! The lock on the database that the threads of a scan hold together.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long threads may join those that read.
const WINDOW: Duration = Duration::from_millis(10);

/// Who reads under one lock.
///
/// SQLite has one lock on a file for all connections of a process, and lets go of it once none of them reads. Threads that
/// read in short transactions, each at its own times, would between them hold it for as long as they have rows to read, and
/// with a rollback journal a commit waits for that. So whoever comes late waits until all are done.
#[derive(Debug, Default)]
pub(super) struct SharedLock {
    readers: Mutex<Readers>,
    free: Condvar,
}

#[derive(Debug, Default)]
struct Readers {
    count: usize,
    /// When the first of them came.
    since: Option<Instant>,
}

/// One of those who read, until it is dropped.
#[derive(Debug)]
pub(super) struct Reading<'a>(&'a SharedLock);

impl SharedLock {
    pub(super) fn read(&self) -> Reading<'_> {
        let is_late = |readers: &mut Readers| readers.since.is_some_and(|since| since.elapsed() >= WINDOW);
        let mut readers = self
            .free
            .wait_while(self.readers(), is_late)
            .unwrap_or_else(PoisonError::into_inner);
        readers.count += 1;
        readers.since.get_or_insert_with(Instant::now);
        drop(readers);
        Reading(self)
    }

    fn readers(&self) -> MutexGuard<'_, Readers> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut readers = self.0.readers();
        readers.count -= 1;
        if readers.count == 0 {
            readers.since = None;
            self.0.free.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};

    use super::*;

    #[test]
    fn who_comes_late_waits_until_nobody_reads() {
        let lock = SharedLock::default();
        let (first, second) = (lock.read(), lock.read());
        std::thread::sleep(WINDOW);
        std::thread::scope(|scope| {
            let (came, late) = channel();
            scope.spawn({
                let lock = &lock;
                move || {
                    let reading = lock.read();
                    came.send(()).unwrap();
                    drop(reading);
                }
            });
            drop(first);
            assert_eq!(late.recv_timeout(WINDOW * 5), Err(RecvTimeoutError::Timeout));
            drop(second);
            late.recv().unwrap();
        });
        // And everything begins anew.
        let _both = (lock.read(), lock.read());
    }
}
