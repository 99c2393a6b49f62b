//! The thread that does beside the answers what no answer should wait for: builds, folds, and what other processes
//! profit from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::live::Live;
use crate::storage::index::IfLocked;

/// The pause after a long refresh, a build or a fold, in multiples of what it took: it bounds what is spent on them,
/// where commits soon make them stale, to a fifth of one processor.
const BACK_OFF: u32 = 4;
/// So long after the last refresh the database is left alone.
const IDLE: Duration = Duration::from_millis(100);
/// How often the delta is written for other processes while commits go on.
const PERSIST_EVERY: Duration = Duration::from_secs(5);

/// Keeps the index of a log when asked to. Ends when it is dropped.
pub(super) struct BackgroundRefresh {
    wish: Option<Wish>,
    thread: Option<JoinHandle<()>>,
}

/// Where wishes are made.
struct Wish {
    bell: SyncSender<()>,
    needs_index: Arc<AtomicBool>,
}

/// Where they are heard: one stands for all that were made since the last.
struct Wishes {
    bell: Receiver<()>,
    needs_index: Arc<AtomicBool>,
}

fn wishes() -> (Wish, Wishes) {
    // One place: who hears the bell hears of all wishes.
    let (rung, bell) = sync_channel(1);
    let needs_index = Arc::new(AtomicBool::new(false));
    let wish = Wish {
        bell: rung,
        needs_index: Arc::clone(&needs_index),
    };
    (wish, Wishes { bell, needs_index })
}

impl Wish {
    /// Never waits.
    fn make(&self, needs_index: bool) {
        if needs_index {
            self.needs_index.store(true, Ordering::Release);
        }
        // Full: the wish that waits there stands for this one, too.
        let _ = self.bell.try_send(());
    }
}

impl Wishes {
    /// Waits for a wish, and says whether any of those that it stands for needs an index.
    fn next(&self, wait: Duration) -> Result<bool, RecvTimeoutError> {
        self.bell.recv_timeout(wait)?;
        Ok(self.needs_index.swap(false, Ordering::AcqRel))
    }
}

impl BackgroundRefresh {
    /// `None` where the system starts no more threads.
    pub(super) fn start(live: &Arc<Live>) -> Option<Self> {
        let (wish, wishes) = wishes();
        let live = Arc::clone(live);
        let thread = std::thread::Builder::new().spawn(move || serve(&live, &wishes)).ok()?;
        Some(BackgroundRefresh {
            wish: Some(wish),
            thread: Some(thread),
        })
    }

    /// Says that the database moved, and whether a request had to be answered without an index.
    pub(super) fn request(&self, needs_index: bool) {
        if let Some(wish) = &self.wish {
            wish.make(needs_index);
        }
    }
}

impl Drop for BackgroundRefresh {
    fn drop(&mut self) {
        self.wish = None;
        if let Some(thread) = self.thread.take() {
            // A build that is under way ends first, so that it leaves no half-written file.
            let _ = thread.join();
        }
    }
}

fn serve(live: &Live, wishes: &Wishes) {
    let mut persisted = Instant::now();
    let mut is_persisted = true;
    let mut is_idle = true;
    let mut pending = None;
    loop {
        let wait = if is_idle { PERSIST_EVERY } else { IDLE };
        let received = pending.take().map_or_else(|| wishes.next(wait), Ok);
        let (needs_index, is_over) = match received {
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
                let _ = live.rebuild(IfLocked::BuildInMemory, &|_, _| {});
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
        match back_off(wishes, start.elapsed()) {
            Ok(next) => pending = next,
            Err(Disconnected) => break,
        }
    }
    if !is_persisted {
        let _ = live.persist();
    }
    // Whoever opens it next would meet the same block. Best effort: that one renews it, too.
    let _ = live.replace_corrupt();
}

/// Nobody can ask any more.
struct Disconnected;

/// Waits after work that took so long. A request that comes once the work was of use for as long as it took ends the
/// pause, and is given back.
fn back_off(wishes: &Wishes, took: Duration) -> Result<Option<bool>, Disconnected> {
    let start = Instant::now();
    loop {
        let left = (took * BACK_OFF).saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        match wishes.next(left) {
            // The first that is not answered from the index says when that ceased to be of use.
            Ok(true) if start.elapsed() >= took => return Ok(Some(true)),
            Ok(true) => return pause(wishes, (took * BACK_OFF).saturating_sub(start.elapsed())),
            Ok(false) => {}
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => return Err(Disconnected),
        }
    }
}

/// Waits, but no longer than anybody can still ask.
fn pause(wishes: &Wishes, time: Duration) -> Result<Option<bool>, Disconnected> {
    let end = Instant::now() + time;
    while let Some(left) = end
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
    {
        match wishes.next(left) {
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return Err(Disconnected),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::scratch_log::{EVENTS, ScratchLog, wait_until};

    const TOOK: Duration = Duration::from_millis(20);

    /// What comes of a pause in which there were these wishes from the beginning, and how long it was.
    fn pause_after(wishes: &[bool]) -> (Option<bool>, Duration) {
        let (wish, heard) = super::wishes();
        wishes.iter().for_each(|&needs_index| wish.make(needs_index));
        let start = Instant::now();
        let next = back_off(&heard, TOOK);
        (next.ok().unwrap(), start.elapsed())
    }

    #[test]
    fn work_is_a_fifth_of_the_time_at_most() {
        // The wish that comes at once says that what was done is of no use any more.
        for wishes in [&[][..], &[false], &[false, false], &[true], &[true, false, true]] {
            let (next, paused) = pause_after(wishes);
            assert_eq!(next, None, "{wishes:?}");
            assert!(paused >= TOOK * BACK_OFF, "{wishes:?}: {paused:?}");
        }
    }

    #[test]
    fn a_wish_that_comes_when_the_work_has_paid_ends_the_pause() {
        let (wish, heard) = wishes();
        let took = Duration::from_secs(1);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(took + TOOK);
                wish.make(true);
            });
            assert_eq!(back_off(&heard, took).ok().unwrap(), Some(true));
        });
    }

    #[test]
    fn one_wish_stands_for_all_that_were_made_before_it_was_heard() {
        let (wish, heard) = wishes();
        for needs_index in [false, true, false] {
            wish.make(needs_index);
        }
        assert_eq!(heard.next(TOOK), Ok(true));
        assert_eq!(heard.next(TOOK), Err(RecvTimeoutError::Timeout));
        wish.make(false);
        assert_eq!(heard.next(TOOK), Ok(false));
        drop(wish);
        assert_eq!(heard.next(TOOK), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn nobody_waits_for_a_pause_when_nobody_can_ask_any_more() {
        for wishes in [&[][..], &[true], &[false, true]] {
            let (wish, heard) = super::wishes();
            wishes.iter().for_each(|&needs_index| wish.make(needs_index));
            drop(wish);
            assert!(back_off(&heard, Duration::from_secs(3_600)).is_err());
        }
    }

    #[test]
    fn a_request_that_needs_an_index_gets_it_made_or_brought_up_to_date() {
        let log = ScratchLog::new("DELETE");
        let live = Arc::new(log.open());
        let background = BackgroundRefresh::start(&live).unwrap();
        background.request(true);
        wait_until("no index is built", || live.is_known());
        assert_eq!(live.counts().rebuilds, 1);

        log.run("DELETE FROM audit_events WHERE id = 5");
        assert!(!live.is_known());
        wait_until("the index is not brought up to date", || {
            background.request(true);
            live.is_known()
        });
        let counts = live.counts();
        assert_eq!((counts.rebuilds, counts.by_hashes + counts.by_frames), (1, 1));
        assert_eq!(live.last_index().unwrap().events(), EVENTS - 1);
    }

    #[test]
    fn who_needs_none_has_none_made() {
        let log = ScratchLog::new("DELETE");
        let live = Arc::new(log.open());
        let background = BackgroundRefresh::start(&live).unwrap();
        background.request(false);
        drop(background);
        assert_eq!(live.counts().rebuilds, 0);
        assert!(!log.dir.index().exists());
    }

    #[test]
    fn much_change_is_folded_beside_the_answers() {
        let log = ScratchLog::with_index("DELETE");
        let live = Arc::new(log.open());
        log.append(5_000);
        live.refresh_long().unwrap();
        let background = BackgroundRefresh::start(&live).unwrap();
        background.request(false);
        wait_until("nothing is folded", || live.counts().folds == 1);
    }

    #[test]
    fn what_a_process_knows_when_it_ends_others_know() {
        let log = ScratchLog::with_index("DELETE");
        let live = Arc::new(log.open());
        log.run("DELETE FROM audit_events WHERE id = 5");
        assert!(live.join(Duration::ZERO).is_some());
        assert!(!log.open().is_known());
        let background = BackgroundRefresh::start(&live).unwrap();
        background.request(false);
        drop(background);
        assert!(log.open().is_known());
    }

    #[test]
    fn what_a_process_that_goes_on_knows_others_know_after_a_while() {
        let log = ScratchLog::with_index("DELETE");
        let live = Arc::new(log.open());
        log.run("DELETE FROM audit_events WHERE id = 5");
        assert!(live.join(Duration::ZERO).is_some());
        let background = BackgroundRefresh::start(&live).unwrap();
        wait_until("nothing is kept for others", || {
            background.request(false);
            std::thread::sleep(Duration::from_millis(50));
            log.open().is_known()
        });
    }

    #[test]
    fn a_log_that_nobody_asks_for_is_left_alone() {
        let log = ScratchLog::with_index("WAL");
        let live = Arc::new(log.open());
        log.keep_connection(&live);
        let background = BackgroundRefresh::start(&live).unwrap();
        background.request(false);
        wait_until("a connection is kept", || log.leaves_wal());
    }

    #[test]
    fn a_corrupt_index_is_replaced_at_the_end() {
        let log = ScratchLog::with_index("DELETE");
        std::fs::write(log.dir.index(), vec![7; 20_000]).unwrap();
        let live = Arc::new(log.open());
        drop(BackgroundRefresh::start(&live).unwrap());
        assert!(!live.is_corrupt());
        assert!(log.open().is_known());
    }
}
