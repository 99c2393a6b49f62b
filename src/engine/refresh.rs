//! The thread that does beside the answers what no answer should wait for: builds, folds, and what other processes
//! profit from.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::live::Live;

/// The pause after a build or a fold, in multiples of what it took: it bounds what is spent on them, where they come to
/// nothing, to a fifth of one processor.
const BACK_OFF: u32 = 4;
/// So long after the last refresh the database is left alone.
const IDLE: Duration = Duration::from_millis(100);
/// How often the delta is written for other processes while commits go on.
const PERSIST_EVERY: Duration = Duration::from_secs(5);

/// Keeps the index of a log when asked to. Ends when it is dropped.
pub(super) struct BackgroundRefresh {
    requested: Option<SyncSender<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl BackgroundRefresh {
    /// `None` where the system starts no more threads.
    pub(super) fn start(live: &Arc<Live>) -> Option<Self> {
        // One place: a wish that is already there need not be there twice.
        let (requested, requests) = sync_channel(1);
        let live = Arc::clone(live);
        let thread = std::thread::Builder::new()
            .spawn(move || serve(&live, &requests))
            .ok()?;
        Some(BackgroundRefresh {
            requested: Some(requested),
            thread: Some(thread),
        })
    }

    /// Says that the database moved, and whether a request had to be answered without an index.
    pub(super) fn request(&self, needs_index: bool) {
        if let Some(requested) = &self.requested {
            // Full: it is asked for already.
            let _ = requested.try_send(needs_index);
        }
    }
}

impl Drop for BackgroundRefresh {
    fn drop(&mut self) {
        self.requested = None;
        if let Some(thread) = self.thread.take() {
            // A build that is under way ends first, so that it leaves no half-written file.
            let _ = thread.join();
        }
    }
}

fn serve(live: &Live, requests: &Receiver<bool>) {
    let mut persisted = Instant::now();
    let mut is_persisted = true;
    let mut is_idle = true;
    loop {
        let wait = if is_idle { PERSIST_EVERY } else { IDLE };
        let (needs_index, is_over) = match requests.recv_timeout(wait) {
            Ok(needs_index) => (needs_index, false),
            Err(RecvTimeoutError::Timeout) => (false, true),
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if is_over && !is_idle {
            live.disconnect();
        }
        is_persisted &= is_over;
        is_idle = is_over;
        let start = Instant::now();
        // What cannot be read now is said by the answers; the next wish tries again.
        if (needs_index || live.is_corrupt()) && !live.is_known() {
            if live.can_refresh() {
                live.refresh_long();
            } else {
                let _ = live.rebuild(&|_, _| {});
            }
        } else {
            let _ = live.fold_if_worthwhile();
        }
        if !is_persisted && persisted.elapsed() >= PERSIST_EVERY {
            persisted = Instant::now();
            // Best effort: another process refreshes what it finds.
            let _ = live.persist();
            is_persisted = true;
        }
        if !back_off(requests, start.elapsed() * BACK_OFF) {
            break;
        }
    }
    if !is_persisted {
        let _ = live.persist();
    }
    // Whoever opens it next would meet the same block. Best effort: that one renews it, too.
    let _ = live.replace_corrupt();
}

/// Waits, but no longer than anybody can still wish. Whether somebody can.
fn back_off(requests: &Receiver<bool>, time: Duration) -> bool {
    let end = Instant::now() + time;
    while let Some(left) = end
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
    {
        match requests.recv_timeout(left) {
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    true
}
