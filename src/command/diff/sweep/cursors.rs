//! Pages that follow a place in the order: an event, a tie's members, between two events, before and after all.

use super::log_profile::LogProfile;
use super::pages::{SIZES, action, actor, window};
use super::windows::marks;
use crate::command::diff::request::Request;
use crate::model::{Filter, Key, Position, Query};

/// Events that cursors stand on and beside, where nothing is filtered.
const MARKS: usize = 24;
/// Where something is.
const FILTERED_MARKS: usize = 8;
/// Ties whose ends cursors stand on and beside.
const TIES: usize = 4;

/// The event's own place, and every kind of place beside it.
pub(super) fn beside(key: Key) -> [Key; 7] {
    let Key { created_at, id } = key;
    [
        key,
        Key {
            created_at,
            id: id.saturating_sub(1),
        },
        Key {
            created_at,
            id: id.saturating_add(1),
        },
        Key {
            created_at,
            id: i64::MIN,
        },
        Key {
            created_at,
            id: i64::MAX,
        },
        Key {
            created_at: created_at.saturating_sub(1),
            id: i64::MAX,
        },
        Key {
            created_at: created_at.saturating_add(1),
            id: i64::MIN,
        },
    ]
}

/// Before the first event and behind the last, whatever the log holds.
pub(super) fn outside(profile: &LogProfile) -> Vec<Key> {
    let (newest, oldest) = profile.ends();
    let extremes = [i64::MIN, -1, 0, i64::MAX];
    let seconds = [
        i64::MIN,
        oldest.saturating_sub(1),
        0,
        newest.saturating_add(1),
        i64::MAX,
    ];
    let keys = |created_at| extremes.into_iter().map(move |id| Key { created_at, id });
    seconds.into_iter().flat_map(keys).collect()
}

fn after(filter: &Filter, key: Key, size: u64) -> Option<Request> {
    Query::new(filter.clone(), Position::After(key), size)
        .ok()
        .map(Request::Page)
}

/// Every kind of cursor, without a filter: each size in turn.
pub(super) fn cursors(profile: &LogProfile) -> Vec<Request> {
    let events = marks(profile, MARKS, TIES)
        .into_iter()
        .map(|place| profile.keys()[place]);
    let keys = events.flat_map(beside).chain(outside(profile));
    let sizes = SIZES.into_iter().chain([1]).cycle();
    keys.zip(sizes)
        .filter_map(|(key, size)| after(&Filter::ALL, key, size))
        .collect()
}

/// Cursors with the event's action, with its actor, and in a window that begins or ends on it.
pub(super) fn filtered(profile: &LogProfile) -> Vec<Request> {
    let mut requests = Vec::new();
    for place in marks(profile, FILTERED_MARKS, 1) {
        let (id, name) = profile.event(place);
        let key = profile.keys()[place];
        let second = key.created_at;
        let filters = [
            action(name),
            window((second, i64::MAX)),
            window((i64::MIN, second)),
            window((i64::MIN, second.saturating_sub(1))),
            actor(id),
            Filter {
                actor_id: Some(id),
                ..action(name)
            },
        ];
        for filter in &filters {
            requests.extend(beside(key).into_iter().filter_map(|key| after(filter, key, 20)));
        }
    }
    requests
}
