//! From raw rounds to figures.

use super::cost::Cost;
use super::report;
use super::rounds::{Measured, Timed};
use super::worker_pool::Round;
use crate::error::{Error, Result};
use crate::measure::{self, Depth, Latency, Ratio, Summary, histogram};

/// Something that a ratio is given of.
#[derive(Clone, Copy)]
struct Metric {
    name: &'static str,
    value: fn(&Summary) -> f64,
}

const METRICS: [Metric; 5] = [
    metric("rps", |summary| summary.rps),
    metric("p50", |summary| summary.latency.p50_ns),
    metric("p90", |summary| summary.latency.p90_ns),
    metric("p95", |summary| summary.latency.p95_ns),
    metric("p99", |summary| summary.latency.p99_ns),
];

const fn metric(name: &'static str, value: fn(&Summary) -> f64) -> Metric {
    Metric { name, value }
}

impl Metric {
    /// Whether more of it is faster.
    fn is_rate(self) -> bool {
        self.name == "rps"
    }
}

/// One workload's figures.
pub(super) fn workload(measured: &Measured) -> Result<report::Workload> {
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
    // The last is the floor: it answers nothing, so it is no faster than anything.
    let others = 1..subjects.len().saturating_sub(1);
    let side = |place: usize| Side {
        name: &subjects[place].subject,
        rounds: &rounds[place],
        is_p99_weak: subjects[place].total.latency.p99_is_weak,
    };
    // The rate of an open loop sets RPS for all alike: its ratio would be 1, whoever is faster.
    let is_open = measured.requests_per_s.is_some();
    let metrics: Vec<_> = METRICS.into_iter().filter(|it| !(is_open && it.is_rate())).collect();
    let of_others: Vec<_> = others
        .map(|other| ratios_of(&metrics, &side(0), &side(other)))
        .collect::<Result<_>>()?;
    Ok(report::Workload {
        workload: measured.workload.clone(),
        requests: measured.depths.len(),
        ratios: of_others.concat(),
        costs: costs(&measured.costs)?,
        subjects,
    })
}

/// What the gate says: only what is surely below the least speedup fails.
pub(super) fn gate(min_speedup: f64, workloads: &[report::Workload], writes: &[report::Write]) -> report::Gate {
    let at_rest = workloads.iter().map(|work| (work.workload.clone(), &work.ratios));
    let beside_writer = writes.iter().map(|it| {
        let workload = format!(
            "{}, {} journal, {} commits/s",
            it.workload, it.journal, it.write_rate_per_s
        );
        (workload, &it.ratios)
    });
    let is_failure = |ratio: &&report::Ratio| ratio.speedup.high.is_some_and(|high| high < min_speedup);
    let failures: Vec<_> = at_rest
        .chain(beside_writer)
        .flat_map(|(workload, ratios)| {
            ratios.iter().filter(is_failure).map(move |ratio| report::Failure {
                workload: workload.clone(),
                ratio: ratio.clone(),
            })
        })
        .collect();
    report::Gate {
        min_speedup,
        passed: failures.is_empty(),
        failures,
    }
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
            latency: spread(&latency),
        })
    });
    let raw = timed.rounds.iter().zip(rounds).zip(&timed.turns).enumerate();
    Ok(report::Subject {
        subject: timed.name.clone(),
        passes_per_round: timed.passes,
        total: shown(&summary(&timed.rounds)?),
        open: measured.requests_per_s.map(|rate| open(timed, rate)),
        depths: by_depth.collect(),
        histogram: histogram(&all).into_iter().map(bucket).collect(),
        rounds: raw
            .map(|(place, ((round, summary), turn))| report::Round {
                round: place + 1,
                turn: turn + 1,
                wall_s: round.wall.as_secs_f64(),
                summary: shown(summary),
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

/// A subject with its rounds, as one side of a ratio.
pub(super) struct Side<'a> {
    pub(super) name: &'a str,
    pub(super) rounds: &'a [Summary],
    pub(super) is_p99_weak: bool,
}

/// Of each metric.
pub(super) fn ratios(model: &Side<'_>, other: &Side<'_>) -> Result<Vec<report::Ratio>> {
    ratios_of(&METRICS, model, other)
}

fn ratios_of(metrics: &[Metric], model: &Side<'_>, other: &Side<'_>) -> Result<Vec<report::Ratio>> {
    metrics.iter().map(|metric| ratio(*metric, model, other)).collect()
}

fn ratio(metric: Metric, model: &Side<'_>, other: &Side<'_>) -> Result<report::Ratio> {
    let values = |rounds: &[Summary]| rounds.iter().map(metric.value).collect::<Vec<_>>();
    let pairs = values(model.rounds).into_iter().zip(values(other.rounds));
    let faster = |(model, other)| {
        if metric.is_rate() { other / model } else { model / other }
    };
    let ratio = known(Ratio::of(&pairs.map(faster).collect::<Vec<f64>>()))?;
    let gain = if metric.is_rate() {
        ratio.estimate - 1.0
    } else {
        1.0 - 1.0 / ratio.estimate
    };
    Ok(report::Ratio {
        subject: other.name.to_owned(),
        against: model.name.to_owned(),
        metric: metric.name,
        speedup: speedup(&ratio),
        verdict: ratio.verdict().name(),
        improvement_percent: gain * 100.0,
        is_weak: metric.name == "p99" && (model.is_p99_weak || other.is_p99_weak),
    })
}

fn known(ratio: Option<Ratio>) -> Result<Ratio> {
    ratio.ok_or_else(|| Error::NoFigures("a round took no time that this clock can measure".to_owned()))
}

fn speedup(ratio: &Ratio) -> report::Speedup {
    let (low, high) = ratio.interval.map(|interval| (interval.low, interval.high)).unzip();
    report::Speedup {
        ratio: ratio.estimate,
        low,
        high,
    }
}

/// The last is the floor.
fn costs(costs: &[Cost]) -> Result<Vec<report::Cost>> {
    let Some((floor, engines)) = costs.split_last() else {
        return Ok(Vec::new());
    };
    let of_floor = |cost: &Cost| {
        let pairs = cost.rounds_ns.iter().zip(&floor.rounds_ns);
        known(Ratio::of(&pairs.map(|(cost, floor)| cost / floor).collect::<Vec<_>>()))
    };
    let engines = engines
        .iter()
        .map(|cost| Ok(shown_cost(cost, Some(speedup(&of_floor(cost)?)))));
    engines.chain([Ok(shown_cost(floor, None))]).collect()
}

fn shown_cost(cost: &Cost, of_floor: Option<report::Speedup>) -> report::Cost {
    let mean = cost.rounds_ns.iter().sum::<f64>() / cost.rounds_ns.len() as f64;
    report::Cost {
        subject: cost.name.clone(),
        n: cost.n * cost.rounds_ns.len(),
        us_per_request: us(mean),
        rounds_us_per_request: cost.rounds_ns.iter().map(|&ns| us(ns)).collect(),
        of_floor,
    }
}

pub(super) fn shown(summary: &Summary) -> report::Summary {
    report::Summary {
        rps: summary.rps,
        errors: summary.errors,
        latency: spread(&summary.latency),
    }
}

pub(super) fn spread(latency: &Latency) -> report::Latency {
    report::Latency {
        n: latency.n,
        mean_us: us(latency.mean_ns),
        p50_us: us(latency.p50_ns),
        p90_us: us(latency.p90_ns),
        p95_us: us(latency.p95_ns),
        p99_us: us(latency.p99_ns),
        max_us: us(latency.max_ns as f64),
        p99_is_weak: latency.is_p99_weak(),
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
