//! A measurement: every answer is checked first, then the subjects are timed in turn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::check::{Checked, Checker};
use super::cost::{self, Candidate, Cost};
use super::order;
use super::report::FLOOR;
use super::settings::{Pace, Settings, Work};
use super::subject::Subject;
use super::worker_pool::{Round, Task, WorkerPool};
use crate::engine::{Engine, Floor};
use crate::error::{Error, Result};
use crate::measure::Depth;
use crate::model::Query;
use crate::progress::Progress;
use crate::storage::data_dir::DataDir;

/// A subject that answers a whole workload faster than this (from all threads) is asked it again and again
/// within a round, until the round lasts so long.
const ROUND_TIME: Duration = Duration::from_millis(100);
/// A pass that took longer is not repeated to see how long it takes when warm.
const LONG_PASS: Duration = Duration::from_secs(1);
/// Bounds the memory that samples take.
const MAX_TURNS: usize = 2_000_000;

/// A workload's raw figures.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The workload's name.
    pub workload: String,
    /// The rate of an open loop; `None` in a closed one.
    pub requests_per_s: Option<f64>,
    /// How deep each request's page lies.
    pub depths: Vec<Depth>,
    /// Events before each request's page.
    pub offsets: Vec<u64>,
    /// The engines in the order given, the model first, then the floor.
    pub subjects: Vec<Timed>,
    /// Of each subject in the same order, from one thread: of all pages, then of those with events if there are any.
    pub costs: Vec<Cost>,
}

/// What was measured of one subject.
#[derive(Clone, Debug)]
pub struct Timed {
    /// The subject's name.
    pub name: String,
    /// How often each round asked all requests.
    pub passes: usize,
    /// In order.
    pub rounds: Vec<Round>,
    /// For each round, how many subjects had their turn before this one.
    pub turns: Vec<usize>,
}

/// Checks the second engine's answers to every request against the first one's, then times both and the floor.
///
/// # Errors
/// An engine answers otherwise than the first one does, before or after it was timed: there are no figures then.
/// A log that cannot be read.
pub fn measure(
    engines: &[(&str, &dyn Engine); 2],
    dir: &DataDir,
    works: &[Work],
    settings: &Settings,
    progress: Progress<'_>,
) -> Result<Vec<Measured>> {
    let workers = WorkerPool::new(settings.threads)?;
    let floor = Floor::open(dir)?;
    let steps = Steps::new(works, settings, progress);
    let checker = Checker {
        workers: &workers,
        engines,
        dir,
    };
    // All before any figure.
    let answered = || steps.add(1);
    let checked: Vec<_> = works
        .iter()
        .map(|work| checker.check(work, &answered))
        .collect::<Result<_>>()?;
    checker.require_events(works, &checked)?;
    let bench = Bench {
        engines,
        workers: &workers,
        checker,
        floor,
        settings,
        steps: &steps,
    };
    works
        .iter()
        .zip(checked)
        .map(|(work, checked)| bench.time(work, &checked))
        .collect()
}

/// What all workloads share.
struct Bench<'a> {
    engines: &'a [(&'a str, &'a dyn Engine); 2],
    workers: &'a WorkerPool,
    checker: Checker<'a>,
    floor: Floor,
    settings: &'a Settings,
    steps: &'a Steps<'a>,
}

impl Bench<'_> {
    fn time(&self, work: &Work, checked: &Checked) -> Result<Measured> {
        let task = |passes| Task {
            requests: &work.requests,
            expected: &checked.answers,
            passes,
        };
        let [model, other] = self.engines.map(|(name, engine)| (name, Subject::Engine(engine)));
        let subjects = [model, other, (FLOOR, Subject::Floor(&self.floor))];
        let mut timed = Vec::new();
        for (place, (name, subject)) in subjects.iter().enumerate() {
            let passes = match checked.took.get(place) {
                _ if self.settings.pace != Pace::Closed => 1,
                Some(took) if *took > LONG_PASS => 1,
                _ => passes(self.warm_up(work, name, *subject, task(1))?, task(1)),
            };
            timed.push(Timed {
                name: (*name).to_owned(),
                passes,
                rounds: Vec::new(),
                turns: Vec::new(),
            });
        }
        for round in 0..self.settings.rounds {
            for (turn, place) in order::of_round(round).into_iter().enumerate() {
                let ((name, subject), timed) = (subjects[place], &mut timed[place]);
                let done = self.round(work, name, subject, task(timed.passes), self.settings.pace)?;
                timed.rounds.push(done);
                timed.turns.push(turn);
            }
            self.steps.add(work.requests.len());
        }
        let is_slow = |place: usize| checked.took.get(place).is_some_and(|took| *took > LONG_PASS);
        let candidates = [0, 1, 2].map(|place| Candidate {
            name: subjects[place].0,
            subject: subjects[place].1,
            is_slow: is_slow(place),
        });
        let costs = cost::in_turn(&candidates, task(1), self.settings.rounds, ROUND_TIME, &|| {
            self.steps.add(work.requests.len());
        });
        self.checker.check_again(work, checked)?;
        Ok(Measured {
            workload: work.name.clone(),
            requests_per_s: match self.settings.pace {
                Pace::Closed => None,
                Pace::Open { requests_per_s } => Some(requests_per_s),
            },
            depths: self.checker.depths(work, checked)?,
            offsets: work.requests.iter().map(Query::offset).collect(),
            subjects: timed,
            costs,
        })
    }

    /// How long a pass takes when warm, the shorter of two: whatever else runs here only makes it longer.
    fn warm_up(&self, work: &Work, name: &str, subject: Subject<'_>, task: Task<'_>) -> Result<Duration> {
        let pass = || Ok::<_, Error>(self.round(work, name, subject, task, Pace::Closed)?.wall);
        Ok(pass()?.min(pass()?))
    }

    fn round(&self, work: &Work, name: &str, subject: Subject<'_>, task: Task<'_>, pace: Pace) -> Result<Round> {
        match self.workers.round(subject, task, pace) {
            (round, None) => Ok(round),
            (_, Some(request)) => Err(Error::NoFigures(format!(
                "{name} answered {} request {} otherwise while it was timed than before: is the log being \
                 written to?",
                work.name,
                request + 1
            ))),
        }
    }
}

/// How often to ask all requests, so that a round lasts [`ROUND_TIME`] if one pass takes `pass`.
fn passes(pass: Duration, task: Task<'_>) -> usize {
    let passes = ROUND_TIME.as_nanos().div_ceil(pass.as_nanos().max(1));
    let most = (MAX_TURNS / task.requests.len()).max(1);
    usize::try_from(passes).unwrap_or(most).clamp(1, most)
}

/// How far it is, in requests to the model.
struct Steps<'a> {
    done: AtomicU64,
    total: u64,
    report: Progress<'a>,
}

impl<'a> Steps<'a> {
    fn new(works: &[Work], settings: &Settings, report: Progress<'a>) -> Self {
        let requests: usize = works.iter().map(|work| work.requests.len()).sum();
        let total = (requests * (1 + 2 * settings.rounds)) as u64;
        Steps {
            done: AtomicU64::new(0),
            total,
            report,
        }
    }

    fn add(&self, requests: usize) {
        let done = self.done.fetch_add(requests as u64, Ordering::Relaxed) + requests as u64;
        (self.report)(done, self.total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Filter, Position};

    #[test]
    fn what_is_fast_is_asked_until_a_round_is_long_enough() {
        let query = Query::new(Filter::ALL, Position::Page(1), 1).unwrap();
        let requests = vec![query; 1_000];
        let task = Task {
            requests: &requests,
            expected: &[],
            passes: 1,
        };
        for (pass, expected) in [
            (ROUND_TIME * 9, 1),
            (ROUND_TIME, 1),
            (ROUND_TIME - Duration::from_nanos(1), 2),
            (ROUND_TIME / 50, 50),
            // As many as there may be samples.
            (Duration::from_nanos(1), MAX_TURNS / 1_000),
            (Duration::ZERO, MAX_TURNS / 1_000),
        ] {
            assert_eq!(passes(pass, task), expected, "{pass:?}");
        }
    }
}
