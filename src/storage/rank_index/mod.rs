//! The rank index: all events in the one total order, so that a page's place in it is arithmetic.
//!
//! `format`, `records` and `column` say what every byte means, `blocks` reads and checks them, `read` finds ranks in
//! them and `rows` puts events together.
//!
//! `collect` reads a table in parts, which `table` puts side by side; `order` gives every event its rank, `events` and
//! `postings` hold what follows from that, and `ranked` is all of it; `write` makes blocks of it. `edges` tells whether
//! SQLite could search the table. `attempt` does this while the database may be changing, and `renew` puts what came
//! of it in its place.

mod attempt;
mod blocks;
mod collect;
mod column;
mod edges;
mod events;
mod format;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod order;
mod postings;
mod ranked;
mod read;
mod records;
mod renew;
mod rows;
mod table;
mod write;

pub(crate) use blocks::Damaged;
pub(crate) use read::Index;
pub(crate) use renew::{Progress, Renewal, Truth, open_true, renew};
