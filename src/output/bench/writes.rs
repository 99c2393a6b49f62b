//! The figures beside a writer in tables.

use crate::command::bench::report::{Latency, Ratio, Refreshes, Write};
use crate::output::document::{Block, Grid};
use crate::output::units::{digits, time, times, whole};

const READERS: [&str; 9] = [
    "commits/s",
    "subject",
    "n",
    "errors",
    "RPS",
    "P50",
    "P99",
    "ratio of RPS",
    "95 % interval",
];
const WRITER: [&str; 10] = [
    "commits/s",
    "beside",
    "reached",
    "P50",
    "P99",
    "by frames",
    "by hashes",
    "rebuilds",
    "folds",
    "by SQLite",
];

/// For each workload and journal mode: what the clients got, and what the writer did.
pub(crate) fn tables(writes: &[Write]) -> Vec<Block> {
    let of_one = |one: &Write, other: &Write| (one.journal, &one.workload) == (other.journal, &other.workload);
    let mut blocks = Vec::new();
    for group in writes.chunk_by(of_one) {
        let Some(first) = group.first() else {
            continue;
        };
        let place = format!("{}, {} journal", first.workload, first.journal);
        let readers = group.iter().filter_map(reader_row).collect();
        blocks.push(grid(
            format!("{place}: the clients beside the writer"),
            &READERS,
            readers,
        ));
        let writers: Vec<_> = group.iter().filter_map(writer_row).collect();
        if !writers.is_empty() {
            blocks.push(grid(
                format!("{place}: the writer, and the index's refreshes"),
                &WRITER,
                writers,
            ));
        }
    }
    blocks
}

/// What must be known to read them.
pub(super) fn note() -> String {
    "Every answer was the page of a moment between the last commit that had returned when it was asked for and the last \
     that had begun when it came. At the end the whole log and every request were compared between the engines. A \
     commit's latency includes the append of its payload. A ratio is the geometric mean of the rounds'."
        .to_owned()
}

fn grid(title: String, header: &[&str], rows: Vec<Vec<String>>) -> Block {
    Block::Grid(Grid {
        title,
        header: header.iter().map(|&name| name.to_owned()).collect(),
        rows,
        text_columns: 2,
    })
}

fn reader_row(write: &Write) -> Option<Vec<String>> {
    let requests = write.requests?;
    let latency = &requests.latency;
    let ratio = write.ratios.iter().find(|ratio| ratio.metric == "rps");
    Some(vec![
        rate(write.write_rate_per_s),
        write.subject.to_owned(),
        whole(latency.n as f64),
        some(requests.errors as u64),
        digits(requests.rps),
        time(latency.p50_us),
        p99(latency),
        ratio.map_or(String::new(), |ratio| times(ratio.speedup.ratio)),
        ratio.map_or(String::new(), interval),
    ])
}

fn writer_row(write: &Write) -> Option<Vec<String>> {
    let commits = write.commits?;
    let shown = |figure: fn(&Latency) -> String| commits.latency.as_ref().map_or(String::new(), figure);
    let mut row = vec![
        rate(write.write_rate_per_s),
        write.subject.to_owned(),
        digits(commits.per_s),
        shown(|latency| time(latency.p50_us)),
        shown(p99),
    ];
    row.extend(write.refreshes.map_or([const { String::new() }; 5], counts));
    Some(row)
}

fn counts(refreshes: Refreshes) -> [String; 5] {
    let Refreshes {
        by_frames,
        by_hashes,
        rebuilds,
        folds,
        answers_by_sqlite,
    } = refreshes;
    [by_frames, by_hashes, rebuilds, folds, answers_by_sqlite].map(some)
}

/// A count, where there is anything.
fn some(count: u64) -> String {
    if count == 0 { String::new() } else { whole(count as f64) }
}

/// As it was given: a rate may be a fraction.
fn rate(per_s: f64) -> String {
    format!("{per_s}")
}

fn p99(latency: &Latency) -> String {
    let mark = if latency.p99_is_weak { "*" } else { "" };
    format!("{}{mark}", time(latency.p99_us))
}

fn interval(ratio: &Ratio) -> String {
    match ratio.speedup.interval() {
        Some((low, high)) => format!("{} to {}", digits(low), digits(high)),
        _ => "none".to_owned(),
    }
}
