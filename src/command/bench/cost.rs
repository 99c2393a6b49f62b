//! The mean service time of a request on one thread. With more threads than CPUs, latencies hold the wait for a CPU.

use std::time::{Duration, Instant};

use super::order::{self, SUBJECTS};
use super::subject::{Scratch, Subject};
use super::worker_pool::Task;

/// Which of a workload's pages a mean is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// All that are asked for.
    All,
    /// Those that hold events.
    WithEvents,
}

impl Pages {
    /// What they are called in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Pages::All => "all",
            Pages::WithEvents => "with events",
        }
    }
}

/// The mean service time of one subject.
#[derive(Clone, Debug)]
pub struct Cost {
    /// The subject's name.
    pub name: String,
    /// Of which pages.
    pub pages: Pages,
    /// How many of the workload's requests that are.
    pub requests: usize,
    /// Requests in each round, each counted as often as it was asked.
    pub n: usize,
    /// Nanoseconds a request, for each round.
    pub rounds_ns: Vec<f64>,
}

/// Whose service time is measured.
pub(super) struct Candidate<'a> {
    pub(super) name: &'a str,
    pub(super) subject: Subject<'a>,
    /// Whether one pass is enough, and no other needed before it to know how long it takes.
    pub(super) is_slow: bool,
}

/// One thread asks every request of each subject, again and again for at least `round_time`, the subjects in turn.
/// `round_done` is called after each round. Pages that hold events and others are asked for one after the other; only
/// such a whole pass is timed, so the clock costs nothing.
pub(super) fn in_turn(
    candidates: &[Candidate<'_>; SUBJECTS],
    task: Task<'_>,
    rounds: usize,
    round_time: Duration,
    round_done: &dyn Fn(),
) -> Vec<Cost> {
    let mut scratch = Scratch::default();
    let places = |with_events: bool| -> Vec<usize> {
        let holds_events = |place: &usize| task.expected[*place].events.is_some_and(|count| count > 0);
        (0..task.requests.len())
            .filter(|place| holds_events(place) == with_events)
            .collect()
    };
    let [with_events, others] = [places(true), places(false)];
    let mut costs: Vec<_> = candidates
        .iter()
        .map(|it| {
            let mut part = |places| Part::new(it, task, places, round_time / 2, &mut scratch);
            [part(&with_events), part(&others)]
        })
        .collect();
    for round in 0..rounds {
        for place in order::of_round(round) {
            for part in &mut costs[place] {
                part.run(candidates[place].subject, task, &mut scratch);
            }
        }
        round_done();
    }
    let named = candidates.iter().zip(&costs);
    let all = named.clone().map(|(it, parts)| of_parts(it.name, Pages::All, parts));
    let with_events = named
        .filter(|(_, parts)| !parts[0].places.is_empty())
        .map(|(it, parts)| of_parts(it.name, Pages::WithEvents, &parts[..1]));
    all.chain(with_events).collect()
}

/// The mean over all requests of these parts, each part's own number of passes taken out.
fn of_parts(name: &str, pages: Pages, parts: &[Part<'_>]) -> Cost {
    let requests: usize = parts.iter().map(|part| part.places.len()).sum();
    let rounds = parts.iter().map(|part| part.passes_ns.len()).max().unwrap_or(0);
    let of_round = |round: usize| {
        let passes_ns = parts.iter().filter_map(|part| part.passes_ns.get(round));
        passes_ns.sum::<f64>() / requests as f64
    };
    Cost {
        name: name.to_owned(),
        pages,
        requests,
        n: parts.iter().map(|part| part.places.len() * part.passes).sum(),
        rounds_ns: (0..rounds).map(of_round).collect(),
    }
}

/// Some of the requests, which are asked one after the other.
struct Part<'a> {
    places: &'a [usize],
    passes: usize,
    /// How long one pass took, for each round, nanoseconds.
    passes_ns: Vec<f64>,
}

impl<'a> Part<'a> {
    fn new(
        candidate: &Candidate<'_>,
        task: Task<'_>,
        places: &'a [usize],
        time: Duration,
        scratch: &mut Scratch,
    ) -> Self {
        let mut part = Part {
            places,
            passes: 1,
            passes_ns: Vec::new(),
        };
        if !candidate.is_slow && !places.is_empty() {
            // The shorter of two: whatever else runs here only makes a pass longer.
            let mut pass = || part.ask(candidate.subject, task, scratch).as_nanos().max(1);
            let took = pass().min(pass());
            part.passes = usize::try_from(time.as_nanos().div_ceil(took)).unwrap_or(1).max(1);
        }
        part
    }

    fn run(&mut self, subject: Subject<'_>, task: Task<'_>, scratch: &mut Scratch) {
        if !self.places.is_empty() {
            let took = self.ask(subject, task, scratch);
            self.passes_ns.push(took.as_nanos() as f64 / self.passes as f64);
        }
    }

    fn ask(&self, subject: Subject<'_>, task: Task<'_>, scratch: &mut Scratch) -> Duration {
        let start = Instant::now();
        for _ in 0..self.passes {
            for &place in self.places {
                let (query, expected) = (&task.requests[place], &task.expected[place]);
                std::hint::black_box(subject.ask(query, expected, scratch));
            }
        }
        start.elapsed()
    }
}
