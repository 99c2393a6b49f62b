//! Makes an index from the table. `rows` reads the table in parts, which `row_store` puts side by side; `sort` gives every
//! event its rank, `events` and `postings` hold what follows from that, and `segment` is all of it. `leaf_bounds` tells
//! whether SQLite could search the table. `attempt` does this while the database may be changing, and `renew` puts what
//! came of it in its place.

mod attempt;
mod events;
mod leaf_bounds;
mod postings;
pub(crate) mod renew;
pub(crate) mod row_store;
pub(crate) mod rows;
pub(crate) mod segment;
mod sort;
