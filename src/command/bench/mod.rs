//! `auditq bench`: both engines and the floor, in turn, on the same requests.

use crate::command::notify::notify;
use crate::config::{BenchArgs, Config, Display, JournalMode, WriteArgs};
use crate::contract::dataset::ANCHOR;
use crate::contract::workload;
use crate::engine::{self, Engine, Lifetime};
use crate::error::{Exit, Result};
use crate::model::{Mode, Page};
use crate::output::plot::{self, Picture};
use crate::output::progress::ProgressBar;
use crate::output::{self, Stdout, jsonl, unless_closed};
use crate::seed;
use crate::storage::data_dir::DataDir;
use crate::storage::sqlite::Journal;

mod check;
mod cold;
mod cost;
mod environment;
mod exports;
mod figures;
mod files;
mod gate;
#[cfg(test)]
mod known_times;
mod order;
mod pages;
mod pictures;
mod ratios;
pub(crate) mod report;
mod rounds;
mod settings;
mod subject;
mod worker_pool;
mod writes;

pub use cost::{Cost, Pages};
pub use report::FLOOR;
pub use rounds::{Measured, Timed, measure};
pub use settings::{Pace, Settings, Work};
pub use worker_pool::{Round, Sample};

pub(super) fn run(config: &Config, args: &BenchArgs) -> Result<Exit> {
    if let Some(plot) = args.plot.as_ref().filter(|_| !args.from_exports.is_empty()) {
        files::require_place(plot)?;
        let picture = pictures::by_size(&exports::read(&args.from_exports)?, &environment::command_line());
        files::publish(plot, plot::svg(&picture)?.as_bytes())?;
        return Ok(Exit::Fine);
    }
    let anchor = seed::stream_anchor(&config.data_dir);
    let works: Vec<_> = args
        .workloads
        .iter()
        .map(|workload| Work {
            name: workload.name().to_owned(),
            requests: workload.stream(anchor).take(args.requests).collect(),
        })
        .collect();
    if args.dry_run {
        return print_requests(&works).map(|()| Exit::Fine);
    }
    if let Some(cache) = args.cold {
        let report = cold::measure(config, args, cache)?;
        unless_closed(output::bench::cold::print(&config.display, &report))?;
        return Ok(Exit::Fine);
    }
    // What can be known to fail must not fail after all the work.
    for path in args.export.iter().map(|export| &export.path).chain(&args.plot) {
        files::require_place(path)?;
    }
    let pace = args
        .rate
        .map_or(Pace::Closed, |requests_per_s| Pace::Open { requests_per_s });
    let settings = Settings {
        threads: args.threads,
        rounds: args.rounds,
        pace,
    };
    let (report, picture) = match &args.writes {
        None => report(config, args, &works, &settings)?,
        Some(writes) => report_beside_writer(config, args, writes, &works, &settings)?,
    };
    unless_closed(output::bench::print(&config.display, &report, args.histogram))?;
    if let Some(export) = &args.export {
        files::publish(&export.path, &output::bench::export(&report, export.format)?)?;
    }
    if let Some((path, picture)) = args.plot.as_ref().zip(picture) {
        files::publish(path, plot::svg(&picture)?.as_bytes())?;
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
) -> Result<(report::Report, Option<Picture>)> {
    let [baseline, enhanced] = engines(&config.display, &config.data_dir)?;
    let engines = [("baseline", baseline.as_ref()), ("enhanced", enhanced.as_ref())];
    let dataset = environment::dataset(&config.data_dir, enhanced.as_ref())?;
    let run = environment::run(settings, dataset);
    let progress = ProgressBar::new(&config.display, "measuring");
    let report = |done, total| progress.report(done, total);
    let measured = measure(&engines, &config.data_dir, works, settings, &report)?;
    let workloads = figures::workloads(&measured, run.have_clients_a_core_each())?;
    let gate = args.min_speedup.map(|least| gate::gate(least, &workloads, &[]));
    let pages = match &args.plot {
        None => Vec::new(),
        Some(_) => {
            let progress = ProgressBar::new(&config.display, "measuring page by page");
            pages::measure(&engines, &|done, total| progress.report(done, total))?
        }
    };
    let picture = args.plot.as_ref().map(|_| pictures::latency_by_page(&pages, &run));
    Ok((
        report::Report {
            run,
            workloads,
            writes: Vec::new(),
            pages,
            gate,
        },
        picture,
    ))
}

fn report_beside_writer(
    config: &Config,
    args: &BenchArgs,
    writes: &WriteArgs,
    works: &[Work],
    settings: &Settings,
) -> Result<(report::Report, Option<Picture>)> {
    let display = config.display;
    // Not the enhanced one, which would keep an index beside a log that is only copied here.
    let baseline = engine::open(Mode::Baseline, &config.data_dir, Lifetime::OneShot, notify(display))?;
    let run = environment::run(settings, environment::dataset(&config.data_dir, baseline.as_ref())?);
    let journal = |it: &JournalMode| match it {
        JournalMode::Rollback => Journal::Rollback,
        JournalMode::Wal => Journal::Wal,
    };
    let journals: Vec<_> = writes.journals.iter().map(journal).collect();
    let plan = writes::Plan {
        log: &config.data_dir,
        works,
        threads: settings.threads,
        rounds: settings.rounds,
        rates_per_s: &writes.rates_per_s,
        journals: &journals,
        turn: writes.turn,
    };
    let progress = ProgressBar::new(&display, "measuring beside a writer");
    let measured = writes::measure(&plan, &|dir| engines(&display, dir), &|done, total| {
        progress.report(done, total);
    })?;
    let writes = writes::records(&measured, run.have_clients_a_core_each())?;
    let gate = args.min_speedup.map(|least| gate::gate(least, &[], &writes));
    let picture = pictures::beside_a_writer(&writes, &run);
    Ok((
        report::Report {
            run,
            workloads: Vec::new(),
            writes,
            pages: Vec::new(),
            gate,
        },
        Some(picture),
    ))
}

/// Both, the second with its index.
fn engines(display: &Display, dir: &DataDir) -> Result<[Box<dyn Engine>; 2]> {
    let open = |mode, lifetime| engine::open(mode, dir, lifetime, notify(*display));
    // A missing index is made here, not beside the first requests.
    let progress = ProgressBar::new(display, "indexing");
    let first = open(Mode::Enhanced, Lifetime::OneShot)?;
    first.maintain(&|done, total| progress.report(done, total))?;
    let baseline = open(Mode::Baseline, Lifetime::LongLived)?;
    let enhanced = open(Mode::Enhanced, Lifetime::LongLived)?;
    // Where no index could be written, this one makes its own while the baseline's answers are collected.
    if let Some(query) = workload::deep(ANCHOR).next() {
        // What cannot be answered is said in its turn.
        let _ = enhanced.page(&query, &mut Page::default());
    }
    Ok([baseline, enhanced])
}
