//! What a page costs by its place in the log.

use std::time::{Duration, Instant};

use super::report::PageTime;
use crate::engine::Engine;
use crate::error::Result;
use crate::measure::percentile;
use crate::model::{Filter, Page, Position, Query};
use crate::progress::Progress;

/// Events of a page whose latency is measured.
pub(super) const PAGE_SIZE: u64 = 20;
/// Pages between the first and the last, at most.
const POINTS: u64 = 25;
/// How often each page is asked for.
const ROUNDS: u64 = 9;
/// Rounds end early after so long: the baseline takes a second for one deep page of millions of events.
const LONG: Duration = Duration::from_secs(60);

/// The latency of pages from the first to the last, without a filter: each engine from one thread, in turn, page for page.
///
/// # Errors
/// The log cannot be read.
pub(super) fn measure(engines: &[(&str, &dyn Engine)], progress: Progress<'_>) -> Result<Vec<PageTime>> {
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
    let mut times = Vec::new();
    for ((subject, _), samples) in engines.iter().zip(samples) {
        times.extend(
            pages
                .iter()
                .zip(samples)
                .filter_map(|(page, it)| median(subject, *page, it)),
        );
    }
    Ok(times)
}

fn median(subject: &str, page: u64, mut samples: Vec<u64>) -> Option<PageTime> {
    samples.sort_unstable();
    Some(PageTime {
        subject: subject.to_owned(),
        page,
        page_size: PAGE_SIZE,
        n: samples.len(),
        p50_us: percentile(&samples, 0.5)?.max(1.0).round() / 1e3,
    })
}
