//! The rank index: all events in the one total order, so that a page's place in it is arithmetic.
//!
//! `format` says what every byte means, `blocks` reads and checks them, `read` answers from them, `collect` and
//! `order` bring a table into rank order, `write` turns that into blocks, and `renew` does it all
//! while the database may be changing.

mod blocks;
mod collect;
mod format;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod order;
mod read;
mod renew;
mod write;

pub(crate) use blocks::Damaged;
pub(crate) use read::Index;
pub(crate) use renew::{Progress, Renewal, Truth, open_true, renew};
