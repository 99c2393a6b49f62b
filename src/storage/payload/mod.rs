//! The payload file, and the one decoder that both engines read it with.

mod ahead;
mod file;
pub(crate) mod validate;

pub(crate) use file::{Payloads, fill_baseline};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use validate::fuzzing;
