//! The report in tables.

use super::{headline, writes};
use crate::command::bench::report::{Cost, Latency, Ratio, Report, Speedup, Subject, Workload};
use crate::output::document::{Block, Grid};
use crate::output::units::{bound, date, digits, percent, time, times, whole};

/// The widest bar of a histogram, in characters.
const BAR: f64 = 16.0;

/// The end of a bar, in eighths of a character.
const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// What was run on what: for a file that must speak for itself.
pub(super) fn environment(report: &Report) -> Vec<Block> {
    let run = &report.run;
    let ram = run
        .machine
        .ram_bytes
        .map(|bytes| format!(", {} MiB of memory", whole(bytes as f64 / 1048576.0)));
    let machine = &run.machine;
    let rows = [
        (
            "machine",
            format!(
                "{}, {} cores{}",
                machine.cpu_model,
                machine.cores,
                ram.unwrap_or_default()
            ),
        ),
        ("kernel", machine.kernel.clone()),
        ("auditq", format!("{}, commit {}", run.auditq_version, run.commit)),
        ("payloads, SHA-256", run.dataset.payloads_sha256.clone()),
        ("rows, SHA-256", run.dataset.rows_sha256.clone()),
        (
            "started",
            format!(
                "{} UTC",
                date(i64::try_from(run.started_at_epoch_s).unwrap_or(i64::MAX))
            ),
        ),
    ];
    let rows = rows
        .into_iter()
        .map(|(what, value)| vec![what.to_owned(), value])
        .collect();
    let header = ["what", "value"].map(str::to_owned).to_vec();
    vec![
        Block::Code(run.command_line.clone()),
        Block::Grid(Grid {
            title: "Environment".to_owned(),
            header,
            rows,
            text_columns: 2,
        }),
    ]
}

/// The figures of each workload.
pub(super) fn figures(report: &Report, with_histogram: bool) -> Vec<Block> {
    let (run, data) = (&report.run, &report.run.dataset);
    let mut blocks: Vec<_> = headline::sentence(report).into_iter().map(Block::Text).collect();
    blocks.push(Block::Text(format!(
        "{}; {} events, {}",
        run.method.label,
        whole(data.events as f64),
        data.label
    )));
    for work in &report.workloads {
        blocks.extend(work.subjects.iter().filter_map(|it| ratios(work, it)).map(Block::Grid));
        blocks.push(Block::Grid(costs(work)));
        blocks.push(Block::Grid(summaries(work)));
        blocks.push(Block::Grid(depths(work)));
        blocks.extend(with_histogram.then(|| Block::Grid(histograms(work))));
    }
    blocks.extend(writes::tables(&report.writes));
    blocks
}

fn grid(title: String, header: &[&str], text_columns: usize, rows: Vec<Vec<String>>) -> Grid {
    Grid {
        title,
        header: header.iter().map(|&name| name.to_owned()).collect(),
        rows,
        text_columns,
    }
}

fn summaries(work: &Workload) -> Grid {
    let row = |it: &Subject| {
        let errors = Some(it.total.errors).filter(|errors| *errors > 0);
        let mut row = vec![
            it.subject.clone(),
            count(it.total.latency.n),
            errors.map_or(String::new(), count),
        ];
        row.push(digits(it.total.rps));
        row.extend(spread(&it.total.latency));
        row
    };
    let title = format!("{}: {} requests", work.workload, count(work.requests));
    let header = ["subject", "n", "errors", "RPS", "P50", "P90", "P95", "P99", "max"];
    grid(title, &header, 1, work.subjects.iter().map(row).collect())
}

/// Of a subject that has any.
fn ratios(work: &Workload, subject: &Subject) -> Option<Grid> {
    let ratios: Vec<_> = work.ratios.iter().filter(|it| it.subject == subject.subject).collect();
    let against = ratios.first()?.against.as_str();
    let model = work.subjects.iter().find(|it| it.subject == against)?;
    let row = |it: &&Ratio| {
        vec![
            label(it.metric),
            metric(work, model, it.metric),
            metric(work, subject, it.metric),
            times(it.speedup.ratio),
            interval(&it.speedup),
            percent(it.improvement_percent),
            it.verdict.to_owned(),
        ]
    };
    let title = format!("{}: {} against {against}", work.workload, subject.subject);
    let header = [
        "metric",
        against,
        &subject.subject,
        "ratio",
        "95 % interval",
        "improvement",
        "verdict",
    ];
    Some(grid(title, &header, 1, ratios.iter().map(row).collect()))
}

/// What a metric is called in tables.
pub(super) fn label(metric: &str) -> String {
    match metric {
        "cost" => "one thread, a page".to_owned(),
        "cost_with_events" => "one thread, with events".to_owned(),
        _ => metric.to_uppercase(),
    }
}

fn metric(work: &Workload, subject: &Subject, metric: &str) -> String {
    let latency = &subject.total.latency;
    let cost = |pages: &str| {
        let mut costs = work.costs.iter();
        let cost = costs.find(|it| it.subject == subject.subject && it.pages == pages);
        cost.map_or(String::new(), |cost| time(cost.us_per_request))
    };
    match metric {
        "cost" => cost("all"),
        "cost_with_events" => cost("with events"),
        "rps" => digits(subject.total.rps),
        "p50" => time(latency.p50_us),
        "p90" => time(latency.p90_us),
        "p95" => time(latency.p95_us),
        _ => p99(latency),
    }
}

fn costs(work: &Workload) -> Grid {
    let row = |it: &Cost| {
        let of_floor = it.of_floor.as_ref();
        vec![
            it.pages.to_owned(),
            it.subject.clone(),
            count(it.requests),
            count(it.n),
            time(it.us_per_request),
            of_floor.map_or(String::new(), |speedup| times(speedup.ratio)),
            of_floor.map_or(String::new(), interval),
        ]
    };
    let title = format!("{}: what a request costs, one thread", work.workload);
    let header = [
        "pages",
        "subject",
        "requests",
        "n",
        "mean",
        "of the floor",
        "95 % interval",
    ];
    grid(title, &header, 2, work.costs.iter().map(row).collect())
}

fn depths(work: &Workload) -> Grid {
    let mut rows = Vec::new();
    // Every subject got the same requests, so each has the same classes.
    for depth in work
        .subjects
        .iter()
        .take(1)
        .flat_map(|subject| &subject.depths)
        .map(|it| it.depth)
    {
        for subject in &work.subjects {
            for it in subject.depths.iter().filter(|it| it.depth == depth) {
                let mut row = vec![depth.replace('_', " "), subject.subject.clone(), count(it.latency.n)];
                row.extend(spread(&it.latency));
                rows.push(row);
            }
        }
    }
    let title = format!("{}: by how deep the page lies", work.workload);
    grid(
        title,
        &["depth", "subject", "n", "P50", "P90", "P95", "P99", "max"],
        2,
        rows,
    )
}

/// One row a bucket that any subject has.
fn histograms(work: &Workload) -> Grid {
    let mut bounds: Vec<(f64, Option<f64>)> = Vec::new();
    for bucket in work.subjects.iter().flat_map(|subject| &subject.histogram) {
        let range = (bucket.from_us, bucket.to_us);
        if !bounds.contains(&range) {
            bounds.push(range);
        }
    }
    bounds.sort_by(|one, other| one.0.total_cmp(&other.0));
    let row = |&(from, to): &(f64, Option<f64>)| {
        let mut row = vec![bound(from), to.map_or("more".to_owned(), bound)];
        row.extend(work.subjects.iter().map(|subject| bar(subject, from)));
        row
    };
    let mut header = vec!["from", "to"];
    header.extend(work.subjects.iter().map(|subject| subject.subject.as_str()));
    let title = format!("{}: requests by latency", work.workload);
    grid(title, &header, header.len(), bounds.iter().map(row).collect())
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn bar(subject: &Subject, from_us: f64) -> String {
    let bucket = subject.histogram.iter().find(|bucket| bucket.from_us == from_us);
    let count = bucket.map_or(0, |bucket| bucket.count);
    if count == 0 {
        return String::new();
    }
    let share = count as f64 / subject.total.latency.n as f64;
    // What is there is seen, however little it is.
    let eighths = ((share * BAR * 8.0).round() as usize).max(1);
    let end = PARTS.get(eighths % 8).copied().unwrap_or_default();
    format!("{:>6.2} % {}{end}", share * 100.0, "█".repeat(eighths / 8))
}

fn spread(latency: &Latency) -> [String; 5] {
    let Latency {
        p50_us,
        p90_us,
        p95_us,
        max_us,
        ..
    } = *latency;
    [time(p50_us), time(p90_us), time(p95_us), p99(latency), time(max_us)]
}

fn p99(latency: &Latency) -> String {
    let mark = if latency.p99_is_weak { "*" } else { "" };
    format!("{}{mark}", time(latency.p99_us))
}

pub(super) fn interval(speedup: &Speedup) -> String {
    match speedup.interval() {
        Some((low, high)) => format!("{} to {}", digits(low), digits(high)),
        _ => "none".to_owned(),
    }
}

fn count(number: usize) -> String {
    whole(number as f64)
}
