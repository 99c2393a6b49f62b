//! What `bench --plot` draws.

use std::time::{Duration, Instant};

use super::report::{Run, Write};
use crate::engine::Engine;
use crate::error::Result;
use crate::measure::percentile;
use crate::model::{Filter, Page, Position, Query};
use crate::output::plot::{Axis, Labels, Line, Panel, Picture};
use crate::output::units::{bound, whole};
use crate::progress::Progress;

/// Events of a page whose latency is shown.
const PAGE_SIZE: u64 = 20;
/// Points of a line, at most.
const POINTS: u64 = 25;
/// How often each page is asked for.
const ROUNDS: u64 = 9;
/// Rounds end early after so long: the baseline takes a second for one deep page of millions of events.
const LONG: Duration = Duration::from_secs(60);

/// The latency of a page of 20 events from the first page to the last, without a filter: each engine from one thread,
/// in turn, page for page.
///
/// # Errors
/// The log cannot be read.
pub(super) fn latency_by_page(engines: &[(&str, &dyn Engine)], run: &Run, progress: Progress<'_>) -> Result<Picture> {
    let events = engines.last().map_or(Ok(0), |(_, engine)| engine.count(&Filter::ALL))?;
    let last = events.div_ceil(PAGE_SIZE).max(1);
    let points = POINTS.min(last);
    let pages: Vec<_> = (0..points)
        .map(|point| 1 + (last - 1) * point / (points - 1).max(1))
        .collect();
    let mut samples = vec![vec![Vec::new(); pages.len()]; engines.len()];
    let mut page = Page::default();
    let start = Instant::now();
    for round in 0..ROUNDS {
        if start.elapsed() > LONG {
            break;
        }
        for (place, &number) in pages.iter().enumerate() {
            let query = Query::new(Filter::ALL, Position::Page(number), PAGE_SIZE)?;
            for turn in 0..engines.len() {
                // Who is first changes with each page.
                let subject = (turn + place + round as usize) % engines.len();
                let asked = Instant::now();
                engines[subject].1.page(&query, &mut page)?;
                samples[subject][place].push(asked.elapsed().as_nanos() as u64);
            }
            progress(round * points + place as u64 + 1, ROUNDS * points);
        }
    }
    let rounds = samples.first().and_then(|pages| pages.first()).map_or(0, Vec::len);
    let lines = engines.iter().zip(samples).enumerate();
    let lines = lines.map(|(color, ((name, _), samples))| Line {
        name: (*name).to_owned(),
        color,
        is_dashed: false,
        points: pages
            .iter()
            .zip(samples)
            .filter_map(|(page, it)| median(*page, it))
            .collect(),
    });
    Ok(Picture {
        title: "What a page costs, by its place in the log",
        caption: caption(
            run,
            &format!("Pages of {PAGE_SIZE} events, no filter, one thread, medians of {rounds} in turn."),
        ),
        panels: vec![Panel {
            title: String::new(),
            x: Axis {
                label: "page",
                labels: Labels::Numbers(whole),
            },
            y: Axis {
                label: "time for the page",
                labels: Labels::Numbers(bound),
            },
            lines: lines.collect(),
            mark: Some((last as f64, format!("end of the log: page {}", whole(last as f64)))),
        }],
    })
}

fn median(page: u64, mut samples: Vec<u64>) -> Option<(f64, f64)> {
    samples.sort_unstable();
    Some((page as f64, percentile(&samples, 0.5)?.max(1.0) / 1e3))
}

/// Throughput and P99 beside a writer against its rate of commits: two panels for each workload.
pub(super) fn beside_a_writer(writes: &[Write], run: &Run) -> Picture {
    let mut rates: Vec<_> = writes.iter().map(|write| write.write_rate_per_s).collect();
    rates.sort_unstable_by(f64::total_cmp);
    rates.dedup();
    let mut workloads: Vec<_> = writes.iter().map(|write| write.workload.as_str()).collect();
    workloads.sort_unstable_by(|one, other| other.cmp(one));
    workloads.dedup();
    let mut panels = Vec::new();
    for workload in workloads {
        let panel = |what: &str, y, figure: fn(&Write) -> Option<f64>| Panel {
            title: format!("{workload}: {what}"),
            x: rate_axis(&rates),
            y,
            lines: lines(writes.iter().filter(|write| write.workload == workload), &rates, figure),
            mark: None,
        };
        let per_s = Axis {
            label: "requests a second",
            labels: Labels::Numbers(whole),
        };
        let time = Axis {
            label: "P99",
            labels: Labels::Numbers(bound),
        };
        panels.push(panel("requests a second", per_s, |it| Some(it.requests?.rps)));
        panels.push(panel("P99 of a request", time, |it| Some(it.requests?.latency.p99_us)));
    }
    Picture {
        title: "Beside a writer",
        caption: caption(run, &format!("{}.", run.method.label)),
        panels,
    }
}

/// Rates are shown side by side, whatever lies between them: 0 has no place on a logarithmic axis.
fn rate_axis(rates: &[f64]) -> Axis {
    Axis {
        label: "commits a second that the writer is asked for",
        labels: Labels::Names(rates.iter().map(f64::to_string).collect()),
    }
}

/// A line for each engine and journal mode.
fn lines<'a>(writes: impl Iterator<Item = &'a Write>, rates: &[f64], figure: fn(&Write) -> Option<f64>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for write in writes {
        let Some(figure) = figure(write) else { continue };
        let name = format!("{}, {} journal", write.subject, write.journal);
        let place = rates.iter().position(|rate| *rate == write.write_rate_per_s);
        let point = (place.unwrap_or(0) as f64, figure);
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                name,
                color: usize::from(write.subject != "baseline"),
                is_dashed: write.journal == "wal",
                points: vec![point],
            }),
        }
    }
    lines
}

fn caption(run: &Run, method: &str) -> Vec<String> {
    let (data, machine) = (&run.dataset, &run.machine);
    vec![
        method.to_owned(),
        format!(
            "{} events ({}); {}, {} cores, Linux {}; auditq {}, commit {}.",
            whole(data.events as f64),
            data.label,
            machine.cpu_model,
            machine.cores,
            machine.kernel,
            run.auditq_version,
            run.commit
        ),
        run.command_line.clone(),
    ]
}
