//! The rank index: all events in the one total order, so that a page's place in it is arithmetic.
//!
//! `format` says what every byte means, `blocks` reads and checks them, `read` finds ranks in them and `rows` puts
//! events together. `collect` and `order` bring a table into rank order, `edges` tells whether SQLite could
//! search it, `write` makes blocks of it, `attempt` does it all while the database may be changing, and `renew` puts what came of it in its place.

mod attempt;
mod blocks;
mod collect;
mod edges;
mod format;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod order;
mod read;
mod renew;
mod rows;
mod write;

pub(crate) use blocks::Damaged;
pub(crate) use read::Index;
pub(crate) use renew::{Progress, Renewal, Truth, open_true, renew};
