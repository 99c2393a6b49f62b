//! A whole log in rank order: everything that the index file holds.

use zerocopy::FromZeros;

use super::events::Events;
use super::postings::{ByActor, grouped};
use super::row_store::{ChunkedBytes, RowStore};
use super::rows::Part;
use super::sort::Order;
use crate::parallel;
use crate::storage::index::base::format::Counts;
use crate::storage::index::base::leaf_directory::{TableLeaf, TimeLeaf};
use crate::storage::index::base::records::{ActorRecord, Columns, PairRecord, TextRecord};

/// A log in rank order.
#[derive(Debug)]
pub(crate) struct SegmentData {
    order: Order,
    pub(crate) columns: Columns,
    pub(crate) events: Events,
    resource_ids: ChunkedBytes,
    /// The actions, then the resource types: the text behind the resource ids.
    names: Vec<u8>,
    pub(crate) actors: Vec<ActorRecord>,
    pub(crate) actions: Vec<TextRecord>,
    pub(crate) resource_types: Vec<TextRecord>,
    pub(crate) pairs: Vec<PairRecord>,
    pub(crate) by_actor: Vec<u32>,
    pub(crate) by_action: Vec<u32>,
    pub(crate) by_pair: Vec<u32>,
    /// Ranks, by id.
    pub(crate) by_id: Vec<u32>,
    pub(crate) leaves: Leaves,
}

/// The leaf pages that the rows were read from.
#[derive(Debug, Default)]
pub(crate) struct Leaves {
    pub(crate) table: Vec<TableLeaf>,
    pub(crate) time: Vec<TimeLeaf>,
}

impl SegmentData {
    /// Ranks the rows of all parts, which come by id and are no more than 32 bits can count.
    pub(crate) fn new(parts: Vec<Part>, leaves: Leaves) -> Self {
        parallel::install(|| Self::rank(parts, leaves))
    }

    fn rank(parts: Vec<Part>, leaves: Leaves) -> Self {
        let table = RowStore::new(parts);
        let order = Order::new(&table);
        let columns = table.columns();
        let (events, by_id) = rayon::join(|| Events::new(&table, &order, columns.event), || order.by_id(&table));
        // The rows are given back before more memory is asked for.
        let (values, resource_ids) = table.into_values();
        let ((by_action, action_starts), by_actor) = rayon::join(
            || grouped(&events.actions, values.actions.len(), |rank| rank),
            || ByActor::new(&values.actor_ids, &events.actors, &events.actions),
        );
        let mut names = Vec::new();
        let mut actions = text_records(&values.actions, resource_ids.len(), &mut names);
        actions.push(TextRecord::new_zeroed());
        for (record, start) in actions.iter_mut().zip(action_starts) {
            record.postings.set(start);
        }
        let resource_types = text_records(&values.resource_types, resource_ids.len(), &mut names);
        SegmentData {
            order,
            columns,
            events,
            resource_ids,
            names,
            actors: by_actor.actors,
            actions,
            resource_types,
            pairs: by_actor.pairs,
            by_actor: by_actor.by_actor,
            by_action,
            by_pair: by_actor.by_pair,
            by_id,
            leaves,
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            events: self.by_action.len() as u64,
            text_bytes: self.resource_ids.len() + self.names.len() as u64,
            actors: self.actors.len() as u64 - 1,
            actions: self.actions.len() as u64 - 1,
            resource_types: self.resource_types.len() as u64,
            pairs: self.pairs.len() as u64 - 1,
            table_leaves: self.leaves.table.len() as u64,
            time_leaves: self.leaves.time.len() as u64,
        }
    }

    pub(crate) fn time(&self, rank: usize) -> i64 {
        self.order.time(rank)
    }

    /// Fills `out` with the text from byte `start` on.
    pub(crate) fn copy_text(&self, start: u64, out: &mut [u8]) {
        let ids = self.resource_ids.copy(start, out);
        if ids < out.len() {
            let from = (start + ids as u64 - self.resource_ids.len()) as usize;
            let names = &mut out[ids..];
            names.copy_from_slice(&self.names[from..from + names.len()]);
        }
    }
}

/// The records of names that are appended to `text`, which starts at byte `start`.
fn text_records(names: &[Box<str>], start: u64, text: &mut Vec<u8>) -> Vec<TextRecord> {
    let mut records = Vec::with_capacity(names.len() + 1);
    for name in names {
        records.push(TextRecord {
            start: (start + text.len() as u64).into(),
            len: u32::try_from(name.len()).unwrap_or(u32::MAX).into(),
            postings: 0.into(),
        });
        text.extend_from_slice(name.as_bytes());
    }
    records
}
