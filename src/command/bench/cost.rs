//! The mean service time of a request on one thread. With more threads than CPUs, percentiles show the scheduler.

use std::time::{Duration, Instant};

use super::subject::{Scratch, Subject};
use super::worker_pool::Task;

/// The mean service time of one subject.
#[derive(Clone, Debug)]
pub struct Cost {
    /// The subject's name.
    pub name: String,
    /// Requests in each round.
    pub n: usize,
    /// Nanoseconds a request, for each round.
    pub rounds_ns: Vec<f64>,
}

/// One thread asks every request of each subject, again and again for at least `round_time`, the subjects in
/// turn. Only whole rounds are timed, so the clock costs nothing.
pub(super) fn in_turn(
    subjects: &[(&str, Subject<'_>)],
    task: Task<'_>,
    rounds: usize,
    round_time: Duration,
) -> Vec<Cost> {
    let mut scratch = Scratch::default();
    let mut costs: Vec<_> = subjects
        .iter()
        .map(|(name, subject)| {
            let took = run(*subject, task, &mut scratch).as_nanos().max(1);
            let passes = round_time.as_nanos().div_ceil(took);
            let passes = usize::try_from(passes).unwrap_or(1).max(1);
            let n = task.requests.len() * passes;
            (
                Task { passes, ..task },
                Cost {
                    name: (*name).to_owned(),
                    n,
                    rounds_ns: Vec::new(),
                },
            )
        })
        .collect();
    for round in 0..rounds {
        for turn in 0..subjects.len() {
            let place = (round + turn) % subjects.len();
            let (task, cost) = &mut costs[place];
            let took = run(subjects[place].1, *task, &mut scratch);
            cost.rounds_ns.push(took.as_nanos() as f64 / cost.n as f64);
        }
    }
    costs.into_iter().map(|(_, cost)| cost).collect()
}

fn run(subject: Subject<'_>, task: Task<'_>, scratch: &mut Scratch) -> Duration {
    let start = Instant::now();
    for _ in 0..task.passes {
        for (query, expected) in task.requests.iter().zip(task.expected) {
            std::hint::black_box(subject.ask(query, expected, scratch));
        }
    }
    start.elapsed()
}
