//! `auditq bench`: both engines and the floor, in turn, on the same requests.

use crate::cli::{BenchArgs, ExportForm, JournalArg, WriteArgs};
use crate::command::notify;
use crate::config::{Config, Display, Format};
use crate::engine::{self, Engine, Lifetime};
use crate::error::{Error, Exit, Result};
use crate::model::{Mode, Page};
use crate::output::progress::Progress;
use crate::output::{Stdout, document, jsonl, plot, unless_closed};
use crate::storage::data_dir::DataDir;
use crate::storage::sqlite::Journal;

mod by_depth;
mod check;
mod cost;
mod environment;
mod figures;
mod files;
mod notes;
mod report;
mod reproduce;
mod rounds;
mod subject;
mod tables;
mod work;
mod worker_pool;
mod writes;

pub use cost::Cost;
pub use rounds::{FLOOR, Measured, Settings, Timed, measure};
pub use work::Work;
pub use worker_pool::{Pace, Round, Sample};

pub(super) fn run(config: &Config, args: &BenchArgs) -> Result<Exit> {
    let works: Vec<_> = args
        .workloads
        .iter()
        .map(|it| Work {
            name: it.workload.name().to_owned(),
            requests: it.workload.stream().take(it.requests).collect(),
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
    let (report, measured) = match &args.writes {
        None => report(config, args, &works, &settings)?,
        Some(writes) => (
            report_beside_writer(config, args, writes, &works, &settings)?,
            Vec::new(),
        ),
    };
    unless_closed(print(&config.display, &report, args.histogram))?;
    if let Some(export) = &args.export {
        files::publish(&export.path, &exported(&report, export.form)?)?;
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
    let [baseline, enhanced] = engines(&config.display, &config.data_dir)?;
    let engines = [("baseline", baseline.as_ref()), ("enhanced", enhanced.as_ref())];
    let dataset = environment::dataset(&config.data_dir, enhanced.as_ref())?;
    let run = environment::run(settings, dataset);
    let progress = Progress::new(&config.display, "measuring");
    let report = |done, total| progress.report(done, total);
    let measured = measure(&engines, &config.data_dir, works, settings, &report)?;
    let workloads: Vec<_> = measured.iter().map(figures::workload).collect::<Result<_>>()?;
    let gate = args.min_speedup.map(|least| figures::gate(least, &workloads, &[]));
    let writes = Vec::new();
    Ok((
        report::Report {
            run,
            workloads,
            writes,
            gate,
        },
        measured,
    ))
}

fn report_beside_writer(
    config: &Config,
    args: &BenchArgs,
    writes: &WriteArgs,
    works: &[Work],
    settings: &Settings,
) -> Result<report::Report> {
    let display = config.display;
    // Not the enhanced one, which would keep an index beside a log that is only copied here.
    let baseline = engine::open(Mode::Baseline, &config.data_dir, Lifetime::OneShot, notify(display))?;
    let run = environment::run(settings, environment::dataset(&config.data_dir, baseline.as_ref())?);
    let journal = |it: &JournalArg| match it {
        JournalArg::Rollback => Journal::Rollback,
        JournalArg::Wal => Journal::Wal,
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
    let progress = Progress::new(&display, "measuring beside a writer");
    let measured = writes::measure(&plan, &|dir| engines(&display, dir), &|done, total| {
        progress.report(done, total);
    })?;
    let writes = writes::records(&measured)?;
    let gate = args.min_speedup.map(|least| figures::gate(least, &[], &writes));
    Ok(report::Report {
        run,
        workloads: Vec::new(),
        writes,
        gate,
    })
}

/// Both, the second with its index.
fn engines(display: &Display, dir: &DataDir) -> Result<[Box<dyn Engine>; 2]> {
    let open = |mode, lifetime| engine::open(mode, dir, lifetime, notify(*display));
    // A missing index is made here, not beside the first requests.
    let progress = Progress::new(display, "indexing");
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

fn exported(report: &report::Report, form: ExportForm) -> Result<Vec<u8>> {
    match form {
        ExportForm::Json => {
            let mut text = serde_json::to_vec_pretty(report).map_err(unwritable)?;
            text.push(b'\n');
            Ok(text)
        }
        ExportForm::Markdown => {
            let mut blocks = tables::environment(report);
            blocks.extend(tables::figures(report, true));
            Ok(document::as_markdown(&blocks).into_bytes())
        }
    }
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::Output(error.into())
}
