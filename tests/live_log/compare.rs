//! Answers of an engine against those of a plain model, which is the baseline's list of all events.

use auditq::engine::Engine;
use auditq::error::Result;
use auditq::model::{Event, Filter, Key, Page, Position, Query};

use super::random::Random;

/// An event that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) key: Key,
    pub(super) actor_id: i64,
    pub(super) action: String,
    pub(super) resource: (String, String),
    payload: Vec<u8>,
}

impl From<Event<'_>> for Kept {
    fn from(event: Event<'_>) -> Self {
        Kept {
            key: event.key(),
            actor_id: event.actor_id,
            action: event.action.to_owned(),
            resource: (event.resource_type.to_owned(), event.resource_id.to_owned()),
            payload: event.payload.to_vec(),
        }
    }
}

/// All events of a filter, newest first.
pub(super) fn all(engine: &dyn Engine, filter: &Filter) -> Result<Vec<Kept>> {
    let mut events = Vec::new();
    engine.all(filter, &mut |page| {
        events.extend(page.events().map(Kept::from));
        Ok(())
    })?;
    Ok(events)
}

fn page(engine: &dyn Engine, query: &Query) -> Result<Vec<Kept>> {
    let mut page = Page::default();
    engine.page(query, &mut page)?;
    Ok(page.events().map(Kept::from).collect())
}

fn matches(event: &Kept, filter: &Filter) -> bool {
    (filter.from_ts..=filter.to_ts).contains(&event.key.created_at)
        && filter.as_of.is_none_or(|pin| event.key <= pin)
        && filter.actor_id.is_none_or(|actor| actor == event.actor_id)
        && filter.action.as_ref().is_none_or(|action| *action == event.action)
}

/// What must be answered, if these are all events.
fn expected(events: &[Kept], query: &Query) -> Vec<Kept> {
    let matching = events.iter().filter(|event| matches(event, query.filter()));
    let behind = matching.filter(|event| match query.position() {
        Position::Page(_) => true,
        Position::After(cursor) => event.key < cursor,
    });
    let from = usize::try_from(query.offset()).unwrap();
    behind.skip(from).take(query.page_size() as usize).cloned().collect()
}

/// Filters of every shape, with values that are there and values that are not.
fn filters(random: &mut Random, events: &[Kept]) -> Vec<Filter> {
    let (actor, action) = match events {
        [] => (1, "LOGIN".to_owned()),
        events => (random.pick(events).actor_id, random.pick(events).action.clone()),
    };
    let of = |actor_id, action: Option<&str>| Filter {
        actor_id,
        action: action.map(str::to_owned),
        ..Filter::ALL
    };
    let mut filters = vec![
        Filter::ALL,
        of(Some(actor), None),
        of(None, Some(&action)),
        of(Some(actor), Some(&action)),
        of(Some(99_999), None),
        of(Some(actor), Some("NOBODY DID THIS")),
    ];
    if let Some(event) = (!events.is_empty()).then(|| random.pick(events)) {
        filters.push(of(Some(event.actor_id), Some(&event.action)));
    }
    filters
}

fn windows(random: &mut Random, events: &[Kept]) -> Vec<(i64, i64)> {
    let mut time = || match events {
        [] => 1_000_000,
        events => random.pick(events).key.created_at,
    };
    let (one, other) = (time(), time());
    vec![
        (i64::MIN, i64::MAX),
        (one.min(other), one.max(other)),
        (one, one),
        (other, i64::MAX),
        (i64::MIN, one),
        (one.saturating_add(1), one),
    ]
}

fn positions(random: &mut Random, events: &[Kept], size: u64) -> Vec<Position> {
    let pages = events.len() as u64 / size + 1;
    let there = match events {
        [] => Key::default(),
        events => random.pick(events).key,
    };
    let beside = Key {
        id: there.id.saturating_add(random.between(-1, 1)),
        ..there
    };
    let end = Key {
        created_at: i64::MAX,
        id: i64::MAX,
    };
    vec![
        Position::Page(1),
        Position::Page(1 + random.below(pages)),
        Position::Page(pages + random.below(3)),
        Position::After(there),
        Position::After(beside),
        Position::After(end),
    ]
}

/// None, an event's place, one beside it, or one before all.
fn pin(random: &mut Random, events: &[Kept]) -> Option<Key> {
    let there = match events {
        [] => Key::default(),
        events => random.pick(events).key,
    };
    match random.below(6) {
        0 | 1 => Some(there),
        2 => Some(Key {
            id: there.id.saturating_add(random.between(-1, 1)),
            ..there
        }),
        3 => Some(Key {
            created_at: i64::MAX,
            id: i64::MAX,
        }),
        _ => None,
    }
}

/// Every filter in every window, some of them pinned, at every position.
pub(super) fn queries(random: &mut Random, events: &[Kept]) -> Vec<Query> {
    let mut queries = Vec::new();
    for filter in filters(random, events) {
        for (from_ts, to_ts) in windows(random, events) {
            let filter = Filter {
                from_ts,
                to_ts,
                as_of: pin(random, events),
                ..filter.clone()
            };
            let size = 1 + random.below(30);
            let matching: Vec<Kept> = events.iter().filter(|event| matches(event, &filter)).cloned().collect();
            // A cursor need not be of an event that matches.
            let around = if matching.is_empty() || random.is_one_of(3) {
                events
            } else {
                &matching
            };
            for position in positions(random, around, size) {
                queries.push(Query::new(filter.clone(), position, size).unwrap());
            }
        }
    }
    queries
}

/// The engine answers all of these as if these were all events.
#[track_caller]
pub(super) fn assert_answers(engine: &dyn Engine, events: &[Kept], queries: &[Query], what: &str) {
    let mut last: Option<&Filter> = None;
    for query in queries {
        let expected = expected(events, query);
        let answered = page(engine, query).map_err(|error| error.to_string());
        assert_eq!(answered.as_ref(), Ok(&expected), "{what}: {query:?}");
        if last == Some(query.filter()) {
            continue;
        }
        last = Some(query.filter());
        let matching: Vec<&Kept> = events.iter().filter(|event| matches(event, query.filter())).collect();
        assert_eq!(
            engine.count(query.filter()).unwrap(),
            matching.len() as u64,
            "{what}: count of {:?}",
            query.filter()
        );
        let all = all(engine, query.filter()).unwrap();
        assert!(all.iter().eq(matching), "{what}: all of {:?}", query.filter());
    }
}

/// A few of the queries, to the baseline itself: so the model says what the baseline says.
#[track_caller]
pub(super) fn assert_model(baseline: &dyn Engine, events: &[Kept], queries: &[Query], random: &mut Random, what: &str) {
    for _ in 0..4 {
        let query = random.pick(queries);
        let answered = page(baseline, query).unwrap();
        assert_eq!(answered, expected(events, query), "the model, {what}: {query:?}");
        let count = events.iter().filter(|event| matches(event, query.filter())).count();
        assert_eq!(
            baseline.count(query.filter()).unwrap(),
            count as u64,
            "the model, {what}: {query:?}"
        );
    }
}
