//! The plot's data: latency by the number of events before the page.

use super::report::FLOOR;
use super::rounds::{Measured, Timed};
use crate::measure::percentile;
use crate::output::plot::{Panel, Point, Series};
use crate::output::units::whole;

/// Points of a line, at most.
const BINS: u64 = 40;

/// A panel a workload, a line an engine.
pub(super) fn panels(measured: &[Measured]) -> Vec<Panel> {
    let panel = |work: &Measured| {
        let engines = work.subjects.iter().filter(|timed| timed.name != FLOOR);
        Panel {
            title: format!("{}: {} requests", work.workload, whole(work.offsets.len() as f64)),
            series: engines.map(|timed| series(timed, &work.offsets)).collect(),
        }
    };
    measured.iter().map(panel).collect()
}

/// Pages of about the same depth make a point, in the middle between the bin's ends.
#[allow(clippy::cast_possible_truncation)]
fn series(timed: &Timed, offsets: &[u64]) -> Series {
    let deepest = offsets.iter().copied().max().unwrap_or(0);
    let width = deepest / BINS + 1;
    let mut bins = vec![Vec::new(); BINS as usize];
    for sample in timed.rounds.iter().flat_map(|round| &round.samples) {
        let bin = offsets[sample.request as usize] / width;
        bins[bin as usize].push(sample.latency_ns);
    }
    let point = |(bin, samples): (usize, &mut Vec<u64>)| {
        samples.sort_unstable();
        let us = |p| percentile(samples, p).map(|ns| ns.max(1.0) / 1e3);
        let offset = (bin as f64 + 0.5) * width as f64;
        Some(Point {
            offset,
            p50_us: us(0.5)?,
            p95_us: us(0.95)?,
        })
    };
    Series {
        name: timed.name.clone(),
        points: bins.iter_mut().enumerate().filter_map(point).collect(),
    }
}
