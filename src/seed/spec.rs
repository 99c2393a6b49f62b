//! Which dataset it is.

use crate::contract::dataset::{ANCHOR, EVENTS};
use crate::contract::digests::{PAYLOADS_SHA256, PAYLOADS_SIZE, ROWS_SHA256};

/// The parameters that fix a generated dataset, to the byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DatasetSpec {
    /// How many events.
    pub(crate) events: u64,
    /// The newest second an event can have, in epoch seconds.
    pub(crate) anchor: i64,
}

impl DatasetSpec {
    /// The one dataset that the contract fixes.
    pub(crate) const CONTRACT: DatasetSpec = DatasetSpec {
        events: EVENTS,
        anchor: ANCHOR,
    };

    /// Whether it is the contract's.
    pub(crate) fn is_contract(self) -> bool {
        self == Self::CONTRACT
    }

    /// How it is spoken of.
    pub(crate) fn name(self) -> String {
        if self.is_contract() {
            return "the contract dataset".to_owned();
        }
        if self.events == EVENTS {
            return format!("the contract dataset, made at the anchor {}", self.anchor);
        }
        format!(
            "a scale study of {} events up to {}, not the contract dataset",
            self.events, self.anchor
        )
    }
}

/// The digests that a dataset is recognised by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digests {
    /// Bytes in the payload file.
    pub(crate) payload_bytes: u64,
    /// The payload file.
    pub(crate) payloads: String,
    /// The rows, as [`crate::contract::digests::RowsDigest`] takes them.
    pub(crate) rows: String,
}

impl Digests {
    /// The contract's.
    pub(crate) fn of_contract() -> Self {
        Digests {
            payload_bytes: PAYLOADS_SIZE,
            payloads: PAYLOADS_SHA256.to_owned(),
            rows: ROWS_SHA256.to_owned(),
        }
    }
}
