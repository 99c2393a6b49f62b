//! Pages, counts and whole results of actors and actions.

use super::evenly_spaced::{evenly_spaced, some};
use super::log_profile::LogProfile;
use super::pages::{SIZES, action, actor, edges, page};
use super::windows;
use crate::command::diff::request::Request;
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

/// The edges of each action in each size, and pages between them.
pub(super) fn each_action(profile: &LogProfile) -> Vec<Request> {
    let mut requests = Vec::new();
    for filter in profile.actions().iter().map(action) {
        let matching = profile.count(&filter);
        for size in SIZES {
            requests.extend(edges(&filter, matching, size));
            let pages = evenly_spaced(matching.div_ceil(size as usize), STRIDE);
            requests.extend(pages.filter_map(|index| page(&filter, index + 1, size)));
        }
    }
    requests
}

/// Every page of every actor, in the largest of the contract's sizes: each costs the baseline a look at every row.
pub(super) fn every_actor(profile: &LogProfile) -> Vec<Request> {
    let size = SIZES[SIZES.len() - 1];
    let pages = |id| {
        let matching = profile.count(&actor(id));
        (1..=matching.div_ceil(size as usize)).filter_map(move |number| page(&actor(id), number, size))
    };
    profile.actors().into_iter().flat_map(pages).collect()
}

/// Every page of some actors in the other sizes, and the first empty one.
pub(super) fn some_actors(profile: &LogProfile) -> Vec<Request> {
    let mut requests = Vec::new();
    for filter in some(&profile.actors(), SOME_ACTORS).map(actor) {
        let matching = profile.count(&filter);
        for size in &SIZES[..SIZES.len() - 1] {
            let pages = 1..=matching.div_ceil(*size as usize) + 1;
            requests.extend(pages.filter_map(|number| page(&filter, number, *size)));
        }
    }
    requests
}

fn paired(profile: &LogProfile) -> impl Iterator<Item = Filter> {
    let actors = profile.actors();
    let actions: Vec<_> = some(profile.actions(), PAIRED_ACTIONS).collect();
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
pub(super) fn pairs(profile: &LogProfile) -> Vec<Request> {
    let edges = |filter: Filter| {
        let matching = profile.count(&filter);
        [1, 10]
            .into_iter()
            .flat_map(move |size| edges(&filter, matching, size).collect::<Vec<_>>())
    };
    paired(profile).flat_map(edges).collect()
}

/// Actors and actions that the log does not have, and those that look almost like one.
fn unknown_filters(profile: &LogProfile) -> Vec<Filter> {
    let actors = profile.actors();
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
    let name = profile.actions().first().map_or("LOGIN", String::as_str);
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
    let known = profile.actions().first().map(action);
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
pub(super) fn unknown(profile: &LogProfile) -> Vec<Request> {
    let pages = |filter: Filter| [1, 2].map(|number| page(&filter, number, 20)).into_iter().flatten();
    unknown_filters(profile).into_iter().flat_map(pages).collect()
}

/// How many events there are: in all, of each action, of actors with actions, of what is unknown, in windows.
pub(super) fn counts(profile: &LogProfile) -> Vec<Request> {
    let mut filters = vec![Filter::ALL];
    filters.extend(windows::filters(profile));
    filters.extend(profile.actions().iter().map(action));
    filters.extend(paired(profile));
    filters.extend(unknown_filters(profile));
    filters.into_iter().map(Request::Count).collect()
}

/// How many events each actor has.
pub(super) fn actor_counts(profile: &LogProfile) -> Vec<Request> {
    profile.actors().into_iter().map(actor).map(Request::Count).collect()
}

/// Every event of results that an answer can hold: each action, some actors, some windows.
pub(super) fn whole_results(profile: &LogProfile) -> Vec<Request> {
    let actions = profile.actions().iter().map(action);
    let actors = some(&profile.actors(), 8).map(actor).collect::<Vec<_>>();
    let windows = windows::filters(profile);
    let filters = actions.chain(actors).chain(windows).chain([Filter::ALL]);
    filters
        .filter(|filter| profile.count(filter) <= WHOLE)
        .map(Request::All)
        .collect()
}

/// The largest page there can be holds at most what a whole result may.
const _: () = assert!(MAX_PAGE_SIZE as usize <= WHOLE);
