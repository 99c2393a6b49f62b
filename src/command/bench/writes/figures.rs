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

#[cfg(test)]
mod tests {
    use super::super::clients::Asked;
    use super::super::writer::Written;
    use super::*;

    /// A turn of a second in which so many requests were answered and so many commits made, each in this time.
    fn turn(requests: usize, latency_ns: u64, commits: usize, by_frames: u64) -> Turn {
        Turn {
            asked: (requests > 0).then(|| Asked {
                wall: Duration::from_secs(1),
                errors: 1,
                latencies_ns: vec![latency_ns; requests],
                events: 3,
            }),
            written: (commits > 0).then(|| Written {
                wall: Duration::from_secs(1),
                latencies_ns: vec![2_000_000; commits],
            }),
            refreshes: RefreshCounts {
                by_frames,
                by_sqlite: 1,
                ..RefreshCounts::default()
            },
        }
    }

    fn measured(journal: Journal, baseline: usize, enhanced: usize) -> Measured {
        let turns =
            |requests, latency_ns, by_frames| (0..3).map(|_| turn(requests, latency_ns, 10, by_frames)).collect();
        Measured {
            journal,
            rate_per_s: 10.0,
            workload: "legacy".to_owned(),
            requests: 2_000,
            subjects: [turns(0, 0, 0), turns(baseline, 5_000_000, 0), turns(enhanced, 4_000, 7)],
        }
    }

    #[test]
    fn each_subject_has_the_figures_of_all_its_turns() {
        let records = records(
            &[
                measured(Journal::Rollback, 200, 4_000),
                measured(Journal::Wal, 1_000, 6_000),
            ],
            true,
        )
        .unwrap();
        let shown: Vec<_> = records.iter().map(|it| (it.journal, it.subject)).collect();
        let subjects = |journal| SUBJECTS.map(|subject| (journal, subject));
        assert_eq!(shown, [subjects("rollback"), subjects("wal")].concat());
        for record in &records {
            let commits = record.commits.as_ref().unwrap();
            assert!((commits.per_s - 10.0).abs() < 1e-9, "{}", commits.per_s);
            let refreshes = record
                .refreshes
                .map(|it| (it.by_frames, it.by_hashes, it.answers_by_sqlite));
            assert_eq!(refreshes, (record.subject == "enhanced").then_some((21, 0, 3)));
            assert_eq!(record.ratios.is_empty(), record.subject != "enhanced");
        }
        assert!(records[0].requests.is_none());
        // Of two thousand requests, the baseline came to 200 in a turn, and in WAL mode to just enough.
        let is_weak = |place: usize| records[place].requests.as_ref().unwrap().latency.p99_is_weak;
        assert_eq!([1, 2, 4, 5].map(is_weak), [true, false, false, false]);
        let rps = records[2].ratios.iter().find(|it| it.metric == "rps").unwrap();
        assert!((rps.speedup.ratio - 20.0).abs() < 1e-6, "{:?}", rps.speedup);
    }

    #[test]
    fn who_did_nothing_has_no_record() {
        let mut idle = measured(Journal::Wal, 200, 4_000);
        for turn in idle.subjects.iter_mut().flatten() {
            turn.written = None;
        }
        let records = records(&[idle], false).unwrap();
        assert_eq!(
            records.iter().map(|it| it.subject).collect::<Vec<_>>(),
            ["baseline", "enhanced"]
        );
        assert!(records.iter().all(|it| it.commits.is_none()));
    }
}
