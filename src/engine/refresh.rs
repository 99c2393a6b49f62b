//! The thread that renews an index beside the answers.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::indexed::Shared;

/// Under a steady stream of commits an index is untrue as soon as it is made. The pause after a renewal, in
/// multiples of what it took, bounds what is spent on them: a fifth of one processor.
const BACK_OFF: u32 = 4;

/// Renews the index of a log when asked to. Ends when it is dropped.
pub(super) struct BackgroundRefresh {
    requested: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl BackgroundRefresh {
    pub(super) fn start(shared: &Arc<Shared>) -> Self {
        // One place: a wish that is already there need not be there twice.
        let (requested, requests) = sync_channel(1);
        let shared = Arc::clone(shared);
        let thread = std::thread::spawn(move || serve(&shared, &requests));
        BackgroundRefresh {
            requested: Some(requested),
            thread: Some(thread),
        }
    }

    /// Asks for a renewal, soon.
    pub(super) fn request(&self) {
        if let Some(requested) = &self.requested {
            // Full: it is asked for already.
            let _ = requested.try_send(());
        }
    }
}

impl Drop for BackgroundRefresh {
    fn drop(&mut self) {
        self.requested = None;
        if let Some(thread) = self.thread.take() {
            // A renewal that is under way ends first, so that it leaves no half-written file.
            let _ = thread.join();
        }
    }
}

fn serve(shared: &Shared, requests: &Receiver<()>) {
    while requests.recv().is_ok() {
        let start = Instant::now();
        if !shared.is_known() {
            // What cannot be read now is said by the answers; the next wish tries again.
            let _ = shared.rebuild(&|_, _| {});
        }
        if !back_off(requests, start.elapsed() * BACK_OFF) {
            return;
        }
    }
}

/// Waits, but no longer than anybody can still wish. Whether somebody can.
fn back_off(requests: &Receiver<()>, time: Duration) -> bool {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        match requests.recv_timeout(left) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    true
}
