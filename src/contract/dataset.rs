//! The contract dataset, row by row: what the live service's seeding writes, with the anchor
//! pinned.

use std::array;

use super::python_random::PythonRandom;
use crate::model::{PayloadRef, Row};

/// The newest second an event can have: 2025-12-30T00:00:00Z, in epoch seconds.
pub const ANCHOR: i64 = 1_767_052_800;
/// Events in the contract dataset.
pub const EVENTS: u64 = 50_000;
/// The most events that a dataset of the contract's make can have: more than any disk holds, and far from where an
/// offset would leave 64 bits.
pub const MAX_EVENTS: u64 = 1_000_000_000_000;
/// Seeds the dataset, and each request stream anew.
pub const SEED: u32 = 1337;
/// How far before the anchor the oldest event can lie: 30 days, in seconds.
pub const SPAN: u32 = 2_592_000;
/// Actors are numbered from 1 to this.
pub const ACTORS: u32 = 2_000;
/// What an event can say was done, in the order of the draw.
pub const ACTIONS: [&str; 6] = ["LOGIN", "LOGOUT", "UPDATE", "DELETE", "CREATE", "EXPORT"];
/// What an event can be about, in the order of the draw.
pub const RESOURCE_TYPES: [&str; 5] = ["ORDER", "USER", "PRODUCT", "INVOICE", "WAREHOUSE"];

/// The one table and its one index, character for character as the frozen Python writes them.
pub const SCHEMA_SQL: &str = "
CREATE TABLE audit_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at INTEGER NOT NULL,
    actor_id INTEGER NOT NULL,
    action TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    payload_offset INTEGER NOT NULL,
    payload_len INTEGER NOT NULL
);
CREATE INDEX idx_created_at ON audit_events (created_at);
";

/// Resources of a type are numbered from 1 to this.
const RESOURCES: u32 = 5_000_000;
/// Room for the longest resource id, `WAREHOUSE-5000000`, in bytes.
const RESOURCE_ID_ROOM: usize = 17;
/// Changed fields a payload.
const FIELDS: usize = 20;
/// A field's values go from 0 to this.
const FIELD_MAX: u32 = 1_000;
/// Tags a payload.
const TAGS: usize = 10;
/// What a tag can be, in the order of the draw.
const TAG_NAMES: [u8; 5] = *b"abcde";
/// The shortest and the longest note, in letters.
const NOTE: (u32, u32) = (256, 1_024);
/// Room for the longest line: the note, and less than this beside it.
const LINE_ROOM: usize = NOTE.1 as usize + 1_024;

/// One new row, and the payload line it points at. Both are good until the next row is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewRow<'rows> {
    /// From 1, without gaps.
    pub id: i64,
    /// Epoch seconds, from anchor − [`SPAN`] to the anchor.
    pub created_at: i64,
    /// 1 to [`ACTORS`].
    pub actor_id: i64,
    /// One of [`ACTIONS`].
    pub action: &'static str,
    /// One of [`RESOURCE_TYPES`].
    pub resource_type: &'static str,
    /// The type, a hyphen and a number from 1 to 5,000,000.
    pub resource_id: &'rows str,
    /// Where the line starts in the payload file, in bytes.
    pub payload_offset: i64,
    /// The line's length in bytes, with its newline.
    pub payload_len: i64,
    /// The line itself, with its newline: ASCII.
    pub line: &'rows [u8],
}

impl<'rows> NewRow<'rows> {
    /// The row as a reader of the table sees it.
    #[must_use]
    pub fn row(&self) -> Row<'rows> {
        Row {
            id: self.id,
            created_at: self.created_at,
            actor_id: self.actor_id,
            action: self.action,
            resource_type: self.resource_type,
            resource_id: self.resource_id,
            payload_ref: PayloadRef {
                offset: self.payload_offset,
                len: self.payload_len,
            },
        }
    }
}

/// Makes the rows in the order of their ids. No row allocates.
#[derive(Debug)]
pub struct Rows {
    random: PythonRandom,
    anchor: i64,
    left: u64,
    last_id: i64,
    /// Where the next line goes.
    offset: i64,
    resource_id: String,
    payload: PayloadWriter,
}

impl Rows {
    /// The first `events` rows that end at `anchor` (epoch seconds). With [`EVENTS`] and [`ANCHOR`]
    /// they are the contract's; with other numbers, a dataset of the same make for a scale study.
    #[must_use]
    pub fn new(events: u64, anchor: i64) -> Self {
        Rows {
            random: PythonRandom::new(SEED),
            anchor,
            left: events,
            last_id: 0,
            offset: 0,
            resource_id: String::with_capacity(RESOURCE_ID_ROOM),
            payload: PayloadWriter::new(),
        }
    }

    /// The next row, until there is none.
    pub fn next_row(&mut self) -> Option<NewRow<'_>> {
        self.left = self.left.checked_sub(1)?;
        self.last_id += 1;
        // The contract's order of draws, up to the payload.
        let random = &mut self.random;
        let created_at = self.anchor.saturating_sub(random.randint(0, SPAN).into());
        let actor_id = random.randint(1, ACTORS).into();
        let action = random.choice(&ACTIONS);
        let resource_type = random.choice(&RESOURCE_TYPES);
        write_resource_id(&mut self.resource_id, resource_type, random.randint(1, RESOURCES));
        let line = self.payload.line(random);

        let payload_offset = self.offset;
        let payload_len = line.len() as i64;
        self.offset += payload_len;
        Some(NewRow {
            id: self.last_id,
            created_at,
            actor_id,
            action,
            resource_type,
            resource_id: &self.resource_id,
            payload_offset,
            payload_len,
            line,
        })
    }
}

/// `TYPE-N`, in place of what was there.
fn write_resource_id(text: &mut String, resource_type: &str, number: u32) {
    text.clear();
    text.push_str(resource_type);
    text.push('-');
    text.push_str(itoa::Buffer::new().format(number));
}

/// Writes payload lines as Python's `json.dumps` prints them by default. They are in the order of
/// the draws.
#[derive(Debug)]
struct PayloadWriter {
    line: Vec<u8>,
    /// What stands before each field's first number.
    field_openings: [String; FIELDS],
}

impl PayloadWriter {
    fn new() -> Self {
        PayloadWriter {
            line: Vec::with_capacity(LINE_ROOM),
            field_openings: array::from_fn(|field| {
                let before = if field == 0 { r#"{"diff": {"# } else { "], " };
                format!(r#"{before}"field_{field}": ["#)
            }),
        }
    }

    /// Draws the next payload: its line, newline included.
    fn line(&mut self, random: &mut PythonRandom) -> &[u8] {
        self.line.clear();
        self.push_diff(random);
        self.push_meta(random);
        self.push_tags(random);
        self.push_note(random);
        &self.line
    }

    fn push_diff(&mut self, random: &mut PythonRandom) {
        for field in 0..FIELDS {
            self.line.extend_from_slice(self.field_openings[field].as_bytes());
            self.push_number(random.randint(0, FIELD_MAX));
            self.line.extend_from_slice(b", ");
            self.push_number(random.randint(0, FIELD_MAX));
        }
    }

    fn push_meta(&mut self, random: &mut PythonRandom) {
        self.line.extend_from_slice(br#"]}, "meta": {"ip": "10"#);
        for _ in 0..3 {
            self.line.push(b'.');
            self.push_number(random.randint(0, 255));
        }
    }

    fn push_tags(&mut self, random: &mut PythonRandom) {
        self.line.extend_from_slice(br#""}, "tags": ["#);
        for tag in 0..TAGS {
            if tag > 0 {
                self.line.extend_from_slice(b", ");
            }
            self.line.extend_from_slice(&[b'"', random.choice(&TAG_NAMES), b'"']);
        }
    }

    fn push_number(&mut self, number: u32) {
        self.line
            .extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    fn push_note(&mut self, random: &mut PythonRandom) {
        self.line.extend_from_slice(br#"], "note": ""#);
        let letters = random.randint(NOTE.0, NOTE.1) as usize;
        self.line.resize(self.line.len() + letters, b'x');
        self.line.extend_from_slice(b"\"}\n");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::contract::digests::{DISTINCT_CREATED_AT, PAYLOADS_SHA256, PAYLOADS_SIZE, ROWS_SHA256, RowsDigest, hex};

    #[test]
    fn the_first_row_is_the_contracts() {
        let mut rows = Rows::new(1, ANCHOR);
        let row = rows.next_row().unwrap();
        let expected = NewRow {
            id: 1,
            created_at: 1_764_461_757,
            actor_id: 1896,
            action: "CREATE",
            resource_type: "PRODUCT",
            resource_id: "PRODUCT-4789719",
            payload_offset: 0,
            payload_len: 1493,
            line: row.line,
        };
        assert_eq!(row, expected);
        assert_eq!(row.line.len(), 1493);
        assert_eq!(rows.next_row(), None);
        assert_eq!(rows.next_row(), None);
    }

    #[test]
    fn the_whole_dataset_has_the_contracts_digests() {
        let mut rows = Rows::new(EVENTS, ANCHOR);
        let mut payloads = Sha256::new();
        let mut columns = RowsDigest::new();
        let mut seconds = HashSet::new();
        let mut size = 0;
        let mut count = 0;
        while let Some(row) = rows.next_row() {
            assert_eq!(row.payload_offset as u64, size);
            payloads.update(row.line);
            columns.add(&row.row());
            seconds.insert(row.created_at);
            size += row.line.len() as u64;
            count += 1;
        }
        assert_eq!(count, EVENTS);
        assert_eq!(size, PAYLOADS_SIZE);
        assert_eq!(hex(&payloads.finalize()), PAYLOADS_SHA256);
        assert_eq!(columns.finish(), ROWS_SHA256);
        assert_eq!(seconds.len(), DISTINCT_CREATED_AT);
    }

    #[test]
    fn a_line_is_json_of_the_contracts_make() {
        let mut rows = Rows::new(1, ANCHOR);
        let row = rows.next_row().unwrap();
        let payload: serde_json::Value = serde_json::from_slice(row.line).unwrap();
        assert_eq!(payload["diff"].as_object().unwrap().len(), FIELDS);
        assert_eq!(payload["tags"].as_array().unwrap().len(), TAGS);
        assert!(row.line.ends_with(b"x\"}\n"));
    }

    #[test]
    fn no_row_outgrows_the_room_made_for_it() {
        let mut rows = Rows::new(5_000, ANCHOR);
        let room = |rows: &Rows| (rows.payload.line.capacity(), rows.resource_id.capacity());
        let before = room(&rows);
        let mut longest = 0;
        while let Some(row) = rows.next_row() {
            longest = longest.max(row.resource_id.len());
            assert!(row.line.len() <= LINE_ROOM);
        }
        assert_eq!(longest, RESOURCE_ID_ROOM);
        assert_eq!(room(&rows), before);
    }

    #[test]
    fn another_anchor_moves_the_seconds_and_nothing_else() {
        let mut ours = Rows::new(3, ANCHOR);
        let mut later = Rows::new(3, ANCHOR + 86_400);
        while let (Some(row), Some(moved)) = (ours.next_row(), later.next_row()) {
            assert_eq!(
                NewRow {
                    created_at: row.created_at + 86_400,
                    ..row
                },
                moved
            );
        }
    }

    #[test]
    fn the_schema_is_the_frozen_pythons() {
        let python = include_str!("../../fixtures/baseline/audit_log_service.py");
        assert!(python.contains(&format!("SCHEMA = \"\"\"{SCHEMA_SQL}\"\"\"")));
    }
}
