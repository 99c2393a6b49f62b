//! Makes the posting lists: the ranks of the events of each actor, of each action, and of both.

use rayon::prelude::*;

use crate::storage::index::base::records::{ActorRecord, PairRecord};

/// One item for each event, grouped by the event's number, within a group by rank; and where each group starts,
/// with an end behind the last.
pub(crate) fn grouped<T: Copy + Default>(
    numbers: &[u32],
    groups: usize,
    item: impl Fn(u32) -> T,
) -> (Vec<T>, Vec<u32>) {
    let mut starts = vec![0_u32; groups + 1];
    for &number in numbers {
        starts[number as usize + 1] += 1;
    }
    for group in 0..groups {
        starts[group + 1] += starts[group];
    }
    let mut next = starts.clone();
    let mut items = vec![T::default(); numbers.len()];
    for (&number, rank) in numbers.iter().zip(0..) {
        let place = &mut next[number as usize];
        items[*place as usize] = item(rank);
        *place += 1;
    }
    (items, starts)
}

/// The posting lists by actor, and by actor and action.
pub(crate) struct ByActor {
    pub(crate) actors: Vec<ActorRecord>,
    pub(crate) pairs: Vec<PairRecord>,
    pub(crate) by_actor: Vec<u32>,
    pub(crate) by_pair: Vec<u32>,
}

impl ByActor {
    /// Each event's actor and action come by rank, as numbers.
    pub(crate) fn new(actor_ids: &[i64], actors: &[u32], actions: &[u32]) -> Self {
        let posting = |rank| Posting {
            action: actions[rank as usize],
            rank,
        };
        let (mut postings, starts) = grouped(actors, actor_ids.len(), posting);
        let ranks = |postings: &[Posting]| postings.par_iter().map(|posting| posting.rank).collect();
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
fn pairs(actor_ids: &[i64], starts: &[u32], postings: &mut [Posting]) -> (Vec<ActorRecord>, Vec<PairRecord>) {
    lists(starts, postings)
        .into_par_iter()
        .for_each(|list| list.sort_unstable());
    let mut actors = Vec::with_capacity(starts.len());
    let mut pairs = Vec::new();
    for (actor, &start) in starts.iter().enumerate() {
        // The end mark has a start, but neither an actor nor an end.
        let actor_id = actor_ids.get(actor).copied().unwrap_or(0);
        actors.push(ActorRecord {
            actor_id: actor_id.into(),
            postings: start.into(),
            pairs: (pairs.len() as u32).into(),
        });
        let end = starts.get(actor + 1).copied().unwrap_or(start);
        let mut last = None;
        for (posting, place) in postings[start as usize..end as usize].iter().zip(start..) {
            if last != Some(posting.action) {
                pairs.push(PairRecord {
                    action: posting.action.into(),
                    postings: place.into(),
                });
                last = Some(posting.action);
            }
        }
    }
    pairs.push(PairRecord {
        action: 0.into(),
        postings: (postings.len() as u32).into(),
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
