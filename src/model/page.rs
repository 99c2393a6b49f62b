//! A page of events in two buffers that are kept from request to request.

use std::ops::Range;

use super::{Event, PayloadRef, Row};

/// One page of events, newest first.
///
/// All text lies in two buffers that [`Page::clear`] keeps, so a caller that answers many requests with one
/// page allocates nothing once it is warm.
#[derive(Clone, Debug, Default)]
pub struct Page {
    entries: Vec<Entry>,
    text: String,
    payloads: Vec<u8>,
    /// Bytes of `payloads` in use. The rest is kept, so that it need not be zeroed anew for each read.
    used: usize,
}

#[derive(Clone, Debug)]
struct Entry {
    id: i64,
    created_at: i64,
    actor_id: i64,
    payload_ref: PayloadRef,
    /// Ends of the three texts, one behind the other in `text`.
    start: usize,
    action_end: usize,
    resource_type_end: usize,
    resource_id_end: usize,
    payload: Range<usize>,
}

impl Page {
    /// Forgets the events, keeps the buffers.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.text.clear();
        self.used = 0;
    }

    /// Appends an event that has no payload yet.
    pub fn push(&mut self, row: &Row<'_>) {
        let start = self.text.len();
        self.text.push_str(row.action);
        let action_end = self.text.len();
        self.text.push_str(row.resource_type);
        let resource_type_end = self.text.len();
        self.text.push_str(row.resource_id);
        self.entries.push(Entry {
            id: row.id,
            created_at: row.created_at,
            actor_id: row.actor_id,
            payload_ref: row.payload_ref,
            start,
            action_end,
            resource_type_end,
            resource_id_end: self.text.len(),
            payload: 0..0,
        });
    }

    /// Fills in every payload, in page order: `read` appends the stored text of one event to the buffer.
    ///
    /// # Errors
    /// The first error of `read`; the page then holds nothing.
    pub fn fill_payloads<E>(
        &mut self,
        mut read: impl FnMut(i64, PayloadRef, &mut PayloadBuffer<'_>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        for entry in &mut self.entries {
            let start = self.used;
            let mut buffer = PayloadBuffer {
                bytes: &mut self.payloads,
                end: start,
            };
            if let Err(error) = read(entry.id, entry.payload_ref, &mut buffer) {
                self.clear();
                return Err(error);
            }
            self.used = buffer.end;
            entry.payload = start..self.used;
        }
        Ok(())
    }

    /// How many events the page holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the page lies past the end.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The events, newest first.
    pub fn events(&self) -> impl ExactSizeIterator<Item = Event<'_>> {
        self.entries.iter().map(|entry| Event {
            id: entry.id,
            created_at: entry.created_at,
            actor_id: entry.actor_id,
            action: &self.text[entry.start..entry.action_end],
            resource_type: &self.text[entry.action_end..entry.resource_type_end],
            resource_id: &self.text[entry.resource_type_end..entry.resource_id_end],
            payload: &self.payloads[entry.payload.clone()],
        })
    }

    /// Where each payload lies in its file, newest first: what the benchmark's floor reads again.
    pub fn payload_refs(&self) -> impl ExactSizeIterator<Item = PayloadRef> {
        self.entries.iter().map(|entry| entry.payload_ref)
    }
}

/// The end of a page's payload bytes, where the next payload goes.
#[derive(Debug)]
pub struct PayloadBuffer<'page> {
    bytes: &'page mut Vec<u8>,
    end: usize,
}

impl PayloadBuffer<'_> {
    /// How many payload bytes the page holds already.
    #[must_use]
    pub fn held(&self) -> usize {
        self.end
    }

    /// Room for `len` more bytes, whatever they now are.
    pub fn room(&mut self, len: usize) -> &mut [u8] {
        let end = self.end + len;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.end..end]
    }

    /// Keeps the first `len` bytes of the room.
    pub fn keep(&mut self, len: usize) {
        self.end += len;
    }
}
