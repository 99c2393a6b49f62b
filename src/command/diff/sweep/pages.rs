//! Pages of the whole log.

use super::log_profile::LogProfile;
use crate::command::diff::request::Request;
use crate::model::{Filter, MAX_PAGE_SIZE, Position, Query};

/// The sizes that the live service asks for.
pub(super) const SIZES: [u64; 3] = [10, 20, 50];

/// Other sizes that a page may have.
const OTHER_SIZES: [u64; 6] = [1, 2, 7, 100, 999, MAX_PAGE_SIZE as u64];

/// Every event of an actor.
pub(super) fn actor(id: i64) -> Filter {
    Filter {
        actor_id: Some(id),
        ..Filter::ALL
    }
}

/// Every event with an action.
pub(super) fn action(name: impl Into<String>) -> Filter {
    Filter {
        action: Some(name.into()),
        ..Filter::ALL
    }
}

/// Every event in a window.
pub(super) fn window((from_ts, to_ts): (i64, i64)) -> Filter {
    Filter {
        from_ts,
        to_ts,
        ..Filter::ALL
    }
}

/// A page, if there can be such a page.
pub(super) fn page(filter: &Filter, number: usize, size: u64) -> Option<Request> {
    let position = Position::Page(number as u64);
    Query::new(filter.clone(), position, size).ok().map(Request::Page)
}

/// The first page, the last full one, the last, and the first empty one.
pub(super) fn edges(filter: &Filter, matching: usize, size: u64) -> impl Iterator<Item = Request> {
    let (full, pages) = (matching / size as usize, matching.div_ceil(size as usize));
    let mut numbers = vec![1, full.max(1), pages.max(1), pages + 1];
    numbers.dedup();
    let filter = filter.clone();
    numbers
        .into_iter()
        .filter_map(move |number| page(&filter, number, size))
}

/// Every page of the contract's sizes, and the first empty one.
pub(super) fn every_page(profile: &LogProfile) -> Vec<Request> {
    let (events, _) = profile.events();
    let numbers = |size: u64| 1..=events.div_ceil(size as usize) + 1;
    let pages = |size| numbers(size).filter_map(move |number| page(&Filter::ALL, number, size));
    SIZES.into_iter().flat_map(pages).collect()
}

/// The edges of pages of other sizes, and those of each size in an empty result.
pub(super) fn other_sizes(profile: &LogProfile) -> Vec<Request> {
    let empty = window((1, 0));
    let mut requests = Vec::new();
    for size in OTHER_SIZES.into_iter().chain(SIZES) {
        requests.extend(edges(&Filter::ALL, profile.events().0, size));
        requests.extend(edges(&empty, 0, size));
    }
    requests
}

/// Pages far beyond the end, up to the largest offset there can be.
pub(super) fn beyond(profile: &LogProfile) -> Vec<Request> {
    let (newest, oldest) = profile.ends();
    let (events, readable) = profile.events();
    let mut filters = vec![
        Filter::ALL,
        window((oldest, newest)),
        window((newest, newest)),
        window((1, 0)),
    ];
    if readable > 0 {
        let (id, name) = profile.event(readable / 2);
        filters.extend([actor(id), action(name)]);
    }
    let mut requests = Vec::new();
    for size in SIZES.into_iter().chain([1, MAX_PAGE_SIZE.into()]) {
        let last = i64::MAX as usize / size as usize + 1;
        let pages = events / size as usize;
        let numbers = [pages + 2, 2 * pages + 3, 1_000_000, u32::MAX as usize, last - 1, last];
        for filter in &filters {
            requests.extend(numbers.iter().filter_map(|number| page(filter, *number, size)));
        }
    }
    requests
}
