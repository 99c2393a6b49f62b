//! The whole report in one sentence.

use crate::command::bench::report::cold::ColdReport;
use crate::command::bench::report::{Report, Speedup, Workload, Write};
use crate::output::units::times;

/// What a reader who reads nothing else should know; `None` where nothing was compared.
pub(super) fn sentence(report: &Report) -> Option<String> {
    if report.writes.is_empty() {
        at_rest(report)
    } else {
        beside_a_writer(&report.writes)
    }
}

fn at_rest(report: &Report) -> Option<String> {
    // In an open loop the rate sets RPS for all.
    let metric = if report.run.method.pace == "open" { "p95" } else { "rps" };
    let subject = report
        .workloads
        .iter()
        .flat_map(|work| &work.ratios)
        .next()?
        .subject
        .as_str();
    let mut parts = Vec::new();
    if let Some(all) = of_each(report, metric) {
        parts.push(match metric {
            "rps" => format!("answers {all} the requests a second"),
            _ => format!("has a P95 that is {all} shorter"),
        });
    }
    // Most requests of the service's own mix find nothing, and that is the easier part.
    if let Some(all) = of_each(report, "cost_with_events") {
        parts.push(format!("gives a page that holds events {all} as fast on one thread"));
    }
    (!parts.is_empty()).then(|| format!("{subject} {}; every answer the same.", and(parts)))
}

/// The ratio of a metric for each workload that has one.
fn of_each(report: &Report, metric: &str) -> Option<String> {
    let of_one = |work: &Workload| {
        let ratio = work.ratios.iter().find(|ratio| ratio.metric == metric)?;
        Some(format!("{} ({})", at_least(&ratio.speedup), work.workload))
    };
    let all: Vec<_> = report.workloads.iter().filter_map(of_one).collect();
    (!all.is_empty()).then(|| and(all))
}

/// The least ratio of each workload and journal mode.
fn beside_a_writer(writes: &[Write]) -> Option<String> {
    let of_one = |one: &Write, other: &Write| (one.journal, &one.workload) == (other.journal, &other.workload);
    let mut parts = Vec::new();
    let mut subject = None;
    for group in writes.chunk_by(of_one) {
        let rps = |write: &Write| {
            let ratio = write.ratios.iter().find(|ratio| ratio.metric == "rps")?;
            Some((ratio.subject.clone(), ratio.speedup))
        };
        let least = group
            .iter()
            .filter_map(rps)
            .min_by(|one, other| low(&one.1).total_cmp(&low(&other.1)));
        let (Some((name, speedup)), Some(first)) = (least, group.first()) else {
            continue;
        };
        parts.push(format!(
            "{} ({}, {} journal)",
            at_least(&speedup),
            first.workload,
            first.journal
        ));
        subject = Some(name);
    }
    let rates = writes.iter().map(|write| write.write_rate_per_s);
    let (slowest, fastest) = (rates.clone().fold(f64::INFINITY, f64::min), rates.fold(0.0, f64::max));
    let commits = if slowest == fastest {
        format!("{fastest}")
    } else {
        format!("{slowest} to {fastest}")
    };
    Some(format!(
        "Beside {commits} commits a second, {} answers {} the requests a second; no answer was stale.",
        subject?,
        and(parts)
    ))
}

/// The same of pages that are not in memory.
pub(super) fn of_cold_pages(report: &ColdReport) -> Option<String> {
    let subject = report.figures.iter().map(|figure| figure.subject).next_back()?;
    let figures = report.figures.iter().filter(|figure| figure.subject == subject);
    let parts = figures.map(|figure| {
        let plural = if figure.page_size == 1 { "" } else { "s" };
        // One sample a round, and so no interval.
        format!("some {} ({} event{plural})", times(figure.speedup), figure.page_size)
    });
    Some(format!(
        "{subject} gives a page that is not in memory {} as fast; every answer the same.",
        and(parts.collect())
    ))
}

fn low(speedup: &Speedup) -> f64 {
    speedup.interval().map_or(speedup.ratio, |(low, _)| low)
}

/// The low end of the interval: what is sure.
fn at_least(speedup: &Speedup) -> String {
    match speedup.interval() {
        Some((low, _)) => format!("≥ {}", times(low)),
        None => format!("some {}", times(speedup.ratio)),
    }
}

fn and(mut parts: Vec<String>) -> String {
    match (parts.pop(), parts.is_empty()) {
        (Some(last), false) => format!("{} and {last}", parts.join(", ")),
        (Some(last), true) => last,
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sure_is_said() {
        let speedup = |low| Speedup {
            ratio: 52.0,
            low,
            high: low.map(|low| low + 5.0),
        };
        assert_eq!(at_least(&speedup(Some(50.94))), "≥ 50.9 ×");
        assert_eq!(at_least(&speedup(None)), "some 52.0 ×");
        // Five powers of ten lie between the ends.
        assert_eq!(at_least(&speedup(Some(0.000_05))), "some 52.0 ×");
    }

    #[test]
    fn parts_are_joined_as_a_sentence_does() {
        let joined = |parts: &[&str]| and(parts.iter().map(|&part| part.to_owned()).collect());
        assert_eq!([joined(&[]), joined(&["a"])], ["", "a"]);
        assert_eq!(
            [joined(&["a", "b"]), joined(&["a", "b", "c"])],
            ["a and b", "a, b and c"]
        );
    }
}
