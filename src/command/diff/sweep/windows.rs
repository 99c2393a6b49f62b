//! Windows that start or end on an event, on a tie, between two, before and after all; inverted and empty ones.

use super::evenly_spaced::some;
use super::log_profile::LogProfile;
use super::pages::{edges, page, window};
use crate::command::diff::request::Request;
use crate::contract::dataset::ANCHOR;
use crate::model::Filter;

/// Events that windows are laid around, beside the ties.
const MARKS: usize = 6;
/// Ties that windows are laid around.
const TIES: usize = 3;
/// A day, in seconds.
const DAY: i64 = 24 * 60 * 60;

/// The places of events that lie at an end, in a tie or somewhere between.
pub(super) fn marks(profile: &LogProfile, events: usize, ties: usize) -> Vec<usize> {
    let all = profile.ties();
    let longest = all.iter().max_by_key(|tie| tie.len()).cloned();
    let ties = some(&all, ties).chain(longest).flat_map(|tie| [tie.start, tie.end - 1]);
    let mut marks: Vec<_> = super::evenly_spaced(profile.keys().len(), events).chain(ties).collect();
    marks.sort_unstable();
    marks.dedup();
    marks
}

/// Windows that do not depend on an event.
fn fixed(profile: &LogProfile) -> Vec<(i64, i64)> {
    let (newest, oldest) = profile.ends();
    vec![
        (i64::MIN, i64::MAX),
        (0, ANCHOR),
        (ANCHOR - 7 * DAY, ANCHOR),
        (oldest, newest),
        (oldest.saturating_add(1), newest.saturating_sub(1)),
        (newest.saturating_add(1), i64::MAX),
        (i64::MIN, oldest.saturating_sub(1)),
        (i64::MIN, i64::MIN),
        (i64::MAX, i64::MAX),
        (i64::MAX, i64::MIN),
        (newest, oldest),
        (0, 0),
        (-1, 0),
        (1, 0),
    ]
}

/// Windows around one second: on it, up to it, from it, just beside it, inverted.
fn around(second: i64, older: Option<i64>) -> Vec<(i64, i64)> {
    let (before, after) = (second.saturating_sub(1), second.saturating_add(1));
    let mut windows = vec![
        (second, second),
        (second, i64::MAX),
        (i64::MIN, second),
        (after, i64::MAX),
        (i64::MIN, before),
        (before, after),
        (second.saturating_sub(DAY), second),
        (second, second.saturating_add(DAY)),
        (second, before),
        (after, second),
    ];
    // Between two events and on neither: empty.
    windows.extend(older.map(|older| (older.saturating_add(1), before)));
    windows
}

/// Every window, without other filters.
pub(super) fn filters(profile: &LogProfile) -> Vec<Filter> {
    let mut windows = fixed(profile);
    for place in marks(profile, MARKS, TIES) {
        windows.extend(around_event(profile, place));
    }
    windows.into_iter().map(window).collect()
}

fn around_event(profile: &LogProfile, place: usize) -> Vec<(i64, i64)> {
    let second = profile.keys()[place].created_at;
    let older = profile.keys()[place..].iter().find(|key| key.created_at < second);
    around(second, older.map(|key| key.created_at))
}

/// The edges of every window, and the first page of it with an actor and with an action that it may hold.
pub(super) fn windows(profile: &LogProfile) -> Vec<Request> {
    let mut requests: Vec<_> = filters(profile)
        .iter()
        .flat_map(|filter| window_edges(profile, filter))
        .collect();
    for place in marks(profile, MARKS, TIES) {
        let (actor, action) = profile.event(place);
        for filter in around_event(profile, place).into_iter().map(window) {
            let acted = Filter {
                action: Some(action.to_owned()),
                ..filter.clone()
            };
            let by_actor = Filter {
                actor_id: Some(actor),
                ..filter
            };
            let both = Filter {
                action: Some(action.to_owned()),
                ..by_actor.clone()
            };
            requests.extend([acted, by_actor, both].iter().filter_map(|filter| page(filter, 1, 20)));
        }
    }
    requests
}

fn window_edges(profile: &LogProfile, filter: &Filter) -> impl Iterator<Item = Request> {
    let matching = profile.count(filter);
    edges(filter, matching, 20).chain(edges(filter, matching, 1))
}
