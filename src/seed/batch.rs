//! Batches of rows between the generator's thread and the two that write or digest them.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use super::spec::DatasetSpec;
use crate::contract::dataset::Rows;
use crate::model::{PayloadRef, Row};

/// Rows a batch: about a megabyte of payloads.
const ROWS: usize = 800;
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

/// Makes all batches of a spec, and gives each to both receivers, until one of them has gone.
pub(super) fn generate(spec: DatasetSpec, to: &[SyncSender<Arc<Batch>>; 2]) {
    let mut rows = Rows::new(spec.events, spec.anchor);
    while let Some(batch) = Batch::next(&mut rows) {
        let batch = Arc::new(batch);
        if to.iter().any(|receiver| receiver.send(Arc::clone(&batch)).is_err()) {
            return;
        }
    }
}
