//! Which events every page holds after any number of commits: what an answer under a writer is held against.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use crate::contract::dataset::{ACTIONS, ACTORS, ANCHOR};
use crate::error::{Error, Result};
use crate::model::{Filter, Key, Page, PayloadRef, Query, Row};
use crate::storage::data_dir::DataDir;
use crate::storage::sqlite::Connection;

/// After so many appended events their actors and actions repeat.
const PERIOD: u64 = ACTORS as u64 * ACTIONS.len() as u64;
/// Room for the ids of events that are yet to be appended.
const ROOM: i64 = 1 << 40;

/// A log, and the events that will be appended to it. They are the newest in the order, and what each one says follows
/// from its number alone, so no page after any number of commits need be looked up.
pub(super) struct Timeline {
    lists: Vec<List>,
    places: HashMap<Filter, usize>,
    /// Of the first event that is appended; the others follow without gaps.
    first_id: i64,
    /// Of every event that is appended, epoch seconds: ids alone order them.
    created_at: i64,
}

/// The events that match one filter.
#[derive(Default)]
struct List {
    /// Ids of those that were there before, newest first.
    before: Vec<i64>,
    /// Which of the first [`PERIOD`] appended events match, ascending.
    matching: Vec<u64>,
}

impl Timeline {
    /// Reads the log as far as these requests ask for it.
    ///
    /// # Errors
    /// The log cannot be read, or its ids leave no room for new ones.
    pub(super) fn read<'q>(dir: &DataDir, requests: impl Iterator<Item = &'q Query>) -> Result<Self> {
        let mut places = HashMap::new();
        let mut filters = Vec::new();
        for query in requests {
            places.entry(query.filter().clone()).or_insert_with(|| {
                filters.push(query.filter());
                filters.len() - 1
            });
        }
        let mut scan = Scan::new(&filters);
        let connection = Connection::open(dir)?;
        connection.snapshot(|| {
            connection.scan(&(i64::MIN..=i64::MAX), |row| {
                scan.add(row);
                Ok(())
            })
        })?;
        // The streams ask up to the log's newest event: what is appended must not lie behind that.
        let (last_id, created_at) = (scan.last_id, scan.newest.unwrap_or(ANCHOR));
        let first_id = last_id.checked_add(1).filter(|id| id.checked_add(ROOM).is_some());
        let first_id =
            first_id.ok_or_else(|| Error::usage("no figures: the log's ids leave no room for new events"))?;
        let matching = |filter: &&Filter| {
            (0..PERIOD)
                .filter(|&number| matches(filter, number, created_at))
                .collect()
        };
        let lists = filters.iter().zip(scan.finish()).map(|(filter, before)| List {
            before,
            matching: matching(filter),
        });
        Ok(Timeline {
            lists: lists.collect(),
            places,
            first_id,
            created_at,
        })
    }

    /// The event that is appended as number `number`, from 0.
    pub(super) fn event<'text>(&self, number: u64, resource_id: &'text str, payload_ref: PayloadRef) -> Row<'text> {
        let (actor_id, action) = actor_and_action(number);
        Row {
            id: self.first_id.saturating_add_unsigned(number),
            created_at: self.created_at,
            actor_id,
            action,
            resource_type: "ORDER",
            resource_id,
            payload_ref,
        }
    }

    /// Whether this is the page of one moment at which so many events, the first of them, were appended.
    pub(super) fn is_page(&self, query: &Query, page: &Page, appended: RangeInclusive<u64>) -> bool {
        let Some(list) = self.places.get(query.filter()).map(|&place| &self.lists[place]) else {
            return false;
        };
        let (least, most) = (list.matching_of(*appended.start()), list.matching_of(*appended.end()));
        (least..=most).any(|matching| list.is_page(query, page, matching, self.first_id))
    }
}

impl List {
    /// How many of the first `appended` events match.
    fn matching_of(&self, appended: u64) -> u64 {
        let rest = self.matching.partition_point(|&number| number < appended % PERIOD);
        appended / PERIOD * self.matching.len() as u64 + rest as u64
    }

    fn is_page(&self, query: &Query, page: &Page, matching: u64, first_id: i64) -> bool {
        let events = matching + self.before.len() as u64;
        let start = query.offset().min(events);
        let end = start.saturating_add(query.page_size().into()).min(events);
        let ids = page.events().map(|event| Some(event.id));
        page.len() as u64 == end - start && ids.eq((start..end).map(|rank| self.id(rank, matching, first_id)))
    }

    /// The id at a rank, newest first, when so many appended events match.
    #[allow(clippy::cast_possible_truncation)]
    fn id(&self, rank: u64, matching: u64, first_id: i64) -> Option<i64> {
        if let Some(rank) = rank.checked_sub(matching) {
            return self.before.get(rank as usize).copied();
        }
        let (place, a_period) = (matching - 1 - rank, self.matching.len() as u64);
        let in_period = self.matching[(place % a_period) as usize];
        Some(first_id.saturating_add_unsigned(place / a_period * PERIOD + in_period))
    }
}

/// The actor and the action that a filter asks for.
type Matched<'f> = (Option<i64>, Option<&'f str>);

/// Sorts rows into the lists of the filters that they match.
struct Scan<'f> {
    /// For each actor and action that is asked for: the filters, which differ in their windows, and their places.
    groups: HashMap<Matched<'f>, Vec<(&'f Filter, usize)>>,
    lists: Vec<Vec<Key>>,
    last_id: i64,
    /// `None` in an empty log.
    newest: Option<i64>,
}

impl<'f> Scan<'f> {
    fn new(filters: &[&'f Filter]) -> Self {
        let mut groups: HashMap<_, Vec<_>> = HashMap::new();
        for (place, filter) in filters.iter().enumerate() {
            let group = groups.entry((filter.actor_id, filter.action.as_deref())).or_default();
            group.push((*filter, place));
        }
        Scan {
            groups,
            lists: vec![Vec::new(); filters.len()],
            last_id: 0,
            newest: None,
        }
    }

    fn add(&mut self, row: &Row<'_>) {
        self.last_id = self.last_id.max(row.id);
        self.newest = self.newest.max(Some(row.created_at));
        for actor_id in [None, Some(row.actor_id)] {
            for action in [None, Some(row.action)] {
                let group = self.groups.get(&(actor_id, action)).into_iter().flatten();
                for (_, place) in group.filter(|(filter, _)| is_in_window(filter, row.created_at)) {
                    self.lists[*place].push(Key {
                        created_at: row.created_at,
                        id: row.id,
                    });
                }
            }
        }
    }

    /// The ids of each list, newest first.
    fn finish(self) -> impl Iterator<Item = Vec<i64>> {
        self.lists.into_iter().map(|mut keys| {
            keys.sort_unstable_by(|one, other| other.cmp(one));
            keys.into_iter().map(|key| key.id).collect()
        })
    }
}

fn is_in_window(filter: &Filter, created_at: i64) -> bool {
    (filter.from_ts..=filter.to_ts).contains(&created_at)
}

fn matches(filter: &Filter, number: u64, created_at: i64) -> bool {
    let (actor_id, action) = actor_and_action(number);
    is_in_window(filter, created_at)
        && filter.actor_id.is_none_or(|wanted| wanted == actor_id)
        && filter.action.as_ref().is_none_or(|wanted| wanted == action)
}

/// Each actor and each action in turn.
#[allow(clippy::cast_possible_truncation)]
fn actor_and_action(number: u64) -> (i64, &'static str) {
    let actor_id = 1 + (number % u64::from(ACTORS)) as i64;
    (actor_id, ACTIONS[(number % ACTIONS.len() as u64) as usize])
}
