//! Windows that start or end on an event, on a tie, between two, before and after all; inverted and empty ones.

use super::evenly_spaced::some;
use super::log_profile::Shape;
use super::pages::{edges, page};
use crate::command::diff::request::Ask;
use crate::contract::dataset::ANCHOR;
use crate::model::Filter;

/// Events that windows are laid around, beside the ties.
const MARKS: usize = 6;
/// Ties that windows are laid around.
const TIES: usize = 3;
/// A day, in seconds.
const DAY: i64 = 24 * 60 * 60;

/// The places of events that lie at an end, in a tie or somewhere between.
pub(super) fn marks(shape: &Shape, events: usize, ties: usize) -> Vec<usize> {
    let all = shape.ties();
    let longest = all.iter().max_by_key(|tie| tie.len()).cloned();
    let ties = some(&all, ties)
        .chain(longest)
        .flat_map(|tie| [tie.start, tie.end - 1]);
    let mut marks: Vec<_> = super::spread(shape.keys().len(), events)
        .chain(ties)
        .collect();
    marks.sort_unstable();
    marks.dedup();
    marks
}

/// Windows that do not depend on an event.
fn fixed(shape: &Shape) -> Vec<(i64, i64)> {
    let (newest, oldest) = shape.ends();
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

fn window((from_ts, to_ts): (i64, i64)) -> Filter {
    Filter {
        from_ts,
        to_ts,
        ..Filter::ALL
    }
}

/// Every window, without other filters.
pub(super) fn filters(shape: &Shape) -> Vec<Filter> {
    let mut windows = fixed(shape);
    for place in marks(shape, MARKS, TIES) {
        windows.extend(around_event(shape, place));
    }
    windows.into_iter().map(window).collect()
}

fn around_event(shape: &Shape, place: usize) -> Vec<(i64, i64)> {
    let second = shape.keys()[place].created_at;
    let older = shape.keys()[place..]
        .iter()
        .find(|key| key.created_at < second);
    around(second, older.map(|key| key.created_at))
}

/// The edges of every window, and the first page of it with an actor and with an action that it may hold.
pub(super) fn windows(shape: &Shape) -> Vec<Ask> {
    let mut asks: Vec<_> = filters(shape)
        .iter()
        .flat_map(|filter| window_edges(shape, filter))
        .collect();
    for place in marks(shape, MARKS, TIES) {
        let (actor, action) = shape.event(place);
        for filter in around_event(shape, place).into_iter().map(window) {
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
            asks.extend(
                [acted, by_actor, both]
                    .iter()
                    .filter_map(|filter| page(filter, 1, 20)),
            );
        }
    }
    asks
}

fn window_edges(shape: &Shape, filter: &Filter) -> impl Iterator<Item = Ask> {
    let matching = shape.count(filter);
    edges(filter, matching, 20).chain(edges(filter, matching, 1))
}
