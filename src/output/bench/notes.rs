//! Notes on how to read the figures.

use super::tables::{interval, label};
use super::writes;
use crate::command::bench::report::{FLOOR, Failure, Gate, Report};
use crate::output::units::{digits, times};

/// A paragraph each.
pub(super) fn notes(report: &Report) -> Vec<String> {
    let subjects = || report.workloads.iter().flat_map(|work| &work.subjects);
    let at_rest = format!(
        "Every answer was checked against the baseline's, before and after. The {FLOOR} reads the same payloads and does \
         nothing else. Each round, all subjects in turn answer the same requests, a fast one again and again until \
         0.1 s have passed. A ratio is the geometric mean of the rounds'; its interval holds, together with those of all other \
         ratios here, with 95 % confidence, if the rounds' ratios are about log-normal and each is correlated with the next \
         by at most 0.6."
    );
    let is_at_rest = report.writes.is_empty();
    let mut notes = vec![if is_at_rest { at_rest } else { writes::note() }];
    let method = &report.run.method;
    if method.clients > report.run.machine.cores {
        notes.push(
            "With more clients than cores a latency also holds the wait for a core, within a request of the baseline and \
             between two of a fast engine: percentiles are shown, but not compared. The cost on one thread is."
                .to_owned(),
        );
    }
    if method.pace == "open" {
        notes.push(
            "In the open loop, a latency includes the moment a sleeping thread takes to wake. The rate sets RPS for every \
             subject, so there is no ratio of it, no verdict and no gate on it."
                .to_owned(),
        );
        notes.extend(behind(report));
    }
    let depths = subjects()
        .flat_map(|subject| &subject.depths)
        .map(|depth| &depth.latency);
    let clients = report
        .writes
        .iter()
        .filter_map(|write| Some(&write.requests.as_ref()?.latency));
    let commits = report
        .writes
        .iter()
        .filter_map(|write| write.commits.as_ref()?.latency.as_ref());
    if subjects()
        .map(|subject| &subject.total.latency)
        .chain(depths)
        .chain(clients)
        .chain(commits)
        .any(|latency| latency.p99_is_weak)
    {
        notes.push("* of fewer than 1,000 different requests: fewer than ten lie beyond this P99.".to_owned());
    }
    notes.extend(report.gate.as_ref().map(gate));
    notes
}

/// Which subjects the rate was too high for.
fn behind(report: &Report) -> Option<String> {
    let rate = report.run.method.rate_requests_per_s?;
    let behind = report.workloads.iter().flat_map(|work| {
        let subjects = work.subjects.iter();
        subjects.filter_map(|it| {
            let open = it.open.filter(|open| !open.kept_up)?;
            Some(format!(
                "{} {}: {} of {} a second",
                work.workload,
                it.subject,
                digits(open.started_per_s),
                digits(rate)
            ))
        })
    });
    let behind: Vec<_> = behind.collect();
    (!behind.is_empty()).then(|| {
        format!(
            "COULD NOT KEEP UP with the rate: {}. Such latencies are of a queue that grows with the round: ask for a \
             lower --rate.",
            behind.join("; ")
        )
    })
}

fn gate(gate: &Gate) -> String {
    let least = times(gate.min_speedup);
    if gate.passed {
        return format!("Gate passed: every ratio is at least {least}, at the low end of its interval.");
    }
    let failure = |it: &Failure| {
        let ratio = &it.ratio;
        let found = times(ratio.speedup.ratio);
        format!(
            "{} {} {} {found} ({})",
            it.workload,
            ratio.subject,
            label(ratio.metric),
            interval(&ratio.speedup)
        )
    };
    let failures: Vec<_> = gate.failures.iter().map(failure).collect();
    if failures.is_empty() {
        return format!("GATE FAILED: there is no ratio that could be at least {least}.");
    }
    format!(
        "GATE FAILED: not surely at least {least}, because the low end of the interval does not reach it: {}.",
        failures.join("; ")
    )
}
