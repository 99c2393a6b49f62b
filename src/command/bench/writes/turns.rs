//! The order of events: for each journal mode a copy, for each rate and workload so many rounds, in each round every
//! subject its turn beside the writer.

use std::thread::Builder;
use std::time::Duration;

use super::clients::{Asked, Clients};
use super::clock::{Clock, Commits};
use super::compare;
use super::log_copy::LogCopy;
use super::timeline::Timeline;
use super::writer::{Writer, Written};
use crate::command::bench::order;
use crate::command::bench::settings::Work;
use crate::command::bench::worker_pool::WorkerPool;
use crate::command::no_event::NoEvent;
use crate::engine::{Engine, RefreshCounts};
use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;
use crate::storage::sqlite::Journal;

/// What is to be measured.
pub(in crate::command::bench) struct Plan<'a> {
    pub(in crate::command::bench) log: &'a DataDir,
    pub(in crate::command::bench) works: &'a [Work],
    pub(in crate::command::bench) threads: usize,
    pub(in crate::command::bench) rounds: usize,
    pub(in crate::command::bench) rates_per_s: &'a [f64],
    pub(in crate::command::bench) journals: &'a [Journal],
    /// How long each turn lasts.
    pub(in crate::command::bench) turn: Duration,
}

/// Opens both engines, the baseline first, on a log.
pub(in crate::command::bench) type Open<'a> = &'a dyn Fn(&DataDir) -> Result<[Box<dyn Engine>; 2]>;

/// The raw figures of one journal mode, rate and workload.
pub(in crate::command::bench) struct Measured {
    pub(super) journal: Journal,
    /// Commits a second that were asked for.
    pub(super) rate_per_s: f64,
    pub(super) workload: String,
    /// How many requests the workload has.
    pub(super) requests: usize,
    /// In the order of [`SUBJECTS`], each with its rounds.
    pub(super) subjects: [Vec<Turn>; 3],
}

/// Who has a turn beside the writer: nobody, or the clients of an engine.
pub(super) const SUBJECTS: [&str; 3] = ["none", "baseline", "enhanced"];

/// One subject's turn in one round.
pub(super) struct Turn {
    /// `None` beside no reader.
    pub(super) asked: Option<Asked>,
    /// `None` without a writer.
    pub(super) written: Option<Written>,
    /// Those of this turn.
    pub(super) refreshes: RefreshCounts,
}

/// Measures every journal mode, rate and workload.
///
/// # Errors
/// An answer that was not fresh, or last states that differ: there are no figures then. A log that cannot be read, a
/// copy that cannot be written.
pub(in crate::command::bench) fn measure(
    plan: &Plan<'_>,
    open: Open<'_>,
    progress: &dyn Fn(u64, u64),
) -> Result<Vec<Measured>> {
    let workers = WorkerPool::new(plan.threads)?;
    let steps = plan.journals.len() * plan.rates_per_s.len() * plan.works.len() * plan.rounds;
    let mut done = 0;
    let mut round_done = || {
        done += 1;
        progress(done, steps as u64);
    };
    let mut measured = Vec::new();
    for &journal in plan.journals {
        measured.extend(on_a_copy(plan, journal, open, &workers, &mut round_done)?);
    }
    Ok(measured)
}

fn on_a_copy(
    plan: &Plan<'_>,
    journal: Journal,
    open: Open<'_>,
    workers: &WorkerPool,
    round_done: &mut dyn FnMut(),
) -> Result<Vec<Measured>> {
    let copy = LogCopy::of(plan.log)?;
    let timeline = Timeline::read(copy.dir(), plan.works.iter().flat_map(|work| &work.requests))?;
    let commits = Commits::default();
    let mut writer = Writer::open(copy.dir(), journal, &timeline, &commits)?;
    let [baseline, enhanced] = open(copy.dir())?;
    let engines = [baseline.as_ref(), enhanced.as_ref()];
    let mut measured = Vec::new();
    for work in plan.works {
        let clients = Clients {
            workers,
            work,
            timeline: &timeline,
            commits: &commits,
        };
        for &rate_per_s in plan.rates_per_s {
            let mut subjects = [const { Vec::new() }; 3];
            for round in 0..plan.rounds {
                for place in order::of_round(round) {
                    let engine = place.checked_sub(1).map(|place| (SUBJECTS[place + 1], engines[place]));
                    subjects[place].push(take_turn(engine, clients, &mut writer, rate_per_s, plan.turn)?);
                }
                round_done();
            }
            require_events(work, &subjects, baseline.as_ref())?;
            measured.push(Measured {
                journal,
                rate_per_s,
                workload: work.name.clone(),
                requests: work.requests.len(),
                subjects,
            });
        }
    }
    compare::last_state(workers, engines, plan.works)?;
    Ok(measured)
}

fn take_turn(
    engine: Option<(&str, &dyn Engine)>,
    clients: Clients<'_>,
    writer: &mut Writer<'_>,
    rate_per_s: f64,
    time: Duration,
) -> Result<Turn> {
    let refreshes = || engine.map_or(RefreshCounts::default(), |(_, engine)| engine.refreshes());
    let before = refreshes();
    // Nobody writes and nobody reads: there is no turn to wait for.
    let time = if engine.is_none() && rate_per_s == 0.0 {
        Duration::ZERO
    } else {
        time
    };
    let clock = Clock::start(time);
    let (asked, written) = std::thread::scope(|scope| {
        let write = || {
            let written = writer.write(rate_per_s, &clock);
            if written.is_err() {
                clock.stop();
            }
            written
        };
        let written = (rate_per_s > 0.0).then(|| Builder::new().spawn_scoped(scope, write));
        let unstarted = |error| Error::NoFigures(format!("the writer's thread cannot be started: {error}"));
        let written = written.transpose().map_err(unstarted)?;
        let asked = engine
            .map(|(name, engine)| clients.ask(name, engine, &clock))
            .transpose();
        let written = written.map(|thread| {
            let written = thread.join();
            written.unwrap_or_else(|_| Err(Error::usage("no figures: the writer stopped")))
        });
        Ok::<_, Error>((asked, written.transpose()))
    })?;
    Ok(Turn {
        asked: asked?,
        written: written?,
        refreshes: since(before, refreshes()),
    })
}

/// A workload without an event measures how fast nothing is found.
fn require_events(work: &Work, subjects: &[Vec<Turn>], log: &dyn Engine) -> Result<()> {
    for turns in &subjects[1..] {
        let asked = || turns.iter().filter_map(|turn| turn.asked.as_ref());
        if asked().any(|asked| asked.events > 0) {
            continue;
        }
        let no_event = NoEvent {
            workload: &work.name,
            requests: asked().map(|asked| asked.latencies_ns.len() as u64).sum(),
            failed: asked().map(|asked| asked.errors as u64).sum(),
            to_ts: work.requests.first().map(|query| query.filter().to_ts),
        };
        return Err(Error::NoFigures(no_event.reason(log, "measured")));
    }
    Ok(())
}

fn since(before: RefreshCounts, now: RefreshCounts) -> RefreshCounts {
    RefreshCounts {
        by_frames: now.by_frames.saturating_sub(before.by_frames),
        by_hashes: now.by_hashes.saturating_sub(before.by_hashes),
        rebuilds: now.rebuilds.saturating_sub(before.rebuilds),
        folds: now.folds.saturating_sub(before.folds),
        by_sqlite: now.by_sqlite.saturating_sub(before.by_sqlite),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refreshes_of_a_turn_are_those_that_came_in_it() {
        let counts = |by_frames, by_hashes, rebuilds, folds, by_sqlite| RefreshCounts {
            by_frames,
            by_hashes,
            rebuilds,
            folds,
            by_sqlite,
        };
        assert_eq!(
            since(counts(1, 2, 3, 4, 5), counts(11, 22, 33, 44, 55)),
            counts(10, 20, 30, 40, 50)
        );
    }
}
