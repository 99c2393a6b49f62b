//! The client threads, in a closed or an open loop.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::settings::Pace;
use super::subject::{Response, Scratch, Subject};
use crate::error::Result;
use crate::model::Query;
use crate::parallel::Pool;

/// The latency of one request.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Which of the workload's requests, from 0.
    pub request: u32,
    /// Nanoseconds. In an open loop from the intended start, so that waiting for a free thread counts.
    pub latency_ns: u64,
}

/// What one subject did in one round.
#[derive(Clone, Debug)]
pub struct Round {
    /// From the start of all threads to the last answer.
    pub wall: Duration,
    /// From the start to when the last request was begun; 0 in a closed loop.
    pub last_start: Duration,
    /// Requests that failed; they have a latency all the same.
    pub errors: usize,
    /// Every request's, in no order.
    pub samples: Vec<Sample>,
}

/// The requests of a workload with their expected answers.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) requests: &'a [Query],
    pub(super) expected: &'a [Response],
    /// How often all requests are asked.
    pub(super) passes: usize,
}

/// So many threads, and what each keeps from round to round.
pub(super) struct WorkerPool {
    pool: Pool,
    workers: Vec<Mutex<Worker>>,
}

#[derive(Default)]
struct Worker {
    scratch: Scratch,
    samples: Vec<Sample>,
    errors: usize,
    last_start: Duration,
    /// A request that was answered otherwise than expected.
    mismatch: Option<usize>,
}

impl WorkerPool {
    pub(super) fn new(threads: usize) -> Result<Self> {
        let pool = Pool::exactly(threads)?;
        let workers = (0..threads).map(|_| Mutex::default()).collect();
        Ok(WorkerPool { pool, workers })
    }

    /// Runs something that divides itself among the threads.
    pub(super) fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }

    /// Runs `work` once on each thread, all at once.
    pub(super) fn broadcast<T: Send>(&self, work: impl Fn() -> T + Sync) -> Vec<T> {
        self.pool.broadcast(|_| work())
    }

    /// Asks every request, all threads at once. The other result is a request, if there is one, that was
    /// answered otherwise than expected.
    pub(super) fn round(&self, subject: Subject<'_>, task: Task<'_>, pace: Pace) -> (Round, Option<usize>) {
        let next = AtomicUsize::new(0);
        let (ready, started) = (Barrier::new(self.workers.len()), OnceLock::new());
        let ends = self.pool.broadcast(|index| {
            let mut worker = self.workers[index].lock().unwrap_or_else(PoisonError::into_inner);
            worker.prepare(task);
            ready.wait();
            let started = *started.get_or_init(Instant::now);
            match pace {
                Pace::Closed => worker.closed_loop(subject, task, &next),
                Pace::Open { requests_per_s } => {
                    worker.open_loop(subject, task, &next, started, requests_per_s);
                }
            }
            Instant::now().duration_since(started)
        });
        self.collect(ends.into_iter().max().unwrap_or_default())
    }

    fn collect(&self, wall: Duration) -> (Round, Option<usize>) {
        let mut round = Round {
            wall,
            last_start: Duration::ZERO,
            errors: 0,
            samples: Vec::new(),
        };
        let mut mismatch = None;
        for worker in &self.workers {
            let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
            round.samples.append(&mut worker.samples);
            round.errors += worker.errors;
            round.last_start = round.last_start.max(worker.last_start);
            mismatch = mismatch.or(worker.mismatch);
        }
        (round, mismatch)
    }
}

impl Worker {
    /// Room for as many samples as there can be: one thread may get every turn. What is not used costs nothing.
    fn prepare(&mut self, task: Task<'_>) {
        self.samples.clear();
        self.samples.reserve(task.turns());
        self.errors = 0;
        self.last_start = Duration::ZERO;
        self.mismatch = None;
    }

    fn closed_loop(&mut self, subject: Subject<'_>, task: Task<'_>, next: &AtomicUsize) {
        while let Some((_, request)) = task.take(next) {
            let start = Instant::now();
            let events = subject.ask(&task.requests[request], &task.expected[request], &mut self.scratch);
            self.note(task, request, start.elapsed(), events);
            // With more clients than processors, the scheduler would else stop a client wherever it happens to
            // be, mostly in the middle of a request, and the tail would say how long the others' turns are.
            std::thread::yield_now();
        }
    }

    fn open_loop(
        &mut self,
        subject: Subject<'_>,
        task: Task<'_>,
        next: &AtomicUsize,
        started: Instant,
        requests_per_s: f64,
    ) {
        while let Some((turn, request)) = task.take(next) {
            let intended = started + Duration::from_secs_f64(turn as f64 / requests_per_s);
            std::thread::sleep(intended.saturating_duration_since(Instant::now()));
            self.last_start = started.elapsed();
            let events = subject.ask(&task.requests[request], &task.expected[request], &mut self.scratch);
            self.note(task, request, intended.elapsed(), events);
        }
    }

    /// Outside the measured time.
    #[allow(clippy::cast_possible_truncation)]
    fn note(&mut self, task: Task<'_>, request: usize, latency: Duration, events: Option<usize>) {
        self.samples.push(Sample {
            request: request as u32,
            latency_ns: latency.as_nanos() as u64,
        });
        self.errors += usize::from(events.is_none());
        if events != task.expected[request].events {
            self.mismatch = Some(request);
        }
    }
}

impl Task<'_> {
    fn turns(&self) -> usize {
        self.requests.len() * self.passes
    }

    /// The next turn and its request, while there is one.
    fn take(&self, next: &AtomicUsize) -> Option<(usize, usize)> {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        (turn < self.turns()).then(|| (turn, turn % self.requests.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::error::Error;
    use crate::model::{Filter, Page, Position};
    use crate::progress::Progress;

    #[test]
    fn every_request_has_its_turn_in_every_pass_and_none_comes_behind() {
        let query = |page| Query::new(Filter::ALL, Position::Page(page), 1).unwrap();
        let task = Task {
            requests: &[query(1), query(2), query(3)],
            expected: &[],
            passes: 4,
        };
        let next = AtomicUsize::new(0);
        let turns: Vec<_> = std::iter::from_fn(|| task.take(&next)).collect();
        assert_eq!(turns, (0..12).map(|turn| (turn, turn % 3)).collect::<Vec<_>>());
        assert!(task.take(&next).is_none());
    }

    #[test]
    fn a_round_is_what_all_workers_noted_in_it() {
        let pool = WorkerPool::new(2).unwrap();
        let round = |each: usize| {
            for worker in &pool.workers {
                let mut worker = worker.lock().unwrap();
                let task = Task {
                    requests: &[],
                    expected: &[],
                    passes: 1,
                };
                worker.prepare(task);
                worker.errors = each;
                worker.last_start = Duration::from_secs(each as u64);
                worker.samples = vec![
                    Sample {
                        request: 0,
                        latency_ns: 1
                    };
                    each
                ];
            }
            pool.collect(Duration::from_secs(9)).0
        };
        for each in [3, 1] {
            let round = round(each);
            assert_eq!((round.errors, round.samples.len()), (2 * each, 2 * each));
            assert_eq!(round.last_start, Duration::from_secs(each as u64));
        }
    }

    /// It finds nothing, and fails at the second page.
    struct FailsAtTwo;

    impl Engine for FailsAtTwo {
        fn page(&self, query: &Query, page: &mut Page) -> Result<()> {
            page.clear();
            match query.offset() {
                1 => Err(Error::usage("no second page")),
                _ => Ok(()),
            }
        }

        fn count(&self, _: &Filter) -> Result<u64> {
            Ok(0)
        }

        fn maintain(&self, _: Progress<'_>) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_round_tells_its_own_failures_and_answers_that_were_not_expected() {
        let requests = [1, 2].map(|page| Query::new(Filter::ALL, Position::Page(page), 1).unwrap());
        let found = || Response::of(Ok(()), &Page::default());
        let failed = || Response::of(Err(Error::usage("no second page")), &Page::default());
        let pool = WorkerPool::new(2).unwrap();
        let told = |expected: &[Response], pace| {
            let task = Task {
                requests: &requests,
                expected,
                passes: 3,
            };
            let (round, mismatch) = pool.round(Subject::Engine(&FailsAtTwo), task, pace);
            (round.samples.len(), round.errors, mismatch)
        };
        let fast = Pace::Open { requests_per_s: 1e6 };
        for pace in [Pace::Closed, fast, Pace::Closed] {
            assert_eq!(told(&[found(), failed()], pace), (6, 3, None), "{pace:?}");
            assert_eq!(told(&[failed(), failed()], pace), (6, 3, Some(0)), "{pace:?}");
            assert_eq!(told(&[found(), found()], pace), (6, 3, Some(1)), "{pace:?}");
        }
    }
}
