//! Makes a base from the table. `scan` reads the table in parts, which `rows` and `row_store` keep in little memory; `sort`
//! gives every event its rank, `events` and `postings` hold what follows from that, and `segment` is all of it. `rebuild`
//! does this while the database may be changing, and puts what came of it in its place.

mod events;
pub(crate) mod memory;
mod postings;
pub(crate) mod rebuild;
pub(crate) mod row_store;
pub(crate) mod rows;
mod scan;
pub(crate) mod segment;
mod shared_lock;
mod sort;
