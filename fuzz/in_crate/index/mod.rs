//! The index reader against files that nobody wrote so: forged ones, and true ones that were damaged.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a fuzzer finds, it says by these")]

mod changed;
mod damaged;
mod delta_file;
mod forged;
mod image;
mod log;
mod question;

pub(crate) use changed::changed;
pub(crate) use damaged::damaged;
pub(crate) use forged::forged;

#[cfg(test)]
mod histories;
#[cfg(test)]
mod tests;
