//! The thread that renews an index beside the answers.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::indexed::Log;

/// Under a steady stream of commits an index is untrue as soon as it is made. The pause after a renewal, in
/// multiples of what it took, bounds what is spent on them: a fifth of one processor.
const REST: u32 = 4;

/// Renews the index of a log when asked to. Ends when it is dropped.
pub(super) struct Renewer {
    wanted: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Renewer {
    pub(super) fn start(log: &Arc<Log>) -> Self {
        // One place: a wish that is already there need not be there twice.
        let (wanted, wishes) = sync_channel(1);
        let log = Arc::clone(log);
        let thread = std::thread::spawn(move || serve(&log, &wishes));
        Renewer {
            wanted: Some(wanted),
            thread: Some(thread),
        }
    }

    /// Asks for a renewal, soon.
    pub(super) fn want(&self) {
        if let Some(wanted) = &self.wanted {
            // Full: it is asked for already.
            let _ = wanted.try_send(());
        }
    }
}

impl Drop for Renewer {
    fn drop(&mut self) {
        self.wanted = None;
        if let Some(thread) = self.thread.take() {
            // A renewal that is under way ends first, so that it leaves no half-written file.
            let _ = thread.join();
        }
    }
}

fn serve(log: &Log, wishes: &Receiver<()>) {
    while wishes.recv().is_ok() {
        let start = Instant::now();
        if !log.is_known() {
            // What cannot be read now is said by the answers; the next wish tries again.
            let _ = log.renew(&|_, _| {});
        }
        if !rest(wishes, start.elapsed() * REST) {
            return;
        }
    }
}

/// Waits, but no longer than anybody can still wish. Whether somebody can.
fn rest(wishes: &Receiver<()>, time: Duration) -> bool {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        match wishes.recv_timeout(left) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    true
}
