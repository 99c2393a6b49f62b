//! `bench --cold`: both engines on pages whose files are not in memory, in turn.

use std::time::Instant;

use super::report::cold::{ColdFigure, ColdReport};
use crate::command::notify::notify;
use crate::config::{BenchArgs, ColdCache, Config};
use crate::engine::{self, Lifetime};
use crate::error::{Error, Result};
use crate::measure::percentile;
use crate::model::{Filter, Mode, Page, Position, Query};
use crate::output::progress::ProgressBar;
use crate::storage::cold_files::{ColdFiles, drop_all_caches};

/// In events. The first is what the others are compared with.
const PAGE_SIZES: [u64; 3] = [1, 20, 50];
const SUBJECTS: [(&str, Mode); 2] = [("baseline", Mode::Baseline), ("enhanced", Mode::Enhanced)];
/// Where the pages lie: its multiples, less their whole part, are spread evenly over the log however many are taken.
const GOLDEN_RATIO: f64 = 0.618_033_988_749_894_9;

/// One sample for each size and subject: sizes outside, subjects inside.
type Samples = [[Vec<u64>; SUBJECTS.len()]; PAGE_SIZES.len()];

/// Measures one request a process: opening the engine is part of it, starting the process is not.
///
/// # Errors
/// The log cannot be read, its files stay in memory, or the engines' answers differ.
pub(super) fn measure(config: &Config, args: &BenchArgs, cache: ColdCache) -> Result<ColdReport> {
    let first = engine::open(
        Mode::Enhanced,
        &config.data_dir,
        Lifetime::OneShot,
        notify(config.display),
    )?;
    let indexing = ProgressBar::new(&config.display, "indexing");
    first.maintain(&|done, total| indexing.report(done, total))?;
    let events = first.count(&Filter::ALL)?;
    drop(first);
    let files = ColdFiles::new(&config.data_dir)?;
    files.drop_cached()?;
    let is_dropped = files.are_dropped()?;
    if is_dropped == Some(false) {
        return Err(Error::NoFigures(
            "the log's files stay in memory: what was just written leaves it once it is on the disk (sync)".to_owned(),
        ));
    }
    let progress = ProgressBar::new(&config.display, "measuring");
    let mut samples = Samples::default();
    for round in 0..args.rounds {
        progress.report(round as u64, args.rounds as u64);
        // Who begins takes turns.
        for at in 0..PAGE_SIZES.len() {
            let size = (round + at) % PAGE_SIZES.len();
            let query = page_at(events, round, PAGE_SIZES[size])?;
            let mut pages = [Page::default(), Page::default()];
            for turn in 0..SUBJECTS.len() {
                let subject = (round + turn) % SUBJECTS.len();
                match cache {
                    ColdCache::Files => files.drop_cached()?,
                    ColdCache::System => drop_all_caches()?,
                }
                let started = Instant::now();
                let engine = engine::open(
                    SUBJECTS[subject].1,
                    &config.data_dir,
                    Lifetime::OneShot,
                    notify(config.display),
                )?;
                engine.page(&query, &mut pages[subject])?;
                samples[size][subject].push(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
            }
            let [baseline, enhanced] = &pages;
            if !baseline.events().eq(enhanced.events()) {
                return Err(Error::NoFigures(format!("the engines' answers differ: {query:?}")));
            }
        }
    }
    let dropped = match cache {
        ColdCache::Files => files.names(),
        ColdCache::System => vec!["system".to_owned()],
    };
    Ok(ColdReport {
        dropped,
        is_dropped,
        events,
        rounds: args.rounds,
        figures: figures(&mut samples),
    })
}

/// The page of this round, by its number: at another depth each time.
fn page_at(events: u64, round: usize, size: u64) -> Result<Query> {
    let depth = ((round + 1) as f64 * GOLDEN_RATIO).fract();
    let page = 1 + (depth * (events / size) as f64) as u64;
    Query::new(Filter::ALL, Position::Page(page), size)
}

fn figures(samples: &mut Samples) -> Vec<ColdFigure> {
    let us = |sorted: &[u64], p| percentile(sorted, p).unwrap_or(f64::NAN).round() / 1_000.0;
    for sample in samples.iter_mut().flatten() {
        sample.sort_unstable();
    }
    let mut figures = Vec::new();
    for (size, of_size) in PAGE_SIZES.iter().zip(&*samples) {
        for (number, (subject, _)) in SUBJECTS.iter().enumerate() {
            let p50_us = us(&of_size[number], 0.5);
            figures.push(ColdFigure {
                subject,
                page_size: *size,
                p50_us,
                p90_us: us(&of_size[number], 0.9),
                of_one_event: p50_us / us(&samples[0][number], 0.5),
                speedup: us(&of_size[0], 0.5) / p50_us,
            });
        }
    }
    figures
}
