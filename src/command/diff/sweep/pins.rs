//! Pages, counts and whole results as of an event: one that is there, one beside it, before all and behind all.

use super::cursors::{beside, outside};
use super::evenly_spaced::some;
use super::log_profile::LogProfile;
use super::pages::{SIZES, action, actor, edges, window};
use super::windows::marks;
use crate::command::diff::request::Request;
use crate::model::{Filter, Key, Position, Query};

/// Events that pins stand on and beside, where nothing is filtered.
const MARKS: usize = 8;
/// Where something is.
const FILTERED_MARKS: usize = 4;
/// Ties whose ends pins stand on and beside.
const TIES: usize = 2;
/// Events that cursors stand on for each pin.
const CURSORS: usize = 3;
/// What an answer that holds every event of a result may hold.
const WHOLE: usize = 2_000;

fn pinned(filter: Filter, as_of: Key) -> Filter {
    Filter {
        as_of: Some(as_of),
        ..filter
    }
}

/// Every kind of pin, without another filter, each size in turn.
pub(super) fn pins(profile: &LogProfile) -> Vec<Request> {
    let events = marks(profile, MARKS, TIES)
        .into_iter()
        .map(|place| profile.keys()[place]);
    let keys = events.flat_map(beside).chain(outside(profile));
    let sizes = SIZES.into_iter().chain([1]).cycle();
    let mut requests = Vec::new();
    for (key, size) in keys.zip(sizes) {
        requests.extend(edges_and_count(profile, &pinned(Filter::ALL, key), size));
    }
    requests
}

/// Pins on and beside an event, among those of its actor, of its action, of both and of windows that begin and end on it;
/// with a cursor before, at and behind the pin.
pub(super) fn filtered(profile: &LogProfile) -> Vec<Request> {
    let mut requests = Vec::new();
    for place in marks(profile, FILTERED_MARKS, 1) {
        let (id, name) = profile.event(place);
        let key = profile.keys()[place];
        let filters = [
            action(name),
            actor(id),
            Filter {
                actor_id: Some(id),
                ..action(name)
            },
            window((key.created_at, i64::MAX)),
            window((i64::MIN, key.created_at)),
            window((i64::MIN, key.created_at.saturating_sub(1))),
        ];
        let cursors: Vec<_> = some(profile.keys(), CURSORS).chain(beside(key)).collect();
        for filter in &filters {
            for pin in beside(key) {
                let filter = pinned(filter.clone(), pin);
                requests.extend(edges_and_count(profile, &filter, 10));
                let after = |cursor| Query::new(filter.clone(), Position::After(cursor), 10);
                let pages = cursors.iter().filter_map(|&cursor| after(cursor).ok());
                requests.extend(pages.map(Request::Page));
            }
        }
    }
    requests
}

/// The edges of a result, how many it holds, and all of it where an answer can hold that.
fn edges_and_count(profile: &LogProfile, filter: &Filter, size: u64) -> impl Iterator<Item = Request> {
    let matching = profile.count(filter);
    let whole = (matching <= WHOLE).then(|| Request::All(filter.clone()));
    edges(filter, matching, size)
        .chain([Request::Count(filter.clone())])
        .chain(whole)
}
