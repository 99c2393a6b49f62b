//! Pages, counts and whole results of actors and actions.

use super::evenly_spaced::{some, spread};
use super::log_profile::Shape;
use super::pages::{SIZES, edges, page};
use super::windows;
use crate::command::diff::request::Ask;
use crate::model::{Filter, MAX_PAGE_SIZE};

/// Pages of an action between its edges, for each size.
const STRIDE: usize = 16;
/// Actors whose pages are asked for in more than one size.
const SOME_ACTORS: usize = 24;
/// Actors that are asked for with each action.
const PAIRED_ACTORS: usize = 9;
/// Actions that each of them is asked for with.
const PAIRED_ACTIONS: usize = 8;
/// What an answer that holds every event of a result may hold.
const WHOLE: usize = 20_000;

fn actor(id: i64) -> Filter {
    Filter {
        actor_id: Some(id),
        ..Filter::ALL
    }
}

fn action(name: impl Into<String>) -> Filter {
    Filter {
        action: Some(name.into()),
        ..Filter::ALL
    }
}

/// The edges of each action in each size, and pages between them.
pub(super) fn each_action(shape: &Shape) -> Vec<Ask> {
    let mut asks = Vec::new();
    for filter in shape.actions().iter().map(action) {
        let matching = shape.count(&filter);
        for size in SIZES {
            asks.extend(edges(&filter, matching, size));
            let pages = spread(matching.div_ceil(size as usize), STRIDE);
            asks.extend(pages.filter_map(|index| page(&filter, index + 1, size)));
        }
    }
    asks
}

/// Every page of every actor, in the largest of the contract's sizes: each costs the baseline a look at every row.
pub(super) fn every_actor(shape: &Shape) -> Vec<Ask> {
    let size = SIZES[SIZES.len() - 1];
    let pages = |id| {
        let matching = shape.count(&actor(id));
        (1..=matching.div_ceil(size as usize))
            .filter_map(move |number| page(&actor(id), number, size))
    };
    shape.actors().into_iter().flat_map(pages).collect()
}

/// Every page of some actors in the other sizes, and the first empty one.
pub(super) fn some_actors(shape: &Shape) -> Vec<Ask> {
    let mut asks = Vec::new();
    for filter in some(&shape.actors(), SOME_ACTORS).map(actor) {
        let matching = shape.count(&filter);
        for size in &SIZES[..SIZES.len() - 1] {
            let pages = 1..=matching.div_ceil(*size as usize) + 1;
            asks.extend(pages.filter_map(|number| page(&filter, number, *size)));
        }
    }
    asks
}

fn paired(shape: &Shape) -> impl Iterator<Item = Filter> {
    let actors = shape.actors();
    let actions: Vec<_> = some(shape.actions(), PAIRED_ACTIONS).collect();
    let pairs = move |id| {
        actions.clone().into_iter().map(move |name| Filter {
            actor_id: Some(id),
            ..action(name)
        })
    };
    some(&actors, PAIRED_ACTORS)
        .collect::<Vec<_>>()
        .into_iter()
        .flat_map(pairs)
}

/// The edges of actors with actions, also in pages that such a result fills.
pub(super) fn pairs(shape: &Shape) -> Vec<Ask> {
    let edges = |filter: Filter| {
        let matching = shape.count(&filter);
        [1, 10]
            .into_iter()
            .flat_map(move |size| edges(&filter, matching, size).collect::<Vec<_>>())
    };
    paired(shape).flat_map(edges).collect()
}

/// Actors and actions that the log does not have, and those that look almost like one.
fn unknown_filters(shape: &Shape) -> Vec<Filter> {
    let actors = shape.actors();
    let (first, last) = (
        actors.first().copied().unwrap_or(0),
        actors.last().copied().unwrap_or(0),
    );
    let gap = actors
        .windows(2)
        .find(|pair| pair[1] - 1 > pair[0])
        .map(|pair| pair[0] + 1);
    let near = [
        first.saturating_sub(1),
        last.saturating_add(1),
        0,
        -1,
        i64::MIN,
        i64::MAX,
    ];
    let name = shape.actions().first().map_or("LOGIN", String::as_str);
    let head: String = name.chars().take(name.chars().count() / 2).collect();
    let names = [
        String::new(),
        " ".to_owned(),
        head,
        name.to_lowercase(),
        format!("{name} "),
        format!(" {name}"),
        format!("{name}\0"),
        format!("{name}{name}"),
        "\u{202e}\u{1f980}é".to_owned(),
        "'; --".to_owned(),
        "%".to_owned(),
        "NULL".to_owned(),
        "x".repeat(5_000),
    ];
    let known = shape.actions().first().map(action);
    let unknown_actor = known.map(|filter| Filter {
        actor_id: Some(last.saturating_add(1)),
        ..filter
    });
    let unknown_action = actors.first().map(|id| Filter {
        actor_id: Some(*id),
        ..action("no such action")
    });
    let actors = near.into_iter().chain(gap).map(actor);
    actors
        .chain(names.into_iter().map(action))
        .chain(unknown_actor)
        .chain(unknown_action)
        .collect()
}

/// The first two pages of what the log does not have.
pub(super) fn unknown(shape: &Shape) -> Vec<Ask> {
    let pages = |filter: Filter| {
        [1, 2]
            .map(|number| page(&filter, number, 20))
            .into_iter()
            .flatten()
    };
    unknown_filters(shape).into_iter().flat_map(pages).collect()
}

/// How many events there are: in all, of each action, of actors with actions, of what is unknown, in windows.
pub(super) fn counts(shape: &Shape) -> Vec<Ask> {
    let mut filters = vec![Filter::ALL];
    filters.extend(windows::filters(shape));
    filters.extend(shape.actions().iter().map(action));
    filters.extend(paired(shape));
    filters.extend(unknown_filters(shape));
    filters.into_iter().map(Ask::Count).collect()
}

/// How many events each actor has.
pub(super) fn actor_counts(shape: &Shape) -> Vec<Ask> {
    shape
        .actors()
        .into_iter()
        .map(actor)
        .map(Ask::Count)
        .collect()
}

/// Every event of results that an answer can hold: each action, some actors, some windows.
pub(super) fn whole_results(shape: &Shape) -> Vec<Ask> {
    let actions = shape.actions().iter().map(action);
    let actors = some(&shape.actors(), 8).map(actor).collect::<Vec<_>>();
    let windows = windows::filters(shape);
    let filters = actions.chain(actors).chain(windows).chain([Filter::ALL]);
    filters
        .filter(|filter| shape.count(filter) <= WHOLE)
        .map(Ask::All)
        .collect()
}

/// The largest page there can be holds at most what a whole result may.
const _: () = assert!(MAX_PAGE_SIZE as usize <= WHOLE);
