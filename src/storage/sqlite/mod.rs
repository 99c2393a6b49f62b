//! The SQLite side of a log: the only room that names rusqlite.

#[allow(
    dead_code,
    reason = "the index's renewal will read pages and the write-ahead log by it"
)]
mod btree;
mod connection;
mod immutable;
#[allow(
    dead_code,
    reason = "the index's renewal will read pages and the write-ahead log by it"
)]
mod pages;
mod queries;
mod row;
mod scan;
mod schema;
#[cfg(test)]
mod scratch_db;
#[allow(
    dead_code,
    reason = "the index's renewal will read pages and the write-ahead log by it"
)]
mod wal;
mod writer;

pub(crate) use connection::Connection;
pub(crate) use scan::Soundness;
pub(crate) use schema::Schema;
pub(crate) use writer::Writer;
