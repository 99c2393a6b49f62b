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
        .map(|(timed, rounds)| subject(timed, rounds, &measured.depths))
        .collect::<Result<_>>()?;
    // The last is the floor: it answers nothing, so it is no faster than anything.
    let others = 1..subjects.len().saturating_sub(1);
    let side = |place: usize| Side {
        name: &subjects[place].subject,
        rounds: &rounds[place],
        is_p99_weak: subjects[place].total.latency.p99_is_weak,
    };
    let of_others: Vec<_> = others
        .map(|other| ratios(&side(0), &side(other)))
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

fn subject(timed: &Timed, rounds: &[Summary], depths: &[Depth]) -> Result<report::Subject> {
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
    METRICS.into_iter().map(|metric| ratio(metric, model, other)).collect()
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
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::command::bench::Sample;
    use crate::output::bench::Line;

    /// Two requests, each asked twice a round, in two rounds of a second.
    fn timed(name: &str, latencies_ns: [u64; 2]) -> Timed {
        let sample = |request: u32| Sample {
            request,
            latency_ns: latencies_ns[request as usize],
        };
        let samples = [0, 1, 0, 1].map(sample).to_vec();
        let round = Round {
            wall: Duration::from_secs(1),
            errors: 1,
            samples,
        };
        Timed {
            name: name.to_owned(),
            passes: 2,
            rounds: vec![round.clone(), round],
            turns: vec![0, 1],
        }
    }

    fn measured() -> Measured {
        let cost = |name: &str, ns| Cost {
            name: name.to_owned(),
            n: 2,
            rounds_ns: vec![ns, ns],
        };
        Measured {
            workload: "legacy".to_owned(),
            depths: vec![Depth::Shallow, Depth::PastTheEnd],
            offsets: vec![0, 90],
            subjects: vec![
                timed("baseline", [8_000, 40_000]),
                timed("enhanced", [1_000, 4_000]),
                timed("floor", [500, 30]),
            ],
            costs: vec![cost("enhanced", 3_000.0), cost("floor", 1_500.0)],
        }
    }

    #[test]
    fn the_depth_classes_are_the_whole() {
        for subject in workload(&measured()).unwrap().subjects {
            let classes: usize = subject.depths.iter().map(|depth| depth.latency.n).sum();
            let buckets: usize = subject.histogram.iter().map(|bucket| bucket.count).sum();
            let rounds: usize = subject.rounds.iter().map(|round| round.summary.latency.n).sum();
            assert_eq!([classes, buckets, rounds], [subject.total.latency.n; 3]);
            assert_eq!((subject.total.errors, subject.total.rps), (2, 4.0));
        }
    }

    #[test]
    fn above_one_is_faster_in_every_metric() {
        let figures = workload(&measured()).unwrap();
        let ratios: Vec<_> = figures
            .ratios
            .iter()
            .map(|it| (it.metric, it.speedup.ratio.round()))
            .collect();
        assert_eq!(
            ratios,
            [("rps", 1.0), ("p50", 10.0), ("p90", 10.0), ("p95", 10.0), ("p99", 10.0)]
        );
        assert_eq!(figures.ratios[0].verdict, "inconclusive");
        assert_eq!(figures.ratios[1].verdict, "faster");
        assert!((figures.ratios[4].improvement_percent - 90.0).abs() < 1.0 && figures.ratios[4].is_weak);
    }

    #[test]
    fn the_cost_is_told_in_floors() {
        let costs = workload(&measured()).unwrap().costs;
        assert_eq!(costs[0].us_per_request, 3.0);
        assert!((costs[0].of_floor.unwrap().ratio - 2.0).abs() < 1e-9);
        assert!(costs[1].of_floor.is_none());
    }

    #[test]
    fn the_gate_fails_only_where_the_whole_interval_is_below() {
        let mut figures = workload(&measured()).unwrap();
        let names = |gate: &report::Gate| gate.failures.iter().map(|it| it.ratio.metric).collect::<Vec<_>>();
        let strict = gate(1.5, std::slice::from_ref(&figures), &[]);
        assert_eq!((strict.passed, names(&strict)), (false, vec!["rps"]));
        figures.ratios[0].speedup.high = Some(1.5);
        assert!(gate(1.5, std::slice::from_ref(&figures), &[]).passed);
        figures.ratios[0].speedup.high = None;
        assert!(
            gate(
                1e6,
                &[report::Workload {
                    ratios: figures.ratios[..1].to_vec(),
                    ..figures
                }],
                &[]
            )
            .passed
        );
    }

    #[test]
    fn the_lines_have_the_documented_shape() {
        let figures = workload(&measured()).unwrap();
        let line = |line: Line<'_>| serde_json::to_string(&line).unwrap();
        let total = figures.subjects[1].total;
        assert_eq!(
            line(Line::Summary {
                workload: "legacy",
                subject: "enhanced",
                passes_per_round: 2,
                total
            }),
            "{\"type\":\"summary\",\"workload\":\"legacy\",\"subject\":\"enhanced\",\"passes_per_round\":2,\"rps\":4.0,\
             \"errors\":2,\"n\":8,\"mean_us\":2.5,\"p50_us\":2.5,\"p90_us\":4.0,\"p95_us\":4.0,\"p99_us\":4.0,\"max_us\":4.0,\
             \"p99_is_weak\":true}"
        );
        let depth = line(Line::Depth {
            workload: "legacy",
            subject: "floor",
            depth: &figures.subjects[2].depths[1],
        });
        assert!(depth.starts_with(
            "{\"type\":\"depth\",\"workload\":\"legacy\",\"subject\":\"floor\",\"depth\":\"past_the_end\",\"n\":4,\"mean_us\":0.03,"
        ));
        let ratio = line(Line::Ratio {
            workload: "legacy",
            ratio: &figures.ratios[0],
        });
        assert_eq!(
            ratio,
            "{\"type\":\"ratio\",\"workload\":\"legacy\",\"subject\":\"enhanced\",\"against\":\"baseline\",\"metric\":\"rps\",\
             \"ratio\":1.0,\"low\":1.0,\"high\":1.0,\"verdict\":\"inconclusive\",\"improvement_percent\":0.0,\"is_weak\":false}"
        );
        let cost = line(Line::Cost {
            workload: "legacy",
            cost: &figures.costs[1],
        });
        assert_eq!(
            cost,
            "{\"type\":\"cost\",\"workload\":\"legacy\",\"subject\":\"floor\",\"n\":4,\"us_per_request\":1.5,\
             \"rounds_us_per_request\":[1.5,1.5],\"of_floor\":null}"
        );
        let gate = gate(2.0, &[], &[]);
        assert_eq!(
            line(Line::Gate(&gate)),
            "{\"type\":\"gate\",\"min_speedup\":2.0,\"passed\":true,\"failures\":[]}"
        );
    }
}
