//! A data directory: the metadata, the payload file, the rank index, and whether the index is still true.

pub(crate) mod atomic;
pub mod data_dir;
pub(crate) mod dataset;
pub(crate) mod metadata;
pub(crate) mod payload_text;
pub(crate) mod payloads;
pub(crate) mod platform;
pub(crate) mod rank_index;
pub(crate) mod stamp;

pub use platform::make_the_size_limit_an_error;
