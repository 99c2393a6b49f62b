//! From raw rounds to figures.

use super::cost::Cost;
use super::ratios::{self, Comparison, Side};
use super::report::{self, FLOOR};
use super::rounds::{Measured, Timed};
use super::worker_pool::Round;
use crate::error::{Error, Result};
use crate::measure::{self, Depth, Latency, Ratio, Summary, histogram, is_p99_weak};

/// The figures of all workloads that one report tells.
pub(super) fn workloads(measured: &[Measured], has_cores: bool) -> Result<Vec<report::Workload>> {
    let told: Vec<_> = measured
        .iter()
        .map(|it| workload(it, has_cores))
        .collect::<Result<_>>()?;
    let family = told.iter().map(|(_, comparisons)| comparisons.len()).sum();
    told.into_iter()
        .map(|(mut workload, comparisons)| {
            workload.ratios = ratios::judge(&comparisons, family)?;
            Ok(workload)
        })
        .collect()
}

/// One workload's figures but for the ratios, and what these are to be of.
fn workload(measured: &Measured, has_cores: bool) -> Result<(report::Workload, Vec<Comparison>)> {
    let rounds: Vec<Vec<Summary>> = measured
        .subjects
        .iter()
        .map(|timed| timed.rounds.iter().map(|round| summary([round])).collect())
        .collect::<Result<_>>()?;
    let subjects: Vec<_> = measured
        .subjects
        .iter()
        .zip(&rounds)
        .map(|(timed, rounds)| subject(timed, rounds, measured))
        .collect::<Result<_>>()?;
    let side = |place: usize| Side {
        name: &subjects[place].subject,
        rounds: &rounds[place],
        is_p99_weak: subjects[place].total.latency.p99_is_weak,
    };
    // The last is the floor: it answers nothing, so it is no faster than anything.
    let sides = [side(0), side(1)];
    let mut comparisons = ratios::of_costs(&measured.costs, &sides);
    comparisons.extend(match measured.requests_per_s {
        // Where one of them did not keep up, its latencies are of a queue, and like nothing else.
        Some(_) if subjects.iter().any(|it| it.open.is_some_and(|open| !open.kept_up)) => Vec::new(),
        // The rate sets RPS for all alike: its ratio would be 1, whoever is faster.
        Some(_) => ratios::of_latencies(&sides),
        None if has_cores => [ratios::of_rps(&sides), ratios::of_latencies(&sides)].concat(),
        None => ratios::of_rps(&sides),
    });
    let workload = report::Workload {
        workload: measured.workload.clone(),
        requests: measured.depths.len(),
        ratios: Vec::new(),
        costs: costs(&measured.costs)?,
        subjects,
    };
    Ok((workload, comparisons))
}

/// Below this part of an open loop's rate, a subject did not keep up.
const KEPT_UP: f64 = 0.95;

/// Whether the requests were begun at the rate: from the first to the last of each round, however long those took.
fn open(timed: &Timed, requests_per_s: f64) -> report::Open {
    let intervals: usize = timed
        .rounds
        .iter()
        .map(|round| round.samples.len().saturating_sub(1))
        .sum();
    let took: f64 = timed.rounds.iter().map(|round| round.last_start.as_secs_f64()).sum();
    let is_rate_known = intervals > 0 && took > 0.0;
    let started_per_s = if is_rate_known {
        intervals as f64 / took
    } else {
        requests_per_s
    };
    report::Open {
        started_per_s,
        kept_up: started_per_s >= KEPT_UP * requests_per_s,
    }
}

fn subject(timed: &Timed, rounds: &[Summary], measured: &Measured) -> Result<report::Subject> {
    let depths = &measured.depths;
    let mut all = latencies(&timed.rounds, |_| true);
    all.sort_unstable();
    let by_depth = Depth::ALL.iter().filter_map(|depth| {
        let mut samples = latencies(&timed.rounds, |request| depths[request] == *depth);
        let latency = Latency::of(&mut samples)?;
        Some(report::Depth {
            depth: depth.name(),
            latency: spread(&latency, depths.iter().filter(|it| *it == depth).count()),
        })
    });
    let raw = timed.rounds.iter().zip(rounds).zip(&timed.turns).enumerate();
    Ok(report::Subject {
        subject: timed.name.clone(),
        passes_per_round: timed.passes,
        total: shown(&summary(&timed.rounds)?, depths.len()),
        open: measured.requests_per_s.map(|rate| open(timed, rate)),
        depths: by_depth.collect(),
        histogram: histogram(&all).into_iter().map(bucket).collect(),
        rounds: raw
            .map(|(place, ((round, summary), turn))| report::Round {
                round: place + 1,
                turn: turn + 1,
                wall_s: round.wall.as_secs_f64(),
                summary: shown(summary, depths.len()),
            })
            .collect(),
    })
}

/// Every latency (ns) of the requests that `wanted` picks.
fn latencies<'a>(rounds: impl IntoIterator<Item = &'a Round>, wanted: impl Fn(usize) -> bool) -> Vec<u64> {
    let samples = rounds.into_iter().flat_map(|round| &round.samples);
    samples
        .filter(|sample| wanted(sample.request as usize))
        .map(|sample| sample.latency_ns)
        .collect()
}

fn summary<'a>(rounds: impl IntoIterator<Item = &'a Round> + Clone) -> Result<Summary> {
    let wall_s = rounds.clone().into_iter().map(|round| round.wall.as_secs_f64()).sum();
    let errors = rounds.clone().into_iter().map(|round| round.errors).sum();
    let summary = Summary::of(&mut latencies(rounds, |_| true), errors, wall_s);
    summary.ok_or_else(|| Error::NoFigures("nothing was measured".to_owned()))
}

/// Each in multiples of the floor's cost of the same pages. Each of these intervals stands alone: nothing is decided by
/// them.
fn costs(costs: &[Cost]) -> Result<Vec<report::Cost>> {
    let of_floor = |cost: &Cost| {
        let mut floors = costs.iter().filter(|it| it.name == FLOOR && it.pages == cost.pages);
        let floor = floors.next().filter(|_| cost.name != FLOOR)?;
        let pairs = cost.rounds_ns.iter().zip(&floor.rounds_ns);
        Some(Ratio::of(&pairs.map(|(cost, floor)| cost / floor).collect::<Vec<_>>()))
    };
    let shown = |cost| {
        let of_floor = of_floor(cost).map(ratios::known).transpose()?;
        Ok(shown_cost(cost, of_floor.as_ref().map(ratios::speedup)))
    };
    costs.iter().map(shown).collect()
}

fn shown_cost(cost: &Cost, of_floor: Option<report::Speedup>) -> report::Cost {
    let mean = cost.rounds_ns.iter().sum::<f64>() / cost.rounds_ns.len() as f64;
    report::Cost {
        subject: cost.name.clone(),
        pages: cost.pages.name(),
        requests: cost.requests,
        n: cost.n * cost.rounds_ns.len(),
        us_per_request: us(mean),
        rounds_us_per_request: cost.rounds_ns.iter().map(|&ns| us(ns)).collect(),
        of_floor,
    }
}

/// Of `distinct` requests, however often each was asked.
pub(super) fn shown(summary: &Summary, distinct: usize) -> report::Summary {
    report::Summary {
        rps: summary.rps,
        errors: summary.errors,
        latency: spread(&summary.latency, distinct),
    }
}

/// Of `distinct` requests, however often each was asked.
pub(super) fn spread(latency: &Latency, distinct: usize) -> report::Latency {
    report::Latency {
        n: latency.n,
        mean_us: us(latency.mean_ns),
        p50_us: us(latency.p50_ns),
        p90_us: us(latency.p90_ns),
        p95_us: us(latency.p95_ns),
        p99_us: us(latency.p99_ns),
        max_us: us(latency.max_ns as f64),
        p99_is_weak: is_p99_weak(distinct),
    }
}

fn bucket(bucket: measure::Bucket) -> report::Bucket {
    report::Bucket {
        from_us: us(bucket.from_ns as f64),
        to_us: (bucket.to_ns < u64::MAX).then(|| us(bucket.to_ns as f64)),
        count: bucket.count,
    }
}

/// Nanoseconds as microseconds, to the nanosecond.
fn us(ns: f64) -> f64 {
    ns.round() / 1_000.0
}

#[cfg(test)]
mod tests;
