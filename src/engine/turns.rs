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
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let asked = clock.fetch_add(1, Ordering::SeqCst);
                        let seen = turns.join(Duration::MAX, || {
                            let began = clock.load(Ordering::SeqCst);
                            std::thread::yield_now();
                            began
                        });
                        assert!(seen.unwrap() > asked);
                    }
                });
            }
        });
    }

    #[test]
    fn who_waits_is_served_by_the_next_refresh_whoever_runs_it() {
        let turns = Turns::new();
        turns.take(SHORT, || 5);
        assert_eq!(turns.lock().begun, 1);
        assert_eq!(turns.lock().ended, Some((1, 5)));
        std::thread::scope(|scope| {
            turns.take(Duration::from_secs(60), || {
                let waiting = scope.spawn(|| turns.join(Duration::MAX, || 0));
                // As if one had begun, and ended, since.
                turns.lock().ended = Some((3, 7));
                turns.changed.notify_all();
                assert_eq!(waiting.join().unwrap(), Some(7));
                6
            });
        });
    }

    #[test]
    fn refreshes_run_one_at_a_time() {
        let (turns, running) = (Turns::new(), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        turns.take(SHORT, || {
                            assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                            std::thread::yield_now();
                            running.fetch_sub(1, Ordering::SeqCst);
                        });
                    }
                });
            }
        });
    }

    #[test]
    fn one_that_takes_longer_than_expected_is_waited_for() {
        let turns = Turns::new();
        std::thread::scope(|scope| {
            let mut impatient = None;
            turns.take(Duration::from_millis(5), || {
                std::thread::sleep(Duration::from_millis(20));
                impatient = Some(scope.spawn(|| turns.join(Duration::ZERO, || 1)));
                std::thread::sleep(Duration::from_millis(20));
                0
            });
            assert_eq!(impatient.unwrap().join().unwrap(), Some(1));
        });
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
        assert_eq!(turns.lock().without_leave, 0);
        assert!(turns.leave(0).is_some(), "nothing runs");
        turns.take(LONG, || assert!(turns.leave(0).is_some(), "a short one stops nobody"));
    }

    /// What one who has to wait for leave is told when `happens`, given the other's leave, while the long refresh still runs.
    fn told_while_a_long_one_runs(happens: impl FnOnce(&Turns<()>, &mut Option<Leave<'_, ()>>)) -> bool {
        let turns = Turns::new();
        let mut has_leave = false;
        std::thread::scope(|scope| {
            turns.take(Duration::from_secs(60), || {
                let mut first = turns.leave(1);
                let second = scope.spawn(|| turns.leave(1).is_some());
                while turns.lock().without_leave == 0 {
                    std::thread::yield_now();
                }
                happens(&turns, &mut first);
                has_leave = second.join().unwrap();
            });
        });
        has_leave
    }

    #[test]
    fn leave_that_is_given_back_goes_to_who_waits() {
        assert!(told_while_a_long_one_runs(|_, first| drop(first.take())));
    }

    #[test]
    fn who_waits_for_leave_is_sent_back_where_the_next_long_one_has_begun() {
        assert!(!told_while_a_long_one_runs(|turns, _| {
            turns.lock().begun += 1;
            turns.changed.notify_all();
        }));
    }
}
