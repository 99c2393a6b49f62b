//! How many times faster one engine is than the other: of like with like.

use super::cost::{Cost, Pages};
use super::report;
use crate::error::{Error, Result};
use crate::measure::{Ratio, Summary};

/// A percentile of latencies in nanoseconds.
type Percentile = (&'static str, fn(&Summary) -> f64);

const PERCENTILES: [Percentile; 4] = [
    ("p50", |summary| summary.latency.p50_ns),
    ("p90", |summary| summary.latency.p90_ns),
    ("p95", |summary| summary.latency.p95_ns),
    ("p99", |summary| summary.latency.p99_ns),
];

/// The metrics of one-thread costs.
pub(super) const COST: &str = "cost";
pub(super) const COST_WITH_EVENTS: &str = "cost_with_events";

/// A subject with its rounds, as one side of a ratio.
pub(super) struct Side<'a> {
    pub(super) name: &'a str,
    pub(super) rounds: &'a [Summary],
    pub(super) is_p99_weak: bool,
}

/// What a ratio is of, before it is known how many others are told beside it.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    subject: String,
    against: String,
    metric: &'static str,
    /// Whether more is faster, as of a rate; else less is, as of a time.
    is_rate: bool,
    is_weak: bool,
    /// How many times faster, for each round.
    rounds: Vec<f64>,
}

/// What the service times of a request on one thread are, against the model's.
pub(super) fn of_costs(costs: &[Cost], [model, other]: &[Side<'_>; 2]) -> Vec<Comparison> {
    let of = |pages, metric| {
        let of_side = |side: &Side<'_>| costs.iter().find(|it| it.name == side.name && it.pages == pages);
        let (slow, fast) = (of_side(model)?, of_side(other)?);
        let pairs = slow.rounds_ns.iter().zip(&fast.rounds_ns);
        Some(comparison(
            [model, other],
            metric,
            false,
            pairs.map(|(slow, fast)| slow / fast),
        ))
    };
    [of(Pages::All, COST), of(Pages::WithEvents, COST_WITH_EVENTS)]
        .into_iter()
        .flatten()
        .collect()
}

/// What all clients get done in a second, against the model's.
pub(super) fn of_rps([model, other]: &[Side<'_>; 2]) -> Vec<Comparison> {
    let pairs = model.rounds.iter().zip(other.rounds);
    let faster = pairs.map(|(model, other)| other.rps / model.rps);
    vec![comparison([model, other], "rps", true, faster)]
}

/// Percentiles of latencies, against the model's. With more clients than cores a latency also holds the wait for a core,
/// of one engine within a request and of the other between two: such are not alike, and not to be compared.
pub(super) fn of_latencies([model, other]: &[Side<'_>; 2]) -> Vec<Comparison> {
    let of = |(metric, value): Percentile| {
        let pairs = model.rounds.iter().zip(other.rounds);
        let faster = pairs.map(|(model, other)| value(model) / value(other));
        Comparison {
            is_weak: metric == "p99" && (model.is_p99_weak || other.is_p99_weak),
            ..comparison([model, other], metric, false, faster)
        }
    };
    PERCENTILES.into_iter().map(of).collect()
}

fn comparison(
    [model, other]: [&Side<'_>; 2],
    metric: &'static str,
    is_rate: bool,
    rounds: impl Iterator<Item = f64>,
) -> Comparison {
    Comparison {
        subject: other.name.to_owned(),
        against: model.name.to_owned(),
        metric,
        is_rate,
        is_weak: false,
        rounds: rounds.collect(),
    }
}

/// The ratios with their intervals, as some of `family` that one report tells.
///
/// # Errors
/// A round took no time.
pub(super) fn judge(comparisons: &[Comparison], family: usize) -> Result<Vec<report::Ratio>> {
    let judge = |it: &Comparison| {
        let ratio = known(Ratio::one_of(family, &it.rounds))?;
        let gain = if it.is_rate {
            ratio.estimate - 1.0
        } else {
            1.0 - 1.0 / ratio.estimate
        };
        Ok(report::Ratio {
            subject: it.subject.clone(),
            against: it.against.clone(),
            metric: it.metric,
            speedup: speedup(&ratio),
            verdict: ratio.verdict().name(),
            improvement_percent: gain * 100.0,
            is_weak: it.is_weak,
        })
    };
    comparisons.iter().map(judge).collect()
}

pub(super) fn known(ratio: Option<Ratio>) -> Result<Ratio> {
    ratio.ok_or_else(|| Error::NoFigures("a round took no time that this clock can measure".to_owned()))
}

pub(super) fn speedup(ratio: &Ratio) -> report::Speedup {
    let (low, high) = ratio.interval.map(|interval| (interval.low, interval.high)).unzip();
    report::Speedup {
        ratio: ratio.estimate,
        low,
        high,
    }
}
