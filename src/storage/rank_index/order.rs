//! Puts a table's columns into rank order, and makes its posting lists.

use rayon::prelude::*;

use super::collect::Columns;
use super::format::{ActorRecord, Counts, EventRecord, PairRecord, TextRecord};
use crate::model::Key;

/// A whole log in rank order: everything that the index file holds.
#[derive(Debug)]
pub(super) struct Ranked {
    columns: Columns,
    /// The row at each rank.
    rows: Vec<u32>,
    /// Where each rank's resource id starts in the text, and where the last one ends.
    text_starts: Vec<u64>,
    /// The actions, then the resource types.
    names: Vec<u8>,
    pub(super) actors: Vec<ActorRecord>,
    pub(super) actions: Vec<TextRecord>,
    pub(super) resource_types: Vec<TextRecord>,
    pub(super) pairs: Vec<PairRecord>,
    pub(super) by_actor: Vec<u32>,
    pub(super) by_action: Vec<u32>,
    pub(super) by_pair: Vec<u32>,
}

impl Ranked {
    /// Ranks the rows, which come ascending by id and are no more than 32 bits can count.
    pub(super) fn new(mut columns: Columns) -> Self {
        let rows = rank(&columns.times);
        let text_starts = text_starts(&columns, &rows);
        let mut names = Vec::new();
        let name_start = text_starts.last().copied().unwrap_or(0);

        let action_names = sorted_by_name(
            std::mem::take(&mut columns.action_names).into_list(),
            &mut columns.actions,
        );
        let resource_type_names = std::mem::take(&mut columns.resource_type_names).into_list();
        let mut actions = text_records(&action_names, name_start, &mut names);
        let resource_types = text_records(&resource_type_names, name_start, &mut names);

        let ((by_action, action_starts), (mut actors, by_actor)) = rayon::join(
            || postings(&rows, &columns.actions, action_names.len()),
            || actor_postings(&columns, &rows),
        );
        actions.push(TextRecord {
            start: 0,
            len: 0,
            postings: 0,
        });
        for (record, start) in actions.iter_mut().zip(action_starts) {
            record.postings = start;
        }
        let (pairs, by_pair) = pair_postings(&columns, &rows, &mut actors, &by_actor);
        Ranked {
            columns,
            rows,
            text_starts,
            names,
            actors,
            actions,
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
            text_bytes: self.name_start() + self.names.len() as u64,
            actors: self.actors.len() as u64 - 1,
            actions: self.actions.len() as u64 - 1,
            resource_types: self.resource_types.len() as u64,
            pairs: self.pairs.len() as u64 - 1,
        }
    }

    /// Every event's place in the order, oldest first.
    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = Key> {
        self.rows.iter().map(|&row| Key {
            created_at: self.columns.times[row as usize],
            id: self.columns.ids[row as usize],
        })
    }

    pub(super) fn time(&self, rank: usize) -> i64 {
        self.columns.times[self.rows[rank] as usize]
    }

    pub(super) fn event(&self, rank: usize) -> EventRecord {
        let row = self.rows[rank] as usize;
        let columns = &self.columns;
        EventRecord {
            id: columns.ids[row],
            actor_id: columns.actor_ids[row],
            payload_offset: columns.payload_offsets[row],
            payload_len: columns.payload_lens[row],
            resource_id_start: self.text_starts[rank],
            resource_id_len: resource_id_len(columns, row),
            action: columns.actions[row],
            resource_type: columns.resource_types[row],
        }
    }

    /// Fills `out` with the text section's bytes from `start` on.
    pub(super) fn text(&self, start: u64, out: &mut [u8]) {
        let name_start = self.name_start();
        let mut filled = 0;
        let mut rank = self
            .text_starts
            .partition_point(|&text| text <= start)
            .saturating_sub(1);
        while filled < out.len() {
            let at = start + filled as u64;
            let source = if at >= name_start {
                &self.names[(at - name_start) as usize..]
            } else {
                let resource_id = resource_id(&self.columns, self.rows[rank] as usize);
                let skipped = (at - self.text_starts[rank]) as usize;
                rank += 1;
                &resource_id[skipped..]
            };
            let taken = source.len().min(out.len() - filled);
            out[filled..filled + taken].copy_from_slice(&source[..taken]);
            filled += taken;
        }
    }

    fn name_start(&self) -> u64 {
        self.text_starts.last().copied().unwrap_or(0)
    }
}

/// The row at each rank. Rows come by id, so among equal times the row's number decides as the id would.
fn rank(times: &[i64]) -> Vec<u32> {
    let mut order: Vec<(i64, u32)> = times.iter().copied().zip(0..).collect();
    order.par_sort_unstable();
    order.into_iter().map(|(_, row)| row).collect()
}

fn resource_id(columns: &Columns, row: usize) -> &[u8] {
    let start = if row == 0 {
        0
    } else {
        columns.resource_id_ends[row - 1]
    };
    &columns.resource_ids[start as usize..columns.resource_id_ends[row] as usize]
}

/// SQLite's longest text is 2^31 − 1 bytes.
fn resource_id_len(columns: &Columns, row: usize) -> u32 {
    u32::try_from(resource_id(columns, row).len()).unwrap_or(u32::MAX)
}

fn text_starts(columns: &Columns, rows: &[u32]) -> Vec<u64> {
    let mut next = 0;
    let mut starts = Vec::with_capacity(rows.len() + 1);
    for &row in rows {
        starts.push(next);
        next += u64::from(resource_id_len(columns, row as usize));
    }
    starts.push(next);
    starts
}

/// Renumbers names by their bytes, so that they can be searched.
fn sorted_by_name(names: Vec<Box<str>>, numbers: &mut [u32]) -> Vec<Box<str>> {
    let mut order: Vec<(Box<str>, u32)> = names.into_iter().zip(0..).collect();
    order.sort_unstable();
    let mut renumbered = vec![0; order.len()];
    for ((_, old), new) in order.iter().zip(0..) {
        renumbered[*old as usize] = new;
    }
    numbers
        .par_iter_mut()
        .for_each(|number| *number = renumbered[*number as usize]);
    order.into_iter().map(|(name, _)| name).collect()
}

fn text_records(names: &[Box<str>], name_start: u64, text: &mut Vec<u8>) -> Vec<TextRecord> {
    let mut records = Vec::with_capacity(names.len() + 1);
    for name in names {
        let start = name_start + text.len() as u64;
        text.extend_from_slice(name.as_bytes());
        records.push(TextRecord {
            start,
            len: u32::try_from(name.len()).unwrap_or(u32::MAX),
            postings: 0,
        });
    }
    records
}

/// The ranks of each number in turn, and where each number's ranks start (with an end behind the last).
fn postings(rows: &[u32], numbers: &[u32], distinct: usize) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0_u32; distinct + 1];
    for &number in numbers {
        starts[number as usize + 1] += 1;
    }
    for number in 0..distinct {
        starts[number + 1] += starts[number];
    }
    let mut next = starts.clone();
    let mut postings = vec![0; rows.len()];
    for (&row, rank) in rows.iter().zip(0..) {
        let place = &mut next[numbers[row as usize] as usize];
        postings[*place as usize] = rank;
        *place += 1;
    }
    (postings, starts)
}

/// The actors, ascending, with an end mark, and their posting lists.
fn actor_postings(columns: &Columns, rows: &[u32]) -> (Vec<ActorRecord>, Vec<u32>) {
    let mut distinct = columns.actor_ids.clone();
    distinct.par_sort_unstable();
    distinct.dedup();
    let numbers: Vec<u32> = columns
        .actor_ids
        .par_iter()
        .map(|actor| distinct.partition_point(|other| other < actor) as u32)
        .collect();
    let (postings, starts) = postings(rows, &numbers, distinct.len());
    distinct.push(0);
    let records = distinct.into_iter().zip(starts);
    let records = records.map(|(actor_id, postings)| ActorRecord {
        actor_id,
        postings,
        pairs: 0,
    });
    (records.collect(), postings)
}

/// The pairs of each actor, with an end mark, and their posting lists; fills in where each actor's pairs start.
fn pair_postings(
    columns: &Columns,
    rows: &[u32],
    actors: &mut [ActorRecord],
    by_actor: &[u32],
) -> (Vec<PairRecord>, Vec<u32>) {
    let action_of = |rank: u32| columns.actions[rows[rank as usize] as usize];
    let mut by_pair = by_actor.to_vec();
    lists(actors, &mut by_pair)
        .into_par_iter()
        .for_each(|list| {
            list.sort_unstable_by_key(|&rank| (action_of(rank), rank));
        });
    let mut pairs = Vec::new();
    let mut start = 0;
    for index in 0..actors.len() {
        actors[index].pairs = pairs.len() as u32;
        let end = actors
            .get(index + 1)
            .map_or(start, |next| next.postings as usize);
        let mut last = None;
        for (&rank, posting) in by_pair[start..end].iter().zip(start as u32..) {
            let action = action_of(rank);
            if last != Some(action) {
                pairs.push(PairRecord {
                    action,
                    postings: posting,
                });
                last = Some(action);
            }
        }
        start = end;
    }
    pairs.push(PairRecord {
        action: 0,
        postings: by_actor.len() as u32,
    });
    (pairs, by_pair)
}

/// Cuts the postings into one slice for each actor.
fn lists<'list>(actors: &[ActorRecord], mut postings: &'list mut [u32]) -> Vec<&'list mut [u32]> {
    let mut lists = Vec::with_capacity(actors.len());
    for pair in actors.windows(2) {
        let len = (pair[1].postings - pair[0].postings) as usize;
        let (list, rest) = postings.split_at_mut(len);
        lists.push(list);
        postings = rest;
    }
    lists
}
