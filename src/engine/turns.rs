//! Who comes while a refresh runs waits for the next one, and all who wait are served by the same.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Refreshes, one at a time.
#[derive(Debug)]
pub(super) struct Turns<T> {
    turns: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    /// How many have begun.
    begun: u64,
    running: Option<Running>,
    /// The last that ended: its number, and what came of it.
    ended: Option<(u64, T)>,
    /// How many have a [`Leave`].
    on_leave: usize,
    /// How many wait for one.
    without_leave: usize,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    since: Instant,
    expected: Duration,
}

/// What is expected of a refresh of which nothing is known.
const SHORT: Duration = Duration::from_millis(2);
/// A refresh that is expected to take longer than this keeps a processor for itself.
const LONG: Duration = Duration::from_millis(50);

impl<T: Clone> Turns<T> {
    pub(super) fn new() -> Self {
        Turns {
            turns: Mutex::new(State {
                begun: 0,
                running: None,
                ended: None,
                on_leave: 0,
                without_leave: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// What came of a refresh that began after this call: one that somebody else began, or else `refresh`. `None` where
    /// the one that runs is expected to run for longer than `patience`.
    pub(super) fn join(&self, patience: Duration, refresh: impl FnOnce() -> T) -> Option<T> {
        let mut state = self.lock();
        // The one that runs may have read the database before a commit that the caller knows of.
        let seen = state.begun;
        loop {
            match (&state.ended, state.running) {
                (Some((number, outcome)), _) if *number > seen => return Some(outcome.clone()),
                (_, None) => break,
                (_, Some(running)) => {
                    let left = running.expected.saturating_sub(running.since.elapsed());
                    if left > patience {
                        return None;
                    }
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        Some(self.run(state, SHORT, refresh))
    }

    /// Runs a refresh that is expected to take so long, as soon as no other runs.
    pub(super) fn take(&self, expected: Duration, refresh: impl FnOnce() -> T) -> T {
        let mut state = self.lock();
        while state.running.is_some() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        self.run(state, expected, refresh)
    }

    /// Leave to answer without any refresh. While a long one runs, only `most` at once have it: if all who do not want
    /// to wait for the refresh took the processors from it, it would take many times as long. `None` when the refresh
    /// that the caller met has ended meanwhile.
    pub(super) fn leave(&self, most: usize) -> Option<Leave<'_, T>> {
        let mut state = self.lock();
        let met = state.begun;
        while state.running.is_some_and(|running| running.expected > LONG) && state.on_leave >= most {
            state.without_leave += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.without_leave -= 1;
            if state.running.is_none() || state.begun > met {
                return None;
            }
        }
        Some(self.on_leave(state))
    }

    /// The same, whatever runs.
    pub(super) fn leave_at_once(&self) -> Leave<'_, T> {
        self.on_leave(self.lock())
    }

    fn on_leave(&self, mut state: MutexGuard<'_, State<T>>) -> Leave<'_, T> {
        state.on_leave += 1;
        Leave { turns: self }
    }

    fn run(&self, mut state: MutexGuard<'_, State<T>>, expected: Duration, refresh: impl FnOnce() -> T) -> T {
        state.begun += 1;
        let number = state.begun;
        state.running = Some(Running {
            since: Instant::now(),
            expected,
        });
        drop(state);
        // However it ends, the next one may begin.
        let turn = Turn { turns: self };
        let outcome = refresh();
        self.lock().ended = Some((number, outcome.clone()));
        drop(turn);
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody answers without a refresh until this is dropped.
#[derive(Debug)]
pub(super) struct Leave<'a, T> {
    turns: &'a Turns<T>,
}

impl<T> Drop for Leave<'_, T> {
    fn drop(&mut self) {
        let mut state = self.turns.turns.lock().unwrap_or_else(PoisonError::into_inner);
        state.on_leave -= 1;
        let is_awaited = state.without_leave > 0;
        drop(state);
        if is_awaited {
            self.turns.changed.notify_all();
        }
    }
}

struct Turn<'a, T> {
    turns: &'a Turns<T>,
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let mut state = self.turns.turns.lock().unwrap_or_else(PoisonError::into_inner);
        state.running = None;
        drop(state);
        self.turns.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn an_answer_comes_from_a_refresh_that_began_after_the_question() {
        let turns = Turns::new();
        let clock = AtomicU64::new(0);
        let refreshes = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let asked = clock.fetch_add(1, Ordering::SeqCst);
                        let seen = turns.join(Duration::MAX, || {
                            refreshes.fetch_add(1, Ordering::SeqCst);
                            let began = clock.load(Ordering::SeqCst);
                            std::thread::yield_now();
                            began
                        });
                        assert!(seen.unwrap() > asked);
                    }
                });
            }
        });
        assert!(refreshes.load(Ordering::SeqCst) <= 4000);
    }

    #[test]
    fn who_has_no_patience_does_not_wait_and_a_panic_stops_nobody() {
        let turns = Turns::new();
        turns.take(Duration::from_secs(60), || {
            assert_eq!(turns.join(Duration::from_secs(1), || 1), None);
            0
        });
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            turns.take(SHORT, || panic!("as asked"))
        }));
        assert!(panicked.is_err());
        assert_eq!(turns.join(Duration::ZERO, || 2), Some(2));
    }

    #[test]
    fn a_long_refresh_lets_few_go_on_and_sends_the_rest_back_when_it_ends() {
        let turns = Turns::new();
        std::thread::scope(|scope| {
            let (mut first, mut second) = (None, None);
            turns.take(Duration::from_secs(60), || {
                first = turns.leave(1);
                second = Some(scope.spawn(|| turns.leave(1).is_none()));
                while turns.lock().without_leave == 0 {
                    std::thread::yield_now();
                }
                drop(turns.leave_at_once());
            });
            assert!(first.is_some());
            assert!(second.unwrap().join().unwrap(), "who waited is sent back");
        });
        assert_eq!(turns.lock().on_leave, 0);
        turns.take(LONG, || assert!(turns.leave(0).is_some(), "a short one stops nobody"));
    }
}
