//! `auditq bench`: both engines and the floor, in turn, on the same requests.

use crate::config::{BenchArgs, Config};
use crate::engine::{self, Engine, Lifetime, Notify};
use crate::error::{Exit, Result};
use crate::model::{Mode, Page};
use crate::output::progress::{ProgressBar, note};
use crate::output::{self, Stdout, jsonl, plot, unless_closed};

mod by_depth;
mod check;
mod cost;
mod environment;
mod figures;
mod files;
pub(crate) mod report;
mod rounds;
mod settings;
mod subject;
mod worker_pool;

pub use cost::Cost;
pub use report::FLOOR;
pub use rounds::{Measured, Timed, measure};
pub use settings::{Pace, Settings, Work};
pub use worker_pool::{Round, Sample};

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
    unless_closed(output::bench::print(&config.display, &report, args.histogram))?;
    if let Some(export) = &args.export {
        files::publish(&export.path, &output::bench::export(&report, export.format)?)?;
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
    let progress = ProgressBar::new(&config.display, "measuring");
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
    let progress = ProgressBar::new(&display, "indexing");
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
