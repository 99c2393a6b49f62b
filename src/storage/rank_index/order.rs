//! Puts a table into rank order, and makes its posting lists.

use rayon::prelude::*;

use super::collect::{Stored, Table};
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
    /// Ranks the rows, which come by id and are no more than 32 bits can count.
    pub(super) fn new(table: Table) -> Self {
        let Table {
            rows,
            resource_ids: mut text,
            actors,
            actions,
            resource_types,
        } = table;
        let (actor_ids, actor_places) = actors.into_sorted();
        let (actions, action_places) = actions.into_sorted();
        let (resource_types, type_places) = resource_types.into_sorted();
        let rows = in_rank_order(&rows, |row| Stored {
            actor: actor_places[row.actor as usize],
            action: action_places[row.action as usize],
            resource_type: type_places[row.resource_type as usize],
            ..row
        });

        let (by_action, action_starts) =
            grouped(&rows, actions.len(), |row| row.action, |_, rank| rank);
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

        let (actor_starts, mut postings) = {
            let posting = |row: &Stored, rank| Posting {
                action: row.action,
                rank,
            };
            let (postings, starts) = grouped(&rows, actor_ids.len(), |row| row.actor, posting);
            (starts, postings)
        };
        let by_actor = postings.iter().map(|posting| posting.rank).collect();
        let (actors, pairs) = pairs(&actor_ids, &actor_starts, &mut postings);
        let by_pair = postings.iter().map(|posting| posting.rank).collect();
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
    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = Key> {
        self.rows.iter().map(|row| Key {
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

/// The rows by rank. They come by id, so among equal times the row's number decides as the id would; and where
/// they were written in the order of time, as logs are, there is little to sort.
fn in_rank_order(rows: &[Stored], finish: impl Fn(Stored) -> Stored + Sync) -> Vec<Stored> {
    let mut order: Vec<(i64, u32)> = rows.iter().map(|row| row.created_at).zip(0..).collect();
    order.par_sort_unstable();
    order
        .into_par_iter()
        .map(|(_, row)| finish(rows[row as usize]))
        .collect()
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
