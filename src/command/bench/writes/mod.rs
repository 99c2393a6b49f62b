//! `bench --write-rate`: both engines in turn beside a writer that commits to a copy of the log.

mod clients;
mod clock;
mod compare;
mod figures;
mod log_copy;
#[cfg(test)]
mod tests;
mod timeline;
mod turns;
mod writer;

pub(super) use figures::records;
pub(super) use turns::{Plan, measure};
