//! What is taken from the rows in rank order.

use rayon::prelude::*;

use super::row_store::RowStore;
use super::rows::CompactRow;
use super::sort::Order;
use crate::storage::index::base::packed::PackedColumn;
use crate::storage::index::base::records::Fields;

/// The events of a log, by rank.
#[derive(Debug)]
pub(crate) struct Events {
    /// As the index file stores them, one behind the other.
    pub(crate) records: Vec<u8>,
    /// Each event's actor and action, as numbers.
    pub(crate) actors: Vec<u32>,
    pub(crate) actions: Vec<u32>,
}

/// Rows that are fetched in one turn. They lie all over memory, and in a turn that does little else the processor
/// waits for many of them at once.
const TURN: usize = 256;

impl Events {
    /// Takes the rows of a table in this order, each once for everything.
    pub(crate) fn new(table: &RowStore, order: &Order, columns: Fields<PackedColumn>) -> Self {
        let size = columns.size();
        let mut records = vec![0; table.rows * size];
        let (mut actors, mut actions) = (vec![0; table.rows], vec![0; table.rows]);
        let turns = (
            records.par_chunks_mut(TURN * size),
            actors.par_chunks_mut(TURN),
            actions.par_chunks_mut(TURN),
        );
        let turns = turns.into_par_iter().enumerate();
        turns.for_each(|(turn, (records, actors, actions))| {
            let ranks = turn * TURN..turn * TURN + actors.len();
            let rows: Vec<CompactRow> = ranks.map(|rank| table.row(order.place(rank))).collect();
            for ((row, actor), action) in rows.iter().zip(actors).zip(actions) {
                (*actor, *action) = (row.actor, row.action);
            }
            for (row, at) in rows.iter().zip((0..).step_by(size)) {
                columns.put(row.event(), &mut records[at..]);
            }
        });
        Events {
            records,
            actors,
            actions,
        }
    }
}
