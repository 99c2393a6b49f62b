//! Datasets that `seed` generates: their generator, their digests, and the label that tells a scale study from the
//! contract dataset.

mod anchor;
mod batch;
mod inspect;
mod label;
mod make;
mod publish;
mod spec;

pub use anchor::stream_anchor;
pub(crate) use inspect::{DatabaseContents, database, expected_digests, is_anything_there, payloads, sha256};
pub(crate) use label::{LABEL, is_label_replaced, set_label};
pub(crate) use make::make;
pub(crate) use publish::{Replace, publish};
pub(crate) use spec::{DatasetSpec, Digests};
