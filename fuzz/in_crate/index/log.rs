//! Small logs, their true indexes, and what they answer, by the plainest means.

use std::os::unix::fs::FileExt;

use super::image::Image;
use crate::fuzzing::Draw;
use crate::model::{Filter, Key, PayloadRef, Position, Query, Row, Rows};
use crate::storage::db_version::{DbVersion, Journal};
use crate::storage::fs::platform::{self, FileState};
use crate::storage::index::base::format::BLOCK;
use crate::storage::index::base::leaf_directory::Leaf;
use crate::storage::index::base::source::{ContentVersion, DatabaseFacts, Source};
use crate::storage::index::base::writer::{BaseNames, write};
use crate::storage::index::build::rows::Part;
use crate::storage::index::build::segment::{Leaves, SegmentData};

/// Longer than a block, so that a text lies across two of them and more.
const LONG: usize = 5_000;

/// One row with texts of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) key: Key,
    pub(super) actor_id: i64,
    pub(super) texts: [String; 3],
    pub(super) payload_ref: PayloadRef,
}

/// The state that the indexes of these logs tell.
pub(super) const SOURCE: Source = Source {
    version: Some(DbVersion {
        database: FileState {
            inode: 1,
            size: 2,
            mtime_ns: 3,
            ctime_ns: 4,
        },
        journal: Journal::Rollback,
    }),
    content: ContentVersion {
        change_counter: 5,
        log: None,
    },
    facts: DatabaseFacts {
        page_size: 4096,
        reserved: 0,
        schema_cookie: 6,
        table_root: 2,
        time_root: 3,
        has_other_indexes: false,
        schema_hash: 7,
    },
    rows_sum: 8,
};

/// The names of their files.
pub(super) const NAMES: BaseNames = BaseNames {
    base_id: 0x0bad_5eed,
    hash_key: [0x1234_5678, 0x9abc_def0],
};

fn leaf<T, K>(entries: &[T], key: impl Fn(&T) -> K) -> Leaf<K> {
    let entry = |place: usize| key(&entries[place]);
    Leaf {
        entries: entries.len() as u32,
        first: entry(0),
        last: entry(entries.len() - 1),
        hash: entries.len() as u64,
        sum: 0,
    }
}

impl Stored {
    /// A row with this id, and with a resource id that bears this number.
    pub(super) fn draw(draw: &mut Draw<'_>, id: i64, number: u8) -> Self {
        Stored {
            key: Key {
                created_at: draw.number(),
                id,
            },
            actor_id: draw_actor(draw),
            texts: [
                draw_text(draw),
                draw_text(draw),
                format!("{}-{number}", draw_text(draw)),
            ],
            payload_ref: PayloadRef {
                offset: i64::from(number) * 100,
                len: draw.number(),
            },
        }
    }

    pub(super) fn row(&self) -> Row<'_> {
        let [action, resource_type, resource_id] = self.texts.each_ref().map(String::as_str);
        Row {
            id: self.key.id,
            created_at: self.key.created_at,
            actor_id: self.actor_id,
            action,
            resource_type,
            resource_id,
            payload_ref: self.payload_ref,
        }
    }

    fn is_in(&self, filter: &Filter) -> bool {
        self.key.created_at >= filter.from_ts
            && self.key.created_at <= filter.to_ts
            && filter.as_of.is_none_or(|pin| self.key <= pin)
            && filter.actor_id.is_none_or(|actor| actor == self.actor_id)
            && filter.action.as_ref().is_none_or(|action| *action == self.texts[0])
    }
}

pub(super) fn draw_actor(draw: &mut Draw<'_>) -> i64 {
    if draw.byte() == 0 {
        draw.number()
    } else {
        i64::from(draw.byte() % 4)
    }
}

pub(super) fn draw_text(draw: &mut Draw<'_>) -> String {
    let texts = ["LOGIN", "LOG", "UPDATE", "", "\u{dc}\u{1f980}\u{0}", "LOGIO", "long"];
    match draw.one_of(&texts) {
        Some(&"long") => "x".repeat(LONG),
        text => text.map_or_else(String::new, |text| (*text).to_owned()),
    }
}

/// Rows by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    pub(super) rows: Vec<Stored>,
}

impl Log {
    /// A log of up to 40 events: times in any order with ties, few actors and actions, odd texts.
    pub(super) fn draw(draw: &mut Draw<'_>) -> Self {
        let mut log = Log::default();
        let events = draw.byte() % 41;
        let mut id = draw.number();
        for number in 0..events {
            log.rows.push(Stored::draw(draw, id, number));
            let Some(next) = id.checked_add(1 + i64::from(draw.byte() % 3)) else {
                break;
            };
            id = next;
        }
        log
    }

    /// The file that the writer makes of the log.
    pub(super) fn index(&self) -> Image {
        self.index_of(NAMES)
    }

    /// The same, under these names.
    pub(super) fn index_of(&self, names: BaseNames) -> Image {
        let mut part = Part::default();
        self.rows.iter().for_each(|row| part.push(&row.row()));
        let file = platform::memory_file().unwrap();
        let data = SegmentData::new(vec![part], self.leaves());
        write(&data, &SOURCE, names, &file, &|_| {}).unwrap();
        let blocks = file.metadata().unwrap().len() as usize / BLOCK;
        let mut image = vec![[0; BLOCK]; blocks];
        file.read_exact_at(image.as_flattened_mut(), 0).unwrap();
        image
    }

    /// The leaf pages of a database with this log, if a page had room for seven rows or five entries.
    fn leaves(&self) -> Leaves {
        let mut keys: Vec<Key> = self.rows.iter().map(|row| row.key).collect();
        keys.sort_unstable();
        Leaves {
            table: (2..)
                .zip(self.rows.chunks(7).map(|rows| leaf(rows, |row| row.key.id)))
                .collect(),
            time: (1_000..)
                .zip(keys.chunks(5).map(|keys| leaf(keys, |key| *key)))
                .collect(),
        }
    }

    pub(super) fn count(&self, filter: &Filter) -> u64 {
        self.rows.iter().filter(|row| row.is_in(filter)).count() as u64
    }

    /// The rows of a page: all that match, sorted, those before the page left out.
    pub(super) fn page(&self, query: &Query) -> Vec<&Stored> {
        let mut rows: Vec<_> = self.rows.iter().filter(|row| row.is_in(query.filter())).collect();
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.key));
        let skipped = match query.position() {
            Position::Page(page) => usize::try_from((page - 1) * u64::from(query.page_size())).unwrap(),
            Position::After(key) => rows.iter().filter(|row| row.key >= key).count(),
        };
        rows.into_iter()
            .skip(skipped)
            .take(query.page_size() as usize)
            .collect()
    }
}

/// Whether a page has just these rows.
pub(super) fn is_right(found: &Rows, rows: &[&Stored]) -> bool {
    found.iter().eq(rows.iter().map(|row| row.row()))
}
