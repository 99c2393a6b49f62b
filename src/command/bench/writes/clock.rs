//! What the writer and the clients of one turn know of each other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many events were appended to a copy so far. An answer lies between what had been committed when it was asked for
/// and what had begun to be when it came.
#[derive(Debug, Default)]
pub(super) struct Commits {
    begun: AtomicU64,
    returned: AtomicU64,
}

impl Commits {
    /// The writer is about to commit one more event; gives its number, from 0.
    pub(super) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::SeqCst)
    }

    /// The commit that began last has returned.
    pub(super) fn end(&self) {
        self.returned.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    pub(super) fn returned(&self) -> u64 {
        self.returned.load(Ordering::SeqCst)
    }
}

/// The time of one turn.
#[derive(Debug)]
pub(super) struct Clock {
    pub(super) start: Instant,
    end: Instant,
    is_stopped: AtomicBool,
}

impl Clock {
    pub(super) fn start(time: Duration) -> Self {
        let start = Instant::now();
        Clock {
            start,
            end: start + time,
            is_stopped: AtomicBool::new(false),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed) || Instant::now() >= self.end
    }

    /// Ends the turn before its time.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }
}
