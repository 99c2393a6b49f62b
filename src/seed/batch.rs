//! Batches of rows between the generator's thread and the two that write or digest them.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::spec::DatasetSpec;
use crate::contract::dataset::Rows;
use crate::model::{PayloadRef, Row};

/// Rows a batch: about a megabyte of payloads.
const ROWS: usize = 800;
/// How many batches may wait for a receiver that is slower than the generator.
const QUEUE: usize = 4;
/// Room for a batch's payloads, in bytes: a little more than they take on average.
const LINES_ROOM: usize = ROWS * 1_300;

/// Some rows that follow each other, with their payload lines.
#[derive(Debug)]
pub(super) struct Batch {
    lines: Vec<u8>,
    resource_ids: String,
    rows: Vec<NewRow>,
}

#[derive(Debug)]
struct NewRow {
    id: i64,
    created_at: i64,
    actor_id: i64,
    action: &'static str,
    resource_type: &'static str,
    /// In the batch's own text.
    resource_id_end: usize,
    payload_ref: PayloadRef,
}

impl Batch {
    /// The next rows; `None` when there are no more.
    pub(super) fn next(from: &mut Rows) -> Option<Self> {
        let mut batch = Batch {
            lines: Vec::with_capacity(LINES_ROOM),
            resource_ids: String::new(),
            rows: Vec::with_capacity(ROWS),
        };
        while batch.rows.len() < ROWS
            && let Some(row) = from.next_row()
        {
            batch.lines.extend_from_slice(row.line);
            batch.resource_ids.push_str(row.resource_id);
            batch.rows.push(NewRow {
                id: row.id,
                created_at: row.created_at,
                actor_id: row.actor_id,
                action: row.action,
                resource_type: row.resource_type,
                resource_id_end: batch.resource_ids.len(),
                payload_ref: PayloadRef {
                    offset: row.payload_offset,
                    len: row.payload_len,
                },
            });
        }
        (!batch.rows.is_empty()).then_some(batch)
    }

    /// The payload lines, one behind the other.
    pub(super) fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// How many rows it has.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows, by id.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let mut start = 0;
        self.rows.iter().map(move |row| {
            let resource_id = &self.resource_ids[start..row.resource_id_end];
            start = row.resource_id_end;
            Row {
                id: row.id,
                created_at: row.created_at,
                actor_id: row.actor_id,
                action: row.action,
                resource_type: row.resource_type,
                resource_id,
                payload_ref: row.payload_ref,
            }
        })
    }
}

/// Batches as they come.
pub(super) type Batches<'a> = dyn Iterator<Item = Arc<Batch>> + 'a;

/// Makes all batches of a spec and gives them to both, each of which has a thread of its own besides the one that makes
/// them. Where the system starts no more threads, one comes after the other, and the batches are made twice.
pub(super) fn divide<A: Send, B>(
    spec: DatasetSpec,
    aside: impl Fn(&mut Batches<'_>) -> A + Sync,
    here: impl Fn(&mut Batches<'_>) -> B,
) -> (A, B) {
    let divided = thread::scope(|scope| {
        let (to_aside, for_aside) = sync_channel(QUEUE);
        let (to_here, for_here) = sync_channel(QUEUE);
        let make = move || generate(spec, &[to_aside, to_here]);
        thread::Builder::new().spawn_scoped(scope, make).ok()?;
        let aside = || aside(&mut for_aside.into_iter());
        let aside = thread::Builder::new().spawn_scoped(scope, aside).ok()?;
        let here = here(&mut for_here.into_iter());
        Some((aside.join().unwrap_or_else(|panic| resume_unwind(panic)), here))
    });
    divided.unwrap_or_else(|| (aside(&mut all(spec)), here(&mut all(spec))))
}

/// All batches of a spec, each made when it is asked for.
fn all(spec: DatasetSpec) -> impl Iterator<Item = Arc<Batch>> {
    let mut rows = Rows::new(spec.events, spec.anchor);
    std::iter::from_fn(move || Batch::next(&mut rows).map(Arc::new))
}

/// Gives all batches of a spec to both receivers, until one of them has gone.
fn generate(spec: DatasetSpec, to: &[SyncSender<Arc<Batch>>; 2]) {
    for batch in all(spec) {
        if to.iter().any(|receiver| receiver.send(Arc::clone(&batch)).is_err()) {
            return;
        }
    }
}
