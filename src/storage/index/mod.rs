//! The rank index: all events in the one total order, so that a page's place in it is arithmetic.
//!
//! `base` is the file, `fetch` puts events together from its records, and `build` makes it from the table.

mod base;
mod build;
mod fetch;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;

pub(crate) use base::blocks::Corrupted;
pub(crate) use base::reader::Index;
pub(crate) use build::renew::{IndexState, RebuildOutcome, open_if_current, rebuild};
