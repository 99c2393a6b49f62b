//! The types that all parts share: queries, events, pages, and the total order of events.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::escape::escape_for_terminal;

pub mod epoch;
mod page;

pub use page::{Page, PayloadBuffer, Rows, Unread};

/// The most events one page may hold.
///
/// A page is held in memory, because it is printed whole or not at all; the live service asks for 10, 20 or 50.
pub const MAX_PAGE_SIZE: u32 = 10_000;

/// The engine that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The live service's path: OFFSET, a connection for each request, a file handle for each event.
    Baseline,
    /// The rank index.
    Enhanced,
}

/// An event's sort key in the total order: `created_at`, then `id`. Pages are in descending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key {
    /// Epoch seconds.
    pub created_at: i64,
    /// The row's id, unique in a log.
    pub id: i64,
}

impl Key {
    /// The key before all others in the order.
    pub const MIN: Key = Key {
        created_at: i64::MIN,
        id: i64::MIN,
    };

    /// The least key that is greater; `None` for the greatest there can be.
    #[must_use]
    pub fn successor(self) -> Option<Key> {
        match self.id.checked_add(1) {
            Some(id) => Some(Key { id, ..self }),
            None => Some(Key {
                created_at: self.created_at.checked_add(1)?,
                id: i64::MIN,
            }),
        }
    }

    /// The greatest key that is less; `None` for the least there can be.
    #[must_use]
    pub fn predecessor(self) -> Option<Key> {
        match self.id.checked_sub(1) {
            Some(id) => Some(Key { id, ..self }),
            None => Some(Key {
                created_at: self.created_at.checked_sub(1)?,
                id: i64::MAX,
            }),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.created_at, self.id)
    }
}

impl FromStr for Key {
    type Err = Error;

    /// Reads `CREATED_AT:ID`, two whole numbers, as any JSONL event line yields them.
    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once(':').and_then(|(created_at, id)| {
            Some(Key {
                created_at: created_at.parse().ok()?,
                id: id.parse().ok()?,
            })
        });
        parts.ok_or_else(|| {
            let shown = escape_for_terminal(&format!("{text:?}"));
            Error::usage(format!(
                "the cursor {shown} is not CREATED_AT:ID, two whole numbers such as 1767051778:11065"
            ))
        })
    }
}

/// The pin of a request, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// This event, whether it is there or not.
    At(Key),
    /// What is the newest event of the whole log when the request is answered.
    Newest,
}

impl Pin {
    /// The event, where it is known already.
    #[must_use]
    pub fn key(self) -> Option<Key> {
        match self {
            Pin::At(key) => Some(key),
            Pin::Newest => None,
        }
    }
}

impl FromStr for Pin {
    type Err = Error;

    /// Reads `CREATED_AT:ID`, or `newest`.
    fn from_str(text: &str) -> Result<Self> {
        if text == "newest" {
            return Ok(Pin::Newest);
        }
        text.parse().map(Pin::At).map_err(|_| {
            let shown = escape_for_terminal(&format!("{text:?}"));
            Error::usage(format!(
                "the pin {shown} is neither newest nor CREATED_AT:ID, two whole numbers such as 1767051778:11065"
            ))
        })
    }
}

/// Which events: the window, both ends inclusive, the filters given, and the pin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    /// The window's first second (epoch seconds).
    pub from_ts: i64,
    /// The window's last second (epoch seconds). Before `from_ts`, no event matches.
    pub to_ts: i64,
    /// Only this actor's events.
    pub actor_id: Option<i64>,
    /// Only events with exactly this action.
    pub action: Option<String>,
    /// The pin: this event and those behind it, newest first, whether it is there or not. Page numbers stand still while
    /// newer events arrive.
    pub as_of: Option<Key>,
}

impl Filter {
    /// Every event there can be.
    pub const ALL: Filter = Filter {
        from_ts: i64::MIN,
        to_ts: i64::MAX,
        actor_id: None,
        action: None,
        as_of: None,
    };

    /// Whether an event matches.
    #[must_use]
    pub fn matches(&self, row: &Row<'_>) -> bool {
        (self.from_ts..=self.to_ts).contains(&row.created_at)
            && self.actor_id.is_none_or(|actor| actor == row.actor_id)
            && self.action.as_ref().is_none_or(|action| action == row.action)
            && self.as_of.is_none_or(|pin| row.key() <= pin)
    }

    /// Whether every event of the window matches, as far as the pin lets it.
    #[must_use]
    pub fn is_window_only(&self) -> bool {
        self.actor_id.is_none() && self.action.is_none()
    }
}

/// Where in the matching events, newest first, a page starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Position {
    /// The n-th page, from 1.
    Page(u64),
    /// Keyset pagination: the page starts with the newest event older than this key.
    After(Key),
}

/// One request for a page. Made by [`Query::new`], so its offset always fits a signed 64-bit number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    filter: Filter,
    position: Position,
    page_size: u32,
}

impl Query {
    /// Validates the ranges.
    ///
    /// # Errors
    /// A page of 0, a size outside 1 to [`MAX_PAGE_SIZE`], and an offset beyond a signed 64-bit number.
    pub fn new(filter: Filter, position: Position, page_size: u64) -> Result<Self> {
        let size = u32::try_from(page_size)
            .ok()
            .filter(|size| (1..=MAX_PAGE_SIZE).contains(size));
        let Some(page_size) = size else {
            return Err(Error::usage(format!(
                "page size {page_size} is out of range: a page holds 1 to {MAX_PAGE_SIZE} events"
            )));
        };
        if let Position::Page(page) = position {
            if page == 0 {
                return Err(Error::usage("page 0 does not exist: pages count from 1"));
            }
            let offset = u128::from(page - 1) * u128::from(page_size);
            if i64::try_from(offset).is_err() {
                return Err(Error::usage(format!(
                    "page {page} of size {page_size} starts at offset {offset}, beyond 64 bits: ask for a lower page"
                )));
            }
        }
        Ok(Query {
            filter,
            position,
            page_size,
        })
    }

    /// Which events match.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Which page of them.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Events a page, 1 to [`MAX_PAGE_SIZE`].
    #[must_use]
    pub fn page_size(&self) -> u32 {
        self.page_size
    }

    /// Pins the request to this event.
    #[must_use]
    pub fn pinned(mut self, as_of: Key) -> Self {
        self.filter.as_of = Some(as_of);
        self
    }

    /// Moves on to the page that follows this event.
    pub fn move_after(&mut self, last: Key) {
        self.position = Position::After(last);
    }

    /// How many matching events lie before the page: (page − 1) × size, 0 for a keyset page.
    #[must_use]
    pub fn offset(&self) -> u64 {
        match self.position {
            Position::Page(page) => (page - 1) * u64::from(self.page_size),
            Position::After(_) => 0,
        }
    }
}

/// One event as a page shows it. The payload is the stored JSON text without its newline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Event<'page> {
    pub id: i64,
    /// Epoch seconds.
    pub created_at: i64,
    pub actor_id: i64,
    pub action: &'page str,
    pub resource_type: &'page str,
    pub resource_id: &'page str,
    /// UTF-8, checked by the decoder.
    pub payload: &'page [u8],
}

impl Event<'_> {
    /// The event's sort key.
    #[must_use]
    pub fn key(&self) -> Key {
        Key {
            created_at: self.created_at,
            id: self.id,
        }
    }
}

/// A stored row: an event without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Row<'text> {
    pub id: i64,
    /// Epoch seconds.
    pub created_at: i64,
    pub actor_id: i64,
    pub action: &'text str,
    pub resource_type: &'text str,
    pub resource_id: &'text str,
    /// As stored, not checked against the payload file.
    pub payload_ref: PayloadRef,
}

impl Row<'_> {
    /// The row's sort key.
    #[must_use]
    pub fn key(&self) -> Key {
        Key {
            created_at: self.created_at,
            id: self.id,
        }
    }
}

/// Where the metadata says a payload lies, in bytes. Untrusted: either number may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadRef {
    /// Of its first byte in the payload file.
    pub offset: i64,
    /// With the line's newline.
    pub len: i64,
}

#[cfg(test)]
mod tests;
