//! Many requests, asked of both engines by all threads of the pool, added up in their own order.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::compare::Difference;
use super::report::Mismatch;
use super::reproduce;
use super::request::Request;
use super::stable::{Engines, Responses};
use super::tally::Tally;
use crate::storage::data_dir::DataDir;

/// How many requests are held at once.
const BLOCK: usize = 8192;

/// What stays the same for all requests of a workload.
#[derive(Clone, Copy)]
pub(super) struct Comparison<'a> {
    pub(super) engines: Engines<'a>,
    /// Where the log lies, for the command lines.
    pub(super) dir: &'a DataDir,
    pub(super) workload: &'static str,
    /// How many mismatches are kept to be shown.
    pub(super) max_mismatches: usize,
}

impl Comparison<'_> {
    /// Compares every request. `done` is called with how many have been.
    pub(super) fn run(
        self,
        requests: &mut (dyn Iterator<Item = Request> + Send),
        done: &(dyn Fn(u64) + Sync),
    ) -> Tally {
        let finished = AtomicU64::new(0);
        let mut sum = Tally::default();
        loop {
            let block: Vec<_> = Iterator::take(&mut *requests, BLOCK).collect();
            if block.is_empty() {
                return sum;
            }
            let more = self.block(&block, &|| done(finished.fetch_add(1, Ordering::Relaxed) + 1));
            sum = sum.join(more, self.max_mismatches);
        }
    }

    fn block(self, requests: &[Request], tick: &(dyn Fn() + Sync)) -> Tally {
        let start = || (Tally::default(), Responses::default());
        requests
            .par_iter()
            .fold(start, |(mut tally, mut answers), request| {
                let stable = self.engines.compare_until_stable(request, &mut answers);
                tally.add(stable, self.max_mismatches, |it| self.mismatch(request, it));
                tick();
                (tally, answers)
            })
            .map(|(tally, _)| tally)
            // Neighbours are joined, never whoever is ready first: what is shown does not depend on timing.
            .reduce(Tally::default, |sum, later| sum.join(later, self.max_mismatches))
    }

    fn mismatch(self, request: &Request, difference: Difference) -> Mismatch {
        let Difference {
            class,
            event,
            what,
            model,
            candidate,
        } = difference;
        Mismatch {
            workload: self.workload,
            class,
            event,
            what,
            baseline: model,
            enhanced: candidate,
            reproduce: reproduce::command_lines(self.dir, request),
        }
    }
}
