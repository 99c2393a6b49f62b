//! A page of events in buffers that are kept from request to request.

use super::{Event, PayloadRef, Row};

/// Rows in the order of a page, without their payloads. Their text lies in one buffer that [`Rows::clear`] keeps.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    entries: Vec<Entry>,
    text: String,
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
}

impl Rows {
    /// Removes the rows, keeps the buffers.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.text.clear();
    }

    /// Appends a row.
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
        });
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The rows, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        self.entries.iter().map(|entry| Row {
            id: entry.id,
            created_at: entry.created_at,
            actor_id: entry.actor_id,
            action: &self.text[entry.start..entry.action_end],
            resource_type: &self.text[entry.action_end..entry.resource_type_end],
            resource_id: &self.text[entry.resource_type_end..entry.resource_id_end],
            payload_ref: entry.payload_ref,
        })
    }
}

/// One page of events, newest first, each with its payload.
///
/// All text and all payloads lie in buffers that are kept, so a caller that answers many requests with one page
/// allocates nothing once it is warm.
#[derive(Clone, Debug, Default)]
pub struct Page {
    rows: Rows,
    /// Up to the last end in use. The rest is kept, so that it need not be zeroed anew for each read.
    payloads: Vec<u8>,
    /// Of each row's payload in `payloads`.
    ends: Vec<usize>,
}

impl Page {
    /// Removes the events, keeps the buffers.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.ends.clear();
    }

    /// Replaces the events: `find` appends the rows to none, then `read` appends the stored text of each row's payload
    /// to the buffer, in order: that of the first of the rows it is given.
    ///
    /// # Errors
    /// The first error of either; the page is then empty.
    pub fn fill<E>(
        &mut self,
        find: impl FnOnce(&mut Rows) -> Result<(), E>,
        read: impl FnMut(Unread<'_>, &mut PayloadBuffer<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.clear();
        let filled = find(&mut self.rows).and_then(|()| self.read_payloads(read));
        if filled.is_err() {
            self.clear();
        }
        filled
    }

    fn read_payloads<E>(
        &mut self,
        mut read: impl FnMut(Unread<'_>, &mut PayloadBuffer<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = PayloadBuffer {
            bytes: &mut self.payloads,
            end: 0,
        };
        let mut entries = self.rows.entries.as_slice();
        while let Some((first, following)) = entries.split_first() {
            read(Unread { first, following }, &mut buffer)?;
            self.ends.push(buffer.end);
            entries = following;
        }
        Ok(())
    }

    /// Appends an event whose payload is at hand.
    pub fn push(&mut self, row: &Row<'_>, payload: &[u8]) {
        let mut buffer = PayloadBuffer {
            end: self.ends.last().copied().unwrap_or(0),
            bytes: &mut self.payloads,
        };
        buffer.room(payload.len()).copy_from_slice(payload);
        buffer.keep(payload.len());
        self.ends.push(buffer.end);
        self.rows.push(row);
    }

    /// How many events the page holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the page lies past the end.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The events, newest first.
    pub fn events(&self) -> impl ExactSizeIterator<Item = Event<'_>> {
        let mut start = 0;
        self.rows.iter().zip(&self.ends).map(move |(row, &end)| Event {
            id: row.id,
            created_at: row.created_at,
            actor_id: row.actor_id,
            action: row.action,
            resource_type: row.resource_type,
            resource_id: row.resource_id,
            payload: &self.payloads[std::mem::replace(&mut start, end)..end],
        })
    }

    /// Where each payload lies in its file, newest first: what the benchmark's floor reads again.
    pub fn payload_refs(&self) -> impl ExactSizeIterator<Item = PayloadRef> {
        self.rows.entries.iter().map(|row| row.payload_ref)
    }
}

/// The rows of a page whose payloads are yet to be read, in order. There is one at least.
#[derive(Clone, Copy, Debug)]
pub struct Unread<'page> {
    first: &'page Entry,
    following: &'page [Entry],
}

impl Unread<'_> {
    /// The event whose payload is read next, and where that lies.
    #[must_use]
    pub fn first(&self) -> (i64, PayloadRef) {
        (self.first.id, self.first.payload_ref)
    }

    /// Where the payload of the row at `index` lies, counted from the next one; `None` behind the page's end.
    #[must_use]
    pub fn payload_ref(&self, index: usize) -> Option<PayloadRef> {
        let entry = match index.checked_sub(1) {
            None => Some(self.first),
            Some(index) => self.following.get(index),
        };
        entry.map(|entry| entry.payload_ref)
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
    pub fn used(&self) -> usize {
        self.end
    }

    /// Space for `len` more bytes, whatever they now are.
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
