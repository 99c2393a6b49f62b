//! `auditq bench`: both engines and the floor, in turn, on the same requests.

use crate::config::{BenchArgs, Config, Display, ExportFormat, Format};
use crate::engine::{self, Engine, Lifetime, Notify};
use crate::error::{Error, Exit, Result};
use crate::model::{Mode, Page, Query};
use crate::output::progress::{Progress, note};
use crate::output::{Stdout, document, jsonl, plot, unless_closed};

mod by_depth;
mod check;
mod cost;
mod environment;
mod figures;
mod files;
mod notes;
mod report;
mod rounds;
mod subject;
mod tables;
mod worker_pool;

pub use cost::Cost;
pub use rounds::{FLOOR, Measured, Settings, Timed, measure};
pub use worker_pool::{Pace, Round, Sample};

/// Requests under a name.
#[derive(Clone, Debug)]
pub struct Work {
    /// The workload's name.
    pub name: String,
    /// At least one.
    pub requests: Vec<Query>,
}

pub(super) fn run(config: &Config, args: &BenchArgs) -> Result<Exit> {
    let works: Vec<_> = args
        .workloads
        .iter()
        .map(|workload| Work {
            name: workload.name().to_owned(),
            requests: workload.stream().take(args.requests).collect(),
        })
        .collect();
    if args.dry_run {
        return print_requests(&works).map(|()| Exit::Fine);
    }
    // What can be known to fail must not fail after all the work.
    for path in args.export.iter().map(|export| &export.path).chain(&args.plot) {
        files::require_directory(path)?;
    }
    let pace = args
        .rate
        .map_or(Pace::Closed, |requests_per_s| Pace::Open { requests_per_s });
    let settings = Settings {
        threads: args.threads,
        rounds: args.rounds,
        pace,
    };
    let (report, measured) = report(config, args, &works, &settings)?;
    unless_closed(print(&config.display, &report, args.histogram))?;
    if let Some(export) = &args.export {
        files::publish(&export.path, &exported(&report, export.format)?)?;
    }
    if let Some(path) = &args.plot {
        let title = "Latency by page depth";
        let svg = plot::svg(title, &report.run.method.label, &by_depth::panels(&measured))?;
        files::publish(path, svg.as_bytes())?;
    }
    let passed = report.gate.as_ref().is_none_or(|gate| gate.passed);
    Ok(if passed { Exit::Fine } else { Exit::Negative })
}

/// The `query` objects of the contract, and nothing else: this runs nothing, and needs no log.
fn print_requests(works: &[Work]) -> Result<()> {
    let mut out = Stdout::lock();
    let mut line = Vec::new();
    for query in works.iter().flat_map(|work| &work.requests) {
        line.clear();
        jsonl::request(&mut line, query);
        line.push(b'\n');
        out.write(&line)?;
    }
    out.flush()
}

fn report(
    config: &Config,
    args: &BenchArgs,
    works: &[Work],
    settings: &Settings,
) -> Result<(report::Report, Vec<Measured>)> {
    let [baseline, enhanced] = engines(config)?;
    let engines = [("baseline", baseline.as_ref()), ("enhanced", enhanced.as_ref())];
    let dataset = environment::dataset(&config.data_dir, enhanced.as_ref())?;
    let run = environment::run(settings, dataset);
    let progress = Progress::new(&config.display, "measuring");
    let report = |done, total| progress.report(done, total);
    let measured = measure(&engines, &config.data_dir, works, settings, &report)?;
    let workloads: Vec<_> = measured.iter().map(figures::workload).collect::<Result<_>>()?;
    let gate = args.min_speedup.map(|least| figures::gate(least, &workloads));
    Ok((report::Report { run, workloads, gate }, measured))
}

/// Both, the second with its index.
fn engines(config: &Config) -> Result<[Box<dyn Engine>; 2]> {
    let display = config.display;
    let notify = || -> Notify { Box::new(move |line: &str| note(&display, line)) };
    let open = |mode, lifetime| engine::open(mode, &config.data_dir, lifetime, notify());
    // A missing index is made here, not beside the first requests.
    let progress = Progress::new(&display, "indexing");
    let first = open(Mode::Enhanced, Lifetime::OneShot)?;
    first.maintain(&|done, total| progress.report(done, total))?;
    let baseline = open(Mode::Baseline, Lifetime::LongLived)?;
    let enhanced = open(Mode::Enhanced, Lifetime::LongLived)?;
    // Where no index could be written, this one makes its own while the baseline's answers are collected.
    if let Some(query) = crate::contract::workload::deep().next() {
        // What cannot be answered is said in its turn.
        let _ = enhanced.page(&query, &mut Page::default());
    }
    Ok([baseline, enhanced])
}

fn print(display: &Display, report: &report::Report, with_histogram: bool) -> Result<()> {
    let mut out = Stdout::lock();
    match display.format {
        Format::Table => {
            let blocks = tables::figures(report, with_histogram);
            out.write(document::as_text(display, &blocks).as_bytes())?;
        }
        Format::Jsonl => {
            for line in report::lines(report, with_histogram) {
                out.write(&serde_json::to_vec(&line).map_err(unwritable)?)?;
                out.write(b"\n")?;
            }
        }
    }
    out.flush()
}

fn exported(report: &report::Report, format: ExportFormat) -> Result<Vec<u8>> {
    match format {
        ExportFormat::Json => {
            let mut text = serde_json::to_vec_pretty(report).map_err(unwritable)?;
            text.push(b'\n');
            Ok(text)
        }
        ExportFormat::Markdown => {
            let mut blocks = tables::environment(report);
            blocks.extend(tables::figures(report, true));
            Ok(document::as_markdown(&blocks).into_bytes())
        }
    }
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::Output(error.into())
}
