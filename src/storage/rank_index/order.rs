//! Puts a table into rank order, and makes its posting lists.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use rayon::prelude::*;

use super::collect::{Part, Stored, merged};
use super::format::{ActorRecord, Counts, EventRecord, PairRecord, TextRecord};
use crate::model::Key;

/// A whole log in rank order: everything that the index file holds.
#[derive(Debug)]
pub(super) struct Ranked {
    /// Their actors and actions are numbers in ascending order of what they stand for.
    rows: Vec<Stored>,
    actor_ids: Vec<i64>,
    /// The resource ids, then the actions, then the resource types.
    pub(super) text: Vec<u8>,
    pub(super) actors: Vec<ActorRecord>,
    pub(super) actions: Vec<TextRecord>,
    pub(super) resource_types: Vec<TextRecord>,
    pub(super) pairs: Vec<PairRecord>,
    pub(super) by_actor: Vec<u32>,
    pub(super) by_action: Vec<u32>,
    pub(super) by_pair: Vec<u32>,
}

impl Ranked {
    /// Ranks the rows of all parts, which come by id and are no more than 32 bits can count.
    pub(super) fn new(parts: Vec<Part>) -> Self {
        let Merged {
            rows,
            actor_ids,
            actions,
            resource_types,
            mut text,
        } = Merged::new(parts);
        let ((by_action, action_starts), by_actor) = rayon::join(
            || grouped(&rows, actions.len(), |row| row.action, |_, rank| rank),
            || ByActor::new(&rows, &actor_ids),
        );
        let mut action_records = text_records(&actions, &mut text);
        action_records.push(TextRecord {
            start: 0,
            len: 0,
            postings: 0,
        });
        for (record, start) in action_records.iter_mut().zip(action_starts) {
            record.postings = start;
        }
        let resource_types = text_records(&resource_types, &mut text);
        let ByActor {
            actors,
            pairs,
            by_actor,
            by_pair,
        } = by_actor;
        Ranked {
            rows,
            actor_ids,
            text,
            actors,
            actions: action_records,
            resource_types,
            pairs,
            by_actor,
            by_action,
            by_pair,
        }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            events: self.rows.len() as u64,
            text_bytes: self.text.len() as u64,
            actors: self.actors.len() as u64 - 1,
            actions: self.actions.len() as u64 - 1,
            resource_types: self.resource_types.len() as u64,
            pairs: self.pairs.len() as u64 - 1,
        }
    }

    /// Every event's place in the order, oldest first.
    pub(super) fn keys(&self) -> impl IndexedParallelIterator<Item = Key> {
        self.rows.par_iter().map(|row| Key {
            created_at: row.created_at,
            id: row.id,
        })
    }

    pub(super) fn time(&self, rank: usize) -> i64 {
        self.rows[rank].created_at
    }

    pub(super) fn event(&self, rank: usize) -> EventRecord {
        let row = &self.rows[rank];
        EventRecord {
            id: row.id,
            actor_id: self.actor_ids[row.actor as usize],
            payload_offset: row.payload_offset,
            payload_len: row.payload_len,
            resource_id_start: row.resource_id_start,
            resource_id_len: row.resource_id_len,
            action: row.action,
            resource_type: row.resource_type,
        }
    }
}

/// Tells two orders of events apart, in little memory: by the sum of a hash of each event and its place.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct OrderDigest {
    events: u64,
    sum: u64,
}

impl OrderDigest {
    pub(super) fn of(keys: impl IndexedParallelIterator<Item = Key>) -> Self {
        OrderDigest {
            events: keys.len() as u64,
            sum: keys
                .enumerate()
                .map(|(place, key)| Self::hash(place as u64, key))
                .reduce(|| 0, u64::wrapping_add),
        }
    }

    /// Takes in the next event.
    pub(super) fn push(&mut self, key: Key) {
        self.sum = self.sum.wrapping_add(Self::hash(self.events, key));
        self.events += 1;
    }

    fn hash(place: u64, key: Key) -> u64 {
        FixedState::default().hash_one((place, key))
    }
}

/// The rows of all parts in rank order, with numbers that are places among all values.
struct Merged {
    rows: Vec<Stored>,
    actor_ids: Vec<i64>,
    actions: Vec<Box<str>>,
    resource_types: Vec<Box<str>>,
    /// All resource ids, one behind the other.
    text: Vec<u8>,
}

/// One part's rows, and what its numbers become.
struct Source {
    rows: Vec<Stored>,
    /// The rows and the bytes of text in the parts before.
    rows_before: usize,
    text_before: u64,
    actors: Vec<u32>,
    actions: Vec<u32>,
    resource_types: Vec<u32>,
}

impl Merged {
    fn new(parts: Vec<Part>) -> Self {
        let (mut actors, mut actions, mut resource_types) = (Vec::new(), Vec::new(), Vec::new());
        let (mut sources, mut text, mut rows_before) = (Vec::new(), Vec::new(), 0);
        for part in parts {
            actors.push(part.actors);
            actions.push(part.actions);
            resource_types.push(part.resource_types);
            let text_before = text.len() as u64;
            text.extend_from_slice(&part.resource_ids);
            let rows = part.rows.len();
            sources.push((part.rows, rows_before, text_before));
            rows_before += rows;
        }
        let (actor_ids, actors) = merged(actors);
        let (actions, action_places) = merged(actions);
        let (resource_types, type_places) = merged(resource_types);
        let places = actors.into_iter().zip(action_places).zip(type_places);
        let sources = sources.into_iter().zip(places);
        let sources: Vec<_> = sources
            .map(
                |((rows, rows_before, text_before), ((actors, actions), resource_types))| Source {
                    rows,
                    rows_before,
                    text_before,
                    actors,
                    actions,
                    resource_types,
                },
            )
            .collect();
        Merged {
            rows: in_rank_order(&sources),
            actor_ids,
            actions,
            resource_types,
            text,
        }
    }
}

impl Source {
    fn row(&self, number: usize) -> Stored {
        let row = self.rows[number - self.rows_before];
        Stored {
            resource_id_start: row.resource_id_start + self.text_before,
            actor: self.actors[row.actor as usize],
            action: self.actions[row.action as usize],
            resource_type: self.resource_types[row.resource_type as usize],
            ..row
        }
    }
}

/// The rows by rank. They come by id, so among equal times the row's number decides as the id would; and where
/// they were written in the order of time, as logs are, there is little to sort.
fn in_rank_order(sources: &[Source]) -> Vec<Stored> {
    let events = sources.iter().map(|source| source.rows.len()).sum();
    let mut order = Vec::with_capacity(events);
    for source in sources {
        let numbered = source.rows.par_iter().enumerate();
        order.par_extend(
            numbered.map(|(place, row)| sort_key(row.created_at, source.rows_before + place)),
        );
    }
    order.par_sort_unstable();
    order
        .into_par_iter()
        .map(|key| {
            let number = key as u32 as usize;
            let behind = sources.partition_point(|source| source.rows_before <= number);
            sources[behind - 1].row(number)
        })
        .collect()
}

/// A time and, in the lowest 32 bits, the row's number: one integer, which is compared without a branch.
fn sort_key(created_at: i64, number: usize) -> u128 {
    let from_the_least = created_at.abs_diff(i64::MIN);
    u128::from(from_the_least) << 32 | number as u128
}

/// One item for each row, grouped by the row's number, within a group by rank; and where each group starts, with
/// an end behind the last.
fn grouped<T: Copy + Default>(
    rows: &[Stored],
    groups: usize,
    number: impl Fn(&Stored) -> u32,
    item: impl Fn(&Stored, u32) -> T,
) -> (Vec<T>, Vec<u32>) {
    let mut starts = vec![0_u32; groups + 1];
    for row in rows {
        starts[number(row) as usize + 1] += 1;
    }
    for group in 0..groups {
        starts[group + 1] += starts[group];
    }
    let mut next = starts.clone();
    let mut items = vec![T::default(); rows.len()];
    for (row, rank) in rows.iter().zip(0..) {
        let place = &mut next[number(row) as usize];
        items[*place as usize] = item(row, rank);
        *place += 1;
    }
    (items, starts)
}

fn text_records(names: &[Box<str>], text: &mut Vec<u8>) -> Vec<TextRecord> {
    let mut records = Vec::with_capacity(names.len() + 1);
    for name in names {
        let len = u32::try_from(name.len()).unwrap_or(u32::MAX);
        records.push(TextRecord {
            start: text.len() as u64,
            len,
            postings: 0,
        });
        text.extend_from_slice(name.as_bytes());
    }
    records
}

/// The posting lists by actor, and by actor and action.
struct ByActor {
    actors: Vec<ActorRecord>,
    pairs: Vec<PairRecord>,
    by_actor: Vec<u32>,
    by_pair: Vec<u32>,
}

impl ByActor {
    fn new(rows: &[Stored], actor_ids: &[i64]) -> Self {
        let posting = |row: &Stored, rank| Posting {
            action: row.action,
            rank,
        };
        let (mut postings, starts) = grouped(rows, actor_ids.len(), |row| row.actor, posting);
        let ranks =
            |postings: &[Posting]| postings.par_iter().map(|posting| posting.rank).collect();
        let by_actor = ranks(&postings);
        let (actors, pairs) = pairs(actor_ids, &starts, &mut postings);
        ByActor {
            actors,
            pairs,
            by_actor,
            by_pair: ranks(&postings),
        }
    }
}

/// An event in an actor's list, with what the list of a pair is made by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Posting {
    action: u32,
    rank: u32,
}

/// Sorts each actor's postings by action; gives the actors and the pairs, each with an end mark.
fn pairs(
    actor_ids: &[i64],
    starts: &[u32],
    postings: &mut [Posting],
) -> (Vec<ActorRecord>, Vec<PairRecord>) {
    lists(starts, postings)
        .into_par_iter()
        .for_each(|list| list.sort_unstable());
    let mut actors = Vec::with_capacity(starts.len());
    let mut pairs = Vec::new();
    for (actor, &start) in starts.iter().enumerate() {
        // The end mark has a start, but neither an actor nor an end.
        let actor_id = actor_ids.get(actor).copied().unwrap_or(0);
        actors.push(ActorRecord {
            actor_id,
            postings: start,
            pairs: pairs.len() as u32,
        });
        let end = starts.get(actor + 1).copied().unwrap_or(start);
        let mut last = None;
        for (posting, place) in postings[start as usize..end as usize].iter().zip(start..) {
            if last != Some(posting.action) {
                pairs.push(PairRecord {
                    action: posting.action,
                    postings: place,
                });
                last = Some(posting.action);
            }
        }
    }
    pairs.push(PairRecord {
        action: 0,
        postings: postings.len() as u32,
    });
    (actors, pairs)
}

/// Cuts items into one slice for each group.
fn lists<'list, T>(starts: &[u32], mut items: &'list mut [T]) -> Vec<&'list mut [T]> {
    let mut lists = Vec::with_capacity(starts.len());
    for pair in starts.windows(2) {
        let (list, rest) = items.split_at_mut((pair[1] - pair[0]) as usize);
        lists.push(list);
        items = rest;
    }
    lists
}
