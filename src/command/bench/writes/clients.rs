//! Clients that ask beside the writer, and hold each answer against what it must be.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::clock::{Clock, Commits};
use super::timeline::Timeline;
use crate::command::bench::settings::Work;
use crate::command::bench::worker_pool::WorkerPool;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::model::{Page, Query};

/// Bounds the memory that samples take: a turn that has so many is over.
const MAX_SAMPLES: usize = 2_000_000;

/// What all clients share.
#[derive(Clone, Copy)]
pub(super) struct Clients<'a> {
    pub(super) workers: &'a WorkerPool,
    pub(super) work: &'a Work,
    pub(super) timeline: &'a Timeline,
    pub(super) commits: &'a Commits,
}

/// What one subject answered in one turn.
#[derive(Default)]
pub(super) struct Asked {
    /// From the turn's start to the last answer.
    pub(super) wall: Duration,
    /// Requests that met a lock for longer than a connection waits; they have a latency all the same.
    pub(super) errors: usize,
    /// Of each request, nanoseconds.
    pub(super) latencies_ns: Vec<u64>,
    /// In all answers together.
    pub(super) events: u64,
}

impl Clients<'_> {
    /// Asks in a closed loop, all clients at once, until the turn is over; each client once at least.
    ///
    /// # Errors
    /// An answer is the page of no moment that it may be of, or something other than a lock made a request fail.
    pub(super) fn ask(self, name: &str, engine: &dyn Engine, clock: &Clock) -> Result<Asked> {
        let next = AtomicUsize::new(0);
        let asked = self.workers.broadcast(|| {
            let asked = self.ask_alone(name, engine, clock, &next);
            if asked.is_err() {
                clock.stop();
            }
            asked
        });
        let mut all = Asked::default();
        for asked in asked {
            let mut asked = asked?;
            all.wall = all.wall.max(asked.wall);
            all.errors += asked.errors;
            all.events += asked.events;
            all.latencies_ns.append(&mut asked.latencies_ns);
        }
        Ok(all)
    }

    #[allow(clippy::cast_possible_truncation)]
    fn ask_alone(self, name: &str, engine: &dyn Engine, clock: &Clock, next: &AtomicUsize) -> Result<Asked> {
        let (mut asked, mut page) = (Asked::default(), Page::default());
        loop {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let number = turn % self.work.requests.len();
            let query = &self.work.requests[number];
            let returned = self.commits.returned();
            let start = Instant::now();
            let answer = engine.page(query, &mut page);
            asked.latencies_ns.push(start.elapsed().as_nanos() as u64);
            match answer {
                Ok(()) => {
                    self.check(name, number, query, &page, returned)?;
                    asked.events += page.len() as u64;
                }
                Err(Error::Busy { .. }) => asked.errors += 1,
                Err(error) => return Err(error),
            }
            if turn >= MAX_SAMPLES {
                clock.stop();
            }
            if clock.is_over() {
                asked.wall = clock.start.elapsed();
                return Ok(asked);
            }
            // As the clients of a log at rest do.
            std::thread::yield_now();
        }
    }

    fn check(self, name: &str, number: usize, query: &Query, page: &Page, returned: u64) -> Result<()> {
        let begun = self.commits.begun();
        if self.timeline.is_page(query, page, returned..=begun) {
            return Ok(());
        }
        Err(Error::usage(format!(
            "no figures: {name} answered {} request {} with no page that the log had between commit {returned}, which \
             had returned before it was asked, and commit {begun}, the last that had begun when it answered",
            self.work.name,
            number + 1
        )))
    }
}
