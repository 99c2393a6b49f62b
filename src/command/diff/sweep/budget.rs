//! How long the baseline takes for a request, roughly: what would take too long is thinned out.
//!
//! An estimate, not a measurement, so that the same log gives the same requests on every machine.

use super::log_profile::LogProfile;
use crate::command::diff::request::Request;
use crate::model::{Filter, Position, Query};

/// Connecting and preparing, in ns.
const REQUEST: u64 = 200_000;
/// Opening, reading, decoding and closing for one event, in ns.
const EVENT: u64 = 6_000;
/// Passing over one entry of the index on `created_at`, in ns.
const SKIP: u64 = 50;
/// Fetching one row to look at its actor or action, in ns.
const LOOK: u64 = 550;

/// How many of the requests fit into so many seconds, evenly spaced: two at least.
pub(super) fn fit_budget(profile: &LogProfile, requests: &[Request], seconds: u64) -> usize {
    let total: u128 = requests.iter().map(|request| u128::from(cost(profile, request))).sum();
    let budget = u128::from(seconds) * 1_000_000_000;
    if total <= budget {
        return requests.len();
    }
    // The share of the budget in the total is below 1, so the result fits.
    ((requests.len() as u128 * budget / total) as usize).max(2)
}

/// What the baseline takes for a request, in ns.
fn cost(profile: &LogProfile, request: &Request) -> u64 {
    let filter = request.filter();
    let rows = profile.window(filter).len() as u64;
    let each = if filter.actor_id.is_some() || filter.action.is_some() {
        LOOK
    } else {
        SKIP
    };
    let rough = matching(profile, filter, rows);
    let (visited, events) = match request {
        Request::Count(_) => (rows, 0),
        Request::All(_) => (rows, rough),
        Request::Page(query) => page(profile, query, rows, rough),
    };
    REQUEST + visited * each + events * EVENT
}

/// Rows visited and events read for a page.
fn page(profile: &LogProfile, query: &Query, rows: u64, matching: u64) -> (u64, u64) {
    let size = u64::from(query.page_size());
    match query.position() {
        Position::Page(_) => {
            let last = query.offset().saturating_add(size);
            let visited = if last >= matching { rows } else { rows * last / matching };
            (visited, matching.saturating_sub(query.offset()).min(size))
        }
        Position::After(key) => {
            let skipped = profile.keys().partition_point(|place| *place >= key) as u64;
            let visited = if size >= matching {
                rows
            } else {
                skipped + rows * size / matching
            };
            (visited.min(rows), matching.min(size))
        }
    }
}

/// How many events match, if each window has its share.
fn matching(profile: &LogProfile, filter: &Filter, rows: u64) -> u64 {
    let all = profile.keys().len().max(1) as u64;
    let everywhen = |filter: Filter| profile.count(&filter) as u64;
    let Filter { actor_id, action, .. } = filter.clone();
    let actor = actor_id.map_or(all, |_| {
        everywhen(Filter {
            actor_id,
            ..Filter::ALL
        })
    });
    let acted = match &action {
        None => all,
        Some(_) => everywhen(Filter { action, ..Filter::ALL }),
    };
    let share = |part: u64, of: u64| (u128::from(part) * u128::from(of) / u128::from(all)) as u64;
    share(share(actor, acted), rows)
}
