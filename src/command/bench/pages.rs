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
    let pages = evenly_spread(events);
    let points = pages.len() as u64;
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

/// Pages of a log of so many events, the first and the last among them.
fn evenly_spread(events: u64) -> Vec<u64> {
    let last = events.div_ceil(PAGE_SIZE).max(1);
    let points = POINTS.min(last);
    (0..points)
        .map(|point| 1 + (last - 1) * point / (points - 1).max(1))
        .collect()
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Notes which page it is asked for.
    struct Noting<'a> {
        name: &'static str,
        events: u64,
        asked: &'a Mutex<Vec<(&'static str, u64)>>,
    }

    impl Engine for Noting<'_> {
        fn page(&self, query: &Query, _: &mut Page) -> Result<()> {
            assert_eq!(
                (query.filter(), u64::from(query.page_size())),
                (&Filter::ALL, PAGE_SIZE)
            );
            let number = 1 + query.offset() / PAGE_SIZE;
            self.asked.lock().unwrap().push((self.name, number));
            Ok(())
        }

        fn count(&self, _: &Filter) -> Result<u64> {
            Ok(self.events)
        }

        fn maintain(&self, _: Progress<'_>) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_page_is_asked_of_each_engine_in_turn_as_often() {
        let asked = Mutex::default();
        let engine = |name| Noting {
            name,
            events: 101,
            asked: &asked,
        };
        let (one, other) = (engine("one"), engine("other"));
        let done = Mutex::new(Vec::new());
        let progress = |now, total| done.lock().unwrap().push((now, total));
        let times = measure(&[("one", &one), ("other", &other)], &progress).unwrap();

        let told: Vec<_> = times.iter().map(|it| (it.subject.as_str(), it.page, it.n)).collect();
        let of = |name| (1..=6).map(move |page| (name, page, 9));
        assert_eq!(told, of("one").chain(of("other")).collect::<Vec<_>>());
        // Who is first changes with each page, and whose turn the first page is with each round.
        let mut expected = Vec::new();
        for round in 0..9 {
            for page in 1..=6 {
                let is_other_first = (round + page - 1) % 2 == 1;
                let names = if is_other_first {
                    ["other", "one"]
                } else {
                    ["one", "other"]
                };
                expected.extend(names.map(|name| (name, page)));
            }
        }
        assert_eq!(*asked.lock().unwrap(), expected);
        assert_eq!(*done.lock().unwrap(), (1..=54).map(|now| (now, 54)).collect::<Vec<_>>());
    }

    #[test]
    fn pages_are_spread_from_the_first_to_the_last() {
        for (events, pages) in [(0, 1..=1), (20, 1..=1), (21, 1..=2), (500, 1..=25)] {
            assert_eq!(evenly_spread(events), pages.collect::<Vec<_>>(), "{events}");
        }
        // 49 pages are two apart; of 50,000 they are as far apart as whole numbers can be.
        assert_eq!(
            evenly_spread(49 * 20),
            (0..25).map(|point| 1 + 2 * point).collect::<Vec<_>>()
        );
        let many = evenly_spread(999_999);
        assert_eq!((many.len(), many[0], many[24]), (25, 1, 50_000));
        assert!(
            many.windows(2)
                .all(|pair| (2_083..=2_084).contains(&(pair[1] - pair[0])))
        );
    }

    #[test]
    fn a_page_costs_the_median_of_its_samples() {
        let of = |samples: &[u64]| {
            let time = median("floor", 7, samples.to_vec()).unwrap();
            (time.page, time.page_size, time.n, time.p50_us)
        };
        assert_eq!(of(&[9_000, 1_000, 2_000]), (7, 20, 3, 2.0));
        // No page takes no time.
        assert_eq!(of(&[0]), (7, 20, 1, 0.001));
        assert!(median("floor", 7, Vec::new()).is_none());
    }
}
