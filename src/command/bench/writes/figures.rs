//! From raw turns to figures.

use std::time::Duration;

use super::turns::{Measured, SUBJECTS, Turn};
use crate::command::bench::figures;
use crate::command::bench::ratios::{self, Side};
use crate::command::bench::report::{Commits, Refreshes, Write};
use crate::engine::RefreshCounts;
use crate::error::{Error, Result};
use crate::measure::{Latency, Summary};
use crate::storage::sqlite::Journal;

/// A record for each subject that had something to do, in the order of the turns.
pub(in crate::command::bench) fn records(measured: &[Measured], has_cores: bool) -> Result<Vec<Write>> {
    let mut records = Vec::new();
    // Which record each belongs to.
    let mut comparisons = Vec::new();
    for it in measured {
        let [_, baseline, enhanced] = &it.subjects;
        let rounds = [rounds(baseline)?, rounds(enhanced)?];
        for (subject, turns) in SUBJECTS.into_iter().zip(&it.subjects) {
            let is_enhanced = subject == SUBJECTS[2];
            let record = Write {
                journal: name(it.journal),
                write_rate_per_s: it.rate_per_s,
                workload: it.workload.clone(),
                subject,
                commits: commits(turns),
                requests: requests(turns)?.map(|summary| figures::shown(&summary, distinct(turns, it.requests))),
                refreshes: is_enhanced.then(|| refreshes(turns)),
                ratios: Vec::new(),
            };
            records.extend((record.commits.is_some() || record.requests.is_some()).then_some(record));
        }
        if let [.., baseline, enhanced] = &records[..] {
            let sides = [side(baseline, &rounds[0]), side(enhanced, &rounds[1])];
            let mut compared = ratios::of_rps(&sides);
            compared.extend(has_cores.then(|| ratios::of_latencies(&sides)).into_iter().flatten());
            comparisons.push((records.len() - 1, compared));
        }
    }
    let family = comparisons.iter().map(|(_, compared)| compared.len()).sum();
    for (place, compared) in comparisons {
        records[place].ratios = ratios::judge(&compared, family)?;
    }
    Ok(records)
}

fn side<'a>(record: &'a Write, rounds: &'a [Summary]) -> Side<'a> {
    Side {
        name: record.subject,
        rounds,
        is_p99_weak: record.requests.is_none_or(|total| total.latency.p99_is_weak),
    }
}

/// Of each turn.
fn rounds(turns: &[Turn]) -> Result<Vec<Summary>> {
    let one = |turn| requests(std::slice::from_ref(turn))?.ok_or_else(nothing);
    turns.iter().map(one).collect()
}

/// Of all turns together; `None` where nobody read.
fn requests(turns: &[Turn]) -> Result<Option<Summary>> {
    let asked: Vec<_> = turns.iter().filter_map(|turn| turn.asked.as_ref()).collect();
    if asked.is_empty() {
        return Ok(None);
    }
    let mut latencies: Vec<_> = asked.iter().flat_map(|asked| &asked.latencies_ns).copied().collect();
    let errors = asked.iter().map(|asked| asked.errors).sum();
    let wall: Duration = asked.iter().map(|asked| asked.wall).sum();
    Summary::of(&mut latencies, errors, wall.as_secs_f64())
        .ok_or_else(nothing)
        .map(Some)
}

/// How many different requests were asked in the longest turn.
fn distinct(turns: &[Turn], requests: usize) -> usize {
    let asked = turns.iter().filter_map(|turn| turn.asked.as_ref());
    asked
        .map(|asked| asked.latencies_ns.len().min(requests))
        .max()
        .unwrap_or(0)
}

fn nothing() -> Error {
    Error::usage("nothing was measured: --write-seconds takes more")
}

/// Of all turns together; `None` where nobody wrote.
fn commits(turns: &[Turn]) -> Option<Commits> {
    let written: Vec<_> = turns.iter().filter_map(|turn| turn.written.as_ref()).collect();
    let mut latencies: Vec<_> = written
        .iter()
        .flat_map(|written| &written.latencies_ns)
        .copied()
        .collect();
    let wall: Duration = written.iter().map(|written| written.wall).sum();
    (!written.is_empty()).then(|| Commits {
        per_s: latencies.len() as f64 / wall.as_secs_f64().max(f64::MIN_POSITIVE),
        // Each commit is another one.
        latency: Latency::of(&mut latencies).map(|latency| figures::spread(&latency, latency.n)),
    })
}

fn refreshes(turns: &[Turn]) -> Refreshes {
    let sum = |count: fn(&RefreshCounts) -> u64| turns.iter().map(|turn| count(&turn.refreshes)).sum();
    Refreshes {
        by_frames: sum(|counts| counts.by_frames),
        by_hashes: sum(|counts| counts.by_hashes),
        rebuilds: sum(|counts| counts.rebuilds),
        folds: sum(|counts| counts.folds),
        answers_by_sqlite: sum(|counts| counts.by_sqlite),
    }
}

fn name(journal: Journal) -> &'static str {
    match journal {
        Journal::Rollback => "rollback",
        Journal::Wal => "wal",
    }
}
