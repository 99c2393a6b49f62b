//! The request streams: the same requests in the same order, without end.

use std::iter;

use super::dataset::{ACTORS, SEED};
use super::python_random::PythonRandom;
use crate::model::{Filter, Position, Query};

/// The legacy stream's window: 7 days, in seconds.
const LEGACY_WINDOW: i64 = 7 * 24 * 60 * 60;
/// The actions the legacy stream filters by, in the order of the draw.
const LEGACY_ACTIONS: [Option<&str>; 4] = [None, Some("UPDATE"), Some("CREATE"), Some("DELETE")];
/// Pages go from 1 to this.
const MAX_PAGE: u32 = 2_000;
/// The sizes a page can have, in events.
const PAGE_SIZES: [u32; 3] = [10, 20, 50];

/// A request stream that the contract names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Workload {
    /// The live service's own mix: the last 7 days, half with an actor, most with an action. About
    /// 94 % of its pages lie past the end.
    Legacy,
    /// No filter, the whole log: most pages hold events, and most lie deep.
    Deep,
}

impl Workload {
    /// What it is called on the command line and in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Workload::Legacy => "legacy",
            Workload::Deep => "deep",
        }
    }

    /// Its requests from the first one, without end, as the live service asks them on a log whose dataset was made at
    /// `anchor`, in epoch seconds.
    #[must_use]
    pub fn stream(self, anchor: i64) -> Box<dyn Iterator<Item = Query> + Send> {
        match self {
            Workload::Legacy => Box::new(legacy(anchor)),
            Workload::Deep => Box::new(deep(anchor)),
        }
    }
}

/// The legacy stream, without end.
pub fn legacy(anchor: i64) -> impl Iterator<Item = Query> + Send {
    let mut random = PythonRandom::new(SEED);
    iter::from_fn(move || legacy_query(&mut random, anchor))
}

/// The deep stream, without end.
pub fn deep(anchor: i64) -> impl Iterator<Item = Query> + Send {
    let mut random = PythonRandom::new(SEED);
    iter::from_fn(move || deep_query(&mut random, anchor))
}

fn legacy_query(random: &mut PythonRandom, anchor: i64) -> Option<Query> {
    // The candidate is drawn also where the request turns out to have no actor.
    let candidate = random.randint(1, ACTORS).into();
    let actor_id = random.choice(&[None, Some(candidate)]);
    let action = random.choice(&LEGACY_ACTIONS).map(str::to_owned);
    let filter = Filter {
        from_ts: anchor.saturating_sub(LEGACY_WINDOW),
        to_ts: anchor,
        actor_id,
        action,
        as_of: None,
    };
    page(random, filter)
}

fn deep_query(random: &mut PythonRandom, anchor: i64) -> Option<Query> {
    page(
        random,
        Filter {
            from_ts: 0,
            to_ts: anchor,
            actor_id: None,
            action: None,
            as_of: None,
        },
    )
}

/// Draws the page, then its size. Both are always in the ranges that [`Query::new`] checks, so a stream never ends.
fn page(random: &mut PythonRandom, filter: Filter) -> Option<Query> {
    let position = Position::Page(random.randint(1, MAX_PAGE).into());
    Query::new(filter, position, random.choice(&PAGE_SIZES).into()).ok()
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::contract::dataset::ANCHOR;
    use crate::contract::digests::{LEGACY_REQUESTS, LEGACY_REQUESTS_SHA256, hex};

    /// The request as Python's `json.dumps` prints it by default.
    fn python_json(query: &Query) -> String {
        let Filter {
            from_ts,
            to_ts,
            actor_id,
            action,
            as_of: _,
        } = query.filter();
        let Position::Page(page) = query.position() else {
            panic!("no page: {query:?}")
        };
        let actor_id = actor_id.map_or("null".to_owned(), |id| id.to_string());
        let action = action.as_ref().map_or("null".to_owned(), |name| format!("\"{name}\""));
        let size = query.page_size();
        let window = format!(r#""from_ts": {from_ts}, "to_ts": {to_ts}"#);
        let filters = format!(r#""actor_id": {actor_id}, "action": {action}"#);
        format!(r#"{{{window}, {filters}, "page": {page}, "page_size": {size}}}"#)
    }

    #[test]
    fn the_legacy_stream_starts_as_the_contract_says() {
        let first: Vec<_> = legacy(ANCHOR).take(3).collect();
        let expected = [
            (Some(1266), Some("UPDATE"), 1588, 20),
            (Some(786), Some("CREATE"), 802, 50),
            (Some(420), None, 872, 50),
        ]
        .map(|(actor_id, action, page, page_size)| {
            let filter = Filter {
                from_ts: 1_766_448_000,
                to_ts: 1_767_052_800,
                actor_id,
                action: action.map(str::to_owned),
                as_of: None,
            };
            Query::new(filter, Position::Page(page), page_size).unwrap()
        });
        assert_eq!(first, expected);
    }

    #[test]
    fn the_legacy_requests_have_the_contracts_digest() {
        let mut digest = Sha256::new();
        for query in legacy(ANCHOR).take(LEGACY_REQUESTS) {
            digest.update(python_json(&query));
            digest.update("\n");
        }
        assert_eq!(hex(&digest.finalize()), LEGACY_REQUESTS_SHA256);
    }

    #[test]
    fn the_deep_stream_starts_as_the_frozen_python_starts_it() {
        let everything = Filter {
            from_ts: 0,
            to_ts: ANCHOR,
            actor_id: None,
            action: None,
            as_of: None,
        };
        let expected = [(1266, 50), (1454, 20), (1170, 50), (1499, 10)]
            .map(|(page, size)| Query::new(everything.clone(), Position::Page(page), size).unwrap());
        assert_eq!(deep(ANCHOR).take(4).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn no_stream_ends_at_a_request_that_is_out_of_range() {
        for workload in [Workload::Legacy, Workload::Deep] {
            assert_eq!(workload.stream(ANCHOR).take(20_000).count(), 20_000);
        }
    }
}
