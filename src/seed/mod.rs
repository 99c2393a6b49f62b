//! Datasets that `seed` generates: their generator, their digests, and the label that tells a scale study from the
//! contract dataset.

use std::path::Path;

use crate::contract::dataset::{ANCHOR, EVENTS};
use crate::contract::digests::{PAYLOADS_SHA256, PAYLOADS_SIZE, ROWS_SHA256};

mod batch;
mod inspect;
mod label;
mod make;
mod publish;

pub(crate) use inspect::{DatabaseContents, database, expected_digests, is_anything_there, payloads, sha256};
pub(crate) use label::{LABEL, is_label_replaced, set_label};
pub(crate) use make::make;
pub(crate) use publish::{Replace, publish};

/// Called with how much is done and how much there is, in any unit, from any thread.
pub(crate) type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

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

    /// What the data directory is labelled as; the contract's where it has no label, or one that cannot be true.
    pub(crate) fn of_dir(root: &Path) -> Self {
        let labelled = label::read(root).filter(|spec| label::is_plausible(root, *spec));
        labelled.unwrap_or(Self::CONTRACT)
    }

    /// Whether it is the contract's.
    pub(crate) fn is_contract(self) -> bool {
        self == Self::CONTRACT
    }

    /// How it is spoken of.
    pub(crate) fn name(self) -> String {
        if self.is_contract() {
            return "the contract dataset".to_owned();
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
